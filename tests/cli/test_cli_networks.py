"""`fastgd train`, `compare` and `predict` on a file of one's own: what they say, what they write, what they refuse."""

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastgd as gd
from fastgd.cli import encoding, training
from fastgd.cli.columns import Choice, choose
from fastgd.cli.main import main

RNG = np.random.default_rng(11)
N = 90
MAKES = np.array(["vw", "bmw", "kia"])
POWER = np.round(RNG.uniform(50, 200, N), 1)
WEIGHT = np.round(900 + 4 * POWER + RNG.normal(0, 80, N))
MAKE = RNG.choice(MAKES, N)
MPG = np.round(60 - 0.02 * WEIGHT + 4 * (MAKE == "kia") + RNG.normal(0, 1, N), 2)
SIZE = np.where(WEIGHT > 1500, "large", np.where(WEIGHT > 1250, "middle", "small"))
CARS = {"power": POWER, "weight": WEIGHT, "make": MAKE, "mpg": MPG}
SIZES = {"power": POWER, "make": MAKE, "size": SIZE}
QUICK = ["--hidden", "8", "--epochs", "5", "--rate", "0.01"]


def write(path, columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


@pytest.fixture
def cars(tmp_path):
    return write(tmp_path / "cars.csv", CARS)


@pytest.fixture
def sizes(tmp_path):
    return write(tmp_path / "sizes.csv", SIZES)


def said(arguments, capsys, code=0):
    assert main(arguments) == code
    return capsys.readouterr().out.splitlines()


def refused(arguments, capsys):
    """The one line that says why; wherever it is found out, the exit code is 2."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    error = capsys.readouterr().err
    assert error.startswith("fastgd")
    assert error.count("\n") == 1
    return error


def table(lines, first):
    """The rows of the table whose line of names begins so, as cells."""
    (head,) = (k for k, line in enumerate(lines) if line.startswith(first))
    rows = [re.split(r"\s{2,}", line) for line in lines[head:]]
    return [row for row in rows if len(row) == len(rows[0])]


# --- train ------------------------------------------------------------------------------------------


def test_a_number_is_predicted_as_the_library_does(cars, tmp_path, capsys):
    """The same split, encoding and network by hand, through scikit-learn's own encoders."""
    folder = tmp_path / "out"
    arguments = ["train", cars, "--target", "mpg", "--out", str(folder), "--dtype", "float64"]
    lines = said([*arguments, "--hidden", "16,8", "--epochs", "30", "--seed", "3"], capsys)
    rest, held = train_test_split(np.arange(N), test_size=18, random_state=3)
    trained, validated = train_test_split(np.sort(rest), test_size=9, random_state=3)
    numbers = StandardScaler().fit(np.column_stack([POWER, WEIGHT])[np.sort(trained)])
    levels = OneHotEncoder(sparse_output=False).fit(MAKES[:, None])
    x = np.hstack(
        [numbers.transform(np.column_stack([POWER, WEIGHT])), levels.transform(MAKE[:, None])]
    )
    target = StandardScaler().fit(MPG[np.sort(trained), None])
    y = target.transform(MPG[:, None])[:, 0]
    net = gd.MLP([5, 16, 8, 1], loss="mse", dtype="float64", rng=3)
    trained, validated, held = np.sort(trained), np.sort(validated), np.sort(held)
    net.fit(
        x[trained], y[trained], optimizer=gd.Adam(), epochs=30, patience=20,
        validation=(x[validated], y[validated]),
    )  # fmt: skip
    guess = target.inverse_transform(net.predict(x[held])[:, None])[:, 0]
    done = pd.read_csv(folder / "predictions.csv")
    assert done["row"].tolist() == (held + 1).tolist()
    np.testing.assert_allclose(done["mpg"], MPG[held])
    np.testing.assert_allclose(done["predicted"], guess, rtol=1e-9)
    history = pd.read_csv(folder / "history.csv")
    np.testing.assert_allclose(history["loss"], net.history_.loss, rtol=1e-9)
    np.testing.assert_allclose(history["val_loss"], net.history_.val_loss, rtol=1e-9)
    assert lines[0] == (
        "mpg from power, weight, make: 90 rows of cars.csv; features standardized; "
        "an input for each level of make (3); target standardized"
    )
    assert lines[1] == (
        "Network 5-16-8-1 (relu, mean squared error): 241 parameters, float64; "
        "rows: 63 trained on, 9 validation, 18 held out; batches of 32"
    )
    assert lines[2].startswith("Adam(lr=0.001): all epochs done after 30 epochs (60 updates), ")


def test_the_scores_are_of_the_predictions(cars, tmp_path, capsys):
    lines = said(["train", cars, "--target", "mpg", *QUICK, "--out", str(tmp_path)], capsys)
    done = pd.read_csv(tmp_path / "predictions.csv")
    rows = table(lines, "rows ")
    assert rows[0] == ["rows", "number", "loss", "MSE", "MAE", "R²"]
    assert [row[:2] for row in rows[1:]] == [
        ["trained on", "63"], ["validation", "9"], ["held out", "18"]
    ]  # fmt: skip
    error = done["mpg"] - done["predicted"]
    wanted = [
        np.mean(error**2), mean_absolute_error(done["mpg"], done["predicted"]),
        r2_score(done["mpg"], done["predicted"]),
    ]  # fmt: skip
    np.testing.assert_allclose([float(cell) for cell in rows[3][3:]], wanted, rtol=1e-5)
    written = pd.read_csv(tmp_path / "metrics.csv")
    assert list(written) == ["rows", "number", "MSE", "MAE", "R2"]
    np.testing.assert_allclose(written.iloc[2, 2:].astype(float), wanted, rtol=1e-12)
    assert (tmp_path / "loss.png").read_bytes()[:4] == b"\x89PNG"
    names = [
        "history.csv",
        "loss.png",
        "metrics.csv",
        "predictions.csv",
        "network.npz",
        "columns.json",
    ]
    assert lines[-1] == "Written: " + ", ".join(str(tmp_path / name) for name in names)


def test_classes_are_recognized_and_held_out_in_equal_shares(sizes, tmp_path, capsys):
    arguments = ["train", sizes, "--target", "size", "--out", str(tmp_path), "--rate", "0.02"]
    lines = said([*arguments, "--optimizer", "rmsprop", "--alpha", "0.95"], capsys)
    assert lines[0].startswith("size (3 classes) from power, make: 90 rows of sizes.csv")
    assert "Network 4-100-3 (relu, cross-entropy)" in lines[1]
    assert lines[2].startswith("RMSprop(lr=0.02, alpha=0.95): stopped early after ")
    assert "; parameters of epoch " in lines[2]
    done = pd.read_csv(tmp_path / "predictions.csv")
    assert list(done) == ["row", "size", "predicted", "p(large)", "p(middle)", "p(small)"]
    shares = done.iloc[:, 3:].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    labels = np.array(["large", "middle", "small"])
    assert (labels[shares.argmax(axis=1)] == done["predicted"]).all()
    for label in labels:
        assert abs((done["size"] == label).sum() - 0.2 * (label == SIZE).sum()) <= 1
    accuracy = (done["size"] == done["predicted"]).mean()
    f1 = f1_score(done["size"], done["predicted"], average="macro")
    row = table(lines, "rows ")[3]
    assert row[0] == "held out"
    np.testing.assert_allclose([float(cell) for cell in row[3:]], [accuracy, f1], rtol=1e-5)
    assert accuracy > 0.7


def test_early_stopping_keeps_the_best(cars, tmp_path, capsys):
    arguments = ["train", cars, "--target", "mpg", "--rate", "0.05", "--patience", "4"]
    lines = said([*arguments, "--out", str(tmp_path)], capsys)
    history = pd.read_csv(tmp_path / "history.csv")
    best = history["val_loss"].argmin()
    assert len(history) == best + 1 + 4
    which = f"parameters of epoch {best + 1} kept, where the validation loss was lowest"
    assert lines[2].endswith(which)
    row = table(lines, "rows ")[2]
    assert row[0] == "validation"
    np.testing.assert_allclose(float(row[2]), history["val_loss"][best], rtol=1e-5)


def test_without_patience_validation_or_test(cars, tmp_path, capsys):
    arguments = ["train", cars, "--target", "mpg", *QUICK, "--out", str(tmp_path)]
    arguments += ["--patience", "0", "--validation", "0", "--test", "0"]
    lines = said(arguments, capsys)
    assert "rows: 90 trained on; batches of 32" in lines[1]
    assert lines[2].startswith("Adam(lr=0.01): all epochs done after 5 epochs (15 updates)")
    assert [row[0] for row in table(lines, "rows ")] == ["rows", "trained on"]
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == N
    arguments[arguments.index("--patience") + 1] = "2"  # it then watches the training loss
    said(arguments, capsys)


def test_everything_that_can_be_said(cars, tmp_path, capsys):
    arguments = ["train", cars, "--target", "mpg", "--features", "weight,power", "--hidden", "6,4"]
    arguments += [
        "--activation",
        "tanh",
        "--loss",
        "huber",
        "--optimizer",
        "adamw",
        "--rate",
        "0.02",
    ]
    arguments += ["--betas", "0.8/0.9", "--eps", "1e-6", "--weight-decay", "0.02", "--l1", "1e-4"]
    arguments += ["--l2", "0.001", "--dropout", "0.1", "--clip-norm", "5", "--batch-size", "1000"]
    arguments += ["--epochs", "4", "--seed", "7", "--test", "0.25", "--validation", "0.2"]
    arguments += [
        "--threads",
        "1",
        "--scale",
        "minmax",
        "--max-seconds",
        "60",
        "--dtype",
        "float64",
    ]
    lines = said(arguments, capsys)
    assert "features scaled to [0, 1]" in lines[0]
    assert lines[1] == (
        "Network 2-6-4-1 (tanh, Huber's loss, l1 0.0001, l2 0.001, dropout 0.1): 51 parameters, float64; "
        "rows: 49 trained on, 18 validation, 23 held out; batches of 49"
    )
    assert lines[2].startswith(
        "AdamW(lr=0.02, betas=(0.8, 0.9), eps=1e-06, weight_decay=0.02, clip_norm=5.0): all epochs"
    )
    assert said(arguments, capsys)[3:] == lines[3:]  # the same seed, the same results
    arguments[arguments.index("--seed") + 1] = "8"
    assert said(arguments, capsys)[3:] != lines[3:]


def test_a_linear_network_has_the_least_squares(cars, tmp_path, capsys):
    arguments = ["train", cars, "--target", "mpg", "--features", "weight", "--hidden", "none"]
    arguments += ["--rate", "0.05", "--patience", "0", "--test", "0", "--validation", "0"]
    lines = said([*arguments, "--out", str(tmp_path), "--batch-size", "90"], capsys)
    assert "Network 1-1 (linear, mean squared error): 2 parameters" in lines[1]
    line = np.poly1d(np.polyfit(WEIGHT, MPG, 1))
    guess = pd.read_csv(tmp_path / "predictions.csv")["predicted"]
    np.testing.assert_allclose(guess, line(WEIGHT), rtol=1e-3)


def test_counts_by_poisson_are_not_standardized(tmp_path, capsys):
    counts = RNG.poisson(np.exp(POWER / 80))
    path = write(tmp_path / "a.csv", {"power": POWER, "visits": counts})
    arguments = ["train", path, "--target", "visits", *QUICK, "--loss", "poisson"]
    lines = said([*arguments, "--out", str(tmp_path)], capsys)
    assert "target standardized" not in lines[0]
    assert "Poisson deviance" in lines[1]
    assert (pd.read_csv(tmp_path / "predictions.csv")["predicted"] > 0).all()


def test_whole_numbers_can_be_classes_and_categories(tmp_path, capsys):
    doors = RNG.integers(2, 6, N)
    path = write(tmp_path / "a.csv", {"power": POWER, "doors": doors, "grade": doors % 3})
    arguments = ["train", path, "--target", "grade", *QUICK]
    lines = said(arguments, capsys)
    assert lines[0].endswith("taken as a number (--task classification makes its 3 values classes)")
    arguments += ["--task", "classification", "--categories", "doors", "--out", str(tmp_path)]
    lines = said(arguments, capsys)
    assert "an input for each level of doors (4)" in lines[0]
    assert "Network 5-8-3" in lines[1]
    assert set(pd.read_csv(tmp_path / "predictions.csv")["predicted"]) <= {0, 1, 2}


def test_two_values_are_classes_but_for_those_who_say_otherwise(tmp_path, capsys):
    path = write(tmp_path / "a.csv", {"power": POWER, "kia": (MAKE == "kia").astype(int)})
    arguments = ["train", path, "--target", "kia", *QUICK]
    assert said(arguments, capsys)[0].startswith("kia (2 classes)")
    assert said([*arguments, "--task", "regression"], capsys)[0].startswith("kia from power")


def test_constant_columns_are_left_out_of_all_others(tmp_path, capsys):
    path = write(tmp_path / "a.csv", {**CARS, "wheels": 4, "sort": "car"})
    lines = said(["train", path, "--target", "mpg", *QUICK], capsys)
    assert "2 columns left out as always the same (wheels, sort)" in lines[0]
    assert "Network 5-8-1" in lines[1]
    arguments = ["train", path, "--target", "mpg", *QUICK, "--features", "power,sort"]
    assert "column 'sort' is 'car' in every row" in refused(arguments, capsys)


def test_missing_values(tmp_path, capsys):
    columns = {name: list(column) for name, column in CARS.items()}
    columns["make"][2] = columns["power"][5] = columns["power"][7] = ""
    path = write(tmp_path / "a.csv", columns)
    says = refused(["train", path, "--target", "mpg", *QUICK], capsys)
    assert "'power' (2 rows, first in row 6), 'make' (1 row, first in row 3); 3 rows of 90" in says
    arguments = ["train", path, "--target", "mpg", *QUICK, "--drop-missing"]
    assert "3 rows with a missing value left out" in said(arguments, capsys)[0]


def test_a_level_that_training_has_not_seen(tmp_path, capsys):
    make = MAKE.astype(object)
    held = np.sort(train_test_split(np.arange(N), test_size=18, random_state=0)[1])
    make[held[0]] = "saab"
    path = write(tmp_path / "a.csv", {**CARS, "make": make})
    lines = said(["train", path, "--target", "mpg", *QUICK], capsys)
    assert lines[0].endswith("1 row with a level that the training rows do not have")
    assert "Network 5-8-1" in lines[1]


def test_divergence_is_an_outcome(cars, tmp_path, capsys):
    arguments = ["train", cars, "--target", "mpg", "--optimizer", "sgd", "--rate", "1e6"]
    lines = said([*arguments, "--out", str(tmp_path / "out")], capsys)
    assert "SGD(lr=1000000.0): diverged after" in lines[2]
    assert lines[3] == "It diverged: try a smaller --rate, or --clip-norm 1."
    assert not (tmp_path / "out" / "network.npz").exists()


def test_the_time_limit(cars, capsys):
    arguments = ["train", cars, "--target", "mpg", "--epochs", "1000000", "--patience", "0"]
    lines = said([*arguments, "--max-seconds", "0.05"], capsys)
    assert "stopped at the time limit" in lines[2]


# --- compare ----------------------------------------------------------------------------------------


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


# --- predict ----------------------------------------------------------------------------------------


def test_predictions_of_another_file_are_those_of_the_network(cars, tmp_path, capsys):
    folder = tmp_path / "out"
    said(["train", cars, "--target", "mpg", *QUICK, "--out", str(folder)], capsys)
    done = pd.read_csv(folder / "predictions.csv")
    new = pd.DataFrame(CARS).drop(columns="mpg").iloc[:, ::-1]  # in another order
    path = write(tmp_path / "new.csv", new)
    lines = said(["predict", str(folder), path, "--out", str(tmp_path / "p.csv")], capsys)
    assert lines[0].startswith("mpg of 90 rows of new.csv, by MLP([5, 8, 1]")
    assert lines[1] == f"Written: {tmp_path / 'p.csv'}"
    again = pd.read_csv(tmp_path / "p.csv", index_col="row")["predicted"]
    np.testing.assert_allclose(again[done["row"]], done["predicted"], rtol=1e-5)
    lines = said(["predict", str(folder), path], capsys)
    assert lines[1] == "The first 60 of 90 rows (all of them: --out FILE)"
    shown = [float(line.split()[1]) for line in lines[3:]]
    np.testing.assert_allclose(shown, again[:60], rtol=1e-5)


def test_predictions_of_classes(sizes, tmp_path, capsys):
    folder = tmp_path / "out"
    arguments = ["compare", sizes, "--target", "size", *QUICK, "--optimizer", "sgd,adam"]
    said([*arguments, "--out", str(folder)], capsys)
    new = pd.DataFrame(SIZES).iloc[:9].assign(make=["saab", *MAKE[1:9]])
    new.loc[4, "power"] = None
    path = write(tmp_path / "new.csv", new)
    error = refused(["predict", str(folder), path], capsys)
    assert "new.csv: missing values in column 'power' (1 row, first in row 5)" in error
    lines = said(["predict", str(folder), path, "--drop-missing"], capsys)
    assert lines[0].startswith("size of 8 rows of new.csv")
    assert lines[0].endswith("1 row with a level that the training rows do not have")
    assert lines[1].split() == ["row", "predicted", "p(large)", "p(middle)", "p(small)"]
    assert [line.split()[0] for line in lines[2:]] == list("12346789")


def test_predict_says_what_is_wrong(cars, tmp_path, capsys):
    folder = tmp_path / "out"
    assert "fastgd train --out writes it" in refused(["predict", str(folder), cars], capsys)
    said(["train", cars, "--target", "mpg", *QUICK, "--out", str(folder)], capsys)
    path = write(tmp_path / "a.csv", {"power": POWER})
    says = refused(["predict", str(folder), path], capsys)
    assert "a.csv: there is no column 'weight', 'make', which the network takes" in says
    path = write(tmp_path / "a.csv", {**CARS, "weight": "heavy"})
    assert "column 'weight' has text in row 1: 'heavy'" in refused(
        ["predict", str(folder), path], capsys
    )
    known = (folder / "columns.json").read_text(encoding="utf-8")
    for text in ("{}", "[", known.replace("columns 1", "columns 2"), known.replace("width", "w")):
        (folder / "columns.json").write_text(text, encoding="utf-8")
        assert "was not written by this version" in refused(["predict", str(folder), cars], capsys)
    (folder / "columns.json").write_text(known.replace('"vw"', '"vw", "x"'), encoding="utf-8")
    assert "are of two networks" in refused(["predict", str(folder), cars], capsys)


# --- what is refused --------------------------------------------------------------------------------


def csv_of(rows, header="a,y"):
    return "\n".join([header, *rows]).encode() + b"\n"


TEN = [f"{k},{k % 3}.5" for k in range(10)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (csv_of(["1,2"]), "1 row to fit"),
        (csv_of(["1,2", "3,4", "5,9"]), "of 3 rows --test 0.2 and --validation 0.1 leave 1 to train on"),
        (csv_of(["1,7", "2,7", "3,7", "4,7"]), "column 'y' is 7 in every row: nothing to predict"),
        (csv_of(["1,x", "2,x", "3,x", "4,x"]), "'x' in every row: one class only"),
        (csv_of(["1,u", "2,u", "3,u", "4,v"]), "class 'v' of column 'y' has one row; wanted at least two"),
        (csv_of([f"{k},{'uvw'[k % 3]}" for k in range(9)]),
         "--test 0.2 holds out 2 of 9 rows, and there are 3 classes"),
        (csv_of(TEN, "b,y").replace(b"y", b"z", 1), "no column 'y'; there are b, z"),
        (csv_of(["3,1", "3,2", "3,5"]), "column 'a' is 3 in every row: it predicts nothing"),
        (csv_of([*TEN, "12 kg,1"]), "column 'a' has text in row 11: '12 kg' (a number with a unit?"),
        (csv_of([*TEN, "inf,1"]), "column 'a' is infinite in row 11"),
        (csv_of([f"n{k},{k}" for k in range(50)]), "50 different texts in 50 rows, the first 'n0': too many"),
        (csv_of([f"{k}e307,{k}" for k in range(-9, 9)]), "'a' has numbers beyond what can be scaled"),
        (csv_of([f"{k},{k}e307" for k in range(-9, 9)]), "'y' has numbers beyond what can be scaled"),
    ],
)  # fmt: skip
def test_bad_files_get_one_line(content, says, tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    for command in ("train", "compare"):
        error = refused([command, str(path), "--target", "y"], capsys)
        assert says in error
        assert "a.csv" in error


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--hidden", "500,x"], "argument --hidden: 'x' is not a number"),
        (["--hidden", "0"], "'0' is not a list of layers"),
        (["--hidden", "2.5"], "'2.5' is not a list of layers: wanted whole numbers such as 500,300, or none"),
        (["--optimizer", "adma"], "'adma' is not one of SGD, "),
        (["--optimizer", "sgd,adam"], "fastgd compare takes several"),
        (["--rate", "0.1,0.2"], "has 2 values; wanted one number"),
        (["--rate", "-1"], "lr must be a number >= 0"),
        (["--rho", "0.9"], "Adam has no hyperparameter 'rho'"),
        (["--betas", "0.9"], "'0.9' is not a pair"),
        (["--betas", "0.9/0.99,0.8/0.9"], "has 2 pairs; wanted one"),
        (["--l2", "-1"], "l2 must be"),
        (["--dropout", "1"], "dropout must be at least 0 and below 1"),
        (["--activation", "swish"], "--activation"),
        (["--loss", "cross_entropy"], "--loss cross_entropy does not fit 'mpg', which is a number: mse, mae"),
        (["--loss", "poisson"], "--loss poisson: 'mpg' is negative in row 4"),
        (["--task", "classification"], "different numbers: too many for classes; use --task regression"),
        (["--test", "1"], "--test is a share of the rows, at least 0 and below 1, got 1"),
        (["--validation", "-0.1"], "--validation is a share"),
        (["--test", "0.6", "--validation", "0.5"], "leave -9 to train on"),
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--epochs", "1.5"], "is not a whole number"),
        (["--batch-size", "0"], "--batch-size must be at least 1"),
        (["--patience", "-1"], "--patience must be at least 0"),
        (["--max-seconds", "0"], "--max-seconds must be above 0"),
        (["--seed", "-1"], "--seed must be a whole number from 0"),
        (["--threads", "0"], "n_threads must be"),
        (["--categories", "wait"], "there is no column 'wait'; there are power, weight, make; did you mean 'weight'?"),
        (["--without", "makes"], "did you mean 'make'?"),
        (["--without", "mpg"], "'mpg' is the target"),
        (["--without", "power,weight,make"], "no column besides 'mpg'"),
        (["--features", "power,power"], "feature 'power' is listed twice"),
        (["--out", __file__], "--out must be a folder"),
    ],
)  # fmt: skip
def test_bad_arguments_get_one_line(arguments, says, tmp_path, capsys):
    path = write(tmp_path / "a.csv", {**CARS, "mpg": [*MPG[:3], -1.0, *MPG[4:]]})
    assert says in refused(["train", path, "--target", "mpg", *arguments], capsys)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rate", "0.1,0.2,0.3"], "--rate has 3 values for 5 optimizers"),
        (["--rho", "0.9"], "SGD has no hyperparameter 'rho'"),
    ],
)
def test_compare_refuses_what_none_has(arguments, says, cars, capsys):
    assert says in refused(["compare", cars, "--target", "mpg", *arguments], capsys)


def test_no_file(capsys):
    assert "there is no file no.csv" in refused(["train", "no.csv", "--target", "y"], capsys)


def test_categories_in_numbers_and_words():
    frame = pd.DataFrame({"a": ["x", "y", "x"], "b": [1, 2, 1], "c": [1.5, 2, 4], "y": [1.0, 2, 4]})
    chosen = choose(frame, Choice("y", categories=["b"]))
    code = encoding.encoding(chosen.frame.iloc[[0, 2]], "none")
    assert code.inputs == ("a=x", "b=1", "c")
    assert code.encoded(chosen.frame).tolist() == [[1, 1, 1.5], [0, 0, 2], [1, 1, 4]]
    assert code.unknown(chosen.frame) == 1
    again = code.columns(frame.astype({"b": float}))  # 1.0 is the level 1
    assert code.encoded(again).tolist() == [[1, 1, 1.5], [0, 0, 2], [1, 1, 4]]


# --- Ctrl-C -----------------------------------------------------------------------------------------


def interrupt_at(monkeypatch, number, epoch):
    """As if Ctrl-C were pressed in that epoch of that training, both counted from 1."""
    trainings = []

    def teller(*_):
        trainings.append(None)

        def tell(history):
            if len(trainings) == number and len(history) == epoch:
                raise KeyboardInterrupt

        return tell

    monkeypatch.setattr(training, "_teller", teller)


def test_ctrl_c_keeps_what_is_trained(cars, tmp_path, monkeypatch, capsys):
    interrupt_at(monkeypatch, 1, 3)
    arguments = ["train", cars, "--target", "mpg", *QUICK, "--out", str(tmp_path)]
    assert main(arguments) == 130
    captured = capsys.readouterr()
    assert captured.err == "fastgd: interrupted; this is what was finished\n"
    assert "interrupted after 3 epochs (6 updates)" in captured.out
    assert len(pd.read_csv(tmp_path / "history.csv")) == 3
    monkeypatch.undo()
    said(["predict", str(tmp_path), cars], capsys)


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


# --- the commands of the documentation --------------------------------------------------------------


def test_the_commands_of_the_readme_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    block = text.split("## On your own file")[1].split("## How fast")[0].split("```sh\n")[2]
    first, *commands = map(shlex.split, block.split("```")[0].splitlines())
    assert first[:2] == ["python", "-c"]
    exec(first[2])
    assert [name for name, *_ in commands] == ["fastgd"] * 3
    lines = [line for _, *arguments in commands for line in said(arguments, capsys)]
    assert any(line.startswith("held out ") for line in lines)
    assert any(line.startswith("Best by its validation loss") for line in lines)
    assert (tmp_path / "iris" / "comparison.png").exists()
    assert len(pd.read_csv("predictions.csv")) == 150
