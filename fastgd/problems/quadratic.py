"""`Quadratic` and `Polynomial`: problems defined by their coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import as_finite_array
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.engines.registry import GRADIENTS
from fastgd.problems.base import (
    Array,
    Problem,
    as_points,
    checked_names,
    column_gradients,
    quadratic_form,
    quadratic_slopes,
)
from fastgd.problems.curvature import Curvature, of_matrix, of_polynomial

_ROUNDING = 1e-12  # relative asymmetry of a matrix such as a computed Q @ D @ Q.T


class Quadratic(Problem):
    """f(x) = 1/2 x'Hx - b'x + c, with gradient Hx - b.

    Parameters
    ----------
    hessian : array_like of shape (n, n)
        H, symmetric up to rounding; H and its transpose are averaged.
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
        self.hessian = as_finite_array("hessian", hessian)
        n = self.hessian.shape[0] if self.hessian.ndim else 0
        if self.hessian.shape != (n, n) or n == 0:
            raise ValueError(f"hessian has shape {self.hessian.shape}, wanted (n, n) with n >= 1")
        skew = np.abs(self.hessian - self.hessian.T).max()
        if skew > _ROUNDING * np.abs(self.hessian).max():
            raise ValueError(
                f"hessian is not symmetric: it differs from its transpose by up to {skew:g}"
            )
        self.hessian = 0.5 * self.hessian + 0.5 * self.hessian.T
        self.linear = np.zeros(n) if linear is None else as_finite_array("linear", linear)
        if self.linear.shape != (n,):
            raise ValueError(f"linear has shape {self.linear.shape}, wanted ({n},)")
        number = as_finite_array("constant", constant)
        if number.shape != ():
            raise ValueError(f"constant has shape {number.shape}, wanted a number")
        self.constant = float(number)
        self.hessian.flags.writeable = self.linear.flags.writeable = False  # kernels hold copies
        self._names = checked_names(names, n)

    def __repr__(self) -> str:
        return f"Quadratic({self.n_parameters} parameters)"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    def _new_kernel(self, dtype: np.dtype[Any]) -> Kernel:
        data = np.concatenate([self.hessian.ravel(), self.linear]).astype(dtype)
        return Kernel("quadratic", self.n_parameters, data)

    @cached_property
    def _bend(self) -> Curvature:
        return of_matrix(self.hessian)

    def curvature(self, x0: ArrayLike | None = None) -> Curvature:  # noqa: D102
        return self._bend

    def local_curvature(self, x: ArrayLike) -> Curvature:  # noqa: D102
        return self._bend

    def slopes(self, x: Array) -> Array:  # noqa: D102
        return quadratic_slopes(self.hessian.astype(x.dtype), self.linear.astype(x.dtype), x)

    def losses(self, x: Array) -> NDArray[np.float64]:  # noqa: D102
        x = np.asarray(as_points(x, self.n_parameters), np.float64)
        with np.errstate(all="ignore"):
            bowl = 0.5 * quadratic_form(self.hessian, x)
            for b, row in zip(self.linear, x, strict=True):
                bowl = bowl - b * row
            return np.asarray(bowl + self.constant)


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
        self.coefficients = as_finite_array("coefficients", coefficients)
        if self.coefficients.ndim != 1 or len(self.coefficients) < 2:
            raise ValueError(
                f"coefficients has shape {self.coefficients.shape}, wanted (degree + 1,) with degree >= 1"
            )
        self.coefficients.flags.writeable = False  # kernels hold copies
        self._derivative = self.coefficients[1:] * np.arange(1.0, len(self.coefficients))

    def __repr__(self) -> str:
        return f"Polynomial({self.coefficients.tolist()})"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return ("x",)

    def _new_kernel(self, dtype: np.dtype[Any]) -> Kernel:
        return Kernel("polynomial", len(self._derivative), self._derivative.astype(dtype))

    def curvature(self, x0: ArrayLike | None = None) -> Curvature | None:  # noqa: D102
        start = 0.0 if x0 is None else float(np.asarray(x0).reshape(()))
        return of_polynomial(self.coefficients, start)

    def slopes(self, x: Array) -> Array:  # noqa: D102
        return _horner(self._derivative.astype(x.dtype), x)

    def losses(self, x: Array) -> NDArray[np.float64]:  # noqa: D102
        x = as_points(x, self.n_parameters)
        return np.asarray(_horner(self.coefficients, x.astype(np.float64))[0])


def _horner(coefficients: Array, x: Array) -> Array:
    return column_gradients(GRADIENTS["polynomial"], x, coefficients)
