"""The blocks of a study's outcome, and the report: CSV tables, PNG figures, one Markdown and one HTML page."""

from __future__ import annotations

import base64
import csv
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastgd.files import atomic_text, atomic_write
from fastgd.plotting import Animation as MovingFigure
from fastgd.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = [
    "Animation",
    "Column",
    "Figure",
    "Formula",
    "Options",
    "Origin",
    "Section",
    "Table",
    "Text",
    "statements",
    "write_gif",
    "write_report",
]


@dataclass(frozen=True)
class Text:
    """A paragraph of Markdown."""

    text: str


@dataclass(frozen=True)
class Formula:
    """Preformatted lines."""

    text: str


@dataclass(frozen=True)
class Column:
    """A column's heading, the format of its values, and the text for ``None``."""

    name: str
    form: str = ""
    missing: str = ""

    def write(self, value: Any) -> str:
        """Format a value for the report, with a real minus sign."""
        if value is None:
            return self.missing
        text = format(value, "d" if value == 0 and self.form == "+d" else self.form)
        return text if isinstance(value, str) else text.replace("-", "−")


@dataclass(frozen=True)
class Table:
    """Rows of raw values; `marked` holds the indices of rows to highlight in the HTML page.

    If `shown` is False, the report only links the file: for curves, point by point.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    marked: frozenset[int] = frozenset()
    shown: bool = True

    def texts(self) -> list[list[str]]:
        """Formatted cells."""
        columns = self.columns
        return [[c.write(v) for c, v in zip(columns, row, strict=True)] for row in self.rows]

    def numeric(self) -> list[bool]:
        """Which columns hold numbers and are right-aligned."""
        return [
            all(isinstance(row[k], int | float | None) for row in self.rows)
            for k in range(len(self.columns))
        ]


@dataclass(frozen=True)
class Figure:
    """A figure: `draw` draws it on an empty matplotlib figure."""

    name: str
    caption: str
    draw: Callable[[MatplotlibFigure], None]
    size: tuple[float, float] = (8.0, 4.8)


@dataclass(frozen=True)
class Animation:
    """An animation: `prepare` draws on an empty figure and returns a function that shows frame k."""

    name: str
    caption: str
    prepare: Callable[[MatplotlibFigure], Callable[[int], None]]
    frames: int
    size: tuple[float, float] = (8.0, 4.0)
    frames_per_second: int = 8


Block = Text | Formula | Table | Figure | Animation


@dataclass(frozen=True)
class Options:
    """Options of a study: where its data are, whether to use coarser grids, whether to add animations."""

    data: Path | None = None
    quick: bool = False
    download: bool = True
    animate: bool = False


@dataclass(frozen=True)
class Origin:
    """Which data a study used.

    Attributes
    ----------
    statement : str
        With which the report begins; empty if the study uses no data.
    instead : str
        What stands in for the real data, in a few words; empty if nothing does. Then nothing that the study finds is
        said without it.
    attempts : tuple of str
        Where the real data were looked for in vain.
    """

    statement: str = ""
    instead: str = ""
    attempts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Outcome of one study.

    Attributes
    ----------
    name, title : str
        Name on the command line, and title.
    data : Origin
    finding : str
        What was reproduced, and how closely.
    blocks : list of Text, Formula, Table, Figure and Animation
        In reading order.
    results : dict
        The numbers, for programs.
    """

    name: str
    title: str
    data: Origin
    finding: str
    blocks: list[Block]
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The finding, with the data that stood in."""
        return f"On {self.data.instead}: {self.finding}" if self.data.instead else self.finding

    def caption(self, block: Table | Figure | Animation) -> str:
        """Caption of a table, figure or animation, with the data that stood in."""
        return f"{block.caption} Data: {self.data.instead}." if self.data.instead else block.caption

    def file_name(self, block: Table | Figure | Animation) -> str:
        """File name of a table, figure or animation."""
        return f"{self.name}-{block.name}.{_KINDS[type(block)]}"


_KINDS = {Table: "csv", Figure: "png", Animation: "gif"}


def write_report(sections: Sequence[Section], folder: Path, made_with: str) -> list[Path]:
    """Write everything to `folder`, which is created if necessary; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Table | Figure | Animation):
                written.append(folder / section.file_name(block))
                _write(block, written[-1])
    text = _markdown(sections, made_with)
    pages = {"report.md": text, "report.html": _page(text, sections, folder)}
    for name, text in pages.items():
        with atomic_text(folder / name) as file:
            file.write(text)
    return [*written, *(folder / name for name in pages)]


def _write(block: Table | Figure | Animation, path: Path) -> None:
    if isinstance(block, Table):
        _write_csv(block, path)
    elif isinstance(block, Figure):
        _write_png(block, path)
    else:
        write_gif(block, path)


def _write_csv(table: Table, path: Path) -> None:
    with atomic_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in table.columns])
        writer.writerows([_raw(value) for value in row] for row in table.rows)


def _raw(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def _write_png(figure: Figure, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  (heavy)
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    canvas = Canvas(figsize=figure.size, layout="constrained")
    FigureCanvasAgg(canvas)
    figure.draw(canvas)
    # No software version or date in the file: the same study gives the same bytes.
    with atomic_write(path) as file:
        canvas.savefig(file, format="png", dpi=160, metadata={"Software": None})


def write_gif(animation: Animation, path: Path) -> None:
    """Write an animation, whole or not at all."""
    MovingFigure(
        animation.prepare, animation.frames, animation.size, animation.frames_per_second
    ).save(path)


def _data_line(sections: Iterable[Section]) -> str:
    return "Data: " + (" ".join(map(_literal, statements(sections))) or "none is needed.")


def statements(sections: Iterable[Section]) -> list[str]:
    """What the studies say of their data, each statement once."""
    return list(dict.fromkeys(s.data.statement for s in sections if s.data.statement))


def _search(sections: Iterable[Section]) -> list[str]:
    """The last part of the report: where data were looked for in vain."""
    attempts = dict.fromkeys(attempt for s in sections for attempt in s.data.attempts)
    listed = "\n".join(f"- {_literal(attempt)}" for attempt in attempts)
    return ["## The search for the data", listed] if listed else []


# --- pages ------------------------------------------------------------------------------------------


def _markdown(sections: Sequence[Section], made_with: str) -> str:
    parts = [_data_line(sections), f"# {_TITLE}", made_with]
    links = [f"[**{s.title}**](#{_anchor(s.title)}) (`{s.name}`)" for s in sections]
    parts.append(
        "\n".join(f"- {link}: {s.summary}" for link, s in zip(links, sections, strict=True))
    )
    for section in sections:
        saw = f", on {section.data.instead}" if section.data.instead else ""
        parts += [f"## {section.title}", f"*`fastgd reproduce {section.name}`{saw}*"]
        parts += [_markdown_block(section, block) for block in section.blocks]
    parts += _search(sections)
    return "\n\n".join(parts) + "\n"


def _markdown_block(section: Section, block: Block) -> str:
    if isinstance(block, Text):
        return block.text
    if isinstance(block, Formula):
        return f"```text\n{block.text}\n```"
    file, caption = section.file_name(block), section.caption(block)
    if isinstance(block, Figure | Animation):
        return f"![{_plain(caption)}]({file})\n\n*{caption}*"
    if not block.shown:
        return f"{caption} ([{file}]({file}))"
    rule = ["---:" if right else "---" for right in block.numeric()]
    rows = [[column.name for column in block.columns], rule, *block.texts()]
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([f"**{caption}** ([{file}]({file}))", "", *lines])


def _literal(text: str) -> str:
    """A text that may hold paths and what a server answered: no Markdown, which could draw in any file, in it."""
    return re.sub(r"[\\`*\[\]<>!]", r"\\\g<0>", printable(text))


def _plain(text: str) -> str:
    return re.sub(r"[`*\[\]]", "", text)


def _anchor(title: str) -> str:
    """The anchor that GitHub gives to a heading, so that links work there too."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _page(markdown: str, sections: Sequence[Section], folder: Path) -> str:
    """The Markdown page as one self-contained HTML file, figures included."""
    from markdown_it import MarkdownIt  # noqa: PLC0415  (only when something is written)

    renderer = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table")
    tokens = renderer.parse(markdown)
    tokens[0].attrSet("class", "data stand-in" if any(s.data.instead for s in sections) else "data")
    tables = (b for s in sections for b in s.blocks if isinstance(b, Table) and b.shown)
    marked: frozenset[int] = frozenset()
    row = 0
    for token, after in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(after.content))
        elif token.type == "table_open":
            marked, row = next(tables).marked, -1  # the row of headings
        elif token.type == "tr_open":
            if row in marked:
                token.attrSet("class", "marked")
            row += 1
        for picture in (t for t in token.children or () if t.type == "image"):
            picture.attrSet("src", _data_uri(folder / str(picture.attrs["src"])))
    body = renderer.renderer.render(tokens, renderer.options, {})
    return _PAGE.format(title=_TITLE, style=_STYLE, body=body)


def _data_uri(path: Path) -> str:
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:image/{path.suffix[1:]};base64,{content}"


_TITLE = "Published studies, reproduced"
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
{body}</body>
</html>
"""
_STYLE = """
:root { color-scheme: light; }
body { font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
       color: #222; background: #fff; max-width: 52rem; margin: 2.5rem auto 5rem; padding: 0 1.25rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 1.6rem 0 0.4rem; }
h2 { font-size: 1.4rem; margin: 2.8rem 0 0.6rem; padding-top: 1.2rem; border-top: 1px solid #ddd; }
h1 + p, h2 + p { color: #666; font-size: 0.87rem; margin-top: 0; }
p.data { margin: 0; padding: 0.6rem 0.9rem; border-left: 5px solid #0072b2; background: #eef5fa; }
p.data.stand-in { border-color: #d55e00; background: #fdf1e9; }
code, pre { font: 0.9em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { background: #f3f3f3; padding: 0.05em 0.3em; border-radius: 3px; }
pre { background: #f6f6f6; padding: 0.8rem 1rem; overflow-x: auto; border-radius: 4px; }
pre code { background: none; padding: 0; font-size: 1em; }
em, em code { font-style: normal; }
p:has(> img) { margin: 1.8rem 0 0.5rem; }
p:has(> img) + p { color: #444; font-size: 0.92rem; margin: 0.5rem 0 1.8rem; }
img { width: 100%; height: auto; display: block; }
p:has(+ table) { color: #444; font-size: 0.92rem; margin: 1.8rem 0 0.5rem; }
p:has(+ table) strong { font-weight: normal; }
table { display: block; overflow-x: auto; border-collapse: collapse; font-variant-numeric: tabular-nums;
        font-size: 0.95rem; margin: 0.5rem 0 1.8rem; }
th, td { padding: 0.22rem 0.9rem; text-align: left; border-bottom: 1px solid #eaeaea; }
th { border-bottom: 2px solid #999; vertical-align: bottom; background: #fff; }
tr.marked td { background: #fdf1e9; font-weight: 600; }
a { color: #005a8c; }
@media print { body { margin: 0; max-width: none; } img, tr { break-inside: avoid; } }
""".strip()
