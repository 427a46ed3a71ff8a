"""Tables on terminals of any width: no number is cut, and every column is there."""

import re

import pytest

from fastgd.cli.show import Outcome, Table, show

NAMES = ["optimizer", "rate", "training loss", "validation loss", "accuracy", "F1", "seconds"]
ROWS = [
    ["Adam", "0.001", "0.0123456", "0.234567", "0.987654", "0.912345", "12.3456"],
    ["Momentum", "0.01", "1.98765e-05", "0.345678", "0.901234", "0.898989", "10.9876"],
]


@pytest.fixture(params=[20, 40, 80, 100, 200])
def printed(request, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(request.param))
    show(Outcome([Table("A title", NAMES, ROWS, left=1)], finished=True))
    return request.param, re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)  # no colours


def test_every_number_is_whole(printed):
    width, text = printed
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    if width >= 40:  # else a cell goes on in the next line
        for row in ROWS:
            for cell in row:
                assert cell in text.split()


def test_it_is_one_table_where_there_is_room(printed):
    width, text = printed
    times = text.count("optimizer")
    assert times == 1 if width >= 100 else times > 1


def test_each_part_begins_with_the_first_column(printed):
    width, text = printed
    if width >= 40:
        starts = [line.split()[0] for line in text.splitlines()[1:] if line.strip("─ ")]
        assert starts == ["optimizer", "Adam", "Momentum"] * (len(starts) // 3)
