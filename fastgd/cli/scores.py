"""What predictions are worth, in numbers and words: the scores of a part of the rows, and a row for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.metrics import ClassScores, class_scores, regression_scores
from fastgd.cli.show import Table
from fastgd.cli.words import number, several

if TYPE_CHECKING:
    import pandas as pd

    from fastgd.cli.model import Model


@dataclass(frozen=True)
class Scores:
    """Scores by name and, of classes, also class by class."""

    overall: dict[str, float]
    by_class: ClassScores | None = None

    @classmethod
    def of_classes(cls, truth: NDArray[Any], guess: NDArray[Any], classes: int) -> Scores:
        """Those of predicted classes, as `class_scores` takes them."""
        each = class_scores(truth, guess, classes)
        return cls({"accuracy": each.accuracy, "F1": each.macro_f1}, each)


def score_names(classes: Sequence[Any] | None) -> list[str]:
    """The overall scores for classes, or for numbers."""
    return ["MSE", "MAE", "R²"] if classes is None else ["accuracy", "F1"]


def scored(model: Model, inputs: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """The scores of a model's predictions.

    Parameters
    ----------
    model : Model
    inputs : ndarray of shape (rows, inputs)
    truth : ndarray of shape (rows,)
        Numbers in the file's units, or numbers of classes; -1 is no class of the model.

    Returns
    -------
    Scores
    """
    classes = model.target.classes
    if classes is None:
        found = regression_scores(truth, model.values(inputs))
        return Scores(dict(zip(score_names(None), found, strict=True)))
    return Scores.of_classes(truth, model.codes(inputs), len(classes))


def class_parts(
    scores: Scores, classes: Sequence[Any] | None, rows: str, *, hint: bool = False
) -> list[str | Table]:
    """A table with a row for each class, and the classes that are never predicted.

    Parameters
    ----------
    scores : Scores
    classes : sequence, optional
    rows : str
        What rows they are of.
    hint : bool, default False
        Say which option helps where a class is never predicted.

    Returns
    -------
    list of str and Table
        Empty for numbers.
    """
    found = scores.by_class
    if found is None or classes is None:
        return []
    columns = (found.precision, found.recall, found.f1, found.support)
    cells = [
        [str(label), *(number(value, ".3f") for value in shares), f"{support:,}"]
        for label, *shares, support in zip(classes, *(c.tolist() for c in columns), strict=True)
    ]
    table = Table(f"By class, {rows}", ["class", "precision", "recall", "F1", "rows"], cells, 1)
    return [table, *_never_predicted(found, classes, hint)]


def _never_predicted(found: ClassScores, classes: Sequence[Any], hint: bool) -> list[str]:
    lost = found.never_predicted.tolist()
    if not lost:
        return []
    named = several(
        [f"{classes[k]} ({found.support[k]:,} of {found.support.sum():,} rows)" for k in lost]
    )
    more = "; --class-weight balanced makes rare classes count more" if hint else ""
    return [f"Never predicted: {named}{more}"]


def class_codes(column: pd.Series[Any], classes: Sequence[Any]) -> NDArray[np.intp]:
    """The number of each row's class; -1 for what is no class of the model.

    Parameters
    ----------
    column : pandas.Series
        Labels as a file has them: a class 1 may be read as 1.0, or as a text.
    classes : sequence
    """
    known = {_spelled(label): k for k, label in enumerate(classes)}
    return np.array([known.get(_spelled(label), -1) for label in column.to_list()], np.intp)


def _spelled(label: Any) -> str:
    """The same text for the same label."""
    if isinstance(label, bool | np.bool_) or not isinstance(label, int | float | np.number):
        return str(label).strip()
    return f"{label:.15g}"
