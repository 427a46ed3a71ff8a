"""Grids of cases that compile or run long: plain `pytest` runs a sample of each, `pytest -m slow` the rest."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from cases import CASES, Case

_FIRST = {case.optimizer: case.id for case in reversed(CASES)}
# What all optimizers share (penalties, clipping, maximizing), once where it stands before a rule and once inside.
_SHARED = {
    "SGD-elastic-net",
    "SGD-keras-clip-norm",
    "NAG-decay",
    "Adam-amsgrad-decay",
    "AdamW-decay",
}


def in_sample(case: Case) -> bool:
    """The first row of every optimizer, and the rows of what all of them share."""
    return case.id == _FIRST[case.optimizer] or case.id in _SHARED


def sampled(rows: Iterable[Any], sample: Callable[[Any], bool]) -> list[Any]:
    """Rows of a parametrization; all that are not in the sample are marked slow. A tuple is a row of several values."""
    return [row if sample(row) else _slow(row) for row in rows]


def _slow(row: Any) -> Any:
    values = row if isinstance(row, tuple) else (row,)
    return pytest.param(*values, marks=pytest.mark.slow)


SAMPLED_CASES = sampled(CASES, in_sample)
SAMPLED_DTYPES = sampled(["float32", "float64"], lambda dtype: dtype == "float64")
