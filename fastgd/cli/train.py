"""`fastgd train`: one network by one optimizer."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

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
from fastgd.cli.task import Task
from fastgd.cli.training import REMEDY, Training, planned, train_all
from fastgd.cli.words import number
from fastgd.engines.protocol.outcomes import Status


def run(options: Namespace) -> Outcome:
    """Run `fastgd train`."""
    if len(options.optimizer) > 1:
        raise ValueError("--optimizer has several names; fastgd compare takes several")
    plan = planned(options)
    task = plan.task
    (training,) = train_all(plan)
    parts: list[str | Table] = [*plan.summary(), training.summary()]
    found: dict[str, Evaluation] = {}
    if training.usable:
        found = {part: evaluated(task, training.network, part) for part in task.parts}
    if training.status == Status.DIVERGED:
        parts.append(f"It diverged: {REMEDY}")
    elif found:
        parts.append(_scores_table(task, training, found))
        parts += class_parts(found[task.judged].found, task.target.classes, task.judged_rows)
    if plan.folder is not None:
        parts += _write(plan.folder, task, training, found, options.keep_formulas)
    return Outcome(parts, training.status != Status.INTERRUPTED)


def _scores_table(task: Task, training: Training, found: Mapping[str, Evaluation]) -> Table:
    rows = [
        [part, f"{len(task.parts[part]):,}", number(training.network.loss(*task.rows(part)))]
        + [number(value) for value in evaluation.scores.values()]
        for part, evaluation in found.items()
    ]
    return Table("", ["rows", "number", "loss", *task.score_names], rows, left=1)


def _write(
    folder: Path,
    task: Task,
    training: Training,
    found: Mapping[str, Evaluation],
    keep_formulas: bool,
) -> list[str]:
    """Records and loss curves; of a usable network also scores, predictions and the network."""
    written = []
    if len(training.history):
        written += [folder / "history.csv", folder / "loss.png"]
        write_histories(written[0], [training], named=False)
        lines = {where: (training, record) for record, where in task.records.items()}
        save_figure(written[1], curves(task, lines).plot)
    if found:
        written += [folder / "metrics.csv", folder / "predictions.csv"]
        rows = [[part, len(task.parts[part]), *e.scores.values()] for part, e in found.items()]
        write_rows(folder / "metrics.csv", ["rows", "number", *task.score_names], rows)
        predictions = found[task.judged].predictions
        write_predictions(folder / "predictions.csv", task, predictions, keep_formulas)
        written += task.model(training.network).save(folder)
    return settled(folder, "train", written)
