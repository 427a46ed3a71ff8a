"""`HeldOut`: rows that an estimator does not train on but scores after each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from fastgd.engines.protocol.networks import Array, Rows

__all__ = ["HeldOut", "random_split"]


@dataclass(frozen=True)
class HeldOut:
    """Inputs, targets as the estimator scores them, and weights."""

    x: Array
    y: Array
    weights: NDArray[np.float64] | None


def random_split(
    rows: Rows, fraction: float, random_state: Any, stratify: Array | None
) -> tuple[NDArray[np.int64], HeldOut]:
    """The indices of the training rows, and the rest of the rows, a random fraction of all.

    `stratify` are the classes whose proportions both parts keep, if there are any.
    """
    train, held_out = train_test_split(
        np.arange(len(rows), dtype=np.int64),
        random_state=random_state,
        test_size=fraction,
        stratify=stratify,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset: "
            f"validation_fraction={fraction} of {len(rows)} rows leaves {len(held_out)}; wanted at least 2"
        )
    weights = None if rows.weights is None else rows.weights[held_out]
    return train, HeldOut(rows.x[held_out], rows.y[held_out], weights)
