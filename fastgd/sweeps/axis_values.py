"""Values of a sweep's axes: as plain Python objects, as arrays of a file, as a table's column."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import CheckedAxes, Column, checked_axes
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import described
from fastgd.plotting.labels import axis_label, is_numeric
from fastgd.schedules import Schedule

Kind = Literal["plain", "tuple", "label"]


class AxesAsGiven:
    """An attribute that takes axes, keeps them under its name with an underscore, and gives a dict of tuples.

    Axes of numbers are kept as arrays; a million Python floats are made when they are asked for.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = "_" + name

    def __get__(self, instance: Any, owner: type | None = None) -> dict[str, tuple[Any, ...]]:
        if instance is None:
            raise AttributeError(
                self.name[1:]
            )  # a dataclass takes it for a field without a default
        return dict(instance.__dict__[self.name])

    def __set__(self, instance: Any, given: Any) -> None:
        instance.__dict__[self.name] = plain_axes(checked_axes(given))


def plain_axes(axes: CheckedAxes) -> CheckedAxes:
    """NumPy scalars as Python numbers and vectors as tuples; other values as they are."""
    plain: dict[str, Any] = {}
    for name, values in axes.columns.items():
        if isinstance(values, np.ndarray) or set(map(type, values)) <= {
            float,
            int,
        }:  # a million need no look at each
            plain[name] = values
        else:
            plain[name] = tuple(plain_value(value) for value in values)
    return CheckedAxes(plain)


def plain_value(value: Any) -> Any:
    """One value: a NumPy scalar as a Python number, a vector or list as a tuple; others as they are."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim <= 1:
        listed = value.tolist()
        return tuple(listed) if value.ndim else listed
    return tuple(plain_value(v) for v in value) if type(value) in (tuple, list) else value


def shown_axes(axes: CheckedAxes) -> CheckedAxes:
    """The axes with optimizers as text, without the hyperparameters that another axis gives in their place."""
    columns = dict(axes.columns)
    if "optimizer" in columns:
        values = axes["optimizer"]
        columns["optimizer"] = tuple(
            described(v, axes) if isinstance(v, Optimizer) else v for v in values
        )
    return CheckedAxes(columns)


def numbers_of(values: Column) -> NDArray[Any] | None:
    """The values as an array, if they are numbers that one can hold."""
    if isinstance(values, np.ndarray):
        return values if values.ndim == 1 else None
    array = np.asarray(values) if is_numeric(values) else None
    return array if array is not None and array.dtype.kind in "if" else None


def key_of(value: Any, axes: CheckedAxes) -> Any:
    """What equal values of an axis have in common, whether a file has been between them or not.

    Of optimizers and schedules it is their text, which is what a file keeps; a value that has no hash is equal to
    itself alone.
    """
    if isinstance(value, Optimizer):
        return described(value, axes)
    if isinstance(value, Schedule):
        return repr(value)
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value


def kind_of(values: Column) -> Kind:
    """How the values are kept: as an array, as rows of an array, or as text."""
    if isinstance(values, np.ndarray):
        return "plain" if values.ndim == 1 else "tuple"
    if all(isinstance(v, bool) for v in values):
        return "plain"
    if all(isinstance(v, str) for v in values):
        return (
            "label" if any(v.endswith("\0") for v in values) else "plain"
        )  # arrays drop such ends
    if is_numeric(values):
        return "plain" if np.asarray(values).dtype.kind in "iuf" else "label"
    vectors = all(isinstance(v, tuple) and is_numeric(v) for v in values)
    return "tuple" if vectors and len({len(v) for v in values}) == 1 else "label"


def as_array(values: Column) -> NDArray[Any]:
    """The values as a file holds them, from which axes are made again; those that no array can hold as their `repr`."""
    if isinstance(values, np.ndarray):
        return values
    return np.array([repr(v) for v in values] if kind_of(values) == "label" else values)


def as_column(values: Column) -> NDArray[Any]:
    """The values as a table shows them; tuples, schedules and optimizers as readable text."""
    if isinstance(values, np.ndarray):
        if values.ndim == 1:
            return values
        values = tuple(map(tuple, values.tolist()))
    if kind_of(values) == "plain":
        texts = any(isinstance(v, str) for v in values)
        return np.array(values, dtype=object if texts else None)
    column = np.empty(len(values), dtype=object)
    column[:] = [axis_label(v) for v in values]
    return column
