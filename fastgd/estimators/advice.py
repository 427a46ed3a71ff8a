"""What a fit that did not converge says: how far it came, why, and what to do, chosen by what was seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgd.estimators.stopping import Stopping
from fastgd.optimizers import NAG, SGD, Momentum, Optimizer
from fastgd.optimizers.loops import schedule_of
from fastgd.theory import mode_iterations

__all__ = ["UNEQUAL", "Course", "advice", "lost_in_rounding", "unscaled_part"]

_SWINGS = 1e-3  # of the objective: how far above the best the last one is if the descent swings
_WORTH_A_WORD = (
    0.01  # share of the loss; flat losses may hide more behind an estimate that is smaller
)
UNEQUAL = 10.0  # ratio of the columns' scales from which on they are worth a word
_MODES = (
    64  # that the closed form takes at a time: each matrix is diagonal, but it does not know that
)
_COLLINEAR = 1e4  # condition number after standardizing from which on columns are nearly collinear


@dataclass(frozen=True)
class Course:
    """How a fit went.

    Attributes
    ----------
    stopping : Stopping
    optimizer : Optimizer
    max_iter : int
    whole : bool
        Whether updates saw all rows.
    separated : bool
        Whether all rows are on the right side, without a penalty.
    scales : float
        Ratio of the largest scale of a column to the smallest, as trained on.
    standardized : bool
    single : bool
        Whether in float32.
    quadratic : bool
        Whether the loss is the squared error.
    steady : bool
        Whether the rates are the optimizer's own, not those of secants.
    """

    stopping: Stopping
    optimizer: Optimizer
    max_iter: int
    whole: bool
    separated: bool
    scales: float
    standardized: bool
    single: bool
    quadratic: bool
    steady: bool


def advice(course: Course) -> str:
    """The message of the warning."""
    reached = f"training reached max_iter={course.max_iter} epochs before it converged"
    return f"{reached}; {_left(course.stopping)} of the loss is left to gain: {_obstacle(course) or _pace(course)}"


def _left(stopping: Stopping) -> str:
    """How much, as a bound if there is one, else as an estimate."""
    most, least = stopping.distance(), stopping.least()
    if most < 1:
        return f"up to {_percent(most)}"
    return f"about {_percent(least)} or more" if least >= _WORTH_A_WORD else "an unknown part"


def unscaled_part(ratio: float) -> str:
    """The message of `partial_fit` that sees columns of different scales."""
    return (
        f"the scales of the columns have the ratio {ratio:.2g}, and partial_fit does not standardize: scale the "
        "columns, or call fit with some rows first"
    )


def lost_in_rounding(distance: float) -> str:
    """The message of a fit that converged to what float32 does not hold."""
    return (
        f"float32 cannot hold the model: rounded to it, the loss is up to {_percent(distance)} above its minimum; set "
        "dtype='float64', or subtract from the columns of X their means"
    )


def _percent(distance: float) -> str:
    return f"{float(f'{100 * distance:.2g}'):g} %"


def _obstacle(course: Course) -> str:
    """What more epochs of the same kind would not mend, and what would; empty if there is no such thing."""
    stopping, optimizer = course.stopping, course.optimizer
    own = [k for k in ("weight_decay", "l1", "l2") if getattr(optimizer, k, 0)]
    if course.separated:
        return "a plane separates the classes, so without a penalty the loss has no minimum; set l2, or raise max_iter"
    if stopping.last > stopping.first:
        return "the loss has grown; lower learning_rate"
    if own:
        return f"{_name(course)}'s own {', '.join(own)} is not part of what is minimized; set it to 0 and use l1 or l2"
    return ""


def _pace(course: Course) -> str:
    """Why the descent is slow, and what would speed it up."""
    stopping = course.stopping
    if not course.standardized and course.scales > UNEQUAL:
        return _unscaled(course)
    if not course.whole:
        return _noisy(course)
    # Rates of secants swing, and lead down all the same.
    if course.steady and stopping.last > stopping.best + _SWINGS * abs(stopping.best):
        return f"the loss swings; lower learning_rate, by a schedule for example{_other(course)}"
    return _slow(course)


def _noisy(course: Course) -> str:
    """Of batches."""
    stopping, optimizer = course.stopping, course.optimizer
    if stopping.last <= stopping.best:
        return "the loss still falls; raise max_iter"
    such = ""
    if schedule_of(optimizer) is None:
        such = f", such as fastgd.schedules.cosine({optimizer.lr:.2g}, {optimizer.t})"
    return f"the batches differ; lower learning_rate by a schedule{such}, or raise batch_size or max_iter"


def _unscaled(course: Course) -> str:
    """Of columns with different scales."""
    spectrum = course.stopping.left.spectrum
    condition = "" if spectrum is None else f" and the condition number is {spectrum.condition:.2g}"
    return (
        f"the scales of the columns have the ratio {course.scales:.2g}{condition}{_expected(course)}; set "
        "standardize=True, or scale the columns"
    )


def _slow(course: Course) -> str:
    """Of a descent that goes well, but slowly."""
    spectrum = course.stopping.left.spectrum
    why, what = f"{_name(course)} is slow here", "raise max_iter"
    if spectrum is not None and spectrum.condition > _COLLINEAR:
        bent = (
            "columns are nearly collinear"
            if course.quadratic
            else "the loss is nearly flat somewhere"
        )
        why = f"{bent} (condition number {spectrum.condition:.2g})"
        what += ", set l2" + (", use dtype='float64'" if course.single else "")
    return f"{why}{_expected(course)}; {what}{_other(course)}"


def _name(course: Course) -> str:
    return type(course.optimizer).__name__


def _other(course: Course) -> str:
    """Another optimizer to try."""
    return "" if isinstance(course.optimizer, NAG) else ", or try optimizer='nag'"


def _expected(course: Course) -> str:
    """How many more updates the closed form predicts, in words."""
    left, optimizer = course.stopping.left, course.optimizer
    if left.spectrum is None or not isinstance(optimizer, SGD | Momentum | NAG):
        return ""
    if schedule_of(optimizer) or not course.steady or not left.spectrum.values.size:
        return ""
    nesterov = isinstance(optimizer, NAG) or bool(getattr(optimizer, "nesterov", False))
    values = left.spectrum.values
    # Mode i is left to gain c² / 2l; `mode_iterations` compares each with one tolerance.
    heights = (left.spectrum.vectors @ left.gradient.ravel()) / np.sqrt(2.0 * values)
    allowed = course.stopping.allowed_gap()
    if not 0.0 < allowed < math.inf:
        return ""
    most = 0.0
    for k in range(0, len(values), _MODES):
        some = slice(k, k + _MODES)
        counts: Any = mode_iterations(
            np.diag(values[some]), -heights[some], 0.0 * heights[some], optimizer.lr, math.sqrt(allowed),
            momentum=optimizer.momentum, nesterov=nesterov,
        )  # fmt: skip
        most = max(most, float(np.max(counts)))
    if not math.isfinite(most) or most < 1:
        return ""
    least = "" if course.quadratic else "at least "  # where the curvature falls along the way
    return f", {least}about {float(f'{most:.2g}'):.0f} more iterations by the closed form"
