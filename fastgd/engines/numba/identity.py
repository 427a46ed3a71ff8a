"""By what a user's compiled function is told from all others, so that what was made of it can be kept on disk.

A function is its bytecode, its constants, its options for Numba, and everything that it finds outside itself: variables
of the functions around it, defaults, globals, and those of the functions that it calls. If one of these is something
whose value cannot be told, or may have been another when the function was compiled, nothing is kept.

Nor is one that calls itself, has threads of Numba's own or goes back to Python: Numba sets such functions up in the
process that compiles them. A caller that comes from the disk would find nothing at their addresses, and crash.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fastgd.engines.numba.twins import is_compiled, names_in, twin

_NAMES = ("function", "derivative")
_LIBRARIES = ("math", "cmath", "numpy", "numba", "builtins", "operator")  # of known versions
_MOST_KEPT = 64  # functions of a process: others may be made by the thousand
_KNOWN: dict[str, Any] = {}  # those of this process by their hash
# Numba takes the values of globals when it compiles. Of what it compiled before we looked, nobody knows them.
_UNCOMPILED: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
_TEXT = """
from fastgd.engines.numba.identity import known

$name = known("$digest", __name__, "$name")
"""


class _Unknown(Exception):
    """Something that cannot be told from others like it."""


def known(digest: str, module: str, name: str) -> Any:
    """The function of this process that has this hash, made again for a module."""
    return twin(_KNOWN[digest], module, name)


def identified(functions: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    """Text that defines `function` and, of two, `derivative`; and objects that it cannot be written without."""
    named = dict(zip(_NAMES, functions, strict=False))
    texts = [function for function in functions if isinstance(function, str)]
    own = {name: function for name, function in named.items() if not isinstance(function, str)}
    digests = {name: identity(function) for name, function in own.items()}
    if None in digests.values() or len(_KNOWN) >= _MOST_KEPT:
        return "".join(texts), own
    for name, digest in digests.items():
        assert digest is not None
        _KNOWN[digest] = own[name]
        texts.append(_TEXT.replace("$name", name).replace("$digest", digest))
    return "".join(texts), {}


def identity(function: Any) -> str | None:
    """The hash of a function compiled by Numba; None if something in it cannot be told from others like it."""
    try:
        return _digest(_of_value(function, []))
    except (_Unknown, RecursionError):
        return None


# --- everything that a function depends on, as bytes ------------------------------------------------


def _of_value(value: Any, above: list[Any]) -> Iterator[bytes]:
    """A value that a function uses; `above` are the functions under way, in which it must not be called again."""
    if value is None or type(value) in {bool, int, float, complex, str, bytes}:
        yield f"{type(value).__name__} {value!r}".encode()
    elif type(value) in {tuple, frozenset}:
        yield f"{type(value).__name__} {len(value)}".encode()
        for one in value if type(value) is tuple else sorted(value, key=repr):
            yield from _of_value(one, above)
    elif type(value) is np.ndarray and value.dtype.kind in "biufc":
        yield f"array {value.dtype.str} {value.shape} {value.strides}".encode()
        yield value.tobytes()
    elif isinstance(value, np.generic) and value.dtype.kind in "biufc":
        yield f"scalar {value.dtype.str}".encode()
        yield value.tobytes()
    elif is_compiled(value):
        yield from _of_compiled(value, above)
    elif isinstance(value, ModuleType) and value.__name__.partition(".")[0] in _LIBRARIES:
        yield f"module {value.__name__}".encode()
    elif isinstance(value, type | BuiltinFunctionType | np.ufunc | FunctionType):
        yield from _of_library(value)
    else:
        raise _Unknown


def _of_library(value: Any) -> Iterator[bytes]:
    """A function or class of a library, by its name there."""
    module = getattr(value, "__module__", None) or ("numpy" if isinstance(value, np.ufunc) else "")
    name = getattr(value, "__qualname__", value.__name__)
    home = sys.modules.get(module)
    if module.partition(".")[0] not in _LIBRARIES or getattr(home, name, None) is not value:
        raise _Unknown
    yield f"library {module} {name}".encode()


def _of_compiled(function: Any, above: list[Any]) -> Iterator[bytes]:
    """A function compiled by Numba: what it is made of, and what it finds."""
    if any(function is one for one in above) or _is_for_one_process(function):
        raise _Unknown
    parts = list(_inside(function, [*above, function]))
    digest = _digest(parts)
    if not function.overloads:
        _UNCOMPILED[function] = digest
    elif _UNCOMPILED.get(function) != digest:  # its code may hold other values than these
        raise _Unknown
    yield from parts


def _is_for_one_process(function: Any) -> bool:
    """Whether code of this function works only where it was compiled."""
    if function.targetoptions.get("parallel"):
        return True
    return any("objmode" in name for name in names_in(function.py_func.__code__))


def _inside(function: Any, above: list[Any]) -> Iterator[bytes]:
    python = function.py_func
    yield f"function {sorted(function.targetoptions.items())!r}".encode()
    yield f"types {sorted(function.locals.items())!r}".encode()
    yield from _of_code(python.__code__)
    yield from _of_value(python.__defaults__, above)
    yield from _of_value(tuple(sorted((python.__kwdefaults__ or {}).items())), above)
    for cell in python.__closure__ or ():
        try:
            yield from _of_value(cell.cell_contents, above)
        except ValueError:  # it is empty as yet
            raise _Unknown from None
    for name in names_in(python.__code__):
        yield name.encode()
        if name in python.__globals__:
            yield from _of_value(python.__globals__[name], above)


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256(f"{sys.version} {np.__version__}".encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _of_code(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr((code.co_argcount, code.co_kwonlyargcount, code.co_flags)).encode()
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)).encode()
    yield code.co_exceptiontable
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        else:
            yield from _of_value(constant, [])
