"""What is recorded of a training, and when it stops early."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array

if TYPE_CHECKING:
    import pandas as pd


_COLUMNS: tuple[str, ...] = (
    "step",
    "epoch",
    "loss",
    "lr",
    "grad_norm",
    "seconds",
    "val_loss",
    "val_metric",
)


class DivergenceWarning(RuntimeWarning):
    """Training was ended because loss or parameters had left the numbers."""


@dataclass
class TrainingHistory:
    """What was recorded of a training: arrays of one number per record.

    Attributes
    ----------
    step, epoch : ndarray
        Updates done at the record, and passes over the rows, broken ones in part.
    loss : ndarray
        Mean loss with penalties of the batches since the last record, each before its update.
    lr, grad_norm : ndarray
        Rate of the record's last update; Euclidean norm of its gradient (nan where not asked for).
    seconds : ndarray
        Since training began, validation and callbacks counted in.
    val_loss, val_metric : ndarray
        Of the validation rows, nan without: loss without penalties; accuracy, or R² of values.
    """

    columns: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})

    def __getattr__(self, name: str) -> NDArray[np.float64]:
        if name in _COLUMNS:
            return np.array(self.columns[name])
        raise AttributeError(f"'TrainingHistory' object has no attribute {name!r}")

    def __len__(self) -> int:
        return len(self.columns["step"])

    def add(self, **record: float) -> None:
        """One more record; what is not named is nan."""
        for name, column in self.columns.items():
            column.append(float(record.get(name, math.nan)))

    def to_pandas(self) -> pd.DataFrame:
        """A table of one row per record.

        Returns
        -------
        pandas.DataFrame
        """
        import pandas as pd  # noqa: PLC0415

        return pd.DataFrame(self.columns)


# --- one call of `fit` ------------------------------------------------------------------------------


@dataclass
class EarlyStopping:
    """The best record so far, and how many have come since."""

    patience: int
    min_delta: float
    monitor: str
    best: float = math.inf
    waited: int = 0
    params: list[Array] | None = None

    def is_over(self, record: Mapping[str, float], params: list[Array]) -> bool:
        """Take note of a record; whether it was one too many that is not better than the best."""
        value = -record["val_metric"] if self.monitor == "val_metric" else record[self.monitor]
        if self.params is None or value < self.best - self.min_delta:
            self.best = math.inf if math.isnan(value) else value
            self.waited = 0
            self.params = [p.copy() for p in params]
            return False
        self.waited += 1
        return self.waited >= self.patience
