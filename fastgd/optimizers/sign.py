"""Updates by the sign: Rprop, Lion."""

from __future__ import annotations

from typing import Unpack

from fastgd.optimizers.base import Optimizer
from fastgd.optimizers.common import Common
from fastgd.optimizers.fields import BETAS, NONNEGATIVE, Pair, Real, Schedule
from fastgd.optimizers.formula import Formula, formula
from fastgd.optimizers.kind import Values

__all__ = ["Rprop", "Lion"]  # noqa: RUF022  (the order in which users see them)


class Rprop(
    Optimizer,
    conventions=("torch",),
    fields={
        "etas": Pair(Real(0.0, 1.0, low_open=True, high_open=True), Real(1.0, low_open=True)),
        "step_sizes": Pair(NONNEGATIVE, NONNEGATIVE, ordered=True),
    },
):
    r"""Resilient propagation: only the gradient's sign counts.

    Each parameter has a step size, at first lr, that grows by ``etas[1]`` while the gradient keeps
    its sign and shrinks by ``etas[0]`` when it changes; after a change the parameter rests for a
    step. As in PyTorch, without the paper's backtracking. For full batches.

    Parameters
    ----------
    lr : float or schedule, default 1e-2
        The first step size; later rates have no effect.
    etas : (float, float), default (0.5, 1.2)
        Factors of decrease, in (0, 1), and of increase, > 1.
    step_sizes : (float, float), default (1e-6, 50)
        Smallest and largest step size.
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient.
    **common
        See `Optimizer`; convention "torch" only.

    References
    ----------
    Riedmiller & Braun (1993), A direct adaptive method for faster backpropagation learning.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0, 1.0])
    >>> gd.Rprop(lr=0.1).step(p, np.array([1e-3, -1e3]))
    >>> p
    array([0.9, 1.1])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._set(common, lr=lr, etas=etas, step_sizes=step_sizes, weight_decay=weight_decay)

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        return formula("rprop", initial={"size": "lr"})


class Lion(Optimizer, conventions=("optax", "keras"), fields={"betas": BETAS}, decoupled=True):
    r"""Lion: the sign of an interpolated momentum.

    .. math:: p \leftarrow p - \mathrm{lr}\, \mathrm{sign}(\beta_1 m + (1 - \beta_1) g), \qquad
              m \leftarrow \beta_2 m + (1 - \beta_2) g

    as in optax and Keras, after :math:`p \leftarrow (1 - \mathrm{lr}\,\mathrm{weight\_decay})\, p`.
    A gradient of NaN stays NaN.

    Parameters
    ----------
    lr : float or schedule, default 1e-4
        Learning rate, >= 0, or a function of the step number (from 0).
    betas : (float, float), default (0.9, 0.99)
        In [0, 1).
    weight_decay : float, default 0
        Decoupled. The default is 1e-3 in optax.
    **common
        See `Optimizer`; conventions "optax" (default), "keras".

    References
    ----------
    Chen et al. (2023), Symbolic discovery of optimization algorithms.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0, 1.0])
    >>> gd.Lion(lr=0.1).step(p, np.array([1e-3, -1e3]))
    >>> p
    array([0.9, 1.1])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._set(common, lr=lr, betas=betas, weight_decay=weight_decay)

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        return formula("lion")
