"""Names and texts of a user's file where people see them: no control characters, no formulas, no formatting."""

import csv
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd.cli.main import main
from fastgd.studies import report
from fastgd.sweeps.results import SweepResult
from fastgd.text import as_cell, printable

BAD = "\x1b[2J\x1b]0;owned\x07"
HEADER = f"=1+2,@name{BAD},-plain\t,y"


@pytest.fixture
def table(tmp_path):
    """A file whose names and labels are hostile."""
    rng = np.random.default_rng(0)
    path = tmp_path / "table.csv"
    rows = [[f"{v:.3f}" for v in row] for row in rng.normal(size=(60, 3))]
    labels = ["=cmd|' /C calc'!A0", f"+red{BAD}"]
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(
            [HEADER.split(","), *([*row, labels[k % 2]] for k, row in enumerate(rows))]
        )
    return path


def written(folder):
    """All cells of the CSV files of a folder that a program might take for formulas."""
    found = []
    for path in folder.rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as stream:
            found += [
                cell for row in csv.reader(stream) for cell in row if cell[:1] in set("=+-@\t\r")
            ]
    return [cell for cell in found if not is_number(cell)]


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


COMMANDS = {
    "sweep": ["--rates", "0.1,0.2", "--max-iter", "50"],
    "minimize": ["--rate", "0.1", "--max-iter", "50"],
    "train": ["--hidden", "3", "--epochs", "2", "--rate", "0.01"],
    "compare": ["--hidden", "3", "--epochs", "2", "--optimizer", "sgd,adam", "--rate", "0.01,0.02"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("keep", [False, True])
def test_the_command_line(table, tmp_path, capsys, command, keep):
    out = tmp_path / "out"
    options = ["--keep-formulas"] if keep else []
    target = ["--target", "y"]
    assert (
        main([command, str(table), *target, *COMMANDS[command], "--out", str(out), *options]) == 0
    )
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert "\x07" not in printed.out + printed.err
    assert "@name\\x1b[2J" in printed.out
    if keep:
        assert written(out)
    else:
        assert written(out) == []
    if command in {"sweep", "minimize"}:
        text = (out / {"sweep": "sweep.csv", "minimize": "parameters.csv"}[command]).read_text(
            encoding="utf-8"
        )
        assert ("'=1+2" in text) is not keep
    if command == "train":
        (tmp_path / "predicted").mkdir()
        file = tmp_path / "predicted" / "predictions.csv"
        assert main(["predict", str(out), str(table), "--out", str(file), *options]) == 0
        assert main(["predict", str(out), str(table)]) == 0
        assert "\x1b" not in capsys.readouterr().out
        assert bool([cell for cell in written(file.parent) if cell.startswith(("=", "+"))]) is keep


def test_errors(tmp_path, capsys):
    path = tmp_path / "table.csv"
    path.write_text(f"a{BAD},b\n1,2\n2,3\n")
    assert main(["minimize", str(path), "--target", "c"]) == 2
    assert "\x1b" not in capsys.readouterr().err
    assert main(["minimize", str(tmp_path / f"no{BAD}"), "--target", "c"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_table_of_a_sweep(tmp_path):
    result = SweepResult(
        axes={"=lr": ["@a", "-1", "b"]}, iterations=[1, 2, 3], status=[0] * 3, regime=["monotone"] * 3,
        loss=[-1.0, 1.0, 2.0], slope=[0.0] * 3, x=np.ones((3, 1)), parameter_names=("-w",), problem=f"p{BAD}",
    )  # fmt: skip
    result.to_csv(tmp_path / "people.csv")
    result.to_csv(tmp_path / "programs.csv", keep_formulas=True)
    people, programs = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("people", "programs"))
    assert people["'=lr"].tolist() == ["'@a", "-1", "b"]
    assert programs["=lr"].tolist() == ["@a", "-1", "b"]
    assert people["loss"].tolist() == [-1.0, 1.0, 2.0]
    assert "'-w" in people
    assert BAD not in repr(result)


@pytest.mark.parametrize("name", ["cost $x_a$b$", "$\\frac$", f"name{BAD}", "x^{"])
def test_figures(name, recwarn):
    axes = {name: ["$a", "$\\frac$", f"b{BAD}", "d", "e"], "lr": [0.1, 0.2, 0.3, 0.4, 0.5]}
    out = SweepResult(
        axes=axes, iterations=np.ones((5, 5), int), status=np.zeros((5, 5), int),
        regime=np.full((5, 5), "monotone"), loss=np.ones((5, 5)), slope=np.zeros((5, 5)), x=np.ones((5, 5, 1)),
    )  # fmt: skip
    for kind in ("heatmap", "iterations"):
        out.plot(kind).figure_.canvas.draw()
    assert not recwarn


# --- the two functions --------------------------------------------------------------------------------


@given(st.text())
def test_printable(text):
    shown = printable(text)
    assert all(c.isprintable() or unicodedata.category(c) == "Zs" for c in shown)
    assert printable(shown) == shown
    assert all(c in shown for c in text if c.isprintable())


@pytest.mark.parametrize("text", ["größe (cm)", "价格", "Preis\u00a0(€)", "é", "🙂", "a b"])
def test_letters_stay(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    "text", ["\x9b2J", "\u202etxt.exe", "\u2028", "\x7f", "\r", "\n", "\u200b"]
)
def test_what_moves_text_about_is_shown(text):
    assert printable(f"a{text}b").isprintable()


@pytest.mark.parametrize(
    "text",
    ["=1", "+a", "-a", "@a", "\t1", "\ra", "=", "-", "＝1", "+1 ", "--1", "-1+cmd", "+1e3=2"],
)
def test_formulas(text):
    assert as_cell(text) == "'" + text


@pytest.mark.parametrize(
    "value", ["-1", "+1.5e3", "-inf", "a=1", "", "'=1", -1, -1.5, None, np.float64(-2), "é"]
)
def test_other_cells_stay(value):
    assert as_cell(value) is value


# --- the report ---------------------------------------------------------------------------------------


def test_markdown_in_a_statement_about_data(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"private")
    hostile = f"heights are a STAND-IN (![x]({secret}) <script>alert(1)</script> [a](javascript:b) `c` {BAD})."
    origin = report.Origin(hostile, "others", (hostile,))
    section = report.Section("trial", "Trial", origin, "fine", [report.Text("text")])
    report.write_report([section], tmp_path / "out", "made with care")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "<script" not in page
    assert '<a href="javascript' not in page
    assert "\x1b" not in page
    assert str(secret) in page
