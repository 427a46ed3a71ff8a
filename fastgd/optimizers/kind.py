"""`Kind`: what an optimizer class declares, and what follows from its hyperparameters' values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.steps import Method
from fastgd.names import meant
from fastgd.optimizers.common import COMMON_DEFAULTS
from fastgd.optimizers.fields import Field, rate_at
from fastgd.optimizers.formula import NEUTRAL, Formula, prepares, prepares_each

Values = Mapping[str, Any]


class Kind:
    """The declaration of an optimizer class: its hyperparameters and the formula they select.

    It holds no values: they are passed to its methods, checked, as a mapping from the names of all
    hyperparameters.

    Parameters
    ----------
    name : str
        The class's.
    conventions : tuple of str
        Those that the class knows; the first is the default.
    fields : dict of str to field
        What each hyperparameter may be.
    constructor : callable
        The class's ``__init__``, whose parameters are its own hyperparameters.
    decoupled : bool
        Whether the weight decay is always decoupled.
    formula : callable
        ``formula(values)`` returns the `Formula` that flags and convention select, or raises
        ValueError where no source defines it.
    """

    def __init__(  # noqa: PLR0917  (the declaration in one call)
        self,
        name: str,
        conventions: tuple[str, ...],
        fields: Mapping[str, Field],
        constructor: Callable[..., Any],
        decoupled: bool,
        formula: Callable[[Values], Formula],
    ) -> None:
        self.name, self.conventions, self.fields = name, conventions, fields
        self.decoupled, self.formula, self._constructor = decoupled, formula, constructor

    @cached_property
    def signature(self) -> inspect.Signature:
        """The constructor's own parameters, then in place of ``**common`` those of every optimizer."""
        own = [
            parameter
            for parameter in list(inspect.signature(self._constructor).parameters.values())[1:]
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        common = {**COMMON_DEFAULTS, "convention": self.conventions[0]}
        keyword = inspect.Parameter.KEYWORD_ONLY
        own += [inspect.Parameter(name, keyword, default=value) for name, value in common.items()]
        return inspect.Signature(own)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The constructor's arguments with their defaults, in order."""
        return {name: p.default for name, p in self.signature.parameters.items()}

    # --- values -----------------------------------------------------------------------------------

    def arguments(self, common: Values, own: Values) -> dict[str, Any]:
        """The constructor's arguments, those that were left out with their defaults."""
        for name in common:
            if name not in COMMON_DEFAULTS:
                other = meant(name, self.defaults) or f"it takes {', '.join(self.defaults)}"
                raise TypeError(f"{self.name} has no argument {name!r}; {other}")
        return {**COMMON_DEFAULTS, "convention": self.conventions[0], **common, **own}

    def checked(self, options: Values) -> dict[str, Any]:
        """Hyperparameters as they are kept; raise where one is unknown or its value not legal."""
        self._check_known(options)
        return {name: self.fields[name].scalar(name, value) for name, value in options.items()}

    def _check_known(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.fields:
                other = meant(name, self.fields) or f"it has {', '.join(self.fields)}"
                raise ValueError(f"{self.name} has no hyperparameter {name!r}; {other}")

    def column(self, name: str, values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Many values of one hyperparameter, checked."""
        self._check_known((name,))
        return self.fields[name].column(name, values)

    def replaced(self, values: Values, options: Values) -> dict[str, Any]:
        """Values with some replaced; raise where they do not go together."""
        new = {**values, **self.checked(options)}
        self.formula(new)
        return new

    def given(self, name: str, value: Any) -> Any:
        """A checked value as the user gave it."""
        return self.fields[name].given(value)

    def description(
        self, values: Values, groups: Mapping[Any, Any], without: Collection[str] = ()
    ) -> str:
        """The call that makes an optimizer, from its checked arguments, without some of them."""
        shown = []
        for name, default in self.defaults.items():
            if name in without or (name != "lr" and values.get(name) is default is not None):
                continue
            if name == "groups":
                value: Any = {p if len(p) != 1 else p[0]: o for p, o in groups.items()} or None
            else:
                value = self.given(name, values[name]) if name in self.fields else values[name]
            if name == "lr" or value != default:
                shown.append(f"{name}={value!r}")
        return f"{self.name}({', '.join(shown)})"

    # --- the update -------------------------------------------------------------------------------

    def method(self, values: Values) -> Method:
        """The update for compiled loops; of these values `lr` must be a number."""
        return self.method_of(values, values, None)

    def method_of(self, flags: Values, numbers: Values, runs: int | None) -> Method:
        """The formula of one set of values with the numbers of one, or columns of so many runs."""
        convention = flags["convention"]
        decoupled = self.decoupled or convention == "keras"
        decoupled = decoupled or flags.get("decoupled_weight_decay", False)
        norm_eps = 0.0 if convention in {"optax", "keras"} else 1e-6
        return self.formula(flags).method(numbers, decoupled, norm_eps, runs)

    def varied(self, values: Values, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> Varied:
        """The update for many runs, whose hyperparameters are `values` or stand in `columns`, checked."""
        checked = {name: self.column(name, column) for name, column in columns.items()}
        return Varied(self, {**values, "lr": rate_at(values["lr"], 0)}, dict(columns), checked)

    def rules(self, several: Iterable[Values]) -> list[str]:
        """Names of the rules and coefficient functions that values select."""
        formulas = map(self.formula, several)
        return [f"{formula.rule.name}, {formula.coefficients.name}" for formula in formulas]


@dataclass(frozen=True)
class Varied:
    """An optimizer of many runs, some of whose hyperparameters differ: each has a column of values to choose from.

    Attributes
    ----------
    kind : Kind
    values : mapping
        The hyperparameters that do not differ.
    given, columns : dict of str to column
        Those that do, as they came and checked; pairs have two rows there.
    """

    kind: Kind
    values: Values
    given: dict[str, Any]
    columns: dict[str, NDArray[Any]]

    def alike(self, runs: int, places: Callable[[str], Any]) -> list[NDArray[np.intp] | range]:
        """Sets of runs whose flags select the same rule, in order; `places` gives each run's place in a column."""
        keys = []
        for name, column in self.columns.items():
            key = self.kind.fields[name].switches(column)
            if key is not None and _differ(key):
                keys.append(key[places(name)])
        if not prepares(self.values, without=self.columns):
            own = {n: prepares_each(n, c) for n, c in self.columns.items() if n in NEUTRAL}
            if own and not any(each.all() for each in own.values()):
                differing = [each[places(n)] for n, each in own.items() if each.any()]
                if differing:
                    keys.append(np.logical_or.reduce(differing))
        return [*_alike(keys, runs)] if keys else [range(runs)]

    def flags(self, places: Mapping[str, int]) -> dict[str, Any]:
        """The hyperparameters of one run, by its place in each column."""
        own = {name: column[places[name]] for name, column in self.given.items()}
        return {**self.values, **self.kind.checked(own)}

    def steady(self, flags: Values) -> bool:
        """Whether the coefficients of runs with these flags are the same at every step."""
        return self.kind.formula(flags).coefficients.steady

    def method(self, flags: Values, places: Mapping[str, Any], runs: int) -> Method:
        """The update of runs of one set, with these flags; their places in each column."""
        own = {name: column[..., places[name]] for name, column in self.columns.items()}
        return self.kind.method_of(flags, {**flags, **own}, runs)

    def every(self, name: str) -> Any:
        """What a hyperparameter may be: one value, or a column of them."""
        return self.columns.get(name, self.values.get(name))


class SignatureOf:
    """The attribute `__signature__` of optimizer classes, made when `inspect` asks for it."""

    def __get__(self, instance: object, owner: Any) -> inspect.Signature:
        kind: Kind = owner._kind
        return kind.signature


def _differ(key: NDArray[Any]) -> bool:
    return bool((key[1:] != key[:-1]).any())


def _alike(keys: Sequence[NDArray[Any]], runs: int) -> list[NDArray[np.intp]]:
    """Indices of the runs that agree in all keys, set by set."""
    codes = np.zeros(runs, np.intp)
    for key in keys:
        values, code = np.unique(
            key.astype(str) if key.dtype == object else key, return_inverse=True
        )
        codes = codes * len(values) + code
    order = np.argsort(codes, kind="stable")
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    return [index for index in np.split(order, cuts) if index.size]
