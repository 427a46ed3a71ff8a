"""Chooses the engine that computes a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from fastgd.engines import config
from fastgd.engines.backends import resolve_backend
from fastgd.engines.protocol.networks import Architecture, Engine
from fastgd.engines.protocol.platoons import Platoon, Trainings
from fastgd.engines.registry import COEFFICIENTS, RULES
from fastgd.extras import present, warn_slow


def chosen_backend(backend: str | None) -> str:
    """The backend of a network; "auto" never takes Numba, which is not faster than NumPy's products, nor the GPU."""
    asked = config.get_backend() if backend is None else backend
    known = ("cython", "numpy") if asked == "auto" else ("cython", "numba", "numpy", "cuda")
    return resolve_backend(backend, supports=known)


def engine_for(a: Architecture, backend: str | None, n_threads: int | None, tf32: bool) -> Engine:
    """The engine for an architecture; `tf32` allows the GPU to round products to TensorFloat-32."""
    chosen = chosen_backend(backend)
    asked = config.get_backend() if backend is None else backend
    own = callable(a.activation) or callable(a.loss)
    if own and asked == "auto" and chosen == "cython" and not present("numba"):
        warn_slow("A network with an activation or loss of your own")
        chosen = "numpy"
    if chosen == "cuda":
        from fastgd.engines.cuda.networks import CudaNetwork  # noqa: PLC0415

        return CudaNetwork(a, tf32)
    if chosen == "cython":
        from fastgd.engines.native.networks import Network  # noqa: PLC0415

        return cast("Engine", Network(a, n_threads))
    if chosen == "numba":
        from fastgd.engines.numba.networks import NumbaNetwork  # noqa: PLC0415

        return NumbaNetwork(a)
    from fastgd.engines.reference.networks import Reference  # noqa: PLC0415

    return Reference(a)


@dataclass(frozen=True)
class Lanes:
    """An engine that trains networks side by side.

    Attributes
    ----------
    width : int
        Networks of one block.
    platoon : callable
        ``platoon(trainings, capacity)`` makes room for some of the networks.
    """

    width: int
    platoon: Callable[[Trainings, int], Platoon]


def lanes_for(t: Trainings, backend: str | None) -> Lanes | None:
    """The engine for networks side by side, if there is one: the compiled one has the rules that the library ships."""
    a = t.architecture
    own = callable(a.activation) or callable(a.loss)
    if chosen_backend(backend) != "cython" or (own and not present("numba")):
        return None
    if t.batches.rows - (t.batches.updates - 1) * t.batches.size == 1:
        return None  # an update with one row adds in another order: `single.h`
    for numbers in t.numbers:
        rule, coefficients = numbers.method.rule, numbers.method.coefficients
        if RULES.get(rule.name) != rule or COEFFICIENTS.get(coefficients.name) != coefficients:
            return None
    from fastgd.engines.native import kernels  # noqa: PLC0415
    from fastgd.engines.native.platoons import Platoon  # noqa: PLC0415

    return Lanes(kernels.lane_kernels().lanes[a.dtype.char], Platoon)
