"""The folders that commands write to: one run of a command, never a mixture."""

import pytest
from cli.cars import QUICK
from cli.commands import refused, said


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def commands(cars, tmp_path):
    network = [cars, "--target", "mpg", *QUICK, "--out", str(tmp_path / "out")]
    model = [cars, "--target", "mpg", "--features", "power,weight", "--out", str(tmp_path / "out")]
    return {
        "train": ["train", *network],
        "compare": ["compare", *network, "--optimizer", "sgd,adam", "--rate", "0.01"],
        "minimize": ["minimize", *model],
        "sweep": ["sweep", *model, "--rates", "0.1,0.2"],
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [("train", "compare"), ("compare", "train"), ("train", "minimize"), ("minimize", "train"),
     ("compare", "minimize"), ("minimize", "compare")],
)  # fmt: skip
def test_a_command_does_not_write_into_the_files_of_another(
    first, second, commands, tmp_path, capsys
):
    said(commands[first], capsys)
    before = contents(tmp_path / "out")
    error = refused(commands[second], capsys)
    assert f"of fastgd {first}, whose other files fastgd {second} would overwrite" in error
    assert contents(tmp_path / "out") == before


def test_files_that_nothing_overwrites_may_lie_side_by_side(commands, tmp_path, capsys):
    said(commands["sweep"], capsys)
    said(commands["minimize"], capsys)
    assert set(contents(tmp_path / "out")) == {
        "sweep.csv", "sweep.png", "parameters.csv", "history.csv", "loss.png",
        "model.json", "coefficients.json",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["train", "compare", "minimize"])
def test_a_second_run_leaves_nothing_of_the_first(command, commands, tmp_path, capsys):
    said(commands[command], capsys)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    complete = set(contents(tmp_path / "out"))
    said(commands[command], capsys)
    assert set(contents(tmp_path / "out")) == complete
    hopeless = [*commands[command], "--rate", "1e9"]
    if command != "minimize":
        hopeless += ["--optimizer", "sgd", "--dtype", "float64", "--epochs", "40"]
    lines = said(hopeless, capsys)
    left = set(contents(tmp_path / "out"))
    gone = complete - left
    assert "notes.txt" in left
    assert gone
    assert set(lines[-1].split("removed, of an earlier run: ")[1].split(", ")) == gone
    assert all(f"out/{name}" in lines[-1] for name in left - {"notes.txt"})


def test_a_run_without_results_says_that_older_ones_are_there(commands, tmp_path, capsys):
    said(commands["train"], capsys)
    before = contents(tmp_path / "out")
    lines = said([*commands["train"], "--rate", "1e300", "--optimizer", "sgd"], capsys)
    assert lines[-1] == f"Nothing written: {tmp_path / 'out'} holds the files of an earlier run"
    assert contents(tmp_path / "out") == before
