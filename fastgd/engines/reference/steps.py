"""The stepper in plain NumPy: every rule called on whole arrays, slow and readable.

The compiled stepper is tested against it, bit by bit, and it runs if nothing is compiled. It also calls update loops
given by address: Numba's, if the compiled stepper is missing.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import BLOCK, PARTIALS
from fastgd.engines.parse import CoefficientFunction
from fastgd.engines.processor import flushed
from fastgd.engines.protocol.arrays import checked
from fastgd.engines.protocol.steps import Group, Slot
from fastgd.engines.registry import COEFFICIENTS, PREPARE
from fastgd.engines.vocabulary import bound, numpy_vocabulary

Array = NDArray[Any]
_ADDRESSES = ctypes.POINTER(ctypes.c_void_p)
_LOOP = ctypes.CFUNCTYPE(None, _ADDRESSES, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_ssize_t)
_EVALUATE = ctypes.CFUNCTYPE(
    None, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)


class Stepper:
    """Updates lists of arrays in place; the twin of the compiled `fastgd.engines.native.steps.Stepper`.

    Parameters
    ----------
    slots : sequence of Slot
        One per parameter array, in the order in which `step` receives them.
    groups : sequence of Group
        The rules and hyperparameters that slots refer to.
    flush_subnormals : bool
        Whether subnormal numbers count as zero (only if the compiled core is there to set the processor's mode).
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
        self._mode = flushed if flush_subnormals else nullcontext

    def step(
        self,
        params: Sequence[Any],
        grads: Sequence[Any],
        t: int,
    ) -> None:
        """Check everything, compute everything, then write: an error changes nothing."""
        params, grads = checked(self.slots, params, grads)
        carries = [group.carry.copy() for group in self.groups]
        with np.errstate(all="ignore"):
            squares = self._sum_of_squares(grads)
            numbers = [
                coefficients(group, float(t), group.hyper[0], carry, _scale(group, squares))
                for group, carry in zip(self.groups, carries, strict=True)
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
        """Of all gradients, in double, in the order that `layout` states; 0 if no group clips by norm."""
        if all(math.isinf(group.clip_norm) for group in self.groups):
            return 0.0
        total = 0.0
        with self._mode():
            for g in grads:
                for block in block_sums(g):
                    total += float(block)
        return total


def _scale(group: Group, squares: float) -> float:
    if math.isinf(group.clip_norm):
        return 1.0
    norm = math.sqrt(squares) if squares >= 0 else math.nan
    divisor = norm + group.norm_eps
    scale = group.clip_norm / divisor if divisor else math.inf
    return 1.0 if scale > 1.0 else scale


def block_sums(g: Array) -> NDArray[np.float64]:
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
    t -= float(group.behind[0])
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


def tabulated(
    function: CoefficientFunction,
    t: int,
    hyper: NDArray[np.float64],
    carry: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Coefficients by row, runs by column; equal hyperparameters are evaluated once. Writes the carries."""
    known: dict[tuple[float, ...], tuple[float, ...]] = {}
    table = np.empty((function.count, hyper.shape[1]))
    for run, column in enumerate(zip(carry.tolist(), *hyper.tolist(), strict=True)):
        if column not in known:
            before, *values = column
            given = [before] if function.carries else []
            known[column] = tuple(function.function(float(t), *given, *values))
        (*results,) = known[column]
        if function.carries:
            carry[run] = results.pop(0)
        table[:, run] = results
    return table


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
