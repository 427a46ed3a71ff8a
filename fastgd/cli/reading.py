"""How a table is read, as the options say it or as the file itself shows it, and what it holds."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fastgd.archive import unpacked

if TYPE_CHECKING:
    import pandas as pd


STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Reading:
    """How a table is read. What is None is as the file shows it, or as usual.

    Attributes
    ----------
    encoding : str, optional
        Of text; by default as it shows itself.
    separator : str, optional
        Between the cells of a line; " " is any run of blanks. By default as the first lines show it.
    decimal : {".", ","}, optional
        The decimal mark; "." by default.
    thousands : str, optional
        The thousands separator; by default there is none.
    header : bool, optional
        Whether the first line names the columns. It does by default; otherwise they are called c1, c2, ...
    skip_rows : int, optional
        Lines above the table; 0 by default.
    sheet : str, optional
        Name or number, from 1, of an Excel file's sheet; the first by default.
    """

    encoding: str | None = None
    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    header: bool | None = None
    skip_rows: int | None = None
    sheet: str | None = None

    def over(self, other: Reading) -> Reading:
        """Itself, with what it leaves open as another says it."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return Reading(**{**asdict(other), **given})

    @classmethod
    def checked(cls, content: Any) -> Reading:
        """One from a file that anybody may have written; TypeError if it is none."""
        kinds = {f.name: str for f in fields(cls)} | {"header": bool, "skip_rows": int}
        reading = cls(**content)
        for name, kind in kinds.items():
            value = getattr(reading, name)
            if value is not None and type(value) is not kind:
                raise TypeError
        return reading


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes
    ----------
    frame : pandas.DataFrame
        Columns of numbers, dates, and texts as they stand. Its index counts the file's rows from 0.
    notes : tuple of str
        Remarks for the reader, for example on what was guessed.
    repeated : tuple of str
        Names that several columns have.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """The bytes of a file, opened as often as they are looked at, unpacked if they are gzipped."""

    origin: Path | bytes

    @classmethod
    def of(cls, file: str | Path) -> Content:
        """Those of a file, or of the standard input, which can be read only once."""
        if file == STANDARD_INPUT:
            return cls(sys.stdin.buffer.read())
        path = Path(file)
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
        if path.is_dir():
            raise ValueError("it is a folder; wanted a file with a table")
        return cls(path if path.is_file() else path.read_bytes())  # a pipe is read only once

    def opened(self) -> BinaryIO:
        """A stream from the beginning."""
        return unpacked(self.origin)

    def start(self, size: int) -> bytes:
        """The first bytes."""
        with readable(), self.opened() as stream:
            return stream.read(size)

    def seekable(self) -> io.BytesIO | BinaryIO:
        """A stream that jumps, for formats that are read from their end."""
        return io.BytesIO(self.origin) if isinstance(self.origin, bytes) else self.origin.open("rb")


@contextmanager
def readable() -> Iterator[None]:
    """What goes wrong with a file's bytes, as a ValueError."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"it cannot be read: {error}") from None
