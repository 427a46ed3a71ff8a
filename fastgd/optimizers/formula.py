"""From hyperparameters to a rule's numbers, for one optimizer or a column of a sweep."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from fastgd.engines.parse import CoefficientFunction, Rule
from fastgd.engines.protocol.steps import Method, table_of
from fastgd.engines.registry import COEFFICIENTS, RULES

Source = str | float | tuple[str, int]
# Arguments of the shipped coefficient functions that are not called as their hyperparameter.
_SOURCES: dict[str, Source] = {
    "mu": "momentum",
    "psi": "momentum_decay",
    "beta1": ("betas", 0),
    "beta2": ("betas", 1),
    "down": ("etas", 0),
    "up": ("etas", 1),
    "smallest": ("step_sizes", 0),
    "largest": ("step_sizes", 1),
}
NEUTRAL = {
    "weight_decay": 0.0,
    "l1": 0.0,
    "l2": 0.0,
    "clip_value": math.inf,
    "clip_norm": math.inf,
    "maximize": False,
}  # options with which `prepare` has nothing to do
_SHORTEST = 2.0 / 3.0  # beta2 whose averages have the length 5, from which on RAdam is adaptive
_EPS_INSIDE: dict[str, Source] = {**_SOURCES, "inside": "eps", "outside": 0.0}
_EPS_OUTSIDE: dict[str, Source] = {**_SOURCES, "inside": 0.0, "outside": "eps"}


class Formula:
    """Which rule and coefficient function a set of flags selects.

    Attributes
    ----------
    rule, coefficients : Rule, CoefficientFunction
    sources : mapping of str to source
        Arguments that are not called as the hyperparameter they come from: its name, its name and
        the component, or a number.
    initial : mapping of str to source
        State variables that do not start at 0: a number, or the name of a hyperparameter.
    """

    def __init__(
        self,
        rule: Rule,
        coefficients: CoefficientFunction,
        sources: Mapping[str, Source] | None = None,
        initial: Mapping[str, Source] | None = None,
    ) -> None:
        self.rule, self.coefficients = rule, coefficients
        self.sources, self.initial = sources or {}, initial or {}

    def method(
        self, options: Mapping[str, Any], decoupled: bool, norm_eps: float, runs: int | None = None
    ) -> Method:
        """The numbers of one run, or, where options are columns, of `runs` runs."""
        decay = options["weight_decay"]
        shared = (
            _where(options["maximize"], -1.0, 1.0),
            1.0,
            options["clip_value"],
            options["l2"] if decoupled else options["l2"] + decay,
            options["l1"],
            decay if decoupled else 0.0,
        )
        minimized = (
            shared[0],
            *_penalties(self.rule.name, options, shared[3], shared[5]),
        )
        names = self.coefficients.hyperparameters
        return Method(
            self.rule,
            self.coefficients,
            table_of([_read(self.sources.get(name, name), options) for name in names], runs),
            table_of(shared, runs),
            {name: _read(source, options) for name, source in self.initial.items()},
            prepares(options),
            options["clip_norm"],
            norm_eps,
            table_of(minimized, runs),
        )


def _penalties(rule: str, options: Mapping[str, Any], l2: Any, decay: Any) -> tuple[Any, ...]:
    """What is minimized besides the objective, as `fastgd.rules.updates.steepness` takes it: l2, l1, decay, floor.

    Decoupled `decay` takes part as the rule weighs it where its run rests, ``decay * p = -step / lr``. A step of plain
    descent is lr * g, with momentum 1 / (1 - momentum) as much: there it is an l2. Adam and its like step by
    lr * g / (|g| + eps): they rest where g vanishes or, at the bounds |p| = 1 / decay, points outwards (Xie & Li,
    2024, Implicit bias of AdamW). All others rest, if at all, where the slope of no objective vanishes: NaN, which
    never converges.
    """
    l1, eps = options["l1"], options.get("eps", 0.0)
    nothing, unknown = 0.0, _where(decay > 0, np.nan, 0.0)
    if rule == "sgd":
        return l2 + decay, l1, nothing, nothing
    if rule in {"momentum", "nesterov"}:
        return l2 + decay * (1.0 - options["momentum"]), l1, nothing, nothing
    if rule in {"adam", "nadam", "adamax"}:
        return l2, l1, decay, eps
    if rule == "radam":  # plain momentum for ever where the averages of squares are that short
        return l2, l1, _where(options["betas"][1] > _SHORTEST, decay, unknown), eps
    return l2, l1, unknown, nothing


def formula(
    rule: str,
    coefficients: str = "",
    *,
    eps_inside: bool = False,
    initial: Mapping[str, Source] | None = None,
) -> Formula:
    """A formula of shipped functions, by name: often the coefficient function has the rule's.

    `eps_inside` says whether epsilon stands under the root, for those that take `inside` and
    `outside`.
    """
    sources = _EPS_INSIDE if eps_inside else _EPS_OUTSIDE
    return Formula(RULES[rule], COEFFICIENTS[coefficients or rule], sources, initial)


def prepares(options: Mapping[str, Any], without: Collection[str] = ()) -> bool:
    """Whether `prepare` has anything to do for a run, or for any of columns; some options may be left out."""
    for name, neutral in NEUTRAL.items():
        if name not in without:
            found = options[name] != neutral
            if found is not False and np.any(found):
                return True
    return False


def prepares_each(name: str, values: Any) -> Any:
    """Whether `prepare` has something to do because of this option, for one value or for each of a column."""
    return values != NEUTRAL[name]


def _read(source: Source, options: Mapping[str, Any]) -> Any:
    if isinstance(source, float):
        return source
    if isinstance(source, str):
        return options[source]
    name, component = source
    return options[name][component]


def _where(condition: Any, yes: Any, no: Any) -> Any:
    return np.where(condition, yes, no) if np.ndim(condition) else yes if condition else no
