"""The text of the kernels that descend a function by its address: one loop for every rule.

``slopes(b, xo, go, width, lo, hi, first, last, n, features, valued, values)`` takes the gradients of the runs
lo..hi-1 at the points in the rows from `xo` on into those from `go` on, as linear models' kernels do, and if `valued`
is 2 the values too. The library's test functions have such kernels here, and so have problems that are given by
numbers, which lie at `values`; for a user's function Numba makes one (`fastgd.engines.numba.functions`).
``advance_...`` are the rules' updates of a block whose gradients are known.

The loops have the signatures of all other kernels of sweeps (`fastgd.engines.native.source`); in the place of the data
they find the numbers of `OWN`.
"""

from __future__ import annotations

from functools import partial

from fastgd.engines.layout import PENALTIES
from fastgd.engines.native.source_judges import at, judges, scalar
from fastgd.engines.native.source_known import KNOWN, SIGNATURES, given_slopes, known_slopes
from fastgd.engines.native.source_module import HEADER, LANES, REAL, addresses_text, vocabulary_text
from fastgd.engines.native.source_updates import SETTLE
from fastgd.engines.parse import Rule
from fastgd.engines.protocol.outcomes import status_constants
from fastgd.engines.registry import FUNCTIONS, GRADIENTS, PREPARE, RULES, SHRINK, STOPS
from fastgd.engines.templates import filled, lines_of

# What the loops find in the place of the data, each a number of 64 bits.
OWN = (
    "SLOPES",
    "DATA",  # of the problem
    "COUNT",  # of parameters
    "ADVANCE",
    "STATES",
    "SHARED_COEFFICIENTS",
    "LOOKAHEAD",
    "MEASURES",  # rows behind the state that judge a run's slopes: its penalties, and where it is BOUNDED its box
    "BOUNDED",
)


def functions_source() -> str:
    """The text of the module; its `addresses` maps each kernel's name to its address."""
    texts = [HEADER, vocabulary_text(), KNOWN, SIGNATURES, _numbered()]
    for suffix in REAL:
        texts += [judges(suffix)]
        texts += [known_slopes(function, suffix) for function in FUNCTIONS.values()]
        texts += [given_slopes(gradient, suffix) for gradient in GRADIENTS.values()]
        texts += [
            made(rule, suffix, prepared=prepared)
            for made in (_advance, _follow)
            for rule in RULES.values()
            for prepared in (False, True)
        ]
        texts += [_loop(template, suffix) for template in (_WINDOW, _OBSERVE)]
    return "".join([*texts, addresses_text(texts), LANES])


def _numbered() -> str:
    """The places of `OWN`, and the statuses, as a C enum."""
    named = [f"    {name} = {k}" for k, name in enumerate(OWN)]
    statuses = [f"    {line}" for line in status_constants().splitlines()]
    return "\n".join(["cdef enum:", *named, *statuses, ""])


# --- updates of a block ---------------------------------------------------------------------------

# `prepare` belongs to the points where the gradients were taken; weights decay where they are. Where weight decay alone
# is at work, as mostly, `shrink` does the same in a quarter of the operations.
_ADVANCE = """
cdef void advance_${kind}_${rule}_$s(
        $real* x, const $real* at, const $real* slopes, const $real* c, Py_ssize_t width, Py_ssize_t lanes,
        Py_ssize_t count
) noexcept nogil:
    cdef V$s $names, nought = splat_v$s(0)
    cdef Py_ssize_t l = 0, i
    while l < lanes:
        $coefficients
        $body
        l += LANES_$s

"""
_EACH = """
for i in range(count):
    g = $g
    $before
    $load
    $update
    $store
"""
_PREPARED = """
if all_$s(eq_v$s(sign * scale, splat_v$s(1)) & eq_v$s(clip, splat_v$s(INFINITY)) & eq_v$s(l1, nought)):
    $shrunk
else:
    $prepared
"""


def _advance(rule: Rule, suffix: str, *, prepared: bool) -> str:
    place, v = partial(at, suffix=suffix), f"v{suffix}"
    names, coefficients = _names(rule, prepared=prepared)
    rows = [(name, place("x", f"{k} * count + i")) for k, name in enumerate(("p", *rule.state))]
    load = [f"{name} = {row}" for name, row in rows]

    def each(first: Rule | None) -> list[str]:
        return lines_of(
            _EACH,
            g=place("slopes", "i"),
            before=[] if first is None else [f"p = {place('at', 'i')}", *first.lines(v)],
            load=load if first is None else [f"p = decay * {rows[0][1]}", *load[1:]],
            update=rule.lines(v),
            store=[f"{row} = {name}" for name, row in rows],
        )

    body = each(None)
    if prepared:
        body = lines_of(_PREPARED, s=suffix, shrunk=each(SHRINK), prepared=each(PREPARE))
    return filled(
        _ADVANCE,
        kind="prepared" if prepared else "plain",
        rule=rule.name,
        s=suffix,
        real=REAL[suffix],
        names=names,
        coefficients=[f"{name} = {place('c', str(k))}" for k, name in enumerate(coefficients)],
        body=body,
    )


# --- loops ----------------------------------------------------------------------------------------

_LOCALS = """
cdef const int64_t* own = <const int64_t*>data
cdef slopes_$s take = <slopes_$s><void*>own[SLOPES]
cdef void* numbers = <void*>own[DATA]
cdef Py_ssize_t count = own[COUNT]
cdef Py_ssize_t i, t
"""
_BLOCK_LOCALS = """
$locals
cdef advance_$s advance = <advance_$s><void*>own[ADVANCE]
cdef Py_ssize_t l, go = work - x, whole = (lanes + LANES_$s - 1) // LANES_$s * LANES_$s
cdef $real* at = work + count * width if own[LOOKAHEAD] else x
cdef const $real* mu = c + own[SHARED_COEFFICIENTS] * width
"""
_LOOK_AHEAD = """
if own[LOOKAHEAD]:
    for i in range(count):
        l = 0
        while l < whole:
            $point = $p - $mu * $velocity
            l += LANES_$s
    if own[BOUNDED]:
        into_box_$s(x, own, at, width, whole, count)
    take(x, at - x, go, width, 0, lanes, 0, count, size, count, 1, numbers)
"""
_UPDATE = """
advance(x, at, work, c + t * stride, width, whole, count)
if own[BOUNDED]:
    into_box_$s(x, own, x, width, whole, count)
"""
_WINDOW = """
cdef void window_called_$s(
        $real* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, const $real* c,
        Py_ssize_t stride, const $real* data, $real* low, $real* high, $real* work
) noexcept nogil:
    $block_locals
    cdef V$s slope
    for t in range(steps):
        take(x, 0, go, width, 0, lanes, 0, count, size, count, 1, numbers)
        l = 0
        while l < whole:
            slope = steepest_$s(x, work, own, width, l, count)
            $low = least_v$s(slope, $low)
            if own[MEASURES]:
                slope = farthest_$s(x, width, l, count)
            $high = larger_v$s(slope, $high)
            l += LANES_$s
        $look_ahead
        $update

"""
_TEST = """
take(x, 0, go, width, 0, lanes, 0, count, size, count, 1, numbers)
l = 0
while l < whole:
    slope = steepest_$s(x, work, own, width, l, count)
    running = lt_v$s($status, nought)
    hit = running & $converged
    $status = choose_v$s(hit, splat_v$s(CONVERGED), $status)
    l += LANES_$s
"""
_OBSERVE = """
cdef void observe_called_$s(
        $real* x, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t size, Py_ssize_t steps, bint last,
        const $real* c, Py_ssize_t stride, const $real* data, $real tol, $real limit, $real* status,
        $real* seen, $real* moved, $real* turns, $real* work
) noexcept nogil:
    $block_locals
    cdef $real* old = work + 2 * count * width
    cdef V$s slope, p, before, step_, nought = splat_v$s(0)
    cdef M$s running, hit, bad
    for t in range(steps):
        $test
        $look_ahead
        for i in range(count):
            memcpy(old + i * width, x + i * width, whole * sizeof($real))
        $update
        l = 0
        while l < whole:
            running = lt_v$s($status, nought)
            $seen = $seen + choose_v$s(running, splat_v$s(1), nought)
            bad = running & ~running
            for i in range(count):
                p, before = $p, $old
                $settle
            $status = choose_v$s(running & bad, splat_v$s(DIVERGED), $status)
            l += LANES_$s
    if last:
        $test

"""
# A run alone has its own loop for each rule: a call would take as long as the update.
_FOLLOW = """
cdef void follow_${kind}_${rule}_$s(
        $real* x, Py_ssize_t n, Py_ssize_t steps, bint last, const $real* c, Py_ssize_t stride,
        const $real* data, $real tol, $real limit, $real step_tol, int64_t* ended
) noexcept nogil:
    $locals
    cdef Py_ssize_t go = count * (1 + own[STATES]) + own[MEASURES], code = RUNNING, done = 0
    cdef bint lookahead = own[LOOKAHEAD], within
    cdef $real* slopes = x + go
    cdef const $real* low = x + count * (1 + own[STATES]) + $penalties
    cdef $real* at = slopes + count if lookahead else x
    cdef $real slope, longest, old
    cdef $real $names
    for t in range(steps + last):
        take(x, 0, go, 1, 0, 1, 0, count, n, count, 1, numbers)
        slope = steepest_alone_$s(x, slopes, own, count)
        if $converged_alone:
            code = CONVERGED
        if code != RUNNING or t == steps:
            break
        done += 1
        $coefficients
        if lookahead:
            for i in range(count):
                at[i] = x[i] - c[t * stride + own[SHARED_COEFFICIENTS]] * x[count + i]
                if own[BOUNDED]:
                    at[i] = project_$s(at[i], low[i], low[count + i])
            take(x, at - x, go, 1, 0, 1, 0, count, n, count, 1, numbers)
        within, longest = True, 0
        for i in range(count):
            old = x[i]
            g = slopes[i]
            $before
            $load
            $update
            if own[BOUNDED]:
                p = project_$s(p, low[i], low[count + i])
            $store
            within = within and $inside_alone
            longest = $longest
        if not within:
            code = DIVERGED
            break
        if longest < step_tol:
            code = SMALL_STEP
            break
    ended[0], ended[1] = code, done

"""


def _follow(rule: Rule, suffix: str, *, prepared: bool) -> str:
    names, coefficients = _names(rule, prepared=prepared)
    rows = [(name, f"x[{k} * count + i]") for k, name in enumerate(("p", *rule.state))]
    load = [f"{name} = {row}" for name, row in rows[1:]]
    return filled(
        _FOLLOW,
        kind="prepared" if prepared else "plain",
        rule=rule.name,
        s=suffix,
        real=REAL[suffix],
        locals=lines_of(_LOCALS, s=suffix),
        penalties=str(PENALTIES),
        names=names,
        coefficients=[f"{name} = c[t * stride + {k}]" for k, name in enumerate(coefficients)],
        before=["p = at[i]", *PREPARE.lines(suffix)] if prepared else [],
        load=[*load, "p = decay * old" if prepared else "p = old"],
        update=rule.lines(suffix),
        store=[f"{row} = {name}" for name, row in rows],
        converged_alone=STOPS["converged"].text("slope", "tol"),
        inside_alone=scalar(STOPS["inside"].text("p", "limit"), suffix),
        longest=scalar(STOPS["largest"].text("longest", "p - old"), suffix),
    )


def _names(rule: Rule, *, prepared: bool) -> tuple[str, tuple[str, ...]]:
    """The numbers of an update, and those among them that are coefficients."""
    coefficients = (*(PREPARE.coefficients if prepared else ()), *rule.coefficients)
    names = ("p", "g", *rule.state, *coefficients, *rule.locals)
    return ", ".join(dict.fromkeys(names)), coefficients


def _loop(template: str, suffix: str) -> str:
    place, v = partial(at, suffix=suffix), f"v{suffix}"
    real = REAL[suffix]
    stops = {name: partial(decision.text, suffix=v) for name, decision in STOPS.items()}
    turns = f"(<M{suffix}*>(turns + i * width + l))[0]"
    turned = stops["turned"]("step_", "before", "nought")
    names = {"s": suffix, "real": real}
    locals_ = lines_of(_LOCALS, **names)
    parts: dict[str, str | list[str]] = {
        **names,
        "locals": locals_,
        "block_locals": lines_of(_BLOCK_LOCALS, locals=locals_, **names),
        "low": place("low", "0"),
        "high": place("high", "0"),
        "status": place("status", "0"),
        "seen": place("seen", "0"),
        "p": place("x", "i"),
        "old": place("old", "i"),
        "moved": place("moved", "i"),
        "turns": turns,
        "remembered": STOPS["remembered"].text(turns, f"(({turned}) & 1)"),
        "inside": stops["inside"]("p", f"splat_{v}(limit)"),
        "converged": stops["converged"]("slope", f"splat_{v}(tol)"),
        "point": place("at", "i"),
        "velocity": place("x", "count + i"),
        "mu": place("(mu + t * stride)", "0"),
    }
    made = {"look_ahead": _LOOK_AHEAD, "update": _UPDATE, "test": _TEST, "settle": SETTLE}
    return filled(template, **parts, **{name: lines_of(t, **parts) for name, t in made.items()})
