"""Tables with a row for each run: a sweep's result as columns, and large arrays of a sweep of networks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import Column
from fastgd.engines.protocol.outcomes import Status
from fastgd.plotting.result import Result
from fastgd.sweeps.axis_values import as_column

_UNKNOWN = 4 << 30  # bytes that may be used where the system does not tell how many there are


def most_bytes() -> int:
    """Half of the machine's memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN


def table(asked: str, runs: int, numbers: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """NaN for each run and number; ValueError, which names what was asked for, if they need too much memory."""
    needed, most = runs * numbers * dtype.itemsize, most_bytes()
    if needed > most:
        raise ValueError(
            f"{asked} needs {needed / 1e6:,.0f} MB for {numbers:,} numbers of each of {runs:,} runs; "
            f"it may take {most / 1e6:,.0f} MB, half of the memory"
        )
    return np.full((runs, numbers), np.nan, dtype)


def columns_of(
    result: Result, axes: Mapping[str, Column], x: NDArray[Any], names: Sequence[str]
) -> dict[str, Any]:
    """The columns of `SweepResult.to_pandas`: axes, outcomes, and the final parameters that have names."""
    columns: dict[str, Any] = {}
    shape, size = result.shape, result.status.size
    repeats = np.indices(shape, dtype=np.int64).reshape(len(shape), size)
    if result.paired:
        repeats = np.broadcast_to(repeats, (len(axes), size))
    for (name, values), index in zip(axes.items(), repeats, strict=True):
        columns[name] = as_column(values)[index]
    labels = {int(s): s.label for s in Status}
    columns["status"] = [labels[s] for s in result.status.ravel().tolist()]
    last = "slope" if result.metric is None else "metric"
    for name in ("regime", "iterations", "loss", last):
        columns[name] = getattr(result, name).ravel()
    rows = x.reshape(size, x.shape[-1])
    for k, name in enumerate(names):
        columns[f"final_{name}" if name in columns else name] = rows[:, k]
    return columns
