"""What theory expects of a descent that did not converge, and what takes fewer iterations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.rates import default_rate, is_nesterov, is_plain
from fastgd.optimizers import NAG, Momentum, Optimizer
from fastgd.optimizers.loops import schedule_of
from fastgd.problems import Function, LeastSquares, Logistic, Problem
from fastgd.problems.curvature import Curvature
from fastgd.problems.linear_model import LinearModel
from fastgd.theory import expected_iterations, stable_range

Point = NDArray[np.floating[Any]]
FOR_EVER = 1e9  # iterations that nobody waits for
_MOST_PARAMETERS = 2000  # of a matrix of second derivatives that is worth its time
_FEW_PARAMETERS = 100  # of one that takes none
_MOST_NUMBERS = 1 << 24  # that second derivatives of several outputs may hold meanwhile
_MOMENTA = (0.9, 0.99, 0.999)
_DIFFERENCES_ARE_GOOD_TO = 1e-6  # slopes below it may be rounding, of functions about 1
_UNEQUAL = 10.0  # ratio of the columns' sizes from which on they are worth a word


@dataclass(frozen=True)
class End:
    """A run that ended after its most updates.

    Attributes
    ----------
    start, x : ndarray of shape (n_parameters,)
        Its first and its last point.
    slope : float
        The largest slope at the last, penalties included.
    n : int
        Updates.
    tol : float
        What the slope was compared with.
    """

    start: Point
    x: Point
    slope: float
    n: int
    tol: float


@dataclass(frozen=True)
class Slowness:
    """Why a run was slow, in words, and after how many iterations theory expects its end; inf if it knows none."""

    why: str
    most: float
    rounded: bool


@dataclass(frozen=True)
class Way:
    """How to go, how much of that is new, and the iterations that theory expects."""

    words: str
    changes: int
    iterations: float


def advice(problem: Problem, optimizer: Optimizer, end: End) -> str:
    """Why a run of `minimize` did not converge, and what to do; empty where that is not known."""
    if end.tol == 0 or optimizer.maximize:
        return ""
    unstable = _unstable(problem, optimizer, end.start) if _is_worth_its_time(end) else ""
    return (
        unstable
        or _endless(problem, optimizer, end)
        or _slow(problem, optimizer, end)
        or _still(problem, end)
    )


def too_fast(problem: Problem, optimizer: Optimizer, start: Point) -> str:
    """Which rates are stable, and which one to try, after a run that diverged; empty where that is not known."""
    if isinstance(problem, Function):
        known = schedule_of(optimizer) is None and not optimizer.maximize and optimizer.lr
        return f"try a smaller learning rate than {optimizer.lr:g}" if known else ""
    return _unstable(problem, optimizer, start)


def _unstable(problem: Problem, optimizer: Optimizer, start: Point) -> str:
    """Which rates are stable, and which one to try, if this rate is not."""
    limit = stable_limit(problem, optimizer, start)
    if limit is None or optimizer.lr <= limit:
        return ""
    rate = default_rate(optimizer, problem.curvature(start))
    if rate is None:
        return ""
    other = optimizer.with_options(lr=float(f"{rate:.6g}"))
    return f"the learning rate {optimizer.lr:g} is too large: below {limit:.6g} it is stable; try {other!r}"


def stable_limit(problem: Problem, optimizer: Optimizer, start: Point) -> float | None:
    """The rate below which a descent from `start` is stable, whatever rate it has; None where that is not known."""
    if not is_plain(optimizer) or schedule_of(optimizer) is not None or optimizer.maximize:
        return None
    bent = problem.curvature(start)
    if bent is None or not bent.constant:
        return None
    bent = bent.penalized(_penalty(optimizer))
    momentum, damped = optimizer.momentum, 1.0 - getattr(optimizer, "dampening", 0.0)
    if not 0.0 < bent.largest < np.inf or not 0.0 <= momentum < 1.0 or damped <= 0.0:
        return None
    limits = stable_range([[bent.largest]], momentum=momentum, nesterov=is_nesterov(optimizer))
    return float(limits[1] / damped)


def _endless(problem: Problem, optimizer: Optimizer, end: End) -> str:
    """Why no number of updates would do, if that is so, and what would."""
    if problem.batches is not None and schedule_of(optimizer) is None:
        return (
            "in batches a descent at a fixed rate ends in their noise about the optimum; "
            "let a schedule lower the rate, or leave out batch_size"
        )
    if is_separated(problem, optimizer, end.x):
        return (
            "the classes can be separated, so that weights grow for ever; "
            "l2=0.001 gives them an optimum, a larger tol an earlier end"
        )
    return ""


def _still(problem: Problem, end: End) -> str:
    """How far the slope of a function is from the tolerance, and what helps; empty for other problems."""
    if not isinstance(problem, Function) or not np.isfinite(end.slope):
        return ""
    where = f"the largest slope is {end.slope:.2g}, tol is {end.tol:.2g}"
    if problem.differs and end.slope < _DIFFERENCES_ARE_GOOD_TO:
        return f"{where}; differences of values give no finer slopes: give jac, or set a larger tol"
    return f"{where}; raise max_iter, or try another rate or optimizer"


def _slow(problem: Problem, optimizer: Optimizer, end: End) -> str:
    """Why it takes long, and what takes less."""
    slow, scales = slowness(problem, optimizer, end), _unscaled(problem)
    if slow is None:
        return scales
    other = _other_remedy(problem, optimizer, end, slow)
    if scales and other.iterations > end.n:
        return f"{slow.why}; {scales}"
    return f"{slow.why}; {', or '.join(filter(None, (scales, other.words)))}"


def _other_remedy(problem: Problem, optimizer: Optimizer, end: End, slow: Slowness) -> Way:
    """What helps besides columns of equal sizes."""
    if slow.rounded:
        words = "use dtype='float64'" if end.x.dtype == np.float32 else "set a larger tol"
        return Way(words, 1, np.inf)
    ways = [
        Way(f"try {other!r}: {about(count)} iterations", int(changed), count)
        for other, changed, count in faster(problem, optimizer, end)
    ]
    way = best([way for way in ways if way.iterations < slow.most / 2], end.n)
    if way is not None:
        return way
    if slow.most < FOR_EVER:
        return Way(f"raise max_iter to {rounded(1.1 * slow.most)}", 1, slow.most)
    return Way("set a larger tol, or l2", 1, np.inf)


def _unscaled(problem: Problem) -> str:
    """What columns of unequal sizes call for.

    In root mean squares deviations and means take part, as in the curvature, and the constant term.
    """
    if not isinstance(problem, LinearModel):
        return ""
    rows = problem.condensed.X
    largest = np.abs(rows).max(axis=0)
    largest, X = largest[largest > 0], rows[:, largest > 0]
    sizes = largest * np.sqrt(np.mean(np.square(X / largest), axis=0))
    with np.errstate(over="ignore"):
        ratio = float(sizes.max() / sizes.min()) if sizes.size else 1.0
    if ratio <= _UNEQUAL:
        return ""
    return f"the sizes of the columns have the ratio {ratio:.2g}: standardize them"


def is_separated(problem: Problem, optimizer: Optimizer, x: Point) -> bool:
    """Whether a plane has all rows of each class on its side, and no penalty holds the weights."""
    penalized = optimizer.l1 or _penalty(optimizer)
    return isinstance(problem, Logistic) and not penalized and problem.accuracy(x) == 1.0


def slowness(problem: Problem, optimizer: Optimizer, end: End) -> Slowness | None:
    """The condition number and theory's iterations; None where they are not known, or not worth their time."""
    bent = _curvature(problem, optimizer, end)
    if bent is None:
        return None
    known = schedule_of(optimizer) is None
    rate = optimizer.lr if known else np.nan
    wanted = _iterations(optimizer, rate, bent, _first_slope(problem, end) / end.tol)
    if bent.constant and wanted < end.n / 2:
        why = f"rounding keeps the slope above the tolerance of {end.tol:.2g}"
        return Slowness(why, np.inf, rounded=True)
    most = end.n + _iterations(optimizer, rate, bent, end.slope / end.tol)
    why = f"the condition number of the curvature is {bent.condition:.2g}"
    if np.isfinite(most):
        why += f"; theory expects {about(most)} iterations"
    return Slowness(why, most, rounded=False)


def faster(
    problem: Problem, optimizer: Optimizer, end: End
) -> Iterator[tuple[Optimizer, bool, float]]:
    """The optimizer at its default rate, then others with momentum, and the iterations that theory expects of each.

    The flag says whether it is another one. Where the curvature changes, momentum is Nesterov's.
    """
    bent, bound = _curvature(problem, optimizer, end), problem.curvature(end.start)
    if bent is None or bound is None:
        return
    reduction = _first_slope(problem, end) / end.tol
    kind = Momentum if bound.constant else NAG
    others = [kind(momentum=momentum, l2=_penalty(optimizer)) for momentum in _MOMENTA]
    for one in (optimizer, *others):
        rate = default_rate(one, bound)
        if rate is not None:
            rate = float(f"{rate:.6g}")  # one that can be typed
            count = _iterations(one, rate, bent, reduction)
            yield one.with_options(lr=rate), one is not optimizer, count


def best(ways: Sequence[Way], max_iter: int) -> Way | None:
    """Of those within the most iterations the one that changes least, otherwise the fastest."""
    soon = [way for way in ways if way.iterations <= max_iter]
    if soon:
        return min(soon, key=lambda way: (way.changes, way.iterations))
    ends = [way for way in ways if way.iterations < FOR_EVER]
    return min(ends, key=lambda way: way.iterations, default=None)


def about(count: float) -> str:
    """A number of iterations in words."""
    return f"about {rounded(count):,}" if count < FOR_EVER else "more than a billion"


def rounded(count: float) -> int:
    """Two digits, rounded up."""
    unit = 10 ** max(0, len(str(int(count))) - 2)
    return int(-(-count // unit) * unit)


# --- shared parts ---------------------------------------------------------------------------------------


def _is_worth_its_time(end: End) -> bool:
    """Whether second derivatives take no longer than the run did."""
    return len(end.x) <= min(_MOST_PARAMETERS, max(_FEW_PARAMETERS, end.n))


def _curvature(problem: Problem, optimizer: Optimizer, end: End) -> Curvature | None:
    """That at the end, penalties included; None if it is flat, not known, or takes longer than the run."""
    if not _is_worth_its_time(end):
        return None
    if problem.batches is not None:
        return None
    if isinstance(problem, LeastSquares) and problem.update == "sequential":
        return None  # another method
    if isinstance(problem, LinearModel) and problem.outputs > 1:
        numbers = problem.n_rows * problem.n_parameters * problem.outputs
        if numbers > _MOST_NUMBERS:
            return None
    found = problem.local_curvature(end.x)
    if found is None:
        return None
    bent = found.penalized(_penalty(optimizer))
    return bent if 1.0 <= bent.condition < np.inf else None


def _first_slope(problem: Problem, end: End) -> float:
    return float(np.abs(problem.gradient(end.start)).max())


def _penalty(optimizer: Optimizer) -> float:
    return float(optimizer.l2 + optimizer.weight_decay)


def _iterations(optimizer: Optimizer, rate: float, bent: Curvature, reduction: float) -> float:
    """Theory's iterations; inf for an optimizer of which theory knows nothing."""
    if not is_plain(optimizer) or not np.isfinite([rate * bent.largest, reduction]).all():
        return np.inf
    if not 0.0 <= optimizer.momentum < 1.0:
        return np.inf
    return expected_iterations(
        bent.condition,
        max(1.0, reduction),
        lr=rate * bent.largest * (1.0 - getattr(optimizer, "dampening", 0.0)),
        momentum=optimizer.momentum,
        nesterov=is_nesterov(optimizer),
    )
