"""Arrays from a few words: numbers of a kind, in a layout; and what it means that two have the same bits."""

import numpy as np
from hypothesis import strategies as st
from same_bits import bits

KINDS = ("normal", "special", "huge", "tiny", "zeros")
LAYOUTS = ("C", "F", "strided", "reversed", "unaligned")
DTYPES = ("float32", "float64")
SEEDS = st.integers(0, 2**32 - 1)
#: Up to three dimensions, empty ones among them; a few long enough for several vectors and their remainder.
SHAPES = st.one_of(
    st.lists(st.integers(0, 5), max_size=3),
    st.lists(st.integers(1, 70), min_size=1, max_size=2),
)


def drawn(rng, shape, dtype, kind="normal"):
    """Numbers of a kind: "special" has zeros of both signs, infinities, NaN and subnormal numbers among them."""
    limits = np.finfo(dtype)
    values = np.asarray(rng.standard_normal(shape)).astype(dtype)
    if kind == "special":
        special = [0.0, -0.0, np.inf, -np.inf, np.nan, limits.smallest_subnormal, limits.max]
        some = rng.random(values.shape) < 0.1
        values = np.where(some, rng.choice(np.array(special, dtype), values.shape), values)
    scale = {"huge": limits.max / 8, "tiny": limits.tiny, "zeros": 0.0}.get(kind, 1.0)
    with np.errstate(all="ignore"):
        return np.asarray(values * np.asarray(scale, dtype), dtype)


def laid_out(values, layout):
    """The same numbers in another order in memory."""
    if layout == "F":
        return np.array(values, order="F")
    if layout == "unaligned":
        room = np.empty(values.nbytes + 1, np.uint8)[1:]
        array = room.view(values.dtype) if values.size else room[:0].view(values.dtype)
        array = array[: values.size].reshape(values.shape)
    elif layout == "C" or not values.ndim:
        array = np.empty_like(values, order="C")
    else:
        step = {"strided": 2, "reversed": -1}[layout]
        *outer, inner = values.shape
        array = np.empty((*outer, inner * abs(step)), values.dtype)[..., ::step]
    array[...] = values
    return array


def assert_same_bits(found, wanted, what):
    """Two arrays, or two sequences of them."""
    if isinstance(found, list | tuple):
        assert len(found) == len(wanted), what
        for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
            assert_same_bits(one, other, f"{what}[{k}]")
        return
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype), what
    assert bits(found) == bits(wanted), what
