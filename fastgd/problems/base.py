"""What every problem is: names, a compiled kernel's data, slopes and losses on NumPy arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.batches import Batches
from fastgd.checks import as_finite_array
from fastgd.engines.parse_problems import Gradient
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.engines.registry import GRADIENTS

Array = NDArray[np.floating[Any]]


class Problem(ABC):
    """A function to descend, with its gradient.

    Arrays of points have one column per run: shape (n_parameters, runs). The dtype of the points is the dtype of
    the slopes; losses are always float64.
    """

    batches: Batches | None = None  # how an update's rows are chosen, where it does not go over all

    @property
    def updates_per_epoch(self) -> int:
        """Updates that go over all rows once: 1 without batches."""
        return 1 if self.batches is None else self.batches.updates

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

    def batch_slopes(self, x: Array, rows: NDArray[np.integer[Any]]) -> Array:
        """Gradients at the points `x` by some of the rows only."""
        raise NotImplementedError(f"{self!r} has no rows to choose from")

    @abstractmethod
    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses (runs,) at the points `x` (n_parameters, runs)."""

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


def checked_names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """Given names, or "p0", "p1", ..."""
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
    columns = [array[..., None] for array in arrays]
    with np.errstate(all="ignore"):
        if gradient.each:
            return np.asarray(gradient.function(slice(None), len(x), *columns, x))
        total = gradient.function(len(columns[0]), *columns, x)
    return np.array(np.broadcast_to(total, x.shape))


def quadratic_slopes(hessian: Array, linear: Array, x: Array) -> Array:
    """Hx - b for every column x."""
    return column_gradients(GRADIENTS["quadratic"], x, hessian, linear)


def quadratic_form(hessian: Array, x: Array) -> Array:
    """X'Hx for every column x, with the same promise."""
    terms = x * quadratic_slopes(hessian, np.zeros(len(x)), x)
    total = terms[0]
    with np.errstate(all="ignore"):
        for term in terms[1:]:
            total = total + term
    return np.asarray(total)
