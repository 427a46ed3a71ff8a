"""Callbacks of estimators: functions, scikit-learn's own, Ctrl-C, failures."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from estimators.sets import digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastgd as gd
from fastgd.network.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_functions_are_called_after_each_epoch_and_may_stop():
    pytest.importorskip("sklearn.callback")
    X, y = digits()
    seen = []

    def look(estimator):
        seen.append((estimator.n_iter_, estimator.loss_curve_[-1], estimator.score(X, y)))
        return estimator.n_iter_ == 3

    for solver in ("adam", "lbfgs"):
        seen.clear()
        clf = gd.MLPClassifier(random_state=0, max_iter=20, solver=solver)
        if solver == "lbfgs":
            clf.set_callbacks(
                lambda e: seen.append((e.n_iter_, 0, e.score(X, y))) or e.n_iter_ == 3
            )
        else:
            clf.set_callbacks(look)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            clf.fit(X, y)
        assert [n for n, *_ in seen] == [1, 2, 3]
        assert clf.n_iter_ == 3
        assert seen[-1][2] == clf.score(X, y)
    clf.set_callbacks().fit(X, y)
    assert len(seen) == 3
    with pytest.raises(TypeError):
        clf.set_callbacks("print")


def test_scikit_learns_callbacks():
    callback = pytest.importorskip("sklearn.callback")
    X, y = digits()
    monitor = callback.ScoringMonitor(scoring="accuracy")
    clf = gd.MLPClassifier(random_state=0, max_iter=5).set_callbacks(monitor).fit(X, y)
    scores = [
        row["accuracy"] for row in monitor.get_logs().data if row["task_name"].startswith("epoch")
    ]
    assert len(scores) == 5
    assert scores[-1] == clf.score(X, y)
    inner = make_pipeline(StandardScaler(), gd.MLPClassifier(random_state=0, max_iter=3))
    inner.set_callbacks(callback.ProgressBar()).fit(X, y)
    assert not hasattr(inner[-1], "_skl_callbacks")


def test_ctrl_c_keeps_what_was_trained():
    pytest.importorskip("sklearn.callback")
    X, y = digits()

    def interrupt(estimator):
        if estimator.n_iter_ == 2:
            raise KeyboardInterrupt

    for estimator in (gd.MLPClassifier(random_state=0), gd.GDClassifier()):
        with pytest.warns(UserWarning, match="interrupted") as caught:
            estimator.set_callbacks(interrupt).fit(X, y)
        assert caught[0].filename == __file__
        assert estimator.n_iter_ == len(estimator.loss_curve_) == 2
        assert np.isfinite(estimator.predict_proba(X)).all()


_WITHOUT_CALLBACKS = """
import sys
import sklearn.model_selection, sklearn.pipeline
sys.modules["sklearn.callback"] = None
import fastgd as gd
reg = gd.GDRegressor().fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0])
clf = gd.MLPClassifier(tol=0.1, n_iter_no_change=1).fit([[0.0], [1.0], [2.0]], [0, 0, 1])
try:
    clf.set_callbacks(print)
except ImportError as error:
    print(error)
"""


ROWS = np.random.default_rng(0).normal(size=(64, 4))
SHORT = {"max_iter": 60, "hidden_layer_sizes": (8,), "batch_size": 24, "random_state": 0}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tol": 1.0, "n_iter_no_change": 3},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1e-2, "n_iter_no_change": 2},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"early_stopping": True},
    ],
    ids=["adam", "stopped", "adaptive", "invscaling", "held out"],
)
def test_short_epochs_in_one_call_are_those_one_by_one(options, monkeypatch):
    """How many epochs go into one call of the engine depends on the time; results do not."""
    fits = [gd.MLPRegressor(**SHORT, **options).fit(ROWS, ROWS[:, 0]) for _ in range(2)]
    monkeypatch.setattr(Trainer, "ahead", 1)
    alone = gd.MLPRegressor(**SHORT, **options).fit(ROWS, ROWS[:, 0])
    for fit in fits:
        assert fit.loss_curve_ == alone.loss_curve_
        assert (fit.n_iter_, fit.t_, fit.best_loss_) == (alone.n_iter_, alone.t_, alone.best_loss_)
        for one, other in zip(fit.coefs_, alone.coefs_, strict=True):
            np.testing.assert_array_equal(one, other)


def test_ctrl_c_among_several_epochs_counts_those_that_are_complete(monkeypatch):
    train, calls = Trainer._train, []

    def interrupted(self, *arguments):
        stretch = train(self, *arguments)
        calls.append(stretch.done)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return stretch

    monkeypatch.setattr(Trainer, "_train", interrupted)
    monkeypatch.setattr(Trainer, "ahead", 13)  # four epochs of three updates
    with pytest.warns(UserWarning, match="interrupted"):
        fit = gd.MLPRegressor(**SHORT).fit(ROWS, ROWS[:, 0])
    assert calls == [12] * 5
    assert fit.n_iter_ == len(fit.loss_curve_) == 20
    assert fit._optimizer.t == 60


def test_older_scikit_learn_has_no_callbacks():
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_CALLBACKS], capture_output=True, text=True, check=True
    )
    assert "1.9" in done.stdout


def test_a_failing_callback_leaves_the_estimator_as_it_was():
    pytest.importorskip("sklearn.callback")
    X, y = digits()
    clf = gd.MLPClassifier(random_state=0, max_iter=5)

    def fail(estimator):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        clf.set_callbacks(fail).fit(X, y)
    assert not hasattr(clf, "coefs_")
    assert not hasattr(clf, "_callback_fit_ctx")
