"""What a command returns, and how it is printed: names and texts of a user's file without control characters."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fastgd.text import printable, width

if TYPE_CHECKING:
    from fastgd.studies import Reproduced

_GAP = 3  # between the columns of a table on a terminal


@dataclass(frozen=True)
class Table:
    """Texts in columns.

    Attributes
    ----------
    title : str
    names : list of str
        The header.
    rows : list of list of str
    left : int, default 0
        The first columns that are aligned at the left; the others are aligned at the right.
    dispensable : int, default 0
        The last columns that a narrow terminal may leave out.
    """

    title: str
    names: list[str]
    rows: list[list[str]]
    left: int = 0
    dispensable: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a command prints, in order, and whether it finished its work."""

    parts: list[str | Table]
    finished: bool


def show(outcome: Outcome) -> None:
    """Print lines, and tables: drawn by rich on a terminal, otherwise as plain text."""
    for part in outcome.parts:
        if isinstance(part, str):
            print(printable(part))
        elif sys.stdout.isatty():
            _show_rich(_printable(part))
        else:
            _show_plain(_printable(part))


def _printable(table: Table) -> Table:
    names, *rows = [[printable(cell) for cell in row] for row in [table.names, *table.rows]]
    return replace(table, title=printable(table.title), names=names, rows=rows)


def _widths(table: Table) -> list[int]:
    return [max(map(width, column)) for column in zip(table.names, *table.rows, strict=True)]


def _padded(cell: str, room: int, *, left: bool) -> str:
    blanks = " " * (room - width(cell))
    return cell + blanks if left else blanks + cell


def _show_plain(table: Table) -> None:
    if table.title:
        print(table.title)
    widths = _widths(table)
    for row in [table.names, *table.rows]:
        cells = [
            _padded(cell, room, left=k < table.left)
            for k, (cell, room) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _show_rich(table: Table) -> None:
    from rich import box  # noqa: PLC0415  (heavy)
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console, widths = Console(), _widths(table)
    columns = list(range(len(widths)))
    if sum(widths) + _GAP * len(widths) > console.width:
        columns = columns[: len(widths) - table.dispensable]
    if table.title:
        console.print(Text(table.title, "bold"))
    for block in _blocks([widths[k] for k in columns], table.left, console.width):
        drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for k in block:
            # Folded where a single column is wider than the terminal: a number that is cut is another number.
            side: Literal["left", "right"] = "left" if k < table.left else "right"
            drawn.add_column(Text(table.names[k]), justify=side, overflow="fold")
        for row in table.rows:
            # Text, since a column may be called [red]
            drawn.add_row(*(Text(row[k]) for k in block))
        console.print(drawn)


def _blocks(widths: list[int], left: int, room: int) -> list[list[int]]:
    """The columns in blocks that fit the terminal, one below the other; each begins with the `left` first."""
    key = list(range(left))
    taken = sum(widths[k] + _GAP for k in key)
    blocks, used = [[*key]], taken
    for k in range(left, len(widths)):
        if used > taken and used + widths[k] > room:
            blocks.append([*key])
            used = taken
        blocks[-1].append(k)
        used += widths[k] + _GAP
    return blocks


def show_studies(done: Reproduced) -> None:
    """Print the data, the outcome of each study and where the report is."""
    from fastgd.studies.report import statements  # noqa: PLC0415  (heavy)

    for data in statements(done.sections) or ("none is needed.",):
        print(f"Data: {printable(data)}")
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415  (heavy)
        from rich.table import Table as RichTable  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = RichTable("study", "outcome")
        for section in done.sections:
            table.add_row(section.name, Text(printable(section.summary)))
        Console().print(table)
    else:
        for section in done.sections:
            print(f"{section.name}: {printable(section.summary)}")
    print(f"Report: {printable(str(done.report))}")
