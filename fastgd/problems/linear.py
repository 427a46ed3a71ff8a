"""`LinearModel` and `LeastSquares`: models whose outputs are linear in the parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.batches import checked_batches
from fastgd.checks import as_finite_array, as_flag
from fastgd.engines.layout import ROW_BLOCK
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.engines.registry import RESIDUALS
from fastgd.engines.vocabulary import numpy_vocabulary
from fastgd.problems.base import Array, Problem, checked_names, quadratic_form, quadratic_slopes

Cost = Literal["1/2m", "1/m", "1/2", "sum"]
AT_ONCE = 1 << 14  # rows whose losses are taken at once
_FACTORS = {"1/2m": (0.5, True), "1/m": (1.0, True), "1/2": (0.5, False), "sum": (1.0, False)}


@cache
def _residual(kind: str) -> Callable[..., Any]:
    return RESIDUALS[kind].on_arrays(numpy_vocabulary())


class LinearModel(Problem):
    """What models of rows share: a row times the parameters gives `outputs` numbers, and those a residual each.

    The slopes are the sums over the rows of residual times input, times the cost's scale. Each residual is a sum
    from left to right; products are summed over blocks of rows, and these from first to last.
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
        self._kernels: dict[str, Kernel] = {}

    def _scale(self, rows: int) -> float:
        """What multiplies a sum over so many rows to make it the gradient."""
        factor, mean = _FACTORS[self.cost]
        return self._twice * (factor / rows if mean else factor)

    def kernel(self, dtype: DTypeLike) -> Kernel:  # noqa: D102
        name = np.dtype(dtype).name
        if name not in self._kernels:
            self._kernels[name] = self._made(name)
        return self._kernels[name]

    def _made(self, dtype: str) -> Kernel:
        """Row by row inputs and target; then what multiplies a sum over all rows, or over those of a batch."""
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

    def _row_names(self, names: Sequence[str] | None) -> tuple[str, ...]:
        features = self.X.shape[1] - self.intercept
        default = ("w",) if features == 1 else tuple(f"w{j}" for j in range(features))
        return checked_names(default if names is None else names, features) + (
            ("b",) if self.intercept else ()
        )


class LeastSquares(LinearModel):
    """The sum of squared residuals of a linear model, y = X w + b.

    With ``statistics=True`` the sums over the rows (X'X, X'y) are taken once, in float64, and an update costs the
    same for ten rows as for a million; with ``statistics=False`` every update goes over the rows. With
    `batch_size` every update goes over the next few rows only (see Notes).

    Parameters
    ----------
    X : array_like of shape (rows,) or (rows, features)
        Inputs.
    y : array_like of shape (rows,)
        Targets.
    cost : {"1/2m", "1/m", "1/2", "sum"}, default "1/2m"
        What multiplies the sum of squares: 1/(2 rows), 1/rows, 1/2 or 1. It scales the gradient, and with it the
        rates that work. Of a batch, rows are the batch's own.
    intercept : bool, default True
        Whether the last parameter is a constant term.
    statistics : bool, default True
        Whether to use sufficient statistics. With `batch_size` there are none, whatever this says.
    update : {"simultaneous", "sequential"}, default "simultaneous"
        Sequential: one parameter after the other, each seeing the new values of those before it. That is another
        method (Gauss-Seidel's), with other rates at which it diverges.
    names : sequence of str, optional
        Feature names; "w" or "w0", "w1", ... by default. The intercept is "b".
    batch_size : int, optional
        Rows of an update; 1 is single-sample (stochastic) descent. All rows by default.
    shuffle : bool, default True
        Whether batches are cut from a new order of the rows each epoch, or always from the given one.
    drop_last : bool, default False
        Whether an epoch's last batch is left out if it is short. Otherwise it is divided by its own size.
    rng : int or numpy.random.Generator, default 0
        Seed of the orders, where a sweep gives none by ``rng=`` or an axis "rng".

    Attributes
    ----------
    updates_per_epoch : int
        Updates that go over the rows once: ``max_iter=5 * problem.updates_per_epoch`` are five epochs.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit, if there are no rows, if a number is not finite, or if there are more rows in a
        batch than there are.

    Notes
    -----
    In batches, `iterations` counts updates; the runs of a sweep that have the same seed go over the same batches.
    Losses and the result's `slope` are those of all rows. The tolerance is 0 by default, because a batch's slopes
    do not vanish; if one is given, the slopes of all rows are tested against it at the start and after every epoch,
    which costs as much as an epoch.

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
        return f"LeastSquares({described_sizes(self)}, cost={self.cost!r}, update={self.update!r})"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    @cached_property
    def hessian(self) -> NDArray[np.float64]:
        """Second derivatives (n_parameters, n_parameters): X'X times the cost's factor, twice."""
        return np.asarray(self._scale(len(self.X)) * (self.X.T @ self.X))

    @cached_property
    def linear(self) -> NDArray[np.float64]:
        """X'y on the same scale: the gradient is ``hessian @ w - linear``."""
        return np.asarray(self._scale(len(self.X)) * (self.X.T @ self.y))

    @cached_property
    def solution(self) -> NDArray[np.float64]:
        """The parameters at which the cost is least (of several, the shortest)."""
        return np.asarray(np.linalg.lstsq(self.X, self.y)[0])

    @cached_property
    def _least(self) -> float:
        half = 0.5 * self._scale(len(self.X))
        return float(half * np.sum((self.X @ self.solution - self.y) ** 2))

    def _made(self, dtype: str) -> Kernel:
        if not self.statistics:
            return super()._made(dtype)
        data = np.concatenate([self.hessian.ravel(), self.linear]).astype(dtype)
        return Kernel("quadratic", self.n_parameters, data, self._sequential)

    def slopes(self, x: Array) -> Array:  # noqa: D102
        if self.statistics:
            return quadratic_slopes(self.hessian.astype(x.dtype), self.linear.astype(x.dtype), x)
        return super().slopes(x)

    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses at the points: the least loss plus that of the distance from it, which does not cancel."""
        with np.errstate(all="ignore"):
            d = x.astype(np.float64) - self.solution[:, None]
            return np.asarray(self._least + 0.5 * quadratic_form(self.hessian, d))


def check_cost(cost: Any, known: tuple[str, ...]) -> None:
    if not isinstance(cost, str) or cost not in known:
        raise ValueError(f"cost is {cost!r}, wanted one of {', '.join(map(repr, known))}")


def described_sizes(problem: LinearModel) -> str:
    rows = f"{len(problem.X)} rows"
    if problem.batches is not None:
        rows += f" in batches of {problem.batches.size}"
    return f"{rows}, {problem.n_parameters} parameters"
