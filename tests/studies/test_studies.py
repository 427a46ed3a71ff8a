"""The studies: published numbers reproduced, reports written, and first of all which data were used."""

import base64
import csv
import os
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from fastgd import studies
from fastgd.studies import STUDIES, reproduce
from fastgd.studies.published import RATE_VS_ITERATIONS
from fastgd.studies.report import (
    Animation,
    Column,
    Figure,
    Formula,
    Origin,
    Section,
    Table,
    Text,
    write_report,
)

DATA = os.environ.get("FASTGD_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="FASTGD_DATA is not set")


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """The rate study on the stand-in, whatever lies on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FASTGD_DATA", raising=False)
        patch.setattr(
            "fastgd.datasets.files._cache_folder", lambda: tmp_path_factory.mktemp("cache")
        )
        out = tmp_path_factory.mktemp("report")
        return reproduce(["rate-vs-iterations"], out=out, quick=True, download=False)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return reproduce(["rate-vs-iterations"], out=out, quick=True, data=DATA)


def naive_count(rows, rate):
    """Updates less one, by the plainest loop over the rows; None where it runs away."""
    height, weight = rows.data[:, 0], rows.target
    x = (height - height.min()) / (height.max() - height.min())
    w = b = 0.0
    for n in range(5000):
        error = w * x + b - weight
        slopes = np.mean(error * x), np.mean(error)
        if max(map(abs, slopes)) < 0.001:
            return n - 1
        w, b = w - rate * slopes[0], b - rate * slopes[1]
        if abs(w) > 1e12:
            return None
    raise AssertionError("neither an end nor divergence")


# --- the numbers --------------------------------------------------------------------------------


def test_stand_in_reproduces_the_table(stand_in):
    found = stand_in.sections[0].results
    assert found["finite"] == 30
    assert found["finite_exact"] >= 24
    assert found["worst"] <= 1
    assert found["disagree_on_never"] == 0


@needs_data
def test_real_rows_reproduce_the_table(real):
    found = real.sections[0].results
    assert found["total"] == 35
    assert found["exact"] >= 26
    assert found["within_one"] >= 34
    assert found["worst"] <= 4
    assert found["disagree_on_never"] == 0
    assert found["closed_form_exact"] == 35
    assert not real.sections[0].data.instead


@needs_data
def test_real_rows_give_the_published_line(real):
    rows = {row[0]: row[1:] for row in real.sections[0].blocks[_position(real, "line")].rows}
    published, ours = rows["slope of the fitted line (lb/in)"]
    assert (published, round(ours, 5)) == (3.15491183, 3.15496)
    published, ours = rows["intercept (lb)"]
    assert (round(published, 5), round(ours, 4)) == (-86.55897, -86.5560)
    for name, (theirs, own) in rows.items():
        assert own == pytest.approx(theirs, rel=1e-3), name


def test_counts_are_those_of_the_plainest_loop(stand_in, monkeypatch):
    monkeypatch.delenv("FASTGD_DATA", raising=False)
    from fastgd.datasets import load_heights_weights  # noqa: PLC0415

    rows = load_heights_weights(rows="study", download=False)
    for count in stand_in.sections[0].results["rows"]:
        if count.rate in (0.1, 0.85, 1.45, 1.5, 1.55, 1.6):
            assert count.ours == naive_count(rows, count.rate), count.rate


def _position(done, name):
    names = [getattr(block, "name", None) for block in done.sections[0].blocks]
    return names.index(name)


# --- the report of the study --------------------------------------------------------------------


def test_first_line_says_which_data(stand_in):
    report = stand_in.report.with_suffix(".md").read_text(encoding="utf-8")
    assert report.splitlines()[0].startswith("Data: heights and weights are a STAND-IN")
    body = stand_in.report.read_text(encoding="utf-8").split("<body>")[1]
    assert body.strip().startswith('<p class="data stand-in">Data: heights and weights are a STAND')


@needs_data
def test_first_line_names_the_real_data(real):
    report = real.report.with_suffix(".md").read_text(encoding="utf-8")
    assert report.splitlines()[0].startswith("Data: heights and weights are the real ones")


def test_every_published_row_is_in_the_csv_file(stand_in):
    path = next(p for p in stand_in.files if p.name == "rate-vs-iterations-table.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["rate"]) for row in rows] == list(RATE_VS_ITERATIONS)
    printed = [int(row["published"]) if row["published"] else None for row in rows]
    assert printed == list(RATE_VS_ITERATIONS.values())
    for row in rows:
        if row["difference"]:
            assert int(row["difference"]) == int(row["fastgd"]) - int(row["published"])


def test_the_same_study_writes_the_same_bytes(stand_in, tmp_path, monkeypatch):
    monkeypatch.delenv("FASTGD_DATA", raising=False)
    monkeypatch.setattr("fastgd.datasets.files._cache_folder", lambda: tmp_path / "cache")
    out = tmp_path / "new" / "folder"
    again = reproduce(["rate-vs-iterations"], out=out, quick=True, download=False)
    assert [p.name for p in again.files] == [p.name for p in stand_in.files]
    for one, two in zip(again.files, stand_in.files, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_no_figure_is_left_open(stand_in):
    import matplotlib.pyplot as plt  # noqa: PLC0415

    assert stand_in.files
    assert not plt.get_fignums()


def test_every_name_leads_to_a_study():
    for name in STUDIES:
        assert callable(studies._study(name))


def test_bad_arguments_are_refused_before_anything_is_done(tmp_path):
    with pytest.raises(ValueError, match=r"names.*'speed'.*rate-vs-iterations"):
        reproduce(["speed"], out=tmp_path / "report")
    with pytest.raises(FileNotFoundError, match=r"data.*none"):
        reproduce(out=tmp_path / "report", data=tmp_path / "none.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="out must be a folder"):
        reproduce(out=tmp_path / "file")
    assert not (tmp_path / "report").exists()


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(ValueError, match=r"other\.csv"):
        reproduce(out=tmp_path / "report", data=tmp_path / "other.csv")


# --- the writer ---------------------------------------------------------------------------------


def prepare(canvas):
    ax = canvas.subplots()
    return lambda k: ax.plot([k], [k], "o")


def section():
    table = Table(
        "numbers",
        "A caption with a | bar",
        [Column("what"), Column("x", ".2f", missing="never"), Column("change", "+d")],
        [("a | b", 1.0, 3), ("<script>", -0.5, 0), ("c", None, -2)],
        marked=frozenset({2}),
    )
    figure = Figure("picture", "A `caption`", lambda canvas: canvas.subplots().plot([1, 2]))
    film = Animation("film", "It moves", prepare, frames=3, size=(2.0, 1.0))
    return Section(
        name="trial",
        title="A & B",
        data=Origin("some < data."),
        finding="**all** of it.",
        blocks=[Text("See `x < y`."), Formula("a < b"), table, figure, film],
    )


@pytest.fixture
def written(tmp_path):
    return {p.name: p for p in write_report([section()], tmp_path / "out", "Made by `me`.")}


def test_files(written):
    files = ["trial-numbers.csv", "trial-picture.png", "trial-film.gif", "report.md", "report.html"]
    assert list(written) == files
    assert written["trial-film.gif"].read_bytes().startswith(b"GIF8")
    assert written["trial-picture.png"].read_bytes().startswith(b"\x89PNG")
    with written["trial-numbers.csv"].open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1:] == [["a | b", "1.0", "3"], ["<script>", "-0.5", "0"], ["c", "", "-2"]]


def test_markdown(written):
    text = written["report.md"].read_text(encoding="utf-8")
    assert text.startswith("Data: some \\< data.\n\n# ")
    assert "| a \\| b | 1.00 | +3 |" in text
    assert "| <script> | −0.50 | 0 |" in text
    assert "| c | never | −2 |" in text
    assert "| --- | ---: | ---: |" in text
    assert "![A caption](trial-picture.png)" in text
    assert "![It moves](trial-film.gif)" in text


def test_data_line_where_some_or_all_studies_need_none(tmp_path):
    none = replace(section(), data=Origin())
    write_report([none, section()], tmp_path, "")
    assert (tmp_path / "report.md").read_text().startswith("Data: some \\< data.\n")
    write_report([none], tmp_path, "")
    assert (tmp_path / "report.md").read_text().startswith("Data: none is needed.\n")


class _Balanced(HTMLParser):
    """Fails where tags are not closed in order."""

    VOID = frozenset({"meta", "img"})

    def __init__(self):
        super().__init__()
        self.open = []
        self.sources = []

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_well_formed_and_needs_nothing_from_elsewhere(written):
    text = written["report.html"].read_text(encoding="utf-8")
    page = _Balanced()
    page.feed(text)
    assert not page.open
    assert not any(source.startswith(("http", "//")) for source in page.sources)
    picture = next(s for s in page.sources if s.startswith("data:image/png;base64,"))
    assert any(s.startswith("data:image/gif;base64,") for s in page.sources)
    assert base64.b64decode(picture.split(",")[1]) == written["trial-picture.png"].read_bytes()
    assert "<td>&lt;script&gt;</td>" in text
    assert "<code>x &lt; y</code>" in text
    assert "a &lt; b\n</code></pre>" in text
    assert len(re.findall('<tr class="marked">', text)) == 1
