"""`fastgd sweep` and `fastgd minimize` on a file of one's own: what they say, what they write, what they refuse."""

import csv
import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fastgd as gd
from fastgd.cli import encoding
from fastgd.cli.main import main

RNG = np.random.default_rng(5)
HEIGHT = np.round(RNG.normal(68, 2, 40), 3)
AGE = RNG.integers(18, 60, 40)
WEIGHT = np.round(3.2 * HEIGHT - 90 + 0.3 * AGE + RNG.normal(0, 8, 40), 2)


def write(path, columns, separator=","):
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    path.write_text("\n".join(separator.join(map(str, row)) for row in rows) + "\n")
    return str(path)


@pytest.fixture
def heights(tmp_path):
    return write(tmp_path / "heights.csv", {"height": HEIGHT, "age": AGE, "weight": WEIGHT})


def said(arguments, capsys):
    assert main(arguments) == 0
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


# --- sweep ------------------------------------------------------------------------------------------


def test_the_table_is_that_of_the_library(heights, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--features", "height"]
    lines = said([*arguments, "--rates", "0.1:1.8:0.05", "--tol", "1e-3"], capsys)
    x = (HEIGHT - HEIGHT.min()) / np.ptp(HEIGHT)
    rates = np.round(np.arange(2, 37) * 0.05, 2)
    out = gd.sweep(gd.LeastSquares(x, WEIGHT), gd.SGD(), {"lr": rates}, max_iter=100_000, tol=1e-3)
    head = next(k for k, line in enumerate(lines) if line.startswith("rate "))
    table = [line.split() for line in lines[head + 1 : head + 36]]
    assert [float(row[0]) for row in table] == rates.tolist()
    ended = {0: "converged", 1: "not", 2: "diverged"}
    assert [row[1].strip(",") for row in table] == [ended[s] for s in out.status]
    counts = [int(row[-4].replace(",", "")) for row in table]
    assert counts == out.iterations.tolist()
    best = out.best(by="iterations")
    (line,) = (line for line in lines if line.startswith("Best rate: "))
    assert line.startswith(f"Best rate: {best.axes['lr']:g} ({best.iterations} iterations")
    assert lines[0].startswith(
        "weight from height: 40 rows of heights.csv; features scaled to [0, 1]"
    )
    assert any("converges at rates below" in line for line in lines)


@pytest.mark.parametrize("scale", ["minmax", "standard"])
def test_the_equation_is_in_the_files_own_units(scale, heights, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--rates", "0.5", "--scale", scale]
    (line,) = (line for line in said(arguments, capsys) if line.startswith("There: "))
    X = np.column_stack([HEIGHT, AGE, np.ones(40)])
    w, a, b = np.linalg.lstsq(X, WEIGHT)[0]
    assert line.startswith(f"There: weight = {w:.6g} height + {a:.6g} age - {-b:.6g}; R²")
    residual = WEIGHT - X @ [w, a, b]
    assert line.endswith(f"{1 - residual.var() / WEIGHT.var():.4f}")


def test_folder_with_table_and_figure(heights, tmp_path, capsys):
    folder = tmp_path / "a" / "b"
    arguments = [
        "sweep",
        heights,
        "--target",
        "weight",
        "--rates",
        "0.1,0.2,5",
        "--out",
        str(folder),
    ]
    arguments += ["--optimizer", "sgd,Adam"]
    lines = said(arguments, capsys)
    assert lines[-1] == f"Written: {folder / 'sweep.csv'}, {folder / 'sweep.png'}"
    with (folder / "sweep.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["optimizer"], row["lr"]) for row in rows] == [
        (name, rate) for name in ("SGD", "Adam") for rate in ("0.1", "0.2", "5.0")
    ]
    assert {"height", "age", "b", "loss", "iterations", "status"} <= set(rows[0])
    assert (folder / "sweep.png").read_bytes()[:4] == b"\x89PNG"


def test_many_runs_are_shown_by_their_best(heights, tmp_path, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--features", "height"]
    arguments += ["--rates", "1e-3:2:log100", "--optimizer", "momentum", "--momentum", "0,0.5,0.9"]
    lines = said([*arguments, "--l2", "0,1", "--tol", "1e-3", "--out", str(tmp_path)], capsys)
    (head,) = (k for k, line in enumerate(lines) if line.startswith("The best 20 of 600 runs"))
    counts = [int(line.split("monotone")[-1].split("oscillating")[-1].split()[0].replace(",", ""))
              for line in lines[head + 2 : head + 22]]  # fmt: skip
    assert counts == sorted(counts)
    assert any(line.startswith("Best: rate ") and ", momentum " in line for line in lines)
    with (tmp_path / "sweep.csv").open() as stream:
        assert sum(1 for _ in stream) == 601
    assert (tmp_path / "sweep.png").exists()


def test_pairs_of_betas(heights, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--rates", "1", "--optimizer", "adam"]
    lines = said([*arguments, "--betas", "0.9/0.999,0.5/0.9", "--eps", "1e-7"], capsys)
    assert any(line.startswith("1     (0.9, 0.999)") for line in lines)
    assert any(line.startswith("1     (0.5, 0.9)") for line in lines)


def test_divergence_is_an_outcome(heights, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--rates", "1,2", "--scale", "none"]
    lines = said(arguments, capsys)
    assert "2 diverged" in lines[1]
    assert lines[-1] == "Every run diverged: try smaller rates, or --scale minmax."


def test_what_has_not_converged_is_judged_by_its_loss(heights, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--rates", "0.01,0.1", "--max-iter", "10"]
    lines = said(arguments, capsys)
    assert any(
        line.startswith("Best rate: 0.1 by its loss of ") and line.endswith("; none converged")
        for line in lines
    )


def test_the_time_limit(heights, capsys):
    arguments = [
        "sweep",
        heights,
        "--target",
        "weight",
        "--rates",
        "1e-9:1e-8:lin600",
        "--tol",
        "0",
    ]
    lines = said([*arguments, "--max-iter", "1e15", "--max-seconds", "0.2"], capsys)
    assert "stopped at the time limit" in lines[1]


def test_on_a_terminal_the_table_is_drawn(heights, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    out = "\n".join(said(["sweep", heights, "--target", "weight", "--rates", "0.5:1:0.25"], capsys))
    assert "──" in out
    assert " age" in out
    monkeypatch.setenv("COLUMNS", "50")
    out = said(["sweep", heights, "--target", "weight", "--rates", "0.5:1:0.25"], capsys)
    assert not any(
        line.startswith("rate") and "age" in line for line in out
    )  # no room for parameters


# --- minimize ---------------------------------------------------------------------------------------


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
    assert lines[-1] == "It diverged: try smaller rates."


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


# --- classes ----------------------------------------------------------------------------------------

TALL = np.where(HEIGHT + RNG.normal(0, 1.5, 40) > 68, "tall", "short")


@pytest.mark.parametrize("labels", [TALL, (TALL == "tall").astype(int), (TALL == "tall") + 0.5])
def test_a_target_of_text_or_two_values_is_a_class(labels, tmp_path, capsys):
    path = write(tmp_path / "a.csv", {"height": HEIGHT, "group": labels})
    arguments = ["sweep", path, "--target", "group", "--rates", "1,5", "--tol", "1e-6"]
    lines = said(arguments, capsys)
    assert lines[0].startswith("group (2 classes) from height: 40 rows of a.csv")
    assert lines[0].endswith("cost 1/m")
    x = (HEIGHT - HEIGHT.min()) / np.ptp(HEIGHT)
    problem = gd.Logistic(x, TALL)
    out = gd.sweep(problem, gd.SGD(), {"lr": [5.0]}, tol=1e-6, max_iter=100_000)
    w, b = out.x[0] / [np.ptp(HEIGHT), 1.0]
    b -= w * HEIGHT.min()
    label = max(labels.tolist())
    (line,) = (line for line in lines if line.startswith("There: "))
    assert line.startswith(f"There: log-odds of group {label} = {w:.6g} height - {-b:.6g}; ")
    assert line.endswith(f"{problem.accuracy(out.x[0]):.1%} of the rows classified correctly")


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
    assert lines[-2].endswith(f"{correct:.1%} of the rows classified correctly")


def test_two_values_can_be_numbers_all_the_same(tmp_path, capsys):
    path = write(tmp_path / "a.csv", {"height": HEIGHT, "group": (TALL == "tall").astype(int)})
    arguments = ["sweep", path, "--target", "group", "--rates", "1", "--model", "linear"]
    lines = said(arguments, capsys)
    assert "classes" not in lines[0]
    assert any(line.startswith("There: group = ") for line in lines)


def test_batches(heights, capsys):
    arguments = ["minimize", heights, "--target", "weight", "--batch-size", "8", "--rate", "0.1"]
    lines = said([*arguments, "--max-iter", "500"], capsys)
    assert "5 updates an epoch" in lines[0]
    assert "not converged after 500 iterations" in lines[1]
    arguments[-3] = "41"
    assert "batch_size" in refused(arguments, capsys)


# --- files ------------------------------------------------------------------------------------------

GOOD = {"a": [1, 2, 4, 3], "b": [2, 1, 1, 5], "y": [1.5, 2.5, 1, 3]}


def fields(arguments, capsys):
    """The equation, which holds what was read."""
    lines = said(arguments, capsys)
    return next(line for line in lines if line.startswith("There: "))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ", "])
def test_separators(separator, tmp_path, capsys):
    wanted = fields(
        ["sweep", write(tmp_path / "a.csv", GOOD), "--target", "y", "--rates", "1"], capsys
    )
    path = write(tmp_path / "b.txt", GOOD, separator)
    assert fields(["sweep", path, "--target", "y", "--rates", "1"], capsys) == wanted


def test_gzip_and_byte_order_mark_whatever_the_name(tmp_path, capsys):
    plain = write(tmp_path / "a.csv", GOOD)
    wanted = fields(["sweep", plain, "--target", "y", "--rates", "1"], capsys)
    content = (tmp_path / "a.csv").read_bytes()
    for name, other in (("c.csv.gz", gzip.compress(content)), ("d.csv", b"\xef\xbb\xbf" + content)):
        (tmp_path / name).write_bytes(other)
        path = str(tmp_path / name)
        assert fields(["sweep", path, "--target", "y", "--rates", "1"], capsys) == wanted


def test_other_ways_to_write_numbers(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("a;y\n1.000,5;1\n2.000,5;2\n500;4\n")
    line = fields(
        ["sweep", str(path), "--target", "y", "--rates", "1", "--decimal", ",", "--thousands", "."],
        capsys,
    )
    w, b = np.polyfit([1000.5, 2000.5, 500], [1, 2, 4], 1)
    assert line.startswith(f"There: y = {w:.6g} a + {b:.6g}".replace("= -", "= -"))


def test_missing_values_can_be_left_out(tmp_path, capsys):
    columns = {name: [*values, 7, 9, ""] for name, values in GOOD.items()}
    columns["b"][4] = "?"
    columns["a"][5] = "NA"
    arguments = ["sweep", write(tmp_path / "a.csv", columns), "--target", "y", "--rates", "1"]
    says = refused(arguments, capsys)
    assert (
        "'a' (2 rows, first in row 6), 'b' (2 rows, first in row 5), 'y' (1 row, first in" in says
    )
    assert "3 rows of 7" in says
    lines = said([*arguments, "--drop-missing"], capsys)
    assert "3 rows with a missing value left out" in lines[0]
    columns["a"][2] = "x"
    arguments[1] = write(tmp_path / "b.csv", columns)
    assert "'a' has text in row 3: 'x'" in refused([*arguments, "--drop-missing"], capsys)


def test_a_column_without_a_name_is_left_out(tmp_path, capsys):
    path = write(tmp_path / "a.csv", {"": [0, 1, 2, 3], **GOOD})
    lines = said(["sweep", path, "--target", "y", "--rates", "1"], capsys)
    assert "1 column without a name left out" in lines[0]
    assert lines[0].startswith("y from a, b: 4 rows")


def test_names_that_collide(tmp_path, capsys):
    columns = {"b": GOOD["a"], "lr": GOOD["b"], "y": GOOD["y"]}
    path = write(tmp_path / "a.csv", columns)
    out = tmp_path / "out"
    arguments = ["sweep", path, "--target", "y", "--rates", "1,0.5", "--out", str(out)]
    assert "b + " in fields(arguments, capsys).replace("b - ", "b + ")
    with (out / "sweep.csv").open() as stream:
        (first, *_) = csv.DictReader(stream)
    assert {"lr", "b", "b (feature)", "final_lr"} <= set(first)
    assert first["lr"] == "1.0"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,y\n", "no rows"),
        (b"a,y\n1,2\n", "1 row to fit"),
        (b"1,2\n3,4\n", "numbers in its first line (1, 2)"),
        (b"a,a,y\n1,2,3\n4,5,6\n", "2 columns called 'a'"),
        (b"a,y\n1,2,3\n4,5,6\n", "more cells than its header has names"),
        (b"a,y\n1,2\n4,5,6\n", "Expected 2 fields in line 3, saw 3"),
        (b"a,y\n1\n2,3\n", "missing values in column 'y' (1 row, first in row 1)"),
        (b"y\n1\n2\n", "no column besides 'y'"),
        (b"a,z\n1,2\n4,5\n", "no column 'y'; there are a, z"),
        (b"a,Y1\n1,2\n4,5\n", "did you mean 'Y1'?"),
        (b"a,y\n1,2\n4,x\n5,6\n", "column 'y' has text in row 2: 'x'"),
        (
            b"a,y\nbob,2\nann,5\njim,6\n",
            "column 'a' has text in row 1: 'bob'; leave the column out",
        ),
        (b'a,y\n"1,200",2\n"3,400",5\n', "'1,200' (thousands separators? pass --thousands"),
        (b"a;y\n1,25;2\n3,5;5\n", "'1,25' (a decimal comma? pass --decimal"),
        (b"a;y\n1.234,25;2\n3;5\n", "a decimal comma?"),
        (b"a,y\n12 kg,2\n3 kg,5\n", "'12 kg' (a number with a unit?"),
        (b"a,y\n1,2\ninf,5\n", "column 'a' is infinite in row 2"),
        (b"a,c,y\n1,7,2\n3,7,5\n", "column 'c' is 7 in every row: leave it out (--features a)"),
        (b"c,y\n7,2\n7,5\n", "column 'c' is 7 in every row: it predicts nothing"),
        (b"a,y\n1,yes\n3,yes\n", "'yes' in every row: one class only"),
        (b"a,y\n\xff\xfe,2\n", "not UTF-8"),
        (b"a,\x00y\n", "is not text"),
        (b"a,y\n1e308,1\n-1e308,2\n0,3\n", "column 'a' has numbers beyond what can be scaled"),
        (b"PK\x03\x04....", "a spreadsheet or an archive"),
        (b"\x1f\x8b\x08\x00broken", "cannot be read"),
        (b"a,y\n" + b"".join(b"%d,name%d\n" % (k, k) for k in range(60)), "60 different texts"),
    ],
)
def test_bad_files_get_one_line(content, says, tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    error = refused(["sweep", str(path), "--target", "y", "--rates", "0.1"], capsys)
    assert says in error
    assert "a.csv" in error


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--features", "a,a"], "feature 'a' is listed twice"),
        (["--features", "y"], "feature 'y' is the target"),
        (["--features", "a,,b"], "has an empty name"),
        (["--rates", "0.1:1"], "argument --rates: '0.1:1' is not a range"),
        (["--rates", "-0.1"], "--rates: -0.1 is negative"),
        (["--optimizer", "sdg"], "'sdg' is not one of SGD, "),
        (["--rho", "0.9"], "SGD has no hyperparameter 'rho'"),
        (["--optimizer", "adam", "--betas", "0.9"], "'0.9' is not a pair"),
        (["--optimizer", "momentum", "--momentum", "-1"], "momentum must be"),
        (["--max-iter", "1.5"], "is not a whole number"),
        (["--max-seconds", "0"], "max_seconds must be a number > 0"),
        (["--tol", "-1"], "tol must be"),
        (["--cost", "m"], "--cost"),
        (["--model", "logistic", "--cost", "1/2"], "cost"),
        (["--out", __file__], "--out must be a folder"),
        (["--thousands", ",,"], "thousands"),
    ],
)
def test_bad_arguments_get_one_line(arguments, says, tmp_path, capsys):
    path = write(tmp_path / "a.csv", {**GOOD, "y": [1, 2, 3, 2]})
    rates = [] if "--rates" in arguments else ["--rates", "0.1"]
    error = refused(["sweep", path, "--target", "y", *rates, *arguments], capsys)
    assert says in error


@pytest.mark.parametrize("path", ["no-such-file.csv", "."])
def test_no_file(path, capsys):
    assert refused(["sweep", path, "--target", "y", "--rates", "1"], capsys).startswith("fastgd: ")


def test_scaling_is_undone():
    data = pd.DataFrame(RNG.normal(5, 3, (30, 3)), columns=list("abc"))
    for scale in ("minmax", "standard", "none"):
        code = encoding.encoding_of_numbers(data, scale)
        weights, intercept = RNG.normal(size=(3, 2)), RNG.normal(size=2)
        own, constant = code.decoded(weights, intercept)
        np.testing.assert_allclose(data @ own + constant, code.encoded(data) @ weights + intercept)
        one_by_one = encoding.encoding(data, scale)  # as networks scale them
        np.testing.assert_allclose(one_by_one.encoded(data), code.encoded(data))


def test_whatever_the_terminal_can_show(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("größe,θ\n1,2\n2,5\n4,3\n", encoding="utf-8")
    command = [sys.executable, "-m", "fastgd", "sweep", str(path), "--target", "θ", "--rates", "1"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert b"? from gr??e" in ran.stdout
    assert ran.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="no sh")
def test_who_reads_may_leave_early(heights):
    command = f"{sys.executable} -m fastgd sweep {heights} --target weight --rates 0.1:1:0.1 | true"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    assert ran.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="no sh")
def test_the_commands_of_the_readme_run(tmp_path):
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    block = text.split("## On your own file")[1].split("```sh\n")[1].split("```")[0]
    commands = block.replace("\nfastgd ", f"\n{sys.executable} -m fastgd ")
    ran = subprocess.run(
        ["sh", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.count("Best") == 2
    assert (tmp_path / "results" / "sweep.png").exists()


# --- Ctrl-C -----------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a single process")
def test_ctrl_c_keeps_what_is_finished(heights, tmp_path):
    command = [sys.executable, "-m", "fastgd", "sweep", heights, "--target", "weight"]
    command += ["--rates", "1e-3:1.2:lin600,9,9.5", "--tol", "0", "--max-iter", "1e15"]
    out = tmp_path / "out"
    with subprocess.Popen(
        [*command, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as child:
        while not out.exists():  # it is made right before the work
            time.sleep(0.05)
            assert child.poll() is None
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        said, error = child.communicate(timeout=60)
    assert child.returncode == 130
    assert error == "fastgd: interrupted; this is what was finished\n"
    assert "interrupted" in said.splitlines()[1]
    assert (out / "sweep.csv").exists()
