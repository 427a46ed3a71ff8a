"""The GPU: whether there is one, its properties, memory and launches.

With ``NUMBA_ENABLE_CUDASIM=1`` in the environment Numba's simulator replaces the GPU: kernels run as Python threads on
host arrays, slowly, so blocks are small there.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

EXTRAS = "pip install 'fastgd[cuda13]' (or 'fastgd[cuda12]', depending on the driver)"


@cache
def simulated() -> bool:
    """Whether Numba's simulator replaces the GPU; decided when Numba is imported."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") in {"", "0"}:
        return False
    from numba import config  # noqa: PLC0415

    return bool(getattr(config, "ENABLE_CUDASIM", 0))


@cache
def missing() -> str:
    """Why the GPU cannot be used, in one line; empty if it can."""
    if importlib.util.find_spec("numba") is None:
        return f"numba is not installed: {EXTRAS}"
    if simulated():
        return ""
    if importlib.util.find_spec("numba_cuda") is None:
        return f"numba-cuda is not installed: {EXTRAS}"
    try:
        from numba import cuda  # noqa: PLC0415

        if not cuda.is_available():
            return f"no CUDA driver was found: {_one_line(cuda.cuda_error())}"
        return "" if len(cuda.gpus) else "no CUDA GPU was found"
    except Exception as error:  # the driver or toolkit does not fit
        return f"CUDA cannot be used: {_one_line(error)}"


def _one_line(error: Any) -> str:
    lines = [line.strip(" :") for line in str(error).splitlines()]
    return " ".join(line for line in lines if line)[:200] or type(error).__name__


@dataclass(frozen=True)
class Gpu:
    """Properties of a GPU that launches depend on.

    Attributes
    ----------
    name : str
    capability : tuple of int
        Compute capability, (9, 0) for example.
    multiprocessors : int
    memory : int
        Bytes.
    threads : int
        Threads of a block; kernels are compiled for this number.
    """

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    memory: int
    threads: int


@cache
def gpu() -> Gpu:
    """The current GPU.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    if missing():
        raise RuntimeError(f"backend 'cuda' cannot be used: {missing()}")
    if simulated():
        return Gpu("simulator", (9, 0), 2, 1 << 30, 4)
    from numba import cuda  # noqa: PLC0415

    found = cuda.get_current_device()
    name = found.name.decode() if isinstance(found.name, bytes) else str(found.name)
    memory = int(cuda.current_context().get_memory_info()[1])
    return Gpu(name, tuple(found.compute_capability), found.MULTIPROCESSOR_COUNT, memory, 256)


def free_memory() -> int:
    """Bytes that can still be allocated."""
    if simulated():
        return gpu().memory
    from numba import cuda  # noqa: PLC0415

    return int(cuda.current_context().get_memory_info()[0])


# --- memory: one-dimensional or C-contiguous arrays ---------------------------------------------------


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> Any:
    """A device array; an empty one has room for one number, so that it has an address."""
    from numba import cuda  # noqa: PLC0415

    size = int(np.prod(shape))
    return cuda.device_array(shape if size else 1, np.dtype(dtype))


def to_device(host: NDArray[Any], stream: Any = 0) -> Any:
    """A device array of the same numbers."""
    from numba import cuda  # noqa: PLC0415

    host = np.ascontiguousarray(host)
    return cuda.to_device(host if host.size else np.zeros(1, host.dtype), stream=stream)


def to_host(array: Any, stream: Any = 0) -> NDArray[Any]:
    """A NumPy copy, made when all work on the stream is done; without a stream, all work on the GPU."""
    if not stream:  # the default stream does not wait for all others
        synchronize()
    host = np.asarray(array.copy_to_host(stream=stream))
    synchronize(stream)
    return host


def launch(kernel: Any, blocks: int, threads: int, stream: Any, *arguments: Any) -> None:
    """Start a kernel; it may still be running on return."""
    _configured(kernel, blocks, threads, stream)(*arguments)


def _configured(kernel: Any, blocks: int, threads: int, stream: Any) -> Any:
    if simulated():  # its kernels keep one configuration only
        return kernel[blocks, threads, stream]
    return _kept_configuration(kernel, blocks, threads, stream)


@lru_cache(maxsize=4096)
def _kept_configuration(kernel: Any, blocks: int, threads: int, stream: Any) -> Any:
    """A configured kernel, kept: configuring costs as much as launching, and warns of small grids."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kernel[blocks, threads, stream]


def synchronize(stream: Any = 0) -> None:
    """Wait for all work on the stream; without a stream, for all work on the GPU."""
    from numba import cuda  # noqa: PLC0415

    if stream:
        stream.synchronize()
    else:
        cuda.synchronize()


def address(array: Any) -> int:
    """Address of an array of `empty` or `to_device`; 0 for a NumPy array, which the GPU does not read."""
    if isinstance(array, np.ndarray):
        return 0
    if simulated():
        return int(array._ary.ctypes.data)
    return int(array.__cuda_array_interface__["data"][0])
