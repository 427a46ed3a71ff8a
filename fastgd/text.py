"""Text of others where people see it: on a terminal, in a figure, in a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_FORMULA = re.compile(r"[=+\-@\t\r＝＋－＠]")


def printable(text: str) -> str:
    r"""The text with control characters, which could rewrite a terminal's screen, shown as escapes.

    Examples
    --------
    >>> from fastgd.text import printable
    >>> print(printable("width\x1b[2J (cm)"))
    width\x1b[2J (cm)
    """
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c) else c.encode("unicode_escape").decode() for c in text)


def width(text: str) -> int:
    """How many columns of a terminal a text takes: two for a sign such as 값, none for an accent of its own.

    Examples
    --------
    >>> from fastgd.text import width
    >>> [width(text) for text in ("price", "가격", "prix", "e\N{COMBINING ACUTE ACCENT}")]
    [5, 4, 4, 1]
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def _is_shown(character: str) -> bool:
    """Whether it is a letter, a sign, or a blank of whatever width."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def as_cell(value: Any) -> Any:
    """A cell of a table for people: a text that a spreadsheet would run as a formula gets an apostrophe before it.

    Numbers stay as they are, also as texts.

    Examples
    --------
    >>> from fastgd.text import as_cell
    >>> [as_cell(value) for value in ("=1+2", "-3.5", -3.5, "red")]
    ["'=1+2", '-3.5', -3.5, 'red']
    """
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return "'" + value
    return value if value == value.strip() else "'" + value
