"""`fastgd explore`: what it writes, says and refuses."""

import pytest
from cli.commands import refused, said


def test_a_page(tmp_path, capsys):
    path = tmp_path / "page.html"
    assert said(["explore", "ravine", "-o", str(path)], capsys) == [f"Written: {path}"]
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert '"first":"ravine"' in text


def test_it_writes_beside_the_user_by_default(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said(["explore"], capsys) == ["Written: explorer.html"]
    assert '"first":"line"' in (tmp_path / "explorer.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explore", "ravin"], "there is no problem 'ravin'; did you mean 'ravine'?"),
        (["explore", "line", "-o", "/nowhere/page.html"], "nowhere"),
        (["explore", "line", "ravine"], "unrecognized arguments: ravine"),
    ],
)
def test_what_is_refused(arguments, message, capsys):
    assert message in refused(arguments, capsys)
