"""Runs the published studies in their quick form, and writes `docs/reproduced`: a page for each, and their cards."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.display import status_iterator

import fastgd
from fastgd.studies import STUDIES, Section, reproduce
from fastgd.studies.report import Figure

logger = logging.getLogger(__name__)
NOTE = """```{{note}}
This is the quick form, with coarser grids; `fastgd reproduce {name}` does all of it. {data}
```"""
CARD = """
   .. grid-item-card:: {title}
      :link: /reproduced/{name}
      :link-type: doc
      :img-top: /reproduced/{figure}
"""


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx) -> None:
    """All pages, if the studies or the version have changed since they were written."""
    folder = Path(app.srcdir) / "reproduced"
    stamp = folder / "stamp"
    key = _key()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == key:
        return
    shutil.rmtree(folder, ignore_errors=True)
    cards = []
    for name in status_iterator(STUDIES, "reproducing... ", "green", len(STUDIES)):
        section = reproduce(name, folder, quick=True, download=False).sections[0]
        (folder / f"{name}.md").write_text(_page(folder / "report.md", section), encoding="utf-8")
        cards.append(_card(section))
    for page in ("report.md", "report.html"):
        (folder / page).unlink()
    (folder / "cards.inc").write_text(_cards("".join(cards)), encoding="utf-8")
    stamp.write_text(key, encoding="utf-8")


def _key() -> str:
    """What the pages are made from."""
    found = hashlib.sha256(fastgd.__version__.encode())
    studies = Path(fastgd.__file__).parent / "studies"
    for path in [Path(__file__), *sorted(studies.rglob("*.py"))]:
        found.update(path.read_bytes())
    return found.hexdigest()


def _page(report: Path, section: Section) -> str:
    """The part of a report on one study, as a page. What says which data are used stands above all in a report."""
    text = report.read_text(encoding="utf-8")
    data = text.partition("\n\n")[0]
    body = text.partition(f"## {section.title}\n")[2].partition("\n## The search for the data")[0]
    body = re.sub(r"^\n\*`fastgd reproduce.*\n", "", body)
    note = NOTE.format(name=section.name, data=data)
    return f"# {section.title}\n\n{note}\n\n{body.strip()}\n"


def _card(section: Section) -> str:
    figure = next(block for block in section.blocks if isinstance(block, Figure))
    return CARD.format(title=section.title, name=section.name, figure=section.file_name(figure))


def _cards(cards: str) -> str:
    listed = "".join(f"   /reproduced/{name}\n" for name in STUDIES)
    head = ".. grid:: 1 2 3 3\n   :gutter: 3\n   :class-container: studies\n"
    return f"{head}{cards}\n.. toctree::\n   :hidden:\n   :caption: Published studies\n\n{listed}"
