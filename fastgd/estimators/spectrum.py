"""`Spectrum`: the curvature of a linear model's objective by its eigenvalues, and how to solve with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastgd.estimators.design import Design

__all__ = ["Spectrum", "rough_spectrum", "spectrum_of"]

Reals = NDArray[np.float64]
# From so many multiplications on, a Gram matrix takes the place of a QR decomposition, which is some ten times slower;
# eigenvalues that rounding has not touched are above this share of the largest.
_MANY, _SAFE = 1e6, 1e-8


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of the curvature of the objective, in no order, and unit eigenvectors as rows; none that are zero."""

    values: Reals
    vectors: Reals

    def solve(self, g: Reals) -> Reals:
        """The shortest v with H v = g."""
        return np.asarray(self.vectors.T @ ((self.vectors @ g).T / self.values).T)

    @property
    def condition(self) -> float:
        """The largest eigenvalue by the smallest."""
        return float(self.values.max() / self.values.min()) if self.values.size else 1.0


def spectrum_of(
    design: Design, metric: Reals | None, l2: Reals, active: NDArray[np.bool_]
) -> Spectrum:
    """Of the curvature for one output by the parameters that are active.

    Parameters
    ----------
    design : Design
    metric : ndarray of shape (n,), or None
        Curvatures of the rows' losses; None where all are 1.
    l2 : ndarray of shape (columns,)
    active : ndarray of bool, shape (columns,)
    """
    found = None
    rows, unknowns = design.shape[0], int(active.sum())
    if rows > 2 * unknowns and rows * float(unknowns) ** 2 > _MANY:
        found = _of_gram(design.moments if metric is None else design.gram(metric), l2, active)
    if found is None:
        root = design.root(np.ones(rows) if metric is None else metric, active)
        found = _of_kernel(root) if unknowns > 2 * rows and not l2.any() else None
        found = _of_root(root, np.sqrt(l2[active])) if found is None else found
    return found


def rough_spectrum(design: Design, metric: Reals, l2: Reals, active: NDArray[np.bool_]) -> Spectrum:
    """The same up to what rounding does to small eigenvalues, and with those that are 0 raised above it."""
    values, vectors = np.linalg.eigh(_hessian(design.gram(metric), l2, active))
    return Spectrum(np.maximum(values, _SAFE * values[-1:]), vectors.T)


def _hessian(gram: Reals, l2: Reals, active: NDArray[np.bool_]) -> Reals:
    hessian = gram[np.ix_(active, active)]
    hessian[np.diag_indices_from(hessian)] += l2[active]
    return hessian


def _of_gram(gram: Reals, l2: Reals, active: NDArray[np.bool_]) -> Spectrum | None:
    """By the curvature's own eigenvalues; None where rounding may have touched the small ones."""
    pairs = _pairs(_hessian(gram, l2, active))
    return None if pairs is None else Spectrum(pairs[0], pairs[1].T)


def _of_kernel(root: Reals) -> Spectrum | None:
    """By the products of the rows, of which there are few."""
    pairs = _pairs(root @ root.T)
    if pairs is None:
        return None
    values, vectors = pairs
    return Spectrum(values, (vectors / np.sqrt(values)).T @ root)


def _pairs(matrix: Reals) -> tuple[Reals, Reals] | None:
    """Eigenvalues that are not 0, and their vectors in columns; None where rounding may have touched the small ones."""
    if not np.isfinite(matrix).all():
        return None
    values, vectors = np.linalg.eigh(matrix)
    zero = len(values) * np.finfo(float).eps * values[-1]
    if ((values > zero) & (values < _SAFE * values[-1])).any():
        return None
    return values[values > zero], vectors[:, values > zero]


def _of_root(root: Reals, ridge: Reals) -> Spectrum:
    """By the singular values of the curvature's root."""
    if ridge.any():
        root = np.concatenate([root, np.diag(ridge)])
    triangle = np.linalg.qr(root, mode="r")
    _, s, vectors = np.linalg.svd(triangle, full_matrices=False)
    kept = s > (s[0] if s.size else 0.0) * max(root.shape) * np.finfo(float).eps
    return Spectrum(s[kept] ** 2, vectors[kept])
