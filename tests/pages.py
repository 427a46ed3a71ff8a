"""The pages of the documentation, and their code, run as a reader runs it: block after block, in one program."""

import ast
import contextlib
import doctest
import io
import re
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
RECIPES = "docs/recipes/"  # pages that need another library: tests/test_recipes.py
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted([*DOCS.glob("*.md"), *DOCS.glob("recipes/*.md")])]
}
# A block that needs what may not be here is marked in the line before it; what a block prints may follow it.
BLOCK = re.compile(
    r"^(?:<!-- needs an? (GPU|cluster|installation of \w+) -->\n)?```python\n(.*?)```(?:\n```text\n(.*?)```)?",
    re.DOTALL | re.MULTILINE,
)
PACKAGES = {"PyTorch": "torch", "JAX": "jax", "optax": "optax", "Keras": "keras"}


def is_here(what):
    """Whether a block's need is met: a GPU or a cluster never is."""
    package = PACKAGES.get(what.removeprefix("installation of "))
    return package is not None and find_spec(package) is not None


def run(page, folder):
    """The names that a page's code leaves behind; what it prints must be what the page shows.

    It runs as a file in `folder`, so that the source of its functions can be read.
    """
    program = folder / "page.py"
    scope = {"__name__": "page", "__file__": str(program)}
    lines = 0
    program.touch()
    for needs, code, shown in BLOCK.findall(PAGES[page]):
        if needs and not is_here(needs):
            continue
        with program.open("a", encoding="utf-8") as file:
            file.write(code)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * lines + code, str(program), "exec"), scope)
        lines += code.count("\n")
        if shown:
            same = doctest.OutputChecker().check_output(shown, printed.getvalue(), doctest.ELLIPSIS)
            assert same, printed.getvalue()
    return scope


def imported(page):
    """The packages that a page's code imports."""
    nodes = [
        node for _, code, _ in BLOCK.findall(PAGES[page]) for node in ast.walk(ast.parse(code))
    ]
    names = [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def adapter(page):
    """The names of a page's first block."""
    scope = {"__name__": "page"}
    exec(BLOCK.search(PAGES[page])[2], scope)
    return scope
