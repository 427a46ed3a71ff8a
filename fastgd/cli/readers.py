"""What the text of an argument means; each function raises an error that argparse shows."""

from __future__ import annotations

import argparse
import codecs
import math
import re
from collections.abc import Callable
from typing import Literal, TypeVar

from fastgd.cli import ranges
from fastgd.optimizers import NAMES

T = TypeVar("T")


def by(read: Callable[[str], T]) -> Callable[[str], T]:
    """Wrap a function that reads text, so that argparse shows its error."""

    def reads(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return reads


@by
def names(text: str) -> list[str]:
    """Names with commas between them."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise ValueError(f"{text!r} has an empty name")
    return found


@by
def optimizers(text: str) -> list[str]:
    """Names of optimizers, in any case of letters."""
    known = {name.lower(): name for name in NAMES}
    for name in names(text):
        if name.lower() not in known:
            raise ValueError(f"{name!r} is not one of {', '.join(NAMES)}")
    return list(dict.fromkeys(known[name.lower()] for name in names(text)))


@by
def one(text: str) -> float:
    """One number."""
    values = ranges.numbers(text)
    if len(values) != 1:
        raise ValueError(f"{text!r} has {len(values)} values; wanted one number")
    return values[0]


@by
def whole(text: str) -> int:
    """A whole number."""
    value = one(text)
    if value != int(value):
        raise ValueError(f"{text!r} is not a whole number")
    return int(value)


@by
def seeds(text: str) -> tuple[int, ...]:
    """Different whole numbers."""
    values = ranges.numbers(text)
    if any(value != int(value) for value in values):
        raise ValueError(f"{text!r} is not a list of whole numbers such as 0,1,2")
    return tuple(dict.fromkeys(map(int, values)))


@by
def class_weight(text: str) -> Literal["balanced"] | dict[str, float]:
    """The word balanced, or names of classes with their weights."""
    if text.strip() == "balanced":
        return "balanced"
    found: dict[str, float] = {}
    for item in names(text):
        name, equals, weight = item.rpartition("=")
        if not equals or not name.strip():
            raise ValueError(
                f"{item!r} is not a class and its weight: wanted balanced, or such as yes=2,no=1"
            )
        if name.strip() in found:
            raise ValueError(f"class {name.strip()!r} has two weights")
        found[name.strip()] = one(weight)
        if not 0 <= found[name.strip()] < math.inf:
            raise ValueError(f"{item!r} is not a weight: wanted a number that is at least 0")
    return found


@by
def hidden(text: str) -> tuple[int, ...]:
    """Units of hidden layers; none of them for the word none."""
    if text.strip().lower() == "none":
        return ()
    units = ranges.numbers(text)
    if any(n != int(n) or n < 1 for n in units):
        raise ValueError(
            f"{text!r} is not a list of layers: wanted whole numbers such as 500,300, or none"
        )
    return tuple(map(int, units))


@by
def pair(text: str) -> tuple[float, float]:
    """Two numbers as a pair."""
    several = ranges.pairs(text)
    if len(several) != 1:
        raise ValueError(f"{text!r} has {len(several)} pairs; wanted one")
    return several[0]


# --- how a file is read -----------------------------------------------------------------------------

_SIGNS = {"tab": "\t", "\\t": "\t", "space": " ", "blank": " ", "comma": ",", "semicolon": ";"}


@by
def encoding(text: str) -> str:
    """The name of an encoding that Python knows."""
    try:
        "".encode(text)
    except LookupError:
        raise ValueError(
            f"there is no encoding {text!r}; wanted one such as utf-8, utf-16, cp949 or cp1252"
        ) from None
    return codecs.lookup(text).name


@by
def mark(text: str) -> str:
    """One sign."""
    sign = _SIGNS.get(text.lower(), text)
    if len(sign) != 1:
        raise ValueError(f"{text!r} is not one sign")
    return sign


@by
def separator(text: str) -> str:
    """One sign between cells; a blank stands for any number of them."""
    sign = mark(text)
    if sign in '"\r\n' or sign.isalnum():
        raise ValueError(f"{text!r} cannot separate cells")
    return sign


@by
def date_format(text: str) -> str:
    """How dates are written, in the letters of strptime."""
    if not re.search("%[YyGcxjD]", text):
        raise ValueError(f"{text!r} has no year; wanted a form such as %d/%m/%Y")
    return text


@by
def rows(text: str) -> int:
    """A number of rows."""
    many = whole(text)
    if many < 0:
        raise ValueError(f"{text!r} is less than 0")
    return many


numbers = by(ranges.numbers)
pairs = by(ranges.pairs)
