"""An optimizer's state as a flat dict of arrays, and back, after checking all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import LARGEST_COUNT
from fastgd.engines.protocol.steps import Group, Slot
from fastgd.optimizers.hyperparameters import from_text
from fastgd.optimizers.plan import Plan

_OF_FROZEN = ("behind", "carries")  # where an array has missed steps
_WITHOUT_STEPS = ("optimizer", "hyperparameters", "rules", "t")  # what every state may have


def _state_arrays(groups: Sequence[Group], slots: Sequence[Slot]) -> dict[str, Any]:
    """State arrays, of NumPy or on the GPU, under their names, such as ``state.m['w'][0]``."""
    return {
        f"state.{variable}{slot.name.removeprefix('params')}": array
        for slot in slots
        for variable, array in zip(groups[slot.group].rule.state, slot.state, strict=True)
    }


def _host_copy(array: Any) -> NDArray[Any]:
    """A NumPy copy of a state array, wherever that lies."""
    if isinstance(array, np.ndarray):
        return array.copy()
    from fastgd.engines.cuda import device  # noqa: PLC0415

    return device.to_host(array)


def _write(array: Any, values: NDArray[Any]) -> None:
    if isinstance(array, np.ndarray):
        array[...] = values
    elif values.size:
        from fastgd.engines.cuda import device  # noqa: PLC0415

        device.synchronize()  # steps may be under way, on whatever stream
        array.copy_to_device(np.ascontiguousarray(values))
        device.synchronize()


def saved(
    optimizer: str,
    rules: list[str],
    t: int,
    plan: Plan | None,
    pending: Mapping[str, NDArray[Any]] | None,
) -> dict[str, NDArray[Any]]:
    """A copy of an optimizer's whole state: that of its plan, or the one that waits for a plan."""
    state = {"optimizer": np.array(optimizer), "rules": np.array(rules), "t": np.array(t, np.int64)}
    if plan is not None:
        state["carry"] = np.array([group.carry[0] for group in plan.groups])
        state["params"] = np.array([slot.name for slot in plan.slots])
        if plan.cohorts is not None:
            state["behind"], state["carries"] = plan.cohorts.behind, plan.cohorts.carries
        for key, array in _state_arrays(plan.groups, plan.slots).items():
            state[key] = _host_copy(array)
    elif pending is not None:
        state.update({key: array.copy() for key, array in pending.items() if key not in state})
    return state


def arrays_of(state: Any) -> dict[str, NDArray[Any]]:
    """A copy of what `state_dict` returned, or of an open .npz file of it."""
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a dict of arrays, got {type(state).__name__}")
    return {str(key): np.array(state[key]) for key in state}


def check_state(arrays: Mapping[str, NDArray[Any]], optimizer: str, rules: Sequence[str]) -> int:
    """Whether a state may be this optimizer's at all; returns its number of steps."""
    t = check_scalars(arrays, optimizer)
    check_rules(arrays, rules)
    return t


def check_scalars(arrays: Mapping[str, NDArray[Any]], optimizer: str) -> int:
    """Everything but the rules, the arrays of the parameters and the values of hyperparameters; returns the steps."""
    for key in ("optimizer", "rules", "t"):
        if key not in arrays:
            raise ValueError(f"state has no {key!r}: it is not what state_dict() returns")
    if str(arrays["optimizer"]) != optimizer:
        raise ValueError(f"state is that of {arrays['optimizer']}, not of {optimizer}")
    t = arrays["t"]
    if t.shape != () or t.dtype.kind not in "iu" or not 0 <= int(t) <= LARGEST_COUNT:
        raise ValueError(f"state['t'] must be one number of steps, from 0 to 2^53, got {t!r:.80}")
    if ("params" in arrays) != ("carry" in arrays):
        raise ValueError("state must have both 'params' and 'carry', or neither")
    if "params" in arrays:
        _check_params_and_carry(arrays)
    else:
        _check_no_steps(arrays)
    if "hyperparameters" in arrays:
        from_text(arrays["hyperparameters"])
    return int(t)


def _check_no_steps(arrays: Mapping[str, NDArray[Any]]) -> None:
    """A state that names no arrays is that of an optimizer that made no step: else it has lost them."""
    if arrays["t"] > 0:
        raise ValueError(
            f"state['t'] is {arrays['t']}, but state has no 'params': it lost its arrays"
        )
    for key in arrays:
        if key not in _WITHOUT_STEPS:
            raise ValueError(f"state[{key!r}] belongs to no parameter")


def _check_params_and_carry(arrays: Mapping[str, NDArray[Any]]) -> None:
    names, carry = arrays["params"], arrays["carry"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise ValueError(f"state['params'] must be names of arrays, got {names!r:.80}")
    groups = arrays["rules"].size  # each has a rule
    if carry.shape != (groups,) or carry.dtype != np.float64 or not np.isfinite(carry).all():
        raise ValueError(
            f"state['carry'] must be {groups} finite float64 numbers, got {carry!r:.80}"
        )
    if any(key in arrays for key in _OF_FROZEN):
        _check_frozen(arrays, names.size)


def _check_frozen(arrays: Mapping[str, NDArray[Any]], many: int) -> None:
    """What is kept for each of so many arrays where one has missed steps."""
    if not all(key in arrays for key in _OF_FROZEN):
        raise ValueError("state must have both 'behind' and 'carries', or neither")
    behind, carries = arrays["behind"], arrays["carries"]
    if behind.shape != (many,) or behind.dtype.kind not in "iu":
        raise ValueError(f"state['behind'] must be {many} numbers of steps, got {behind!r:.80}")
    if many and not (behind.min() >= 0 and behind.max() <= int(arrays["t"])):
        raise ValueError(f"state['behind'] must lie between 0 and state['t'], got {behind!r:.80}")
    if carries.shape != (many,) or carries.dtype != np.float64 or not np.isfinite(carries).all():
        raise ValueError(
            f"state['carries'] must be {many} finite float64 numbers, got {carries!r:.80}"
        )


def check_rules(arrays: Mapping[str, NDArray[Any]], rules: Sequence[str]) -> None:
    """Whether a state is that of these rules and coefficient functions."""
    found = list(map(str, arrays["rules"].ravel()))
    if found != list(rules):
        raise ValueError(f"state is that of the rules {found}, not of {list(rules)}")


def restore(plan: Plan, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Copy a saved state into the arrays of a plan, after checking all of it."""
    targets = _state_arrays(plan.groups, plan.slots)
    names = list(map(str, arrays.get("params", np.array([])).ravel()))
    expected = [slot.name for slot in plan.slots]
    if names != expected:
        raise ValueError(f"state is that of the parameters {names}, not of {expected}")
    known = {*_WITHOUT_STEPS, "carry", "params", *_OF_FROZEN, *targets}
    for key in arrays:
        if key not in known:
            raise ValueError(f"state[{key!r}] belongs to no parameter")
    for key, target in targets.items():
        source = arrays.get(key)
        if source is None:
            raise ValueError(f"state[{key!r}] is missing")
        if source.shape != target.shape or source.dtype != target.dtype:
            raise ValueError(
                f"state[{key!r}] must have shape {target.shape} and dtype {target.dtype}, got "
                f"{source.shape} and {source.dtype}"
            )
    for key, target in targets.items():
        _write(target, arrays[key])
    for group, value in zip(plan.groups, arrays["carry"], strict=True):
        group.carry[0] = value
    if "behind" in arrays:
        plan.part(arrays["behind"], arrays["carries"])
    elif plan.cohorts is not None:
        plan.unite()
