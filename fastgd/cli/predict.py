"""`fastgd predict`: predictions of a trained network for another file."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fastgd.cli.files import written_line
from fastgd.cli.model import Model
from fastgd.cli.options import source
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
        predictions = model.predictions(model.inputs(chosen))
    done = pd.DataFrame({"row": chosen.index + 1, **predictions})
    summary = (
        f"{model.target.name} of {count(len(done), 'row')} of {file.name}, by {model.network!r}"
    )
    summary = "; ".join([summary, *contents.notes])
    unknown = model.encoding.unknown(chosen)
    if unknown:
        summary += f"; {unknown_levels(unknown)}"
    if options.out is not None:
        write_csv(done, options.out, keep_formulas=options.keep_formulas)
        return Outcome([summary, written_line([options.out])], True)
    return Outcome([summary, _table(done)], True)


def _table(done: pd.DataFrame) -> Table:
    """The first predictions."""
    title = ""
    if len(done) > _MOST_ROWS:
        title = f"The first {_MOST_ROWS} of {len(done):,} rows (all of them: --out FILE)"
    rows = [
        [number(v) if isinstance(v, float) else str(v) for v in row]
        for row in done.head(_MOST_ROWS).itertuples(index=False, name=None)
    ]
    probabilities = len(done.columns) - 2
    return Table(title, list(done.columns), rows, left=0, dispensable=probabilities)
