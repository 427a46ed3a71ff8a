"""Axes of a sweep: values of which all combinations are run, or combinations drawn at random."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count, as_generator, shown

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
        lengths = {name: len(column) for name, column in self.checked.items()}
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
    total = math.prod(map(len, lists.values()))
    if len(lists) == len(axes) and total < _COUNTABLE:
        if samples > total:
            raise ValueError(f"samples is {samples}, but axes have only {total} combinations")
        places = draw.choice(total, size=samples, replace=False)
        index = np.unravel_index(places, tuple(map(len, lists.values())))
        return SampledAxes(
            {n: [v[k] for k in i] for (n, v), i in zip(lists.items(), index, strict=True)}
        )
    drawn: dict[str, Any] = {}
    for name, given in axes.items():
        if name in lists:
            drawn[name] = [lists[name][k] for k in draw.integers(len(lists[name]), size=samples)]
        else:
            drawn[name] = np.asarray(given.rvs(size=samples, random_state=draw))
    return SampledAxes(drawn)


# --- checks -----------------------------------------------------------------------------------------


class CheckedAxes(dict[str, tuple[Any, ...]]):
    """Names with at least one value each, in plain tuples; no second check is needed."""


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
    checked = CheckedAxes()
    for name, values in axes.items():
        if not isinstance(name, str):
            raise TypeError(f"axes has the key {name!r}; wanted the name of a hyperparameter")
        checked[name] = _checked_values(f"axes[{name!r}]", values)
    return checked


def _checked_values(name: str, values: Any) -> tuple[Any, ...]:
    if hasattr(values, "rvs"):
        raise TypeError(
            f"{name} is a distribution: draw from it by gd.sample_axes(axes, samples), and sweep what that returns"
        )
    try:
        if isinstance(values, str | bytes | Mapping | set) or not hasattr(values, "__len__"):
            raise TypeError
        found = tuple(values.tolist() if isinstance(values, np.ndarray) else values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of values, got {shown(values)}") from None
    if not found:
        raise ValueError(f"{name} is empty; wanted at least one value")
    return found


# --- which runs ---------------------------------------------------------------------------------------


class Places:
    """The position of every run on each axis.

    Attributes
    ----------
    given : mapping of str to tuple
        The axes, checked.
    values : mapping of str to tuple
        The same; sampled axes hold each optimizer once here.
    of : dict of str to ndarray of int
        By axis, the position in `values` of each run's value.
    shape : tuple of int
        The shape of the results.
    total : int
        The number of runs.
    paired : bool
        Whether the axes are sampled ones.
    """

    def __init__(self, axes: Any) -> None:
        self.given: CheckedAxes = checked_axes(axes)
        self.values: Mapping[str, tuple[Any, ...]] = self.given
        self.paired = isinstance(axes, SampledAxes)
        self.shape = (axes.runs,) if self.paired else tuple(map(len, self.given.values()))
        self.total = math.prod(self.shape)
        if not self.paired:
            grid = np.unravel_index(np.arange(self.total), self.shape) if self.shape else ()
            self.of = dict(zip(self.values, grid, strict=True))
            return
        self.of = {name: np.arange(self.total) for name in self.values}
        if "optimizer" in self.values:  # runs of one optimizer share compiled loops
            once = {id(one): one for one in self.values["optimizer"]}
            where = {key: k for k, key in enumerate(once)}
            self.of["optimizer"] = np.array([where[id(one)] for one in self.values["optimizer"]])
            self.values = {**self.values, "optimizer": tuple(once.values())}

    def at(self, run: int) -> dict[str, Any]:
        """The values of one run."""
        return {name: values[self.of[name][run]] for name, values in self.values.items()}
