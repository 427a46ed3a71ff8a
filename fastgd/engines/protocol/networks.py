"""The interface of network engines: the architecture, rows of data, a stretch of updates.

The modules `networks` of `reference`, `numba`, `native` and `cuda` implement `Engine`. In the compiled one a stretch of
updates is a single call that does not return to Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.engines import registry
from fastgd.engines.protocol.steps import Group, Slot

Array = NDArray[Any]
SEEDS = 1 << 64  # dropout takes a seed below this
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    name: pair.function for name, pair in registry.ACTIVATIONS.items()
}
# Every loss by its name: the function of one output, or None for softmax with cross-entropy.
LOSSES: dict[str, Callable[..., Any] | None] = {
    "cross_entropy": None,
    **{name: pair.function for name, pair in registry.LOSSES.items()},
}
# Those that only linear models have.
LINEAR_LOSSES: dict[str, Callable[..., Any]] = {
    name: pair.function for name, pair in registry.LINEAR_LOSSES.items()
}
LINKS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp"}


@dataclass(frozen=True)
class Architecture:
    """A network without its parameters.

    Attributes
    ----------
    sizes : tuple of int
        Inputs, hidden units of each layer, outputs.
    activation : str or callable
        A name of `ACTIVATIONS`, or a user's function as in `fastgd.rules.activations`.
    constants : tuple of float
        Arguments of the activation after z.
    loss : str or callable
        A name of `LOSSES`, of linear models also of `LINEAR_LOSSES`, or a user's function as in `fastgd.rules.losses`.
    loss_constants : tuple of float
        Arguments of the loss after (z, y).
    sum_outputs : bool
        Whether a row's loss is the sum over its outputs or their mean.
    dtype : numpy dtype
        float32 or float64.
    l1, l2 : float
        Penalties l1 Σ|W| + l2/2 Σ W² on the weights, not on the biases.
    penalty_per_row : bool
        Whether the penalties are divided by the rows of the batch (their weights' sum), as in scikit-learn.
    loss_cap : float
        Upper limit of the loss of an output (cross-entropy: of a row); gradients ignore it. scikit-learn's losses have
        such a limit, because they clip probabilities at eps.
    dropout : float
        The fraction of hidden units dropped in an update; the others are scaled by 1 / (1 - dropout).
    bias : bool
        Whether layers have biases. Without them the parameters are [W0, W1, ...].
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
    bias: bool = True

    @property
    def layers(self) -> int:
        """How many weight matrices there are."""
        return len(self.sizes) - 1

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the parameters, [W0, b0, W1, b1, ...] or [W0, W1, ...]."""
        pairs = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        return [s for k, n in pairs for s in ((k, n), (n,))[: 1 + self.bias]]

    @property
    def names(self) -> list[str]:
        """The names of the parameters: W0, b0, W1, ..."""
        return [f"{kind}{k}" for k in range(self.layers) for kind in "Wb"[: 1 + self.bias]]

    @property
    def n_parameters(self) -> int:
        """How many numbers the parameters have."""
        return sum(math.prod(shape) for shape in self.shapes)

    def layer(self, k: int) -> range:
        """Which of the parameters belong to layer k."""
        each = 1 + self.bias
        return range(each * k, each * (k + 1))

    @cached_property
    def link(self) -> str:
        """From outputs to predictions: softmax, sigmoid, exp or identity."""
        return LINKS.get(self.loss, "identity") if isinstance(self.loss, str) else "identity"

    @property
    def classes(self) -> bool:
        """Whether targets are class numbers."""
        return self.loss == "cross_entropy"


@dataclass(frozen=True)
class Rows:
    """Checked inputs, targets and weights of a data set; an update uses some of its rows.

    Attributes
    ----------
    x : ndarray of shape (n, inputs)
        uint8, float32 or float64, the numbers of a row contiguous; may be memory-mapped.
    y : ndarray
        int32 of shape (n,) for classes, else the network's dtype and shape (n, outputs).
    weights : ndarray of float64, shape (n,), or None
    scale : float
        Factor of the inputs.
    """

    x: Array
    y: Array
    weights: NDArray[np.float64] | None = None
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.x)


class Plan(Protocol):
    """What engines need of an optimizer; see `fastgd.optimizers.plan.Plan`."""

    @property
    def groups(self) -> list[Group]:
        """Rules and their numbers; a group's rate is written before a step."""

    @property
    def slots(self) -> list[Slot]:
        """Forms of the parameters, with the optimizer's state."""

    @property
    def update(self) -> Callable[[list[Any], list[Any], int], None]:
        """The stepper's ``step(params, grads, t)``."""


@dataclass(frozen=True)
class Checkpoints:
    """Updates after which an engine tests whether all parameters are finite, and keeps them if they are.

    Attributes
    ----------
    every, since : int
        Updates from one to the next, and those made since the last one when a stretch begins, fewer than `every`.
    kept : list of ndarray or None
        Arrays like the parameters that get their values at each checkpoint.
    """

    every: int
    since: int = 0
    kept: list[Array] | None = None

    def after(self, done: int) -> Checkpoints:
        """The same, `done` updates later."""
        return replace(self, since=(self.since + done) % self.every)

    def next(self, done: int) -> int:
        """The number of updates after which the next one is due, if `done` are made."""
        return done + self.every - (self.since + done) % self.every


@dataclass
class Averages:
    """Sums of a linear model's parameters after its updates, for their mean (Polyak and Juditsky, 1992).

    Attributes
    ----------
    sums : list of ndarray of float64
        Of the shapes of the parameters.
    wait : int
        Updates still to be made before the first whose parameters are added.
    count : int
        Updates whose parameters were added.
    """

    sums: list[NDArray[np.float64]]
    wait: int = 0
    count: int = 0

    def add(self, params: list[Array], update: int = 0) -> None:
        """Add the parameters after an update, counted from the one that `wait` counts from."""
        if update >= self.wait:
            for total, p in zip(self.sums, params, strict=True):
                np.add(total, p, out=total)

    def advance(self, updates: int) -> None:
        """Count updates whose parameters were added where that was due."""
        self.count += max(0, updates - self.wait)
        self.wait = max(0, self.wait - updates)


@dataclass
class Stretch:
    """Consecutive updates of one epoch or several, and their results.

    Attributes
    ----------
    orders : ndarray of int32, shape (epochs, rows), or None
        Of each epoch, the rows in the order in which they are used. None: as they lie in memory, in every epoch.
    rows : int
        Rows of an epoch.
    batch_size, updates : int
        Rows of an update, and updates of an epoch; the last one of an epoch may have fewer rows.
    first, last : int
        Updates first..last-1, counted from the first epoch of `orders`.
    plan : Plan
        The optimizer's: groups, state and stepper.
    rates : ndarray of float64, shape (last - first, groups)
        The rate of each update for each group of the plan.
    t : int
        Updates that the optimizer made before.
    seed : int
        Seed of the dropout masks, which are a function of it, the update's number t, the layer and the unit.
    norms : ndarray of float64, shape (last - first,), or None
        Euclidean norms of the gradients, if they are recorded.
    checkpoints : Checkpoints or None
        Where the parameters are tested.
    averages : Averages or None
        What the parameters after each update are added to; who gave it counts them, by `done`.
    losses, penalties : ndarray of float64, shape (last - first,)
        Before each update: the weighted mean loss of the batch, and the penalties (not included in the loss).
    done : int
        Updates made; fewer than asked for if the loss or a parameter became NaN or infinite.
    diverged : bool
        Whether a loss was not finite. (No update is made with its gradient.)
    overflowed : bool
        Whether a parameter was not finite at a checkpoint, which is after the last of the updates made.
    """

    orders: NDArray[np.int32] | None
    rows: int
    batch_size: int
    updates: int
    first: int
    last: int
    plan: Plan
    rates: NDArray[np.float64]
    t: int
    seed: int = 0
    norms: NDArray[np.float64] | None = None
    checkpoints: Checkpoints | None = None
    averages: Averages | None = None
    done: int = 0
    diverged: bool = False
    overflowed: bool = False
    losses: NDArray[np.float64] = field(init=False)
    penalties: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.losses = np.zeros(self.last - self.first)
        self.penalties = np.zeros(self.last - self.first)

    def rows_of(self, update: int, count: int = 1) -> NDArray[np.integer[Any]]:
        """The rows of an update, or of `count` updates of an epoch."""
        epoch, k = divmod(update, self.updates)
        start, stop = k * self.batch_size, min((k + count) * self.batch_size, self.rows)
        return np.arange(start, stop) if self.orders is None else self.orders[epoch, start:stop]

    def break_after(self, update: int) -> int:
        """Where an engine that makes updates piece by piece must stop: the epoch's end, a checkpoint, the last one."""
        stop = min(self.last, (update // self.updates + 1) * self.updates)
        if self.checkpoints is None:
            return stop
        return min(stop, self.first + self.checkpoints.next(update - self.first))

    def goes_on(self, params: list[Array]) -> bool:
        """Whether training may go on after the updates made: False if a checkpoint is due and it fails."""
        checkpoints = self.checkpoints
        if checkpoints is None or checkpoints.next(self.done - 1) != self.done:
            return True
        self.overflowed = not all(np.isfinite(p).all() for p in params)
        for kept, p in zip(checkpoints.kept or [], params, strict=False):
            if not self.overflowed:
                np.copyto(kept, p)
        return not self.overflowed


class Engine(Protocol):
    """A network's arithmetic; its parameters, as in `Architecture.shapes`, are given at every call."""

    @property
    def architecture(self) -> Architecture: ...

    def forward(self, params: list[Array], x: Array, scale: float) -> Array:
        """The outputs before their link, shape (n, outputs)."""

    def predict(
        self,
        params: list[Array],
        x: Array,
        scale: float = 1.0,
        *,
        link: bool = True,
        strict: bool = True,
    ) -> Array:
        """Predictions, shape (n, outputs): the outputs after their link, or without it.

        With `strict`, inputs that are not finite in the network's dtype raise `fastgd.engines.protocol.predictions.\
NotFinite`.
        """

    def assess(self, params: list[Array], rows: Rows) -> tuple[float, float]:
        """Weighted mean loss without penalties, and accuracy or R² (nan for constant targets), of all rows.

        Each sum is one chain of additions in double, over the rows in their order and over the outputs of a row in
        theirs: of weights; of each row's loss times its weight divided by their sum, which is the loss that training
        reports for one batch of all rows; of targets, squared distances from their mean, and squared errors.
        """

    def loss_and_grad(
        self, params: list[Array], rows: Rows, index: NDArray[np.integer[Any]] | None
    ) -> tuple[float, float, list[Array]]:
        """Weighted mean loss, penalties, and the gradients of their sum, for all rows or those in `index`."""

    def train(self, params: list[Array], rows: Rows, stretch: Stretch) -> None:
        """Make the updates in place and write their results into the stretch."""
