"""The networks of the source, and maps of what becomes of them over two hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.network import MLP
from fastgd.network.problem import NetworkProblem

WIDTH = 16  # of the inputs and of the hidden layer
STEPS = 500
WEIGHTS = WIDTH * WIDTH + WIDTH  # as many rows in most experiments
Rectangle = tuple[float, float, float, float]  # x0, x1, y0, y1
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Variant:
    """One experiment of the source.

    Attributes
    ----------
    name, title : str
    view : tuple of float
        What is mapped: x0, x1, y0, y1.
    activation : str
    rows : int
    batch : int, optional
        Rows of an update; all of them by default.
    axes : {"rates", "offset"}
        Rates of the two layers; or the mean of the initial weights of the hidden layer, and one rate for both layers.
    published : bool
        Whether the source has it.
    """

    name: str
    title: str
    view: Rectangle
    activation: Literal["tanh", "relu", "identity"] = "tanh"
    rows: int = WEIGHTS
    batch: int | None = None
    axes: Literal["rates", "offset"] = "rates"
    published: bool = True

    @property
    def names(self) -> tuple[str, str]:
        """What the axes are."""
        if self.axes == "rates":
            return "learning rate of the hidden layer", "learning rate of the output layer"
        return "mean of the hidden layer's initial weights", "learning rate of both layers"

    @property
    def geometric(self) -> tuple[bool, bool]:
        """Whether the values of an axis are evenly spaced in logarithm."""
        return self.axes == "rates", True


# Beyond these, more of the same: at small rates of the output layer and large ones of the hidden layer, tanh networks
# are also as bad at the end as at the start, because the hidden units are saturated.
_TANH: Rectangle = (1e-2, 1e5, 1e-1, 1e4)
_LINES: Rectangle = (1e-2, 1e4, 1e-2, 1e4)
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("tanh", "tanh, all rows", _TANH),
        Variant("relu", "ReLU, all rows", _LINES, "relu"),
        Variant("identity", "identity, all rows", _LINES, "identity", WIDTH),
        Variant("minibatch", "tanh, minibatches of 16 rows", _TANH, batch=16),
        Variant("single", "tanh, one row", _TANH, rows=1),
        Variant("init", "tanh, initial weights", (-4.0, 4.0, *_TANH[2:]), axes="offset"),
        Variant("small", "tanh, 16 rows", _TANH, rows=16, published=False),
    )
}


@dataclass(frozen=True)
class Setting:
    """A variant with numbers: weights, inputs and targets, all standard normal.

    The source's network is y = W1 σ(√(2/n) W0 x) / n, without biases (√(1/n) for the identity). The same descent has a
    network without factors if the inputs are multiplied by √(2/n), the targets by n, and the rates divided by n²: the
    losses are then n² times as large.
    """

    variant: Variant
    seed: int = 0
    dtype: Literal["float64", "float32"] = "float64"

    @cached_property
    def _drawn(self) -> tuple[Array, Array, Array, Array]:
        """W0, W1, inputs and targets; all variants of a seed have the first rows of the same ones."""
        rng, n = np.random.default_rng(self.seed), WIDTH
        drawn = [rng.normal(size=shape) for shape in ((n, n), (n, 1), (WEIGHTS, n), (WEIGHTS,))]
        return drawn[0], drawn[1], drawn[2][: self.variant.rows], drawn[3][: self.variant.rows]

    @cached_property
    def problem(self) -> NetworkProblem[MLP]:
        """The network on its rows."""
        v = self.variant
        network = MLP(
            [WIDTH, WIDTH, 1], activation=v.activation, loss="mse", bias=False, dtype=self.dtype,
            rng=self.seed,
        )  # fmt: skip
        _, _, x, y = self._drawn
        factor = np.sqrt((1.0 if v.activation == "identity" else 2.0) / WIDTH)
        return network.problem(
            factor * x, WIDTH * y, batch_size=v.batch or v.rows, shuffle=v.batch is not None
        )

    @property
    def batch(self) -> int:
        """Rows of an update."""
        return self.variant.batch or self.variant.rows

    def sweep_axes(self, x: Array, y: Array) -> Mapping[str, Any]:
        """The axes of the sweep for the values of a map's axes, that of its rows first."""
        rates = y / WIDTH**2
        if self.variant.axes == "rates":
            return {"layers.1.lr": rates, "layers.0.lr": x / WIDTH**2}
        w0, w1, _, _ = self._drawn
        return {"lr": rates, "x0": [[w0 + offset, w1] for offset in x]}

    @property
    def start(self) -> list[Array] | None:
        """Where all runs start, if not each at its own place."""
        return None if self.variant.axes == "offset" else list(self._drawn[:2])

    @cached_property
    def first_loss(self) -> float | None:
        """The loss of all rows at the start, where the first one of a run is that of a batch; else None."""
        if self.variant.batch is None or self.start is None:
            return None
        network = self.problem.network.fresh()
        for p, value in zip(network.params, self.start, strict=True):
            p[...] = value
        return network.assess(self.problem.rows)[0]
