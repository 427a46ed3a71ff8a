"""Values of an axis as text."""

from __future__ import annotations

from typing import Any

from fastgd.text import printable


def axis_label(value: Any) -> str:
    """One value as text: numbers to 10 digits, tuples in parentheses, a function by its name."""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, tuple):
        return f"({', '.join(axis_label(v) for v in value)})"
    if isinstance(value, str):
        return value
    return str(getattr(value, "__name__", None) or value)


def as_drawn(text: str) -> str:
    """A name from data, in a figure: control characters as escapes, and no `$` begins a formula."""
    return printable(text).replace("$", r"\$")


def is_numeric(values: tuple[Any, ...]) -> bool:
    """Whether all values are numbers, so that the axis can be drawn to scale."""
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def shortened(text: str, most: int = 28) -> str:
    """The text, cut to `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"
