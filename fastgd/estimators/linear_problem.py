"""`LinearProblem`: what a linear model minimizes, its curvature, and the work of computing it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Array, Rows
from fastgd.estimators.conjugates import Conjugate, conjugate_of
from fastgd.estimators.design import Design, work_of_spectrum
from fastgd.estimators.penalties import Penalties
from fastgd.estimators.spectrum import Spectrum, spectrum_of

__all__ = ["CALLS", "DENSE", "LOSS", "LinearProblem"]

Reals = NDArray[np.float64]
CALLS = 1e6  # multiplications that take as long as the calls of a proof
LOSS = 20.0  # those of a row's loss, or slope
DENSE = 64  # unknowns of coupled outputs whose curvature is one matrix
_BENT = ("half_squares", "binary_cross_entropy", "cross_entropy", "poisson")  # losses, everywhere
_DIRECT = 200.0  # passes over the rows: where a decomposition takes more, conjugate gradients take its place


class LinearProblem:
    """What a linear model minimizes on some rows, and its curvature.

    Parameters
    ----------
    rows : Rows
        As the model is trained on them.
    loss : str
        A loss of a network.
    constant : float
        Of the loss, if it has one.
    intercept : bool
        Whether the model has one.
    penalties : Penalties

    Attributes
    ----------
    design : Design
    spent : float
        The work so far, in multiplications of a matrix and a vector.
    known : Spectrum or None
        The curvature of a quadratic, once it was decomposed.
    """

    def __init__(
        self, rows: Rows, loss: str, constant: float, intercept: bool, penalties: Penalties
    ) -> None:
        self.loss: Conjugate = conjugate_of(loss, constant)
        self.design = Design(rows, intercept)
        self.intercept, self.penalties = intercept, penalties
        self.rows = rows
        self.spent = 0.0
        self.bends = loss in _BENT
        self._quadratic = loss == "half_squares" and not penalties.l1.any()
        self.known: Spectrum | None = None  # of a quadratic, always the same
        none = np.zeros((int(intercept), 1))
        self.l1, self.l2 = (np.concatenate([p, none]) for p in (penalties.l1, penalties.l2))

    def targets(self, outputs: int) -> Reals:
        """The targets in columns, class numbers as indicators."""
        return self.indicators(self.rows.y, outputs)

    @staticmethod
    def indicators(y: Array, outputs: int) -> Reals:
        """Targets in columns, class numbers as indicators."""
        return np.eye(outputs)[y] if y.ndim == 1 else np.asarray(y, np.float64)

    def direct_work(self, outputs: int) -> float:
        """The work of decomposing the curvatures of so many outputs; inf if it is not worth it."""
        n, columns = self.design.shape
        work = work_of_spectrum(n, columns, bool(self.l2.any()))
        if self.loss.coupled and columns * outputs <= DENSE:
            return 0.5 * n * (columns * outputs) ** 2
        if work > _DIRECT * n * columns + CALLS:
            return math.inf
        if not self._quadratic:
            return work * outputs
        if self.known is not None:
            return 0.0
        return work - (n * columns**2 / 8.0 if "moments" in vars(self.design) else 0.0)

    def spectrum_of(self, metric: Reals, active: NDArray[np.bool_]) -> Spectrum:
        """Of the curvature for one output by the parameters that are active."""
        if self._quadratic and self.known is not None:
            return self.known
        plain = self._quadratic or bool((metric == 1.0).all())
        l2 = self.l2[:, 0]
        found = spectrum_of(self.design, None if plain else metric, l2, active)
        n, columns = self.design.shape
        self.spent += work_of_spectrum(n, columns, bool(l2.any()))
        if self._quadratic:
            self.known = found
        return found
