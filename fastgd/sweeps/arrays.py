"""The arrays of a sweep's result, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARRAYS: dict[str, Any] = {
    "iterations": np.int64,
    "status": np.int8,
    "loss": np.float64,
    "slope": np.float64,
}
COUNTS = (np.uint8, np.uint16, np.uint32, np.int64)
SCALARS = (
    "seconds", "backend", "problem", "optimizer", "dtype", "tol", "max_iter", "vector_width", "paired", "metric_name",
    "record", "engine",
)  # fmt: skip


def checked_array(name: str, given: Any, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array shaped like the axes."""
    array: NDArray[Any] = np.asarray(given, dtype=dtype)
    if array.shape != shape:
        raise ValueError(f"{name} must be shaped like the axes, {shape}, got {array.shape}")
    return array


def checked_x(name: str, given: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """The last iterates, or the history, with one axis more than the others."""
    x: NDArray[Any] = np.asarray(given)
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    if x.ndim != len(shape) + 1 or x.shape[:-1] != shape:
        last = "n_parameters" if name == "x" else "records"
        wanted = f"({', '.join([*map(str, shape), last])})"
        raise ValueError(f"{name} must have the shape {wanted}, got {x.shape}")
    return x


def checked_names(given: Any, count: int) -> tuple[str, ...]:
    """As many names as parameters; by default "p0", "p1", ..."""
    names = tuple(str(name) for name in given) or tuple(f"p{k}" for k in range(count))
    if len(names) != count:
        raise ValueError(f"parameter_names must hold {count} names, got {len(names)}: {names}")
    return names


def check_members(name: str, array: NDArray[Any], allowed: list[Any]) -> None:
    """Refuse values that are not allowed, which are whole numbers without a gap, in order."""
    if not array.size or (allowed[0] <= array.min() and array.max() <= allowed[-1]):
        return
    unknown = array[~np.isin(array, allowed)]
    if unknown.size:
        raise ValueError(f"{name} must hold only {allowed}, got {unknown[0].item()!r}")


def narrowed(counts: NDArray[np.int64]) -> NDArray[np.integer[Any]]:
    """The same counts as the smallest integers that hold them."""
    low, high = counts.min(), counts.max()
    for kind in COUNTS:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            break
    return counts.astype(kind, copy=False)


def in_common(name: str, values: Sequence[Any]) -> Any:
    """One of the `SCALARS` of several sweeps, or of parts of one: the most, or all names, each once, or the last."""
    if name in {"vector_width", "max_iter"}:
        return max(values)
    mark = {"backend": "+", "engine": " and "}.get(name)
    if mark is None:
        return values[-1]
    return mark.join(dict.fromkeys(word for text in values for word in text.split(mark) if word))
