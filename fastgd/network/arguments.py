"""Checks of a network's arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgd.checks import number


def checked_sizes(sizes: Any) -> tuple[int, ...]:
    if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray):
        raise TypeError(f"sizes must be a list of integers, got {sizes!r:.60}")
    for n in sizes:
        if isinstance(n, bool) or not isinstance(n, int | np.integer):
            raise TypeError(f"sizes must hold integers, got {n!r:.60}")
        if not 1 <= n < 2**31:
            raise ValueError(f"sizes must hold integers of at least 1, got {n}")
    if len(sizes) < 2:
        raise ValueError(f"sizes must name inputs and outputs at least, got {list(sizes)!r:.60}")
    return tuple(map(int, sizes))


def with_hidden(sizes: tuple[int, ...], hidden: Any) -> tuple[int, ...]:
    try:
        units = checked_sizes([1, *hidden, 1])[1:-1]
    except (TypeError, ValueError):
        raise ValueError(
            f"hidden must be an integer of at least 1, or a sequence of them, got {hidden!r:.60}"
        ) from None
    return (sizes[0], *units, sizes[-1])


def checked_function(name: str, value: Any, known: Any) -> Any:
    """A name that is known, or a user's function, checked."""
    if isinstance(value, str):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
        return value
    from fastgd.engines.numba import user_functions  # noqa: PLC0415

    if name == "activation":
        return user_functions.checked_activation(value)
    return user_functions.checked_loss(value)


def real_dtype(dtype: Any) -> np.dtype[Any]:
    try:
        real = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype must be float32 or float64, got {dtype!r:.60}") from None
    if real not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {real}")
    return np.dtype("f4" if real == np.float32 else "f8")


def finite_number(name: str, value: Any) -> float:
    x = number(name, value)
    if not math.isfinite(x):
        raise ValueError(f"{name} must be a finite number, got {x!r}")
    return x


def finite_positive(name: str, value: Any, zero: bool = False) -> float:
    x = number(name, value)
    if not (x >= 0 if zero else x > 0) or x == math.inf:
        raise ValueError(f"{name} must be a finite number {'>= 0' if zero else '> 0'}, got {x!r}")
    return x


def checked_share(name: str, value: Any) -> float:
    x = number(name, value)
    if not 0 <= x < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {x!r}")
    return x
