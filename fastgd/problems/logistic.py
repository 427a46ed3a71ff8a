"""`Logistic`: logistic and softmax regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.batches import checked_batches
from fastgd.checks import as_finite_array, as_flag
from fastgd.problems.base import Array, as_points
from fastgd.problems.blocks import Blocks, Spill, coded, joined, without_rows
from fastgd.problems.curvature import Curvature, of_matrix
from fastgd.problems.linear_model import LinearModel, check_cost
from fastgd.problems.mapped import as_mapped
from fastgd.problems.rows import (
    HeldTargets,
    MappedRows,
    MappedTargets,
    Numbers,
    Rows,
    Targets,
    rows_of,
)
from fastgd.tensors import as_array

_LABELS = 1 << 20  # of a file, looked at together


class Logistic(LinearModel):
    """Logistic regression: the negative log-likelihood of labels with linear log-odds, X W + b.

    With two labels the model is the binary one, P(second label) = 1 / (1 + exp(-(X w + b))); with K > 2 it is
    softmax regression, with weights and a constant for each label. Penalties belong to the optimizer:
    ``gd.SGD(lr=0.1, l2=1e-3)``.

    Parameters
    ----------
    X : array_like of shape (rows,) or (rows, features)
        Inputs. A memory-mapped array (`numpy.memmap`) of more than 64 MiB as float64 stays in its file: see the notes
        of `LeastSquares`.
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
        shuffle: bool | Literal["blocks"] = True,
        drop_last: bool = False,
        rng: int | np.random.Generator = 0,
    ) -> None:
        check_cost(cost, ("1/m", "sum"))
        intercept = as_flag("intercept", intercept)
        classes, targets = _classified(y)
        self._settle(
            rows_of(X, targets, intercept=intercept), classes, cost=cost, intercept=intercept, names=names,
            batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, rng=rng,
        )  # fmt: skip

    def _settle(
        self,
        rows: Rows,
        classes: NDArray[Any],
        *,
        cost: Any = "1/m",
        intercept: bool = True,
        names: Sequence[str] | None = None,
        batch_size: Any = None,
        shuffle: Any = True,
        drop_last: Any = False,
        rng: Any = 0,
    ) -> None:
        """Take checked rows, the different labels, and the arguments as they were given."""
        self._rows, self.classes, self.cost, self.intercept = rows, classes, cost, intercept
        if len(self.classes) < 2:
            raise ValueError(f"y holds one label only, {self.classes[0]!r}; wanted two or more")
        self.batches = checked_batches(self.n_rows, batch_size, shuffle, drop_last, rng)
        if isinstance(self._rows, MappedRows):
            _ = self._rows.largest  # a pass that checks the numbers
        inputs = self._row_names(names)
        self._names: tuple[str, ...] = inputs
        if len(self.classes) > 2:
            self.outputs, self._kind = len(self.classes), "softmax"
            self._names = tuple(f"{name}:{label}" for name in inputs for label in self.classes)
        else:
            self._kind = "logistic"

    @classmethod
    def from_blocks(
        cls,
        blocks: Any,
        *,
        target: str | None = None,
        features: Sequence[str] | None = None,
        folder: str | PathLike[str] | None = None,
        **options: Any,
    ) -> Self:
        """Logistic regression of rows that come in blocks, which need not fit into memory together.

        Every update reads the rows again. So their numbers are written to a temporary file on the one pass over the
        blocks. It has 8 bytes for each number, which are read in a hundredth of the time of parsing text. It is removed
        with the problem; until then other processes can unpickle that.

        Parameters
        ----------
        blocks : iterable, or callable that returns one
            As for `LeastSquares.from_blocks`.
        target : str, optional
            The tables' column with the labels.
        features, folder
            As for `LeastSquares.from_blocks`.
        **options
            The other arguments of `Logistic`.

        Returns
        -------
        Logistic

        Raises
        ------
        TypeError, ValueError
            As for `LeastSquares.from_blocks`.

        Examples
        --------
        >>> import pandas as pd
        >>> import fastgd as gd
        >>> frame = pd.DataFrame({"hours": [0.5, 1.0, 1.5, 2.0], "passed": ["no", "yes", "no", "yes"]})
        >>> exam = gd.Logistic.from_blocks([frame[:2], frame[2:]], target="passed")
        >>> exam, exam.parameter_names
        (Logistic(4 rows, 2 parameters, 2 classes, cost='1/m'), ('hours', 'b'))
        """
        cls([0.0, 1.0], [0, 1], **without_rows(options))  # refuses a wrong one before a long pass
        read = Blocks(blocks, target, features)
        pairs, numbers = coded(read.pairs(numbers=False), partial(_labels, "y"))
        table = Spill(joined(pairs, intercept=False), folder).table()
        classes, first = np.unique(np.array(list(numbers)), return_index=True)
        places = np.argsort(first)
        codes = as_mapped("y", table[:, -1])
        targets: Targets
        if codes is None:
            targets = HeldTargets(places[table[:, -1].astype(np.intp)])
        else:
            targets = MappedTargets(codes, places=places)
        rows = rows_of(table[:, :-1], targets, intercept=options.get("intercept", True))
        problem = cls.__new__(cls)
        problem._settle(rows, classes, **{"names": read.features, **options})
        return problem

    def __repr__(self) -> str:
        return f"Logistic({self._sizes()}, {len(self.classes)} classes, cost={self.cost!r})"

    @property
    def y(self) -> NDArray[Any]:
        """The label of each row."""
        return np.asarray(self.classes[self._rows.part(slice(None))[1].astype(np.intp)])

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses (runs,) at the points `x` (n_parameters, runs), stable for log-odds of any size."""
        x = as_points(x, self.n_parameters)
        self._rows.check()
        return np.asarray(self._scale(self.n_rows) * self._row_losses(self._rows, x))

    def curvature(self, x0: ArrayLike | None = None) -> Curvature:  # noqa: D102
        # The residual's derivative by the log-odds, p (1 - p) or diag(p) - p p', is at most 1/4 or 1/2 (Boehning 1992).
        bound = 0.25 if self.outputs == 1 else 0.5
        found = super().curvature(x0).scaled(bound)
        return replace(found, smallest=0.0, constant=False)

    def local_curvature(self, x: ArrayLike) -> Curvature:  # noqa: D102
        # Of softmax without the direction in which all log-odds grow alike, which changes nothing.
        most = len(self.classes) - 1
        free = (
            np.linalg.qr(np.eye(most + 1) - 1.0 / (most + 1))[0][:, :most]
            if most > 1
            else [[0.0], [1.0]]
        )
        width = self._rows.width
        blocks = np.zeros((width, most, width, most))

        def of_part(X: Numbers, _: Numbers) -> Any:
            share = self._shares(x, X)
            bend = share[:, :, None] * (np.eye(len(self.classes)) - share[:, None, :])
            return np.einsum(
                "ni,nkl,nj->ikjl", X, np.transpose(free) @ bend @ free, X, optimize=True
            )

        for block in self._over_parts(of_part):
            blocks += block
        hessian = self._scale(self.n_rows) * blocks.reshape(width * most, width * most)
        return replace(of_matrix(hessian, summed=self.n_rows), constant=False)

    def predict_proba(self, x: ArrayLike, X: ArrayLike | None = None) -> NDArray[np.float64]:
        """Probabilities (rows, n_classes) with parameters `x` (n_parameters,), by default of the problem's rows."""
        if X is not None:
            return self._shares(x, self._inputs(X))
        return np.concatenate(list(self._over_parts(lambda part, _: self._shares(x, part))))

    def _shares(self, x: ArrayLike, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (rows, n_classes) of rows with the intercept's ones."""
        point = as_finite_array("x", x)
        if point.shape != (self.n_parameters,):
            raise ValueError(f"x has shape {point.shape}, wanted ({self.n_parameters},)")
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
        if y is None:

            def right(part: Numbers, codes: Numbers) -> int:
                return int(np.count_nonzero(self._shares(x, part).argmax(axis=1) == codes))

            return sum(self._over_parts(right)) / self.n_rows
        labels, found = _labels("y", y), self.predict(x, X)
        if labels.shape != found.shape:
            raise ValueError(f"y has shape {labels.shape}, wanted {found.shape}")
        return float(np.mean(found == labels))

    def _inputs(self, X: ArrayLike) -> NDArray[np.float64]:
        inputs = as_finite_array("X", X)
        inputs = inputs[:, None] if inputs.ndim == 1 else inputs
        features = self._rows.width - self.intercept
        if inputs.ndim != 2 or inputs.shape[1] != features:
            raise ValueError(f"X has shape {np.shape(X)}, wanted (rows, {features})")
        if not self.intercept:
            return inputs
        return np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)


def _classified(y: ArrayLike) -> tuple[NDArray[Any], Targets]:
    """The different labels, sorted, and for each row the place of its label among them."""
    mapped = as_mapped("y", y)
    if mapped is None:
        classes, codes = np.unique(_labels("y", y), return_inverse=True)
        return classes, HeldTargets(codes.astype(np.min_scalar_type(len(classes))))
    found = _labels("y", mapped.array[:0])
    for start in range(0, len(mapped), _LABELS):
        part = _labels("y", mapped.array[start : start + _LABELS])
        found = np.union1d(found, part)
    return found, MappedTargets(mapped, found)


def _labels(name: str, values: ArrayLike) -> NDArray[Any]:
    """Labels as an array of integers, booleans or strings."""
    labels = np.asarray(as_array(name, values))
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
