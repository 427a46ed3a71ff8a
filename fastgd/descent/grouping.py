"""The runs of a request as an engine takes them: in groups that share a rule and differ in numbers only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_number
from fastgd.descent.axes import Places
from fastgd.engines.layout import PENALTIES
from fastgd.engines.protocol.steps import Method
from fastgd.engines.protocol.sweeps import Descents
from fastgd.engines.registry import RULES
from fastgd.optimizers import NAG, Optimizer
from fastgd.optimizers.loops import methods, schedule_of
from fastgd.schedules import as_schedule

_NO_HYPERPARAMETERS = ("optimizer", "x0", "rng")


def grouped_descents(
    optimizer: Optimizer,
    places: Places,
    starts: NDArray[Any],
    begin: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[NDArray[np.intp], Descents]]:
    """Groups of runs with one rule, and the index of each run in the sweep; of all runs, or of those that `begin`."""
    chosen = np.ones(places.total, bool) if begin is None else begin
    optimizers = places.values.get("optimizer", (optimizer,))
    which = places.of.get("optimizer", np.zeros(places.total, np.intp))
    for k, given in enumerate(optimizers):
        one = given.fresh()  # a used optimizer's schedule would start at its last step
        own_runs = np.flatnonzero((which == k) & chosen)
        if not own_runs.size:
            continue
        for index, method, schedules, rate_of in _methods(one, places, own_runs):
            runs = _descents(one, method, starts[:, index], len(index))
            runs.schedules, runs.rate_of = schedules, rate_of
            yield index, runs


def _methods(
    optimizer: Optimizer, places: Places, own_runs: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], Method, list[Any] | None, NDArray[np.int64]]]:
    columns: dict[str, Any] = {}
    for name, values in places.values.items():
        if name not in _NO_HYPERPARAMETERS:
            numbers = _first_rates(values) if name == "lr" else _column(values)
            columns[name] = numbers[places.of[name][own_runs]]
    rates = places.values.get("lr", (schedule_of(optimizer) or optimizer.lr,))
    schedules = [as_schedule(rate) for rate in rates] if any(map(callable, rates)) else None
    rate_of = places.of["lr"] if "lr" in places.values else np.zeros(places.total, np.intp)
    if not columns:
        columns["lr"] = np.full(len(own_runs), optimizer.lr)
    for chosen, method in methods(optimizer, columns):
        index = own_runs[chosen]
        yield index, method, schedules, rate_of[index].astype(np.int64)


def _first_rates(rates: Sequence[Any]) -> NDArray[np.float64]:
    """The rates of the first step; engines follow schedules from there."""
    if set(map(type, rates)) == {float}:
        return np.array(rates, np.float64)
    return np.array([_first_rate(rate) for rate in rates], np.float64)


def _first_rate(rate: Any) -> float:
    if callable(rate) and not isinstance(rate, Optimizer):  # which SciPy may call
        return as_schedule(rate)(0)
    return as_number("lr", rate)


def _column(values: Sequence[Any]) -> NDArray[Any]:
    """One entry per value, of any kind; the optimizer's fields check them."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError):  # pairs mixed with other values
        column = np.empty(len(values), object)
        for k, value in enumerate(values):
            column[k] = value
        return column


def _descents(optimizer: Optimizer, method: Method, starts: NDArray[Any], runs: int) -> Descents:
    """A method with its numbers as rows, one column per run."""
    lookahead = isinstance(optimizer, NAG)
    rule = RULES["momentum"] if lookahead else method.rule
    state = [np.broadcast_to(method.initial.get(name, 0.0), runs) for name in rule.state]
    shared = None
    if method.prepared:
        clip = np.broadcast_to(method.clip_norm, runs)
        rows = [clip, np.full(runs, method.norm_eps)] if np.isfinite(clip).any() else []
        shared = np.vstack([np.broadcast_to(method.shared.reshape(6, -1), (6, runs)), *rows])
    return Descents(
        rule,
        method.coefficients,
        np.arange(runs),
        starts,
        np.broadcast_to(method.hyper.reshape(len(method.hyper), -1), (len(method.hyper), runs)),
        np.array(state, np.float64).reshape(len(rule.state), runs),
        _minimized(method, runs, lookahead=lookahead),
        shared,
        lookahead=lookahead,
    )


def _minimized(method: Method, runs: int, *, lookahead: bool) -> NDArray[np.float64]:
    """What the runs minimize, one column per run.

    A run that looks ahead and whose weights decay apart from the gradient rests beside the point where that is taken:
    no slope tells.
    """
    columns = np.array(np.broadcast_to(method.minimized.reshape(PENALTIES, -1), (PENALTIES, runs)))
    if lookahead:
        columns[3] = np.where(method.shared[5] > 0, np.nan, 0.0)
    return columns
