"""Hyperparameters beside a saved state: as a text in JSON, compared with an optimizer's own, and restored.

A schedule of `fastgd.schedules` is saved by its name and arguments. A user's function cannot be: its name is saved, for
messages, and the rate that it returned for the last update, by which it is compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.optimizers.fields import Schedule, rate_at
from fastgd.optimizers.groups import Groups, checked_groups
from fastgd.optimizers.kind import Kind, Values

WAYS = ("check", "restore", "ignore")
Plain = dict[str, Any]
_LONGEST = 1 << 20  # characters of the text
_NONE = object()  # where there is no value


# --- as a text ----------------------------------------------------------------------------------------


def as_text(kind: Kind, options: Values, groups: Groups, t: int) -> NDArray[np.str_]:
    """The hyperparameters of an optimizer after `t` steps, as an array of one text."""
    return np.array(json.dumps(_described(kind, options, groups, t)))


def from_text(text: NDArray[Any]) -> Plain:
    """What `as_text` wrote, or ValueError; the values themselves are not checked."""
    wrong = "state['hyperparameters'] is not what state_dict() writes"
    if text.shape != () or text.dtype.kind != "U" or text.dtype.itemsize > 4 * _LONGEST:
        raise ValueError(wrong)
    try:
        plain = json.loads(str(text))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{wrong}: {error}") from None
    groups = plain.get("groups") if isinstance(plain, dict) else None
    if not isinstance(groups, list) or not all(map(_is_group, groups)):
        raise ValueError(wrong)
    return dict(plain)


def _is_group(group: Any) -> bool:
    return (
        isinstance(group, dict)
        and isinstance(group.get("path"), list)
        and isinstance(group.get("options"), dict)
    )


def _described(kind: Kind, options: Values, groups: Groups, t: int) -> Plain:
    return {
        **{name: _plain(kind.given(name, value), t) for name, value in options.items()},
        "groups": [
            {
                "path": [_plain_key(key) for key in path],
                "options": {name: _plain(kind.given(name, v), t) for name, v in own.items()},
            }
            for path, own in groups.items()
        ],
    }


def _plain(value: Any, t: int) -> Any:
    if not callable(value):
        return _listed(value)
    from fastgd.schedules.plain import as_plain  # noqa: PLC0415  (`import fastgd` is quicker without)

    plain = as_plain(value)
    if plain is None:
        plain = {"function": _name_of(value), "rate": rate_at(value, max(t - 1, 0))}
    return plain


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _name_of(schedule: Any) -> str:
    """What to call a schedule that a user's function is part of."""
    function = schedule.arguments[0]
    return str(getattr(function, "__qualname__", schedule.name))


def _schedule(plain: Any) -> Schedule:
    from fastgd.schedules.plain import from_plain  # noqa: PLC0415  (see above)

    return from_plain(plain)


def _plain_key(key: Any) -> Any:
    if isinstance(key, Integral):
        return int(key)
    return key if isinstance(key, str) else {"key": repr(key)}


# --- compared -----------------------------------------------------------------------------------------


def check_same(saved: Plain, kind: Kind, options: Values, groups: Groups, t: int) -> None:
    """Raise ValueError where a state of `t` steps was saved with other hyperparameters; it names them."""
    theirs = _by_label(saved)
    ours = _by_label(json.loads(json.dumps(_described(kind, options, groups, t))))
    defaults = {name: _listed(value) for name, value in kind.defaults.items()}
    labels = [
        label
        for label in {**theirs, **ours}
        if not _same(theirs.get(label, defaults.get(label, _NONE)), ours.get(label, _NONE))
    ]
    if labels:
        raise ValueError(
            f"state was saved with {_shown(theirs, labels)}, but this {kind.name} has {_shown(ours, labels)}: give it "
            "the same, or load with hyperparameters='restore' to take those saved, or 'ignore' to keep its own"
        )


def _by_label(plain: Plain) -> dict[str, Any]:
    """All values by their names in messages; of groups their order too, in which the state has its numbers."""
    flat = {name: value for name, value in plain.items() if name != "groups"}
    paths = [tuple(map(_key, group["path"])) for group in plain["groups"]]
    if paths:
        flat["groups"] = [path[0] if len(path) == 1 else path for path in paths]
    for path, group in zip(paths, plain["groups"], strict=True):
        where = path[0] if len(path) == 1 else path
        flat.update({f"groups[{where!r}][{n!r}]": v for n, v in group["options"].items()})
    return flat


def _key(key: Any) -> Any:
    return key["key"] if isinstance(key, dict) and "key" in key else key


def _same(saved: Any, own: Any) -> bool:
    if _is_function(saved) and _is_function(own):
        return bool(saved["rate"] == own["rate"])
    return bool(saved == own)


def _is_function(value: Any) -> bool:
    return isinstance(value, dict) and {"function", "rate"} <= value.keys()


def _shown(values: Mapping[str, Any], labels: list[str]) -> str:
    parts = [
        f"{label}={_value(values[label])}" if label in values else f"no {label}" for label in labels
    ]
    return " and ".join(parts)


def _value(plain: Any) -> str:
    if _is_function(plain):
        return f"{plain['function']} (a function, {plain['rate']!r} at the last step)"
    if isinstance(plain, dict):
        try:
            return repr(_schedule(plain))
        except (TypeError, ValueError):
            return repr(plain)
    return repr(tuple(plain)) if isinstance(plain, list) else repr(plain)


# --- restored -----------------------------------------------------------------------------------------


def restored(
    saved: Plain, kind: Kind, options: Values, groups: Groups, t: int
) -> tuple[dict[str, Any], Groups]:
    """The saved hyperparameters, checked, in place of an optimizer's own."""
    try:
        new = kind.replaced(options, _values(saved, options, t))
        given = {}
        for group in saved["groups"]:
            path = tuple(_real_key(key, groups) for key in group["path"])
            given[path] = _values(group["options"], groups.get(path, {}), t)
        return new, checked_groups(kind, new, given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"state['hyperparameters'] cannot be restored: {error}") from None


def _values(plain: Plain, own: Values, t: int) -> dict[str, Any]:
    """Values for constructors, of plain ones."""
    values = {}
    for name, value in plain.items():
        if name == "groups":
            continue
        if _is_function(value):
            values[name] = _function_again(name, value, own, t)
        else:
            values[name] = _schedule(value) if isinstance(value, dict) else value
    return values


def _function_again(name: str, saved: Plain, own: Values, t: int) -> Any:
    """The optimizer's own function, where it agrees with the one saved."""
    mine = own.get(name)
    if callable(mine) and _same(saved, _plain(mine, t)):
        return mine
    raise ValueError(
        f"{name} was {_value(saved)}, and a state cannot hold a function: give it to the optimizer's constructor"
    )


def _real_key(key: Any, groups: Groups) -> Any:
    """The key of a path; of one that is neither text nor integer, the optimizer's own with the same spelling."""
    if not isinstance(key, dict):
        return key
    for own in (own for path in groups for own in path):
        if _plain_key(own) == key:
            return own
    raise ValueError(f"groups has the key {_key(key)}; only text and integers can be restored")
