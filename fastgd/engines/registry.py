"""Everything of `fastgd.rules` by name, as the compilers see it."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getmembers, isfunction
from types import ModuleType
from typing import Any

from fastgd.engines.parse import CoefficientFunction, ElementaryFunction, PairFunction, Rule
from fastgd.engines.parse_functions import TestFunction
from fastgd.engines.parse_problems import Decision, Gradient, Residual
from fastgd.rules import (
    activations,
    coefficients,
    elementary,
    functions,
    gradients,
    linear_losses,
    losses,
    residuals,
    row_losses,
    stops,
    updates,
)


def _defined_in(module: ModuleType) -> dict[str, Callable[..., Any]]:
    return {n: f for n, f in getmembers(module, isfunction) if f.__module__ == module.__name__}


_updates = _defined_in(updates)
PREPARE, SHRINK = Rule(_updates.pop("prepare")), Rule(_updates.pop("shrink"))
STEEPNESS, CONFINED = Rule(_updates.pop("steepness")), Rule(_updates.pop("confined"))
PROJECT = Rule(_updates.pop("project"))
RULES = {name: Rule(function) for name, function in _updates.items()}
COEFFICIENTS = {
    name: CoefficientFunction(function) for name, function in _defined_in(coefficients).items()
}
ELEMENTARY = [ElementaryFunction(function) for function in _defined_in(elementary).values()]
ACTIVATIONS = {name: PairFunction(f) for name, f in _defined_in(activations).items()}
LOSSES = {name: PairFunction(f) for name, f in _defined_in(losses).items()}
LINEAR_LOSSES = {name: PairFunction(f) for name, f in _defined_in(linear_losses).items()}
GRADIENTS = {name: Gradient(f) for name, f in _defined_in(gradients).items()}
RESIDUALS = {  # of linear models, by the kind of their kernel
    "rows": Residual(losses.half_squares),
    **{name: Residual(f) for name, f in _defined_in(residuals).items()},
}
FUNCTIONS = {name: TestFunction(f) for name, f in _defined_in(functions).items()}
ROW_LOSSES = {  # of linear models
    name: Residual(f) for name, f in _defined_in(row_losses).items()
}
STOPS = {name: Decision(f) for name, f in _defined_in(stops).items()}
