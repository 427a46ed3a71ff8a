"""Writes `docs/commands`: a page for each command of the command line, all of it from the parsers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

from api_pages import heading, write_all
from sphinx.application import Sphinx

from fastgd.cli.arguments import build_parser

WIDTH = 80  # of a usage line
EXAMPLE = re.compile(r"Example: (fastgd .+?)(?=\. [A-Z]|; |$)")
MARKUP = re.compile(r"([\\*`_|])")

TABLE = """.. list-table::
   :class: names
   :widths: auto

{rows}
.. toctree::
   :hidden:
   :caption: Command line

{listed}"""


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx) -> None:
    """A page for each command, and the table that leads to them."""
    found = commands()
    folder = Path(app.srcdir) / "commands"
    folder.mkdir(exist_ok=True)
    pages = {f"{name}.rst": _page(parser) for name, (parser, _) in found.items()}
    pages["names.inc"] = _table({name: text for name, (_, text) in found.items()})
    write_all(folder, pages)


def commands() -> dict[str, tuple[argparse.ArgumentParser, str]]:
    """Name -> parser, and what the list of commands says of it."""
    parser = build_parser()
    subparsers = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    texts = {action.dest: action.help or "" for action in subparsers._get_subactions()}
    return {name: (command, texts[name]) for name, command in subparsers.choices.items()}


def _table(texts: dict[str, str]) -> str:
    rows = "".join(
        f"   * - :doc:`fastgd {name} </commands/{name}>`\n     - {_text(text)}\n"
        for name, text in texts.items()
    )
    listed = "".join(f"   fastgd {name} </commands/{name}>\n" for name in texts)
    return TABLE.format(rows=rows, listed=listed)


def _page(parser: argparse.ArgumentParser) -> str:
    parts = [heading(parser.prog), f".. program:: {parser.prog}\n\n"]
    if parser.description:
        parts.append(f"{_text(parser.description)}\n\n")
    parts += [_code(_usage(parser)), *_epilog(parser.epilog or "")]
    actions = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    for title, chosen in (
        ("Arguments", [a for a in actions if not a.option_strings]),
        ("Options", [a for a in actions if a.option_strings]),
    ):
        if chosen:
            parts += [heading(title, "-"), *_options(parser, chosen)]
    return "".join(parts)


def _usage(parser: argparse.ArgumentParser) -> str:
    """The usage without the reader's terminal: neither its width nor its colours."""
    formatter = argparse.HelpFormatter(parser.prog, width=WIDTH)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
    return re.sub(r"\x1b\[[\d;]*m", "", formatter.format_help()).strip()


def _options(parser: argparse.ArgumentParser, actions: Iterable[argparse.Action]) -> Iterable[str]:
    formatter = argparse.HelpFormatter(parser.prog)
    for action in actions:
        value = " ".join(_values(action))
        names = [f"{flag} {value}".strip() for flag in action.option_strings] or [value]
        text = formatter._expand_help(action) if action.help else ""
        needed = " Required." if action.required and action.option_strings else ""
        yield f".. option:: {', '.join(names)}\n\n   {_sentence(text)}{needed}\n\n"


def _values(action: argparse.Action) -> list[str]:
    """What follows the flag."""
    if action.nargs == 0:
        return []
    if action.choices is not None:
        return [f"{{{','.join(map(str, action.choices))}}}"]
    shown = action.metavar or action.dest.upper()
    return [*shown] if isinstance(shown, tuple) else [shown]


def _epilog(text: str) -> Iterable[str]:
    """Sentences, and the command of an example as a block of code."""
    position = 0
    for found in EXAMPLE.finditer(text):
        if before := text[position : found.start()].strip():
            yield f"{_text(before)}\n\n"
        yield f"For example:\n\n{_code(found[1].rstrip('.'), 'sh')}"
        position = found.end()
    if rest := text[position:].strip(" .;"):
        yield f"{_text(_sentence(rest))}\n\n"


def _code(text: str, language: str = "text") -> str:
    lines = "".join(f"   {line}\n" for line in text.splitlines())
    return f".. code-block:: {language}\n\n{lines}\n"


def _sentence(text: str) -> str:
    """A capital at the beginning, and a full stop."""
    text = _text(text[:1].upper() + text[1:])
    return text if text.endswith(".") else f"{text}."


def _text(text: str) -> str:
    """Plain text as reStructuredText."""
    return MARKUP.sub(r"\\\1", text)
