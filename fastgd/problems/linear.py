"""`LinearModel`, whose outputs are linear in the parameters, and `LeastSquares`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.batches import checked_batches
from fastgd.checks import as_finite_array, as_flag
from fastgd.engines.layout import ROW_BLOCK
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.engines.registry import RESIDUALS
from fastgd.engines.vocabulary import numpy_vocabulary
from fastgd.problems.base import Array, Problem, checked_names, quadratic_form, quadratic_slopes
from fastgd.problems.curvature import Curvature, of_matrix, of_rows

Cost = Literal["1/2m", "1/m", "1/2", "sum"]
AT_ONCE = 1 << 14  # rows whose losses are computed together
_COLLINEAR = 1e-4  # ratio of singular values below which a direction nearly vanishes
_FACTORS = {"1/2m": (0.5, True), "1/m": (1.0, True), "1/2": (0.5, False), "sum": (1.0, False)}


@cache
def _residual(kind: str) -> Callable[..., Any]:
    """A model's residuals on NumPy arrays."""
    return RESIDUALS[kind].on_arrays(numpy_vocabulary())


class LinearModel(Problem):
    """A model of rows: a row times the parameters gives `outputs` numbers, each of which gives a residual.

    The slopes are the sums over the rows of residual times input, times the cost's scale. Each residual is a sum
    from left to right; products are summed within blocks of rows, and the blocks from first to last.
    """

    outputs = 1
    _kind = "rows"  # of the kernel, and the name of the residual
    _twice = 1.0  # what the derivative adds to the cost's factor

    def _take(self, X: ArrayLike, targets: NDArray[np.float64], cost: Any, intercept: Any) -> None:
        inputs = as_finite_array("X", X)
        inputs = inputs[:, None] if inputs.ndim == 1 else inputs
        if inputs.ndim != 2 or 0 in inputs.shape:
            raise ValueError(
                f"X has shape {np.shape(X)}, wanted (rows,) or (rows, features), none of them 0"
            )
        rows, intercept = len(inputs), as_flag("intercept", intercept)
        if targets.shape != (rows,):
            raise ValueError(
                f"y has shape {targets.shape}, wanted ({rows},), one target for each row of X"
            )
        self.X = np.concatenate([inputs, np.ones((rows, 1))], axis=1) if intercept else inputs
        self._targets = targets
        self.cost, self.intercept = cost, intercept
        self.X.flags.writeable = targets.flags.writeable = False  # kernels hold copies of them

    def _scale(self, rows: int) -> float:
        """The factor that turns a sum over this many rows into the gradient."""
        factor, mean = _FACTORS[self.cost]
        return self._twice * (factor / rows if mean else factor)

    def _new_kernel(self, dtype: np.dtype[Any]) -> Kernel:
        """Inputs and target row by row, then the scales of sums over all rows, a batch and the last batch."""
        rows = len(self.X)
        sizes = [rows]
        if self.batches is not None:
            sizes += [self.batches.size, rows % self.batches.size or self.batches.size]
        scales = [self._scale(m) for m in sizes]
        data = np.empty(rows * (self.X.shape[1] + 1) + len(scales), dtype)
        table = data[: -len(scales)].reshape(rows, -1)
        table[:, :-1], table[:, -1], data[-len(scales) :] = self.X, self._targets, scales
        return Kernel(self._kind, rows, data, self._sequential, self.outputs)

    _sequential = False

    def _residuals(self, z: Array, targets: Array) -> Array:
        """From outputs (rows, outputs, runs), which may be overwritten, and targets (rows,) to residuals."""
        residual = _residual(self._kind)
        if self.outputs == 1:
            return np.asarray(residual(z, targets[:, None, None]))
        own = targets == np.arange(self.outputs)[:, None]
        residual(self.outputs, np.moveaxis(z, 1, 0), own.astype(z.dtype)[:, :, None])
        return z

    def slopes(self, x: Array) -> Array:  # noqa: D102
        return self._row_slopes(self.X, self._targets, x)

    def batch_slopes(self, x: Array, rows: NDArray[np.integer[Any]]) -> Array:  # noqa: D102
        return self._row_slopes(self.X[rows], self._targets[rows], x)

    def _row_slopes(self, X: Array, targets: Array, x: Array) -> Array:
        X, y = X.astype(x.dtype), targets.astype(x.dtype)
        scale = np.asarray(self._scale(len(y)), x.dtype)
        points = x.reshape(X.shape[1], self.outputs, -1)
        g = np.zeros_like(points)
        with np.errstate(all="ignore"):
            for start in range(0, len(y), ROW_BLOCK):
                columns = X[start : start + ROW_BLOCK].T[:, :, None, None]
                z = columns[0] * points[0]
                for column, point in zip(columns[1:], points[1:], strict=True):
                    z = z + column * point
                residual = self._residuals(z, y[start : start + ROW_BLOCK])
                for j, column in enumerate(columns):
                    g[j] = g[j] + np.add.accumulate(residual * column, axis=0)[-1]
            return np.asarray(scale * g).reshape(x.shape)

    @cached_property
    def _bend(self) -> Curvature:
        """Of half the mean square of an update's rows, times the scale of their sum."""
        rows = len(self.X) if self.batches is None else self.batches.size
        found = of_rows(self.X, in_batches=self.batches is not None)
        return found.scaled(self._scale(rows) * rows)

    def curvature(self, x0: ArrayLike | None = None) -> Curvature:  # noqa: D102
        return self._bend

    def _sizes(self) -> str:
        rows = f"{len(self.X)} rows"
        if self.batches is not None:
            rows += f" in batches of {self.batches.size}"
        return f"{rows}, {self.n_parameters} parameters"

    def _row_names(self, names: Sequence[str] | None) -> tuple[str, ...]:
        features = self.X.shape[1] - self.intercept
        default = ("w",) if features == 1 else tuple(f"w{j}" for j in range(features))
        return checked_names(default if names is None else names, features) + (
            ("b",) if self.intercept else ()
        )


class LeastSquares(LinearModel):
    """The sum of squared residuals of a linear model, y = X w + b.

    With ``statistics=True`` the sums over the rows (X'X, X'y) are computed once, in float64, and an update costs the
    same for ten rows as for a million; with ``statistics=False`` every update reads all rows. With `batch_size` an
    update reads the rows of one batch only (see Notes).

    Parameters
    ----------
    X : array_like of shape (rows,) or (rows, features)
        Inputs.
    y : array_like of shape (rows,)
        Targets.
    cost : {"1/2m", "1/m", "1/2", "sum"}, default "1/2m"
        Factor of the sum of squares: 1/(2 rows), 1/rows, 1/2 or 1. It scales the gradient, and with it the suitable
        learning rates. In batches, "rows" are those of the batch.
    intercept : bool, default True
        Whether the last parameter is a constant term.
    statistics : bool, default True
        Whether to use sufficient statistics; ignored with `batch_size`.
    update : {"simultaneous", "sequential"}, default "simultaneous"
        Sequential: one parameter after the other, each with the new values of those before it. That is another
        method (Gauss-Seidel), which diverges at other learning rates.
    names : sequence of str, optional
        Feature names; "w" or "w0", "w1", ... by default. The intercept is "b".
    batch_size : int, optional
        Rows of an update; 1 is single-sample (stochastic) descent. All rows by default.
    shuffle : bool, default True
        Whether the rows are put into a new order each epoch, or stay in the given one.
    drop_last : bool, default False
        Whether an epoch's last batch is left out if it is short. Otherwise its cost is divided by its own size.
    rng : int or numpy.random.Generator, default 0
        Seed of the orders, unless a sweep gives one by ``rng=`` or an axis "rng".

    Attributes
    ----------
    updates_per_epoch : int
        Updates of one epoch: ``max_iter=5 * problem.updates_per_epoch`` is five epochs.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not match, if there are no rows, if a number is not finite, or if a batch would have more
        rows than the problem.

    Notes
    -----
    In batches, `iterations` counts updates; the runs of a sweep with the same seed use the same batches. Losses and
    the result's `slope` are those of all rows. The tolerance is 0 by default, because the slopes of a batch do not
    vanish; if one is given, the slopes of all rows are compared with it at the start and after every epoch, which
    costs as much as an epoch.

    Examples
    --------
    >>> import fastgd as gd
    >>> line = gd.LeastSquares([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    >>> line.parameter_names, line.gradient([0.0, 0.0])
    (('w', 'b'), array([-4.33333333, -3.        ]))
    >>> line.solution.round(12)
    array([2., 1.])
    >>> single = gd.LeastSquares([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], batch_size=1)
    >>> out = gd.sweep(single, gd.SGD(), {"lr": [0.1, 0.3]}, max_iter=100 * single.updates_per_epoch)
    >>> out.x.round(3)
    array([[2., 1.],
           [2., 1.]])
    """

    _twice = 2.0

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
        batch_size: int | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
        rng: int | np.random.Generator = 0,
    ) -> None:
        check_cost(cost, tuple(_FACTORS))
        if not isinstance(update, str) or update not in {"simultaneous", "sequential"}:
            raise ValueError(f"update is {update!r}, wanted 'simultaneous' or 'sequential'")
        statistics = as_flag("statistics", statistics)
        self._take(X, as_finite_array("y", y), cost, intercept)
        self.y = self._targets
        self.update, self._sequential = update, update == "sequential"
        self.batches = checked_batches(len(self.X), batch_size, shuffle, drop_last, rng)
        self.statistics = statistics and self.batches is None
        self._names = self._row_names(names)

    def __repr__(self) -> str:
        return f"LeastSquares({self._sizes()}, cost={self.cost!r}, update={self.update!r})"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    @cached_property
    def hessian(self) -> NDArray[np.float64]:
        """Second derivatives (n_parameters, n_parameters): X'X times twice the cost's factor."""
        return np.asarray(self._scale(len(self.X)) * (self.X.T @ self.X))

    @cached_property
    def linear(self) -> NDArray[np.float64]:
        """X'y on the same scale: the gradient is ``hessian @ w - linear``."""
        return np.asarray(self._scale(len(self.X)) * (self.X.T @ self.y))

    @cached_property
    def _least_squares(self) -> tuple[NDArray[np.float64], bool]:
        """The parameters of least cost, and whether columns are nearly, but not quite, collinear."""
        solution, _, rank, singular = np.linalg.lstsq(self.X, self.y)
        return np.asarray(solution), bool(rank and singular[rank - 1] < _COLLINEAR * singular[0])

    @property
    def solution(self) -> NDArray[np.float64]:
        """The parameters of least cost (of several, those of least norm)."""
        return self._least_squares[0]

    @cached_property
    def _reference(self) -> tuple[NDArray[np.float64], float, NDArray[np.float64] | None]:
        """A point from which losses are counted, the loss there, and the gradient, None for the solution's 0.

        Nearly collinear columns have a solution so far away that a quadratic form around it is all rounding; then it is
        the solution without the directions that nearly vanish.
        """
        point, collinear = self._least_squares
        if collinear:
            point = np.asarray(np.linalg.lstsq(self.X, self.y, rcond=_COLLINEAR)[0])
        residuals = self.X @ point - self.y
        scale = self._scale(len(self.X))
        gradient = scale * (self.X.T @ residuals) if collinear else None
        return point, float(0.5 * scale * np.sum(residuals**2)), gradient

    def curvature(self, x0: ArrayLike | None = None) -> Curvature:  # noqa: D102
        if not self._sequential or self.batches is not None:
            return super().curvature(x0)
        # One parameter at a time: each on a parabola of its own, and the energy falls at every one.
        return Curvature(float(self.hessian.diagonal().max()), everywhere=False)

    def local_curvature(self, x: ArrayLike) -> Curvature:  # noqa: D102
        return of_matrix(self.hessian, summed=len(self.X))

    def _new_kernel(self, dtype: np.dtype[Any]) -> Kernel:
        if not self.statistics:
            return super()._new_kernel(dtype)
        data = np.concatenate([self.hessian.ravel(), self.linear]).astype(dtype)
        return Kernel("quadratic", self.n_parameters, data, self._sequential)

    def slopes(self, x: Array) -> Array:  # noqa: D102
        if self.statistics:
            return quadratic_slopes(self.hessian.astype(x.dtype), self.linear.astype(x.dtype), x)
        return super().slopes(x)

    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses at the points, as that of one point plus a quadratic form, which avoids cancellation."""
        point, loss, gradient = self._reference
        with np.errstate(all="ignore"):
            d = np.subtract(x, point[:, None], dtype=np.float64)
            losses = np.asarray(loss + 0.5 * quadratic_form(self.hessian, d))
            return losses if gradient is None else losses + gradient @ d


def check_cost(cost: Any, known: tuple[str, ...]) -> None:
    """Refuse a cost that is not among the known ones."""
    if not isinstance(cost, str) or cost not in known:
        raise ValueError(f"cost is {cost!r}, wanted one of {', '.join(map(repr, known))}")
