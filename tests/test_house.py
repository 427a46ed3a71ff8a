"""The contracts of the house that no linter keeps: sizes of files, classes and functions, and private names.

Which room may import which is import-linter's matter (`lint-imports`, contracts in pyproject.toml).
"""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fastgd"
if not PACKAGE.exists():
    pytest.skip("the source tree is not here", allow_module_level=True)
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = sorted(p for kind in ("py", "pyx", "pxd", "h") for p in PACKAGE.rglob(f"*.{kind}"))
LONGEST_FILE, LONG_FILE = 600, 400  # lines; a file between them says why it is long
LONGEST_FUNCTION = 60  # lines of a body without its docstring
MOST_METHODS = 30
COMPILED = {"_processor"}  # a compiled half of the module that imports it


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path):
    return str(path.relative_to(PACKAGE.parent))


def room_of(path):
    """The folder that shares its private members: a package of fastgd, or the module itself at the top."""
    parts = path.relative_to(PACKAGE).parts
    if parts[0] == "engines" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def docstring_lines(node):
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.end_lineno - first.lineno + 1
    return 0


def test_no_file_is_too_long():
    found = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        head = re.split(
            r"^(?:from|import|#include|cimport) ", text, maxsplit=1, flags=re.MULTILINE
        )[0]
        if lines > LONGEST_FILE or (lines > LONG_FILE and "Long because" not in head):
            found.append(f"{name_of(path)}: {lines} lines")
    assert not found, f"above {LONG_FILE} lines the first ones say: Long because ..."


def test_no_class_has_too_many_methods():
    found = []
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                many = sum(isinstance(n, ast.FunctionDef) for n in node.body)
                if many > MOST_METHODS:
                    found.append(f"{name_of(path)}: {node.name} has {many}")
    assert not found


def test_no_function_is_too_long():
    found = []
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef) and path.name != "arguments.py":
                body = node.end_lineno - node.body[0].lineno + 1 - docstring_lines(node)
                if body > LONGEST_FUNCTION:
                    found.append(f"{name_of(path)}: {node.name} has {body} lines")
    assert not found


def test_no_function_has_two_docstrings():
    found = []
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef):
                texts = [
                    statement
                    for statement in node.body[1:]
                    if isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                ]
                found += [f"{name_of(path)}:{text.lineno}: {node.name}" for text in texts]
    assert not found


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def test_no_private_name_is_imported():
    found = []
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastgd"):
                names = [a.name for a in node.names if is_private(a.name)]
                if any(name not in COMPILED for name in names):
                    found.append(f"{name_of(path)}:{node.lineno}: {names}")
    assert not found


@cache
def private_members():
    """Private names by the rooms that define them: assigned, declared or defined there."""
    defined = defaultdict(set)
    for path in MODULES:
        room = room_of(path)
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and is_private(node.name):
                defined[node.name].add(room)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                name = node.id if isinstance(node, ast.Name) else node.attr
                own = isinstance(node, ast.Name) or ast.unparse(node.value) in {
                    "self",
                    "cls",
                    "new",
                }
                if is_private(name) and own:
                    defined[name].add(room)
    return defined


def test_no_private_member_of_another_room_is_used():
    found = []
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Attribute) or not is_private(node.attr):
                continue
            rooms = private_members().get(node.attr, set())
            its_own = ast.unparse(node.value) in {"self", "cls", "super()"}
            if rooms and room_of(path) not in rooms and not its_own:
                found.append(
                    f"{name_of(path)}:{node.lineno}: {ast.unparse(node)} of {sorted(rooms)}"
                )
    assert not found
