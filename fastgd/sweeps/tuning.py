"""`tune`: a search for the best hyperparameters with Optuna, a batch of trials as one sweep."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fastgd.checks import as_count, as_seed
from fastgd.descent.axes import SampledAxes
from fastgd.engines.protocol.outcomes import Status
from fastgd.extras import require
from fastgd.optimizers import Optimizer
from fastgd.sweeps.best import BestRun
from fastgd.sweeps.optuna_trials import attributes_of, constrain, frozen_trials, state_of
from fastgd.sweeps.parzen import batch_of_points
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.search_space import Space
from fastgd.sweeps.sweep import sweep

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import Trial

__all__ = ["Tuned", "tune"]

_CUT_SHORT = [Status.INTERRUPTED, Status.NOT_RUN, Status.MAX_SECONDS]


@dataclass(frozen=True)
class Tuned:
    """What `fastgd.tune` has found.

    Attributes
    ----------
    study : optuna.Study
        With all its trials, also those of earlier calls.
    best : BestRun or None
        The best run of this call, with its point or its trained network; None if all diverged.
    result : SweepResult
        All runs of this call, in order, as one sweep over paired axes.
    """

    study: Study
    best: BestRun | None
    result: SweepResult

    def __repr__(self) -> str:
        found = "none" if self.best is None else f"{self.best.axes}, loss {self.best.loss:g}"
        return f"Tuned: {self.result.size} trials, the best at {found}"


def tune(
    problem: Any,
    optimizer: Optimizer,
    space: Mapping[str, Any],
    n_trials: int = 100,
    *,
    batch: int = 64,
    by: Literal["loss", "metric"] = "loss",
    sampler: BaseSampler | None = None,
    storage: str | BaseStorage | None = None,
    study_name: str | None = None,
    load_if_exists: bool = False,
    seed: int = 0,
    max_seconds: float | None = None,
    **options: Any,
) -> Tuned:
    """Search for the best hyperparameters with Optuna; each batch of trials is one sweep.

    Parameters
    ----------
    problem : Problem or NetworkProblem
        As for `fastgd.sweep`.
    optimizer : Optimizer
        Has the hyperparameters that `space` does not name.
    space : dict of str to distribution or sequence
        From names of axes of `fastgd.sweep` ("lr", "momentum", "hidden", "layers.0.lr", ...) to distributions of Optuna
        or of SciPy (uniform, loguniform, randint), or to sequences of values, of which one is chosen.
    n_trials : int, default 100
        Trials of this call.
    batch : int, default 64
        Trials of a sweep. The larger it is, the less every trial knows of the others.
    by : {"loss", "metric"}, default "loss"
        The lowest loss, or the highest metric of a network.
    sampler : optuna.samplers.BaseSampler, optional
        By default a TPE sampler of fastgd's own, which draws a batch at a time; Optuna's fit their models anew for each
        trial, which often takes longer than the trial itself.
    storage : str or optuna.storages.BaseStorage, optional
        Where the study is kept, as in `optuna.create_study`; by default in memory.
    study_name : str, optional
    load_if_exists : bool, default False
        Go on with the study of this name, whose trials the sampler then knows.
    seed : int, default 0
        Of the default sampler. Seeds of networks are `rng` of the options.
    max_seconds : float, optional
        No sweep begins after so many seconds, and one under way ends.
    **options
        Arguments of `fastgd.sweep`: `max_iter`, `tol`, `rng`, `n_threads`, ...

    Returns
    -------
    Tuned
        The study, the best run with its network, and all runs.

    Raises
    ------
    MissingExtra
        If Optuna is not installed.
    TypeError, ValueError
        If an argument is invalid, or the study has another direction.

    Notes
    -----
    A run that diverged is a pruned trial, which says to samplers that others are better; from Optuna 5 on also the
    constraint "diverged" says so. A run that was interrupted is a trial that failed. After Ctrl-C the batches so far
    are returned. Values that no storage keeps, such as tuples, stand in the study as text.

    The default sampler is TPE [1]_ in all dimensions at once: it models the good and the other trials by Parzen
    estimators, and takes of many candidates that of the largest ratio. The first batch covers every dimension evenly.

    References
    ----------
    .. [1] Bergstra et al. (2011), Algorithms for hyper-parameter optimization.

    Examples
    --------
    >>> import fastgd as gd
    >>> from scipy.stats import loguniform, uniform
    >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.1])
    >>> space = {"lr": loguniform(0.01, 1), "momentum": uniform(0, 0.99)}
    >>> tuned = gd.tune(line, gd.Momentum(), space, 64, batch=32, max_iter=50)
    >>> len(tuned.study.trials), tuned.best.axes == tuned.study.best_params, tuned.best.loss < 1e-3
    (64, True, True)
    """
    require("fastgd.tune", "optuna")
    n_trials, batch = as_count("n_trials", n_trials, 1), as_count("batch", batch, 1)
    known = Space(space)
    study = _study(by, sampler, storage, study_name, load_if_exists)
    source = _Asked(study, known) if sampler is not None else _Drawn(study, known, by, seed)
    deadline = None if max_seconds is None else time.perf_counter() + max_seconds
    parts: list[SweepResult] = []
    best: BestRun | None = None
    for many in _batches(n_trials, batch):
        params = source.next(many)
        axes = SampledAxes(
            {n: known.column(n, [p[n] for p in params]) for n in known.distributions}
        )
        left = None if deadline is None else max(deadline - time.perf_counter(), 1e-9)
        out = sweep(problem, optimizer, axes, max_seconds=left, **options)
        source.tell(out, by, params)
        best = _better(best, out, by, sum(part.size for part in parts))
        parts.append(out)
        if np.isin(out.status, _CUT_SHORT).any():
            break
    return Tuned(study, best, _joined(parts, best))


def _batches(total: int, batch: int) -> Iterator[int]:
    for first in range(0, total, batch):
        yield min(batch, total - first)


def _study(by: str, sampler: Any, storage: Any, name: str | None, load: bool) -> Study:
    import optuna  # noqa: PLC0415

    if by not in ("loss", "metric"):
        raise ValueError(f"by must be 'loss' or 'metric', got {by!r:.60}")
    direction: Literal["minimize", "maximize"] = "maximize" if by == "metric" else "minimize"
    study = optuna.create_study(
        direction=direction, sampler=sampler, storage=storage, study_name=name, load_if_exists=load
    )
    if study.direction.name.lower() != direction:
        raise ValueError(
            f"the study {study.study_name!r} has the direction {study.direction.name.lower()!r}, but by={by!r} asks "
            f"for {direction!r}"
        )
    return study


# --- where trials come from ---------------------------------------------------------------------------


class _Asked:
    """Trials of a sampler of Optuna, which is asked for one after the other."""

    def __init__(self, study: Study, space: Space) -> None:
        self.study, self.space = study, space
        self.trials: list[Trial] = []

    def next(self, many: int) -> list[dict[str, Any]]:
        """The parameters of a batch."""
        self.trials = [self.study.ask(self.space.distributions) for _ in range(many)]
        return [trial.params for trial in self.trials]

    def tell(self, out: SweepResult, by: str, params: Sequence[Mapping[str, Any]]) -> None:
        """How the runs of the batch ended."""
        from optuna.trial import TrialState  # noqa: PLC0415

        values, status = getattr(out, by).tolist(), out.status.tolist()
        about = attributes_of(out)
        for trial, value, code, notes in zip(self.trials, values, status, about, strict=True):
            for name, note in notes.items():
                trial.set_user_attr(name, note)
            state = state_of(code, value)
            if state != "FAIL":
                constrain(trial, state == "PRUNED")
            told = value if state == "COMPLETE" else None
            self.study.tell(trial, told, state=None if told is not None else TrialState[state])


class _Drawn:
    """Trials of `parzen`, a batch at a time; the study gets them when they have ended."""

    def __init__(self, study: Study, space: Space, by: str, seed: int) -> None:
        self.study, self.space = study, space
        self.sign = -1.0 if by == "metric" else 1.0
        self.points, self.ranks = self._earlier()
        self.rng = np.random.default_rng([as_seed("seed", seed), len(self.points)])

    def _earlier(self) -> tuple[Any, Any]:
        """The trials of earlier calls, from the best on."""
        from optuna.trial import TrialState  # noqa: PLC0415

        ended = TrialState.COMPLETE, TrialState.PRUNED
        trials = self.study.get_trials(deepcopy=False, states=ended)
        trials = [trial for trial in trials if self.space.holds(trial.params)]
        ranks = [
            np.inf if trial.state is TrialState.PRUNED else self.sign * float(trial.value or 0.0)
            for trial in trials
        ]
        return self.space.points([trial.params for trial in trials]), np.array(ranks, float)

    def next(self, many: int) -> list[dict[str, Any]]:
        """The parameters of a batch."""
        drawn = batch_of_points(self.space.dimensions, self.points, self.ranks, many, self.rng)
        return self.space.params(drawn)

    def tell(self, out: SweepResult, by: Any, params: Sequence[Mapping[str, Any]]) -> None:
        """How the runs of the batch ended."""
        columns = {name: [one[name] for one in params] for name in self.space.distributions}
        self.study.add_trials(frozen_trials(out, by, columns, self.space.distributions))
        values = self.sign * getattr(out, by)
        values = np.where((out.status == Status.DIVERGED) | np.isnan(values), np.inf, values)
        known = ~np.isin(out.status, [Status.INTERRUPTED, Status.NOT_RUN])
        self.points = np.concatenate([self.points, self.space.points(params)[known]])
        self.ranks = np.concatenate([self.ranks, values[known]])


# --- what was found -----------------------------------------------------------------------------------


def _better(best: BestRun | None, out: SweepResult, by: Any, before: int) -> BestRun | None:
    """The better of the best so far and that of another batch, with its place among all runs."""
    try:
        found = out.best(by, over=None)
    except ValueError:  # all diverged
        return best
    found = replace(found, index=(before + found.index[0],))
    if best is None:
        return found
    ours, theirs = getattr(found, by), getattr(best, by)
    return found if (ours > theirs if by == "metric" else ours < theirs) else best


def _joined(parts: Sequence[SweepResult], best: BestRun | None) -> SweepResult:
    """All runs as one sweep."""
    first = parts[0]

    def together(name: str) -> Any:
        if getattr(first, name) is None:
            return None
        return np.concatenate([getattr(part, name) for part in parts])

    names = ("iterations", "status", "loss", "slope", "x", "metric", "history", "regime_codes")
    arrays = {name: together(name) for name in names}
    return replace(
        first,
        axes={name: [v for part in parts for v in part.axes[name]] for name in first.axes},
        regime=arrays.pop("regime_codes"),
        networks={} if best is None or best.network is None else {best.index: best.network},
        seconds=sum(part.seconds for part in parts),
        **arrays,
    )
