"""Scores of predictions, in NumPy: the numbers that `sklearn.metrics` gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def regression_scores(truth: NDArray[Any], guess: NDArray[Any]) -> list[float]:
    """Mean squared error, mean absolute error and R²; of one row or of equal values there is no R².

    Parameters
    ----------
    truth, guess : ndarray of shape (rows,)

    Returns
    -------
    list of float

    Examples
    --------
    >>> import numpy as np
    >>> regression_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0]))
    [1.3333333333333333, 0.6666666666666666, -1.0]
    """
    with np.errstate(all="ignore"):
        error = truth - guess
        spread = np.sum((truth - truth.mean()) ** 2)
        share = 1 - np.sum(error**2) / spread if spread > 0 else math.nan
        return [float(np.mean(error**2)), float(np.mean(np.abs(error))), float(share)]


@dataclass(frozen=True)
class ClassScores:
    """How well each class was predicted.

    Attributes
    ----------
    precision, recall, f1 : ndarray of shape (classes,)
        A share of no rows is 0, as with ``zero_division=0``.
    support, predicted : ndarray of shape (classes,)
        Rows that are of the class, and rows that were said to be.
    accuracy : float
    """

    precision: Float
    recall: Float
    f1: Float
    support: NDArray[np.intp]
    predicted: NDArray[np.intp]
    accuracy: float

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that occur or were predicted."""
        there = (self.support + self.predicted) > 0
        return float(np.mean(self.f1[there]))

    @property
    def never_predicted(self) -> NDArray[np.intp]:
        """The classes that occur and are predicted for no row."""
        return np.flatnonzero((self.support > 0) & (self.predicted == 0))


def class_scores(truth: NDArray[Any], guess: NDArray[Any], classes: int) -> ClassScores:
    """The scores of predicted classes.

    Parameters
    ----------
    truth, guess : ndarray of int of shape (rows,)
        Numbers of classes; a truth of -1 is of no known class, and always wrong.
    classes : int

    Returns
    -------
    ClassScores

    Examples
    --------
    >>> import numpy as np
    >>> found = class_scores(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1]), 3)
    >>> found.recall.tolist(), found.accuracy, found.never_predicted.tolist()
    ([0.5, 1.0, 0.0], 0.5, [2])
    """
    right = truth == guess
    hits = np.bincount(truth[right], minlength=classes)
    support = np.bincount(truth[truth >= 0], minlength=classes)
    predicted = np.bincount(guess, minlength=classes)
    return ClassScores(
        precision=_shares(hits, predicted),
        recall=_shares(hits, support),
        f1=_shares(2 * hits, support + predicted),
        support=support,
        predicted=predicted,
        accuracy=float(np.mean(right)),
    )


def _shares(part: NDArray[np.intp], whole: NDArray[np.intp]) -> Float:
    return np.asarray(part / np.maximum(whole, 1), np.float64)
