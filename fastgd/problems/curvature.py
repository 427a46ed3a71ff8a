"""`Curvature`: how strongly a problem bends, which decides what rates are stable and fast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Curvature:
    """The range of a function's second derivatives, over all directions.

    Attributes
    ----------
    largest : float
        An upper bound; inf where it is beyond what numbers hold.
    smallest : float, default 0.0
        The smallest that is not zero up to rounding, where it is known; otherwise 0. Along a direction without
        curvature (of collinear columns, say) there is no slope either: nothing to descend.
    constant : bool, default False
        Whether they are the same everywhere, as those of a quadratic.
    everywhere : bool, default True
        Whether `largest` bounds the function that each update descends, wherever it comes. Otherwise it bounds what
        batches of rows have, or what lies below the starting point: steps must not gather speed.
    """

    largest: float
    smallest: float = 0.0
    constant: bool = False
    everywhere: bool = True

    @property
    def condition(self) -> float:
        """The condition number, largest / smallest; inf where the smallest is not known."""
        return self.largest / self.smallest if self.smallest > 0 else np.inf

    def scaled(self, factor: float) -> Curvature:
        """That of the function times a factor."""
        return replace(self, largest=factor * self.largest, smallest=factor * self.smallest)

    def penalized(self, l2: float) -> Curvature:
        """That of the function with l2/2 times the squared parameters added."""
        return replace(self, largest=self.largest + l2, smallest=self.smallest + l2)


def of_matrix(hessian: ArrayLike, *, summed: int = 1) -> Curvature:
    """The curvature of a quadratic, of its directions that bend upwards; 0 if there are none.

    Its entries may be sums of many terms, and have the rounding of these.
    """
    matrix = np.asarray(hessian, np.float64)
    if not np.isfinite(matrix).all():
        return Curvature(np.inf, constant=True)
    eigenvalues = np.linalg.eigvalsh(matrix)
    terms = max(eigenvalues.size, summed)
    rounding = np.abs(eigenvalues).max() * terms * np.finfo(np.float64).eps
    positive = eigenvalues[eigenvalues > rounding]
    if not positive.size:
        return Curvature(0.0, constant=True)
    return Curvature(float(positive[-1]), float(positive[0]), constant=True)


def of_rows(
    X: ArrayLike, weights: ArrayLike | None = None, *, in_batches: bool = False
) -> Curvature:
    """The curvature of half the mean square of a linear function of rows.

    Parameters
    ----------
    X : array_like of shape (rows, inputs)
        With a column of ones if there is a constant term.
    weights : array_like of shape (rows,), optional
        Numbers >= 0, of a weighted mean.
    in_batches : bool, default False
        Whether an update sees some of the rows only: the bound is then that of the worst batch.

    Returns
    -------
    Curvature
        0 if the inputs are.
    """
    x = np.asarray(X, np.float64)
    with np.errstate(all="ignore"):
        if in_batches:
            longest = float(np.einsum("ij,ij->i", x, x).max())
            return Curvature(longest if np.isfinite(longest) else np.inf, everywhere=False)
        share = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
        weighted = x * np.sqrt(share / share.sum())[:, None]
        wide = x.shape[1] > len(x)  # the smaller product has the same eigenvalues but for zeros
        moments = weighted @ weighted.T if wide else weighted.T @ weighted
        return of_matrix(moments, summed=max(x.shape))


def of_batches(whole: Curvature, worst: Curvature, rows: int, batch: int) -> Curvature:
    """The curvature to expect of a mean over a batch of equal rows that is drawn without replacement.

    It lies between that of all rows and that of the worst row: the expected smoothness, with which the mean square of
    a descent's distance falls at rates below 2 / largest on quadratics. Reference: Gower, Loizou, Qian, Sailanbayev,
    Shulgin and Richtarik (2019), "SGD: general analysis and improved rates", proposition 3.8.

    Parameters
    ----------
    whole, worst : Curvature
        Of all rows, and of the worst one.
    rows, batch : int
    """
    if batch >= rows or not whole.largest < worst.largest:
        return worst
    share = (rows - batch) / (batch * (rows - 1))
    return replace(worst, largest=share * worst.largest + (1.0 - share) * whole.largest)


def of_polynomial(coefficients: ArrayLike, x0: float) -> Curvature | None:
    """The curvature between `x0` and the next point of the same value, which plain descent does not leave.

    None if there is no such point.
    """
    f: Any = Polynomial(np.trim_zeros(np.asarray(coefficients, np.float64), "b"))
    if f.degree() < 2:
        return None
    bend, slope = f.deriv(2), f.deriv()(x0)
    if f.degree() == 2:
        return of_matrix([[bend(0.0)]])
    others = ((f - f(x0)) // Polynomial([-x0, 1.0])).roots()
    real = others[others.imag == 0.0].real
    beyond = real[(real - x0) * slope < 0.0]
    if not beyond.size:
        return None
    end = beyond[np.abs(beyond - x0).argmin()]
    turns = bend.deriv().roots()
    inside = [t.real for t in turns if min(x0, end) < t.real < max(x0, end)]
    return Curvature(float(np.abs(bend(np.array([x0, end, *inside]))).max()), everywhere=False)
