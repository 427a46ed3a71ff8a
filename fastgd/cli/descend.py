"""`fastgd sweep` and `fastgd minimize` on a user's own file: the problem it poses, and what came out in words.

Nothing is printed here: a `Said` holds lines and tables, and the command line shows them.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.columns import Columns, Scale, Scaling, choose, scaled
from fastgd.cli.show import Said, Table, out_folder, save_figure
from fastgd.cli.table import read
from fastgd.cli.words import ENDED, NUMBERS, SCALES
from fastgd.engines.protocol.outcomes import Status
from fastgd.plotting.labels import axis_label

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

    from fastgd.descent.history import History
    from fastgd.optimizers import Optimizer
    from fastgd.problems import LeastSquares, Logistic
    from fastgd.sweeps import BestRun, SweepResult


_MOST_ROWS, _BEST_ROWS, _MOST_PARAMETERS, _MOST_TERMS = 60, 20, 4, 8
_SHORT, _POINTS = (
    10.0,
    500,
)  # seconds of a descent that is repeated for its curve; points of the curve


# --- the problem ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """What a file and its options pose: the problem, and how to come back from it to the file's columns."""

    file: str
    columns: Columns
    scaling: Scaling
    scale: Scale
    problem: LeastSquares | Logistic

    def model(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Weights, then the constant, for the file's own units: (features + 1, outputs)."""
        rows = np.asarray(x, np.float64).reshape(len(self.columns.feature_names) + 1, -1)
        with np.errstate(all="ignore"):
            return np.vstack(self.scaling.undone(rows[:-1], rows[-1]))

    def quality(self, x: NDArray[Any]) -> str:
        """How well it fits, in words."""
        if self.columns.classes is not None:
            return f"{self.problem.accuracy(x):.1%} of the rows classified correctly"  # type: ignore[union-attr]
        y = self.columns.target
        rest = y - self.problem.X @ np.asarray(x, np.float64)
        spread = np.sum((y - y.mean()) ** 2)
        return f"R² {1 - np.sum(rest**2) / spread:.4f}" if spread else "the target is constant"


def _task(options: Namespace) -> _Task:
    from fastgd.problems import LeastSquares, Logistic  # noqa: PLC0415  (imports the engines)

    frame = read(options.file, decimal=options.decimal, thousands=options.thousands)
    try:
        columns = choose(
            frame,
            options.target,
            options.features,
            model=options.model,
            drop_missing=options.drop_missing,
        )
    except ValueError as error:
        raise ValueError(f"{options.file}: {error}") from None
    data, scaling = scaled(columns.data, options.scale)
    for name, width in zip(columns.feature_names, scaling.width.tolist(), strict=True):
        if not 0 < width < np.inf:
            raise ValueError(
                f"{options.file}: column {name!r} has numbers beyond what can be scaled"
            )
    names = [f"{name} (feature)" if name == "b" else name for name in columns.feature_names]
    if columns.classes is None:
        cost: Any = options.cost or "1/2m"
        problem: LeastSquares | Logistic = LeastSquares(
            data, columns.target, cost=cost, names=names, batch_size=options.batch_size
        )
    else:
        cost = options.cost or "1/m"
        problem = Logistic(
            data, columns.target, cost=cost, names=names, batch_size=options.batch_size
        )
    return _Task(Path(options.file).name, columns, scaling, options.scale, problem)


def _optimizer(name: str, options: Namespace) -> tuple[Optimizer, dict[str, Sequence[Any]]]:
    """The optimizer with what has one value, and the axes of what has several."""
    import fastgd as gd  # noqa: PLC0415

    optimizer: Optimizer = getattr(gd, name)()
    axes: dict[str, Sequence[Any]] = {}
    for given in (*NUMBERS, "betas"):
        values = getattr(options, given)
        if values is None:
            continue
        values = values if isinstance(values, tuple) else (values,)
        optimizer = optimizer.with_options(**{given: values[0]})
        if len(values) > 1:
            axes[given] = values
    return optimizer, axes


def _has_closed_form(task: _Task, optimizer: Optimizer) -> bool:
    """Plain descent of a linear model by all its rows, without penalties."""
    more = ("momentum", "weight_decay", "l1", "l2", "clip_norm")
    plain = type(optimizer).__name__ == "SGD" and not any(getattr(optimizer, name) for name in more)
    return plain and task.columns.classes is None and task.problem.batches is None


def _curvatures(task: _Task) -> NDArray[np.float64]:
    """The Hessian's eigenvalues, the smallest first."""
    return np.linalg.eigvalsh(task.problem.hessian).astype(np.float64)  # type: ignore[union-attr]


def _task_line(task: _Task) -> str:
    columns = task.columns
    names = ", ".join(columns.feature_names[:6])
    more = len(columns.feature_names) - 6
    names += f" and {more} more" if more > 0 else ""
    kind = "" if columns.classes is None else f" ({len(columns.classes)} classes)"
    parts = [f"{len(columns.data):,} rows of {task.file}", SCALES[task.scale], *columns.notes]
    if task.problem.batches is not None:
        parts.append(f"{task.problem.updates_per_epoch:,} updates an epoch")
    return f"{columns.target_name}{kind} from {names}: {'; '.join(parts)}; cost {task.problem.cost}"


# --- fastgd sweep -----------------------------------------------------------------------------------


def sweep(options: Namespace) -> Said:
    """Do what `fastgd sweep` was told."""
    from fastgd.sweeps import sweep  # noqa: PLC0415  (imports the engines)

    if min(options.rates) < 0:
        raise ValueError(f"--rates: {min(options.rates):g} is negative; wanted rates >= 0")
    several = [_optimizer(name, options) for name in options.optimizer]
    axes: dict[str, Any] = {"lr": options.rates, **several[0][1]}
    if len(several) > 1:
        axes = {"optimizer": [optimizer for optimizer, _ in several], **axes}
    task = _task(options)
    folder = out_folder(options.out)
    out = sweep(
        task.problem,
        several[0][0],
        axes,
        max_iter=options.max_iter,
        tol=options.tol,
        max_seconds=options.max_seconds,
    )
    if (
        "optimizer" in axes
    ):  # by name: the rate in an optimizer's own text is not the one it ran with
        out = dataclasses.replace(out, axes={**out.axes, "optimizer": options.optimizer})
    parts: list[str | Table] = [_task_line(task), _outcome_line(out), _runs_table(out)]
    if list(axes) == ["lr"] and _has_closed_form(task, several[0][0]):
        limit = 2.0 / float(_curvatures(task)[-1])
        parts.append(f"Plain descent converges at rates below {limit:.6g} (2 / largest curvature).")
    parts += _best_lines(task, out)
    if folder is not None:
        parts += _write_sweep(folder, out)
    return Said(parts, not _was_interrupted(out))


def _was_interrupted(out: SweepResult) -> bool:
    """By Ctrl-C; also between two groups of runs, where none was under way."""
    early = np.isin(out.status, (Status.INTERRUPTED, Status.NOT_RUN))
    return bool(early.any() and not np.any(out.status == Status.MAX_SECONDS))


def _outcome_line(out: SweepResult) -> str:
    ended = [(np.count_nonzero(out.status == status), words) for status, words in ENDED.items()]
    listed = ", ".join(f"{count:,} {words}" for count, words in ended if count)
    return f"{out.size:,} {'run' if out.size == 1 else 'runs'} in {out.seconds:.3g} s: {listed}"


def _runs_table(out: SweepResult) -> Table:
    """All runs, or the best of very many."""
    order, title = np.arange(out.size), ""
    if out.size > _MOST_ROWS:
        counts = np.where(out.converged, out.iterations, np.iinfo(np.int64).max).ravel()
        lost = np.isin(out.status, (Status.DIVERGED, Status.NOT_RUN))
        order = np.lexsort([np.where(lost, np.inf, out.loss).ravel(), counts])[:_BEST_ROWS]
        title = f"The best {_BEST_ROWS} of {out.size:,} runs (all of them: --out FOLDER)"
    with_parameters = out.x.shape[-1] <= _MOST_PARAMETERS
    names = [*map(_axis_name, out.axes), "outcome", "iterations", "loss"]
    names += out.parameter_names if with_parameters else ()
    rows = [_run_row(out, int(k), with_parameters) for k in order]
    few = len(out.parameter_names) if with_parameters else 0
    return Table(title, names, rows, left=len(out.axes) + 1, dispensable=few)


def _run_row(out: SweepResult, k: int, with_parameters: bool) -> list[str]:
    index = np.unravel_index(k, out.shape)
    values = [_label(v[i]) for v, i in zip(out.axes.values(), index, strict=True)]
    status, regime = Status(int(out.status[index])), str(out.regime[index])
    known = status not in (Status.DIVERGED, Status.NOT_RUN)
    outcome = f"{ENDED[status]}, {regime}" if known else ENDED[status]
    numbers = [float(out.loss[index]), *(out.x[index].tolist() if with_parameters else ())]
    texts = [f"{v:.6g}" if known else "-" for v in numbers]
    return [*values, outcome, f"{out.iterations[index]:,}", *texts]


def _label(value: Any) -> str:
    return f"{value:.8g}" if isinstance(value, float) else axis_label(value)


def _axis_name(name: str) -> str:
    return "rate" if name == "lr" else name


def _best_lines(task: _Task, out: SweepResult) -> list[str | Table]:
    done = ~np.isin(out.status, (Status.DIVERGED, Status.NOT_RUN)) & np.isfinite(out.loss)
    if not done.any():
        diverged = np.any(out.status == Status.DIVERGED)
        return [f"Every run diverged: {_remedy(task)}." if diverged else "No run was begun."]
    best = out.best(by="iterations" if out.converged.any() else "loss")
    fit = task.quality(best.x)
    if len(task.columns.feature_names) <= _MOST_TERMS:
        fit = f"{_equation(task, best.x)}; {fit}"
    return [_best_line(best), f"There: {fit}"]


def _remedy(task: _Task) -> str:
    return "try smaller rates" + (", or --scale minmax" if task.scale == "none" else "")


def _best_line(best: BestRun) -> str:
    values = {_axis_name(name): _label(value) for name, value in best.axes.items()}
    if list(values) == ["rate"]:
        which = f"Best rate: {values['rate']}"
    else:
        which = "Best: " + ", ".join(f"{name} {value}" for name, value in values.items())
    if best.status == Status.CONVERGED:
        return f"{which} ({best.iterations:,} iterations, loss {best.loss:.6g})"
    return f"{which} by its loss of {best.loss:.6g} after {best.iterations:,} iterations; none converged"


def _equation(task: _Task, x: NDArray[Any]) -> str:
    """The model in the file's own units."""
    target, classes = task.columns.target_name, task.columns.classes
    sides = [_side(column, task.columns.feature_names) for column in task.model(x).T]
    if classes is None:
        return f"{target} = {sides[0]}"
    if len(sides) == 1:
        return f"log-odds of {target} {classes[1]} = {sides[0]}"
    each = [f"{name}: {side}" for name, side in zip(classes, sides, strict=True)]
    return f"scores of {target}: " + ", ".join(each)


def _side(weights: NDArray[np.float64], names: Sequence[str]) -> str:
    """For example 3.15 height - 86.6."""
    terms = [f"{abs(w):.6g} {name}".strip() for w, name in zip(weights, (*names, ""), strict=True)]
    signs = ["-" if w < 0 else "+" for w in weights]
    text = " ".join(f"{sign} {term}" for sign, term in zip(signs, terms, strict=True))
    return text.removeprefix("+ ") if text[0] == "+" else "-" + text[2:]


def _write_sweep(folder: Path, out: SweepResult) -> list[str | Table]:
    out.to_csv(folder / "sweep.csv")
    said: list[str | Table] = []
    written = [folder / "sweep.csv"]
    for kind in ("auto", "heatmap"):  # more lines than can be told apart, but two axes
        try:
            save_figure(folder / "sweep.png", functools.partial(out.plot, kind))
            written.append(folder / "sweep.png")
            break
        except ValueError:  # no picture of this kind
            continue
    else:
        said.append("No figure: more is varied than a picture shows.")
    return [*said, f"Written: {', '.join(map(str, written))}"]


# --- fastgd minimize --------------------------------------------------------------------------------


def minimize(options: Namespace) -> Said:
    """Do what `fastgd minimize` was told."""
    import scipy.optimize  # noqa: F401, PLC0415  (heavy; here, so that the descent's time is its own)

    optimizer, axes = _optimizer(options.optimizer[0], options)
    if axes or len(options.optimizer) > 1:
        name = next(iter(axes), "optimizer")
        raise ValueError(
            f"--{name} has several values; one descent takes one, a sweep takes several"
        )
    task = _task(options)
    rate = _default_rate(task, optimizer) if options.rate is None else options.rate
    optimizer = optimizer.with_options(lr=rate)
    folder = out_folder(options.out)
    started = time.perf_counter()
    run = _run(task, optimizer, options)
    took = time.perf_counter() - started
    status = Status(run.status)
    how = f"{ENDED[status]} after {run.nit:,} iterations, {took:.3g} s"
    parts: list[str | Table] = [_task_line(task), f"{optimizer!r}: {how}"]
    if status == Status.DIVERGED:
        parts.append(f"It diverged: {_remedy(task)}.")
    else:
        slope = np.abs(run.jac).max()
        end = f"loss {run.fun:.8g}, largest slope {slope:.3g}, {task.quality(run.x)}"
        parts += [_parameters_table(task, run.x), end]
    if folder is not None:
        history = None
        if took < _SHORT:  # once more, now that its length is known
            every = max(1, run.nit // _POINTS)
            history = _run(task, optimizer, options, record=every, max_iter=run.nit).history
        parts += _write_descent(folder, task, run, history, repr(optimizer))
    return Said(parts, status != Status.INTERRUPTED)


def _run(task: _Task, optimizer: Optimizer, options: Namespace, **more: Any) -> OptimizeResult:
    from fastgd.descent import minimize  # noqa: PLC0415  (imports the engines)

    return minimize.minimize(
        task.problem,
        optimizer=optimizer,
        **{"max_iter": options.max_iter, "max_seconds": options.max_seconds, **more},
        tol=options.tol,
    )


def _default_rate(task: _Task, optimizer: Optimizer) -> float:
    """The best for plain descent of a linear model, else the optimizer's own."""
    if not _has_closed_form(task, optimizer):
        return optimizer.lr
    curvatures = _curvatures(task)
    return float(f"{2.0 / (max(curvatures[0], 0.0) + curvatures[-1]):.6g}")


def _parameters(task: _Task, x: NDArray[Any]) -> tuple[list[str], list[list[Any]]]:
    """Names of columns, and rows: a feature, what was descended, and the same in the file's own units."""
    names = ["parameter", "descended", "own units"]
    scaled = np.asarray(x, np.float64).reshape(len(task.columns.feature_names) + 1, -1)
    both = [scaled, task.model(x)]
    if scaled.shape[1] > 1:
        assert task.columns.classes is not None
        names = ["parameter", *(f"{what} {c}" for c in task.columns.classes for what in names[1:])]
    numbers = np.stack(both, axis=2).reshape(len(scaled), -1).tolist()
    labels = [*task.columns.feature_names, "constant"]
    return names, [[label, *row] for label, row in zip(labels, numbers, strict=True)]


def _parameters_table(task: _Task, x: NDArray[Any]) -> Table:
    names, rows = _parameters(task, x)
    return Table("", names, [[row[0], *(f"{v:.8g}" for v in row[1:])] for row in rows], left=1)


def _write_descent(
    folder: Path, task: _Task, run: OptimizeResult, history: History | None, name: str
) -> list[str | Table]:
    """The parameters, and how the loss fell."""
    written = []
    if run.status != Status.DIVERGED:
        names, rows = _parameters(task, run.x)
        written.append(folder / "parameters.csv")
        with written[0].open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([names, *rows])
    if history is not None:
        from fastgd.plotting import LossCurveDisplay  # noqa: PLC0415

        written += [folder / "history.csv", folder / "loss.png"]
        history.to_pandas().to_csv(written[-2], index=False)
        save_figure(written[-1], LossCurveDisplay({name: (history.n, history.loss)}).plot)
    return [f"Written: {', '.join(map(str, written))}"] if written else []
