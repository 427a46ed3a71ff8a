"""Axes of a sweep: values of which all combinations are run, or combinations drawn at random."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count, as_generator, shown

Runs = range | NDArray[np.intp]  # runs of a sweep, by their places in it
Column = tuple[Any, ...] | NDArray[Any]  # the values of an axis
_COUNTABLE = 2**62  # combinations up to which NumPy can draw without replacement


class SampledAxes(Mapping[str, tuple[Any, ...]]):
    """Combinations for `fastgd.sweep`, one per run: run k has the k-th value of every name.

    `sample_axes` draws them; you can also give a table of your own.

    Parameters
    ----------
    values : mapping of str to sequence
        As the axes of a sweep, but all of one length, the number of runs.

    Raises
    ------
    TypeError, ValueError
        If the values are not sequences of one length.

    Examples
    --------
    >>> import fastgd as gd
    >>> runs = gd.SampledAxes({"lr": [0.1, 0.5], "momentum": [0.9, 0.0]})
    >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    >>> gd.sweep(line, gd.Momentum(), runs).iterations.shape
    (2,)
    """

    def __init__(self, values: Mapping[str, Sequence[Any] | NDArray[Any]]) -> None:
        self.checked = checked_axes(values)
        lengths = dict(zip(self.checked, self.checked.lengths, strict=True))
        if not lengths:
            raise ValueError("values is empty; wanted at least one name")
        if len(set(lengths.values())) > 1:
            raise ValueError(f"values must have one length for all names, got {lengths}")
        self.runs = next(iter(lengths.values()))

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        return self.checked[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.checked)

    def __len__(self) -> int:
        return len(self.checked)

    def __repr__(self) -> str:
        return f"SampledAxes({self.runs} runs over {', '.join(self)})"


def sample_axes(
    axes: Mapping[str, Any], samples: int, *, rng: int | np.random.Generator = 0
) -> SampledAxes:
    """Draw random combinations of the axes' values: the runs of a random search.

    A random search finds good hyperparameters with fewer runs than a grid if only some of them matter
    (Bergstra & Bengio, 2012).

    Parameters
    ----------
    axes : dict of str to sequence or distribution
        As for `fastgd.sweep`. All values of a sequence are equally likely. A distribution is any object with
        ``rvs(size=, random_state=)``, such as SciPy's ``scipy.stats.loguniform(1e-4, 1)``. If there are sequences only,
        no combination is drawn twice.
    samples : int
        Number of combinations.
    rng : int or numpy.random.Generator, default 0
        Seed or source of the draws.

    Returns
    -------
    SampledAxes
        The axes for `fastgd.sweep`.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or there are fewer combinations than samples.

    Examples
    --------
    >>> import fastgd as gd
    >>> from scipy.stats import loguniform
    >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    >>> axes = {"lr": loguniform(0.01, 1), "momentum": [0.0, 0.5, 0.9]}
    >>> out = gd.sweep(line, gd.Momentum(), gd.sample_axes(axes, 50))
    >>> out.shape, out.best(by="iterations").axes["momentum"]
    ((50,), 0.5)
    """
    if not isinstance(axes, Mapping):
        raise TypeError(f"axes must be a dict of names to values, got {type(axes).__name__}")
    if not axes:
        raise ValueError("axes is empty; wanted at least one name")
    samples, draw = as_count("samples", samples, 1), as_generator("rng", rng)
    lists = checked_axes({n: v for n, v in axes.items() if not hasattr(v, "rvs")})
    lengths = lists.lengths
    total = math.prod(lengths)
    if len(lists) == len(axes) and total < _COUNTABLE:
        if samples > total:
            raise ValueError(f"samples is {samples}, but axes have only {total} combinations")
        places = draw.choice(total, size=samples, replace=False)
        index = np.unravel_index(places, lengths)
        return SampledAxes(
            {n: taken(lists.columns[n], i) for n, i in zip(lists, index, strict=True)}
        )
    drawn: dict[str, Any] = {}
    for name, given in axes.items():
        if name in lists:
            column = lists.columns[name]
            drawn[name] = taken(column, draw.integers(len(column), size=samples))
        else:
            drawn[name] = np.asarray(given.rvs(size=samples, random_state=draw))
    return SampledAxes(drawn)


def taken(column: Column, places: NDArray[np.integer[Any]]) -> Column:
    """The values at these places."""
    return column[places] if isinstance(column, np.ndarray) else tuple(column[k] for k in places)


# --- checks -----------------------------------------------------------------------------------------


class CheckedAxes(Mapping[str, tuple[Any, ...]]):
    """Names with at least one value each; no second check is needed.

    Numbers that came as an array stay one in `columns`, vectors of numbers as its rows; as a mapping they are tuples
    like all others, which are made when they are asked for.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.columns = dict(columns)
        self._tuples: dict[str, tuple[Any, ...]] = {}

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        column = self.columns[name]
        if isinstance(column, tuple):
            return column
        if name not in self._tuples:
            listed = column.tolist()
            self._tuples[name] = tuple(listed if column.ndim == 1 else map(tuple, listed))
        return self._tuples[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many values each name has."""
        return tuple(map(len, self.columns.values()))

    def at(self, name: str, place: int) -> Any:
        """One value, as it stands in the tuple."""
        column = self.columns[name]
        if isinstance(column, tuple):
            return column[place]
        value = column[place].tolist()
        return tuple(value) if isinstance(value, list) else value


def checked_axes(axes: Any) -> CheckedAxes:
    """Axes from what a caller gave; checked ones as they are."""
    if isinstance(axes, CheckedAxes):
        return axes
    if isinstance(axes, SampledAxes):
        return axes.checked
    if not isinstance(axes, Mapping):
        raise TypeError(
            f"axes must be a dict of names to values, for example {{'lr': [0.1, 0.2]}}, "
            f"got {type(axes).__name__}"
        )
    checked = {}
    for name, values in axes.items():
        if not isinstance(name, str):
            raise TypeError(f"axes has the key {name!r}; wanted the name of a hyperparameter")
        checked[name] = _checked_values(f"axes[{name!r}]", values)
    return CheckedAxes(checked)


def _checked_values(name: str, values: Any) -> Column:
    if hasattr(values, "rvs"):
        raise TypeError(
            f"{name} is a distribution: draw from it by gd.sample_axes(axes, samples), and sweep what that returns"
        )
    try:
        if isinstance(values, str | bytes | Mapping | set) or not hasattr(values, "__len__"):
            raise TypeError
        found = _column(values) if isinstance(values, np.ndarray) else tuple(values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of values, got {shown(values)}") from None
    if not len(found):
        raise ValueError(f"{name} is empty; wanted at least one value")
    return found


def _column(values: NDArray[Any]) -> Column:
    """Numbers, or vectors of numbers, in a read-only copy; everything else as a tuple."""
    kept = np.float64 if values.dtype.kind == "f" else np.int64
    exact = values.dtype.kind in "iuf" and np.can_cast(values.dtype, kept)
    if not exact or values.ndim not in (1, 2):
        return tuple(values.tolist())
    column = np.array(values, kept, order="C", subok=False)
    column.flags.writeable = False
    return column


# --- which runs ---------------------------------------------------------------------------------------


class Places:
    """The position of every run on each axis.

    Attributes
    ----------
    given : CheckedAxes
        The axes.
    values : CheckedAxes
        The same; sampled axes hold each optimizer once here.
    shape : tuple of int
        The shape of the results.
    total : int
        The number of runs.
    paired : bool
        Whether the axes are sampled ones.
    sweep_total : int
        The number of runs of the whole sweep, of which these may be some (`SomePlaces`).
    """

    def __init__(self, axes: Any) -> None:
        self.given = self.values = checked_axes(axes)
        self.paired = isinstance(axes, SampledAxes)
        self.shape = (axes.runs,) if self.paired else self.given.lengths
        self.total = self.sweep_total = math.prod(self.shape)
        self._one_of = np.zeros(0, np.intp)  # which of several optimizers, of sampled axes
        if self.paired and "optimizer" in self.values:  # runs of one optimizer share compiled loops
            optimizers = self.given.columns["optimizer"]
            once = {id(one): one for one in optimizers}
            where = {key: k for k, key in enumerate(once)}
            self._one_of = np.array([where[id(one)] for one in optimizers], np.intp)
            columns = {**self.given.columns, "optimizer": tuple(once.values())}
            self.values = CheckedAxes(columns)

    @cached_property
    def of(self) -> dict[str, NDArray[np.intp]]:
        """By axis, the position in `values` of each run's value."""
        every = np.arange(self.total)
        return {name: np.asarray(self.positions(name, every)) for name in self.values}

    def positions(self, name: str, runs: Runs) -> slice | NDArray[np.intp]:
        """Where in `values` the values of these runs stand on one axis."""
        axis = 0 if self.paired else list(self.values).index(name)
        inner = 1 if self.paired else math.prod(self.shape[axis + 1 :])  # runs of one value
        several = self.paired and name == "optimizer"
        if isinstance(runs, range) and not several and axis == 0 and inner == 1:
            return slice(runs.start, runs.stop)
        index = np.arange(runs.start, runs.stop) if isinstance(runs, range) else runs
        if several:
            return self._one_of[index]
        found = index if inner == 1 else index // inner
        return found if axis == 0 else found % self.shape[axis]

    def numbered(self, name: str, runs: Runs) -> NDArray[np.intp]:
        """The same as an array."""
        found = self.positions(name, runs)
        return np.arange(found.start, found.stop) if isinstance(found, slice) else found

    def by_rate(self, runs: Runs) -> Runs:
        """These runs in an order in which the axis "lr" varies fastest."""
        names = list(self.values)
        if self.paired or names[-1] == "lr" or "lr" not in names:
            return runs
        inner = math.prod(self.shape[names.index("lr") + 1 :])
        if isinstance(runs, range):  # all of them
            return np.arange(self.total).reshape(-1, inner).T.reshape(-1)
        return runs[np.argsort(runs % inner, kind="stable")]

    def at(self, run: int) -> dict[str, Any]:
        """The values of one run."""
        return {name: self.values.at(name, self.of[name][run]) for name in self.values}


class SomePlaces(Places):
    """Some runs of a sweep, in one dimension; `values` has those that they take, each once.

    Parameters
    ----------
    whole : Places
        All runs.
    index : ndarray of int
        Which of them.
    """

    def __init__(self, whole: Places, index: NDArray[np.intp]) -> None:
        self.paired, self.total, self.sweep_total = True, len(index), whole.total
        self.shape = (self.total,)
        self._whole, self._index = whole, index
        self._found: dict[str, NDArray[np.intp]] = {}
        columns: dict[str, Column] = {}
        for name, column in whole.values.columns.items():
            places, self._found[name] = _distinct(whole.numbered(name, index), len(column))
            columns[name] = taken(column, places)
        self.values = CheckedAxes(columns)

    @cached_property
    def given(self) -> CheckedAxes:  # type: ignore[override]
        """The value of every run on each axis."""
        columns = self.values.columns
        return CheckedAxes({name: taken(columns[name], self._found[name]) for name in columns})

    def positions(self, name: str, runs: Runs) -> slice | NDArray[np.intp]:
        """Where in `values` the values of these runs stand on one axis."""
        found = self._found[name]
        return found[runs.start : runs.stop] if isinstance(runs, range) else found[runs]

    def by_rate(self, runs: Runs) -> Runs:
        """These runs in an order in which the axis "lr" varies fastest."""
        others = [self.numbered(name, runs) for name in self.values if name != "lr"]
        if "lr" not in self.values or not others:
            return runs
        return np.asarray(runs)[np.lexsort(others[::-1])]


def _distinct(places: NDArray[np.intp], among: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The different ones, in order, and which of them each is."""
    there = np.zeros(among, bool)
    there[places] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[places]
