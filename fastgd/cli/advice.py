"""What to do about a descent that did not converge: theory's iterations, and a way that takes fewer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.options import DescentLimits
from fastgd.cli.problem import Task

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

    from fastgd.optimizers import Optimizer
    from fastgd.problems.curvature import Curvature

_MOST_PARAMETERS = 500  # of a matrix of second derivatives that is worth its time
_MOMENTA = (0.9, 0.99, 0.999)
_FOR_EVER = 1e9
_TOL = 1e-8


@dataclass(frozen=True)
class _Way:
    """Options, how many of them are new, and the iterations that theory expects with them."""

    words: str
    changes: int
    iterations: float


@dataclass(frozen=True)
class Unfinished:
    """A descent that ended after its most iterations; `with_rate` if its rate was asked for."""

    task: Task
    optimizer: Optimizer
    done: OptimizeResult
    limits: DescentLimits
    with_rate: bool

    @property
    def tol(self) -> float:
        """The tolerance of the slope."""
        return self.limits.tol or _TOL


def advice(run: Unfinished) -> str:
    """One line: why it did not converge, and what to do."""
    return _reason(run.task, run.optimizer, run.done.x) or _estimate(run)


def _reason(task: Task, optimizer: Optimizer, x: NDArray[Any]) -> str | None:
    """Why no number of iterations would do, if that is so."""
    if task.problem.batches is not None:
        return "In batches a descent at a fixed rate ends in their noise about the optimum: leave out --batch-size."
    if optimizer.l1:
        swing = optimizer.lr * optimizer.l1
        return (
            f"With --l1 parameters swing about 0 by up to rate x l1, {swing:.2g}, where no slope is 0: "
            "a smaller --rate comes closer, a larger --tol ends earlier."
        )
    if _is_separated(task, optimizer, x):
        return (
            "The classes can be separated, so that weights grow for ever: --l2 0.001 gives them an optimum, "
            "a larger --tol an earlier end."
        )
    return None


def _estimate(run: Unfinished) -> str:
    """The condition number, theory's iterations, and what takes fewer."""
    optimizer, done, tol = run.optimizer, run.done, run.tol
    here = _curvature(run.task, optimizer, done.x)
    if here is None or not 1.0 <= here.condition < np.inf:
        return "Try --optimizer nag, --scale standard or a larger --max-iter."
    slope = float(done.slope)
    most = done.nit + _iterations(optimizer, optimizer.lr, here, slope / tol)
    line = f"The condition number of the curvature is {here.condition:.2g}"
    wanted = _iterations(optimizer, optimizer.lr, here, _start(run.task) / tol)
    if here.constant and wanted < done.nit / 2:
        line, most = f"Rounding keeps the slope above the tolerance of {tol:.2g}", np.inf
    elif np.isfinite(most):
        line += f"; theory expects {_about(most)} iterations"
    best = _best([way for way in _ways(run) if way.iterations < most / 2], run.limits)
    if best is not None:
        return f"{line}. Try {best.words}: {_about(best.iterations)}."
    if most < _FOR_EVER:
        return f"{line}. Try --max-iter {_rounded(1.1 * most)}."
    return f"{line}. Try a larger --tol, or leave out columns that hardly differ from others."


def _best(ways: list[_Way], limits: DescentLimits) -> _Way | None:
    """Of those within the most iterations the one with the fewest new options, otherwise the fastest."""
    soon = [way for way in ways if way.iterations <= limits.max_iter]
    if soon:
        return min(soon, key=lambda way: (way.changes, way.iterations))
    return min(ways, key=lambda way: way.iterations, default=None)


def _is_separated(task: Task, optimizer: Optimizer, x: NDArray[Any]) -> bool:
    from fastgd.problems import Logistic  # noqa: PLC0415  (imports the engines)

    problem = task.problem
    return isinstance(problem, Logistic) and not _penalty(optimizer) and problem.accuracy(x) == 1.0


def _ways(run: Unfinished) -> Iterator[_Way]:
    """The same problem with its features standardized, with more momentum, and with both."""
    from fastgd.descent.rates import default_rate  # noqa: PLC0415  (imports the engines)

    task = run.task
    output = task.problem.X @ task.parameter_rows(run.done.x)
    scales: list[tuple[str, Task]] = [("", task)]
    if task.options.scale != "standard":
        scales.append(("--scale standard", task.scaled("standard")))
    for scaling, posed in scales:
        there = np.linalg.lstsq(posed.problem.X, output)[0].ravel()  # the same model
        here = _curvature(posed, run.optimizer, there)
        if here is None or not 1.0 <= here.condition < np.inf:
            continue
        for words, optimizer in _optimizers(task, run.optimizer):
            rate = default_rate(optimizer, posed.problem.curvature())
            if rate is not None:
                asked = f"--rate {rate:.6g}" if run.with_rate else ""
                options = [text for text in (scaling, words, asked) if text]
                count = _iterations(optimizer, rate, here, _start(posed) / run.tol)
                yield _Way(" ".join(options), len(options), count if options else np.inf)


def _start(task: Task) -> float:
    """The largest slope at the start."""
    return float(np.abs(task.problem.gradient(np.zeros(task.problem.n_parameters))).max())


def _optimizers(task: Task, optimizer: Optimizer) -> Iterator[tuple[str, Optimizer]]:
    """The optimizer at its default rate, and those with momentum: Nesterov's where the curvature changes."""
    from fastgd.optimizers import NAG, Momentum  # noqa: PLC0415  (imports the engines)

    yield "", optimizer
    kind = NAG if task.linear is None else Momentum
    for momentum in _MOMENTA:
        other = kind(momentum=momentum, l2=_penalty(optimizer))
        yield f"--optimizer {kind.__name__.lower()} --momentum {momentum:g}", other


def _curvature(task: Task, optimizer: Optimizer, x: NDArray[Any]) -> Curvature | None:
    if len(x) > _MOST_PARAMETERS:
        return None
    found = task.problem.local_curvature(x)
    return found.penalized(_penalty(optimizer)) if found is not None else None


def _penalty(optimizer: Optimizer) -> float:
    return float(optimizer.l2 + optimizer.weight_decay)


def _iterations(optimizer: Optimizer, rate: float, here: Curvature, reduction: float) -> float:
    """Theory's iterations; inf for an optimizer of which theory knows nothing."""
    from fastgd.descent.rates import is_nesterov, is_plain  # noqa: PLC0415  (imports the engines)
    from fastgd.theory import expected_iterations  # noqa: PLC0415

    if not is_plain(optimizer):
        return np.inf
    return expected_iterations(
        here.condition,
        max(1.0, reduction),
        lr=rate * here.largest,
        momentum=optimizer.momentum,
        nesterov=is_nesterov(optimizer),
    )


def _about(count: float) -> str:
    return f"about {_rounded(count):,}" if count < _FOR_EVER else "more than a billion"


def _rounded(count: float) -> int:
    """Two digits, rounded up."""
    unit = 10 ** max(0, len(str(int(count))) - 2)
    return int(-(-count // unit) * unit)
