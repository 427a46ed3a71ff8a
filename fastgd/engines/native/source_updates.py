"""The text of update loops, elementary functions and coefficients."""

from __future__ import annotations

from fastgd.engines.native.source_module import REAL
from fastgd.engines.parse import CoefficientFunction, ElementaryFunction, Rule
from fastgd.engines.registry import CONFINED, PROJECT, STEEPNESS
from fastgd.engines.templates import filled, lines_of

# --- update loops ---------------------------------------------------------------------------------

_UPDATE = """
cdef void ${kind}_${rule}_$s($real** arrays, const $real* c, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef $real $names
    cdef $real nought = 0
    cdef Py_ssize_t i
    $arrays
    $coefficients
    $body

"""
_LOOP = """
for i in range(lo, hi):
    $loads
    $before
    $update
    $stores
"""
# In a block of runs, after an update of a parameter `p` that was `before`: runs that have ended keep what they had, the
# others remember their turns. Of those that are `bad` one parameter or more is out of bounds.
SETTLE = """
step_ = p - before
$p = choose_v$s(running, p, before)
before = $moved
$turns = (running & ($remembered)) | (~running & $turns)
$moved = choose_v$s(running, step_, before)
bad = bad | ~$inside
"""
# `shrink` does the same as `prepare` in a quarter of the operations where weight decay alone is at work, as mostly.
_PREPARED = """
if sign * scale == 1 and clip == INFINITY and l1 == 0:
    $shrunk
    return
$prepared
"""


def update_loop(rule: Rule, shared: tuple[Rule, Rule] | None, suffix: str) -> str:
    """A rule over arrays (p, g, state...); with `prepare` in front of it where `shared` has that and `shrink`."""
    real = REAL[suffix]
    arrays = ("p", "g", *rule.state)
    coefficients = (*(shared[0].coefficients if shared else ()), *rule.coefficients)

    def loop(before: list[str]) -> list[str]:
        return lines_of(
            _LOOP,
            loads=[f"{name} = {name}_array[i]" for name in arrays],
            before=before,
            update=rule.lines(suffix),
            stores=[f"{name}_array[i] = {name}" for name in ("p", *rule.state)],
        )

    body = loop([])
    if shared:
        prepared, shrunk = (loop(part.lines(suffix)) for part in shared)
        body = lines_of(_PREPARED, shrunk=shrunk, prepared=prepared)
    return filled(
        _UPDATE,
        kind="prepared" if shared else "plain",
        rule=rule.name,
        s=suffix,
        real=real,
        names=", ".join((*arrays, *coefficients, *rule.locals)),
        arrays=[f"cdef {real}* {name}_array = arrays[{k}]" for k, name in enumerate(arrays)],
        coefficients=[f"{name} = c[{k}]" for k, name in enumerate(coefficients)],
        body=body,
    )


# --- how steep it is with penalties, and the box of bounds ----------------------------------------

_OF_NUMBERS = """
cdef inline $real ${name}_$s($arguments) noexcept nogil:
    $locals
    $body
    return p

"""


def judging_text(suffix: str, real: str) -> str:
    """The rules `steepness`, `confined` and `project` as functions, for one number or a vector."""
    return "".join(
        filled(
            _OF_NUMBERS,
            name=rule.name,
            s=suffix,
            real=real,
            arguments=", ".join(f"{real} {name}" for name in rule.arguments),
            locals=[f"cdef {real} {', '.join(rule.locals)}"] if rule.locals else [],
            body=rule.lines(suffix),
        )
        for rule in (STEEPNESS, CONFINED, PROJECT)
    )


# --- elementary functions: of one number, and as loops over arrays (in, out) ----------------------

_ELEMENTARY = """
cdef inline $v ${name}_$s($v x) noexcept nogil:
    cdef $v $locals
    $body

cdef void map_${name}_$s($real** arrays, const $real* c, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef $real* x = arrays[0]
    cdef $real* y = arrays[1]
    cdef Py_ssize_t i = lo
    while i < hi:
        (<$v*>(y + i))[0] = ${name}_$s((<$v*>(x + i))[0])
        i += $step

"""


def elementary_text(function: ElementaryFunction) -> str:
    """For scalars and vectors; a vector's arrays are aligned and whole."""
    char = function.real
    kinds = ((char, REAL[char], "1"), (f"v{char}", f"V{char}", f"LANES_{char}"))
    return "".join(
        filled(
            _ELEMENTARY,
            name=function.name,
            s=suffix,
            v=v,
            real=REAL[char],
            locals=", ".join(function.locals),
            body=function.lines(suffix),
            step=step,
        )
        for suffix, v, step in kinds
    )


# --- coefficients ---------------------------------------------------------------------------------

_COEFFICIENTS = """
cdef void coefficients_$name(double t, double* carried, const double* h, double* out) noexcept nogil:
    cdef double $names
    $hyperparameters
    carry = carried[0]
    $shared
    $own
    $carry
    $results

"""
# Where the runs share all hyperparameters but the rate (`uniform`), powers and the like are computed once.
_LANE_COEFFICIENTS = """
cdef void lanes_${name}_$s(
        double t, double* carried, const double* h, Py_ssize_t width, Py_ssize_t lanes, bint uniform,
        $real* out
) noexcept nogil:
    cdef double $names
    $declared_results
    cdef Py_ssize_t l
    if uniform:
        $shared_hyperparameters
        $shared_carry
        $shared
        $shared_results
        for l in range(lanes):
            lr = h[l]
            $own
            $uniform_results
            $carry
        return
    for l in range(lanes):
        $hyperparameters
        $own_carry
        $shared
        $own
        $results
        $carry

"""


def _declared(function: CoefficientFunction) -> str:
    return ", ".join(dict.fromkeys((*function.hyperparameters, *function.locals, "carry")))


def coefficients(function: CoefficientFunction) -> str:
    """Coefficients of one step."""
    shared, own, results = function.split_by_rate()
    values = [text for text, _ in results]
    carry = [f"carried[0] = {values.pop(0)}"] if function.carries else []
    return filled(
        _COEFFICIENTS,
        name=function.name,
        names=_declared(function),
        hyperparameters=[f"{name} = h[{k}]" for k, name in enumerate(function.hyperparameters)],
        shared=shared,
        own=own,
        carry=carry,
        results=[f"out[{k}] = {value}" for k, value in enumerate(values)],
    )


def lane_coefficients(function: CoefficientFunction, suffix: str) -> str:
    """Coefficients of one step for a block of runs, in rows of `width`."""
    real = REAL[suffix]
    shared, own, results = function.split_by_rate()
    numbered = list(enumerate(results[1:] if function.carries else results))
    named = list(enumerate(function.hyperparameters))
    carries = function.carries

    def stored(k: int, value: str) -> str:
        return f"out[{k} * width + l] = <{real}>({value})"

    return filled(
        _LANE_COEFFICIENTS,
        name=function.name,
        s=suffix,
        real=real,
        names=_declared(function),
        declared_results=[f"cdef double result{k}" for k, _ in numbered],
        shared_hyperparameters=[f"{n} = h[{k} * width]" for k, n in named if n != "lr"],
        shared_carry=["carry = carried[0]"] if carries else [],
        shared=shared,
        shared_results=[f"result{k} = {v}" for k, (v, sees_rate) in numbered if not sees_rate],
        own=own,
        uniform_results=[stored(k, v if sees else f"result{k}") for k, (v, sees) in numbered],
        carry=["carried[l] = carry"] if carries else [],
        hyperparameters=[f"{n} = h[{k} * width + l]" for k, n in named],
        own_carry=["carry = carried[l]"] if carries else [],
        results=[stored(k, v) for k, (v, _) in numbered],
    )
