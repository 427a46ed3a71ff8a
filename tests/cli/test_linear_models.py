"""What `fastgd minimize` and linear networks save: predicted with, and equal to scikit-learn's own fits."""

import json

import numpy as np
import pandas as pd
import pytest
from cli.cars import CARS, POWER, SIZE, WEIGHT
from cli.commands import refused, said, table, write
from cli.people import AGE, HEIGHT, TALL
from cli.people import WEIGHT as KILOS
from sklearn.linear_model import LinearRegression, LogisticRegression

X = np.column_stack([HEIGHT, AGE])


def minimized(tmp_path, columns, target, more, capsys):
    folder = tmp_path / "out"
    path = write(tmp_path / "a.csv", columns)
    said(["minimize", path, "--target", target, *more, "--out", str(folder)], capsys)
    return folder, path, json.loads((folder / "coefficients.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("scale", ["minmax", "standard"])
def test_numbers_have_the_coefficients_of_linear_regression(scale, tmp_path, capsys):
    columns = {"height": HEIGHT, "age": AGE, "weight": KILOS}
    _, _, found = minimized(tmp_path, columns, "weight", ["--scale", scale], capsys)
    theirs = LinearRegression().fit(X, KILOS)
    assert found["model"] == "LinearRegression"
    assert found["feature_names_in_"] == ["height", "age"]
    np.testing.assert_allclose(found["coef_"], theirs.coef_, rtol=1e-5)
    np.testing.assert_allclose(found["intercept_"], theirs.intercept_, rtol=1e-5)


def test_two_classes_have_the_coefficients_of_logistic_regression(tmp_path, capsys):
    columns = {"height": HEIGHT, "age": AGE, "tall": TALL}
    _, _, found = minimized(tmp_path, columns, "tall", [], capsys)
    theirs = LogisticRegression(C=np.inf, tol=1e-12, max_iter=100_000, solver="newton-cholesky")
    theirs.fit(X, TALL)
    assert found["model"] == "LogisticRegression"
    assert found["classes_"] == theirs.classes_.tolist()
    np.testing.assert_allclose(found["coef_"], theirs.coef_, rtol=1e-4)
    np.testing.assert_allclose(found["intercept_"], theirs.intercept_, rtol=1e-4)


def test_written_coefficients_make_an_estimator_of_scikit_learn(tmp_path, capsys):
    columns = {"power": POWER, "weight": WEIGHT, "size": SIZE}
    folder, path, found = minimized(tmp_path, columns, "size", ["--l2", "0.001"], capsys)
    model = LogisticRegression()
    for name in ("coef_", "intercept_", "classes_"):
        setattr(model, name, np.array(found[name]))
    shares = model.predict_proba(np.column_stack([POWER, WEIGHT]))
    said(["predict", str(folder), path, "--out", str(tmp_path / "p.csv")], capsys)
    done = pd.read_csv(tmp_path / "p.csv")
    np.testing.assert_allclose(done.iloc[:, -3:], shares, rtol=1e-6, atol=1e-9)
    assert (done["predicted"] == model.predict(np.column_stack([POWER, WEIGHT]))).all()


def test_a_network_without_hidden_layers_has_coefficients_of_levels(cars, tmp_path, capsys):
    more = ["--hidden", "none", "--epochs", "3", "--rate", "0.01", "--dtype", "float64"]
    said(["train", cars, "--target", "mpg", *more, "--out", str(tmp_path / "t")], capsys)
    found = json.loads((tmp_path / "t" / "coefficients.json").read_text(encoding="utf-8"))
    names = ["power", "weight", "make=bmw", "make=kia", "make=vw"]
    assert found["feature_names_in_"] == names
    own = pd.get_dummies(pd.DataFrame(CARS))
    own.columns = [name.replace("make_", "make=") for name in own]
    guess = own[names].to_numpy(float) @ found["coef_"] + found["intercept_"]
    said(["predict", str(tmp_path / "t"), cars, "--out", str(tmp_path / "p.csv")], capsys)
    np.testing.assert_allclose(pd.read_csv(tmp_path / "p.csv")["predicted"], guess, rtol=1e-9)
    more[1] = "4"
    said(["train", cars, "--target", "mpg", *more, "--out", str(tmp_path / "t")], capsys)
    assert not (tmp_path / "t" / "coefficients.json").exists()


def test_predictions_are_scored_where_the_target_is_there(tmp_path, capsys):
    columns = {"height": HEIGHT, "age": AGE, "weight": KILOS}
    folder, _, _ = minimized(tmp_path, columns, "weight", [], capsys)
    weight = KILOS.astype(object)
    weight[3] = ""
    path = write(tmp_path / "b.csv", {**columns, "weight": weight})
    lines = said(["predict", str(folder), path], capsys)
    assert lines[0] == "weight of 40 rows of b.csv, by linear regression on 2 inputs"
    assert lines[1].split() == ["row", "weight", "predicted"]
    assert lines[5].split()[1] == "-"
    known = np.arange(40) != 3
    guess = LinearRegression().fit(X, KILOS).predict(X)
    mse = np.mean((guess - KILOS)[known] ** 2)
    assert lines[-1].startswith(f"Against the file's weight: MSE {mse:.4f}"[:-2])
    assert lines[-1].endswith("; the 39 rows that have it")
    path = write(tmp_path / "b.csv", {**columns, "weight": "heavy"})
    assert said(["predict", str(folder), path], capsys)[-1].startswith(
        "Not scored: column 'weight' has text in row 1"
    )
    path = write(tmp_path / "b.csv", {"age": AGE, "height": HEIGHT})
    assert "Against" not in said(["predict", str(folder), path], capsys)[-1]


def test_classes_are_scored_one_by_one(tmp_path, capsys):
    group = np.where(np.arange(40) % 12 == 5, "rare", TALL)
    columns = {"age": AGE, "height": HEIGHT, "group": group}
    path = write(tmp_path / "a.csv", columns)
    more = ["--max-iter", "40", "--out", str(tmp_path / "out")]
    lines = said(["minimize", path, "--target", "group", *more], capsys)
    assert [row[0] for row in table(lines, "class ")[1:4]] == ["rare", "short", "tall"]
    assert f"Never predicted: rare ({(group == 'rare').sum()} of 40 rows)" in lines
    folder = str(tmp_path / "out")
    lines = said(["predict", folder, path], capsys)
    assert f"Never predicted: rare ({(group == 'rare').sum()} of 40 rows)" in lines
    path = write(tmp_path / "b.csv", {**columns, "group": ["giant", *group[1:]]})
    (line,) = (k for k in said(["predict", folder, path], capsys) if k.startswith("Against"))
    assert "1 row of classes that the model does not know, the first 'giant' in row 1" in line
    path = write(tmp_path / "b.csv", {**columns, "group": "giant"})
    assert said(["predict", folder, path], capsys)[-1] == (
        "Not scored: 'group' is 'giant' in row 1; the model knows rare, short, tall"
    )


def test_damaged_models_are_refused(tmp_path, capsys):
    columns = {"height": HEIGHT, "age": AGE, "weight": KILOS}
    folder, path, _ = minimized(tmp_path, columns, "weight", [], capsys)
    known = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    for key, value in (
        ("format", "fastgd linear model 2"),
        ("weights", [[1.0]]),
        ("weights", [[1.0], [1e999]]),
        ("weights", [[1.0], ["2"]]),
        ("weights", [[1.0], [10**400]]),
        ("weights", None),
        ("constant", [1.0, 2.0]),
        ("features", {}),
        ("features", known["features"][:1] * 2),
        ("features", []),
        ("target", {**known["target"], "classes": ["a"]}),
        ("target", {**known["target"], "classes": "ab"}),
        ("target", {**known["target"], "width": 0}),
        ("target", 3),
    ):
        (folder / "model.json").write_text(json.dumps({**known, key: value}), encoding="utf-8")
        says = refused(["predict", str(folder), path], capsys)
        assert "model.json was not written by this version of fastgd minimize" in says, key
    (folder / "model.json").write_bytes(b"[" * 100_000)
    assert "was not written by" in refused(["predict", str(folder), path], capsys)
    (folder / "model.json").write_bytes(b"\xff\xfe")
    assert "was not written by" in refused(["predict", str(folder), path], capsys)
    (folder / "network.npz").write_bytes(b"")
    assert "holds two models" in refused(["predict", str(folder), path], capsys)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no model" in refused(["predict", str(empty), path], capsys)
    assert "is a file; wanted the folder" in refused(["predict", path, path], capsys)
