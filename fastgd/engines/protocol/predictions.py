"""From a network's inputs to predictions: inputs that are not finite, the link after the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fastgd.engines.protocol.networks import Array, Engine

_AT_ONCE = 1 << 20  # how many numbers are tested for being finite at a time


class NotFinite(ValueError):
    """An input is NaN or infinite, or becomes so in the network's dtype; who has its name says which."""


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


def predict_by_forward(
    self: Engine,
    params: list[Array],
    x: Array,
    scale: float = 1.0,
    *,
    link: bool = True,
    strict: bool = True,
) -> Array:
    """The method `Engine.predict` of an engine that has only `Engine.forward`."""
    a = self.architecture
    if strict and first_not_finite(x, a.dtype) is not None:
        raise NotFinite
    z = self.forward(params, x, scale)
    return linked(a.link, z) if link else z


def first_not_finite(x: Array, dtype: np.dtype[np.generic]) -> tuple[int, ...] | None:
    """The place of the first number that is NaN or infinite in a dtype, if there is one."""
    if x.dtype.kind != "f":
        return None
    step = max(1, _AT_ONCE // max(1, x[:1].size))
    for start in range(0, len(x), step):
        part = x[start : start + step]
        if part.dtype != dtype:
            with np.errstate(over="ignore"):
                part = part.astype(dtype)
        finite = np.isfinite(part)
        if not finite.all():
            row, *column = np.argwhere(~finite)[0].tolist()
            return (start + row, *column)
    return None
