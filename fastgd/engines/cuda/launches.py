"""The launches of one update: one for all arrays that share a rule, by a table of pointers.

A stepper makes them once a step. In a network's training the coefficients of many updates lie on the GPU, and a clock
there says which update is next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.cuda import device, norm, source
from fastgd.engines.cuda.memory import WIDE
from fastgd.engines.cuda.norm import Norm
from fastgd.engines.cuda.vocabulary import rule_itself
from fastgd.engines.parse import Rule
from fastgd.engines.protocol.steps import Group, Slot
from fastgd.engines.registry import PREPARE

_FIXED = 4  # words of a slot before its addresses: first chunk, size, offset of its numbers, whether it is aligned
WAVES = 8  # blocks a multiprocessor is given at most, each of which goes over many chunks


@dataclass(frozen=True)
class Clock:
    """Two integers on the GPU: which update is next, and whether updates are to be skipped.

    With `address` 0 there is no clock, and the first coefficients are used. `stride` is the distance in bytes from one
    update's coefficients to the next.
    """

    address: int = 0
    stride: int = 0


class _Launch:
    """Slots that share a rule and a dtype, and run `prepare` before it or not."""

    def __init__(
        self, rule: Rule, char: str, prepared: bool, slots: list[int], groups: list[int]
    ) -> None:
        self.rule, self.char, self.prepared = rule, char, prepared
        self.slots, self.groups = slots, groups
        self.n_numbers = (len(PREPARE.coefficients) if prepared else 0) + len(rule.coefficients)
        self.n_arrays = 2 + len(rule.state)
        self.words = _FIXED + self.n_arrays
        self.table_at = self.numbers_at = 0  # bytes, in the table and in an update's numbers
        self.chunks = 0
        self.update = update_kernels(rule, char, prepared).update

    @property
    def itemsize(self) -> int:
        return np.dtype(self.char).itemsize


class Launches:
    """The launches of one update of all slots.

    Parameters
    ----------
    slots : sequence of Slot
    groups : sequence of Group

    Attributes
    ----------
    table_bytes, numbers_bytes : int
        Size of the table of pointers, and of the numbers (coefficients) of one update.
    norm : Norm or None
        The gradients' norm, if a group clips by it.
    """

    def __init__(self, slots: Sequence[Slot], groups: Sequence[Group]) -> None:
        self.slots, self.groups = list(slots), list(groups)
        found: dict[tuple[Rule, str, bool], _Launch] = {}
        for k, slot in enumerate(self.slots):
            group = self.groups[slot.group]
            key = group.rule, slot.dtype.char, group.prepared
            if key not in found:
                alike = [
                    j
                    for j, g in enumerate(self.groups)
                    if (g.rule, g.prepared) == (group.rule, group.prepared)
                ]
                found[key] = _Launch(*key, [], alike)
            if math.prod(slot.shape):
                found[key].slots.append(k)
        self.launches = list(found.values())
        self.norm: Norm | None = None
        self._lay_out()
        if any(not math.isinf(group.clip_norm) for group in self.groups):
            self._lay_out_norm()

    def _lay_out(self) -> None:
        table = numbers = 0
        threads = device.gpu().threads
        for one in self.launches:
            one.table_at, one.numbers_at = table, numbers
            table += 8 * one.words * len(one.slots)
            numbers += -(-one.n_numbers * one.itemsize * len(one.groups) // 16) * 16
            chunk = threads * WIDE[one.char]
            one.chunks = sum(-(-math.prod(self.slots[k].shape) // chunk) for k in one.slots)
        self.table_bytes, self.numbers_bytes = max(table, 8), max(numbers, 16)

    def _lay_out_norm(self) -> None:
        self.norm = Norm(self.slots)
        limits = np.array([[g.clip_norm, g.norm_eps] for g in self.groups])
        self._limits = [
            (one, device.to_device(limits[one.groups])) for one in self.launches if one.prepared
        ]
        self._norm_table_at = self.table_bytes
        self.table_bytes += self.norm.table_bytes

    # --- the tables that launches read ----------------------------------------------------------------

    def table(
        self, params: Sequence[int], grads: Sequence[int], state: Sequence[Sequence[int]]
    ) -> NDArray[np.int64]:
        """The table of pointers, from the addresses of all slots' arrays."""
        table = np.zeros(self.table_bytes // 8, np.int64)
        for one in self.launches:
            chunk, first = device.gpu().threads * WIDE[one.char], 0
            start = one.table_at // 8
            rows = table[start : start + one.words * len(one.slots)].reshape(-1, one.words)
            for row, k in zip(rows, one.slots, strict=True):
                slot = self.slots[k]
                size = math.prod(slot.shape)
                places = [params[k], grads[k], *state[k]]
                offset = one.groups.index(slot.group) * one.n_numbers * one.itemsize
                row[:] = [first, size, offset, all(p % 16 == 0 for p in places), *places]
                first += -(-size // chunk)
        if self.norm is not None:
            table[self._norm_table_at // 8 :] = self.norm.table(grads)
        return table

    def packed(self, updates: Sequence[Sequence[Sequence[float]]]) -> NDArray[np.uint8]:
        """Coefficients of some updates, given in double by update and group, as rows of `numbers_bytes` bytes."""
        room = np.zeros((len(updates), self.numbers_bytes), np.uint8)
        for one in self.launches if updates else ():
            numbers = np.array([[update[g] for g in one.groups] for update in updates], np.float64)
            with np.errstate(over="ignore"):
                rounded = numbers.astype(one.char).reshape(len(updates), -1).view(np.uint8)
            room[:, one.numbers_at : one.numbers_at + rounded.shape[1]] = rounded
        return room

    # --- launches ---------------------------------------------------------------------------------

    def go(self, table: int, numbers: int, stream: Any = 0, clock: Clock | None = None) -> None:
        """Launch the update of all slots; `table` and `numbers` are addresses on the GPU."""
        clock = Clock() if clock is None else clock
        if self.norm is not None:
            self._clip(table, numbers, stream, clock)
        gpu = device.gpu()
        for one in self.launches:
            if one.chunks:
                blocks = min(one.chunks, gpu.multiprocessors * WAVES)
                device.launch(
                    one.update,
                    blocks,
                    gpu.threads,
                    stream,
                    table + one.table_at,
                    len(one.slots),
                    one.chunks,
                    numbers + one.numbers_at,
                    clock.address,
                    clock.stride,
                )

    def _clip(self, table: int, numbers: int, stream: Any, clock: Clock) -> None:
        """Write the factor that clips the norm into the second number of each group."""
        assert self.norm is not None
        self.norm.sum(table + self._norm_table_at, stream)
        for one, limits in self._limits:
            device.launch(
                norm.kernels(one.char).scale,
                1,
                1,
                stream,
                device.address(self.norm.squares),
                device.address(limits),
                len(one.groups),
                numbers + one.numbers_at,
                one.n_numbers,
                clock.address,
                clock.stride,
            )


# --- kernels ----------------------------------------------------------------------------------------

_UPDATE = """
@cuda.jit(cache=CACHE)
def update(table, slots, chunks, numbers, clock, stride):
    if clock != 0:
        if word(clock, 1) != 0:
            return
        numbers += word(clock, 0) * stride
    for chunk in range(cuda.blockIdx.x, chunks, cuda.gridDim.x):
        slot = table + {bytes} * holder(table, {words}, slots, chunk)
        i = (chunk - word(slot, 0)) * {chunk} + cuda.threadIdx.x * {wide}
        size = word(slot, 1)
        c = numbers + word(slot, 2)
        {places}
        {coefficients}
        if i + {wide} <= size and word(slot, 3) != 0:
            {loads}
            {updates}
            {stores}
        else:
            for k in range(i, min(i + {wide}, size)):
                {load}
                {update}
                {store}
"""


def _update_text(rule: Rule, char: str, prepared: bool) -> str:
    """The kernel: a block takes chunks of one slot each, a thread 16 bytes of every array."""
    names = ["p", "g", *(f"s{k}" for k in range(len(rule.state)))]
    written = [name for name in names if name != "g"]
    wide, threads = WIDE[char], device.gpu().threads
    n_shared = len(PREPARE.coefficients) if prepared else 0
    numbers = [f"c{k}" for k in range(n_shared + len(rule.coefficients))]

    def lanes(name: str) -> str:
        return ", ".join(f"{name}{k}" for k in range(wide))

    def one(k: int | str) -> list[str]:
        own = {name: f"{name}{k}" for name in names}
        lines = []
        if prepared:
            shared = ", ".join(numbers[:n_shared])
            lines.append(f"{own['p']}, {own['g']} = prepare({own['p']}, {own['g']}, {shared})")
        arguments = ", ".join([*own.values(), *numbers[n_shared:]])
        comma = "," if len(written) == 1 else ""
        return [*lines, f"{', '.join(own[n] for n in written)}{comma} = rule({arguments})"]

    words = _FIXED + len(names)
    separator = {depth: "\n" + " " * depth for depth in (8, 12, 16)}
    return _UPDATE.format(
        words=words,
        bytes=8 * words,
        chunk=threads * wide,
        wide=wide,
        places=separator[8].join(f"at_{n} = word(slot, {_FIXED + k})" for k, n in enumerate(names)),
        coefficients=separator[8].join(f"{n} = load(c, {k})" for k, n in enumerate(numbers)),
        loads=separator[12].join(f"{lanes(f'{n}_')} = load_wide(at_{n}, i)" for n in names),
        updates=separator[12].join(line for k in range(wide) for line in one(f"_{k}")),
        stores=separator[12].join(f"store_wide(at_{n}, i, {lanes(f'{n}_')})" for n in written),
        load=separator[16].join(f"{n} = load(at_{n}, k)" for n in names),
        update=separator[16].join(one("")),
        store=separator[16].join(f"store(at_{n}, k, {n})" for n in written),
    )


@cache
def update_kernels(rule: Rule, char: str, prepared: bool) -> Any:
    """The module whose kernel `update` applies a rule to arrays of a dtype, with `prepare` before it or without."""
    own = source.rule_text(rule)
    prepare = source.rule_text(PREPARE, "prepare") if prepared else ""
    given = {} if own else {"rule": rule_itself(rule, char)}
    text = f"{source.HOLDER}{prepare}{own or ''}{_update_text(rule, char, prepared)}"
    return source.kernel_module(char, text, given or None)
