"""Functions called by their address from loops compiled ahead of time: the bits of NumPy's loop, for every rule."""

import numba
import numpy as np
import pytest
from cases import CASES
from same_bits import bits

import fastgd as gd
from fastgd.engines.native import kernels

pytestmark = pytest.mark.skipif(not kernels.available(), reason="needs the compiled core")

KNOWN = {
    "rosenbrock": gd.functions.rosenbrock(),
    "rosenbrock5": gd.functions.rosenbrock(5),
    "beale": gd.functions.beale(),
    "himmelblau": gd.functions.himmelblau(),
    "saddle": gd.functions.saddle(),
    "bumpy": gd.functions.bumpy(),
}
RATES = np.geomspace(1e-4, 0.5, 300)  # more than a block of runs, some of which diverge
OPTIMIZERS = [
    gd.SGD(),
    gd.Adam(),
    gd.NAG(momentum=0.5),
    gd.AdamW(weight_decay=0.3, l1=0.01),
    gd.SGD(l2=0.1, clip_value=3.0, maximize=False),
    gd.NAG(weight_decay=0.1, l1=0.05),
    gd.RMSprop(lr=gd.schedules.exponential(0.1, 0.99)),
]


def start(problem):
    return np.linspace(-1.2, 1.0, problem.n_parameters)


def assert_alike(one, other):
    assert bits(one.x) == bits(other.x)
    for field in ("iterations", "status", "regime"):
        assert getattr(one, field).tolist() == getattr(other, field).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: repr(o)[:40])
@pytest.mark.parametrize("name", KNOWN)
def test_the_librarys_own(name, optimizer, dtype):
    problem = KNOWN[name]
    options = {"x0": start(problem), "max_iter": 150, "tol": 1e-2, "dtype": dtype}
    axes = {"lr": RATES} if isinstance(optimizer.lr, float) and not moves(optimizer) else {}
    found, wanted = (
        gd.sweep(problem, optimizer, axes, backend=b, **options) for b in ("cython", "numpy")
    )
    assert found.backend == gd.sweep(problem, optimizer, {}, **options).backend == "cython"
    assert_alike(found, wanted)
    np.testing.assert_array_equal(found.loss, wanted.loss)
    if type(optimizer) is gd.SGD and not optimizer.l2 and name != "bumpy":
        assert len(set(found.status.tolist())) > 1


def moves(optimizer):
    """Whether the rate is a schedule."""
    return "exponential" in repr(optimizer)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_optimizer(case):
    problem = KNOWN["himmelblau"]
    options = {"x0": start(problem), "max_iter": 130, "tol": 1e-2}
    rates = {"lr": [1e-3, 1e-2, 0.1]}
    found, wanted = (
        gd.sweep(problem, case.make(), rates, backend=b, **options) for b in (None, "numpy")
    )
    assert_alike(found, wanted)
    optimizer = case.make().with_options(lr=1e-2)
    for step_tol in (None, 1e-3):
        run, other = (
            gd.minimize(problem, optimizer=optimizer, backend=b, step_tol=step_tol, **options)
            for b in (None, "numpy")
        )
        assert bits(run.x) == bits(other.x)
        assert (run.nit, run.status, run.njev) == (other.nit, other.status, other.njev)


def plain(x, grad):
    a, b = 1.0 - x[0], x[1] - x[0] * x[0]
    grad[0] = -2.0 * a - 400.0 * x[0] * b
    grad[1] = 200.0 * b
    return a * a + 100.0 * b * b


VALLEY = numba.njit(plain)


@pytest.mark.parametrize("optimizer", OPTIMIZERS[:6], ids=lambda o: repr(o)[:40])
def test_a_users_function(optimizer):
    problem = gd.Function(VALLEY, 2)
    options = {"x0": [-1.2, 1.0], "max_iter": 150, "tol": 1e-2}
    found = gd.sweep(problem, optimizer, {"lr": RATES}, **options)
    wanted = gd.sweep(gd.Function(plain, 2), optimizer, {"lr": RATES}, **options)
    assert (found.backend, wanted.backend) == ("numba", "numpy")
    assert_alike(found, wanted)
    known = found.status != 2  # a Python function that diverged is not called again
    np.testing.assert_array_equal(found.loss[known], wanted.loss[known])


@pytest.mark.parametrize("count", [1, 2, 3, 17])
def test_a_function_sees_no_run_that_is_none(count):
    """A domain that padding of a block would leave: where the function raises, the gradient is NaN."""

    @numba.njit
    def fun(x, grad):
        if not 0.0 < x[0] < 10.0:
            raise ValueError
        grad[:] = 1.0 - 1.0 / x
        return (x - np.log(x)).sum()

    problem = gd.Function(fun, 2)
    out = gd.sweep(problem, gd.SGD(), {"lr": np.linspace(0.1, 0.5, count)}, x0=[3.0, 2.0], tol=1e-6)
    assert (out.status == 0).all()
    np.testing.assert_allclose(out.x, 1.0, atol=1e-5)


def test_values_without_python():
    """Losses of many points, by the kernel; a function that is called in Python gives the same."""
    for problem in KNOWN.values():
        points = np.random.default_rng(0).normal(size=(problem.n_parameters, 1003))
        one_by_one = [problem.evaluate(point.copy()) for point in points.T]
        np.testing.assert_array_equal(problem.losses(points), [value for value, _ in one_by_one])
        np.testing.assert_array_equal(
            problem.slopes(points), np.transpose([g for _, g in one_by_one])
        )


def test_a_function_that_returns_an_array_of_one_number():
    @numba.njit
    def fun(x, grad):
        grad[:] = 2.0 * x
        return x[:1] * x[:1]

    run = gd.minimize(fun, [3.0], gd.SGD(lr=0.1), tol=1e-6)
    assert run.success
    assert run.backend == "numba"


GIVEN = {
    "line": gd.LeastSquares([0.0, 1.0, 3.0, 4.0], [-1.0, 1.0, 5.0, 6.5]),
    "quadratic6": gd.Quadratic(np.diag(np.arange(1.0, 7.0)) + 0.1, np.ones(6)),
    "polynomial": gd.Polynomial([0.0, -6.0, 1.0, 0.25, 1.0]),
}
MIXED = [
    gd.AdamW(weight_decay=0.3),
    gd.SGD(l2=0.1),
    gd.SGD(momentum=0.9, l1=0.05, clip_value=2.0),
    gd.NAG(momentum=0.5),
    gd.NAG(weight_decay=0.1, l1=0.05),
    gd.Adagrad(),
    gd.Rprop(),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", MIXED, ids=lambda o: repr(o)[:40])
@pytest.mark.parametrize("name", GIVEN)
def test_problems_given_by_numbers(name, optimizer, dtype):
    problem = GIVEN[name]
    options = {"x0": start(problem), "max_iter": 200, "tol": 1e-3, "dtype": dtype}
    found, wanted = (
        gd.sweep(problem, optimizer, {"lr": RATES}, backend=b, **options)
        for b in ("cython", "numpy")
    )
    assert_alike(found, wanted)
    run, other = (
        gd.minimize(problem, optimizer=optimizer.with_options(lr=0.01), backend=b, **options)
        for b in ("cython", "numpy")
    )
    assert bits(run.x) == bits(other.x)
    assert (run.nit, run.status) == (other.nit, other.status)


def test_penalties_of_some_runs_alone():
    """Vectors whose runs need no more than weight decay stand beside others."""
    axes = {
        "lr": [0.01, 0.1],
        "l1": [0.0, 0.1],
        "l2": [0.0, 0.1],
        "momentum": np.linspace(0, 0.9, 40),
    }
    found, wanted = (
        gd.sweep(GIVEN["line"], gd.SGD(), axes, backend=b, max_iter=150, tol=1e-3)
        for b in ("cython", "numpy")
    )
    assert_alike(found, wanted)
