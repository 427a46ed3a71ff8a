"""The learning rate "auto" of adaptive optimizers for linear models."""

from __future__ import annotations

from typing import Any

from fastgd import schedules

__all__ = ["rate_of_adaptive"]


def rate_of_adaptive(name: str, updates: int) -> Any:
    """Of optimizers whose steps do not depend on the gradient's size, where parameters are about 1 in size."""
    peaks = {"lion": 0.03, "adadelta": None, "rprop": None, "adagrad": 0.5}
    peak = peaks.get(name, 0.1)
    return None if peak is None else schedules.cosine(peak, updates)
