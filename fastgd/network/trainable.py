"""`Trainable`: a network as its training, its problems and its files see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from fastgd.engines.protocol.networks import Architecture, Array, Engine, Rows
from fastgd.engines.protocol.outcomes import Status
from fastgd.network.history import TrainingHistory
from fastgd.optimizers import Optimizer


class Trainable(Protocol):
    """What is needed of a network in order to train it; `fastgd.MLP` has it.

    Attributes
    ----------
    architecture : Architecture
    engine : Engine
        Computes outputs, gradients and updates from `params`.
    params : list of ndarray
        [W0, b0, W1, b1, ...], or [W0, W1, ...] without biases; trained in place.
    seed : int
        Of the orders of rows and of dropout.
    optimizer_ : Optimizer or None
        The one of the last `fit`.
    loaded_state_ : mapping of str to ndarray, or None
        An optimizer's state that was read from a file and waits for the next `fit`.
    steps_, epochs_ : int
        Updates and complete epochs so far.
    steps_in_epoch_ : int
        Updates of the epoch that is not complete yet.
    history_ : TrainingHistory
        Of the last `fit`.
    status_ : Status
        How the last `fit` ended.
    """

    architecture: Architecture
    engine: Engine
    params: list[Array]
    seed: int
    optimizer_: Optimizer | None
    loaded_state_: Mapping[str, Array] | None
    steps_: int
    epochs_: int
    steps_in_epoch_: int
    history_: TrainingHistory
    status_: Status

    def rows(self, X: Any, y: Any, sample_weight: Any = None) -> Rows:
        """Data, checked, in the form that the engines read."""

    def assess(self, rows: Rows) -> tuple[float, float]:
        """Loss and metric of checked rows."""
