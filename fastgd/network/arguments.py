"""Checks of the arguments that describe a network: from them to its `Architecture`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastgd.checks import (
    as_count,
    as_dtype,
    as_finite,
    as_finite_positive,
    as_flag,
    as_number,
    is_integer,
)
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES, Architecture

DEFAULT_LEAK = 0.01
CHANGEABLE = ("hidden", "activation", "leak", "bias", "l1", "l2", "dropout")
_LARGEST_LAYER = 2**31 - 1


def checked_architecture(
    sizes: Any,
    *,
    activation: Any,
    loss: Any,
    sum_outputs: Any,
    leak: Any,
    huber_delta: Any,
    l1: Any,
    l2: Any,
    dropout: Any,
    dtype: Any,
    bias: Any = True,
) -> Architecture:
    """The architecture that the arguments of `fastgd.MLP` describe."""
    return Architecture(
        sizes=checked_sizes(sizes),
        activation=checked_function("activation", activation, ACTIVATIONS),
        loss=checked_function("loss", loss, LOSSES),
        dtype=as_dtype(dtype),
        constants=(as_finite("leak", leak),) if activation == "leaky_relu" else (),
        loss_constants=(as_finite_positive("huber_delta", huber_delta),) if loss == "huber" else (),
        sum_outputs=loss == "half_squares" if sum_outputs is None else bool(sum_outputs),
        l1=as_finite("l1", l1, 0),
        l2=as_finite("l2", l2, 0),
        dropout=checked_share("dropout", dropout),
        bias=as_flag("bias", bias),
    )


def changed_architecture(a: Architecture, changes: Mapping[str, Any]) -> Architecture:
    """The architecture with other options, those of `CHANGEABLE`."""
    new: dict[str, Any] = {}
    for name, value in changes.items():
        if name == "hidden":
            new["sizes"] = _with_hidden(a.sizes, [value] if is_integer(value) else value)
        elif name == "activation":
            new["activation"] = checked_function(name, value, ACTIVATIONS)
        elif name != "leak":
            new[name] = _CHECKS[name](name, value)
    if "activation" in changes or "leak" in changes:
        activation = new.get("activation", a.activation)
        leak = changes.get("leak", *(a.constants or (DEFAULT_LEAK,)))
        leak = as_finite("leak", leak)
        new["constants"] = (leak,) if activation == "leaky_relu" else ()
    return replace(a, **new)


def checked_sizes(sizes: Any) -> tuple[int, ...]:
    """Units of each layer: at least two integers >= 1."""
    if isinstance(sizes, str) or not isinstance(sizes, Sequence | np.ndarray):
        raise TypeError(f"sizes must be a list of integers, got {sizes!r:.60}")
    counts = tuple(as_count(f"sizes[{k}]", n, 1, _LARGEST_LAYER) for k, n in enumerate(sizes))
    if len(counts) < 2:
        raise ValueError(f"sizes must name inputs and outputs at least, got {list(sizes)!r:.60}")
    return counts


def _with_hidden(sizes: tuple[int, ...], hidden: Any) -> tuple[int, ...]:
    try:
        units = checked_sizes([1, *hidden, 1])[1:-1]
    except (TypeError, ValueError):
        raise ValueError(
            f"hidden must be an integer of at least 1, or a sequence of them, got {hidden!r:.60}"
        ) from None
    return (sizes[0], *units, sizes[-1])


def checked_function(name: str, value: Any, known: Any) -> Any:
    """A known name, or a user's function after its own checks."""
    if isinstance(value, str):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
        return value
    from fastgd.engines.numba import user_functions  # noqa: PLC0415

    if name == "activation":
        return user_functions.checked_activation(value)
    return user_functions.checked_loss(value)


def checked_share(name: str, value: Any) -> float:
    """A number in [0, 1)."""
    x = as_number(name, value)
    if not 0 <= x < 1:
        raise ValueError(f"{name} must be at least 0 and below 1, got {x!r}")
    return x


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "bias": as_flag,
    "l1": lambda name, value: as_finite(name, value, 0),
    "l2": lambda name, value: as_finite(name, value, 0),
    "dropout": checked_share,
}
