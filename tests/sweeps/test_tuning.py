"""`tune` and `SweepResult.to_optuna`: what studies of Optuna hold, and that searches find what is there."""

import numpy as np
import pytest

pytest.importorskip("optuna")
pytest.importorskip("scipy")

import optuna
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState
from scipy.stats import loguniform, norm, randint, uniform

import fastgd as gd
from fastgd.sweeps.search_space import Space

optuna.logging.set_verbosity(optuna.logging.ERROR)
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
LINE = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.1])
SPACE = {"lr": loguniform(1e-3, 10), "momentum": uniform(0, 0.99)}
X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
NET = gd.MLP([3, 4, 2], rng=0).problem(X, X[:, 0] > 0, batch_size=20)


def searched(n=40, batch=16, **options):
    options = {"max_iter": 50, "tol": 1e-9, **options}
    return gd.tune(LINE, gd.Momentum(), SPACE, n, batch=batch, **options)


# --- a sweep as a study ---------------------------------------------------------------------------------


def test_a_study_has_a_trial_for_each_run():
    axes = {"lr": np.geomspace(1e-3, 10, 5), "momentum": [0.0, 0.5]}
    out = gd.sweep(LINE, gd.Momentum(), axes, max_iter=2000)
    study = out.to_optuna()
    assert len(study.trials) == 10
    best = out.best()
    assert study.best_params == best.axes
    assert study.best_value == best.loss
    assert study.best_trial.user_attrs["iterations"] == best.iterations
    assert study.best_trial.user_attrs["status"] == best.status.label
    states = [trial.state for trial in study.trials]
    assert states == [
        TrialState.PRUNED if gone else TrialState.COMPLETE for gone in out.diverged.ravel()
    ]
    assert TrialState.PRUNED in states
    distributions = study.trials[0].distributions
    assert distributions["lr"] == FloatDistribution(1e-3, 10, log=True)
    assert distributions["momentum"] == FloatDistribution(0, 0.5)
    assert set(optuna.importance.get_param_importances(study)) == set(axes)


def test_a_study_of_networks_and_of_objects():
    axes = {"hidden": [2, (3, 2)], "optimizer": [gd.SGD(lr=0.1), gd.Adam(lr=0.1)], "rng": [0, 1]}
    out = gd.sweep(NET, gd.SGD(), axes, max_iter=5)
    study = out.to_optuna("metric")
    assert study.direction.name == "MAXIMIZE"
    assert study.best_value == out.metric.max()
    assert study.trials[0].distributions["hidden"] == CategoricalDistribution([2, "(3, 2)"])
    assert study.trials[0].distributions["rng"] == IntDistribution(0, 1)
    assert study.trials[0].params["optimizer"] == "SGD(lr=0.1)"


def test_paired_axes_and_a_study_that_is_given():
    runs = gd.SampledAxes({"lr": [0.1, 0.5, 0.2], "momentum": [0.9, 0.0, 0.3]})
    out = gd.sweep(LINE, gd.Momentum(), runs, max_iter=10)
    study = optuna.create_study()
    given = {"lr": FloatDistribution(0.0, 1.0)}
    assert out.to_optuna(study=study, distributions=given) is study
    assert [trial.params for trial in study.trials] == [
        {"lr": lr, "momentum": m} for lr, m in zip(runs["lr"], runs["momentum"], strict=True)
    ]
    assert study.trials[0].distributions["lr"] == given["lr"]


def test_what_to_optuna_refuses():
    out = gd.sweep(LINE, gd.Momentum(), {"lr": [0.1]}, max_iter=10)
    with pytest.raises(ValueError, match="by must be"):
        out.to_optuna("metric")
    with pytest.raises(ValueError, match="direction 'maximize'"):
        out.to_optuna(study=optuna.create_study(direction="maximize"))


# --- searches -------------------------------------------------------------------------------------------


def test_a_search_finds_a_good_rate():
    tuned = searched(64)
    assert len(tuned.study.trials) == tuned.result.size == 64
    assert tuned.best.loss == tuned.study.best_value == np.nanmin(tuned.result.loss)
    assert tuned.best.axes == tuned.study.best_params
    assert tuned.result.loss[tuned.best.index] == tuned.best.loss
    random = gd.sweep(LINE, gd.Momentum(), gd.sample_axes(SPACE, 64), max_iter=50, tol=1e-9).best()
    assert tuned.best.loss <= random.loss * (1 + 1e-6)
    assert repr(tuned).startswith("Tuned: 64 trials, the best at {'lr': ")


def test_a_search_can_be_repeated():
    first, second = searched(), searched()
    assert [t.params for t in first.study.trials] == [t.params for t in second.study.trials]
    assert searched(seed=1).study.trials[0].params != first.study.trials[0].params


@pytest.mark.parametrize("name", ["TPESampler", "RandomSampler", "QMCSampler", "NSGAIISampler"])
def test_samplers_of_optuna(name):
    sampler = getattr(optuna.samplers, name)(seed=0)
    tuned = searched(24, 8, sampler=sampler)
    assert tuned.study.sampler is sampler
    assert tuned.study.best_value == tuned.best.loss
    states = {trial.state for trial in tuned.study.trials}
    assert states <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert tuned.study.best_trial.user_attrs["iterations"] == tuned.best.iterations


@pytest.mark.parametrize("sampler", [None, "RandomSampler"])
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_studies_are_resumed(tmp_path, kind, sampler):
    def storage():
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/study.db"
        backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "study.log"))
        return optuna.storages.JournalStorage(backend)

    def go(n):
        own = None if sampler is None else getattr(optuna.samplers, sampler)(seed=n)
        where = {"storage": storage(), "study_name": "rates", "load_if_exists": True}
        return searched(n, 8, sampler=own, **where)

    first, second = go(12), go(10)
    assert len(first.study.trials) == 22  # the storage's, which both share
    assert second.result.size == 10
    values = [t.value for t in second.study.trials if t.state is TrialState.COMPLETE]
    assert second.study.best_value == min(values)
    assert len({tuple(t.params.values()) for t in second.study.trials}) == 22


def test_a_search_of_networks_keeps_the_best():
    space = {
        "layers.0.lr": loguniform(1e-3, 1.0),
        "hidden": [2, 3, (3, 2)],
        "momentum": [0.0, 0.9],
        "batch_size": IntDistribution(10, 30, step=10),
    }
    tuned = gd.tune(NET, gd.SGD(momentum=0.5), space, 24, batch=12, by="metric", max_iter=30, rng=3)
    assert tuned.best.metric == tuned.result.metric.max() == tuned.study.best_value
    assert tuned.best.network.score(X, X[:, 0] > 0) == tuned.best.metric
    assert tuned.result.networks == {tuned.best.index: tuned.best.network}
    labels = {trial.params["hidden"] for trial in tuned.study.trials}
    assert labels == {2, 3, "(3, 2)"}
    assert set(tuned.result.axes["hidden"]) == {2, 3, (3, 2)}
    assert {trial.params["batch_size"] for trial in tuned.study.trials} <= {10, 20, 30}


def test_all_runs_may_diverge():
    with np.errstate(all="ignore"):
        tuned = gd.tune(LINE, gd.SGD(), {"lr": loguniform(1e6, 1e9)}, 8, batch=4, max_iter=1000)
    assert tuned.best is None
    assert {trial.state for trial in tuned.study.trials} == {TrialState.PRUNED}


def test_a_limit_of_time_ends_a_search():
    tuned = searched(10_000, 5_000, max_seconds=1e-9)
    assert tuned.result.size == 5_000
    assert len(tuned.study.trials) == 5_000


# --- arguments ------------------------------------------------------------------------------------------


def test_spaces():
    space = Space(
        {
            "lr": loguniform(1e-3, 1.0),
            "momentum": uniform(0, 0.9),
            "k": randint(2, 5),
            "n": IntDistribution(1, 64, log=True),
            "step": FloatDistribution(0, 1, step=0.25),
            "kind": ["a", None, (1, 2)],
        }
    )
    assert space.distributions["lr"] == FloatDistribution(1e-3, 1.0, log=True)
    assert space.distributions["momentum"] == FloatDistribution(0, 0.9)
    assert space.distributions["k"] == IntDistribution(2, 4)
    assert space.column("kind", ["(1, 2)", None]) == [(1, 2), None]
    rng = np.random.default_rng(0)
    drawn = [
        np.floor(rng.random(500) * d.categories) if d.categories else rng.random(500)
        for d in space.dimensions
    ]
    params = space.params(np.stack(drawn, axis=1))
    assert all(space.holds(one) for one in params)
    assert {one["k"] for one in params} == {2, 3, 4}
    assert {one["step"] for one in params} == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert min(one["n"] for one in params) == 1
    assert 50 < max(one["n"] for one in params) <= 64
    again = space.params(space.points(params))
    for name in params[0]:
        if isinstance(params[0][name], float):
            np.testing.assert_allclose([a[name] for a in again], [p[name] for p in params])
        else:
            assert [a[name] for a in again] == [p[name] for p in params]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "space must be a dict"),
        ([1], "space must be a dict"),
        ({1: [0.1]}, "space has the key 1"),
        ({"lr": 0.1}, r"space\['lr'\] must be a distribution of Optuna"),
        ({"lr": "0.1"}, r"space\['lr'\] must be a distribution of Optuna"),
        ({"lr": []}, r"space\['lr'\] is empty"),
        ({"lr": [0.1, 0.1]}, r"space\['lr'\] has a value twice"),
        ({"lr": norm(0, 1)}, r"space\['lr'\] must be .* got norm"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_spaces_that_are_refused(space, message):
    with pytest.raises((TypeError, ValueError), match=message):
        gd.tune(LINE, gd.SGD(), space, 4)


def test_arguments_that_are_refused(tmp_path):
    with pytest.raises(ValueError, match="by must be 'loss' or 'metric'"):
        searched(by="iterations")
    with pytest.raises(ValueError, match="n_trials must be"):
        searched(0)
    where = {"storage": f"sqlite:///{tmp_path}/s.db", "study_name": "s", "load_if_exists": True}
    optuna.create_study(direction="maximize", storage=where["storage"], study_name="s")
    with pytest.raises(ValueError, match="has the direction 'maximize'"):
        searched(**where)
