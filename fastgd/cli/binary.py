"""Tables that are not text: Excel and Parquet, which pandas reads."""

from __future__ import annotations

import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd.cli.delimited import MISSING, called, repeated_names, skipping
from fastgd.cli.reading import Content, Contents, Reading
from fastgd.cli.words import several
from fastgd.extras import require

if TYPE_CHECKING:
    import pandas as pd


def parquet(content: Content) -> Contents:
    """A Parquet file. The row labels that pandas wrote into it are a column if they have a name."""
    require("A Parquet file", "pyarrow")
    import pandas as pd  # noqa: PLC0415  (heavy)

    try:
        with content.seekable() as stream:
            frame = pd.read_parquet(stream)
    except (ValueError, OSError) as error:  # pyarrow's errors are of these kinds
        raise ValueError(f"it cannot be read as Parquet: {error}") from None
    named = [name for name in frame.index.names if name is not None]
    frame = frame.reset_index(level=named) if named else frame
    frame = frame.reset_index(drop=True)
    frame.columns = [str(name).strip() for name in frame.columns]
    return Contents(frame)


def excel(content: Content, reading: Reading) -> Contents:
    """One sheet of an Excel file; rows that are quite empty are left out."""
    _check_workbook(content)
    require("An Excel file", "openpyxl")
    import pandas as pd  # noqa: PLC0415  (heavy)

    try:
        with warnings.catch_warnings(), content.seekable() as stream:
            warnings.simplefilter(
                "ignore", UserWarning
            )  # of styles and filters, which do not matter
            with pd.ExcelFile(stream, engine="openpyxl") as book:
                return _sheet(book, reading)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"it cannot be read as Excel: {error}") from None


def _check_workbook(content: Content) -> None:
    with content.seekable() as stream:
        try:
            names = zipfile.ZipFile(stream).namelist()
        except zipfile.BadZipFile:
            names = []
    if "xl/workbook.xml" not in names:
        raise ValueError(
            "it is a spreadsheet or an archive of another kind; save the table as .xlsx or CSV"
        )


def _sheet(book: pd.ExcelFile, reading: Reading) -> Contents:
    import pandas as pd  # noqa: PLC0415  (heavy)

    sheet, skip = _asked(book.sheet_names, reading.sheet), reading.skip_rows or 0
    rows: Any = {"sheet_name": sheet, "skiprows": skip}
    first = pd.read_excel(book, header=None, nrows=1, **rows)
    if not len(first.columns):
        raise ValueError(f"sheet {sheet!r} is empty" + (f" below {skip} rows" if skip else ""))
    frame = pd.read_excel(
        book,
        header=None if reading.header is False else 0,
        decimal=reading.decimal or ".",
        thousands=reading.thousands,
        keep_default_na=False,
        na_values=list(MISSING),
        **rows,
    )
    filled = first.iloc[0].reindex(range(len(frame.columns)))  # a title may be short
    names = ["" if pd.isna(name) else str(name).strip() for name in filled]
    notes = []
    if len(book.sheet_names) > 1 and reading.sheet is None:
        notes.append(f"sheet {sheet!r}, the first of {len(book.sheet_names)} (--sheet)")
    if reading.header is False:
        frame.columns = called(len(frame.columns))
        return Contents(frame.dropna(how="all"), tuple(notes))
    _check_title(frame, names, skip)
    repeated, remarks = repeated_names(names)
    frame.columns = [str(name).strip() for name in frame.columns]
    return Contents(frame.dropna(how="all"), (*notes, *remarks), repeated)


def _asked(sheets: list[str], sheet: str | None) -> str:
    """The sheet of this name or number."""
    if sheet is None or sheet in sheets:
        return sheets[0] if sheet is None else sheet
    if sheet.isdecimal() and 1 <= int(sheet) <= len(sheets):
        return sheets[int(sheet) - 1]
    raise ValueError(f"there is no sheet {sheet!r}; there are {several(list(map(repr, sheets)))}")


def _check_title(frame: pd.DataFrame, names: list[str], skip: int) -> None:
    """Refuse a first row that names fewer columns than a row below has cells, and say where the names may be."""
    filled = frame.notna().sum(axis=1).to_numpy()
    named = sum(map(bool, names))
    if named * 2 >= len(names) or not len(filled) or filled.max() <= named:
        return
    below = int(np.argmax(filled == filled.max())) + 1
    raise ValueError(
        f"its first row has {named} of {len(names)} names; is it a title? {skipping(skip + below)}"
    )
