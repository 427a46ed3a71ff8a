"""What this machine can do at most: bytes moved and floating-point operations, by code that is not ours.

The passes are compiled by Numba and share nothing with the kernels that they are compared with. Threads claim
chunks from a counter, so that a slow core does less: the fairest limit on a machine that others use too.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import count
from typing import Any

import numpy as np

CHUNK = 1 << 17  # elements

ADAM_BYTES = 28  # a parameter in float32: p, g, m, v read, p, m, v written
DEGREE = 16


@cache
def passes() -> dict[str, Any]:
    """By name: one loop each over [lo, hi), or over what fits into the first cache."""
    from numba import njit

    fast = {"nogil": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}

    # Slices first: Numba would ask at every element whether an index counts from the end.
    @njit(**fast)
    def one(p, g, c, lo, hi):
        p, g = p[lo:hi], g[lo:hi]
        for i in range(p.size):
            p[i] = p[i] + c * g[i]

    @njit(**fast)
    def two(p, g, a, c, lo, hi):
        p, g, a = p[lo:hi], g[lo:hi], a[lo:hi]
        for i in range(p.size):
            x = c * g[i]
            p[i], a[i] = p[i] + x, a[i] + x

    @njit(**fast)
    def three(p, g, a, b, c, lo, hi):
        p, g, a, b = p[lo:hi], g[lo:hi], a[lo:hi], b[lo:hi]
        for i in range(p.size):
            x = c * g[i]
            p[i], a[i], b[i] = p[i] + x, a[i] + x, b[i] + x

    @njit(**fast)
    def triad(p, g, a, c, lo, hi):
        p, g, a = p[lo:hi], g[lo:hi], a[lo:hi]
        for i in range(p.size):
            p[i] = g[i] + c * a[i]

    @njit(**fast)
    def horner(x, c, repeats):
        for _ in range(repeats):
            for i in range(x.size):
                y = x[i]
                for _ in range(DEGREE):
                    y = y * c + c
                x[i] = y

    return {"1": one, "2": two, "3": three, "triad": triad, "horner": horner}


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads)


def in_chunks(
    kernel: Callable[..., Any], arrays: list[Any], scale: Any, n_threads: int
) -> Callable[[], None]:
    """A call that runs a pass over all elements on `n_threads` threads, of which the caller is one."""
    size = arrays[0].size

    def claim(places: Any) -> None:
        for k in places:
            lo = k * CHUNK
            if lo >= size:
                return
            kernel(*arrays, scale, lo, min(lo + CHUNK, size))

    def run() -> None:
        places = count()
        others = [_pool(n_threads).submit(claim, places) for _ in range(n_threads - 1)]
        claim(places)
        for other in others:
            other.result()

    return run


def rewrite(n: int, written: int, dtype: Any, n_threads: int) -> Callable[[], None]:
    """A pass that reads `written` + 1 arrays of n elements and writes all but one of them."""
    dtype = np.dtype(dtype)
    arrays = [np.full(n, 1.0, dtype) for _ in range(written + 1)]
    return in_chunks(passes()[str(written)], arrays, dtype.type(1e-9), n_threads)


def triad(n: int, n_threads: int) -> Callable[[], None]:
    """McCalpin's: a = b + s c, float64; 24 bytes an element, the line fetched before it is written not counted."""
    arrays = [np.full(n, 1.0) for _ in range(3)]
    return in_chunks(passes()["triad"], arrays, np.float64(3.0), n_threads)


def multiply_add(dtype: Any, n_threads: int, repeats: int) -> tuple[Callable[[], None], float]:
    """Polynomials of what lies in the first cache; and the floating-point operations of a call."""
    dtype = np.dtype(dtype)
    horner, c = passes()["horner"], dtype.type(0.5)
    blocks = [np.full(1024, 1.0, dtype) for _ in range(n_threads)]

    def run() -> None:
        others = [_pool(n_threads).submit(horner, x, c, repeats) for x in blocks[1:]]
        horner(blocks[0], c, repeats)
        for other in others:
            other.result()

    return run, 2.0 * DEGREE * 1024 * repeats * n_threads


def matrix_product(size: int = 1024) -> tuple[Callable[[], None], float]:
    """sgemm by NumPy's BLAS; and the floating-point operations of a call."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, size, size), np.float32)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out), 2.0 * size**3
