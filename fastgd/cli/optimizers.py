"""Optimizers by their names and the hyperparameters that were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastgd import optimizers
from fastgd.optimizers import Optimizer

OF_THE_NETWORK = ("l1", "l2")  # penalties on its weights, not the optimizer's on all parameters


def optimizer_and_axes(
    name: str, given: Mapping[str, Any]
) -> tuple[Optimizer, dict[str, Sequence[Any]]]:
    """The optimizer with the first value of each hyperparameter, and the axes: those with several values."""
    optimizer = _by_name(name)
    axes: dict[str, Sequence[Any]] = {}
    for option, value in given.items():
        values = value if isinstance(value, tuple) else (value,)
        optimizer = optimizer.with_options(**{option: values[0]})
        if len(values) > 1:
            axes[option] = values
    return optimizer, axes


def trainers(
    names: Sequence[str], rates: Sequence[float], given: Mapping[str, Any]
) -> dict[str, Optimizer]:
    """The optimizers of networks by name, each with its rate and those hyperparameters that it has.

    A hyperparameter that no optimizer has is refused.
    """
    bare = [_by_name(name) for name in names]
    if len(rates) not in (0, 1, len(bare)):
        raise ValueError(f"--rate has {len(rates)} values for {len(bare)} optimizers")
    given = {name: value for name, value in given.items() if name not in OF_THE_NETWORK}
    for option, value in given.items():
        if not any(hasattr(optimizer, option) for optimizer in bare):
            bare[0].with_options(**{option: value})  # raises
    found = {}
    for k, (name, optimizer) in enumerate(zip(names, bare, strict=True)):
        own = {option: value for option, value in given.items() if hasattr(optimizer, option)}
        rate = {"lr": rates[k % len(rates)]} if rates else {}
        found[name] = optimizer.with_options(**own, **rate)
    return found


def _by_name(name: str) -> Optimizer:
    optimizer: Optimizer = getattr(optimizers, name)()
    return optimizer
