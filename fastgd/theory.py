"""Closed forms for gradient descent on a quadratic: rates, regimes and iteration counts, without running descent.

On f(x) = x'Hx/2 - b'x the gradient is g(x) = Hx - b, and plain descent with rate a takes it to (I - aH) g. In the basis
of H's unit eigenvectors q_i, with eigenvalues l_i, every component (mode) evolves independently: after n steps it is
``c_i (1 - a l_i)^n``, with ``c_i = q_i·g(x0)``.

Momentum mu adds a multiple of the previous step, and a mode becomes a sequence
``e_n+1 = t e_n - d e_n-1``, the iteration of the matrix [[t, -d], [1, 0]], with::

    heavy ball (Polyak 1964)                        t = 1 + mu - a l,       d = mu
    Nesterov (1983, in the form of Sutskever 2013)  t = (1 + mu)(1 - a l),  d = mu (1 - a l)

Its eigenvalues are the roots z1, z2 of z² - t z + d = 0. From rest (``e_-1 = e_0``) it is
``e_n = A z1^n + (1 - A) z2^n`` with ``A = z1 (1 - z2) / (z1 - z2)``. Everything here follows from that line.

Long because most of its lines are docstrings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import as_finite_array

__all__ = [
    "best_momentum",
    "best_rate",
    "critical_momentum",
    "expected_iterations",
    "mode_iterations",
    "predicted_iterations",
    "predicted_regime",
    "spectral_radius",
    "stable_range",
    "steady_rate",
]


def stable_range(
    hessian: ArrayLike, momentum: float = 0.0, *, nesterov: bool = False
) -> tuple[float, float]:
    """Rates between which descent converges on a quadratic.

    Plain descent multiplies the error along eigenvector i by 1 - a l_i, which is smaller than one in size for
    0 < a < 2 / l_max. With heavy-ball momentum the factor is a root of z² - (1 + mu - a l_i) z + mu = 0, and both roots
    lie inside the unit circle for 0 < a < 2 (1 + mu) / l_max. Nesterov's look-ahead narrows that to
    0 < a < 2 (1 + mu) / ((1 + 2 mu) l_max).

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        Symmetric, finite, no negative eigenvalue, at least one positive.
    momentum : float, default 0.0
        Coefficient of the velocity, in [0, 1).
    nesterov : bool, default False
        Nesterov's momentum (`fastgd.NAG`) instead of the heavy ball (`fastgd.Momentum`).

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
    >>> stable_range([[4.0, 0.0], [0.0, 1.0]], momentum=0.5, nesterov=True)
    (0.0, 0.375)
    """
    eigenvalues = _curvatures(hessian)
    return 0.0, _stable_limit(float(eigenvalues[-1]), momentum, nesterov)


def _stable_limit(largest: float, momentum: float, nesterov: bool) -> float:
    if not 0.0 <= momentum < 1.0:
        raise ValueError(f"momentum must be in [0, 1), got {momentum!r}")
    return 2.0 * (1.0 + momentum) / (1.0 + 2.0 * momentum if nesterov else 1.0) / largest


def best_rate(hessian: ArrayLike) -> float:
    """Rate with the fastest guaranteed convergence of plain descent on a quadratic.

    The slowest component shrinks by ``max_i |1 - a l_i|`` a step. That is least where the flattest and the steepest
    direction are equally slow, 1 - a l_min = a l_max - 1, at a = 2 / (l_min + l_max), and is then (k - 1)/(k + 1) with
    the condition number k = l_max / l_min. From a given start, with a given tolerance, a slightly smaller rate may take
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


def steady_rate(
    smallest: float, largest: float, momentum: float = 0.0, *, nesterov: bool = False
) -> float:
    """The default rate of descent on a quadratic: the best one, but at most 95 % of the stable range.

    With little curvature somewhere the best rate is next to the limit of stability, where the steepest direction swings
    for ever. The distance costs 5 % more updates, and that direction settles within 200.

    Parameters
    ----------
    smallest, largest : float
        Curvatures, the eigenvalues of the Hessian: 0 <= smallest <= largest, 0 < largest.
    momentum, nesterov
        As in `stable_range`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> steady_rate(1.0, 4.0), steady_rate(0.0, 4.0)
    (0.4, 0.475)
    """
    if not 0.0 <= smallest <= largest < np.inf or not largest:
        raise ValueError(f"wanted 0 <= smallest <= largest > 0, got {smallest!r}, {largest!r}")
    limit = _stable_limit(largest, momentum, nesterov)
    best = 2.0 * (1.0 + momentum) / (smallest + largest)
    return min(0.95 * limit, _nesterov_rate(smallest, largest, momentum) if nesterov else best)


def _nesterov_rate(flat: float, steep: float, mu: float) -> float:
    """The rate a at which the flattest and the steepest mode have roots of one size r, found by bisection."""
    low, high, product = 0.0, 1.0, 0.0
    for _ in range(60):
        r = 0.5 * (low + high)
        slow = r * r / ((1.0 + mu) * r - mu if (1.0 + mu) * r >= 2.0 * mu else mu)  # 1 - a flat
        product = 1.0 + r * r / ((1.0 + mu) * r + mu)  # a steep
        low, high = (r, high) if product * flat < (1.0 - slow) * steep else (low, r)
    return product / steep


def best_momentum(hessian: ArrayLike, *, nesterov: bool = False) -> tuple[float, float]:
    """Rate and momentum with the fastest guaranteed convergence on a quadratic.

    Heavy ball: with a = (2 / (√l_max + √l_min))² and mu = ((√k - 1)/(√k + 1))², k = l_max / l_min, both roots of z² -
    (1 + mu - a l_i) z + mu = 0 have the size √mu for every l_i: all modes shrink equally fast, by √mu a step.

    Nesterov: the flattest mode is critically damped and the steepest one overshoots as much, at
    a = 4 / (3 l_max + l_min), mu = (s - 2)/(s + 2) with s = √(3k + 1); the slowest mode then shrinks by
    1 - 2/s a step.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        Symmetric and positive definite.
    nesterov : bool, default False
        Nesterov's momentum instead of the heavy ball.

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
    Polyak (1964), "Some methods of speeding up the convergence of iteration methods"; Nesterov (1983), "A method of
    solving a convex programming problem with convergence rate O(1/k²)"; Lessard, Recht and Packard (2016), "Analysis
    and design of optimization algorithms via integral quadratic constraints", for Nesterov's pair.

    Examples
    --------
    >>> rate, momentum = best_momentum([[9.0, 0.0], [0.0, 1.0]])
    >>> rate, momentum
    (0.25, 0.25)
    """
    eigenvalues = _curvatures(hessian, definite=True)
    if nesterov:
        flat, steep = eigenvalues[0], eigenvalues[-1]
        s = np.sqrt(3.0 * steep / flat + 1.0)
        return float(4.0 / (3.0 * steep + flat)), float((s - 2.0) / (s + 2.0))
    low, high = np.sqrt(eigenvalues[0]), np.sqrt(eigenvalues[-1])
    return float((2.0 / (high + low)) ** 2), float(((high - low) / (high + low)) ** 2)


def critical_momentum(hessian: ArrayLike, lr: ArrayLike) -> NDArray[np.float64]:
    """The heavy ball's best momentum at a given rate: where its slowest mode is critically damped.

    A mode's roots are real below mu_i = (1 - √(a l_i))² and of size √mu above it. The slowest mode is
    fastest at mu = max_i mu_i, shrinking by √mu per step: with less momentum it is overdamped, with more it oscillates.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        Symmetric and positive definite.
    lr : array_like of float
        Rates, at least 0, of any shape.

    Returns
    -------
    ndarray of float64, shaped like `lr`
        Momenta; nan where no momentum below 1 converges (a ≥ 4 / l_max).

    Raises
    ------
    ValueError
        If `hessian` is not symmetric and positive definite, or a rate is negative or not finite.

    References
    ----------
    Polyak (1964), "Some methods of speeding up the convergence of iteration methods".

    Examples
    --------
    >>> critical_momentum([[9.0, 0.0], [0.0, 1.0]], [0.01, 0.25, 0.5])
    array([0.81, 0.25,  nan])
    """
    eigenvalues = _curvatures(hessian, definite=True)
    rates = _rates(lr)
    momenta = ((1.0 - np.sqrt(rates[..., None] * eigenvalues)) ** 2).max(axis=-1)
    return np.asarray(np.where(rates * eigenvalues[-1] < 4.0, momenta, np.nan))


def spectral_radius(
    hessian: ArrayLike, lr: ArrayLike, momentum: ArrayLike = 0.0, *, nesterov: bool = False
) -> NDArray[np.float64]:
    """Asymptotic factor by which a step multiplies each mode: the absolute value of its larger root.

    Descent converges where all are below one, and the largest says how fast: a decimal digit takes 1 / -log10 of it.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        Symmetric, finite.
    lr, momentum : array_like of float
        Rates, at least 0, and momenta in [0, 1); of shapes that broadcast.
    nesterov : bool, default False
        Nesterov's momentum instead of the heavy ball.

    Returns
    -------
    ndarray of float64, shape (broadcast..., n)
        One for each eigenvalue of `hessian`, in increasing order of those.

    Raises
    ------
    ValueError
        If `hessian` is not as described, a rate is negative or not finite, or a momentum is outside
        [0, 1).

    References
    ----------
    Polyak (1964) and Nesterov (1983), as above; Sutskever, Martens, Dahl and Hinton (2013), "On the importance of
    initialization and momentum in deep learning", for the form in which the gradient is taken at the look-ahead point.

    Examples
    --------
    >>> spectral_radius([[9.0, 0.0], [0.0, 1.0]], 0.25, [0.0, 0.25])
    array([[0.75, 1.25],
           [0.5 , 0.5 ]])
    """
    eigenvalues, _ = _eigenpairs(hessian)
    return np.asarray(np.abs(_roots(eigenvalues, lr, momentum, nesterov)[0]))


def predicted_regime(
    hessian: ArrayLike, lr: ArrayLike, momentum: ArrayLike = 0.0, *, nesterov: bool = False
) -> NDArray[np.str_]:
    """Regime of a descent, as in `fastgd.SweepResult`: monotone, oscillating or diverged.

    A mode whose larger root z has the angle phi turns the sign of its steps in a share phi/pi of them, and a sweep
    calls a run oscillating when that is more than half: where Re z < 0. The mode with the largest root outlives the
    others and decides; of equal ones (all modes of a heavy ball with much momentum) the steepest.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        Symmetric, finite, no negative eigenvalue, at least one positive.
    lr, momentum, nesterov
        As in `spectral_radius`.

    Returns
    -------
    ndarray of str, shaped like the broadcast
        ``"monotone"``, ``"oscillating"`` or ``"diverged"``; a root of absolute value one counts as diverged.

    Raises
    ------
    ValueError
        As in `spectral_radius`, or if an eigenvalue is negative.

    Examples
    --------
    >>> predicted_regime([[4.0, 0.0], [0.0, 1.0]], [0.1, 0.45, 0.55]).tolist()
    ['monotone', 'oscillating', 'diverged']
    """
    eigenvalues = _curvatures(hessian)
    eigenvalues = eigenvalues[eigenvalues > 0]
    larger, _ = _roots(eigenvalues, lr, momentum, nesterov)
    sizes = np.abs(larger)
    slowest = sizes.max(axis=-1, keepdims=True)
    # The steepest of the modes that are equally slow up to rounding; eigenvalues are sorted.
    which = eigenvalues.size - 1 - (sizes >= slowest * (1.0 - 1e-12))[..., ::-1].argmax(axis=-1)
    turning = np.take_along_axis(larger.real, which[..., None], axis=-1)[..., 0] < 0
    regimes = np.where(turning, "oscillating", "monotone")
    return np.asarray(np.where(slowest[..., 0] >= 1.0, "diverged", regimes))


def mode_iterations(
    hessian: ArrayLike,
    linear: ArrayLike,
    x0: ArrayLike,
    lr: ArrayLike,
    tol: float,
    *,
    momentum: ArrayLike = 0.0,
    nesterov: bool = False,
) -> NDArray[np.float64]:
    """Updates that each mode needs until its part of the gradient is below a tolerance.

    Mode i puts ``c_i e_n q_i`` into the gradient after n updates, ``c_i = q_i·g(x0)``. With real roots, ``|e_n|``
    tends to ``|A| |z1|^n``; with a pair of complex roots, of absolute value √d and angle phi, it oscillates within the
    envelope ``|1 - z| / sin(phi) √d^n``. The largest component is below `tol` once::

        n > n_i = ln(|c_i| max|q_i| |A| / tol) / -ln|z1|

    and the count is the next whole number. Near a double root, where A grows without bound,
    ``|e_n| <= (1 + n |1 - z|) |z|^n`` takes its place.

    Parameters
    ----------
    hessian, linear, x0, lr, tol, momentum, nesterov
        As in `predicted_iterations`.

    Returns
    -------
    ndarray of float64, shape (broadcast..., n)
        For each eigenvalue, in increasing order: whole numbers, inf for never.

    Raises
    ------
    ValueError
        As in `predicted_iterations`.

    Examples
    --------
    >>> mode_iterations([[4.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [1.0, 1.0], [0.1, 0.4], tol=1e-3)
    array([[66., 17.],
           [14., 17.]])
    """
    eigenvalues, vectors = _eigenpairs(hessian)
    _refuse_negative(eigenvalues)
    larger, smaller = _roots(eigenvalues, lr, momentum, nesterov)
    heights = np.abs(vectors.T @ _start_gradient(hessian, linear, x0)) * np.abs(vectors).max(axis=0)
    if not 0.0 < tol < np.inf:
        raise ValueError(f"tol must be positive and finite, got {tol!r}")
    sizes = np.abs(larger)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        start, shrink = np.log(heights / tol), -np.log(sizes)
        n = np.floor((start + np.log(_amplitude(larger, smaller))) / shrink) + 1.0
        n = np.fmin(n, np.floor(_near_double_root(larger, start, shrink)) + 1.0)
    # A mode that ends with the first step; one that does not shrink; one below the tolerance at the start.
    n = np.where(sizes == 0.0, 1.0, np.maximum(n, 1.0))
    never = (sizes > 1.0) | ((sizes == 1.0) & (heights >= tol))
    n = np.where((heights < tol) & ~never, 0.0, n)
    return np.asarray(np.where(heights == 0.0, 0.0, np.where(never, np.inf, n)))


def _amplitude(z1: NDArray[np.complex128], z2: NDArray[np.complex128]) -> NDArray[np.float64]:
    """|A| of a mode from rest, twice that for a pair of complex roots; 1 without momentum."""
    pair = np.where(z1.imag != 0.0, 2.0, 1.0)
    return np.asarray(np.where(z2 == 0.0, 1.0, pair * np.abs(z1 * (1.0 - z2) / (z1 - z2))))


def _near_double_root(
    z: NDArray[np.complex128], start: NDArray[np.float64], shrink: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The n of (1 + n |1 - z|) |z|^n = tol / height: a fixed point, approached from below."""
    n = start / shrink
    for _ in range(30):
        n = (start + np.log1p(np.maximum(n, 0.0) * np.abs(1.0 - z))) / shrink
    return n


def predicted_iterations(
    hessian: ArrayLike,
    linear: ArrayLike,
    x0: ArrayLike,
    lr: ArrayLike,
    tol: float,
    *,
    momentum: ArrayLike = 0.0,
    nesterov: bool = False,
) -> NDArray[np.float64]:
    """Updates that descent on a quadratic needs until its gradient is below a tolerance.

    Along eigenvector q_i the gradient of plain descent after n updates is ``c_i (1 - a l_i)^n q_i``,
    ``c_i = q_i·g(x0)``. Its largest component is below `tol` once::

        n > n_i = ln(|c_i| max|q_i| / tol) / -ln|1 - a l_i|,

    and the prediction is the first whole number above max_i n_i. It is exact where one component dominates at the end,
    as for nearly all rates, and a few updates off where two of them matter. With momentum a mode shrinks by its larger
    root instead (`mode_iterations`); where the roots are complex it oscillates, the gradient may fall below the
    tolerance before its envelope does, and the prediction is an upper bound, rarely twice the count.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        H of f(x) = x'Hx/2 - b'x; symmetric, finite, no negative eigenvalue.
    linear : array_like of shape (n,)
        b of the same.
    x0 : array_like of shape (n,)
        Start, at rest.
    lr : array_like of float
        Rates, at least 0, of any shape.
    tol : float
        Descent ends when max|g(x)| < `tol`; positive.
    momentum : array_like of float, default 0.0
        Momenta in [0, 1), of a shape that broadcasts with that of `lr`.
    nesterov : bool, default False
        Nesterov's momentum instead of the heavy ball.

    Returns
    -------
    ndarray of float64, shaped like `lr` and `momentum` broadcast
        Updates, whole numbers; 0 where x0 is within the tolerance, inf where the tolerance is never reached (a rate
        beyond the stable range, a gradient along a direction without curvature, or rate 0).

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, `hessian` is not as described, a rate is
        negative, a momentum is outside [0, 1), or `tol` is not positive.

    Examples
    --------
    >>> predicted_iterations([[1.0]], [0.0], [1.0], [0.5, 1.0, 1.5, 2.0], tol=1e-3)
    array([10.,  1., 10., inf])
    >>> predicted_iterations([[9.0, 0.0], [0.0, 1.0]], [0, 0], [1, 1], 0.2, 1e-6, momentum=[0, 0.3])
    array([72., 30.])
    """
    counts = mode_iterations(hessian, linear, x0, lr, tol, momentum=momentum, nesterov=nesterov)
    if np.abs(_start_gradient(hessian, linear, x0)).max() < tol:
        return np.zeros(counts.shape[:-1])
    return np.asarray(counts.max(axis=-1))


def expected_iterations(
    condition: float,
    reduction: float,
    *,
    lr: float | None = None,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> float:
    """Updates in which descent reduces the slope of a quadratic by a factor, from the condition number alone.

    The slower of the flattest and the steepest mode decides. `predicted_iterations` knows the start, and is exact.

    Parameters
    ----------
    condition : float
        The condition number k = l_max / l_min, at least 1; inf if it is not known to be finite.
    reduction : float
        The slope at the start over that at the end, max|g(x0)| / tol; at least 1, finite.
    lr : float, optional
        The rate times l_max; by default that of `steady_rate`.
    momentum, nesterov
        As in `stable_range`.

    Returns
    -------
    float
        A whole number; inf for never.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> expected_iterations(10.0, 1e8), expected_iterations(1e6, 1e8, momentum=0.99)
    (92.0, 46812.0)
    """
    if not (condition >= 1.0 and 1.0 <= reduction < np.inf):
        raise ValueError(f"condition, reduction must be at least 1, got {condition}, {reduction}")
    flat = 1.0 / condition
    rate = steady_rate(flat, 1.0, momentum, nesterov=nesterov) if lr is None else lr
    slowest = float(np.abs(_roots(np.array([flat, 1.0]), rate, momentum, nesterov)[0]).max())
    if not 0.0 < slowest < 1.0:
        return 1.0 if slowest == 0.0 else np.inf
    return float(np.ceil(np.log(reduction) / -np.log(slowest)))


# --- shared parts -------------------------------------------------------------------------------


def _roots(
    eigenvalues: NDArray[np.float64], lr: ArrayLike, momentum: ArrayLike, nesterov: bool
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Roots of z² - t z + d for every rate, momentum and eigenvalue: the larger in absolute value, the other."""
    mu = np.asarray(momentum, np.float64)[..., None]
    if not ((mu >= 0.0) & (mu < 1.0)).all():
        raise ValueError(f"momentum must be in [0, 1), got {momentum!r}")
    plain = 1.0 - _rates(lr)[..., None] * eigenvalues
    trace, product = ((1.0 + mu) * plain, mu * plain) if nesterov else (plain + mu, mu)
    root = np.sqrt(trace * trace - 4.0 * product + 0j)
    larger = 0.5 * (trace + np.where(trace < 0.0, -root, root))
    return larger, np.asarray(trace - larger)


def _start_gradient(hessian: ArrayLike, linear: ArrayLike, x0: ArrayLike) -> NDArray[np.float64]:
    """The gradient at the start."""
    matrix = np.asarray(hessian, np.float64)
    n = len(matrix)
    return np.asarray(matrix @ _vector("x0", x0, n) - _vector("linear", linear, n))


def _rates(lr: ArrayLike) -> NDArray[np.float64]:
    rates = as_finite_array("lr", lr)
    if not (rates >= 0).all():
        raise ValueError(f"lr must hold finite rates >= 0, got {lr!r}")
    return rates


# --- checks -----------------------------------------------------------------------------------


def _eigenpairs(hessian: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues ascending, eigenvectors as columns."""
    matrix = as_finite_array("hessian", hessian)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"hessian must be a square matrix, got the shape {matrix.shape}")
    if not np.allclose(matrix, matrix.T, rtol=1e-10, atol=1e-12 * np.abs(matrix).max()):
        raise ValueError("hessian must be symmetric")
    eigenvalues, vectors = np.linalg.eigh(matrix)
    # Eigenvalues that are zero up to rounding are set to zero.
    rounding = np.abs(eigenvalues).max() * eigenvalues.size * np.finfo(np.float64).eps
    eigenvalues[np.abs(eigenvalues) <= rounding] = 0.0
    return eigenvalues, vectors


def _refuse_negative(eigenvalues: NDArray[np.float64]) -> None:
    if eigenvalues[0] < 0:
        raise ValueError(f"hessian must have no negative eigenvalue, got {eigenvalues[0]:g}")


def _curvatures(hessian: ArrayLike, *, definite: bool = False) -> NDArray[np.float64]:
    """Eigenvalues in increasing order; none may be negative, one (all if `definite`) must be positive."""
    eigenvalues, _ = _eigenpairs(hessian)
    _refuse_negative(eigenvalues)
    if eigenvalues[0 if definite else -1] == 0:
        wanted = "only positive eigenvalues" if definite else "a positive eigenvalue"
        raise ValueError(f"hessian must have {wanted}, got {eigenvalues.tolist()}")
    return eigenvalues


def _vector(name: str, values: ArrayLike, size: int) -> NDArray[np.float64]:
    vector = as_finite_array(name, values)
    if vector.shape != (size,):
        raise ValueError(f"{name} must have the shape ({size},), got {vector.shape}")
    return vector
