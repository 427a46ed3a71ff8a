"""`fastgd sweep`: one descent for each combination of learning rates and hyperparameters."""

from __future__ import annotations

import dataclasses
import functools
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd.cli import problem
from fastgd.cli.files import out_folder, save_figure, settled
from fastgd.cli.optimizers import optimizer_and_axes
from fastgd.cli.options import (
    DescentLimits,
    ModelOptions,
    StoppingOptions,
    choice_for_descents,
    hyperparameters,
    picked,
    source,
)
from fastgd.cli.show import Outcome, Table
from fastgd.cli.words import ENDED, count
from fastgd.cli.workers import executor_of
from fastgd.engines.protocol.outcomes import Regime, Status
from fastgd.files import write_csv
from fastgd.plotting.labels import axis_label

if TYPE_CHECKING:
    from fastgd.sweeps import BestRun, SuccessiveHalving, SweepResult


_MOST_ROWS, _BEST_ROWS, _MOST_PARAMETERS = 60, 20, 4  # of the table
_LOST = (Status.DIVERGED, Status.NOT_RUN, Status.ERROR)  # runs without a result


def run(options: Namespace) -> Outcome:
    """Run `fastgd sweep`."""
    from fastgd.sweeps import sweep  # noqa: PLC0415  (imports the engines)

    if min(options.rates) < 0:
        raise ValueError(f"--rates: {min(options.rates):g} is negative; wanted rates >= 0")
    given = hyperparameters(options)
    chosen = [optimizer_and_axes(name, given) for name in options.optimizer]
    first, axes = chosen[0]
    axes = {"lr": options.rates, **axes}
    if len(chosen) > 1:
        axes = {"optimizer": [optimizer for optimizer, _ in chosen], **axes}
    task = problem.posed(
        source(options), choice_for_descents(options), picked(ModelOptions, options)
    )
    stopping = _stopping(picked(StoppingOptions, options))
    folder = out_folder(options.out, options.command)
    limits = vars(picked(DescentLimits, options))
    with executor_of(options) as executor:
        out = sweep(
            task.problem, first, axes, **limits,
            store=options.store, stopping=stopping, executor=executor,
        )  # fmt: skip
    if "optimizer" in axes:  # by name, as they were asked for
        out = dataclasses.replace(out, axes={**out.axes, "optimizer": options.optimizer})
    parts: list[str | Table] = [task.summary(), _outcome_line(out), *_rungs_table(out)]
    parts.append(_runs_table(out))
    finished = not _was_interrupted(out)  # after Ctrl-C nobody waits for eigenvalues
    if list(axes) == ["lr"] and task.has_closed_form(first) and finished:
        limit = 2.0 / float(task.curvatures()[-1])
        parts.append(f"Plain descent converges at rates below {limit:.6g} (2 / largest curvature).")
    parts += _best_lines(task, out)
    if folder is not None:
        parts += _write(folder, out, options.keep_formulas)
    return Outcome(parts, finished)


def _stopping(options: StoppingOptions) -> SuccessiveHalving | None:
    from fastgd.sweeps import Hyperband, SuccessiveHalving  # noqa: PLC0415  (imports the engines)

    if not options.halving and not options.hyperband:
        return None
    kind = Hyperband if options.hyperband else SuccessiveHalving
    return kind(options.min_iter, factor=options.factor or 3)


def _rungs_table(out: SweepResult) -> list[Table]:
    """How many runs went on from each rung, if bad ones were stopped early."""
    if out.rungs is None:
        return []
    return [Table(f"Rungs, compared by {out.rungs.by}", out.rungs.headings(), out.rungs.texts())]


def _was_interrupted(out: SweepResult) -> bool:
    """Whether Ctrl-C ended it, perhaps between two groups of runs."""
    early = np.isin(out.status, (Status.INTERRUPTED, Status.NOT_RUN))
    return bool(early.any() and not np.any(out.status == Status.MAX_SECONDS))


def _outcome_line(out: SweepResult) -> str:
    ended = [(np.count_nonzero(out.status == status), words) for status, words in ENDED.items()]
    listed = ", ".join(f"{many:,} {words}" for many, words in ended if many)
    return f"{count(out.size, 'run')} in {out.seconds:.3g} s: {listed}"


def _runs_table(out: SweepResult) -> Table:
    """All runs, or the best if there are very many."""
    order, title = np.arange(out.size), ""
    if out.size > _MOST_ROWS:
        counts = np.where(out.converged, out.iterations, np.iinfo(np.int64).max).ravel()
        lost = np.isin(out.status, _LOST)
        stopped = (out.status == Status.STOPPED).ravel()
        keys = (
            np.where(lost, np.inf, out.loss).ravel(),
            counts,
            stopped,
        )  # the last one counts first
        order = np.lexsort(keys)[:_BEST_ROWS]
        title = f"The best {_BEST_ROWS} of {out.size:,} runs (all of them: --out FOLDER)"
    with_parameters = out.x.shape[-1] <= _MOST_PARAMETERS
    parameters = list(out.parameter_names) if with_parameters else []
    names = [*map(_axis_name, out.axes), "outcome", "iterations", "loss", *parameters]
    rows = [_run_row(out, int(k), with_parameters) for k in order]
    return Table(title, names, rows, left=len(out.axes) + 1, dispensable=len(parameters))


def _run_row(out: SweepResult, k: int, with_parameters: bool) -> list[str]:
    index = np.unravel_index(k, out.shape)
    values = [_label(v[i]) for v, i in zip(out.axes.values(), index, strict=True)]
    status, regime = Status(int(out.status[index])), Regime(int(out.regime_codes[index])).label
    known = status not in _LOST
    outcome = f"{ENDED[status]}, {regime}" if known else ENDED[status]
    numbers = [float(out.loss[index]), *(out.x[index].tolist() if with_parameters else ())]
    texts = [f"{v:.6g}" if known else "-" for v in numbers]
    return [*values, outcome, f"{out.iterations[index]:,}", *texts]


def _label(value: Any) -> str:
    return f"{value:.8g}" if isinstance(value, float) else axis_label(value)


def _axis_name(name: str) -> str:
    return "rate" if name == "lr" else name


def _best_lines(task: problem.Task, out: SweepResult) -> list[str]:
    done = ~np.isin(out.status, _LOST) & np.isfinite(out.loss)
    if not done.any():
        diverged = np.any(out.status == Status.DIVERGED)
        return [f"Every run diverged: {task.remedy()}." if diverged else "No run was started."]
    best = out.best(by="iterations" if out.converged.any() else "loss")
    return [_best_line(best), f"There: {task.description(best.x)}"]


def _best_line(best: BestRun) -> str:
    values = {_axis_name(name): _label(value) for name, value in best.axes.items()}
    if list(values) == ["rate"]:
        which = f"Best rate: {values['rate']}"
    else:
        which = "Best: " + ", ".join(f"{name} {value}" for name, value in values.items())
    if best.status == Status.CONVERGED:
        return f"{which} ({best.iterations:,} iterations, loss {best.loss:.6g})"
    return f"{which} by its loss of {best.loss:.6g} after {best.iterations:,} iterations; none converged"


def _write(folder: Path, out: SweepResult, keep_formulas: bool) -> list[str]:
    """The table as CSV, and a figure unless too much is varied."""
    table, figure = folder / "sweep.csv", folder / "sweep.png"
    out.to_csv(table, keep_formulas=keep_formulas)
    tables = [table]
    if out.rungs is not None:
        tables.append(folder / "rungs.csv")
        write_csv(out.rungs.to_pandas(), tables[-1])
    for kind in ("auto", "heatmap"):  # a heat map shows what needs too many lines
        try:
            save_figure(figure, functools.partial(out.plot, kind))
        except ValueError:  # not a figure of this kind
            continue
        return settled(folder, "sweep", [*tables, figure])
    return ["No figure: more is varied than a figure shows.", *settled(folder, "sweep", tables)]
