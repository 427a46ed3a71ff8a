"""`Kind`: what an optimizer class declares, and what follows from its hyperparameters' values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.steps import Method
from fastgd.optimizers.common import COMMON_DEFAULTS
from fastgd.optimizers.fields import Field, rate_at
from fastgd.optimizers.formula import Formula, prepares

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

    @property
    def defaults(self) -> dict[str, Any]:
        """The constructor's arguments with their defaults, in order."""
        return {name: p.default for name, p in self.signature.parameters.items()}

    # --- values -----------------------------------------------------------------------------------

    def arguments(self, common: Values, own: Values) -> dict[str, Any]:
        """The constructor's arguments, those that were left out with their defaults."""
        for name in common:
            if name not in COMMON_DEFAULTS:
                raise TypeError(
                    f"{self.name} has no argument {name!r}; it takes {', '.join(self.defaults)}"
                )
        return {**COMMON_DEFAULTS, "convention": self.conventions[0], **common, **own}

    def checked(self, options: Values) -> dict[str, Any]:
        """Hyperparameters as they are kept; raise where one is unknown or its value not legal."""
        self._check_known(options)
        return {name: self.fields[name].scalar(name, value) for name, value in options.items()}

    def _check_known(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.fields:
                raise ValueError(
                    f"{self.name} has no hyperparameter {name!r}; it has {', '.join(self.fields)}"
                )

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
        self, given: Callable[[str], Any], groups: Mapping[Any, Any], without: Collection[str] = ()
    ) -> str:
        """The call that makes an optimizer, from its arguments as the user gave them, without some of them."""
        shown = []
        for name, default in self.defaults.items():
            if name in without:
                continue
            if name == "groups":
                value: Any = {p if len(p) != 1 else p[0]: o for p, o in groups.items()} or None
            else:
                value = given(name)  # not the attribute, which for `lr` is the next rate
            if name == "lr" or value != default:
                shown.append(f"{name}={value!r}")
        return f"{self.name}({', '.join(shown)})"

    # --- the update -------------------------------------------------------------------------------

    def method(self, values: Values) -> Method:
        """The update for compiled loops; of these values `lr` must be a number."""
        return self._method(values, values, None)

    def _method(self, flags: Values, numbers: Values, runs: int | None) -> Method:
        """The formula of one set of values with the numbers of one, or columns of so many runs."""
        convention = flags["convention"]
        decoupled = self.decoupled or convention == "keras"
        decoupled = decoupled or flags.get("decoupled_weight_decay", False)
        norm_eps = 0.0 if convention in {"optax", "keras"} else 1e-6
        return self.formula(flags).method(numbers, decoupled, norm_eps, runs)

    def methods(
        self, values: Values, columns: Mapping[str, Sequence[Any] | NDArray[Any]]
    ) -> list[tuple[NDArray[np.intp], Method]]:
        """See `fastgd.optimizers.loops.methods`; `values` are those that do not differ."""
        checked = {name: self.column(name, column) for name, column in columns.items()}
        lengths = {name: column.shape[-1] for name, column in checked.items()}
        runs = next(iter(lengths.values()), 1)
        for name, length in lengths.items():
            if length != runs:
                raise ValueError(f"{name} must have {runs} values as the others, got {length}")
        values = {**values, "lr": rate_at(values["lr"], 0)}
        switches = [self.fields[n].switches(column) for n, column in checked.items()]
        keys = [s for s in [*switches, prepares({**values, **checked})] if np.ndim(s)]
        batches = []
        for index in _alike(keys, runs):
            first = self.checked({name: column[index[0]] for name, column in columns.items()})
            flags = {**values, **first}
            numbers = {**flags, **{name: column[..., index] for name, column in checked.items()}}
            batches.append((index, self._method(flags, numbers, index.size)))
        return batches

    def rules(self, several: Iterable[Values]) -> list[str]:
        """Names of the rules and coefficient functions that values select."""
        formulas = map(self.formula, several)
        return [f"{formula.rule.name}, {formula.coefficients.name}" for formula in formulas]


class SignatureOf:
    """The attribute `__signature__` of optimizer classes, made when `inspect` asks for it."""

    def __get__(self, instance: object, owner: Any) -> inspect.Signature:
        kind: Kind = owner._kind
        return kind.signature


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
