"""Chooses the stepper that updates arrays, and describes arrays and their rules for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.parse import CoefficientFunction
from fastgd.engines.protocol.arrays import as_plain_array, memory_order
from fastgd.engines.protocol.steps import Group, Loop, Method, Slot
from fastgd.engines.registry import COEFFICIENTS
from fastgd.extras import present


def stepper_class(backend: str) -> Any:
    """The GPU's stepper, the compiled one, or NumPy's if that was asked for or nothing is compiled."""
    if backend == "cuda":
        from fastgd.engines.cuda import steps as cuda_steps  # noqa: PLC0415

        return cuda_steps.Stepper
    from fastgd.engines.native import kernels  # noqa: PLC0415

    if backend == "numpy" or not kernels.available():
        from fastgd.engines.reference import steps as reference_steps  # noqa: PLC0415

        return reference_steps.Stepper
    from fastgd.engines.native.steps import Stepper  # noqa: PLC0415

    return Stepper


def collector(
    nodes: Sequence[tuple[str, Sequence[Any]]],
) -> Callable[[Any], list[Any] | None]:
    """What lists the leaves of trees of one structure in nanoseconds; it returns None for all else, or if not compiled.

    `nodes` are kind ("array", "list" or "dict") and keys of each node, before those of its children.
    """
    from fastgd.engines.native import kernels  # noqa: PLC0415

    if not kernels.available():
        return lambda value: None
    from fastgd.engines.native.trees import Collector  # noqa: PLC0415

    return Collector(nodes).collect


def tensor_stepper_class(backend: str) -> Any:
    """The compiled stepper that reads tensors' memory itself; None where a backend has none."""
    if backend not in {"cython", "numba"} or stepper_class(backend).__module__.endswith(
        "reference.steps"
    ):
        return None
    from fastgd.engines.native.tensors import TensorStepper  # noqa: PLC0415

    return TensorStepper


def contents_class() -> Any:
    """What tells whether lists and dicts still hold the same objects."""
    from fastgd.engines.native import kernels  # noqa: PLC0415

    if not kernels.available():
        from fastgd.engines.reference.tensors import Contents as InPython  # noqa: PLC0415

        return InPython
    from fastgd.engines.native.tensors import Contents  # noqa: PLC0415

    return Contents


def group_for(method: Method, backend: str, chars: Iterable[str]) -> Group:
    """The group of a method, with a backend's loops for the dtypes in `chars`."""
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
        from fastgd.engines.native.kernels import address  # noqa: PLC0415

        kind = "prepared" if method.prepared else "plain"
        group.loops = {char: address(f"{kind}_{method.rule.name}_{char}") for char in chars}
    elif backend == "numba":
        from fastgd.engines.numba.steps import update_loop  # noqa: PLC0415

        group.loops = {char: update_loop(method.rule, char, method.prepared) for char in chars}
    if backend == "numba" or method.coefficients.name not in COEFFICIENTS:
        group.evaluate = evaluation(method.coefficients, backend)
    return group


def slot_for(name: str, array: Any, group: int, method: Method, backend: str) -> Slot:
    """A parameter array's form, with new state in the memory that the backend works in."""
    values = [method.initial.get(variable, 0.0) for variable in method.rule.state]
    if backend == "cuda":
        from fastgd.engines.cuda import steps as cuda_steps  # noqa: PLC0415

        form = cuda_steps.form(name, array)
        return Slot(name, *form, group, tuple(cuda_steps.full(*form, value) for value in values))
    state = tuple(_full_like(array, value) for value in values)
    return Slot(name, array.shape, array.dtype, group, state)


def _full_like(array: NDArray[Any], value: float) -> NDArray[Any]:
    """One number in the form of an array, without gaps and in its memory order, which a step can then follow."""
    if array.flags.c_contiguous:
        return _full(array.shape, array.dtype, value)
    order = memory_order(array)
    full = _full(tuple(array.shape[axis] for axis in order), array.dtype, value)
    return full.transpose([order.index(axis) for axis in range(array.ndim)])


def _full(shape: tuple[int, ...], dtype: np.dtype[Any], value: float) -> NDArray[Any]:
    return np.full(shape, value, dtype) if value else np.zeros(shape, dtype)


def checked_first(name: str, value: Any, on_device: bool = False) -> Any:
    """An array, of NumPy as it is in memory; TypeError or ValueError if it cannot be a parameter or a gradient."""
    if on_device:
        from fastgd.engines.cuda import steps as cuda_steps  # noqa: PLC0415

        cuda_steps.form(name, value)
        return value
    array = as_plain_array(name, value)
    if array.dtype not in (np.float32, np.float64) or not array.dtype.isnative:
        raise ValueError(f"{name} must have dtype float32 or float64, got {array.dtype}")
    return array


def evaluation(function: CoefficientFunction, backend: str) -> Loop | None:
    """How a stepper computes coefficients: compiled by Numba if possible, else in Python."""
    if backend == "numpy":
        return _in_python(function)
    return _compiled(function)


def _in_python(function: CoefficientFunction) -> Loop:
    from fastgd.engines.reference.steps import in_python  # noqa: PLC0415

    return in_python(function.function, function.carries)


@cache
def _compiled(function: CoefficientFunction) -> int | Callable[..., None]:
    if not present("numba"):
        return _in_python(function)
    from numba.core.errors import NumbaError, UnsupportedBytecodeError  # noqa: PLC0415

    from fastgd.engines.numba.steps import coefficients_loop  # noqa: PLC0415

    try:
        return coefficients_loop(function)
    except (NumbaError, UnsupportedBytecodeError):
        return _in_python(function)
