"""`fastgd predict`: predictions of a folder that train or compare wrote."""

import numpy as np
import pandas as pd
from cli.cars import CARS, MAKE, POWER, QUICK, SIZES
from cli.commands import refused, said, write

from fastgd.network.mlp import MLP


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
    assert lines[1].split() == ["row", "size", "predicted", "p(large)", "p(middle)", "p(small)"]
    assert [line.split()[0] for line in lines[2:10]] == list("12346789")
    assert lines[10].startswith("Against the file's size: accuracy ")


def test_predict_says_what_is_wrong(cars, tmp_path, capsys):
    folder = tmp_path / "out"
    assert "there is no folder" in refused(["predict", str(folder), cars], capsys)
    said(["train", cars, "--target", "mpg", *QUICK, "--out", str(folder)], capsys)
    path = write(tmp_path / "a.csv", {"power": POWER})
    says = refused(["predict", str(folder), path], capsys)
    assert "a.csv: there is no column 'weight', 'make', which the model takes" in says
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
    (folder / "columns.json").write_text(known, encoding="utf-8")
    other = MLP.load(folder / "network.npz")
    other.params[-1] += 1  # as after a run that was killed between its two files
    other.save(folder / "network.npz")
    assert "are of two networks" in refused(["predict", str(folder), cars], capsys)
