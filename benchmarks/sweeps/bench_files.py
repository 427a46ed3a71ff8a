"""Writing and reading the result of a sweep: a million runs of two parameters over two axes.

NumPy's `savez` and `savez_compressed` write the same arrays, without axes and checks; pandas writes the same table.
Notes tell the sizes of the files.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from comparison import QUICK, Candidate, compare
from sweep_data import line

import fastgd as gd

SIDE = 100 if QUICK else 1_000  # values of each axis
ARRAYS = ("iterations", "status", "regime_codes", "loss", "slope", "x")
PARQUET = importlib.util.find_spec("pyarrow") is not None
SKIPPED = {} if PARQUET else {"Parquet": "pyarrow is not installed"}

Ways = dict[str, tuple[Callable[[str], Any], Callable[[str], Any]]]


def result() -> gd.SweepResult:
    axes = {"lr": np.geomspace(1e-3, 4, SIDE), "momentum": np.linspace(0, 0.99, SIDE)}
    return gd.sweep(gd.LeastSquares(*line()), gd.Momentum(), axes, max_iter=1_000, tol=1e-6)


def arrays_of(path: str) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {name: archive[name] for name in ARRAYS}


def ways(out: gd.SweepResult) -> Ways:
    """By name: how to write the result, and how to read it; the name is also the file's."""
    arrays = {name: getattr(out, name) for name in ARRAYS}
    table = out.to_pandas()
    found: Ways = {
        "fastgd save.npz": (out.save, gd.SweepResult.load),
        "NumPy savez.npz": (lambda path: np.savez(path, **arrays), arrays_of),
        "NumPy savez_compressed.npz": (
            lambda path: np.savez_compressed(path, **arrays),
            arrays_of,
        ),
        "fastgd to_csv.csv": (out.to_csv, pd.read_csv),
        "pandas to_csv.csv": (lambda path: table.to_csv(path, index=False), pd.read_csv),
    }
    if PARQUET:
        found["fastgd to_parquet.parquet"] = (out.to_parquet, pd.read_parquet)
        found["pandas to_parquet.parquet"] = (table.to_parquet, pd.read_parquet)
    return found


def losses(read: Any) -> np.ndarray:
    """The losses in whatever a file gave."""
    return np.ravel(read.loss if isinstance(read, gd.SweepResult) else read["loss"])


@pytest.mark.parametrize("which", ["write", "read"])
def test_files(benchmark: Any, tmp_path: Path, which: str) -> None:
    out = result()
    found = {}
    for name, (write, read) in ways(out).items():
        path = str(tmp_path / name)
        write(path)
        np.testing.assert_array_equal(losses(read(path)), out.loss.ravel())
        call, size = {"write": write, "read": read}[which], Path(path).stat().st_size
        found[name] = Candidate(
            lambda call=call, path=path: call(path), float(out.size), f"{size / 1e6:.3g} MB"
        )
    about = {
        "table": "Files",
        "workload": f"{which} {out.size:,} runs",
        "threads": 1,
        "unit": "run",
        "headline": False,
    }
    compare(benchmark, found, rounds=5, about=about, skipped=SKIPPED)
