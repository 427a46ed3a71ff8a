"""Generated source as templates: text with ``$name`` where something is filled in."""

from __future__ import annotations

from collections.abc import Iterable
from string import Template


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """Lines of a block."""
    return ["    " * levels + line for line in lines]


def lines_of(template: str, **parts: str | Iterable[str]) -> list[str]:
    """The template's lines, filled in.

    A string replaces ``$name`` inside a line. Other parts are lines: they replace a line that holds ``$name`` alone,
    and get its indentation. No lines leave nothing behind.
    """
    texts = {name: part for name, part in parts.items() if isinstance(part, str)}
    lines = []
    for line in template.strip("\n").split("\n"):
        content = line.lstrip()
        block = parts.get(content[1:]) if content.startswith("$") else None
        if block is None or isinstance(block, str):
            lines.append(Template(line).substitute(texts))
        else:
            lines += [line[: len(line) - len(content)] + part for part in block]
    return lines


def filled(template: str, **parts: str | Iterable[str]) -> str:
    """As `lines_of`, as one text."""
    return "\n".join(lines_of(template, **parts)) + "\n"
