"""What a parameter group says, as the numbers of an update."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

from fastgd import optimizers
from fastgd.engines.protocol.steps import Method
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import method_of

_REFUSED = {
    "capturable": "is for graphs on a GPU",
    "differentiable": "is for gradients through the step, which is compiled",
}
_UNCHANGING = (float, int, bool, str, type(None))


class Options:
    """The options of one parameter group, read again when something in it has changed.

    Parameters
    ----------
    formula : type
        The optimizer of `fastgd` whose update it is.
    name : str
        The group, for messages.
    group : dict
        PyTorch's, whose values may be changed or replaced at any time.

    Attributes
    ----------
    method : Method
        What the loops get. Its numbers are written to, so that whoever has them sees them change.
    moving : bool
        Whether a value may change in place, such as a rate that is a tensor.
    """

    def __init__(self, formula: type[Optimizer], name: str, group: Mapping[str, Any]) -> None:
        self._formula, self._name, self._group = formula, name, group
        self._known = self._read()
        self.method = self._method()

    def refresh(self) -> bool:
        """Take what the group says now; False if that selects another rule, for which steps have to be prepared."""
        values = self._read()
        if values == self._known:
            return True
        rate_alone = {**values, "lr": None} == {**self._known, "lr": None}
        before, self._known = self._known, values
        try:
            if rate_alone and not self.method.initial and _is_rate(values["lr"]):
                self.method.hyper[0] = values["lr"]
                return True
            new, old = self._method(), self.method
        except BaseException:
            self._known = before
            raise
        if (
            new.rule is not old.rule
            or new.coefficients is not old.coefficients
            or new.prepared != old.prepared
        ):
            self.method = new
            return False
        old.hyper[:], old.shared[:] = new.hyper, new.shared
        old.initial.update(new.initial)
        return True

    def _read(self) -> dict[str, Any]:
        """The group's values that matter, tensors of one number as numbers."""
        group = self._group
        for name, why in _REFUSED.items():
            if group.get(name):
                raise ValueError(f"{self._name}: {name}=True {why}; fastgd.torch has none of it")
        given = {name: group[name] for name in _own_names(self._formula.__name__) if name in group}
        self.moving = not all(
            isinstance(value, _UNCHANGING)
            or (isinstance(value, tuple) and all(isinstance(part, _UNCHANGING) for part in value))
            for value in given.values()
        )
        return {name: _plain(value) for name, value in given.items()}

    def _method(self) -> Method:
        try:
            if callable(self._known.get("lr")):
                raise TypeError("lr must be a number; give a schedule as one of lr_scheduler")
            return method_of(self._formula(**self._known))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self._name}: {error}") from None


@cache
def _own_names(formula: str) -> tuple[str, ...]:
    """The hyperparameters that PyTorch's optimizer of this name has, too."""
    theirs = inspect.signature(getattr(torch.optim, formula)).parameters
    ours = inspect.signature(getattr(optimizers, formula)).parameters
    return tuple(name for name in ours if name in theirs)


def _is_rate(lr: Any) -> bool:
    return type(lr) in {float, int} and 0.0 <= lr < math.inf


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.item()
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    return value
