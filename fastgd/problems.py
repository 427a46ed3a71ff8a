"""What is descended: least squares, quadratics, polynomials.

A problem says what its slopes are, twice: as the name of a kernel with its data, for compiled loops
(`fastgd.engines.cython_source`, `fastgd.engines.numba_sweep`), and as a method on NumPy arrays with the same
operations in the same order, which is the reference that those are tested against.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[np.floating[Any]]
Cost = Literal["1/2m", "1/m", "1/2", "sum"]

_ROUNDING = 1e-12  # of a symmetric matrix computed in some order, for example Q @ D @ Q.T
ROW_BLOCK = 256  # rows whose sum is taken before it is added to the total


@dataclass(frozen=True)
class Kernel:
    """Which compiled gradient a problem uses, and its data as one flat array of the dtype."""

    kind: Literal["quadratic", "polynomial", "rows"]
    size: int  # parameters, coefficients of the derivative, or rows
    data: Array
    sequential: bool = False


class Problem(ABC):
    """A function to descend, with its gradient.

    Arrays of points have one column per run: shape (n_parameters, runs). The dtype of the points is the dtype of
    the slopes; losses are always float64.
    """

    @property
    @abstractmethod
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""

    @property
    def n_parameters(self) -> int:
        """How many parameters are descended."""
        return len(self.parameter_names)

    @abstractmethod
    def kernel(self, dtype: DTypeLike) -> Kernel:
        """The compiled gradient's name and data."""

    @abstractmethod
    def slopes(self, x: Array) -> Array:
        """Gradients at the points `x` (n_parameters, runs), operation by operation as the kernels do it."""

    @abstractmethod
    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses (runs,) at the points `x` (n_parameters, runs)."""

    def loss(self, x: ArrayLike) -> float:
        """The loss at one point of shape (n_parameters,)."""
        return float(self.losses(_point(x, self.n_parameters)[:, None])[0])

    def gradient(self, x: ArrayLike) -> Array:
        """The gradient at one point of shape (n_parameters,)."""
        return self.slopes(_point(x, self.n_parameters)[:, None])[:, 0]


class Quadratic(Problem):
    """f(x) = 1/2 x'Hx - b'x + c, with gradient Hx - b.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        H, symmetric; what rounding left of skewness is averaged out.
    linear : array_like of shape (n,), optional
        b; zero by default.
    constant : float, default 0
        c.
    names : sequence of str, optional
        Parameter names; "p0", "p1", ... by default.

    Raises
    ------
    ValueError
        If H is not square, symmetric and finite, or if the shapes do not fit.

    Examples
    --------
    >>> import fastgd as gd
    >>> valley = gd.Quadratic([[1.0, 0.0], [0.0, 25.0]])
    >>> valley.loss([1.0, 1.0]), valley.gradient([1.0, 1.0])
    (13.0, array([ 1., 25.]))
    """

    def __init__(
        self,
        hessian: ArrayLike,
        linear: ArrayLike | None = None,
        constant: float = 0.0,
        *,
        names: Sequence[str] | None = None,
    ) -> None:
        self.hessian = _finite("hessian", hessian)
        n = self.hessian.shape[0] if self.hessian.ndim else 0
        if self.hessian.shape != (n, n) or n == 0:
            raise ValueError(f"hessian has shape {self.hessian.shape}, wanted (n, n) with n >= 1")
        skew = np.abs(self.hessian - self.hessian.T).max()
        if skew > _ROUNDING * np.abs(self.hessian).max():
            raise ValueError(
                f"hessian is not symmetric: it differs from its transpose by up to {skew:g}"
            )
        self.hessian = 0.5 * self.hessian + 0.5 * self.hessian.T
        self.linear = np.zeros(n) if linear is None else _finite("linear", linear)
        if self.linear.shape != (n,):
            raise ValueError(f"linear has shape {self.linear.shape}, wanted ({n},)")
        if np.ndim(constant):
            raise ValueError(f"constant has shape {np.shape(constant)}, wanted a number")
        self.constant = float(_finite("constant", constant))
        self._names = _names(names, n)

    def __repr__(self) -> str:
        return f"Quadratic({self.n_parameters} parameters)"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    def kernel(self, dtype: DTypeLike) -> Kernel:  # noqa: D102
        data = np.concatenate([self.hessian.ravel(), self.linear]).astype(dtype)
        return Kernel("quadratic", self.n_parameters, data)

    def slopes(self, x: Array) -> Array:  # noqa: D102
        return _quadratic_slopes(self.hessian.astype(x.dtype), self.linear.astype(x.dtype), x)

    def losses(self, x: Array) -> NDArray[np.float64]:  # noqa: D102
        x = x.astype(np.float64)
        with np.errstate(all="ignore"):
            bowl = 0.5 * np.sum(x * (self.hessian @ x), axis=0)
            return np.asarray(bowl - self.linear @ x + self.constant)


class Polynomial(Problem):
    """A polynomial of one variable, f(x) = c[0] + c[1] x + c[2] x² + ...

    Parameters
    ----------
    coefficients : array_like of shape (degree + 1,)
        The constant first, as in `numpy.polynomial`.

    Examples
    --------
    >>> import fastgd as gd
    >>> parabola = gd.Polynomial([5.0, -6.0, 1.0])
    >>> parabola.loss([5.0]), parabola.gradient([5.0])
    (0.0, array([4.]))
    """

    def __init__(self, coefficients: ArrayLike) -> None:
        self.coefficients = _finite("coefficients", coefficients)
        if self.coefficients.ndim != 1 or len(self.coefficients) < 2:
            raise ValueError(
                f"coefficients has shape {self.coefficients.shape}, wanted (degree + 1,) with degree >= 1"
            )
        self._derivative = self.coefficients[1:] * np.arange(1.0, len(self.coefficients))

    def __repr__(self) -> str:
        return f"Polynomial({self.coefficients.tolist()})"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return ("x",)

    def kernel(self, dtype: DTypeLike) -> Kernel:  # noqa: D102
        return Kernel("polynomial", len(self._derivative), self._derivative.astype(dtype))

    def slopes(self, x: Array) -> Array:  # noqa: D102
        return _horner(self._derivative.astype(x.dtype), x)

    def losses(self, x: Array) -> NDArray[np.float64]:  # noqa: D102
        with np.errstate(all="ignore"):
            return np.asarray(_horner(self.coefficients, x.astype(np.float64))[0])


class LeastSquares(Problem):
    """The sum of squared residuals of a linear model, y = X w + b.

    With ``statistics=True`` the sums over the rows (X'X, X'y) are taken once, in float64, and an update costs the
    same for ten rows as for a million; with ``statistics=False`` every update goes over the rows.

    Parameters
    ----------
    X : array_like of shape (rows,) or (rows, features)
        Inputs.
    y : array_like of shape (rows,)
        Targets.
    cost : {"1/2m", "1/m", "1/2", "sum"}, default "1/2m"
        What multiplies the sum of squares: 1/(2 rows), 1/rows, 1/2 or 1. It scales the gradient, and with it the
        rates that work.
    intercept : bool, default True
        Whether the last parameter is a constant term.
    statistics : bool, default True
        Whether to use sufficient statistics.
    update : {"simultaneous", "sequential"}, default "simultaneous"
        Sequential: one parameter after the other, each seeing the new values of those before it. That is another
        method (Gauss-Seidel's), with other rates at which it diverges.
    names : sequence of str, optional
        Feature names; "w" or "w0", "w1", ... by default. The intercept is "b".

    Raises
    ------
    ValueError
        If the shapes do not fit, if there are no rows, or if a number is not finite.

    Examples
    --------
    >>> import fastgd as gd
    >>> line = gd.LeastSquares([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    >>> line.parameter_names, line.gradient([0.0, 0.0])
    (('w', 'b'), array([-4.33333333, -3.        ]))
    >>> line.solution.round(12)
    array([2., 1.])
    """

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        cost: Cost = "1/2m",
        intercept: bool = True,
        statistics: bool = True,
        update: Literal["simultaneous", "sequential"] = "simultaneous",
        names: Sequence[str] | None = None,
    ) -> None:
        inputs, self.y = _finite("X", X), _finite("y", y)
        inputs = inputs[:, None] if inputs.ndim == 1 else inputs
        if inputs.ndim != 2 or 0 in inputs.shape:
            raise ValueError(
                f"X has shape {np.shape(X)}, wanted (rows,) or (rows, features), none of them 0"
            )
        rows = len(inputs)
        if self.y.shape != (rows,):
            raise ValueError(
                f"y has shape {self.y.shape}, wanted ({rows},), one target for each row of X"
            )
        factors = {"1/2m": 0.5 / rows, "1/m": 1.0 / rows, "1/2": 0.5, "sum": 1.0}
        if not isinstance(cost, str) or cost not in factors:
            raise ValueError(f"cost is {cost!r}, wanted one of {', '.join(map(repr, factors))}")
        if not isinstance(update, str) or update not in {"simultaneous", "sequential"}:
            raise ValueError(f"update is {update!r}, wanted 'simultaneous' or 'sequential'")
        for name, flag in (("intercept", intercept), ("statistics", statistics)):
            if not isinstance(flag, bool | np.bool_):
                raise TypeError(f"{name} must be True or False, got {flag!r:.60}")
        self.X = np.concatenate([inputs, np.ones((rows, 1))], axis=1) if intercept else inputs
        self.cost, self.statistics, self.update = cost, bool(statistics), update
        self._factor = factors[cost]
        features = inputs.shape[1]
        default = ("w",) if features == 1 else tuple(f"w{j}" for j in range(features))
        self._names = _names(names or default, features) + (("b",) if intercept else ())

    def __repr__(self) -> str:
        rows, n = self.X.shape
        return (
            f"LeastSquares({rows} rows, {n} parameters, cost={self.cost!r}, update={self.update!r})"
        )

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    @cached_property
    def hessian(self) -> NDArray[np.float64]:
        """Second derivatives (n_parameters, n_parameters): X'X times the cost's factor, twice."""
        return np.asarray(2.0 * self._factor * (self.X.T @ self.X))

    @cached_property
    def linear(self) -> NDArray[np.float64]:
        """X'y on the same scale: the gradient is ``hessian @ w - linear``."""
        return np.asarray(2.0 * self._factor * (self.X.T @ self.y))

    @cached_property
    def solution(self) -> NDArray[np.float64]:
        """The parameters at which the cost is least (of several, the shortest)."""
        return np.asarray(np.linalg.lstsq(self.X, self.y)[0])

    @cached_property
    def _least(self) -> float:
        return float(self._factor * np.sum((self.X @ self.solution - self.y) ** 2))

    def kernel(self, dtype: DTypeLike) -> Kernel:  # noqa: D102
        sequential = self.update == "sequential"
        if self.statistics:
            data = np.concatenate([self.hessian.ravel(), self.linear]).astype(dtype)
            return Kernel("quadratic", self.n_parameters, data, sequential)
        data = np.concatenate([self.X.ravel(), self.y, [2.0 * self._factor]]).astype(dtype)
        return Kernel("rows", len(self.y), data, sequential)

    def slopes(self, x: Array) -> Array:  # noqa: D102
        if self.statistics:
            return _quadratic_slopes(self.hessian.astype(x.dtype), self.linear.astype(x.dtype), x)
        scale = np.asarray(2.0 * self._factor, x.dtype)
        return _row_slopes(self.X.astype(x.dtype), self.y.astype(x.dtype), scale, x)

    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses at the points: the least loss plus that of the distance from it, which does not cancel."""
        with np.errstate(all="ignore"):
            d = x.astype(np.float64) - self.solution[:, None]
            return np.asarray(self._least + 0.5 * np.sum(d * (self.hessian @ d), axis=0))


def _quadratic_slopes(hessian: Array, linear: Array, x: Array) -> Array:
    """Row by row, from left to right, without BLAS."""
    g = np.empty_like(x)
    with np.errstate(all="ignore"):
        for i, row in enumerate(hessian):
            total = row[0] * x[0]
            for j in range(1, len(row)):
                total = total + row[j] * x[j]
            g[i] = total - linear[i]
    return g


def _horner(coefficients: Array, x: Array) -> Array:
    total = np.full_like(x, coefficients[-1])
    with np.errstate(all="ignore"):
        for c in coefficients[-2::-1]:
            total = total * x + c
    return total


def _row_slopes(X: Array, y: Array, scale: Array, x: Array) -> Array:
    """Residuals from left to right; products summed over blocks of rows, then over blocks."""
    g = np.zeros_like(x)
    with np.errstate(all="ignore"):
        for start in range(0, len(y), ROW_BLOCK):
            rows = X[start : start + ROW_BLOCK]
            residual = rows[:, :1] * x[0]
            for j in range(1, len(x)):
                residual = residual + rows[:, j : j + 1] * x[j]
            residual = residual - y[start : start + ROW_BLOCK, None]
            for j in range(len(x)):
                products = np.add.accumulate(residual * rows[:, j : j + 1], axis=0)
                g[j] = g[j] + products[-1]
        return np.asarray(scale * g)


def _finite(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """A float64 copy, checked; what is no array of real numbers is refused by name."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError
        array = np.array(array, np.float64, order="C")  # so that sums do not depend on the caller's
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of real numbers, got {values!r:.60}") from None
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} holds {array[~np.isfinite(array)][0]}; wanted finite numbers only"
        )
    return array


def _point(x: ArrayLike, n: int) -> Array:
    point = np.asarray(x)
    point = point if point.dtype in (np.float32, np.float64) else _finite("x", x)
    if point.shape != (n,):
        raise ValueError(f"x has shape {point.shape}, wanted ({n},)")
    return point


def _names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"p{i}" for i in range(n))
    sequence = isinstance(names, list | tuple)
    if not sequence or len(names) != n or not all(isinstance(s, str) for s in names):
        raise ValueError(f"names is {names!r:.60}, wanted a list or tuple of {n} strings")
    return tuple(names)
