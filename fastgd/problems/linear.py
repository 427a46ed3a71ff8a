"""`LeastSquares`: linear regression."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.batches import checked_batches
from fastgd.checks import as_flag
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.problems.base import Array, as_points, quadratic_form, quadratic_slopes
from fastgd.problems.blocks import Blocks, Spill, joined, without_rows
from fastgd.problems.condensed import condensed_pieces, least_squares
from fastgd.problems.curvature import Curvature, of_matrix
from fastgd.problems.linear_model import FACTORS, Cost, LinearModel, check_cost
from fastgd.problems.rows import HeldRows, MappedRows, PassedRows, Rows, rows_of, targets_of

_WIDE = 64  # parameters from which on few rows take the place of X'X
_COLLINEAR = 1e-4  # ratio of singular values below which a direction nearly vanishes


class LeastSquares(LinearModel):
    """The sum of squared residuals of a linear model, y = X w + b.

    With ``statistics=True`` the sums over the rows (X'X, X'y) are computed once, in float64, and an update costs the
    same for a thousand rows as for a million; with ``statistics=False`` every update reads all rows. With `batch_size`
    an update reads the rows of one batch only (see Notes).

    Parameters
    ----------
    X : array_like of shape (rows,) or (rows, features)
        Inputs. A memory-mapped array (`numpy.memmap`) of more than 64 MiB as float64 stays in its file, see the notes.
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
    shuffle : bool or "blocks", default True
        Whether the rows are put into a new order each epoch, or stay in the given one. "blocks" is for rows in a file,
        see the notes.
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

    Where there are 64 or more parameters and at most half as many rows, an update reads the rows in any case: that
    costs less than the sums.

    Of many rows the statistics are the triangle of a QR decomposition. It is made from blocks of rows in one pass, in
    float64 whatever the dtype of `X`, and keeps the digits of columns that are nearly collinear.

    Rows in a file, which may be larger than memory, are read some at a time, with any dtype, byte order and strides.
    The statistics take one pass, when the problem is made. With ``statistics=False`` an update is a pass over the file,
    which serves all runs of a sweep. All results have the bits of the same rows in memory. The problem is pickled as
    the file's name and the place in it; unpickling refuses a file that was changed since. Ctrl-C and `max_seconds` act
    between two updates, and the threads are those of `fastgd.set_num_threads`.

    Batches are read in their order. A random order of all rows takes 12 bytes of memory for each row and reads a disk
    at random: of rows of 160 bytes some 200 times as slowly as one after the other, unless the file fits into the
    system's cache. ``shuffle="blocks"`` puts blocks of 4096 rows that lie side by side into a random order, and
    shuffles the rows of 64 blocks at a time.

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
        shuffle: bool | Literal["blocks"] = True,
        drop_last: bool = False,
        rng: int | np.random.Generator = 0,
    ) -> None:
        intercept = as_flag("intercept", intercept)
        rows = rows_of(X, targets_of(y), intercept=intercept)
        self._settle(
            rows, cost=cost, intercept=intercept, statistics=statistics, update=update, names=names,
            batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, rng=rng,
        )  # fmt: skip

    def _settle(
        self,
        rows: Rows,
        *,
        cost: Any = "1/2m",
        intercept: bool = True,
        statistics: Any = True,
        update: Any = "simultaneous",
        names: Sequence[str] | None = None,
        batch_size: Any = None,
        shuffle: Any = True,
        drop_last: Any = False,
        rng: Any = 0,
    ) -> None:
        """Take checked rows, and the arguments as they were given."""
        check_cost(cost, tuple(FACTORS))
        if not isinstance(update, str) or update not in {"simultaneous", "sequential"}:
            raise ValueError(f"update is {update!r}, wanted 'simultaneous' or 'sequential'")
        statistics = as_flag("statistics", statistics)
        self._rows, self.cost, self.intercept = rows, cost, intercept
        self.update, self._sequential = update, update == "sequential"
        self.batches = checked_batches(self.n_rows, batch_size, shuffle, drop_last, rng)
        self.statistics = statistics and self.batches is None
        self._names = self._row_names(names)
        if isinstance(self._rows, MappedRows):
            _ = self.condensed  # the one pass, which checks the numbers

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
        """Least squares of rows that come in blocks, which need not fit into memory together.

        With statistics each block is read once and forgotten. With ``statistics=False`` or a `batch_size`, which need
        the rows again and again, their numbers are written to a temporary file that is removed with the problem. Until
        then other processes can unpickle it.

        Parameters
        ----------
        blocks : iterable, or callable that returns one
            Pairs (X, y) of arrays; or with `target` tables with named columns: data frames of pandas
            (``pd.read_csv(file, chunksize=100_000)``), batches of PyArrow (``ParquetFile(file).iter_batches()``), or a
            Dask data frame. Parts that have a method `compute`, as Dask's do, are computed.
        target : str, optional
            The tables' column to predict.
        features : sequence of str, optional
            The columns that predict it; by default all others of the first block. They are the parameters' names.
        folder : path, optional
            Where the temporary file is made, if there is one; by default among the system's.
        **options
            The other arguments of `LeastSquares`.

        Returns
        -------
        LeastSquares

        Raises
        ------
        TypeError, ValueError
            If a block has not the columns of the first, holds something else than finite numbers (the message names
            block, column and row, counted from 0), or if there are no rows.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> def blocks():
        ...     for start in range(0, 1_000_000, 100_000):
        ...         x = np.arange(start, start + 100_000) / 1e6
        ...         yield x, 3 * x + 1
        >>> gd.LeastSquares.from_blocks(blocks).solution.round(6)
        array([3., 1.])
        """
        cls([0.0], [0.0], **without_rows(options))  # refuses a wrong one before a long pass
        read = Blocks(blocks, target, features)
        intercept = options.get("intercept", True)
        statistics = options.get("statistics", True) and options.get("batch_size") is None
        pairs = read.pairs(numbers=True)
        rows: Rows
        if statistics:
            rows = PassedRows(condensed_pieces(joined(pairs, intercept=intercept)))
        else:
            table = Spill(joined(pairs, intercept=False), folder).table()
            rows = rows_of(table[:, :-1], targets_of(table[:, -1]), intercept=intercept)
        problem = cls.__new__(cls)
        problem._settle(rows, **{"names": read.features, **options})
        return problem

    def __repr__(self) -> str:
        return f"LeastSquares({self._sizes()}, cost={self.cost!r}, update={self.update!r})"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    @property
    def y(self) -> NDArray[np.float64]:
        """The targets (rows,), where they are in memory."""
        if not isinstance(self._rows, HeldRows):
            raise AttributeError(f"{self!r} does not hold its rows in memory")
        return self._rows.y

    @cached_property
    def hessian(self) -> NDArray[np.float64]:
        """Second derivatives (n_parameters, n_parameters): X'X times twice the cost's factor."""
        X = self.condensed.X
        return np.asarray(self._scale(self.n_rows) * (X.T @ X))

    @cached_property
    def linear(self) -> NDArray[np.float64]:
        """X'y on the same scale: the gradient is ``hessian @ w - linear``."""
        few = self.condensed
        return np.asarray(self._scale(self.n_rows) * (few.X.T @ few.y))

    @cached_property
    def _least_squares(self) -> tuple[NDArray[np.float64], bool]:
        """The parameters of least cost, and whether columns are nearly, but not quite, collinear."""
        solution, rank, singular = least_squares(self.condensed)
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
        few, (point, collinear) = self.condensed, self._least_squares
        if collinear:
            point = np.asarray(least_squares(few, _COLLINEAR)[0])
        residuals = few.X @ point - few.y
        scale = self._scale(self.n_rows)
        gradient = scale * (few.X.T @ residuals) if collinear else None
        return point, float(0.5 * scale * np.sum(residuals**2)), gradient

    def curvature(self, x0: ArrayLike | None = None) -> Curvature:  # noqa: D102
        if not self._sequential or self.batches is not None:
            return super().curvature(x0)
        # One parameter at a time: each on a parabola of its own, and the energy falls at every one.
        return Curvature(float(self.hessian.diagonal().max()), everywhere=False)

    def local_curvature(self, x: ArrayLike) -> Curvature:  # noqa: D102
        return of_matrix(self.hessian, summed=self.n_rows)

    @cached_property
    def _few(self) -> HeldRows | None:
        """The rows, if an update costs less over them than over X'X: of n parameters, at most n/2 rows."""
        n = self.n_parameters
        if not self.statistics or self._sequential or n < _WIDE or 2 * self.n_rows > n:
            return None
        few = self.condensed
        return HeldRows(few.X, few.y)

    def _new_kernel(self, dtype: np.dtype[Any]) -> Kernel:
        if not self.statistics:
            return super()._new_kernel(dtype)
        if self._few is not None:
            return self._kernel_of(self._few, dtype)
        data = np.concatenate([self.hessian.ravel(), self.linear]).astype(dtype)
        return Kernel("quadratic", self.n_parameters, data, self._sequential)

    def slopes(self, x: Array) -> Array:  # noqa: D102
        if self._few is not None:
            return self._row_slopes(self._few, x)
        if self.statistics:
            return quadratic_slopes(self.hessian.astype(x.dtype), self.linear.astype(x.dtype), x)
        return super().slopes(x)

    def losses(self, x: Array) -> NDArray[np.float64]:
        """Losses at the points: of few rows their sum, else that of one point plus a quadratic form.

        The quadratic form avoids the cancellation in x'Hx - 2 b'x + c.
        """
        x = as_points(x, self.n_parameters)
        if self._few is not None:
            return np.asarray(self._scale(self.n_rows) * self._row_losses(self._few, x))
        point, loss, gradient = self._reference
        with np.errstate(all="ignore"):
            d = np.subtract(x, point[:, None], dtype=np.float64)
            losses = np.asarray(loss + 0.5 * quadratic_form(self.hessian, d))
            return losses if gradient is None else losses + gradient @ d
