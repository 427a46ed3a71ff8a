"""What README and CONTRIBUTING show is what runs."""

import ast
import re
import textwrap
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
INCLUDE = re.compile(r"<!-- include: (\S+):(\S+) -->\s*```python\n(.*?)```", re.DOTALL)


def source_of(path, name):
    """A function's source, or a method's as ``Class.method``."""
    text = (ROOT / path).read_text(encoding="utf-8")
    node = ast.parse(text)
    for part in name.split("."):
        node = next(n for n in node.body if getattr(n, "name", None) == part)
    return textwrap.dedent("\n".join(text.split("\n")[node.lineno - 1 : node.end_lineno]))


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg", force=True)
    here = re.sub(
        r"<!-- needs a (?:GPU|cluster) -->\n```python\n.*?```", "", README, flags=re.DOTALL
    )
    blocks = re.findall(r"```python\n(.*?)```", here, re.DOTALL)
    assert len(blocks) >= 3
    program = tmp_path / "readme.py"  # a file, so that a rule's source can be read
    program.write_text("\n".join(blocks), encoding="utf-8")
    scope = {"__name__": "readme", "__file__": str(program)}
    exec(compile(program.read_text(encoding="utf-8"), str(program), "exec"), scope)
    assert (tmp_path / "sweep.csv").exists()
    plt.close("all")


@pytest.mark.parametrize(("path", "name", "shown"), INCLUDE.findall(CONTRIBUTING))
def test_contributing_shows_the_source_itself(path, name, shown):
    assert textwrap.dedent(shown).strip() == source_of(path, name).strip()


def test_contributing_shows_something():
    assert len(INCLUDE.findall(CONTRIBUTING)) == 4


def test_the_commands_are_marked_for_ci():
    for name in ("main job", "test command"):
        assert README.count(f"<!-- {name} -->") == README.count(f"<!-- /{name} -->") == 1


def test_the_pictures_exist():
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file()
