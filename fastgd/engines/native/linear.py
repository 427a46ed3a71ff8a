"""Gradients of linear models at many points, by the compiled kernels that sweeps use."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import ROW_BLOCK

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


class BlockSums:
    """Sums over blocks of rows, of residual times input or of losses, at the same points for any number of blocks.

    Parameters
    ----------
    kernel : int
        The address of the kernel for the model and dtype.
    x : ndarray of shape (parameters, runs)
        The points.
    outputs : int
        Numbers that a row times the parameters gives.
    sums : int, optional
        Numbers of a run that are summed: one for each parameter by default, 1 for losses.
    """

    def __init__(self, kernel: int, x: NDArray[Any], outputs: int, sums: int | None = None) -> None:
        self.kernel, self.x, self.outputs = _SLOPES(kernel), x, outputs
        self.sums = len(x) if sums is None else sums

    def of(self, inputs: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
        """The sums of each `ROW_BLOCK` rows, shape (blocks, sums, runs)."""
        rows, features = inputs.shape
        (count, runs), row = self.x.shape, features + 1
        starts = range(0, rows, ROW_BLOCK)
        # The points, then sums of each block.
        numbers = np.empty((count + len(starts) * self.sums, runs), self.x.dtype)
        numbers[:count] = self.x
        data = np.empty(ROW_BLOCK * row + 1, self.x.dtype)  # rows, and a factor of the sums
        for k, start in enumerate(starts):
            many = min(ROW_BLOCK, rows - start)
            table = data[: many * row].reshape(many, row)
            table[:, :-1] = inputs[start : start + many]
            table[:, -1] = targets[start : start + many]
            data[many * row] = 1.0
            out = (count + k * self.sums) * runs
            sizes = 0, out, runs, 0, runs, 0, count, many, features, self.outputs
            self.kernel(numbers.ctypes.data, *sizes, data.ctypes.data)
        return numbers[count:].reshape(len(starts), self.sums, runs)
