"""`fastgd.load`: the predictions of the command line, of any kind of table."""

import warnings

import numpy as np
import pandas as pd
import pytest
from cli.cars import CARS, MPG, QUICK, SIZE, SIZES
from cli.commands import said

import fastgd as gd

FEATURES = ["power", "weight", "make"]


@pytest.fixture
def folder(cars, tmp_path, capsys):
    said(["train", cars, "--target", "mpg", *QUICK, "--out", str(tmp_path / "out")], capsys)
    return tmp_path / "out"


@pytest.fixture
def predicted(folder, cars, tmp_path, capsys):
    said(["predict", str(folder), cars, "--out", str(tmp_path / "p.csv")], capsys)
    return pd.read_csv(tmp_path / "p.csv")["predicted"].to_numpy()


def tables():
    frame = pd.DataFrame(CARS)
    yield frame
    yield frame.iloc[::-1].iloc[::-1, ::-1].set_index("mpg", drop=False)
    yield {name: list(column) for name, column in CARS.items()}
    yield frame[FEATURES].to_numpy(dtype=object)
    yield frame[FEATURES].values.tolist()
    yield frame.to_dict("records")
    yield frame.to_records(index=False)
    yield frame.astype({"make": "category", "power": object})
    yield frame.convert_dtypes()


@pytest.mark.parametrize("table", list(tables()))
def test_every_table_gives_the_predictions_of_the_command_line(table, folder, predicted):
    model = gd.load(folder)
    np.testing.assert_allclose(model.predict(table), predicted, rtol=1e-6)
    assert model.score(table, MPG) == pytest.approx(
        1 - np.sum((MPG - predicted) ** 2) / np.sum((MPG - MPG.mean()) ** 2)
    )


def test_a_table_of_another_library(folder, predicted):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({name: list(column) for name, column in CARS.items()})
    np.testing.assert_allclose(gd.load(folder).predict(table), predicted, rtol=1e-6)


def test_one_row_as_a_dict(folder, predicted):
    row = {name: CARS[name][0] for name in FEATURES}
    np.testing.assert_allclose(gd.load(str(folder)).predict(row), predicted[:1], rtol=1e-6)


def test_what_it_says_of_itself(folder):
    model = gd.load(folder)
    assert model.feature_names_in_.tolist() == FEATURES
    assert model.n_features_in_ == 3
    assert model.target_name_ == "mpg"
    assert model.categories_ == {"make": ("bmw", "kia", "vw")}
    assert repr(model).startswith("LoadedModel(mpg from power, weight, make: MLP([5, 8, 1]")
    assert isinstance(model.network_, gd.MLP)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "classes_")
    with pytest.raises(AttributeError, match=r"no coef_: MLP\(\[5, 8, 1\].* is not linear"):
        model.coef_  # noqa: B018


@pytest.mark.parametrize("command", ["train", "minimize"])
def test_classes(command, tmp_path, sizes, capsys):
    more = QUICK if command == "train" else ["--features", "power"]
    said([command, sizes, "--target", "size", *more, "--out", str(tmp_path / "s")], capsys)
    model = gd.load(tmp_path / "s")
    said(["predict", str(tmp_path / "s"), sizes, "--out", str(tmp_path / "p.csv")], capsys)
    done = pd.read_csv(tmp_path / "p.csv")
    assert model.classes_.tolist() == ["large", "middle", "small"]
    frame = pd.DataFrame(SIZES)
    assert (model.predict(frame) == done["predicted"]).all()
    np.testing.assert_allclose(model.predict_proba(frame), done.iloc[:, 3:], rtol=1e-6)
    assert model.score(frame, SIZE) == np.mean(done["predicted"] == SIZE)


def test_labels_that_are_numbers_stay_numbers(tmp_path, cars, capsys):
    frame = pd.DataFrame(CARS).assign(fast=lambda f: (f["power"] > 100).astype(int))
    frame.drop(columns="make").to_csv(tmp_path / "a.csv", index=False)
    arguments = ["minimize", str(tmp_path / "a.csv"), "--target", "fast", "--features", "weight"]
    said([*arguments, "--out", str(tmp_path / "m")], capsys)
    model = gd.load(tmp_path / "m")
    assert model.classes_.tolist() == [0, 1]
    assert model.network_ is None
    assert model.coef_.shape == (1, 1)
    assert model.intercept_.shape == (1,)
    guess = model.predict(frame)
    assert guess.dtype.kind == "i"
    assert model.score(frame, frame["fast"].astype(float)) == np.mean(guess == frame["fast"])


@pytest.mark.parametrize(
    ("table", "error", "says"),
    [
        ({"power": [1.0], "make": ["vw"]}, ValueError, "no column 'weight'"),
        ({**CARS, "power": ["x", *CARS["power"][1:]]}, ValueError, "'power' must hold numbers, got 'x' in row 1"),
        ({**CARS, "power": [1.0, None, *CARS["power"][2:]]}, ValueError, "1 missing value, the first in row 2"),
        ({**CARS, "power": [np.inf, *CARS["power"][1:]]}, ValueError, "'power' is infinite in row 1"),
        (np.ones((4, 2)), ValueError, "X has 2 columns, wanted 3: power, weight, make"),
        (np.ones(4), TypeError, r"array of shape \(rows, 3\), got an array of float64, shape \(4,\)"),
        ("cars.csv", TypeError, "X must be a DataFrame"),
        (None, TypeError, "X must be a DataFrame"),
        ({"power": [1.0], "weight": [1.0, 2.0], "make": ["vw"]}, ValueError, "X is no table"),
        (pd.DataFrame(CARS).iloc[:0], ValueError, "X has no rows"),
    ],
)  # fmt: skip
def test_what_it_refuses(table, error, says, folder):
    with pytest.raises(error, match=says):
        gd.load(folder).predict(table)


def test_an_unknown_category_is_said(folder):
    with pytest.warns(UserWarning, match="1 row of X with a category that the model does not know"):
        gd.load(folder).predict({"power": [90], "weight": [1200], "make": ["saab"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gd.load(folder).predict({"power": [90], "weight": [1200], "make": [" vw "]})


def test_targets_of_another_length_are_refused(folder):
    with pytest.raises(ValueError, match=r"y must have shape \(90,\), got \(3,\)"):
        gd.load(folder).score(CARS, [1, 2, 3])


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .* write one with --out"):
        gd.load(tmp_path / "none")
