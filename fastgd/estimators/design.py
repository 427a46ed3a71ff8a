"""`Design`: the inputs of a linear model with a column of ones for the intercept, which is stored nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

from fastgd.engines.protocol.networks import Rows
from fastgd.estimators.scaling import shares
from fastgd.problems.curvature import Curvature, of_matrix, of_rows

__all__ = ["Design", "work_of_spectrum"]

Reals = NDArray[np.float64]
_BLOCK = (
    1 << 17
)  # numbers that are converted or scaled at a time: they stay in the processor's cache
_SAMPLED = 30  # batches
# Multiplications of the eigenvalues of all rows, from which on a sample takes their place.
_MANY = 1e8
_IN_CACHE = 8.0  # multiplications of matrices that take as long as one of a matrix and a vector
_SWEEPS = 12.0  # eigenvectors of a matrix take so many times its order cubed
_LANCZOS, _PRECISE = 25, 0.01  # steps to the largest eigenvalue, and its relative error


def work_of_spectrum(rows: int, unknowns: int, ridge: bool) -> float:
    """About how many multiplications of a matrix and a vector take as long as `spectrum_of`."""
    order = unknowns if ridge else min(rows, unknowns)
    return order * (rows * unknowns + _SWEEPS * order**2) / _IN_CACHE


class Design:
    """The inputs of some rows, and products with them in float64, whatever the dtype of the inputs.

    Parameters
    ----------
    rows : Rows
    intercept : bool
        Whether there is the column of ones, the last one.

    Attributes
    ----------
    share : ndarray of shape (n,)
        The rows' shares in the mean loss.
    shape : tuple of int
        Rows, and columns with that of ones.
    """

    def __init__(self, rows: Rows, intercept: bool) -> None:
        self.x, self.intercept = rows.x, intercept
        self.share: Reals = shares(rows)
        self.weighted = rows.weights is not None
        self.features = int(rows.x.shape[1])
        self.shape = (len(rows), self.features + intercept)

    def times(self, v: Reals) -> Reals:
        """The products of the rows with v, of shape (columns, outputs)."""
        w = v[: self.features]
        if self.x.dtype == np.float64:
            z = np.asarray(self.x @ w)
        else:
            z = np.empty((self.shape[0], v.shape[1]))
            for rows in self._blocks(self.features):
                z[rows] = self.x[rows].astype(np.float64) @ w
        if self.intercept:
            z += v[-1]
        return z

    def mean(self, t: Reals) -> Reals:
        """The mean over the rows of their inputs times t, of shape (n, outputs)."""
        t = self.share[:, None] * t
        total = np.zeros((self.shape[1], t.shape[1]))
        if self.x.dtype == np.float64:
            total[: self.features] = self.x.T @ t
        else:
            for rows in self._blocks(self.features):
                total[: self.features] += self.x[rows].astype(np.float64).T @ t[rows]
        if self.intercept:
            total[-1] = t.sum(axis=0)
        return total

    def sizes(self, t: Reals) -> Reals:
        """The mean over the rows of the absolute values of their inputs times t >= 0, or a little more.

        The squares' means are known where the columns' products are (Cauchy and Schwarz).
        """
        if "moments" in vars(self):
            return np.sqrt(np.outer(np.diag(self.moments), self.share @ (t * t)))
        t = self.share[:, None] * t
        total = np.zeros((self.shape[1], t.shape[1]))
        for rows in self._blocks(self.features):
            total[: self.features] += np.abs(self.x[rows]).astype(np.float64).T @ t[rows]
        if self.intercept:
            total[-1] = t.sum(axis=0)
        return total

    def gram(self, metric: Reals | None = None) -> Reals:
        """The mean products of the columns, times a number >= 0 for each row."""
        if metric is None and not self.weighted and self.x.dtype == np.float64:
            return self._plain_gram()
        root = np.sqrt(self.share if metric is None else self.share * metric)
        total = np.zeros((self.shape[1], self.shape[1]))
        for rows in self._blocks(self.shape[1], least=4 * self.shape[1]):
            block = self._filled(rows, root)
            total += block.T @ block
        return total

    def _plain_gram(self) -> Reals:
        """The same of rows that count alike, where they are."""
        n, columns = self.shape
        total = np.empty((columns, columns))
        total[: self.features, : self.features] = self.x.T @ self.x
        if self.intercept:
            total[-1, :-1] = total[:-1, -1] = np.ones(n) @ self.x
            total[-1, -1] = n
        return total / n

    def root(self, metric: Reals, active: NDArray[np.bool_]) -> Reals:
        """The rows, times the square roots of their shares and of a number for each, some columns of them."""
        return self._filled(slice(None), np.sqrt(self.share * metric))[:, active]

    @cached_property
    def moments(self) -> Reals:
        """The mean products of the columns."""
        return self.gram()

    @cached_property
    def curvature(self) -> Curvature:
        """That of half the mean square of an output."""
        n, columns = self.shape
        with np.errstate(all="ignore"):
            if columns > n:
                root = self.root(np.full(n, float(n)), np.ones(columns, bool))
                return of_rows(root)
            return of_matrix(self.moments, summed=n)

    @cached_property
    def steepest(self) -> Curvature:
        """The same without its smallest number, which takes longer."""
        n, columns = self.shape
        if work_of_spectrum(n, columns, ridge=False) <= 2.0 * _LANCZOS * n * columns:
            return self.curvature
        found = self._largest()
        return replace(found, largest=(1.0 + _PRECISE) * found.largest)

    def curvature_in_batches(self, batch: int) -> Curvature:
        """That of all rows, to the precision that matters to a batch.

        A batch is curved by about the mean of all rows and a share 1 / batch of the worst one. Sampling as many rows
        as `_SAMPLED` batches have changes the sum of both by a tenth at most, about.
        """
        n, columns = self.shape
        if n * float(columns) ** 2 <= _MANY:
            return self.curvature
        step = max(1, n // (_SAMPLED * batch))
        x = np.ascontiguousarray(self.x[::step], np.float64)
        weights = self.share[::step] if self.weighted else None
        sample = Design(Rows(x, x[:, 0], weights), self.intercept)

        return sample._largest()

    def _largest(self) -> Curvature:
        """About the largest eigenvalue of the products of the columns, by the method of Lanczos (1950)."""
        columns = self.shape[1]

        def product(v: Reals) -> Reals:
            return self.mean(self.times(v.reshape(-1, 1)))[:, 0]

        operator = LinearOperator((columns, columns), matvec=product, dtype=np.float64)
        start = np.random.default_rng(0).normal(size=columns)
        with np.errstate(all="ignore"):
            first = product(start)
            if not (np.isfinite(first).all() and first.any()):
                return Curvature(float(np.abs(first).max()))
            largest = eigsh(operator, 1, v0=start, ncv=8, tol=_PRECISE, return_eigenvectors=False)
        return Curvature(float(largest[0]))

    @cached_property
    def longest(self) -> Curvature:
        """That of the worst row, which no batch exceeds."""
        return self._of_squares(float(self._squares.max()))

    @property
    def bound(self) -> Curvature:
        """That of all rows, or where it would take long, a bound: the sum of its eigenvalues."""
        n, columns = self.shape
        if "steepest" in vars(self):
            return self.steepest
        if "curvature" in vars(self) or n * float(columns) ** 2 <= _MANY:
            return self.curvature
        return self._of_squares(float(self.share @ self._squares))

    @cached_property
    def _squares(self) -> Reals:
        """The squared lengths of the rows."""
        with np.errstate(all="ignore"):
            blocks = (self.x[rows].astype(np.float64) for rows in self._blocks(self.features))
            squares = [np.einsum("ij,ij->i", x, x) for x in blocks]
            return np.concatenate(squares) + self.intercept

    @staticmethod
    def _of_squares(square: float) -> Curvature:
        return Curvature(square if np.isfinite(square) else np.inf, everywhere=False)

    def _blocks(self, columns: int, least: int = 1) -> Iterator[slice]:
        many = max(least, _BLOCK // max(1, columns))
        return (slice(k, k + many) for k in range(0, self.shape[0], many))

    def _filled(self, rows: slice, factors: Reals) -> Reals:
        """Some rows with the intercept's column, times a factor for each."""
        x = self.x[rows]
        block = np.empty((len(x), self.shape[1]))
        np.multiply(x, factors[rows, None], out=block[:, : self.features])
        if self.intercept:
            block[:, -1] = factors[rows]
        return block
