"""One descent of two parameters: what an update costs in compiled loops, and around a Python function.

The first workloads compare with the same updates written in Python, the next with a loop over the optimizer's own step.
The last compares what `minimize` and SciPy's own
conjugate gradients spend beside the function itself: its time, measured alone, is taken off, per iteration.
"""

import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from comparison import QUICK, Candidate, compare

import fastgd as gd

UPDATES, PYTHON_UPDATES = (100_000, 1_000) if QUICK else (5_000_000, 20_000)
START = np.array([-1.2, 1.0])


def valley(x: Any, grad: Any) -> Any:
    """Rosenbrock's function."""
    a, b = 1 - x[0], x[1] - x[0] * x[0]
    grad[0] = -2 * a - 400 * x[0] * b
    grad[1] = 200 * b
    return a * a + 100 * b * b


@cache
def compiled_valley() -> Any:
    import numba

    return numba.njit(valley)


LINE = gd.LeastSquares([0.0, 1.0, 3.0], [-1.0, 1.0, 5.0])


def line(x: Any, grad: Any) -> float:
    """The same as `LINE`, without its loss."""
    (a, b), (_, c) = LINE.hessian
    grad[0] = a * x[0] + b * x[1] - LINE.linear[0]
    grad[1] = b * x[0] + c * x[1] - LINE.linear[1]
    return 0.0


PROBLEMS: dict[str, tuple[Callable[[], Any], Callable[..., Any], float]] = {
    "line, built in": (lambda: LINE, line, 0.01),
    "Rosenbrock, njit": (compiled_valley, valley, 1e-4),
}


def ours(fun: Any, rate: float, updates: int, **options: Any) -> np.ndarray:
    run = gd.minimize(fun, START, gd.Momentum(lr=rate), tol=0, max_iter=updates, **options)
    assert run.nit == updates
    return run.x


def loop(fun: Callable[..., Any], rate: float, updates: int) -> np.ndarray:
    """What a script does that needs no library: momentum on two arrays."""
    x, v, g = START.copy(), np.zeros(2), np.zeros(2)
    for _ in range(updates):
        fun(x, g)
        if np.abs(g).max() < 0:
            break
        v = 0.9 * v + rate * g
        x = x - v
    return x


@pytest.mark.parametrize("name", PROBLEMS)
def test_update(benchmark: Any, name: str) -> None:
    made, plain, rate = PROBLEMS[name]
    fun = made()
    np.testing.assert_allclose(ours(fun, rate, 500), loop(plain, rate, 500), rtol=1e-9)
    compiled = partial(ours, fun, rate, backend="numba")
    found = {
        "fastgd": Candidate(partial(compiled, UPDATES), UPDATES),
        "fastgd, every iterate recorded": Candidate(
            partial(compiled, PYTHON_UPDATES * 5, record=1), PYTHON_UPDATES * 5
        ),
        "fastgd, Python function": Candidate(
            partial(ours, plain, rate, PYTHON_UPDATES), PYTHON_UPDATES
        ),
        "loop of Python over NumPy": Candidate(
            partial(loop, plain, rate, PYTHON_UPDATES), PYTHON_UPDATES
        ),
    }
    about = {
        "table": "One descent",
        "workload": f"Momentum, {name}",
        "threads": 1,
        "unit": "update",
        "headline": True,
    }
    compare(benchmark, found, rounds=5, about=about)


# --- a Python function ------------------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": gd.SGD(lr=1e-4),
    "Adam": gd.Adam(lr=1e-4),
    "SGD, clipped, l2, schedule": gd.SGD(
        lr=gd.schedules.exponential(1e-4, 0.9999), clip_norm=1.0, l2=1e-4
    ),
    "NAG, two gradients an update": gd.NAG(lr=1e-4),
}


def by_hand(optimizer: gd.Optimizer, updates: int) -> None:
    """The loop around the optimizer's own step, without any test."""
    own, x, g = optimizer.fresh(), START.copy(), np.zeros(2)
    for _ in range(updates):
        valley(x, g)
        own.step(x, g)


def alone(updates: int) -> None:
    """What no library can save."""
    x, g = START.copy(), np.zeros(2)
    for _ in range(updates):
        valley(x, g)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_python_function(benchmark: Any, name: str) -> None:
    optimizer, updates = OPTIMIZERS[name], PYTHON_UPDATES
    options: dict[str, Any] = {"tol": 0, "max_iter": updates}
    found = {
        "fastgd": Candidate(partial(gd.minimize, valley, START, optimizer, **options), updates),
        "fastgd, every iterate recorded": Candidate(
            partial(gd.minimize, valley, START, optimizer, record=1, **options), updates
        ),
        "loop over fastgd's step": Candidate(partial(by_hand, optimizer, updates), updates),
        "the function alone": Candidate(partial(alone, updates), updates),
    }
    about = {
        "table": "A Python function",
        "workload": f"{name}, two parameters",
        "threads": 1,
        "unit": "update",
        "headline": True,
    }
    compare(benchmark, found, rounds=5, about=about)


def overhead(solve: Callable[..., Any], **options: Any) -> float:
    """Seconds of an iteration that the function and its gradient do not take."""
    own = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(x: Any) -> Any:
            nonlocal own
            start = time.perf_counter()
            found = function(x)
            own += time.perf_counter() - start
            return found

        return call

    start = time.perf_counter()
    fun, jac = timed(scipy.optimize.rosen), timed(scipy.optimize.rosen_der)
    run = solve(fun, START, jac=jac, **options)
    return float((time.perf_counter() - start - own) / run.nit)


def test_beside_the_function(benchmark: Any) -> None:
    """The turns time iterations with the function in them; what is spent beside it is in the extra information."""
    plain = scipy.optimize.rosen, scipy.optimize.rosen_der
    adam = {"optimizer": gd.Adam(), "max_iter": 2000}
    ways = {
        "fastgd, Python function": (gd.minimize, adam),
        "SciPy CG, Python function": (scipy.optimize.minimize, {"method": "CG"}),
    }
    found = {
        name: Candidate(
            partial(solve, plain[0], START, jac=plain[1], **options),
            solve(plain[0], START, jac=plain[1], **options).nit,
        )
        for name, (solve, options) in ways.items()
    }
    about = {
        "table": "Beside SciPy",
        "workload": "iterations of Adam and of CG",
        "threads": 1,
        "unit": "iteration",
        "headline": False,
        "beside the function": {
            name: min(overhead(solve, **options) for _ in range(9))
            for name, (solve, options) in ways.items()
        },
    }
    compare(benchmark, found, rounds=3, about=about)
