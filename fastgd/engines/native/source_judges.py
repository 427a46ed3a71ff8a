"""The text of what judges the runs of functions: the largest slopes and parameters, and the box of bounds."""

from __future__ import annotations

from functools import partial

from fastgd.engines.layout import PENALTIES
from fastgd.engines.native.source_module import REAL
from fastgd.engines.native.source_updates import judging_text
from fastgd.engines.registry import STOPS
from fastgd.engines.templates import filled

# The largest slopes at x, penalties and bounds included; of those the largest parameters are of interest too, since
# penalties and bounds may hide how far a parameter went.
_JUDGES = """
cdef inline V$s steepest_$s(
        const $real* x, const $real* slopes, const int64_t* own, Py_ssize_t width, Py_ssize_t l, Py_ssize_t count
) noexcept nogil:
    cdef V$s slope = splat_v$s(0), size
    cdef const $real* k = x + count * (1 + own[STATES]) * width
    cdef Py_ssize_t i
    if not own[MEASURES]:  # a loop of its own: it is most often this one, and the shortest
        for i in range(count):
            size = $slope
            slope = $largest
        return slope
    for i in range(count):
        if own[BOUNDED]:
            size = confined_v$s($vector_arguments, $lowest, $highest)
        else:
            size = steepness_v$s($vector_arguments)
        slope = $largest
    return slope

cdef inline V$s farthest_$s(const $real* x, Py_ssize_t width, Py_ssize_t l, Py_ssize_t count) noexcept nogil:
    cdef V$s slope = splat_v$s(0), size
    cdef Py_ssize_t i
    for i in range(count):
        size = $x
        slope = $largest
    return slope

cdef inline void into_box_$s(
        const $real* x, const int64_t* own, $real* p, Py_ssize_t width, Py_ssize_t lanes, Py_ssize_t count
) noexcept nogil:
    cdef const $real* k = x + count * (1 + own[STATES]) * width
    cdef Py_ssize_t l = 0, i
    while l < lanes:
        for i in range(count):
            $point = project_v$s($point, $lowest, $highest)
        l += LANES_$s

cdef inline $real steepest_alone_$s(
        const $real* x, const $real* slopes, const int64_t* own, Py_ssize_t count
) noexcept nogil:
    cdef $real slope = 0, size
    cdef const $real* k = x + count * (1 + own[STATES])
    cdef Py_ssize_t i
    if not own[MEASURES]:
        for i in range(count):
            size = slopes[i]
            slope = $largest_alone
        return slope
    for i in range(count):
        if own[BOUNDED]:
            size = confined_$s($arguments, k[$penalties + i], k[$penalties + count + i])
        else:
            size = steepness_$s($arguments)
        slope = $largest_alone
    return slope

"""


def judges(suffix: str) -> str:
    """The functions of one precision, for a run alone and for vectors of runs."""
    spellings = (suffix, REAL[suffix]), (f"v{suffix}", f"V{suffix}")
    texts = [judging_text(*one) for one in spellings]
    return "".join([*texts, filled(_JUDGES, **_largest(suffix), s=suffix, real=REAL[suffix])])


def at(rows: str, row: str, suffix: str) -> str:
    """A vector of runs in a row."""
    return f"(<V{suffix}*>({rows} + ({row}) * width + l))[0]"


def _largest(suffix: str) -> dict[str, str]:
    """Parts of the slopes' text."""
    place, v = partial(at, suffix=suffix), f"v{suffix}"
    own = [place("k", str(j)) for j in range(PENALTIES)]
    alone = [f"k[{j}]" for j in range(PENALTIES)]
    return {
        "slope": place("slopes", "i"),
        "x": place("x", "i"),
        "largest": STOPS["largest"].text("slope", "size", suffix=v),
        "largest_alone": scalar(STOPS["largest"].text("slope", "size"), suffix),
        "vector_arguments": ", ".join(
            [place("x", "i"), place("slopes", "i"), *own, f"splat_{v}(0)"]
        ),
        "arguments": ", ".join(["x[i]", "slopes[i]", *alone, "0"]),
        "lowest": place("k", f"{PENALTIES} + i"),
        "highest": place("k", f"{PENALTIES} + count + i"),
        "penalties": str(PENALTIES),
        "point": place("p", "i"),
    }


def scalar(text: str, suffix: str) -> str:
    """NumPy's names as the scalar vocabulary spells them."""
    return text.replace("np.maximum", f"maximum_{suffix}").replace("np.abs", f"abs_{suffix}")
