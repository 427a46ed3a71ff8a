"""What the steps of one optimizer need, kept from step to step and checked at each for changes.

A user may replace anything at any time: rates and other options, gradients, the memory of a parameter, its state. So
nothing is believed. Which objects there are is compared by identity, and where their memory lies, in C at every step.
What is not as before is looked at here, in Python.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from fastgd.engines.backends import resolve_backend
from fastgd.engines.steps import contents_class
from fastgd.optimizers import Optimizer
from fastgd.torch.forms import check_gradient, check_parameter, names_of
from fastgd.torch.options import Options
from fastgd.torch.state import Parts, parts_of
from fastgd.torch.way import Way

_MOST_KEPT = 64  # ways to make a step


class Plan:
    """The steps of all parameters of an optimizer.

    Parameters
    ----------
    formula : type
        The optimizer of `fastgd` whose update it is.
    param_groups : list of dict
    state : dict
        Both as PyTorch's optimizer has them; state is made when a parameter has its first gradient.

    Raises
    ------
    TypeError, ValueError
        If the options of a group cannot be used.
    """

    def __init__(
        self, formula: type[Optimizer], param_groups: list[dict[str, Any]], state: dict[Any, Any]
    ) -> None:
        self._param_groups, self._state = param_groups, state
        self._options = [
            Options(formula, f"param_groups[{k}]", group) for k, group in enumerate(param_groups)
        ]
        self._params = [(p, k) for k, group in enumerate(param_groups) for p in group["params"]]
        self._names = names_of(param_groups)
        self._backend = resolve_backend(purpose="The step of an optimizer")
        self._ways: dict[tuple[Any, ...], Way] = {}
        self._way: Way | None = None
        self._watch()

    def _watch(self) -> None:
        """Take what there is now as what was there when all was looked at."""
        contents, groups = contents_class(), self._param_groups
        lists = [groups, *(group["params"] for group in groups)]
        self._objects = contents([*lists, self._state, *self._state.values()])
        self._values = contents(list(groups))
        self._moving = any(options.moving for options in self._options)

    def is_of(self, param_groups: list[dict[str, Any]], state: dict[Any, Any]) -> bool:
        """Whether it was made for these, and no parameter and no state has been replaced since."""
        return param_groups is self._param_groups and state is self._state and self._objects.same()

    def step(self) -> None:
        """Update the parameters that have a gradient; on an error nothing has changed."""
        if self._moving or not self._values.same():
            self._refresh()
        if self._way is None or not self._way.try_step():
            self._step_anew()

    def _refresh(self) -> None:
        """Read the options of all groups."""
        same_rules = [options.refresh() for options in self._options]
        if not all(same_rules):
            self._ways, self._way = {}, None
        self._watch()

    def _step_anew(self) -> None:
        """Look at all tensors, prepare what is needed, and make the step."""
        places = [k for k, (p, _) in enumerate(self._params) if p.grad is not None]
        for k in places:
            check_parameter(self._names[k], self._params[k][0])
            check_gradient(self._names[k], self._params[k][0])
        self._way = None
        if not places:
            return
        with torch.no_grad(), self._restored(self._params[k][0] for k in places):
            way = self._way_for(places)
            if not way.try_step():
                way.step()
        self._way = way
        self._watch()

    def _way_for(self, places: Sequence[int]) -> Way:
        """How a step is made in which the parameters at these places have gradients."""
        parts = [self._parts(k) for k in places]
        cohorts: dict[tuple[Any, ...], int] = {}
        numbers = [
            cohorts.setdefault(_cohort(self._params[k][1], own), len(cohorts))
            for k, own in zip(places, parts, strict=True)
        ]
        key = (*places, *numbers)
        way = self._ways.get(key)
        if way is None or not way.is_of(parts):
            if len(self._ways) >= _MOST_KEPT:
                self._ways.pop(next(iter(self._ways)))
            way = self._ways[key] = Way(
                [self._params[k][0] for k in places],
                [p for p, _ in self._params if p.grad is None],
                [self._names[k] for k in places],
                parts,
                numbers,
                [self._options[group].method for group, *_ in cohorts],
                self._backend,
            )
        way.begin(parts)
        return way

    def _parts(self, k: int) -> Parts:
        p, group = self._params[k]
        fused = bool(self._param_groups[group].get("fused"))
        own = self._state.get(p, {})
        parts = parts_of(self._names[k], p, own, self._options[group].method, fused)
        if own:
            self._state[p] = own
        return parts

    @contextmanager
    def _restored(self, params: Iterator[Any]) -> Iterator[None]:
        """A block after whose failure the state of these parameters is what it was."""
        before = {p: dict(self._state[p]) if p in self._state else None for p in params}
        try:
            yield
        except BaseException:
            for p, own in before.items():
                if own is None:
                    self._state.pop(p, None)
                else:
                    state: MutableMapping[str, Any] = self._state[p]
                    state.clear()
                    state.update(own)
            raise


def _cohort(group: int, parts: Parts) -> tuple[Any, ...]:
    """What parameters have in common that share the numbers of a step."""
    count = parts.first if parts.count is None else float(parts.count)
    return group, count, None if parts.product is None else float(parts.product)
