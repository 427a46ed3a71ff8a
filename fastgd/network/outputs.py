"""From a network's outputs to predictions."""

from __future__ import annotations

import numpy as np

from fastgd.engines.protocol.networks import Architecture, Array


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
