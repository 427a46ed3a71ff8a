"""`fastgd find-lr`: what it prints and writes."""

import numpy as np
import pandas as pd
import pytest
from cli.commands import refused, said, table

import fastgd as gd
from fastgd.cli.main import main

FIND = ["--target", "mpg", "--hidden", "16", "--steps", "20", "--optimizer", "sgd"]


def test_rates_are_printed_and_written(cars, tmp_path, capsys):
    folder = tmp_path / "out"
    lines = said(["find-lr", cars, *FIND, "--out", str(folder)], capsys)
    assert lines[0].startswith("mpg from power, weight, make: 90 rows of cars.csv")
    assert "rows: 90 trained on; batches of 32" in lines[1]
    assert "48 rates from " in lines[2]
    assert "3 runs each" in lines[2]
    assert "loss after 20 updates" in lines[2]
    rows = table(lines, "rule ")
    names = [row[0] for row in rows[1:]]
    assert names == ["valley", "steepest", "minimum / 10", "lowest", "stable"]
    rate = next(line for line in lines if line.startswith("Begin with --rate ")).split()[3]
    assert rate == rows[1][1]
    assert lines[-1] == f"Written: {folder}/rates.csv, {folder}/rates.png"
    done = pd.read_csv(folder / "rates.csv")
    assert done.columns.tolist() == ["lr", "loss", "standard_error", "diverged"]
    assert len(done) == 48
    assert (folder / "rates.png").stat().st_size > 10_000
    assert main(["train", cars, "--target", "mpg", "--epochs", "2", "--rate", rate]) == 0


def test_the_rates_are_those_of_the_library(cars, tmp_path, capsys):
    arguments = ["find-lr", cars, *FIND, "--rates", "0.01,0.1", "--validation", "0.2"]
    lines = said([*arguments, "--seed", "4", "--repeats", "2", "--out", str(tmp_path)], capsys)
    assert "validation loss after 20 updates" in lines[2]
    assert "rows: 72 trained on, 18 validation" in lines[1]
    done = pd.read_csv(tmp_path / "rates.csv")
    np.testing.assert_allclose(done["lr"], [0.01, 0.1])
    assert np.isfinite(done["standard_error"]).all()
    assert gd.SGD().lr not in done["lr"].tolist()


def test_classes_with_weights(cars, capsys):
    lines = said(
        ["find-lr", cars, "--target", "make", "--class-weight", "balanced", "--hidden", "none", "--steps", "30"],
        capsys,
    )  # fmt: skip
    assert "classes weighted" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "--steps must be at least 1, got 0"),
        (["--repeats", "0"], "--repeats must be at least 1, got 0"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--rates", "0.1,0"], "--rates must be above 0, got 0"),
        (["--validation", "1"], "--validation is a share"),
        (["--optimizer", "sgd,adam"], "find-lr takes one"),
        (["--optimizer", "lyon"], "Lion"),
        (["--momentum", "0.5", "--optimizer", "adam"], "momentum"),
        (["--seed", "-1"], "--seed must be"),
    ],
)
def test_refusals(cars, capsys, arguments, message):
    assert message in refused(["find-lr", cars, "--target", "mpg", *arguments], capsys)
