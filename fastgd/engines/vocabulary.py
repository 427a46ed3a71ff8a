"""What `np.` means in a rule: one namespace for NumPy, one for Numba.

A rule (`fastgd.rules`) names NumPy, and a backend puts its own vocabulary in that place (`bound`).
The C compiler's is `vocabulary.h`. All give the same bits.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

PLAIN = ("sqrt", "abs", "sign", "maximum", "minimum", "where")


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


@cache
def numpy_vocabulary() -> types.ModuleType:
    """The vocabulary for whole arrays (or scalars) of either dtype."""
    vocabulary = types.ModuleType("fastgd_numpy_vocabulary")
    for name in PLAIN:
        setattr(vocabulary, name, getattr(np, name))
    return vocabulary


@cache
def numba_vocabulary() -> types.ModuleType:
    """The vocabulary for scalars inside functions that Numba compiles."""
    from numba import njit  # noqa: PLC0415

    compiled = njit(nogil=True, error_model="numpy")
    vocabulary = types.ModuleType("fastgd_numba_vocabulary")
    for function in (_sqrt, _abs, _maximum, _minimum, _where):
        setattr(vocabulary, function.__name__[1:], compiled(function))
    vocabulary.sign = _compiled_sign()  # type: ignore[attr-defined]
    return vocabulary


def _compiled_sign() -> Callable[..., Any]:
    from numba import njit  # noqa: PLC0415
    from numba import types as nt
    from numba.extending import overload  # noqa: PLC0415

    def sign(a: Any) -> Any:
        raise NotImplementedError

    @overload(sign, jit_options={"error_model": "numpy"})
    def _(a: Any) -> Callable[..., Any]:
        real = np.float32 if a == nt.float32 else np.float64
        zero, one = real(0), real(1)

        def of_real(a: Any) -> Any:
            negative = -one if a < zero else a + zero
            return one if a > zero else negative

        return of_real

    return njit(nogil=True, error_model="numpy")(lambda a: sign(a))  # noqa: PLW0108


# Numba compiles these; np.where on scalars would build an array (283 ns), and a literal 1 would
# turn float32 into double.


def _sqrt(a: Any) -> Any:
    return np.sqrt(a)


def _abs(a: Any) -> Any:
    return abs(a)


def _where(condition: Any, x: Any, y: Any) -> Any:
    return x if condition else y


def _maximum(a: Any, b: Any) -> Any:
    c = a if a > b else b
    return a if a != a else c  # noqa: PLR0124  (NaN)


def _minimum(a: Any, b: Any) -> Any:
    c = a if a < b else b
    return a if a != a else c  # noqa: PLR0124  (NaN)
