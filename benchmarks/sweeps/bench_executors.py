"""A sweep of some seconds on two processes, with a store, beside the same sweep on two threads: what the way costs.

Momentum on least squares of two parameters, so many iterations that a chunk of a second has some tens of thousands of
runs, whose parameters come back and are kept.
"""

import multiprocessing
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from comparison import QUICK, Candidate, compare
from sweep_data import line, rates

import fastgd as gd

RUNS, ITERATIONS = (20_000, 500) if QUICK else (300_000, 10_000)
WORKERS = 2


def sweep(**how: Any) -> gd.SweepResult:
    problem = gd.LeastSquares(*line())
    return gd.sweep(problem, gd.Momentum(), {"lr": rates(RUNS)}, max_iter=ITERATIONS, tol=0, **how)


def stored(**how: Any) -> gd.SweepResult:
    folder = tempfile.mkdtemp()
    try:
        return sweep(store=folder, **how)
    finally:
        shutil.rmtree(folder)


def test_executors(benchmark: Any) -> None:
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as executor:
        plain = sweep(n_threads=WORKERS)
        assert np.array_equal(plain.x, stored(executor=executor).x)
        amount = float(RUNS)
        found = {
            "fastgd, processes and store": Candidate(lambda: stored(executor=executor), amount),
            "fastgd, processes": Candidate(lambda: sweep(executor=executor), amount),
            "fastgd, store": Candidate(lambda: stored(n_threads=WORKERS), amount),
            "fastgd, threads": Candidate(lambda: sweep(n_threads=WORKERS), amount),
        }
        about = {
            "table": "Executors",
            "workload": f"Momentum, {RUNS:,} rates x {ITERATIONS:,} iterations",
            "threads": WORKERS,
            "unit": "run",
            "headline": False,
        }
        compare(benchmark, found, rounds=5, about=about)
