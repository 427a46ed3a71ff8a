"""`fastgd compare`: one network by several optimizers."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastgd.cli.evaluation import (
    Evaluation,
    curves,
    evaluated,
    write_histories,
    write_predictions,
    write_rows,
)
from fastgd.cli.files import save_figure, settled
from fastgd.cli.scores import class_parts
from fastgd.cli.show import Outcome, Table
from fastgd.cli.task import VALIDATED, Task
from fastgd.cli.training import REMEDY, Training, planned, train_all
from fastgd.cli.words import number
from fastgd.engines.protocol.outcomes import Status


def run(options: Namespace) -> Outcome:
    """Run `fastgd compare`."""
    plan = planned(options)
    task = plan.task
    trainings = train_all(plan)
    usable = [training for training in trainings if training.usable]
    found = {t.name: evaluated(task, t.network, task.judged) for t in usable}
    rows = [_row(task, training, found.get(training.name)) for training in trainings]
    parts: list[str | Table] = [*plan.summary(), _table(task, rows)]
    best = min(usable, key=lambda training: _merit(task, training), default=None)
    if best is not None:
        merit = _merit(task, best)
        parts.append(f"Best by its {task.watched[1]} loss: {best.name} ({merit:.6g})")
        parts += class_parts(
            found[best.name].found, task.target.classes, f"{best.name}, {task.judged_rows}"
        )
    elif all(training.status == Status.DIVERGED for training in trainings):
        parts.append(f"All of them diverged: {REMEDY}")
    if plan.folder is not None:
        written = _write_trainings(plan.folder, task, trainings, rows)
        if best is not None:
            written += _write_best(plan.folder, task, best, found, options.keep_formulas)
        parts += settled(plan.folder, "compare", written)
    finished = len(trainings) == len(plan.optimizers)
    return Outcome(parts, finished and trainings[-1].status != Status.INTERRUPTED)


def _merit(task: Task, training: Training) -> float:
    """The loss by which the best is chosen."""
    value = training.at(task.watched[0])
    return math.inf if math.isnan(value) else value


def _row(task: Task, training: Training, evaluation: Evaluation | None) -> dict[str, Any]:
    """A row of the comparison, by column."""

    def at(record: str) -> float:
        return training.at(record) if training.usable else math.nan

    scores = {} if evaluation is None else evaluation.scores
    row = {
        "optimizer": training.name,
        "rate": training.optimizer.lr,
        "outcome": training.outcome,
        "epochs": training.epochs,
        "epoch kept": at("epoch"),
        "seconds": training.seconds,
        "training loss": at("loss"),
    }
    if VALIDATED in task.parts:
        row["validation loss"] = at("val_loss")
    return row | {name: scores.get(name, math.nan) for name in task.score_names}


def _table(task: Task, rows: list[dict[str, Any]]) -> Table:
    texts = [
        [
            v if isinstance(v, str) else number(v, ".3g" if name == "seconds" else ".6g")
            for name, v in row.items()
        ]
        for row in rows
    ]
    title = f"{', '.join(task.score_names)}: on the {task.judged_rows}"
    return Table(title, list(rows[0]), texts, left=1)


def _write_trainings(
    folder: Path, task: Task, trainings: list[Training], rows: list[dict[str, Any]]
) -> list[Path]:
    """The table, all records, and loss curves."""
    written = [folder / "comparison.csv"]
    write_rows(written[0], rows[0], [list(row.values()) for row in rows])
    recorded = [training for training in trainings if len(training.history)]
    if recorded:
        written += [folder / "history.csv", folder / "comparison.png"]
        write_histories(written[1], recorded, named=True)
        displays = [
            curves(task, {done.name: (done, record) for done in recorded}, f", {where}")
            for record, where in task.records.items()
        ]
        if any(display.spans_decades for display in displays):  # all on one kind of scale
            displays = [replace(display, scale="log") for display in displays]
        save_figure(written[2], *(display.plot for display in displays))
    return written


def _write_best(
    folder: Path, task: Task, best: Training, found: Mapping[str, Evaluation], keep_formulas: bool
) -> list[Path]:
    """The predictions of all networks, and the best network."""
    path = folder / "predictions.csv"
    guesses = {name: evaluation.predictions["predicted"] for name, evaluation in found.items()}
    write_predictions(path, task, guesses, keep_formulas)
    return [path, *task.model(best.network).save(folder)]
