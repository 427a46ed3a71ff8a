"""The history of a training, early stopping, and the warning of divergence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_choice
from fastgd.engines.protocol.networks import Array
from fastgd.extras import require

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from fastgd.plotting.losses import LossCurveDisplay


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


_DRAWN = {
    "loss": "training", "val_loss": "validation", "val_metric": "metric of the validation rows",
    "lr": "learning rate", "grad_norm": "norm of the gradient",
}  # fmt: skip


class DivergenceWarning(RuntimeWarning):
    """Training stopped: the loss or a parameter became NaN or infinite."""


@dataclass
class TrainingHistory:
    """The records of a training: arrays with one number for each record.

    Attributes
    ----------
    step, epoch : ndarray
        Updates so far; epochs so far, an incomplete one as a fraction.
    loss : ndarray
        Mean loss, penalties included, of the batches since the last record, each computed before its update.
    lr, grad_norm : ndarray
        Learning rate of the last update; Euclidean norm of its gradient (nan without ``grad_norm=True``).
    seconds : ndarray
        Time since training began, validation and callbacks included.
    val_loss, val_metric : ndarray
        Loss without penalties, and accuracy or R², of the validation rows; nan without validation rows.
    """

    columns: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})

    def __repr__(self) -> str:
        if not len(self):
            return "TrainingHistory(no records)"
        steps, loss = self.columns["step"], self.columns["loss"]
        return f"TrainingHistory({len(self)} records, step {steps[0]:.0f} ... {steps[-1]:.0f}, loss {loss[-1]:.6g})"

    def __getattr__(self, name: str) -> NDArray[np.float64]:
        if name in _COLUMNS:
            return np.array(self.columns[name])
        raise AttributeError(f"'TrainingHistory' object has no attribute {name!r}")

    def __len__(self) -> int:
        return len(self.columns["step"])

    def add(self, **record: float) -> None:
        """Append a record; columns that are not named get nan."""
        for name, column in self.columns.items():
            column.append(float(record.get(name, math.nan)))

    def extend(self, **records: NDArray[Any]) -> None:
        """Append the records of some columns of equal length; columns that are not named get nan."""
        many = len(next(iter(records.values())))
        for name, column in self.columns.items():
            new = records.get(name)
            column.extend([math.nan] * many if new is None else map(float, new.tolist()))

    def to_pandas(self) -> pd.DataFrame:
        """The history as a table, one row for each record.

        Returns
        -------
        pandas.DataFrame
        """
        require("TrainingHistory.to_pandas", "pandas")
        import pandas as pd  # noqa: PLC0415

        return pd.DataFrame(self.columns)

    def plot(self, quantity: str = "loss", *, ax: Axes | None = None) -> LossCurveDisplay:
        """Draw a quantity against the epoch; the loss with that of the validation rows, where there are any.

        Parameters
        ----------
        quantity : {"loss", "lr", "grad_norm", "val_loss", "val_metric"}, default "loss"
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        ValueError
            If the quantity is another, or was not recorded.

        Examples
        --------
        >>> net.history_.plot().figure_.savefig("loss.png")  # doctest: +SKIP
        """
        from fastgd.plotting.losses import LossCurveDisplay  # noqa: PLC0415  (only for a picture)

        as_choice("quantity", quantity, _DRAWN)
        wanted = ("loss", "val_loss") if quantity == "loss" else (quantity,)
        curves = {
            _DRAWN[name]: (self.epoch, getattr(self, name))
            for name in wanted
            if name == "loss" or np.isfinite(getattr(self, name)).any()
        }
        if not curves:
            raise ValueError(f"quantity={quantity!r} was not recorded in this training")
        label = "loss" if quantity == "loss" else _DRAWN[quantity]
        return LossCurveDisplay(curves, x_name="epoch", y_name=label).plot(ax)


@dataclass
class EarlyStopping:
    """The best record so far, and the number of records since."""

    patience: int
    min_delta: float
    monitor: str
    best: float = math.inf
    waited: int = 0
    params: list[Array] | None = None

    def is_over(self, record: Mapping[str, float], params: list[Array]) -> bool:
        """Take note of a record; True after `patience` records in a row without improvement."""
        value = -record["val_metric"] if self.monitor == "val_metric" else record[self.monitor]
        if self.params is None or value < self.best - self.min_delta:
            self.best = math.inf if math.isnan(value) else value
            self.waited = 0
            self.params = [p.copy() for p in params]
            return False
        self.waited += 1
        return self.waited >= self.patience


def sums_of_records(
    values: NDArray[np.float64], ends: NDArray[np.int64], every: int, begun: float
) -> tuple[NDArray[np.float64], float]:
    """Sums of the `every` values before each end, and of what is left; `begun` is a part of the first.

    Each is one chain of additions in order, so it does not depend on how values are cut into several calls.
    """
    if not len(ends):
        return np.empty(0), _chain(begun, values)
    first, last = int(ends[0]), int(ends[-1])
    inner = np.add.accumulate(values[first:last].reshape(-1, every), axis=1)[:, -1]
    sums = np.concatenate([[_chain(begun, values[:first])], inner])
    return sums, _chain(0.0, values[last:])


def _chain(begun: float, values: NDArray[np.float64]) -> float:
    return float(np.add.accumulate(np.concatenate([[begun], values]))[-1])
