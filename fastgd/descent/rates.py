"""The learning rate where none is given: one rule for `minimize`, the command line and the estimators.

On a quadratic it is `fastgd.theory.steady_rate`: the best rate for the momentum, but not at the limit of stability.
Other functions have no such limit with momentum: where the curvature changes, the heavy ball may cycle at rates that
are stable for each curvature alone (Lessard, Recht and Packard 2016, section 4.6). They get 1 / largest curvature. And
where the bound holds only as long as steps gather no speed, the rate is (1 - mu) / largest, at which the heavy ball's
energy never rises (Ghadimi, Feyzmahdavian and Johansson 2015).
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.optimizers import NAG, SGD, Momentum, Optimizer
from fastgd.optimizers.loops import schedule_of
from fastgd.problems import Problem
from fastgd.problems.curvature import Curvature
from fastgd.theory import steady_rate

_SWING = 3.0  # steps: how far velocities and averages carry a parameter beyond a kink
_SHORTEST_MEMORY = 1e-6  # of 1 - momentum

AnOptimizer = TypeVar("AnOptimizer", bound=Optimizer)


def default_rate(optimizer: Optimizer, curvature: Curvature | None) -> float | None:
    """A rate that is stable and fast, from the optimizer's momentum and penalties and the problem's curvature.

    Parameters
    ----------
    optimizer : Optimizer
        Its own rate is ignored.
    curvature : Curvature, optional

    Returns
    -------
    float or None
        None where the rate does not follow from the curvature, and the optimizer's own default is as good as any: for
        adaptive optimizers and users' own rules, with a momentum of 1 or more, for maximization, for an unknown
        curvature and for none.
    """
    if curvature is None or not is_plain(optimizer):
        return None
    momentum, nesterov = optimizer.momentum, is_nesterov(optimizer)
    bent = curvature.penalized(optimizer.l2 + optimizer.weight_decay)
    if optimizer.maximize or not 0.0 <= momentum < 1.0 or not 0.0 < bent.largest < np.inf:
        return None
    gain = 1.0 - getattr(optimizer, "dampening", 0.0)  # of a slope in the velocity
    if gain <= 0.0:
        return None
    return _rate(bent, momentum, nesterov) / gain


def _rate(curvature: Curvature, momentum: float, nesterov: bool) -> float:
    largest = curvature.largest
    if not curvature.everywhere:
        return (1.0 - momentum) / largest
    if momentum and not curvature.constant:
        return 1.0 / largest
    return steady_rate(curvature.smallest, largest, momentum, nesterov=nesterov)


def is_plain(optimizer: Optimizer) -> bool:
    """Whether the update is that of plain descent, the heavy ball or Nesterov's: what theory knows."""
    return isinstance(optimizer, SGD | Momentum | NAG)


def is_nesterov(optimizer: Optimizer) -> bool:
    """Whether the optimizer's momentum is Nesterov's."""
    return isinstance(optimizer, NAG) or bool(getattr(optimizer, "nesterov", False))


def longest_swing(optimizer: Optimizer, slope: ArrayLike, n: int) -> NDArray[np.float64]:
    """About how far parameters of slopes up to `slope` swing at update `n`: some steps.

    Those of plain descent are the rate times the slope, summed up by the velocity; those of adaptive rules are the
    rate, whatever the slope.
    """
    schedule = schedule_of(optimizer)
    rate = optimizer.lr if schedule is None else schedule(n)
    sizes = np.abs(np.asarray(slope, np.float64))
    if is_plain(optimizer):
        sizes /= max(1.0 - optimizer.momentum, _SHORTEST_MEMORY)
    else:
        sizes = np.ones_like(sizes)
    return np.asarray(_SWING * rate * sizes)


def with_default_rate(
    optimizer: AnOptimizer, problem: Problem, x0: ArrayLike | None = None
) -> AnOptimizer:
    """A fresh copy with the default rate for a problem; with its own where there is none."""
    rate = default_rate(optimizer, problem.curvature(x0))
    return optimizer.fresh() if rate is None else optimizer.with_options(lr=rate)
