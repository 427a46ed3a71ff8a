"""Tables as text: CSV, TSV and what else has a separator, which pandas reads once it is known how.

The separator is the candidate that the header has most of: `csv.Sniffer` and pandas' ``sep=None`` also look at the
rows, where decimal commas and commas inside texts mislead them. A gzipped file is recognized by its content, since
pandas goes by the file's name alone.
"""

from __future__ import annotations

import csv
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from fastgd.cli.charset import check_decodes, encoding_of
from fastgd.cli.reading import Content, Contents, Reading, readable
from fastgd.cli.words import several

if TYPE_CHECKING:
    import pandas as pd


MISSING = ("", "?", "-", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A")
_SEPARATORS = ",;\t|"
_BLANKS = " "  # any run of them
_OTHER_TEXT = re.compile(
    r"<(!doctype|html|head|meta|table|\?xml)\b|\{\s*\"|\[\s*[\[{]", re.IGNORECASE
)
_LOOKED_AT = 50  # lines
_START = 1 << 20  # bytes with the first lines


def delimited(content: Content, reading: Reading) -> Contents:
    """A table of text, separated by comma, semicolon, tab, bar or blanks."""
    with readable():
        encoding = reading.encoding or encoding_of(content.opened)
        if reading.encoding is not None:
            check_decodes(content.opened, encoding)
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    head = _Head.of(content, encoding, reading)
    frame = _parsed(content, encoding, head.separator, reading)
    notes = []
    if reading.encoding is None and encoding != "utf-8-sig":
        notes.append(f"text in {encoding}")
    if reading.header is False:
        frame.columns = called(len(frame.columns))
        return Contents(frame, tuple(notes))
    repeated, remarks = repeated_names(head.names)
    frame.columns = _unique([str(name).strip() for name in frame.columns])
    return Contents(frame, (*notes, *remarks), repeated)


def is_number(text: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def called(columns: int) -> list[str]:
    """The names of columns in a file that names none."""
    return [f"c{k + 1}" for k in range(columns)]


def repeated_names(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The names that several columns have, and a remark on them."""
    repeated = [name for name, times in Counter(names).items() if name and times > 1]
    if not repeated:
        return (), []
    listed = several([f"{name!r}" for name in repeated], 3)
    return tuple(repeated), [
        f"several columns are called {listed}: the others got a number, as in {repeated[0]}.1"
    ]


def skipping(rows: int) -> str:
    """Advice for a table that begins further down."""
    return f"--skip-rows {rows} begins below {'them' if rows > 1 else 'it'}"


@dataclass(frozen=True)
class _Head:
    """What the first lines show: the separator, and the cells of the first of them."""

    separator: str
    names: list[str]

    @classmethod
    def of(cls, content: Content, encoding: str, reading: Reading) -> _Head:
        text = content.start(_START).decode(encoding, "replace")
        lines = re.split(r"\r\n|\r|\n", text)[reading.skip_rows or 0 :]
        lines = [line for line in lines[:_LOOKED_AT] if line.strip()]
        if not lines:
            more = f" below {reading.skip_rows} lines" if reading.skip_rows else ""
            raise ValueError(f"the file is empty{more}")
        if kind := _OTHER_TEXT.match(lines[0].lstrip()):
            what = "HTML or XML" if kind[0][0] == "<" else "JSON"
            raise ValueError(f"it is {what}; save the table as CSV, .xlsx or Parquet")
        separator = reading.separator or _separator(lines, reading)
        names = [name.strip() for name in _cells(lines, separator)[0]]
        if reading.header is not False:
            _check_title(lines, separator, names, reading.skip_rows or 0)
            if all(is_number(name) for name in names):
                raise ValueError(
                    f"it has numbers in its first line ({', '.join(names)[:60]}); it must name the columns, "
                    "or --no-header calls them c1, c2, ..."
                )
        return cls(separator, names)


def _separator(lines: Sequence[str], reading: Reading) -> str:
    """The separator: the one that the header has most of, or without a header the first that all lines have."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    marks = [mark for mark in _SEPARATORS if reading.header is None or mark != reading.decimal]
    if reading.header is False:
        marks.sort(key=";\t|,".index)  # a comma may be in the numbers
        found = [mark for mark in marks if all(mark in line for line in bare[: len(bare) - 1 or 1])]
        mark = found[0] if found else ","
    else:
        mark = max(_SEPARATORS, key=bare[0].count)
    if mark in bare[0]:
        return mark
    fields = {len(line.split()) for line in bare}
    return _BLANKS if len(fields) == 1 and fields != {1} and '"' not in lines[0] else ","


def _cells(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of the first lines."""
    if separator == _BLANKS:
        return [line.split() for line in lines]
    try:
        rows = csv.reader(
            iter(f"{line}\n" for line in lines), delimiter=separator, skipinitialspace=True
        )
        return list(islice(rows, _LOOKED_AT))
    except (
        csv.Error
    ):  # a field beyond the module's limit, perhaps because a quotation mark is missing
        raise ValueError(
            f"it has a name of more than {csv.field_size_limit():,} characters in its first lines; "
            "is it a table with a header line?"
        ) from None


def _check_title(lines: Sequence[str], separator: str, names: Sequence[str], skip: int) -> None:
    """Refuse a first line with fewer cells than most lines have, and say where the table may begin."""
    wanted, first = _most_common(lines, separator)
    if wanted == 1:  # of the lines below another mark may be the separator
        wanted, first = max(_most_common(lines, mark) for mark in _SEPARATORS)
    if first == 0 or len(names) >= wanted or len(lines) < first + 2:
        return
    raise ValueError(
        f"it has rows with more cells than its header has names, {wanted} and {len(names)}; "
        f"is its first line a title? {skipping(skip + first)}"
    )


def _most_common(lines: Sequence[str], separator: str) -> tuple[int, int]:
    """The number of cells that most lines have, and the first line that has it."""
    many = [len(row) for row in _cells(lines, separator)]
    (wanted, times), *_ = Counter(many).most_common(1)
    return (wanted, many.index(wanted)) if times * 2 > len(many) else (1, 0)


def _unique(names: list[str]) -> list[str]:
    """The names, with a number after those that only blanks told apart."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return unique


def _parsed(content: Content, encoding: str, separator: str, reading: Reading) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  (heavy)

    try:
        with warnings.catch_warnings(), content.opened() as stream:
            # pandas only warns of rows that are longer than the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                stream,
                sep=r"\s+" if separator == _BLANKS else separator,
                header=None if reading.header is False else 0,
                skiprows=reading.skip_rows or 0,
                decimal=reading.decimal or ".",
                skipinitialspace=True,
                keep_default_na=False,
                na_values=list(MISSING),
                encoding=encoding,
                low_memory=False,  # one dtype a column
                index_col=False,
            )
            return frame if reading.thousands is None else _without_marks(frame, reading)
    except pd.errors.ParserWarning:
        raise ValueError("it has rows with more cells than its header has names") from None
    except (ValueError, OSError, EOFError, zlib.error) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ")
        raise ValueError(f"it cannot be read as a table: {reason}") from None


def _without_marks(frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The frame with columns of numbers with thousands separators as numbers.

    pandas drops the mark from anything that is a number then: of a date such as 03.04.2024 it makes one, too.
    """
    import pandas as pd  # noqa: PLC0415  (heavy)

    mark, decimal = reading.thousands or "", reading.decimal or "."
    fraction = rf"({re.escape(decimal)}\d*)?"
    groups = rf"\d{{1,3}}({re.escape(mark)}\d{{2,3}})*{re.escape(mark)}\d{{3}}"
    number = rf"\s*[-+]?({groups}|\d+){fraction}([eE][-+]?\d+)?\s*"
    for k in range(frame.shape[1]):
        column = frame.iloc[:, k]
        if pd.api.types.is_numeric_dtype(column) or not column.dropna().str.fullmatch(number).all():
            continue
        plain = column.str.replace(mark, "", regex=False).str.replace(decimal, ".", regex=False)
        frame.isetitem(k, pd.to_numeric(plain))
    return frame
