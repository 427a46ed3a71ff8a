"""A network's arithmetic on the GPU; twin of `fastgd.engines.reference.networks`.

Parameters and the optimizer's state belong to the host: they are copied to the GPU before a stretch of updates and back
after it. The data set stays on the GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.cuda import device
from fastgd.engines.cuda.network_data import Data, Mirror
from fastgd.engines.cuda.network_kernels import ROWS
from fastgd.engines.cuda.network_pass import Feed, Pass, Settings
from fastgd.engines.cuda.network_training import Task, Training
from fastgd.engines.cuda.products import Products, products
from fastgd.engines.protocol.networks import Architecture, Array, Rows, Stretch
from fastgd.engines.protocol.predictions import predict_by_forward
from fastgd.engines.reference.networks import Reference

_AT_ONCE = 8192  # rows on the GPU at a time in a pass without updates


class CudaNetwork:
    """See `fastgd.engines.protocol.networks.Engine`.

    Parameters
    ----------
    architecture : Architecture
    tf32 : bool, default False
        Whether products of float32 may be rounded to TensorFloat-32.

    Attributes
    ----------
    seconds_of_stretch : float
        How long a stretch should last, so that copies take a negligible part of the time.
    """

    seconds_of_stretch = 0.5

    def __init__(self, architecture: Architecture, tf32: bool = False) -> None:
        from numba import cuda  # noqa: PLC0415

        device.gpu()  # raises if there is none
        self.architecture = architecture
        self._products = products(architecture.dtype, tf32)
        self._stream = cuda.stream()
        self._data = Data()
        self._training: Training | None = None
        self._passing: _Passing | None = None

    def forward(self, params: list[Array], x: Array, scale: float = 1.0) -> Array:
        a = self.architecture
        out = np.empty((len(x), a.sizes[-1]), a.dtype)
        rows = Rows(x, np.empty((len(x), 0), a.dtype), None, scale)
        passing = self._passing_for(rows, len(x), False)
        passing.begin(params)
        for start in range(0, len(x), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            passing.forward(rows, part, out[part])
        return out

    predict = predict_by_forward

    def assess(self, params: list[Array], rows: Rows) -> tuple[float, float]:
        z = self.forward(params, rows.x, rows.scale)
        return Reference(self.architecture).assessed(z, rows)

    def loss_and_grad(
        self, params: list[Array], rows: Rows, index: NDArray[np.integer[Any]] | None = None
    ) -> tuple[float, float, list[Array]]:
        index = np.arange(len(rows)) if index is None else index
        w = np.ones(len(index)) if rows.weights is None else rows.weights[index]
        passing = self._passing_for(rows, len(index), True)
        passing.begin(params)
        loss = penalty = 0.0
        grads = [np.zeros_like(p) for p in params]
        for start in range(0, len(index), _AT_ONCE):
            last = start + _AT_ONCE >= len(index)
            found = passing.gradients(rows, index[start : start + _AT_ONCE], float(w.sum()), last)
            loss, penalty = loss + found[0], found[1]
            for g, part in zip(grads, found[2], strict=True):
                np.add(g, part, out=g)
        return loss, penalty, grads

    def _passing_for(self, rows: Rows, count: int, back: bool) -> _Passing:
        form = _Passing.form_of(rows, min(max(1, count), _AT_ONCE), back)
        if self._passing is None or self._passing.form != form:
            self._passing = None  # frees its memory
            self._passing = _Passing(self.architecture, self._products, form, rows, self._stream)
        return self._passing

    def train(self, params: list[Array], rows: Rows, stretch: Stretch) -> None:
        if stretch.first >= stretch.last:
            return
        if stretch.averages is not None:  # which are added up after each update, by the host
            Reference(self.architecture).train(params, rows, stretch)
            return
        self._data.place(rows, self._stream)
        task = Task.of(rows, stretch, self._data)
        if self._training is None or self._training.task != task:
            self._training = None
            self._training = Training(self.architecture, self._products, task, self._stream)
        self._training.go(params, rows, self._data, stretch)


_Form = tuple[int, bool, str, float, bool]


class _Passing:
    """Passes without updates: rows are copied to the GPU, outputs or gradients back."""

    @staticmethod
    def form_of(rows: Rows, batch: int, back: bool) -> _Form:
        """What the memory depends on: rows at a time, backward pass, inputs, weights."""
        return batch, back, rows.x.dtype.char, rows.scale, rows.weights is not None

    def __init__(
        self, architecture: Architecture, products: Products, form: _Form, rows: Rows, stream: Any
    ) -> None:
        self.form, self._stream = form, stream
        batch, back, kind, scale, _ = form
        a = architecture
        forms = [(shape, a.dtype) for shape in a.shapes]
        self._params, self._grads = Mirror(forms), Mirror(forms if back else [])
        grads = self._grads.addresses
        self._pass = Pass(a, products, batch, self._params.addresses, grads)
        self._fetched = [np.empty(shape, a.dtype) for shape in a.shapes] if back else []
        self._results = device.empty(2, np.float64)
        self._settings = Settings(a, scale)
        self._clock, self._totals = device.empty(5, np.int64), device.empty(1, np.float64)
        self._data = Data()
        self._data.reserve(rows, batch)
        clock, totals = device.address(self._clock), device.address(self._totals)
        self._feed = Feed(*self._data.addresses, kind, 0, clock, totals)

    def begin(self, params: list[Array]) -> None:
        """Use these parameters."""
        self._params.send(params, self._stream)

    def _set_out(self, rows: Rows, part: slice | NDArray[np.integer[Any]], count: int) -> None:
        self._data.send(rows, part, self._stream)
        clock = np.zeros(5, np.int64)
        clock[ROWS] = count
        self._clock.copy_to_device(clock, stream=self._stream)

    def forward(self, rows: Rows, part: slice, out: Array) -> None:
        """The outputs of some rows."""
        self._set_out(rows, part, len(out))
        self._pass.gather(self._feed, self._settings, self._stream)
        self._pass.forward(self._feed.clock, self._settings, self._stream)
        self._pass.add_bias(len(out), self._stream)
        outputs = device.to_host(self._pass.outputs, self._stream)
        out[...] = outputs[: out.size].reshape(out.shape)

    def gradients(
        self, rows: Rows, index: NDArray[np.integer[Any]], total: float, penalized: bool
    ) -> tuple[float, float, list[Array]]:
        """Loss, penalties (if wanted) and gradients of some rows, whose weights are divided by `total`."""
        self._set_out(rows, index, len(index))
        self._totals.copy_to_device(np.array([total]), stream=self._stream)
        losses = device.address(self._results)
        self._pass.loss_and_gradients(
            self._feed, self._settings, (losses, losses + 8), self._stream, penalized=penalized
        )
        self._grads.fetch(self._fetched, self._stream)
        loss, penalty = device.to_host(self._results, self._stream).tolist()
        return loss, penalty, self._fetched
