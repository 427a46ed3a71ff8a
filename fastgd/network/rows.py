"""Validation of inputs, targets, weights and parameters, without copying large arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_real_array
from fastgd.engines.protocol.arrays import as_plain_array, check_mapping
from fastgd.engines.protocol.networks import Architecture, Array, Rows
from fastgd.engines.protocol.predictions import first_not_finite

_READ = (np.uint8, np.float32, np.float64)  # dtypes of inputs that engines read without a copy


def checked_parameters(params: Any, a: Architecture) -> list[Array]:
    """The parameters in the form that engines need; a user may have replaced arrays in the list."""
    shapes = a.shapes
    if not isinstance(params, list | tuple) or len(params) != len(shapes):
        names = ", ".join(a.names[:2])
        raise ValueError(
            f"params must be the {len(shapes)} arrays [{names}, ...], got {params!r:.60}"
        )
    found = []
    for k, (given, shape) in enumerate(zip(params, shapes, strict=True)):
        if _as_made(given, a.dtype, shape):
            found.append(given)
            continue
        array = as_plain_array(f"params[{k}]", given)
        if array.dtype != a.dtype or array.shape != shape:
            raise ValueError(
                f"params[{k}] must have dtype {a.dtype} and shape {shape}, got {array.dtype} and {array.shape}"
            )
        if not array.flags.carray:
            raise ValueError(f"params[{k}] must be C-contiguous, aligned and writeable")
        found.append(array)
    return found


def _as_made(array: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    """Whether this is a parameter in the form in which a network makes it, as it nearly always is."""
    if type(array) is not np.ndarray or array.dtype != dtype or array.shape != shape:
        return False
    return bool(array.flags.carray)


def checked_inputs(name: str, X: Any, a: Architecture) -> tuple[Array, float]:
    """Inputs in the form that engines read, and the factor that engines multiply them by."""
    x, scale = readable_inputs(name, X, a)
    check_finite(name, x, a)
    return x, scale


def readable_inputs(name: str, X: Any, a: Architecture) -> tuple[Array, float]:
    """The same, before it is known whether they are finite."""
    x = _numbers(name, X)
    if x.ndim != 2 or x.shape[1] != a.sizes[0]:
        raise ValueError(f"{name} must have shape (n, {a.sizes[0]}), got {x.shape}")
    check_mapping(name, x)
    if x.dtype not in _READ or not x.dtype.isnative:
        with np.errstate(over="ignore"):
            x = x.astype(a.dtype, order="C")
    if not x.flags.aligned or (x.size and x.strides[1] != x.itemsize):
        x = x.copy(order="C")
    return x, 1 / 255 if x.dtype == np.uint8 else 1.0


def checked_rows(
    a: Architecture, X: Any, y: Any, sample_weight: Any, *, names: tuple[str, str] = ("X", "y")
) -> Rows:
    """Inputs, targets and weights of one length, at least one row."""
    x, scale = checked_inputs(names[0], X, a)
    n = len(x)
    if n == 0:
        raise ValueError(f"{names[0]} has no rows; wanted at least one")
    targets = _classes(names, y, n, a) if a.classes else _values(names, y, n, a)
    return Rows(x, targets, _weights(sample_weight, n, a), scale)


def checked_validation(a: Architecture, validation: Any) -> Rows:
    """The rows (X, y) or (X, y, sample_weight) that are not trained on."""
    if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
        raise TypeError(
            f"validation must be a pair (X, y), or (X, y, sample_weight), got {validation!r:.60}"
        )
    X, y, *weights = validation
    weight = weights[0] if weights else None
    return checked_rows(a, X, y, weight, names=("validation[0]", "validation[1]"))


def _numbers(name: str, value: Any) -> Array:
    """An array of real numbers of any dtype."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} has masked numbers; wanted an array without missing values")
    return as_real_array(name, value)


def check_finite(name: str, x: Array, a: Architecture) -> None:
    """Refuse numbers that are not finite, or not in the network's dtype."""
    place = first_not_finite(x, a.dtype)
    if place is not None:
        raise ValueError(
            f"{name}[{', '.join(map(str, place))}] is {x[place]}; wanted finite numbers of {a.dtype} only"
        )


def _check_length(names: tuple[str, str], shape: Any, n: int, *others: int) -> None:
    """Refuse targets of another shape than (n, *others)."""
    wanted = (n, *others)
    if shape != wanted:
        raise ValueError(
            f"{names[1]} must have shape {wanted} as {names[0]} has {n} rows, got {shape}"
        )


def _classes(names: tuple[str, str], y: Any, n: int, a: Architecture) -> NDArray[np.int32]:
    """Class numbers, one for each row."""
    name, labels = names[1], _numbers(names[1], y)
    _check_length(names, labels.shape, n)
    if labels.dtype.kind == "f" and not np.all(labels == np.floor(labels)):
        k = int(np.argmax(labels != np.floor(labels)))
        raise ValueError(f"{name}[{k}] is {labels[k]}; wanted class numbers, integers")
    classes = a.sizes[-1]
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(
            f"{name}[{k}] is {labels[k]}; the network has {classes} outputs, classes 0 to {classes - 1}"
        )
    # A copy, since engines use a label as an index, and a callback could write others into the caller's array.
    return np.array(labels, np.int32, order="C")


def _values(names: tuple[str, str], y: Any, n: int, a: Architecture) -> Array:
    """Values or labels, one for each row and output."""
    name, values = names[1], _numbers(names[1], y)
    outputs = a.sizes[-1]
    if not (values.shape == (n,) and outputs == 1):
        _check_length(names, values.shape, n, outputs)
    check_finite(name, values, a)
    if a.link == "sigmoid" and ((values < 0) | (values > 1)).any():
        raise ValueError(f"{name} must lie between 0 and 1 for loss 'binary_cross_entropy'")
    if a.link == "exp" and (values < 0).any():
        raise ValueError(f"{name} must not be negative for loss 'poisson'")
    if values.ndim == 1:  # a view of the caller's array would not show that a callback resized that
        return np.array(values, a.dtype).reshape(n, outputs)
    return np.array(values, a.dtype, order="C", copy=None)


def _weights(sample_weight: Any, n: int, a: Architecture) -> NDArray[np.float64] | None:
    """Finite weights >= 0 with a sum above 0."""
    if sample_weight is None:
        return None
    w = _numbers("sample_weight", sample_weight)
    if w.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got {w.shape}")
    check_finite("sample_weight", w, a)
    w = np.ascontiguousarray(w, np.float64)
    with np.errstate(over="ignore"):
        total = w.sum()
    if (w < 0).any() or not 0 < total < np.inf:
        raise ValueError("sample_weight must hold numbers >= 0 of a finite sum, not all of them 0")
    return w
