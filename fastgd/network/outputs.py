"""From a network's outputs to predictions, and their score."""

from __future__ import annotations

import math

import numpy as np

from fastgd.engines.protocol.networks import Architecture, Array, Rows


def linked(link: str, z: Array) -> Array:
    """Predictions from outputs: their softmax, sigmoid or exponential, or the outputs themselves."""
    with np.errstate(all="ignore"):
        if link == "softmax":
            e = np.exp(z - z.max(axis=1, keepdims=True))
            return np.asarray(e / e.sum(axis=1, keepdims=True))
        if link == "sigmoid":
            e = np.exp(-np.abs(z))
            return np.asarray(np.where(z < 0, e, z.dtype.type(1)) / (1 + e))
        return np.asarray(np.exp(z)) if link == "exp" else z


def predicted(a: Architecture, z: Array) -> Array:
    """Class numbers, labels or values from outputs."""
    if a.classes:
        return np.asarray(z.argmax(axis=1))
    guess: Array = (z >= 0).astype(np.int64) if a.link == "sigmoid" else linked(a.link, z)
    return guess[:, 0] if z.shape[1] == 1 else guess


def metric_of(a: Architecture, z: Array, rows: Rows) -> float:
    """Accuracy for classes and labels, else the coefficient of determination R² (nan for constant targets)."""
    guess = predicted(a, z)
    y = rows.y[:, 0] if rows.y.ndim == 2 and guess.ndim == 1 else rows.y
    if a.link in {"softmax", "sigmoid"}:
        return float(np.mean(guess == y))
    y = np.asarray(y, np.float64)
    with np.errstate(all="ignore"):
        total = float(np.sum(np.square(y - y.mean(axis=0))))
        residual = float(np.sum(np.square(y - guess)))
    return 1.0 - residual / total if total else math.nan
