"""Gradients of linear models at many points, by the compiled kernels that sweeps use."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Signature of the kernels `slopes_...` of `fastgd.engines.native.source`; ctypes releases the GIL around a call.
_SLOPES = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_ssize_t] * 10, ctypes.c_void_p)


def linear_slopes(
    kernel: int, x: NDArray[Any], data: NDArray[Any], rows: int, outputs: int
) -> NDArray[Any]:
    """Gradients at the points `x` (parameters, runs), as `fastgd.problems.linear` computes them.

    `kernel` is the address of the kernel for the model and dtype.
    """
    count, runs = x.shape
    both = np.zeros((2 * count, runs), data.dtype)  # the points, then their gradients
    both[:count] = x
    sizes = 0, count * runs, runs, 0, runs, 0, count, rows, count // outputs, outputs
    _SLOPES(kernel)(both.ctypes.data, *sizes, data.ctypes.data)
    return both[count:]
