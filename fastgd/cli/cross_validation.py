"""`fastgd minimize --cv`: the same descent on the rows of each fold, scored on the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastgd.cli.means import mean_text
from fastgd.cli.problem import Task
from fastgd.cli.scores import class_codes, score_names, scored
from fastgd.cli.splits import Rows
from fastgd.cli.words import ENDED, count
from fastgd.engines.protocol.outcomes import Status

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult


def cross_validated(
    task: Task, divisions: Sequence[tuple[Rows, Rows]], descended: Callable[[Task], OptimizeResult]
) -> tuple[str, bool]:
    """A line with the scores over the folds, and whether it was finished.

    Parameters
    ----------
    task : Task
    divisions : sequence of tuple of ndarray
        The rows to fit and the rows held out, for each fold.
    descended : callable
        Fits a task.

    Returns
    -------
    tuple of str and bool
    """
    found: list[dict[str, float]] = []
    ended: list[Status] = []
    for rows, held in divisions:
        part = task.of_rows(rows)
        done = descended(part)
        ended.append(Status(done.status))
        if ended[-1] == Status.INTERRUPTED:
            break
        if ended[-1] != Status.DIVERGED:
            found.append(_scores(task, part, done, held))
    values = [
        f"{name} {mean_text([scores[name] for scores in found])}"
        for name in score_names(task.columns.classes)
    ]
    many = len(divisions)
    odd = [status for status in dict.fromkeys(ended) if status != Status.CONVERGED]
    notes = [f"{ended.count(status)} of {many} {ENDED[status]}" for status in odd]
    line = (
        f"Over {count(many, 'fold')}, mean ± standard error on held out rows: {', '.join(values)}"
    )
    return "; ".join([line, *notes]), Status.INTERRUPTED not in ended


def _scores(task: Task, part: Task, done: OptimizeResult, held: Rows) -> dict[str, float]:
    """The scores of a fold's model on the rows that it was not fitted to."""
    model, truth = part.fitted(done.x), task.columns.target[held]
    if model.target.classes is not None:
        import pandas as pd  # noqa: PLC0415  (heavy)

        truth = class_codes(pd.Series(truth), model.target.classes)
    inputs = model.inputs(task.columns.frame.iloc[held])
    return scored(model, inputs, np.asarray(truth)).overall
