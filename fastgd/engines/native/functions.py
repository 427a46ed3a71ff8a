"""Values and gradients of functions at many points, by the compiled kernels that sweeps use."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Signature of the kernels `slopes_...` of `fastgd.engines.native.source_functions`.
_SLOPES = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_ssize_t] * 10, ctypes.c_void_p)
_LANES = 16  # a row of so many runs is whole vectors


def values_and_slopes(
    kernel: int, x: NDArray[Any], *, valued: bool
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """At the points `x` (parameters, runs): the values if they are asked for, else NaN, and the gradients.

    `kernel` is the address of the kernel for the function and the dtype.
    """
    count, runs = x.shape
    width = -(-runs // _LANES) * _LANES
    rows = count * width
    numbers = np.zeros(
        3 * rows + 2 * count, x.dtype
    )  # points, gradients, and room for the function
    points, gradients = (numbers[k * rows : (k + 1) * rows].reshape(count, width) for k in (0, 1))
    points[:, :runs] = x
    values = np.full(width, np.nan)
    sizes = 0, rows, width, 0, runs, 0, count, count, count, 2 if valued else 1
    with np.errstate(all="ignore"):
        _SLOPES(kernel)(numbers.ctypes.data, *sizes, values.ctypes.data)
    return values[:runs], gradients[:, :runs].copy()
