"""`fastgd minimize`: what it prints, writes and refuses."""

import csv
import re

import numpy as np
import pytest
from cli.commands import refused, said, write
from cli.people import AGE, HEIGHT, TALL, WEIGHT


def test_minimize_says_the_parameters_twice(heights, tmp_path, capsys):
    arguments = ["minimize", heights, "--target", "weight", "--out", str(tmp_path / "out")]
    lines = said(arguments, capsys)
    assert "converged after" in lines[1]
    w, a, b = np.linalg.lstsq(np.column_stack([HEIGHT, AGE, np.ones(40)]), WEIGHT)[0]
    own = {line.split()[0]: float(line.split()[2]) for line in lines[3:6]}
    np.testing.assert_allclose([own["height"], own["age"], own["constant"]], [w, a, b], rtol=1e-5)
    with (tmp_path / "out" / "parameters.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["parameter"] for row in rows] == ["height", "age", "constant"]
    np.testing.assert_allclose(float(rows[0]["own units"]), w, rtol=1e-6)
    with (tmp_path / "out" / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    counted = int(lines[1].split("converged after ")[1].split()[0].replace(",", ""))
    assert (rows[0]["n"], int(rows[-1]["n"])) == ("0", counted)
    losses = [float(row["loss"]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert (tmp_path / "out" / "loss.png").exists()


def test_minimize_with_everything_said(heights, capsys):
    arguments = ["minimize", heights, "--target", "weight", "--optimizer", "adam", "--rate", "0.5"]
    lines = said([*arguments, "--betas", "0.8/0.9", "--l2", "0.1", "--max-iter", "50"], capsys)
    assert lines[1].startswith(
        "Adam(lr=0.5, betas=(0.8, 0.9), l2=0.1): not converged after 50 iter"
    )


def test_minimize_that_diverges(heights, capsys):
    lines = said(["minimize", heights, "--target", "weight", "--rate", "9"], capsys)
    assert lines[1].startswith("SGD(lr=9.0): diverged after")
    stable, tried = re.search(
        r"rates below (\S+) are stable; try --rate (\S+)\.$", lines[-1]
    ).groups()
    arguments = ["minimize", heights, "--target", "weight", "--rate"]
    assert "diverged" not in said([*arguments, str(0.999 * float(stable))], capsys)[1]
    assert "diverged" in said([*arguments, str(1.01 * float(stable))], capsys)[1]
    assert ": converged" in said([*arguments, tried], capsys)[1]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--momentum", "0.5,0.9"], "--momentum: '0.5,0.9' has 2 values"),
        (["--betas", "0.9/0.99,0.5/0.9", "--optimizer", "adam"], "several values"),
        (["--optimizer", "sgd,adam"], "several values"),
        (["--rate", "0.1,0.2"], "has 2 values; wanted one number"),
        (["--rate", "-1"], "lr must be a number >= 0"),
    ],
)
def test_minimize_takes_one_of_each(more, says, heights, capsys):
    assert says in refused(["minimize", heights, "--target", "weight", *more], capsys)


def test_three_classes(tmp_path, capsys):
    groups = np.where(TALL == "tall", np.where(AGE > 40, "a", "b"), "c")
    path = write(tmp_path / "a.csv", {"height": HEIGHT, "age": AGE, "group": groups})
    arguments = ["minimize", path, "--target", "group", "--rate", "1", "--max-iter", "300"]
    lines = said([*arguments, "--out", str(tmp_path / "out")], capsys)
    assert lines[0].startswith("group (3 classes) from height, age")
    assert lines[2].split()[-1] == "c"
    with (tmp_path / "out" / "parameters.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    X = np.column_stack([HEIGHT, AGE, np.ones(40)])
    own = np.array([[float(row[f"own units {name}"]) for name in "abc"] for row in rows])
    correct = np.mean(np.array(list("abc"))[(X @ own).argmax(axis=1)] == groups)
    assert lines[-3].endswith(f"{correct:.1%} of the rows classified correctly")


def test_batches(heights, capsys):
    arguments = ["minimize", heights, "--target", "weight", "--batch-size", "8", "--rate", "0.1"]
    lines = said([*arguments, "--max-iter", "500"], capsys)
    assert "5 updates an epoch" in lines[0]
    assert "not converged after 500 iterations" in lines[1]
    arguments[-3] = "41"
    assert "batch_size" in refused(arguments, capsys)


def test_with_a_penalty_the_slope_is_the_tested_one(heights, capsys):
    lines = said(["minimize", heights, "--target", "weight", "--l2", "0.1"], capsys)
    assert ": converged after" in lines[1]
    assert float(lines[-1].split("largest slope ")[1].split(",")[0]) < 1e-8
