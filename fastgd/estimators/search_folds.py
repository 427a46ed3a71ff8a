"""Folds of a search, and the transformers of a pipeline: fitted once on each fold for each setting of their own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from fastgd.estimators.begun import TrainingRows

__all__ = ["Candidate", "Fold", "Prepared"]


@dataclass(frozen=True)
class Fold:
    """Rows to train on and rows to score, as they were given.

    Attributes
    ----------
    number : int
    X, y : array_like
        All rows.
    train, test : ndarray of int
    fit_params, score_params : dict
        Arguments that have an entry for each row, as "sample_weight", or None.
    """

    number: int
    X: Any
    y: Any
    train: Any
    test: Any
    fit_params: Mapping[str, Any]
    score_params: Mapping[str, Any]

    @cached_property
    def training(self) -> tuple[Any, Any, dict[str, Any]]:
        """Inputs, targets and arguments of `fit`."""
        return (
            _safe_indexing(self.X, self.train),
            _safe_indexing(self.y, self.train),
            _parts(self.fit_params, self.train),
        )

    def scored(self, train: bool) -> tuple[Any, Any, dict[str, Any]]:
        """Inputs, targets and arguments of the scorer."""
        rows = self.train if train else self.test
        X, y = self.training[:2] if train else self._tested
        return X, y, _parts(self.score_params, rows)

    @cached_property
    def _tested(self) -> tuple[Any, Any]:
        return _safe_indexing(self.X, self.test), _safe_indexing(self.y, self.test)


def _parts(params: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    return {n: None if v is None else _safe_indexing(v, rows) for n, v in params.items()}


@dataclass(frozen=True)
class Candidate:
    """A setting of the estimator's parameters.

    Attributes
    ----------
    number : int
    whole : estimator
        With these parameters, not fitted.
    front : hashable
        The same for candidates with the same transformers.
    """

    number: int
    whole: Any
    front: Hashable

    @classmethod
    def of(cls, number: int, estimator: Any, params: Mapping[str, Any]) -> Candidate:
        """A candidate by its parameters, which may be estimators."""
        whole = clone(estimator).set_params(**clone(params, safe=False))
        if not isinstance(whole, Pipeline):
            return cls(number, whole, ())
        last = whole.steps[-1][0]
        own = {n: v for n, v in params.items() if n != last and not n.startswith(f"{last}__")}
        return cls(number, whole, tuple((name, _key(own[name])) for name in sorted(own)))

    @property
    def transforms(self) -> bool:
        """Whether transformers come before the last step."""
        return isinstance(self.whole, Pipeline) and len(self.whole.steps) > 1

    @property
    def last(self) -> Any:
        """What the transformed rows are given to."""
        return self.whole.steps[-1][1] if isinstance(self.whole, Pipeline) else self.whole

    def fitted(self, front: Any, last: Any) -> Any:
        """The whole estimator, made of fitted parts."""
        if not isinstance(self.whole, Pipeline):
            return last
        model = clone(self.whole)
        model.steps = [*(front.steps if front is not None else ()), (model.steps[-1][0], last)]
        return model


def _key(value: Any) -> Hashable:
    """Equal for values that are surely the same."""
    try:
        hash(value)
    except TypeError:
        return "object", id(value)
    return type(value), value


class Prepared:
    """A fold behind the transformers of some candidates.

    Attributes
    ----------
    front : Pipeline or None
        The fitted transformers.
    rows : TrainingRows
        What the last step is fitted to.
    error : Exception or None
        Why the transformers could not be fitted.
    """

    def __init__(self, candidate: Candidate, fold: Fold) -> None:
        self.fold, self.front = fold, None
        self.error: Exception | None = None
        X, y, params = fold.training
        if candidate.transforms:
            self.front = clone(candidate.whole[:-1])
            try:
                X = self.front.fit_transform(X, y)
            except Exception as error:
                self.error = error
        self.rows = TrainingRows(X, y, params.get("sample_weight"))
        self.fit_params = params
