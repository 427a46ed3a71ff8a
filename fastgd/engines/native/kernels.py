"""Access to the kernels compiled ahead of time: the best module for this processor, and addresses in it.

The same text is compiled for several instruction sets (see ``setup.py``). The module is chosen at the first use;
``FASTGD_TARGET=base``, ``v3`` or ``v4`` forces one.
"""

from __future__ import annotations

import importlib
import os
from functools import lru_cache
from typing import Protocol, cast

from fastgd.engines.processor import processor_level


class KernelModule(Protocol):
    """A module that `fastgd.engines.native.build` writes the source of."""

    __name__: str
    addresses: dict[str, int]  # by a kernel's name
    lanes: dict[str, int]  # numbers in a vector, by the dtype's character


LEVELS = {"v4": 4, "v3": 3, "base": 0}  # the x86-64 level that each needs, best first


def _forced(kind: str, level: int) -> KernelModule:
    """The module that FASTGD_TARGET names."""
    target = os.environ["FASTGD_TARGET"]
    if target not in LEVELS:
        raise ValueError(f"FASTGD_TARGET must be one of {', '.join(LEVELS)}, got {target!r}")
    if LEVELS[target] > level:
        raise ValueError(f"FASTGD_TARGET={target}: this processor lacks x86-64-{target}")
    return _imported(kind, target)


def _imported(kind: str, target: str) -> KernelModule:
    return cast("KernelModule", importlib.import_module(f"fastgd.engines.native.{kind}_{target}"))


@lru_cache(maxsize=8)
def kernels(kind: str = "kernels") -> KernelModule:
    """The kernel module in use.

    Raises
    ------
    ImportError
        If the extensions were not built.
    ValueError
        If FASTGD_TARGET is unknown or asks for instructions that this processor lacks.
    """
    level = processor_level()
    if os.environ.get("FASTGD_TARGET"):
        return _forced(kind, level)
    for target in (t for t, needed in LEVELS.items() if needed <= level and t != "base"):
        try:
            return _imported(kind, target)
        except ModuleNotFoundError:
            continue  # built for the base instruction set only
    return _imported(kind, "base")


def network_kernels() -> KernelModule:
    """The kernel module of networks."""
    return kernels("network_kernels")


def lane_kernels() -> KernelModule:
    """The kernel module of small networks side by side."""
    return kernels("lane_kernels")


def linear_kernels() -> KernelModule:
    """The kernel module of linear models."""
    return kernels("linear_kernels")


def function_kernels() -> KernelModule:
    """The kernel module of functions that are called by their address."""
    return kernels("function_kernels")


def reason() -> str:
    """Why this backend cannot be used; empty if it can."""
    try:
        kernels()
    except ImportError as error:
        return f"the compiled extensions are missing ({error})"
    return ""


def available() -> bool:
    """Whether this backend can be used."""
    return not reason()


def target() -> str:
    """The instruction set in use: "base", "v3" or "v4"."""
    return kernels().__name__.rpartition("_")[2]


def address(name: str) -> int:
    """Address of a kernel, for example ``plain_adam_f`` or ``coefficients_adam``."""
    return kernels().addresses[name]
