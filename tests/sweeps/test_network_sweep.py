"""Sweeps of networks: each run is what `fit` does alone; axes, outcomes, limits, tables."""

import io
import math
import signal
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform, randint
from threadpoolctl import threadpool_info

import fastgd as gd
from fastgd import progress
from fastgd.engines import blas
from fastgd.engines.protocol.outcomes import Status
from fastgd.network.history import DivergenceWarning
from fastgd.plotting import PointsDisplay
from fastgd.sweeps import SweepResult, lanes, networks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
VALUES = np.sin(X).sum(axis=1)
HELD_OUT = RNG.normal(size=(40, 3))
VALIDATION = (HELD_OUT, (HELD_OUT[:, 0] > 0).astype(int) + (HELD_OUT[:, 1] > 1))


def classifier(**options):
    return gd.MLP([3, 6, 3], **{"rng": 4, "n_threads": 1, **options})


def problem(net=None, **options):
    return (net or classifier()).problem(X, LABELS, **{"batch_size": 16, **options})


def bits(net):
    return [p.tobytes() for p in net.params]


def rule(p, g, m, lr, mu):
    m = mu * m + g
    return p - lr * m, m


OWN = gd.Optimizer.from_rule(
    rule, state=("m",), coefficients=lambda t, lr, mu: (lr, mu), defaults={"lr": 0.1, "mu": 0.9}
)


# --- a run is what fit does alone ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer",
    [
        gd.SGD(lr=0.1),
        gd.Adam(lr=gd.schedules.cosine(peak=0.1, total=30), clip_norm=1.0),
        gd.NAG(lr=0.05),
        gd.Rprop(),
        gd.AdamW(lr=0.01, groups={0: {"weight_decay": 0.5}, (3,): {"lr": 0.1}}),
        OWN(mu=0.5),
    ],
    ids=lambda o: type(o).__name__,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_equals_fit(optimizer, dtype):
    net = classifier(dtype=dtype, dropout=0.2, l2=1e-3)
    weights = np.linspace(0, 2, 90)
    out = gd.sweep(
        net.problem(X, LABELS, sample_weight=weights, batch_size=16, validation=VALIDATION),
        optimizer,
        {"rng": [4, 9]},
        max_iter=20,
    )
    for k, seed in enumerate([4, 9]):
        alone = net.fresh(seed)
        alone.fit(
            X, LABELS, sample_weight=weights, batch_size=16, steps=20, optimizer=optimizer.fresh()
        )
        assert out.loss[k] == alone.loss(*VALIDATION)
        assert out.metric[k] == alone.score(*VALIDATION)
        assert (out.iterations[k], out.status[k]) == (20, Status.MAX_ITER)
        if (k,) in out.networks:
            kept = out.networks[k,]
            assert bits(kept) == bits(alone)
            assert (kept.epochs_, kept.steps_, kept.steps_in_epoch_) == (3, 20, 2)
    assert optimizer.t == 0
    assert net.steps_ == 0


@pytest.mark.parametrize(
    ("dealt", "axes", "fit"),
    [
        ({}, {"batch_size": [7, 500]}, {"batch_size": 7, "steps": 12}),
        ({"drop_last": True}, {"epochs": [2]}, {"drop_last": True, "epochs": 2}),
        ({"shuffle": False}, {"max_iter": [8, 0]}, {"shuffle": False, "steps": 8}),
        ({}, {"lr": [0.1, gd.schedules.cosine(peak=0.2, total=9)]}, {"steps": 12}),
    ],
)
def test_rows_are_dealt_out_as_in_fit(dealt, axes, fit):
    out = gd.sweep(problem(**dealt), gd.Adam(lr=0.1), axes, max_iter=12)
    alone = classifier().fit(X, LABELS, optimizer=gd.Adam(lr=0.1), **{"batch_size": 16, **fit})
    assert out.loss.ravel()[0] == alone.loss(X, LABELS)
    assert out.metric.ravel()[0] == alone.score(X, LABELS)
    assert out.iterations.ravel()[0] == alone.steps_


def test_networks_of_other_sizes_and_dropout():
    axes = {"hidden": [(5, 4), 6, ()], "dropout": [0.0, 0.5]}
    out = gd.sweep(problem(), gd.Adam(lr=0.01), axes, max_iter=10)
    for i, sizes in enumerate([[3, 5, 4, 3], [3, 6, 3], [3, 3]]):
        for j, dropout in enumerate([0.0, 0.5]):
            alone = gd.MLP(sizes, rng=4, dropout=dropout, n_threads=1)
            alone.fit(X, LABELS, optimizer=gd.Adam(lr=0.01), batch_size=16, steps=10)
            assert out.loss[i, j] == alone.loss(X, LABELS)


def test_other_losses_have_their_metric():
    net = gd.MLP([3, 8, 1], loss="mse", rng=0, n_threads=1)
    out = gd.sweep(net.problem(X, VALUES), gd.Adam(lr=0.01), {"epochs": [1, 40]})
    assert out.metric_name == "R²"
    assert out.metric[1] > 0.8 > out.metric[0]
    net.fit(X, VALUES, optimizer=gd.Adam(lr=0.01), epochs=40)
    assert out.metric[1] == net.score(X, VALUES)


# --- the table ----------------------------------------------------------------------------------------

AXES = {"lr": [1e-3, 0.1, 1e38], "batch_size": [10, 90], "rng": [0, 1, 2]}


@pytest.fixture(scope="module")
def swept():
    return gd.sweep(problem(validation=VALIDATION), gd.SGD(), AXES, max_iter=30, n_threads=2)


@pytest.mark.parametrize("n_threads", [1, 3, 8])
def test_threads_change_nothing(swept, n_threads):
    out = gd.sweep(problem(validation=VALIDATION), gd.SGD(), AXES, max_iter=30, n_threads=n_threads)
    for name in ("iterations", "status", "regime", "loss", "metric"):
        assert np.array_equal(getattr(out, name), getattr(swept, name), equal_nan=name[0] in "lm")
    assert out.networks.keys() == swept.networks.keys()
    for index, net in out.networks.items():
        assert bits(net) == bits(swept.networks[index])


def test_shapes_and_what_there_is_to_say(swept):
    assert swept.shape == (3, 2, 3)
    assert swept.x.shape == (3, 2, 3, 0)
    assert (swept.dtype, swept.max_iter, swept.metric_name) == ("float32", 30, "accuracy")
    assert set(swept.regime[:2].ravel()) <= {"slow", "cycling"}
    assert (swept.regime[1] == "slow").all()
    assert swept.problem.startswith("NetworkProblem(MLP(")
    assert swept.backend
    assert "18 runs over lr (3) x batch_size (2) x rng (3)" in repr(swept)


def test_divergence_is_recorded_with_its_step(swept):
    assert (swept.status[2] == Status.DIVERGED).all()
    assert (swept.regime[2] == "diverged").all()
    assert np.isnan(swept.loss[2]).all()
    assert np.isnan(swept.metric[2]).all()
    alone = classifier(rng=1)
    with pytest.warns(DivergenceWarning, match="1e\\+38"):
        alone.fit(X, LABELS, optimizer=gd.SGD(lr=1e38), batch_size=10, steps=30)
    assert swept.iterations[2, 0, 1] == alone.steps_ < 30


def test_what_diverges_in_its_last_update_has_diverged():
    out = gd.sweep(problem(batch_size=90), gd.SGD(lr=1e39), {"max_iter": [0, 1]})
    assert out.status.tolist() == [Status.MAX_ITER, Status.DIVERGED]
    assert out.iterations.tolist() == [0, 1]
    assert out.regime.tolist() == ["cycling", "diverged"]
    assert out.loss[0] == classifier().loss(X, LABELS)


def test_a_sweep_where_all_diverge_has_no_best():
    out = gd.sweep(problem(), gd.SGD(), {"lr": [1e39]}, max_iter=5)
    assert not out.networks
    for by in ("loss", "metric", "iterations"):
        with pytest.raises(ValueError, match="no run of this sweep"):
            out.best(by=by)


@pytest.mark.parametrize("average", ["mean", "median"])
@pytest.mark.parametrize("over", ["rng", None])
def test_the_best_networks_are_kept_and_go_on(swept, over, average):
    for by in ("loss", "metric"):
        best = swept.best(by=by, over=over, average=average)
        assert best.network.loss(*VALIDATION) == best.loss
        assert best.network.score(*VALIDATION) == best.metric
        assert best.network.status_ is best.status
    assert swept.best(over=None).loss == np.nanmin(swept.loss)
    assert swept.best(by="metric", over=None).metric == np.nanmax(swept.metric)
    assert len(swept.networks) <= 6


def test_the_network_of_the_best_combination_on_any_number_of_threads():
    axes = {"rng": [0, 1, 2, 3], "lr": [0.003, 0.1], "batch_size": [10, 90]}
    for threads in (1, 3):
        out = gd.sweep(
            problem(validation=VALIDATION), gd.SGD(), axes, max_iter=20, n_threads=threads
        )
        means = pd.DataFrame(out.to_pandas()).groupby(["lr", "batch_size"])["loss"].mean()
        best = out.best()
        assert (best.axes["lr"], best.axes["batch_size"]) == means.idxmin()
        assert best.average == pytest.approx(means.min(), rel=1e-14)
        assert best.network.loss(*VALIDATION) == best.loss


def test_the_network_of_sampled_combinations():
    axes = gd.SampledAxes({"lr": [0.1, 0.01, 0.1, 0.01, 0.1], "rng": [0, 0, 1, 1, 2]})
    out = gd.sweep(problem(), gd.SGD(), axes, max_iter=20)
    best = out.best()
    assert best.seeds == sum(lr == best.axes["lr"] for lr in out.axes["lr"])
    assert best.network.loss(X, LABELS) == best.loss


def test_a_kept_network_is_trained_further_as_if_it_had_not_stopped():
    net, optimizer = classifier(), gd.Adam(lr=0.01)
    out = gd.sweep(problem(net), optimizer, {"batch_size": [16]}, max_iter=15)
    kept = out.best().network
    assert kept.optimizer_.t == 15
    assert repr(kept.optimizer_) == repr(optimizer)
    kept.fit(X, LABELS, batch_size=16, steps=9)
    assert bits(kept) == bits(net.fit(X, LABELS, optimizer=optimizer, batch_size=16, steps=24))


def test_a_kept_network_has_the_threads_that_its_problem_had():
    out = gd.sweep(problem(classifier(n_threads=3)), gd.SGD(), {"rng": [0]}, max_iter=1)
    assert out.best().network.n_threads == 3


def test_ties_go_to_fewer_updates_and_then_to_the_first():
    out = gd.sweep(problem(), gd.SGD(lr=0.0), {"max_iter": [5, 3], "rng": [1, 1]}, n_threads=3)
    assert out.best().index == (1, 0)
    assert out.best(by="metric").index == (0, 0)
    assert out.best().network is not None
    assert out.best(by="metric").network is not None


def test_as_a_table(swept, tmp_path):
    table = swept.to_pandas()
    assert list(table) == [
        "lr", "batch_size", "rng", "status", "regime", "iterations", "loss", "metric",
    ]  # fmt: skip
    assert table["metric"].tolist()[:6] == swept.metric.ravel().tolist()[:6]
    swept.to_csv(tmp_path / "out.csv")
    assert list(pd.read_csv(tmp_path / "out.csv")) == list(table)


def test_in_a_file(swept, tmp_path):
    swept.save(tmp_path / "out.npz")
    back = SweepResult.load(tmp_path / "out.npz")
    assert np.array_equal(back.metric, swept.metric, equal_nan=True)
    assert (back.metric_name, back.axes, back.x.shape) == ("accuracy", swept.axes, swept.x.shape)
    assert back.networks == {}
    assert back.best(by="metric").index == swept.best(by="metric").index
    assert back.best().network is None


def test_other_sweeps_have_no_metric():
    out = gd.sweep(gd.LeastSquares([0.0, 1.0], [1.0, 2.0]), gd.SGD(), {"lr": [0.1]}, max_iter=1)
    assert out.metric is None
    assert out.best().metric is None
    for refused in (lambda: out.best(by="metric"), lambda: out.plot("metric")):
        with pytest.raises(ValueError, match="metric"):
            refused()


def test_the_regime_is_that_of_the_last_epochs():
    net = gd.MLP([3, 1], loss="mse", dtype="float64")
    rates = {"lr": [1e-3, 0.1], "epochs": [100]}
    out = gd.sweep(net.problem(X, VALUES, batch_size=90, shuffle=False), gd.SGD(), rates)
    assert out.regime.tolist() == [["slow"], ["slow"]]
    still = gd.sweep(
        net.problem(X, VALUES, batch_size=90, shuffle=False), gd.SGD(), {"lr": [0.0]}, max_iter=9
    )
    assert still.regime.tolist() == ["cycling"]


# --- optimizers and their hyperparameters -------------------------------------------------------------


def test_optimizers_are_an_axis():
    optimizers = [gd.SGD(lr=0.1), gd.Adam(lr=0.01), OWN()]
    out = gd.sweep(problem(), None, {"optimizer": optimizers, "weight_decay": [0, 0.1]}, max_iter=9)
    for i, one in enumerate(optimizers):
        for j, decay in enumerate([0, 0.1]):
            alone = classifier().fit(
                X, LABELS, optimizer=one.with_options(weight_decay=decay), batch_size=16, steps=9
            )
            assert out.loss[i, j] == alone.loss(X, LABELS)
    assert out.optimizer == ""


def test_hyperparameters_are_axes():
    axes = {"betas": [(0.9, 0.999), (0.5, 0.9)], "amsgrad": [False, True], "clip_norm": [None, 0.1]}
    out = gd.sweep(problem(), gd.Adam(lr=0.1), axes, max_iter=9)
    alone = gd.Adam(lr=0.1, betas=(0.5, 0.9), amsgrad=True, clip_norm=0.1)
    net = classifier().fit(X, LABELS, optimizer=alone, batch_size=16, steps=9)
    assert out.loss[1, 1, 1] == net.loss(X, LABELS)
    assert len(np.unique(out.loss)) == 8


# --- random search ------------------------------------------------------------------------------------


def test_random_search():
    axes = gd.sample_axes(
        {
            "lr": loguniform(1e-4, 1),
            "epochs": randint(1, 4),
            "batch_size": [8, 16, 32],
            "optimizer": [gd.SGD(), gd.Adam()],
        },
        12,
        rng=3,
    )
    out = gd.sweep(problem(validation=VALIDATION), None, axes)
    assert out.shape == (12,)
    best = out.best(by="metric")
    k = best.index[0]
    assert best.axes == {name: values[k] for name, values in out.axes.items()}
    alone = classifier().fit(
        X,
        LABELS,
        optimizer=best.axes["optimizer"].with_options(lr=best.axes["lr"]),
        batch_size=best.axes["batch_size"],
        epochs=best.axes["epochs"],
    )
    assert bits(alone) == bits(best.network)
    table = out.to_pandas()
    assert len(table) == 12
    assert table["lr"].tolist() == list(out.axes["lr"])
    assert "12 runs over lr, epochs, batch_size, optimizer together" in repr(out)


def test_samples_in_a_file(tmp_path):
    axes = gd.sample_axes({"lr": loguniform(1e-4, 1), "hidden": [(3,), (4,)]}, 5)
    out = gd.sweep(problem(), gd.SGD(), axes, max_iter=3)
    out.save(tmp_path / "out.npz")
    back = SweepResult.load(tmp_path / "out.npz")
    assert back.paired
    assert back.axes == out.axes
    assert back.best().axes == out.best().axes


# --- limits, Ctrl-C, progress -------------------------------------------------------------------------


class Looks:
    """Stands for the bar: `act` is called at every look at the runs."""

    def __init__(self, act):
        self.act = act

    def __call__(self, total, show, **options):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def look(self, standing):
        self.act(standing())


@pytest.fixture
def one_by_one(monkeypatch):
    """Sweeps whose networks train one by one; side by side all begin together, see test_lanes."""
    monkeypatch.setattr(lanes, "worth_it", lambda *_: False)


@pytest.mark.usefixtures("one_by_one")
def test_ctrl_c_keeps_what_is_finished(monkeypatch):
    seen = []

    def interrupt(standing):
        seen.append(standing)
        if standing.ended == 1 and standing.updates > 10:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(networks, "Progress", Looks(interrupt))
    axes = {"max_iter": [3, 10**9, 10**9, 5]}
    out = gd.sweep(problem(), gd.SGD(lr=0.01), axes, n_threads=2)
    assert out.status.tolist() == [1, 4, 4, -1]
    assert out.iterations[0] == 3
    assert out.iterations[1] > 0
    assert out.iterations[3] == 0
    assert out.regime[3] == ""
    assert np.isnan(out.loss[3])
    assert np.isfinite(out.loss[:3]).all()
    assert seen[-1].running == 2
    assert 1 < seen[-1].work < 1.1


@pytest.mark.usefixtures("one_by_one")
def test_after_max_seconds_runs_end():
    axes = {"rng": range(4)}
    out = gd.sweep(problem(), gd.SGD(lr=1e-3), axes, max_iter=10**9, max_seconds=0.2, n_threads=2)
    assert out.status.tolist() == [3, 3, -1, -1]
    assert np.isfinite(out.loss[:2]).all()
    none = gd.sweep(problem(), gd.SGD(), axes, max_seconds=1e-9)
    assert none.status.tolist() == [-1] * 4
    assert none._counts() == "4 not_run"


def test_progress_is_told(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    gd.sweep(
        problem(), gd.SGD(), {"rng": [0, 1, 2]}, max_iter=10**9, max_seconds=0.3, progress=True
    )
    (first, *_) = progress.sys.stderr.getvalue().splitlines()
    assert "0 of 3 runs done, " in first
    assert first.endswith(" left")


@pytest.mark.parametrize("n_threads", [1, 2])
def test_what_fails_in_a_thread_is_raised(n_threads):
    def rate(step):
        if step == 5:
            raise RuntimeError("no rate for step 5")
        return 0.1

    with pytest.raises(RuntimeError, match="no rate for step 5"):
        gd.sweep(problem(), gd.SGD(), {"lr": [0.1, rate, 0.2]}, max_iter=50, n_threads=n_threads)


def test_the_bar_is_closed_where_drawing_fails(monkeypatch):
    def fail(standing):
        raise OSError("the terminal is gone")

    monkeypatch.setattr(networks, "Progress", Looks(fail))
    with pytest.raises(OSError, match="terminal"):
        gd.sweep(problem(), gd.SGD(), {"lr": [0.1] * 3}, max_iter=10**9, n_threads=1)


def test_blas_is_held_at_one_thread_from_the_first_to_the_last():
    def threads():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    before = threads()
    with blas.one_thread:
        with blas.one_thread:
            assert set(threads()) <= {1}
        assert set(threads()) <= {1}
    assert threads() == before


# --- pictures -----------------------------------------------------------------------------------------


def test_pictures(swept):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = swept.plot(x="lr")
        assert shown.ax_.get_ylabel() == "loss at the end, mean over seeds"
        assert (
            swept.plot("metric", x="lr").ax_.get_ylabel() == "accuracy at the end, mean over seeds"
        )
        many = gd.sweep(
            problem(),
            gd.SGD(),
            {"lr": np.geomspace(1e-3, 1, 5), "batch_size": [5, 10, 20, 40, 80]},
            max_iter=5,
        )
        assert many.plot().value_name == "loss at the end"
        highest = many.plot(quantity="metric")
        assert np.nanmax(highest.values) == many.metric.max()
        assert highest.values[highest.best] == many.metric.max()
        axes = gd.sample_axes({"lr": loguniform(1e-3, 1e40), "batch_size": [8, 16]}, 9)
        sampled = gd.sweep(problem(), gd.SGD(), axes, max_iter=5)
        assert isinstance(sampled.plot(), PointsDisplay)
        points = sampled.plot("loss", x="lr")
        assert points.connected is False
        (name,) = points.lines
        assert name == f"runs; {sampled.diverged.sum()} more diverged"
        with pytest.raises(ValueError, match="paired"):
            sampled.plot("heatmap")
    plt.close("all")


# --- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "options", "says"),
    [
        ({"lr": [0.1, -1]}, {}, "lr must be a number >= 0"),
        ({"lr": [0.1, math.nan]}, {}, "lr must be a number >= 0"),
        ({"momentun": [0.1]}, {}, "SGD has no hyperparameter 'momentun'"),
        (
            {"x0": [1]},
            {},
            r"axes\['x0'\]\[0\] must be the 4 arrays of the network's params or its 45",
        ),
        ({"x0": [np.zeros(45)]}, {"x0": np.zeros(45)}, "both say where runs start"),
        ({"batch_size": [8, 0]}, {}, r"axes\['batch_size'\] must be an integer >= 1, got 0"),
        ({"batch_size": [8.0]}, {}, r"axes\['batch_size'\] must be an integer"),
        ({"epochs": [-1]}, {}, r"axes\['epochs'\]\[0\] must"),
        ({"epochs": [1.5]}, {}, r"axes\['epochs'\]\[0\] must"),
        ({"max_iter": [1, None]}, {}, r"axes\['max_iter'\]\[1\] must"),
        ({"epochs": [1], "max_iter": [1]}, {}, "both say how long"),
        ({"hidden": [(3, 0)]}, {}, "hidden must be"),
        ({"hidden": ["ab"]}, {}, "hidden must be"),
        ({"dropout": [1.0]}, {}, "dropout must be"),
        ({"rng": [-1]}, {}, "rng"),
        ({"rng": [1]}, {"rng": 2}, "both say which seeds"),
        ({"optimizer": [gd.SGD(), "adam"]}, {}, r"axes\['optimizer'\]\[1\] must be a fastgd opt"),
        ({"lr": []}, {}, r"axes\['lr'\] is empty"),
        ({"rng": [0]}, {"x0": [1.0]}, "x0 must be the 4 arrays"),
        ({"rng": [0]}, {"x0": [np.zeros((3, 6))]}, "x0 must be 4 arrays"),
        (
            {"rng": [0]},
            {"x0": gd.MLP([3, 7, 3])},
            r"x0, W0, must have shape \(3, 6\), got \(3, 7\)",
        ),
        ({"rng": [0]}, {"x0": np.full(45, np.inf)}, "x0, W0, must be finite in float32"),
        ({"rng": [0]}, {"x0": ["a"]}, "x0"),
        ({"hidden": [3, 6]}, {"x0": np.zeros(45)}, "x0 needs networks of the same arrays"),
        ({"init": ["he"]}, {"x0": np.zeros(45)}, "both say where runs start"),
        ({"hidden": [3, 6]}, {"keep": "params"}, "keep='params' needs networks of the same arrays"),
        ({"rng": [0]}, {"keep": "all"}, "keep must be 'params' or None"),
        ({"rng": [0]}, {"record": 0}, "record must be an integer >= 1"),
        ({"rng": [0]}, {"tol": 1e-3}, "tol is not for networks"),
        ({"rng": [0]}, {"dtype": "float64"}, "dtype is 'float64', but the network's is float32"),
        ({"rng": [0]}, {"flush_subnormals": False}, "flush_subnormals is not for networks"),
        ({"rng": [0]}, {"max_iter": -1}, "max_iter must"),
        ({"rng": [0]}, {"max_seconds": 0}, "max_seconds must"),
        ({"rng": [0]}, {"n_threads": 0}, "n_threads must be an integer >= 1"),
        ({"rng": [0]}, {"progress": "yes"}, "progress must be True or False"),
        ({"rng": [0]}, {"backend": "fast"}, "backend must be one of"),
    ],
)
def test_refused_arguments(axes, options, says, monkeypatch):
    def never(*_):
        raise AssertionError("a run has begun")

    monkeypatch.setattr(networks._Work, "go", never)
    with pytest.raises((TypeError, ValueError), match=says):
        gd.sweep(problem(), gd.SGD(), axes, **options)


@pytest.mark.parametrize(
    ("optimizer", "axes", "says"),
    [
        (3, {"lr": [0.1]}, "optimizer must be a fastgd optimizer"),
        (gd.SGD(groups={7: {"lr": 0.1}}), {"lr": [0.1]}, "groups has 7"),
        (gd.SGD(groups={3: {"lr": 0.1}}), {"hidden": [4, ()]}, "groups has 3"),
        (gd.SGD(nesterov=True, momentum=0.9), {"momentum": [0.5, 0.0]}, "[nN]esterov"),
    ],
)
def test_refused_optimizers(optimizer, axes, says):
    with pytest.raises((TypeError, ValueError), match=says):
        gd.sweep(problem(), optimizer, axes, max_iter=1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch_size": 0}, "batch_size must be an integer >= 1"),
        ({"batch_size": None}, "batch_size must be an integer"),
        ({"shuffle": 1}, "shuffle must be True or False"),
        ({"drop_last": "no"}, "drop_last must be True or False"),
        ({"validation": 3}, "validation must be a pair"),
        ({"validation": (X, LABELS + 7)}, r"validation\[1\]\[\d+\] is"),
        ({"sample_weight": [1.0]}, "sample_weight must have shape"),
    ],
)
def test_refused_problems(options, says):
    with pytest.raises((TypeError, ValueError), match=says):
        problem(**options)


def test_a_network_itself_is_no_problem():
    with pytest.raises(TypeError, match=r"got MLP; of a network it is net.problem\(X, y\)"):
        gd.sweep(classifier(), gd.SGD(), {"lr": [0.1]})
    assert problem(batch_size=10**6).batch_size == 90
