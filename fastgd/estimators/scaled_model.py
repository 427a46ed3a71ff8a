"""`ScaledModel`: a linear model in the coordinates in which it is trained."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Rows
from fastgd.estimators.conjugates import conjugate_of
from fastgd.estimators.corners import CORNERS
from fastgd.estimators.duality import DualityGap
from fastgd.estimators.scaling import BLOCK, Scaling, deviations, null_outputs, shares
from fastgd.network.linear import LinearNetwork
from fastgd.network.mlp import MLP

__all__ = ["ScaledModel"]

_FIRST = 1 << 18  # numbers of the rows that are looked at before others
_SMALL = 0.3  # a delta of Huber's loss, relative to the spread of the targets


class ScaledModel:
    """A linear network in the user's units, its twin that is trained, and the twin's rows and penalties.

    Parameters
    ----------
    net : MLP
        In the user's units; it says what the loss and the penalties are.
    rows : Rows
    scaling : Scaling
    intercept : bool
    from_zero : bool
        Whether training starts with weights and intercepts of 0 in its own coordinates, not with those of `net`.
    in_batches : bool
        Whether updates see some of the rows only.

    Attributes
    ----------
    network : MLP
    rows, given : Rows
        The twin's and the user's.
    penalties : Penalties
    """

    def __init__(
        self,
        net: MLP,
        rows: Rows,
        scaling: Scaling,
        *,
        intercept: bool,
        from_zero: bool,
        in_batches: bool,
    ) -> None:
        a = net.architecture
        self.net, self.scaling, self.intercept, self.loss = net, scaling, intercept, str(a.loss)
        self.given = rows
        self.rows = scaling.rows(rows, a.dtype)
        self.penalties = scaling.penalties(a.l1, a.l2)
        # In batches the engine adds penalties if it can; else `LinearEpochs` does, with l1's shortest subgradient.
        uniform = in_batches and self.penalties.uniform
        if scaling.changes_nothing and (uniform or not self.penalties):
            self.network = net
            return
        unit = 1.0 if self.loss == "quantile" else scaling.unit  # of the loss's constant
        constants = tuple(constant / unit for constant in a.loss_constants)
        l1, l2 = (
            float(p[0, 0]) if uniform else 0.0 for p in (self.penalties.l1, self.penalties.l2)
        )
        inner = replace(a, loss_constants=constants, l1=l1, l2=l2)
        self.network = LinearNetwork.from_architecture(inner, n_threads=net.n_threads)
        if from_zero:
            for p in self.network.params:
                p[...] = 0
        else:
            scaling.put(net.params[0].T, net.params[1], self.network.params)

    def give_back(self) -> None:
        """Write the parameters into the network in the user's units."""
        if self.network is not self.net:
            coef, intercept = self.scaling.back(self.network.params)
            self.net.params[0][...], self.net.params[1][...] = coef.T, intercept

    def objective_given_back(self) -> NDArray[np.float64]:
        """The objective in the user's units, by output or of all where they are coupled, as the network holds it.

        The larger of two: with the network's own arithmetic, which predicts, and with that of float64.
        """
        w, b = (p.astype(np.float64) for p in self.net.params)
        constant = _constant_of(self.net)
        loss, y = conjugate_of(self.loss, constant), DualityGap.indicators(self.given.y, len(b))
        many = max(1, BLOCK // max(1, len(w)))
        exact = np.empty((len(y), len(b)))
        with np.errstate(all="ignore"):
            for k in range(0, len(y), many):
                exact[k : k + many] = self.given.x[k : k + many].astype(np.float64) @ w + b
            own = self.net.engine.forward(self.net.params, self.given.x, 1.0).astype(np.float64)
            share = shares(self.given)
            means = np.maximum(*(np.atleast_1d(share @ loss.value(z, y)) for z in (exact, own)))
            a = self.net.architecture
            penalty = (a.l1 * np.abs(w) + 0.5 * a.l2 * w * w).sum(axis=0)
        return np.asarray(means + (penalty.sum() if loss.coupled else penalty))

    @cached_property
    def gap(self) -> DualityGap:
        """How far its objective is above the minimum."""
        return DualityGap(self.rows, self.loss, self._constant, self.intercept, self.penalties)

    @cached_property
    def null(self) -> NDArray[np.float64]:
        """The loss of the best constant: of each output, or of all where they are coupled."""
        outputs = self.network.sizes[1]
        best = null_outputs(self.rows, self.loss, outputs, self.intercept, self._constant)
        loss, y = conjugate_of(self.loss, self._constant), self.gap.targets(outputs)
        with np.errstate(all="ignore"):
            losses = shares(self.rows) @ loss.value(np.broadcast_to(best, y.shape), y)
        return np.atleast_1d(losses)

    @property
    def kink(self) -> float:
        """The slope of a loss that turns it within a residual that is small; 0 of a loss that bends slowly.

        That is 1 for absolute errors, of a quantile's loss the mean size of its slopes at the minimum, and Huber's
        delta where it is far below the targets' spread, 1.
        """
        if self.loss == "quantile":
            return 2.0 * self._constant * (1.0 - self._constant)
        if self.loss in CORNERS:
            return 1.0
        return self._constant if self.loss == "huber" and self._constant < _SMALL else 0.0

    @property
    def _constant(self) -> float:
        return _constant_of(self.network)

    def separates(self) -> bool:
        """Whether a classifier without penalties has all rows on the right side."""
        if self.penalties:
            return False
        many = max(1, _FIRST // max(1, self.rows.x.shape[1]))
        for k in range(0, len(self.rows), many):
            part = slice(k, k + many)
            z = self.network.engine.forward(self.network.params, self.rows.x[part], 1.0)
            right = self.gap.loss.right(z, self.gap.indicators(self.rows.y[part], z.shape[1]))
            if right is None:
                return False
            if self.rows.weights is not None:
                right = right | (self.rows.weights[part] == 0)
            if not right.all():
                return False
        return True

    def ratio_of_scales(self) -> float:
        """The largest standard deviation of a column, as trained on, by the smallest of one that is not constant."""
        found = deviations(self.rows)
        return float(found.max() / found.min()) if found.size else 1.0


def _constant_of(net: MLP) -> float:
    """The constant of the loss, or 1 if it has none."""
    constants = net.architecture.loss_constants
    return float(constants[0]) if constants else 1.0
