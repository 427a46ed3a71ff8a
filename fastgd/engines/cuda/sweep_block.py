"""The kernel of sweeps as text, where runs have many parameters: a block of threads a run.

The parameters of a run are shared out among the threads; everything of it lies in memory, where the threads of its
block see each other's numbers. Sums are taken in the order of the other backends: a thread takes those of its
parameters from first to last. The signs of the last moves are kept all along, which costs little beside such slopes.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

from fastgd.engines.cuda import source
from fastgd.engines.cuda.sweep_slopes import LINEAR, Shape, indented, rows_of_update, softmax
from fastgd.engines.cuda.sweep_text import (
    ARGUMENTS,
    RUNNING,
    coefficients_now,
    constants_of_run,
    scaled,
    slot,
    surroundings,
)
from fastgd.engines.layout import BLOCK, MEMORY, PARTIALS, ROW_BLOCK, WINDOW
from fastgd.engines.parse import Rule

THREADS = 128
FEWEST = 33  # parameters of a run from which on a block shares them


def fits(shape: Shape) -> bool:
    """Whether a block takes a run, not a thread."""
    return (
        shape.count >= FEWEST
        and not shape.sequential
        and (shape.kind == "quadratic" or shape.kind in LINEAR)
    )


def room(shape: Shape) -> int:
    """Numbers that a block works with beside its run's: points, slopes, what is left of a tile of rows."""
    return 2 * shape.count + ROW_BLOCK * shape.outputs


def arguments(in_blocks: bool) -> tuple[str, ...]:
    """What a kernel is told; see `fastgd.engines.cuda.sweep_text`."""
    return (*ARGUMENTS, "moves") if in_blocks else ARGUMENTS


def _mine(lines: list[str]) -> list[str]:
    """Something for every parameter of a thread."""
    return ["for i in range(lane, COUNT, width):", *indented(lines)]


def _slopes(shape: Shape, point: str, batch: bool = False) -> list[str]:
    """Slopes at the point at an address, by the time of which all threads must have written it."""
    if shape.kind == "quadratic":
        # The matrix is symmetric: its columns, so that threads read side by side.
        own = [
            f"total = np.mul(load(data, i), load({point}, 0))",
            "for j in range(1, COUNT):",
            f"    total = total + np.mul(load(data, j * COUNT + i), load({point}, j))",
            "store(slopes, i, total - load(data, COUNT * COUNT + i))",
        ]
        return ["cuda.syncthreads()", *_mine(own)]
    rows, row = rows_of_update(batch)
    left = [f"at = {row} * (FEATURES + 1)", *_residual(shape, point)]
    residual = "load(left, (r - start) * OUTPUTS + i % OUTPUTS)"
    product = f"np.mul({residual}, load(data, {row} * (FEATURES + 1) + i // OUTPUTS))"
    sums = [
        "part = ZERO",
        "for r in range(start, stop_at):",
        f"    part = part + {product}",
        "store(slopes, i, load(slopes, i) + part)",
    ]
    return [
        *rows,
        *_mine(["store(slopes, i, ZERO)"]),
        f"for start in range(0, many, {ROW_BLOCK}):",
        f"    stop_at = min(start + {ROW_BLOCK}, many)",
        "    cuda.syncthreads()",
        "    for r in range(start + lane, stop_at, width):",
        *indented(left, 2),
        "    cuda.syncthreads()",
        *indented(_mine(sums)),
        *_mine(["store(slopes, i, np.mul(scale, load(slopes, i)))"]),
    ]


def _residual(shape: Shape, point: str) -> list[str]:
    """What is left of row r, kept among those of its tile."""
    lines = [
        "for c in range(OUTPUTS):",
        f"    total = np.mul(load(data, at), load({point}, c))",
        "    for j in range(1, FEATURES):",
        f"        total = total + np.mul(load(data, at + j), load({point}, j * OUTPUTS + c))",
        "    z[c] = total",
    ]
    target = "load(data, at + FEATURES)"
    if shape.outputs > 1:
        lines += softmax("z[{}]", target)
    elif shape.kind == "logistic":
        lines += [f"z[0] = ONE / (ONE + np.exp(-z[0])) - {target}"]
    else:
        lines += [f"z[0] = z[0] - {target}"]
    return [*lines, "for c in range(OUTPUTS):", "    store(left, (r - start) * OUTPUTS + c, z[c])"]


def _norm() -> list[str]:
    """Clipping by norm: partial sums by one thread each, added up by all."""
    parts = [
        f"for k in range(lane, {PARTIALS}, width):",
        "    part_sum = DOUBLE(0)",
        f"    for i in range(start + k, min(start + {BLOCK}, COUNT), {PARTIALS}):",
        "        root = DOUBLE(load(slopes, i))",
        "        part_sum = part_sum + wide.mul(root, root)",
        "    parts[k] = part_sum",
        "cuda.syncthreads()",
        f"squares = squares + ({' + '.join(f'parts[{k}]' for k in range(PARTIALS))})",
        "cuda.syncthreads()",
    ]
    blocks = [f"for start in range(0, COUNT, {BLOCK}):", *indented(parts)]
    return ["cuda.syncthreads()", "squares = DOUBLE(0)", *blocks, *scaled("squares")]


def _update(rule: Rule, shape: Shape) -> list[str]:
    n = shape.n_shared
    shared = [f"c{k}" for k in range(n)]
    if shape.mode == "clipped":
        shared[1] = "factor"
    state = [f"s{k}" for k in range(shape.n_state)]
    places = [f"x, {k + 1} * COUNT + i" for k in range(shape.n_state)]
    lines = ["old = load(x, i)", "p = old", "g = load(slopes, i)"]
    lines += [f"{name} = load({place})" for name, place in zip(state, places, strict=True)]
    if n and shape.lookahead:  # penalties belong to the point where the gradient is
        lines += [f"_, g = prepare(load(point, i), g, {', '.join(shared)})", "p = np.mul(c5, p)"]
    elif n:
        lines += [f"p, g = prepare(p, g, {', '.join(shared)})"]
    own = [f"c{n + k}" for k in range(len(rule.coefficients))]
    comma = "," if not state else ""
    lines += [f"{', '.join(['p', *state])}{comma} = rule({', '.join(['p', 'g', *state, *own])})"]
    lines += ["store(x, i, p)", "inside = inside and np.abs(p) <= bound"]
    lines += [f"store({place}, {name})" for name, place in zip(state, places, strict=True)]
    if shape.tested:
        lines += [
            "move, before = p - old, load(moves, own_moves + i)",
            "back = (move > ZERO and before < ZERO) or (move < ZERO and before > ZERO)",
            "store(moves, own_moves + i, move)",
            "history = bits(moves, own_bits + i)",
            "store_bits(moves, own_bits + i, ((history << 1) | (1 if back else 0)) & LAST)",
        ]
    return lines


def _step(rule: Rule, shape: Shape) -> list[str]:
    """The update after the n-th, by slopes that its test has taken, or by its own."""
    lines = ["now = n", *coefficients_now(shape)]
    if shape.lookahead:
        mu = f"c{shape.n_shared}"
        ahead = f"load(x, i) - np.mul({mu}, load(x, COUNT + i))"
        lines += [*_mine([f"store(point, i, {ahead})"]), *_slopes(shape, "point", shape.batched)]
    elif shape.batched or not shape.tested:
        lines += _slopes(shape, "x", shape.batched)
    if shape.mode == "clipped":
        lines += _norm()
    return [
        *lines,
        "cuda.syncthreads()",  # nobody reads the point any more
        "inside = True",
        *_mine(_update(rule, shape)),
        "inside = cuda.syncthreads_and(int32(1 if inside else 0)) != 0",
        "n = n + 1",
    ]


def _test(shape: Shape) -> list[str]:
    """Whether all slopes are below the tolerance."""
    if not shape.tested:
        return []
    met = [
        *_slopes(shape, "x"),
        "met = True",
        *_mine(["met = met and np.abs(load(slopes, i)) < tol"]),
        "met = cuda.syncthreads_and(int32(1 if met else 0)) != 0",
    ]
    return ["if inside and n % updates == 0:", *indented(met)] if shape.batched else met


def _turned() -> list[str]:
    """Whether a converged run has turned back in most of its last moves."""
    own = [
        "history, turns = bits(moves, own_bits + i), 0",
        "while history:",
        "    history = history & (history - 1)",
        "    turns += 1",
        f"calm = calm and 2 * turns <= min({MEMORY}, n)",
    ]
    return [
        "if met and inside:",
        "    calm = True",
        *indented(_mine(own)),
        "    calm = cuda.syncthreads_and(int32(1 if calm else 0)) != 0",
        "    if lane == 0 and not calm:",
        "        store_small(turned, run, 1)",
    ]


def _sweep(rule: Rule, shape: Shape) -> list[str]:
    keep = [f"store(kept, ({slot('n')}) * runs * {shape.n_rows} + own + i, load(x, i))"]
    rows = [f"for i in range(lane, {shape.n_rows}, width):", *indented(keep)]
    begin = [
        "run = int64(integer(active, place))",
        f"own = run * {shape.n_rows}",
        "x = rows + own * BYTES",
        "own_moves, own_bits = 2 * run * COUNT, (2 * run + 1) * COUNT",
        *constants_of_run(shape),
        "n, inside, met = first, True, False",
        *_test(shape),
    ]
    end = [
        f"code = 1 if n == max_iter else {RUNNING}",
        "code = 0 if met else code",
        "if lane == 0:",
        "    code = code if inside else 2",
        "    store_word(iterations, run, n)",
        "    store_small(status, run, code)",
        "    cuda.atomic.add(queue, 1, 1)",
        f"    if code != {RUNNING}:",
        "        cuda.atomic.add(queue, 2, 1)",
        *(_turned() if shape.tested else []),
    ]
    return [
        "lane, width = cuda.threadIdx.x, cuda.blockDim.x",
        "head = cuda.shared.array(1, int32)",
        *([f"parts = cuda.shared.array({PARTIALS}, DOUBLE)"] if shape.mode == "clipped" else []),
        *(["z = cuda.local.array(OUTPUTS, REAL)"] if shape.kind in LINEAR else []),
        f"point = room + cuda.blockIdx.x * {room(shape)} * BYTES",
        "slopes = point + COUNT * BYTES",
        "left = slopes + COUNT * BYTES",
        "stop = first + steps",
        "while True:",
        "    cuda.syncthreads()",
        "    if lane == 0:",
        "        head[0] = cuda.atomic.add(queue, 0, 1)",
        "    cuda.syncthreads()",
        "    place = head[0]",
        "    if place >= n_active:",
        "        return",
        *indented(begin),
        "    while inside and not met and n < stop:",
        f"        if n == 0 or (max_iter - n) % {WINDOW} == 0:",
        *indented(rows, 3),
        *indented([*_step(rule, shape), *_test(shape)], 2),
        *indented(end),
    ]


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
    names = ", ".join(arguments(True))
    kernel = [
        "@cuda.jit(cache=CACHE)",
        f"def sweep(queue, {names}, tol, bound):",
        *indented(_sweep(rule, shape)),
        "",
    ]
    return source.kernel_module(char, head + _constants(char) + "\n".join(kernel), given or None)
