"""`Scaling`: the coordinates in which a linear model is trained, and the way back to the user's units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Architecture, Array, Rows
from fastgd.estimators.penalties import Penalties

__all__ = ["BLOCK", "Scaling", "deviations", "null_outputs", "shares"]

Reals = NDArray[np.float64]
BLOCK = 1 << 20  # numbers of a block of rows that is converted at a time
# Squares, a variance beside them, and a deviation beside the mean that are computed at once.
_TINY, _FAR, _VAGUE = 1e-200, 1e-3, 1e-12
_CACHED = 1 << 15  # of one that stays in the processor's cache, for several passes
# Losses by how they grow with the unit of y.
_SQUARED = ("half_squares", "huber", "squared_epsilon_insensitive")
_LINEAR = ("mae", "epsilon_insensitive", "quantile")


@dataclass(frozen=True)
class Scaling:
    """Inputs (x - center) / scale, targets (y - offset) / unit; a model's outputs are gain times those, plus shift.

    Attributes
    ----------
    center, scale : ndarray of float64, shape (features,)
        Where there is an intercept, the means; standard deviations, 1 for constant columns.
    offset : ndarray of float64, shape (outputs,)
    unit : float
    gain : float
    shift : ndarray of float64, shape (outputs,)
    factor : float
        A loss in the user's units by one of training.
    """

    center: Reals
    scale: Reals
    offset: Reals
    unit: float
    gain: float
    shift: Reals
    factor: float

    @classmethod
    def none(cls, features: int, outputs: int) -> Scaling:
        """That changes nothing."""
        zeros, none = np.zeros(features), np.zeros(outputs)
        return cls(zeros, np.ones(features), none, 1.0, 1.0, none, 1.0)

    @classmethod
    def of(cls, rows: Rows, architecture: Architecture, intercept: bool, bend: float) -> Scaling:
        """That makes the curvature of the objective by each weight the same.

        Parameters
        ----------
        rows : Rows
        architecture : Architecture
            Its l2 penalty adds to the columns' variances, so that weights that it holds near 0 are as easy as others.
        intercept : bool
            Whether a shift of inputs and targets can be made good.
        bend : float
            The second derivative of the loss by an output, about.
        """
        share = shares(rows)
        center, deviation = _moments(rows.x, share, intercept)
        features, outputs = architecture.sizes
        scaling = cls.none(features, outputs)
        scaling = scaling._with_targets(rows, share, architecture, intercept)
        ratio = scaling.gain * (scaling.gain / scaling.factor) if architecture.l2 else 0.0
        ridge = architecture.l2 * ratio / bend
        scale = np.hypot(deviation, np.sqrt(ridge))
        scale[scale == 0] = 1.0
        if not np.isfinite(scale).all():
            raise ValueError("X holds numbers whose differences are not finite; scale them")
        return replace(scaling, center=center, scale=scale)

    def _with_targets(self, rows: Rows, share: Reals, a: Architecture, intercept: bool) -> Scaling:
        y, loss = rows.y, str(a.loss)
        constant = float(a.loss_constants[0]) if a.loss_constants else 1.0
        if loss == "poisson":
            mean = share @ np.asarray(y, np.float64)
            unit = float(mean.mean())
            if not intercept or not unit > 0:
                return self
            return replace(self, unit=unit, factor=unit, shift=np.full(y.shape[1], np.log(unit)))
        if loss not in _SQUARED + _LINEAR:
            return self
        offset = null_outputs(rows, loss, y.shape[1], intercept, constant)
        error = np.asarray(y, np.float64) - offset
        largest = float(np.abs(error).max())
        if not largest > 4 * np.finfo(y.dtype).eps * float(np.abs(y).max()):
            return replace(self, offset=offset, shift=offset)
        sizes = np.abs(error / largest)
        if loss == "half_squares":
            unit = largest * float(np.sqrt((share @ sizes**2).mean()))
        else:
            unit = largest * float((share @ sizes).mean())
        factor = unit if loss in _LINEAR else unit * unit
        if loss in _SQUARED and not np.finfo(np.float64).tiny <= factor < np.inf:
            raise ValueError(
                f"y has a spread of {unit:.2g}, whose square is beyond the numbers of float64; scale it"
            )
        return replace(self, offset=offset, shift=offset, unit=unit, gain=unit, factor=factor)

    @property
    def changes_nothing(self) -> bool:
        """Whether training is in the user's units."""
        moves = self.center.any() or self.offset.any() or self.shift.any()
        return not moves and (self.scale == 1).all() and self.unit == self.gain == self.factor == 1

    # --- there ------------------------------------------------------------------------------------

    def rows(self, rows: Rows, dtype: np.dtype) -> Rows:
        """The rows in these coordinates, in the network's dtype."""
        x, y = rows.x, rows.y
        if self.center.any() or not (self.scale == 1).all():
            x = np.empty(rows.x.shape, dtype)
            many = max(1, _CACHED // max(1, rows.x.shape[1]))
            at_once = dtype == np.float64  # without a block in float64 on the way
            room = np.empty((0 if at_once else many, x.shape[1]))
            for k in range(0, len(x), many):
                there = x[k : k + many]
                block = there if at_once else room[: len(there)]
                np.subtract(rows.x[k : k + many], self.center, out=block)
                np.divide(block, self.scale, out=block)
                if not at_once:
                    there[...] = block
        if y.ndim == 2 and (self.unit != 1 or self.offset.any()):
            y = ((y.astype(np.float64) - self.offset) / self.unit).astype(dtype)
        return replace(rows, x=x, y=y)

    def penalties(self, l1: float, l2: float) -> Penalties:
        """Those of the user's weights, by the weights of training, in the loss of training."""
        none = np.zeros((len(self.scale), 1))  # of tiny columns also where the factors are infinite
        with np.errstate(over="ignore"):
            factors = self.gain / self.scale[:, None]
            return Penalties(
                l1 * factors / self.factor if l1 else none,
                l2 * factors**2 / self.factor if l2 else none,
            )

    def put(self, coef: Array, intercept: Array, params: list[Array]) -> None:
        """Write a user's weights (outputs, features) and intercepts into [weights, intercepts] of training."""
        wide = np.asarray(coef, np.float64)
        params[0][...] = wide.T * self.scale[:, None] / self.gain
        params[1][...] = (intercept + wide @ self.center - self.shift) / self.gain

    # --- and back ---------------------------------------------------------------------------------

    def back(self, params: list[Array]) -> tuple[Array, Array]:
        """The weights (outputs, features) and intercepts in the user's units, of the parameters' dtype.

        The intercepts make good how the weights were rounded.
        """
        dtype = params[0].dtype
        with np.errstate(over="ignore", invalid="ignore"):
            coef = (params[0].T.astype(np.float64) * (self.gain / self.scale)).astype(dtype)
            moved = coef.astype(np.float64) @ self.center
            intercept = self.shift + self.gain * params[1].astype(np.float64) - moved
            return coef, intercept.astype(dtype)


def shares(rows: Rows) -> Reals:
    """The rows' shares in the mean loss."""
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    return np.asarray(weights / weights.sum(), np.float64)


def deviations(rows: Rows) -> Reals:
    """The standard deviations of the columns that are not constant."""
    found = _moments(rows.x, shares(rows), True)[1]
    return found[found > 0]


def null_outputs(rows: Rows, loss: str, outputs: int, intercept: bool, constant: float) -> Reals:
    """The outputs of the best model without inputs; `constant` is that of the loss."""
    if not intercept:
        return np.zeros(outputs)
    share = shares(rows)
    if rows.y.ndim == 1:
        counts = np.bincount(rows.y, share, minlength=outputs)
        return np.log(np.maximum(counts, 1e-300))
    y = np.asarray(rows.y, np.float64)
    if loss in _SQUARED[1:] + _LINEAR:
        level = constant if loss == "quantile" else 0.5
        return np.array([_quantile(column, share, level) for column in y.T])
    mean = _mean(y, share)
    if loss == "poisson":
        return np.log(np.maximum(mean, 1e-300))
    if loss == "binary_cross_entropy":
        return np.log(np.maximum(mean, 1e-300) / np.maximum(1.0 - mean, 1e-300))
    if loss in ("hinge", "squared_hinge", "modified_huber"):
        mean = 2.0 * mean - 1.0
    return np.sign(mean) if loss == "hinge" else mean


def _quantile(values: Reals, share: Reals, level: float) -> float:
    order = np.argsort(values, kind="stable")
    place = int(np.searchsorted(np.cumsum(share[order]), level - 1e-12))
    return float(values[order[min(place, len(values) - 1)]])


def _mean(x: Array, share: Reals) -> Reals:
    """The means of the columns; the second sum corrects the rounding of the first where they are far from 0."""
    first = share @ np.asarray(x, np.float64)
    return np.asarray(first + share @ (np.asarray(x, np.float64) - first))


def _moments(x: Array, share: Reals, intercept: bool) -> tuple[Reals, Reals]:
    """Means (0 without an intercept) and deviations from them of the columns; 0 for columns that are constant."""
    found = _moments_at_once(x, share, intercept)
    return _moments_with_care(x, share, intercept) if found is None else found


def _moments_at_once(x: Array, share: Reals, intercept: bool) -> tuple[Reals, Reals] | None:
    """In one pass, by the distances from the median of the first three rows; None if that is not exact.

    That is where squares overflow or underflow, where the means are far away from those rows, or where a column is hard
    to tell from a constant.
    """
    n, features = x.shape
    many = max(1, _CACHED // max(1, features))
    guess = np.zeros(features)
    if intercept:  # a number of the column itself, so that nothing is left of a constant one
        guess = np.sort(x[: min(n, 3)].astype(np.float64), axis=0)[min(n, 3) // 2]
    room = np.empty((many, features))
    first, second = np.zeros(features), np.zeros(features)
    with np.errstate(all="ignore"):
        for k in range(0, n, many):
            part, block = share[k : k + many], room[: n - k]
            block[...] = x[k : k + many]
            if intercept:
                block -= guess
                first += part @ block
            np.multiply(block, block, out=block)
            second += part @ block
        center, variance = guess + first, second - first**2
        exact = (second > _TINY) & (second < 1.0 / _TINY) & (variance > _FAR * second)
        exact &= variance > (_VAGUE * center) ** 2
        same = second == 0  # or so small that the squares are
        if not (exact | same).all() or (same.any() and (x[:, same] != guess[same]).any()):
            return None
        return center, np.sqrt(variance)


def _moments_with_care(x: Array, share: Reals, intercept: bool) -> tuple[Reals, Reals]:
    """In several passes; differences are divided by the largest before they are squared."""
    n, features = x.shape
    many = max(1, BLOCK // max(1, features))
    blocks = [slice(k, k + many) for k in range(0, n, many)]
    with np.errstate(all="ignore"):
        center = np.zeros(features)
        for _ in range(2 if intercept else 0):
            center = center + sum(share[b] @ (x[b].astype(np.float64) - center) for b in blocks)
        spread = np.zeros(features)
        for b in blocks:
            spread = np.maximum(spread, np.abs(x[b].astype(np.float64) - center).max(axis=0))
        constant = spread <= 8 * np.finfo(float).eps * np.abs(center)
        spread[constant] = 1.0  # and where all are 0 without an intercept
        squares = sum(share[b] @ ((x[b].astype(np.float64) - center) / spread) ** 2 for b in blocks)
        deviation = spread * np.sqrt(squares)
    return center, np.where(constant, 0.0, deviation)
