"""The base class of problems, and what several of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.batches import Batches
from fastgd.checks import as_finite_array, as_real_array
from fastgd.engines.parse_problems import Gradient
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.engines.registry import GRADIENTS
from fastgd.engines.rows import matrix_products
from fastgd.problems.curvature import Curvature

Array = NDArray[np.floating[Any]]


class Problem(ABC):
    """A function to minimize, with its gradient.

    Arrays of points have one column per run: shape (n_parameters, runs). Slopes have the dtype of the points; losses
    are always float64.
    """

    batches: Batches | None = None  # None: every update uses all rows

    @property
    def updates_per_epoch(self) -> int:
        """Updates of one epoch: 1 without batches."""
        return 1 if self.batches is None else self.batches.updates

    @property
    @abstractmethod
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return len(self.parameter_names)

    def kernel(self, dtype: DTypeLike) -> Kernel:
        """The name of the compiled gradient and its data, made once for each dtype."""
        real = np.dtype(dtype)
        kernels: dict[np.dtype[Any], Kernel] = self.__dict__.setdefault("_kernels", {})
        if real not in kernels:
            kernels[real] = self._new_kernel(real)
        return kernels[real]

    def _new_kernel(self, dtype: np.dtype[Any]) -> Kernel:
        raise NotImplementedError(f"{type(self).__name__} has no kernel")

    @abstractmethod
    def slopes(self, x: Array) -> Array:
        """Gradients at the points `x` (n_parameters, runs), with the same bits as the kernels."""

    def batch_slopes(self, x: Array, rows: NDArray[np.integer[Any]]) -> Array:
        """Gradients at the points `x` of the loss of some rows."""
        raise NotImplementedError(f"{self!r} has no rows")

    @abstractmethod
    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses at many points.

        Parameters
        ----------
        x : array_like of shape (n_parameters, points)
            A column for each point. A grid of shape (..., n_parameters), such as `History.x` of shape
            (records, n_parameters), is ``x.reshape(-1, n_parameters).T``.

        Returns
        -------
        ndarray of shape (points,), float64

        Raises
        ------
        ValueError
            If it has another shape.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> bowl = gd.Quadratic([[2.0, 0.0], [0.0, 4.0]])
        >>> grid = np.stack(np.meshgrid([0.0, 1.0], [0.0, 1.0]), axis=-1)
        >>> bowl.losses(grid.reshape(-1, 2).T).reshape(2, 2)
        array([[0., 1.],
               [2., 3.]])
        """

    def curvature(self, x0: ArrayLike | None = None) -> Curvature | None:
        """How strongly the problem bends, which decides the default rate; None if it is not known.

        Parameters
        ----------
        x0 : array_like of shape (n_parameters,), optional
            Where a descent starts; zero by default.

        Returns
        -------
        Curvature or None
            `largest`, an upper bound of the second derivatives, and `smallest`, of a quadratic their least that is not
            zero.
        """
        return None

    def may_begin(self, x: Array) -> NDArray[np.bool_]:
        """Whether a run may begin at each of the points `x` (n_parameters, k): a user's function may have no value."""
        return np.ones(x.shape[1], bool)

    def local_curvature(self, x: ArrayLike) -> Curvature | None:
        """The curvature at one point of shape (n_parameters,), of the function of all rows; None if it is not known."""
        return None

    def loss(self, x: ArrayLike) -> float:
        """The loss at one point of shape (n_parameters,)."""
        return float(self.losses(_point(x, self.n_parameters)[:, None])[0])

    def gradient(self, x: ArrayLike) -> Array:
        """The gradient at one point of shape (n_parameters,)."""
        return self.slopes(_point(x, self.n_parameters)[:, None])[:, 0]


def _point(x: ArrayLike, n: int) -> Array:
    kept = isinstance(x, np.ndarray) and x.dtype in (np.float32, np.float64)
    point = np.asarray(x) if kept else as_finite_array("x", x)
    if point.shape != (n,):
        raise ValueError(f"x has shape {point.shape}, wanted ({n},)")
    return point


def as_points(x: ArrayLike, n: int) -> Array:
    """An array of shape (n, points), a column for each point."""
    kept = isinstance(x, np.ndarray) and x.dtype in (np.float32, np.float64)
    points = np.asarray(x) if kept else as_real_array("x", x).astype(np.float64)
    if points.ndim == 2 and len(points) == n:
        return points
    hint = ""
    if points.ndim == 1 and len(points) == n:
        hint = "; loss(x) takes one point"
    elif points.ndim > 1 and points.shape[-1] == n:
        hint = "; x.T has it" if points.ndim == 2 else f"; x.reshape(-1, {n}).T has it"
    raise ValueError(
        f"x has shape {points.shape}, wanted ({n}, points), a column for each point{hint}"
    )


def checked_names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """The given names, checked; by default "p0", "p1", ..."""
    if names is None:
        return tuple(f"p{i}" for i in range(n))
    sequence = isinstance(names, list | tuple)
    if not sequence or len(names) != n or not all(isinstance(s, str) for s in names):
        raise ValueError(f"names is {names!r:.60}, wanted a list or tuple of {n} strings")
    return tuple(names)


def column_gradients(gradient: Gradient, x: Array, *arrays: Array) -> Array:
    """A gradient of `fastgd.rules.gradients` at the points `x` (n_parameters, runs), from the problem's arrays.

    Its sums go over columns of runs, without BLAS: a run's bits do not depend on how many others there are.
    """
    with np.errstate(all="ignore"):
        return _column_gradients(gradient, x, *arrays)


def _column_gradients(gradient: Gradient, x: Array, *arrays: Array) -> Array:
    columns = [array[..., None] for array in arrays]
    if gradient.each:
        return np.asarray(gradient.function(slice(None), len(x), *columns, x))
    total = gradient.function(len(columns[0]), *columns, x)
    return total if total.shape == x.shape else np.array(np.broadcast_to(total, x.shape))


def quadratic_slopes(hessian: Array, linear: Array, x: Array) -> Array:
    """Hx - b for every column x."""
    return column_gradients(GRADIENTS["quadratic"], x, hessian, linear)


def quadratic_form(hessian: Array, x: Array) -> Array:
    """The products x'Hx for every column x, with sums in the same order."""
    zeros = np.zeros(len(x))
    with np.errstate(all="ignore"):
        found = matrix_products("quadratic", np.concatenate([hessian.ravel(), zeros]), x)
        terms = (
            column_gradients(GRADIENTS["quadratic"], x, hessian, zeros) if found is None else found
        )
        terms *= x
        total = terms[0]
        for term in terms[1:]:
            total = total + term
    return np.asarray(total)
