"""Lists of numbers as one writes them on a command line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.cli import ranges


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1", (0.1,)),
        (" 0.5 , 0.9 ", (0.5, 0.9)),
        ("0:1:0.25", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("0.1:0.35:0.1", (0.1, 0.2, 0.3)),  # the end is not on the grid
        ("1:0:-0.5", (1.0, 0.5, 0.0)),
        ("2:2:1", (2.0,)),
        ("1e-3:1:log4", (0.001, 0.01, 0.1, 1.0)),
        ("1:0.01:log3", (1.0, 0.1, 0.01)),
        ("0:1:lin3", (0.0, 0.5, 1.0)),
        ("5,0:0.2:0.1,1:100:log3", (5.0, 0.0, 0.1, 0.2, 1.0, 10.0, 100.0)),
    ],
)
def test_what_is_written_is_what_is_meant(text, values):
    assert ranges.numbers(text) == values


def test_the_published_rates_are_the_literals():
    rates = ranges.numbers("0.1:1.8:0.05")
    assert len(rates) == 35
    assert rates == tuple(float(f"{0.05 * k:.2f}") for k in range(2, 37))


@given(st.integers(1, 300), st.integers(1, 100), st.integers(0, 4))
def test_every_value_is_the_decimal_one(first, count, digits):
    step = 10**-digits
    text = f"{first * step:.{digits}f}:{(first + count) * step:.{digits}f}:{step:.{digits}f}"
    assert ranges.numbers(text) == tuple(
        float(f"{(first + k) / 10**digits:.{digits}f}") for k in range(count + 1)
    )


def test_ends_of_spaced_ranges_are_exact():
    values = ranges.numbers("0.0012345678901234:0.7:log17")
    assert (values[0], values[-1]) == (0.0012345678901234, 0.7)
    np.testing.assert_allclose(np.diff(np.log(values)), np.log(0.7 / 0.0012345678901234) / 16)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' is not a number"),
        ("0.1,,1", "'' is not a number"),
        ("fast", "'fast' is not a number"),
        ("nan", "'nan' is not a number"),
        ("inf", "'inf' is not a number"),
        ("0:inf:1", "'inf' is not a number"),
        ("0:1", "'0:1' is not a range"),
        ("0:1:2:3", "is not a range"),
        ("0:1:0", "never reaches its end"),
        ("1:0:0.1", "never reaches its end"),
        ("0:1:1e-9", "at most 10,000,000"),
        ("0:1:log5", "its ends must be positive"),
        ("1:2:log1", "wanted at least two"),
        ("1:2:lin99999999", "at most 10,000,000"),
        ("1:2:logfive", "'logfive' is not a number"),
    ],
)
def test_what_is_no_list_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        ranges.numbers(text)


def test_pairs():
    assert ranges.pairs("0.9/0.999, 0.8/0.99") == ((0.9, 0.999), (0.8, 0.99))
    for text in ("0.9", "0.9/", "a/b", ""):
        with pytest.raises(ValueError, match=r"not a pair|not a number"):
            ranges.pairs(text)
