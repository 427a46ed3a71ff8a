"""Writes `docs/api`: a page for each public name and module, and the tables of the page that leads to them."""

from __future__ import annotations

import inspect
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import FunctionType

from public import Public, documentation, groups, home, homes, modules
from sphinx.application import Sphinx

#: What a class page shows below its docstring, which lists the attributes that are only data.
MEMBERS = (FunctionType, classmethod, staticmethod, property, cached_property)


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx) -> None:
    """All pages of the reference; a page that has not changed is left as it is, and what is old goes."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    pages = {f"{public.full}.rst": _page(public) for public in homes().values()}
    pages |= {f"{module}.rst": _module_page(module) for module in modules() if module != "fastgd"}
    pages |= {"names.inc": _tables()}
    write_all(folder, pages)


def write_all(folder: Path, pages: dict[str, str]) -> None:
    """The files of a folder, and no other ones."""
    for path in set(folder.iterdir()) - {folder / name for name in pages}:
        if path.is_file():
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# --- one name ---------------------------------------------------------------------------------------------------------


def _page(public: Public) -> str:
    head = f"{heading(public.full)}.. currentmodule:: {public.module}\n\n"
    if public.kind == "data":
        return head + _data(public)
    text = f"{head}.. auto{public.kind}:: {public.name}\n"
    if public.kind == "function":
        return text
    own, inherited = _members(public.value)
    if own:
        text += f"   :members: {', '.join(own)}\n"
    for base, names in inherited.items():
        links = ", ".join(f":py:obj:`~{base.full}.{name}`" for name in names)
        text += f"\n   .. rubric:: From {base.name}\n\n   {links}\n"
    return text


def _data(public: Public) -> str:
    value = "\n".join(" ".join(repr(public.value).split()).splitlines())
    text = "\n".join(f"   {line}" for line in documentation(public).splitlines())
    return f".. py:data:: {public.name}\n   :value: {shortened(value)}\n\n{text}\n"


def shortened(text: str, length: int = 200) -> str:
    return text if len(text) <= length else f"{text[:length].rsplit(',', 1)[0]}, ..."


def _members(cls: type) -> tuple[list[str], dict[Public, list[str]]]:
    """The public members that fastgd defines: those documented here, and those of another documented class."""
    own: list[str] = []
    inherited: dict[Public, list[str]] = {}
    seen: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] != "fastgd":
            continue
        elsewhere = homes().get(id(base)) if base is not cls else None
        for name in vars(base):
            if not _is_shown(base, name) or name in seen:
                continue
            seen.add(name)
            if elsewhere:
                inherited.setdefault(elsewhere, []).append(name)
            else:
                own.append(name)
    return own, inherited


def _is_shown(base: type, name: str) -> bool:
    if name.startswith("_") and name != "__call__":
        return False
    return isinstance(vars(base)[name], MEMBERS)


# --- many names -------------------------------------------------------------------------------------------------------


def _module_page(module: str) -> str:
    """Its docstring, a table of its names, and below it the pages of those that are documented under it."""
    text = inspect.getdoc(import_module(module)) or ""
    names = modules()[module]
    head = f"{heading(module)}.. module:: {module}\n\n{text}\n\n{name_table(names)}"
    return head + _contents([public for public in names if home(public) is public], "")


def _tables() -> str:
    """For the page that leads to all others: fastgd's own names by group, then each module."""
    parts = [".. module:: fastgd\n\n"]
    for title, names in groups().items():
        parts.append(f"{heading(title, '-')}{name_table(names)}")
        parts.append(
            _contents([public for public in names if home(public) is public], "api/", title)
        )
    others = [module for module in modules() if module != "fastgd"]
    for module in others:
        summary = (inspect.getdoc(import_module(module)) or "").split("\n\n")[0]
        parts.append(f"{heading(module, '-')}{summary} (:doc:`More <api/{module}>`)\n\n")
        parts.append(name_table(modules()[module]))
    listed = "".join(f"   api/{module}\n" for module in others)
    parts.append(f".. toctree::\n   :hidden:\n   :caption: Modules\n\n{listed}\n")
    return "".join(parts)


def _contents(names: list[Public], folder: str, caption: str = "") -> str:
    """A hidden table of contents, for the sidebar."""
    if not names:
        return ""
    head = ".. toctree::\n   :hidden:\n" + (f"   :caption: {caption}\n" if caption else "")
    listed = "".join(f"   {public.name} <{folder}{public.full}>\n" for public in names)
    return f"{head}\n{listed}\n"


def name_table(names: list[Public]) -> str:
    """A table of links with the first sentence of each."""
    lines = [".. list-table::", "   :class: names", "   :widths: auto", ""]
    for public in names:
        at = home(public)
        summary = public.summary()
        if at.name != public.name:
            summary = f"Another name of :py:obj:`{at.name} <{at.full}>`."
        lines += [f"   * - :py:obj:`{public.name} <{at.full}>`", f"     - {summary}"]
    return "\n".join(lines) + "\n\n"


def heading(text: str, line: str = "=") -> str:
    """A title over its line."""
    return f"{text}\n{line * len(text)}\n\n"


__all__ = ["heading", "name_table", "setup", "write_all"]
