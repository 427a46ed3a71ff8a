"""Chooses the backend and kernels of many runs that share a rule, and runs them.

Kernels compiled ahead of time are used if there are any for the rule and problem, else Numba's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines import called
from fastgd.engines.backends import missing
from fastgd.engines.layout import CLIP_PARTS, MATRIX, SHARED, WINDOW
from fastgd.engines.native import kernels
from fastgd.engines.native.crew import Crew, part_length
from fastgd.engines.parse import CoefficientFunction
from fastgd.engines.protocol.outcomes import NumpyOutcomes, Outcomes, Watcher
from fastgd.engines.protocol.sweeps import Descents, Kernel, Limits, Problem, Supply, numbers_of
from fastgd.engines.reference.sweeps import run_watched
from fastgd.engines.registry import COEFFICIENTS, GRADIENTS, RULES
from fastgd.extras import present, warn_slow


@dataclass(frozen=True)
class Chosen:
    """The kernels for some runs, the backend that made them, and how many runs a vector instruction advances."""

    backend: str
    kernels: Any
    vector: int


def choose(problem: Problem, runs: Descents, dtype: np.dtype[Any], backend: str) -> Chosen:
    """The kernels for a rule on a problem; `backend` is "auto", "cython" or "numba"."""
    kernel, char = problem.kernel(dtype), "f" if dtype == np.float32 else "d"
    count = len(runs.x0)  # asked of the problem once: a class of a user's own may change its mind
    ahead = ahead_of_time(kernel, runs, char)
    loops = None
    if ahead is None and problem.batches is None:
        loops = called.loops_of(kernel, runs, char, backend)
    if backend == "cython" and ahead is None and loops is None:
        raise ValueError(
            f"backend='cython' has no sweep of {runs.rule.name} on {problem!r}; "
            "use backend='auto' or 'numba', which compile it when it is first needed"
        )

    if ahead is not None and backend != "numba":
        window, observe = ahead
        made_by, vector = "cython", kernels.kernels().lanes[char]
    elif loops is not None:
        window, observe, kernel, made_by = loops.window, loops.observe, loops.kernel, loops.backend
        vector = kernels.function_kernels().lanes[char]
    else:
        check_numba()
        from fastgd.engines.numba import sweeps as numba_sweeps  # noqa: PLC0415

        window, observe = numba_sweeps.window_and_observe(kernel, count, runs, char)
        made_by, vector = "numba", numba_sweeps.vector_bytes() // dtype.itemsize
    bound = bound_kernels(
        window,
        observe,
        kernel,
        count,
        runs,
        batches=problem.batches,
    )
    return Chosen(made_by, bound, vector)


def bound_kernels(
    window: int, observe: int, kernel: Kernel, count: int, runs: Descents, **more: Any
) -> Any:
    """Kernel addresses together with the problem's data, coefficient functions and sizes."""
    from fastgd.engines.native.sweeps import Kernels  # noqa: PLC0415

    data = numbers_of(kernel, count, batched=more.get("batches") is not None)
    char = data.dtype.char
    n_shared = {"plain": 0, "prepared": SHARED, "clipped": SHARED + CLIP_PARTS}[runs.mode]
    return Kernels(
        window,
        observe,
        _lanes(runs.coefficients, char),
        shared=_shared_lanes(runs.mode, char),
        n_shared=n_shared,
        data=data,
        size=kernel.size,
        count=count,
        n_state=len(runs.state0),
        n_coefficients=n_shared + len(runs.rule.coefficients),
        n_hyper=len(runs.hyper) + (1 + n_shared if n_shared else 0),
        steady=runs.coefficients.steady,
        n_penalties=runs.n_measures,
        features=count // max(1, kernel.outputs),
        outputs=kernel.outputs,
        **more,
    )


class NotCompiled(ValueError):
    """Numba cannot compile this, or is not installed."""


def check_numba() -> None:
    """Raise `NotCompiled` where Numba is not installed."""
    if reason := missing("numba"):
        raise NotCompiled(reason)


def warn_not_compiled(what: str, problem: Problem, runs: Descents) -> None:
    """Say that NumPy computes what Numba would compile, if that is because it is not installed."""
    if not present("numba"):
        warn_slow(f"{what} of {runs.rule.name} on a problem of class {type(problem).__name__}")


def slopes(problem: Problem, x: NDArray[Any]) -> NDArray[Any]:
    """`problem.slopes(x)`, compiled if the problem has rows of data."""
    kernel = problem.kernel(x.dtype)
    name = f"slopes_{kernel.kind}_{x.dtype.char}"
    if not kernels.available() or name not in kernels.kernels().addresses:
        return problem.slopes(x)
    from fastgd.engines.native.linear import linear_slopes  # noqa: PLC0415

    data = numbers_of(kernel, len(x), batched=problem.batches is not None)
    return linear_slopes(kernels.address(name), x, data, kernel.size, kernel.outputs)


def ahead_of_time(kernel: Kernel, runs: Descents, char: str) -> tuple[int, int] | None:
    """Addresses of the window and the observing kernel compiled ahead of time, if there are any."""
    if (
        runs.mode != "plain"
        or runs.lookahead
        or runs.box is not None
        or kernel.sequential
        or RULES.get(runs.rule.name) != runs.rule  # a user's rule may have the same name
    ):
        return None
    gradient = GRADIENTS.get(kernel.kind)
    tiled = gradient is not None and gradient.matrix and kernel.size >= MATRIX
    name = f"{runs.rule.name}_{kernel.kind}{'_matrix' if tiled else ''}"
    addresses = kernels.kernels().addresses
    observe = addresses.get(f"observe_{name}_{char}")
    window = addresses.get(
        f"window_{name}{kernel.size}_{char}", addresses.get(f"window_{name}_{char}")
    )
    return None if window is None or observe is None else (window, observe)


def _lanes(function: CoefficientFunction, char: str) -> int:

    if COEFFICIENTS.get(function.name) == function:
        return int(kernels.kernels().addresses[f"lanes_{function.name}_{char}"])
    check_numba()
    from numba.core.errors import NumbaError, UnsupportedBytecodeError  # noqa: PLC0415

    from fastgd.engines.numba import sweeps as numba_sweeps  # noqa: PLC0415

    try:
        return numba_sweeps.lane_coefficients(function, char)
    except (NumbaError, UnsupportedBytecodeError) as error:
        raise NotCompiled(
            "backend='numba' cannot compile the optimizer's coefficients function, which uses more than "
            "Numba supports; use backend='auto' or 'numpy'"
        ) from error


def _shared_lanes(mode: str, char: str) -> int:

    if mode == "plain":
        return 0
    if mode == "prepared":
        return int(kernels.kernels().addresses[f"lanes_prepare_{char}"])
    check_numba()
    from fastgd.engines.numba import sweeps as numba_sweeps  # noqa: PLC0415

    return numba_sweeps.clipped_coefficients(char)


_NOT_COMPILED = {  # by a kernel's kind: what only NumPy's loop does, and another way
    "python": ("call a Python function", "compile it with numba.njit, or use backend='auto'"),
    "mapped": ("read rows from a file", "use backend='auto', or read them into memory"),
}


def engine_of(problem: Problem, backend: str) -> str:
    """The backend that can descend the problem.

    A Python function is called, and rows in a file are read, from NumPy's loop alone.
    """
    kind = problem.kernel(np.float64).kind
    if kind not in _NOT_COMPILED or backend == "numpy":
        return backend
    if backend != "auto":
        what, advice = _NOT_COMPILED[kind]
        raise ValueError(f"backend={backend!r} cannot {what}: {problem!r}; {advice}")
    return "numpy"


def descend(
    problem: Problem,
    supply: Supply,
    limits: Limits,
    *,
    backend: str,
    n_threads: int,
    flush: bool,
    progress: Watcher | None = None,
) -> tuple[str, int]:
    """Runs all descents; returns the backend that ran them and its vector width in runs.

    After a KeyboardInterrupt it returns normally: runs under way end as `Status.INTERRUPTED`, those that had not begun
    stay `Status.NOT_RUN`. The deadline does the same with `Status.MAX_SECONDS`. All are taken back by the supply.
    """
    backend = engine_of(problem, backend)
    length = supply.total
    if backend not in {"cuda", "numpy"}:
        kernel = problem.kernel(limits.dtype)
        work = max(1, kernel.size) * problem.n_parameters * max(1, limits.max_iter)
        length = part_length(length, n_threads, work, batched=problem.batches is not None)
    first = supply.part(0, min(length, supply.total))
    if backend not in {"cuda", "numpy"}:
        try:
            chosen = choose(problem, first, limits.dtype, backend)
        except NotCompiled:
            if backend != "auto":
                raise
            warn_not_compiled("A sweep", problem, first)
            backend, first = "numpy", supply.part(0, supply.total)
        else:
            crew = Crew(chosen.kernels, supply, first, limits, n_threads, flush=flush)
            crew.work(progress)
            return chosen.backend, chosen.vector
    if backend == "cuda":
        from fastgd.engines.cuda import sweeps as cuda_sweeps  # noqa: PLC0415

        if limits.waits or limits.record:
            raise ValueError(
                "backend='cuda' has sweeps without stopping= and record= only; choose another backend for these"
            )
        supply.take(0, first, cuda_sweeps.descend(problem, first, limits, progress=progress))
    else:
        out = _on_numpy(problem, first, limits, supply, flush=flush, progress=progress)
        supply.take(0, first, out)
    return backend, 1


def _on_numpy(
    problem: Problem,
    runs: Descents,
    limits: Limits,
    supply: Supply,
    *,
    flush: bool,
    progress: Watcher | None,
) -> Outcomes:
    from fastgd.engines.reference import sweeps as reference_sweeps  # noqa: PLC0415

    out = NumpyOutcomes.of(len(runs), len(runs.x0), limits.dtype, limits.rows(runs))
    record = partial(supply.record, 0) if limits.record else None
    run_watched(
        lambda stopped: reference_sweeps.descend(
            problem, runs, limits, out, WINDOW, stopped=stopped, flush=flush, record=record
        ),
        limits,
        out,
        progress,
    )
    return out
