"""What a stepper needs to know: the arrays (`Slot`) and how each is updated (`Group`).

A stepper is made once, from slots and groups; its ``step(params, grads, t)`` updates in place, with the rates in the
groups. There are three, which give the same bits: the compiled one in `fastgd.engines.native.steps`, and its twins in
plain NumPy (`fastgd.engines.reference.steps`) and on a GPU (`fastgd.engines.cuda.steps`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.parse import CoefficientFunction, Rule

Loop = int | Callable[..., Any]


def _no_carry() -> NDArray[np.float64]:
    return np.ones(1)


def _none_behind() -> NDArray[np.float64]:
    return np.zeros(1)


def _shared() -> NDArray[np.float64]:
    return np.array([1.0, 1.0, math.inf, 0.0, 0.0, 0.0])


@dataclass(eq=False, repr=False)
class Group:
    """Arrays that share a rule and its hyperparameters.

    The arrays `hyper`, `shared`, `carry` and `behind` are read at every step: the owner of the group may change them.

    Attributes
    ----------
    rule, coefficients
        The update and its coefficients as a function of the step.
    hyper : ndarray of float64
        Arguments of the coefficient function after the step number (and the carry): the rate first.
    shared : ndarray of float64, shape (6,)
        Arguments of `fastgd.rules.coefficients.prepare` after (t, lr): sign, scale, clip, l2, l1,
        decay. The scale is 1 here; clipping by norm multiplies it.
    prepared : bool
        Whether `prepare` runs before the rule; clipping by norm needs it.
    clip_norm, norm_eps : float
        All gradients of the step are scaled by min(1, clip_norm / (norm + norm_eps)); infinity is
        none.
    carry : ndarray of float64, shape (1,)
        Running product of the coefficient function, 1 before the first step.
    behind : ndarray of float64, shape (1,)
        How many steps the arrays have missed, which do not count in the step number of the coefficients.
    loops : dict
        From "f" (float32) or "d" (float64) to the update loop: an address, or a Python function in
        the NumPy twin.
    evaluate : int, callable or None
        How the coefficients are computed: an address of ``void f(double t, double* carry, const
        double* hyper, double* out)``, or a Python function ``f(t, carry, hyper, out)`` on float64
        arrays (a user's function that Numba cannot compile; if it raises, nothing has changed).
        None: the shipped kernel of that name.
    """

    rule: Rule
    coefficients: CoefficientFunction
    hyper: NDArray[np.float64]
    shared: NDArray[np.float64] = field(default_factory=_shared)
    prepared: bool = False
    clip_norm: float = math.inf
    norm_eps: float = 1e-6
    carry: NDArray[np.float64] = field(default_factory=_no_carry)
    behind: NDArray[np.float64] = field(default_factory=_none_behind)
    loops: dict[str, Loop] = field(default_factory=dict)
    evaluate: Loop | None = None


@dataclass(eq=False, repr=False)
class Slot:
    """One parameter array: its name in messages, its form, and its state: of this form, without gaps, all in one order.

    The state of parameters on a GPU are device arrays of Numba.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    group: int
    state: tuple[Any, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Method:
    """An optimizer's update in the form of compiled loops, for one run or for n runs of a sweep.

    Attributes
    ----------
    rule, coefficients
        The update and its coefficients as a function of the step.
    hyper : ndarray of float64, shape (nh,) or (nh, n)
        ``coefficients.hyperparameters`` in order, the rate first (of a schedule: the current one).
    shared : ndarray of float64, shape (6,) or (6, n)
        Arguments of `fastgd.rules.coefficients.prepare` after (t, lr).
    initial : dict of str to float or ndarray of shape (n,)
        The first value of state variables that do not start at 0.
    prepared : bool
        Whether `prepare` is needed.
    clip_norm, norm_eps : float or ndarray of shape (n,), float
        As in `fastgd.engines.protocol.steps.Group`.
    minimized : ndarray of float64, shape (5,) or (5, n)
        What the run minimizes besides the objective: arguments of `fastgd.rules.updates.steepness` after (p, g).
    """

    rule: Rule
    coefficients: CoefficientFunction
    hyper: NDArray[np.float64]
    shared: NDArray[np.float64]
    initial: dict[str, Any]
    prepared: bool
    clip_norm: Any
    norm_eps: float
    minimized: NDArray[np.float64]


def table_of(values: Sequence[Any], runs: int | None) -> NDArray[np.float64]:
    """A row for each value, with a column for each of `runs` runs; what is the same for all of them is not copied."""
    if runs is None:
        return np.array(values, np.float64)
    try:
        numbers = np.array(values, np.float64)
    except ValueError:  # columns beside numbers
        table = np.empty((len(values), runs))
        for row, value in zip(table, values, strict=True):
            row[...] = value
        return table
    if numbers.ndim == 2:
        return numbers
    return np.ndarray((len(values), runs), np.float64, numbers, strides=(8, 0))
