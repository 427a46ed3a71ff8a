"""Groups: other hyperparameters for some of the parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastgd.optimizers.kind import Kind, Values
from fastgd.optimizers.tree import Path, spelled

Groups = dict[Path, dict[str, Any]]


def checked_groups(kind: Kind, values: Values, groups: Any) -> Groups:
    """The argument `groups` of a constructor as it is kept: checked options by path."""
    if groups is None:
        return {}
    if not isinstance(groups, Mapping):
        raise TypeError(f"groups must be a dict, got {type(groups).__name__}")
    checked: Groups = {}
    for key, options in groups.items():
        path = key if isinstance(key, tuple) else (key,)
        if not isinstance(options, Mapping):
            raise TypeError(f"groups[{key!r}] must be a dict, got {type(options).__name__}")
        if path in checked:
            raise ValueError(f"groups names {key!r} twice")
        try:
            new = kind.replaced(values, options)
        except (TypeError, ValueError) as error:
            raise type(error)(f"groups[{key!r}]: {error}") from None
        checked[path] = {name: new[name] for name in options}
    return checked


def group_numbers(groups: Groups, paths: Sequence[Path]) -> list[int]:
    """For each array the group with the longest path that leads to it; 0 is the optimizer itself."""
    used: set[int] = set()
    found = []
    for path in paths:
        matching = [
            (len(prefix), number)
            for number, prefix in enumerate(groups, 1)
            if path[: len(prefix)] == prefix
        ]
        used.update(number for _, number in matching)
        found.append(max(matching, default=(0, 0))[1])
    for number, prefix in enumerate(groups, 1):
        if number not in used:
            key = prefix[0] if len(prefix) == 1 else prefix
            names = ", ".join(spelled("params", path) for path in paths[:8])
            raise ValueError(f"groups has {key!r}, but no parameter lies there; there is {names}")
    return found
