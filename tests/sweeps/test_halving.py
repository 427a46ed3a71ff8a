"""Bad runs that are stopped early: the others go on with the bits that they have in a sweep of all."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.layout import WINDOW
from fastgd.engines.protocol.sweeps import snapshot_at
from fastgd.sweeps import halving as rungs_of
from fastgd.sweeps.stopping import powers, shared_out

RNG = np.random.default_rng(0)
LINE = gd.LeastSquares(FEATURE := RNG.uniform(0, 1, 40), 22 * FEATURE + RNG.normal(0, 3, 40))
BATCHES = gd.LeastSquares(FEATURE, 22 * FEATURE + RNG.normal(0, 3, 40), batch_size=7)
X = RNG.normal(size=(150, 3)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
RATES = np.geomspace(1e-3, 4, 40)
STOPPED = int(gd.Status.STOPPED)
OUTCOMES = ("x", "loss", "iterations", "status", "regime", "slope")


def nets(*sizes, batch_size=16, **options):
    net = gd.MLP([3, *(sizes or (6,)), 2], rng=0, **options)
    return net.problem(X[:110], Y[:110], batch_size=batch_size, validation=(X[110:], Y[110:]))


def assert_same(one, other, which, names=OUTCOMES):
    for name in names:
        np.testing.assert_array_equal(getattr(one, name)[which], getattr(other, name)[which], name)


def stopped(out):
    return out.status == gd.Status.STOPPED


# --- which go on, and how ----------------------------------------------------------------------------

SCHEDULED = [
    gd.schedules.exponential(0.3, 0.99),
    gd.schedules.warmup_cosine(1.0, 20, 300),
    0.01,
    5.0,
]
DESCENTS = {
    "plain": (LINE, gd.SGD(), {"lr": RATES}),
    "momentum": (LINE, gd.Momentum(), {"lr": RATES[::4], "momentum": [0.0, 0.5, 0.95]}),
    "a state with a product": (LINE, gd.NAdam(l2=0.01), {"lr": RATES}),
    "looking ahead": (LINE, gd.NAG(), {"lr": RATES}),
    "schedules": (LINE, gd.Adam(), {"lr": SCHEDULED, "eps": [1e-8, 1e-3, 0.1]}),
    "optimizers": (
        LINE,
        gd.SGD(),
        {"optimizer": [gd.SGD(), gd.Adam(), gd.Adagrad()], "lr": RATES[::3]},
    ),
    "batches": (BATCHES, gd.Momentum(), {"lr": RATES[::3], "rng": [0, 1, 2]}),
    "clipping": (LINE, gd.SGD(clip_norm=1.0), {"lr": RATES[::5]}),
    "functions": (gd.functions.rosenbrock(), gd.RMSprop(), {"lr": RATES / 10}),
}


LIMITS = st.fixed_dictionaries({
    "max_iter": st.integers(9, 400),
    "tol": st.sampled_from([0.0, 1e-2]),
    "dtype": st.sampled_from(["float32", "float64"]),
    "record": st.sampled_from([1, 5, 64, 100]),
})  # fmt: skip


@pytest.mark.parametrize("backend", ["auto", "numpy"])
@pytest.mark.parametrize("name", DESCENTS)
@settings(max_examples=3, deadline=None)
@given(limits=LIMITS, factor=st.integers(2, 4))
def test_descents_that_go_on_are_those_of_the_whole_sweep(name, backend, limits, factor):
    problem, optimizer, axes = DESCENTS[name]
    options = {"backend": backend, **limits}
    out = gd.sweep(
        problem, optimizer, axes, **options, stopping=gd.SuccessiveHalving(3, factor=factor)
    )
    whole = gd.sweep(problem, optimizer, axes, **options)
    ended = ~stopped(out)
    assert_same(whole, out, ended, (*OUTCOMES, "history"))
    assert (out.iterations[~ended] < limits["max_iter"]).all()
    for index in np.argwhere(~ended)[:3]:  # as after so many updates
        place = tuple(index)
        shorter = options | {"max_iter": int(out.iterations[place])}
        assert gd.sweep(problem, optimizer, axes, **shorter).loss[place] == out.loss[place]


NETWORKS = {
    "lanes": (nets(), gd.Adam(), {"lr": np.geomspace(1e-4, 1, 48)}, {}),
    "seeds": (nets(dropout=0.3), gd.NAdam(), {"lr": [1e-3, 0.1, 1.0], "rng": range(16)}, {}),
    "sizes": (nets(), gd.Momentum(), {"lr": RATES, "hidden": [(4,), (7, 3)], "batch_size": [9, 16]}, {}),
    "epochs": (nets(), gd.SGD(momentum=0.9), {"lr": RATES[::3], "epochs": [3, 20]}, {}),
    "one by one": (nets(90, 70, dropout=0.2), gd.RMSprop(), {"lr": [1e-4, 1e-3, 0.01, 0.1]}, {}),
    "reference": (nets(backend="numpy"), gd.NAdam(), {"lr": [1e-3, 0.01, 0.1], "rng": range(6)}, {}),
    "layers": (nets(l2=0.01), gd.Adam(), {"layers.0.lr": RATES[::5], "layers.1.lr": RATES[::5]}, {}),
    "schedule": (nets(), gd.Adam(clip_norm=0.5), {"lr": [*SCHEDULED, *RATES[::2]]}, {}),
    "all rows": (nets(batch_size=110), gd.Adagrad(), {"lr": RATES}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=3, deadline=None)
@given(max_iter=st.integers(8, 90), factor=st.integers(2, 3), record=st.integers(1, 7))
def test_networks_that_go_on_are_those_of_the_whole_sweep(name, max_iter, factor, record):
    problem, optimizer, axes, more = NETWORKS[name]
    options = {"max_iter": max_iter, "record": record, **more}
    if "hidden" not in axes:
        options["keep"] = "params"
    halving = gd.SuccessiveHalving(2, factor=factor)
    out = gd.sweep(problem, optimizer, axes, **options, stopping=halving)
    whole = gd.sweep(problem, optimizer, axes, **options)
    ended = ~stopped(out)
    assert ended.any()
    assert_same(
        whole, out, ended, ("x", "loss", "metric", "iterations", "status", "regime", "history")
    )
    for index in set(out.networks) & set(whole.networks):
        one, other = out.networks[index], whole.networks[index]
        np.testing.assert_equal(one.params, other.params)
        np.testing.assert_equal(one.optimizer_.state_dict(), other.optimizer_.state_dict())


def test_a_platoon_that_is_too_small_goes_on_one_by_one():
    out = gd.sweep(
        nets(60, 40), gd.Adam(), {"lr": np.geomspace(1e-4, 0.1, 27)}, max_iter=90,
        stopping=gd.SuccessiveHalving(5),
    )  # fmt: skip
    assert out.engine == "lanes and one by one"


def test_the_best_is_that_of_the_whole_sweep_where_the_order_stays():
    axes = {
        "lr": np.geomspace(1e-3, 0.3, 81)
    }  # of such rates the larger is the better, at any time
    out = gd.sweep(LINE, gd.SGD(), axes, max_iter=810, tol=0, stopping=gd.SuccessiveHalving(10))
    whole = gd.sweep(LINE, gd.SGD(), axes, max_iter=810, tol=0)
    assert out.best().index == whole.best().index == (80,)
    assert [(rung.updates, rung.runs, rung.went_on) for rung in out.rungs] == [
        (10, 81, 27), (30, 27, 9), (90, 9, 3), (270, 3, 1), (810, 1, 0),
    ]  # fmt: skip
    assert out.rungs[-1].best == out.loss.min()


def test_seeds_are_judged_by_their_average():
    axes = {"lr": [1e-4, 1e-3, 0.01, 0.1, 0.3, 1.0], "rng": range(4)}
    for average, mean in (("mean", np.mean), ("median", np.median)):
        halving = gd.SuccessiveHalving(4, average=average)
        out = gd.sweep(nets(), gd.Adam(), axes, max_iter=36, stopping=halving)
        first = gd.sweep(nets(), gd.Adam(), axes | {"max_iter": [12]}, max_iter=12)
        best = np.sort(mean(first.loss[..., 0], axis=1))
        assert out.rungs[0].threshold == best[1]
        assert (stopped(out).sum(axis=1) % 4 == 0).all()
        assert out.rungs[0].went_on == 8
    alone = gd.sweep(
        nets(), gd.Adam(), axes, max_iter=36, stopping=gd.SuccessiveHalving(4, over=None)
    )
    assert alone.rungs[0].went_on == 8
    assert (stopped(alone).sum(axis=1) % 4 != 0).any()


def test_the_metric_decides_where_it_is_asked_for():
    halving = gd.SuccessiveHalving(5, by="metric")
    out = gd.sweep(nets(), gd.SGD(), {"lr": RATES}, max_iter=90, stopping=halving)
    first = gd.sweep(nets(), gd.SGD(), {"lr": RATES}, max_iter=out.rungs[0].updates)
    assert out.rungs.by == "metric"
    assert out.rungs[0].threshold == np.sort(first.metric)[-out.rungs[0].went_on]
    assert list(out.rungs.to_pandas()["best"]) == sorted(rung.best for rung in out.rungs)


def test_runs_that_diverged_never_go_on():
    axes = {"lr": [0.1, 0.2, *np.linspace(50, 60, 25)]}
    out = gd.sweep(LINE, gd.SGD(), axes, max_iter=3000, tol=0, stopping=gd.SuccessiveHalving(900))
    assert out.diverged.sum() == 25
    assert out.rungs[1].runs == out.rungs[0].went_on == 2
    lost = gd.sweep(
        LINE, gd.SGD(), {"lr": [50.0] * 9}, max_iter=3000, tol=0, stopping=gd.SuccessiveHalving(900)
    )
    assert lost.diverged.all()
    assert len(lost.rungs) == 1
    with pytest.raises(ValueError, match="no run of this sweep"):
        lost.best()


def test_runs_that_converged_have_ended():
    axes = {"lr": np.linspace(0.5, 1.5, 27)}
    out = gd.sweep(
        LINE, gd.SGD(), axes, max_iter=2700, tol=1e-2, stopping=gd.SuccessiveHalving(300)
    )
    whole = gd.sweep(LINE, gd.SGD(), axes, max_iter=2700, tol=1e-2)
    assert_same(whole, out, ~stopped(out))
    assert out.converged.sum() == 27
    assert len(out.rungs) == 1
    assert out.rungs[0].went_on == 0


# --- the best run ------------------------------------------------------------------------------------


def test_a_run_that_was_stopped_is_the_best_only_if_no_other_has_a_value():
    fields = {
        "axes": {"lr": (0.1, 0.2, 0.3)}, "iterations": [3, 9, 9], "regime": ["slow"] * 3,
        "slope": np.ones(3), "x": np.zeros((3, 1)),
    }  # fmt: skip
    out = gd.SweepResult(**fields, status=[STOPPED, 1, 1], loss=[0.1, 3.0, 2.0])
    assert out.best().index == (2,)
    out = gd.SweepResult(**fields, status=[STOPPED, 2, 2], loss=[0.1, np.nan, np.nan])
    assert out.best().index == (0,)
    assert out.best().status is gd.Status.STOPPED


def test_networks_that_best_returns_are_there():
    axes = {"lr": np.geomspace(1e-4, 1, 9), "rng": range(3)}
    for by in ("loss", "metric"):
        for halving in (gd.SuccessiveHalving(3, by=by), gd.Hyperband(3, by=by, over=None)):
            out = gd.sweep(nets(), gd.Adam(), axes, max_iter=30, stopping=halving)
            for over in ("rng", None):
                for average in ("mean", "median"):
                    best = out.best(by=by, over=over, average=average)
                    assert best.status is not gd.Status.STOPPED
                    assert best.network.assess(nets().judged) == (best.loss, best.metric)


# --- brackets ----------------------------------------------------------------------------------------


def test_hyperband_deals_out_as_algorithm_1_does():
    hyperband = gd.Hyperband(1)
    assert hyperband.runs(81) == 81 + 34 + 15 + 8 + 5
    brackets = list(hyperband.brackets(143, 81))
    assert [bracket.rungs for bracket in brackets] == [4, 3, 2, 1, 0]
    assert [len(bracket.combinations) for bracket in brackets] == [81, 34, 15, 8, 5]
    every = np.concatenate([bracket.combinations for bracket in brackets])
    assert sorted(every) == list(range(143))


@given(st.integers(1, 400), st.integers(1, 5000), st.integers(2, 5), st.booleans())
def test_every_combination_is_in_one_bracket_and_one_is_left_in_each(many, updates, factor, single):
    kind = gd.SuccessiveHalving if single else gd.Hyperband
    brackets = list(kind(factor=factor).brackets(many, updates))
    every = np.concatenate([bracket.combinations for bracket in brackets])
    assert sorted(every) == list(range(many))
    for bracket in brackets:
        assert len(bracket.combinations) >= factor**bracket.rungs
        assert updates >= factor**bracket.rungs


def test_hyperband_of_networks_keeps_bits():
    problem, axes = nets(), {"lr": np.geomspace(1e-4, 1, 50)}
    out = gd.sweep(problem, gd.Adam(), axes, max_iter=54, stopping=gd.Hyperband(2))
    whole = gd.sweep(problem, gd.Adam(), axes, max_iter=54)
    assert_same(whole, out, ~stopped(out), ("loss", "metric", "iterations", "status", "regime"))
    assert sum(rung.runs for rung in out.rungs if rung.rung == 0) == 50
    assert {rung.bracket for rung in out.rungs} == {0, 1, 2, 3}


@given(st.integers(2, 6), st.integers(1, 10**6))
def test_powers(factor, number):
    assert factor ** powers(factor, number) <= number < factor ** (powers(factor, number) + 1)


@given(st.integers(0, 999), st.lists(st.integers(1, 50), min_size=1))
def test_shares_are_in_proportion(many, weights):
    shares = shared_out(many, weights)
    assert sum(shares) == many
    assert all(
        abs(share - many * weight / sum(weights)) < 1
        for share, weight in zip(shares, weights, strict=True)
    )


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_runs_go_on_from_at_most_two_windows_before(max_iter, pause):
    at = snapshot_at(max_iter, pause)
    assert at == 0 or (max_iter - at) % WINDOW == 0
    assert at < pause <= at + 2 * WINDOW or at == 0


# --- broken off --------------------------------------------------------------------------------------

CASES = {
    "descents": (LINE, gd.Momentum(), {"lr": np.geomspace(1e-3, 0.5, 30)}, {"tol": 0}),
    "networks": (nets(), gd.Adam(), {"lr": np.geomspace(1e-3, 0.5, 30)}, {}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rung", [0, 1, 2])
def test_after_ctrl_c_what_is_known_comes_back(name, rung, monkeypatch):
    problem, optimizer, axes, more = CASES[name]
    chosen = rungs_of._Contest._chosen
    seen = []

    def interrupted(self, *arguments):
        found = chosen(self, *arguments)
        seen.append(found)
        if len(seen) > rung:
            raise KeyboardInterrupt
        return found

    options = {"max_iter": 900, "stopping": gd.SuccessiveHalving(100), **more}
    whole = gd.sweep(problem, optimizer, axes, **options)
    monkeypatch.setattr(rungs_of._Contest, "_chosen", interrupted)
    out = gd.sweep(problem, optimizer, axes, **options)
    broken_off = out.status == gd.Status.INTERRUPTED
    assert broken_off.sum() == [30, 10, 0][rung]
    assert (out.status == gd.Status.MAX_ITER).sum() == [0, 0, 3][rung]
    assert (out.iterations[broken_off] == [100, 300, 900][rung]).all()
    assert_same(whole, out, stopped(out), ("loss", "iterations"))
    assert len(out.rungs) == rung
    assert out.best().status != gd.Status.STOPPED
    if name == "networks":
        assert out.best().network is not None


@pytest.mark.parametrize("name", CASES)
def test_after_max_seconds_what_is_known_comes_back(name):
    problem, optimizer, axes, more = CASES[name]
    options = {"max_iter": 10**12, "stopping": gd.SuccessiveHalving(10**3), **more}
    out = gd.sweep(problem, optimizer, axes, max_seconds=0.4, **options)
    broken_off = (
        gd.Status.MAX_SECONDS,
        gd.Status.NOT_RUN,
    )  # in the first rung, which has 10**10 updates
    assert np.isin(out.status, broken_off).all()
    assert (out.status == gd.Status.MAX_SECONDS).any()
    none = gd.sweep(problem, optimizer, axes, max_seconds=1e-9, **options)
    assert (none.status == gd.Status.NOT_RUN).all()


# --- the result --------------------------------------------------------------------------------------


def test_the_table_of_rungs(tmp_path):
    out = gd.sweep(LINE, gd.SGD(), {"lr": RATES}, max_iter=90, stopping=gd.SuccessiveHalving(10))
    out.save(tmp_path / "sweep.npz")
    again = gd.SweepResult.load(tmp_path / "sweep.npz")
    assert again.rungs == out.rungs
    np.testing.assert_array_equal(again.status, out.status)
    text = repr(out.rungs).splitlines()
    assert text[0] == "Rungs: 3 rungs, compared by loss"
    assert text[1].split()[:3] == ["bracket", "rung", "updates"]
    table = out.rungs.to_pandas()
    assert table["runs"].tolist() == [40, 13, 4]
    assert table["went_on"].tolist() == [13, 4, 0]
    assert "stopped" in repr(out)
    assert set(out.to_pandas()["status"]) == {"max_iter", "stopped"}
    whole = gd.sweep(LINE, gd.SGD(), {"lr": RATES}, max_iter=90)
    assert whole.rungs is None


def test_a_run_that_was_not_stopped_wins_over_one_that_was():
    axes = {"lr": RATES}
    whole = gd.sweep(LINE, gd.SGD(), axes, max_iter=90, tol=0)
    out = gd.sweep(LINE, gd.SGD(), axes, max_iter=90, tol=0, stopping=gd.SuccessiveHalving(10))
    for one, other in ((whole, out), (out, whole)):
        assert_same(one.merge(other), whole, ...)


@pytest.mark.parametrize(
    "damaged",
    [
        {"by": "iterations", "rows": []},
        {"by": "loss", "rows": [[0, 0, 1]]},
        {"by": "loss", "rows": [[0, 0, 1, 1, 0, "a", 1.0, 1.0]]},
        {"by": "loss", "rows": [[-1, 0, 1, 1, 0, 1.0, 1.0, 1.0]]},
        ["loss"],
    ],
)
def test_a_damaged_table_of_rungs_is_refused(damaged):
    with pytest.raises((TypeError, ValueError)):
        gd.Rungs.of_plain(damaged)


def test_figures_mark_runs_that_were_stopped():
    plotting = pytest.importorskip("matplotlib.pyplot")
    axes = {"lr": np.geomspace(1e-3, 0.5, 9), "momentum": [0.0, 0.3, 0.5, 0.7, 0.9]}
    out = gd.sweep(LINE, gd.Momentum(), axes, max_iter=90, tol=0, stopping=gd.SuccessiveHalving(10))
    display = out.plot("heatmap")
    assert np.array_equal(display.stopped, stopped(out).T)
    assert display.best == out.best().index[::-1]
    assert "stopped early" in [t.get_text() for t in display.figure_.findobj(plotting.Text)]
    few = {"lr": axes["lr"], "momentum": [0.5]}
    out = gd.sweep(LINE, gd.Momentum(), few, max_iter=90, tol=0, stopping=gd.SuccessiveHalving(10))
    lines = out.plot("loss")
    (marks,) = lines.stopped.values()
    assert marks.sum() == stopped(out).sum()
    plotting.close("all")


def test_the_losses_on_the_way_of_a_descent():
    axes = {"lr": [0.1, 0.5, 60.0]}
    out = gd.sweep(LINE, gd.SGD(), axes, max_iter=300, tol=1e-3, record=25)
    assert out.history.shape == (3, 12)
    for run, rate in enumerate(axes["lr"]):
        path = gd.minimize(LINE, None, gd.SGD(lr=rate), max_iter=300, tol=1e-3, record=25).history
        ended = -(-int(out.iterations[run]) // 25)
        known = min(ended, 12)
        np.testing.assert_array_equal(out.history[run, :known], path.loss[:known])
        assert np.isnan(out.history[run, known:]).all()


# --- arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gd.SuccessiveHalving(0), "min_iter must"),
        (lambda: gd.SuccessiveHalving(factor=1), "factor must"),
        (lambda: gd.SuccessiveHalving(by="iterations"), "by must"),
        (lambda: gd.SuccessiveHalving(over=3), "over must"),
        (lambda: gd.SuccessiveHalving(average="most"), "average must"),
        (lambda: gd.Hyperband(rng=-1), "rng must"),
        (lambda: gd.Hyperband(50).runs(20), "min_iter is 50"),
    ],
)
def test_arguments_that_cannot_be(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("problem", "stopping", "message"),
    [
        (LINE, 3, "stopping must be"),
        (LINE, gd.SuccessiveHalving(10**6), "min_iter is 1,000,000"),
        (LINE, gd.SuccessiveHalving(over="momentum"), "over must be an axis"),
        (LINE, gd.SuccessiveHalving(by="metric"), "by='metric' is for sweeps of networks"),
        (nets(), gd.SuccessiveHalving(over="momentum"), "over must be an axis"),
    ],
)
def test_sweeps_that_cannot_be(problem, stopping, message):
    with pytest.raises((TypeError, ValueError), match=message):
        gd.sweep(problem, gd.SGD(), {"lr": [0.1, 0.2]}, max_iter=100, stopping=stopping)


def test_what_waits_may_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("fastgd.sweeps.tables.most_bytes", lambda: 100)
    for problem in (LINE, nets()):
        with pytest.raises(ValueError, match="stopping needs"):
            gd.sweep(
                problem, gd.SGD(), {"lr": RATES}, max_iter=900, stopping=gd.SuccessiveHalving()
            )


def test_the_time_of_each_rung_is_told():
    began = time.perf_counter()
    out = gd.sweep(LINE, gd.SGD(), {"lr": RATES}, max_iter=90, stopping=gd.SuccessiveHalving(10))
    took = time.perf_counter() - began
    assert 0 < sum(rung.seconds for rung in out.rungs) <= out.seconds <= took
