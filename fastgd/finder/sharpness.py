"""The largest eigenvalue of a Hessian, from gradients alone, and the rates that it allows.

Lanczos's method needs the products of the Hessian and vectors, and these are differences of gradients (LeCun, Simard
and Pearlmutter, 1993). The Hessian itself is never formed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.rates import is_nesterov, is_plain
from fastgd.optimizers import Adam, AdamW, Optimizer, RMSprop
from fastgd.theory import stable_range

__all__ = ["Slopes", "largest_eigenvalue", "stable_limit"]

Reals = NDArray[np.float64]

_MOST = 40  # products of a Hessian and a vector
_CLOSE = 1e-2  # largest relative error of the eigenvalue; it is mostly its square
_LEAST = 0.01  # mean square of a parameter's gradients, by that of all parameters
_STEP = 1e-5  # of a difference, by the length of the parameters


@dataclass(frozen=True)
class Slopes:
    """The gradients of a function around a point.

    Attributes
    ----------
    point : ndarray of shape (n,), float64
    gradient : callable
        From a point to the gradient of the mean loss, penalties of the problem included.
    in_batches : callable, optional
        Without arguments: gradients of some batches at `point`, in rows. None where every update uses all rows.
    """

    point: Reals
    gradient: Callable[[Reals], Reals]
    in_batches: Callable[[], Reals] | None = None

    def product(self, vector: Reals) -> Reals:
        """The Hessian at the point times a vector, by central differences of gradients."""
        length = float(np.linalg.norm(vector))
        if not length:
            return np.zeros_like(vector)
        step = _STEP * max(1.0, float(np.linalg.norm(self.point))) / length
        there, back = (self.gradient(self.point + sign * step * vector) for sign in (1.0, -1.0))
        return (there - back) / (2.0 * step)


def largest_eigenvalue(product: Callable[[Reals], Reals], n: int) -> float:
    """The largest eigenvalue of a symmetric matrix, by Lanczos's method.

    Vectors are not made orthogonal again: that repeats eigenvalues, but does not change the largest.

    Parameters
    ----------
    product : callable
        The matrix times a vector.
    n : int
        Its size.

    Returns
    -------
    float
        To a percent at least, nan where the products are not finite.

    References
    ----------
    Lanczos (1950), "An iteration method for the solution of the eigenvalue problem of linear differential and integral
    operators"; Paige (1980), "Accuracy and effectiveness of the Lanczos algorithm for the symmetric eigenproblem".

    Examples
    --------
    >>> import numpy as np
    >>> round(largest_eigenvalue(lambda v: np.array([3.0, 1.0, -7.0]) * v, 3), 6)
    3.0
    """
    vector = np.random.default_rng(0).normal(size=n)
    vector /= np.linalg.norm(vector)
    before, beta = np.zeros(n), 0.0
    diagonal: list[float] = []
    beside: list[float] = []
    found = math.nan
    for _ in range(min(n, _MOST)):
        image = product(vector) - beta * before
        if not np.isfinite(image).all():
            return math.nan
        diagonal.append(float(image @ vector))
        image -= diagonal[-1] * vector
        beta = float(np.linalg.norm(image))
        matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        values, vectors = np.linalg.eigh(matrix)
        found = float(values[-1])
        if beta * abs(float(vectors[-1, -1])) <= _CLOSE * abs(found):
            break
        beside.append(beta)
        before, vector = vector, image / beta
    return found


# --- what is stable -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limit:
    """The largest rate that is stable at a point, or why none follows.

    Attributes
    ----------
    rate : float or None
    sharpness : float
        The eigenvalue that it follows from, nan where none was computed.
    reason : str
    """

    rate: float | None
    sharpness: float = math.nan
    reason: str = ""


def stable_limit(
    optimizer: Optimizer, slopes: Slopes | None, largest: float | None = None
) -> Limit:
    """The largest rate at which updates are stable where the curvature is as at the start.

    With all rows in every update that is the limit of a quadratic, `fastgd.theory.stable_range`. In batches a velocity
    gathers their differences too, and the heavy ball is as stable as plain descent at the rate lr / (1 - mu), which its
    updates add up to: the limit is 2 (1 - mu) / sharpness. Adam and RMSprop do the same in coordinates that the roots
    of their mean squares scale, so that the Hessian is the preconditioned one (Cohen et al., 2022); the mean squares
    are those of some batches at the start.

    Parameters
    ----------
    optimizer : Optimizer
    slopes : Slopes, optional
    largest : float, optional
        The largest eigenvalue, where it is known.
    """
    if is_plain(optimizer):
        return _of_plain(optimizer, slopes, largest)
    name = type(optimizer).__name__
    if not isinstance(optimizer, Adam | AdamW | RMSprop):
        return Limit(None, reason=f"no known formula limits the rate of {name} by the curvature")
    if slopes is None or slopes.in_batches is None:
        return Limit(None, reason=f"the mean squares of {name} are known from batches only")
    squares = (slopes.in_batches() ** 2).mean(axis=0)
    # A parameter whose gradients are next to 0 swings, until they are not: its squares are not that small for long.
    squares = np.maximum(squares, _LEAST * squares.mean())
    root = 1.0 / np.sqrt(np.sqrt(squares) + optimizer.eps)
    found = largest_eigenvalue(lambda v: root * slopes.product(root * v), slopes.point.size)
    gathers = 1.0 / (1.0 - optimizer.momentum) if isinstance(optimizer, RMSprop) else 1.0
    return _limit(found, lambda bent: 2.0 / bent / gathers)


def _of_plain(optimizer: Any, slopes: Slopes | None, sharpness: float | None) -> Limit:
    """Of plain descent, the heavy ball or Nesterov's momentum."""
    if sharpness is None:
        if slopes is None:
            return Limit(None, reason="the curvature at the start is not known")
        sharpness = largest_eigenvalue(slopes.product, slopes.point.size)
    gain = 1.0 - getattr(optimizer, "dampening", 0.0)  # of a slope in the velocity
    mu = optimizer.momentum
    if not 0.0 <= mu < 1.0 or gain <= 0.0:
        return Limit(None, sharpness, "with this momentum no rate is stable")
    if slopes is not None and slopes.in_batches is not None:
        found = _limit(sharpness, lambda bent: 2.0 * (1.0 - mu) / bent / gain)
    else:
        bend = sharpness + optimizer.l2 + optimizer.weight_decay
        nesterov = is_nesterov(optimizer)
        found = _limit(bend, lambda bent: stable_range([[bent]], mu, nesterov=nesterov)[1] / gain)
    return found


def _limit(sharpness: float, rate_at: Callable[[float], float]) -> Limit:
    if sharpness == math.inf:
        return Limit(
            None, sharpness, "the loss has a kink, which every constant rate swings around"
        )
    if not 0.0 < sharpness < math.inf:
        return Limit(None, sharpness, f"the largest curvature at the start is {sharpness:.3g}")
    return Limit(rate_at(sharpness), sharpness)
