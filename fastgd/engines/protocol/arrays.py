"""Checks of the arrays that a step updates in place."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from fastgd.engines.protocol.steps import Slot

Array = NDArray[Any]
_HARDEST_OVERLAP = 100_000  # candidate solutions to try before two arrays count as overlapping


def check(slots: Sequence[Slot], params: Sequence[Any], grads: Sequence[Any]) -> None:
    """Raise an error that names the first array that cannot be updated in place.

    Raises
    ------
    TypeError
        If an entry is not a plain NumPy array.
    ValueError
        If the number of arrays, a shape or a dtype is not that of the first step, a parameter is
        read-only, or overlaps a gradient or another parameter.
    """
    check_counts(len(slots), params=len(params), grads=len(grads))
    for root, arrays in (("params", params), ("grads", grads)):
        for slot, array in zip(slots, arrays, strict=True):
            _check_array(root + slot.name.removeprefix("params"), array, slot)
    for slot, p in zip(slots, params, strict=True):
        if not p.flags.writeable:
            raise ValueError(f"{slot.name} is read-only; it must be writeable")
        if _repeats_itself(p):
            raise ValueError(f"{slot.name} repeats its own memory (strides {p.strides})")
    _check_overlap(slots, params, grads)


def is_plain_array(value: Any) -> bool:
    """Whether this is a NumPy array, but not a masked one: an update would ignore the mask."""
    masked = sys.modules.get(
        "numpy.ma"
    )  # importing it would cost more than the rest of a first step
    return isinstance(value, np.ndarray) and not (
        masked is not None and isinstance(value, masked.MaskedArray)
    )


def _check_array(name: str, array: Any, slot: Slot) -> None:
    if not is_plain_array(array):
        got = "None" if array is None else type(array).__name__
        raise TypeError(f"{name} must be a NumPy array, got {got}")
    check_form(name, array.shape, array.dtype, slot)


def check_counts(wanted: int, **given: int) -> None:
    """Check that there are as many parameters and gradients as at the first step."""
    for root, many in given.items():
        if many != wanted:
            raise ValueError(f"{root} must hold {wanted} arrays, got {many}")


def check_form(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], slot: Slot) -> None:
    """Check that an array has the shape and dtype of the first step."""
    if dtype != slot.dtype:
        raise ValueError(f"{name} must have dtype {slot.dtype}, got {dtype}")
    if shape != slot.shape:
        raise ValueError(f"{name} must have shape {slot.shape}, got {shape}")


def _repeats_itself(array: Array) -> bool:
    """Whether two elements may share memory.

    In any view that indexing makes, a longer stride steps over all that the shorter ones reach.
    """
    reach = array.itemsize if array.size else 0
    lengths = zip(array.strides, array.shape, strict=True)
    for stride, length in sorted((abs(s), n) for s, n in lengths if n > 1):
        if stride < reach:
            return True
        reach += stride * (length - 1)
    return False


def _check_overlap(slots: Sequence[Slot], params: Sequence[Array], grads: Sequence[Array]) -> None:
    """Compare each array, in order of first bytes, with those that extend into it."""
    names = [slot.name for slot in slots]
    found = [(*byte_bounds(a), True, n, a) for n, a in zip(names, params, strict=True) if a.size]
    for name, g in zip(names, grads, strict=True):
        if g.size:
            found.append((*byte_bounds(g), False, "grads" + name.removeprefix("params"), g))
    open_: list[tuple[int, int, bool, str, Array]] = []
    for entry in sorted(found, key=lambda e: e[:2]):
        low, _, updated, name, array = entry
        open_ = [other for other in open_ if other[1] > low]
        for _, _, other_updated, other_name, other in open_:
            if (updated or other_updated) and _overlap(array, other):
                first, second = sorted((name, other_name), reverse=True)
                raise ValueError(f"{first} overlaps {second} in memory")
        open_.append(entry)


def _overlap(a: Array, b: Array) -> bool:
    try:
        return np.shares_memory(a, b, max_work=_HARDEST_OVERLAP)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True
