"""The built site has every public name and every option, two clicks away; no link of it is dead."""

import argparse
import inspect
from importlib import import_module

import pytest

import fastgd
from fastgd.cli.arguments import build_parser
from fastgd.extras import present

MODULES = [
    fastgd,
    *(getattr(fastgd, n) for n in fastgd.__all__ if inspect.ismodule(getattr(fastgd, n))),
]
if present("torch"):
    MODULES.append(import_module("fastgd.torch"))
NAMES = [
    (module, name)
    for module in MODULES
    for name in module.__all__
    if name != "__version__" and not inspect.ismodule(getattr(module, name))
]
PARSER = build_parser()
COMMANDS = next(a for a in PARSER._actions if isinstance(a, argparse._SubParsersAction)).choices


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda v: getattr(v, "__name__", v))
def test_a_public_name_is_documented(module, name, root, near):
    value = getattr(module, name)
    same = {f"{m.__name__}.{n}" for m, n in NAMES if getattr(m, n) is value}
    assert same & {anchor for page in near.values() for anchor in page.anchors}
    assert name in near[root / "reference.html"].text.split(), "it is not in the tables"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command, root, near):
    page = near[root / "commands" / f"{command}.html"]
    for action in COMMANDS[command]._actions:
        for flag in action.option_strings:
            if flag not in {"-h", "--help"}:
                assert f"cmdoption-fastgd-{command}-{flag.lstrip('-')}" in page.anchors, flag
                assert flag in page.text


def test_every_public_method_is_documented(site):
    anchors = {anchor for page in site.values() for anchor in page.anchors}
    missing = []
    for module, name in NAMES:
        for base in inspect.getmro(cls) if inspect.isclass(cls := getattr(module, name)) else ():
            if base.__module__.partition(".")[0] != "fastgd":
                continue
            homes = [f"{m.__name__}.{n}" for m, n in NAMES if getattr(m, n) in cls.__mro__]
            missing += [
                f"{name}.{member}"
                for member, given in vars(base).items()
                if inspect.isfunction(given) and not member.startswith("_")
                if not any(f"{home}.{member}" in anchors for home in homes)
            ]
    assert not missing


def test_no_link_is_dead(site):
    dead = []
    for path, page in site.items():
        for target, anchor in page.targets():
            if not target.exists():
                dead.append((path.name, str(target)))
            elif anchor and target in site and anchor not in site[target].anchors:
                dead.append((path.name, f"{target.name}#{anchor}"))
    assert not dead


def test_nothing_is_fetched_from_other_sites(site):
    for page in site.values():
        text = page.path.read_text(encoding="utf-8")
        for mark in ('src="http', 'src="//', '<link rel="stylesheet" href="http', "@import"):
            assert mark not in text, page.path.name


def test_llms_lists_every_page(root, site):
    listed = (root / "llms.txt").read_text(encoding="utf-8")
    others = {"genindex.html", "search.html", "py-modindex.html", "index.html"}
    pages = {path.relative_to(root).as_posix() for path in site} - others
    assert [page for page in sorted(pages) if f"({page})" not in listed] == []
    whole = (root / "llms-full.txt").read_text(encoding="utf-8")
    assert "<!--" not in whole
    assert "A tour" in whole
