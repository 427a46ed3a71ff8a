"""The studies of networks and of Auto-MPG: numbers held against plain loops, verdicts against made-up runs."""

import csv
import gzip
import math
import os
from pathlib import Path

import numpy as np
import pytest

import fastgd as gd
from fastgd.batches import Batches
from fastgd.cli.show import show_studies
from fastgd.datasets import load_auto_mpg, load_mnist
from fastgd.studies import auto_mpg, mnist_optimizers, reproduce, schedules
from fastgd.studies.common import named_data, thinned, training_losses
from fastgd.studies.mnist_optimizers.figures import runs_table, stretches
from fastgd.studies.mnist_optimizers.findings import (
    at_the_end,
    larger_momenta,
    single_rows,
    two_rates,
    windows,
)
from fastgd.studies.mnist_optimizers.runs import SEEDS, Run, settings, with_seed

DATA = os.environ.get("FASTGD_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="FASTGD_DATA is not set")


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory):
    """Both studies on their stand-ins, quick, the runs of MNIST shorter still."""
    folder = tmp_path_factory.mktemp("networks")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FASTGD_DATA", raising=False)
        patch.setattr("fastgd.datasets.files._cache_folder", lambda: folder / "cache")
        patch.setattr("fastgd.datasets.files.present", lambda module: False)
        patch.setattr(mnist_optimizers, "UPDATES_QUICK", (60, 12))
        names = ["mnist-optimizers", "auto-mpg-optimizers"]
        return reproduce(names, out=folder / "report", quick=True, download=False)


def table(done, name):
    path = next(p for p in done.files if p.name == f"{name}.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- what they share ----------------------------------------------------------------------------


def plain_losses(network, x, y, optimizer, *, batch, updates):
    """The same by `loss_and_grad` and `step`."""
    batches = Batches(len(y), batch, shuffle=True, drop_last=False, seed=network.seed)
    losses = []
    for n in range(updates):
        rows = batches.of_update(network.seed, n)
        loss, grads = network.loss_and_grad(x[rows], y[rows])
        optimizer.step(network.params, grads)
        losses.append(loss)
    return losses


def test_losses_are_those_of_each_batch():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)
    one, two = (gd.MLP([4, 6, 3], dtype="float64", rng=3) for _ in range(2))
    losses = training_losses(one, x, y, gd.Momentum(lr=0.1), batch=16, updates=10)
    np.testing.assert_allclose(
        losses, plain_losses(two, x, y, gd.Momentum(lr=0.1), batch=16, updates=10), rtol=1e-10
    )
    for p, q in zip(one.params, two.params, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-12)


def test_losses_end_where_they_diverge():
    x = np.linspace(1, 2, 20)[:, None]
    net = gd.MLP([1, 1], loss="mse")
    losses = training_losses(net, x, x[:, 0], gd.SGD(lr=1e6), batch=5, updates=40)
    gone = np.flatnonzero(~np.isfinite(losses))
    assert 0 < gone[0] < 39
    assert np.isnan(losses[gone[0] + 1 :]).all()


def test_thinned():
    assert thinned(5, 400).tolist() == [1, 2, 3, 4, 5]
    marks = thinned(60_000, 400)
    assert (marks[0], marks[-1], len(marks)) == (1, 60_000, 400)


def test_whose_file_the_user_named(tmp_path):
    place = "auto-mpg/auto-mpg.data"
    assert named_data(None, load_auto_mpg, place) is None
    assert named_data(tmp_path, load_auto_mpg, place) is None
    (tmp_path / "auto-mpg.data").write_text("")
    assert named_data(tmp_path, load_auto_mpg, place) == tmp_path
    (tmp_path / "other.csv").write_text("a,b,c\n1,2,3\n")
    assert named_data(tmp_path / "other.csv", load_auto_mpg, place) == tmp_path / "other.csv"


@pytest.mark.parametrize("name", ["mnist-optimizers", "auto-mpg-optimizers"])
def test_a_file_of_something_else_is_refused(name, tmp_path):
    (tmp_path / "other.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(ValueError, match=r"other\.csv"):
        reproduce([name], out=tmp_path / "report", data=tmp_path / "other.csv")


def test_a_damaged_file_is_refused(tmp_path):
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(b"\0\0\x08\x03")
    with pytest.raises(ValueError, match="train-images"):
        reproduce(["mnist-optimizers"], out=tmp_path / "report", data=tmp_path)


@needs_data
def test_files_of_other_studies_are_passed_over():
    heights = Path(DATA, "heights-weights", "SOCR-HeightWeight.csv")
    cars = Path(DATA, "auto-mpg", "auto-mpg.data")
    assert named_data(heights, load_auto_mpg, "auto-mpg/auto-mpg.data") is None
    assert named_data(cars, load_auto_mpg, "auto-mpg/auto-mpg.data") == cars
    assert named_data(cars, load_mnist, "mnist/train-images-idx3-ubyte.gz") is None
    assert named_data(Path(DATA), load_mnist, "mnist/train-images-idx3-ubyte.gz") == Path(DATA)


# --- MNIST --------------------------------------------------------------------------------------


def test_first_line_names_both_stand_ins(stand_ins):
    text = stand_ins.report.with_suffix(".md").read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first.startswith("Data: MNIST is a STAND-IN (scikit-learn's digits")
    assert "Auto-MPG is a STAND-IN (scikit-learn's diabetes set" in first
    assert "downloaded" not in first, "where it was looked for is told at the end"
    search = text.partition("## The search for the data\n")[2]
    assert "- auto-mpg.data was not downloaded: the network is forbidden" in search


def test_nothing_is_said_of_data_that_stood_in_without_saying_so(stand_ins, capsys):
    text = stand_ins.report.with_suffix(".md").read_text(encoding="utf-8")
    show_studies(stand_ins)
    printed = capsys.readouterr().out
    for section, what in zip(stand_ins.sections, ("digits", "diabetes set"), strict=True):
        assert section.summary.startswith(f"On scikit-learn's {what}: {section.finding}")
        assert section.summary in text
        assert section.summary in printed
        assert f"{section.name}`, on scikit-learn's {what}*" in text
    captions = [line for line in text.splitlines() if line.startswith("![")]
    assert captions
    assert all("Data: scikit-learn's" in caption for caption in captions)


def test_every_setting_of_the_source():
    runs = settings()
    assert [batch for batch, _ in runs.values()].count(1) == 2
    assert len(runs) == 13
    rho = {name: o.rho for name, (_, o) in runs.items() if isinstance(o, gd.Adadelta)}
    assert rho == {"Adadelta, γ 0.5": 0.5, "Adadelta, γ 0.3": 0.7, "Adadelta, γ 0.1": 0.9}
    assert all(o.lr == 0.01 for name, (_, o) in runs.items() if name.startswith(("mom", "AdaG")))


def test_runs_are_those_of_loss_and_grad(stand_ins, monkeypatch, tmp_path):
    monkeypatch.delenv("FASTGD_DATA", raising=False)
    monkeypatch.setattr("fastgd.datasets.files._cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("fastgd.datasets.files.present", lambda module: False)
    rows = load_mnist(download=False)
    x = rows.data.reshape(len(rows.data), -1)
    runs = stand_ins.sections[0].results["runs"]
    for name in ("SGD, one row, rate 0.01", "momentum 0.7", "AdaGrad", "Adadelta, γ 0.1"):
        batch, optimizer = settings()[name]
        net = gd.MLP([64, 500, 300, 10])
        wanted = plain_losses(net, x, rows.target, optimizer, batch=batch, updates=5)
        np.testing.assert_allclose(runs[name].losses[:5], wanted, rtol=2e-4, err_msg=name)
    assert all(0 <= run.accuracy <= 1 for run in runs.values())


def test_what_is_written_of_mnist(stand_ins):
    section = stand_ins.sections[0]
    findings = table(stand_ins, "mnist-optimizers-findings")
    assert [row["verdict"] for row in findings] == [f.verdict for f in section.results["findings"]]
    assert len(findings) == 5
    pictures = [
        p.name for p in stand_ins.files if p.name.startswith("mnist") and p.suffix == ".png"
    ]
    assert len(pictures) == 5
    runs = section.results["runs"]
    for row in table(stand_ins, "mnist-optimizers-curves"):
        loss = runs[row["run"]].losses[int(row["update"]) - 1]
        assert float(row["loss of its batch"]) == pytest.approx(loss)
    report = stand_ins.report.with_suffix(".md").read_text(encoding="utf-8")
    assert "mnist-optimizers-curves.csv" in report
    assert "| loss of its batch |" not in report


def run(losses, accuracy=0.9, name="run"):
    return Run(name, 256, np.asarray(losses, np.float64), accuracy)


def test_what_converges():
    assert run(np.full(50, 1.1)).converges
    assert not run(np.full(50, math.log(10))).converges
    gone = run([2.0, 3.0, np.nan, np.nan], accuracy=None)
    assert gone.diverged == 3
    assert not gone.converges


def test_verdicts():
    wild = run(np.tile([0.0, 0.0, 0.0, 0.8], 25))
    steady, high = run(np.full(100, 0.2)), run(np.full(100, 2.3))
    gone = run([*np.ones(50), *np.full(50, np.nan)], accuracy=None)
    assert single_rows(wild, high).holds
    assert single_rows(wild, gone).holds
    assert "no number (update 51)" in single_rows(wild, gone).numbers
    assert not single_rows(steady, high).holds
    assert not single_rows(wild, steady).holds
    assert two_rates(run(np.full(9, 0.3)), steady).holds
    assert not two_rates(steady, high).holds
    assert not two_rates(steady, gone).holds
    falling = [run(np.full(9, loss)) for loss in (0.5, 0.4, 0.3, 0.2)]
    assert larger_momenta(falling).holds
    assert not larger_momenta(falling[::-1]).holds
    assert windows(falling[:3]).holds
    assert not windows([*falling[:2], run(np.full(9, 0.1), 0.92)]).holds


@pytest.mark.parametrize(("adadelta", "holds"), [(0.19, True), (0.21, False), (0.1, False)])
def test_slightly_ahead_with_every_seed(adadelta, holds):
    four = [run(np.full(40, loss)) for loss in (0.5, 0.3, 0.2, 0.19)]
    ahead = (four[2], four[3])
    finding = at_the_end(four, [ahead, ahead, (four[2], run([adadelta] * 40))])
    assert finding.holds is holds
    assert "seeds 0, 1, 2: −5 %, −5 %," in finding.numbers
    gone = run([1.0, np.nan], accuracy=None)
    assert not at_the_end(four, [ahead, (four[2], gone)]).holds


def test_curves_are_drawn_through_every_update():
    for losses, batch in ((np.ones(60_000), 1), (np.ones(150), 256), (np.ones(7), 256)):
        cuts = stretches(Run("run", batch, losses, 0.5))
        assert (cuts[0], cuts[-1]) == (0, losses.size)
        assert (np.diff(cuts) > 0).all()


def test_a_diverged_run_is_drawn_and_written():
    runs = {}
    for name, (batch, _) in settings().items():
        for seed in SEEDS:
            full = with_seed(name, seed)
            runs[full] = Run(full, batch, np.linspace(2.3, 0.2, 30), 0.9)
    runs["SGD, one row, rate 0.1"] = Run("SGD, one row, rate 0.1", 1, np.full(30, np.nan), None)
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    for part in mnist_optimizers.parts_of(runs):
        part.drawn.draw(Canvas())
    written = {row[0]: row[3:] for row in runs_table(runs).texts()}
    assert written["SGD, one row, rate 0.1"] == ["diverged", "diverged", "", ""]


# --- Auto-MPG -----------------------------------------------------------------------------------


def by_hand(rows, lr, epochs):
    """SGD on the mean square error, number by number: the last batch's loss in each epoch."""
    x = (rows.data - rows.data.mean(axis=0)) / rows.data.std(axis=0)
    w, b, plotted = [0.0] * 3, 0.0, []
    batches = Batches(len(x), 34, shuffle=True, drop_last=False, seed=0)
    for n in range(epochs * batches.updates):
        chosen = batches.of_update(0, n)
        errors = [sum(w[j] * x[i, j] for j in range(3)) + b - rows.target[i] for i in chosen]
        if n % batches.updates == batches.updates - 1:
            plotted.append(sum(e * e for e in errors) / len(errors))
        for j in range(3):
            slope = 2 * sum(e * x[i, j] for e, i in zip(errors, chosen, strict=True)) / len(errors)
            w[j] -= lr * slope
        b -= lr * 2 * sum(errors) / len(errors)
    return plotted


def cars():
    rows = load_auto_mpg(features=auto_mpg.FEATURES, download=False)
    return rows, auto_mpg.standardized(rows), rows.target


def test_plotted_losses_are_those_of_the_last_batch():
    rows, x, y = cars()
    plotted, _ = auto_mpg.descend(x, y, gd.SGD(lr=0.001), np.zeros(4), 3)
    np.testing.assert_allclose(plotted, by_hand(rows, 0.001, 3), rtol=1e-10)


def test_the_linear_model_is_a_network_without_hidden_layers():
    _, x, y = cars()
    for optimizer in auto_mpg.optimizers().values():
        net = gd.MLP([3, 1], loss="mse", dtype="float64")
        for p in net.params:
            p[...] = 0
        per_epoch = -(-len(y) // 34)
        losses = training_losses(net, x[:, :3], y, optimizer, batch=34, updates=3 * per_epoch)
        plotted, _ = auto_mpg.descend(x, y, optimizer.fresh(), np.zeros(4), 3)
        np.testing.assert_allclose(losses[per_epoch - 1 :: per_epoch], plotted, rtol=1e-9)


def test_in_turn_each_begins_where_the_one_before_ended():
    _, x, y = cars()
    fits = auto_mpg.both_versions(x, y, epochs=4)
    assert [fit.version for fit in fits] == ["in turn"] * 5 + ["fresh start"] * 5
    np.testing.assert_array_equal(fits[0].plotted, fits[5].plotted)
    theta = np.zeros(4)
    for fit, optimizer in zip(fits[:5], auto_mpg.optimizers().values(), strict=True):
        plotted, all_rows = auto_mpg.descend(x, y, optimizer, theta, 4)
        np.testing.assert_array_equal(fit.plotted, plotted)
        assert all_rows[-1] == pytest.approx(np.mean((x @ theta - y) ** 2))
    assert fits[1].plotted[0] < fits[6].plotted[0]


@needs_data
def test_auto_mpg_as_published(tmp_path):
    section = reproduce(["auto-mpg-optimizers"], out=tmp_path, quick=True, data=DATA).sections[0]
    results = section.results
    assert round(results["mean_square"]) == 614
    assert results["least"] == pytest.approx(18.3877, abs=1e-4)
    assert [f.holds for f in results["findings"]] == [True, False, False]
    ends = {(f.version, f.optimizer): f.end for f in results["fits"]}
    assert all(end < 0.01 for (version, _), end in ends.items() if version == "in turn")
    fair = {name: end for (version, name), end in ends.items() if version == "fresh start"}
    assert fair["Momentum 0.9"] < fair["SGD"] < 0.01 < fair["RMSprop"] < fair["Adam"]
    assert fair["Adagrad"] > 30
    assert len(load_auto_mpg(DATA, features=auto_mpg.FEATURES).target) == 398


def test_every_optimizer_arrives_at_some_rate(stand_ins):
    tried = stand_ins.sections[1].results["at_all_rates"]
    assert set(tried) == set(auto_mpg.optimizers())
    for name in ("SGD", "Momentum 0.9", "RMSprop", "Adam"):
        assert np.nanmin(tried[name]) < 0.01, name
    fits = stand_ins.sections[1].results["fits"]
    fresh = {f.optimizer: f.arrived for f in fits if f.version == "fresh start"}
    assert fresh["Momentum 0.9"] < fresh["SGD"]
    assert fresh["Adagrad"] is None


# --- the linear scaling rule on a network -------------------------------------------------------


def test_scaling_rule_on_a_network(monkeypatch):
    monkeypatch.setattr(schedules, "NETWORK_MULTIPLES", (1, 2, 4))
    one, two, four = schedules.on_a_network()
    assert two.loss["k times"] == pytest.approx(one.loss["k times"], rel=0.05)
    assert four.loss["k times"] == pytest.approx(one.loss["k times"], rel=0.05)
    assert four.loss["the same"] > 3 * one.loss["the same"]
    assert one.accuracy["the same"] > 0.85
    assert "up to 4 times the batch" in schedules._network_statement([one, two, four])
