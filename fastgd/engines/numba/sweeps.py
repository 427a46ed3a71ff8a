"""Sweep kernels made at run time: any rule on any problem, with everything that a step may have in front of it.

The functions have the ABI of the ahead-of-time kernels (`fastgd.engines.native.source`) and run in the same blocks
(`fastgd.engines.native.sweeps`). Loops over a block's runs are the inner ones, so that runs become SIMD lanes. All rows of a
block lie in one buffer at offsets known when a kernel is compiled: only then does LLVM see that they do not overlap.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from types import ModuleType
from typing import Any, Literal

from fastgd.engines.layout import BLOCK, PARTIALS, WIDTH
from fastgd.engines.numba.modules import (
    HEADER,
    TYPES,
    coefficients_text,
    generated_module,
    in_numba,
    rule_text,
)
from fastgd.engines.parse import CoefficientFunction, Rule
from fastgd.engines.registry import PREPARE

Mode = Literal["plain", "prepared", "clipped"]
FUSED = 4  # up to so many parameters are unrolled into one loop over the runs


@dataclass(frozen=True)
class Sizes:
    """What a kernel is compiled for."""

    kind: str
    sequential: bool
    lookahead: bool
    mode: Mode
    count: int
    n_state: int
    width: int = WIDTH  # runs in a row
    outputs: int = 1  # of a linear model

    @property
    def n_shared(self) -> int:
        """Coefficients in front of the rule's: those of `prepare`, and of clipping by norm two in three parts each."""
        return {"plain": 0, "prepared": 6, "clipped": 12}[self.mode]

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


# --- slopes: gradients of runs lo..hi, parameters first..last; x at offset xo of the buffer b, results at offset go

_SLOPES = {
    "quadratic": """
@njit(error_model="numpy")
def slopes(b, xo, go, lo, hi, first, last, size, data):
    for i in range(first, last):
        h = data[i * size]
        for l in range(lo, hi):
            b[go + i * W + l] = h * b[xo + l]
        for j in range(1, size):
            h = data[i * size + j]
            for l in range(lo, hi):
                b[go + i * W + l] = b[go + i * W + l] + h * b[xo + j * W + l]
        h = data[size * size + i]
        for l in range(lo, hi):
            b[go + i * W + l] = b[go + i * W + l] - h
""",
    "polynomial": """
@njit(error_model="numpy")
def slopes(b, xo, go, lo, hi, first, last, size, data):
    h = data[size - 1]
    for l in range(lo, hi):
        b[go + l] = h
    for j in range(size - 2, -1, -1):
        h = data[j]
        for l in range(lo, hi):
            b[go + l] = b[go + l] * b[xo + l] + h
""",
    # A user's function takes one run's parameters side by side; it may do with them what it likes.
    "function": """
@njit(error_model="numpy")
def slopes(b, xo, go, lo, hi, first, last, size, data):
    so = go + 2 * COUNT * W
    room = carray(b, (so + 2 * COUNT,))
    x = room[so : so + COUNT]
    g = room[so + COUNT : so + 2 * COUNT]
    for l in range(lo, hi):
        for i in range(COUNT):
            x[i] = b[xo + i * W + l]
            g[i] = ZERO
        gradient(x, g)
        for i in range(COUNT):
            b[go + i * W + l] = g[i]
""",
}
# Linear models' are compiled ahead of time (fastgd.engines.native.source); the symbol is given to LLVM by `_linked`.
_LINEAR = ("rows", "logistic", "softmax")
_LINEAR_SLOPES = """
model = types.ExternalFunction("SYMBOL", types.void(POINTER, *[types.intp] * 10, POINTER))

@njit(error_model="numpy")
def slopes(b, xo, go, lo, hi, first, last, size, data):
    model(b, xo, go, W, lo, hi, first, last, size, COUNT // OUTPUTS, OUTPUTS, data)
"""
_GRADIENT = """
@njit(error_model="numpy")
def gradient(x, g):
    try:
        CALL
    except Exception:  # what cannot be evaluated has no slope
        g[:] = math.nan
"""
_CALLS = {1: "function(x, g)", 2: "g[:] = derivative(x)"}  # by how many functions there are


def _indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    return ["    " * levels + line for line in lines]


def _constants(char: str, sizes: Sizes) -> str:
    """Offsets into a block's buffer: rows of x and state, working space, slopes, table of coefficients."""
    low = sizes.rows + sizes.work
    return f"""
W = {sizes.width}
COUNT = {sizes.count}
OUTPUTS = {sizes.outputs}
BLOCK = {BLOCK}
GO = {sizes.rows} * W
LOW = {low} * W
HIGH = {low + 1} * W
TABLE = {low + 2} * W
REAL = types.{TYPES[char]}
ZERO = REAL(0)
ONE = REAL(1)

@njit(error_model="numpy")
def larger(a, b):  # b where a is NaN
    return a if a > b else b

@njit(error_model="numpy")
def smaller(a, b):
    return a if a < b else b

@njit(error_model="numpy")
def maximum(a, b):  # NaN where either is
    larger = a if a > b else b
    return a if a != a else larger
"""


def _norm() -> str:
    """One run's gradient norm, summed in the order of `fastgd.engines.protocol.steps`."""
    lines = [
        "total = 0.0",
        "for start in range(0, COUNT, BLOCK):",
        "    stop = min(COUNT, start + BLOCK)",
    ]
    for k in range(PARTIALS):
        lines += [
            f"    part{k} = 0.0",
            f"    for i in range(start + {k}, stop, {PARTIALS}):",
            "        g = types.float64(b[go + i * W + l])",
            f"        part{k} += g * g",
        ]
    lines += [
        f"    total += {' + '.join(f'part{k}' for k in range(PARTIALS))}",
        "return math.sqrt(total)",
    ]
    return "\n".join(['@njit(error_model="numpy")', "def norm(b, go, l):", *_indented(lines), ""])


class _Text:
    """The lines that depend on the rule and on what surrounds it."""

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
        shared = places[: min(n, 6)]
        lines = []
        if self.sizes.mode == "clipped":
            shared[1] = f"b[GO + {self.sizes.scale_row} * W + l]"
        if shared and self.sizes.lookahead:  # penalties belong to the point where the gradient is
            point = f"b[GO + ({self.sizes.count} + {parameter}) * W + l]"
            lines += [f"_, g = prepare({point}, g, {', '.join(shared)})", f"p = {shared[5]} * p"]
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
        parts = [f"types.float64({self.coefficient(k, table)})" for k in range(6, 12)]
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


def _fused_window(text: _Text, kind: str) -> list[str]:
    """Few parameters: one loop over the runs, everything of a run in registers."""
    count = text.sizes.count
    if kind == "quadratic":
        setup = [f"h{i}_{j} = data[{i * count + j}]" for i in range(count) for j in range(count)]
        setup += [f"h{i} = data[{count * count + i}]" for i in range(count)]
        slopes = [
            f"g{i} = {' + '.join(f'h{i}_{j} * x{j}' for j in range(count))} - h{i}"
            for i in range(count)
        ]
    else:
        setup = []
        slopes = [
            "g0 = data[size - 1]",
            "for j in range(size - 2, -1, -1):",
            "    g0 = g0 * x0 + data[j]",
        ]
    lines = [*(f"x{i} = b[{i} * W + l]" for i in range(count)), *slopes, "slope = abs(g0)"]
    lines += [f"slope = larger(abs(g{i}), slope)" for i in range(1, count)]
    lines += ["b[LOW + l] = smaller(slope, b[LOW + l])", "b[HIGH + l] = larger(slope, b[HIGH + l])"]
    for i in range(count):
        lines += [f"p = x{i}", f"g = g{i}", *text.update(str(i), "b[o"), f"b[{i} * W + l] = p"]
        lines += text.store(str(i))
    return [
        *setup,
        "for t in range(steps):",
        "    o = TABLE + t * stride",
        "    for l in range(lanes):",
        *_indented(lines, 2),
    ]


def _window(text: _Text) -> list[str]:
    """Any number of parameters, one after the other, each for all runs."""
    sizes = text.sizes
    lines = [
        "slopes(b, 0, GO, 0, lanes, 0, COUNT, size, data)",
        "for l in range(lanes):",
        "    slope = abs(b[GO + l])",
        "    for i in range(1, COUNT):",
        "        slope = larger(abs(b[GO + i * W + l]), slope)",
        "    b[LOW + l] = smaller(slope, b[LOW + l])",
        "    b[HIGH + l] = larger(slope, b[HIGH + l])",
    ]
    if sizes.lookahead:
        lines += [
            "for i in range(COUNT):",
            "    for l in range(lanes):",
            *_indented(text.look_ahead("b[o"), 2),
        ]
        lines += ["slopes(b, GO + COUNT * W, GO, 0, lanes, 0, COUNT, size, data)"]
    if sizes.mode == "clipped":
        lines += ["for l in range(lanes):", *_indented(text.scale("b[o"))]
    lines += ["for i in range(COUNT):"]
    if sizes.sequential:
        lines += ["    slopes(b, 0, GO, 0, lanes, i, i + 1, size, data)"]
    own = [
        "p = b[i * W + l]",
        "g = b[GO + i * W + l]",
        *text.update("i", "b[o"),
        "b[i * W + l] = p",
        *text.store("i"),
    ]
    lines += ["    for l in range(lanes):", *_indented(own, 2)]
    return ["for t in range(steps):", "    o = TABLE + t * stride", *_indented(lines)]


def _observe(text: _Text) -> list[str]:
    """Run by run: status -1 running, 0 converged, 2 diverged; `last` tests the final iterate too."""
    sizes = text.sizes
    point = "GO + COUNT * W" if sizes.lookahead else "0"
    test = [
        "slopes(b, 0, GO, l, l + 1, 0, COUNT, size, data)",
        "slope = ZERO",
        "for i in range(COUNT):",
        "    slope = maximum(slope, abs(b[GO + i * W + l]))",
    ]
    own = [
        "old = b[i * W + l]",
        "p = old",
        "g = b[GO + i * W + l]",
        *text.update("i", "c[o"),
        "b[i * W + l] = p",
        *text.store("i"),
        "step = p - old",
        "before = moved[i * W + l]",
        "turned = (step > ZERO and before < ZERO) or (step < ZERO and before > ZERO)",
        "turns[i * W + l] = (turns[i * W + l] << 1) | (1 if turned else 0)",
        "moved[i * W + l] = step",
        "inside = inside and abs(p) <= limit",
    ]
    step = [
        *test,
        "if slope < tol:",
        "    status[l] = ZERO",
        "    break",
        "seen[l] = seen[l] + ONE",
        "o = t * stride",
    ]
    if sizes.lookahead:
        step += ["for i in range(COUNT):", *_indented(text.look_ahead("c[o"))]
        step += [f"slopes(b, {point}, GO, l, l + 1, 0, COUNT, size, data)"]
    step += text.scale("c[o")
    step += ["inside = True", "for i in range(COUNT):"]
    if sizes.sequential:
        step += ["    slopes(b, 0, GO, l, l + 1, i, i + 1, size, data)"]
    step += [*_indented(own), "if not inside:", "    status[l] = ONE + ONE", "    break"]
    return [
        "for l in range(lanes):",
        "    if status[l] >= ZERO:",
        "        continue",
        "    for t in range(steps):",
        *_indented(step, 2),
        "    if last and status[l] < ZERO:",
        *_indented([*test, "if slope < tol:", "    status[l] = ZERO"], 2),
    ]


def _follow(text: _Text) -> list[str]:
    """A single run with every test: 0 converged, 2 diverged, 5 moved by less than `step_tol`."""
    sizes = text.sizes
    test = [
        "slopes(b, 0, GO, 0, 1, 0, COUNT, size, data)",
        "slope = abs(b[GO])",
        "for i in range(1, COUNT):",
        "    slope = maximum(slope, abs(b[GO + i]))",
        "if slope < tol:",
        "    status = 0",
    ]
    own = [
        "old = b[i]",
        "p = old",
        "g = b[GO + i]",
        *text.update("i", "c[o"),
        "b[i] = p",
        *text.store("i"),
        "inside = inside and abs(p) <= limit",
        "moved = maximum(moved, abs(p - old))",
    ]
    step = [*test, "    break", "o = t * stride"]
    if sizes.lookahead:
        step += ["for i in range(COUNT):", *_indented(text.look_ahead("c[o"))]
        step += ["slopes(b, GO + COUNT, GO, 0, 1, 0, COUNT, size, data)"]
    step += text.scale("c[o")
    step += ["inside = True", "moved = ZERO", "for i in range(COUNT):"]
    if sizes.sequential:
        step += ["    slopes(b, 0, GO, 0, 1, i, i + 1, size, data)"]
    step += [*_indented(own), "done += 1"]
    step += ["if not inside:", "    status = 2", "    break"]
    step += ["if moved < step_tol:", "    status = 5", "    break"]
    return [
        "l = 0",
        "status = -1",
        "done = 0",
        "for t in range(steps):",
        *_indented(step),
        "if last and status < 0:",
        *_indented(test),
        "ended[0] = status",
        "ended[1] = done",
    ]


_POINTER = "types.CPointer(types.{})"


def _signature(*kinds: str) -> str:
    return f"types.void({', '.join(kinds)})"


def _function(name: str, signature: str, arguments: str, lines: list[str]) -> str:
    head = f'@cfunc({signature}, cache=CACHE, error_model="numpy", fastmath=False)'
    return "\n".join([head, f"def {name}({arguments}):", *_indented(lines), ""])


def _module(rule: Rule, sizes: Sizes, char: str, functions: tuple[Any, ...]) -> ModuleType:
    """The kernels for blocks of runs, or for one run where a row is one run wide."""
    text = _Text(rule, sizes)
    own = rule_text(rule)
    parts = [HEADER, _constants(char, sizes)]
    given = {} if own else {"rule": in_numba(rule.function)}
    if functions:
        _compile_first(functions, char)
        texts, more = _of_user(functions)
        parts += [*texts, _GRADIENT.replace("CALL", _CALLS[len(functions)])]
        given |= more
    parts += [
        _linked(sizes.kind, char) if sizes.kind in _LINEAR else _SLOPES[sizes.kind],
        _norm() if sizes.mode == "clipped" else "",
    ]
    if sizes.n_shared:
        parts.append(rule_text(PREPARE, "prepare") or "")
    parts.append(own or "")
    parts += [_single(text, char)] if sizes.width == 1 else _blocked(text, char)
    return generated_module("".join(parts), given or None)


def _linked(kind: str, char: str) -> str:
    """Text that calls the kernel module's slopes by a name, which LLVM is told here what it stands for."""
    from llvmlite import binding  # noqa: PLC0415

    from fastgd.engines.native import kernels  # noqa: PLC0415

    name = f"slopes_{kind}_{char}"
    binding.add_symbol(f"fastgd_{name}", kernels.address(name))
    text = _LINEAR_SLOPES.replace("SYMBOL", f"fastgd_{name}")
    return text.replace("POINTER", _POINTER.format(TYPES[char]))


def _of_user(functions: tuple[Any, ...]) -> tuple[list[str], dict[str, Any]]:
    """Functions of this library as text, a user's as objects that the text can call."""
    named = dict(zip(("function", "derivative"), functions, strict=False))
    texts = [part for part in functions if isinstance(part, str)]
    return texts, {name: part for name, part in named.items() if not isinstance(part, str)}


def _compile_first(functions: tuple[Any, ...], char: str) -> None:
    """By its own rules, not by those of what calls it: for a division by zero, these would hold for ever after."""
    from numba import types  # noqa: PLC0415

    array = types.Array(getattr(types, TYPES[char]), 1, "C")
    for function in functions:
        if not isinstance(function, str):
            with suppress(RuntimeError):  # it has signatures already, and takes no more
                function.compile((array,) * (3 - len(functions)))


_EVALUATE = """
@njit(error_model="numpy")
def evaluate(points, x, g, values, slopes):
    for k in range(points.shape[0]):
        for i in range(len(x)):
            x[i] = points[k, i]
            g[i] = 0
        values[k] = math.nan
        try:
            VALUE
        except Exception:
            g[:] = math.nan
        for i in range(len(x)):
            slopes[k, i] = g[i]
"""
_VALUES = {1: "values[k] = function(x, g)", 2: "values[k] = function(x); g[:] = derivative(x)"}


@lru_cache(maxsize=128)
def evaluator(functions: tuple[Any, ...], char: str) -> Any:
    """``evaluate(points, x, g, values, slopes)`` at many points (k, n); `x` and `g` are working space (n,)."""
    _compile_first(functions, char)
    texts, given = _of_user(functions)
    text = _EVALUATE.replace("VALUE", _VALUES[len(functions)])
    return generated_module("".join([HEADER, *texts, text]), given or None).evaluate


def _blocked(text: _Text, char: str) -> list[str]:
    sizes, pointer, integer = text.sizes, _POINTER.format(TYPES[char]), "types.intp"
    bits = _POINTER.format("int32" if char == "f" else "int64")
    fused = (
        sizes.count <= FUSED
        and sizes.kind not in {*_LINEAR, "function"}
        and not (sizes.sequential or sizes.lookahead or sizes.mode == "clipped")
    )
    # Whole vectors; what lies behind the last run is never read. A user's function sees no run that is none.
    padding = ["lanes = (lanes + 15) // 16 * 16"] if sizes.kind != "function" else []
    window = _function(
        "window",
        _signature(pointer, *[integer] * 4, pointer, integer, *[pointer] * 4),
        "b, width, lanes, size, steps, table, stride, data, low, high, work",
        [*padding, *(_fused_window(text, sizes.kind) if fused else _window(text))],
    )
    real = f"types.{TYPES[char]}"
    observe = _function(
        "observe",
        _signature(
            pointer, *[integer] * 4, "types.int32", pointer, integer, pointer, real, real,
            *[pointer] * 3, bits, pointer,
        ),
        "b, width, lanes, size, steps, last, c, stride, data, tol, limit, status, seen, moved, turns, work",
        _observe(text),
    )  # fmt: skip
    return [window, observe]


def _single(text: _Text, char: str) -> str:
    pointer, integer, real = _POINTER.format(TYPES[char]), "types.intp", f"types.{TYPES[char]}"
    return _function(
        "follow",
        _signature(
            pointer, integer, integer, "types.int32", pointer, integer, pointer, real, real, real,
            _POINTER.format("int64"),
        ),
        "b, size, steps, last, c, stride, data, tol, limit, step_tol, ended",
        _follow(text),
    )  # fmt: skip


@cache
def vector_bytes() -> int:
    """How wide LLVM makes vectors here: it keeps to 256 bits on Intel's AVX-512 processors, not on AMD's."""
    from llvmlite import binding  # noqa: PLC0415

    features = binding.get_host_cpu_features()
    if features.get("avx512f") and binding.get_host_cpu_name().startswith("znver"):
        return 64
    return 32 if features.get("avx2") else 16


_module_of_file = cache(_module)
_module_of_functions = lru_cache(maxsize=128)(_module)  # a user's may be many, and hold anything


def window_and_observe(
    rule: Rule, sizes: Sizes, char: str, functions: tuple[Any, ...] = ()
) -> tuple[int, int]:
    """Addresses of the kernels that advance and observe a block of runs."""
    module = _found(rule, sizes, char, functions)
    return int(module.window.address), int(module.observe.address)


def follow(rule: Rule, sizes: Sizes, char: str, functions: tuple[Any, ...] = ()) -> int:
    """Address of the kernel that follows a single run; `sizes` has the width 1."""
    return int(_found(rule, sizes, char, functions).follow.address)


def _found(rule: Rule, sizes: Sizes, char: str, functions: tuple[Any, ...]) -> ModuleType:
    if not functions:
        return _module_of_file(rule, sizes, char, functions)
    from numba.core.errors import NumbaError, UnsupportedBytecodeError  # noqa: PLC0415

    try:
        return _module_of_functions(rule, sizes, char, functions)
    except (NumbaError, UnsupportedBytecodeError) as error:
        why = [line for line in str(error).split("\n") if "Failed in nopython" not in line]
        raise TypeError(
            f"fun cannot be compiled for arrays of {TYPES[char]}, says Numba: {' '.join(why)[:300]}"
        ) from error


# --- coefficients of a block, where no ahead-of-time function has them -----------------------------------------------

_LANES = (
    "types.double", _POINTER.format("double"), _POINTER.format("double"), "types.intp", "types.intp", "types.int32",
)  # fmt: skip


@cache
def lane_coefficients(function: CoefficientFunction, char: str) -> int:
    """Address of the function that tabulates one step's coefficients for all runs of a block."""
    arguments = ["t", *(f"h[{k} * width + l]" for k in range(len(function.hyperparameters)))]
    results = [f"c{k}" for k in range(function.count)]
    lines = [f"out[{k} * width + l] = REAL({name})" for k, name in enumerate(results)]
    if function.carries:
        arguments.insert(1, "carried[l]")
        results.insert(0, "carried[l]")
    call = (
        f"{', '.join(results)}{',' if len(results) == 1 else ''} = evaluate({', '.join(arguments)})"
    )
    return _lanes(coefficients_text(function), function, char, [call, *lines])


@cache
def clipped_coefficients(char: str) -> int:
    """`prepare`'s coefficients and, behind them, the norm to clip at and its epsilon, each in three parts."""
    from fastgd.engines.registry import COEFFICIENTS  # noqa: PLC0415

    prepare = COEFFICIENTS["prepare"]
    n = len(prepare.hyperparameters)
    names = ", ".join(f"c{k}" for k in range(prepare.count))
    lines = [f"{names} = evaluate(t, {', '.join(f'h[{k} * width + l]' for k in range(n))})"]
    lines += [f"out[{k} * width + l] = REAL(c{k})" for k in range(prepare.count)]
    lines += [
        f"out[{prepare.count + k} * width + l] = REAL(h[{n + k} * width + l])" for k in range(6)
    ]
    return _lanes(coefficients_text(prepare), prepare, char, lines)


def _lanes(text: str | None, function: CoefficientFunction, char: str, lines: list[str]) -> int:
    own = f"\nREAL = types.{TYPES[char]}\n" + _function(
        "lanes",
        _signature(*_LANES, _POINTER.format(TYPES[char])),
        "t, carried, h, width, lanes, uniform, out",
        ["for l in range(lanes):", *_indented(lines)],
    )
    if text is None:
        module = generated_module(HEADER + own, {"evaluate": in_numba(function.function)})
    else:
        module = generated_module(HEADER + text + own)
    return int(module.lanes.address)
