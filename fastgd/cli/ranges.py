"""Lists of numbers on a command line: ``0.1:1.8:0.05``, ``1e-3:1:log50``, ``0.5,0.9``."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

import numpy as np

SYNTAX = (
    "numbers and ranges, separated by commas: 0.1:1.8:0.05 (from, to, step; the end is included if a step falls on "
    "it), 0:1:lin11 (11 values, evenly spaced, both ends included), 1e-3:1:log50 (50 values, evenly spaced in "
    "logarithm, both ends included)"
)
MOST = 10_000_000


def numbers(text: str) -> tuple[float, ...]:
    """Read a list of numbers and ranges.

    Parameters
    ----------
    text : str
        See `SYNTAX`. Steps are added in decimal arithmetic, so that the values are round numbers.

    Returns
    -------
    tuple of float

    Raises
    ------
    ValueError
        If a part is neither a number nor a range, or if there are too many values.

    Examples
    --------
    >>> from fastgd.cli.ranges import numbers
    >>> numbers("0.1:0.25:0.05, 1")
    (0.1, 0.15, 0.2, 0.25, 1.0)
    >>> numbers("1e-3:1:log4")
    (0.001, 0.01, 0.1, 1.0)
    """
    return tuple(value for part in text.split(",") for value in _part(part.strip()))


def pairs(text: str) -> tuple[tuple[float, float], ...]:
    """Read pairs of numbers such as ``0.9/0.999``, separated by commas.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of tuple of float

    Raises
    ------
    ValueError
        If a part is not a pair.

    Examples
    --------
    >>> from fastgd.cli.ranges import pairs
    >>> pairs("0.9/0.999,0.8/0.99")
    ((0.9, 0.999), (0.8, 0.99))
    """
    found = []
    for part in text.split(","):
        first, slash, second = part.partition("/")
        if not slash:
            raise ValueError(f"{part!r} is not a pair; wanted two numbers such as 0.9/0.999")
        found.append((float(_decimal(first)), float(_decimal(second))))
    return tuple(found)


def _part(part: str) -> tuple[float, ...]:
    pieces = part.split(":")
    if len(pieces) == 1:
        return (float(_decimal(part)),)
    if len(pieces) != 3:
        raise ValueError(f"{part!r} is not a range; wanted from:to:step, such as 0.1:1.8:0.05")
    start, stop = _decimal(pieces[0]), _decimal(pieces[1])
    spaced = re.fullmatch(r"(log|lin)(\d+)", pieces[2].strip())
    if spaced:
        return _spaced(part, float(start), float(stop), spaced[1], int(spaced[2]))
    step = _decimal(pieces[2])
    if step == 0 or (stop - start) / step < 0:
        raise ValueError(f"{part!r} never reaches its end with the step {pieces[2].strip()}")
    count = (stop - start) / step
    _check_count(part, count)
    return tuple(float(start + k * step) for k in range(int(count) + 1))


def _spaced(part: str, start: float, stop: float, how: str, count: int) -> tuple[float, ...]:
    _check_count(part, Decimal(count))
    if count < 2:
        raise ValueError(f"{part!r} has {count} values; wanted at least two, the ends")
    if how == "log":
        if start <= 0 or stop <= 0:
            raise ValueError(f"{part!r} is logarithmic; its ends must be positive")
        values = np.geomspace(start, stop, count)
    else:
        values = np.linspace(start, stop, count)
    # Twelve digits: 0.3 instead of 0.30000000000000004.
    return (start, *(float(f"{v:.12g}") for v in values[1:-1].tolist()), stop)


def _check_count(part: str, count: Decimal) -> None:
    if count >= MOST:
        raise ValueError(f"{part!r} has {float(count):,.0f} values; at most {MOST:,} are allowed")


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
        if not value.is_finite():
            raise InvalidOperation
    except InvalidOperation:
        raise ValueError(f"{text.strip()!r} is not a number") from None
    return value
