"""The built site: `sphinx-build -W docs docs/_build/html` comes first."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

SITE = Path(__file__).parents[1] / "_build" / "html"


class Page(HTMLParser):
    """The anchors, links and text of a page."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.anchors, self.links, self.words = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors.update(given[key] for key in ("id", "name") if given.get(key))
        self.links += [given[key] for key in ("href", "src") if given.get(key)]

    def handle_data(self, data):
        self.words.append(data)

    def targets(self):
        """Path and anchor of each link within the site."""
        for link in self.links:
            if ":" not in link.partition("#")[0] and not link.startswith("//"):
                address, _, anchor = link.partition("#")
                path = self.path.parent / address.partition("?")[0] if address else self.path
                yield path.resolve(), anchor


@pytest.fixture(scope="session")
def root():
    """The folder of the site."""
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built: sphinx-build -W docs docs/_build/html")
    return SITE.resolve()


@pytest.fixture(scope="session")
def site(root):
    """Path -> page."""
    pages = (path for path in sorted(root.rglob("*.html")) if "_static" not in path.parts)
    return {path: Page(path) for path in pages}


@pytest.fixture(scope="session")
def near(root, site):
    """The pages within two clicks of the first one."""
    reached = {root / "index.html"}
    for _ in range(2):
        reached |= {path for page in reached for path, _ in site[page].targets() if path in site}
    return {path: site[path] for path in reached}
