"""What the kernels of sweeps share, whether a thread or a block of threads takes a run."""

from __future__ import annotations

from typing import Any

from fastgd.engines.cuda import source
from fastgd.engines.cuda.sweep_slopes import Shape
from fastgd.engines.cuda.vocabulary import rule_itself
from fastgd.engines.layout import PENALTIES, WINDOW
from fastgd.engines.parse import Rule
from fastgd.engines.protocol.outcomes import Status, status_constants
from fastgd.engines.registry import PREPARE, STOPS

# Of the queue: the next run's place in the list; runs that have been given back; those of them that have ended.
# The other arguments are numbers and addresses of arrays. Of `kept` there are two, for odd and even windows.
ARGUMENTS = (
    "active", "n_active", "first", "steps", "max_iter", "runs", "rows", "kept", "status", "iterations", "turned",
    "data", "size", "fixed", "rate", "clip", "group", "n_groups", "mask", "terms", "tabled",
    "schedule", "n_schedules", "rates", "seed", "n_seeds", "picks", "batch_size", "updates", "box", "room",
)  # fmt: skip


HEAD = """
from numpy import int32, int64

wide = vocabulary("d")
SINGLE, DOUBLE = REALS["f"], REALS["d"]
ZERO, ONE = REAL(0), REAL(1)
UNWRITTEN = REAL(math.nan)
integer = memory("i").load
store_small = memory("b").store
"""


def constants(shape: Shape) -> str:
    """Names of numbers that the text uses."""
    sizes = f"{shape.count}, {shape.outputs}, {shape.count // shape.outputs}"
    return f"{HEAD}{status_constants()}COUNT, OUTPUTS, FEATURES = {sizes}\n"


def surroundings(rule: Rule, shape: Shape, char: str) -> tuple[str, dict[str, Any]]:
    """What stands before kernels: constants, the rule, what comes before it; and what no text has."""
    own = source.rule_text(rule)
    before = source.rule_text(PREPARE, "prepare") if shape.n_shared else ""
    judging = [source.rule_text(one, one.name) or "" for one in shape.judging]
    given = {} if own else {"rule": rule_itself(rule, char)}
    return "".join([constants(shape), before or "", *judging, own or ""]), given


def into_box(shape: Shape, p: str, i: Any) -> str:
    """The projection of parameter `i`, whose value is `p`."""
    return f"project({p}, {_bounds(i)})[0]" if shape.bounded else p


def _bounds(i: Any) -> str:
    return f"load(box, {i}), load(box, COUNT + {i})"


def converged(shape: Shape, i: Any, x: str, g: str) -> str:
    """The test of parameter `i`, at `x` with the objective's slope `g`."""
    slope = f"np.abs({g})"
    if shape.measured:
        own = ", ".join(f"penalty{k}" for k in range(PENALTIES))
        slope = f"steepness({x}, {g}, {own}, ZERO)[0]"
        if shape.bounded:
            slope = f"confined({x}, {g}, {own}, ZERO, {_bounds(i)})[0]"
    return STOPS["converged"].text(slope, "tol")


def scaled(squares: str) -> list[str]:
    """The factor by which a gradient is clipped, from the sum of its squares."""
    return [
        f"factor = most / (math.sqrt({squares}) + norm_eps)",
        "factor = REAL(1.0 if factor > 1.0 or most == math.inf else factor)",
    ]


def coefficients_now(shape: Shape) -> list[str]:
    """The coefficients that move by step, of update `now` + 1."""
    layout, lines = shape.layout, []
    if not layout.moves:
        return []
    many = len(layout.tabled)
    for column, k in enumerate(layout.tabled):
        lines.append(
            f"c{k} = load(tabled, ((now & mask) * {many} + {column}) * n_groups + own_group)"
        )
    if layout.lines:
        if layout.scheduled:
            lines.append("lr = load_double(rates, (now & mask) * n_schedules + own_schedule)")
        for k in range(layout.terms):
            place = f"((now & mask) * {layout.terms} + {k}) * n_groups + own_group"
            lines.append(f"term{k} = load_double(terms, {place})")
    return [*lines, *layout.lines]


def constants_of_run(shape: Shape) -> list[str]:
    """What a run keeps: coefficients, its rate, which columns of the tables are its own."""
    layout = shape.layout
    lines = [f"c{k} = load(fixed, {row} * runs + run)" for row, k in enumerate(layout.fixed)]
    if shape.measured:
        first = len(layout.fixed)
        lines += [f"penalty{k} = load(fixed, {first + k} * runs + run)" for k in range(PENALTIES)]
    if layout.moves:
        lines.append("own_group = integer(group, run)")
    if layout.lines:
        lines.append(
            "own_schedule = integer(schedule, run)"
            if layout.scheduled
            else "lr = load_double(rate, run)"
        )
    if shape.batched:
        lines.append("own_seed = integer(seed, run)")
    if shape.mode == "clipped":
        lines += ["most = load_double(clip, run)", "norm_eps = load_double(clip, runs + run)"]
    return lines


def status_lines() -> list[str]:
    """The status of a run after update n, as `code`."""
    statuses = ("RUNNING", Status.CONVERGED.name, Status.MAX_ITER.name, Status.DIVERGED.name)
    return [f"code = {STOPS['status'].text('inside', 'met', 'n == max_iter', *statuses)}"]


def slot(n: str) -> str:
    """Which of the two kept points belongs to the window of update n: windows are counted back from `max_iter`."""
    return f"((max_iter - {n} + {WINDOW - 1}) // {WINDOW}) & 1"
