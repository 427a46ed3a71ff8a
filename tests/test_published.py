"""Numbers in the pages are those that were measured and kept."""

import json

import published
import pytest

TABLES = {
    "One step": {
        "head": ["", "threads", "PyTorch", "JAX", "of the limit"],
        "rows": [["Adam, 1 k", "2", "62 (fused)", "83", ""], ["Adam, 10 M", "2", "1.0", "", ""]],
        "measured": "Some CPU.",
    }
}


def test_every_page_shows_what_is_kept():
    known = published.tables()
    for page in published.pages():
        text = page.read_text(encoding="utf-8")
        assert published.filled(text, known) == text, "run python benchmarks/published.py"


def test_a_number_stands_between_its_marks():
    start, end = "<!-- result: One step; Adam, 1 k; PyTorch -->", "<!-- /result -->"
    text = published.filled(f"It is {start}{end} times.", TABLES)
    assert text == f"It is {start}62{end} times."
    assert published.filled(text, TABLES) == text


def test_a_table_leaves_out_what_is_empty_in_all_its_rows():
    text = published.filled("<!-- results: One step; Adam, 10 M -->\nold<!-- /results -->", TABLES)
    assert "|  | threads | PyTorch |\n| --- | ---: | ---: |\n| Adam, 10 M | 2 | 1.0 |" in text
    assert "\n\nSome CPU.\n<!-- /results -->" in text
    assert "old" not in text
    whole = published.filled("<!-- results: One step --><!-- /results -->", TABLES)
    assert "| JAX |" in whole


def test_the_machine_stands_once_below_the_last_table():
    mark = "<!-- results: One step --><!-- /results -->\n"
    text = published.filled(2 * mark, TABLES)
    assert text.count("| JAX |") == 2
    assert text.count("Some CPU.") == 1
    assert text.endswith("Some CPU.\n<!-- /results -->\n")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("Two steps; Adam, 1 k; JAX", "no table 'Two steps' is kept; there are One step"),
        ("One step; Adam; JAX", "no row 'Adam' is kept; there are Adam, 1 k; Adam, 10 M"),
        ("One step; Adam, 1 k; NumPy", "no column 'NumPy' is kept"),
        ("One step", "no row '' is kept"),
    ],
)
def test_what_is_not_kept(asked, says):
    with pytest.raises(ValueError, match=says):
        published.filled(f"<!-- result: {asked} --><!-- /result -->", TABLES)


def report(title="One step"):
    measured = {"table": title, "workload": "Adam, 1 k", "threads": 2, "unit": "step"}
    measured |= {"headline": True, "name": "fastgd", "median": 1e-6, "limits": {}, "skipped": {}}
    measured["peers"] = {"torch fused": {"ratio": 7.2}}
    return {"benchmarks": [{"extra_info": measured}], "machine_info": {}, "datetime": "2026-01-02T"}


def test_a_report_is_kept_and_fills_the_pages(tmp_path, monkeypatch, capsys):
    page, source = tmp_path / "page.md", tmp_path / "report.json"
    monkeypatch.setattr(published, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(published, "pages", lambda: [page])
    (tmp_path / "kept").mkdir()
    page.write_text("<!-- result: One step; Adam, 1 k; fastgd --><!-- /result -->")
    source.write_text(json.dumps(report()))
    assert published.main([str(source), "mine"]) == 0
    assert "-->1.0 µs<!--" in page.read_text(encoding="utf-8")
    again = (tmp_path / "kept" / "mine.json").read_text(encoding="utf-8")
    assert '["Adam, 1 k", "2", "7.2 (fused)", "1.0 µs"]' in again.replace("[ ", "[").replace(
        " ]", "]"
    )
    assert published.main([str(source), "twice"]) == 2
    assert "a table 'One step', and so has another" in capsys.readouterr().err
    assert published.main([str(source)]) == 2
