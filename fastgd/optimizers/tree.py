"""Nested parameters: an array, of NumPy or on the GPU, or nested lists, tuples and dicts of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastgd.engines.cuda.arrays import is_device_array

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
        if not path and not self.paths:
            raise ValueError(f"{root} contains no array")
        self.leaves: Callable[[Any, str], list[Any]] = self._chosen()

    def _chosen(self) -> Callable[[Any, str], list[Any]]:
        flat = all(child._kind == "array" for child in self._children)
        if self._kind == "array":
            return lambda value, root: [value]
        if flat and self._kind == "list":
            return self._flat_list
        return self._flat_dict if flat else lambda value, root: self._nested(value, root, ())

    def _flat_list(self, value: Any, root: str) -> list[Any]:
        if type(value) is list and len(value) == len(self._keys):
            return value
        self._same(value, root, ())
        return list(
            map(value.__getitem__, self._keys)
        )  # not by its `__iter__`, which may be endless

    def _flat_dict(self, value: Any, root: str) -> list[Any]:
        try:
            found = [value[key] for key in self._keys]
        except (KeyError, TypeError, IndexError):
            self._same(value, root, ())
            raise
        if type(value) is not dict or len(value) != len(found):
            self._same(value, root, ())
        return found

    def _nested(self, value: Any, root: str, path: Path) -> list[Any]:
        if self._kind == "array":
            return [value]
        self._same(value, root, path)
        found = []
        for key, child in zip(self._keys, self._children, strict=True):
            found += child._nested(value[key], root, (*path, key))
        return found

    def _same(self, value: Any, root: str, path: Path) -> None:
        """Whether this level is built as it was at the first step."""
        where = spelled(root, path)
        first = {"list": "a list or tuple", "dict": "a dict"}[self._kind]
        if not isinstance(value, Mapping if self._kind == "dict" else list | tuple):
            raise TypeError(f"{where} must be {first} as at the first step, got {_named(value)}")
        if self._kind == "list":
            if _length(value) != len(self._keys):
                raise ValueError(
                    f"{where} must have {len(self._keys)} entries as at the first step, "
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
    if issubclass(type(value), np.ndarray) or is_device_array(value):
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
