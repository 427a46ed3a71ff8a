"""The stepper in plain NumPy: every rule called on whole arrays, slow and readable.

It is what the compiled stepper is tested against, bit by bit, and it runs where nothing has been
compiled. The same class drives update loops given by their address, which is how Numba's loops are
called where the compiled stepper is missing.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from fastgd.engines.registry import COEFFICIENTS, PREPARE
from fastgd.engines.stepping import BLOCK, PARTIALS, Group, Slot
from fastgd.engines.vocabulary import bound, numpy_vocabulary

Array = NDArray[Any]

_HARDEST_OVERLAP = 100_000  # candidate solutions to look at before two arrays count as overlapping
_ADDRESSES = ctypes.POINTER(ctypes.c_void_p)
_LOOP = ctypes.CFUNCTYPE(None, _ADDRESSES, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_ssize_t)
_EVALUATE = ctypes.CFUNCTYPE(
    None, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)


class Stepper:
    """Updates lists of arrays in place; the twin of the compiled `fastgd.engines._step.Stepper`.

    Parameters
    ----------
    slots : sequence of Slot
        One per parameter array, in the order in which `step` receives them.
    groups : sequence of Group
        The rules and hyperparameters that slots refer to.
    flush_subnormals : bool
        Whether subnormal numbers count as zero in the arithmetic (only where the compiled core is
        there to set the processor's mode).
    n_threads : int or None
        Ignored: NumPy's arithmetic has one thread.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        groups: Sequence[Group],
        flush_subnormals: bool = True,
        n_threads: int | None = None,
    ) -> None:
        self.slots = list(slots)
        self.groups = list(groups)
        self._mode = _flushed if flush_subnormals else nullcontext

    def step(
        self,
        params: Sequence[Any],
        grads: Sequence[Any],
        t: int,
        lr_override: float | None = None,
    ) -> None:
        """Check everything, compute everything, then write: an error changes nothing."""
        check(self.slots, params, grads)
        rates = [g.hyper[0] if lr_override is None else lr_override for g in self.groups]
        carries = [group.carry.copy() for group in self.groups]
        with np.errstate(all="ignore"):
            squares = self._sum_of_squares(grads)
            numbers = [
                coefficients(group, float(t), rate, carry, _scale(group, squares))
                for group, rate, carry in zip(self.groups, rates, carries, strict=True)
            ]
            with self._mode():
                updated = [
                    _updated(self.groups[slot.group], p, g, slot, numbers[slot.group])
                    for slot, p, g in zip(self.slots, params, grads, strict=True)
                ]
        for group, carry in zip(self.groups, carries, strict=True):
            group.carry[:] = carry
        for slot, p, (new, *state) in zip(self.slots, params, updated, strict=True):
            p[...] = new
            for old, value in zip(slot.state, state, strict=True):
                old[...] = value

    def _sum_of_squares(self, grads: Sequence[Array]) -> float:
        """Of all gradients, in double and in the stated order; 0 where no group clips by norm."""
        if all(math.isinf(group.clip_norm) for group in self.groups):
            return 0.0
        total = 0.0
        with self._mode():
            for g in grads:
                for block in _block_sums(g):
                    total += float(block)
        return total


def _scale(group: Group, squares: float) -> float:
    if math.isinf(group.clip_norm):
        return 1.0
    norm = math.sqrt(squares) if squares >= 0 else math.nan
    divisor = norm + group.norm_eps
    scale = group.clip_norm / divisor if divisor else math.inf
    return 1.0 if scale > 1.0 else scale


def _block_sums(g: Array) -> NDArray[np.float64]:
    """Sums of squares of blocks of BLOCK elements, each of PARTIALS interleaved partial sums."""
    flat = np.ascontiguousarray(g).reshape(-1)
    blocks = -(-flat.size // BLOCK)
    padded = np.zeros(blocks * BLOCK)
    padded[: flat.size] = flat
    squares = np.square(padded, out=padded).reshape(blocks, BLOCK // PARTIALS, PARTIALS)
    partial = np.zeros((blocks, PARTIALS))
    for k in range(BLOCK // PARTIALS):
        partial += squares[:, k]
    total = np.zeros(blocks)
    for k in range(PARTIALS):
        total += partial[:, k]
    return total


def coefficients(
    group: Group, t: float, lr: float, carry: NDArray[np.float64], scale: float
) -> list[float]:
    """The rule's coefficients in double, those of `prepare` before them; writes the carry."""
    hyper = group.hyper.copy()
    hyper[0] = lr
    own = np.empty(len(group.rule.coefficients))
    if isinstance(group.evaluate, int):
        evaluate = _EVALUATE(group.evaluate)
        evaluate(t, carry.ctypes.data, hyper.ctypes.data, own.ctypes.data)
    elif group.evaluate is not None:
        group.evaluate(t, carry, hyper, own)
    else:
        in_python(group.coefficients.function, group.coefficients.carries)(t, carry, hyper, own)
    if not group.prepared:
        return list(map(float, own))
    shared = group.shared.copy()
    shared[1] *= scale
    prepare = COEFFICIENTS["prepare"].function
    return [*map(float, prepare(t, lr, *shared.tolist())), *map(float, own)]


def in_python(function: Callable[..., Any], carries: bool) -> Callable[..., None]:
    """A coefficient function under the form ``f(t, carry, hyper, out)`` of `Group.evaluate`."""

    def evaluate(t: float, carry: Array, hyper: Array, out: Array) -> None:
        if carries:
            carry[0], *results = function(t, float(carry[0]), *hyper.tolist())
        else:
            results = function(t, *hyper.tolist())
        if len(results) != len(out):
            raise ValueError(
                f"coefficients must return {len(out)} numbers{' after the carry' * carries}, "
                f"got {len(results)}"
            )
        out[:] = results

    return evaluate


def _updated(
    group: Group, p: Array, g: Array, slot: Slot, coefficients: list[float]
) -> Sequence[Array]:
    """New parameter and state, from one call of the rule."""
    numbers = np.array(coefficients, slot.dtype)
    loop = group.loops.get(slot.dtype.char)
    if isinstance(loop, int):
        return _by_address(loop, [p, g, *slot.state], numbers)
    split = len(PREPARE.coefficients) if group.prepared else 0
    if group.prepared:
        p, g = _on_arrays(PREPARE.function)(p, g, *numbers[:split])
    result: tuple[Array, ...] = _on_arrays(group.rule.function)(p, g, *slot.state, *numbers[split:])
    return result


@cache
def _on_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    return bound(function, numpy_vocabulary())


def _by_address(loop: int, arrays: Sequence[Array], coefficients: Array) -> Sequence[Array]:
    """A compiled loop on contiguous copies."""
    copies = [np.array(array, order="C", copy=True) for array in arrays]
    pointers = (ctypes.c_void_p * len(copies))(*(copy.ctypes.data for copy in copies))
    _LOOP(loop)(pointers, coefficients.ctypes.data, 0, copies[0].size)
    return [copies[0], *copies[2:]]


def _flushed() -> AbstractContextManager[Any]:
    """Subnormal numbers count as zero inside, where the compiled core can set the mode."""
    try:
        from fastgd.engines._step import flushed  # noqa: PLC0415
    except ImportError:
        return nullcontext()
    guard: AbstractContextManager[Any] = flushed()
    return guard


# --- what may be updated ------------------------------------------------------------------------------


def check(slots: Sequence[Slot], params: Sequence[Any], grads: Sequence[Any]) -> None:
    """Refuse what cannot be updated in place exactly, naming the array.

    Raises
    ------
    TypeError
        If an entry is no plain NumPy array.
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
    """Whether this is a NumPy array, but not a masked one, whose mask an update would ignore."""
    masked = sys.modules.get("numpy.ma")  # its import would cost more than all the rest
    return isinstance(value, np.ndarray) and not (
        masked is not None and isinstance(value, masked.MaskedArray)
    )


def _check_array(name: str, array: Any, slot: Slot) -> None:
    if not is_plain_array(array):
        got = "None" if array is None else type(array).__name__
        raise TypeError(f"{name} must be a NumPy array, got {got}")
    check_form(name, array.shape, array.dtype, slot)


def check_counts(wanted: int, **given: int) -> None:
    """Whether there are as many parameters, and gradients, as there were at the first step."""
    for root, many in given.items():
        if many != wanted:
            raise ValueError(f"{root} must hold {wanted} arrays, got {many}")


def check_form(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], slot: Slot) -> None:
    """Whether an array has the shape and dtype that it had at the first step."""
    if dtype != slot.dtype:
        raise ValueError(f"{name} must have dtype {slot.dtype}, got {dtype}")
    if shape != slot.shape:
        raise ValueError(f"{name} must have shape {slot.shape}, got {shape}")


def _repeats_itself(array: Array) -> bool:
    """Whether two elements may share memory: in any view that indexing makes, a longer stride
    steps over all that the shorter ones reach.
    """
    reach = array.itemsize if array.size else 0
    lengths = zip(array.strides, array.shape, strict=True)
    for stride, length in sorted((abs(s), n) for s, n in lengths if n > 1):
        if stride < reach:
            return True
        reach += stride * (length - 1)
    return False


def _check_overlap(slots: Sequence[Slot], params: Sequence[Array], grads: Sequence[Array]) -> None:
    """In order of their first byte, each array is compared with those that reach into it."""
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
