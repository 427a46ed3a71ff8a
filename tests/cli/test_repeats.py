"""Seeds, folds and class weights of `fastgd train`, `compare` and `minimize`."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from cli.cars import CARS, MPG, POWER, QUICK, SIZE, WEIGHT, N
from cli.commands import interrupt_at, refused, said, table, write
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, cross_validate

import fastgd as gd
from fastgd.cli.columns import Columns
from fastgd.cli.splits import folds

RARE = np.where(POWER > 190, "rare", np.where(POWER > 120, "strong", "weak"))


def test_folds_hold_out_every_row_once_and_classes_in_equal_shares():
    columns = Columns(pd.DataFrame(CARS), SIZE, "size", ("large", "middle", "small"))
    divisions = folds(columns, 5, 3)
    assert sorted(np.concatenate([held for _, held in divisions])) == list(range(N))
    for rows, held in divisions:
        assert sorted([*rows, *held]) == list(range(N))
        for label in columns.classes:
            assert abs((SIZE[held] == label).sum() - (label == SIZE).sum() / 5) < 1
    assert any((a != b).any() for a, b in zip(divisions[0], folds(columns, 5, 4)[0], strict=True))


def test_compare_over_seeds_is_the_mean_of_single_ones(sizes, tmp_path, capsys):
    arguments = ["compare", sizes, "--target", "size", *QUICK, "--optimizer", "sgd,adam"]
    lines = said([*arguments, "--seed", "0,3,5", "--out", str(tmp_path / "all")], capsys)
    assert lines[2] == "Over 3 seeds, mean ± standard error; accuracy, F1: on held out rows"
    done = pd.read_csv(tmp_path / "all" / "comparison.csv", index_col="optimizer")
    trials = pd.read_csv(tmp_path / "all" / "trials.csv")
    assert list(trials["seed"]) == [0, 3, 5] * 2
    single = []
    for seed in "035":
        said([*arguments, "--seed", seed, "--out", str(tmp_path / seed)], capsys)
        single.append(pd.read_csv(tmp_path / seed / "comparison.csv", index_col="optimizer"))
    for name in ("SGD", "Adam"):
        for score in ("accuracy", "F1", "validation loss", "training loss"):
            values = [one.loc[name, score] for one in single]
            assert done.loc[name, score] == pytest.approx(np.mean(values))
            assert done.loc[name, f"{score} se"] == pytest.approx(np.std(values, ddof=1) / 3**0.5)
    shown = table(lines, "optimizer ")
    assert shown[0][:3] == ["optimizer", "rate", "accuracy"]
    mean, error = map(float, shown[1][2].split(" ± "))
    assert mean == pytest.approx(done.loc["SGD", "accuracy"], abs=0.006)
    assert error == pytest.approx(done.loc["SGD", "accuracy se"], rel=0.05)
    first = pd.read_csv(tmp_path / "0" / "predictions.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "all" / "predictions.csv"), first)
    history = pd.read_csv(tmp_path / "all" / "history.csv")
    assert list(history)[:2] == ["optimizer", "seed"]


def test_means_that_leave_trainings_out_say_so(tmp_path, capsys):
    """By a line below the table, whose column of outcomes a narrow terminal has no room for."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = x @ [1, 2, 3] + rng.normal(size=300)
    x[7] *= 300
    path = write(tmp_path / "outlier.csv", {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y})
    arguments = ["compare", path, "--target", "y", "--optimizer", "sgd,adam", "--rate", "0.1,0.01"]
    lines = said([*arguments, "--hidden", "40", "--epochs", "3", "--cv", "5"], capsys)
    assert "SGD: 2 of 5 trainings diverged; its means are those of the others." in lines
    assert not any(line.startswith("Adam: ") for line in lines)


def test_compare_by_folds_predicts_every_row_and_keeps_a_network_of_all(cars, tmp_path, capsys):
    arguments = ["compare", cars, "--target", "mpg", *QUICK, "--optimizer", "rmsprop,adam"]
    lines = said([*arguments, "--cv", "4", "--seed", "0,1", "--out", str(tmp_path)], capsys)
    assert lines[2].startswith("Over 2 seeds x 4 folds, mean ± standard error; MSE, MAE, R²")
    trials = pd.read_csv(tmp_path / "trials.csv")
    assert sorted(zip(trials["seed"], trials["fold"], strict=True)) == sorted(
        [(seed, fold) for seed in (0, 1) for fold in (1, 2, 3, 4)] * 2
    )
    done = pd.read_csv(tmp_path / "predictions.csv")
    assert done["row"].tolist() == list(range(1, N + 1))
    assert done.notna().all(axis=None)
    errors = (done["mpg"] - done["Adam"]) ** 2
    held = [held for _, held in folds(Columns(pd.DataFrame(CARS), MPG, "mpg"), 4, 0)]
    mine = trials[(trials["optimizer"] == "Adam") & (trials["seed"] == 0)]["MSE"]
    np.testing.assert_allclose(mine, [errors[rows].mean() for rows in held], rtol=1e-9)
    (line,) = (line for line in lines if line.startswith("The network to keep"))
    assert "trained on 81 rows" in line
    assert gd.load(tmp_path).score(CARS, MPG) < 1


def test_train_by_folds(sizes, tmp_path, capsys):
    arguments = ["train", sizes, "--target", "size", "--hidden", "8", "--epochs", "30"]
    lines = said([*arguments, "--cv", "5", "--out", str(tmp_path)], capsys)
    assert "rows: 81 trained on, 9 validation; " in lines[1]
    metrics = pd.read_csv(tmp_path / "metrics.csv", index_col="rows")
    scores = metrics.loc[[f"held out, seed 0, fold {k}" for k in range(1, 6)]]
    assert scores["number"].sum() == N
    (line,) = (line for line in lines if line.startswith("Over 5 folds"))
    mean, error = re.search(r"accuracy (\S+) ± (\S+),", line).groups()
    assert float(mean) == pytest.approx(scores["accuracy"].mean(), abs=0.001)
    assert float(error) == pytest.approx(scores["accuracy"].sem(), abs=0.001)
    done = pd.read_csv(tmp_path / "predictions.csv")
    assert done["row"].tolist() == list(range(1, N + 1))
    accuracy = (done["size"] == done["predicted"]).mean()
    weighted = (scores["accuracy"] * scores["number"]).sum() / N
    assert accuracy == pytest.approx(weighted)
    assert f"By class, {N} rows, each held out once" in lines
    recall = {row[0]: float(row[2]) for row in table(lines, "class ")[1:4]}
    for label in ("large", "middle", "small"):
        wanted = (done["predicted"][done["size"] == label] == label).mean()
        assert recall[label] == pytest.approx(wanted, abs=0.0006)


def test_train_over_seeds_keeps_the_first(cars, tmp_path, capsys):
    arguments = ["train", cars, "--target", "mpg", *QUICK]
    alone = said([*arguments, "--seed", "2", "--out", str(tmp_path / "a")], capsys)
    lines = said([*arguments, "--seed", "2,1", "--out", str(tmp_path / "b")], capsys)
    assert lines[3:7] == alone[3:7]
    assert lines[7].startswith("Over 2 seeds, mean ± standard error on held out rows: MSE ")
    for name in ("predictions.csv", "columns.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_minimize_by_folds_is_cross_validate_of_scikit_learn(tmp_path, capsys):
    path = write(tmp_path / "a.csv", {"power": POWER, "weight": WEIGHT, "mpg": MPG})
    lines = said(["minimize", path, "--target", "mpg", "--cv", "6"], capsys)
    divisions = KFold(6, shuffle=True, random_state=0)
    scoring = ["neg_mean_squared_error", "r2"]
    X = np.column_stack([POWER, WEIGHT])
    found = cross_validate(LinearRegression(), X, MPG, cv=divisions, scoring=scoring)
    shown = re.search(r"MSE (\S+) ± (\S+), .*R² (\S+) ± (\S+)", lines[-1]).groups()
    mse, r2 = -found["test_neg_mean_squared_error"], found["test_r2"]
    wanted = [mse.mean(), pd.Series(mse).sem(), r2.mean(), pd.Series(r2).sem()]
    np.testing.assert_allclose([float(text) for text in shown], wanted, rtol=0.05)
    path = write(tmp_path / "a.csv", {"power": POWER, "size": RARE})
    line = said(["minimize", path, "--target", "size", "--cv", "3", "--max-iter", "100"], capsys)[
        -1
    ]
    assert re.search(r"on held out rows: accuracy 0\.\d+ ± .*; 3 of 3 not converged$", line)


@pytest.mark.parametrize("weights", ["balanced", "weak=1,rare=9,strong=0.5"])
def test_weighted_classes_are_those_of_scikit_learn(weights, tmp_path, capsys):
    path = write(tmp_path / "a.csv", {"weight": WEIGHT, "kind": RARE})
    folder = tmp_path / "out"
    everything = ["--test", "0", "--validation", "0", "--patience", "0", "--batch-size", str(N)]
    arguments = ["train", path, "--target", "kind", "--hidden", "none", "--dtype", "float64"]
    arguments += [*everything, "--epochs", "4000", "--rate", "0.05", "--class-weight", weights]
    lines = said([*arguments, "--out", str(folder)], capsys)
    assert "(linear, cross-entropy, classes weighted)" in lines[1]
    given = weights
    if weights != "balanced":
        given = {name: float(w) for name, w in (item.split("=") for item in weights.split(","))}
    X = ((WEIGHT - WEIGHT.mean()) / WEIGHT.std())[:, None]
    theirs = LogisticRegression(C=np.inf, class_weight=given, max_iter=10_000, tol=1e-10)
    theirs.fit(X, RARE)
    mine = gd.load(folder).predict_proba({"weight": WEIGHT})
    np.testing.assert_allclose(mine, theirs.predict_proba(X), atol=2e-3)


def test_a_weight_finds_a_class_that_was_never_predicted(tmp_path, capsys):
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(size=400), "y": np.where(rng.random(400) < 0.1, "yes", "no")}
    path = write(tmp_path / "a.csv", columns)
    arguments = [
        "train",
        path,
        "--target",
        "y",
        "--hidden",
        "none",
        "--epochs",
        "20",
        "--rate",
        "0.01",
    ]
    (line,) = (k for k in said(arguments, capsys) if k.startswith("Never predicted: yes ("))
    assert line.endswith("; --class-weight balanced makes rare classes count more")
    lines = said([*arguments, "--class-weight", "balanced"], capsys)
    assert not any(line.startswith("Never predicted") for line in lines)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--cv", "1"], "--cv 1: wanted from 2 folds to as many as there are rows, 90"),
        (["--cv", "91"], "--cv 91: wanted from 2 folds to as many as there are rows, 90"),
        (["--cv", "5", "--test", "0.1"], "--cv holds out every row once; leave out --test"),
        (["--cv", "2", "--validation", "0.49"], "--cv 2 and --validation 0.49 leave 0 of 90 rows"),
        (["--cv", "two"], "argument --cv: 'two' is not a number"),
        (["--seed", "0.5"], "'0.5' is not a list of whole numbers"),
        (["--seed", "0,-1"], "--seed must be a whole number from 0 to"),
        (["--class-weight", "unbalanced"], "'unbalanced' is not a class and its weight"),
        (["--class-weight", "small=2,tall=1"], "'size' has no class 'tall'; it has large, middle, small"),
        (["--class-weight", "small=-1"], "'small=-1' is not a weight"),
        (["--class-weight", "small=1,small=2"], "class 'small' has two weights"),
        (["--class-weight", "small=0,middle=0,large=0"], "is 0 for all classes"),
    ],
)  # fmt: skip
def test_what_is_refused(more, says, sizes, tmp_path, capsys):
    for command in ("train", "compare"):
        arguments = [command, sizes, "--target", "size", *more, "--out", str(tmp_path / "out")]
        assert says in refused(arguments, capsys)
        assert not (tmp_path / "out").exists()


def test_class_weights_are_for_classes(cars, capsys):
    says = refused(["train", cars, "--target", "mpg", "--class-weight", "balanced"], capsys)
    assert "--class-weight is for classes, and 'mpg' is a number" in says


def test_ctrl_c_keeps_the_folds_that_are_done(sizes, tmp_path, monkeypatch, capsys):
    interrupt_at(monkeypatch, 4, 2)
    arguments = ["compare", sizes, "--target", "size", *QUICK, "--optimizer", "sgd,adam"]
    lines = said([*arguments, "--cv", "3", "--out", str(tmp_path)], capsys, 130)
    assert len(pd.read_csv(tmp_path / "trials.csv")) == 4
    assert not any(line.startswith("The network to keep") for line in lines)
    assert json.loads((tmp_path / "columns.json").read_text(encoding="utf-8"))["network"]


def test_folds_that_diverge_are_said(cars, tmp_path, capsys):
    arguments = ["compare", cars, "--target", "mpg", "--hidden", "4", "--epochs", "4", "--cv", "2"]
    lines = said([*arguments, "--optimizer", "sgd,adam", "--rate", "1e6,0.01"], capsys)
    row = table(lines, "optimizer ")[1]
    assert row[:3] == ["SGD", "1e+06", "-"]
    assert "2 diverged" in row
    assert any(line.startswith("Best by its validation loss over 2 folds: Adam") for line in lines)
