"""The text of sweeps' kernels: a block of runs, each run a lane of a vector.

`x` holds rows of `width` runs: the parameters, then each state array's parameters. `window` advances all lanes by
`steps` and keeps the smallest and largest slope max|g| of each; `observe` does the same arithmetic, stops each lane at
its own step and watches the signs of its last moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fastgd.engines.native.source_module import REAL
from fastgd.engines.native.source_updates import SETTLE
from fastgd.engines.parse import Rule
from fastgd.engines.parse_problems import Gradient
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.registry import STOPS
from fastgd.engines.templates import filled, lines_of

GROUPS = 4  # vectors of runs that one pass over the parameters advances


def _at(rows: str, row: str, suffix: str, group: str = "u") -> str:
    """The vector of runs number `group` in a row."""
    return f"(<V{suffix}*>({rows} + ({row}) * width + l + {group} * LANES_{suffix}))[0]"


# --- few parameters: everything that a step touches stays in registers ----------------------------

_REGISTER_WINDOW = """
cdef void window_${rule}_${problem}${n}_$s(
        $real* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, const $real* c,
        Py_ssize_t stride, const $real* data, $real* low, $real* high, $real* work,
        Py_ssize_t features, Py_ssize_t outputs
) noexcept nogil:
    $arrays
    cdef V$s $names
    cdef $real $numbers
    cdef Py_ssize_t l, t, u
    $load_numbers
    l = 0
    while l < lanes:
        for u in range($groups):
            $load
            lowest[u] = $low
            highest[u] = $high
        for t in range(steps):
            for u in range($groups):
                $coefficients
                $gradient
                $slope
                lowest[u] = least_v$s(slope, lowest[u])
                highest[u] = larger_v$s(slope, highest[u])
                $updates
        for u in range($groups):
            $store
            $low = lowest[u]
            $high = highest[u]
        l += $groups * LANES_$s

"""
_REGISTER_UPDATE = """
g = g$i
$load
$rule
$store
"""


def register_window(rule: Rule, gradient: Gradient, n: int, suffix: str) -> str:
    """A problem of n parameters, unrolled."""
    at, v = partial(_at, suffix=suffix), f"V{suffix}"
    groups = str(GROUPS if n * (1 + len(rule.state)) <= GROUPS else GROUPS // 2)
    own = ("p", *rule.state)
    arrays = [f"{name}{i}" for name in own for i in range(n)]
    numbers = ["_".join((array, *indices)) for array, indices in gradient.numbers(n)]
    locals_ = ("p", "g", "slope", *rule.state, *rule.coefficients, *rule.locals)

    def number(array: str, indices: tuple[str, ...]) -> str:
        return "_".join((array, *indices))

    def component(i: int) -> str:
        return gradient.unrolled(number, "p{}[u]".format, n, i)

    def update(i: int) -> list[str]:
        return lines_of(
            _REGISTER_UPDATE,
            i=str(i),
            load=[f"{name} = {name}{i}[u]" for name in own],
            rule=rule.lines(f"v{suffix}"),
            store=[f"{name}{i}[u] = {name}" for name in own],
        )

    slope = [f"slope = abs_v{suffix}(g0)" if n == 1 else f"slope = steeper_v{suffix}(g0, g1)"]
    slope += [f"slope = steeper_v{suffix}(slope, g{i})" for i in range(2, n)]
    return filled(
        _REGISTER_WINDOW,
        rule=rule.name,
        problem=gradient.name,
        n=str(n),
        s=suffix,
        real=REAL[suffix],
        groups=groups,
        arrays=[f"cdef {v} {name}[{groups}]" for name in (*arrays, "lowest", "highest")],
        names=", ".join((*locals_, *(f"g{i}" for i in range(n)))),
        numbers=", ".join(numbers),
        load_numbers=[f"{name} = data[{k}]" for k, name in enumerate(numbers)],
        load=[f"{name}[u] = {at('x', str(k))}" for k, name in enumerate(arrays)],
        low=at("low", "0"),
        high=at("high", "0"),
        coefficients=_coefficients(rule, suffix),
        gradient=[f"g{i} = {component(i)}" for i in range(n)],
        slope=slope,
        updates=[line for i in range(n) for line in update(i)],
        store=[f"{at('x', str(k))} = {name}[u]" for k, name in enumerate(arrays)],
    )


def _coefficients(rule: Rule, suffix: str) -> list[str]:
    return [
        f"{name} = {_at('(c + t * stride)', str(k), suffix)}"
        for k, name in enumerate(rule.coefficients)
    ]


# --- any number of parameters, read from and written to the block at every step -------------------

_FOLD = """
for u in range($groups):
    total[u] = $start
$loop
    for u in range($groups):
        total[u] = $step
"""
_SLOPES = """
for u in range($groups):
    slope[u] = splat_v$s(0)
for i in range(size):
    $fold
    for u in range($groups):
        g = $result
        slope[u] = $largest
        $gradient = g
"""
_SLOPE_OF_ONE = """
$fold
for u in range($groups):
    g = $result
    slope[u] = abs_v$s(g)
    $gradient = g
"""
# By a function that takes the gradients of all runs beside each other.
_CALLED_SLOPES = """
until = min(l + $groups * LANES_$s, lanes)
slopes_${problem}_$s(x, 0, work - x, width, l, until, 0, count, size, features, outputs, data)
for u in range($groups):
    slope[u] = splat_v$s(0)
for i in range(count):
    for u in range($groups):
        slope[u] = $largest
"""
_MEMORY_LOCALS = """
cdef V$s $names
cdef V$s slope[$groups]
$total
cdef Py_ssize_t l, t, u, i, j, until
cdef Py_ssize_t count = $count
"""
_MEMORY_WINDOW = """
cdef void window_${rule}_${name}_$s(
        $real* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, const $real* c,
        Py_ssize_t stride, const $real* data, $real* low, $real* high, $real* work,
        Py_ssize_t features, Py_ssize_t outputs
) noexcept nogil:
    $locals
    l = 0
    while l < lanes:
        for t in range(steps):
            $slopes
            for u in range($groups):
                $low = least_v$s(slope[u], $low)
                $high = larger_v$s(slope[u], $high)
            for i in range(count):
                for u in range($groups):
                    $load
                    $update
                    $p = p
                    $store
        l += $groups * LANES_$s

"""


def _slopes(gradient: Gradient, suffix: str, groups: int) -> list[str]:
    """The gradient into `work`, max|g| into `slope`."""

    def number(array: str, indices: tuple[str, ...]) -> str:
        return f"data[{gradient.place(array, indices, 'size')}]"

    def point(index: str) -> str:
        return _at("x", index, suffix)

    fold = gradient.fold(number, point, "size", total="total[u]")
    many = str(groups)
    start = fold.start if gradient.each else f"splat_v{suffix}({fold.start})"
    return lines_of(
        _SLOPES if gradient.each else _SLOPE_OF_ONE,
        s=suffix,
        groups=many,
        fold=lines_of(_FOLD, groups=many, start=start, loop=[fold.loop], step=fold.step),
        result=fold.result,
        largest=STOPS["largest"].text("slope[u]", "g", suffix=f"v{suffix}"),
        gradient=_at("work", "i" if gradient.each else "0", suffix),
    )


def _called_slopes(name: str, suffix: str, groups: int) -> list[str]:
    """The same by a function of its own."""
    largest = STOPS["largest"].text("slope[u]", _at("work", "i", suffix), suffix=f"v{suffix}")
    return lines_of(_CALLED_SLOPES, problem=name, s=suffix, groups=str(groups), largest=largest)


@dataclass(frozen=True)
class Folded:
    """A problem whose sums are loops inside the kernel."""

    gradient: Gradient

    @property
    def name(self) -> str:
        return self.gradient.name

    @property
    def count(self) -> str:
        return "size" if self.gradient.each else "1"

    def total(self, suffix: str, groups: str) -> list[str]:
        return [f"cdef V{suffix} total[{groups}]"]

    def slopes(self, suffix: str, groups: int) -> list[str]:
        return _slopes(self.gradient, suffix, groups)


@dataclass(frozen=True)
class Called:
    """A problem whose gradients come from the function `slopes_...` of `source_linear`."""

    function: str
    name: str
    count = "features * outputs"

    def total(self, suffix: str, groups: str) -> list[str]:
        return []

    def slopes(self, suffix: str, groups: int) -> list[str]:
        return _called_slopes(self.function, suffix, groups)


Swept = Folded | Called


def _memory_parts(
    rule: Rule, problem: Swept, suffix: str, groups: int
) -> dict[str, str | list[str]]:
    """What both kernels fill in."""
    at = partial(_at, suffix=suffix)
    names = ", ".join(("p", "g", *rule.state, *rule.coefficients, *rule.locals))
    many = str(groups)
    states = [(name, at("x", f"{k} * count + i")) for k, name in enumerate(rule.state, 1)]
    return {
        "rule": rule.name,
        "name": problem.name,
        "s": suffix,
        "real": REAL[suffix],
        "groups": many,
        "locals": lines_of(
            _MEMORY_LOCALS,
            s=suffix,
            groups=many,
            count=problem.count,
            names=names,
            total=problem.total(suffix, many),
        ),
        "slopes": problem.slopes(suffix, groups),
        "p": at("x", "i"),
        "load": [
            *_coefficients(rule, suffix),
            f"p = {at('x', 'i')}",
            f"g = {at('work', 'i')}",
            *(f"{name} = {place}" for name, place in states),
        ],
        "update": rule.lines(f"v{suffix}"),
        "store": [f"{place} = {name}" for name, place in states],
    }


def memory_window(rule: Rule, problem: Swept, suffix: str) -> str:
    """Any number of parameters."""
    low, high = _at("low", "0", suffix), _at("high", "0", suffix)
    parts = _memory_parts(rule, problem, suffix, GROUPS)
    return filled(_MEMORY_WINDOW, **parts, low=low, high=high)


# --- exact stops ----------------------------------------------------------------------------------

_TEST = """
running = lt_v$s(state_, nought)
hit = running & $converged
state_ = choose_v$s(hit, splat_v$s($CONVERGED), state_)
running = running & ~hit
"""
# `last` tests the final iterate too. A lane whose status is not negative has ended.
_OBSERVE = """
cdef void observe_${rule}_${name}_$s(
        $real* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, bint last,
        const $real* c, Py_ssize_t stride, const $real* data, $real tol, $real limit, $real* status,
        $real* seen, $real* moved, $real* turns, $real* work, Py_ssize_t features, Py_ssize_t outputs
) noexcept nogil:
    $locals
    cdef V$s state_, count_, step_, before, nought = splat_v$s(0)
    cdef M$s running, hit, bad
    l = 0
    while l < lanes:
        u = 0
        state_ = $status
        count_ = $seen
        for t in range(steps):
            $slopes
            $test
            count_ = count_ + choose_v$s(running, splat_v$s(1), nought)
            bad = running & ~running
            u = 0
            for i in range(count):
                $load
                $update
                $store
                before = $p
                $settle
            state_ = choose_v$s(running & bad, splat_v$s($DIVERGED), state_)
        if last:
            $slopes
            $test
        $status = state_
        $seen = count_
        l += LANES_$s

"""


def observe(rule: Rule, problem: Swept, suffix: str) -> str:
    """Every iterate tested, each lane stopped at its own step."""
    v, at = f"v{suffix}", partial(_at, suffix=suffix)
    tol, limit = f"splat_{v}(tol)", f"splat_{v}(limit)"
    turns = f"(<M{suffix}*>(turns + i * width + l))[0]"
    turned = STOPS["turned"].text("step_", "before", "nought", suffix=v)
    statuses = {status.name: str(int(status)) for status in Status}
    converged = STOPS["converged"].text("slope[0]", tol, suffix=v)
    parts = _memory_parts(rule, problem, suffix, 1)
    settle = lines_of(
        SETTLE,
        **parts,
        moved=at("moved", "i"),
        turns=turns,
        remembered=STOPS["remembered"].text(turns, f"(({turned}) & 1)"),
        inside=STOPS["inside"].text("p", limit, suffix=v),
    )
    return filled(
        _OBSERVE,
        **parts,
        **statuses,
        test=lines_of(_TEST, s=suffix, converged=converged, **statuses),
        status=at("status", "0", group="0"),
        seen=at("seen", "0", group="0"),
        settle=settle,
    )
