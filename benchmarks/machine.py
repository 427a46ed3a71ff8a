"""Limits of this machine: memory bandwidth and floating-point operations, by code that is not ours.

The passes are compiled by Numba and share nothing with the kernels that they are compared with. Threads claim
chunks from a counter, so that a slow core does less: the fairest limit on a machine that others use too.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import count, pairwise
from typing import Any

import numpy as np

CHUNK = 1 << 17  # elements

ADAM_BYTES = 28  # a parameter in float32: p, g, m, v read, p, m, v written
ACCUMULATORS = 12  # ten multiply-adds are in flight in a core that begins two a cycle and needs five cycles for each


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

    return {"1": one, "2": two, "3": three, "triad": triad}


def vector_bits() -> int:
    """Of the widest registers that LLVM knows of this processor."""
    from llvmlite.binding import get_host_cpu_features

    features = get_host_cpu_features()
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx") else 128


@cache
def multiply_adds() -> Callable[[Any, Any, int], Any]:
    """Compiled: accumulators that stay in registers, x = x * scale + scale, `repeats` times each.

    They are written as vectors in LLVM's language: what a compiler makes of a loop over an array depends on how it
    unrolls it, and with too few sums at a time a product of matrices is faster than this would be.
    """
    from llvmlite import ir
    from numba import njit, types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def splat(builder: Any, vector: Any, x: Any) -> Any:
        lane, places = ir.IntType(32), ir.VectorType(ir.IntType(32), vector.count)
        nothing = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(nothing, x, lane(0))
        return builder.shuffle_vector(first, nothing, ir.Constant(places, None))

    @intrinsic
    def loop(_: Any, start: Any, scale: Any, repeats: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            real = context.get_value_type(start)
            vector = ir.VectorType(real, vector_bits() // start.bitwidth)
            name = f"llvm.fmuladd.v{vector.count}f{start.bitwidth}"  # where there is none: * and +
            kind = ir.FunctionType(vector, [vector] * 3)
            fused = cgutils.get_or_insert_function(builder.module, kind, name)
            x, c = (splat(builder, vector, argument) for argument in arguments[:2])
            sums = [cgutils.alloca_once_value(builder, x)]
            # Each begins elsewhere, or they would be taken for one.
            for _ in range(ACCUMULATORS - 1):
                x = builder.fadd(x, c)
                sums.append(cgutils.alloca_once_value(builder, x))
            with cgutils.for_range(builder, arguments[2]):
                for place in sums:
                    builder.store(builder.call(fused, (builder.load(place), c, c)), place)
            total = builder.load(sums[0])
            for place in sums[1:]:
                total = builder.fadd(total, builder.load(place))
            lanes = [builder.extract_element(total, ir.IntType(32)(k)) for k in range(vector.count)]
            result = lanes[0]
            for lane in lanes[1:]:
                result = builder.fadd(result, lane)
            return result

        return start(start, start, types.intp), code

    @njit(nogil=True)
    def run(start, scale, repeats):
        return loop(start, scale, repeats)

    return run


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


def multiply_add(
    dtype: Any, n_threads: int, repeats: int = 1 << 21
) -> tuple[Callable[[], None], float]:
    """Multiply-adds of what lies in registers; and the floating-point operations of a call."""
    dtype = np.dtype(dtype)
    call = partial(multiply_adds(), dtype.type(1.0), dtype.type(0.5), repeats)
    lanes = vector_bits() // (8 * dtype.itemsize)
    return on_threads([call] * n_threads), 2.0 * ACCUMULATORS * lanes * repeats * n_threads


def on_threads(calls: list[Callable[[], Any]]) -> Callable[[], None]:
    """A call that runs each on a thread of its own, the last on the caller's."""
    *others, own = calls

    def run() -> None:
        started = [_pool(len(calls)).submit(call) for call in others]
        own()
        for other in started:
            other.result()

    return run


def matrix_product(size: int = 1024) -> tuple[Callable[[], None], float]:
    """sgemm by NumPy's BLAS; and the floating-point operations of a call."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, size, size), np.float32)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out), 2.0 * size**3


def blas_threads(n_threads: int) -> None:
    """How many threads every BLAS here uses from now on."""
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        library.set_num_threads(n_threads)


def step_products(
    sizes: tuple[int, ...], batch: int, n_threads: int, repeats: int
) -> Callable[[], None]:
    """The matrix products of training steps alone: forward, to the gradients and back through all layers but the first.

    Each thread has its share of the batch's rows, and of each gradient's rows, without waiting for the others. float32.
    BLAS must be held at one thread (`blas_threads`).
    """
    rng = np.random.default_rng(0)
    layers = [rng.standard_normal((batch, n), np.float32) for n in sizes]
    weights = [rng.standard_normal(shape, np.float32) for shape in pairwise(sizes)]
    slopes = [np.empty_like(w) for w in weights]
    deltas = [np.empty_like(a) for a in layers]
    products: list[list[tuple[Any, Any, Any]]] = [[] for _ in range(n_threads)]
    for thread, mine in enumerate(products):
        for k, w in enumerate(weights):
            a, z, d, g = layers[k], deltas[k + 1], layers[k + 1], slopes[k]
            rows, gradient = _share(batch, thread, n_threads), _share(sizes[k], thread, n_threads)
            mine.append((a[rows], w, z[rows]))
            mine.append((a.T[gradient], d, g[gradient]))
            if k:
                mine.append((d[rows], w.T, deltas[k][rows]))

    def share(mine: list[tuple[Any, Any, Any]]) -> None:
        for _ in range(repeats):
            for a, b, out in mine:
                np.matmul(a, b, out=out)

    return on_threads([partial(share, mine) for mine in products])


def _share(n: int, thread: int, n_threads: int) -> slice:
    return slice(n * thread // n_threads, n * (thread + 1) // n_threads)


def step_operations(sizes: tuple[int, ...], batch: int) -> float:
    """Floating-point operations of those products, as if nothing were zero."""
    each = [2.0 * batch * m * n for m, n in pairwise(sizes)]
    return 3 * sum(each) - each[0]
