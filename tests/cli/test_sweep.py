"""`fastgd sweep`: what it prints, writes and refuses."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cli.commands import refused, said, write
from cli.people import AGE, GOOD, HEIGHT, TALL, WEIGHT

import fastgd as gd


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


def test_two_values_can_be_numbers_all_the_same(tmp_path, capsys):
    path = write(tmp_path / "a.csv", {"height": HEIGHT, "group": (TALL == "tall").astype(int)})
    arguments = ["sweep", path, "--target", "group", "--rates", "1", "--model", "linear"]
    lines = said(arguments, capsys)
    assert "classes" not in lines[0]
    assert any(line.startswith("There: group = ") for line in lines)


def test_names_that_collide(tmp_path, capsys):
    columns = {"b": GOOD["a"], "lr": GOOD["b"], "y": GOOD["y"]}
    path = write(tmp_path / "a.csv", columns)
    out = tmp_path / "out"
    arguments = ["sweep", path, "--target", "y", "--rates", "1,0.5", "--out", str(out)]
    lines = said(arguments, capsys)
    assert any("b + " in line.replace("b - ", "b + ") for line in lines)
    with (out / "sweep.csv").open() as stream:
        (first, *_) = csv.DictReader(stream)
    assert {"lr", "b", "b (feature)", "final_lr"} <= set(first)
    assert first["lr"] == "1.0"


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


@pytest.mark.parametrize("kind", ["halving", "hyperband"])
def test_bad_runs_are_stopped_early(kind, heights, tmp_path, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--features", "height", "--tol", "0"]
    arguments += ["--rates", "0.001:1:log27", "--max-iter", "900", f"--{kind}", "--min-iter", "100"]
    lines = said([*arguments, "--out", str(tmp_path)], capsys)
    x = (HEIGHT - HEIGHT.min()) / np.ptp(HEIGHT)
    stopping = {"halving": gd.SuccessiveHalving, "hyperband": gd.Hyperband}[kind](100)
    out = gd.sweep(
        gd.LeastSquares(x, WEIGHT), gd.SGD(), {"lr": np.geomspace(0.001, 1, 27)}, max_iter=900, tol=0,
        stopping=stopping,
    )  # fmt: skip
    head = lines.index("Rungs, compared by loss")
    rows = [line.split() for line in lines[head + 2 : head + 2 + len(out.rungs)]]
    assert [row[2:5] for row in rows] == [row[2:5] for row in out.rungs.texts()]
    assert any("stopped early" in line for line in lines)
    with (tmp_path / "rungs.csv").open() as file:
        assert [int(row["runs"]) for row in csv.DictReader(file)] == [r.runs for r in out.rungs]
    (best,) = (line for line in lines if line.startswith("Best rate: "))
    assert best.startswith(f"Best rate: {out.best().axes['lr']:.8g} ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--min-iter", "10"], "--min-iter is for --halving"),
        (["--factor", "2"], "--factor is for --halving"),
        (["--halving", "--factor", "1"], "--factor must be at least 2"),
        (["--halving", "--hyperband"], "not allowed with"),
        (["--hyperband", "--min-iter", "1000000"], "min_iter is 1,000,000"),
    ],
)
def test_how_runs_are_stopped_is_checked(options, words, heights, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--rates", "0.1,0.2"]
    assert words in refused([*arguments, *options], capsys)


# --- workers --------------------------------------------------------------------------------------------


def without_time(lines):
    return [line for line in lines if " runs in " not in line]


def test_processes(heights, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--rates", "0.1:1.8:0.05", "--tol", "1e-3"]
    plain = said(arguments, capsys)
    assert without_time(said([*arguments, "--processes", "2"], capsys)) == without_time(plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--processes", "0"], "--processes must be at least 1, got 0"),
        (["--processes", "2", "--dask", "tcp://127.0.0.1:1"], "wanted one of them"),
    ],
)
def test_workers_that_cannot_be(options, message, heights, capsys):
    arguments = ["sweep", heights, "--target", "weight", "--rates", "0.1"]
    assert message in refused([*arguments, *options], capsys)


def test_dask(heights, capsys):
    distributed = pytest.importorskip("distributed")
    arguments = ["sweep", heights, "--target", "weight", "--rates", "0.1:1.8:0.05", "--tol", "1e-3"]
    plain = said(arguments, capsys)
    with distributed.LocalCluster(2, processes=False, dashboard_address=None) as cluster:
        lines = said([*arguments, "--dask", cluster.scheduler_address], capsys)
    assert without_time(lines) == without_time(plain)
