"""What sweeps' kernels are compiled for, and the text of a run's slopes in the order of the other backends' sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fastgd.engines.cuda.sweep_coefficients import Layout
from fastgd.engines.layout import ROW_BLOCK
from fastgd.engines.protocol.sweeps import Descents, Kernel, Problem
from fastgd.engines.registry import PREPARE

UNROLLED = 48  # parameters and state variables that are scalars, not arrays of a thread
PRELOADED = 5  # parameters of a quadratic whose numbers stay in registers
LINEAR = ("rows", "logistic", "softmax")


@dataclass(frozen=True)
class Shape:
    """What kernels are compiled for; `tested` says whether a run may converge."""

    kind: str
    count: int
    n_state: int
    size: int  # coefficients of a polynomial; 0 of other problems
    outputs: int
    sequential: bool
    lookahead: bool
    mode: str
    batched: bool
    tested: bool
    layout: Layout

    @classmethod
    def of(
        cls, problem: Problem, runs: Descents, kernel: Kernel, layout: Layout, *, tested: bool
    ) -> Shape:
        """The shape of some runs of a problem."""
        return cls(
            kernel.kind,
            problem.n_parameters,
            len(runs.state0),
            kernel.size if kernel.kind == "polynomial" else 0,
            kernel.outputs,
            kernel.sequential,
            runs.lookahead,
            runs.mode,
            problem.batches is not None,
            tested,
            layout,
        )

    @property
    def n_rows(self) -> int:
        """Parameters and state variables."""
        return self.count * (1 + self.n_state)

    @property
    def looped(self) -> bool:
        """Whether a thread keeps its numbers in arrays."""
        return self.n_rows > UNROLLED

    @property
    def n_shared(self) -> int:
        """Coefficients of `prepare`."""
        return 0 if self.mode == "plain" else len(PREPARE.coefficients)

    @property
    def carried(self) -> bool:
        """Whether an update uses the slopes by which the point before it was tested."""
        own = self.lookahead or self.batched
        return not own and (not self.sequential or self.mode == "clipped")


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """Lines of a block."""
    return ["    " * levels + line for line in lines]


class Slopes:
    """Lines for the slopes of one run; `x`, `g`, `a` (looking ahead) and `s0`, ... name its numbers."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def name(self, array: str, i: Any) -> str:
        return f"{array}[{i}]" if self.shape.looped else f"{array}_{i}"

    def each(self, lines: Callable[[Any], list[str]]) -> list[str]:
        """Something for every parameter."""
        if self.shape.looped:
            return ["for i in range(COUNT):", *indented(lines("i"))]
        return [line for i in range(self.shape.count) for line in lines(i)]

    def setup(self) -> list[str]:
        """What is loaded once, and a thread's arrays."""
        shape, lines = self.shape, []
        if shape.looped:
            arrays = ["x", "g", "a", "o", "v", "turns", *(f"s{k}" for k in range(shape.n_state))]
            lines += [f"{name} = cuda.local.array(COUNT, REAL)" for name in arrays]
        if shape.kind == "function":
            lines += [f"{name} = cuda.local.array(COUNT, REAL)" for name in ("xs", "gs")]
        if shape.kind == "softmax":
            lines += ["z = cuda.local.array(OUTPUTS, REAL)"]
        if shape.kind in LINEAR:
            lines += ["part = cuda.local.array(COUNT, REAL)"] if shape.looped else []
        n = shape.count
        if shape.kind == "quadratic" and n <= PRELOADED:
            lines += [f"h_{k} = load(data, {k})" for k in range(n * n + n)]
        if shape.kind == "polynomial" and shape.size <= 2 * PRELOADED:
            lines += [f"h_{k} = load(data, {k})" for k in range(shape.size)]
        return lines

    def slopes(self, at: str, only: Any = None, batch: bool = False) -> list[str]:
        """`g` at the points of that name; or only that of one parameter."""
        kind = self.shape.kind
        if kind in LINEAR:
            return self._of_rows(at, only, batch)
        if kind == "quadratic":
            return self._each_or(only, lambda i: self._of_quadratic(at, i))
        if kind == "polynomial":
            return self._of_polynomial(at)
        copy = self.each(lambda i: [f"xs[{i}] = {self.name(at, i)}", f"gs[{i}] = ZERO"])
        back = self.each(lambda i: [f"{self.name('g', i)} = REAL(gs[{i}])"])
        return [*copy, "function(xs, gs)", *back]

    def _each_or(self, only: Any, lines: Callable[[Any], list[str]]) -> list[str]:
        return self.each(lines) if only is None else lines(only)

    def _of_quadratic(self, at: str, i: Any) -> list[str]:
        n, g = self.shape.count, self.name("g", i)
        if self.shape.looped:
            term = f"np.mul(load(data, {i} * COUNT + j), {self.name(at, 'j')})"
            return [
                f"total = np.mul(load(data, {i} * COUNT), {self.name(at, 0)})",
                "for j in range(1, COUNT):",
                f"    total = total + {term}",
                f"{g} = total - load(data, COUNT * COUNT + {i})",
            ]
        preloaded = n <= PRELOADED
        number = [f"h_{k}" if preloaded else f"load(data, {k})" for k in range(n * n + n)]
        terms = [f"np.mul({number[i * n + j]}, {self.name(at, j)})" for j in range(n)]
        return [f"{g} = {' + '.join(terms)} - {number[n * n + i]}"]

    def _of_polynomial(self, at: str) -> list[str]:
        g, x, size = self.name("g", 0), self.name(at, 0), self.shape.size
        if size <= 2 * PRELOADED:
            steps = [f"{g} = np.mul({g}, {x}) + h_{k}" for k in range(size - 2, -1, -1)]
            return [f"{g} = h_{size - 1}", *steps]
        return [
            f"{g} = load(data, size - 1)",
            "for j in range(size - 2, -1, -1):",
            f"    {g} = np.mul({g}, {x}) + load(data, j)",
        ]

    def _of_rows(self, at: str, only: Any, batch: bool) -> list[str]:
        """Sums over blocks of rows, as `fastgd.problems.linear` takes them."""
        part, g = (lambda i: self.name("part", i)), (lambda i: self.name("g", i))
        k = self.shape.outputs

        def product(i: Any) -> list[str]:
            feature, output = (f"{i} // OUTPUTS", f"{i} % OUTPUTS") if i == "i" else divmod(i, k)
            left = f"z[{output}]" if k > 1 else "z"
            return [f"{part(i)} = {part(i)} + np.mul({left}, load(data, at + {feature}))"]

        rows, row = rows_of_update(batch)
        one = [f"at = {row} * (FEATURES + 1)", *self._residual(at), *self._each_or(only, product)]
        return [
            *rows,
            *self._each_or(only, lambda i: [f"{g(i)} = ZERO"]),
            f"for start in range(0, many, {ROW_BLOCK}):",
            *indented(self._each_or(only, lambda i: [f"{part(i)} = ZERO"])),
            f"    for r in range(start, min(start + {ROW_BLOCK}, many)):",
            *indented(one, 2),
            *indented(self._each_or(only, lambda i: [f"{g(i)} = {g(i)} + {part(i)}"])),
            *self._each_or(only, lambda i: [f"{g(i)} = np.mul(scale, {g(i)})"]),
        ]

    def _residual(self, at: str) -> list[str]:
        """What is left of a row, in `z`."""
        k, features = self.shape.outputs, self.shape.count // self.shape.outputs

        def sums(c: int, target: str) -> list[str]:
            if self.shape.looped:
                return [
                    f"{target} = np.mul(load(data, at), {self.name(at, c)})",
                    "for j in range(1, FEATURES):",
                    f"    {target} = {target} + np.mul(load(data, at + j), {self.name(at, f'j * OUTPUTS + {c}')})",
                ]
            terms = [
                f"np.mul(load(data, at + {j}), {self.name(at, j * k + c)})" for j in range(features)
            ]
            return [f"{target} = {' + '.join(terms)}"]

        if k == 1:
            lines = [*sums(0, "z"), "target = load(data, at + FEATURES)"]
            if self.shape.kind == "logistic":
                return [*lines, "z = ONE / (ONE + np.exp(-z)) - target"]
            return [*lines, "z = z - target"]
        lines = [line for c in range(k) for line in sums(c, f"z[{c}]")]
        return [*lines, *softmax("z[{}]", "load(data, at + FEATURES)")]


def rows_of_update(batch: bool) -> tuple[list[str], str]:
    """Lines that say how many rows a gradient takes and what their sum is scaled with; the number of the r-th row."""
    if not batch:
        return ["many = size", "scale = load(data, size * (FEATURES + 1))"], "r"
    lines = [
        "many = min(batch_size, size - now % updates * batch_size)",
        "scale = load(data, size * (FEATURES + 1) + (1 if many == batch_size else 2))",
        "pick = ((now & mask) * n_seeds + own_seed) * batch_size",
    ]
    return lines, "integer(picks, pick + r)"


def softmax(place: str, target: str, outputs: str = "OUTPUTS") -> list[str]:
    """From the log-odds of a row to what is left of it; `place` says where number c stands."""
    z = place.format("c")
    return [
        f"most_likely = {place.format(0)}",
        f"for c in range(1, {outputs}):",
        f"    most_likely = np.maximum({z}, most_likely)",
        f"for c in range({outputs}):",
        f"    {z} = np.exp({z} - most_likely)",
        f"total = {place.format(0)}",
        f"for c in range(1, {outputs}):",
        f"    total = total + {z}",
        f"target = {target}",
        f"for c in range({outputs}):",
        f"    {z} = {z} / total - (ONE if target == REAL(c) else ZERO)",
    ]
