"""The classes: PyTorch's of these names, with compiled steps.

Arguments, defaults and their checks are inherited. What `foreach` and `fused` choose among PyTorch's implementations
means nothing here: they are accepted, and kept for the state that PyTorch loads. `capturable` and `differentiable`
are refused. A rate may be a tensor of one number.
"""

from __future__ import annotations

import torch

from fastgd import optimizers
from fastgd.torch.base import Compiled


class SGD(Compiled, torch.optim.SGD):
    """`torch.optim.SGD`, compiled: gradient descent, with momentum or Nesterov momentum.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 1e-3
    momentum, dampening, weight_decay : float, default 0
    nesterov : bool, default False
    maximize : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import SGD
    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = SGD([p], lr=0.1, momentum=0.5)
    >>> for _ in range(2):
    ...     opt.zero_grad()
    ...     p.sum().backward()
    ...     opt.step()
    >>> p.data
    tensor([0.7500, 1.7500])
    """

    _formula = optimizers.SGD


class Adagrad(Compiled, torch.optim.Adagrad):
    """`torch.optim.Adagrad`, compiled: a rate for each number that falls with the sum of its squared gradients.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 1e-2
    lr_decay, weight_decay, initial_accumulator_value : float, default 0
    eps : float, default 1e-10
    maximize : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import Adagrad
    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = Adagrad([p], lr=0.1)
    >>> p.sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.9000, 1.9000])
    """

    _formula = optimizers.Adagrad


class RMSprop(Compiled, torch.optim.RMSprop):
    """`torch.optim.RMSprop`, compiled: the gradient over the root of a running mean of its squares.

    With `centered` the variance itself is averaged, and not found as the difference of two means, which can be less
    than zero in PyTorch: NaN. `state_dict` has PyTorch's two means.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 1e-2
    alpha : float, default 0.99
        In [0, 1].
    eps : float, default 1e-8
    weight_decay, momentum : float, default 0
    centered : bool, default False
    maximize : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import RMSprop
    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = RMSprop([p], lr=0.01, alpha=0.75)
    >>> p.sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.9800, 1.9800])
    """

    _formula = optimizers.RMSprop


class Adadelta(Compiled, torch.optim.Adadelta):
    """`torch.optim.Adadelta`, compiled: steps measured by the running mean of earlier steps.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 1.0
    rho : float, default 0.9
    eps : float, default 1e-6
    weight_decay : float, default 0
    maximize : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import Adadelta
    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = Adadelta([p], rho=0.75)
    >>> p.sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.9980, 1.9980])
    """

    _formula = optimizers.Adadelta


class Adam(Compiled, torch.optim.Adam):
    """`torch.optim.Adam`, compiled: Adam and AMSGrad.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 1e-3
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
    amsgrad : bool, default False
    maximize : bool, default False
    decoupled_weight_decay : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import Adam
    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = Adam([p], lr=0.01)
    >>> for _ in range(1000):
    ...     opt.zero_grad()
    ...     p.square().sum().backward()
    ...     opt.step()
    >>> bool(p.abs().max() < 1e-3)
    True
    """

    _formula = optimizers.Adam


class AdamW(Compiled, torch.optim.AdamW):
    """`torch.optim.AdamW`, compiled: Adam with decoupled weight decay.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 1e-3
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 1e-2
    amsgrad : bool, default False
    maximize : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import AdamW
    >>> p = torch.nn.Parameter(torch.tensor([2.0]))
    >>> opt = AdamW([p], lr=0.1, weight_decay=0.5)
    >>> p.sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([1.8000])
    """

    _formula = (
        optimizers.Adam
    )  # whose decay is decoupled where a group says so, as all groups of AdamW do


class NAdam(Compiled, torch.optim.NAdam):
    """`torch.optim.NAdam`, compiled: Adam with Nesterov momentum.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 2e-3
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
    momentum_decay : float, default 4e-3
    decoupled_weight_decay : bool, default False
    maximize : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import NAdam
    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = NAdam([p], lr=0.1)
    >>> p.sum().backward()
    >>> opt.step()
    >>> p.data < torch.tensor([1.0, 2.0])
    tensor([True, True])
    """

    _formula = optimizers.NAdam


class RAdam(Compiled, torch.optim.RAdam):
    """`torch.optim.RAdam`, compiled: momentum alone until the second moment can be trusted.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 1e-3
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
    decoupled_weight_decay : bool, default False
    maximize : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import RAdam
    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = RAdam([p], lr=0.1)
    >>> p.sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.9000, 1.9000])
    """

    _formula = optimizers.RAdam


class Adamax(Compiled, torch.optim.Adamax):
    """`torch.optim.Adamax`, compiled: Adam with the largest gradient in place of the root mean square.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 2e-3
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
    maximize : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import Adamax
    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = Adamax([p], lr=0.1)
    >>> p.sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.9000, 1.9000])
    """

    _formula = optimizers.Adamax


class Rprop(Compiled, torch.optim.Rprop):
    """`torch.optim.Rprop`, compiled: only the gradient's sign counts. For full batches.

    Parameters
    ----------
    params : iterable
        Tensors, pairs of names and tensors, or dicts with "params" and options of their own.
    lr : float, default 1e-2
        The first step size.
    etas : (float, float), default (0.5, 1.2)
    step_sizes : (float, float), default (1e-6, 50)
    maximize : bool, default False

    Examples
    --------
    >>> import torch
    >>> from fastgd.torch import Rprop
    >>> p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = Rprop([p], lr=0.1)
    >>> p.sum().backward()
    >>> opt.step()
    >>> p.data
    tensor([0.9000, 1.9000])
    """

    _formula = optimizers.Rprop
