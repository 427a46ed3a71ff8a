"""The kernels of sweeps as text: a thread a run, everything of the run in registers.

`sweep` advances runs by some updates; each thread takes the next run as soon as its own has ended. Between two tests
of a window's end there is nothing but the update, the slopes and one branch. A run's point is kept at the start of its
windows; from there `observe` goes over the last moves of a run that converged once more, and counts how many turned.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

from fastgd.engines.codegen import Rule
from fastgd.engines.cuda import source
from fastgd.engines.cuda.sweep_coefficients import Layout
from fastgd.engines.registry import PREPARE
from fastgd.engines.stepping import BLOCK, PARTIALS

WINDOW = 64  # as in _sweep.pyx
MEMORY = 32  # moves whose signs tell oscillating from monotone
UNROLLED = 48  # parameters and state variables that are scalars, not arrays of a thread
PRELOADED = 5  # parameters of a quadratic whose numbers stay in registers
ROW_BLOCK = 256  # as in fastgd.linear_models
LINEAR = ("rows", "logistic", "softmax")
RUNNING = -1  # of the status: not ended yet

# Of the queue: the next run's place in the list; runs that have been given back; those of them that have ended.
# What a kernel is told besides: numbers, and addresses of arrays. Of `kept` there are two, for odd and even windows.
ARGUMENTS = (
    "active", "n_active", "first", "steps", "max_iter", "runs", "rows", "kept", "status", "iterations", "turned",
    "data", "size", "fixed", "rate", "clip", "group", "n_groups", "mask", "terms", "tabled",
    "schedule", "n_schedules", "rates", "seed", "n_seeds", "picks", "batch_size", "updates", "room",
)  # fmt: skip


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


class Text:
    """Lines of one kernel for each of its tasks; `x`, `g`, `a` (looking ahead) and `s0`, ... name a run's numbers."""

    def __init__(self, rule: Rule, shape: Shape) -> None:
        self.rule, self.shape = rule, shape

    def name(self, array: str, i: Any) -> str:
        return f"{array}[{i}]" if self.shape.looped else f"{array}_{i}"

    def each(self, lines: Callable[[Any], list[str]]) -> list[str]:
        """Something for every parameter."""
        if self.shape.looped:
            return ["for i in range(COUNT):", *indented(lines("i"))]
        return [line for i in range(self.shape.count) for line in lines(i)]

    # --- slopes ---

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
        """Sums over blocks of rows, as `fastgd.linear_models` takes them."""
        part, g = (lambda i: self.name("part", i)), (lambda i: self.name("g", i))
        k = self.shape.outputs

        def product(i: Any) -> list[str]:
            feature, output = (f"{i} // OUTPUTS", f"{i} % OUTPUTS") if i == "i" else divmod(i, k)
            left = f"z[{output}]" if k > 1 else "z"
            return [f"{part(i)} = {part(i)} + np.mul({left}, load(data, at + {feature}))"]

        rows = ["many = size", "scale = load(data, size * (FEATURES + 1))"]
        if batch:
            rows = [
                "many = min(batch_size, size - now % updates * batch_size)",
                "scale = load(data, size * (FEATURES + 1) + (1 if many == batch_size else 2))",
                "pick = ((now & mask) * n_seeds + own_seed) * batch_size",
            ]
        row = "integer(picks, pick + r)" if batch else "r"
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

    # --- an update ---

    def step(self, now: str) -> list[str]:
        """Update number `now` + 1, without any test."""
        shape = self.shape
        lines = [f"now = {now}"] if shape.layout.moves or shape.batched else []
        lines += coefficients_now(shape)
        if shape.lookahead:
            mu = f"c{shape.n_shared}"
            lines += self.each(
                lambda i: [
                    f"{self.name('a', i)} = {self.name('x', i)} - np.mul({mu}, {self.name('s0', i)})"
                ]
            )
            lines += self.slopes("a", batch=shape.batched)
        elif shape.batched and (not shape.sequential or shape.mode == "clipped"):
            lines += self.slopes("x", batch=True)
        if shape.mode == "clipped":
            lines += self._norm()
        if not shape.sequential:
            return lines + self.each(self.update)
        return lines + self.each(lambda i: [*self.slopes("x", i, shape.batched), *self.update(i)])

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
        return [*lines, f"{', '.join(results)}{',' if len(results) == 1 else ''} = {call}"]

    def _norm(self) -> list[str]:
        """Clipping by norm: the factor of the gradient, summed in double as in `fastgd.engines.stepping`."""
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
        lines = self.each(lambda i: [f"inside = inside & (np.abs({self.name('x', i)}) <= bound)"])
        return ["inside = True", *lines]

    def met(self) -> list[str]:
        """Whether no slope reaches the tolerance; a NaN does."""
        return [
            "met = True",
            *self.each(lambda i: [f"met = met & (np.abs({self.name('g', i)}) < tol)"]),
        ]

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


def scaled(squares: str) -> list[str]:
    """The factor by which a gradient is clipped, from the sum of its squares."""
    return [
        f"factor = most / (math.sqrt({squares}) + norm_eps)",
        "factor = REAL(1.0 if factor > 1.0 or most == math.inf else factor)",
    ]


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


def _sweep(text: Text) -> list[str]:
    shape = text.shape
    fetch = [
        "place = cuda.atomic.add(queue, 0, 1)",
        "if place >= n_active:",
        "    return",
        "run = integer(active, place)",
        *text.loaded("rows"),
        *constants_of_run(shape),
        "n, inside, met, idle = first, True, False, False",
        *text.look("n"),
    ]
    window = [
        f"until = min(stop, max_iter - ((max_iter - n - 1) & -{WINDOW}))",
        f"if n == 0 or (max_iter - n) % {WINDOW} == 0:",
        *indented(text.stored("kept", f"({slot('n')}) * {shape.n_rows} * runs + ")),
        *_steps(text),
    ]
    end = [
        "idle = True",
        *text.stored("rows"),
        "store_word(iterations, run, n)",
        f"code = 1 if n == max_iter else {RUNNING}",
        "code = 0 if met else code",
        "code = code if inside else 2",
        "store_small(status, run, code)",
        "cuda.atomic.add(queue, 1, 1)",
        f"if code != {RUNNING}:",
        "    cuda.atomic.add(queue, 2, 1)",
    ]
    return [
        *text.setup(),
        "stop, idle = first + steps, True",
        "while True:",
        "    if idle:",
        *indented(fetch, 2),
        "    if n < stop and not met:",
        *indented(window, 2),
        "    if met or n == stop or not inside:",
        *indented(end, 2),
    ]


def _steps(text: Text) -> list[str]:
    """The inner loop: updates up to `until`, or to the first that ends the run."""
    if text.shape.layout.moves or text.shape.batched:
        count, more, after = ["n = n + 1"], "(n < until)", []
        before = ["going = True"]
    else:  # a float counts down in one instruction, and the test of it joins those of the slopes
        before, count, more = (
            ["going, left = True, SINGLE(until - n)"],
            ["left = left - SINGLE(1)"],
            "(left > SINGLE(0))",
        )
        after = ["n = until - int(left)"]
    return [
        *before,
        "while going:",
        *indented(text.step("n")),
        *indented(count),
        *indented(text.inside()),
        *indented(text.look("n")),
        f"    going = inside & (not met) & {more}",
        *after,
    ]


def slot(n: str) -> str:
    """Which of the two kept points belongs to the window of update n: windows are counted back from `max_iter`."""
    return f"((max_iter - {n} + {WINDOW - 1}) // {WINDOW}) & 1"


def _observe(text: Text) -> list[str]:
    shape = text.shape
    move = [
        f"move = {text.name('x', '{}')} - {text.name('o', '{}')}",
        f"before = {text.name('v', '{}')}",
        "back = (move > ZERO and before < ZERO) or (move < ZERO and before > ZERO)",
        f"{text.name('v', '{}')} = move",
        f"if back and n >= n_end - {MEMORY}:",
        f"    {text.name('turns', '{}')} += ONE",
    ]
    step = [
        *text.each(lambda i: [f"{text.name('o', i)} = {text.name('x', i)}"]),
        *(text.slopes("x") if shape.carried else []),
        *text.step("n"),
        *text.each(lambda i: [line.format(*[i] * line.count("{}")) for line in move]),
        "n += 1",
    ]
    own = [
        "run = integer(active, place)",
        *constants_of_run(shape),
        "n_end = word(iterations, run)",
        f"windows = (max_iter + {WINDOW - 1}) // {WINDOW}",
        f"window = min(windows, (max_iter - n_end + {WINDOW - 1}) // {WINDOW} + 1)",
        f"n = max(0, max_iter - window * {WINDOW})",
        *text.loaded("kept", f"(window & 1) * {shape.n_rows} * runs + "),
        *text.each(lambda i: [f"{text.name('v', i)} = ZERO", f"{text.name('turns', i)} = ZERO"]),
        "while n < n_end:",
        *indented(step),
        f"most_moves, many_turns = min({MEMORY}, n_end), 0",
        *text.each(lambda i: [f"many_turns = max(many_turns, 2 * int32({text.name('turns', i)}))"]),
        "store_small(turned, run, 1 if many_turns > most_moves else 0)",
    ]
    return [
        *text.setup(),
        "place = cuda.grid(1)",
        "while place < n_active:",
        *indented(own),
        "    place += cuda.gridsize(1)",
    ]


HEAD = """
from numpy import int32, int64

wide = vocabulary("d")
SINGLE, DOUBLE = REALS["f"], REALS["d"]
ZERO, ONE = REAL(0), REAL(1)
integer = memory("i").load
store_small = memory("b").store
"""


def kernel(name: str, lines: list[str]) -> str:
    """A kernel of those lines."""
    head = f"@cuda.jit(cache=CACHE)\ndef {name}(queue, {', '.join(ARGUMENTS)}, tol, bound):"
    return "\n".join([head, *indented(lines), "", ""])


def constants(shape: Shape) -> str:
    """Names of numbers that the text uses."""
    return f"{HEAD}COUNT, OUTPUTS, FEATURES = {shape.count}, {shape.outputs}, {shape.count // shape.outputs}\n"


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


def surroundings(rule: Rule, shape: Shape, char: str) -> tuple[str, dict[str, Any]]:
    """What stands before kernels: constants, the rule, what comes before it; and what no text has."""
    own = source.rule_text(rule)
    before = source.rule_text(PREPARE, "prepare") if shape.n_shared else ""
    given = {} if own else {"rule": source.rule_itself(rule, char)}
    return "".join([constants(shape), before or "", own or ""]), given


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
