"""Compilation at first use: with an empty cache, with a full one, and ahead of time."""

from pathlib import Path
from typing import Any

import peers
from comparison import Child, compare

SWEEP = """
import time
import numpy as np
import fastgd as gd
problem = gd.Quadratic([[2.0, 0.5], [0.5, 1.0]], [1.0, 1.0])
start = time.perf_counter()
out = gd.sweep(problem, gd.SGD(), {{"lr": np.linspace(0.01, 0.5, 64)}}, max_iter=64, backend="{backend}")
seconds = time.perf_counter() - start
assert out.backend == "{backend}"
print(seconds)
"""
JAX = """
import time
import numpy as np
import sys
sys.path[:0] = {path!r}
import peers
hessian, linear = np.array([[2.0, 0.5], [0.5, 1.0]]), np.ones(2)
peers.jax()
start = time.perf_counter()
peers.jax_sweep("SGD", hessian, linear, np.linspace(0.01, 0.5, 64), 64)()
print(time.perf_counter() - start)
"""


class Cold(Child):
    """A child whose cache is emptied before it starts."""

    def seconds(self) -> float:
        cache = Path(self.environment["XDG_CACHE_HOME"])
        for file in sorted(cache.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        return super().seconds()


def test_first_sweep(benchmark: Any, tmp_path: Path) -> None:
    numba = SWEEP.format(backend="numba")
    found = {
        "fastgd": Child(SWEEP.format(backend="cython")),
        "fastgd Numba, empty cache": Cold(numba, {"XDG_CACHE_HOME": str(tmp_path / "cold")}),
        "fastgd Numba, full cache": Child(numba, {"XDG_CACHE_HOME": str(tmp_path / "warm")}),
    }
    skipped = {}
    if why := peers.missing("jax"):
        skipped["JAX"] = why
    else:
        root = Path(__file__).parents[2]
        path = [str(root / "benchmarks"), str(root / "tests")]
        found["JAX"] = Child(JAX.format(path=path))
    about = {
        "table": "A new process",
        "workload": "first sweep of plain descent after the import",
        "threads": 1,
        "unit": "process",
        "headline": True,
    }
    compare(benchmark, found, rounds=3, about=about, skipped=skipped)
