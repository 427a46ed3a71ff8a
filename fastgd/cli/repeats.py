"""Several trainings of the same network, by seeds or folds: means, standard errors, and what all of them predict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgd.cli.evaluation import Evaluation
from fastgd.cli.scores import Scores
from fastgd.cli.splits import Trial
from fastgd.cli.training import Training
from fastgd.cli.words import count


@dataclass(frozen=True)
class Judged:
    """A training, and what its network is worth on the judged rows; None if it diverged."""

    training: Training
    evaluation: Evaluation | None


def named(trials: Sequence[Trial]) -> str:
    """What the trials are, for example ``5 folds`` or ``3 seeds x 5 folds``."""
    seeds, folds = len({trial.seed for trial in trials}), len({trial.fold for trial in trials})
    parts = [count(seeds, "seed")] if seeds > 1 or trials[0].fold is None else []
    return " x ".join(parts + ([] if trials[0].fold is None else [count(folds, "fold")]))


def outcomes(done: Sequence[Judged]) -> str:
    """How the trainings ended."""
    found = Counter(judged.training.outcome for judged in done)
    return ", ".join(f"{many} {outcome}" for outcome, many in found.items())


def lost(done: Sequence[Judged]) -> int:
    """How many of the trainings have no network that can be used."""
    return sum(judged.evaluation is None for judged in done)


def lost_among(name: str, done: Sequence[Judged]) -> str:
    """What the means of an optimizer leave out: a narrow terminal has no room for the outcomes."""
    others = "" if lost(done) == len(done) else "; its means are those of the others"
    return f"{name}: {lost(done)} of {count(len(done), 'training')} diverged{others}."


def pooled(done: Sequence[Judged]) -> Scores | None:
    """The scores of all judged rows together, class by class; None for numbers, or if nothing is usable."""
    usable = [judged for judged in done if judged.evaluation is not None]
    classes = done[0].training.task.target.classes
    if classes is None or not usable:
        return None
    known = {label: k for k, label in enumerate(classes)}
    truth, guess = [], []
    for judged in usable:
        assert judged.evaluation is not None
        task = judged.training.task
        truth.append(task.labels[task.parts[task.judged]])
        guess += [known[label] for label in judged.evaluation.predictions["predicted"]]
    return Scores.of_classes(np.concatenate(truth), np.array(guess), len(classes))


def of_one_seed(done: Sequence[Judged]) -> list[Judged]:
    """The trainings of the first seed: every row is judged once at most."""
    return [
        judged
        for judged in done
        if judged.training.task.trial.seed == done[0].training.task.trial.seed
    ]


def columns_of(row: Mapping[str, Any], trial: Trial) -> dict[str, Any]:
    """A row of a table of trainings, with its seed and its fold."""
    where = {"seed": trial.seed} | ({} if trial.fold is None else {"fold": trial.fold})
    return {**where, **row}
