"""How a sweep stops bad runs early: `SuccessiveHalving`, and `Hyperband` with several brackets of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count, as_seed
from fastgd.sweeps.seeds import AVERAGES

_RUNGS = 4  # after the first, where no least number of updates is given


@dataclass(frozen=True)
class Bracket:
    """Combinations that are halved together: `rungs` times, from ``1 / factor ** rungs`` of all updates on."""

    combinations: NDArray[np.intp]
    rungs: int


@dataclass(frozen=True)
class SuccessiveHalving:
    """Stop bad runs of a sweep early: all make a few updates, the best third goes on to three times as many, and so on.

    Of n combinations of the axes' values, ``n // factor ** i`` make up to ``max_iter // factor ** (s - i)`` updates in
    rung i = 0, ..., s; the last ones make all `max_iter`. There are as many rungs as leave one combination, and as give
    each run at least `min_iter` updates. What goes on goes on where it stood, with the bits that it would have alone.

    Parameters
    ----------
    min_iter : int, optional
        The fewest updates before a run is stopped; ``max_iter / factor ** 4`` by default, and at least 1.
    factor : int, default 3
        One of so many combinations goes on from each rung, to so many times the updates.
    by : {"loss", "metric"}, default "loss"
        What combinations are compared by. Of networks it is that of the validation rows, if there are any.
    over : str, optional
        The axis whose runs are judged together, by their average: by default the seeds, "rng", where there is such an
        axis. None: each run by itself. As in `SweepResult.best`, combinations of which some runs diverged come after
        those of which none did, and a run that diverged never goes on.
    average : {"mean", "median"}, default "mean"
        How to average.

    See Also
    --------
    fastgd.sweep : Takes it as `stopping`.
    fastgd.Hyperband : For runs whose order may change late.

    Notes
    -----
    The runs that are left at the end are the best only if the order of the runs at fewer updates says something about
    that at `max_iter` updates: a small learning rate is behind at first, also where it wins. Where schedules depend on
    `max_iter`, runs follow them as if they would not be stopped. A run that was stopped has the status "stopped", with
    its loss and iterations at that point; `SweepResult.best` returns none of these as long as another has a value.

    Networks go on from their parameters, the state of the optimizer, and the place in their epoch; those of all runs of
    a rung are held, which may take half of the machine's memory. Descents make at most 128 updates again at each rung.
    The GPU does not stop runs early.

    References
    ----------
    .. [1] Jamieson & Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization.
    .. [2] Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar (2018), Hyperband: a novel bandit-based approach to
       hyperparameter optimization. Its algorithm 1 has the counts of runs and updates.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.5])
    >>> axes = {"lr": np.geomspace(1e-3, 4, 81)}
    >>> halving = gd.SuccessiveHalving(min_iter=100)
    >>> out = gd.sweep(line, gd.SGD(), axes, max_iter=2700, tol=0, stopping=halving)
    >>> [(rung.updates, rung.runs) for rung in out.rungs]
    [(100, 81), (300, 27), (900, 9), (2700, 3)]
    """

    min_iter: int | None = None
    _: KW_ONLY
    factor: int = 3
    by: Literal["loss", "metric"] = "loss"
    over: str | None = "rng"
    average: Literal["mean", "median"] = "mean"

    def __post_init__(self) -> None:
        as_count("factor", self.factor, 2)
        if self.min_iter is not None:
            as_count("min_iter", self.min_iter, 1)
        if self.by not in ("loss", "metric"):
            raise ValueError(f'by must be "loss" or "metric", got {self.by!r:.60}')
        if self.average not in AVERAGES:
            raise ValueError(f'average must be "mean" or "median", got {self.average!r:.60}')
        if self.over is not None and not isinstance(self.over, str):
            raise TypeError(f"over must be the name of an axis, or None, got {self.over!r:.60}")

    def brackets(self, combinations: int, updates: int) -> Iterator[Bracket]:
        """So many combinations, whose runs make at least so many updates if they are not stopped, in brackets."""
        yield self._bracket(np.arange(combinations), self.most_rungs(updates))

    def most_rungs(self, updates: int) -> int:
        """How often the updates can be divided by the factor."""
        least = self.min_iter
        if least is None:
            least = max(1, updates // self.factor**_RUNGS)
        elif least > updates:
            raise ValueError(f"min_iter is {least:,}, but the runs make {updates:,} updates")
        return powers(self.factor, updates // least)

    def _bracket(self, combinations: NDArray[np.intp], rungs: int) -> Bracket:
        """These combinations, halved at most so many times, and no more often than leaves one of them."""
        return Bracket(combinations, min(rungs, powers(self.factor, len(combinations))))


@dataclass(frozen=True)
class Hyperband(SuccessiveHalving):
    """Stop bad runs of a sweep early, in brackets of `SuccessiveHalving` that begin with more and more updates.

    The first bracket has the most runs and stops most of them after few updates; the last one has few runs and stops
    none. So a sweep does not depend on whether the order of runs shows early. The combinations of the axes' values are
    dealt out at random, in proportion to the counts of algorithm 1 of [1]_: bracket s of s_max, ..., 0 gets
    ``ceil((s_max + 1) * factor ** s / (s + 1))``, and `runs` says how many these are in all.

    Parameters
    ----------
    min_iter : int, optional
        The fewest updates before a run is stopped; ``max_iter / factor ** 4`` by default, and at least 1. The largest
        bracket, s_max, is the number of times that `max_iter` can be divided by `factor` until it is reached.
    factor : int, default 3
        One of so many combinations goes on from each rung, to so many times the updates.
    by : {"loss", "metric"}, default "loss"
        What combinations are compared by.
    over : str, optional
        The axis whose runs are judged together, by their average; see `SuccessiveHalving`.
    average : {"mean", "median"}, default "mean"
        How to average.
    rng : int, default 0
        Seed by which combinations are dealt out.

    See Also
    --------
    fastgd.sweep : Takes it as `stopping`.
    fastgd.sample_axes : Draws combinations, as many as `runs` says.

    References
    ----------
    .. [1] Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar (2018), Hyperband: a novel bandit-based approach to
       hyperparameter optimization.

    Examples
    --------
    The brackets where `max_iter` is 81 times `min_iter`:

    >>> import fastgd as gd
    >>> hyperband = gd.Hyperband(min_iter=10)
    >>> hyperband.runs(max_iter=810)
    143
    >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.5])
    >>> axes = gd.sample_axes({"lr": np.geomspace(1e-3, 1, 5000)}, hyperband.runs(max_iter=810))
    >>> out = gd.sweep(line, gd.SGD(), axes, max_iter=810, tol=0, stopping=hyperband)
    >>> [(rung.runs, rung.updates) for rung in out.rungs if rung.rung == 0]
    [(81, 10), (34, 30), (15, 90), (8, 270), (5, 810)]
    """

    rng: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        as_seed("rng", self.rng)

    def runs(self, max_iter: int) -> int:
        """How many combinations the brackets have together, for runs of at most `max_iter` updates."""
        return sum(self._counts(self.most_rungs(as_count("max_iter", max_iter, 1))))

    def brackets(self, combinations: int, updates: int) -> Iterator[Bracket]:
        """So many combinations, whose runs make at least so many updates if they are not stopped, in brackets."""
        most = self.most_rungs(updates)
        shuffled = np.random.default_rng(self.rng).permutation(combinations)
        ends = np.cumsum(shared_out(combinations, self._counts(most)))
        for k, own in enumerate(np.split(shuffled, ends[:-1])):
            if own.size:
                yield self._bracket(np.sort(own), most - k)

    def _counts(self, most: int) -> list[int]:
        """The combinations of each bracket, from the one with the most rungs on."""
        return [-(-(most + 1) * self.factor**s // (s + 1)) for s in range(most, -1, -1)]


def powers(factor: int, number: int) -> int:
    """The largest power of `factor` that is not above a number: its exponent, 0 for numbers below 1."""
    exponent = 0
    while factor ** (exponent + 1) <= number:
        exponent += 1
    return exponent


def shared_out(many: int, weights: list[int]) -> list[int]:
    """A whole number in parts that are proportional to weights, up to rounding: the largest remainders round up."""
    total = sum(weights)
    shares = [many * weight // total for weight in weights]
    left = [many * weight % total for weight in weights]
    for k in sorted(range(len(weights)), key=lambda k: -left[k])[: many - sum(shares)]:
        shares[k] += 1
    return shares


def checked_stopping(given: Any, store: Any, executor: Any = None) -> SuccessiveHalving | None:
    """The argument `stopping` of `fastgd.sweep`, which may have no store and no executor beside it."""
    if given is not None and not isinstance(given, SuccessiveHalving):
        raise TypeError(
            "stopping must be a fastgd.SuccessiveHalving, a fastgd.Hyperband or None, "
            f"got {given!r:.60}"
        )
    if given is not None and store is not None:
        raise ValueError(
            "stopping and store exclude each other: a store runs all runs of a sweep, in parts; give one of them"
        )
    if given is not None and executor is not None:
        raise ValueError(
            "stopping and executor exclude each other: workers run all runs of a sweep, in parts; give one of them"
        )
    return given


def budget(updates: NDArray[np.int64], factor: int, left: int) -> NDArray[np.int64]:
    """The updates after which runs wait that may go on `left` times more."""
    return np.asarray(np.maximum(1, updates // factor**left), np.int64)
