"""The text of the kernel modules that Cython compiles ahead of time.

One module holds, for float and double: an update loop for every rule, plain and with `prepare` in front of it; every
coefficient function; and for sweeps the kernels that advance a block of runs, each run a vector's lane. The same text
is compiled once per instruction set (see `setup.py`), so a vector is as wide as that set has it.

The kernels' signatures are the library's ABI: Numba makes functions of the same form for what is not compiled here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastgd.engines.layout import ROW_BLOCK
from fastgd.engines.parse import CoefficientFunction, ElementaryFunction, Rule

# Sweeps that are compiled ahead of time; Numba makes every other combination.
SWEPT_RULES = ("sgd", "momentum", "nesterov", "adam")
SWEPT_SIZES = (
    1,
    2,
    3,
)  # that many parameters live in registers; another kernel takes any number from memory
REAL = {"f": "float", "d": "double"}
HEADER = '''\
# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# Written by fastgd.engines from fastgd/rules.
"""Kernels compiled for one instruction set."""

from libc.math cimport INFINITY, NAN, exp, log, pow, sqrt
from libc.stdint cimport uintptr_t

cdef extern from "vocabulary.h" nogil:
    ctypedef float Vf "fgd_vf"
    ctypedef double Vd "fgd_vd"
    ctypedef int Mf "fgd_mf"
    ctypedef long long Md "fgd_md"
    enum: LANES_f "FGD_LANES_f"
    enum: LANES_d "FGD_LANES_d"
'''


def vocabulary_text() -> str:
    """Declarations of what `vocabulary.h` offers, for scalars (f, d) and vectors of runs (vf, vd)."""
    lines = []
    for suffix, real in (("f", "float"), ("d", "double"), ("vf", "Vf"), ("vd", "Vd")):
        unary = ("sqrt", "abs", "sign", "pow2", "exponent", "mantissa")
        lines += [f"{real} {f}_{suffix}({real})" for f in unary]
        lines += [
            f"{real} {f}_{suffix}({real}, {real})"
            for f in ("maximum", "minimum", "larger", "smaller")
        ]
        lines += [
            f"{real} where_{c}_{suffix}({real}, {real}, {real}, {real})"
            for c in ("gt", "lt", "ge", "le")
        ]
    for suffix, scalar in (("f", "float"), ("d", "double")):
        v, m = f"V{suffix}", f"M{suffix}"
        lines += [f"{m} {c}_v{suffix}({v}, {v})" for c in ("gt", "lt", "ge", "le")]
        lines += [f"{v} choose_v{suffix}({m}, {v}, {v})", f"{v} splat_v{suffix}({scalar})"]
        lines.append(f"{scalar} splat_{suffix}({scalar})")
        lines.append(f"{scalar} copysign_{suffix}({scalar}, {scalar})")
        lines += [f"{v} {f}_v{suffix}({v}, {v})" for f in ("steeper", "least")]
    return "".join(f"    {line} noexcept\n" for line in lines) + "\n"


def _row_products() -> str:
    """Declarations of what `rows.h` offers."""
    lines = [
        'cdef extern from "rows.h" nogil:',
        '    enum: TOGETHER "FGD_ROWS_TOGETHER"',
        "    void* fgd_scratch(size_t bytes, void** raw) noexcept",
        "    void fgd_release(void* raw) noexcept",
    ]
    for s, real in REAL.items():
        sizes = f"const {real}*, Py_ssize_t, Py_ssize_t"
        lines += [
            f"    void fgd_{way}_{s}({sizes}, Py_ssize_t, const V{s}*, Py_ssize_t, V{s}*) noexcept"
            for way in ("forward", "backward")
        ]
        lines += [
            f"    void fgd_pack_{s}({sizes}, Py_ssize_t, Py_ssize_t, V{s}*) noexcept",
            f"    void fgd_unpack_{s}(const V{s}*, Py_ssize_t, {real}, {real}*, Py_ssize_t, "
            "Py_ssize_t, Py_ssize_t, Py_ssize_t) noexcept",
        ]
    return "\n".join(lines) + "\n"


def function_text(signature: str, *body: str | Iterable[str]) -> str:
    """A C function of that name and arguments, its body in lines and lists of lines."""
    lines = [f"cdef void {signature} noexcept nogil:"]
    for part in body:
        lines += [f"    {line}" for line in ([part] if isinstance(part, str) else part)]
    return "\n".join(lines) + "\n\n"


def _indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    return ["    " * levels + line for line in lines]


# --- update loops: void loop(T** arrays, const T* coefficients, Py_ssize_t lo, Py_ssize_t hi) -----


def _update_loop(rule: Rule, shared: tuple[Rule, Rule] | None, suffix: str) -> str:
    """A rule over arrays (p, g, state...), alone or with `prepare` in front of it.

    `shared` are `prepare` and `shrink`, which does the same in a quarter of the operations where only weight decay is
    at work, as mostly it is.
    """
    real = REAL[suffix]
    arrays = ("p", "g", *rule.state)
    coefficients = (*(shared[0].coefficients if shared else ()), *rule.coefficients)

    def loop(before: list[str]) -> list[str]:
        own = [
            *(f"{name} = {name}_array[i]" for name in arrays),
            *before,
            *rule.lines(suffix),
            *(f"{name}_array[i] = {name}" for name in ("p", *rule.state)),
        ]
        return ["for i in range(lo, hi):", *_indented(own)]

    body, kind = loop([]), "plain"
    if shared:
        prepare, shrink = shared
        only_decay = "if sign * scale == 1 and clip == INFINITY and l1 == 0:"
        short = [*_indented(loop(shrink.lines(suffix))), "    return"]
        body, kind = [only_decay, *short, *loop(prepare.lines(suffix))], "prepared"
    return function_text(
        f"{kind}_{rule.name}_{suffix}("
        f"{real}** arrays, const {real}* c, Py_ssize_t lo, Py_ssize_t hi)",
        f"cdef {real} {', '.join((*arrays, *coefficients, *rule.locals))}",
        f"cdef {real} nought = 0",
        "cdef Py_ssize_t i",
        [f"cdef {real}* {name}_array = arrays[{k}]" for k, name in enumerate(arrays)],
        [f"{name} = c[{k}]" for k, name in enumerate(coefficients)],
        body,
    )


# --- elementary functions -------------------------------------------------------------------------


def elementary_text(function: ElementaryFunction) -> str:
    """For scalars and vectors, and as loops over arrays (in, out); a vector's are aligned and whole."""
    text, name = "", function.name
    for suffix, real, step in (
        (function.real, REAL[function.real], "1"),
        (f"v{function.real}", f"V{function.real}", f"LANES_{function.real}"),
    ):
        body = [f"cdef {real} {', '.join(function.locals)}", *function.lines(suffix)]
        text += f"cdef inline {real} {name}_{suffix}({real} x) noexcept nogil:\n"
        text += "".join(f"    {line}\n" for line in body) + "\n"
        scalar = REAL[function.real]
        text += function_text(
            f"map_{name}_{suffix}("
            f"{scalar}** arrays, const {scalar}* c, Py_ssize_t lo, Py_ssize_t hi)",
            f"cdef {scalar}* x = arrays[0]",
            f"cdef {scalar}* y = arrays[1]",
            "cdef Py_ssize_t i = lo",
            "while i < hi:",
            f"    (<{real}*>(y + i))[0] = {name}_{suffix}((<{real}*>(x + i))[0])",
            f"    i += {step}",
        )
    return text


# --- coefficients ---------------------------------------------------------------------------------


def _declared(function: CoefficientFunction) -> str:
    names = dict.fromkeys((*function.hyperparameters, *function.locals, "carry"))
    return f"cdef double {', '.join(names)}"


def _coefficients(function: CoefficientFunction) -> str:
    """One step's: ``void f(double t, double* carry, const double* hyperparameters, double* out)``."""
    shared, own, results = function.split_by_rate()
    values = [text for text, _ in results]
    return function_text(
        f"coefficients_{function.name}(double t, double* carried, const double* h, double* out)",
        _declared(function),
        [f"{name} = h[{k}]" for k, name in enumerate(function.hyperparameters)],
        "carry = carried[0]",
        shared,
        own,
        [f"carried[0] = {values.pop(0)}"] if function.carries else [],
        [f"out[{k}] = {value}" for k, value in enumerate(values)],
    )


def _lane_coefficients(function: CoefficientFunction, suffix: str) -> str:
    """One step's for a block of runs, in rows of `width`.

    Where the runs share all hyperparameters but the rate (`uniform`), powers and the like are computed once.
    """
    real = REAL[suffix]
    shared, own, results = function.split_by_rate()
    results = results[1:] if function.carries else results
    others = [(k, n) for k, n in enumerate(function.hyperparameters) if n != "lr"]
    carry = ["carried[l] = carry"] if function.carries else []
    return function_text(
        f"lanes_{function.name}_{suffix}(double t, double* carried, const double* h, "
        f"Py_ssize_t width, Py_ssize_t lanes, bint uniform, {real}* out)",
        _declared(function),
        [f"cdef double result{k}" for k in range(len(results))],
        "cdef Py_ssize_t l",
        "if uniform:",
        _indented(
            [
                *(f"{name} = h[{k} * width]" for k, name in others),
                *(["carry = carried[0]"] if function.carries else []),
                *shared,
                *(f"result{k} = {v}" for k, (v, sees_rate) in enumerate(results) if not sees_rate),
                "for l in range(lanes):",
                *_indented(
                    [
                        "lr = h[l]",
                        *own,
                        *(
                            f"out[{k} * width + l] = <{real}>({v if sees_rate else f'result{k}'})"
                            for k, (v, sees_rate) in enumerate(results)
                        ),
                        *carry,
                    ]
                ),
                "return",
            ]
        ),
        "for l in range(lanes):",
        _indented(
            [
                *(f"{n} = h[{k} * width + l]" for k, n in enumerate(function.hyperparameters)),
                *(["carry = carried[l]"] if function.carries else []),
                *shared,
                *own,
                *(f"out[{k} * width + l] = <{real}>({v})" for k, (v, _) in enumerate(results)),
                *carry,
            ]
        ),
    )


# --- sweeps: a block of runs, one lane each -------------------------------------------------------
#
# `x` holds rows of `width` runs: the parameters, then each state array's parameters. `window` advances all lanes by
# `steps` and keeps the smallest and largest slope max|g| of each; `observe` does the same arithmetic, stops each lane
# at its own step and watches the signs of its last steps.

_WINDOW = (
    "({real}* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, "
    "const {real}* c, Py_ssize_t stride, const {real}* data, {real}* low, {real}* high, {real}* work)"
)
_OBSERVE = (
    "({real}* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, bint last, "
    "const {real}* c, Py_ssize_t stride, const {real}* data, {real} tol, {real} limit, "
    "{real}* status, {real}* seen, {real}* moved, {real}* turns, {real}* work)"
)


def _at(rows: str, row: str, suffix: str, group: str = "u") -> str:
    """The vector of runs number `group` in a row."""
    return f"(<V{suffix}*>({rows} + ({row}) * width + l + {group} * LANES_{suffix}))[0]"


def _register_window(rule: Rule, count: int, suffix: str) -> str:
    """Quadratic of `count` parameters: everything that a step touches stays in registers."""
    real, v = REAL[suffix], f"V{suffix}"
    groups = 4 if count * (1 + len(rule.state)) <= 4 else 2
    arrays = [f"{name}{i}" for name in ("p", *rule.state) for i in range(count)]
    rows = {name: k for k, name in enumerate(arrays)}
    hessian = {f"h{i}{j}": i * count + j for i in range(count) for j in range(count)}
    offset = {f"h{i}": count * count + i for i in range(count)}
    step = [
        *(
            f"{n} = {_at('(c + t * stride)', str(k), suffix)}"
            for k, n in enumerate(rule.coefficients)
        ),
        *(
            f"g{i} = {' + '.join(f'h{i}{j} * p{j}[u]' for j in range(count))} - h{i}"
            for i in range(count)
        ),
        f"slope = abs_v{suffix}(g0)" if count == 1 else f"slope = steeper_v{suffix}(g0, g1)",
        *(f"slope = steeper_v{suffix}(slope, g{i})" for i in range(2, count)),
        f"lowest[u] = least_v{suffix}(slope, lowest[u])",
        f"highest[u] = larger_v{suffix}(slope, highest[u])",
    ]
    for i in range(count):
        step += [
            f"g = g{i}",
            *(f"{name} = {name}{i}[u]" for name in ("p", *rule.state)),
            *rule.lines(f"v{suffix}"),
            *(f"{name}{i}[u] = {name}" for name in ("p", *rule.state)),
        ]
    own = ("p", "g", "slope", *rule.state, *rule.coefficients, *rule.locals)
    return function_text(
        f"window_{rule.name}_quadratic{count}_{suffix}" + _WINDOW.format(real=real),
        [f"cdef {v} {name}[{groups}]" for name in (*arrays, "lowest", "highest")],
        f"cdef {v} {', '.join((*own, *(f'g{i}' for i in range(count))))}",
        f"cdef {real} {', '.join((*hessian, *offset))}",
        "cdef Py_ssize_t l, t, u",
        [f"{name} = data[{k}]" for name, k in {**hessian, **offset}.items()],
        "l = 0",
        "while l < lanes:",
        _indented(
            [
                f"for u in range({groups}):",
                *_indented([f"{name}[u] = {_at('x', str(k), suffix)}" for name, k in rows.items()]),
                f"    lowest[u] = {_at('low', '0', suffix)}",
                f"    highest[u] = {_at('high', '0', suffix)}",
                "for t in range(steps):",
                f"    for u in range({groups}):",
                *_indented(step, 2),
                f"for u in range({groups}):",
                *_indented([f"{_at('x', str(k), suffix)} = {name}[u]" for name, k in rows.items()]),
                f"    {_at('low', '0', suffix)} = lowest[u]",
                f"    {_at('high', '0', suffix)} = highest[u]",
                f"l += {groups} * LANES_{suffix}",
            ]
        ),
    )


def _quadratic_slopes(suffix: str, groups: int) -> list[str]:
    """Into work the gradient, into max|g|; `data` is the Hessian's rows, then the linear term."""
    return [
        f"for u in range({groups}):",
        f"    slope[u] = splat_v{suffix}(0)",
        "for i in range(size):",
        f"    for u in range({groups}):",
        f"        total[u] = data[i * size] * {_at('x', '0', suffix)}",
        "    for j in range(1, size):",
        f"        for u in range({groups}):",
        f"            total[u] = total[u] + data[i * size + j] * {_at('x', 'j', suffix)}",
        f"    for u in range({groups}):",
        "        g = total[u] - data[size * size + i]",
        f"        slope[u] = maximum_v{suffix}(slope[u], abs_v{suffix}(g))",
        f"        {_at('work', 'i', suffix)} = g",
    ]


def _polynomial_slopes(suffix: str, groups: int) -> list[str]:
    """Horner's rule on the derivative, whose `size` coefficients `data` holds, the constant first."""
    return [
        f"for u in range({groups}):",
        f"    total[u] = splat_v{suffix}(data[size - 1])",
        "for j in range(size - 2, -1, -1):",
        f"    for u in range({groups}):",
        f"        total[u] = total[u] * {_at('x', '0', suffix)} + data[j]",
        f"for u in range({groups}):",
        f"    slope[u] = abs_v{suffix}(total[u])",
        f"    {_at('work', '0', suffix)} = total[u]",
    ]


_SLOPES: dict[str, Callable[[str, int], list[str]]] = {
    "quadratic": _quadratic_slopes,
    "polynomial": _polynomial_slopes,
}
_PARAMETERS = {"quadratic": "size", "polynomial": "1"}


def _memory_locals(rule: Rule, problem: str, suffix: str, groups: int) -> list[str]:
    own = ("p", "g", *rule.state, *rule.coefficients, *rule.locals)
    return [
        f"cdef V{suffix} {', '.join(own)}",
        f"cdef V{suffix} slope[{groups}]",
        f"cdef V{suffix} total[{groups}]",
        "cdef Py_ssize_t l, t, u, i, j",
        f"cdef Py_ssize_t count = {_PARAMETERS[problem]}",
    ]


def _loaded(rule: Rule, suffix: str) -> list[str]:
    """The rule's arguments for parameter i."""
    return [
        *(
            f"{n} = {_at('(c + t * stride)', str(k), suffix)}"
            for k, n in enumerate(rule.coefficients)
        ),
        f"p = {_at('x', 'i', suffix)}",
        f"g = {_at('work', 'i', suffix)}",
        *(f"{n} = {_at('x', f'{k} * count + i', suffix)}" for k, n in enumerate(rule.state, 1)),
    ]


def _stored(rule: Rule, suffix: str) -> list[str]:
    return [
        f"{_at('x', f'{k} * count + i', suffix)} = {name}" for k, name in enumerate(rule.state, 1)
    ]


def _memory_window(rule: Rule, problem: str, suffix: str) -> str:
    """Any number of parameters, read from and written to the block at every step."""
    groups = 4
    return function_text(
        f"window_{rule.name}_{problem}_{suffix}" + _WINDOW.format(real=REAL[suffix]),
        _memory_locals(rule, problem, suffix, groups),
        "l = 0",
        "while l < lanes:",
        "    for t in range(steps):",
        _indented(_SLOPES[problem](suffix, groups), 2),
        f"        for u in range({groups}):",
        f"            {_at('low', '0', suffix)} = least_v{suffix}(slope[u], {_at('low', '0', suffix)})",
        f"            {_at('high', '0', suffix)} = larger_v{suffix}(slope[u], {_at('high', '0', suffix)})",
        "        for i in range(count):",
        f"            for u in range({groups}):",
        _indented(
            [
                *_loaded(rule, suffix),
                *rule.lines(f"v{suffix}"),
                f"{_at('x', 'i', suffix)} = p",
                *_stored(rule, suffix),
            ],
            4,
        ),
        f"    l += {groups} * LANES_{suffix}",
    )


def _observe(rule: Rule, problem: str, suffix: str) -> str:
    """Exact stops: status -1 running, 0 converged, 2 diverged; `last` tests the final iterate too."""
    v, m = f"V{suffix}", f"M{suffix}"
    test = [
        f"running = lt_v{suffix}(state_, splat_v{suffix}(0))",
        f"hit = running & lt_v{suffix}(slope[0], splat_v{suffix}(tol))",
        f"state_ = choose_v{suffix}(hit, splat_v{suffix}(0), state_)",
        "running = running & ~hit",
    ]
    turned = (
        f"(gt_v{suffix}(step_, nought) & lt_v{suffix}(before, nought)) | "
        f"(lt_v{suffix}(step_, nought) & gt_v{suffix}(before, nought))"
    )
    turns = f"(<{m}*>(turns + i * width + l))[0]"
    return function_text(
        f"observe_{rule.name}_{problem}_{suffix}" + _OBSERVE.format(real=REAL[suffix]),
        _memory_locals(rule, problem, suffix, 1),
        f"cdef {v} state_, count_, step_, before, nought = splat_v{suffix}(0)",
        f"cdef {m} running, hit, bad",
        "l = 0",
        "while l < lanes:",
        "    u = 0",
        f"    state_ = {_at('status', '0', suffix, '0')}",
        f"    count_ = {_at('seen', '0', suffix, '0')}",
        "    for t in range(steps):",
        _indented(_SLOPES[problem](suffix, 1), 2),
        _indented(test, 2),
        f"        count_ = count_ + choose_v{suffix}(running, splat_v{suffix}(1), nought)",
        "        bad = running & ~running",
        "        u = 0",
        "        for i in range(count):",
        _indented(
            [
                *_loaded(rule, suffix),
                *rule.lines(f"v{suffix}"),
                *_stored(rule, suffix),
                f"before = {_at('x', 'i', suffix)}",
                "step_ = p - before",
                f"{_at('x', 'i', suffix)} = choose_v{suffix}(running, p, before)",
                f"before = {_at('moved', 'i', suffix)}",
                f"{turns} = (running & (({turns} << 1) | (({turned}) & 1))) | (~running & {turns})",
                f"{_at('moved', 'i', suffix)} = choose_v{suffix}(running, step_, before)",
                f"bad = bad | ~le_v{suffix}(abs_v{suffix}(p), splat_v{suffix}(limit))",
            ],
            3,
        ),
        f"        state_ = choose_v{suffix}(running & bad, splat_v{suffix}(2), state_)",
        "    if last:",
        _indented(_SLOPES[problem](suffix, 1), 2),
        _indented(test, 2),
        f"    {_at('status', '0', suffix, '0')} = state_",
        f"    {_at('seen', '0', suffix, '0')} = count_",
        f"    l += LANES_{suffix}",
    )


_SLOPES_OF_ROWS = (
    "(const {real}* b, Py_ssize_t xo, Py_ssize_t go, Py_ssize_t width, Py_ssize_t lo, Py_ssize_t hi, "
    "Py_ssize_t first, Py_ssize_t last, Py_ssize_t rows, Py_ssize_t features, Py_ssize_t outputs, "
    "const {real}* data)"
)
_RESIDUALS = {
    "rows": [
        "for v in range(n):",
        "    z[i * n + v] = z[i * n + v] - y",
    ],
    "logistic": [
        "for v in range(n):",
        "    z[i * n + v] = one / (one + exp_v{s}(-z[i * n + v])) - y",
    ],
    "softmax": [
        "most = z[i * n]",
        "for v in range(1, n):",
        "    most = maximum_v{s}(z[i * n + v], most)",
        "for v in range(n):",
        "    z[i * n + v] = exp_v{s}(z[i * n + v] - most)",
        "most = z[i * n]",
        "for v in range(1, n):",
        "    most = most + z[i * n + v]",
        "for v in range(n):",
        "    z[i * n + v] = z[i * n + v] / most - (<{real}>1 if v == y else <{real}>0)",
    ],
}


def _row_slopes(model: str, s: str) -> str:
    """Gradients of runs lo..hi-1 at the points in the rows from `xo` on, into the rows from `go` on."""
    real, v = REAL[s], f"V{s}"
    residuals = [line.format(s=s, real=real) for line in _RESIDUALS[model]]
    signature = _SLOPES_OF_ROWS.format(real=real).replace("const", "", 1)
    return function_text(
        f"slopes_{model}_{s}{signature}",
        f"cdef {v} one = splat_v{s}(1), most = one",
        f"cdef {v} *z",
        f"cdef {v} *points",
        f"cdef {v} *total",
        f"cdef {v} *sums",
        "cdef Py_ssize_t row = features + 1",
        f"cdef {real} y, scale = data[rows * row]",
        "cdef void* raw",
        "cdef Py_ssize_t l, k, i, v, start, stop, many, lanes, count = features * outputs",
        "# Vectors of each output; several outputs have enough of their own.",
        f"cdef Py_ssize_t groups = 2 if outputs == 1 and hi - lo > LANES_{s} else 1",
        "cdef Py_ssize_t n = outputs * groups, size = features * n",
        f"points = <{v}*>fgd_scratch((3 * size + TOGETHER * n) * sizeof({v}), &raw)",
        "if points == NULL:  # no memory: the runs count as diverged",
        "    for i in range(first, last):",
        "        for l in range(lo, hi):",
        "            b[go + i * width + l] = NAN",
        "    return",
        "total, sums, z = points + size, points + 2 * size, points + 3 * size",
        "l = lo",
        "while l < hi:",
        _indented(
            [
                f"if groups == 2 and hi - l <= LANES_{s}:  # what is left fits into one",
                "    groups, n, size = 1, outputs, features * outputs",
                f"lanes = min(groups * LANES_{s}, hi - l)",
                f"fgd_pack_{s}(b + xo + l, width, lanes, count, groups, points)",
                f"for i in range(size): total[i] = splat_v{s}(0)",
                "start = 0",
                "while start < rows:",
                f"    for i in range(size): sums[i] = splat_v{s}(0)",
                f"    stop = min(rows, start + {ROW_BLOCK})",
                "    k = start",
                "    while k < stop:",
                "        many = min(<Py_ssize_t>TOGETHER, stop - k)",
                f"        fgd_forward_{s}(data + k * row, many, row, features, points, n, z)",
                "        for i in range(many):",
                "            y = data[(k + i) * row + features]",
                *_indented(residuals, 3),
                f"        fgd_backward_{s}(data + k * row, many, row, features, z, n, sums)",
                "        k += many",
                "    for i in range(size): total[i] = total[i] + sums[i]",
                "    start = stop",
                f"fgd_unpack_{s}(total, groups, scale, b + go + l, width, lanes, first, last)",
                f"l += groups * LANES_{s}",
            ]
        ),
        "fgd_release(raw)",
    )


# --- the module -----------------------------------------------------------------------------------


def kernels_source(
    rules: Iterable[Rule],
    coefficients: Iterable[CoefficientFunction],
    prepare: Rule,
    shrink: Rule,
    elementary: Iterable[ElementaryFunction],
) -> str:
    """The text of a kernel module; its one Python object, `addresses`, maps each kernel's name to its address."""
    parsed, functions = list(rules), list(coefficients)
    texts = [HEADER, vocabulary_text(), _row_products(), *map(elementary_text, elementary)]
    texts += [*(_coefficients(f) for f in functions)]
    for suffix in REAL:
        texts += [
            _update_loop(rule, s, suffix) for rule in parsed for s in (None, (prepare, shrink))
        ]
        texts += [_lane_coefficients(f, suffix) for f in functions]
        texts += [_row_slopes(model, suffix) for model in _RESIDUALS]
        for rule in parsed:
            if rule.name in SWEPT_RULES:
                texts += [_register_window(rule, count, suffix) for count in SWEPT_SIZES]
                texts += [_memory_window(rule, problem, suffix) for problem in _SLOPES]
                texts += [_observe(rule, problem, suffix) for problem in _SLOPES]
    texts.append(addresses_text(texts))
    texts.append("lanes = {'f': LANES_f, 'd': LANES_d}\n")
    return "".join(texts)


def addresses_text(texts: Iterable[str], more: Iterable[str] = ()) -> str:
    """The module's one Python object: each kernel's address by its name."""
    names = [
        line.removeprefix("cdef void ").split("(")[0]
        for text in texts
        for line in text.split("\n")
        if line.startswith("cdef void ")
    ]
    table = "".join(f"    {name!r}: <uintptr_t>&{name},\n" for name in (*names, *more))
    return "addresses = {\n" + table + "}\n"
