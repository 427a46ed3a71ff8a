"""`Plan`: what an optimizer's first step fixes, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.backends import resolve_backend
from fastgd.engines.protocol.steps import Group, Method, Slot
from fastgd.engines.steps import checked_first, group_for, slot_for, stepper_class
from fastgd.optimizers.fields import Schedule, rate_at
from fastgd.optimizers.frozen import Cohorts
from fastgd.optimizers.rates import reader_of
from fastgd.optimizers.tree import Tree, spelled


@dataclass(eq=False, repr=False, slots=True)
class Plan:
    """Made by the first step, kept until `reset`; a loop that updates the arrays itself works on it.

    Such a loop writes each group's rate before an update (`rates_ahead` has them), then adds the
    updates done to `t` and calls `write_rates`.

    Attributes
    ----------
    tree : Tree
        Structure of the parameters.
    leaves : callable
        ``leaves(value, root)`` lists the arrays of anything built as the parameters are.
    slots, groups : list of Slot, list of Group
        What the stepper works on; the numbers of a group may be written to.
    update : callable
        The stepper's ``step(params, grads, t)`` on lists of arrays.
    single : bool
        Whether the parameters are one array.
    backend : str
        What runs the updates.
    rates : list of float, schedule or None
        Learning rate of each group; None: that of the first.
    t : int
        The number of updates done.
    methods : list of Method
        What the groups began with; their rates may be others now.
    stepper : callable
        ``stepper(slots, groups)`` makes what updates some of the arrays.
    cohorts : Cohorts or None
        What updates the arrays once one of them has missed a step.
    moving : bool
        Whether a rate changes with `t`.
    """

    tree: Tree
    leaves: Callable[[Any, str], list[Any]]
    slots: list[Slot]
    groups: list[Group]
    update: Callable[[list[Any], list[Any], int], None]
    single: bool
    backend: str
    rates: list[float | Schedule | None]
    t: int
    methods: list[Method]
    stepper: Callable[[Sequence[Slot], Sequence[Group]], Any]
    cohorts: Cohorts | None = field(init=False, default=None)
    moving: bool = field(init=False)
    _read: Callable[[int], float] = field(init=False)  # the rate of the first group
    _read_others: list[Callable[[int], float] | None] = field(init=False)

    def __post_init__(self) -> None:
        self._take_rates(self.rates)

    def _take_rates(self, rates: Sequence[float | Schedule | None]) -> None:
        self.rates, self.moving = list(rates), any(map(callable, rates))
        first, *others = self.rates
        self._read = reader_of(first)  # type: ignore[arg-type]
        self._read_others = [None if rate is None else reader_of(rate) for rate in others]

    def skip(self, params: list[Any], grads: list[Any], t: int) -> None:
        """Update the arrays that have a gradient; those whose gradient is None miss the step."""
        if self.cohorts is None:
            if all(gradient is not None for gradient in grads):
                self.update(params, grads, t)
                return
            self.part()
        assert self.cohorts is not None
        self.cohorts.skip(params, grads, t)

    def part(
        self,
        behind: NDArray[np.int64] | None = None,
        carries: NDArray[np.float64] | None = None,
    ) -> None:
        """From now on arrays may have missed steps, at first so many, with these running products."""
        self.cohorts = Cohorts(self.slots, self.groups, self.stepper, behind, carries)
        self.update = self.cohorts.step

    def unite(self) -> None:
        """From now on no array has missed a step."""
        self.cohorts, self.update = None, self.stepper(self.slots, self.groups).step

    def begin(self, methods: Sequence[Method], rates: Sequence[float | Schedule | None]) -> bool:
        """Start anew in the same memory, with other numbers of the same rules.

        Returns
        -------
        bool
            False if the rules are others, or what their steppers have fixed, or arrays have missed steps; nothing has
            changed then.
        """
        if self.cohorts is not None:
            return False
        for group, method in zip(self.groups, methods, strict=True):
            if (
                group.rule is not method.rule
                or group.coefficients is not method.coefficients
                or group.prepared != method.prepared
                or (group.clip_norm, group.norm_eps) != (method.clip_norm, method.norm_eps)
            ):
                return False
        for group, method in zip(self.groups, methods, strict=True):
            group.hyper[:], group.shared[:], group.carry[0] = method.hyper, method.shared, 1.0
        for slot in self.slots:
            initial = methods[slot.group].initial
            for name, array in zip(self.groups[slot.group].rule.state, slot.state, strict=True):
                array.fill(initial.get(name, 0.0))
        self.t, self.methods = 0, list(methods)
        self._take_rates(rates)
        self.write_rates()
        return True

    def in_c_order(self) -> bool:
        """Whether the state lies in C order, which it need not where the parameters of the first step did not."""
        arrays = [array for slot in self.slots for array in slot.state]
        return self.backend == "cuda" or all(array.flags.c_contiguous for array in arrays)

    def set_rate(self, rate: float | Schedule) -> None:
        """Replace the rate of the groups that have none of their own."""
        self._take_rates([rate, *self.rates[1:]])
        self.write_rates()

    def write_rates(self, lr: float | None = None) -> None:
        """Write the rates of the next update into the groups; `lr` replaces the first."""
        first = self._read(self.t) if lr is None else lr
        if self._read_others:
            rates = [first if read is None else read(self.t) for read in self._read_others]
            for group, rate in zip(self.groups[1:], rates, strict=True):
                group.hyper[0] = rate
        self.groups[0].hyper[0] = first

    def rates_ahead(self, updates: int) -> NDArray[np.float64]:
        """The rates of the next updates, shape (updates, groups)."""
        ahead = np.empty((updates, len(self.rates)))
        for k, rate in enumerate(self.rates):
            if rate is None:
                ahead[:, k] = ahead[:, 0]
            elif isinstance(rate, float):
                ahead[:, k] = rate
            else:
                ahead[:, k] = [rate_at(rate, self.t + update) for update in range(updates)]
        return ahead


def make_plan(  # noqa: PLR0917  (each is a part of the plan)
    tree: Tree,
    leaves: Sequence[Any],
    methods: Sequence[Method],
    numbers: Sequence[int],
    rates: list[float | Schedule | None],
    backend: str,
    running: Mapping[str, Any],
    t: int,
) -> Plan:
    """A plan with new state for the arrays of a tree, after `t` steps.

    The groups have these methods and rates; ``numbers[k]`` is the group of array k. `running` has
    the settings of the stepper.
    """
    chars = {np.dtype(array.dtype).char for array in leaves if backend != "cuda"}
    groups = [group_for(method, backend, chars) for method in methods]
    slots = [
        slot_for(spelled("params", path), array, number, methods[number], backend)
        for path, array, number in zip(tree.paths, leaves, numbers, strict=True)
    ]
    options = {name: running[name] for name in ("flush_subnormals", "n_threads")}
    if backend == "cuda":
        options["copying"] = isinstance(leaves[0], np.ndarray)
    stepper = partial(stepper_class(backend), **options)
    single = tree.paths == [()]
    update, known = stepper(slots, groups).step, list(methods)
    return Plan(tree, tree.leaves, slots, groups, update, single, backend, rates, t, known, stepper)


def checked_leaves(
    tree: Tree,
    params: Sequence[Any],
    grads: Sequence[Any] = (),
    *,
    on_device: bool = False,
    frozen: bool = False,
) -> list[Any]:
    """The parameters, of NumPy as they are in memory; `frozen` says that gradients may be None.

    TypeError or ValueError where something cannot be a parameter or a gradient at all.
    """
    found = []
    for k, path in enumerate(tree.paths):
        found.append(checked_first(spelled("params", path), params[k], on_device))
        if grads and not (frozen and grads[k] is None):
            checked_first(spelled("grads", path), grads[k], on_device)
    return found


def backend_for(running: Mapping[str, Any], supports: tuple[str, ...], *, on_device: bool) -> str:
    """What runs the steps of arrays on the GPU, or of NumPy arrays, for which `supports` lists it."""
    asked = running["backend"]
    if on_device:
        if asked not in {"auto", "cuda"}:
            raise ValueError(
                f"params are on the GPU; backend={asked!r} cannot update them, use 'cuda' or 'auto'"
            )
        return resolve_backend("cuda", supports=("cuda",))
    if asked == "cuda" and not running["copy"]:
        raise TypeError(
            "params are NumPy arrays and backend is 'cuda': give arrays on the GPU, or copy=True to "
            "copy them to the GPU and back at every step"
        )
    supports = (*supports, *(["cuda"] if asked == "cuda" else []))
    requested = None if asked == "auto" else asked
    return resolve_backend(requested, supports=supports, purpose="The step of an optimizer")


def backend_of_loop(running: Mapping[str, Any], supports: tuple[str, ...]) -> str:
    """What runs the steps where a network decides whether it trains on the GPU: never "cuda"."""
    asked = running["backend"]
    return resolve_backend(None if asked in {"auto", "cuda"} else asked, supports=supports)
