"""A network's arithmetic compiled by Numba: the passes of the reference as loops with users' functions inside.

Products are made by SciPy's BLAS, layer by layer; batches and updates are those of the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.numba.modules import HEADER, generated_module
from fastgd.engines.numba.user_functions import function_text
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES, Architecture, Array, Rows
from fastgd.engines.reference.networks import Reference

_OPTIONS = 'error_model="numpy", fastmath=False'
_PASSES = """
import numpy


@njit({options}, nogil=True, cache=CACHE)
def sums(x, w, bias):
    z = numpy.dot(x, w)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]
    return z


@njit({options}, nogil=True, cache=CACHE)
def back(delta, w, slope):
    before = numpy.dot(delta, w.T)
    for i in range(before.shape[0]):
        for j in range(before.shape[1]):
            before[i, j] *= slope[i, j]
    return before


@njit({options}, nogil=True, cache=CACHE)
def gradients(x, delta):
    bias = numpy.zeros(delta.shape[1], delta.dtype)
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            bias[j] += delta[i, j]
    return numpy.dot(x.T, delta), bias


@njit({options}, nogil=True, cache=CACHE)
def softmax(z, y, cap):
    value, slope = numpy.empty(len(z)), numpy.empty_like(z)
    for i in range(len(z)):
        most = z[i, 0]
        for j in range(1, z.shape[1]):
            most = z[i, j] if z[i, j] > most else most
        total = z[i, 0] - z[i, 0]
        for j in range(z.shape[1]):
            slope[i, j] = np.exp(z[i, j] - most)
            total += slope[i, j]
        value[i] = min(np.log(total) - (z[i, y[i]] - most), cap)
        for j in range(z.shape[1]):
            slope[i, j] /= total
        slope[i, y[i]] -= 1
    return value, slope
"""
_ACTIVATION = """
import numpy


@njit({options}, nogil=True, cache=CACHE)
def activated(z, c):
    value, slope = numpy.empty_like(z), numpy.empty_like(z)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            value[i, j], slope[i, j] = pair(z[i, j]{constants})
    return value, slope
"""
_LOSS = """
import numpy


@njit({options}, nogil=True, cache=CACHE)
def losses(z, y, c, cap):
    total, slope = numpy.zeros(len(z)), numpy.empty_like(z)
    for i in range(len(z)):
        for j in range(z.shape[1]):
            value, slope[i, j] = pair(z[i, j], y[i, j]{constants})
            total[i] += cap if value > cap else value
    return total, slope
"""


@cache
def _passes() -> ModuleType:
    return generated_module(HEADER + _PASSES.format(options=_OPTIONS))


@cache
def _over_rows(function: Callable[..., Any], inputs: int, letter: str) -> ModuleType:
    """An activation or a loss over rows; `c` holds its arguments after the inputs."""
    count = function.__code__.co_argcount - inputs
    constants = "".join(f", c[{k}]" for k in range(count))
    loop = (_ACTIVATION if inputs == 1 else _LOSS).format(options=_OPTIONS, constants=constants)
    return generated_module(HEADER + function_text(function, letter, "pair") + loop)


@contextmanager
def _ctrl_c() -> Iterator[None]:
    """Re-raise a KeyboardInterrupt, which Numba wraps in a SystemError if it comes while arrays are passed."""
    try:
        yield
    except SystemError as error:
        cause: BaseException | None = error
        while isinstance(cause, SystemError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise cause from None


class NumbaNetwork(Reference):
    """See `fastgd.engines.protocol.networks.Engine`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        a = architecture
        activation = ACTIVATIONS[a.activation] if isinstance(a.activation, str) else a.activation
        loss = LOSSES[a.loss] if isinstance(a.loss, str) else a.loss
        self._passes = _passes()
        self._activated_rows = _over_rows(activation, 1, a.dtype.char).activated
        self._loss_rows = None if loss is None else _over_rows(loss, 2, a.dtype.char).losses
        self._numbers = np.array([*a.constants, 0.0], a.dtype)
        self._loss_numbers = np.array([*a.loss_constants, 0.0], a.dtype)

    def forward(self, params: list[Array], x: Array, scale: float = 1.0) -> Array:
        with _ctrl_c():
            return super().forward(params, x, scale)

    def loss_and_grad(
        self,
        params: list[Array],
        rows: Rows,
        index: NDArray[np.integer[Any]] | None = None,
        masks: list[Array] | None = None,
    ) -> tuple[float, float, list[Array]]:
        with _ctrl_c():
            return super().loss_and_grad(params, rows, index, masks)

    def forward_pass(
        self, params: list[Array], x: Array, masks: list[Array] | None = None
    ) -> tuple[list[Array], list[Array]]:
        values, slopes = [np.ascontiguousarray(x)], []
        last = self.architecture.layers - 1
        for k in range(last):
            z = self._passes.sums(values[-1], *self.layer(params, k))
            z, slope = self._activated_rows(z, self._numbers)
            if masks is not None:
                z, slope = z * masks[k], slope * masks[k]
            values.append(z)
            slopes.append(slope)
        values.append(self._passes.sums(values[-1], *self.layer(params, last)))
        return values, slopes

    def row_losses(self, z: Array, y: Array) -> tuple[NDArray[np.float64], Array]:
        a = self.architecture
        z, y = np.ascontiguousarray(z), np.ascontiguousarray(y)
        if self._loss_rows is None:
            value, slope = self._passes.softmax(z, y, a.loss_cap)
            return value, slope
        value, slope = self._loss_rows(z, y, self._loss_numbers, a.loss_cap)
        return (value, slope) if a.sum_outputs else (value / z.shape[1], slope / z.shape[1])

    def backward_pass(
        self, params: list[Array], values: list[Array], slopes: list[Array], delta: Array
    ) -> list[Array]:
        grads: list[Array] = []
        delta = np.ascontiguousarray(delta)
        for k in range(self.architecture.layers - 1, -1, -1):
            own = self._passes.gradients(values[k], delta)
            grads = [*own[: 1 + self.architecture.bias], *grads]
            if k:
                delta = self._passes.back(delta, self.layer(params, k)[0], slopes[k - 1])
        return grads
