"""Checks of a network's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgd.checks import as_count, as_number

_LARGEST_LAYER = 2**31 - 1


def checked_sizes(sizes: Any) -> tuple[int, ...]:
    if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray):
        raise TypeError(f"sizes must be a list of integers, got {sizes!r:.60}")
    counts = tuple(as_count(f"sizes[{k}]", n, 1, _LARGEST_LAYER) for k, n in enumerate(sizes))
    if len(counts) < 2:
        raise ValueError(f"sizes must name inputs and outputs at least, got {list(sizes)!r:.60}")
    return counts


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


def checked_share(name: str, value: Any) -> float:
    x = as_number(name, value)
    if not 0 <= x < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {x!r}")
    return x
