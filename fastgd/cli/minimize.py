"""`fastgd minimize`: one descent."""

from __future__ import annotations

import csv
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli import problem
from fastgd.cli.advice import Unfinished, advice, remedy, usual_rate
from fastgd.cli.cross_validation import cross_validated
from fastgd.cli.files import out_folder, save_figure, settled
from fastgd.cli.optimizers import optimizer_and_axes
from fastgd.cli.options import (
    DescentLimits,
    ModelOptions,
    choice_for_descents,
    hyperparameters,
    picked,
    source,
)
from fastgd.cli.scores import class_parts, scored
from fastgd.cli.show import Outcome, Table
from fastgd.cli.splits import folds
from fastgd.cli.words import ENDED
from fastgd.engines.protocol.outcomes import Status
from fastgd.files import atomic_text, write_csv
from fastgd.text import as_cell

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

    from fastgd.descent.history import History
    from fastgd.optimizers import Optimizer


_SHORT = 10.0  # seconds of a descent that is repeated for its loss curve
_POINTS = 500  # of the curve
_MOST_ROWS, _LARGEST = 60, 20  # parameters of the table


def run(options: Namespace) -> Outcome:
    """Run `fastgd minimize`."""
    import scipy.optimize  # noqa: F401, PLC0415  (heavy; not part of the descent's time)

    optimizer, axes = optimizer_and_axes(options.optimizer[0], hyperparameters(options))
    if axes or len(options.optimizer) > 1:
        name = next(iter(axes), "optimizer")
        raise ValueError(
            f"--{name} has several values; one descent takes one, a sweep takes several"
        )
    task = problem.posed(
        source(options), choice_for_descents(options), picked(ModelOptions, options)
    )
    divisions = None if options.cv is None else folds(task.columns, options.cv, 0)
    rate = usual_rate(task, optimizer) if options.rate is None else options.rate
    optimizer = optimizer if rate is None else optimizer.with_options(lr=rate)
    folder, limits = out_folder(options.out, options.command), picked(DescentLimits, options)
    started = time.perf_counter()
    done = _descended(task, optimizer, limits)
    took = time.perf_counter() - started
    status = Status(done.status)
    how = f"{ENDED[status]} after {done.nit:,} iterations, {took:.3g} s"
    parts: list[str | Table] = [task.summary(), f"{optimizer!r}: {how}"]
    if status == Status.DIVERGED:
        parts.append(f"It diverged: {remedy(task, optimizer)}.")
    else:
        slope = done.slope  # penalties included, as it was tested
        end = f"loss {done.fun:.8g}, largest slope {slope:.3g}, {task.score(done.x)}"
        parts += [_parameters_table(task, done.x), *_by_class(task, done.x), end]
    if status == Status.MAX_ITER:
        unfinished = Unfinished(task, optimizer, done, limits, options.rate is not None)
        parts.append(advice(unfinished))
    finished = status != Status.INTERRUPTED
    if finished and divisions is not None:
        line, finished = cross_validated(task, divisions, _fits(optimizer, options.rate, limits))
        parts.append(line)
    if folder is not None:
        history = None
        if (
            took < _SHORT and status != Status.INTERRUPTED
        ):  # now that the number of updates is known
            every = max(1, done.nit // _POINTS)
            with suppress(KeyboardInterrupt):  # what was found is written without a curve
                again = _descended(task, optimizer, limits, record=every, max_iter=done.nit)
                history = again.history
        cell = str if options.keep_formulas else as_cell
        parts += _write(folder, task, done, history, repr(optimizer), cell=cell)
    return Outcome(parts, finished)


def _descended(
    task: problem.Task, optimizer: Optimizer, limits: DescentLimits, **more: Any
) -> OptimizeResult:
    from fastgd.descent.minimize import minimize  # noqa: PLC0415  (imports the engines)

    return minimize(task.problem, optimizer=optimizer, **{**vars(limits), **more})


def _fits(
    optimizer: Optimizer, rate: float | None, limits: DescentLimits
) -> Callable[[problem.Task], OptimizeResult]:
    """The same descent on other rows, whose default rate may be another."""

    def fit(task: problem.Task) -> OptimizeResult:
        lr = usual_rate(task, optimizer) if rate is None else rate
        chosen = optimizer if lr is None else optimizer.with_options(lr=lr)
        return _descended(task, chosen, limits)

    return fit


def _parameters(task: problem.Task, x: NDArray[Any]) -> tuple[list[str], list[list[Any]]]:
    """Header and rows: a feature, its parameter, and the same in the file's units."""
    names = ["parameter", "descended", "own units"]
    scaled = task.parameter_rows(x)
    if scaled.shape[1] > 1:
        assert task.columns.classes is not None
        names = ["parameter", *(f"{what} {c}" for c in task.columns.classes for what in names[1:])]
    numbers = np.stack([scaled, task.model(x)], axis=2).reshape(len(scaled), -1).tolist()
    labels = [*task.encoding.inputs, "constant"]
    return names, [[label, *row] for label, row in zip(labels, numbers, strict=True)]


def _parameters_table(task: problem.Task, x: NDArray[Any]) -> Table:
    """All parameters; of very many, those that matter most, which the scaled features make comparable."""
    names, rows = _parameters(task, x)
    title = ""
    if len(rows) > _MOST_ROWS:
        sizes = np.abs(task.parameter_rows(x)[:-1]).max(axis=1)
        largest = np.sort(np.argsort(-sizes, kind="stable")[:_LARGEST])
        title = f"The {_LARGEST} largest of {len(rows):,} parameters (all of them: --out FOLDER)"
        rows = [*(rows[k] for k in largest), rows[-1]]
    return Table(title, names, [[row[0], *(f"{v:.8g}" for v in row[1:])] for row in rows], left=1)


def _by_class(task: problem.Task, x: NDArray[Any]) -> list[str | Table]:
    """How well each class is predicted, of the rows that were fitted."""
    classes = task.columns.classes
    if classes is None:
        return []
    model = task.fitted(x)
    truth = np.unique(task.columns.target, return_inverse=True)[1]
    found = scored(model, model.inputs(task.columns.frame), truth)
    return class_parts(found, classes, f"the {len(truth):,} rows fitted")


def _write(
    folder: Path,
    task: problem.Task,
    done: OptimizeResult,
    history: History | None,
    name: str,
    *,
    cell: Callable[[str], str],
) -> list[str]:
    """The parameters, their names as `cell` spells them, and the loss curve."""
    written = []
    if done.status != Status.DIVERGED:
        names, rows = _parameters(task, done.x)
        written.append(folder / "parameters.csv")
        with atomic_text(written[0]) as stream:
            named = [[cell(label), *numbers] for label, *numbers in rows]
            csv.writer(stream).writerows([list(map(cell, names)), *named])
        written += task.fitted(done.x).save(folder)
    if history is not None:
        from fastgd.plotting import LossCurveDisplay  # noqa: PLC0415

        written += [folder / "history.csv", folder / "loss.png"]
        write_csv(history.to_pandas(), written[-2])
        save_figure(written[-1], LossCurveDisplay({name: (history.n, history.loss)}).plot)
    return settled(folder, "minimize", written)
