"""Descents of gradients by their address: in loops compiled ahead of time, whatever the rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import SHARED
from fastgd.engines.native import kernels
from fastgd.engines.native.functions import values_and_slopes
from fastgd.engines.protocol.sweeps import Descents, Kernel, numbers_of
from fastgd.engines.registry import GRADIENTS, RESIDUALS, RULES
from fastgd.extras import present


@dataclass(frozen=True)
class Loops:
    """Addresses of loops, the problem's kernel as they read it, and the backend that compiled the function."""

    window: int
    observe: int
    kernel: Kernel
    backend: str


class _Own(bytearray):
    """Numbers of 64 bits for the loops, with the problem's numbers, which live as long as these."""

    def __init__(self, own: list[int], numbers: NDArray[Any]) -> None:
        super().__init__(np.array(own, np.uint64).tobytes())
        self.numbers = numbers


def gradient_of(kernel: Kernel, char: str, backend: str = "auto") -> tuple[int, str] | None:
    """Where a gradient is compiled, and by what; None if it is not, or not in this form."""
    if not kernels.available():
        return None
    # A linear model's kernel has the same arguments: in the place of `valued` it finds 1, the number of outputs.
    if kernel.kind in RESIDUALS and kernel.outputs == 1 and not kernel.sequential:
        if backend == "numba":
            return None
        return kernels.address(f"slopes_{kernel.kind}_{char}"), "cython"
    given = kernel.kind in GRADIENTS and not kernel.sequential
    own = kernel.kind if given else kernel.name
    if own and backend != "numba":
        return kernels.function_kernels().addresses[f"slopes_{own}_{char}"], "cython"
    if kernel.kind != "function" or own or backend == "cython" or not present("numba"):
        return None
    from fastgd.engines.numba.functions import gradient_address  # noqa: PLC0415

    address = gradient_address(kernel.functions, kernel.size, char)
    return None if address is None else (address, "numba")


def prepare(kernel: Kernel, char: str) -> None:
    """Compile a user's function for runs in this precision, and for values, which are taken in float64."""
    if kernel.kind == "function":
        for one in {char, "d"}:
            gradient_of(kernel, one)


def evaluated(
    kernel: Kernel, x: NDArray[Any], *, valued: bool, many: bool
) -> tuple[NDArray[np.float64], NDArray[Any]] | None:
    """Values of a function, if they are asked for, and its gradients at points (n_parameters, points).

    None where that is better done in Python: a user's function is compiled for `many` points only, one of the library's
    own has no need for it before.
    """
    char = x.dtype.char
    if kernel.kind != "function" or not (many or _is_at_hand(kernel, char)):
        return None
    found = gradient_of(kernel, char)
    return None if found is None else values_and_slopes(found[0], x, valued=valued)


def _is_at_hand(kernel: Kernel, char: str) -> bool:
    """Whether a user's function has been compiled."""
    if kernel.name or not present("numba") or not kernels.available():
        return False
    from fastgd.engines.numba import functions  # noqa: PLC0415

    return functions.is_compiled(kernel.functions, kernel.size, char)


def loops_of(
    kernel: Kernel, runs: Descents, char: str, backend: str, *, single: bool = False
) -> Loops | None:
    """The loops for runs of a rule of this library; None if there are none.

    Those of a `single` run have the kernel that follows it in the place of `observe`.
    """
    prepared = runs.mode == "prepared"
    if RULES.get(runs.rule.name) != runs.rule or runs.mode == "clipped":
        return None
    gradient = gradient_of(kernel, char, backend)
    if gradient is None:
        return None
    addresses = kernels.function_kernels().addresses
    name = f"{'prepared' if prepared else 'plain'}_{runs.rule.name}_{char}"
    if f"advance_{name}" not in addresses:  # a rule that is newer than what is built
        return None
    count = len(runs.x0)
    numbers = numbers_of(kernel, count, batched=False)
    own = _Own(
        [
            gradient[0],
            numbers.ctypes.data,
            count,
            addresses[f"advance_{name}"],
            len(runs.state0),
            SHARED if prepared else 0,
            runs.lookahead,
            runs.n_measures,
            runs.box is not None,
        ],
        numbers,
    )
    data: Any = np.frombuffer(own, np.float32 if char == "f" else np.float64)
    observe = f"follow_{name}" if single else f"observe_called_{char}"
    return Loops(
        addresses[f"window_called_{char}"],
        addresses[observe],
        replace(kernel, kind="called", data=data),
        gradient[1],
    )
