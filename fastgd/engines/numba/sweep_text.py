"""The text of sweeps' kernels: windows of a block of runs, and single runs followed to their exact stop."""

from __future__ import annotations

from fastgd.engines.numba.sweep_update import Sizes, Update
from fastgd.engines.registry import GRADIENTS, STOPS
from fastgd.engines.templates import lines_of

FUSED = 4  # up to so many parameters are unrolled into one loop over the runs

# --- windows of a block ---------------------------------------------------------------------------

# Few parameters: one loop over the runs, everything of a run in registers.
_FUSED_WINDOW = """
$numbers
for t in range(steps):
    o = TABLE + t * stride
    for l in range(lanes):
        $points
        $gradient
        $steepest
        b[LOW + l] = smaller(slope, b[LOW + l])
        b[HIGH + l] = larger($high, b[HIGH + l])
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
        $first
        for i in range(1, COUNT):
            $others
        b[LOW + l] = smaller(slope, b[LOW + l])
        b[HIGH + l] = larger($high, b[HIGH + l])
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


# A run's penalties and bounds may hide in its slope how far a parameter went: the largest parameter is kept beside.


def _steepest(update: Update, i: str, p: str, g: str, *, first: bool) -> list[str]:
    """The largest slope of run l so far, and where more than the objective is part of it the largest parameter."""
    slope, far = update.slope(i, p, g), [f"abs({p})"] if update.sizes.measured else []
    if first:
        return [f"slope = {slope}", *(f"far = {one}" for one in far)]
    return [f"slope = larger({slope}, slope)", *(f"far = larger({one}, far)" for one in far)]


def _high(sizes: Sizes) -> str:
    """What tells that a run may have diverged."""
    return "far" if sizes.measured else "slope"


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
        first=_steepest(update, "0", "b[l]", "b[GO + l]", first=True),
        others=_steepest(update, "i", "b[i * W + l]", "b[GO + i * W + l]", first=False),
        high=_high(update.sizes),
        look_ahead=_look_ahead(_LOOK_AHEAD, update, "b[o"),
        scale=lines_of(_SCALE, factor=factor) if factor else [],
        sequential=_sequential(update, "0", "lanes"),
        update=update.update("i", "b[o"),
        store=update.store("i"),
    )


def _unrolled(update: Update) -> tuple[list[str], list[str]]:
    """The problem's numbers as names, once, and the gradient g0, g1, ... of run l at the point x0, x1, ..."""
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
    return [f"{number} = data[{k}]" for k, number in enumerate(numbers)], lines


def _fused_window(update: Update) -> list[str]:
    count, (numbers, gradient) = update.sizes.count, _unrolled(update)

    def updated(i: int) -> list[str]:
        own = update.update(str(i), "b[o")
        return lines_of(_FUSED_UPDATE, i=str(i), update=own, store=update.store(str(i)))

    return lines_of(
        _FUSED_WINDOW,
        numbers=numbers,
        points=[f"x{i} = b[{i} * W + l]" for i in range(count)],
        gradient=gradient,
        steepest=[
            line
            for i in range(count)
            for line in _steepest(update, str(i), f"x{i}", f"g{i}", first=not i)
        ],
        high=_high(update.sizes),
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
$gradient
slope = $first
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
    other = update.slope("i", "b[i * W + l]", "b[GO + i * W + l]")
    gradient = ["slopes(b, 0, GO, l, l + 1, 0, COUNT, size, data)"]
    if fusible(update.sizes):  # a call costs as much as the sums
        numbers, sums = _unrolled(update)
        each = range(update.sizes.count)
        gradient = [
            *(f"x{i} = b[{i} * W + l]" for i in each),
            *numbers,
            *sums,
            *(f"b[GO + {i} * W + l] = g{i}" for i in each),
        ]
    test = lines_of(
        _TEST,
        gradient=gradient,
        first=update.slope("0", "b[l]", "b[GO + l]"),
        steeper=STOPS["largest"].text("slope", other),
        converged=STOPS["converged"].text("slope", "tol"),
    )
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
