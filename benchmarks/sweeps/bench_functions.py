"""Functions in sweeps: Rosenbrock's from the library and as a user's own; and what the first call of a process costs.

Every run makes all its updates, since the tolerance is 0. The peers take all rates
at once.
"""

from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, Candidate, Child, compare

import fastgd as gd

RUNS, UPDATES, PEERS_UPDATES = (512, 2_000, 200) if QUICK else (4_096, 50_000, 1_000)
RATES = np.geomspace(1e-6, 1e-4, RUNS)
START = [-1.2, 1.0]
OPTIMIZERS = {
    "SGD": gd.SGD(),
    "Adagrad": gd.Adagrad(),
    "AdamW": gd.AdamW(),
    "NAG": gd.NAG(),
}


@cache
def compiled() -> Any:
    import numba

    @numba.njit
    def valley(x: Any, grad: Any) -> Any:
        a, b = 1 - x[0], x[1] - x[0] * x[0]
        grad[0] = -2 * a - 400 * x[0] * b
        grad[1] = 200 * b
        return a * a + 100 * b * b

    return gd.Function(valley, 2)


def ours(problem: Any, optimizer: gd.Optimizer, updates: int) -> np.ndarray:
    options: dict[str, Any] = {"x0": START, "tol": 0, "n_threads": 1}
    return gd.sweep(problem, optimizer, {"lr": RATES}, max_iter=updates, **options).x


def numpy_sgd(updates: int) -> np.ndarray:
    x, y = (np.full(RUNS, value) for value in START)
    for _ in range(updates):
        a, b = 1 - x, y - x * x
        x, y = x + RATES * (2 * a + 400 * x * b), y - RATES * (200 * b)
    return np.stack([x, y], axis=1)


def jax_sgd(updates: int) -> Any:
    jax = peers.jax()

    def value(p: Any) -> Any:
        return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2

    def run(rate: Any) -> Any:
        step = jax.grad(value)
        return jax.lax.fori_loop(
            0, updates, lambda _, p: p - rate * step(p), jax.numpy.array(START)
        )

    program = jax.jit(jax.vmap(run))
    return lambda: np.asarray(program(RATES))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update(benchmark: Any, name: str) -> None:
    optimizer = OPTIMIZERS[name]
    work, peers_work = RUNS * UPDATES, RUNS * PEERS_UPDATES
    found = {
        "the library's": Candidate(
            partial(ours, gd.functions.rosenbrock(), optimizer, UPDATES), work
        ),
        "compiled by numba.njit": Candidate(partial(ours, compiled(), optimizer, UPDATES), work),
    }
    skipped = {}
    if name == "SGD":
        wanted = numpy_sgd(100)
        for problem in (gd.functions.rosenbrock(), compiled()):
            np.testing.assert_allclose(ours(problem, optimizer, 100), wanted, rtol=1e-9)
        found["NumPy, all rates at once"] = Candidate(partial(numpy_sgd, PEERS_UPDATES), peers_work)
        if why := peers.missing("jax"):
            skipped["JAX"] = why
        else:
            np.testing.assert_allclose(jax_sgd(100)(), wanted, rtol=1e-6)
            found["JAX vmap, gradient by JAX"] = Candidate(jax_sgd(PEERS_UPDATES), peers_work)
    about = {
        "table": "Functions",
        "workload": f"{name}, Rosenbrock's function, {RUNS:,} rates",
        "threads": 1,
        "unit": "update of a run",
        "headline": True,
    }
    compare(benchmark, found, rounds=3, about=about, skipped=skipped)


# --- a new process ------------------------------------------------------------------------------------

FUNCTION = """
import time
import numba
import numpy as np
import fastgd as gd

@numba.njit
def valley(x, grad):
    a, b = 1 - x[0], x[1] - x[0] * x[0]
    grad[0] = -2 * a - 400 * x[0] * b
    grad[1] = 200 * b
    return a * a + 100 * b * b

numba.njit(lambda x: x + 1)(1.0)  # what Numba does once
{before}
start = time.perf_counter()
{work}
print(time.perf_counter() - start)
"""
MINIMIZE = "gd.minimize(valley, [-1.2, 1.0], gd.{}, max_iter=1000)"
SWEEP = "gd.sweep({}, gd.Adam(), {{'lr': np.geomspace(1e-6, 1e-4, 100)}}, x0=[-1.2, 1.0], max_iter=1000)"
BY_HAND = """
@numba.njit
def by_hand(x, rate, n):
    g = np.empty(2)
    for _ in range(n):
        valley(x, g)
        x -= rate * g
    return x
by_hand(np.array([-1.2, 1.0]), 1e-4, 1000)
"""


def program(work: str, before: str = "") -> str:
    return FUNCTION.format(work=work, before=before)


def test_first_calls(benchmark: Any, tmp_path: Path) -> None:
    first = MINIMIZE.format("SGD(lr=1e-4)")

    class Cold(Child):
        def seconds(self) -> float:
            self.environment["XDG_CACHE_HOME"] = str(
                tmp_path / f"cold{len(list(tmp_path.iterdir()))}"
            )
            Path(self.environment["XDG_CACHE_HOME"]).mkdir()
            return super().seconds()

    warm = {"XDG_CACHE_HOME": str(tmp_path / "warm")}
    found = {
        "first descent": Cold(program(first)),
        "the next optimizer": Child(program(MINIMIZE.format("Adam()"), first), warm),
        "a sweep after it": Child(program(SWEEP.format("gd.Function(valley, 2)"), first), warm),
        "first descent, second process": Child(program(first), warm),
        "first sweep of the library's function": Child(
            program(SWEEP.format("gd.functions.rosenbrock()")), warm
        ),
        "a loop by hand, compiled with the function": Child(program(BY_HAND)),
    }
    about = {
        "table": "A new process with a function",
        "workload": "Rosenbrock's function, 1,000 updates",
        "threads": 1,
        "unit": "call",
        "headline": True,
    }
    compare(benchmark, found, rounds=3, about=about)
