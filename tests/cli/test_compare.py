"""`fastgd compare`: what it prints and writes."""

import csv

import pandas as pd
from cli.cars import QUICK
from cli.commands import interrupt_at, said, table

import fastgd as gd


def test_each_optimizer_is_as_if_alone(cars, tmp_path, capsys):
    options = [cars, "--target", "mpg", "--hidden", "8", "--epochs", "12", "--momentum", "0.8"]
    out = tmp_path / "both"
    arguments = ["compare", *options, "--optimizer", "momentum,adam", "--rate", "0.02,0.01"]
    lines = said([*arguments, "--out", str(out)], capsys)
    written = pd.read_csv(out / "comparison.csv", index_col="optimizer")
    assert list(written.index) == ["Momentum", "Adam"]
    rows = table(lines, "optimizer ")
    assert rows[0][0] == "optimizer"
    assert rows[0][-3:] == ["MSE", "MAE", "R²"]
    assert [row[1] for row in rows[1:]] == ["0.02", "0.01"]
    history = pd.read_csv(out / "history.csv", index_col="optimizer")
    done = pd.read_csv(out / "predictions.csv")
    assert list(done) == ["row", "mpg", "Momentum", "Adam"]
    for name, rate in (("Momentum", "0.02"), ("Adam", "0.01")):
        alone = tmp_path / name
        more = ["--optimizer", name, "--rate", rate, "--out", str(alone)]
        options_alone = options if name == "Momentum" else options[:-2]
        said(["train", *options_alone, *more], capsys)
        metrics = pd.read_csv(alone / "metrics.csv", index_col="rows").loc["held out"]
        assert metrics["MSE"] == written.loc[name, "MSE"]
        assert metrics["R2"] == written.loc[name, "R2"]
        losses = pd.read_csv(alone / "history.csv")["val_loss"]
        assert losses.tolist() == history.loc[name, "val_loss"].tolist()
        assert (pd.read_csv(alone / "predictions.csv")["predicted"] == done[name]).all()
    best = written["validation loss"].idxmin()
    (line,) = (line for line in lines if line.startswith("Best by its validation loss: "))
    assert line.startswith(f"Best by its validation loss: {best} (")
    assert (out / "comparison.png").read_bytes()[:4] == b"\x89PNG"
    network = (tmp_path / best / "network.npz").read_bytes()
    assert gd.MLP.load(out / "network.npz").params[0].tobytes() in network


def test_classes_are_compared_by_accuracy(sizes, capsys):
    lines = said(["compare", sizes, "--target", "size", *QUICK], capsys)
    assert lines[2] == "accuracy, F1: on the 18 rows held out"
    rows = table(lines, "optimizer ")
    assert [row[0] for row in rows[1:]] == ["SGD", "Momentum", "Adagrad", "RMSprop", "Adam"]
    assert rows[0][-2:] == ["accuracy", "F1"]


def test_one_that_diverges_leaves_the_others(cars, tmp_path, capsys):
    arguments = ["compare", cars, "--target", "mpg", "--hidden", "8", "--epochs", "5"]
    arguments += ["--optimizer", "sgd,adam", "--out", str(tmp_path)]
    lines = said([*arguments, "--rate", "1e6,0.01"], capsys)
    first = table(lines, "optimizer ")[1]
    assert first[:3] == ["SGD", "1e+06", "diverged"]
    assert first[-3:] == ["-", "-", "-"]
    assert any(line.startswith("Best by its validation loss: Adam") for line in lines)
    assert list(pd.read_csv(tmp_path / "predictions.csv")) == ["row", "mpg", "Adam"]
    lines = said([*arguments, "--rate", "1e6", "--optimizer", "sgd,momentum"], capsys)
    assert lines[-2] == "All of them diverged: try a smaller --rate, or --clip-norm 1."


def test_compare_without_validation_or_test(cars, tmp_path, capsys):
    arguments = ["compare", cars, "--target", "mpg", *QUICK, "--test", "0", "--validation", "0"]
    lines = said([*arguments, "--optimizer", "heavyball,momentum", "--out", str(tmp_path)], capsys)
    first, second = table(lines, "optimizer ")[1:]
    assert (first[0], second[0]) == ("HeavyBall", "Momentum")
    assert first[6:] == second[6:]  # two names of one rule
    assert lines[2] == "MSE, MAE, R²: on the 90 rows trained on"
    assert any(line.startswith("Best by its training loss: ") for line in lines)


def test_ctrl_c_keeps_what_was_compared(cars, tmp_path, monkeypatch, capsys):
    interrupt_at(monkeypatch, 2, 2)
    arguments = ["compare", cars, "--target", "mpg", *QUICK, "--out", str(tmp_path)]
    lines = said(arguments, capsys, 130)
    rows = table(lines, "optimizer ")
    assert [(row[0], row[2]) for row in rows[1:]] == [
        ("SGD", "all epochs done"), ("Momentum", "interrupted")
    ]  # fmt: skip
    with (tmp_path / "comparison.csv").open() as stream:
        assert [row["epochs"] for row in csv.DictReader(stream)] == ["5.0", "2.0"]
