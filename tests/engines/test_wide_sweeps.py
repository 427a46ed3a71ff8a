"""Sweeps of linear models over rows and of many parameters: tiles of products, against the reference bit by bit."""

import numpy as np
import pytest
from grids import SAMPLED_DTYPES
from same_bits import bits

import fastgd as gd
from fastgd.engines.layout import MATRIX
from fastgd.engines.parse_problems import Gradient
from fastgd.engines.registry import GRADIENTS

pytest.importorskip("fastgd.engines.native.sweeps")

RNG = np.random.default_rng(11)
INPUTS = RNG.normal(size=(300, 7))  # more rows than are summed at once
TARGETS = INPUTS @ np.arange(7.0) + RNG.normal(size=300)
TWO = TARGETS > 0
THREE = RNG.integers(0, 3, 300)
OPTIMIZERS = [gd.SGD(), gd.Momentum(), gd.Adam()]
FIELDS = ("iterations", "status", "x", "regime", "loss", "slope")


def bowl(n):
    factor = RNG.normal(size=(n, n))
    return gd.Quadratic(factor @ factor.T / (4 * n), factor[0])


def assert_same(one, other, runs=slice(None)):
    for field in FIELDS:
        assert bits(getattr(one, field)[runs]) == bits(getattr(other, field)), field


def swept(problem, optimizer, rates, backend="cython", **options):
    options = {
        "max_iter": 70,
        "tol": 0.1,
        "x0": np.linspace(0.7, 1.3, problem.n_parameters),
    } | options
    return gd.sweep(problem, optimizer, {"lr": rates}, backend=backend, **options)


@pytest.mark.parametrize("dtype", SAMPLED_DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("n", [MATRIX - 1, MATRIX, 30, 139])
def test_tiles_of_a_matrix(n, optimizer, dtype):
    """Sizes that leave smaller tiles over, runs that leave smaller vectors over."""
    problem = bowl(n)
    for runs in (1, 2, 4, 5, 45):  # few of them read the matrix by its rows
        rates = np.geomspace(1e-2, 3, runs)
        assert_same(
            *(swept(problem, optimizer, rates, b, dtype=dtype) for b in ("numpy", "cython"))
        )


def test_a_point_of_several_chunks():
    problem = bowl(530)
    for dtype in ("float32", "float64"):
        found = [
            swept(problem, gd.SGD(), [0.1, 0.2, 0.3], b, dtype=dtype, max_iter=3)
            for b in ("numpy", "cython")
        ]
        assert_same(*found)


@pytest.mark.parametrize("optimizer", [gd.Adagrad(), gd.NAG(), gd.SGD(clip_norm=0.5)], ids=repr)
def test_numba_takes_the_same_products(optimizer):
    pytest.importorskip("numba")
    problem, rates = bowl(30), np.geomspace(1e-2, 3, 21)
    assert_same(*(swept(problem, optimizer, rates, b) for b in ("numpy", "numba")))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("kind", ["rows", "logistic", "softmax"])
def test_models_of_rows_ahead_of_time(kind, batch_size, optimizer):
    problem = {
        "rows": lambda: gd.LeastSquares(INPUTS, TARGETS, statistics=False, batch_size=batch_size),
        "logistic": lambda: gd.Logistic(INPUTS, TWO, batch_size=batch_size),
        "softmax": lambda: gd.Logistic(INPUTS, THREE, batch_size=batch_size),
    }[kind]()
    for dtype in ("float32", "float64"):
        rates = np.geomspace(1e-2, 2, 37)
        assert_same(
            *(swept(problem, optimizer, rates, b, dtype=dtype) for b in ("numpy", "cython"))
        )


@pytest.mark.parametrize(
    "problem", [bowl(40), gd.Logistic(INPUTS, TWO)], ids=["matrix", "logistic"]
)
def test_runs_do_not_depend_on_each_other(problem):
    rates = np.geomspace(1e-2, 5, 37)
    together = [swept(problem, gd.SGD(), rates, n_threads=n) for n in (1, 2, 3)]
    assert_same(together[0], together[1])
    assert_same(together[0], together[2])
    for k in (0, 8, 36):
        assert_same(together[0], swept(problem, gd.SGD(), rates[k : k + 1]), slice(k, k + 1))


# --- few rows in the place of X'X ---------------------------------------------------------------------


def few(rows, features=80, **options):
    X = np.random.default_rng(rows).normal(size=(rows, features))
    return gd.LeastSquares(X, X[:, 0] - 1, **options)


def test_rows_are_chosen_by_cost():
    assert few(40, intercept=False).kernel("float64").kind == "rows"
    assert few(41, intercept=False).kernel("float64").kind == "quadratic"
    assert few(20, 40).kernel("float64").kind == "quadratic"  # too small to matter
    assert few(40, update="sequential").kernel("float64").kind == "quadratic"


@pytest.mark.parametrize("dtype", SAMPLED_DTYPES)
def test_few_rows_on_all_backends(dtype):
    problem, rates = few(30), np.geomspace(1e-3, 1, 21)
    found = [swept(problem, gd.Adam(), rates, b, dtype=dtype) for b in ("numpy", "cython")]
    assert_same(*found)


def test_few_rows_are_the_same_least_squares():
    problem = few(30)
    X, y = problem.X, problem.y
    point = RNG.normal(size=problem.n_parameters)
    residual = X @ point - y
    np.testing.assert_allclose(problem.loss(point), residual @ residual / 60, rtol=1e-13)
    np.testing.assert_allclose(problem.gradient(point), X.T @ residual / 30, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        problem.gradient(point), problem.hessian @ point - problem.linear, rtol=1e-9, atol=1e-11
    )


def test_few_rows_that_came_in_blocks():
    held = few(30)
    blocks = [(held.X[k : k + 7, :-1], held.y[k : k + 7]) for k in range(0, 30, 7)]
    passed = gd.LeastSquares.from_blocks(blocks)
    rates = np.geomspace(1e-3, 1, 5)
    assert_same(swept(held, gd.SGD(), rates), swept(passed, gd.SGD(), rates))


# --- losses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [TWO, THREE], ids=["logistic", "softmax"])
@pytest.mark.parametrize("runs", [1, 3, 600])
def test_losses_have_the_bits_of_numpy(labels, runs, monkeypatch):
    problem = gd.Logistic(INPUTS, labels)
    points = RNG.normal(size=(problem.n_parameters, runs)) * 3
    compiled = problem.losses(points)
    assert bits(problem.losses(points[:, :1])) == bits(compiled[:1])
    monkeypatch.setattr("fastgd.problems.linear_model.has_losses", lambda _: False)
    assert bits(problem.losses(points)) == bits(compiled)
    z = problem.X @ points.T.reshape(runs, 8, problem.outputs)
    if problem.outputs == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=2)
    own = np.take_along_axis(z, np.unique(labels, return_inverse=True)[1][None, :, None], 2)[..., 0]
    wanted = (np.logaddexp.reduce(z, axis=2) - own).mean(axis=1)
    np.testing.assert_allclose(compiled, wanted, rtol=1e-12)


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2]], ids=["logistic", "softmax"])
def test_losses_of_large_outputs(labels):
    problem = gd.Logistic(np.ones(len(labels)), labels, intercept=False)
    points = np.zeros((problem.n_parameters, 2))
    points[-1] = 1e4, -1e4
    wrong = len(labels) - 1
    np.testing.assert_allclose(problem.losses(points)[0], 1e4 * wrong / len(labels), rtol=1e-12)
    assert np.isfinite(problem.losses(points)).all()


def test_losses_of_many_rows_by_several_threads(monkeypatch):
    X = RNG.normal(size=(3000, 2))
    problem = gd.Logistic(X, X[:, 0] > 0)
    points = RNG.normal(size=(3, 20))
    together = problem.losses(points)
    monkeypatch.setattr("fastgd.engines.rows._BLOCKS", 2)
    assert bits(problem.losses(points)) == bits(together)


# --- which gradients are a matrix ---------------------------------------------------------------------


def other(i, n, h, b, x):
    total = b[i] * x[0]
    for j in range(1, n):
        total = total + h[i, j] * x[j]
    return total - b[i]


def test_a_matrix_is_found_in_the_rule():
    assert GRADIENTS["quadratic"].matrix
    assert not GRADIENTS["polynomial"].matrix
    assert not Gradient(other).matrix
