"""`SweepSearchCV`: a search over parameters whose fits are runs of few sweeps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs, parallel_config
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterGrid, ParameterSampler, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags, indexable
from sklearn.utils.validation import _num_samples

from fastgd.checks import as_count
from fastgd.engines import config
from fastgd.estimators.base import NetworkEstimator, warn_caller
from fastgd.estimators.search_folds import Fold
from fastgd.estimators.search_scores import Outcome, Scoring
from fastgd.estimators.search_trials import Trials
from fastgd.names import suggesting

__all__ = ["SweepSearchCV"]


class SweepSearchCV(BaseSearchCV):  # type: ignore[misc]
    """Search over the parameters of an estimator with cross-validation, many fits at a time.

    The interface and the results are those of scikit-learn's `GridSearchCV` and `RandomizedSearchCV`. The networks of
    `MLPClassifier` and `MLPRegressor` train side by side as in `fastgd.sweep`: candidates of one architecture and size
    of batches are lanes of the same vectors, each stops at its own epoch, and has the weights that it has alone.

    Parameters
    ----------
    estimator : estimator
        An estimator of fastgd, a `Pipeline` that ends in one, or any other, whose fits are distributed over threads.
    param_space : dict or list of dict
        From names of parameters to lists of values; with `n_iter` also to distributions, which have a method ``rvs``.
    n_iter : int or None, default None
        Number of candidates that are drawn from `param_space`; None tries all combinations.
    scoring : str, callable, list, tuple, dict or None, default None
    n_jobs : int or None, default None
        Number of threads, -1 for one on each processor; None takes that of `fastgd.set_num_threads`.
    refit : bool, str or callable, default True
    cv : int, splitter, iterable or None, default None
    verbose : int, default 0
        1 prints how many fits there are, 2 also a line for each.
    error_score : "raise" or float, default nan
    return_train_score : bool, default False
    random_state : int, RandomState instance or None, default None
        Draws the candidates, if `n_iter` is given.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        A column for each parameter, fold and score, as in `GridSearchCV`. The time of a fit that trained beside others
        is its share of their time.
    best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, refit_time_, multimetric_, classes_, \
n_features_in_, feature_names_in_
        As in `GridSearchCV`.
    fits_together_ : int
        How many of the fits trained beside others.

    See Also
    --------
    fastgd.sweep : A network over any axes, without cross-validation.

    Notes
    -----
    Fits train one by one, on all threads, where they are more than updates of a network until its loss stops falling:
    with `early_stopping`, callbacks, the solver "lbfgs", an optimizer that has groups, or several outputs of
    `MLPRegressor`. So do large networks, which fill vectors by themselves, and linear models. The results are the same.
    A fit that diverges side by side is repeated alone, for the error that it raises.

    In a `Pipeline` the transformers before the last step are fitted once for each fold and each setting of their own
    parameters. With ``random_state=None``, every fit has a generator of its own.

    If metadata routing is enabled or the search itself has callbacks, scikit-learn's own loop makes the fits, on
    threads.

    Examples
    --------
    >>> from fastgd import MLPClassifier, SweepSearchCV
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier(hidden_layer_sizes=(8,), max_iter=300, tol=1e-2, random_state=0)
    >>> rates = {"learning_rate_init": [1e-3, 1e-2, 3e-2], "alpha": [1e-4, 1e-2]}
    >>> search = SweepSearchCV(clf, rates, cv=3).fit(X, y)
    >>> len(search.cv_results_["params"]), search.fits_together_
    (6, 18)
    """

    @suggesting
    def __init__(
        self,
        estimator: Any,
        param_space: Any,
        *,
        n_iter: int | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_space = param_space
        self.n_iter = n_iter
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, **params: Any) -> Self:
        """Fit all candidates on all folds, and the best one on all rows.

        Parameters
        ----------
        X : array_like of shape (n, features)
        y : array_like of shape (n,) or (n, outputs), optional
        **params
            Arguments of the estimator's `fit`, such as `sample_weight`, divided like the rows; `groups` is for `cv`.

        Returns
        -------
        SweepSearchCV
            The search itself.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, or all fits failed.

        Warns
        -----
        sklearn.exceptions.FitFailedWarning
            If some fits failed; their scores are `error_score`.
        sklearn.exceptions.ConvergenceWarning
            If epochs of some fits ran out, with their number.
        """
        candidates = self._candidates()
        threads = self._threads()
        if not self._has_own_loop(y, params):
            with parallel_config(backend="threading", n_jobs=threads):
                self.fits_together_ = 0
                super().fit(X, y, **params)
            return self
        scorer, metric = self._get_scorers()
        X, y = indexable(X, y)
        folds = self._folds(X, y, params)
        if self.verbose > 0:
            many = f"{len(folds)} folds, {len(candidates)} candidates"
            print(f"{many}: {len(folds) * len(candidates)} fits")  # noqa: T201
        scoring = Scoring(scorer, self.error_score, self.return_train_score)
        trials = Trials(self.estimator, candidates, folds, scoring, threads, self.verbose)
        outcomes = trials.run()
        scoring.fill(outcomes)
        _warn(outcomes)
        self.fits_together_ = trials.together
        self.n_splits_ = len(folds)
        columns = [outcome.columns(self.return_train_score) for outcome in outcomes]
        self.cv_results_ = self._format_results(candidates, len(folds), columns)
        self._choose(outcomes[0].test, metric)
        self.scorer_ = getattr(scorer, "_scorers", scorer)  # several are a dict
        if self.refit:
            self._refit(X, y, params)
        return self

    # --- what is asked ----------------------------------------------------------------------------

    def _candidates(self) -> list[dict[str, Any]]:
        """The settings of parameters, in order."""
        if self.n_iter is not None:
            many = as_count("n_iter", self.n_iter, 1)
            return list(ParameterSampler(self.param_space, many, random_state=self.random_state))
        for grid in (
            [self.param_space] if isinstance(self.param_space, Mapping) else self.param_space
        ):
            for name, values in grid.items():
                if hasattr(values, "rvs"):
                    raise ValueError(
                        f"param_space[{name!r}] is a distribution: n_iter must say how many candidates are drawn"
                    )
        return list(ParameterGrid(self.param_space))

    def _run_search(self, evaluate_candidates: Any, **about: Any) -> None:
        """All candidates at once, for scikit-learn's loop."""
        evaluate_candidates(self._candidates(), **about)

    def _threads(self) -> int:
        """How many threads `n_jobs` asks for."""
        if self.n_jobs is None or self.n_jobs > 0:
            return config.get_num_threads(self.n_jobs)
        return int(effective_n_jobs(self.n_jobs))

    def _has_own_loop(self, y: Any, params: Mapping[str, Any]) -> bool:
        """Whether the fits are run here, and not by scikit-learn's loop."""
        of_fit = params.keys() - {"groups"}
        piped = isinstance(self.estimator, Pipeline)
        last = self.estimator.steps[-1][1] if piped else self.estimator
        return (
            y is not None
            and isinstance(last, NetworkEstimator)
            and not (piped and of_fit)
            and not get_config()["enable_metadata_routing"]
            and not getattr(self, "_skl_callbacks", None)
            and not get_tags(self.estimator).input_tags.pairwise
        )

    def _folds(self, X: Any, y: Any, params: Mapping[str, Any]) -> list[Fold]:
        routed = self._get_routed_params_for_fit(dict(params))
        rows = _num_samples(X)
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits: Iterable[Any] = splitter.split(X, y, **routed.splitter.split)
        fit, score = routed.estimator.fit, routed.scorer.score
        for name, value in fit.items():
            if value is not None and np.ndim(value) and _num_samples(value) != rows:
                raise ValueError(f"{name} must have {rows} entries as X has rows, got {len(value)}")
        folds = [Fold(k, X, y, train, test, fit, score) for k, (train, test) in enumerate(splits)]
        if not folds:
            raise ValueError("cv gives no folds")
        return folds

    # --- what is found ----------------------------------------------------------------------------

    def _choose(self, score: Any, metric: Any) -> None:
        """The best candidate; `score` is one of the scores, a number or a dict."""
        self.multimetric_ = isinstance(score, dict)
        if self.multimetric_ and callable(self.scoring):
            self._check_refit_for_multimetric(score)
            metric = self.refit
        if self.multimetric_ and not self.refit:
            return
        self.best_index_ = self._select_best_index(self.refit, metric, self.cv_results_)
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        if not callable(self.refit):
            self.best_score_ = self.cv_results_[f"mean_test_{metric}"][self.best_index_]

    def _refit(self, X: Any, y: Any, params: Mapping[str, Any]) -> None:
        """Fit the best candidate on all rows."""
        best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        started = time.time()
        best.fit(X, y, **{name: v for name, v in params.items() if name != "groups"})
        self.refit_time_ = time.time() - started
        self.best_estimator_ = best
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_


def _warn(outcomes: Sequence[Outcome]) -> None:
    """Of what the fits that trained beside others warn of, each message once."""
    messages = Counter(message for outcome in outcomes for message in outcome.messages)
    for message, many in messages.items():
        warn_caller(f"{many} of {len(outcomes)} fits: {message}", ConvergenceWarning)
