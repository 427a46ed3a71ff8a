"""What a parameter group says, as the numbers of an update."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from functools import cache
from operator import itemgetter
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
        refused = [option for option in _REFUSED if option in group]
        self._names = ["lr", *_names_besides_rate(formula.__name__, frozenset(group)), *refused]
        self._values = itemgetter(*self._names)  # so many that it returns a tuple
        self._known: tuple[Any, ...] = self._values(group)
        self.moving = False
        self._check()
        self.method = self._method()

    def refresh(self) -> bool:
        """Take what the group says now; False if that selects another rule, for which steps have to be prepared."""
        (lr, *others), before = self._values(self._group), self._known
        rate_alone = all(map(_same, others, before[1:])) and _is_rate(lr)
        if rate_alone and not self.moving and not self.method.initial:
            self._known = (lr, *others)
            self.method.hyper[0] = lr
            return True
        self._known = (lr, *others)
        try:
            self._check()
            new, old = self._method(), self.method
        except BaseException:
            self._known, self.moving = before, True  # so that it is read again
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

    def _check(self) -> None:
        """Refuse what means nothing here, and see whether a value may change in place."""
        for option, value in zip(self._names, self._known, strict=True):
            if option in _REFUSED and value:
                why = _REFUSED[option]
                raise ValueError(f"{self._name}: {option}=True {why}; fastgd.torch has none of it")
        self.moving = not all(map(_is_fixed, self._known))

    def _method(self) -> Method:
        try:
            if callable(self._known[0]):
                raise TypeError("lr must be a number; give a schedule as one of lr_scheduler")
            given = zip(self._names, map(_plain, self._known), strict=True)
            return method_of(self._formula(**{k: v for k, v in given if k not in _REFUSED}))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{self._name}: {error}") from None


@cache
def _names_besides_rate(formula: str, group: frozenset[str]) -> list[str]:
    """The hyperparameters that PyTorch's optimizer of this name has, too, as far as a group has them."""
    theirs = inspect.signature(getattr(torch.optim, formula)).parameters
    ours = inspect.signature(getattr(optimizers, formula)).parameters
    return [name for name in ours if name in theirs and name in group and name != "lr"]


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and bool(a == b))


def _is_rate(lr: Any) -> bool:
    return type(lr) in {float, int} and 0.0 <= lr < math.inf


def _is_fixed(value: Any) -> bool:
    """Whether a value cannot change but by another one in its place."""
    if isinstance(value, tuple):
        return all(map(_is_fixed, value))
    return isinstance(value, float | int | bool | type(None))


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.item()
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    return value
