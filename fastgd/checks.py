"""Checks that every floor shares: numbers, counts, flags, dtypes, seeds, finite arrays."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


def seed_of(name: str, rng: Any) -> int:
    """An integer as it is; of a generator, its next draw."""
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise TypeError(f"{name} must be an integer >= 0 or a numpy.random.Generator, got {rng!r}")
    return int(rng)


def number(name: str, value: Any, wanted: str = "a real number") -> float:
    """A real number as a float; bool, strings, arrays and complex numbers are refused."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {wanted}, got {value!r} ({type(value).__name__})")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be {wanted}, got an integer beyond all floats") from None


def finite(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """A float64 copy, checked; what is no array of real numbers is refused by name."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError
        array = np.array(array, np.float64, order="C")  # so that sums do not depend on the caller's
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of real numbers, got {values!r:.60}") from None
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} holds {array[~np.isfinite(array)][0]}; wanted finite numbers only"
        )
    return array


def checked_dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    try:
        real = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        real = np.dtype(object)
    if real.name not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return np.dtype(real.name)  # in this machine's byte order


def checked_count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer >= 0, got {value!r}")
    if not 0 <= value < 2**53:
        raise ValueError(f"{name} must be an integer in [0, 2^53), got {value!r}")
    return int(value)


def positive_number(name: str, value: Any) -> float:
    x = number(name, value)
    if not x > 0:
        raise ValueError(f"{name} must be a number > 0, got {value!r}")
    return x


def checked_flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {short(value)}")
    return bool(value)


def checked_generator(name: str, seed: Any) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise TypeError(f"{name} must be an integer >= 0 or a numpy.random.Generator, got {seed!r}")
    return np.random.default_rng(int(seed))


def is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def whole_number(name: str, value: Any, least: int) -> int:
    if not is_count(value):
        raise TypeError(f"{name} must be an integer, got {value!r:.60}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def nonnegative_number(name: str, value: Any) -> float:
    x = number(name, value)
    if not x >= 0:
        raise ValueError(f"{name} must be a number >= 0, got {x!r}")
    return x


def check_flags(**flags: Any) -> None:
    for name, flag in flags.items():
        if not isinstance(flag, bool | np.bool_):
            raise TypeError(f"{name} must be True or False, got {flag!r:.60}")


def short(value: Any) -> str:
    """A value and its type for a message."""
    return f"{value!r:.60} ({type(value).__name__})"
