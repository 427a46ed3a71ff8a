"""The rows of a linear model: inputs with a column of ones, and targets, in memory or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import as_finite_array, as_real_array
from fastgd.engines.rows import in_order
from fastgd.problems.condensed import Condensed, are_few, block_rows, condensed
from fastgd.problems.mapped import Mapped, as_mapped

Numbers = NDArray[np.float64]
Result = TypeVar("Result")
Which = slice | NDArray[np.integer[Any]]


class Targets(Protocol):
    """A number for each row."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows,) if there is one for each."""

    def part(self, which: Which) -> Numbers:
        """Those of some rows."""


class HeldTargets:
    """Targets in memory, which nobody can write to."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values
        values.flags.writeable = False

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        return self.values.shape

    def part(self, which: Which) -> Numbers:  # noqa: D102
        return self.values[which].astype(np.float64, copy=False)


class MappedTargets:
    """Targets in a file.

    Parameters
    ----------
    mapped : Mapped
    classes : ndarray, optional
        Sorted labels, if there are labels in the file: their places are the targets.
    places : ndarray, optional
        The targets by the number in the file, if there are numbers of labels.
    """

    def __init__(
        self,
        mapped: Mapped,
        classes: NDArray[Any] | None = None,
        places: NDArray[Any] | None = None,
    ) -> None:
        self.mapped, self.classes, self.places = mapped, classes, places

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        return self.mapped.array.shape

    def part(self, which: Which) -> Numbers:  # noqa: D102
        values = self.mapped.array[which]
        if self.classes is not None:
            values = np.searchsorted(self.classes, values)
        elif self.places is not None:
            values = self.places[values.astype(np.intp)]
        return values.astype(np.float64)


class HeldRows:
    """Rows in memory."""

    def __init__(self, X: Numbers, y: Numbers) -> None:
        self.X, self.y = X, y
        # Kernels hold copies of them.
        self.X.flags.writeable = self.y.flags.writeable = False

    def __len__(self) -> int:
        return len(self.X)

    @property
    def width(self) -> int:
        """Numbers of an input row."""
        return int(self.X.shape[1])

    def part(self, which: Which) -> tuple[Numbers, Numbers]:
        """Inputs and targets of some rows."""
        return self.X[which], self.y[which]

    def check(self) -> None:
        """Nothing can have happened to them."""

    @cached_property
    def condensed(self) -> Condensed:
        """A few rows with the same least squares."""
        rows, width = len(self), self.width + 1
        if are_few(rows, width):
            return Condensed(self.X, self.y, rows)
        return condensed(rows, width, self._both, lambda _: None)

    def _both(self, which: slice) -> Numbers:
        return np.column_stack(self.part(which))


class MappedRows:
    """Rows in a file, of which some at a time are in memory."""

    def __init__(self, inputs: Mapped, targets: Targets, *, intercept: bool) -> None:
        self.inputs, self.targets, self.intercept = inputs, targets, intercept

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def width(self) -> int:
        """Numbers of an input row, the one of the intercept among them."""
        return self._features + self.intercept

    @property
    def _features(self) -> int:
        return int(np.prod(self.inputs.array.shape[1:], dtype=int))

    def part(self, which: Which) -> tuple[Numbers, Numbers]:
        """Inputs and targets of some rows."""
        table = self._both(which)
        return table[:, :-1], table[:, -1]

    def _both(self, which: Which) -> Numbers:
        found = self.inputs.array[which]
        table = np.empty((len(found), self.width + 1))
        table[:, : self._features] = found.reshape(len(found), -1)
        if self.intercept:
            table[:, -2] = 1.0
        table[:, -1] = self.targets.part(which)
        return table

    def check(self) -> None:
        """Refuse files that have been cut."""
        self.inputs.check()
        if isinstance(self.targets, MappedTargets):
            self.targets.mapped.check()

    @cached_property
    def condensed(self) -> Condensed:
        """A few rows with the same least squares, found by one pass, which refuses numbers that are not finite."""
        self.check()
        rows, width, whole = len(self), self.width + 1, slice(None)
        if are_few(rows, width):
            self._refuse(whole)
            x, y = self.part(whole)
            return Condensed(np.ascontiguousarray(x), y.copy(), rows)
        return condensed(rows, width, self._both, self._refuse)

    @cached_property
    def largest(self) -> float:
        """At least the largest absolute value of a number, found by a pass, which refuses those that are not finite."""
        if "condensed" in self.__dict__:
            return self.condensed.largest
        self.check()
        many = block_rows(self.width + 1)

        def of_block(start: int) -> float:
            which = slice(start, start + many)
            table = self._both(which)
            found = max(float(table.max()), -float(table.min()))  # NaN is passed on
            if not np.isfinite(found):
                self._refuse(which)
            return found

        return max(in_order(of_block, range(0, len(self), many)))

    def _refuse(self, which: slice) -> None:
        """Name the first number of these rows that is not finite, if there is one."""
        table = self._both(which)
        if not np.isfinite(table).all():
            row, column = np.argwhere(~np.isfinite(table))[0]
            name = "y" if column == table.shape[1] - 1 else "X"
            raise ValueError(
                f"{name} holds {table[row, column]} in row {row + (which.start or 0):,}; "
                "wanted finite numbers only"
            )


class PassedRows:
    """Rows that came once, of which a few with the same least squares are left."""

    def __init__(self, found: Condensed) -> None:
        self.condensed = found

    def __len__(self) -> int:
        return self.condensed.rows

    @property
    def width(self) -> int:
        """Numbers of an input row, the one of the intercept among them."""
        return int(self.condensed.X.shape[1])

    @property
    def largest(self) -> float:
        """The largest absolute value of a number."""
        return self.condensed.largest

    def part(self, which: Which) -> tuple[Numbers, Numbers]:
        """They are gone."""
        raise ValueError("the rows came in blocks and were not kept")

    def check(self) -> None:
        """Nothing can happen to them."""


Rows = HeldRows | MappedRows | PassedRows


def rows_of(X: ArrayLike, targets: Targets, *, intercept: bool) -> Rows:
    """Rows of checked inputs: a float64 copy in C order, or a file that is too large for one."""
    mapped = as_mapped("X", X)
    inputs = as_finite_array("X", X) if mapped is None else as_real_array("X", mapped.array)
    if inputs.ndim not in {1, 2} or 0 in inputs.shape:
        raise ValueError(
            f"X has shape {np.shape(X)}, wanted (rows,) or (rows, features), none of them 0"
        )
    rows = len(inputs)
    if targets.shape != (rows,):
        raise ValueError(
            f"y has shape {targets.shape}, wanted ({rows},), one target for each row of X"
        )
    if mapped is not None:
        return MappedRows(mapped, targets, intercept=intercept)
    inputs = inputs[:, None] if inputs.ndim == 1 else inputs
    if intercept:
        inputs = np.concatenate([inputs, np.ones((rows, 1))], axis=1)
    values = targets.part(slice(None))
    return HeldRows(
        inputs, values if isinstance(targets, HeldTargets) else as_finite_array("y", values)
    )


def targets_of(y: ArrayLike) -> Targets:
    """Checked numbers for the rows; numbers in a file are checked as they are read."""
    mapped = as_mapped("y", y)
    if mapped is None:
        return HeldTargets(as_finite_array("y", y))
    as_real_array("y", mapped.array)
    return MappedTargets(mapped)


def over_parts(
    rows: Rows, many: int, work: Callable[[Numbers, Numbers], Result]
) -> Iterator[Result]:
    """The results of `work` on inputs and targets, `many` rows at a time, in order.

    Rows in a file are read and worked on by several threads.
    """
    starts = range(0, len(rows), many)

    def of_part(start: int) -> Result:
        return work(*rows.part(slice(start, start + many)))

    return map(of_part, starts) if isinstance(rows, HeldRows) else in_order(of_part, starts)
