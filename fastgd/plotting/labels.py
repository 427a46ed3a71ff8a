"""Values of an axis as labels: which are numbers, and each as text."""

from __future__ import annotations

from typing import Any


def axis_label(value: Any) -> str:
    """One axis value as text: numbers short, tuples in brackets, a function by its name."""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, tuple):
        return f"({', '.join(axis_label(v) for v in value)})"
    if isinstance(value, str):
        return value
    return str(getattr(value, "__name__", None) or value)


def is_numeric(values: tuple[Any, ...]) -> bool:
    """Whether an axis can be drawn to scale."""
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
