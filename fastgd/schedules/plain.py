"""Schedules as plain data, for files: the name of the function that made one, and its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgd.schedules import cycles, decays, warmups
from fastgd.schedules.formulas import FORMULAS
from fastgd.schedules.schedule import Schedule

_MAKERS = {
    maker.__name__: maker
    for maker in (
        decays.constant, decays.step, decays.multi_step, decays.exponential, decays.cosine, decays.linear,
        decays.polynomial, decays.inverse_sqrt, cycles.cosine_restarts, cycles.one_cycle, warmups.warmup,
    )
}  # fmt: skip


def as_plain(schedule: Schedule) -> dict[str, Any] | None:
    """The schedule as JSON has it; None if a user's function is part of it."""
    if schedule.name == "function":
        return None
    arguments = {}
    for name, value in zip(_names(schedule.name), schedule.arguments, strict=True):
        arguments[name] = as_plain(value) if isinstance(value, Schedule) else value
        if arguments[name] is None:
            return None
        if isinstance(value, tuple):
            arguments[name] = list(value)
    return {"schedule": schedule.name, "arguments": arguments}


def from_plain(plain: Any) -> Schedule:
    """The schedule that plain data describe, its arguments checked; ValueError or TypeError where they are none."""
    if not isinstance(plain, Mapping) or not isinstance(plain.get("arguments"), Mapping):
        raise ValueError(f"wanted the name and the arguments of a schedule, got {plain!r:.80}")
    name, arguments = plain.get("schedule"), dict(plain["arguments"])
    if not isinstance(name, str) or name not in {*_MAKERS, "scaled"}:
        raise ValueError(f"there is no schedule {name!r:.80}")
    if set(arguments) != set(_names(name)):
        raise ValueError(f"{name} takes {', '.join(_names(name))}, got {', '.join(arguments)}")
    if "schedule" in arguments:
        arguments["schedule"] = from_plain(arguments["schedule"])
    if name == "scaled":
        inner: Schedule = arguments["schedule"]
        return inner.scaled(arguments["factor"])
    return _MAKERS[name](**arguments)


def _names(schedule: str) -> tuple[str, ...]:
    """The names of a schedule's arguments."""
    code = FORMULAS[schedule].__code__
    return code.co_varnames[2 : code.co_argcount]
