"""The public names of fastgd: where each is documented, and in which group. All from the package's own lists."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from sphinx.errors import SphinxError
from sphinx.pycode import ModuleAnalyzer

import fastgd
from fastgd.extras import present

# What the groups of fastgd's own names are called: the rooms where they live, in the order of the reference.
GROUPS = {
    "descent": "Descents",
    "problems": "Problems",
    "optimizers": "Optimizers",
    "schedules": "Schedules",
    "sweeps": "Sweeps",
    "network": "Networks",
    "estimators": "Estimators of scikit-learn",
    "finder": "Learning rates",
    "explorer": "The explorer",
    "cli": "Fitted models",
    "engines": "Settings and outcomes",
}


# Public modules that `import fastgd` does not list, and the package that each needs. Without that it has no page.
OPTIONAL = {"fastgd.torch": "torch"}
FOOTNOTE = re.compile(r" \[\d+\]_")  # what it leads to stands on another page


@dataclass(frozen=True)
class Public:
    """A public name: `module.name`, and the object."""

    module: str
    name: str
    value: Any

    @property
    def full(self) -> str:
        """The name with its module."""
        return f"{self.module}.{self.name}"

    @property
    def kind(self) -> str:
        """The directive of Sphinx that documents it."""
        if inspect.isclass(self.value):
            return "exception" if issubclass(self.value, BaseException) else "class"
        return "function" if callable(self.value) else "data"

    def summary(self) -> str:
        """The first sentence of its documentation."""
        text = " ".join(documentation(self).split("\n\n")[0].split())
        head, dot, _ = text.partition(". ")
        return FOOTNOTE.sub("", head + dot.strip())


def documentation(public: Public) -> str:
    """Its docstring; of data, the comment beside its definition."""
    if public.kind != "data":
        return inspect.getdoc(public.value) or ""
    for name, module in sorted(sys.modules.items()):
        if name.startswith(public.module) and vars(module).get(public.name) is public.value:
            lines = ModuleAnalyzer.for_module(name).find_attr_docs().get(("", public.name))
            if lines:
                return "\n".join(lines).strip()
    raise SphinxError(f"{public.full} has no comment that begins with #:")


@cache
def modules() -> dict[str, list[Public]]:
    """`fastgd` and its public modules, each with its public names but those of submodules."""
    submodules = [name for name in fastgd.__all__ if inspect.ismodule(getattr(fastgd, name))]
    own = [name for name in fastgd.__all__ if name not in submodules and name != "__version__"]
    found = {"fastgd": [Public("fastgd", name, getattr(fastgd, name)) for name in own]}
    optional = [module for module, package in OPTIONAL.items() if present(package)]
    for full in [*(f"fastgd.{name}" for name in submodules), *optional]:
        module = import_module(full)
        found[full] = [Public(full, name, getattr(module, name)) for name in module.__all__]
    return found


@cache
def homes() -> dict[int, Public]:
    """The name under which an object is documented: the shortest path, and its own name before another."""
    found: dict[int, Public] = {}
    for names in modules().values():
        for public in names:
            known = found.setdefault(id(public.value), public)
            if known.module == public.module and _is_own_name(public):
                found[id(public.value)] = public
    return found


def _is_own_name(public: Public) -> bool:
    return getattr(public.value, "__name__", None) == public.name


def home(public: Public) -> Public:
    """Where it is documented; itself, mostly."""
    return homes()[id(public.value)]


def groups() -> dict[str, list[Public]]:
    """The names of fastgd itself by what they are for."""
    found: dict[str, list[Public]] = {title: [] for title in GROUPS.values()}
    for public in modules()["fastgd"]:
        room = home(public).value.__module__.split(".")[1]
        if room not in GROUPS:
            raise SphinxError(f"{public.full} lives in {room}: give GROUPS of {__name__} a title")
        found[GROUPS[room]].append(public)
    return found


@cache
def short_names() -> dict[str, str]:
    """What docstrings call things -> the full name that is documented. fastgd's own names come first."""
    found: dict[str, str] = {}
    for names in modules().values():
        for public in names:
            full = home(public).full
            for short in (public.name, public.full, full.removeprefix("fastgd.")):
                found.setdefault(short, full)
    return found
