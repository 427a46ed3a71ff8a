"""The kernels of sweeps as text: a thread a run, everything of the run in registers.

`sweep` advances runs by some updates; each thread takes the next run as soon as its own has ended. Between two tests
of a window's end there is nothing but the update, the slopes and one branch. A run's point is kept at the start of its
windows; from there `observe` goes over the last moves of a run that converged once more, and counts how many turned.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from types import ModuleType
from typing import Any

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
from fastgd.engines.cuda.sweep_slopes import Shape, Slopes
from fastgd.engines.layout import BLOCK, MEMORY, PARTIALS, WINDOW
from fastgd.engines.parse import Rule
from fastgd.engines.registry import STOPS
from fastgd.engines.templates import indented, lines_of


class Text(Slopes):
    """Lines of one kernel for each of its tasks; `x`, `g`, `a` (looking ahead) and `s0`, ... name a run's numbers."""

    def __init__(self, rule: Rule, shape: Shape) -> None:
        super().__init__(shape)
        self.rule = rule

    # --- an update ---

    def step(self, now: str) -> list[str]:
        """Update number `now` + 1, without any test."""
        shape = self.shape
        lines = [f"now = {now}"] if shape.layout.moves or shape.batched else []
        lines += coefficients_now(shape)
        if shape.lookahead:
            mu = f"c{shape.n_shared}"
            lines += self.each(lambda i: self._ahead(i, mu))
            lines += self.slopes("a", batch=shape.batched)
        elif shape.batched and (not shape.sequential or shape.mode == "clipped"):
            lines += self.slopes("x", batch=True)
        if shape.mode == "clipped":
            lines += self._norm()
        if not shape.sequential:
            return lines + self.each(self.update)
        return lines + self.each(lambda i: [*self.slopes("x", i, shape.batched), *self.update(i)])

    def _ahead(self, i: Any, mu: str) -> list[str]:
        """The point where the gradient of an update is taken."""
        ahead = f"{self.name('x', i)} - np.mul({mu}, {self.name('s0', i)})"
        return [f"{self.name('a', i)} = {into_box(self.shape, ahead, i)}"]

    def update(self, i: Any) -> list[str]:
        """One parameter and its state, from its slope."""
        shape, x, g = self.shape, self.name("x", i), self.name("g", i)
        n = shape.n_shared
        shared = [f"c{k}" for k in range(n)]
        state = [self.name(f"s{k}", i) for k in range(shape.n_state)]
        own = [f"c{n + k}" for k in range(len(self.rule.coefficients))]
        lines, p, q = [], x, g
        if n:
            p, q = "p", "q"
            if shape.mode == "clipped":
                shared[1] = "factor"
            at = self.name("a", i) if shape.lookahead else x
            lines = [f"p, q = prepare({', '.join((at, g, *shared))})"]
            if shape.lookahead:  # penalties belong to the point where the gradient is
                lines += [f"p = np.mul(c5, {x})"]
        results = [x, *state]
        call = f"rule({', '.join((p, q, *state, *own))})"
        lines.append(f"{', '.join(results)}{',' if len(results) == 1 else ''} = {call}")
        return [*lines, *([f"{x} = {into_box(shape, x, i)}"] if shape.bounded else [])]

    def _norm(self) -> list[str]:
        """Clipping by norm: the factor of the gradient, summed in double as in `fastgd.engines.protocol.steps`."""
        if self.shape.looped:
            parts = ["total = 0.0", f"for start in range(0, COUNT, {BLOCK}):"]
            for k in range(PARTIALS):
                parts += [
                    f"    part{k} = 0.0",
                    f"    for i in range(start + {k}, min(start + {BLOCK}, COUNT), {PARTIALS}):",
                    "        root = DOUBLE(g[i])",
                    f"        part{k} = part{k} + wide.mul(root, root)",
                ]
            parts += [f"    total = total + ({' + '.join(f'part{k}' for k in range(PARTIALS))})"]
            return [*parts, *scaled("total")]
        lines, sums = [], []
        for i in range(self.shape.count):
            lines += [f"root = DOUBLE({self.name('g', i)})", f"square{i} = wide.mul(root, root)"]
        for k in range(min(PARTIALS, self.shape.count)):
            sums.append(" + ".join(f"square{i}" for i in range(k, self.shape.count, PARTIALS)))
        total = " + ".join(f"({part})" for part in sums)
        return [*lines, *scaled(total)]

    # --- tests ---

    def inside(self) -> list[str]:
        def test(i: Any) -> list[str]:
            return [f"inside = inside & ({STOPS['inside'].text(self.name('x', i), 'bound')})"]

        return ["inside = True", *self.each(test)]

    def met(self) -> list[str]:
        """Whether no slope reaches the tolerance; a NaN does."""

        def test(i: Any) -> list[str]:
            return [
                f"met = met & ({converged(self.shape, i, self.name('x', i), self.name('g', i))})"
            ]

        return ["met = True", *self.each(test)]

    def look(self, now: str) -> list[str]:
        """The slopes of a new point and the test of them, as far as they are wanted."""
        shape = self.shape
        if shape.tested and shape.batched:
            test = [*self.slopes("x"), *self.met()]
            return [f"if ({now}) % updates == 0:", *indented(test)]
        lines = self.slopes("x") if shape.carried or shape.tested else []
        if shape.kind == "function" and lines:  # which is not asked about points beyond all bounds
            lines = ["if inside:", *indented(lines)]
        return [*lines, *(self.met() if shape.tested else [])]

    # --- a run's numbers in memory ---

    def rows(self) -> list[tuple[str, str]]:
        """Every number of a run: its name, and its row; of arrays, as one for all parameters."""
        arrays = ["x", *(f"s{k}" for k in range(self.shape.n_state))]
        if self.shape.looped:
            return [(f"{array}[i]", f"({k} * COUNT + i)") for k, array in enumerate(arrays)]
        n = self.shape.count
        return [
            (f"{array}_{i}", str(k * n + i)) for k, array in enumerate(arrays) for i in range(n)
        ]

    def loaded(self, place: str, offset: str = "") -> list[str]:
        return self._moved(
            [f"{name} = load({place}, {offset}{row} * runs + run)" for name, row in self.rows()]
        )

    def stored(self, place: str, offset: str = "") -> list[str]:
        return self._moved(
            [f"store({place}, {offset}{row} * runs + run, {name})" for name, row in self.rows()]
        )

    def _moved(self, lines: list[str]) -> list[str]:
        return ["for i in range(COUNT):", *indented(lines)] if self.shape.looped else lines


# --- the kernels ------------------------------------------------------------------------------------

_SWEEP = """
$setup
stop, idle = first + steps, True
while True:
    if idle:
        place = cuda.atomic.add(queue, 0, 1)
        if place >= n_active:
            return
        run = integer(active, place)
        $load
        $constants
        n, inside, met, idle = first, True, False, False
        $test
    if n < stop and not met:
        until = min(stop, max_iter - ((max_iter - n - 1) & -$window))
        if n == 0 or (max_iter - n) % $window == 0:
            $keep
        $steps
    if met or n == stop or not inside:
        idle = True
        $store
        store_word(iterations, run, n)
        $status
        store_small(status, run, code)
        cuda.atomic.add(queue, 1, 1)
        if code != RUNNING:
            cuda.atomic.add(queue, 2, 1)
"""
# The inner loop: updates up to `until`, or to the first that ends the run.
_STEPS = """
going = True
while going:
    $step
    n = n + 1
    $inside
    $test
    going = inside & (not met) & (n < until)
"""
# A float counts down in one instruction, and the test of it joins those of the slopes.
_STEPS_COUNTED_DOWN = """
going, left = True, SINGLE(until - n)
while going:
    $step
    left = left - SINGLE(1)
    $inside
    $test
    going = inside & (not met) & (left > SINGLE(0))
n = until - int(left)
"""
_OBSERVE = """
$setup
place = cuda.grid(1)
while place < n_active:
    run = integer(active, place)
    $constants
    n_end = word(iterations, run)
    windows = (max_iter + $window - 1) // $window
    window = min(windows, (max_iter - n_end + $window - 1) // $window + 1)
    n = max(0, max_iter - window * $window)
    $load
    $begin
    while n < n_end:
        $before
        $slopes
        $step
        $moves
        n += 1
    swings = False
    $swings
    store_small(turned, run, 1 if swings else 0)
    place += cuda.gridsize(1)
"""
_MOVE = """
move = $x - $old
before = $moved
back = $turned
$moved = move
if back and n >= n_end - $memory:
    $turns += ONE
"""


def _sweep(text: Text) -> list[str]:
    shape = text.shape
    tabled = shape.layout.moves or shape.batched
    return lines_of(
        _SWEEP,
        setup=text.setup(),
        window=str(WINDOW),
        load=text.loaded("rows"),
        constants=constants_of_run(shape),
        test=text.look("n"),
        keep=text.stored("kept", f"({slot('n')}) * {shape.n_rows} * runs + "),
        steps=lines_of(
            _STEPS if tabled else _STEPS_COUNTED_DOWN,
            step=text.step("n"),
            inside=text.inside(),
            test=text.look("n"),
        ),
        store=text.stored("rows"),
        status=status_lines(),
    )


def _observe(text: Text) -> list[str]:
    def moves(i: Any) -> list[str]:
        return lines_of(
            _MOVE,
            x=text.name("x", i),
            old=text.name("o", i),
            moved=text.name("v", i),
            turns=text.name("turns", i),
            turned=STOPS["turned"].text("move", "before", "ZERO"),
            memory=str(MEMORY),
        )

    def swings(i: Any) -> list[str]:
        turns = f"int32({text.name('turns', i)})"
        return [f"swings = swings or {STOPS['oscillating'].text(turns, 'n_end', str(MEMORY))}"]

    shape = text.shape
    return lines_of(
        _OBSERVE,
        setup=text.setup(),
        constants=constants_of_run(shape),
        window=str(WINDOW),
        load=text.loaded("kept", f"(window & 1) * {shape.n_rows} * runs + "),
        begin=text.each(
            lambda i: [f"{text.name('v', i)} = ZERO", f"{text.name('turns', i)} = ZERO"]
        ),
        before=text.each(lambda i: [f"{text.name('o', i)} = {text.name('x', i)}"]),
        slopes=text.slopes("x") if shape.carried else [],
        step=text.step("n"),
        moves=text.each(moves),
        swings=text.each(swings),
    )


def kernel(name: str, lines: list[str]) -> str:
    """A kernel of those lines."""
    head = f"@cuda.jit(cache=CACHE)\ndef {name}(queue, {', '.join(ARGUMENTS)}, tol, bound):"
    return "\n".join([head, *indented(lines), "", ""])


class _InDouble(ast.NodeTransformer):
    """Products of a function of this library, which computes in double, by one that is not fused."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Mult):
            name = ast.Attribute(ast.Name("wide"), "mul")
            return ast.Call(name, [node.left, node.right], [])
        return node


def of_problem(functions: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    """The function of a problem as ``function(x, grad)``: text of this library's, a user's as it is."""
    if not functions:
        return "", {}
    if len(functions) > 1:
        raise TypeError(
            "backend='cuda' calls functions that write their gradient: give fun(x, grad), compiled with numba.njit, "
            "instead of fun and jac; or use backend='numba'"
        )
    (function,) = functions
    if not isinstance(function, str):
        return "", {"function": function}
    (definition,) = (n for n in ast.parse(function).body if isinstance(n, ast.FunctionDef))
    definition.decorator_list = []
    tree = ast.fix_missing_locations(_InDouble().visit(definition))
    return f"{source.DEVICE}{ast.unparse(tree)}\n\n", {}


@lru_cache(maxsize=256)
def kernels(rule: Rule, shape: Shape, char: str, functions: tuple[Any, ...] = ()) -> ModuleType:
    """The module with `sweep` and `observe`."""
    head, given = surroundings(rule, shape, char)
    function, more = of_problem(functions)
    text = Text(rule, shape)
    parts = [head, function, kernel("sweep", _sweep(text))]
    if shape.tested:
        parts.append(kernel("observe", _observe(text)))
    return source.kernel_module(char, "".join(parts), {**given, **more} or None)
