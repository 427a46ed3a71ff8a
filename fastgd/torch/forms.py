"""Which tensors can be updated here, and what to do about those that cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.parameter import is_lazy

_DTYPES = (torch.float32, torch.float64)


def names_of(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """All parameters in order, as messages call them: ``params['weight']`` where they were given with names."""
    names: list[str] = []
    for group in groups:
        given = group.get("param_names") or [None] * len(group["params"])
        for name in given:
            names.append(f"params[{len(names) if name is None else repr(name)}]")
    return names


def check_parameter(name: str, p: Any) -> None:
    """Raise ValueError for a parameter that cannot be updated; one that is not initialized yet may become one."""
    if is_lazy(p):
        return
    _check_place(name, p, "parameter")
    if p.is_neg():
        raise ValueError(f"{name} is the negative of its memory; update params.resolve_neg()")
    if p.dtype not in _DTYPES:
        remedy = (
            ".float()" if not p.dtype.is_complex else "torch.optim, which takes complex numbers"
        )
        raise ValueError(
            f"{name} has dtype {p.dtype}; fastgd.torch updates float32 and float64, so use {remedy}"
        )


def check_gradient(name: str, p: Any) -> None:
    """Raise ValueError for a gradient that its parameter cannot be updated with."""
    name, g = name.replace("params", "grads", 1), p.grad
    if g.layout is not torch.strided:
        raise ValueError(
            f"{name} is sparse (layout {g.layout}); fastgd.torch takes dense gradients: use sparse=False in the "
            "embedding, or torch.optim.SparseAdam or SGD"
        )
    _check_place(name, g, "gradient")
    if g.dtype != p.dtype:
        raise ValueError(f"{name} has dtype {g.dtype}; wanted that of its parameter, {p.dtype}")


def _check_place(name: str, tensor: Any, what: str) -> None:
    if tensor.device.type != "cpu":
        raise ValueError(
            f"{name} is on {tensor.device}; fastgd.torch updates tensors in the memory of the host, so use torch.optim"
        )
    if tensor.layout is not torch.strided:
        raise ValueError(
            f"{name} has the layout {tensor.layout}; fastgd.torch wants a dense {what}"
        )


def array_of(tensor: Any) -> NDArray[Any]:
    """A tensor as a NumPy array of the same memory."""
    array: NDArray[Any] = tensor.detach().numpy()
    return array


def is_dense(tensor: Any) -> bool:
    """Whether a tensor fills its memory without gaps, whatever the order of its axes."""
    strides = np.array(tensor.stride())
    order = np.argsort(-strides, kind="stable").tolist()
    return bool(tensor.permute(order).is_contiguous())
