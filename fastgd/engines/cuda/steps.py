"""The stepper on the GPU; twin of `fastgd.engines.reference.steps.Stepper`, with the same bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from fastgd.engines.cuda import arrays, device, source
from fastgd.engines.cuda.launches import WAVES, Launches
from fastgd.engines.protocol.arrays import as_in_memory, check_counts, check_form, checked
from fastgd.engines.protocol.steps import Group, Slot
from fastgd.engines.reference import steps as reference_steps


class Stepper:
    """Updates lists of arrays on the GPU in place.

    Parameters
    ----------
    slots, groups : sequence of Slot, of Group
        The slots' state is on the GPU.
    flush_subnormals : bool
        Ignored: subnormal numbers do not slow a GPU down.
    n_threads : int or None
        Ignored.
    copying : bool
        Whether parameters and gradients are NumPy arrays, which are copied to the GPU and back.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        groups: Sequence[Group],
        flush_subnormals: bool = True,
        n_threads: int | None = None,
        copying: bool = False,
    ) -> None:
        self.slots, self.groups = list(slots), list(groups)
        names = [slot.name for slot in self.slots]
        self._names = [*names, *("grads" + name.removeprefix("params") for name in names)]
        self._copying = _Copies(self.slots) if copying else None
        self._launches = Launches(slots, groups)
        self._state = [tuple(map(device.address, slot.state)) for slot in self.slots]
        twice = [*self.slots, *self.slots]
        self._forms = [slot.shape for slot in twice], [slot.dtype.name for slot in twice]
        self._nbytes = [math.prod(slot.shape) * slot.dtype.itemsize for slot in twice]
        self._addresses: list[int] = []
        room = self._launches.table_bytes + self._launches.numbers_bytes
        self._host = np.zeros(room, np.uint8)
        self._sent = b""  # the content of `_device`
        self._device = device.empty(room, np.uint8)
        self._start = device.address(self._device)
        device.synchronize()  # the state has been filled on the default stream, which others do not wait for

    def step(
        self,
        params: Sequence[Any],
        grads: Sequence[Any],
        t: int,
    ) -> None:
        """Check everything, then launch: an error changes nothing. The GPU may still be working on return."""
        if self._copying is None:
            places, stream = self._checked([*params, *grads], len(params), len(grads))
            self._launch(places, stream, t)
            return
        params, grads = checked(self.slots, params, grads)
        self._launch(self._copying.sent(params, grads), 0, t)
        self._copying.fetch(params)

    def _checked(self, given: list[Any], n_params: int, n_grads: int) -> tuple[list[int], Any]:
        """The addresses of the arrays, and the stream to launch on."""
        n = len(self.slots)
        check_counts(n, params=n_params, grads=n_grads)
        places = arrays.places_of_tensors(given, *self._forms)
        if places is not None:
            stream = arrays.stream_of(given)
        else:
            described = [self._described(k, value, written=k < n) for k, value in enumerate(given)]
            places = [one.address for one in described]
            stream = arrays.stream_of(given, described)
        if places != self._addresses:
            arrays.check_overlap(self._names, places, self._nbytes, n)
        return places, stream

    def _described(self, k: int, value: Any, *, written: bool) -> arrays.Found:
        name, slot = self._names[k], self.slots[k % len(self.slots)]
        one = arrays.found(name, value, written=written)
        check_form(name, one.shape, one.dtype, slot)
        return one

    def _launch(self, places: list[int], stream: Any, t: int) -> None:
        carries = [group.carry.copy() for group in self.groups]
        numbers = [
            reference_steps.coefficients(group, float(t), group.hyper[0], carry, 1.0)
            for group, carry in zip(self.groups, carries, strict=True)
        ]
        split, n = self._launches.table_bytes, len(self.slots)
        if places != self._addresses:
            table = self._launches.table(places[:n], places[n:], self._state)
            self._addresses = places
            self._host[:split] = table.view(np.uint8)
        self._host[split:] = self._launches.packed([numbers])[0]
        self._send(stream)
        self._launches.go(self._start, self._start + split, stream)
        for group, carry in zip(self.groups, carries, strict=True):
            group.carry[:] = carry

    def _send(self, stream: Any) -> None:
        """Copy the table and the numbers to the GPU if they have changed (clipping overwrites its factor there)."""
        wanted = self._host.tobytes()
        if wanted != self._sent or self._launches.norm is not None:
            self._device.copy_to_device(self._host, stream=stream)
            self._sent = wanted


class _Copies:
    """Device arrays for parameters and gradients that are in host memory."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.params = [device.empty(slot.shape, slot.dtype) for slot in slots]
        self.grads = [device.empty(slot.shape, slot.dtype) for slot in slots]

    def sent(self, params: Sequence[Any], grads: Sequence[Any]) -> list[int]:
        """Copy the arrays to the GPU; returns their addresses there."""
        places = [*self.params, *self.grads]
        for place, host in zip(places, [*params, *grads], strict=True):
            if host.size:
                place.copy_to_device(np.ascontiguousarray(host))
        return list(map(device.address, places))

    def fetch(self, params: Sequence[Any]) -> None:
        """Copy the parameters back."""
        for place, host in zip(self.params, params, strict=True):
            if host.size:
                host[...] = device.to_host(place)


def form(name: str, array: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of a parameter or gradient, after a check; NumPy arrays are accepted and copied later."""
    if issubclass(type(array), np.ndarray):
        array = as_in_memory(array)
        return array.shape, array.dtype
    one = arrays.found(name, array)
    if one.dtype not in (np.float32, np.float64) or not one.dtype.isnative:
        raise ValueError(f"{name} must have dtype float32 or float64, got {one.dtype}")
    return one.shape, one.dtype


def full(shape: tuple[int, ...], dtype: np.dtype[Any], value: float) -> Any:
    """A new device array with one value; an empty one is a NumPy array, since there is nothing to update."""
    size, gpu = math.prod(shape), device.gpu()
    if not size:
        return np.zeros(shape, dtype)
    array = device.empty(shape, dtype)
    blocks = min(-(-size // gpu.threads), gpu.multiprocessors * WAVES)
    number = dtype.type(value)
    device.launch(
        _fill_kernels(dtype.char).fill, blocks, gpu.threads, 0, device.address(array), size, number
    )
    return array


_FILL = """
@cuda.jit(cache=CACHE)
def fill(place, size, value):
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        store(place, i, value)
"""


@cache
def _fill_kernels(char: str) -> Any:
    return source.kernel_module(char, _FILL)
