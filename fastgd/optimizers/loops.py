"""What loops that make an optimizer's updates themselves need of it: sweeps, descents, training.

An optimizer's own `step` is for users. The rest of the package reads an optimizer's formula with its
numbers (`varied`), or works on its state (`bound_to`), through the functions here alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.parse import Rule
from fastgd.engines.protocol.arrays import checked
from fastgd.engines.protocol.steps import Method
from fastgd.optimizers.base import Optimizer
from fastgd.optimizers.fields import Schedule
from fastgd.optimizers.groups import checked_groups, group_numbers
from fastgd.optimizers.kind import Varied
from fastgd.optimizers.plan import Plan, backend_of_loop, checked_leaves
from fastgd.optimizers.tree import Path, Tree

AnOptimizer = TypeVar("AnOptimizer", bound=Optimizer)

# --- its formula --------------------------------------------------------------------------------------


def varied(optimizer: Optimizer, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> Varied:
    """The update for many runs whose hyperparameters differ, checked.

    Parameters
    ----------
    optimizer : Optimizer
        It has the hyperparameters that do not differ.
    columns : dict of str to sequence
        The values of those that do, of which each run has one; pairs as tuples or an array of shape (n, 2). Of a
        schedule in "lr" the rate at the first step is taken.
    """
    return optimizer._kind.varied(optimizer._options, columns)


def method_of(optimizer: Optimizer) -> Method:
    """The update with its numbers; the rate of a schedule is that of the next step."""
    return optimizer._method()


def schedule_of(optimizer: Optimizer) -> Schedule | None:
    """The learning rate as a function of the step; None if it is a number."""
    rate = optimizer._options["lr"]
    return None if isinstance(rate, float) else rate


def described(optimizer: Optimizer, varied: Collection[str]) -> str:
    """Its `repr` without the hyperparameters that something else varies: what several runs have in common."""
    values = {**optimizer._running, **optimizer._options}
    return optimizer._kind.description(values, optimizer._groups, varied)


# --- its groups and settings --------------------------------------------------------------------------


def groups_of(optimizer: Optimizer) -> dict[Path, dict[str, Any]]:
    """The groups: from the path of an array, or of a nested part, to the options that differ there."""
    given = optimizer._kind.given
    return {
        path: {name: given(name, value) for name, value in options.items()}
        for path, options in optimizer._groups.items()
    }


def options_of(optimizer: Optimizer, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """For each array, by its path, the options of its group; ValueError if a group leads to none of them."""
    of_group = [{}, *groups_of(optimizer).values()]
    return [of_group[number] for number in group_numbers(optimizer._groups, paths)]


def with_groups(optimizer: AnOptimizer, groups: Mapping[Path, Mapping[str, Any]]) -> AnOptimizer:
    """A copy without state that has these groups in place of its own."""
    copy = optimizer.fresh()
    copy._groups = checked_groups(optimizer._kind, optimizer._options, groups)
    return copy


def settings_of(optimizer: Optimizer) -> Mapping[str, Any]:
    """How it runs: `backend`, `n_threads`, `flush_subnormals`, `copy`."""
    return optimizer._running


def with_settings(optimizer: AnOptimizer, **settings: Any) -> AnOptimizer:
    """A copy without state that runs in another way: `n_threads`, `flush_subnormals`, `backend`."""
    copy = optimizer.fresh()
    copy._running = {**optimizer._running, **settings}
    return copy


# --- its state ----------------------------------------------------------------------------------------


def bound_to(optimizer: Optimizer, params: Sequence[Any], rule: Rule | None = None) -> Plan:
    """The plan for updates of a list of NumPy arrays, made now if there was no step before.

    No update is made. The first call fixes the arrays' shapes and dtypes as a first step does. A loop that knows the
    gradient elsewhere than at the parameters may make the updates by another `rule` with the same coefficients.
    The state is in C order, as loops expect it that have its addresses; one that steps made in another order is copied.

    Raises
    ------
    TypeError, ValueError
        If the arrays cannot be updated in place, or differ from those of the first step.
    """
    plan = optimizer._plan
    if plan is not None and not plan.in_c_order():
        state, plan = optimizer._state(), None
        optimizer.reset()
        optimizer._await(state)
    if plan is None:
        tree = Tree(params)
        leaves = checked_leaves(tree, tree.leaves(params, "params"))
        backend = backend_of_loop(optimizer._running, optimizer._backends)
        plan = optimizer._new_plan(tree, leaves, backend, rule=rule)
        optimizer._plan, optimizer._pending = plan, None
    if plan.backend == "cuda":
        raise ValueError("the optimizer has its state on the GPU, for arrays there; give another")
    if plan.cohorts is not None:
        raise ValueError(
            "the optimizer has parameters that missed steps (none_grads); give another"
        )
    leaves = plan.leaves(params, "params")
    checked(plan.slots, leaves, [np.empty(slot.shape, slot.dtype) for slot in plan.slots])
    return plan


def taken_over(optimizer: Optimizer, other: Optimizer) -> Plan | None:
    """The plan of another optimizer for one that has no state, begun anew; the other has no state then.

    So many runs that differ in numbers share the memory and the preparations of one plan. None if it does not suit:
    the optimizers are of different classes, settings, groups or rules.
    """
    plan = other._plan
    alike = type(optimizer) is type(other) and optimizer._running == other._running
    if plan is None or not alike or list(optimizer._groups) != list(other._groups):
        return None
    groups = ({}, *optimizer._groups.values())
    rates = [optimizer._options["lr"], *(options.get("lr") for options in groups[1:])]
    methods = plan.methods
    if not _differ_in_rate(optimizer, other) or any(method.initial for method in methods):
        methods = [optimizer._method(options) for options in groups]
    if plan.backend == "cuda" or not plan.begin(methods, rates):
        return None
    other.reset()
    optimizer._plan, optimizer._pending = plan, None
    return plan


def _differ_in_rate(optimizer: Optimizer, other: Optimizer) -> bool:
    """Whether two optimizers of a class have the same hyperparameters but for the rate of the arrays in no group."""
    own, others = optimizer._options, other._options
    same = all(own[name] == others[name] for name in own if name != "lr")
    return same and optimizer._groups == other._groups


def state_of(optimizer: Optimizer) -> dict[str, NDArray[Any]]:
    """A copy of its state without its hyperparameters, for an optimizer that has the same."""
    return optimizer._state()


def is_bound_by(optimizer: Optimizer, plan: Plan) -> bool:
    """Whether the optimizer's state is still that of the plan; `reset` ends this."""
    return optimizer._plan is plan


def resumes(optimizer: Optimizer, state: Mapping[str, NDArray[Any]]) -> bool:
    """Whether an optimizer without any state has the class and the formula of a saved one."""
    new = not optimizer.t and optimizer._plan is None and optimizer._pending is None
    rules = list(map(str, state["rules"]))
    return (
        new and str(state["optimizer"]) == type(optimizer).__name__ and rules == optimizer._rules()
    )
