"""What `fastgd train` and `fastgd compare` refuse."""

import pytest
from cli.cars import CARS, MPG
from cli.commands import refused, write


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
