"""`fastgd predict`: predictions of a fitted model for another file, and their scores where the target is known."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.column import numbers
from fastgd.cli.files import written_line
from fastgd.cli.model import Model
from fastgd.cli.options import source
from fastgd.cli.scores import class_codes, class_parts, scored
from fastgd.cli.show import Outcome, Table
from fastgd.cli.task import unknown_levels
from fastgd.cli.words import count, number
from fastgd.files import write_csv

if TYPE_CHECKING:
    import pandas as pd


_MOST_ROWS = 60  # of the table


def run(options: Namespace) -> Outcome:
    """Run `fastgd predict`."""
    import pandas as pd  # noqa: PLC0415  (heavy)

    model, file = Model.load(Path(options.folder)), source(options)
    file = replace(file, reading=file.reading.over(model.reading))  # as the other file was read
    contents = file.read()
    with file.named_in_errors():
        chosen = model.encoding.columns(contents.frame, drop_missing=options.drop_missing)
        if not len(chosen):
            raise ValueError("there is no row without a missing value")
        inputs = model.inputs(chosen)
        predictions = model.predictions(inputs)
    known, name = contents.frame.loc[chosen.index], model.target.name
    truth = {name: known[name].to_numpy()} if name in known and name != "row" else {}
    if name in predictions:
        predictions = {
            f"{key} by the model" if key == name else key: v for key, v in predictions.items()
        }
    done = pd.DataFrame({"row": chosen.index + 1, **truth, **predictions})
    summary = f"{name} of {count(len(done), 'row')} of {file.name}, by {model.fitted!r}"
    summary = "; ".join([summary, *contents.notes])
    unknown = model.encoding.unknown(chosen)
    if unknown:
        summary += f"; {unknown_levels(unknown)}"
    scores = _scores(model, known[name], inputs) if name in known else []
    if options.out is not None:
        write_csv(done, options.out, keep_formulas=options.keep_formulas)
        return Outcome([summary, *scores, written_line([options.out])], True)
    return Outcome([summary, _table(done, 2 + len(truth)), *scores], True)


def _scores(model: Model, column: pd.Series[Any], inputs: NDArray[Any]) -> list[str | Table]:
    """What the predictions are worth on the rows that have a target."""
    there = column.notna().to_numpy()
    if not there.any():
        return [f"Not scored: column {column.name!r} is empty"]
    classes, present = model.target.classes, column[there]
    notes = [] if there.all() else [f"the {count(int(there.sum()), 'row')} that have it"]
    truth: NDArray[Any]
    try:
        truth = numbers(present) if classes is None else class_codes(present, classes)
    except ValueError as error:
        return [f"Not scored: {error}"]
    if classes is not None and (truth < 0).any():
        strange = present[truth < 0]
        if len(strange) == len(present):
            shown = ", ".join(map(str, classes[:6]))
            return [f"Not scored: {column.name!r} is {str(strange.iloc[0])!r:.40} in row {strange.index[0] + 1}; "
                    f"the model knows {shown}"]  # fmt: skip
        notes.append(
            f"{count(len(strange), 'row')} of classes that the model does not know, the first "
            f"{str(strange.iloc[0])!r:.40} in row {strange.index[0] + 1}, count as wrong"
        )
    found = scored(model, inputs[there], truth)
    values = ", ".join(f"{name} {number(value)}" for name, value in found.overall.items())
    line = f"Against the file's {column.name}: {values}" + "".join(f"; {note}" for note in notes)
    return [line, *class_parts(found, classes, count(len(present), "row"))]


def _table(done: pd.DataFrame, first: int) -> Table:
    """The first predictions; of the columns after the `first` a narrow terminal may leave out all."""
    title = ""
    if len(done) > _MOST_ROWS:
        title = f"The first {_MOST_ROWS} of {len(done):,} rows (all of them: --out FILE)"
    rows = [
        [_cell(v) for v in row] for row in done.head(_MOST_ROWS).itertuples(index=False, name=None)
    ]
    return Table(title, list(done.columns), rows, left=0, dispensable=len(done.columns) - first)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return number(float(value)) if isinstance(value, float | np.floating) else str(value)
