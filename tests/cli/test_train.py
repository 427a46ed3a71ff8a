"""`fastgd train`: what it prints and writes."""

import numpy as np
import pandas as pd
from cli.cars import CARS, MAKE, MAKES, MPG, POWER, QUICK, SIZE, WEIGHT, N
from cli.commands import interrupt_at, refused, said, table, write
from sklearn.metrics import f1_score, mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastgd as gd
from fastgd.cli.main import main


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
    counts = np.random.default_rng(1).poisson(np.exp(POWER / 80))
    path = write(tmp_path / "a.csv", {"power": POWER, "visits": counts})
    arguments = ["train", path, "--target", "visits", *QUICK, "--loss", "poisson"]
    lines = said([*arguments, "--out", str(tmp_path)], capsys)
    assert "target standardized" not in lines[0]
    assert "Poisson deviance" in lines[1]
    assert (pd.read_csv(tmp_path / "predictions.csv")["predicted"] > 0).all()


def test_whole_numbers_can_be_classes_and_categories(tmp_path, capsys):
    doors = np.random.default_rng(1).integers(2, 6, N)
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
