"""Networks that train side by side have the bits that each has alone: every rule, activation, loss, precision."""

import warnings

import numpy as np
import pytest
from grids import SAMPLED_CASES
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from same_bits import bits

import fastgd as gd
from fastgd.batches import Batches
from fastgd.engines.networks import lanes_for
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.protocol.platoons import Numbers, Trainings
from fastgd.optimizers.loops import settings_of, varied

RATES = np.geomspace(1e-3, 0.3, 21)  # a block and a part of one
BACKENDS = "cython", "numpy"


def flat(net):
    return np.concatenate([p.ravel() for p in net.params])


def targets(rng, a, n):
    if a.classes:
        return rng.integers(a.sizes[-1], size=n)
    return rng.uniform(0, 1, size=(n, a.sizes[-1]))


class Both:
    """Runs that differ in their rates and perhaps seeds, side by side and one by one."""

    def __init__(
        self,
        net,
        optimizer,
        *,
        rows=40,
        batch=7,
        updates=12,
        seeds=(3,),
        shuffle=True,
        weighted=False,
        rates=RATES,
        ends=None,
    ):
        rng = np.random.default_rng(1)
        a = net.architecture
        x = rng.normal(size=(rows, a.sizes[0])).astype(a.dtype)
        self.weights = rng.uniform(0, 2, rows) if weighted else None
        self.data = x, targets(rng, a, rows)
        self.net, self.optimizer, self.rates, self.batch, self.shuffle = (
            net,
            optimizer,
            rates,
            batch,
            shuffle,
        )
        n = len(rates)
        self.seeds, self.seed_of = seeds, np.arange(n) % len(seeds)
        self.updates = np.full(n, updates) if ends is None else np.resize(ends, n)
        numbers = varied(optimizer, {"lr": rates})
        method = numbers.method(numbers.flags({"lr": 0}), {"lr": np.arange(n)}, n)
        self.trainings = Trainings(
            a,
            net.rows(*self.data, self.weights),
            Batches(rows, min(batch, rows), shuffle, False, 0),
            [Numbers(method, None, np.zeros(n, np.intp))],
            (0,) * len(net.params),
            seeds,
            self.seed_of,
            self.updates,
            np.full(n, a.l1),
            np.full(n, a.l2),
            history=1,
        )

    def platoon(self, capacity=None):
        updates = settings_of(self.optimizer)["backend"]
        lanes = lanes_for(self.trainings, self.net.backend, updates)
        return lanes.platoon(self.trainings, len(self.rates) if capacity is None else capacity)

    def side_by_side(self, steps=(5,), capacity=None):
        """A platoon at its end, having advanced by these numbers of updates in turn."""
        n = len(self.rates)
        starts = np.array([flat(self.net.fresh(seed)) for seed in self.seeds])
        platoon = self.platoon(capacity)
        platoon.load(np.arange(n), starts, self.seed_of)
        k = 0
        while platoon.live:
            platoon.advance(platoon.n + steps[k % len(steps)])
            k += 1
        return platoon

    def alone(self, k):
        net = self.net.fresh(self.seeds[self.seed_of[k]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gd.DivergenceWarning)
            return net.fit(
                *self.data,
                optimizer=self.optimizer.with_options(lr=float(self.rates[k])),
                batch_size=self.batch,
                steps=int(self.updates[k]),
                sample_weight=self.weights,
                shuffle=self.shuffle,
                record=1,
            )

    def check(self, platoon=None):
        platoon = self.side_by_side() if platoon is None else platoon
        for k in range(len(self.rates)):
            net = self.alone(k)
            assert net.status_ == platoon.status[k]
            assert net.steps_ == platoon.iterations[k] or net.status_ is Status.DIVERGED
            if net.status_ is not Status.DIVERGED:  # fit goes back to the last record then
                assert bits(flat(net)) == bits(platoon.final[k, : platoon.n_parameters])
                losses = platoon.history[k, : net.steps_]
                assert bits(np.asarray(net.history_.loss)) == bits(losses)


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


def leaky_sign(p, g, m, far, lr, beta, gain, most, leak):  # noqa: PLR0917
    """A choice, an elementary function, and two arrays of state."""
    m = beta * m + gain * g
    step = np.where(np.abs(m) > most, np.sign(m), np.tanh(m) * leak)
    far = np.maximum(far, np.abs(p))
    return p - lr * step, m, far


def warmed(t, carry, lr, beta):
    carry = carry * beta
    return carry, lr * (1.0 - carry), beta, 1.0 - beta, 0.1, 0.5


def own_rule(*, source=True, **options):
    rule = leaky_sign
    if not source:
        rule = type(rule)(rule.__code__.replace(co_filename="?"), rule.__globals__, "leaky_sign")
    defaults = {"lr": 0.1, "beta": 0.9}
    made = gd.Optimizer.from_rule(rule, state=("m", "far"), coefficients=warmed, defaults=defaults)
    assert (made._rule.text is not None) == source
    return made(**options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [{}, {"source": False}, {"l2": 0.1, "clip_value": 0.3}, {"clip_norm": 0.1}, {"beta": 0.5}],
    ids=str,
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rule_of_the_user_s_own(options, dtype, backend):
    pytest.importorskip("numba")
    net = gd.MLP([3, 5, 2], activation="tanh", loss="mse", dtype=dtype, backend=backend)
    Both(net, own_rule(**options)).check()


@pytest.mark.parametrize("optimizer", [gd.Adam, gd.Rprop, gd.NAdam])
def test_rules_compiled_by_numba_where_the_optimizer_asks_for_it(optimizer):
    pytest.importorskip("numba")
    net = gd.MLP([3, 5, 2], activation="tanh", loss="mse")
    Both(net, optimizer(backend="numba", weight_decay=0.1)).check()


def test_a_rule_with_more_state_than_there_is_room_for_is_not_for_lanes():
    names = tuple("abcdefh")
    text = f"def wide(p, g, {', '.join(names)}, lr):\n    return p - lr * g, {', '.join(names)}\n"
    functions = {"np": np}
    exec(text, functions)
    wide = gd.Optimizer.from_rule(functions["wide"], state=names, coefficients=lambda t, lr: (lr,))
    both = Both(gd.MLP([3, 5, 2], loss="mse"), wide(lr=0.1))
    assert lanes_for(both.trainings, "auto", "auto") is None


def test_a_function_of_the_user_s_own():
    pytest.importorskip("numba")

    def bent(z):
        return np.where(z > 0, z, 0.1 * z), np.where(z > 0, 1.0, 0.1)

    Both(gd.MLP([3, 6, 1], activation=bent, loss="mse"), gd.Adam()).check()


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
