"""Optimizers made from a user's own rule: `Optimizer.from_rule`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from fastgd.engines.protocol.steps import Method
from fastgd.engines.reference.steps import in_python
from fastgd.engines.steps import evaluation
from fastgd.engines.user_rules import (
    UserCoefficients,
    UserRule,
    checked_coefficients,
    checked_rule,
    try_out,
)
from fastgd.optimizers.common import COMMON_DEFAULTS, COMMON_FIELDS
from fastgd.optimizers.fields import Field, Real
from fastgd.optimizers.formula import Formula
from fastgd.optimizers.kind import Values


class FromRule:
    """What the classes that `from_rule` makes have besides `Optimizer`, which it is given."""

    __slots__ = ()
    _rule: ClassVar[UserRule]
    _coefficients: ClassVar[UserCoefficients]
    _recipe: ClassVar[tuple[Any, ...]]
    _backends = ("numba", "numpy")

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        return Formula(cls._rule, cls._coefficients)

    @property
    def coefficients_in(self) -> str:
        """Where the coefficient function runs: "numba", or "python" if Numba cannot compile it."""
        evaluate = evaluation(self._coefficients, "numba")
        return "numba" if isinstance(evaluate, int) else "python"

    def __reduce__(self) -> Any:
        return _rebuilt, (self._recipe,), self.__getstate__()


def _rebuilt(recipe: tuple[Any, ...]) -> Any:
    cls: Any = from_rule(*recipe)
    return cls.__new__(cls)


def from_rule(
    base: Any, rule: Any, state: Sequence[str], coefficients: Any, defaults: Mapping[str, float]
) -> type[Any]:
    """See `Optimizer.from_rule`; `base` is `Optimizer`."""
    names = _state_names(state)
    parsed = checked_rule(rule, names)
    try_out(parsed)
    function = checked_coefficients(coefficients, len(parsed.coefficients))
    own = function.hyperparameters
    taken = set(own[1:]) & {*COMMON_DEFAULTS, *COMMON_FIELDS, "t", "step", "reset", "fresh"}
    if taken:
        raise ValueError(f"coefficients: {min(taken)!r} has a meaning for every optimizer already")
    fields: dict[str, Field] = {name: Real() for name in own[1:]}
    for name in defaults:
        if name not in {*own, "weight_decay"}:
            raise ValueError(f"defaults has {name!r}, which coefficients does not take")

    members = {
        "__slots__": (),
        "__init__": _constructor(own, defaults),
        "__doc__": rule.__doc__ or f"Optimizer of the rule `{parsed.name}`.",
        "__module__": rule.__module__,
        "_rule": parsed,
        "_coefficients": function,
        "_recipe": (base, rule, names, coefficients, dict(defaults)),
    }
    return type(parsed.name, (FromRule, base), members, fields=fields)


def _constructor(own: Sequence[str], defaults: Mapping[str, float]) -> Callable[..., None]:
    """The `__init__` of a class whose coefficient function takes these hyperparameters."""

    def __init__(self: Any, lr: Any = None, **options: Any) -> None:
        given = {"weight_decay": 0.0, **defaults, **({} if lr is None else {"lr": lr}), **options}
        for name in own:
            if name not in given:
                raise TypeError(f"{type(self).__name__} needs {name}: it has no default")
        common = {name: v for name, v in given.items() if name not in {*own, "weight_decay"}}
        self._set(common, **{name: given[name] for name in (*own, "weight_decay")})
        _check_count(self._method())

    empty, keyword = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    shown = {**dict.fromkeys(own, empty), "weight_decay": 0.0, **defaults}
    parameters = [
        inspect.Parameter(name, positional if name == "lr" else keyword, default=shown[name])
        for name in ("lr", *own[1:], "weight_decay")
    ]
    __init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("self", positional), *parameters]
    )
    return __init__


def _state_names(state: Any) -> tuple[str, ...]:
    if isinstance(state, str) or not all(isinstance(name, str) for name in state):
        raise TypeError(f"state must be a sequence of names, got {state!r}")
    return tuple(state)


def _check_count(method: Method) -> None:
    """Evaluate the coefficients once, so that a wrong number of them shows in the constructor."""
    out = np.empty(len(method.rule.coefficients))
    function = method.coefficients
    try:
        in_python(function.function, function.carries)(1.0, np.ones(1), method.hyper, out)
    except TypeError as error:
        raise TypeError(f"coefficients must return a tuple of numbers: {error}") from None
