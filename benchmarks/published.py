"""The numbers that pages claim: kept as JSON here, made from a report of the benchmarks, and written into the pages.

    pytest --benchmark-only --benchmark-json=benchmarks.json
    python benchmarks/published.py benchmarks.json cpu    # keeps its tables as benchmarks/published/cpu.json, and fills
    python benchmarks/published.py                        # fills the pages from what is kept

A page shows a number, a table, or some rows of one, between two comments, which GitHub and Sphinx both hide:

    Adam is <!-- result: One step; Adam, 100 k; PyTorch -->3.4 (fused)<!-- /result --> times as fast.

    <!-- results: One step; Adam, 100 k; Adam, 10 M -->
    ...
    <!-- /results -->

First comes the table's title, then the row by its first cell, then the column by its head. ``python
benchmarks/published.py`` writes what belongs between them; `tests/test_published.py` fails where something else stands.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import table

from fastgd.files import atomic_text

ROOT = Path(__file__).parents[1]
KEPT = Path(__file__).parent / "published"
MARKED = re.compile(r"(<!-- (results?): (.+?) -->)(.*?)(<!-- /\2 -->)", re.DOTALL)
Tables = dict[str, dict[str, Any]]


def pages() -> list[Path]:
    """The files that may show numbers."""
    docs = ROOT / "docs"
    return [ROOT / "README.md", *sorted([*docs.glob("*.md"), *docs.glob("recipes/*.md")])]


def tables() -> Tables:
    """Title -> head, rows and footnote, of all reports that are kept.

    Raises
    ------
    ValueError
        If two reports have a table of one name.
    """
    found: Tables = {}
    for path in sorted(KEPT.glob("*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        for title, one in report["tables"].items():
            if title in found:
                raise ValueError(f"{path.name} has a table {title!r}, and so has another report")
            found[title] = {**one, "measured": report["measured"]}
    return found


def kept(report: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of pytest-benchmark's report."""
    by_title = table.cells(table.headlines(table.measured(report)))
    found = {title: {"head": head, "rows": rows} for title, (head, rows) in by_title.items()}
    return {"measured": table.footnote(report), "tables": found}


def as_json(content: Mapping[str, Any]) -> str:
    """JSON with one line for each row."""
    text = json.dumps(content, ensure_ascii=False, indent=1)
    return re.sub(r"\[[^\[\]]*\]", lambda row: re.sub(r"\n\s*", " ", row[0]), text) + "\n"


def filled(text: str, known: Tables) -> str:
    """A page with the numbers as they are kept.

    Raises
    ------
    ValueError
        If it asks for a table, row or column that is not there.
    """

    def content(found: re.Match[str]) -> str:
        start, kind, _, _, end = found.groups()
        one, rest = _asked(found, known)
        if kind == "result":
            return f"{start}{_number(one, *rest)}{end}"
        later = [m for m in MARKED.finditer(text, found.end()) if m[2] == "results"]
        again = one["measured"] in (_asked(m, known)[0]["measured"] for m in later)
        measured = "" if again else f"\n\n{one['measured']}"  # once, below the last of its tables
        return f"{start}\n{_rows(one, rest)}{measured}\n{end}"

    return MARKED.sub(content, text)


def _asked(found: re.Match[str], known: Tables) -> tuple[dict[str, Any], list[str]]:
    """The table that a mark names, and what else it names."""
    title, *rest = (part.strip() for part in found[3].split(";"))
    return _one_of(title, known, "table"), rest


def _number(one: dict[str, Any], row: str = "", column: str = "") -> str:
    cells = _one_of(row, {cells[0]: cells for cells in one["rows"]}, "row")
    number = str(_one_of(column, dict(zip(one["head"], cells, strict=True)), "column"))
    return number.partition(" (")[0]  # without the peer's form


def _rows(one: dict[str, Any], rows: Sequence[str]) -> str:
    by_name = {cells[0]: cells for cells in one["rows"]}
    chosen = [_one_of(row, by_name, "row") for row in rows] or one["rows"]
    used = [k for k in range(len(one["head"])) if any(cells[k] for cells in chosen)]
    shown = [[cells[k] for k in used] for cells in (one["head"], *chosen)]
    return table.markdown(shown[0], shown[1:])


def _one_of(name: str, known: dict[str, Any], kind: str) -> Any:
    if name not in known:
        raise ValueError(f"no {kind} {name!r} is kept; there are {'; '.join(known)}")
    return known[name]


def main(arguments: Sequence[str]) -> int:
    """Keep the tables of a report, if one is given; then fill the pages."""
    if len(arguments) not in {0, 2}:
        sys.stderr.write("usage: python benchmarks/published.py [REPORT.json NAME]\n")
        return 2
    try:
        if arguments:
            report = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
            with atomic_text(KEPT / f"{arguments[1]}.json") as file:
                file.write(as_json(kept(report)))
        known = tables()
        for page in pages():
            before = page.read_text(encoding="utf-8")
            if (text := filled(before, known)) != before:
                with atomic_text(page) as file:
                    file.write(text)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
