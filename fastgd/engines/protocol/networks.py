"""What a network's engines are told and what they answer: the architecture, rows of data, a stretch of updates.

There are three engines, which compute the same: `fastgd.engines.reference.networks` in plain NumPy, its Numba-compiled
twin, and the compiled `fastgd.engines.native.networks`, in which a stretch is one call that leaves Python alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engines import registry
from fastgd.engines.protocol.steps import Group, Slot

Array = NDArray[Any]
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    name: pair.function for name, pair in registry.ACTIVATIONS.items()
}
# Every loss by its name: the function of one output, or None for softmax with cross-entropy.
LOSSES: dict[str, Callable[..., Any] | None] = {
    "cross_entropy": None,
    **{name: pair.function for name, pair in registry.LOSSES.items()},
}
LINKS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp"}


@dataclass(frozen=True)
class Architecture:
    """A network in numbers.

    Attributes
    ----------
    sizes : tuple of int
        Inputs, hidden units of each layer, outputs.
    activation : str or callable
        A name of `ACTIVATIONS`, or a user's function as in `fastgd.rules.activations`.
    constants : tuple of float
        What the activation takes after z.
    loss : str or callable
        A name of `LOSSES`, or a user's function as in `fastgd.rules.losses`.
    loss_constants : tuple of float
        What the loss takes after (z, y).
    sum_outputs : bool
        Whether a row's loss is the sum over its outputs or their mean.
    dtype : numpy dtype
        float32 or float64.
    l1, l2 : float
        Penalties l1 Σ|W| + l2/2 Σ W² on the weights, not on the biases.
    penalty_per_row : bool
        Whether the penalties are divided by the rows of the batch (their weights' sum), as in scikit-learn.
    loss_cap : float
        What an output's loss (a row's, of cross-entropy) is at most counted with; its gradient does not know of it.
        scikit-learn's probabilities are at least eps in its losses.
    dropout : float
        The share of hidden units left out of an update; the others are scaled by 1 / (1 - dropout).
    """

    sizes: tuple[int, ...]
    activation: str | Callable[..., Any]
    loss: str | Callable[..., Any]
    dtype: np.dtype[Any]
    constants: tuple[float, ...] = ()
    loss_constants: tuple[float, ...] = ()
    sum_outputs: bool = False
    l1: float = 0.0
    l2: float = 0.0
    penalty_per_row: bool = False
    loss_cap: float = math.inf
    dropout: float = 0.0

    @property
    def layers(self) -> int:
        """How many weight matrices there are."""
        return len(self.sizes) - 1

    @cached_property
    def link(self) -> str:
        """From outputs to predictions: softmax, sigmoid, exp or identity."""
        return LINKS.get(self.loss, "identity") if isinstance(self.loss, str) else "identity"

    @property
    def classes(self) -> bool:
        """Whether a target is a class number, one of all outputs."""
        return self.loss == "cross_entropy"


@dataclass(frozen=True)
class Rows:
    """Inputs, targets and weights, checked: all of a data set, of which an update takes some.

    Attributes
    ----------
    x : ndarray of shape (n, inputs)
        uint8, float32 or float64, a row's numbers side by side; perhaps mapped from a file.
    y : ndarray
        int32 of shape (n,) for classes, else the network's dtype and shape (n, outputs).
    weights : ndarray of float64, shape (n,), or None
    scale : float
        What an input is multiplied with when it is read.
    """

    x: Array
    y: Array
    weights: NDArray[np.float64] | None = None
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.x)


class Plan(Protocol):
    """What the engines need of an optimizer: `fastgd.optimizers.plan.Plan`."""

    @property
    def groups(self) -> list[Group]:
        """Rules and their numbers; a group's rate is written before a step."""

    @property
    def slots(self) -> list[Slot]:
        """Forms of the parameters, with the optimizer's state."""

    @property
    def update(self) -> Callable[[list[Any], list[Any], int], None]:
        """The stepper's ``step(params, grads, t)``."""


@dataclass
class Stretch:
    """Some updates in a row, and what came of them.

    Attributes
    ----------
    order : ndarray of int64
        The rows of an epoch in the order in which they are used.
    batch_size, first, last : int
        Updates first..last-1 of the epoch: update k uses ``order[k * batch_size:(k + 1) * batch_size]``.
    plan : Plan
        The optimizer's: groups, state and stepper.
    rates : ndarray of float64, shape (last - first, groups)
        Each update's rate for each of the plan's groups.
    t : int
        Updates that the optimizer had done before.
    seed : int
        Of the dropout masks, which are a function of it, the update's number t, the layer and the unit.
    losses, penalties : ndarray of float64, shape (last - first,)
        Of each update, before it: the batch's weighted mean loss, and the penalties beside it.
    norms : ndarray of float64, shape (last - first,), or None
        Euclidean norms of the gradients, where they are wanted.
    done : int
        Updates done; fewer than asked where parameters or loss have left the numbers (`diverged`).
    diverged : bool
        Whether the last update done saw a loss that is not finite. (No update is made with its gradient.)
    """

    order: NDArray[np.int64]
    batch_size: int
    first: int
    last: int
    plan: Plan
    rates: NDArray[np.float64]
    t: int
    seed: int = 0
    norms: NDArray[np.float64] | None = None
    done: int = 0
    diverged: bool = False
    losses: NDArray[np.float64] = field(init=False)
    penalties: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.losses = np.zeros(self.last - self.first)
        self.penalties = np.zeros(self.last - self.first)

    def rows_of(self, update: int) -> NDArray[np.int64]:
        """The rows of an update of the epoch."""
        return self.order[update * self.batch_size : (update + 1) * self.batch_size]


class Engine(Protocol):
    """A network's arithmetic on given parameters [W0, b0, W1, b1, ...], which it reads at every call."""

    def forward(self, params: list[Array], x: Array, scale: float) -> Array:
        """The outputs before their link, shape (n, outputs)."""

    def loss_and_grad(
        self, params: list[Array], rows: Rows, index: NDArray[np.int64] | None
    ) -> tuple[float, float, list[Array]]:
        """Weighted mean loss, penalties, and the gradients of their sum; of all rows or those in `index`."""

    def train(self, params: list[Array], rows: Rows, stretch: Stretch) -> None:
        """Do the updates in place."""
