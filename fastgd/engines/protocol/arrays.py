"""Arrays of a caller as they are in memory, and checks of those that a step updates in place."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from fastgd.engines.protocol.steps import Slot
from fastgd.tensors import as_array, described, is_tensor

Array = NDArray[Any]
_HARDEST_OVERLAP = 100_000  # candidate solutions to try before two arrays count as overlapping


def as_in_memory(array: Array) -> Array:
    """The array as its C struct describes it, which alone says how much memory there is.

    A subclass may override `shape`, `dtype` or `flags` and say anything; a view of the base class cannot.
    """
    return array if type(array) is np.ndarray else np.asarray(array)


def checked(
    slots: Sequence[Slot], params: Sequence[Any], grads: Sequence[Any]
) -> tuple[list[Array], list[Array]]:
    """The arrays as they are in memory, or an error that names the first that cannot be updated in place.

    Raises
    ------
    TypeError
        If an entry is not a plain NumPy array.
    ValueError
        If the number of arrays, a shape or a dtype is not that of the first step, a parameter is
        read-only, or overlaps a gradient or another parameter.
    """
    found = plain_arrays(slots, params, grads)
    check_memory(slots, *found)
    return found


def plain_arrays(
    slots: Sequence[Slot], params: Sequence[Any], grads: Sequence[Any]
) -> tuple[list[Array], list[Array]]:
    """The arrays as they are in memory, or an error that names the first whose form is not that of the first step."""
    check_counts(len(slots), params=len(params), grads=len(grads))
    found: dict[str, list[Array]] = {}
    for root, arrays in (("params", params), ("grads", grads)):
        found[root] = [
            _checked_array(root + slot.name.removeprefix("params"), array, slot, root == "params")
            for slot, array in zip(slots, arrays, strict=True)
        ]
    return found["params"], found["grads"]


def check_memory(slots: Sequence[Slot], params: Sequence[Array], grads: Sequence[Array]) -> None:
    """Raise ValueError for the first parameter that cannot be written to, or that overlaps something."""
    for slot, p in zip(slots, params, strict=True):
        if not p.flags.writeable:
            raise ValueError(f"{slot.name} is read-only; it must be writeable")
        if _repeats_itself(p):
            raise ValueError(f"{slot.name} repeats its own memory (strides {p.strides})")
    _check_overlap(slots, params, grads)


def memory_order(array: Array) -> list[int]:
    """The axes from the longest stride to the shortest."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


def is_dense(array: Array) -> bool:
    """Whether an array fills its memory without gaps, whatever the order of its axes."""
    return array.flags.c_contiguous or array.transpose(memory_order(array)).flags.c_contiguous


def is_plain_array(value: Any) -> bool:
    """Whether this is a NumPy array, but not a masked one: an update would ignore the mask."""
    if type(value) is np.ndarray:
        return True
    # Importing it would cost more than the rest of a first step.
    masked = sys.modules.get("numpy.ma")
    return issubclass(type(value), np.ndarray) and not (  # `__class__` may say anything
        masked is not None and isinstance(value, masked.MaskedArray)
    )


def as_plain_array(name: str, value: Any) -> Array:
    """A NumPy array or a tensor of another library as it is in memory; TypeError for anything else."""
    value = as_array(name, value, shared=True)
    if not is_plain_array(value):
        got = "None" if value is None else type(value).__name__
        frozen = value is None and name.startswith("grads")
        remedy = "; step(..., none_grads='skip') passes over frozen parameters" if frozen else ""
        raise TypeError(f"{name} must be a NumPy array, got {got}{remedy}")
    return as_in_memory(value)


def check_mapping(name: str, array: Array) -> None:
    """Refuse a part of a file that was cut short after it was mapped: reading beyond its end kills the process."""
    owner: Any = array
    while issubclass(type(owner), np.ndarray):
        owner = np.ndarray.base.__get__(owner)
    if isinstance(owner, mmap.mmap):
        try:
            cut = owner.size() < len(owner)
        except (OSError, ValueError):  # not a file, or closed
            return
        if cut:
            raise ValueError(
                f"{name} is mapped from a file that has been cut to {owner.size()} bytes since; "
                f"{len(owner)} are mapped"
            )


def _checked_array(name: str, array: Any, slot: Slot, written: bool) -> Array:
    found = as_plain_array(name, array)
    if found is not array:
        check_mapping(name, found)
        if written and not found.flags.writeable and is_tensor(array):
            raise ValueError(
                f"{name} is {described(array)} that cannot be changed in place; "
                f"update a copy, numpy.array({name})"
            )
    check_form(name, found.shape, found.dtype, slot)
    return found


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
