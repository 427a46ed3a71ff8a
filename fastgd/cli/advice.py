"""What to do about a descent that did not converge, in the command's options: see `fastgd.descent.pace`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.options import DescentLimits
from fastgd.cli.problem import Task

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

    from fastgd.descent.pace import End, Way
    from fastgd.optimizers import Optimizer

_TOL = 1e-8


@dataclass(frozen=True)
class Unfinished:
    """A descent that ended after its most iterations; `with_rate` if its rate was asked for."""

    task: Task
    optimizer: Optimizer
    done: OptimizeResult
    limits: DescentLimits
    with_rate: bool

    @property
    def end(self) -> End:
        """Where it ended."""
        from fastgd.descent.pace import End  # noqa: PLC0415  (imports the engines)

        done, start = self.done, np.zeros_like(self.done.x)
        return End(start, done.x, float(done.slope), done.nit, self.limits.tol or _TOL)


def advice(run: Unfinished) -> str:
    """One line: why it did not converge, and what to do."""
    return _reason(run.task, run.optimizer, run.done.x) or _estimate(run)


def remedy(task: Task, optimizer: Optimizer) -> str:
    """What to do after divergence: the rates that are stable, and the one to try."""
    limit, rate = _stable_limit(task, optimizer), usual_rate(task, optimizer)
    stable = "" if limit is None else f"rates below {limit:.6g} are stable; "
    tried = "a smaller --rate" if rate is None or rate >= optimizer.lr else f"--rate {rate:.6g}"
    return f"{stable}try {tried}" + (", or --scale minmax" if task.options.scale == "none" else "")


def usual_rate(task: Task, optimizer: Optimizer) -> float | None:
    """The rate as `fastgd.minimize` chooses it, in digits that can be typed; None if it has none for these."""
    from fastgd.descent.rates import default_rate  # noqa: PLC0415  (imports the engines)

    rate = default_rate(optimizer, task.problem.curvature())
    return None if rate is None else float(f"{rate:.6g}")


def _stable_limit(task: Task, optimizer: Optimizer) -> float | None:
    """The rate below which a descent on all rows is stable."""
    from fastgd.descent.pace import stable_limit  # noqa: PLC0415  (imports the engines)

    if task.problem.batches is not None:
        return None
    return stable_limit(task.problem, optimizer, np.zeros(task.problem.n_parameters))


def _reason(task: Task, optimizer: Optimizer, x: NDArray[Any]) -> str | None:
    """Why no number of iterations would do, if that is so."""
    from fastgd.descent.pace import is_separated  # noqa: PLC0415  (imports the engines)

    if task.problem.batches is not None:
        return "In batches a descent at a fixed rate ends in their noise about the optimum: leave out --batch-size."
    if optimizer.l1:
        swing = optimizer.lr * optimizer.l1
        return (
            f"With --l1 parameters swing about 0 by up to rate x l1, {swing:.2g}, where no slope is 0: "
            "a smaller --rate comes closer, a larger --tol ends earlier."
        )
    if is_separated(task.problem, optimizer, x):
        return (
            "The classes can be separated, so that weights grow for ever: --l2 0.001 gives them an optimum, "
            "a larger --tol an earlier end."
        )
    return None


def _estimate(run: Unfinished) -> str:
    """The condition number, theory's iterations, and what takes fewer."""
    from fastgd.descent.pace import FOR_EVER, about, best, rounded, slowness  # noqa: PLC0415  (imports the engines)

    slow = slowness(run.task.problem, run.optimizer, run.end)
    rate = usual_rate(run.task, run.optimizer) if run.with_rate else None
    if slow is None and rate is not None:
        return f"Try --rate {rate:.6g}, --scale standard or a larger --max-iter."
    if slow is None:
        return "Try --optimizer nag, --scale standard or a larger --max-iter."
    line = slow.why[0].upper() + slow.why[1:]
    limit = _stable_limit(run.task, run.optimizer) if run.with_rate else None
    if limit is not None:
        line += f"; rates below {limit:.6g} are stable"
    way = best([way for way in _ways(run) if way.iterations < slow.most / 2], run.limits.max_iter)
    if way is not None:
        return f"{line}. Try {way.words}: {about(way.iterations)}."
    if slow.most < FOR_EVER:
        return f"{line}. Try --max-iter {rounded(1.1 * slow.most)}."
    return f"{line}. Try a larger --tol, or leave out columns that hardly differ from others."


def _ways(run: Unfinished) -> Iterator[Way]:
    """The same problem with its features standardized, with more momentum, and with both."""
    from fastgd.descent.pace import Way, faster  # noqa: PLC0415  (imports the engines)

    task = run.task
    output = task.problem.X @ task.parameter_rows(run.done.x)
    scales: list[tuple[str, Task]] = [("", task)]
    if task.options.scale != "standard":
        scales.append(("--scale standard", task.scaled("standard")))
    for scaling, posed in scales:
        there = np.linalg.lstsq(posed.problem.X, output)[0].ravel()  # the same model
        for one, changed, count in faster(posed.problem, run.optimizer, replace(run.end, x=there)):
            kind = type(one).__name__.lower()
            other = f"--optimizer {kind} --momentum {one.momentum:g}" if changed else ""
            asked = f"--rate {one.lr:.6g}" if run.with_rate else ""
            options = [text for text in (scaling, other, asked) if text]
            if options:
                yield Way(" ".join(options), len(options), count)
