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
