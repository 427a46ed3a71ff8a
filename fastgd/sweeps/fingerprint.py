"""A hash of what a value holds, the same in every process.

Functions count by their source and by the values that they close over, not by their names; what an object merely
caches does not count.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import inspect
import os
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

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
    digest = hashlib.sha256()
    _feed(digest, value, ())
    return digest.hexdigest()[:16]


def fields_of(value: Any) -> dict[str, Any]:
    """The attributes of an object without what it caches."""
    return _without_caches(type(value), vars(value))


def _without_caches(cls: type, fields: Mapping[str, Any]) -> dict[str, Any]:
    def is_cache(name: str) -> bool:
        found = inspect.getattr_static(cls, name, None)
        return name == "_kernels" or isinstance(found, functools.cached_property)

    return {name: value for name, value in fields.items() if not is_cache(name)}


def _feed(digest: Any, value: Any, above: tuple[int, ...]) -> None:
    """Add a value to a hash; `above` are the objects that hold it, which it may hold in turn."""
    digest.update(f"{type(value).__module__}.{type(value).__qualname__}(".encode())
    if id(value) in above:
        digest.update(str(above.index(id(value))).encode())
    elif isinstance(value, _SHOWN):
        digest.update(repr(value).encode())
    else:
        for part in _parts(value):
            if isinstance(part, memoryview):
                digest.update(part)
            else:
                _feed(digest, part, (*above, id(value)))
    digest.update(b")")


@functools.singledispatch
def _parts(value: Any) -> Iterator[Any]:
    """What a value consists of: of an object what its pickle would hold, without what it caches."""
    function = getattr(value, "py_func", None)  # of Numba
    if function is not None:
        yield function
        return
    reduced = value.__reduce_ex__(2)
    if isinstance(reduced, str):
        yield reduced
        return
    make, arguments, *state = reduced
    yield None if make is getattr(copyreg, "__newobj__", None) else make
    yield arguments
    kept = state[0] if state else None
    yield _without_caches(type(value), kept) if isinstance(kept, dict) else kept


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


@_parts.register(type)
@_parts.register(types.ModuleType)
def _(value: Any) -> Iterator[Any]:
    yield f"{getattr(value, '__module__', '')}.{value.__name__}"


@_parts.register
def _(value: types.MethodType) -> Iterator[Any]:
    yield value.__func__
    yield value.__self__


@_parts.register
def _(value: types.FunctionType) -> Iterator[Any]:
    """Source, defaults, and the values that it closes over; of a function without source of its own its code."""
    try:
        yield textwrap.dedent(inspect.getsource(value))
        whole = value.__name__ != "<lambda>"  # beside which others may stand
    except (OSError, TypeError):
        whole = False
    if not whole:
        yield value.__code__.co_code
        yield repr(value.__code__.co_consts)
    yield value.__defaults__
    yield value.__kwdefaults__
    yield [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
