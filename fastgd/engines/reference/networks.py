"""A network's arithmetic in plain NumPy: slow and readable; other engines are tested against it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import (
    ACTIVATIONS,
    LINEAR_LOSSES,
    LOSSES,
    Architecture,
    Array,
    Rows,
    Stretch,
)
from fastgd.engines.protocol.predictions import predict_by_forward
from fastgd.engines.reference.metrics import metric_of, summed
from fastgd.engines.vocabulary import bound, numpy_vocabulary

_AT_ONCE = 4096  # rows in memory at a time in a pass without updates
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@cache
def _in_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    return bound(function, numpy_vocabulary())


Strength = tuple[Any, Any]  # of penalties: l1 and l2, numbers or arrays with one for each network


def _like(z: Array, result: Any) -> Array:
    """The result of a function of z, perhaps a scalar, in the shape and dtype of z."""
    return np.broadcast_to(np.asarray(result, z.dtype), z.shape)


class Reference:
    """See `fastgd.engines.protocol.networks.Engine`.

    Its passes take several networks at once too: then the parameters have one dimension more in front, and so have rows
    that the networks do not share.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = a = architecture
        activation = ACTIVATIONS[a.activation] if isinstance(a.activation, str) else a.activation
        loss = {**LOSSES, **LINEAR_LOSSES}[a.loss] if isinstance(a.loss, str) else a.loss
        self._activation = _in_numpy(activation)
        self._loss = None if loss is None else _in_numpy(loss)
        self._constants = tuple(map(a.dtype.type, a.constants))
        self._loss_constants = tuple(map(a.dtype.type, a.loss_constants))
        self._zeros = [] if a.bias else [np.zeros(n, a.dtype) for n in a.sizes[1:]]

    # --- passes over some rows --------------------------------------------------------------------

    def layer(self, params: list[Array], k: int) -> tuple[Array, Array]:
        """Weights and biases of a layer; biases that the network does not have are zeros."""
        w, *bias = (params[i] for i in self.architecture.layer(k))
        return w, bias[0] if bias else self._zeros[k]

    def inputs(self, x: Array, scale: float) -> Array:
        """The rows in the network's dtype and in one order: BLAS may round a product by the layout of its operands."""
        real = self.architecture.dtype.type
        rows = np.ascontiguousarray(x, real)
        return rows * real(scale) if scale != 1.0 else rows

    def _activated(self, z: Array) -> tuple[Array, Array]:
        value, slope = self._activation(z, *self._constants)
        return _like(z, value), _like(z, slope)

    def forward_pass(
        self, params: list[Array], x: Array, masks: list[Array] | None = None
    ) -> tuple[list[Array], list[Array]]:
        """The input of each layer and the outputs; the derivatives of the hidden units."""
        values, slopes = [x], []
        for layer in range(self.architecture.layers):
            w, bias = self.layer(params, layer)
            z = values[-1] @ w + bias[..., None, :]
            if layer < self.architecture.layers - 1:
                z, slope = self._activated(z)
                if masks is not None:
                    z, slope = z * masks[layer], slope * masks[layer]
                slopes.append(slope)
            values.append(z)
        return values, slopes

    def row_losses(self, z: Array, y: Array) -> tuple[NDArray[np.float64], Array]:
        """The loss of each row, and its gradient with respect to the outputs."""
        a = self.architecture
        if a.classes:
            shifted = z - z.max(axis=-1, keepdims=True)
            e = np.exp(shifted)
            total = e.sum(axis=-1, keepdims=True)
            slope = e / total
            own = np.broadcast_to(y[..., None], (*z.shape[:-1], 1))
            np.put_along_axis(slope, own, np.take_along_axis(slope, own, -1) - 1, -1)
            wanted = np.take_along_axis(shifted, own, -1)
            value = np.asarray((np.log(total) - wanted)[..., 0], np.float64)
            return np.minimum(value, a.loss_cap), slope
        assert self._loss is not None
        value, slope = self._loss(z, y, *self._loss_constants)
        value, slope = _like(z, value), _like(z, slope)
        value = np.minimum(np.asarray(value, np.float64), a.loss_cap).sum(axis=-1)
        return (value, slope) if a.sum_outputs else (value / z.shape[-1], slope / z.shape[-1])

    def backward_pass(
        self, params: list[Array], values: list[Array], slopes: list[Array], delta: Array
    ) -> list[Array]:
        grads: list[Array] = []
        for layer in range(self.architecture.layers - 1, -1, -1):
            own = [values[layer].mT @ delta, delta.sum(axis=-2)]
            grads = own[: 1 + self.architecture.bias] + grads
            if layer:
                delta = (delta @ self.layer(params, layer)[0].mT) * slopes[layer - 1]
        return grads

    def _penalized(
        self, params: list[Array], grads: list[Array], total: Array, strength: Strength
    ) -> Array:
        """Add the gradients of the penalties to `grads`; returns the penalties."""
        l1, l2 = (np.asarray(value, np.float64) for value in strength)
        penalty = np.zeros(total.shape)
        if not (l1.any() or l2.any()):
            return penalty
        share = 1.0 / np.where(total == 0, 1.0, total) if self.architecture.penalty_per_row else 1.0
        each = 1 + self.architecture.bias
        for w, g in zip(params[::each], grads[::each], strict=True):
            first, second = ((c * share).astype(w.dtype)[..., None, None] for c in (l1, l2))
            np.add(g, second * w + first * np.sign(w), out=g)
            wide = np.asarray(w, np.float64).reshape(*w.shape[:-2], -1)
            sizes, squares = np.abs(wide).sum(axis=-1), np.sum(wide * wide, axis=-1)
            penalty = penalty + share * (l1 * sizes + l2 / 2 * squares)
        return penalty

    def batch(  # noqa: PLR0917
        self,
        params: list[Array],
        x: Array,
        y: Array,
        w: NDArray[np.float64],
        strength: Strength,
        masks: list[Array] | None = None,
    ) -> tuple[Array, Array, list[Array]]:
        """Mean loss of some rows with the weights `w`, penalties, and the gradients of their sum.

        `strength` is that of the penalties, l1 and l2, of all networks or of each.
        """
        values, slopes = self.forward_pass(params, x, masks)
        losses, delta = self.row_losses(values[-1], y)
        total = w.sum(axis=-1)
        share = np.zeros_like(w)
        np.divide(w, total[..., None], out=share, where=total[..., None] != 0)
        delta = delta * share[..., None].astype(delta.dtype)
        grads = self.backward_pass(params, values, slopes, delta)
        penalty = self._penalized(params, grads, total, strength)
        return (losses[..., None, :] @ share[..., None])[..., 0, 0], penalty, grads

    # --- the interface of engines -----------------------------------------------------------------

    def forward(self, params: list[Array], x: Array, scale: float = 1.0) -> Array:
        out = np.empty((len(x), self.architecture.sizes[-1]), self.architecture.dtype)
        with np.errstate(all="ignore"):
            for start in range(0, len(x), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                out[part] = self.forward_pass(params, self.inputs(x[part], scale))[0][-1]
        return out

    predict = predict_by_forward

    def assess(self, params: list[Array], rows: Rows) -> tuple[float, float]:
        return self.assessed(self.forward(params, rows.x, rows.scale), rows)

    def assessed(self, z: Array, rows: Rows) -> tuple[float, float]:
        """Mean loss and metric of rows, given their outputs."""
        w = np.ones(len(z)) if rows.weights is None else rows.weights
        total = summed(w)
        with np.errstate(all="ignore"):
            losses, _ = self.row_losses(z, rows.y)
            loss = summed(w / total * losses) if total else 0.0
            return loss, metric_of(self.architecture, z, rows.y)

    def loss_and_grad(
        self,
        params: list[Array],
        rows: Rows,
        index: NDArray[np.integer[Any]] | None = None,
        masks: list[Array] | None = None,
    ) -> tuple[float, float, list[Array]]:
        part: Any = slice(None) if index is None else index
        a = self.architecture
        with np.errstate(all="ignore"):
            x = self.inputs(rows.x[part], rows.scale)
            w = np.ones(len(x)) if rows.weights is None else rows.weights[part]
            loss, penalty, grads = self.batch(params, x, rows.y[part], w, (a.l1, a.l2), masks)
        return float(loss), float(penalty), grads

    def train(self, params: list[Array], rows: Rows, stretch: Stretch) -> None:
        for k in range(stretch.last - stretch.first):
            index = stretch.rows_of(stretch.first + k)
            t = stretch.t + k + 1
            masks = self.masks(stretch.seed, t, len(index))
            loss, penalty, grads = self.loss_and_grad(params, rows, index, masks)
            stretch.losses[k], stretch.penalties[k] = loss, penalty
            if not math.isfinite(loss + penalty):
                stretch.diverged = True
                return
            if stretch.norms is not None:
                squares = sum(float(np.sum(np.square(g, dtype=np.float64))) for g in grads)
                stretch.norms[k] = math.sqrt(squares)
            for group, rate in zip(stretch.plan.groups, stretch.rates[k], strict=True):
                group.hyper[0] = rate
            stretch.plan.update(params, grads, t)
            if stretch.averages is not None:
                stretch.averages.add(params, k)
            stretch.done = k + 1
            if not stretch.goes_on(params):
                return

    def masks(self, seed: int, t: int, rows: int) -> list[Array] | None:
        """Zeros and 1 / (1 - dropout) for the hidden units of each row of update t."""
        a = self.architecture
        if not a.dropout:
            return None
        return [
            dropout_mask(seed, t, layer, (rows, n), a.dropout).astype(a.dtype)
            for layer, n in enumerate(a.sizes[1:-1])
        ]


def dropout_mask(
    seed: int, t: int, layer: int, shape: tuple[int, int], dropout: float
) -> NDArray[np.float64]:
    """Mask of the units that are kept, a hash of their position: SplitMix64 (Steele, Lea & Flood, 2014) of a counter.

    It has no state, so masks do not depend on which thread computes which unit.
    """
    start = mixed_seed(mixed_seed(np.array([seed], np.uint64)) ^ np.uint64(t)) ^ np.uint64(layer)
    places = np.arange(math.prod(shape), dtype=np.uint64).reshape(shape)
    drawn = mixed_seed(mixed_seed(start) + places * _GOLDEN) >> np.uint64(40)  # 24 bits
    kept = drawn >= np.uint64(round(dropout * 2**24))
    return kept / (1.0 - dropout)


def mixed_seed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One step of SplitMix64."""
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
