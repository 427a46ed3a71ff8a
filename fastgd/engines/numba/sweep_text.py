"""The text of sweeps' kernels: windows of a block of runs, and single runs followed to their exact stop.

All rows of a block lie in one buffer `b` at offsets that are known when a kernel is compiled: only then does LLVM see
that they do not overlap. `x` comes first, then state, working space (`GO`), slopes and the table of coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastgd.engines.layout import BLOCK, CLIP_PARTS, PARTIALS, SHARED, WIDTH
from fastgd.engines.numba.modules import TYPES
from fastgd.engines.parse import Rule
from fastgd.engines.protocol.outcomes import status_constants
from fastgd.engines.protocol.sweeps import Descents, Kernel
from fastgd.engines.registry import GRADIENTS, STOPS
from fastgd.engines.templates import filled, lines_of

FUSED = 4  # up to so many parameters are unrolled into one loop over the runs


@dataclass(frozen=True)
class Sizes:
    """What a kernel is compiled for."""

    kind: str
    sequential: bool
    lookahead: bool
    mode: Literal["plain", "prepared", "clipped"]
    count: int
    n_state: int
    width: int = WIDTH  # runs in a row
    outputs: int = 1  # of a linear model

    @classmethod
    def of(cls, kernel: Kernel, count: int, runs: Descents, width: int = WIDTH) -> Sizes:
        """Those of runs on a problem of `count` parameters."""
        return cls(
            kernel.kind,
            kernel.sequential,
            runs.lookahead,
            runs.mode,
            count,
            len(runs.state0),
            width,
            kernel.outputs,
        )

    @property
    def n_shared(self) -> int:
        """Coefficients in front of the rule's: those of `prepare`, and two of clipping by norm in three parts each."""
        return {"plain": 0, "prepared": SHARED, "clipped": SHARED + CLIP_PARTS}[self.mode]

    @property
    def rows(self) -> int:
        """Rows of parameters and state; rows of working space follow (see `fastgd.engines.native.sweeps.Block`)."""
        return self.count * (1 + self.n_state)

    @property
    def work(self) -> int:
        """Gradients, points at which they are taken, and as much again that a problem may use."""
        return 3 * self.count + 1

    @property
    def scale_row(self) -> int:
        """Row of the working space that keeps the factor of clipping while parameters are updated.

        Looking ahead, no sums are taken by then; otherwise there are no points.
        """
        return 2 * self.count if self.lookahead else self.count


# --- what a module begins with --------------------------------------------------------------------

_CONSTANTS = """
W = $width
COUNT = $count
OUTPUTS = $outputs
BLOCK = $block
GO = $rows * W
LOW = $low * W
HIGH = $high * W
TABLE = $table * W
REAL = types.$type
ZERO = REAL(0)
ONE = REAL(1)
$statuses

@njit(error_model="numpy")
def larger(a, b):  # b where a is NaN
    return a if a > b else b

@njit(error_model="numpy")
def smaller(a, b):
    return a if a < b else b
"""
# One run's gradient norm, summed in the order of `fastgd.engines.protocol.steps`.
_NORM = """
@njit(error_model="numpy")
def norm(b, go, l):
    total = 0.0
    for start in range(0, COUNT, BLOCK):
        stop = min(COUNT, start + BLOCK)
        $partial_sums
        total += $sum
    return math.sqrt(total)
"""
_PARTIAL_SUM = """
part$k = 0.0
for i in range(start + $k, stop, $partials):
    g = types.float64(b[go + i * W + l])
    part$k += g * g
"""


def constants(char: str, sizes: Sizes) -> str:
    """Offsets into a block's buffer, statuses and helpers."""
    low = sizes.rows + sizes.work
    return filled(
        _CONSTANTS,
        width=str(sizes.width),
        count=str(sizes.count),
        outputs=str(sizes.outputs),
        block=str(BLOCK),
        rows=str(sizes.rows),
        low=str(low),
        high=str(low + 1),
        table=str(low + 2),
        type=TYPES[char],
        statuses=status_constants().splitlines(),
    )


def norm() -> str:
    """The function of one run's gradient norm."""
    sums = (lines_of(_PARTIAL_SUM, k=str(k), partials=str(PARTIALS)) for k in range(PARTIALS))
    return filled(
        _NORM,
        partial_sums=[line for lines in sums for line in lines],
        sum=" + ".join(f"part{k}" for k in range(PARTIALS)),
    )


# --- one update of one run ------------------------------------------------------------------------


class Update:
    """Lines of one update: the rule, and whatever a step has in front of it."""

    def __init__(self, rule: Rule, sizes: Sizes) -> None:
        self.rule, self.sizes = rule, sizes
        self.new = ["p", *(f"s{k}" for k in range(sizes.n_state))]

    def coefficient(self, k: int, table: str) -> str:
        """The k-th coefficient of run l; `table` is where this step's coefficients begin."""
        return f"{table} + {k} * W + l]"

    def state(self, parameter: str) -> list[str]:
        return [
            f"b[({(k + 1) * self.sizes.count} + {parameter}) * W + l]"
            for k in range(self.sizes.n_state)
        ]

    def update(self, parameter: str, table: str) -> list[str]:
        """From `p` and `g` of one parameter of run l to its new `p` and state."""
        n = self.sizes.n_shared
        places = [self.coefficient(k, table) for k in range(n + len(self.rule.coefficients))]
        shared = places[: min(n, SHARED)]
        lines = []
        if self.sizes.mode == "clipped":
            shared[1] = f"b[GO + {self.sizes.scale_row} * W + l]"
        if shared and self.sizes.lookahead:  # penalties belong to the point where the gradient is
            point = f"b[GO + ({self.sizes.count} + {parameter}) * W + l]"
            lines += [f"_, g = prepare({point}, g, {', '.join(shared)})", f"p = {shared[-1]} * p"]
        elif shared:
            lines.append(f"p, g = prepare(p, g, {', '.join(shared)})")
        arguments = ", ".join(("p", "g", *self.state(parameter), *places[n:]))
        comma = "," if len(self.new) == 1 else ""
        return [*lines, f"{', '.join(self.new)}{comma} = rule({arguments})"]

    def store(self, parameter: str) -> list[str]:
        return [
            f"{place} = {name}"
            for place, name in zip(self.state(parameter), self.new[1:], strict=True)
        ]

    def scale(self, table: str) -> list[str]:
        """Clipping by norm: the factor of run l's gradient, in double as everywhere."""
        if self.sizes.mode != "clipped":
            return []
        parts = [
            f"types.float64({self.coefficient(k, table)})"
            for k in range(SHARED, SHARED + CLIP_PARTS)
        ]
        return [
            f"most = {' + '.join(parts[:3])}",
            f"factor = most / (norm(b, GO, l) + ({' + '.join(parts[3:])}))",
            "factor = 1.0 if factor > 1.0 or most == math.inf else factor",
            f"b[GO + {self.sizes.scale_row} * W + l] = REAL(factor)",
        ]

    def look_ahead(self, table: str) -> list[str]:
        """The point x - mu v at which the gradient is taken, in the second part of the working space."""
        count = self.sizes.count
        mu = self.coefficient(self.sizes.n_shared, table)
        return [
            f"b[GO + ({count} + i) * W + l] = b[i * W + l] - {mu} * b[({count} + i) * W + l]",
        ]


# --- windows of a block ---------------------------------------------------------------------------

# Few parameters: one loop over the runs, everything of a run in registers.
_FUSED_WINDOW = """
$numbers
for t in range(steps):
    o = TABLE + t * stride
    for l in range(lanes):
        $points
        $gradient
        slope = abs(g0)
        $steepest
        b[LOW + l] = smaller(slope, b[LOW + l])
        b[HIGH + l] = larger(slope, b[HIGH + l])
        $updates
"""
_FUSED_UPDATE = """
p = x$i
g = g$i
$update
b[$i * W + l] = p
$store
"""
# Any number of parameters, one after the other, each for all runs.
_WINDOW = """
for t in range(steps):
    o = TABLE + t * stride
    slopes(b, 0, GO, 0, lanes, 0, COUNT, size, data)
    for l in range(lanes):
        slope = abs(b[GO + l])
        for i in range(1, COUNT):
            slope = larger(abs(b[GO + i * W + l]), slope)
        b[LOW + l] = smaller(slope, b[LOW + l])
        b[HIGH + l] = larger(slope, b[HIGH + l])
    $look_ahead
    $scale
    for i in range(COUNT):
        $sequential
        for l in range(lanes):
            p = b[i * W + l]
            g = b[GO + i * W + l]
            $update
            b[i * W + l] = p
            $store
"""
_LOOK_AHEAD = """
for i in range(COUNT):
    for l in range(lanes):
        $point
slopes(b, GO + COUNT * W, GO, 0, lanes, 0, COUNT, size, data)
"""
_SCALE = """
for l in range(lanes):
    $factor
"""


def fusible(sizes: Sizes) -> bool:
    """Whether one loop over the runs can do a whole step."""
    return (
        sizes.count <= FUSED
        and sizes.kind in GRADIENTS
        and not (sizes.sequential or sizes.lookahead or sizes.mode == "clipped")
    )


def window(update: Update) -> list[str]:
    """All runs advanced by `steps` updates; the smallest and largest slope of each."""
    if fusible(update.sizes):
        return _fused_window(update)
    factor = update.scale("b[o")
    return lines_of(
        _WINDOW,
        look_ahead=_look_ahead(_LOOK_AHEAD, update, "b[o"),
        scale=lines_of(_SCALE, factor=factor) if factor else [],
        sequential=_sequential(update, "0", "lanes"),
        update=update.update("i", "b[o"),
        store=update.store("i"),
    )


def _fused_window(update: Update) -> list[str]:
    gradient, count = GRADIENTS[update.sizes.kind], update.sizes.count

    def name(array: str, indices: tuple[str, ...]) -> str:
        return "_".join((array, *indices))

    def place(array: str, indices: tuple[str, ...]) -> str:
        return f"data[{gradient.place(array, indices, 'size')}]"

    numbers: list[str] = []
    if gradient.each:
        numbers = [name(*one) for one in gradient.numbers(count)]
        lines = [f"g{i} = {gradient.unrolled(name, 'x{}'.format, count, i)}" for i in range(count)]
    else:
        fold = gradient.fold(place, "x{}".format, "size", total="g0")
        lines = [f"g0 = {fold.start}", fold.loop, f"    g0 = {fold.step}"]
        lines += [f"g0 = {fold.result}"] if fold.result != "g0" else []

    def updated(i: int) -> list[str]:
        own = update.update(str(i), "b[o")
        return lines_of(_FUSED_UPDATE, i=str(i), update=own, store=update.store(str(i)))

    return lines_of(
        _FUSED_WINDOW,
        numbers=[f"{number} = data[{k}]" for k, number in enumerate(numbers)],
        points=[f"x{i} = b[{i} * W + l]" for i in range(count)],
        gradient=lines,
        steepest=[f"slope = larger(abs(g{i}), slope)" for i in range(1, count)],
        updates=[line for i in range(count) for line in updated(i)],
    )


def _look_ahead(template: str, update: Update, table: str) -> list[str]:
    return lines_of(template, point=update.look_ahead(table)) if update.sizes.lookahead else []


def _sequential(update: Update, lo: str, hi: str) -> list[str]:
    if not update.sizes.sequential:
        return []
    return [f"slopes(b, 0, GO, {lo}, {hi}, i, i + 1, size, data)"]


# --- a run with every iterate tested --------------------------------------------------------------

# `last` tests the final iterate too. Afterwards `code` is the status, `done` the number of updates.
_RUN = """
code = RUNNING
done = 0
for t in range(steps):
    $test
        break
    done += 1
    o = t * stride
    $look_ahead
    $scale
    inside = True
    $begin
    for i in range(COUNT):
        $sequential
        old = b[i * W + l]
        p = old
        g = b[GO + i * W + l]
        $update
        b[i * W + l] = p
        $store
        $watch
        inside = inside and $inside
    if not inside:
        code = DIVERGED
        break
    $end
if last and code == RUNNING:
    $test
"""
_TEST = """
slopes(b, 0, GO, l, l + 1, 0, COUNT, size, data)
slope = np.abs(b[GO + l])
for i in range(1, COUNT):
    slope = $steeper
if $converged:
    code = CONVERGED
"""
_LOOK_AHEAD_ALONE = """
for i in range(COUNT):
    $point
slopes(b, GO + COUNT * W, GO, l, l + 1, 0, COUNT, size, data)
"""
_OBSERVE = """
for l in range(lanes):
    if status[l] != RUNNING:
        continue
    $run
    status[l] = REAL(code)
    seen[l] = seen[l] + REAL(done)
"""
_TURNS = """
move = p - old
before = moved[i * W + l]
turned = $turned
turns[i * W + l] = $remembered
moved[i * W + l] = move
"""
_FOLLOW = """
l = 0
$run
ended[0] = code
ended[1] = done
"""
_SMALL = """
if largest < step_tol:
    code = SMALL_STEP
    break
"""


def _run(update: Update, begin: list[str], watch: list[str], end: list[str]) -> list[str]:
    """Run number l up to the end of `steps` updates, or to its own; three places for what is watched besides."""
    steeper = STOPS["largest"].text("slope", "b[GO + i * W + l]")
    test = lines_of(_TEST, steeper=steeper, converged=STOPS["converged"].text("slope", "tol"))
    return lines_of(
        _RUN,
        test=test,
        look_ahead=_look_ahead(_LOOK_AHEAD_ALONE, update, "c[o"),
        scale=update.scale("c[o"),
        begin=begin,
        sequential=_sequential(update, "l", "l + 1"),
        update=update.update("i", "c[o"),
        store=update.store("i"),
        watch=watch,
        inside=STOPS["inside"].text("p", "limit"),
        end=end,
    )


def observe(update: Update) -> list[str]:
    """The runs of a block one by one; their moves that turn back are remembered."""
    watch = lines_of(
        _TURNS,
        turned=STOPS["turned"].text("move", "before", "ZERO"),
        remembered=STOPS["remembered"].text("turns[i * W + l]", "(1 if turned else 0)"),
    )
    return lines_of(_OBSERVE, run=_run(update, [], watch, []))


def follow(update: Update) -> list[str]:
    """A single run, which may also stop where no parameter moves by `step_tol`."""
    watch = [f"largest = {STOPS['largest'].text('largest', 'p - old')}"]
    run = _run(update, ["largest = ZERO"], watch, _SMALL.strip().split("\n"))
    return lines_of(_FOLLOW, run=run)
