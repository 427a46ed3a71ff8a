"""A network's parameters: where they lie and how they start."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Architecture, Array


def parameter_views(a: Architecture) -> tuple[Array, list[Array]]:
    """One stretch of memory for all parameters, and the arrays in it: each begins on a cache line."""
    line = 64 // a.dtype.itemsize
    shapes = [s for k in range(a.layers) for s in (a.sizes[k : k + 2], a.sizes[k + 1 : k + 2])]
    starts = np.cumsum([0, *(-(-math.prod(s) // line) * line for s in shapes)])
    raw = np.zeros(int(starts[-1]) + line, a.dtype)
    flat = raw[-raw.ctypes.data % 64 // a.dtype.itemsize :][: int(starts[-1])]
    return flat, [
        flat[start : start + math.prod(s)].reshape(s)
        for start, s in zip(starts[:-1].tolist(), shapes, strict=True)
    ]


def initial_weights(
    rng: np.random.Generator, shape: tuple[int, ...], kind: str
) -> NDArray[np.float64]:
    fan_in, fan_out = shape
    if kind == "he":
        return rng.normal(0.0, math.sqrt(2.0 / fan_in), shape)
    limit = math.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, shape)


def init_named(init: Any) -> str:
    if init not in ("auto", "he", "glorot"):
        raise ValueError(f"init must be 'auto', 'he' or 'glorot', got {init!r:.60}")
    return str(init)
