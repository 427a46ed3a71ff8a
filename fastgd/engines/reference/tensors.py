"""What the compiled `fastgd.engines.native.tensors` does without tensors' help, in Python."""

from __future__ import annotations

from typing import Any


class Contents:
    """What is in some lists and dicts: whether each still holds the very same objects, in the same order.

    Parameters
    ----------
    containers : list of list or dict
        They and their contents are kept alive, so that no other object can be taken for one of them.
    """

    def __init__(self, containers: list[Any]) -> None:
        self._containers = containers
        self._items = [_items(container) for container in containers]

    def same(self) -> bool:
        """Whether nothing has been added, removed, replaced or moved."""
        for container, items in zip(self._containers, self._items, strict=True):
            now = _items(container)
            if len(now) != len(items) or any(a is not b for a, b in zip(now, items, strict=True)):
                return False
        return True


def _items(container: Any) -> list[Any]:
    if isinstance(container, dict):
        return [part for item in container.items() for part in item]
    return list(container)
