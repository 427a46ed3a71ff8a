"""Networks that train side by side have the bits that each has alone: every rule, activation, loss, precision."""

import numpy as np
import pytest
from grids import SAMPLED_CASES
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from same_bits import bits
from side_by_side import BACKENDS, Both, flat

import fastgd as gd
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES
from fastgd.engines.protocol.outcomes import Status


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", SAMPLED_CASES, ids=lambda case: case.id)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_optimizer(case, dtype, backend):
    net = gd.MLP([3, 5, 2], activation="tanh", loss="mse", dtype=dtype, backend=backend)
    Both(net, case.make()).check()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_activation(activation, dtype, backend):
    net = gd.MLP([3, 9, 4, 2], activation=activation, loss="mse", dtype=dtype, backend=backend)
    Both(net, gd.Adam()).check()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_loss(loss, dtype, weighted, backend):
    net = gd.MLP([3, 9, 5], loss=loss, dtype=dtype, backend=backend)
    Both(net, gd.SGD(momentum=0.9), weighted=weighted).check()


@pytest.mark.parametrize(
    "options", [{"l1": 0.01}, {"l2": 0.1}, {"l1": 0.02, "l2": 0.03}, {"dropout": 0.3}], ids=str
)
@pytest.mark.parametrize("clip_norm", [np.inf, 0.2])
@pytest.mark.parametrize("seeds", [(3,), (3, 4, 5)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_penalties_dropout_clipping_and_orders_of_their_own(options, clip_norm, seeds, backend):
    net = gd.MLP([70, 40, 3], **options, backend=backend)
    Both(net, gd.SGD(clip_norm=clip_norm), seeds=seeds, updates=7).check()


@pytest.mark.parametrize("rows", [2, 8, 41, 300, 700])
@pytest.mark.parametrize("backend", BACKENDS)
def test_batches_of_all_rows_and_of_many_parts(rows, backend):
    net = gd.MLP([5, 8, 3], loss="mse", activation="tanh", backend=backend)
    Both(net, gd.Adam(), rows=rows, batch=rows, updates=5).check()
    Both(net, gd.Adam(), rows=rows, batch=rows, updates=5, shuffle=False).check()


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_ends_at_its_own_update_and_ranks_close(backend):
    net = gd.MLP([2, 16, 1], activation="tanh", loss="mse", backend=backend)
    ends = np.random.default_rng(0).integers(0, 300, 100)
    both = Both(net, gd.SGD(), rows=16, batch=16, ends=ends, rates=np.geomspace(0.01, 1, 100))
    both.check(both.side_by_side(steps=(1, 64, 130)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_those_that_diverge_leave_the_others_alone(backend):
    net = gd.MLP([3, 8, 1], activation="relu", loss="mse", backend=backend)
    both = Both(net, gd.SGD(), rates=np.geomspace(1e-3, 1e4, 60), updates=90)
    platoon = both.side_by_side()
    assert set(platoon.status) == {Status.DIVERGED, Status.MAX_ITER}
    both.check(platoon)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_platoon_takes_other_networks_when_the_first_have_ended(backend):
    both = Both(gd.MLP([3, 8, 1], loss="mse", backend=backend), gd.NAdam())
    platoon = both.side_by_side(capacity=40)
    first = platoon.final[:21].copy()
    platoon.load(np.arange(21), np.array([flat(both.net.fresh(3))]), np.zeros(21, int))
    platoon.advance(12)
    assert bits(first) == bits(platoon.final[:21])


@pytest.mark.parametrize("backend", BACKENDS)
def test_stopped_early_they_are_where_they_were(backend):
    both = Both(gd.MLP([3, 8, 1], loss="mse", backend=backend), gd.Adam(), updates=100)
    platoon = both.platoon()
    platoon.load(np.arange(21), np.array([flat(both.net.fresh(3))]), np.zeros(21, int))
    platoon.advance(7)
    platoon.stop(Status.INTERRUPTED)
    both.updates[:] = 7
    assert set(platoon.status) == {Status.INTERRUPTED}
    for k in (0, 20):
        assert bits(flat(both.alone(k))) == bits(platoon.final[k, : platoon.n_parameters])


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_the_networks_are_worth(loss, backend):
    net = gd.MLP([3, 9, 5], loss=loss, backend=backend)
    both = Both(net, gd.SGD(), rows=90, weighted=True)
    platoon = both.side_by_side()
    rows = both.trainings.rows
    worth = platoon.assess(rows)
    for k in (0, 7, 20):
        assert bits(worth[k]) == bits(np.array(both.alone(k).assess(rows)))


@pytest.mark.parametrize("options", [{}, {"l1": 0.01, "l2": 0.1, "dropout": 0.3}], ids=str)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_both_engines_agree_but_for_rounding(loss, options):
    found = []
    for backend in BACKENDS:
        net = gd.MLP([5, 9, 3], loss=loss, dtype="float64", backend=backend, **options)
        both = Both(net, gd.Adam(clip_norm=0.5), seeds=(3, 4), weighted=True)
        found.append(both.side_by_side())
    lanes, batched = found
    np.testing.assert_allclose(lanes.final, batched.final, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(lanes.history, batched.history, rtol=1e-10)
    np.testing.assert_allclose(*(p.assess(both.trainings.rows) for p in found), rtol=1e-10)


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    rows=st.integers(2, 70),
    batch=st.integers(2, 70),
    updates=st.integers(0, 9),
    runs=st.integers(1, 40),
    seeds=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    dtype=st.sampled_from(["float32", "float64"]),
    shuffle=st.booleans(),
    optimizer=st.sampled_from([gd.SGD(momentum=0.5), gd.Adam(), gd.RAdam(weight_decay=0.01)]),
)
def test_any_shape(sizes, rows, batch, updates, runs, seeds, dtype, shuffle, optimizer):  # noqa: PLR0917
    assume(rows % min(batch, rows) != 1)  # an update with one row is not for platoons
    net = gd.MLP(sizes, activation="tanh", loss="mse", dtype=dtype)
    rates = np.geomspace(1e-3, 0.1, runs)
    options = {"rows": rows, "batch": batch, "updates": updates, "seeds": tuple(seeds)}
    both = Both(net, optimizer, shuffle=shuffle, rates=rates, **options)
    platoon = both.side_by_side()
    for k in {0, runs // 2, runs - 1}:
        assert bits(flat(both.alone(k))) == bits(platoon.final[k, : platoon.n_parameters])
