"""What an estimator's parameters may be, and the optimizers behind their names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastgd import optimizers
from fastgd.checks import as_count
from fastgd.optimizers import Optimizer
from fastgd.optimizers.fields import Choice, Flag, Real

__all__ = [
    "OPTIMIZERS",
    "PATIENCE",
    "POSITIVE",
    "SHARE",
    "THREADS",
    "VERBOSE",
    "Choice",
    "ClassWeight",
    "Flag",
    "InvalidParameterError",
    "Kind",
    "OneOf",
    "Precision",
    "Real",
    "Solver",
    "Whole",
    "check_parameters",
    "named_optimizer",
]

OPTIMIZERS: dict[str, type[Optimizer]] = {
    name.lower(): getattr(optimizers, name) for name in optimizers.__all__ if name != "Optimizer"
}
_BETAS = ("adam", "adamw", "nadam", "radam", "adamax")  # those that take betas and eps
_MOMENTUM = ("momentum", "heavyball", "nag")


class InvalidParameterError(ValueError, TypeError):
    """A parameter of an estimator is not legal; both a ValueError and a TypeError, as in scikit-learn."""


class Kind(Protocol):
    """What can check a value."""

    def scalar(self, name: str, value: Any) -> Any:
        """The value, or TypeError or ValueError."""


@dataclass(frozen=True)
class Whole:
    """An integer from `low` on, or one of `others`."""

    low: int = 1
    others: tuple[Any, ...] = ()

    def scalar(self, name: str, value: Any) -> Any:
        """One value, checked."""
        if any(value is other or _same(value, other) for other in self.others):
            return value
        also = "".join(f" or {other!r}" for other in self.others)
        wanted = f"an integer >= {self.low}{also}"
        return as_count(name, value, self.low, wanted=wanted)


@dataclass(frozen=True)
class OneOf:
    """Whatever one of several kinds takes."""

    kinds: tuple[Kind, ...]
    wanted: str

    def scalar(self, name: str, value: Any) -> Any:
        """One value, checked."""
        for kind in self.kinds:
            try:
                return kind.scalar(name, value)
            except (TypeError, ValueError):
                continue
        raise ValueError(f"{name} must be {self.wanted}, got {value!r:.60}")


class Precision:
    """A floating-point type, or None."""

    def scalar(self, name: str, value: Any) -> Any:
        """One value, checked."""
        if value is None:
            return None
        try:
            known = np.dtype(value) in (np.float32, np.float64)
        except TypeError:
            known = False
        if not known:
            raise ValueError(f"{name} must be None, 'float32' or 'float64', got {value!r:.60}")
        return np.dtype(value)


class Solver:
    """An optimizer, or the name of one, or of another method."""

    def __init__(self, *others: str) -> None:
        self.others = others

    def scalar(self, name: str, value: Any) -> Any:
        """One value, checked."""
        if isinstance(value, Optimizer):
            return value
        names = (*self.others, *OPTIMIZERS)
        if not isinstance(value, str) or value not in names:
            raise ValueError(
                f"{name} must be a fastgd.Optimizer or one of {', '.join(map(repr, names))}; got {value!r:.60}"
            )
        return value


class ClassWeight:
    """None, "balanced", or a weight for each class."""

    def scalar(self, name: str, value: Any) -> Any:
        """One value, checked; whether the classes are known is seen with the data."""
        balanced = isinstance(value, str) and value == "balanced"
        if value is None or balanced or isinstance(value, Mapping | list | tuple):
            return value
        raise TypeError(
            f"{name} must be None, 'balanced' or a dict of classes to weights, got {value!r:.60}"
        )


VERBOSE = OneOf((Flag(), Whole(0)), "True, False or an integer >= 0")
PATIENCE = Whole(1, (math.inf,))
POSITIVE = Real(0.0, low_open=True)
SHARE = Real(0.0, 1.0, high_open=True)
THREADS = Whole(1, (None,))


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def check_parameters(estimator: Any, kinds: Mapping[str, Kind]) -> None:
    """Raise what names the first parameter that is not legal."""
    for name, kind in kinds.items():
        try:
            kind.scalar(name, getattr(estimator, name))
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(str(error)) from None


def named_optimizer(
    name: str,
    lr: float | None,
    *,
    momentum: float | None = None,
    nesterov: bool = False,
    betas: tuple[float, float] | None = None,
    eps: float | None = None,
    sklearn: bool = False,
) -> Optimizer:
    """A new optimizer by its name; of the options it takes those that it has and that are not None.

    With `sklearn` the names that scikit-learn has too, "sgd" and "adam", are its formulas.
    """
    options: dict[str, Any] = {} if lr is None else {"lr": lr}
    if name == "sgd" and momentum:
        options.update(momentum=momentum, nesterov=nesterov)
    if name in _MOMENTUM and momentum is not None:
        options["momentum"] = momentum
    if name in _BETAS and betas is not None:
        options.update(betas=betas, eps=eps)
    if sklearn and name in {"sgd", "adam"}:
        options["convention"] = "sklearn"
    return OPTIMIZERS[name](**options)
