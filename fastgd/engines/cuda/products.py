"""Matrix products on the GPU: by cuBLAS if it is found, else by a tiled kernel.

Matrices are row-major, given by address. A network needs three forms: "nn" for A B, "tn" for Aᵀ B and "nt" for A Bᵀ.
cuBLAS is called through ctypes: few of its functions are needed, and they work while a graph is captured.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from math import isqrt
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from fastgd.engines.cuda import device, source

FORMS = ("nn", "tn", "nt")
Triple = tuple[int, int, int]

_WORKSPACE = 32 << 20  # bytes, as NVIDIA recommends for its newest GPUs
_DEFAULT_MATH, _TF32_MATH = 0, 3  # of cublasMath_t
_FILES = ("libcublas.so.13", "libcublas.so.12", "cublas64_13.dll", "cublas64_12.dll")


class Products(Protocol):
    """Products of matrices of one dtype."""

    def go(self, form: str, shape: Triple, places: Triple, stream: Any = 0) -> None:
        """Compute C = A B in this form; `shape` is (m, n, inner), `places` are the addresses of A, B, C."""


def products(dtype: DTypeLike, tf32: bool = False) -> Products:
    """The fastest implementation available.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.
    tf32 : bool, default False
        Whether cuBLAS may round float32 factors to TensorFloat-32, 11 binary digits.
    """
    if device.simulated() or not cublas_library():
        return Tiles(dtype)
    try:
        return CuBlas(dtype, tf32)
    except RuntimeError:  # the library does not fit the driver
        return Tiles(dtype)


# --- cuBLAS -----------------------------------------------------------------------------------------


@cache
def cublas_library() -> Any:
    """The library from NVIDIA's packages, a toolkit or the system; None if it is not found."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib  # noqa: PLC0415

        return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
    except Exception:  # its own classes, which older versions lack
        pass
    for name in _FILES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


class CuBlas:
    """Products by cuBLAS; see `Products`.

    cuBLAS is column-major, where our A is Aᵀ: so it computes Cᵀ = Bᵀ Aᵀ.

    Raises
    ------
    RuntimeError
        If cuBLAS cannot be used.
    """

    def __init__(self, dtype: DTypeLike, tf32: bool = False, library: Any = None) -> None:
        self._library = library = cublas_library() if library is None else library
        single = np.dtype(dtype) == np.float32
        self._function = library.cublasSgemm_v2 if single else library.cublasDgemm_v2
        real = ctypes.c_float if single else ctypes.c_double
        self._one, self._zero = real(1.0), real(0.0)
        self._handle = ctypes.c_void_p()
        _check(library.cublasCreate_v2(ctypes.byref(self._handle)), "cublasCreate")
        self._end = weakref.finalize(self, library.cublasDestroy_v2, self._handle)
        self._end.atexit = False  # the driver may be gone by then
        math = _TF32_MATH if tf32 and single else _DEFAULT_MATH
        _check(library.cublasSetMathMode(self._handle, math), "cublasSetMathMode")
        self._workspace = device.empty(_WORKSPACE, np.uint8)
        self._stream = -1  # the stream that is set

    def go(self, form: str, shape: Triple, places: Triple, stream: Any = 0) -> None:
        self._use(int(stream))
        m, n, inner = shape
        a, b, c = places
        status = self._function(
            self._handle,
            int(form[1] == "t"),
            int(form[0] == "t"),
            n,
            m,
            inner,
            ctypes.byref(self._one),
            ctypes.c_void_p(b),
            inner if form[1] == "t" else n,
            ctypes.c_void_p(a),
            m if form[0] == "t" else inner,
            ctypes.byref(self._zero),
            ctypes.c_void_p(c),
            n,
        )
        _check(status, "cublasGemm")

    def _use(self, stream: int) -> None:
        """Set stream and workspace: with its own workspace cuBLAS allocates nothing while a graph is captured."""
        if stream == self._stream:
            return
        library, room = self._library, ctypes.c_void_p(device.address(self._workspace))
        _check(library.cublasSetStream_v2(self._handle, ctypes.c_void_p(stream)), "cublasSetStream")
        status = library.cublasSetWorkspace_v2(self._handle, room, ctypes.c_size_t(_WORKSPACE))
        _check(status, "cublasSetWorkspace")
        self._stream = stream


def _check(status: int, what: str) -> None:
    if status:
        raise RuntimeError(f"{what} failed with status {status}")


# --- tiles ------------------------------------------------------------------------------------------

_PER_THREAD = 4  # a thread computes 4 x 4 elements

# A block computes a tile of C. Slices of A and B of SIDE columns (rows) are brought into shared memory, from which a
# thread reads 8 numbers for 16 multiply-adds. One row more than needed keeps transposed writes off one bank.
_TILES = """
from numba import {real} as NUMBER

SIDE, TILE = {side}, {tile}
THREADS = SIDE * SIDE


@cuda.jit(cache=CACHE)
def product(m, n, inner, a, b, c):
    left = cuda.shared.array(({side}, {tile} + 1), NUMBER)
    right = cuda.shared.array(({side}, {tile} + 1), NUMBER)
    me = cuda.threadIdx.x
    x, y = me % SIDE, me // SIDE
    {places}
    across = (n + TILE - 1) // TILE
    tiles = (m + TILE - 1) // TILE * across
    for tile in range(cuda.blockIdx.x, tiles, cuda.gridDim.x):
        row, column = tile // across * TILE, tile % across * TILE
        {clear}
        for start in range(0, inner, SIDE):
            for step in range({per}):
                {bring}
            cuda.syncthreads()
            {add}
            cuda.syncthreads()
        {write}
"""
# Neighbours in a warp read neighbours in memory: along the rows of what is stored.
_BRING = {
    "left_n": """\
i, k = y + step * SIDE, x
                inside = row + i < m and start + k < inner
                left[k, i] = load(a, (row + i) * inner + start + k) if inside else REAL(0.0)""",
    "left_t": """\
i, k = (me + step * THREADS) % TILE, (me + step * THREADS) // TILE
                inside = row + i < m and start + k < inner
                left[k, i] = load(a, (start + k) * m + row + i) if inside else REAL(0.0)""",
    "right_n": """\
j, k = (me + step * THREADS) % TILE, (me + step * THREADS) // TILE
                inside = column + j < n and start + k < inner
                right[k, j] = load(b, (start + k) * n + column + j) if inside else REAL(0.0)""",
    "right_t": """\
j, k = y + step * SIDE, x
                inside = column + j < n and start + k < inner
                right[k, j] = load(b, (column + j) * inner + start + k) if inside else REAL(0.0)""",
}


def _tiles_text(form: str, char: str) -> str:
    """The kernel of a form; a thread's numbers are separate names, so that they are registers."""
    side = isqrt(device.gpu().threads)
    numbers = range(_PER_THREAD)
    places = [(i, j) for i in numbers for j in numbers]
    bring = "\n                ".join([_BRING[f"left_{form[0]}"], _BRING[f"right_{form[1]}"]])
    write = [
        f"if row + y{i} < m and column + x{j} < n:\n"
        f"            store(c, (row + y{i}) * n + column + x{j}, c{i}{j})"
        for i, j in places
    ]
    return _TILES.format(
        real={"f": "float32", "d": "float64"}[char],
        side=side,
        tile=side * _PER_THREAD,
        per=_PER_THREAD,
        clear="\n        ".join(f"c{i}{j} = REAL(0.0)" for i, j in places),
        bring=bring,
        places="\n    ".join(f"x{i}, y{i} = x + {i} * SIDE, y + {i} * SIDE" for i in numbers),
        add="\n            ".join(line for k in range(side) for line in _slice(k)),
        write="\n        ".join(write),
    )


def _slice(k: int) -> list[str]:
    """One step of the sums, unrolled: offsets into shared memory are constants."""
    numbers = range(_PER_THREAD)
    read = [f"a{i}, b{i} = left[{k}, y{i}], right[{k}, x{i}]" for i in numbers]
    return [*read, *(f"c{i}{j} += a{i} * b{j}" for i in numbers for j in numbers)]


@cache
def tiles_kernel(form: str, char: str) -> Any:
    """The kernel ``product(m, n, inner, a, b, c)`` of one form."""
    return source.kernel_module(char, _tiles_text(form, char)).product


class Tiles:
    """Products by a tiled kernel; see `Products`. Every element is one chain of multiply-adds."""

    def __init__(self, dtype: DTypeLike) -> None:
        char = np.dtype(dtype).char
        self._kernels = {form: tiles_kernel(form, char) for form in FORMS}

    def go(self, form: str, shape: Triple, places: Triple, stream: Any = 0) -> None:
        m, n, _ = shape
        gpu = device.gpu()
        tile = isqrt(gpu.threads) * _PER_THREAD
        blocks = min(-(-m // tile) * -(-n // tile), 16 * gpu.multiprocessors)
        device.launch(self._kernels[form], blocks, gpu.threads, stream, *shape, *places)
