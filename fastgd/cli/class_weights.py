"""`--class-weight`: how much the rows of a class count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.columns import Columns
from fastgd.cli.words import several

ClassWeight = Literal["balanced"] | Mapping[str, float]


def class_weights(
    given: ClassWeight | None, columns: Columns, trained: NDArray[Any]
) -> NDArray[np.float64] | None:
    """The weight of each class, in their order.

    Parameters
    ----------
    given : "balanced", or dict of str to float, or None
        "balanced": inversely proportional to the rows of the class, 1 on average over the rows, as scikit-learn has it.
        Classes that a dict does not name have 1.
    columns : Columns
    trained : ndarray of int
        The rows to train on.

    Returns
    -------
    ndarray of shape (classes,), or None if all rows count alike

    Raises
    ------
    ValueError
        If the target is a number, or there is no such class.
    """
    if given is None:
        return None
    if columns.classes is None:
        raise ValueError(f"--class-weight is for classes, and {columns.target_name!r} is a number")
    if given == "balanced":
        codes = np.unique(columns.target, return_inverse=True)[1][trained]
        counts = np.bincount(codes, minlength=len(columns.classes))
        return np.asarray(len(codes) / (np.count_nonzero(counts) * np.maximum(counts, 1)))
    known = list(map(str, columns.classes))
    for name in given:
        if name not in known:
            raise ValueError(
                f"--class-weight: {columns.target_name!r} has no class {name!r}; it has {several(known, 20)}"
            )
    weights = np.array([given.get(name, 1.0) for name in known])
    if not weights.any():
        raise ValueError("--class-weight is 0 for all classes")
    return weights
