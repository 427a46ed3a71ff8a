"""One update of one run as text: the rule, whatever a step has in front of it, and where a block keeps its numbers.

All rows of a block lie in one buffer `b` at offsets that are known when a kernel is compiled: only then does LLVM see
that they do not overlap. `x` comes first, then state, penalties of the runs (`PENALTY`) and their bounds (`LOWEST`,
`HIGHEST`) if they have any, working space (`GO`), slopes and the table of coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastgd.engines.layout import BLOCK, CLIP_PARTS, PARTIALS, PENALTIES, SHARED, WIDTH
from fastgd.engines.numba.modules import TYPES
from fastgd.engines.parse import Rule
from fastgd.engines.protocol.outcomes import status_constants
from fastgd.engines.protocol.sweeps import Descents, Kernel
from fastgd.engines.registry import CONFINED, PROJECT, STEEPNESS
from fastgd.engines.templates import filled, lines_of


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
    measured: bool = False  # by penalties or bounds
    bounded: bool = False

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
            runs.measured,
            runs.box is not None,
        )

    @property
    def n_shared(self) -> int:
        """Coefficients in front of the rule's: those of `prepare`, and two of clipping by norm in three parts each."""
        return {"plain": 0, "prepared": SHARED, "clipped": SHARED + CLIP_PARTS}[self.mode]

    @property
    def penalty_row(self) -> int:
        """Where the runs' penalties begin: behind parameters and state."""
        return self.count * (1 + self.n_state)

    @property
    def rows(self) -> int:
        """Rows that belong to the runs; rows of working space follow (see `fastgd.engines.native.sweeps.Block`)."""
        return self.penalty_row + PENALTIES * self.measured + 2 * self.count * self.bounded

    @property
    def judging(self) -> tuple[Rule, ...]:
        """The rules by which runs with penalties or bounds are judged, and brought back into their box."""
        if self.bounded:
            return CONFINED, PROJECT
        return (STEEPNESS,) if self.measured else ()

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
PENALTY = $penalty_row * W
LOWEST = PENALTY + $penalties * W
HIGHEST = LOWEST + COUNT * W
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
        penalty_row=str(sizes.penalty_row),
        penalties=str(PENALTIES),
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
        lines.append(f"{', '.join(self.new)}{comma} = rule({arguments})")
        return [*lines, *self.into_box("p", parameter)]

    def bounds(self, parameter: str) -> tuple[str, str]:
        """Where those of one parameter of run l are."""
        low, high = (f"b[{side} + {parameter} * W + l]" for side in ("LOWEST", "HIGHEST"))
        return low, high

    def into_box(self, p: str, parameter: str) -> list[str]:
        """The projection of one parameter, or of the point where its gradient is taken."""
        if not self.sizes.bounded:
            return []
        return [f"{p} = project({', '.join((p, *self.bounds(parameter)))})[0]"]

    def store(self, parameter: str) -> list[str]:
        return [
            f"{place} = {name}"
            for place, name in zip(self.state(parameter), self.new[1:], strict=True)
        ]

    def slope(self, parameter: str, p: str, g: str) -> str:
        """The size of one parameter's slope by which run l converges."""
        if not self.sizes.measured:
            return f"abs({g})"
        own = ", ".join(f"b[PENALTY + {k} * W + l]" for k in range(PENALTIES))
        if self.sizes.bounded:
            return f"confined({p}, {g}, {own}, ZERO, {', '.join(self.bounds(parameter))})[0]"
        return f"steepness({p}, {g}, {own}, ZERO)[0]"

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
        point = f"b[GO + ({count} + i) * W + l]"
        ahead = f"{point} = b[i * W + l] - {mu} * b[({count} + i) * W + l]"
        return [ahead, *self.into_box(point, "i")]
