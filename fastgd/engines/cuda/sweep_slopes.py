"""What sweeps' kernels are compiled for, and the text of a run's gradient in the order of the other backends' sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from fastgd.engines.cuda.source import ExactInLoops
from fastgd.engines.cuda.sweep_coefficients import Layout
from fastgd.engines.layout import ROW_BLOCK
from fastgd.engines.parse import Rule
from fastgd.engines.parse_problems import Gradient
from fastgd.engines.protocol.sweeps import Descents, Kernel, Problem
from fastgd.engines.registry import CONFINED, GRADIENTS, PREPARE, PROJECT, RESIDUALS, STEEPNESS
from fastgd.engines.templates import indented

UNROLLED = 48  # parameters and state variables that are scalars, not arrays of a thread
# Numbers of a problem that stay in registers: those of a quadratic of five parameters; fewer where there is one
# parameter, whose operations wait for each other.
PRELOADED, PRELOADED_OF_ONE = 30, 10
PRODUCT = "np.mul"  # which no compiler fuses with a sum


@dataclass(frozen=True)
class Shape:
    """What kernels are compiled for; `tested` says whether a run may converge, `measured` by more than its slope."""

    kind: str
    count: int
    n_state: int
    size: int  # numbers of a problem of one parameter, such as a polynomial's coefficients; 0 of other problems
    outputs: int
    sequential: bool
    lookahead: bool
    mode: str
    batched: bool
    tested: bool
    measured: bool
    bounded: bool
    layout: Layout

    @classmethod
    def of(
        cls, problem: Problem, runs: Descents, kernel: Kernel, layout: Layout, *, tested: bool
    ) -> Shape:
        """The shape of some runs of a problem."""
        gradient = GRADIENTS.get(kernel.kind)
        return cls(
            kernel.kind,
            problem.n_parameters,
            len(runs.state0),
            0 if gradient is None or gradient.each else kernel.size,
            kernel.outputs,
            kernel.sequential,
            runs.lookahead,
            runs.mode,
            problem.batches is not None,
            tested,
            tested and runs.measured,
            runs.box is not None,
            layout,
        )

    @property
    def n_rows(self) -> int:
        """Parameters and state variables."""
        return self.count * (1 + self.n_state)

    @property
    def judging(self) -> tuple[Rule, ...]:
        """The rules by which runs with penalties or bounds are judged, and brought back into their box."""
        if self.bounded:
            return (CONFINED, PROJECT) if self.measured else (PROJECT,)
        return (STEEPNESS,) if self.measured else ()

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


class Slopes:
    """Lines for the gradient of one run; `x`, `g`, `a` (looking ahead) and `s0`, ... name its numbers."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.gradient: Gradient | None = GRADIENTS.get(shape.kind)

    @cached_property
    def preloaded(self) -> bool:
        """Whether the problem's numbers stay in registers."""
        if self.gradient is None:
            return False
        most = PRELOADED if self.gradient.each else PRELOADED_OF_ONE
        return self.gradient.length(self.many) <= most

    @property
    def many(self) -> int:
        """The problem's n: of parameters, or of the numbers of a problem of one parameter."""
        return self.shape.size or self.shape.count

    @cached_property
    def places(self) -> dict[tuple[str, tuple[str, ...]], int]:
        """Where the data holds each of the problem's numbers."""
        assert self.gradient is not None
        return {number: k for k, number in enumerate(self.gradient.numbers(self.many))}

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
        if shape.outputs > 1:
            lines += ["z = cuda.local.array(OUTPUTS, REAL)"]
        if shape.kind in RESIDUALS:
            lines += ["part = cuda.local.array(COUNT, REAL)"] if shape.looped else []
        if self.preloaded:
            lines += [f"number_{k} = load(data, {k})" for k in self.places.values()]
        return lines

    def slopes(self, at: str, only: Any = None, batch: bool = False) -> list[str]:
        """`g` at the points of that name, or only that of one parameter."""
        if self.shape.kind in RESIDUALS:
            return self._of_rows(at, only, batch)
        if self.gradient is not None:
            return self._each_or(only, partial(self._component, self.gradient, at))
        copy = self.each(lambda i: [f"xs[{i}] = {self.name(at, i)}", f"gs[{i}] = UNWRITTEN"])
        back = self.each(lambda i: [f"{self.name('g', i)} = REAL(gs[{i}])"])
        return [*copy, "function(xs, gs)", *back]

    def _each_or(self, only: Any, lines: Callable[[Any], list[str]]) -> list[str]:
        return self.each(lines) if only is None else lines(only)

    def _component(self, gradient: Gradient, at: str, i: Any) -> list[str]:
        """A component of a gradient of `fastgd.rules.gradients`: one expression, or a loop."""
        g = self.name("g", i)

        def point(index: str) -> str:
            return self.name(at, index)

        def number(array: str, indices: tuple[str, ...]) -> str:
            k = self.places[array, indices]
            return f"number_{k}" if self.preloaded else f"load(data, {k})"

        if not self.shape.looped and (gradient.each or self.preloaded):
            return [f"{g} = {gradient.unrolled(number, point, self.many, i, PRODUCT)}"]
        n = "COUNT" if gradient.each else "size"

        def loaded(array: str, indices: tuple[str, ...]) -> str:
            return f"load(data, {gradient.place(array, indices, n)})"

        fold = gradient.fold(loaded, point, n, times=PRODUCT)
        lines = [f"total = {fold.start}", fold.loop, f"    total = {fold.step}"]
        return [*lines, f"{g} = {fold.result}"]

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
        """The residuals of a row, in `z`."""
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

        target = "target = load(data, at + FEATURES)"
        if k == 1:
            return [*sums(0, "z"), target, *residual(self.shape.kind, lambda _: "z")]
        lines = [line for c in range(k) for line in sums(c, f"z[{c}]")]
        return [*lines, target, *residual(self.shape.kind, "z[{}]".format)]


def rows_of_update(batch: bool) -> tuple[list[str], str]:
    """Lines with the number of rows of a gradient and the scale of their sum; the expression of the r-th row."""
    if not batch:
        return ["many = size", "scale = load(data, size * (FEATURES + 1))"], "r"
    lines = [
        "many = min(batch_size, size - now % updates * batch_size)",
        "scale = load(data, size * (FEATURES + 1) + (1 if many == batch_size else 2))",
        "pick = ((now & mask) * n_seeds + own_seed) * batch_size",
    ]
    return lines, "integer(picks, pick + r)"


def residual(kind: str, z: Callable[[str], str], outputs: str = "OUTPUTS") -> list[str]:
    """From the outputs of a row to its residuals; `z` spells output number c, `target` is the row's target."""
    model = RESIDUALS[kind]
    own = "(ONE if target == REAL({}) else ZERO)".format if model.coupled else lambda _: "target"
    return model.lines(ExactInLoops(), z, own, outputs)
