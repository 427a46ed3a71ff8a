"""`fastgd train`: one network by one optimizer."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
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
from fastgd.cli.means import mean_text
from fastgd.cli.repeats import Judged, lost, named, of_one_seed, pooled
from fastgd.cli.scores import class_parts
from fastgd.cli.show import Outcome, Table
from fastgd.cli.training import REMEDY, Training, is_finished, planned, train_all
from fastgd.cli.words import count, number
from fastgd.engines.protocol.outcomes import Status


def run(options: Namespace) -> Outcome:
    """Run `fastgd train`."""
    if len(options.optimizer) > 1:
        raise ValueError("--optimizer has several names; fastgd compare takes several")
    plan = planned(options)
    question = plan.question
    trials = question.trials if question.final is None else [question.final, *question.trials]
    done = train_all(plan, trials)
    training, task = done[0], done[0].task
    repeats = [] if not plan.several else _judged(done if question.final is None else done[1:])
    parts: list[str | Table] = [*plan.summary(task), training.summary()]
    found: dict[str, Evaluation] = {}
    if training.usable:
        found = {part: evaluated(training, part) for part in task.parts}
    if training.status == Status.DIVERGED:
        parts.append(f"It diverged: {REMEDY}")
    elif found:
        parts.append(_scores_table(training, found))
    parts += _about_repeats(repeats)
    if question.final is not None:
        parts += _by_class(repeats)
    elif found:
        scores, rows, hint = found[task.judged].found, task.judged_rows, task.weights is None
        parts += class_parts(scores, task.target.classes, rows, hint=hint)
    if plan.folder is not None:
        parts += _write(plan.folder, training, found, repeats, options.keep_formulas)
    return Outcome(parts, is_finished(plan, done, len(trials)))


def _judged(done: Sequence[Training]) -> list[Judged]:
    return [Judged(t, evaluated(t, t.task.judged) if t.usable else None) for t in done]


def _scores_table(training: Training, found: Mapping[str, Evaluation]) -> Table:
    task = training.task
    rows = [
        [part, f"{len(task.parts[part]):,}", number(training.network.loss(*task.rows(part)))]
        + [number(value) for value in evaluation.scores.values()]
        for part, evaluation in found.items()
    ]
    return Table("", ["rows", "number", "loss", *task.score_names], rows, left=1)


def _about_repeats(repeats: Sequence[Judged]) -> list[str]:
    """The scores over seeds or folds."""
    if not repeats:
        return []
    task = repeats[0].training.task
    scores = [judged.evaluation.scores for judged in repeats if judged.evaluation is not None]
    trials = [judged.training.task.trial for judged in repeats]
    values = ", ".join(
        f"{name} {mean_text([s[name] for s in scores])}" for name in task.score_names
    )
    missing = lost(repeats)
    notes = f"; {missing} of {count(len(repeats), 'training')} diverged" if missing else ""
    return [f"Over {named(trials)}, mean ± standard error on {task.judged} rows: {values}{notes}"]


def _by_class(repeats: Sequence[Judged]) -> list[str | Table]:
    """A table of all rows, each by the network that was not trained on it."""
    scores = pooled(of_one_seed(repeats)) if repeats else None
    if scores is None or scores.by_class is None:
        return []
    rows = f"{count(int(scores.by_class.support.sum()), 'row')}, each held out once"
    task = repeats[0].training.task
    return class_parts(scores, task.target.classes, rows, hint=task.weights is None)


def _write(
    folder: Path,
    training: Training,
    found: Mapping[str, Evaluation],
    repeats: Sequence[Judged],
    keep_formulas: bool,
) -> list[str]:
    """Records and loss curves; of a usable network also scores, predictions and the network."""
    written, task = [], training.task
    if len(training.history):
        written += [folder / "history.csv", folder / "loss.png"]
        write_histories(written[0], [training])
        lines = {where: (training, record) for record, where in task.records.items()}
        save_figure(written[1], curves(lines).plot)
    if found:
        written += [folder / "metrics.csv", folder / "predictions.csv"]
        rows: list[Sequence[Any]] = [
            [part, len(task.parts[part]), *e.scores.values()] for part, e in found.items()
        ]
        rows += [_metrics(judged) for judged in repeats if judged.training is not training]
        write_rows(folder / "metrics.csv", ["rows", "number", *task.score_names], rows)
        each_once = (
            [j for j in of_one_seed(repeats) if j.training.task.trial.fold] if repeats else []
        )
        predictions = [
            (j.training.task, j.evaluation.predictions)
            for j in each_once
            if j.evaluation is not None
        ] or [(task, found[task.judged].predictions)]
        write_predictions(folder / "predictions.csv", predictions, keep_formulas)
        written += task.model(training.network).save(folder)
    return settled(folder, "train", written)


def _metrics(judged: Judged) -> list[Any]:
    """The scores of one of several trainings."""
    task = judged.training.task
    where = f"{task.judged}, seed {task.trial.seed}"
    if task.trial.fold is not None:
        where += f", fold {task.trial.fold}"
    scores = {} if judged.evaluation is None else judged.evaluation.scores
    return [where, len(task.parts[task.judged]), *(scores.get(name) for name in task.score_names)]
