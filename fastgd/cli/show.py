"""How results are shown: tables on the terminal, figures, folders."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastgd.studies import Reproduced


def show_table(said: Said) -> None:
    for part in said.parts:
        if isinstance(part, str):
            print(part)
        elif sys.stdout.isatty():
            _show_rich(part)
        else:
            _show_plain(part)


def _widths(table: Table) -> list[int]:
    return [max(map(len, column)) for column in zip(table.names, *table.rows, strict=True)]


def _show_plain(table: Table) -> None:
    if table.title:
        print(table.title)
    widths = _widths(table)
    for row in [table.names, *table.rows]:
        cells = [
            cell.ljust(width) if k < table.left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _show_rich(table: Table) -> None:
    from rich import box  # noqa: PLC0415  (heavy)
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console, widths = Console(), _widths(table)
    shown = len(widths)
    if sum(widths) + 3 * shown > console.width:
        shown -= table.dispensable
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    if table.title:
        console.print(Text(table.title, "bold"))
    for k, name in enumerate(table.names[:shown]):
        drawn.add_column(Text(name), justify="left" if k < table.left else "right", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*map(Text, row[:shown]))  # as it stands: a column may be called [red]
    console.print(drawn)


def print_outcome(done: Reproduced) -> None:
    statements = dict.fromkeys(section.data for section in done.sections if section.data)
    for data in statements or ("none is needed.",):
        print(f"Data: {data}")
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415  (heavy)
        from rich.table import Table  # noqa: PLC0415

        table = Table("study", "outcome")
        for section in done.sections:
            table.add_row(section.name, section.summary)
        Console().print(table)
    else:
        for section in done.sections:
            print(f"{section.name}: {section.summary}")
    print(f"Report: {done.report}")


@dataclass(frozen=True)
class Table:
    """Texts in columns: the first `left` begin at the left, numbers end at the right; the last few may be left out."""

    title: str
    names: list[str]
    rows: list[list[str]]
    left: int = 0
    dispensable: int = 0


@dataclass(frozen=True)
class Said:
    """What there is to say, in order, and whether the work came to its end."""

    parts: list[str | Table]
    finished: bool


def save_figure(path: Path, *draws: Callable[..., Any]) -> None:
    """Draw pictures side by side, without pyplot, which might open a window.

    Parameters
    ----------
    path : Path
    *draws : callable
        Each draws on the axes that it is given as `ax`.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (heavy)

    figure = Figure(figsize=(2.0 + 6.0 * len(draws), 5.0), layout="constrained")
    for draw, ax in zip(draws, figure.subplots(1, len(draws), squeeze=False)[0], strict=True):
        draw(ax=ax)
    figure.savefig(path, dpi=150)


def out_folder(name: str | None) -> Path | None:
    """The folder to write to, made before the work that it is for.

    Parameters
    ----------
    name : str, optional

    Returns
    -------
    Path, or None without a name

    Raises
    ------
    ValueError
        If it is a file.
    """
    if name is None:
        return None
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out must be a folder, and {folder} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
