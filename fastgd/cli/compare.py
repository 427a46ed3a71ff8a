"""`fastgd compare`: one network by several optimizers."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastgd.cli.evaluation import (
    curves,
    evaluated,
    write_histories,
    write_predictions,
    write_rows,
)
from fastgd.cli.files import save_figure, settled
from fastgd.cli.means import mean_and_error, mean_text
from fastgd.cli.repeats import (
    Judged,
    columns_of,
    lost,
    lost_among,
    named,
    of_one_seed,
    outcomes,
    pooled,
)
from fastgd.cli.scores import class_parts
from fastgd.cli.show import Outcome, Table
from fastgd.cli.splits import TRAINED, VALIDATED
from fastgd.cli.training import REMEDY, Plan, Training, is_finished, planned, train_all
from fastgd.cli.words import count, number
from fastgd.engines.protocol.outcomes import Status

Groups = Mapping[str, Sequence[Judged]]


def run(options: Namespace) -> Outcome:
    """Run `fastgd compare`."""
    plan = planned(options)
    trials = plan.question.trials
    trainings = train_all(plan, trials)
    done = [Judged(t, evaluated(t, t.task.judged) if t.usable else None) for t in trainings]
    by_name = {name: [j for j in done if j.training.name == name] for name in plan.optimizers}
    groups = {name: group for name, group in by_name.items() if group}
    parts: list[str | Table] = [*plan.summary(trainings[0].task), _table(plan, groups)]
    if plan.several:
        parts += [lost_among(name, group) for name, group in groups.items() if lost(group)]
    merits = {name: _merit(group) for name, group in groups.items()}
    best = min(merits, key=merits.__getitem__)
    usable = math.isfinite(merits[best])
    if usable:
        parts += _about_best(best, groups[best], merits[best])
    elif all(training.status == Status.DIVERGED for training in trainings):
        parts.append(f"All of them diverged: {REMEDY}")
    finished = is_finished(plan, trainings, len(trials))
    if plan.folder is not None:
        written = _write_trainings(plan.folder, groups)
        if usable:
            chosen = groups[best][0].training
            if finished and plan.question.final is not None:
                alone = replace(plan, optimizers={best: plan.optimizers[best]})
                chosen = train_all(alone, [plan.question.final])[0]
                rows = count(len(chosen.task.parts[TRAINED]), "row")
                parts.append(f"The network to keep, trained on {rows}: {chosen.summary()}")
            if chosen.usable:
                written += _write_best(plan.folder, chosen, groups, options.keep_formulas)
        parts += settled(plan.folder, "compare", written)
    return Outcome(parts, finished)


def _merit(group: Sequence[Judged]) -> float:
    """The loss by which the best is chosen: the mean, infinite if a network of them cannot be used."""
    values = [
        judged.training.at(judged.training.task.watched[0]) if judged.evaluation else math.nan
        for judged in group
    ]
    mean = sum(values) / len(values)
    return math.inf if math.isnan(mean) else mean


def _about_best(name: str, group: Sequence[Judged], merit: float) -> list[str | Table]:
    """Which optimizer is the best, and how well its networks predict each class."""
    task, trials = group[0].training.task, [judged.training.task.trial for judged in group]
    over = f" over {named(trials)}" if len(group) > 1 else ""
    line = f"Best by its {task.watched[1]} loss{over}: {name} ({merit:.6g})"
    scores, rows = pooled(of_one_seed(group)), task.judged_rows
    if scores is None or scores.by_class is None:
        return [line]
    if task.trial.fold is not None:
        rows = f"{count(int(scores.by_class.support.sum()), 'row')}, each held out once"
    hint = task.weights is None
    return [line, *class_parts(scores, task.target.classes, f"{name}, {rows}", hint=hint)]


# --- the table --------------------------------------------------------------------------------------


def _row(judged: Judged) -> dict[str, Any]:
    """A training as a row of the comparison, by column."""
    training, evaluation = judged.training, judged.evaluation
    task = training.task

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


def _means(group: Sequence[Judged]) -> dict[str, Any]:
    """The trainings of an optimizer as one row: the values of each column that is a number."""
    rows = [_row(judged) for judged in group]
    row = {name: [row[name] for row in rows] for name in rows[0]}
    return {
        **row,
        "optimizer": rows[0]["optimizer"],
        "rate": rows[0]["rate"],
        "outcome": outcomes(group),
    }


def _table(plan: Plan, groups: Groups) -> Table:
    """A row for each optimizer."""
    first = next(iter(groups.values()))[0].training.task
    if not plan.several:
        rows = [_row(group[0]) for group in groups.values()]
        texts = [
            [
                v if isinstance(v, str) else number(v, ".3g" if name == "seconds" else ".6g")
                for name, v in row.items()
            ]
            for row in rows
        ]
        title = f"{', '.join(first.score_names)}: on the {first.judged_rows}"
        return Table(title, list(rows[0]), texts, left=1)
    means = [_means(group) for group in groups.values()]
    what = ["optimizer", "rate", *first.score_names, "outcome"]
    what[-1:-1] = [name for name in ("validation loss", "training loss") if name in means[0]]
    what += ["epochs", "seconds"]
    texts = [[_mean_cell(name, row[name]) for name in what] for row in means]
    over, scores = named(plan.question.trials), ", ".join(first.score_names)
    title = f"Over {over}, mean ± standard error; {scores}: on {first.judged} rows"
    return Table(title, what, texts, left=1, dispensable=3)


def _mean_cell(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return number(value)
    return (
        number(mean_and_error(value)[0], ".3g")
        if name in ("epochs", "seconds")
        else mean_text(value)
    )


# --- files ------------------------------------------------------------------------------------------


def _write_trainings(folder: Path, groups: Groups) -> list[Path]:
    """The table, all records, and loss curves."""
    written = [folder / "comparison.csv"]
    done = [judged for group in groups.values() for judged in group]
    several = len(done) > len(groups)
    rows = [_row(judged) for judged in done]
    if several:
        trials = [judged.training.task.trial for judged in done]
        rows = [columns_of(row, trial) for row, trial in zip(rows, trials, strict=True)]
        written.append(folder / "trials.csv")
        write_rows(written[1], rows[0], [list(row.values()) for row in rows])
        rows = [_mean_columns(group) for group in groups.values()]
    write_rows(written[0], rows[0], [list(row.values()) for row in rows])
    recorded = [judged.training for judged in done if len(judged.training.history)]
    if recorded:
        written += [folder / "history.csv", folder / "comparison.png"]
        keys = ["optimizer"] + (["seed", "fold"] if several else [])
        keys = [key for key in keys if recorded[0].key(key) is not None]
        write_histories(written[-2], recorded, keys)
        _draw(written[-1], recorded, several)
    return written


def _mean_columns(group: Sequence[Judged]) -> dict[str, Any]:
    """Means, and behind each its standard error."""
    row: dict[str, Any] = {}
    for name, value in _means(group).items():
        row[name] = value
        if isinstance(value, list):
            row[name], row[f"{name} se"] = mean_and_error(value)
    return row


def _draw(path: Path, recorded: Sequence[Training], several: bool) -> None:
    """The losses of each optimizer, of several trials the first."""
    first: dict[str, Training] = {}
    for training in recorded:
        first.setdefault(training.name, training)
    task = recorded[0].task
    which = ""
    if several:
        fold = "" if task.trial.fold is None else f", fold {task.trial.fold}"
        which = f"; seed {task.trial.seed}{fold}"
    displays = [
        curves({name: (done, record) for name, done in first.items()}, f", {where}{which}")
        for record, where in task.records.items()
    ]
    if any(display.spans_decades for display in displays):  # all on one kind of scale
        displays = [replace(display, scale="log") for display in displays]
    save_figure(path, *(display.plot for display in displays))


def _write_best(folder: Path, chosen: Training, groups: Groups, keep_formulas: bool) -> list[Path]:
    """The predictions of all networks for the rows that they were not trained on, and the network to keep."""
    path = folder / "predictions.csv"
    parts = []
    for k, judged in enumerate(of_one_seed(next(iter(groups.values())))):
        found = {name: group[k].evaluation for name, group in groups.items() if len(group) > k}
        guesses = {name: e.predictions["predicted"] for name, e in found.items() if e is not None}
        if guesses:
            parts.append((judged.training.task, guesses))
    write_predictions(path, parts, keep_formulas)
    return [path, *chosen.task.model(chosen.network).save(folder)]
