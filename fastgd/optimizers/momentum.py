"""Plain and accelerated descent: SGD, Momentum (HeavyBall), NAG."""

from __future__ import annotations

from typing import Unpack

from fastgd.optimizers.base import Optimizer
from fastgd.optimizers.common import CONVENTIONS, Common
from fastgd.optimizers.fields import MOMENTUM, NONNEGATIVE, Flag, Real, Schedule
from fastgd.optimizers.formula import Formula, formula
from fastgd.optimizers.kind import Values

__all__ = ["SGD", "Momentum", "HeavyBall", "NAG"]  # noqa: RUF022  (the order in which users see them)


class SGD(
    Optimizer,
    conventions=CONVENTIONS,
    fields={"momentum": MOMENTUM, "dampening": Real(switch=True), "nesterov": Flag()},
):
    r"""Gradient descent, with momentum or Nesterov momentum.

    Without momentum :math:`p \leftarrow p - \mathrm{lr}\, g`. With it

    .. math:: v \leftarrow \mu v + (1 - d)\, g, \qquad p \leftarrow p - \mathrm{lr}\, v

    as in PyTorch and optax (`d`, the dampening, is left out in the first step). In the conventions
    "keras", "sklearn" and "paper" the rate is inside, :math:`v \leftarrow \mu v + \mathrm{lr}\, g`,
    :math:`p \leftarrow p - v`: the same until the rate changes. Nesterov momentum takes
    :math:`\mathrm{lr}(g + \mu v)`, or :math:`\mu v + \mathrm{lr}\, g`.

    Parameters
    ----------
    lr : float or schedule, default 1e-3
        Learning rate, >= 0, or a function of the step number (from 0).
    momentum : float, default 0
        :math:`\mu`, weight of the old velocity.
    dampening : float, default 0
        Only in convention "torch".
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient; in convention "keras" shrinks p by lr * weight_decay.
    nesterov : bool, default False
        Needs momentum, and no dampening.
    **common
        See `Optimizer`; conventions "torch" (default), "optax", "keras", "sklearn", "paper".

    References
    ----------
    Polyak (1964), Some methods of speeding up the convergence of iteration methods.
    Sutskever, Martens, Dahl & Hinton (2013), On the importance of initialization and momentum.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0, 2.0])
    >>> opt = gd.SGD(lr=0.1, momentum=0.5)
    >>> opt.step(p, np.array([1.0, 1.0]))
    >>> opt.step(p, np.array([1.0, 1.0]))
    >>> p
    array([0.75, 1.75])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._set(
            common,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        dampened = values["dampening"] != 0.0
        if values["nesterov"] and (values["momentum"] == 0.0 or dampened):
            raise ValueError("nesterov needs momentum > 0 and dampening = 0")
        if dampened:
            cls._refuse("dampening", values, ("torch",))
        if values["momentum"] == 0.0:
            return formula("sgd")
        if dampened:
            return formula("momentum", "rate_outside_dampened")
        # The velocity holds gradients in these two, and lr * gradients elsewhere.
        outside = values["convention"] in {"torch", "optax"}
        rate = "rate_outside" if outside else "rate_inside"
        return formula("nesterov" if values["nesterov"] else "momentum", rate)


class Momentum(
    Optimizer, conventions=("paper", "keras", "sklearn"), fields={"momentum": NONNEGATIVE}
):
    r"""Classical momentum, or the heavy ball: the velocity holds lr * g.

    .. math:: v \leftarrow \mu v + \mathrm{lr}\, g, \qquad p \leftarrow p - v

    which is :math:`p_{n+1} = p_n - \mathrm{lr}\, g + \mu (p_n - p_{n-1})` for any rates. Unlike
    PyTorch's SGD with momentum, a change of the rate does not act on the velocity already gained.

    Parameters
    ----------
    lr : float or schedule, default 0.01
        Learning rate, >= 0, or a function of the step number (from 0).
    momentum : float, default 0.9
        :math:`\mu`, weight of the old velocity.
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient; in convention "keras" shrinks p by lr * weight_decay.
    **common
        See `Optimizer`; conventions "paper" (default), "keras", "sklearn".

    References
    ----------
    Polyak (1964), Some methods of speeding up the convergence of iteration methods.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p, opt = np.array([1.0]), gd.Momentum(lr=0.1, momentum=0.5)
    >>> opt.step(p, np.array([1.0]))
    >>> opt.step(p, np.array([1.0]))
    >>> p
    array([0.75])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._set(common, lr=lr, momentum=momentum, weight_decay=weight_decay)

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        return formula("momentum", "rate_inside")


HeavyBall = Momentum


class NAG(Optimizer, conventions=("paper", "keras", "sklearn"), fields={"momentum": NONNEGATIVE}):
    r"""Nesterov's accelerated gradient in the form of Sutskever et al.

    .. math:: v \leftarrow \mu v - \mathrm{lr}\, \nabla f(\theta + \mu v), \qquad
              \theta \leftarrow \theta + v

    `step` has no function to ask at :math:`\theta + \mu v`, so there the parameters are that
    look-ahead point, :math:`p \leftarrow p - (\mu v + \mathrm{lr}\, g)` with
    :math:`v \leftarrow \mu v + \mathrm{lr}\, g`, as in Keras and scikit-learn.

    Parameters
    ----------
    lr : float or schedule, default 0.01
        Learning rate, >= 0, or a function of the step number (from 0).
    momentum : float, default 0.9
        :math:`\mu`, weight of the old velocity.
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient; in convention "keras" shrinks p by lr * weight_decay.
    **common
        See `Optimizer`; conventions "paper" (default), "keras", "sklearn".

    References
    ----------
    Nesterov (1983), A method for solving the convex programming problem with rate O(1/k^2).
    Sutskever, Martens, Dahl & Hinton (2013), On the importance of initialization and momentum.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0])
    >>> gd.NAG(lr=0.1, momentum=0.5).step(p, np.array([1.0]))
    >>> p
    array([0.85])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._set(common, lr=lr, momentum=momentum, weight_decay=weight_decay)

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        return formula("nesterov", "rate_inside")
