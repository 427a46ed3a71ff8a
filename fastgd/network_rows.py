"""A network's data: inputs, targets and weights, checked and never copied whole where they can be read as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.networks import Architecture, Array, Rows

__all__ = ["checked_inputs", "checked_rows"]

_READ = (np.uint8, np.float32, np.float64)  # dtypes of inputs that engines read as they are
_LOOKED_AT = 1 << 22  # numbers that are tested for being finite at a time


def checked_inputs(name: str, X: Any, a: Architecture) -> tuple[Array, float]:
    """Inputs as an engine reads them, and what it multiplies them with."""
    x = np.asarray(X)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {x.dtype}")
    if x.ndim != 2 or x.shape[1] != a.sizes[0]:
        raise ValueError(f"{name} must have shape (n, {a.sizes[0]}), got {x.shape}")
    if x.dtype not in _READ or not x.dtype.isnative:
        x = x.astype(a.dtype)
    if x.size and x.strides[1] != x.itemsize:
        x = np.ascontiguousarray(x)
    _check_finite(name, x)
    return x, 1 / 255 if x.dtype == np.uint8 else 1.0


def checked_rows(
    a: Architecture, X: Any, y: Any, sample_weight: Any, *, names: tuple[str, str] = ("X", "y")
) -> Rows:
    """All three, of one length, at least one row."""
    x, scale = checked_inputs(names[0], X, a)
    n = len(x)
    if n == 0:
        raise ValueError(f"{names[0]} has no rows; wanted at least one")
    targets = _classes(names[1], y, n, a) if a.classes else _values(names[1], y, n, a)
    return Rows(x, targets, _weights(sample_weight, n), scale)


def _check_finite(name: str, x: Array) -> None:
    if x.dtype.kind != "f":
        return
    step = max(1, _LOOKED_AT // max(1, x.shape[-1]))
    for start in range(0, len(x), step):
        part = x[start : start + step]
        if not np.isfinite(part).all():
            row, *column = np.argwhere(~np.isfinite(part))[0].tolist()
            place = f"[{', '.join(map(str, (start + row, *column)))}]"
            raise ValueError(
                f"{name}{place} is {part[(row, *column)]}; wanted finite numbers only"
            )


def _classes(name: str, y: Any, n: int, a: Architecture) -> NDArray[np.int32]:
    labels = np.asarray(y)
    if labels.dtype.kind not in "iub":
        whole = labels.dtype.kind == "f" and np.all(labels == np.floor(labels))
        if not whole:
            raise TypeError(f"{name} must hold class numbers, integers, got dtype {labels.dtype}")
    if labels.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},) as X has {n} rows, got {labels.shape}")
    classes = a.sizes[-1]
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(
            f"{name}[{k}] is {labels[k]}; the network has {classes} outputs, classes 0 to {classes - 1}"
        )
    return np.ascontiguousarray(labels, np.int32)


def _values(name: str, y: Any, n: int, a: Architecture) -> Array:
    values = np.asarray(y)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {values.dtype}")
    outputs = a.sizes[-1]
    if values.shape == (n,) and outputs == 1:
        values = values[:, None]
    if values.shape != (n, outputs):
        raise ValueError(f"{name} must have shape ({n}, {outputs}), got {values.shape}")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(values, a.dtype)
    _check_finite(name, values)
    if a.link == "sigmoid" and ((values < 0) | (values > 1)).any():
        raise ValueError(f"{name} must lie between 0 and 1 for loss 'binary_cross_entropy'")
    if a.link == "exp" and (values < 0).any():
        raise ValueError(f"{name} must not be negative for loss 'poisson'")
    return values


def _weights(sample_weight: Any, n: int) -> NDArray[np.float64] | None:
    if sample_weight is None:
        return None
    w = np.asarray(sample_weight)
    if w.dtype.kind not in "fiub":
        raise TypeError(f"sample_weight must hold real numbers, got dtype {w.dtype}")
    w = np.ascontiguousarray(w, np.float64)
    if w.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got {w.shape}")
    _check_finite("sample_weight", w)
    if (w < 0).any() or not w.sum() > 0:
        raise ValueError("sample_weight must hold numbers >= 0, not all of them 0")
    return w
