"""Nested parameters: an array, of NumPy or on the GPU, or nested lists, tuples and dicts of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastgd.engines.cuda.arrays import is_device_array
from fastgd.engines.steps import collector
from fastgd.tensors import is_tensor

_DEEPEST = 64  # deeper than any model, and far from Python's own limit, which a cycle would hit
Path = tuple[Any, ...]


def spelled(root: str, path: Path) -> str:
    """A path as it is written in Python: ``params['w'][0]``."""
    return root + "".join(f"[{key!r}]" for key in path)


class Tree:
    """The structure of nested parameters: it lists the leaves of anything built alike.

    Attributes
    ----------
    paths : list of tuple
        Where each leaf lies, in order.
    """

    __slots__ = ("_children", "_keys", "_kind", "leaves", "paths")

    def __init__(self, value: Any, root: str = "params", path: Path = ()) -> None:
        if len(path) > _DEEPEST:
            raise ValueError(f"{root} is nested deeper than {_DEEPEST} levels")
        self._kind, self._keys = _kind_and_keys(value, root, path)
        self._children = [Tree(value[key], root, (*path, key)) for key in self._keys]
        self.paths: list[Path] = (
            [path] if self._kind == "array" else [p for c in self._children for p in c.paths]
        )
        if path:
            return
        if not self.paths:
            raise ValueError(f"{root} contains no array")
        self.leaves: Callable[[Any, str], list[Any]] = self._listing()

    def _listing(self) -> Callable[[Any, str], list[Any]]:
        """The function that lists leaves: compiled code for what is built as at the first step, else Python."""
        if self._kind == "array":
            return lambda value, root: [value]
        flat = self._kind == "list" and all(child._kind == "array" for child in self._children)
        many = len(self._keys) if flat else -1
        collect: Callable[[Any], list[Any] | None] | None = None

        def leaves(value: Any, root: str) -> list[Any]:
            nonlocal collect
            if type(value) is list and len(value) == many:
                return value
            if collect is None:
                collect = collector(self._nodes())
            found = collect(value)
            return self._nested(value, root, ()) if found is None else found

        return leaves

    def _nodes(self) -> list[tuple[str, list[Any]]]:
        """Kind and keys of each node, before those of its children."""
        below = [node for child in self._children for node in child._nodes()]
        return [(self._kind, self._keys), *below]

    def with_frozen(self, value: Any, root: str) -> list[Any]:
        """The leaves of gradients of which some, or some nested parts as a whole, are None."""
        return self._nested(value, root, (), frozen=True)

    def _nested(self, value: Any, root: str, path: Path, *, frozen: bool = False) -> list[Any]:
        if self._kind == "array":
            return [value]
        if frozen and value is None:
            return [None] * len(self.paths)
        self._same(value, root, path)
        values = [value[key] for key in self._keys]
        if self._kind == "dict":
            self._same(value, root, path)  # reading may have changed it
        found = []
        for key, child, below in zip(self._keys, self._children, values, strict=True):
            found += child._nested(below, root, (*path, key), frozen=frozen)
        return found

    def _same(self, value: Any, root: str, path: Path) -> None:
        """Whether this level is built as it was at the first step."""
        if not isinstance(value, Mapping if self._kind == "dict" else list | tuple):
            first = {"list": "a list or tuple", "dict": "a dict"}[self._kind]
            raise TypeError(
                f"{spelled(root, path)} must be {first} as at the first step, got {_named(value)}"
            )
        if self._kind == "list":
            if _length(value) != len(self._keys):
                raise ValueError(
                    f"{spelled(root, path)} must have {len(self._keys)} entries as at the first step, "
                    f"got {_length(value)}"
                )
            return
        for key in self._keys:
            if key not in value:
                raise ValueError(f"{spelled(root, (*path, key))} is missing")
        known = set(self._keys)
        for key in value:
            if key not in known:
                raise ValueError(f"{spelled(root, (*path, key))} was not there at the first step")


def _kind_and_keys(value: Any, root: str, path: Path) -> tuple[str, list[Any]]:
    if issubclass(type(value), np.ndarray) or is_device_array(value) or is_tensor(value):
        return "array", []
    if isinstance(value, list | tuple):
        return "list", list(range(_length(value)))
    if isinstance(value, Mapping):
        return "dict", list(value)
    raise TypeError(
        f"{spelled(root, path)} must be a NumPy array, or a list, tuple or dict of them; "
        f"got {_named(value)}"
    )


def _length(value: Any) -> int:
    """The true length: what the `__len__` of a subclass says may be endless."""
    return list.__len__(value) if isinstance(value, list) else tuple.__len__(value)


def _named(value: Any) -> str:
    return "None" if value is None else type(value).__name__
