"""`ProductsOfColumns`: least squares on all rows by the mean products of their columns, without the rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array
from fastgd.estimators.design import Design

__all__ = ["ProductsOfColumns"]

_VISIBLE = 1e-6  # share of the targets' mean square that a loss has at least; differences of sums hide smaller ones


class ProductsOfColumns:
    """Half the mean squared error of all rows: v'Hv / 2 - b'v + c, with the mean products H of the columns.

    An epoch takes as many multiplications as H has numbers, however many rows there are.

    Parameters
    ----------
    design : Design
        Columns and targets should have means of about 0: sums of products hide what is far smaller than they are.
    y : ndarray of shape (n, outputs)
    """

    def __init__(self, design: Design, y: Array) -> None:
        self.design, self.y = design, np.asarray(y, np.float64)

    @cached_property
    def _slopes(self) -> NDArray[np.float64]:
        return self.design.mean(self.y)

    @cached_property
    def _squares(self) -> NDArray[np.float64]:
        return np.asarray(self.design.share @ np.square(self.y))

    def loss_and_grad(self, params: Sequence[Array]) -> tuple[float, list[Array]] | None:
        """Loss and gradients of [weights, intercepts]; None where the loss is too small to be a difference of sums."""
        w, b = (np.asarray(p, np.float64) for p in params)
        v = np.concatenate([w, b[None]]) if self.design.intercept else w
        with np.errstate(all="ignore"):
            curved = self.design.moments @ v
            losses = (v * (0.5 * curved - self._slopes)).sum(axis=0) + 0.5 * self._squares
            gradient = curved - self._slopes
        if not (losses > _VISIBLE * self._squares).all():
            return None
        own = gradient[-1] if self.design.intercept else np.zeros_like(b)
        grads = [gradient[: len(w)], own]
        return float(losses.sum()), [g.astype(p.dtype) for g, p in zip(grads, params, strict=True)]
