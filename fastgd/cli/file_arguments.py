"""The arguments of every command that reads a user's file: which file, how it is read, and which of its columns."""

from __future__ import annotations

import argparse

from fastgd.cli import readers
from fastgd.cli.words import SCALES


def add_table(parser: argparse.ArgumentParser) -> None:
    """The file and how it is read. What is not given is as the file shows it."""
    parser.add_argument(
        "file", metavar="DATA",
        help="a table: CSV, TSV or other text with separators, also gzipped; Excel (.xlsx); Parquet; - reads the "
        "standard input",
    )  # fmt: skip
    parser.add_argument(
        "--encoding", metavar="NAME", type=readers.encoding,
        help="encoding of text, such as cp949 or cp1252 (default: UTF-8, UTF-16 or cp949, whichever it is)",
    )  # fmt: skip
    parser.add_argument(
        "--separator", metavar="MARK", type=readers.separator,
        help="what separates cells: a sign, tab, or space for any run of blanks (default: as the first lines show it)",
    )  # fmt: skip
    parser.add_argument("--decimal", choices=(".", ","), help="decimal mark (default: .)")
    parser.add_argument(
        "--thousands", metavar="MARK", type=readers.mark, help="thousands separator (default: none)"
    )
    parser.add_argument(
        "--header", action=argparse.BooleanOptionalAction,
        help="whether the first line names the columns (default: it does); without names they are c1, c2, ...",
    )  # fmt: skip
    parser.add_argument(
        "--skip-rows", metavar="N", type=readers.rows, help="lines above the table (default: 0)"
    )
    parser.add_argument(
        "--sheet", metavar="SHEET", help="name or number of an Excel sheet (default: the first)"
    )
    parser.add_argument(
        "--drop-missing", action="store_true", help="leave out rows with a missing value"
    )


def add_columns(parser: argparse.ArgumentParser, scale: str) -> None:
    """The file, its columns, and their scaling."""
    add_table(parser)
    parser.add_argument("--target", metavar="COLUMN", required=True, help="the column to predict")
    parser.add_argument(
        "--features", metavar="A,B,...", type=readers.names,
        help="the columns that predict it (default: all others)",
    )  # fmt: skip
    parser.add_argument(
        "--without", metavar="A,B,...", type=readers.names, help="columns to leave out"
    )
    parser.add_argument(
        "--categories", metavar="A,B,...", type=readers.names,
        help="features that are categories although they hold numbers; columns of text always are",
    )  # fmt: skip
    parser.add_argument(
        "--dates", metavar="A,B,...", type=readers.names,
        help="features that are dates although they hold numbers such as 20200131; columns of dates always are, and "
        "count as days since the first",
    )  # fmt: skip
    parser.add_argument(
        "--date-format", metavar="FORMAT", type=readers.date_format,
        help="how dates are written, such as %%d/%%m/%%Y (default: as they show it)",
    )  # fmt: skip
    parser.add_argument(
        "--scale", choices=tuple(SCALES), default=scale,
        help=f"features to [0, 1], to mean 0 and standard deviation 1, or as they are (default: {scale})",
    )  # fmt: skip
