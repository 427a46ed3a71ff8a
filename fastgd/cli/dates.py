"""Columns of dates as numbers: days since the first.

How a text writes dates follows from its numbers and the signs between them; pandas then reads the column. If it can be
read in two ways, as 01/02/2020 can, that is said and not guessed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


_ISO = "ISO8601"  # pandas' name for dates with or without times, years first
_SIGNS = r"(?:[-/.,년월]\s*|\s+)"
_NUMBERS = re.compile(rf"(\d{{1,4}})({_SIGNS})(\d{{1,2}})(?:({_SIGNS})(\d{{1,4}})([.일]?)|(월?))")
_DAY_FIRST = re.compile(rf"(\d{{1,2}})({_SIGNS})([A-Za-z]{{3,9}})(\.?{_SIGNS})(\d{{4}}|\d{{2}})")
_MONTH_FIRST = re.compile(rf"([A-Za-z]{{3,9}})(\.?{_SIGNS})(\d{{1,2}})({_SIGNS})(\d{{4}}|\d{{2}})")
_COMPACT = {
    4: ["%Y"],
    6: ["%Y%m", "%y%m%d"],
    8: ["%Y%m%d"],
    12: ["%Y%m%d%H%M"],
    14: ["%Y%m%d%H%M%S"],
}
_TIME = re.compile(
    r"(?P<gap>T|\s+)(?P<hour>\d{1,2}):\d\d(?P<seconds>:\d\d)?(?P<part>\.\d+)?(?P<half>\s?[AaPp][Mm])?"
    r"(?P<zone>\s?(?:Z|[-+]\d\d:?\d\d))?$"
)
_SAMPLES = 5  # cells that a form is looked for in


@dataclass(frozen=True)
class Days:
    """A column of dates as days since midnight of a date.

    Attributes
    ----------
    since : str
        The date, as 2020-01-31.
    form : str
        How texts write dates, as pandas wants it; "" if the file has dates and not texts.
    """

    since: str
    form: str = ""

    def of(self, column: pd.Series[Any]) -> NDArray[np.float64]:
        """The column as numbers.

        Raises
        ------
        ValueError
            If a cell is no such date.
        """
        days = (_stamps(column, self.form) - np.datetime64(self.since)) / np.timedelta64(1, "D")
        return np.asarray(days, np.float64)

    def __str__(self) -> str:
        """For example days since 2020-01-31 (read as %d/%m/%Y); years first need no explanation."""
        how = (
            ""
            if self.form in ("", _ISO) or self.form.startswith("%Y")
            else f" (read as {self.form})"
        )
        return f"days since {self.since}{how}"


def days_of(column: pd.Series[Any], asked: bool, form: str | None) -> Days | None:
    """How a column becomes days, if it holds dates.

    Parameters
    ----------
    column : pandas.Series
        Without missing values.
    asked : bool
        Whether it was said to hold dates; then numbers such as 20200131 are read too.
    form : str, optional
        How dates are written, if it was said.

    Returns
    -------
    Days, or None if it holds something else

    Raises
    ------
    ValueError
        If most cells are dates and one is not, if they can be read in two ways, or if none are and `asked`.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastgd.cli.dates import days_of
    >>> column = pd.Series(["31.1.2020", "3.2.2020"], name="when")
    >>> days = days_of(column, False, None)
    >>> str(days), days.of(column).tolist()
    ('days since 2020-01-31 (read as %d.%m.%Y)', [0.0, 3.0])
    """
    if _has_dates(column):
        return _since_the_first(column, "")
    if column.dtype.kind in "iufbm" and not asked:
        return None
    found = _form_of(column, asked, form)
    if found is not None:
        return _since_the_first(column, found)
    if asked:
        raise ValueError(
            f"column {column.name!r} holds no dates that are recognized, in row {column.index[0] + 1} "
            f"{_text(column.iloc[0])!r:.40}; say how they are written, in strptime's letters: --date-format %Y-%m-%d"
        )
    return None


def like_dates(column: pd.Series[Any]) -> bool:
    """Whether all numbers of a column could be dates such as 20200131 or 202001.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastgd.cli.dates import like_dates
    >>> [like_dates(pd.Series(numbers)) for numbers in ([202012, 202101], [202012, 202013], [1, 2])]
    [True, False, False]
    """
    if column.dtype.kind not in "iu":
        return False
    least, most = int(column.min()), int(column.max())
    for form, low, high in (("%Y%m%d", 19000101, 21001231), ("%Y%m", 190001, 210012)):
        if low <= least <= most <= high:
            return not _parsed(column.map(_text), form).isna().any()
    return False


def _since_the_first(column: pd.Series[Any], form: str) -> Days:
    return Days(str(_stamps(column, form).min().astype("datetime64[D]")), form)


def _has_dates(column: pd.Series[Any]) -> bool:
    """Whether the file has dates and not texts or numbers."""
    first = column.iloc[0] if column.dtype.kind == "O" else None
    return column.dtype.kind == "M" or isinstance(first, datetime.date)


def _stamps(column: pd.Series[Any], form: str) -> NDArray[np.datetime64]:
    """The column as times, those with a zone in UTC."""
    has_dates = _has_dates(column)
    stamps = _parsed(column, None) if has_dates else _parsed(column.map(_text), form or _ISO)
    if stamps.isna().any():
        row = int(np.argmax(stamps.isna()))
        like = f"no date of the form {form}" if form not in ("", _ISO) else "no date"
        text = _text(column.iloc[row])
        raise ValueError(
            f"column {column.name!r} has {like} in row {column.index[row] + 1}: {text!r:.40}"
        )
    return np.asarray(stamps.to_numpy(), "datetime64[us]")


def _parsed(column: pd.Series[Any], form: str | None) -> pd.Series[Any]:
    """As times without a zone; what is no date is missing."""
    import pandas as pd  # noqa: PLC0415  (heavy)

    if (
        form is None and column.dtype.kind == "O"
    ):  # a spreadsheet's column may hold other things too
        column = column.where([isinstance(value, datetime.date) for value in column])
    parsed = pd.to_datetime(column, format=form, errors="coerce", utc=True)
    return parsed.dt.tz_localize(None)


# --- how texts write dates --------------------------------------------------------------------------


def _text(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, int | float) else str(value).strip()


def _form_of(column: pd.Series[Any], asked: bool, form: str | None) -> str | None:
    """The form of most cells, which must be that of all and the only one."""
    rows = np.unique(np.linspace(0, len(column) - 1, _SAMPLES).astype(int))
    samples = column.iloc[rows].map(_text)
    forms = list(dict.fromkeys(f for text in samples for f in _forms(text, asked)))
    if form is not None and (asked or _parsed(samples, form).notna().any()):
        forms = [form]
    if not forms:
        return None
    texts = column.map(_text)
    parsed = {f: _parsed(texts, f) for f in forms}
    many = {f: int(stamps.notna().sum()) for f, stamps in parsed.items()}
    most = max(many.values())
    if most * 2 < len(texts) or not most:
        return None
    first, *others = (f for f in forms if many[f] == most)
    for other in others:
        differ = (parsed[first] != parsed[other]) & parsed[first].notna() & parsed[other].notna()
        if differ.any():
            row = int(np.argmax(differ))
            raise ValueError(
                f"column {column.name!r} has dates that can be read as {first} and as {other}, such as "
                f"{texts.iloc[row]!r:.40} in row {column.index[row] + 1}; say which: --date-format {first}"
            )
    return first


def _forms(text: str, asked: bool) -> Iterator[str]:
    """The ways in which a text may be a date."""
    if asked and text.isdecimal():
        yield from _COMPACT.get(len(text), ())
    time = _TIME.search(text)
    date, clock = (text[: time.start()], _clock(time)) if time else (text, "")
    numbers = _NUMBERS.fullmatch(date)
    if numbers:
        first, sign, _, second_sign, last, end, month_end = numbers.groups()
        if last is None:
            yield from [f"%Y{sign}%m{month_end}{clock}"] * (
                first[:2] in ("19", "20") and len(first) == 4
            )
            return
        for order in _orders(first, sign, last):
            a, b, c = map("%{}".format, order)
            yield f"{a}{sign}{b}{second_sign}{c}{end}{clock}"
        if len(first) == 4 and sign == "-":
            yield _ISO  # with times in some rows only
    for pattern, day_first in ((_DAY_FIRST, True), (_MONTH_FIRST, False)):
        if named := pattern.fullmatch(date):
            one, sign, two, second_sign, year = named.groups()
            month = "%B" if len(two if day_first else one) > 3 else "%b"
            a, b = ("%d", month) if day_first else (month, "%d")
            yield f"{a}{sign}{b}{second_sign}{'%Y' if len(year) == 4 else '%y'}{clock}"
            if month == "%b":  # May
                yield f"{a}{sign}{b}{second_sign}{'%Y' if len(year) == 4 else '%y'}{clock}".replace(
                    "%b", "%B"
                )


def _orders(first: str, sign: str, last: str) -> Sequence[str]:
    """The letters of year, month and day; a year has four digits, or two if all have at most two."""
    if len(first) == 4:
        return ("Ymd",) if len(last) <= 2 else ()
    if len(last) == 4:
        return ("dmY",) if sign == "." else ("dmY", "mdY")
    two = ["dmy", *(["mdy"] if sign != "." else [])] if len(last) == 2 else []
    return two + (["ymd"] if len(first) == 2 and len(last) <= 2 else [])


def _clock(time: re.Match[str]) -> str:
    hour = "%I" if time["half"] else "%H"
    seconds = ("%S" if time["seconds"] else "") + (".%f" if time["part"] else "")
    half = time["half"] and time["half"][:-2] + "%p"
    zone = time["zone"] and time["zone"][: time["zone"][0].isspace()] + "%z"
    return f"{time['gap']}{hour}:%M{':' if seconds else ''}{seconds}{half or ''}{zone or ''}"
