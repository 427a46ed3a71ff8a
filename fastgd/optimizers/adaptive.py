"""Rates adapted by squared gradients: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

import math
from typing import Unpack

from fastgd.optimizers.base import Optimizer
from fastgd.optimizers.common import Common
from fastgd.optimizers.fields import MOMENTUM, NONNEGATIVE, SMALLEST, UNIT, Flag, Real, Schedule
from fastgd.optimizers.formula import Formula, formula
from fastgd.optimizers.kind import Values

__all__ = ["Adagrad", "RMSprop", "Adadelta"]  # noqa: RUF022  (the order in which users see them)


class Adagrad(
    Optimizer,
    conventions=("torch", "optax", "keras", "paper"),
    fields={
        "lr_decay": Real(0.0, switch=True),
        "initial_accumulator_value": Real(0.0, none=math.nan),
        "eps": Real(0.0, switch=True),
    },
):
    r"""AdaGrad: a rate for each parameter that falls with the sum of its squared gradients.

    .. math:: G \leftarrow G + g^2, \qquad
              p \leftarrow p - \frac{\mathrm{lr}}{1 + (t - 1)\,\mathrm{lr\_decay}}
              \frac{g}{\sqrt{G} + \epsilon}

    as in PyTorch, unlike optax, Keras and the "paper" convention, where it is
    :math:`g / \sqrt{G + \epsilon}`.

    Parameters
    ----------
    lr : float or schedule, default 1e-2
        Learning rate, >= 0, or a function of the step number (from 0).
    lr_decay : float, default 0
        Only in convention "torch".
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient; in convention "keras" shrinks p by lr * weight_decay.
    initial_accumulator_value : float, optional
        Where G starts; by default 0, and 0.1 in the conventions "optax" and "keras".
    eps : float, default 1e-10
    **common
        See `Optimizer`; conventions "torch" (default), "optax", "keras", "paper".

    References
    ----------
    Duchi, Hazan & Singer (2011), Adaptive subgradient methods for online learning and stochastic
    optimization.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0, 1.0])
    >>> gd.Adagrad(lr=0.1).step(p, np.array([0.5, 100.0]))
    >>> p.round(6)
    array([0.9, 0.9])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float | None = None,
        eps: float = 1e-10,
        **common: Unpack[Common],
    ) -> None:
        self._set(
            common,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        if values["lr_decay"] != 0.0:
            cls._refuse("lr_decay", values, ("torch",))
        start: str | float = "initial_accumulator_value"
        if math.isnan(values["initial_accumulator_value"]):
            start = 0.1 if values["convention"] in {"optax", "keras"} else 0.0
        inside = values["convention"] != "torch"
        selected = formula("adagrad", eps_inside=inside, initial={"total": start})
        if values["convention"] == "optax" and values["eps"] == 0.0:
            # There a parameter that never had a gradient rests, where 0 / 0 would be NaN.
            sources = {**selected.sources, "inside": SMALLEST}
            return Formula(selected.rule, selected.coefficients, sources, selected.initial)
        return selected


class RMSprop(
    Optimizer,
    conventions=("torch", "optax", "keras", "paper"),
    fields={"alpha": UNIT, "eps": NONNEGATIVE, "momentum": MOMENTUM, "centered": Flag()},
):
    r"""RMSprop: the gradient divided by the root of a running mean of its squares.

    .. math:: v \leftarrow \alpha v + (1 - \alpha) g^2, \qquad
              p \leftarrow p - \mathrm{lr} \frac{g}{\sqrt{v} + \epsilon}

    as in PyTorch, unlike optax, Keras and the "paper" convention, where it is
    :math:`g / \sqrt{v + \epsilon}`. `momentum` smooths that quotient, with the rate outside the
    buffer in PyTorch and inside elsewhere. `centered` divides by the root of the variance; the
    variance is averaged itself, so that unlike in PyTorch and optax a constant gradient does not end
    in NaN.

    Parameters
    ----------
    lr : float or schedule, default 1e-2
        Learning rate, >= 0, or a function of the step number (from 0).
    alpha : float, default 0.99
        Weight of the old mean, in [0, 1].
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient; in convention "keras" shrinks p by lr * weight_decay.
    momentum : float, default 0
    centered : bool, default False
    **common
        See `Optimizer`; conventions "torch" (default), "optax", "keras", "paper".

    References
    ----------
    Tieleman & Hinton (2012), Lecture 6.5: RMSProp, COURSERA.
    Graves (2013), Generating sequences with recurrent neural networks (centered).

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0, 1.0])
    >>> gd.RMSprop(lr=0.01, alpha=0.75).step(p, np.array([0.5, -100.0]))
    >>> p.round(6)
    array([0.98, 1.02])
    """

    __slots__ = ()

    def __init__(  # noqa: PLR0917  (PyTorch's order)
        self,
        lr: float | Schedule = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._set(
            common,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        torch = values["convention"] == "torch"
        rule = "rmsprop_centered" if values["centered"] else "rmsprop"
        if values["momentum"] == 0.0:
            return formula(rule, "rmsprop", eps_inside=not torch)
        rate = "rmsprop_rate_outside" if torch else "rmsprop_rate_inside"
        return formula(f"{rule}_momentum", rate, eps_inside=not torch)


class Adadelta(
    Optimizer,
    conventions=("torch", "optax", "keras", "paper"),
    fields={"rho": UNIT, "eps": NONNEGATIVE},
):
    r"""Adadelta: steps measured by the running mean of earlier steps.

    .. math:: v \leftarrow \rho v + (1 - \rho) g^2, \quad
              u = g\, \frac{\sqrt{E + \epsilon}}{\sqrt{v + \epsilon}}, \quad
              E \leftarrow \rho E + (1 - \rho) u^2, \quad p \leftarrow p - \mathrm{lr}\, u

    The paper has no rate (lr = 1). It is the same in all conventions but for the weight decay; a
    paper's weight :math:`\gamma = 2/(n + 1)` of the new sample is :math:`1 - \rho`.

    Parameters
    ----------
    lr : float or schedule, default 1.0
        Learning rate, >= 0, or a function of the step number (from 0). Keras has 0.001 here.
    rho : float, default 0.9
        Weight of the old means, in [0, 1].
    eps : float, default 1e-6
        It also sets the first step, sqrt(eps).
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient; in convention "keras" shrinks p by lr * weight_decay.
    **common
        See `Optimizer`; conventions "torch" (default), "optax", "keras", "paper".

    References
    ----------
    Zeiler (2012), ADADELTA: an adaptive learning rate method.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0])
    >>> gd.Adadelta(rho=0.75).step(p, np.array([2.0]))
    >>> p.round(6)
    array([0.998])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._set(common, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        return formula("adadelta")
