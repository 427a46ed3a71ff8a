"""A hash of what a value holds, the same in every process.

Functions count by their code and by what they find outside themselves (`fastgd.sweeps.code`), not by their names; what
an object merely caches does not count.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import inspect
import os
import types
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from fastgd.sweeps.code import code_of, globals_of, is_of_library, own_of

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_SHOWN = (*_PLAIN, np.generic, np.dtype, np.ufunc, enum.Enum, types.BuiltinFunctionType)
_BLOCK = 1 << 24  # bytes of an array that are hashed at once
_READ = (
    1 << 28
)  # bytes up to which an array in a file is read; a larger one counts by the file's size and time


def fingerprint(value: Any) -> str:
    """Sixteen hexadecimal digits, which are equal for values that hold the same.

    Examples
    --------
    >>> fingerprint({"a": np.ones(3)}) == fingerprint({"a": np.ones(3)}) != fingerprint({"a": np.zeros(3)})
    True
    """
    return _Hash({}).of(value, ()).hex()[:16]


def fields_of(value: Any) -> dict[str, Any]:
    """The attributes of an object without what it caches."""
    return _without_caches(type(value), vars(value))


def _without_caches(cls: type, fields: Mapping[str, Any]) -> dict[str, Any]:
    def is_cache(name: str) -> bool:
        found = inspect.getattr_static(cls, name, None)
        return name == "_kernels" or isinstance(found, functools.cached_property)

    return {name: value for name, value in fields.items() if not is_cache(name)}


class _Global:
    """What a function finds by a global name: it may be anything, and need not be what the function depends on."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Hash:
    """One hash, and the globals that it has met: functions may call one another."""

    def __init__(self, met: dict[int, tuple[int, Any]]) -> None:
        self._digest, self._met = hashlib.sha256(), met

    def of(self, value: Any, above: tuple[int, ...]) -> bytes:
        """The hash of one value; `above` are the objects that hold it, which it may hold in turn."""
        self._feed(value, above)
        return self._digest.digest()

    def _feed(self, value: Any, above: tuple[int, ...]) -> None:
        if isinstance(value, _Global):
            self._digest.update(self._of_global(value.value, above))
            return
        self._digest.update(f"{type(value).__module__}.{type(value).__qualname__}(".encode())
        if id(value) in above:
            self._digest.update(str(above.index(id(value))).encode())
        elif isinstance(value, _SHOWN):
            self._digest.update(repr(value).encode())
        else:
            for part in _parts(value):
                if isinstance(part, memoryview):
                    self._digest.update(part)
                else:
                    self._feed(part, (*above, id(value)))
        self._digest.update(b")")

    def _of_global(self, value: Any, above: tuple[int, ...]) -> bytes:
        """As any value; of what cannot be pickled, such as a lock or an open file, the type alone."""
        if id(value) in self._met:
            return str(self._met[id(value)][0]).encode()
        if not isinstance(value, (*_PLAIN, tuple)):  # of which Python may make one of two
            self._met[id(value)] = len(self._met), value  # kept, so that its id is its own
        try:
            return _Hash(self._met).of(value, above)
        except Exception:  # of a class of the user's own, whatever that raises
            return type(value).__qualname__.encode()


@functools.singledispatch
def _parts(value: Any) -> Iterator[Any]:
    """What a value consists of: of an object what its pickle would hold, without what it caches."""
    function = getattr(value, "py_func", None)  # of Numba
    if function is not None:
        yield function
        yield getattr(value, "targetoptions", None)
        return
    wrapped = getattr(value, "__wrapped__", None)  # by functools.lru_cache, for one
    if callable(wrapped):
        yield wrapped
        return
    reduced = value.__reduce_ex__(2)
    if isinstance(reduced, str):
        yield reduced
        return
    make, arguments, *others = reduced
    yield None if make is getattr(copyreg, "__newobj__", None) else make
    yield arguments
    kept, *items = others or [None]
    yield _without_caches(type(value), kept) if isinstance(kept, dict) else kept
    for several in items[:2]:  # of subclasses of list and dict, and of a deque
        yield None if several is None else list(several)


@_parts.register
def _(value: np.ndarray) -> Iterator[Any]:
    if value.dtype.hasobject:
        yield value.tolist()
        return
    yield value.dtype.str
    yield value.shape
    if isinstance(value, np.memmap) and value.nbytes > _READ and value.filename is not None:
        of_file = os.stat(value.filename)  # it would be read as a whole each time
        yield of_file.st_size, of_file.st_mtime_ns, value.offset, value.strides
        return
    flat = value.reshape(1) if value.ndim == 0 else value
    rows = max(1, _BLOCK // max(1, flat[:1].nbytes))
    for start in range(0, len(flat), rows):
        yield np.ascontiguousarray(flat[start : start + rows]).reshape(-1).view(np.uint8).data


@_parts.register
def _(value: Mapping) -> Iterator[Any]:  # type: ignore[type-arg]
    for name in sorted(value, key=repr):
        yield name
        yield value[name]


@_parts.register(tuple)
@_parts.register(list)
def _(value: Sequence[Any]) -> Iterator[Any]:
    yield from value


@_parts.register
def _(value: Set) -> Iterator[Any]:  # type: ignore[type-arg]
    yield from sorted(value, key=repr)


@_parts.register
def _(value: types.ModuleType) -> Iterator[Any]:
    yield value.__name__


@_parts.register
def _(value: type) -> Iterator[Any]:
    """Its name; of a class of the user's own what it is made of, too."""
    yield f"{value.__module__}.{value.__name__}"
    if not is_of_library(value):
        yield value.__bases__
        for name, found in own_of(value):
            yield name
            yield _Global(found)


@_parts.register
def _(value: types.MethodType) -> Iterator[Any]:
    yield value.__func__
    yield value.__self__


@_parts.register
def _(value: types.FunctionType) -> Iterator[Any]:
    """Its code, its defaults, the values that it closes over, and the globals that it reads."""
    yield value.__code__
    yield value.__defaults__
    yield value.__kwdefaults__
    yield [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
    for name, found in globals_of(value):
        yield name
        yield _Global(found)


@_parts.register
def _(value: types.CodeType) -> Iterator[Any]:
    yield from code_of(value)


@_parts.register(classmethod)
@_parts.register(staticmethod)
def _(value: Any) -> Iterator[Any]:
    yield value.__func__


@_parts.register
def _(value: property) -> Iterator[Any]:
    yield value.fget


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
