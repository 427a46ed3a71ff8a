"""Writes `llms.txt`, the list of all pages with a sentence on each, and `llms-full.txt`, their texts, into the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

LONGEST = 300  # signs of the sentence on a page
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
CONTENTS = re.compile(r"^(`{3,}|:{3,})\{(?:toctree|eval-rst)\}.*?^\1\n", re.DOTALL | re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(app: Sphinx, error: Exception | None) -> None:
    """Both files, once the site is built."""
    if error or app.builder.name not in {"html", "dirhtml"}:
        return
    (app.outdir / "llms.txt").write_text(_list(app), encoding="utf-8")
    texts = (_text(app.env, page) for page in _pages(app.env, app.config.root_doc))
    (app.outdir / "llms-full.txt").write_text("\n\n\n".join(texts) + "\n", encoding="utf-8")


def _pages(env: BuildEnvironment, page: str) -> Iterator[str]:
    """The page, and all below it, in the order of the tables of contents."""
    yield page
    for below in env.toctree_includes.get(page, []):
        yield from _pages(env, below)


def _list(app: Sphinx) -> str:
    env, root = app.env, app.config.root_doc
    lines = [f"# {env.titles[root].astext()}", "", f"> {_sentence(env, root)}"]
    for section in env.toctree_includes[root]:
        lines += ["", f"## {env.titles[section].astext()}", ""]
        for page in _pages(env, section):
            link = f"[{env.titles[page].astext()}]({app.builder.get_target_uri(page)})"
            sentence = _sentence(env, page)
            lines.append(f"- {link}: {sentence}" if sentence else f"- {link}")
    return "\n".join(lines) + "\n"


def _sentence(env: BuildEnvironment, page: str) -> str:
    """The first paragraph of a page."""
    for paragraph in env.get_doctree(page).findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if text and not isinstance(paragraph.parent, nodes.list_item):
            return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(' ')[0]} ..."
    return ""


def _text(env: BuildEnvironment, page: str) -> str:
    """A page of Markdown as it is written, without comments and tables of contents; another one as plain text."""
    source = Path(env.doc2path(page))
    if source.suffix == ".md":
        text = COMMENT.sub("", source.read_text(encoding="utf-8"))
        return re.sub(r"\n{3,}", "\n\n", CONTENTS.sub("", text)).strip()
    return "\n\n".join(_blocks(env.get_doctree(page)))


def _blocks(tree: nodes.Node) -> Iterator[str]:
    """Titles, signatures, paragraphs and code, each once, in their order."""
    for node in tree.findall(nodes.TextElement):
        inside = node.parent
        while inside is not None and not isinstance(inside, nodes.TextElement):
            inside = inside.parent
        if inside is not None or not (text := node.astext().strip()):
            continue
        if isinstance(node, nodes.title):
            yield f"# {text}"
        elif isinstance(node, nodes.literal_block | nodes.doctest_block):
            yield f"```\n{text}\n```"
        elif not isinstance(node, nodes.comment | nodes.raw):
            yield " ".join(text.split())
