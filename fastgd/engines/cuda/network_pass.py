"""Forward and backward pass of a batch on the GPU: memory and launches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgd.engines.cuda import device, network_kernels
from fastgd.engines.cuda.products import Products
from fastgd.engines.protocol.networks import Architecture

_WAVES = 8  # blocks per multiprocessor, at most


def blocks_for(work: int) -> int:
    """How many blocks to launch for this many pieces of work, of which a block does one at a time."""
    return max(1, min(work, device.gpu().multiprocessors * _WAVES))


@dataclass(frozen=True)
class Feed:
    """Addresses on the GPU that a pass reads from; 0 for what is not there.

    Attributes
    ----------
    x, y, weights : int
        Inputs, targets, and weights in double.
    kind : str
        The inputs' dtype, as a character.
    order : int
        The rows of the updates, one after another; 0: in the order of the data.
    clock, totals : int
        The clock (see `network_kernels`), and the sum of weights of each update.
    """

    x: int
    y: int
    weights: int
    kind: str
    order: int
    clock: int
    totals: int


class Settings:
    """The constants of an architecture, on the GPU.

    Parameters
    ----------
    architecture : Architecture
    scale : float
        Factor of the inputs.
    """

    def __init__(self, architecture: Architecture, scale: float) -> None:
        a = architecture
        divisor = 1.0 if a.classes or a.sum_outputs else float(a.sizes[-1])
        numbers = [scale, 1.0 / (1.0 - a.dropout), divisor, *a.constants, *a.loss_constants]
        limits = [a.loss_cap, a.l1, a.l2, float(a.penalty_per_row)]
        self._arrays = (
            device.to_device(np.array(numbers, a.dtype)),
            device.to_device(np.array(limits, np.float64)),
        )
        self.numbers, self.limits = map(device.address, self._arrays)


class Pass:
    """Memory for a batch, and the launches of its forward and backward pass.

    Parameters
    ----------
    architecture : Architecture
    products : Products
    batch : int
        Rows of a batch.
    params, grads : sequence of int
        Addresses; without gradients there is only a forward pass.
    """

    def __init__(
        self,
        architecture: Architecture,
        products: Products,
        batch: int,
        params: Sequence[int],
        grads: Sequence[int] = (),
    ) -> None:
        self.architecture, self.products, self.batch = architecture, products, batch
        a = architecture
        self._arrays: list[Any] = []
        self.params, self.grads = self._pairs(params), self._pairs(grads)
        self.values = [
            self._room(batch * n) for n in a.sizes
        ]  # the input of each layer, then the outputs
        self.outputs = self._arrays[-1]
        kernels = network_kernels.rest(a.dtype.char)
        self._add_bias, self._times_slope = kernels.add_bias, kernels.times_slope
        self._bias_gradients, self._penalize = kernels.bias_gradients, kernels.penalize
        self._close = kernels.close
        self._activate = network_kernels.activate(a.activation, a.dtype.char)
        self.slopes = [0] * (a.layers - 1)
        if not grads:
            return
        self._loss = network_kernels.loss(a.loss, a.dtype.char, a.sizes[-1], len(a.constants))
        self.slopes = [self._room(batch * n) for n in a.sizes[1:-1]]
        self.deltas = [self._room(batch * n) for n in a.sizes[1:]]
        self.row_losses = self._room(batch, np.float64)
        self._lay_out_sums()
        self._lay_out_penalties()

    def _pairs(self, addresses: Sequence[int]) -> list[int]:
        """Addresses of weights and biases in turn; biases that the network does not have are zeros of their own."""
        a = self.architecture
        if a.bias:
            return list(addresses)
        pairs = []
        for address, n in zip(addresses, a.sizes[1:], strict=False):  # there may be no gradients
            self._arrays.append(device.to_device(np.zeros(n, a.dtype)))
            pairs += [address, device.address(self._arrays[-1])]
        return pairs

    def _room(self, size: int, dtype: Any = None) -> int:
        """Allocate memory; returns its address."""
        self._arrays.append(device.empty(size, self.architecture.dtype if dtype is None else dtype))
        return device.address(self._arrays[-1])

    def _table(self, rows: list[list[int]]) -> int:
        self._arrays.append(device.to_device(np.array(rows, np.int64).reshape(-1)))
        return device.address(self._arrays[-1])

    def _lay_out_sums(self) -> None:
        """The table for the gradients of biases: a block sums some columns of a layer."""
        rows, first = [], 0
        for layer, n in enumerate(self.architecture.sizes[1:]):
            rows.append([first, n, self.deltas[layer], self.grads[2 * layer + 1]])
            first += -(-n // network_kernels.columns_at_once())
        self._sums, self._sum_blocks = self._table(rows), first

    def _lay_out_penalties(self) -> None:
        a = self.architecture
        shapes = list(zip(a.sizes[:-1], a.sizes[1:], strict=True))
        rows = [
            [math.prod(shape), self.params[2 * k], self.grads[2 * k]]
            for k, shape in enumerate(shapes)
        ]
        self._penalties = self._table(rows)
        most = max(map(math.prod, shapes))
        blocks = blocks_for(-(-most // device.gpu().threads))
        self._penalty_blocks = blocks if a.l1 or a.l2 else 0
        self._partials = self._room(2 * blocks, np.float64)

    # --- launches ---------------------------------------------------------------------------------

    def gather(self, feed: Feed, settings: Settings, stream: Any) -> None:
        """Gather the rows of the batch."""
        gather = network_kernels.gather(self.architecture.dtype.char, feed.kind)
        device.launch(
            gather,
            blocks_for(self.batch),
            device.gpu().threads,
            stream,
            feed.x,
            self.architecture.sizes[0],
            feed.order,
            feed.clock,
            self.batch,
            settings.numbers,
            self.values[0],
        )

    def forward(self, clock: int, settings: Settings, stream: Any, dropout: float = 0.0) -> None:
        """Forward pass to the outputs, without their bias."""
        a = self.architecture
        threshold = round(dropout * 2**24) if dropout else -1
        for layer in range(a.layers):
            inputs, units = a.sizes[layer : layer + 2]
            self.products.go(
                "nn",
                (self.batch, units, inputs),
                (self.values[layer], self.params[2 * layer], self.values[layer + 1]),
                stream,
            )
            if layer < a.layers - 1:
                device.launch(
                    self._activate,
                    blocks_for(self.batch),
                    device.gpu().threads,
                    stream,
                    self.values[layer + 1],
                    self.params[2 * layer + 1],
                    units,
                    self.slopes[layer],
                    clock,
                    self.batch,
                    settings.numbers,
                    threshold,
                    layer,
                )

    def add_bias(self, rows: int, stream: Any) -> None:
        """Add the outputs' bias; in training the loss does that."""
        device.launch(
            self._add_bias,
            blocks_for(rows),
            device.gpu().threads,
            stream,
            self.values[-1],
            self.params[-1],
            self.architecture.sizes[-1],
            rows,
        )

    def loss(self, feed: Feed, settings: Settings, stream: Any) -> None:
        """Each row's loss times its share, and the gradient with respect to its outputs."""
        outputs = self.architecture.sizes[-1]
        blocks = blocks_for(-(-self.batch // network_kernels.rows_at_once(outputs)))
        device.launch(
            self._loss,
            blocks,
            device.gpu().threads,
            stream,
            self.values[-1],
            self.params[-1],
            outputs,
            feed.y,
            feed.weights,
            feed.totals,
            feed.order,
            feed.clock,
            self.batch,
            settings.numbers,
            settings.limits,
            self.deltas[-1],
            self.row_losses,
        )

    def backward(self, clock: int, stream: Any) -> None:
        """Backward pass: all gradients, without penalties."""
        a, threads = self.architecture, device.gpu().threads
        for layer in range(a.layers - 1, -1, -1):
            inputs, units = a.sizes[layer : layer + 2]
            delta = self.deltas[layer]
            self.products.go(
                "tn",
                (inputs, units, self.batch),
                (self.values[layer], delta, self.grads[2 * layer]),
                stream,
            )
            if not layer:
                break
            before = self.deltas[layer - 1]
            self.products.go(
                "nt",
                (self.batch, inputs, units),
                (delta, self.params[2 * layer], before),
                stream,
            )
            device.launch(
                self._times_slope,
                blocks_for(self.batch),
                threads,
                stream,
                before,
                self.slopes[layer - 1],
                inputs,
                clock,
                self.batch,
            )
        device.launch(
            self._bias_gradients,
            blocks_for(self._sum_blocks),
            threads,
            stream,
            self._sums,
            a.layers,
            self._sum_blocks,
            clock,
            self.batch,
        )

    def close(
        self,
        feed: Feed,
        settings: Settings,
        results: tuple[int, int],
        stream: Any,
        *,
        penalized: bool = True,
    ) -> None:
        """Add penalties and their gradients; compute the loss of the batch and stop the clock if it is not finite."""
        threads = device.gpu().threads
        blocks = self._penalty_blocks if penalized else 0
        if blocks:
            device.launch(
                self._penalize,
                blocks,
                threads,
                stream,
                self._penalties,
                self.architecture.layers,
                settings.limits,
                feed.totals,
                feed.clock,
                self._partials,
            )
        device.launch(
            self._close,
            1,
            threads,
            stream,
            self.row_losses,
            self.batch,
            self._partials,
            blocks,
            settings.limits,
            feed.totals,
            feed.clock,
            *results,
        )

    def loss_and_gradients(
        self,
        feed: Feed,
        settings: Settings,
        results: tuple[int, int],
        stream: Any,
        *,
        dropout: float = 0.0,
        penalized: bool = True,
    ) -> None:
        """The whole pass for the clock's update; losses and penalties are written to the addresses in `results`."""
        self.gather(feed, settings, stream)
        self.forward(feed.clock, settings, stream, dropout)
        self.loss(feed, settings, stream)
        self.backward(feed.clock, stream)
        self.close(feed, settings, results, stream, penalized=penalized)
