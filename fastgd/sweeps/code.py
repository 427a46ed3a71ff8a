"""What a function or class of the user's own is made of: its code, and what it finds by global names.

The source would tell less: it may have been edited since it was loaded, and it is not there for what was typed. Of the
packages that are installed, Python's own and this one among them, only names count.
"""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_READS = {"LOAD_GLOBAL", "LOAD_NAME"}
_WRITES = {"STORE_GLOBAL", "DELETE_GLOBAL"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
_PACKAGES = {"site-packages", "dist-packages"}
_FOLDERS = tuple(
    os.path.join(os.path.realpath(folder), "")
    for folder in (
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        str(Path(__file__).parents[1]),
    )
)


def code_of(code: types.CodeType) -> Iterator[Any]:
    """What decides what the code does: neither its names in messages nor its lines."""
    yield code.co_code
    yield code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    yield code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    yield code.co_exceptiontable
    yield code.co_consts  # the functions inside it among them


def globals_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """The globals that a function of the user's own reads, by their names, in order; none of those that it sets itself.

    Of a module of the user's own it is what the function takes from it.
    """
    if _is_installed(function.__code__.co_filename):
        return
    found: dict[str, Any] = {}
    written: set[str] = set()
    for names, writes in _names_in(function.__code__):
        written |= {names[0]} if writes else set()
        if names[0] in function.__globals__:
            name, value = _followed(names, function.__globals__[names[0]])
            found[name] = value
    for name in sorted(found):
        if name not in written:
            yield name, found[name]


def own_of(cls: type) -> Iterator[tuple[str, Any]]:
    """What a class defines: its methods, and values that are not Python's own notes about it."""
    for name, value in sorted(vars(cls).items()):
        if isinstance(value, types.FunctionType) or not name.startswith(("__", "_abc_")):
            yield name, value


def is_of_library(value: type | types.ModuleType) -> bool:
    """Whether a class or module is one of an installed package."""
    name = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
    if name == "__main__":
        return False
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is None or _is_installed(file)  # without a file it is built in


def _is_installed(file: str) -> bool:
    if file.startswith("<"):  # typed, or frozen with Python
        return file.startswith("<frozen")
    real = os.path.realpath(file)
    return real.startswith(_FOLDERS) or not _PACKAGES.isdisjoint(Path(real).parts)


def _names_in(code: types.CodeType) -> Iterator[tuple[list[str], bool]]:
    """Each global that the code and the functions inside it name, with attributes behind it, and whether it is set."""
    chain: list[str] = []
    for step in dis.get_instructions(code):
        if step.opname == "EXTENDED_ARG":
            continue
        if chain and step.opname in _ATTRIBUTES:
            chain.append(step.argval)
            continue
        if chain:
            yield chain, False
        chain = [step.argval] if step.opname in _READS else []
        if step.opname in _WRITES:
            yield [step.argval], True
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _followed(names: list[str], value: Any) -> tuple[str, Any]:
    """The value behind the names, as far as they lead through modules of the user's own."""
    name, *others = names
    for attribute in others:
        if not isinstance(value, types.ModuleType) or is_of_library(value):
            break
        if not hasattr(value, attribute):
            break
        name, value = f"{name}.{attribute}", getattr(value, attribute)
    return name, value
