"""Loads and stores by address inside kernels, also of vectors of 16 bytes.

Kernels take addresses, not arrays: a launch then costs a few integers, one kernel serves any number of arrays by a
table of pointers, and nothing wraps negative indices around.
"""

from __future__ import annotations

import ctypes
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastgd.engines.cuda import device

REALS: dict[str, type[Any]] = {"f": np.float32, "d": np.float64}
_KINDS: dict[str, type[Any]] = {
    **REALS,
    "q": np.int64,
    "i": np.int32,
    "I": np.uint32,
    "b": np.int8,
    "B": np.uint8,
}
WIDE = {"f": 4, "d": 2}  # numbers of 16 bytes


@cache
def memory(char: str) -> SimpleNamespace:
    """``load(address, i)`` and ``store(address, i, value)`` for numbers of one kind, a dtype's character.

    Of real numbers also ``load_wide(address, i)``, a tuple of 16 bytes from the i-th number on, and
    ``store_wide(address, i, *values)``; the address must then be a multiple of 16, and i of the tuple's length.
    """
    if device.simulated():
        return _simulated(char)
    return _on_gpu(char)


def _simulated(char: str) -> SimpleNamespace:
    """Through ctypes: addresses of the simulator are those of the host."""
    kind = _KINDS[char]
    c_type = np.ctypeslib.as_ctypes_type(kind)

    def load(address: int, i: int) -> Any:
        place = c_type.from_address(int(address) + int(i) * ctypes.sizeof(c_type))
        return kind(place.value)

    def store(address: int, i: int, value: Any) -> None:
        place = c_type.from_address(int(address) + int(i) * ctypes.sizeof(c_type))
        place.value = value.item() if isinstance(value, np.generic) else value

    def load_wide(address: int, i: int) -> Any:
        return tuple(load(address, i + k) for k in range(WIDE[char]))

    def store_wide(address: int, i: int, *values: Any) -> None:
        for k, value in enumerate(values):
            store(address, i + k, value)

    return SimpleNamespace(load=load, store=store, load_wide=load_wide, store_wide=store_wide)


def _on_gpu(char: str) -> SimpleNamespace:
    """LLVM instructions on global memory."""
    from llvmlite import ir  # noqa: PLC0415
    from numba import types as nt  # noqa: PLC0415
    from numba.cuda.extending import intrinsic  # noqa: PLC0415

    kind = np.dtype(_KINDS[char])
    number = getattr(nt, kind.name)
    plain = {
        "f": ir.FloatType(),
        "d": ir.DoubleType(),
    }.get(char, ir.IntType(8 * kind.itemsize))

    def place(builder: Any, address: Any, i: Any, of: Any) -> Any:
        start = builder.inttoptr(address, ir.PointerType(plain, addrspace=1))  # global memory
        element = builder.gep(start, [i])
        return element if of is plain else builder.bitcast(element, ir.PointerType(of, addrspace=1))

    @intrinsic
    def load(context: Any, address: Any, i: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load(place(builder, args[0], args[1], plain))

        return number(nt.int64, nt.int64), generate

    @intrinsic
    def store(context: Any, address: Any, i: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.store(args[2], place(builder, args[0], args[1], plain))
            return context.get_dummy_value()

        return nt.void(nt.int64, nt.int64, number), generate

    scalar = SimpleNamespace(load=load, store=store)
    return _with_vectors(scalar, char, number, plain, place) if char in REALS else scalar


def _with_vectors(
    scalar: SimpleNamespace, char: str, number: Any, plain: Any, place: Any
) -> SimpleNamespace:
    """Loads and stores of 16 bytes beside those of single numbers."""
    from llvmlite import ir  # noqa: PLC0415
    from numba import types as nt  # noqa: PLC0415
    from numba.cuda.extending import intrinsic  # noqa: PLC0415

    lanes = WIDE[char]
    vector = ir.VectorType(plain, lanes)
    lane = [ir.Constant(ir.IntType(32), k) for k in range(lanes)]

    @intrinsic
    def load_wide(context: Any, address: Any, i: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            values = builder.load(place(builder, args[0], args[1], vector))
            values.align = 16
            parts = [builder.extract_element(values, k) for k in lane]
            return context.make_tuple(builder, signature.return_type, parts)

        return nt.UniTuple(number, lanes)(nt.int64, nt.int64), generate

    def stored() -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            values = ir.Constant(vector, ir.Undefined)
            for k, value in zip(lane, args[2:], strict=True):
                values = builder.insert_element(values, value, k)
            builder.store(values, place(builder, args[0], args[1], vector), align=16)
            return context.get_dummy_value()

        return nt.void(nt.int64, nt.int64, *[number] * lanes), generate

    if char == "f":

        @intrinsic
        def store_wide(context: Any, address: Any, i: Any, a: Any, b: Any, c: Any, d: Any) -> Any:  # noqa: PLR0917
            return stored()
    else:

        @intrinsic
        def store_wide(context: Any, address: Any, i: Any, a: Any, b: Any) -> Any:
            return stored()

    return SimpleNamespace(**vars(scalar), load_wide=load_wide, store_wide=store_wide)
