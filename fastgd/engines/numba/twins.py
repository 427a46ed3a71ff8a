"""A user's compiled function made again, under names that no other function has in any process.

Numba names machine code by the module and the name of its function and by a number that counts within the process. So
two functions of one name, compiled in two processes, may bear the same one. Where code of the first comes from the disk
into the second, the linker takes whichever it finds first for both: one function is called for the other, in silence.
A twin and all that it calls are of a module that is named by the hash of what they are.
"""

from __future__ import annotations

import builtins
from types import CellType, CodeType, FunctionType
from typing import Any


def twin(function: Any, module: str, name: str) -> Any:
    """The function and those that it calls, compiled by Numba with the same options as functions of another module.

    Parameters
    ----------
    function : dispatcher of numba
        One with an identity: the values of its variables will not change any more.
    module : str
        One that is loaded, of a name that tells these functions from all others.
    name : str
        The twin's name there.
    """
    return _Twins(module, name).of_function(function)


def is_compiled(value: Any) -> bool:
    """Whether this is a function compiled by Numba."""
    return hasattr(value, "py_func") and hasattr(value, "targetoptions")


def names_in(code: CodeType) -> list[str]:
    """Names, sorted, that the code and the functions inside it may look up: of globals, and of attributes."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return sorted(set(code.co_names).union(*map(names_in, inner)))


class _Twins:
    """The twins of one function and of those that it calls, which may call one another."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name
        self._made: dict[int, Any] = {}

    def of_function(self, function: Any) -> Any:
        from numba import jit  # noqa: PLC0415

        if id(function) in self._made:
            return self._made[id(function)]
        python = function.py_func
        found: dict[str, Any] = {"__name__": self._module, "__builtins__": builtins}
        cells = tuple(CellType() for _ in python.__closure__ or ())
        copy = FunctionType(python.__code__, found, python.__name__, python.__defaults__, cells)
        copy.__kwdefaults__ = python.__kwdefaults__
        copy.__module__ = self._module
        copy.__qualname__ = f"{self._name}_{len(self._made)}"
        self._made[id(function)] = compiled = jit(locals=function.locals, **function.targetoptions)(
            copy
        )
        # Only now: one of them may be the function itself.
        for name in names_in(python.__code__):
            if name in python.__globals__:
                found[name] = self._of(python.__globals__[name])
        for cell, own in zip(cells, python.__closure__ or (), strict=True):
            cell.cell_contents = self._of(own.cell_contents)
        return compiled

    def _of(self, value: Any) -> Any:
        if is_compiled(value):
            return self.of_function(value)
        return tuple(map(self._of, value)) if type(value) is tuple else value
