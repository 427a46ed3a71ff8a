"""`Plan`: what an optimizer's first step fixes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.steps import Group, Slot
from fastgd.optimizers.fields import Schedule, rate_at
from fastgd.optimizers.tree import Tree


@dataclass(eq=False, slots=True)
class Plan:
    """Made by the first step, kept until `reset`; a loop that updates the arrays itself works on it.

    Such a loop writes each group's rate before an update (`rates_ahead` has them), then adds the
    updates done to `t` and calls `write_rates`.

    Attributes
    ----------
    tree : Tree
        Structure of the parameters.
    leaves : callable
        ``leaves(value, root)`` lists the arrays of anything built as the parameters are.
    slots, groups : list of Slot, list of Group
        What the stepper works on; the numbers of a group may be written to.
    update : callable
        The stepper's ``step(params, grads, t)`` on lists of arrays.
    single : bool
        Whether the parameters are one array.
    backend : str
        What runs the updates.
    rates : list of float, schedule or None
        Learning rate of each group; None: that of the first.
    t : int
        The number of updates done.
    moving : bool
        Whether a rate changes with `t`.
    """

    tree: Tree
    leaves: Callable[[Any, str], list[Any]]
    slots: list[Slot]
    groups: list[Group]
    update: Callable[[list[Any], list[Any], int], None]
    single: bool
    backend: str
    rates: list[float | Schedule | None]
    t: int
    moving: bool = field(init=False)

    def __post_init__(self) -> None:
        self.moving = any(map(callable, self.rates))

    def set_rate(self, rate: float | Schedule) -> None:
        """Replace the rate of the groups that have none of their own."""
        self.rates[0] = rate
        self.moving = any(map(callable, self.rates))
        self.write_rates()

    def write_rates(self, lr: float | None = None) -> None:
        """Write the rates of the next update into the groups; `lr` replaces the first."""
        first = rate_at(self.rates[0], self.t) if lr is None else lr  # type: ignore[arg-type]
        rates = [first if rate is None else rate_at(rate, self.t) for rate in self.rates[1:]]
        for group, value in zip(self.groups, [first, *rates], strict=True):
            group.hyper[0] = value

    def rates_ahead(self, updates: int) -> NDArray[np.float64]:
        """The rates of the next updates, shape (updates, groups)."""
        ahead = np.empty((updates, len(self.rates)))
        for k, rate in enumerate(self.rates):
            if rate is None:
                ahead[:, k] = ahead[:, 0]
            elif isinstance(rate, float):
                ahead[:, k] = rate
            else:
                ahead[:, k] = [rate_at(rate, self.t + update) for update in range(updates)]
        return ahead
