"""`Plan`: what an optimizer's first step fixes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastgd.engines.protocol.steps import Group, Slot
from fastgd.optimizers.tree import Tree


@dataclass(eq=False, slots=True)
class Plan:
    """Made by the first step, kept until `reset`.

    Attributes
    ----------
    tree : Tree
        Structure of the parameters; `leaves` lists the arrays of anything built alike.
    slots, groups : list
        What the stepper was told; the numbers of groups may be written to.
    update : callable
        The stepper's ``step(params, grads, t)`` on lists of arrays.
    single : bool
        Whether the parameters are one array.
    moving : bool
        Whether some group's rate changes by itself.
    backend : str
    """

    tree: Tree
    leaves: Callable[[Any, str], list[Any]]
    slots: list[Slot]
    groups: list[Group]
    update: Callable[[list[Any], list[Any], int], None]
    single: bool
    moving: bool
    backend: str
