"""The error for an argument that is no optimizer: how to write the one that it names."""

from __future__ import annotations

from typing import Any

from fastgd.names import nearest
from fastgd.optimizers import NAMES


def not_optimizer(name: str, value: Any) -> TypeError:
    """TypeError for the argument `name`; a class, and a text such as "adam", name an optimizer."""
    got, named = type(value).__name__, None
    if isinstance(value, type):
        got, named = f"type: the class {value.__name__} itself", value.__name__
    elif isinstance(value, str):
        got, named = f"str: {value!r:.40}", nearest(value, NAMES)
    remedy = f"gd.{named}()" if named in NAMES else "for example gd.SGD()"
    return TypeError(f"{name} must be a fastgd optimizer, {remedy}, got {got}")
