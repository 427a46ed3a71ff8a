"""Reading a CSV or TSV file into a data frame.

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastgd.archive import unpacked

if TYPE_CHECKING:
    import pandas as pd


_SEPARATORS = ",;\t|"
_MISSING = ("", "?", "-", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A")


@dataclass(frozen=True)
class Source:
    """A file, and how numbers are written in it."""

    file: str
    decimal: str = "."
    thousands: str | None = None

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.file).name

    def read(self) -> pd.DataFrame:
        """The file as a data frame."""
        return read(self.file, decimal=self.decimal, thousands=self.thousands)

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Put the file's name before the message of a ValueError."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self.file}: {error}") from None


def read(path: str | Path, *, decimal: str = ".", thousands: str | None = None) -> pd.DataFrame:
    """Read a table whose first line names its columns, separated by comma, semicolon, tab or bar; gzipped or not.

    Parameters
    ----------
    path : path
        The file.
    decimal : {".", ","}, default "."
        The decimal mark.
    thousands : str, optional
        The thousands separator.

    Returns
    -------
    pandas.DataFrame
        Columns of numbers, and of texts as they stand.

    Raises
    ------
    ValueError
        If the file is not such a table.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    header = _header(path)
    separator = max(_SEPARATORS, key=re.sub(r'"[^"]*"', "", header).count)
    names = _split(path, header, separator)
    frame = _parsed(path, separator, decimal, thousands)
    _check_names(path, names)
    frame.columns = [str(name).strip() for name in frame.columns]
    if not len(frame):
        raise ValueError(f"{path} has a header and no rows")
    return frame


def is_number(text: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _header(path: Path) -> str:
    """The first line that is not blank, of a file that looks like a table."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; wanted a file with a table")
    try:
        with unpacked(path) as stream:
            start = stream.read(1 << 20)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if start[:4] == b"PK\x03\x04":
        raise ValueError(f"{path} is a spreadsheet or an archive; save the table as CSV")
    if b"\0" in start:
        raise ValueError(f"{path} is not text; wanted a table as CSV")
    lines = [line for line in start.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path} is empty")
    return lines[0]


def _split(path: Path, header: str, separator: str) -> list[str]:
    """The names in the first line."""
    try:
        return next(csv.reader([header], delimiter=separator, skipinitialspace=True))
    except (
        csv.Error
    ):  # a field beyond the module's limit, perhaps because a quotation mark is missing
        raise ValueError(
            f"{path} has a name of more than {csv.field_size_limit():,} characters in its first line; "
            "is it a table with a header line?"
        ) from None


def _parsed(path: Path, separator: str, decimal: str, thousands: str | None) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  (heavy)

    try:
        with warnings.catch_warnings(), unpacked(path) as stream:
            # pandas only warns of rows that are longer than the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                stream,
                sep=separator,
                decimal=decimal,
                thousands=thousands,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=list(_MISSING),
                encoding="utf-8-sig",
                low_memory=False,  # one dtype a column
                index_col=False,
            )
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    except pd.errors.ParserWarning:
        raise ValueError(f"{path} has rows with more cells than its header has names") from None
    except (ValueError, OSError, EOFError, zlib.error) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ")
        raise ValueError(f"{path} cannot be read as a table: {reason}") from None


def _check_names(path: Path, names: Sequence[str]) -> None:
    names = [name.strip() for name in names]
    if all(is_number(name) for name in names):
        raise ValueError(
            f"{path} has numbers in its first line ({', '.join(names)[:60]}); it must name the columns"
        )
    for name, times in Counter(name for name in names if name).items():
        if times > 1:
            raise ValueError(f"{path} has {times} columns called {name!r}")
