"""The kernels of a network's updates on the GPU, except products and optimizers.

Only a clock on the GPU changes from update to update: every kernel reads from it which update is next and how many rows
it has. The missing rows of a short last batch count as zeros. When a loss is not finite the clock stops and all kernels
return at once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from fastgd.engines import registry
from fastgd.engines.cuda import device, source
from fastgd.engines.numba.user_functions import function_text

Function = str | Callable[..., Any]

# Integers of the clock: the next update, whether training has stopped, the optimizer's updates before the first, all
# rows of the updates, the mixed seed of dropout.
NEXT, STOPPED, BEFORE, ROWS, SEED = range(5)
# Numbers of the dtype that kernels read: the factors of an input and of a unit that dropout keeps, the divisor of the
# gradient of a loss, then the constants of activation and loss.
SCALE, KEPT, DIVISOR, CONSTANTS = range(4)
# Numbers in double: the cap of a loss, the penalties, and whether they are divided by the weight of a batch.
CAP, L1, L2, PER_ROW = range(4)

_LIMITS = f"""
from numba import float64 as DOUBLE, {{number}} as NUMBER

THREADS = {{threads}}


@cuda.jit(device=True)
def rows_of(clock, batch):
    return min(batch, word(clock, {ROWS}) - word(clock, {NEXT}) * batch)


@cuda.jit(device=True)
def summed(tile, me, value):
    \"\"\"The sum over a block, in the tile's first place.\"\"\"
    tile[me] = value
    cuda.syncthreads()
    half = THREADS // 2
    while half:
        if me < half:
            tile[me] += tile[me + half]
        cuda.syncthreads()
        half //= 2
"""

_GATHER = f"""
load_input = memory("{{kind}}").load


@cuda.jit(cache=CACHE)
def gather(x, columns, order, clock, batch, numbers, out):
    if word(clock, {STOPPED}) != 0:
        return
    first, rows = word(clock, {NEXT}) * batch, rows_of(clock, batch)
    scale = load(numbers, {SCALE})
    for r in range(cuda.blockIdx.x, batch, cuda.gridDim.x):
        row = first + r
        if r < rows and order != 0:
            row = word(order, row)
        for j in range(cuda.threadIdx.x, columns, cuda.blockDim.x):
            value = REAL(0.0)
            if r < rows:
                value = np.mul(REAL(load_input(x, row * columns + j)), scale)
            store(out, r * columns + j, value)
"""

# SplitMix64 as in `fastgd.engines.reference.networks.dropout_mask`. A threshold below 0 is no dropout.
_ACTIVATE = f"""
from numpy import uint64

GOLDEN, FIRST, SECOND = uint64(0x9E3779B97F4A7C15), uint64(0xBF58476D1CE4E5B9), uint64(0x94D049BB133111EB)


@cuda.jit(device=True)
def mixed(x):
    x = x + GOLDEN
    x = (x ^ (x >> uint64(30))) * FIRST
    x = (x ^ (x >> uint64(27))) * SECOND
    return x ^ (x >> uint64(31))


@cuda.jit(cache=CACHE)
def activate(z, bias, columns, slopes, clock, batch, numbers, threshold, layer):
    if word(clock, {STOPPED}) != 0:
        return
    rows = rows_of(clock, batch)
    kept, limit = load(numbers, {KEPT}), uint64(max(threshold, 0))
    t = word(clock, {BEFORE}) + word(clock, {NEXT}) + 1
    start = mixed(mixed(uint64(word(clock, {SEED})) ^ uint64(t)) ^ uint64(layer))
    for r in range(cuda.blockIdx.x, batch, cuda.gridDim.x):
        for j in range(cuda.threadIdx.x, columns, cuda.blockDim.x):
            i = r * columns + j
            value = slope = REAL(0.0)
            if r < rows:
                value, slope = function(load(z, i) + load(bias, j){{constants}})
                if threshold >= 0:
                    mask = kept
                    if mixed(start + uint64(i) * GOLDEN) >> uint64(40) < limit:
                        mask = REAL(0.0)
                    value, slope = np.mul(value, mask), np.mul(slope, mask)
            store(z, i, value)
            if slopes != 0:
                store(slopes, i, slope)
"""

# A row has LANES threads. Its share is its weight over the batch's.
_LOSS_HEAD = """
LANES, ROWS_AT_ONCE = {lanes}, THREADS // {lanes}


@cuda.jit(device=True)
def share_of(weights, totals, update, row):
    total = load_double(totals, update)
    if total == 0.0:
        return 0.0
    return (1.0 if weights == 0 else load_double(weights, row)) / total
"""
_LOSS = f"""
load_class = memory("i").load


@cuda.jit(cache=CACHE)
def loss(z, bias, columns, y, weights, totals, order, clock, batch, numbers, limits, delta, values):
    tile = cuda.shared.array(THREADS, {{tile}})
    if word(clock, {STOPPED}) != 0:
        return
    update, rows, cap = word(clock, {NEXT}), rows_of(clock, batch), load_double(limits, {CAP})
    me = cuda.threadIdx.x
    lane = me % LANES
    own = me - lane
    for first in range(cuda.blockIdx.x * ROWS_AT_ONCE, batch, cuda.gridDim.x * ROWS_AT_ONCE):
        r = first + me // LANES
        place = r * columns
        there = r < rows
        row = update * batch + r
        share = 0.0
        if there:
            row = word(order, row) if order != 0 else row
            share = share_of(weights, totals, update, row)
        {{passes}}
        if r < batch:
            if not there:
                for j in range(lane, columns, LANES):
                    store(delta, place + j, REAL(0.0))
            if lane == 0:
                store_double(values, r, value * share if there else 0.0)
"""
_SOFTMAX = """
most = REAL(-math.inf)
if there:
    for j in range(lane, columns, LANES):
        most = np.maximum(most, load(z, place + j) + load(bias, j))
tile[me] = most
cuda.syncthreads()
for k in range(LANES):
    most = np.maximum(most, tile[own + k])
cuda.syncthreads()
total = REAL(0.0)
if there:
    for j in range(lane, columns, LANES):
        e = np.exp(load(z, place + j) + load(bias, j) - most)
        store(delta, place + j, e)
        total += e
tile[me] = total
cuda.syncthreads()
total = REAL(0.0)
for k in range(LANES):
    total += tile[own + k]
cuda.syncthreads()
value = 0.0
if there:
    wanted = load_class(y, row)
    for j in range(lane, columns, LANES):
        slope = load(delta, place + j) / total
        if j == wanted:
            slope -= REAL(1.0)
        store(delta, place + j, np.mul(slope, REAL(share)))
    value = float(np.log(total) - (load(z, place + wanted) + load(bias, wanted) - most))
    value = cap if value > cap else value
"""
_PER_OUTPUT = f"""
value = 0.0
divisor = load(numbers, {DIVISOR})
if there:
    for j in range(lane, columns, LANES):
        one, slope = function(load(z, place + j) + load(bias, j), load(y, row * columns + j){{constants}})
        store(delta, place + j, np.mul(slope / divisor, REAL(share)))
        wide = float(one)
        value += cap if wide > cap else wide
tile[me] = value / float(divisor)
cuda.syncthreads()
value = 0.0
for k in range(LANES):
    value += tile[own + k]
cuda.syncthreads()
"""

_REST = f"""
COLUMNS, GROUPS = {{columns}}, THREADS // {{columns}}


@cuda.jit(cache=CACHE)
def add_bias(z, bias, columns, rows):
    for r in range(cuda.blockIdx.x, rows, cuda.gridDim.x):
        for j in range(cuda.threadIdx.x, columns, cuda.blockDim.x):
            store(z, r * columns + j, load(z, r * columns + j) + load(bias, j))


@cuda.jit(cache=CACHE)
def times_slope(delta, slopes, columns, clock, batch):
    if word(clock, {STOPPED}) != 0:
        return
    rows = rows_of(clock, batch)
    for r in range(cuda.blockIdx.x, batch, cuda.gridDim.x):
        for j in range(cuda.threadIdx.x, columns, cuda.blockDim.x):
            i = r * columns + j
            store(delta, i, np.mul(load(delta, i), load(slopes, i)) if r < rows else REAL(0.0))


@cuda.jit(cache=CACHE)
def bias_gradients(table, layers, blocks, clock, batch):
    tile = cuda.shared.array(THREADS, NUMBER)
    if word(clock, {STOPPED}) != 0:
        return
    me = cuda.threadIdx.x
    for block in range(cuda.blockIdx.x, blocks, cuda.gridDim.x):
        layer = holder(table, 4, layers, block)
        columns, delta, out = word(table, 4 * layer + 1), word(table, 4 * layer + 2), word(table, 4 * layer + 3)
        j = (block - word(table, 4 * layer)) * COLUMNS + me % COLUMNS
        total = REAL(0.0)
        if j < columns:
            for r in range(me // COLUMNS, batch, GROUPS):
                total += load(delta, r * columns + j)
        tile[me] = total
        cuda.syncthreads()
        if me < COLUMNS and j < columns:
            for group in range(1, GROUPS):
                total += tile[group * COLUMNS + me]
            store(out, j, total)
        cuda.syncthreads()


@cuda.jit(device=True)
def penalty_share(limits, totals, clock):
    total = load_double(totals, word(clock, {NEXT}))
    return 1.0 / total if load_double(limits, {PER_ROW}) != 0.0 and total != 0.0 else 1.0


@cuda.jit(cache=CACHE)
def penalize(table, layers, limits, totals, clock, partials):
    tile = cuda.shared.array(THREADS, DOUBLE)
    if word(clock, {STOPPED}) != 0:
        return
    share = penalty_share(limits, totals, clock)
    l1, l2 = REAL(load_double(limits, {L1}) * share), REAL(load_double(limits, {L2}) * share)
    sizes = squares = 0.0
    for layer in range(layers):
        size, w, g = word(table, 3 * layer), word(table, 3 * layer + 1), word(table, 3 * layer + 2)
        for i in range(cuda.grid(1), size, cuda.gridsize(1)):
            x = load(w, i)
            store(g, i, load(g, i) + (np.mul(l2, x) + np.mul(l1, np.sign(x))))
            wide = float(x)
            sizes += abs(wide)
            squares += wide * wide
    summed(tile, cuda.threadIdx.x, sizes)
    if cuda.threadIdx.x == 0:
        store_double(partials, 2 * cuda.blockIdx.x, tile[0])
    cuda.syncthreads()
    summed(tile, cuda.threadIdx.x, squares)
    if cuda.threadIdx.x == 0:
        store_double(partials, 2 * cuda.blockIdx.x + 1, tile[0])


@cuda.jit(cache=CACHE)
def close(values, batch, partials, blocks, limits, totals, clock, losses, penalties):
    tile = cuda.shared.array(THREADS, DOUBLE)
    if word(clock, {STOPPED}) != 0:
        return
    me = cuda.threadIdx.x
    loss = penalty = 0.0
    for r in range(me, batch, THREADS):
        loss += load_double(values, r)
    for k in range(me, blocks, THREADS):
        sizes, squares = load_double(partials, 2 * k), load_double(partials, 2 * k + 1)
        penalty += load_double(limits, {L1}) * sizes + load_double(limits, {L2}) / 2.0 * squares
    summed(tile, me, loss)
    loss = tile[0]
    cuda.syncthreads()
    summed(tile, me, penalty)
    if me == 0:
        penalty = tile[0] * penalty_share(limits, totals, clock)
        store_double(losses, word(clock, {NEXT}), loss)
        store_double(penalties, word(clock, {NEXT}), penalty)
        if not math.isfinite(loss + penalty):
            store_word(clock, {STOPPED}, 1)


@cuda.jit(cache=CACHE)
def advance(clock, squares, norms):
    if word(clock, {STOPPED}) != 0:
        return
    if norms != 0:
        store_double(norms, word(clock, {NEXT}), math.sqrt(load_double(squares, 0)))
    store_word(clock, {NEXT}, word(clock, {NEXT}) + 1)
"""


def _module(char: str, text: str) -> ModuleType:
    number = {"f": "float32", "d": "float64"}[char]
    return source.kernel_module(
        char, _LIMITS.format(number=number, threads=device.gpu().threads) + text
    )


def columns_at_once() -> int:
    """How many columns a block of `bias_gradients` sums."""
    return min(8, device.gpu().threads // 2)


def rows_at_once(outputs: int) -> int:
    """How many rows a block of `loss` takes at a time."""
    return device.gpu().threads // _lanes(outputs)


def _lanes(outputs: int) -> int:
    """Threads of a row: a power of 2, for about four outputs each."""
    lanes = 1
    while 4 * lanes < outputs and lanes < min(32, device.gpu().threads):
        lanes *= 2
    return lanes


@cache
def rest(char: str) -> ModuleType:
    """`add_bias`, `times_slope`, `bias_gradients`, `penalize`, `close` and `advance` of a dtype."""
    return _module(char, source.HOLDER + _REST.format(columns=columns_at_once()))


@cache
def gather(char: str, kind: str) -> Any:
    """The kernel that brings rows of a batch together, from inputs of a `kind` of `memory`."""
    return _module(char, _GATHER.format(kind=kind)).gather


@cache
def activate(activation: Function, char: str) -> Any:
    """The kernel of bias, activation and dropout."""
    text, count = _device_function(activation, registry.ACTIVATIONS, 1, char)
    constants = "".join(f", load(numbers, {CONSTANTS + k})" for k in range(count))
    return _module(char, text + _ACTIVATE.format(constants=constants)).activate


@cache
def loss(loss: Function, char: str, outputs: int, before: int) -> Any:
    """The kernel of a loss and its slopes; `before` constants are the activation's."""
    text, passes, tile = "", _SOFTMAX, "NUMBER"
    if loss != "cross_entropy":
        text, count = _device_function(loss, registry.LOSSES, 2, char)
        places = range(CONSTANTS + before, CONSTANTS + before + count)
        constants = "".join(f", load(numbers, {k})" for k in places)
        passes, tile = _PER_OUTPUT.format(constants=constants), "DOUBLE"
    head = _LOSS_HEAD.format(lanes=_lanes(outputs))
    indented = passes.strip().replace("\n", "\n        ")
    return _module(char, text + head + _LOSS.format(passes=indented, tile=tile)).loss


def _device_function(
    function: Function, known: dict[str, Any], inputs: int, char: str
) -> tuple[str, int]:
    """An activation or a loss as the device function `function`; how many constants it takes."""
    if isinstance(function, str):
        pair = known[function]
        return source.exact(pair.definition, "function"), len(pair.arguments) - inputs
    notes = function_text(function, char)
    literals = [
        f"{ast.unparse(line.targets[0])} = REAL({ast.unparse(line.value.args[0])})\n"
        for line in ast.parse(notes).body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call)
    ]
    return "".join(literals) + source.exact_text(notes, "function"), 0
