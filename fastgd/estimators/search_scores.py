"""`Scoring`: the scores of the fits of a search and what becomes of those that fail, as in scikit-learn's searches."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Number
from traceback import format_exc
from typing import Any

from sklearn.exceptions import FitFailedWarning

from fastgd.estimators.base import warn_caller

__all__ = ["Outcome", "Scoring"]


@dataclass
class Outcome:
    """How one fit of a search ended.

    Attributes
    ----------
    seconds : float
        Of the fit: for one that trained beside others, its share of their time.
    scoring_seconds : float
    test, train : float, dict or None
        Scores; None where the fit failed.
    error : str or None
        The traceback of a fit that failed.
    messages : list of str
        What its fit warned of.
    """

    seconds: float
    scoring_seconds: float = 0.0
    test: Any = None
    train: Any = None
    error: str | None = None
    messages: list[str] = field(default_factory=list)

    def columns(self, train: bool) -> dict[str, Any]:
        """What a table of results is made from."""
        found = {
            "fit_time": self.seconds,
            "score_time": self.scoring_seconds,
            "test_scores": self.test,
        }
        return {**found, "train_scores": self.train} if train else found


@dataclass(frozen=True)
class Scoring:
    """How fitted estimators are scored.

    Attributes
    ----------
    scorer : callable
        ``scorer(estimator, X, y)`` returns a number, or a dict of them.
    error_score : float or "raise"
        The score where there is none.
    train : bool
        Whether the training rows are scored too.
    """

    scorer: Callable[..., Any]
    error_score: Any
    train: bool

    def __post_init__(self) -> None:
        if self.error_score != "raise" and not isinstance(self.error_score, Number):
            raise ValueError(f"error_score must be 'raise' or a number, got {self.error_score!r}")

    def of(self, estimator: Any, X: Any, y: Any, params: Mapping[str, Any]) -> Any:
        """The score of some rows, or a dict of scores."""
        try:
            found = self.scorer(estimator, X, y, **params)
        except Exception:
            if self.error_score == "raise":
                raise
            self._warn(format_exc())
            return self.error_score
        if isinstance(found, dict):
            return {name: self._number(value, name) for name, value in found.items()}
        return self._number(found, "scoring")

    def _number(self, value: Any, name: str) -> Any:
        if isinstance(value, str):  # several scores: the traceback of one that failed
            self._warn(value)
            return self.error_score
        with suppress(AttributeError, ValueError):
            value = value.item()
        if not isinstance(value, Number):
            raise ValueError(f"{name} must return a number, got {value!r:.60} ({type(value)})")
        return value

    def _warn(self, details: str) -> None:
        warnings.warn(
            "Scoring failed. The score on this train-test partition for these parameters will be set to "
            f"{self.error_score}. Details: \n{details}",
            UserWarning,
            stacklevel=2,
        )

    # --- fits that failed -------------------------------------------------------------------------

    def failed(self, error: Exception, seconds: float) -> Outcome:
        """The outcome of a fit that raised an error, in its handler."""
        if self.error_score == "raise":
            raise error
        return Outcome(seconds, error=format_exc())

    def fill(self, outcomes: Sequence[Outcome]) -> None:
        """Give the fits that failed the score for that, and warn of them; ValueError if all failed."""
        errors = Counter(o.error for o in outcomes if o.error is not None)
        if not errors:
            return
        failed, total = sum(errors.values()), len(outcomes)
        details = "\n".join(
            f"{'-' * 80}\n{many} fits failed with the following error:\n{error}"
            for error, many in errors.items()
        )
        if failed == total:
            raise ValueError(
                f"All the {total} fits failed. Set error_score='raise' to see where.\n\nDetails:\n{details}"
            )
        warn_caller(
            f"{failed} fits failed out of a total of {total}. Their scores are set to {self.error_score}; "
            f"error_score='raise' raises the error instead.\n\nDetails:\n{details}",
            FitFailedWarning,
        )
        some = next(o.test for o in outcomes if o.error is None)
        score = dict.fromkeys(some, self.error_score) if isinstance(some, dict) else None
        for outcome in outcomes:
            if outcome.error is not None:
                outcome.test = outcome.train = self.error_score if score is None else dict(score)
