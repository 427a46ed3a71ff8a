"""The file of a command, read by what its first bytes say that it is: text, Excel or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastgd.cli.binary import excel, parquet
from fastgd.cli.delimited import delimited
from fastgd.cli.reading import STANDARD_INPUT, Content, Contents, Reading


@dataclass(frozen=True)
class Source:
    r"""A file, and how it is read.

    Attributes
    ----------
    file : str or path
        Its name; "-" is the standard input.
    reading : Reading

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from fastgd.cli.reading import Reading
    >>> from fastgd.cli.table import Source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "a.csv"
    ...     _ = path.write_text("1,5;2\n2,25;4\n")
    ...     Source(path, Reading(header=False, decimal=",")).read().frame
         c1  c2
    0  1.50   2
    1  2.25   4
    """

    file: str | Path
    reading: Reading = field(default_factory=Reading)

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return "standard input" if self.file == STANDARD_INPUT else Path(self.file).name

    def read(self) -> Contents:
        """What it holds.

        Raises
        ------
        ValueError
            If it is no table; the message names the file.
        FileNotFoundError
            If there is no such file.
        """
        with self.named_in_errors():
            return _contents(Content.of(self.file), self.reading)

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Put the file's name before the message of a ValueError."""
        try:
            yield
        except ValueError as error:
            name = self.name if self.file == STANDARD_INPUT else self.file
            raise ValueError(f"{name}: {error}") from None


def _contents(content: Content, reading: Reading) -> Contents:
    start = content.start(8)
    if start.startswith(b"PK\x03\x04"):
        found = excel(content, reading)
    elif start.startswith(b"PAR1"):
        found = parquet(content)
    elif start == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise ValueError("it is an old spreadsheet (.xls) or locked; save it as .xlsx or CSV")
    else:
        found = delimited(content, reading)
    if reading.sheet is not None and not start.startswith(b"PK"):
        raise ValueError("it is no Excel file, and has no --sheet")
    if not len(found.frame):
        raise ValueError("it has a header and no rows")
    return found
