"""The names `np.*` of rules: a vocabulary for NumPy and one for Numba.

Rules (`fastgd.rules`) use the global `np`, which each backend replaces by its own vocabulary (`bound`). That of C is
`vocabulary.h`. All give the same bits; exp, log, tanh and the like come from `fastgd.rules.elementary`, not from the
backends.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from fastgd.rules import elementary

PLAIN = ("sqrt", "abs", "sign", "maximum", "minimum", "where")
ELEMENTARY = ("exp", "expm1", "log", "log1p", "tanh", "erf")
_CHUNK = 4096  # elements per call of NumPy, so that an elementary function stays in cache


def bound(function: Callable[..., Any], vocabulary: types.ModuleType) -> Callable[..., Any]:
    """A copy of a rule whose global `np` is the given vocabulary."""
    if not isinstance(function, types.FunctionType):
        raise TypeError(f"a rule must be a Python function, got {function!r}")
    copy = types.FunctionType(
        function.__code__,
        {**function.__globals__, "np": vocabulary},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__doc__ = function.__doc__
    return copy


def _module(name: str, members: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(members)
    return module


# --- the bits of numbers, for elementary functions --------------------------------------------------


class _Format:
    """The layout of a number's bits; see `fastgd.rules.elementary`."""

    def __init__(self, real: type[np.floating[Any]], word: type[np.unsignedinteger[Any]]) -> None:
        self.real, self.word = real, word
        info = np.finfo(real)
        self.digits = int(info.nmant)
        self.bias = int(info.maxexp) - 1
        self.fraction = (1 << self.digits) - 1
        self.sqrt_half = int(np.sqrt(real(0.5)).view(word))
        # An integer in the low bits of this one is that much more than 2 ** digits.
        self.integer = (self.bias + self.digits) << self.digits
        self.offset = float(2**self.digits + self.bias)


SINGLE = _Format(np.float32, np.uint32)
DOUBLE = _Format(np.float64, np.uint64)


def numpy_bits(f: _Format) -> dict[str, Any]:
    """`pow2`, `exponent` and `mantissa` of `fastgd.rules.elementary`, for arrays of one dtype."""
    word, real = f.word, f.real

    def pow2(k: Any) -> Any:
        return (k.view(word) << word(f.digits)).view(real)

    def exponent(x: Any) -> Any:
        biased = (x.view(word) + word((f.bias << f.digits) - f.sqrt_half)) >> word(f.digits)
        return (biased | word(f.integer)).view(real) - real(f.offset)

    def mantissa(x: Any) -> Any:
        return (((x.view(word) - word(f.sqrt_half)) & word(f.fraction)) + word(f.sqrt_half)).view(
            real
        )

    return {"pow2": pow2, "exponent": exponent, "mantissa": mantissa}


def _numba_bits(f: _Format) -> dict[str, Any]:
    from llvmlite import ir  # noqa: PLC0415
    from numba import types as nt  # noqa: PLC0415
    from numba.extending import intrinsic  # noqa: PLC0415

    real = nt.float32 if f is SINGLE else nt.float64
    float_type = ir.FloatType() if f is SINGLE else ir.DoubleType()
    word = ir.IntType(32 if f is SINGLE else 64)

    def on_bits(build: Callable[[Any, Any], Any]) -> Any:
        """A function from the bits of a number to those of another, as LLVM instructions."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            bits = build(builder, builder.bitcast(arguments[0], word))
            return builder.bitcast(bits, float_type)

        return intrinsic(lambda context, x: (real(real), generate))

    def pow2(b: Any, x: Any) -> Any:
        return b.shl(x, word(f.digits))

    def exponent(b: Any, x: Any) -> Any:
        biased = b.lshr(b.add(x, word((f.bias << f.digits) - f.sqrt_half)), word(f.digits))
        number = b.bitcast(b.or_(biased, word(f.integer)), float_type)
        return b.bitcast(b.fsub(number, float_type(f.offset)), word)

    def mantissa(b: Any, x: Any) -> Any:
        rest = b.and_(b.sub(x, word(f.sqrt_half)), word(f.fraction))
        return b.add(rest, word(f.sqrt_half))

    return {g.__name__: on_bits(g) for g in (pow2, exponent, mantissa)}


# --- NumPy ----------------------------------------------------------------------------------------


@cache
def numpy_vocabulary() -> types.ModuleType:
    """The vocabulary for whole arrays (or scalars) of either dtype."""
    members = {name: getattr(np, name) for name in PLAIN}
    single, double = (
        _module(
            "fastgd_numpy_elementary", {**members, **numpy_bits(f), "inf": np.inf, "nan": np.nan}
        )
        for f in (SINGLE, DOUBLE)
    )
    for name in ELEMENTARY:
        f = bound(getattr(elementary, f"{name}_single"), single)
        d = bound(getattr(elementary, f"{name}_double"), double)
        setattr(single, name, f)
        setattr(double, name, d)
        members[name] = _over_arrays(name, f, d)
    return _module("fastgd_numpy_vocabulary", members)


def _over_arrays(name: str, single: Callable[..., Any], double: Callable[..., Any]) -> Any:
    def function(x: Any) -> Any:
        x = np.asarray(x)
        function = single if x.dtype == np.float32 else double
        values = np.ascontiguousarray(x, np.float32 if function is single else np.float64).reshape(
            -1
        )
        result = np.empty_like(values)
        with np.errstate(all="ignore"):
            for start in range(0, values.size, _CHUNK):
                part = slice(start, start + _CHUNK)
                result[part] = function(values[part])
        return result.reshape(x.shape)[()]

    function.__name__ = name
    return function


# --- Numba ----------------------------------------------------------------------------------------


@cache
def numba_vocabulary() -> types.ModuleType:
    """The vocabulary for scalars inside functions that Numba compiles."""
    from numba import njit  # noqa: PLC0415

    compiled = njit(nogil=True, error_model="numpy")
    plain = {name: compiled(function) for name, function in {**SCALARS, "sqrt": _sqrt}.items()}
    plain["sign"] = _for_type("sign", literals_as(sign, np.float32), literals_as(sign, np.float64))
    vocabulary = _module("fastgd_numba_vocabulary", plain)
    single, double = (
        _module(
            "fastgd_numba_elementary",
            {**plain, **_numba_bits(f), "inf": f.real(np.inf), "nan": f.real(np.nan)},
        )
        for f in (SINGLE, DOUBLE)
    )
    for name in ELEMENTARY:
        f = bound(literals_as(getattr(elementary, f"{name}_single"), np.float32), single)
        d = bound(literals_as(getattr(elementary, f"{name}_double"), np.float64), double)
        function = _for_type(name, f, d)
        for module in (single, double, vocabulary):
            setattr(module, name, function)
    return vocabulary


def literals_as(function: Any, real: type[np.floating[Any]]) -> Any:
    """The function with its float literals as numbers of one dtype: Numba takes a literal as double."""
    constants = tuple(real(c) if isinstance(c, float) else c for c in function.__code__.co_consts)
    return types.FunctionType(
        function.__code__.replace(co_consts=constants), function.__globals__, function.__name__
    )


def _for_type(name: str, single: Callable[..., Any], double: Callable[..., Any]) -> Any:
    """A function of one argument that Numba compiles from one of two sources."""
    from numba import njit  # noqa: PLC0415
    from numba import types as nt  # noqa: PLC0415
    from numba.extending import overload  # noqa: PLC0415

    def chosen(x: Any) -> Any:
        raise NotImplementedError

    def choose(x: Any) -> Any:
        return single if x == nt.float32 else double

    choose.__annotations__.clear()  # Numba compares signatures, and the formulas have none
    overload(chosen, jit_options={"error_model": "numpy", "forceinline": True})(choose)

    def function(x: Any) -> Any:
        return chosen(x)

    function.__name__ = name
    return njit(nogil=True, error_model="numpy", forceinline=True)(function)


@cache
def hidden_number() -> Any:
    """A function that returns an integer of which LLVM does not know that it is a constant."""
    from llvmlite import ir  # noqa: PLC0415
    from numba.extending import intrinsic  # noqa: PLC0415

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        return builder.asm(ir.FunctionType(kind, [kind]), "", "=r,0", arguments, False)

    return intrinsic(lambda context, number: (number(number), generate))


# Numba compiles these. np.where on scalars would build an array (283 ns).


def _sqrt(a: Any) -> Any:
    return np.sqrt(a)


def absolute(a: Any) -> Any:
    """`np.abs`."""
    return abs(a)


def select(condition: Any, x: Any, y: Any) -> Any:
    """`np.where`."""
    return x if condition else y


def maximum(a: Any, b: Any) -> Any:
    """`np.maximum`: NaN if either is."""
    c = a if a > b else b
    return a if a != a else c  # noqa: PLR0124  (NaN)


def minimum(a: Any, b: Any) -> Any:
    """`np.minimum`: NaN if either is."""
    c = a if a < b else b
    return a if a != a else c  # noqa: PLR0124  (NaN)


def sign(x: Any) -> Any:
    """`np.sign`, with NaN and the sign of zero."""
    negative = -1.0 if x < 0.0 else x + 0.0
    return 1.0 if x > 0.0 else negative


SCALARS: dict[str, Callable[..., Any]] = {
    "abs": absolute,
    "maximum": maximum,
    "minimum": minimum,
    "where": select,
}
