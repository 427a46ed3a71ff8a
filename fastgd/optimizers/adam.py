"""The Adam family: Adam (and AMSGrad), AdamW, NAdam, RAdam, Adamax."""

from __future__ import annotations

from typing import Unpack

from fastgd.optimizers.base import Optimizer
from fastgd.optimizers.common import CONVENTIONS, Common
from fastgd.optimizers.fields import BETAS, NONNEGATIVE, Flag, Schedule
from fastgd.optimizers.formula import Formula, formula
from fastgd.optimizers.kind import Values

__all__ = ["Adam", "AdamW", "NAdam", "RAdam", "Adamax"]  # noqa: RUF022  (the order in which users see them)


class _AdamFamily(Optimizer, fields={"betas": BETAS, "eps": NONNEGATIVE, "amsgrad": Flag()}):
    """Adam and AdamW, which differ in how the weights decay."""

    __slots__ = ()

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        convention = values["convention"]
        if not values["amsgrad"]:
            raw = convention in {"keras", "sklearn"}
            return formula("adam", "adam_uncorrected_eps" if raw else "adam")
        coefficients = {
            "torch": "amsgrad",
            "optax": "amsgrad_corrected_maximum",
            "keras": "amsgrad_uncorrected_eps",
            "paper": "amsgrad_without_correction",
        }
        cls._refuse("amsgrad", values, [name for name in coefficients if name in cls.conventions])
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
        See `Optimizer`; conventions "torch" (default), "optax", "keras", "sklearn", "paper".

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
        The default is 1e-4 in optax and 4e-3 in Keras.
    amsgrad : bool, default False
        As in `Adam`.
    **common
        See `Optimizer`; conventions "torch" (default), "optax", "keras".

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
        "betas": BETAS,
        "eps": NONNEGATIVE,
        "momentum_decay": NONNEGATIVE,
        "decoupled_weight_decay": Flag(),
    },
):
    r"""Adam with Nesterov momentum.

    With :math:`\mu_t = \beta_1 (1 - \tfrac{1}{2} 0.96^{t \psi})` and :math:`P_t = \prod \mu_i`

    .. math:: p \leftarrow p - \mathrm{lr} \left( \frac{\mu_{t+1} m}{1 - P_{t+1}} +
              \frac{(1 - \mu_t) g}{1 - P_t} \right) \Bigl/
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
        See `Optimizer`; conventions "torch" (default), "optax", "keras".

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

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        constant = values["convention"] == "optax"
        return formula("nadam", "nadam_constant_momentum" if constant else "nadam")


class RAdam(
    Optimizer,
    conventions=("torch", "optax"),
    fields={"betas": BETAS, "eps": NONNEGATIVE, "decoupled_weight_decay": Flag()},
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
        See `Optimizer`; conventions "torch" (default), "optax".

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

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        corrected = values["convention"] == "optax"
        return formula("radam", "radam_corrected_root" if corrected else "radam")


class Adamax(
    Optimizer, conventions=("torch", "optax", "keras"), fields={"betas": BETAS, "eps": NONNEGATIVE}
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
        See `Optimizer`; conventions "torch" (default), "optax", "keras".

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

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        return formula("adamax", eps_inside=values["convention"] != "keras")
