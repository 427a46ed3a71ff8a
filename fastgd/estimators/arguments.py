"""Checks of the estimators' parameters, and the optimizers behind their names.

scikit-learn has such checks in `sklearn.utils._param_validation`. That module is private and changes between versions,
its messages differ from fastgd's, and half of the kinds here are those of the optimizers' own hyperparameters.
"""

from __future__ import annotations

import inspect
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
    "COMMON",
    "OPTIMIZERS",
    "POSITIVE",
    "SHARE",
    "SOLVER_OPTIONS",
    "Choice",
    "ClassWeight",
    "Flag",
    "InvalidParameterError",
    "Kind",
    "Real",
    "Solver",
    "Whole",
    "check_parameters",
    "hidden_units",
    "named_optimizer",
    "without_effect",
]

OPTIMIZERS: dict[str, type[Optimizer]] = {
    name.lower(): getattr(optimizers, name) for name in optimizers.NAMES
}


# Parameters of networks that are hyperparameters of their solver.
SOLVER_OPTIONS = (
    "learning_rate",
    "learning_rate_init",
    "power_t",
    "momentum",
    "nesterovs_momentum",
    "beta_1",
    "beta_2",
    "epsilon",
)
_SKLEARN = ("lbfgs", "sgd", "adam")  # solvers of scikit-learn


class InvalidParameterError(ValueError, TypeError):
    """A parameter of an estimator is invalid; both a ValueError and a TypeError, as in scikit-learn."""


class Kind(Protocol):
    """A check of values."""

    def scalar(self, name: str, value: Any) -> Any:
        """The checked value, or TypeError or ValueError."""


@dataclass(frozen=True)
class Whole:
    """An integer >= `low`, or one of `others`."""

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
    """A value that one of several kinds accepts."""

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
    """An optimizer, its name, or the name of another method."""

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
        """One value, checked; its classes are compared with those of the data later."""
        balanced = isinstance(value, str) and value == "balanced"
        if value is None or balanced or isinstance(value, Mapping | list | tuple):
            return value
        raise TypeError(
            f"{name} must be None, 'balanced' or a dict of classes to weights, got {value!r:.60}"
        )


POSITIVE = Real(0.0, low_open=True)
SHARE = Real(0.0, 1.0, high_open=True)
COMMON: dict[str, Kind] = {  # parameters of all estimators
    "max_iter": Whole(1),
    "shuffle": Flag(),
    "tol": Real(0.0),
    "verbose": OneOf((Flag(), Whole(0)), "True, False or an integer >= 0"),
    "warm_start": Flag(),
    "n_iter_no_change": Whole(1, (math.inf,)),
    "dtype": Precision(),
    "n_threads": Whole(1, (None,)),
}


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def check_parameters(estimator: Any, kinds: Mapping[str, Kind]) -> None:
    """Raise an error that names the first invalid parameter."""
    for name, kind in kinds.items():
        try:
            kind.scalar(name, getattr(estimator, name))
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(str(error)) from None


def hidden_units(given: Any) -> list[int]:
    """`hidden_layer_sizes`, an integer or a sequence of them, as a list."""
    listed = hasattr(given, "__iter__") and not isinstance(given, str)
    sizes = list(given) if listed else [given]
    try:
        return [int(Whole(1).scalar("hidden_layer_sizes", n)) for n in sizes]
    except (TypeError, ValueError):
        raise InvalidParameterError(
            f"hidden_layer_sizes must be > 0, got {sizes!r:.80}; wanted an integer or integers"
        ) from None


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
    """A new optimizer by its name, with the options that are not None and that belong to its kind.

    `momentum` is for "sgd" and for optimizers that have momentum by default; `betas` and `eps` are for the relatives of
    Adam, which have both. With `sklearn` the names "sgd" and "adam" mean scikit-learn's formulas.
    """
    options: dict[str, Any] = {} if lr is None else {"lr": lr}
    if name == "sgd" and momentum:
        options.update(momentum=momentum, nesterov=nesterov)
    if _has_momentum(name) and momentum is not None:
        options["momentum"] = momentum
    if _has_betas(name) and betas is not None:
        options.update(betas=betas, eps=eps)
    if sklearn and name in _SKLEARN:
        options["convention"] = "sklearn"
    return OPTIMIZERS[name](**options)


def _has_momentum(name: str) -> bool:
    known = inspect.signature(OPTIMIZERS[name]).parameters
    return "momentum" in known and bool(known["momentum"].default)


def _has_betas(name: str) -> bool:
    return {"betas", "eps"} <= inspect.signature(OPTIMIZERS[name]).parameters.keys()


def without_effect(estimator: Any) -> dict[str, Any]:
    """The parameters that were given, being no defaults, although the estimator's solver does not use them.

    scikit-learn passes over such parameters in silence, and grids of parameters rely on that: with its own solvers
    nothing is listed here.
    """
    solver = estimator.solver
    if isinstance(solver, str) and solver in _SKLEARN:
        return {}
    used: set[str] = set()
    if isinstance(solver, str):
        used = {"learning_rate", "learning_rate_init", "power_t"}
        used |= {"momentum"} if _has_momentum(solver) else set()
        used |= {"beta_1", "beta_2", "epsilon"} if _has_betas(solver) else set()
    parameters = inspect.signature(type(estimator)).parameters
    return {
        name: getattr(estimator, name)
        for name in SOLVER_OPTIONS
        if name not in used and getattr(estimator, name) != parameters[name].default
    }
