"""Runs of a sweep as trials of Optuna, which its plots, importances and dashboard read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Regime, Status
from fastgd.extras import require
from fastgd.text import printable

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

__all__ = ["as_study", "attributes_of", "frozen_trials", "state_of"]

_LOG = 100.0  # values above 0 whose largest is so many times the smallest are seen on a logarithmic scale
_UNFINISHED = (Status.NOT_RUN, Status.INTERRUPTED)
By = Literal["loss", "metric"]


def as_study(
    out: Any, by: By, distributions: Mapping[str, Any] | None, study: Study | None
) -> Study:
    """The runs of a sweep as trials of a study, a new one or one that is given."""
    require("SweepResult.to_optuna", "optuna")
    import optuna  # noqa: PLC0415

    if by not in ("loss", "metric") or (by == "metric" and out.metric is None):
        raise ValueError(
            f"by must be 'loss', or for networks 'metric', got {by!r} for a sweep of {out.problem}"
        )
    direction: Literal["minimize", "maximize"] = "maximize" if by == "metric" else "minimize"
    if study is None:
        study = optuna.create_study(direction=direction)
    elif study.direction.name.lower() != direction:
        raise ValueError(
            f"study has the direction {study.direction.name.lower()!r}, but {by!r} asks for {direction!r}"
        )
    columns = {n: [_primitive(value) for value in values] for n, values in out.shown_axes.items()}
    places = np.indices(out.shape).reshape(len(out.shape), -1)
    at = {name: places[0 if out.paired else k] for k, name in enumerate(columns)}
    known = {n: _distribution(values) for n, values in columns.items()} | dict(distributions or {})
    params = {name: [values[k] for k in at[name]] for name, values in columns.items()}
    study.add_trials(frozen_trials(out, by, params, {n: known[n] for n in columns}))
    return study


def _primitive(value: Any) -> Any:
    """A value as Optuna's storages keep it."""
    plain = isinstance(value, (bool, int, float, str)) or value is None
    return value if plain else printable(str(value))


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    """From which an axis with these values may have been drawn."""
    from optuna import distributions as of  # noqa: PLC0415

    kinds = set(map(type, values))
    finite = kinds <= {int, float} and all(map(math.isfinite, values))
    if not finite:
        return of.CategoricalDistribution(list(dict.fromkeys(values)))
    low, high = min(values), max(values)
    log = low > 0 and high >= _LOG * low
    if kinds == {int}:
        return of.IntDistribution(low, high, log=log)
    return of.FloatDistribution(float(low), float(high), log=log)


def frozen_trials(
    out: Any,
    by: By,
    params: Mapping[str, Sequence[Any]],
    distributions: Mapping[str, BaseDistribution],
) -> list[FrozenTrial]:
    """A finished trial for each run; `params` has a column of their parameters for each name."""
    from optuna.trial import FrozenTrial, TrialState  # noqa: PLC0415

    status = out.status.ravel()
    values = getattr(out, by).ravel()
    ended = datetime.now()
    began = ended - timedelta(seconds=out.seconds)
    rows = zip(*params.values(), strict=True) if params else [()] * out.size
    trials = []
    for k, (row, about) in enumerate(zip(rows, attributes_of(out), strict=True)):
        state = state_of(int(status[k]), float(values[k]))
        trial = FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState[state],
            value=float(values[k]) if state == "COMPLETE" else None,
            datetime_start=began,
            datetime_complete=ended,
            params=dict(zip(params, row, strict=True)),
            distributions=dict(distributions),
            user_attrs=about,
            system_attrs={},
            intermediate_values={},
        )
        if state != "FAIL":
            constrain(trial, state == "PRUNED")
        trials.append(trial)
    return trials


def state_of(status: int, value: float) -> str:
    """The state of a trial: PRUNED for a run that diverged, from which samplers learn; FAIL where nothing is known."""
    if status in _UNFINISHED:
        return "FAIL"
    return "COMPLETE" if status != Status.DIVERGED and math.isfinite(value) else "PRUNED"


def constrain(trial: Any, diverged: bool) -> None:
    """Note on a trial whether its run diverged: a constraint, which is kept where it is not above 0."""
    if hasattr(trial, "set_constraint"):  # Optuna 5
        trial.set_constraint("diverged", float(diverged))


def attributes_of(out: Any) -> list[dict[str, Any]]:
    """What is noted of each run."""
    columns: dict[str, NDArray[Any] | list[Any]] = {
        "iterations": out.iterations,
        "loss": out.loss,
        "metric": out.metric if out.metric is not None else np.zeros(0),
    }
    lists = {name: np.ravel(column).tolist() for name, column in columns.items()}
    lists["status"] = [Status(code).label for code in out.status.ravel().tolist()]
    lists["regime"] = [Regime(code).label for code in out.regime_codes.ravel().tolist()]
    known = {name: column for name, column in lists.items() if len(column) == out.size}
    rows = [dict(zip(known, row, strict=True)) for row in zip(*known.values(), strict=True)]
    for row in rows:  # JSON has no numbers that are not finite
        for name in ("loss", "metric"):
            if name in row and not math.isfinite(row[name]):
                row[name] = None
    return rows
