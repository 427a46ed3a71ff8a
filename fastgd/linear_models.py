"""Linear models of rows of data: least squares and logistic regression, on all rows or in batches of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.batches import checked_batches
from fastgd.engines.descents import Kernel
from fastgd.engines.vocabulary import numpy_vocabulary
from fastgd.problem_base import (
    Array,
    Problem,
    checked_names,
    finite,
    quadratic_form,
    quadratic_slopes,
)

Cost = Literal["1/2m", "1/m", "1/2", "sum"]

ROW_BLOCK = 256  # rows whose sum is taken before it is added to the total
_AT_ONCE = 1 << 14  # rows whose losses are taken at once
_FACTORS = {"1/2m": (0.5, True), "1/m": (1.0, True), "1/2": (0.5, False), "sum": (1.0, False)}


class LinearModel(Problem):
    """What models of rows share: a row times the parameters gives `outputs` numbers, and those a residual each.

    The slopes are the sums over the rows of residual times input, times the cost's scale. Each residual is a sum
    from left to right; products are summed over blocks of rows, and these from first to last.
    """

    outputs = 1
    _kind: Literal["rows", "logistic", "softmax"] = "rows"
    _twice = 1.0  # what the derivative adds to the cost's factor

    def _take(self, X: ArrayLike, targets: NDArray[np.float64], cost: Any, intercept: Any) -> None:
        inputs = finite("X", X)
        inputs = inputs[:, None] if inputs.ndim == 1 else inputs
        if inputs.ndim != 2 or 0 in inputs.shape:
            raise ValueError(
                f"X has shape {np.shape(X)}, wanted (rows,) or (rows, features), none of them 0"
            )
        rows = len(inputs)
        if targets.shape != (rows,):
            raise ValueError(
                f"y has shape {targets.shape}, wanted ({rows},), one target for each row of X"
            )
        if not isinstance(intercept, bool | np.bool_):
            raise TypeError(f"intercept must be True or False, got {intercept!r:.60}")
        self.X = np.concatenate([inputs, np.ones((rows, 1))], axis=1) if intercept else inputs
        self._targets = targets
        self.cost, self.intercept = cost, bool(intercept)
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

    @abstractmethod
    def _residuals(self, z: Array, targets: Array) -> Array:
        """From what rows times parameters give (rows, outputs, runs) to what is left, in place or not."""

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
                residual = self._residuals(z, y[start : start + ROW_BLOCK, None])
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
        _check_cost(cost, tuple(_FACTORS))
        if not isinstance(update, str) or update not in {"simultaneous", "sequential"}:
            raise ValueError(f"update is {update!r}, wanted 'simultaneous' or 'sequential'")
        if not isinstance(statistics, bool | np.bool_):
            raise TypeError(f"statistics must be True or False, got {statistics!r:.60}")
        self._take(X, finite("y", y), cost, intercept)
        self.y = self._targets
        self.update, self._sequential = update, update == "sequential"
        self.batches = checked_batches(len(self.X), batch_size, shuffle, drop_last, rng)
        self.statistics = bool(statistics) and self.batches is None
        self._names = self._row_names(names)

    def __repr__(self) -> str:
        return f"LeastSquares({_sizes(self)}, cost={self.cost!r}, update={self.update!r})"

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

    def _residuals(self, z: Array, targets: Array) -> Array:
        return np.asarray(z - targets[:, :, None])

    def slopes(self, x: Array) -> Array:  # noqa: D102
        if self.statistics:
            return quadratic_slopes(self.hessian.astype(x.dtype), self.linear.astype(x.dtype), x)
        return super().slopes(x)

    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses at the points: the least loss plus that of the distance from it, which does not cancel."""
        with np.errstate(all="ignore"):
            d = x.astype(np.float64) - self.solution[:, None]
            return np.asarray(self._least + 0.5 * quadratic_form(self.hessian, d))


class Logistic(LinearModel):
    """Logistic regression: the negative log-likelihood of labels whose log-odds are linear, X W + b.

    With two labels the model is the binary one, P(second label) = 1 / (1 + exp(-(X w + b))); with K > 2 it is
    softmax regression, which has weights and a constant for each label. Penalties are the optimizer's:
    ``gd.SGD(lr=0.1, l2=1e-3)``.

    Parameters
    ----------
    X : array_like of shape (rows,) or (rows, features)
        Inputs.
    y : array_like of shape (rows,)
        Labels: integers, booleans or strings, at least two different ones. Their sorted order is that of the model.
    cost : {"1/m", "sum"}, default "1/m"
        Whether the cost is the mean over the rows or their sum. Of a batch, rows are the batch's own.
    intercept : bool, default True
        Whether there is a constant term (for every label).
    names : sequence of str, optional
        Feature names; "w" or "w0", "w1", ... by default. The intercept is "b".
    batch_size, shuffle, drop_last, rng
        As in `LeastSquares`.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The labels, sorted.
    parameter_names : tuple of str
        The names of binary parameters are those of the features. For softmax the weights (features, K) come row by
        row, then K intercepts: "w0:a", "w0:b", ..., "b:a", "b:b", with the labels after the colon.
    updates_per_epoch : int
        Updates that go over the rows once.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit, if a number is not finite, or if there are fewer than two labels.

    Notes
    -----
    The gradient's exp is the library's own (within 2 ulp), the same on every backend. Losses are float64, by
    log(1 + exp(z)) in its stable form. For separable data there is no optimum: the weights grow without end.

    References
    ----------
    Cox, D. R. (1958). The regression analysis of binary sequences. Journal of the Royal Statistical Society B 20.

    Examples
    --------
    >>> import fastgd as gd
    >>> passed = gd.Logistic([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], ["no", "no", "yes", "no", "yes", "yes"])
    >>> out = gd.sweep(passed, gd.Momentum(lr=1.0), {"lr": [1.0]}, tol=1e-6)
    >>> out.x[0].round(3), passed.predict(out.x[0], [1.0, 2.2]).tolist()
    (array([ 2.428, -4.249]), ['no', 'yes'])
    """

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        cost: Literal["1/m", "sum"] = "1/m",
        intercept: bool = True,
        names: Sequence[str] | None = None,
        batch_size: int | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
        rng: int | np.random.Generator = 0,
    ) -> None:
        _check_cost(cost, ("1/m", "sum"))
        self.y = _labels("y", y)
        self.classes, codes = np.unique(self.y, return_inverse=True)
        self._take(X, codes.astype(np.float64), cost, intercept)
        if len(self.classes) < 2:
            raise ValueError(f"y holds one label only, {self.classes[0]!r}; wanted two or more")
        self.batches = checked_batches(len(self.X), batch_size, shuffle, drop_last, rng)
        inputs = self._row_names(names)
        self._names: tuple[str, ...] = inputs
        if len(self.classes) > 2:
            self.outputs, self._kind = len(self.classes), "softmax"
            self._names = tuple(f"{name}:{label}" for name in inputs for label in self.classes)
        else:
            self._kind = "logistic"

    def __repr__(self) -> str:
        return f"Logistic({_sizes(self)}, {len(self.classes)} classes, cost={self.cost!r})"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    def _residuals(self, z: Array, targets: Array) -> Array:
        np_ = numpy_vocabulary()
        one = z.dtype.type(1)
        if self.outputs == 1:
            return np.asarray(one / (one + np_.exp(-z)) - targets[:, :, None])
        most = z[:, 0]
        for c in range(1, self.outputs):
            most = np_.maximum(z[:, c], most)
        z = np_.exp(z - most[:, None])
        total = z[:, 0]
        for c in range(1, self.outputs):
            total = total + z[:, c]
        hit = (targets == np.arange(self.outputs)).astype(z.dtype)
        return np.asarray(z / total[:, None] - hit[:, :, None])

    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses (runs,) at the points `x` (n_parameters, runs), stable for log-odds of any size."""
        rows, runs = len(self.X), x.shape[1]
        points = np.ascontiguousarray(x.T, np.float64).reshape(runs, self.X.shape[1], self.outputs)
        total = np.zeros(runs)
        with np.errstate(all="ignore"):
            for start in range(0, rows, _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                for run, point in enumerate(
                    points
                ):  # one by one, so that no run's bits depend on the others
                    total[run] += _surprise(self.X[part] @ point, self._targets[part]).sum()
            return self._scale(rows) * total

    def predict_proba(self, x: ArrayLike, X: ArrayLike | None = None) -> NDArray[np.float64]:
        """Probabilities (rows, n_classes) of the labels with parameters `x` (n_parameters,); own rows by default."""
        point = finite("x", x)
        if point.shape != (self.n_parameters,):
            raise ValueError(f"x has shape {point.shape}, wanted ({self.n_parameters},)")
        inputs = self.X if X is None else self._inputs(X)
        z = inputs @ point.reshape(inputs.shape[1], self.outputs)
        z = np.concatenate([np.zeros_like(z), z], axis=1) if self.outputs == 1 else z
        odds = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def predict(self, x: ArrayLike, X: ArrayLike | None = None) -> NDArray[Any]:
        """The likeliest label of each row (rows,) with parameters `x` (n_parameters,); own rows by default."""
        return np.asarray(self.classes[self.predict_proba(x, X).argmax(axis=1)])

    def accuracy(
        self, x: ArrayLike, X: ArrayLike | None = None, y: ArrayLike | None = None
    ) -> float:
        """The fraction of rows whose label is the likeliest one; of the problem's own rows by default."""
        if (X is None) != (y is None):
            raise ValueError("X and y belong together; give both or neither")
        labels = self.y if y is None else _labels("y", y)
        found = self.predict(x, X)
        if labels.shape != found.shape:
            raise ValueError(f"y has shape {labels.shape}, wanted {found.shape}")
        return float(np.mean(found == labels))

    def _inputs(self, X: ArrayLike) -> NDArray[np.float64]:
        inputs = finite("X", X)
        inputs = inputs[:, None] if inputs.ndim == 1 else inputs
        features = self.X.shape[1] - self.intercept
        if inputs.ndim != 2 or inputs.shape[1] != features:
            raise ValueError(f"X has shape {np.shape(X)}, wanted (rows, {features})")
        if not self.intercept:
            return inputs
        return np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)


def _surprise(z: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus the log-likelihood of each row (rows,) from its log-odds (rows, outputs)."""
    if z.shape[1] == 1:
        wrong = np.where(targets > 0, -z[:, 0], z[:, 0])
        return np.asarray(np.maximum(wrong, 0.0) + np.log1p(np.exp(-np.abs(wrong))))
    most = z.max(axis=1)
    own = z[np.arange(len(z)), targets.astype(np.intp)]
    return np.asarray(np.log(np.exp(z - most[:, None]).sum(axis=1)) + (most - own))


def _labels(name: str, values: ArrayLike) -> NDArray[Any]:
    """Labels as an array of integers, booleans or strings."""
    labels = np.asarray(values)
    if labels.dtype == object and all(isinstance(v, str) for v in labels.flat):
        labels = labels.astype(str)
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            bad = labels[~np.isfinite(labels)][0]
            raise ValueError(
                f"{name} holds {bad}; wanted labels, or finite numbers that stand for them"
            )
        if (labels != np.rint(labels)).any():
            part = labels[labels != np.rint(labels)][0]
            raise ValueError(f"{name} holds {part}; wanted labels: integers, booleans or strings")
    elif labels.dtype.kind not in "biuU":
        raise TypeError(
            f"{name} must be an array of labels: integers, booleans or strings, got {values!r:.60}"
        )
    if labels.ndim != 1:
        raise ValueError(f"{name} has shape {labels.shape}, wanted (rows,), one label for each row")
    return labels


def _check_cost(cost: Any, known: tuple[str, ...]) -> None:
    if not isinstance(cost, str) or cost not in known:
        raise ValueError(f"cost is {cost!r}, wanted one of {', '.join(map(repr, known))}")


def _sizes(problem: LinearModel) -> str:
    rows = f"{len(problem.X)} rows"
    if problem.batches is not None:
        rows += f" in batches of {problem.batches.size}"
    return f"{rows}, {problem.n_parameters} parameters"
