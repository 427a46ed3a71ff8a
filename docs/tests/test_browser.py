"""The site in Chromium, opened from a folder: no page scrolls sideways on a telephone, and search finds names."""

import shutil

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
TELEPHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_no_page_scrolls_sideways_on_a_telephone(site, browser):
    wide = {}
    tab = browser.new_page(viewport=TELEPHONE, java_script_enabled=False)  # much faster
    for path in site:
        tab.goto(path.as_uri(), wait_until="load")
        width = tab.evaluate("document.documentElement.scrollWidth")
        if width > TELEPHONE["width"]:
            wide[path.name] = width
    assert not wide


@pytest.mark.parametrize(
    ("asked", "page"),
    [("Momentum", "fastgd.Momentum"), ("hyperband", "commands/sweep"), ("converged", "sweeps")],
)
def test_search_needs_no_server(root, browser, asked, page):
    tab = browser.new_page()
    tab.goto(f"{(root / 'search.html').as_uri()}?q={asked}")
    links = f"[...document.querySelectorAll('#search-results li a')].some(a => a.href.includes('{page}'))"
    tab.wait_for_function(links, timeout=20_000)
