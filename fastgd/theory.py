"""Closed forms for gradient descent on a quadratic: what a sweep will find, before it is run.

On f(x) = x'Hx/2 - b'x the gradient is g(x) = Hx - b, and plain descent with rate a takes it to
(I - aH) g. In the basis of H's unit eigenvectors q_i, with eigenvalues l_i, every component lives
alone: after n steps it is c_i (1 - a l_i)^n, with c_i = q_i·g(x0). Everything here follows from
that line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["best_momentum", "best_rate", "predicted_iterations", "stable_range"]


def stable_range(hessian: ArrayLike, momentum: float = 0.0) -> tuple[float, float]:
    """Rates between which descent converges on a quadratic.

    Plain descent multiplies the error along eigenvector i by 1 - a l_i, which is smaller than one
    in size for 0 < a < 2 / l_max. With heavy-ball momentum the factor is a root of
    z² - (1 + mu - a l_i) z + mu = 0, and both roots lie inside the unit circle for
    0 < a < 2 (1 + mu) / l_max.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        Symmetric, finite, no negative eigenvalue, at least one positive.
    momentum : float, default 0.0
        Heavy-ball coefficient in [0, 1).

    Returns
    -------
    tuple of float
        The open interval of rates that converge.

    Raises
    ------
    ValueError
        If `hessian` is not as described, or `momentum` is outside [0, 1).

    References
    ----------
    Polyak (1964), "Some methods of speeding up the convergence of iteration methods".

    Examples
    --------
    >>> stable_range([[4.0, 0.0], [0.0, 1.0]])
    (0.0, 0.5)
    >>> stable_range([[4.0, 0.0], [0.0, 1.0]], momentum=0.5)
    (0.0, 0.75)
    """
    eigenvalues = _curvatures(hessian)
    if not 0.0 <= momentum < 1.0:
        raise ValueError(f"momentum must be in [0, 1), got {momentum!r}")
    return 0.0, float(2.0 * (1.0 + momentum) / eigenvalues[-1])


def best_rate(hessian: ArrayLike) -> float:
    """Rate with the fastest guaranteed convergence of plain descent on a quadratic.

    The slowest component shrinks by max_i |1 - a l_i| a step. That is least where the flattest
    and the steepest direction are equally slow, 1 - a l_min = a l_max - 1, at
    a = 2 / (l_min + l_max), and is then (k - 1)/(k + 1) with the condition number
    k = l_max / l_min. From a given start, with a given tolerance, a slightly smaller rate may take
    a few steps fewer: `predicted_iterations` says so.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        Symmetric and positive definite.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `hessian` is not symmetric and positive definite.

    References
    ----------
    Polyak (1987), "Introduction to Optimization", section 1.4.

    Examples
    --------
    >>> best_rate([[4.0, 0.0], [0.0, 1.0]])
    0.4
    """
    eigenvalues = _curvatures(hessian, definite=True)
    return float(2.0 / (eigenvalues[0] + eigenvalues[-1]))


def best_momentum(hessian: ArrayLike) -> tuple[float, float]:
    """Rate and heavy-ball momentum with the fastest guaranteed convergence on a quadratic.

    With a = (2 / (√l_max + √l_min))² and mu = ((√k - 1)/(√k + 1))², k = l_max / l_min, both roots
    of z² - (1 + mu - a l_i) z + mu = 0 have the size √mu for every l_i: all components shrink
    equally fast, by √mu a step.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        Symmetric and positive definite.

    Returns
    -------
    tuple of float
        Rate and momentum, for a velocity that holds the rate (v = mu v + a g, x = x - v).

    Raises
    ------
    ValueError
        If `hessian` is not symmetric and positive definite.

    References
    ----------
    Polyak (1964), "Some methods of speeding up the convergence of iteration methods".

    Examples
    --------
    >>> rate, momentum = best_momentum([[9.0, 0.0], [0.0, 1.0]])
    >>> rate, momentum
    (0.25, 0.25)
    """
    eigenvalues = _curvatures(hessian, definite=True)
    low, high = np.sqrt(eigenvalues[0]), np.sqrt(eigenvalues[-1])
    return float((2.0 / (high + low)) ** 2), float(((high - low) / (high + low)) ** 2)


def predicted_iterations(
    hessian: ArrayLike, linear: ArrayLike, x0: ArrayLike, lr: ArrayLike, tol: float
) -> NDArray[np.float64]:
    """Updates that plain descent on a quadratic needs until its slope is below a tolerance.

    Along eigenvector q_i the gradient after n updates is c_i (1 - a l_i)^n q_i, c_i = q_i·g(x0).
    Its largest component is below `tol` once

        n > n_i = ln(|c_i| max|q_i| / tol) / -ln|1 - a l_i|,

    and the prediction is the first whole number above max_i n_i. It is exact where one component
    outlives all others, which is so for nearly all rates, and a few updates off where two of them
    matter at the end.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        H of f(x) = x'Hx/2 - b'x; symmetric, finite, no negative eigenvalue.
    linear : array_like of shape (n,)
        b of the same.
    x0 : array_like of shape (n,)
        Start.
    lr : array_like of float
        Rates, at least 0, of any shape.
    tol : float
        Descent ends when max|g(x)| < `tol`; positive.

    Returns
    -------
    ndarray of float64, shaped like `lr`
        Updates, whole numbers; 0 where x0 is good enough, inf where the tolerance is never
        reached (a rate beyond the stable range, a gradient along a direction without curvature,
        or rate 0).

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, `hessian` is not as described, a rate is
        negative, or `tol` is not positive.

    Examples
    --------
    >>> predicted_iterations([[1.0]], [0.0], [1.0], [0.5, 1.0, 1.5, 2.0], tol=1e-3)
    array([10.,  1., 10., inf])
    """
    eigenvalues, vectors = _eigenpairs(hessian)
    _refuse_negative(eigenvalues)
    g0 = np.asarray(hessian, np.float64) @ _vector("x0", x0, eigenvalues.size)
    g0 -= _vector("linear", linear, eigenvalues.size)
    rates = np.asarray(lr, np.float64)
    if not (np.isfinite(rates).all() and (rates >= 0).all()):
        raise ValueError(f"lr must hold finite rates >= 0, got {lr!r}")
    if not 0.0 < tol < np.inf:
        raise ValueError(f"tol must be positive and finite, got {tol!r}")
    if np.abs(g0).max() < tol:
        return np.zeros(rates.shape)

    components = np.abs(vectors.T @ g0)
    present = components > 0
    heights = components[present] * np.abs(vectors).max(axis=0)[present]
    factors = np.abs(1.0 - rates[..., None] * eigenvalues[present])
    with np.errstate(divide="ignore", invalid="ignore"):
        shrinking = np.floor(np.log(heights / tol) / -np.log(factors)) + 1.0
    # A factor of one keeps a component as it is; a larger one lifts it above any tolerance.
    never = (factors > 1.0) | ((factors == 1.0) & (heights >= tol))
    updates = np.where(heights < tol, 0.0, shrinking)
    return np.asarray(np.where(never, np.inf, updates).max(axis=-1))


# --- checks -----------------------------------------------------------------------------------


def _eigenpairs(hessian: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues ascending, eigenvectors as columns."""
    matrix = np.asarray(hessian, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"hessian must be a square matrix, got the shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("hessian must be finite")
    if not np.allclose(matrix, matrix.T, rtol=1e-10, atol=1e-12 * np.abs(matrix).max()):
        raise ValueError("hessian must be symmetric")
    eigenvalues, vectors = np.linalg.eigh(matrix)
    # What is zero but for rounding, in size and in effect, is zero.
    rounding = np.abs(eigenvalues).max() * eigenvalues.size * np.finfo(np.float64).eps
    eigenvalues[np.abs(eigenvalues) <= rounding] = 0.0
    return eigenvalues, vectors


def _refuse_negative(eigenvalues: NDArray[np.float64]) -> None:
    if eigenvalues[0] < 0:
        raise ValueError(f"hessian must have no negative eigenvalue, got {eigenvalues[0]:g}")


def _curvatures(hessian: ArrayLike, *, definite: bool = False) -> NDArray[np.float64]:
    """Eigenvalues ascending, of which some or all must be positive and none negative."""
    eigenvalues, _ = _eigenpairs(hessian)
    _refuse_negative(eigenvalues)
    if eigenvalues[0 if definite else -1] == 0:
        wanted = "only positive eigenvalues" if definite else "a positive eigenvalue"
        raise ValueError(f"hessian must have {wanted}, got {eigenvalues.tolist()}")
    return eigenvalues


def _vector(name: str, values: ArrayLike, size: int) -> NDArray[np.float64]:
    vector = np.asarray(values, np.float64)
    if vector.shape != (size,):
        raise ValueError(f"{name} must have the shape ({size},), got {vector.shape}")
    if not np.isfinite(vector).all():
        raise ValueError(f"{name} must be finite")
    return vector
