"""What a network's outputs are worth: accuracy or R², by sums whose order other engines can keep."""

from __future__ import annotations

import math

import numpy as np

from fastgd.engines.protocol.networks import Architecture, Array
from fastgd.engines.vocabulary import numpy_vocabulary


def summed(values: Array) -> float:
    """The sum in double as one chain of additions: row by row, and within a row output by output."""
    return float(np.add.accumulate(np.ravel(values), dtype=np.float64)[-1])


def spread_of(y: Array) -> float:
    """The sum of the squares of the targets' distances from the mean of their output."""
    wide = np.asarray(y, np.float64)
    return summed(np.square(wide - np.add.accumulate(wide, axis=0)[-1] / len(wide)))


def metric_of(a: Architecture, z: Array, y: Array) -> float:
    """Accuracy for classes and labels, else the coefficient of determination R² (nan for constant targets)."""
    if a.link == "softmax":
        return float(np.mean(z.argmax(axis=1) == y))
    if a.link == "sigmoid":
        return float(np.mean((z >= 0) == y))
    wide, total = np.asarray(y, np.float64), spread_of(y)
    residual = summed(np.square(wide - (numpy_vocabulary().exp(z) if a.link == "exp" else z)))
    return 1.0 - residual / total if total else math.nan
