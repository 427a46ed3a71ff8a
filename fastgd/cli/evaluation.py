"""The results of trainings: predictions and their scores, loss curves, and files of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastgd.cli.scores import Scores, scored
from fastgd.cli.task import Task
from fastgd.cli.training import Training
from fastgd.cli.words import LOSSES
from fastgd.files import write_csv

if TYPE_CHECKING:
    from fastgd.plotting import LossCurveDisplay


@dataclass(frozen=True)
class Evaluation:
    """Predictions for a part of the rows, by column, and their scores."""

    predictions: Mapping[str, Any]
    found: Scores

    @property
    def scores(self) -> Mapping[str, float]:
        """The scores of all rows together, by name."""
        return self.found.overall


def evaluated(training: Training, part: str) -> Evaluation:
    """Accuracy and F1 on a part of the rows, or errors in the file's units and R²."""
    task, network = training.task, training.network
    model, inputs = task.model(network), task.inputs[part]
    classes = task.target.classes is not None
    truth = task.labels[task.parts[part]] if classes else task.true_values(part)
    return Evaluation(model.predictions(inputs), scored(model, inputs, truth))


def curves(lines: Mapping[str, tuple[Training, str]], where: str = "") -> LossCurveDisplay:
    """Recorded losses by epoch: a training and the name of a record for each line."""
    from fastgd.plotting import LossCurveDisplay  # noqa: PLC0415

    loss = next(iter(lines.values()))[0].task.loss
    return LossCurveDisplay(
        {
            name: (done.history.epoch, getattr(done.history, kind))
            for name, (done, kind) in lines.items()
        },
        "epoch (a mark: the parameters that were kept)",
        LOSSES[loss] + where,
        {name: done.at("epoch") for name, (done, _) in lines.items() if done.usable},
    )


def write_histories(path: Path, trainings: Sequence[Training], keys: Iterable[str] = ()) -> None:
    """Write all records as CSV, behind those `keys` that tell the trainings apart: optimizer, seed, fold."""
    import pandas as pd  # noqa: PLC0415  (heavy)

    frames = []
    for training in trainings:
        frame = training.history.to_pandas().drop(columns="grad_norm")
        for k, key in enumerate(keys):
            frame.insert(k, key, training.key(key))
        frames.append(frame)
    write_csv(pd.concat(frames), path)


def write_rows(path: Path, names: Iterable[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as CSV."""
    import pandas as pd  # noqa: PLC0415  (heavy)

    write_csv(pd.DataFrame(rows, columns=[name.replace("²", "2") for name in names]), path)


def write_predictions(
    path: Path, parts: Iterable[tuple[Task, Mapping[str, Any]]], keep_formulas: bool
) -> None:
    """Write the judged rows of some tasks as CSV: their numbers, the target, and the columns of predictions."""
    import pandas as pd  # noqa: PLC0415  (heavy)

    frames = []
    for task, columns in parts:
        part = task.judged
        first = {"row": task.row_numbers(part), task.target.name: task.true_values(part)}
        others = {
            f"{name} of the network" if name in first else name: v for name, v in columns.items()
        }
        frames.append(pd.DataFrame({**first, **others}))
    done = pd.concat(frames).sort_values("row", kind="stable") if len(frames) > 1 else frames[0]
    write_csv(done, path, keep_formulas=keep_formulas)
