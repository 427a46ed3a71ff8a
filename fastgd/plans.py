"""What an optimizer's first step fixes: the structure, the arrays' form, state, and a stepper."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.reference import is_plain_array
from fastgd.engines.registry import COEFFICIENTS
from fastgd.engines.stepping import Group, Slot
from fastgd.hyperparameters import Method
from fastgd.trees import Tree


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


def stepper_class(backend: str) -> Any:
    """The card's stepper, the compiled one, or its twin where it is missing or asked for."""
    if backend == "cuda":
        from fastgd.engines.cuda import stepping  # noqa: PLC0415

        return stepping.Stepper
    from fastgd.engines import cython_backend, reference  # noqa: PLC0415

    if backend == "numpy" or not cython_backend.available():
        return reference.Stepper
    from fastgd.engines._step import Stepper  # noqa: PLC0415

    return Stepper


def group_for(method: Method, backend: str, chars: Iterable[str]) -> Group:
    """A method with the loops of a backend, for the dtypes (their characters) that occur."""
    group = Group(
        method.rule,
        method.coefficients,
        method.hyper,
        method.shared,
        method.prepared,
        method.clip_norm,
        method.norm_eps,
    )
    if backend == "cython":
        from fastgd.engines.cython_backend import address  # noqa: PLC0415

        kind = "prepared" if method.prepared else "plain"
        group.loops = {char: address(f"{kind}_{method.rule.name}_{char}") for char in chars}
    elif backend == "numba":
        from fastgd.engines.numba_backend import update_loop  # noqa: PLC0415

        group.loops = {char: update_loop(method.rule, char, method.prepared) for char in chars}
    if backend == "numba" or method.coefficients.name not in COEFFICIENTS:
        from fastgd.user_optimizer import evaluation  # noqa: PLC0415

        group.evaluate = evaluation(method.coefficients, backend)
    return group


def slot_for(name: str, array: Any, group: int, method: Method, backend: str) -> Slot:
    """A parameter array's form, with new state, which lies where the backend works."""
    if backend == "cuda":
        from fastgd.engines.cuda import stepping  # noqa: PLC0415

        form, full = stepping.form(name, array), stepping.full
    else:
        form, full = (array.shape, array.dtype), _full
    state = tuple(full(*form, method.initial.get(variable, 0.0)) for variable in method.rule.state)
    return Slot(name, *form, group, state)


def _full(shape: tuple[int, ...], dtype: np.dtype[Any], value: float) -> NDArray[Any]:
    return np.full(shape, value, dtype) if value else np.zeros(shape, dtype)


def check_first(name: str, array: Any, on_card: bool = False) -> None:
    """Whether this may be a parameter or a gradient at all."""
    if on_card:
        from fastgd.engines.cuda import stepping  # noqa: PLC0415

        stepping.form(name, array)
        return
    if not is_plain_array(array):
        got = "None" if array is None else type(array).__name__
        raise TypeError(f"{name} must be a NumPy array, got {got}")
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        raise ValueError(f"{name} must have dtype float32 or float64, got {array.dtype}")
