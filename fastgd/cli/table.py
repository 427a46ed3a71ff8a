"""Reading a CSV or TSV file into a table."""

from __future__ import annotations

import csv
import gzip
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


_SEPARATORS = ",;\t|"
_MISSING = ("", "?", "-", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A")
THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
EUROPEAN = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),\d*|[-+]?\d{1,3}(\.\d{3}){2,}")


# --- reading ----------------------------------------------------------------------------------------


def read(path: str | Path, *, decimal: str = ".", thousands: str | None = None) -> pd.DataFrame:
    """Read a table whose first line names its columns: comma, semicolon, tab or bar between them; gzipped or not.

    Parameters
    ----------
    path : path
        The file.
    decimal : {".", ","}, default "."
        What stands before a number's decimals.
    thousands : str, optional
        What stands between its thousands.

    Returns
    -------
    pandas.DataFrame
        Columns of numbers, and of texts as they stand.

    Raises
    ------
    ValueError
        If the file is no such table.
    FileNotFoundError
        If there is none.
    """
    path = Path(path)
    head = _head(path)
    separator = _separator(head)
    frame = _parsed(path, separator, decimal, thousands)
    _check_names(path, next(csv.reader([head], delimiter=separator, skipinitialspace=True)))
    frame.columns = [str(name).strip() for name in frame.columns]
    if not len(frame):
        raise ValueError(f"{path} has a line of names and no rows")
    return frame


def _parsed(path: Path, separator: str, decimal: str, thousands: str | None) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  (heavy)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", pd.errors.ParserWarning
            )  # rows longer than the line of names
            return pd.read_csv(
                path,
                sep=separator,
                decimal=decimal,
                thousands=thousands,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=list(_MISSING),
                encoding="utf-8-sig",
                compression="gzip" if _is_gzip(path) else None,
                low_memory=False,  # one dtype a column
                index_col=False,
            )
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    except pd.errors.ParserWarning:
        raise ValueError(f"{path} has rows with more cells than its first line has names") from None
    except (ValueError, OSError, EOFError, zlib.error) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ")
        raise ValueError(f"{path} cannot be read as a table: {reason}") from None


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _head(path: Path) -> str:
    """The line of names."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; wanted a file with a table")
    try:
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as stream:
            start = stream.read(1 << 20)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if start[:4] == b"PK\x03\x04":
        raise ValueError(f"{path} is a spreadsheet or an archive; save the table as CSV")
    if b"\0" in start:
        raise ValueError(f"{path} is not text; wanted a table as CSV")
    lines = [line for line in start.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path} is empty")
    return lines[0]


def _separator(head: str) -> str:
    """Which of the separators the line of names has most of, outside quotes."""
    bare = re.sub(r'"[^"]*"', "", head)
    return max(_SEPARATORS, key=bare.count)


def _check_names(path: Path, names: Sequence[str]) -> None:
    names = [name.strip() for name in names]
    if all(is_number(name) for name in names):
        raise ValueError(
            f"{path} has numbers in its first line ({', '.join(names)[:60]}); it must name the columns"
        )
    for name, times in Counter(name for name in names if name).items():
        if times > 1:
            raise ValueError(f"{path} has {times} columns called {name!r}")


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
