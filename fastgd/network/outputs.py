"""From a network's outputs to class numbers, labels and values."""

from __future__ import annotations

import numpy as np

from fastgd.engines.protocol.networks import Architecture, Array
from fastgd.engines.protocol.predictions import linked

__all__ = ["linked", "predicted"]


def predicted(a: Architecture, z: Array) -> Array:
    """Class numbers, labels or values from outputs."""
    if a.classes:
        return np.asarray(z.argmax(axis=1))
    guess: Array = (z >= 0).astype(np.int64) if a.link == "sigmoid" else linked(a.link, z)
    return guess[:, 0] if z.shape[1] == 1 else guess
