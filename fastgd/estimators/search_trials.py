"""`Trials`: the fits of a search, candidates by folds, side by side where they can be and one by one on threads."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone

from fastgd.estimators.base import NetworkEstimator
from fastgd.estimators.begun import Begun, trains_beside_others
from fastgd.estimators.search_folds import Candidate, Fold, Prepared
from fastgd.estimators.search_scores import Outcome, Scoring
from fastgd.estimators.side_by_side import Together, dealt_out

__all__ = ["Trials"]

_LOOK_EVERY = 0.1  # seconds between two looks for Ctrl-C
_AT_A_TIME = 2048  # fits whose networks are in memory


@dataclass(frozen=True, eq=False)
class _Trial:
    """A candidate on a fold."""

    candidate: Candidate
    prepared: Prepared


class Trials:
    """All fits of a search.

    Parameters
    ----------
    estimator : estimator
    candidates : sequence of dict
    folds : sequence of Fold
    scoring : Scoring
    threads : int
    verbose : int

    Attributes
    ----------
    together : int
        How many fits trained beside others.
    """

    def __init__(  # noqa: PLR0917  (of one search)
        self,
        estimator: Any,
        candidates: Sequence[Mapping[str, Any]],
        folds: Sequence[Fold],
        scoring: Scoring,
        threads: int,
        verbose: int,
    ) -> None:
        self.estimator, self.params, self.folds = estimator, candidates, folds
        self.scoring, self.threads, self.verbose = scoring, threads, verbose
        self.stopped, self.together = False, 0
        self.outcomes: dict[tuple[int, int], Outcome] = {}

    def run(self) -> list[Outcome]:
        """Fit and score all; outcomes by candidate, and of each by fold."""
        candidates = [
            Candidate.of(k, self.estimator, params) for k, params in enumerate(self.params)
        ]
        with ThreadPoolExecutor(self.threads, thread_name_prefix="fastgd-search") as pool:
            try:
                trials = self._prepared(pool, candidates)
                for first in range(0, len(trials), _AT_A_TIME):
                    self._fit(pool, trials[first : first + _AT_A_TIME])
            finally:
                self.stopped = True
                pool.shutdown(cancel_futures=True)
        return [self.outcomes[c.number, f.number] for c in candidates for f in self.folds]

    def _prepared(self, pool: ThreadPoolExecutor, candidates: Sequence[Candidate]) -> list[_Trial]:
        """Candidates on folds, with their transformers fitted."""
        made: dict[tuple[Hashable, int], Future[Prepared]] = {}
        for candidate in candidates:
            for fold in self.folds:
                key = candidate.front, fold.number
                if key not in made:
                    made[key] = pool.submit(Prepared, candidate, fold)
        self._wait(list(made.values()))
        return [
            _Trial(c, made[c.front, fold.number].result())
            for c in candidates
            for fold in self.folds
        ]

    def _fit(self, pool: ThreadPoolExecutor, trials: Sequence[_Trial]) -> None:
        """Fit and score some of the trials."""
        begun = {fit: trial for trial in trials if (fit := self._begun(trial)) is not None}
        together = dealt_out(list(begun), self.threads)
        side_by_side = {begun[fit] for one in together for fit in one.fits}
        self.together += len(side_by_side)
        work = [pool.submit(self._do_together, one, begun) for one in together]
        work += [pool.submit(self._do, trial) for trial in trials if trial not in side_by_side]
        self._wait(work)

    def _wait(self, work: Sequence[Future[Any]]) -> None:
        """Wait for all, and raise the first error; Ctrl-C comes between two looks."""
        left = set(work)
        while left:
            done, left = wait(left, timeout=_LOOK_EVERY, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()

    # --- fits -------------------------------------------------------------------------------------

    def _begun(self, trial: _Trial) -> Begun | None:
        """The fit of a trial that can train beside others; None for one that is fitted alone."""
        only_weights = trial.prepared.fit_params.keys() <= {"sample_weight"}
        if trial.prepared.error or not only_weights:
            return None
        if not trains_beside_others(trial.candidate.last):
            return None
        try:
            return trial.prepared.rows.begin(clone(trial.candidate.last))
        except Exception:  # `fit` will raise it again, where it is told
            return None

    def _do_together(self, one: Together, begun: Mapping[Begun, _Trial]) -> None:
        started = time.perf_counter()
        ended = one.train(lambda: self.stopped)
        seconds = (time.perf_counter() - started) / len(ended)
        for fit, well in zip(one.fits, ended, strict=True):
            trial = begun[fit]
            if self.stopped:
                return
            if well:
                model = trial.candidate.fitted(trial.prepared.front, fit.estimator)
                self._score(trial, model, Outcome(seconds, messages=fit.messages()))
            else:
                self._do(trial)  # it diverged, of which `fit` tells

    def _do(self, trial: _Trial) -> None:
        """Fit alone."""
        if self.stopped:
            return
        started = time.perf_counter()
        try:
            model = self._fitted(trial)
        except Exception as error:
            outcome = self.scoring.failed(error, time.perf_counter() - started)
            self._take(trial, outcome)
            return
        self._score(trial, model, Outcome(time.perf_counter() - started))

    def _fitted(self, trial: _Trial) -> Any:
        prepared, candidate = trial.prepared, trial.candidate
        if prepared.error is not None:
            raise prepared.error
        last = clone(candidate.last)
        if isinstance(last, NetworkEstimator) and last.n_threads is None:
            last.n_threads = 1  # every thread has a fit
        last.fit(prepared.rows.X, prepared.rows.y, **prepared.fit_params)
        return candidate.fitted(prepared.front, last)

    # --- scores -----------------------------------------------------------------------------------

    def _score(self, trial: _Trial, model: Any, outcome: Outcome) -> None:
        started, fold = time.perf_counter(), trial.prepared.fold
        X, y, params = fold.scored(train=False)
        outcome.test = self.scoring.of(model, X, y, params)
        outcome.scoring_seconds = time.perf_counter() - started
        if self.scoring.train:
            X, y, params = fold.scored(train=True)
            outcome.train = self.scoring.of(model, X, y, params)
        self._take(trial, outcome)

    def _take(self, trial: _Trial, outcome: Outcome) -> None:
        number, fold = trial.candidate.number, trial.prepared.fold.number
        self.outcomes[number, fold] = outcome
        if self.verbose > 1:
            seconds = outcome.seconds + outcome.scoring_seconds
            score = "failed" if outcome.error else f"score {outcome.test}"
            print(  # noqa: T201
                f"[{len(self.outcomes)}/{len(self.params) * len(self.folds)}] {dict(self.params[number])}, "
                f"fold {fold}: {score}, {seconds:.2g} s"
            )
