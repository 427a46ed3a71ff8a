"""A linear model's arithmetic in plain NumPy, in the order in which the compiled kernels add: the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import PARTIALS
from fastgd.engines.protocol.networks import Array, Rows
from fastgd.engines.reference.metrics import summed
from fastgd.engines.reference.networks import Reference
from fastgd.engines.vocabulary import numpy_vocabulary

_CHUNK_BYTES, _CHUNKS = 64, 4  # of which the chains of a row's sum take so many
_LOSS_CHAINS = 8
_TILE = 64  # rows
_BLOCK_NUMBERS, _BLOCK_ROWS = 1 << 16, 2048  # of the rows whose sums are taken apart


class LinearReference(Reference):
    """A network without hidden layers, by the rules of `linear_kernels.h`.

    Input k of a row goes to chain k modulo the number of chains, and the chains' sums are added in pairs; slopes times
    rows are added row by row, a block of rows at a time.
    """

    def loss_and_grad(
        self,
        params: list[Array],
        rows: Rows,
        index: NDArray[np.integer[Any]] | None = None,
        masks: list[Array] | None = None,
    ) -> tuple[float, float, list[Array]]:
        part: Any = slice(None) if index is None else index
        with np.errstate(all="ignore"):
            x, y = _padded(self.inputs(rows.x[part], rows.scale)), rows.y[part]
            w = np.ones(len(x)) if rows.weights is None else rows.weights[part]
            total = summed(w) if len(w) else 0.0
            share = w / total if total > 0 else np.zeros(len(w))
            many = _block_rows(x.shape[1])
            starts = range(0, max(1, len(x)), many)
            found = [self._block(params, *(a[k : k + many] for a in (x, y, share))) for k in starts]
            loss, weights, intercepts = found[0]
            for more in found[1:]:
                loss, weights, intercepts = loss + more[0], weights + more[1], intercepts + more[2]
            penalty = self._add_penalty(params[0], weights, total)
        features = self.architecture.sizes[0]
        return loss, penalty, [np.ascontiguousarray(weights[:, :features].T), intercepts]

    def forward_pass(
        self, params: list[Array], x: Array, masks: list[Array] | None = None
    ) -> tuple[list[Array], list[Array]]:
        return [x, self._outputs(params, _padded(x))], []

    def _outputs(self, params: list[Array], x: Array) -> Array:
        """The outputs of padded rows."""
        size = _CHUNKS * _chunk(x.dtype)
        z = np.empty((len(x), params[0].shape[1]), x.dtype)
        for c, w in enumerate(_padded(params[0].T)):
            products = _filled(x * w, size).reshape(len(x), -1, size)
            chains = _last(products, axis=1).reshape(len(x), _CHUNKS, -1)
            z[:, c] = _paired(_paired(chains.mT)) + params[1][c]
        return z

    def _block(
        self, params: list[Array], x: Array, y: Array, share: NDArray[np.float64]
    ) -> tuple[float, Array, Array]:
        """Of some rows the loss, and the sums of slopes times rows, (outputs, inputs), and of slopes."""
        a, chunk = self.architecture, _chunk(x.dtype)
        z = self._outputs(params, x)
        losses, slope = self.row_losses(z, y)
        factor = share if a.classes or a.sum_outputs else share * (1.0 / a.sizes[1])
        slope = slope * factor[:, None].astype(x.dtype)
        chains = _filled((share * losses)[None], _LOSS_CHAINS).reshape(-1, _LOSS_CHAINS)
        weights = np.stack([_last(d[:, None] * x, axis=0) for d in slope.T])
        own = _filled(np.ascontiguousarray(slope.T), chunk).reshape(len(slope.T), -1, chunk)
        return float(_paired(_last(chains, axis=0))), weights, _paired(_last(own, axis=1))

    def row_losses(self, z: Array, y: Array) -> tuple[NDArray[np.float64], Array]:
        a = self.architecture
        if not a.classes:
            assert self._loss is not None
            value, slope = (
                np.broadcast_to(np.asarray(part, z.dtype), z.shape)
                for part in self._loss(z, y, *self._loss_constants)
            )
            value = _last(np.minimum(np.asarray(value, np.float64), a.loss_cap), axis=-1)
            return (value if a.sum_outputs else value * (1.0 / a.sizes[1])), slope
        known = numpy_vocabulary()
        shifted = z - z.max(axis=-1, keepdims=True)
        e = known.exp(shifted)
        total = _last(e, axis=-1)
        own = y[:, None] == np.arange(z.shape[1])
        losses = np.asarray(known.log(total), np.float64) - shifted[own]
        return np.minimum(losses, a.loss_cap), e / total[:, None] - own.astype(z.dtype)

    def _add_penalty(self, w: Array, g: Array, total: float) -> float:
        """Add the gradient of the penalties to `g`, (outputs, padded inputs); returns the penalties."""
        a = self.architecture
        if not (a.l1 or a.l2):
            return 0.0
        share = (1.0 / total if total > 0 else 1.0) if a.penalty_per_row else 1.0
        packed, real = _padded(w.T), w.dtype.type
        g += real(a.l2 * share) * packed + real(a.l1 * share) * np.sign(packed)
        wide = packed.astype(np.float64).ravel()
        squares = summed(_last(np.square(wide).reshape(-1, PARTIALS), axis=0)) if a.l2 else 0.0
        sizes = summed(np.abs(wide)) if a.l1 else 0.0
        return float(share * (a.l1 * sizes + a.l2 / 2 * squares))


def _chunk(dtype: np.dtype[Any]) -> int:
    return _CHUNK_BYTES // dtype.itemsize


def _block_rows(width: int) -> int:
    rows = _BLOCK_NUMBERS // width // _TILE * _TILE
    return min(max(rows, _TILE), _BLOCK_ROWS)


def _filled(x: Array, size: int) -> Array:
    """With zeros up to a multiple of so many columns."""
    wide = np.zeros((len(x), -(-x.shape[1] // size) * size), x.dtype)
    wide[:, : x.shape[1]] = x
    return wide


def _padded(x: Array) -> Array:
    return _filled(x, _chunk(x.dtype))


def _last(x: Array, axis: int) -> Array:
    """The sum along an axis, one number after the other."""
    return np.asarray(np.add.accumulate(x, axis=axis).take(-1, axis=axis))


def _paired(chains: Array) -> Array:
    """The sums of chains along the last axis, neighbours first."""
    while chains.shape[-1] > 1:
        chains = chains[..., 0::2] + chains[..., 1::2]
    return chains[..., 0]
