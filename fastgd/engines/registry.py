"""Every rule and coefficient function that the library ships, by name."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getmembers, isfunction
from types import ModuleType
from typing import Any

from fastgd.engines.codegen import CoefficientFunction, ElementaryFunction, PairFunction, Rule
from fastgd.rules import activations, coefficients, elementary, losses, updates


def _defined_in(module: ModuleType) -> dict[str, Callable[..., Any]]:
    return {n: f for n, f in getmembers(module, isfunction) if f.__module__ == module.__name__}


_updates = _defined_in(updates)
PREPARE, SHRINK = Rule(_updates.pop("prepare")), Rule(_updates.pop("shrink"))
RULES = {name: Rule(function) for name, function in _updates.items()}
COEFFICIENTS = {
    name: CoefficientFunction(function) for name, function in _defined_in(coefficients).items()
}
ELEMENTARY = [ElementaryFunction(function) for function in _defined_in(elementary).values()]
ACTIVATIONS = {name: PairFunction(f) for name, f in _defined_in(activations).items()}
LOSSES = {name: PairFunction(f) for name, f in _defined_in(losses).items()}


def kernels_source() -> str:
    """The text of the kernel modules (see `fastgd.engines.cython_source`)."""
    from fastgd.engines import cython_source  # noqa: PLC0415  (only when the package is built)

    return cython_source.kernels_source(
        RULES.values(), COEFFICIENTS.values(), PREPARE, SHRINK, ELEMENTARY
    )


def network_kernels_source() -> str:
    """The text of a network's kernel modules (see `fastgd.engines.network_source`)."""
    from fastgd.engines import network_source  # noqa: PLC0415  (only when the package is built)

    return network_source.network_source(ACTIVATIONS.values(), LOSSES.values(), ELEMENTARY)
