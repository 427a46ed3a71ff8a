"""Rows, weights and targets of scikit-learn's kinds, in the form that a network reads."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_array

from fastgd.engines.protocol.networks import Array
from fastgd.tensors import as_array

__all__ = [
    "as_python",
    "checked_weights",
    "class_targets",
    "dense",
    "first_part",
    "number_targets",
    "row_by_row",
]


# --- rows -------------------------------------------------------------------------------------------


def dense(X: Any) -> Array:
    """Inputs, perhaps sparse, as a dense array that engines read."""
    return row_by_row(X.toarray() if hasattr(X, "toarray") else X)


def row_by_row(X: Array) -> Array:
    """An array with the numbers of a row side by side, as engines read it."""
    return X if X.strides[1] == X.itemsize else np.ascontiguousarray(X)


def checked_weights(sample_weight: Any, n: int) -> NDArray[np.float64] | None:
    """Weights >= 0 of n rows, not all 0; a number is the weight of each row."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n, sample_weight)
    w = check_array(
        as_array("sample_weight", sample_weight),
        ensure_2d=False,
        dtype=np.float64,
        order="C",
        input_name="sample_weight",
    )
    if w.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},) as X has {n} rows, got {w.shape}")
    if (w < 0).any():
        raise ValueError(f"sample_weight must hold numbers >= 0, got {w.min():g}")
    if not w.any():
        raise ValueError(
            "sample_weight is zero for all rows; wanted a weight above 0 for at least one"
        )
    return np.asarray(w)


# --- targets ----------------------------------------------------------------------------------------


def as_python(label: Any) -> Any:
    """A label as Python shows it, for messages."""
    return label.item() if isinstance(label, np.generic) else label


def class_numbers(classes: Array, y: Array) -> NDArray[np.int32]:
    """The index of each label among the sorted classes."""
    places = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    wrong = classes[places] != y
    if np.any(wrong):
        label = as_python(y[np.argmax(wrong)])
        raise ValueError(f"y has the label {label!r}, which is not among {classes}")
    return places.astype(np.int32)


def class_targets(classes: Array, y: Array, dtype: Any) -> Array:
    """Targets of a network: class numbers, or 0 and 1 in a column for two classes."""
    numbers = class_numbers(classes, y)
    return numbers if len(classes) > 2 else np.ascontiguousarray(numbers[:, None], dtype)


def number_targets(y: Array, dtype: Any, loss: str) -> Array:
    """Targets of a network that predicts numbers, one column for each output."""
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(y.reshape(len(y), -1), dtype)
    if not np.isfinite(values).all():
        raise ValueError(f"y holds numbers beyond {np.dtype(dtype).name}; scale them")
    if loss == "poisson" and (values < 0).any():
        raise ValueError("y must not be negative for loss='poisson'")
    return values


def first_part(estimator: Any, classes: Any) -> bool:
    """Whether `partial_fit` is called for the first time, when it needs the classes."""
    if isinstance(estimator.class_weight, str):
        raise ValueError(f"partial_fit does not support class_weight={estimator.class_weight!r}")
    known = getattr(estimator, "classes_", None)
    if known is None:
        if classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return True
    if classes is not None and not np.array_equal(known, unique_labels(classes)):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {known!r}"
        )
    return False
