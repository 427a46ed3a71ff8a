"""The state of a parameter under PyTorch's names, as tensors that the compiled loops write to.

It is PyTorch's own but for centered RMSprop: PyTorch keeps the means of g and of g^2, whose difference cancels, and
the rule here keeps the variance itself.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

import torch

from fastgd.engines.protocol.steps import Method
from fastgd.torch.forms import is_dense

_MOMENTUM, _MEANS = ("momentum_buffer",), ("exp_avg", "exp_avg_sq")
# PyTorch's names of a rule's state, in the rule's order.
_NAMES = {
    "sgd": (),
    "momentum": _MOMENTUM,
    "nesterov": _MOMENTUM,
    "adagrad": ("sum",),
    "rmsprop": ("square_avg",),
    "rmsprop_momentum": ("square_avg", *_MOMENTUM),
    "rmsprop_centered": ("grad_avg", "variance"),
    "rmsprop_centered_momentum": ("grad_avg", "variance", *_MOMENTUM),
    "adadelta": ("square_avg", "acc_delta"),
    "adam": _MEANS,
    "amsgrad": (*_MEANS, "max_exp_avg_sq"),
    "nadam": _MEANS,
    "radam": _MEANS,
    "adamax": ("exp_avg", "exp_inf"),
    "rprop": ("prev", "step_size"),
}
_UNCOUNTED = ("sgd", "momentum", "nesterov")  # rules whose parameters do not count their steps


class Parts(NamedTuple):
    """The state of one parameter: what the loops write to, and what counts its steps.

    Attributes
    ----------
    arrays : tuple of tensors
        In the rule's order.
    count, product : tensor or None
        How many steps it has made, and the running product of its coefficients.
    first : bool
        Whether it has made no step yet.
    """

    arrays: tuple[Any, ...]
    count: Any
    product: Any
    first: bool

    def numbers(self) -> tuple[float, float]:
        """How many steps it has made, as far as that matters, and its product."""
        count = float(not self.first) if self.count is None else float(self.count)
        return count, 1.0 if self.product is None else float(self.product)

    def same(self, other: Parts) -> bool:
        """Whether these are the very tensors of another."""
        pairs = zip(self.arrays, other.arrays, strict=True)
        return (
            all(a is b for a, b in pairs)
            and self.count is other.count
            and self.product is other.product
        )


def parts_of(
    name: str, p: Any, state: MutableMapping[str, Any], method: Method, fused: bool
) -> Parts:
    """The state of a parameter, made where there is none and laid out as the parameter is.

    Raises
    ------
    ValueError
        If a tensor has not the parameter's shape.
    """
    rule = method.rule.name
    first = not any(state.get(key) is not None for key in ("step", *_NAMES[rule]))
    if "square_avg" in state and "variance" in _NAMES[rule]:
        _center(state)
    count = None if rule in _UNCOUNTED else _number(state, "step", 0.0, fused)
    product = _number(state, "mu_product", 1.0, fused) if method.coefficients.carries else None
    arrays = []
    for variable, key in zip(method.rule.state, _NAMES[rule], strict=True):
        initial = method.initial.get(variable, 0.0)
        state[key] = _laid_out(f"state[{key!r}] of {name}", state.get(key), p, initial)
        arrays.append(state[key])
    return Parts(tuple(arrays), count, product, first)


def _number(state: MutableMapping[str, Any], key: str, initial: float, fused: bool) -> Any:
    """A tensor of one number on the host, such as PyTorch makes it."""
    value = state.get(key)
    if isinstance(value, torch.Tensor) and _is_number(value):
        return value
    single = fused or torch.get_default_dtype() != torch.float64
    number = torch.tensor(
        initial if value is None else float(value),
        dtype=torch.float32 if single else torch.float64,
    )
    state[key] = number
    return number


def _is_number(value: Any) -> bool:
    real = value.dtype in {torch.float32, torch.float64}
    return real and value.device.type == "cpu" and value.ndim == 0 and not value.requires_grad


def _laid_out(what: str, value: Any, p: Any, initial: float) -> Any:
    """State in the parameter's form: as it is if it has that, else a copy, or new."""
    if value is None:
        return torch.full_like(p, initial, memory_format=torch.preserve_format, requires_grad=False)
    if value.shape != p.shape:
        raise ValueError(
            f"{what} must have the parameter's shape {tuple(p.shape)}, got {tuple(value.shape)}"
        )
    if _is_laid_out(value, p):
        return value
    like = torch.empty_like(p, memory_format=torch.preserve_format, requires_grad=False)
    return like.copy_(value.detach())


def _is_laid_out(value: Any, p: Any) -> bool:
    if value.dtype != p.dtype or value.device != p.device or value.layout is not p.layout:
        return False
    if value.requires_grad or value.is_neg():
        return False
    if value.is_contiguous() and p.is_contiguous():
        return True
    like = torch.empty_like(p, memory_format=torch.preserve_format)
    return bool(value.stride() == like.stride() and is_dense(value))


def _center(state: MutableMapping[str, Any]) -> None:
    """PyTorch's means of g and g^2 as a mean and a variance."""
    squares, mean = state.pop("square_avg"), state.get("grad_avg")
    if mean is None:
        mean = state["grad_avg"] = torch.zeros_like(squares)
    state["variance"] = (squares - mean * mean).clamp_(min=0)


def as_torch_has_it(state: Mapping[Any, Any]) -> dict[Any, Any]:
    """The states of parameters by key, where centered RMSprop has the mean of g^2 in place of the variance."""
    return {key: _uncentered(own) if "variance" in own else own for key, own in state.items()}


def _uncentered(own: Mapping[str, Any]) -> dict[str, Any]:
    others = {name: value for name, value in own.items() if name != "variance"}
    return {**others, "square_avg": own["variance"] + own["grad_avg"] ** 2}


def copied(value: Any) -> Any:
    """State in memory of its own."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return {key: copied(part) for key, part in value.items()} if type(value) is dict else value
