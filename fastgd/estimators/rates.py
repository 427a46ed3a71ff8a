"""The learning rate "auto" where it does not follow from a curvature."""

from __future__ import annotations

from typing import Any

from fastgd import schedules
from fastgd.optimizers import Optimizer

__all__ = ["falling_rate", "rate_of_adaptive"]


def rate_of_adaptive(name: str, updates: int) -> Any:
    """Of optimizers whose steps do not depend on the gradient's size, where parameters are about 1 in size."""
    peaks = {"lion": 0.03, "adadelta": None, "rprop": None, "adagrad": 0.5}
    peak = peaks.get(name, 0.1)
    return None if peak is None else schedules.cosine(peak, updates)


def falling_rate(optimizer: Optimizer, slope: float, updates: int) -> schedules.Schedule:
    """Of plain descent to a kink, which no constant rate comes to, where parameters and targets are about 1 in size.

    `slope` is that of the loss on both sides.
    """
    return schedules.cosine(0.3 * (1.0 - optimizer.momentum) / slope, updates)
