"""Descent in batches of rows: against a loop in plain NumPy, on all backends, whoever else is in the sweep."""

import itertools

import numpy as np
import pytest
from grids import SAMPLED_DTYPES

import fastgd as gd
from fastgd.batches import BLOCK, WINDOW, Batches
from fastgd.engines.native import kernels

COMPILED = pytest.mark.skipif(not kernels.available(), reason="nothing is compiled")
RNG = np.random.default_rng(11)
X = RNG.normal(size=(103, 3))
Y = X @ [1.0, -2.0, 0.5] + 1 + RNG.normal(scale=0.1, size=103)
CODES = (X @ RNG.normal(size=(3, 3)) + RNG.gumbel(size=(103, 3))).argmax(axis=1)
FIELDS = ("iterations", "status", "regime", "x", "loss", "slope")


def problem(kind, **options):
    if kind == "least squares":
        return gd.LeastSquares(X, Y, **options)
    return gd.Logistic(X, CODES if kind == "softmax" else CODES > 0, **options)


def assert_same(one, other, where=...):
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(one, field)[where], getattr(other, field))


def naive(batches, seed, rate, updates, factor):
    """Plain descent of the least squares, one batch after the other."""
    inputs, x, done = np.column_stack([X, np.ones(103)]), np.zeros(4), 0
    for epoch in itertools.count():
        order = batches.orders(seed, epoch, epoch + 1)[0]
        for k in range(batches.updates):
            if done == updates:
                return x
            rows = order[k * batches.size : (k + 1) * batches.size]
            x = x - rate * factor(len(rows)) * inputs[rows].T @ (inputs[rows] @ x - Y[rows])
            done += 1


# --- orders ---------------------------------------------------------------------------------------------


def test_an_order_is_a_permutation_of_its_own_for_each_epoch_and_seed():
    batches = Batches(50, 7, shuffle=True, drop_last=False, seed=0)
    orders = batches.orders(3, 0, 40)
    assert (np.sort(orders, axis=1) == np.arange(50)).all()
    assert len({tuple(order) for order in orders}) == 40
    assert not (batches.orders(4, 0, 40) == orders).all(axis=1).any()


@pytest.mark.parametrize("rows", [50, 4097, 600_001])
def test_blocks_are_shuffled_and_their_rows_some_blocks_at_a_time(rows):
    blocks = Batches(rows, 1000, shuffle="blocks", drop_last=False, seed=0)
    orders = blocks.orders(3, 0, 3)
    assert (np.sort(orders, axis=1) == np.arange(rows)).all()
    assert (orders[0] != orders[1]).any()
    each = [blocks.of_update(3, blocks.updates + k) for k in range(blocks.updates)]
    np.testing.assert_array_equal(np.concatenate(each), orders[1])
    first = (
        orders[0][: BLOCK * (WINDOW - 1)] // BLOCK
    )  # of the first window, if all blocks are whole but one
    assert len(np.unique(first)) <= WINDOW
    assert blocks.orders(3, 2, 2).shape == (0, rows)


@pytest.mark.parametrize("rows", [3, 1000, 70_000])
def test_orders_are_drawn_as_they_always_were(rows):
    """Several short epochs from one generator, whether all of them are asked for or the first ones."""
    batches, many = Batches(rows, 1, shuffle=True, drop_last=False, seed=0), 65536 // rows
    rng = np.random.default_rng(np.random.SeedSequence(8, spawn_key=(0,)))
    if many:
        wanted = rng.permuted(np.tile(np.arange(rows, dtype=np.int32), (many, 1)), axis=1)
    else:
        wanted = rng.permutation(rows)[None]
    for last in (1, min(2, len(wanted)), len(wanted)):
        np.testing.assert_array_equal(batches.orders(8, 0, last), wanted[:last])


@pytest.mark.parametrize("rows", [3, 1000, 70_000])
def test_an_order_does_not_depend_on_what_was_asked_before(rows):
    batches = Batches(rows, 1, shuffle=True, drop_last=False, seed=0)
    many = 65536 // rows + 2
    whole = batches.orders(1, 0, many + 2).copy()
    for first in (0, 1, many - 1, many):
        np.testing.assert_array_equal(batches.orders(1, first, first + 2), whole[first : first + 2])


@pytest.mark.parametrize("rows", [3, 1000, 70_000])
def test_orders_in_turn_are_the_same(rows):
    batches = Batches(rows, 1, shuffle=True, drop_last=False, seed=0)
    many = max(3, 65536 // rows)
    in_turn = batches.in_turn(5)
    for first, last in [(0, 1), (0, 2), (1, 2), (2, many), (many, many + 3), (many + 2, many + 4)]:
        wanted = batches.orders(5, first, last)
        np.testing.assert_array_equal(in_turn.orders(first, last), wanted)


@pytest.mark.parametrize("rows", [1, 30, 700, 70_000])
def test_orders_in_turn_may_begin_later(rows):
    batches = Batches(rows, 1, shuffle=True, drop_last=False, seed=5)
    in_turn = batches.in_turn(5)
    for first, last in ((3, 5), (4, 6), (9, 10), (10, 11)):
        wanted = batches.orders(5, first, last)
        np.testing.assert_array_equal(in_turn.orders(first, last), wanted)


def test_positions_are_equally_likely():
    orders = Batches(6, 1, shuffle=True, drop_last=False, seed=0).orders(0, 0, 60_000)
    counts = np.array([np.bincount(column, minlength=6) for column in orders.T])
    assert np.abs(counts - 10_000).max() < 5 * np.sqrt(10_000)


def test_updates_per_epoch():
    assert gd.LeastSquares(X, Y).updates_per_epoch == 1
    assert gd.LeastSquares(X, Y, batch_size=10).updates_per_epoch == 11
    assert gd.LeastSquares(X, Y, batch_size=10, drop_last=True).updates_per_epoch == 10
    assert gd.Logistic(X, CODES, batch_size=103).updates_per_epoch == 1


# --- what a run does --------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=COMPILED)])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [1, 10, 103])
def test_against_a_plain_loop(size, shuffle, drop_last, backend):
    factors = {"1/2m": lambda m: 1 / m, "sum": lambda m: 2.0}
    for cost, factor in factors.items():
        p = problem(
            "least squares", cost=cost, batch_size=size, shuffle=shuffle, drop_last=drop_last, rng=5
        )
        rate = 0.002 if cost == "sum" else 0.05
        out = gd.sweep(p, gd.SGD(), {"lr": [rate]}, max_iter=150, backend=backend)
        wanted = naive(p.batches, 5, rate, 150, factor)
        np.testing.assert_allclose(out.x[0], wanted, rtol=1e-10)
        assert out.iterations[0] == 150
        assert out.status[0] == 1


@COMPILED
@pytest.mark.parametrize("dtype", SAMPLED_DTYPES)
@pytest.mark.parametrize(
    "optimizer",
    [gd.SGD(), gd.Adam(), gd.NAG(), gd.SGD(l1=0.01, l2=0.1, clip_norm=0.5)],
    ids=["SGD", "Adam", "NAG", "penalties"],
)
@pytest.mark.parametrize("kind", ["least squares", "logistic", "softmax"])
def test_same_bits(kind, optimizer, dtype):
    """On all backends and threads, alone or with others; diverged runs among them."""
    p = problem(kind, batch_size=10)
    axes = {"lr": np.geomspace(1e-3, 30, 9), "rng": [0, 1]}
    options = {"x0": np.zeros(p.n_parameters), "max_iter": 140, "dtype": dtype}
    found = [
        gd.sweep(p, optimizer, axes, backend=b, n_threads=n, **options)
        for b, n in (("numpy", 1), ("numba", 1), ("numba", 2))
    ]
    assert_same(found[0], found[1])
    assert_same(found[0], found[2])
    for i, j in ((0, 0), (4, 1), (8, 1)):
        alone = gd.sweep(p, optimizer, {"lr": [axes["lr"][i]]}, rng=axes["rng"][j], **options)
        assert_same(found[0], alone, where=(slice(i, i + 1), j))
    if kind == "least squares" and isinstance(optimizer, gd.SGD) and optimizer.clip_norm is None:
        assert (found[0].status == 2).any()
        assert len(np.unique(found[0].x[0], axis=0)) == 2


@COMPILED
def test_schedules_and_sequential_updates():
    p = problem("least squares", batch_size=10, update="sequential")
    lr = [gd.schedules.exponential(0.1, 0.99), 0.05]
    found = [
        gd.sweep(p, gd.Momentum(), {"lr": lr}, max_iter=90, backend=b) for b in ("numpy", "numba")
    ]
    assert_same(*found)


@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=COMPILED)])
def test_the_tolerance_is_for_all_rows_once_an_epoch(backend):
    exact = gd.LeastSquares(
        X, X @ [1.0, 2.0, 3.0], batch_size=10
    )  # every batch has the same optimum
    out = gd.sweep(exact, gd.SGD(), {"lr": [0.2, 0.02]}, tol=1e-6, max_iter=2000, backend=backend)
    assert (out.status == 0).all()
    assert (out.iterations % exact.updates_per_epoch == 0).all()
    assert (out.slope < 1e-6).all()
    for lr, n in zip([0.2, 0.02], out.iterations, strict=True):
        before = gd.sweep(exact, gd.SGD(), {"lr": [lr]}, max_iter=int(n) - 11, backend=backend)
        assert before.slope[0] >= 1e-6
    noisy = problem("least squares", batch_size=10)
    assert gd.sweep(noisy, gd.SGD(), {"lr": [0.1]}, max_iter=50, backend=backend).tol == 0
    at_once = gd.sweep(noisy, gd.SGD(), {"lr": [0.1]}, x0=noisy.solution, tol=1e-6, backend=backend)
    assert at_once.iterations[0] == 0


@COMPILED
@pytest.mark.parametrize("max_iter", [0, 1, 22, 500])
def test_the_tolerance_on_all_backends(max_iter):
    p = problem("logistic", batch_size=10)
    axes = {"lr": np.geomspace(0.1, 100, 12)}
    found = [
        gd.sweep(p, gd.SGD(), axes, tol=0.05, max_iter=max_iter, backend=b, n_threads=n)
        for b, n in (("numpy", 1), ("numba", 2))
    ]
    assert_same(*found)
    assert max_iter < 500 or (found[0].status == 0).any()


# --- seeds --------------------------------------------------------------------------------------------------


def test_what_the_seed_decides():
    p = problem("least squares", batch_size=10, rng=7)
    axes, zeros = {"lr": [0.05]}, np.zeros(4)
    own = gd.sweep(p, gd.SGD(), axes, max_iter=20)
    assert_same(own, gd.sweep(p, gd.SGD(), axes, x0=zeros, rng=7, max_iter=20))
    assert (own.x != gd.sweep(p, gd.SGD(), axes, x0=zeros, rng=8, max_iter=20).x).any()
    started = gd.sweep(p, gd.SGD(), axes, rng=7, max_iter=0)
    np.testing.assert_array_equal(started.x[0], np.random.default_rng(7).standard_normal(4))
    given = gd.sweep(p, gd.SGD(), axes, rng=np.random.default_rng(1), max_iter=20)
    again = gd.sweep(p, gd.SGD(), axes, rng=np.random.default_rng(1), max_iter=20)
    assert_same(given, again)
    whole = {"lr": [0.05], "rng": [7, 8]}
    both = gd.sweep(p, gd.SGD(), whole, x0=zeros, max_iter=20)
    assert_same(both, own, where=(slice(None), 0))


def test_seeds_that_contradict():
    p = problem("least squares", batch_size=10)
    with pytest.raises(ValueError, match="rng and axes"):
        gd.sweep(p, gd.SGD(), {"rng": [1]}, rng=2)
    with pytest.raises(ValueError, match="both say where runs start"):
        gd.sweep(p, gd.SGD(), {"x0": [np.zeros(4)]}, x0=np.zeros(4))
    with pytest.raises(ValueError, match="both say where runs start"):
        gd.sweep(problem("least squares"), gd.SGD(), {"lr": [1.0]}, x0=np.zeros(4), rng=1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be an integer from 1 to 103"),
        ({"batch_size": 104}, ValueError, "batch_size must be an integer from 1 to 103"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an integer from 1 to 103"),
        ({"batch_size": True}, TypeError, "batch_size must be an integer from 1 to 103"),
        ({"batch_size": 2, "shuffle": 1}, TypeError, "shuffle must be True, False or"),
        ({"batch_size": 2, "drop_last": None}, TypeError, "drop_last must be True or False"),
        ({"batch_size": 2, "rng": -1}, TypeError, "rng must be an integer >= 0"),
        ({"batch_size": 2, "rng": "a"}, TypeError, "rng must be an integer >= 0"),
    ],
)
def test_bad_input(options, error, message):
    for kind in ("least squares", "softmax"):
        with pytest.raises(error, match=message):
            problem(kind, **options)
