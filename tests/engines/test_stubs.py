"""The stubs of compiled modules name what is there, and all of it."""

import ast
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import fastgd

PACKAGE = Path(fastgd.__file__).parent
STUBS = sorted((PACKAGE / "engines").rglob("*.pyi"))


def definitions(body):
    """Names that a stub defines: of functions, classes and annotated attributes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.AnnAssign):
            yield node.target.id, node


def public(names):
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.stem)
def test_a_stub_agrees_with_its_module(path):
    name = ".".join(["fastgd", *path.relative_to(PACKAGE).with_suffix("").parts])
    module = pytest.importorskip(name)
    assert any(module.__file__.endswith(suffix) for suffix in EXTENSION_SUFFIXES)
    stubs = dict(definitions(ast.parse(path.read_text()).body))
    own = {n for n, v in vars(module).items() if getattr(v, "__module__", None) == name}
    own |= {n for n in stubs if n.isupper() and hasattr(module, n)}  # a constant has no module
    assert public(own) == public(stubs)
    for class_name, node in stubs.items():
        if isinstance(node, ast.ClassDef):
            there = public(vars(getattr(module, class_name)))
            assert there == public(dict(definitions(node.body))), class_name


def test_every_compiled_module_has_a_stub():
    setup = Path(PACKAGE).parent / "setup.py"
    if not setup.exists():
        pytest.skip("needs the source tree")
    sources = {p.with_suffix("") for p in (PACKAGE / "engines").rglob("*.pyx")}
    assert sources == {p.with_suffix("") for p in STUBS}
