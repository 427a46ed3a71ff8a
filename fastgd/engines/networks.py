"""Chooses the engine that computes a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from fastgd.engines import config
from fastgd.engines.backends import resolve_backend
from fastgd.engines.protocol.networks import LINEAR_LOSSES, Architecture, Engine
from fastgd.engines.protocol.platoons import Loops, Platoon, Trainings
from fastgd.engines.protocol.steps import Method
from fastgd.engines.registry import COEFFICIENTS, RULES
from fastgd.extras import present, warn_slow

_TOGETHER = 16  # networks of a block in NumPy's arrays
_FEW_OUTPUTS = 5  # of a linear model: from more on, the products of networks are as fast


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


def linear_engine_for(
    a: Architecture, backend: str | None, n_threads: int | None, tf32: bool
) -> Engine:
    """The engine for a network without hidden layers that need not have the bits of other networks.

    Its sums have another order than theirs; many outputs are theirs as well, for they fill whole vectors, unless
    networks do not have the loss.
    """
    chosen = chosen_backend(backend)
    elsewhere = chosen not in ("cython", "numpy") or a.sizes[-1] > _FEW_OUTPUTS
    if callable(a.loss) or (elsewhere and a.loss not in LINEAR_LOSSES):
        return engine_for(a, backend, n_threads, tf32)
    if chosen == "cython":
        from fastgd.engines.native.networks import Network  # noqa: PLC0415

        return cast("Engine", Network(a, n_threads, linear=True))
    from fastgd.engines.reference.linear import LinearReference  # noqa: PLC0415

    return LinearReference(a)


@dataclass(frozen=True)
class Lanes:
    """An engine that trains networks side by side.

    Attributes
    ----------
    width : int
        Networks of one block.
    platoon : callable
        ``platoon(trainings, capacity)`` makes room for some of the networks.
    name : {"lanes", "batched"}
        Each network is a lane of every vector, or a part of NumPy's arrays.
    """

    width: int
    platoon: Callable[[Trainings, int], Platoon]
    name: str = "lanes"


def lane_width(t: Trainings, backend: str | None) -> int:
    """How many networks a block of the engine for networks side by side has; 0 where it cannot train these."""
    a = t.architecture
    own, chosen = callable(a.activation) or callable(a.loss), chosen_backend(backend)
    if chosen == "numpy":
        return _TOGETHER
    if chosen != "cython" or (own and not present("numba")):
        return 0
    if t.batches.rows - (t.batches.updates - 1) * t.batches.size == 1:
        return 0  # an update with one row adds in another order: `single.h`
    from fastgd.engines.native import kernels  # noqa: PLC0415

    return kernels.lane_kernels().lanes[a.dtype.char]


def lanes_for(t: Trainings, backend: str | None, updates: str) -> Lanes | None:
    """The engine for networks side by side, if there is one; lanes of a user's rule are compiled now.

    `updates` is the optimizer's backend: with "numba", that compiles every rule for lanes.
    """
    width = lane_width(t, backend)
    if not width:
        return None
    if chosen_backend(backend) == "numpy":
        from fastgd.engines.reference import platoons  # noqa: PLC0415

        return Lanes(width, platoons.Platoon, "batched")
    if updates not in {"auto", "cython", "numba"}:
        return None
    letter = t.architecture.dtype.char
    loops = [_loops(numbers.method, letter, width, updates) for numbers in t.numbers]
    found = [one for one in loops if one is not None]
    if len(found) < len(loops):
        return None
    from fastgd.engines.native.platoons import Platoon  # noqa: PLC0415

    return Lanes(width, lambda trainings, capacity: Platoon(trainings, found, capacity))


def _loops(m: Method, letter: str, width: int, updates: str) -> Loops | None:
    """The loops of a parameter group; None if they are not ahead of time and Numba cannot make them."""
    from fastgd.engines.native import kernels  # noqa: PLC0415
    from fastgd.engines.native.platoons import MOST_STATE  # noqa: PLC0415

    known = RULES.get(m.rule.name), COEFFICIENTS.get(m.coefficients.name)
    if known == (m.rule, m.coefficients) and updates != "numba":
        name = f"lane_{'prepared' if m.prepared else 'plain'}_{m.rule.name}_{letter}"
        coefficients = kernels.address(f"lanes_{m.coefficients.name}_{letter}")
        return Loops(kernels.lane_kernels().addresses[name], coefficients)
    if not present("numba") or len(m.rule.state) > MOST_STATE:
        return None
    from numba.core.errors import NumbaError, UnsupportedBytecodeError  # noqa: PLC0415

    from fastgd.engines.numba.steps import lane_loop  # noqa: PLC0415
    from fastgd.engines.numba.sweeps import lane_coefficients  # noqa: PLC0415

    try:
        loop = lane_loop(m.rule, letter, m.prepared, width)
        return Loops(loop, lane_coefficients(m.coefficients, letter))
    except (NumbaError, UnsupportedBytecodeError):
        return None  # coefficients that only Python can compute
