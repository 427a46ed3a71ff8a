"""Many short descents, and few: what a sweep does beside its loops. Two-parameter least squares, float64.

With a million runs of 100 iterations, rates, results, losses, slopes and regimes weigh as much as the loops, which are
measured alone as the bound. NumPy and JAX return the parameters and nothing else; one of the NumPy peers takes
rates in chunks that stay in the cache. A sweep of a few runs is what a program calls in a loop of its own.
"""

import threading
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, Candidate, compare
from sweep_data import RULES, line, rates

import fastgd as gd
from fastgd.descent.request import Options, Request
from fastgd.engines import sweeps
from fastgd.engines.config import get_num_threads
from fastgd.engines.protocol.outcomes import Outcomes
from fastgd.engines.protocol.sweeps import Descents

RUNS, ITERATIONS = (100_000 if QUICK else 1_000_000), 100
CHUNK = 8_192  # rates whose numbers fit into a second-level cache
FEW = ((16, 1), (64, 10))


def sweep(rule: str, n: int, iterations: int) -> Callable[[], gd.SweepResult]:
    data, axes = problem(), {"lr": rates(n)}
    return lambda: gd.sweep(data, RULES[rule](), axes, max_iter=iterations, tol=0)


def problem() -> gd.LeastSquares:
    return gd.LeastSquares(*line())


class Loops:
    """The runs of a sweep for its loops alone: made before, and not looked at afterwards."""

    def __init__(self, rule: str, n: int, iterations: int) -> None:
        options = Options(
            x0=None, rng=None, max_iter=iterations, tol=0, dtype=None, max_seconds=None, backend=None,
            n_threads=None, flush_subnormals=True, progress=False, bounds=None,
        )  # fmt: skip
        self.request = Request.of(problem(), RULES[rule](), {"lr": rates(n)}, options)
        (self.group,) = self.request.groups()
        self.total, self.made = n, {}

    def part(self, start: int, stop: int) -> Descents:
        if (start, stop) not in self.made:
            self.made[start, stop] = self.group.part(start, stop)
        return self.made[start, stop]

    def take(self, start: int, runs: Descents, outcomes: Outcomes) -> None:
        """Their results are let go."""

    def __call__(self) -> None:
        request = self.request
        sweeps.descend(
            request.problem,
            self,
            request.limits,
            backend="auto",
            n_threads=request.n_threads,
            flush=True,
        )


def in_chunks(rule: str, statistics: Any, n: int, iterations: int) -> Callable[[], Any]:
    every = rates(n)
    calls = [
        peers.numpy_sweep(rule, *statistics, every[k : k + CHUNK], iterations)
        for k in range(0, n, CHUNK)
    ]
    return lambda: np.concatenate([call() for call in calls])


def rivals(rule: str, n: int, iterations: int) -> tuple[dict[str, Any], dict[str, str]]:
    """For every peer its call, which returns the parameters; and who is missing."""
    statistics = problem().hessian, problem().linear
    found = {
        "NumPy, in chunks": in_chunks(rule, statistics, n, iterations),
        "NumPy, all rates at once": peers.numpy_sweep(rule, *statistics, rates(n), iterations),
    }
    why = peers.missing("jax")
    if not why:
        found["JAX vmap+scan"] = peers.jax_sweep(rule, *statistics, rates(n), iterations)
    return found, {"JAX": why} if why else {}


def disagreement(rule: str, n: int = 10_000, iterations: int = ITERATIONS) -> dict[str, float]:
    """The largest difference of the parameters to ours, relative to their size, by peer."""
    ours = sweep(rule, n, iterations)().x
    found = {name: call() for name, call in rivals(rule, n, iterations)[0].items()}
    return {name: float(np.abs(x - ours).max() / np.abs(ours).max()) for name, x in found.items()}


def memory(rule: str) -> float:
    """Bytes a run beside the result, at most, while the sweep is made."""
    call = sweep(rule, RUNS, 2)
    tracemalloc.start()
    try:
        out = call()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (peak - kept) / out.size


@pytest.mark.parametrize("rule", RULES)
def test_many_short_runs(benchmark: Any, rule: str) -> None:
    difference = disagreement(rule)
    assert max(difference.values()) < 1e-9, difference
    amount = float(RUNS)
    others, skipped = rivals(rule, RUNS, ITERATIONS)
    found = {
        "fastgd": Candidate(sweep(rule, RUNS, ITERATIONS), amount),
        **{name: Candidate(call, amount) for name, call in others.items()},
        "limit: the loops alone": Candidate(Loops(rule, RUNS, ITERATIONS), amount),
    }
    about = {
        "table": "Short runs",
        "workload": f"{rule}, {RUNS:,} rates x {ITERATIONS} iterations",
        "threads": get_num_threads(),
        "unit": "run",
        "headline": True,
        "disagreement": difference,
        "bytes a run beside the result": memory(rule),
    }
    compare(benchmark, found, rounds=5, about=about, skipped=skipped)


@pytest.mark.parametrize(("n", "iterations"), FEW)
def test_few_runs(benchmark: Any, n: int, iterations: int) -> None:
    others, skipped = rivals("SGD", n, iterations)
    few = sweep("SGD", n, iterations)

    def in_turn(threads: int, calls: int) -> None:
        workers = [
            threading.Thread(target=lambda: [few() for _ in range(calls)]) for _ in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    found = {
        "fastgd": Candidate(few),
        "fastgd, 4 threads call": Candidate(partial(in_turn, 4, 25), 100.0),
        "fastgd, 1 thread calls": Candidate(partial(in_turn, 1, 100), 100.0),
        **{name: Candidate(call) for name, call in others.items() if "chunks" not in name},
    }
    about = {
        "table": "Few runs",
        "workload": f"SGD, {n} rates x {iterations} iterations",
        "threads": get_num_threads(),
        "unit": "call",
        "headline": True,
    }
    compare(benchmark, found, rounds=5, about=about, skipped=skipped)
