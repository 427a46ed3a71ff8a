"""What the steps of one optimizer need, kept from step to step and checked at each for changes.

A user may replace anything at any time: rates and other options, gradients, the memory of a parameter, its state. So
nothing is believed. Which objects there are is compared by identity, and where their memory lies, in C at every step.
What is not as before is looked at here, in Python.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
        self._ways: dict[tuple[int, ...], Way] = {}  # by the parameters that have gradients
        self._way: Way | None = None
        self._parts: dict[int, Parts] = {}  # that ways work on
        self._watch_options()
        self._watch()

    def _watch(self) -> None:
        """Take the parameters and the state as they are now for those that were looked at."""
        lists = [self._param_groups, *(group["params"] for group in self._param_groups)]
        self._objects = contents_class()([*lists, self._state, *self._state.values()])

    def _watch_options(self) -> None:
        """Take the options as they are now for those that were read."""
        self._values = contents_class()(list(self._param_groups))
        self._moving = any(options.moving for options in self._options)

    def is_of(self, param_groups: list[dict[str, Any]], state: dict[Any, Any]) -> bool:
        """Whether it was made for these, and no parameter and no state has been replaced since."""
        return param_groups is self._param_groups and state is self._state and self._objects.same()

    def step(self) -> None:
        """Update the parameters that have a gradient; on an error nothing has changed."""
        if self._moving or not self._values.same():
            self._refresh()
        way = self._way
        if way is None or not way.try_step():
            self._step_otherwise()

    def _refresh(self) -> None:
        """Read the options of all groups."""
        same_rules = False
        try:
            same_rules = all([options.refresh() for options in self._options])  # noqa: C419  (of all)
        finally:
            if not same_rules:
                self._forget()
        self._watch_options()

    def _forget(self) -> None:
        """Prepare all steps anew."""
        self._ways, self._way, self._parts = {}, None, {}

    def _step_otherwise(self) -> None:
        """Make a step in which other parameters have gradients than in the last one, or something else has changed."""
        places = tuple([k for k, (p, _) in enumerate(self._params) if p.grad is not None])
        way = self._ways.get(places)
        if way is None or way is self._way or not way.try_step():
            way = self._step_anew(places)
        self._way = way

    def _step_anew(self, places: tuple[int, ...]) -> Way | None:
        """Look at all tensors, prepare what is needed, and make the step."""
        for k in places:
            check_parameter(self._names[k], self._params[k][0])
            check_gradient(self._names[k], self._params[k][0])
        self._way = None
        if not places:
            return None
        with torch.no_grad(), self._restored(places):
            parts = {k: self._parts_of(k) for k in places}
            way = self._ways.pop(places, None)  # kept again when it has made its step
            if any(k in self._parts and not own.same(self._parts[k]) for k, own in parts.items()):
                self._forget()
                way = None
            cohorts = self._cohorts(parts)
            if way is None or not way.is_of(cohorts):
                way = self._new_way(parts, cohorts)
            way.begin(parts.values())
            if not way.try_step():
                way.step()
        while len(self._ways) >= _MOST_KEPT:
            self._ways.pop(next(iter(self._ways)))
        self._ways[places] = way
        self._parts.update(parts)
        self._watch()
        return way

    def _cohorts(self, parts: Mapping[int, Parts]) -> list[int]:
        """For each parameter the number of its cohort: of those that share a group and the numbers of their step."""
        numbers: dict[tuple[Any, ...], int] = {}
        return [
            numbers.setdefault((self._params[k][1], *own.numbers()), len(numbers))
            for k, own in parts.items()
        ]

    def _new_way(self, parts: Mapping[int, Parts], cohorts: Sequence[int]) -> Way:
        group_of = {cohort: self._params[k][1] for cohort, k in zip(cohorts, parts, strict=True)}
        return Way(
            [self._params[k][0] for k in parts],
            [p for k, (p, _) in enumerate(self._params) if k not in parts],
            [self._names[k] for k in parts],
            list(parts.values()),
            cohorts,
            [self._options[group].method for group in group_of.values()],
            self._backend,
        )

    def _parts_of(self, k: int) -> Parts:
        p, group = self._params[k]
        fused = bool(self._param_groups[group].get("fused"))
        own = self._state.get(p, {})
        parts = parts_of(self._names[k], p, own, self._options[group].method, fused)
        if own:
            self._state[p] = own
        return parts

    @contextmanager
    def _restored(self, places: Sequence[int]) -> Iterator[None]:
        """A block after whose failure the state of these parameters is what it was."""
        params = [self._params[k][0] for k in places]
        before = [dict(self._state[p]) if p in self._state else None for p in params]
        try:
            yield
        except BaseException:
            self._forget()
            for p, own in zip(params, before, strict=True):
                if own is None:
                    self._state.pop(p, None)
                else:
                    self._state[p].clear()
                    self._state[p].update(own)
            raise
