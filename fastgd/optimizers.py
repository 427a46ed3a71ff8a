"""The optimizers: each class has its hyperparameters and says which formula they select.

All of them work on NumPy arrays in place, one fused pass a step; `fastgd.rules` has the mathematics.
Names, arguments and defaults are PyTorch's where PyTorch has the optimizer. `convention` selects
another library's (or the paper's) formula and never changes a hyperparameter's default.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Unpack

from fastgd.hyperparameters import (
    BELOW_ONE,
    NONNEGATIVE,
    UNIT,
    Flag,
    Formula,
    Pair,
    Real,
    Schedule,
    formula,
)
from fastgd.optimizer_base import CONVENTIONS, Common, Optimizer

__all__ = [
    "NAG",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "HeavyBall",
    "Lion",
    "Momentum",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
]

_BETAS = Pair(BELOW_ONE, BELOW_ONE)
_MOMENTUM = Real(0.0, switch=True)
_SMALLEST = 2.0**-126  # the smallest normal float32: nothing beside any square, but not zero
_RATE_OUTSIDE = {
    "torch",
    "optax",
}  # the velocity holds gradients there, and lr * gradients elsewhere


class SGD(
    Optimizer,
    conventions=CONVENTIONS,
    fields={"momentum": _MOMENTUM, "dampening": Real(switch=True), "nesterov": Flag()},
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
        What `Optimizer` lists; conventions "torch" (default), "optax", "keras", "sklearn", "paper".

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

    def _formula(self) -> Formula:
        options = self._options
        dampened = options["dampening"] != 0.0
        if options["nesterov"] and (options["momentum"] == 0.0 or dampened):
            raise ValueError("nesterov needs momentum > 0 and dampening = 0")
        if dampened:
            self._refuse("dampening", ("torch",))
        if options["momentum"] == 0.0:
            return formula("sgd")
        if dampened:
            return formula("momentum", "rate_outside_dampened")
        rate = "rate_outside" if options["convention"] in _RATE_OUTSIDE else "rate_inside"
        return formula("nesterov" if options["nesterov"] else "momentum", rate)


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
        What `Optimizer` lists; conventions "paper" (default), "keras", "sklearn".

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

    def _formula(self) -> Formula:
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
        What `Optimizer` lists; conventions "paper" (default), "keras", "sklearn".

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

    def _formula(self) -> Formula:
        return formula("nesterov", "rate_inside")


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
        What `Optimizer` lists; conventions "torch" (default), "optax", "keras", "paper".

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

    def _formula(self) -> Formula:
        options = self._options
        if options["lr_decay"] != 0.0:
            self._refuse("lr_decay", ("torch",))
        start: str | float = "initial_accumulator_value"
        if math.isnan(options["initial_accumulator_value"]):
            start = 0.1 if options["convention"] in {"optax", "keras"} else 0.0
        inside = options["convention"] != "torch"
        selected = formula("adagrad", eps_inside=inside, initial={"total": start})
        if options["convention"] == "optax" and options["eps"] == 0.0:
            # There a parameter that never had a gradient rests, where 0 / 0 would be NaN.
            sources = {**selected.sources, "inside": _SMALLEST}
            return replace(selected, sources=sources)
        return selected


class RMSprop(
    Optimizer,
    conventions=("torch", "optax", "keras", "paper"),
    fields={"alpha": UNIT, "eps": NONNEGATIVE, "momentum": _MOMENTUM, "centered": Flag()},
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
        What `Optimizer` lists; conventions "torch" (default), "optax", "keras", "paper".

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

    def _formula(self) -> Formula:
        options = self._options
        torch = options["convention"] == "torch"
        rule = "rmsprop_centered" if options["centered"] else "rmsprop"
        if options["momentum"] == 0.0:
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
        What `Optimizer` lists; conventions "torch" (default), "optax", "keras", "paper".

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

    def _formula(self) -> Formula:
        return formula("adadelta")


class _AdamFamily(Optimizer, fields={"betas": _BETAS, "eps": NONNEGATIVE, "amsgrad": Flag()}):
    """Adam and AdamW, which differ in how the weights decay."""

    __slots__ = ()

    def _formula(self) -> Formula:
        convention = self._options["convention"]
        if not self._options["amsgrad"]:
            raw = convention in {"keras", "sklearn"}
            return formula("adam", "adam_uncorrected_eps" if raw else "adam")
        coefficients = {
            "torch": "amsgrad",
            "optax": "amsgrad_corrected_maximum",
            "keras": "amsgrad_uncorrected_eps",
            "paper": "amsgrad_without_correction",
        }
        self._refuse("amsgrad", [name for name in coefficients if name in self.conventions])
        return formula("amsgrad", coefficients[convention])


class Adam(_AdamFamily, conventions=CONVENTIONS, fields={"decoupled_weight_decay": Flag()}):
    r"""Adam: a running mean of gradients over the root of a running mean of their squares.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
              v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
              p \leftarrow p - \mathrm{lr} \frac{m / (1 - \beta_1^t)}
              {\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    as in the paper, PyTorch and optax. Keras and scikit-learn add :math:`\epsilon` to
    :math:`\sqrt{v}` before its correction, which makes it 31 times larger in the first step. With
    `amsgrad` the largest v so far takes v's place: the raw v, then corrected (PyTorch, Keras), the
    corrected v (optax), or without any correction (the paper).

    Parameters
    ----------
    lr : float or schedule, default 1e-3
        Learning rate, >= 0, or a function of the step number (from 0).
    betas : (float, float), default (0.9, 0.999)
        Weights of the old means, in [0, 1).
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient; in convention "keras" shrinks p by lr * weight_decay.
    amsgrad : bool, default False
    decoupled_weight_decay : bool, default False
        Decay as AdamW does.
    **common
        What `Optimizer` lists; conventions "torch" (default), "optax", "keras", "sklearn", "paper".

    References
    ----------
    Kingma & Ba (2015), Adam: a method for stochastic optimization.
    Reddi, Kale & Kumar (2018), On the convergence of Adam and beyond (amsgrad).

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0, 1.0], dtype=np.float32)
    >>> gd.Adam(lr=0.1).step(p, np.array([0.5, -100.0], dtype=np.float32))
    >>> p
    array([0.9, 1.1], dtype=float32)
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._set(
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            decoupled_weight_decay=decoupled_weight_decay,
        )


class AdamW(_AdamFamily, conventions=("torch", "optax", "keras"), decoupled=True):
    r"""Adam with decoupled weight decay.

    :math:`p \leftarrow (1 - \mathrm{lr}\,\mathrm{weight\_decay})\, p`, then Adam's step, as in
    PyTorch, optax and Keras. The decay follows the rate's schedule, unlike the paper's.

    Parameters
    ----------
    lr : float or schedule, default 1e-3
        Learning rate, >= 0, or a function of the step number (from 0).
    betas : (float, float), default (0.9, 0.999)
        Weights of the old means, in [0, 1).
    eps : float, default 1e-8
    weight_decay : float, default 1e-2
        optax has 1e-4 here and Keras 4e-3.
    amsgrad : bool, default False
        As in `Adam`.
    **common
        What `Optimizer` lists; conventions "torch" (default), "optax", "keras".

    References
    ----------
    Loshchilov & Hutter (2019), Decoupled weight decay regularization.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([2.0])
    >>> gd.AdamW(lr=0.1, weight_decay=0.5).step(p, np.array([3.0]))
    >>> p.round(6)
    array([1.8])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._set(common, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)


class NAdam(
    Optimizer,
    conventions=("torch", "optax", "keras"),
    fields={
        "betas": _BETAS,
        "eps": NONNEGATIVE,
        "momentum_decay": NONNEGATIVE,
        "decoupled_weight_decay": Flag(),
    },
):
    r"""Adam with Nesterov momentum.

    With :math:`\mu_t = \beta_1 (1 - \tfrac12 0.96^{t \psi})` and :math:`P_t = \prod \mu_i`

    .. math:: p \leftarrow p - \mathrm{lr} \left( \frac{\mu_{t+1} m}{1 - P_{t+1}} +
              \frac{(1 - \mu_t) g}{1 - P_t} \right) \Big/
              \left( \sqrt{v / (1 - \beta_2^t)} + \epsilon \right)

    as in PyTorch and Keras. optax has :math:`\mu_t = \beta_1` throughout.

    Parameters
    ----------
    lr : float or schedule, default 2e-3
        Learning rate, >= 0, or a function of the step number (from 0).
    betas : (float, float), default (0.9, 0.999)
        Weights of the old means, in [0, 1).
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient; in convention "keras" shrinks p by lr * weight_decay.
    momentum_decay : float, default 4e-3
        :math:`\psi`. Keras has 1 here; the formula of optax has none.
    decoupled_weight_decay : bool, default False
        Decay as `AdamW` does.
    **common
        What `Optimizer` lists; conventions "torch" (default), "optax", "keras".

    References
    ----------
    Dozat (2016), Incorporating Nesterov momentum into Adam.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0])
    >>> gd.NAdam(lr=0.1, convention="optax").step(p, np.array([2.0]))
    >>> p.round(6)
    array([0.852632])
    """

    __slots__ = ()

    def __init__(  # noqa: PLR0917  (PyTorch's order)
        self,
        lr: float | Schedule = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._set(
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _formula(self) -> Formula:
        constant = self._options["convention"] == "optax"
        return formula("nadam", "nadam_constant_momentum" if constant else "nadam")


class RAdam(
    Optimizer,
    conventions=("torch", "optax"),
    fields={"betas": _BETAS, "eps": NONNEGATIVE, "decoupled_weight_decay": Flag()},
):
    r"""Rectified Adam: momentum alone until the second moment can be trusted.

    With :math:`\rho_\infty = 2/(1 - \beta_2) - 1` and
    :math:`\rho_t = \rho_\infty - 2 t \beta_2^t / (1 - \beta_2^t)` the step is
    :math:`\mathrm{lr}\, \hat m` while :math:`\rho_t \le 5`, and

    .. math:: \mathrm{lr}\, r_t\, \hat m \frac{\sqrt{1 - \beta_2^t}}{\sqrt{v} + \epsilon}, \quad
              r_t^2 = \frac{(\rho_t - 4)(\rho_t - 2)\rho_\infty}
              {(\rho_\infty - 4)(\rho_\infty - 2)\rho_t}

    from then on (:math:`\hat m = m / (1 - \beta_1^t)`), as in PyTorch. optax adds :math:`\epsilon`
    to the corrected root, and rectifies at :math:`\rho_t = 5` too. With :math:`\beta_2 \le 2/3` no
    step is ever rectified.

    Parameters
    ----------
    lr : float or schedule, default 1e-3
        Learning rate, >= 0, or a function of the step number (from 0).
    betas : (float, float), default (0.9, 0.999)
        Weights of the old means, in [0, 1).
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient.
    decoupled_weight_decay : bool, default False
        Decay as `AdamW` does.
    **common
        What `Optimizer` lists; conventions "torch" (default), "optax".

    References
    ----------
    Liu et al. (2020), On the variance of the adaptive learning rate and beyond.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0])
    >>> gd.RAdam(lr=0.1).step(p, np.array([2.0]))
    >>> p.round(6)
    array([0.8])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        self._set(
            common,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _formula(self) -> Formula:
        corrected = self._options["convention"] == "optax"
        return formula("radam", "radam_corrected_root" if corrected else "radam")


class Adamax(
    Optimizer, conventions=("torch", "optax", "keras"), fields={"betas": _BETAS, "eps": NONNEGATIVE}
):
    r"""Adam with the largest gradient in place of the root mean square.

    .. math:: u \leftarrow \max(\beta_2 u, |g| + \epsilon), \qquad
              p \leftarrow p - \frac{\mathrm{lr}}{1 - \beta_1^t} \frac{m}{u}

    as in PyTorch and optax; Keras has :math:`\max(\beta_2 u, |g|)` and :math:`m / (u + \epsilon)`.

    Parameters
    ----------
    lr : float or schedule, default 2e-3
        Learning rate, >= 0, or a function of the step number (from 0).
    betas : (float, float), default (0.9, 0.999)
        Weights of the old mean and of the old maximum, in [0, 1).
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient; in convention "keras" shrinks p by lr * weight_decay.
    **common
        What `Optimizer` lists; conventions "torch" (default), "optax", "keras".

    References
    ----------
    Kingma & Ba (2015), Adam: a method for stochastic optimization, section 7.1.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> p = np.array([1.0])
    >>> gd.Adamax(lr=0.1).step(p, np.array([2.0]))
    >>> p.round(6)
    array([0.9])
    """

    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._set(common, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _formula(self) -> Formula:
        return formula("adamax", eps_inside=self._options["convention"] != "keras")


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
        The first step size; a later rate has no effect.
    etas : (float, float), default (0.5, 1.2)
        Factors of decrease, in (0, 1), and of increase, > 1.
    step_sizes : (float, float), default (1e-6, 50)
        Smallest and largest step size.
    weight_decay : float, default 0
        Adds weight_decay * p to the gradient.
    **common
        What `Optimizer` lists; convention "torch" alone.

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

    def _formula(self) -> Formula:
        return formula("rprop", initial={"size": "lr"})


class Lion(Optimizer, conventions=("optax", "keras"), fields={"betas": _BETAS}, decoupled=True):
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
        Decoupled. optax has 1e-3 here.
    **common
        What `Optimizer` lists; conventions "optax" (default), "keras".

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

    def _formula(self) -> Formula:
        return formula("lion")
