"""`Logistic`: logistic and softmax regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.batches import checked_batches
from fastgd.checks import as_finite_array
from fastgd.problems.base import Array
from fastgd.problems.curvature import Curvature, of_matrix
from fastgd.problems.linear import AT_ONCE, LinearModel, check_cost


class Logistic(LinearModel):
    """Logistic regression: the negative log-likelihood of labels with linear log-odds, X W + b.

    With two labels the model is the binary one, P(second label) = 1 / (1 + exp(-(X w + b))); with K > 2 it is
    softmax regression, with weights and a constant for each label. Penalties belong to the optimizer:
    ``gd.SGD(lr=0.1, l2=1e-3)``.

    Parameters
    ----------
    X : array_like of shape (rows,) or (rows, features)
        Inputs.
    y : array_like of shape (rows,)
        Labels: integers, booleans or strings, at least two different ones. The model sorts them.
    cost : {"1/m", "sum"}, default "1/m"
        Whether the cost is the mean over the rows or their sum. In batches, "rows" are those of the batch.
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
        In the binary model, the names of the features. For softmax, the weights (features, K) row by row, then K
        intercepts: "w0:a", "w0:b", ..., "b:a", "b:b", with the labels after the colon.
    updates_per_epoch : int
        Updates of one epoch.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not match, if a number is not finite, or if there are fewer than two labels.

    Notes
    -----
    The exp of the gradient is this library's own (within 2 ulp), the same on every backend. Losses are float64,
    from the stable form of log(1 + exp(z)). For separable data there is no optimum: the weights grow without bound.

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
        check_cost(cost, ("1/m", "sum"))
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
        return f"Logistic({self._sizes()}, {len(self.classes)} classes, cost={self.cost!r})"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses (runs,) at the points `x` (n_parameters, runs), stable for log-odds of any size."""
        rows, runs = len(self.X), x.shape[1]
        points = np.ascontiguousarray(x.T, np.float64).reshape(runs, self.X.shape[1], self.outputs)
        total = np.zeros(runs)
        with np.errstate(all="ignore"):
            for start in range(0, rows, AT_ONCE):
                part = slice(start, start + AT_ONCE)
                for run, point in enumerate(points):  # a joint product could change a run's bits
                    total[run] += _surprise(self.X[part] @ point, self._targets[part]).sum()
            return self._scale(rows) * total

    def curvature(self, x0: ArrayLike | None = None) -> Curvature:  # noqa: D102
        # The residual's derivative by the log-odds, p (1 - p) or diag(p) - p p', is at most 1/4 or 1/2 (Boehning 1992).
        bound = 0.25 if self.outputs == 1 else 0.5
        found = super().curvature(x0).scaled(bound)
        return replace(found, smallest=0.0, constant=False)

    def local_curvature(self, x: ArrayLike) -> Curvature:  # noqa: D102
        share = self.predict_proba(x)
        bend = share[:, :, None] * (np.eye(len(self.classes)) - share[:, None, :])
        # Of softmax without the direction in which all log-odds grow alike, which changes nothing.
        most = len(self.classes) - 1
        free = (
            np.linalg.qr(np.eye(most + 1) - 1.0 / (most + 1))[0][:, :most]
            if most > 1
            else [[0.0], [1.0]]
        )
        bend = np.transpose(free) @ bend @ free
        blocks = np.einsum("ni,nkl,nj->ikjl", self.X, bend, self.X, optimize=True)
        size = self.X.shape[1] * most
        hessian = self._scale(len(self.X)) * blocks.reshape(size, size)
        return replace(of_matrix(hessian, summed=len(self.X)), constant=False)

    def predict_proba(self, x: ArrayLike, X: ArrayLike | None = None) -> NDArray[np.float64]:
        """Probabilities (rows, n_classes) with parameters `x` (n_parameters,), by default of the problem's rows."""
        point = as_finite_array("x", x)
        if point.shape != (self.n_parameters,):
            raise ValueError(f"x has shape {point.shape}, wanted ({self.n_parameters},)")
        inputs = self.X if X is None else self._inputs(X)
        z = inputs @ point.reshape(inputs.shape[1], self.outputs)
        z = np.concatenate([np.zeros_like(z), z], axis=1) if self.outputs == 1 else z
        odds = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def predict(self, x: ArrayLike, X: ArrayLike | None = None) -> NDArray[Any]:
        """The likeliest label of each row with parameters `x` (n_parameters,), by default of the problem's rows."""
        return np.asarray(self.classes[self.predict_proba(x, X).argmax(axis=1)])

    def accuracy(
        self, x: ArrayLike, X: ArrayLike | None = None, y: ArrayLike | None = None
    ) -> float:
        """The fraction of rows whose likeliest label is `y`, by default of the problem's rows."""
        if (X is None) != (y is None):
            raise ValueError("X and y belong together; give both or neither")
        labels = self.y if y is None else _labels("y", y)
        found = self.predict(x, X)
        if labels.shape != found.shape:
            raise ValueError(f"y has shape {labels.shape}, wanted {found.shape}")
        return float(np.mean(found == labels))

    def _inputs(self, X: ArrayLike) -> NDArray[np.float64]:
        inputs = as_finite_array("X", X)
        inputs = inputs[:, None] if inputs.ndim == 1 else inputs
        features = self.X.shape[1] - self.intercept
        if inputs.ndim != 2 or inputs.shape[1] != features:
            raise ValueError(f"X has shape {np.shape(X)}, wanted (rows, {features})")
        if not self.intercept:
            return inputs
        return np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)


def _surprise(z: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """The negative log-likelihood of each row from its log-odds (rows, outputs)."""
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
            raise ValueError(f"{name} holds {bad}; wanted labels or finite numbers")
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
