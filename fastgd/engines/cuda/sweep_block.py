"""The kernel of sweeps as text, where runs have many parameters: a block of threads for each run.

The threads share out the parameters of a run; all of its numbers lie in memory, where the threads of its block see each
other's. Sums are taken in the order of the other backends: a thread goes over its parameters from first to last. The
signs of the last moves are kept throughout, which costs little compared with such gradients.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

from fastgd.engines.cuda import source
from fastgd.engines.cuda.sweep_shared import (
    ARGUMENTS,
    coefficients_now,
    constants_of_run,
    converged,
    into_box,
    scaled,
    slot,
    status_lines,
    surroundings,
)
from fastgd.engines.cuda.sweep_slopes import PRODUCT, Shape, residual, rows_of_update
from fastgd.engines.layout import BLOCK, MEMORY, PARTIALS, ROW_BLOCK, WINDOW
from fastgd.engines.parse import Rule
from fastgd.engines.parse_problems import Gradient
from fastgd.engines.registry import GRADIENTS, RESIDUALS, STOPS
from fastgd.engines.templates import filled, lines_of

THREADS = 128
FEWEST = 33  # parameters of a run from which on a block shares them


def fits(shape: Shape) -> bool:
    """Whether a block takes a run, not a thread."""
    gradient = GRADIENTS.get(shape.kind)
    shared = shape.kind in RESIDUALS or (gradient is not None and gradient.each)
    return shape.count >= FEWEST and not shape.sequential and shared


def room(shape: Shape) -> int:
    """Numbers that a block works with beside its run's: points, gradient, residuals of a tile of rows."""
    return 2 * shape.count + ROW_BLOCK * shape.outputs


def arguments(in_blocks: bool) -> tuple[str, ...]:
    """Arguments of a kernel; see `fastgd.engines.cuda.sweep_shared`."""
    return (*ARGUMENTS, "moves") if in_blocks else ARGUMENTS


# --- gradients: at the point at an address, by the time of which all threads must have written it -----

_COMPONENTS = """
cuda.syncthreads()
for i in range(lane, COUNT, width):
    total = $start
    $loop
        total = $step
    store(slopes, i, $result)
"""
_OF_ROWS = """
$rows
for i in range(lane, COUNT, width):
    store(slopes, i, ZERO)
for start in range(0, many, $row_block):
    stop_at = min(start + $row_block, many)
    cuda.syncthreads()
    for r in range(start + lane, stop_at, width):
        at = $row * (FEATURES + 1)
        for c in range(OUTPUTS):
            total = np.mul(load(data, at), load($point, c))
            for j in range(1, FEATURES):
                total = total + np.mul(load(data, at + j), load($point, j * OUTPUTS + c))
            z[c] = total
        target = load(data, at + FEATURES)
        $residual
        for c in range(OUTPUTS):
            store(residuals, (r - start) * OUTPUTS + c, z[c])
    cuda.syncthreads()
    for i in range(lane, COUNT, width):
        part = ZERO
        for r in range(start, stop_at):
            at = $row * (FEATURES + 1)
            left = load(residuals, (r - start) * OUTPUTS + i % OUTPUTS)
            part = part + np.mul(left, load(data, at + i // OUTPUTS))
        store(slopes, i, load(slopes, i) + part)
for i in range(lane, COUNT, width):
    store(slopes, i, np.mul(scale, load(slopes, i)))
"""


def _slopes(shape: Shape, point: str, batch: bool = False) -> list[str]:
    if shape.kind in GRADIENTS:
        return _components(GRADIENTS[shape.kind], point)
    rows, row = rows_of_update(batch)
    return lines_of(
        _OF_ROWS,
        rows=rows,
        row=row,
        row_block=str(ROW_BLOCK),
        point=point,
        residual=residual(shape.kind, "z[{}]".format),
    )


def _components(gradient: Gradient, point: str) -> list[str]:
    def number(array: str, indices: tuple[str, ...]) -> str:
        # Matrices are symmetric: their columns, so that threads read side by side.
        return f"load(data, {gradient.place(array, indices[::-1], 'COUNT')})"

    fold = gradient.fold(number, lambda j: f"load({point}, {j})", "COUNT", times=PRODUCT)
    return lines_of(
        _COMPONENTS, start=fold.start, loop=[fold.loop], step=fold.step, result=fold.result
    )


# Clipping by norm: partial sums by one thread each, added up by all.
_NORM = """
cuda.syncthreads()
squares = DOUBLE(0)
for start in range(0, COUNT, $block):
    for k in range(lane, $partials, width):
        part_sum = DOUBLE(0)
        for i in range(start + k, min(start + $block, COUNT), $partials):
            root = DOUBLE(load(slopes, i))
            part_sum = part_sum + wide.mul(root, root)
        parts[k] = part_sum
    cuda.syncthreads()
    squares = squares + ($sum)
    cuda.syncthreads()
$scaled
"""


def _norm() -> list[str]:
    return lines_of(
        _NORM,
        block=str(BLOCK),
        partials=str(PARTIALS),
        sum=" + ".join(f"parts[{k}]" for k in range(PARTIALS)),
        scaled=scaled("squares"),
    )


# --- an update and its tests ------------------------------------------------------------------------

_UPDATE = """
old = load(x, i)
p = old
g = load(slopes, i)
$load_state
$prepare
$results = rule($arguments)
$project
store(x, i, p)
inside = inside and $inside
$store_state
$moves
"""
_MOVES = """
move, before = p - old, load(moves, own_moves + i)
back = $turned
store(moves, own_moves + i, move)
history = bits(moves, own_bits + i)
store_bits(moves, own_bits + i, ($remembered) & LAST)
"""
# The update after the n-th. Before it stores, nobody may read the point any more.
_STEP = """
now = n
$coefficients
$look_ahead
$slopes
$norm
cuda.syncthreads()
inside = True
for i in range(lane, COUNT, width):
    $update
inside = cuda.syncthreads_and(int32(1 if inside else 0)) != 0
n = n + 1
"""
_LOOK_AHEAD = """
for i in range(lane, COUNT, width):
    store(point, i, $ahead)
"""
_TEST = """
$slopes
met = True
for i in range(lane, COUNT, width):
    met = met and $converged
met = cuda.syncthreads_and(int32(1 if met else 0)) != 0
"""
_TEST_AFTER_EPOCHS = """
if inside and n % updates == 0:
    $test
"""


def _update(rule: Rule, shape: Shape) -> list[str]:
    n = shape.n_shared
    shared = [f"c{k}" for k in range(n)]
    if shape.mode == "clipped":
        shared[1] = "factor"
    state = [f"s{k}" for k in range(shape.n_state)]
    places = [f"x, {k + 1} * COUNT + i" for k in range(shape.n_state)]
    prepare = []
    if n and shape.lookahead:  # penalties belong to the point where the gradient is
        at_point = f"_, g = prepare(load(point, i), g, {', '.join(shared)})"
        prepare = [at_point, "p = np.mul(c5, p)"]
    elif n:
        prepare = [f"p, g = prepare(p, g, {', '.join(shared)})"]
    own = [f"c{n + k}" for k in range(len(rule.coefficients))]
    moves = lines_of(
        _MOVES,
        turned=STOPS["turned"].text("move", "before", "ZERO"),
        remembered=STOPS["remembered"].text("history", "(1 if back else 0)"),
    )
    return lines_of(
        _UPDATE,
        load_state=[f"{name} = load({place})" for name, place in zip(state, places, strict=True)],
        prepare=prepare,
        results=", ".join(["p", *state]) + ("" if state else ","),
        arguments=", ".join(["p", "g", *state, *own]),
        project=[f"p = {into_box(shape, 'p', 'i')}"] if shape.bounded else [],
        inside=STOPS["inside"].text("p", "bound"),
        store_state=[f"store({place}, {name})" for name, place in zip(state, places, strict=True)],
        moves=moves if shape.tested else [],
    )


def _step(rule: Rule, shape: Shape) -> list[str]:
    """The update by the gradient of its test, or by its own."""
    look_ahead, slopes = [], []
    if shape.lookahead:
        ahead = f"load(x, i) - np.mul(c{shape.n_shared}, load(x, COUNT + i))"
        look_ahead = lines_of(_LOOK_AHEAD, ahead=into_box(shape, ahead, "i"))
        slopes = _slopes(shape, "point", shape.batched)
    elif shape.batched or not shape.tested:
        slopes = _slopes(shape, "x", shape.batched)
    return lines_of(
        _STEP,
        coefficients=coefficients_now(shape),
        look_ahead=look_ahead,
        slopes=slopes,
        norm=_norm() if shape.mode == "clipped" else [],
        update=_update(rule, shape),
    )


def _test(shape: Shape) -> list[str]:
    """Whether all slopes are below the tolerance."""
    if not shape.tested:
        return []
    reached = converged(shape, "i", "load(x, i)", "load(slopes, i)")
    test = lines_of(_TEST, slopes=_slopes(shape, "x"), converged=reached)
    return lines_of(_TEST_AFTER_EPOCHS, test=test) if shape.batched else test


# --- the kernel -------------------------------------------------------------------------------------

_SWEEP = """
@cuda.jit(cache=CACHE)
def sweep(queue, $arguments, tol, bound):
    lane, width = cuda.threadIdx.x, cuda.blockDim.x
    head = cuda.shared.array(1, int32)
    $parts
    $outputs
    point = room + cuda.blockIdx.x * $room * BYTES
    slopes = point + COUNT * BYTES
    residuals = slopes + COUNT * BYTES
    stop = first + steps
    while True:
        cuda.syncthreads()
        if lane == 0:
            head[0] = cuda.atomic.add(queue, 0, 1)
        cuda.syncthreads()
        place = head[0]
        if place >= n_active:
            return
        run = int64(integer(active, place))
        own = run * $n_rows
        x = rows + own * BYTES
        own_moves, own_bits = 2 * run * COUNT, (2 * run + 1) * COUNT
        $constants
        n, inside, met = first, True, False
        $test
        while inside and not met and n < stop:
            if n == 0 or (max_iter - n) % $window == 0:
                for i in range(lane, $n_rows, width):
                    store(kept, ($slot) * runs * $n_rows + own + i, load(x, i))
            $step
            $test
        $status
        if lane == 0:
            store_word(iterations, run, n)
            store_small(status, run, code)
            cuda.atomic.add(queue, 1, 1)
            if code != RUNNING:
                cuda.atomic.add(queue, 2, 1)
        $oscillating
"""
_OSCILLATING = """
if met and inside:
    calm = True
    for i in range(lane, COUNT, width):
        history, turns = bits(moves, own_bits + i), 0
        while history:
            history = history & (history - 1)
            turns += 1
        calm = calm and not ($oscillating)
    calm = cuda.syncthreads_and(int32(1 if calm else 0)) != 0
    if lane == 0 and not calm:
        store_small(turned, run, 1)
"""


def _sweep(rule: Rule, shape: Shape) -> str:
    oscillating = STOPS["oscillating"].text("turns", "n", str(MEMORY))
    parts = f"parts = cuda.shared.array({PARTIALS}, DOUBLE)"
    return filled(
        _SWEEP,
        arguments=", ".join(arguments(True)),
        parts=[parts] if shape.mode == "clipped" else [],
        outputs=["z = cuda.local.array(OUTPUTS, REAL)"] if shape.kind in RESIDUALS else [],
        room=str(room(shape)),
        n_rows=str(shape.n_rows),
        constants=constants_of_run(shape),
        test=_test(shape),
        window=str(WINDOW),
        slot=slot("n"),
        step=_step(rule, shape),
        status=status_lines(),
        oscillating=lines_of(_OSCILLATING, oscillating=oscillating) if shape.tested else [],
    )


def _constants(char: str) -> str:
    word, size, last = ("I", 4, 0xFFFFFFFF) if char == "f" else ("q", 8, 0xFFFFFFFF)
    return (
        f"bits, store_bits = memory({word!r}).load, memory({word!r}).store\n"
        f"BYTES, LAST = {size}, {last}\n"
    )


@lru_cache(maxsize=64)
def kernels(rule: Rule, shape: Shape, char: str) -> ModuleType:
    """The module with `sweep`."""
    head, given = surroundings(rule, shape, char)
    return source.kernel_module(char, head + _constants(char) + _sweep(rule, shape), given or None)
