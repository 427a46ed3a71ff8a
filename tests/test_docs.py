"""What the README and the pages show is what runs, and prints what they say."""

import ast
import re
import textwrap

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from pages import PAGES, RECIPES, ROOT, run

README = PAGES["README.md"]
INCLUDE = re.compile(r"<!-- include: (\S+):(\S+) -->\s*```python\n(.*?)```", re.DOTALL)
INCLUDED = [block for page in PAGES.values() for block in INCLUDE.findall(page)]


def source_of(path, name):
    """A function's source, or a method's as ``Class.method``."""
    text = (ROOT / path).read_text(encoding="utf-8")
    node = ast.parse(text)
    for part in name.split("."):
        node = next(n for n in node.body if getattr(n, "name", None) == part)
    return textwrap.dedent("\n".join(text.split("\n")[node.lineno - 1 : node.end_lineno]))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in PAGES[page] and RECIPES not in page]
)
def test_examples_run_and_print_what_is_shown(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg", force=True)
    run(page, tmp_path)
    plt.close("all")


@pytest.mark.parametrize(("path", "name", "shown"), INCLUDED)
def test_a_page_shows_the_source_itself(path, name, shown):
    assert textwrap.dedent(shown).strip() == source_of(path, name).strip()


def test_pages_show_something():
    assert len(INCLUDED) == 4


def test_the_commands_are_marked_for_ci():
    for name in ("main job", "test command"):
        assert README.count(f"<!-- {name} -->") == README.count(f"<!-- /{name} -->") == 1


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_exists(page):
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        assert target.startswith("https://") or (folder / target).exists(), target


def listed_in(page):
    """The pages of the tables of contents of a page."""
    tables = re.findall(r"```\{toctree\}\n((?:.+\n|\n)*?)```", PAGES[page])
    lines = [line for table in tables for line in table.splitlines()]
    pages = [re.sub(r".*<(.*)>", r"\1", line) for line in lines if line and line[0] != ":"]
    return [f"docs/{page}.md" for page in pages]


def test_the_site_leads_to_every_page_once():
    sections = [page for page in listed_in("docs/index.md") if page in PAGES]
    listed = [page for section in sections for page in listed_in(section)]
    assert len(sections) == 8
    assert sorted(["README.md", "docs/index.md", *sections, *listed]) == sorted(PAGES)


def test_no_page_is_long():
    assert not [page for page in PAGES if PAGES[page].count("\n") > 210]


def test_the_readme_leads_to_every_section_and_is_short():
    for page in listed_in("docs/index.md"):
        assert page not in PAGES or f"({page})" in README, page
    assert README.count("\n") < 200
