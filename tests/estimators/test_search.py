"""`SweepSearchCV` against scikit-learn's searches of the same estimators: the same tables, the same best candidates."""

import threading

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy.stats import loguniform, randint
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RandomizedSearchCV,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import get_tags

import fastgd as gd
from fastgd import GDClassifier, GDRegressor, MLPClassifier, MLPRegressor, SweepSearchCV

X, Y = load_iris(return_X_y=True)
XR, YR = make_regression(90, 4, random_state=1)
YR = YR / YR.std()
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Got `batch_size`"
)


def network(**options):
    given = {"hidden_layer_sizes": (6,), "max_iter": 25, "random_state": 3, "batch_size": 20}
    return MLPClassifier(**(given | options))


def assert_same_tables(ours, theirs):
    assert list(ours) == list(theirs)
    for name, column in theirs.items():
        if name == "params":
            assert list(ours[name]) == list(column)
        elif name.startswith("param_"):
            assert ours[name].dtype == column.dtype
            assert ours[name].tolist() == column.tolist()
        elif "_time" not in name:
            assert ours[name].dtype == column.dtype
            np.testing.assert_allclose(ours[name], column, rtol=1e-9, atol=1e-12, err_msg=name)


def searched(estimator, space, x=X, y=Y, *, peer=GridSearchCV, together=None, fit=None, **options):
    """Both searches, compared; `together`: how many fits are to train side by side."""
    own = {} if peer is GridSearchCV else {"n_iter": options.pop("n_iter")}
    options.setdefault("cv", 3)
    ours = SweepSearchCV(estimator, space, **own, **options).fit(x, y, **(fit or {}))
    theirs = peer(estimator, space, **own, **options).fit(x, y, **(fit or {}))
    assert_same_tables(ours.cv_results_, theirs.cv_results_)
    for name in ("best_index_", "best_params_", "best_score_", "n_splits_", "multimetric_"):
        assert hasattr(ours, name) == hasattr(theirs, name)
        if name in {"best_score_"} and hasattr(theirs, name):
            assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-9)
        elif hasattr(theirs, name):
            assert getattr(ours, name) == getattr(theirs, name)
    if hasattr(theirs, "best_estimator_"):
        np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))
    if together is not None:
        assert ours.fits_together_ == together
    return ours


# --- networks -------------------------------------------------------------------------------------------

RATES = {"learning_rate_init": [1e-3, 0.01, 0.05]}
NETWORKS = {
    "rates and penalties": (network(), {**RATES, "alpha": [0.0, 1e-3, 0.1]}, 27),
    "sizes and activations": (
        network(),
        {
            "hidden_layer_sizes": [(), (5,), (4, 3)],
            "activation": ["relu", "tanh", "logistic"],
            **RATES,
        },
        81,
    ),
    "batches and seeds": (network(), {"batch_size": [10, "auto"], "random_state": [0, 1, 2]}, 18),
    "no shuffling": (network(shuffle=False), RATES, 9),
    "all rows at once": (network(batch_size=100), RATES, 9),
    "an instance of RandomState": (network(random_state=np.random.RandomState(5)), RATES, 9),
    "sgd": (
        network(solver="sgd"),
        {**RATES, "momentum": [0.0, 0.9], "nesterovs_momentum": [True, False]},
        36,
    ),
    "a rate that adapts": (
        network(solver="sgd", learning_rate="adaptive", tol=0.05, n_iter_no_change=2, max_iter=60),
        RATES,
        9,
    ),
    "a rate that falls": (network(solver="sgd"), {"learning_rate": ["invscaling"], **RATES}, 9),
    "other solvers": (network(), {"solver": ["adamw", "nag", "rprop", "lion"], **RATES}, 36),
    "optimizers": (
        network(),
        {
            "solver": [
                gd.Adam(lr=0.01, weight_decay=0.1),
                gd.SGD(lr=gd.schedules.step(0.1, 40, 0.5)),
                gd.SGD(lr=0.1, clip_norm=0.1),
            ]
        },
        9,
    ),
    "stopping": (
        network(max_iter=300),
        {**RATES, "tol": [1e-2, 1e-3], "n_iter_no_change": [2, 5], "max_iter": [40, 300]},
        72,
    ),
    "patience without end": (network(n_iter_no_change=np.inf), RATES, 9),
    "one epoch": (network(), {**RATES, "max_iter": [1]}, 9),
    "float32": (network(dtype="float32"), RATES, 9),
    "weights of classes": (
        network(),
        {"class_weight": [None, "balanced", {0: 1.0, 1: 5.0, 2: 0.0}], **RATES},
        27,
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    estimator, space, together = NETWORKS[name]
    searched(estimator, space, together=together, return_train_score=True)


def test_a_fit_has_the_weights_and_curves_that_it_has_alone():
    kept = []

    def keep(estimator, x, y):
        kept.append(estimator)
        return 0.0

    clf = network(max_iter=100, tol=0.01, n_iter_no_change=2)
    cv = ShuffleSplit(2, random_state=0)
    SweepSearchCV(clf, RATES, cv=cv, scoring=keep, refit=False, n_jobs=1).fit(X, Y)
    assert len(kept) == 6
    for found in kept:
        alike = clone(clf).set_params(**found.get_params())
        matches = [clone(alike).fit(X[train], Y[train]) for train, _ in cv.split(X)]
        assert any(
            found.loss_curve_ == pytest.approx(one.loss_curve_, rel=1e-12)
            and all((w == v).all() for w, v in zip(found.coefs_, one.coefs_, strict=True))
            and (found.n_iter_, found.t_, found.best_loss_)
            == (one.n_iter_, one.t_, pytest.approx(one.best_loss_))
            for one in matches
        )


def test_candidates_that_cannot_run_in_a_sweep_are_fitted_alone():
    space = [
        {"early_stopping": [True, False], **RATES},
        {"solver": ["lbfgs"]},
        {"solver": [gd.Adam(lr=0.01, groups={0: {"lr": 0.1}})]},
    ]
    searched(network(), space, together=9)


def test_two_classes_and_a_fold_without_one_of_three():
    folds = [(np.arange(0, 100), np.arange(100, 150)), (np.arange(20, 150), np.arange(20))]
    searched(network(), RATES, X[:100], Y[:100], together=9)
    searched(network(), RATES, cv=folds, together=6)


def test_labels_of_several_kinds():
    several = np.stack([Y == 0, Y > 0, X[:, 0] > 5], axis=1).astype(int)
    searched(network(), RATES, y=several, together=9)
    searched(network(), RATES, y=np.array(["a", "b", "c"])[Y], together=9)


def test_regressors():
    net = MLPRegressor(hidden_layer_sizes=(6,), max_iter=25, random_state=0, batch_size=20)
    searched(net, {**RATES, "alpha": [0.0, 0.1]}, XR, YR, together=18)
    searched(net, {"loss": ["poisson"], **RATES}, XR, abs(YR), together=9)
    searched(net, RATES, XR, np.stack([YR, -YR], axis=1), together=0)


def test_weights_of_rows_and_groups():
    weights = np.random.default_rng(0).uniform(0, 2, len(X))
    searched(network(), RATES, fit={"sample_weight": weights}, together=9)
    groups = np.arange(len(X)) % 7
    searched(network(), RATES, cv=GroupKFold(3), fit={"groups": groups}, together=9)
    with pytest.raises(ValueError, match="sample_weight must have 150 entries"):
        SweepSearchCV(network(), RATES).fit(X, Y, sample_weight=weights[:-1])


def test_fits_without_a_seed_differ():
    search = SweepSearchCV(network(random_state=None), {"alpha": [0.0] * 8}, cv=3).fit(X, Y)
    assert search.fits_together_ == 24
    assert len(set(search.cv_results_["mean_test_score"])) > 1


def test_fits_that_diverge_have_the_error_score():
    net = MLPRegressor(hidden_layer_sizes=(6,), solver="sgd", max_iter=25, random_state=0)
    space = {"learning_rate_init": [1e-3, 1e200]}
    with pytest.warns() as told:
        ours = SweepSearchCV(net, space, cv=3).fit(XR, YR)
    assert {one.category for one in told} >= {FitFailedWarning}
    assert any("3 fits failed out of a total of 6" in str(one.message) for one in told)
    assert np.isnan(ours.cv_results_["mean_test_score"]).tolist() == [False, True]
    with pytest.warns(FitFailedWarning):
        theirs = SweepSearchCV(net, space, cv=3, error_score=-7.0).fit(XR, YR)
    assert theirs.cv_results_["mean_test_score"][1] == -7.0
    with pytest.raises(ValueError, match="non-finite"):
        SweepSearchCV(net, space, cv=3, error_score="raise").fit(XR, YR)
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        SweepSearchCV(net, {"learning_rate_init": [1e200]}, cv=3).fit(XR, YR)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_epochs_that_run_out_are_told_once():
    with pytest.warns(ConvergenceWarning) as told:
        SweepSearchCV(network(max_iter=2), RATES, cv=3, refit=False).fit(X, Y)
    assert len(told) == 1
    assert str(told[0].message).startswith("9 of 9 fits: Stochastic Optimizer: Maximum iterations")
    assert told[0].filename == __file__


def test_parameters_that_are_invalid_name_themselves():
    with pytest.raises(ValueError, match=r"All the 3 fits failed[\s\S]*alpha must be"):
        SweepSearchCV(network(), {"alpha": [-1.0]}, cv=3).fit(X, Y)
    with pytest.raises(ValueError, match="Invalid parameter 'alphas'"):
        SweepSearchCV(network(), {"alphas": [1.0]}, cv=3).fit(X, Y)
    with pytest.raises(ValueError, match=r"param_space\['alpha'\] is a distribution"):
        SweepSearchCV(network(), {"alpha": loguniform(1e-5, 1)}).fit(X, Y)
    with pytest.raises(ValueError, match="error_score must be"):
        SweepSearchCV(network(), RATES, error_score="none").fit(X, Y)


# --- the interface --------------------------------------------------------------------------------------


def test_drawn_candidates():
    space = {"learning_rate_init": loguniform(1e-3, 0.1), "hidden_layer_sizes": randint(2, 12)}
    searched(network(), space, peer=RandomizedSearchCV, n_iter=10, random_state=0)


def spread(estimator, x, y):
    right = estimator.predict(x) == y
    return {"right": right.mean(), "spread": right.std()}


def simplest(results):
    good = results["mean_test_score"] >= results["mean_test_score"].max() - 0.05
    return int(np.flatnonzero(good)[0])


OPTIONS = {
    "a name": {"scoring": "neg_log_loss"},
    "a scorer": {"scoring": make_scorer(accuracy_score, normalize=False)},
    "names": {"scoring": ["accuracy", "f1_macro"], "refit": "f1_macro"},
    "a dict": {"scoring": {"a": "accuracy", "b": "neg_log_loss"}, "refit": False},
    "a function": {"scoring": spread, "refit": "right"},
    "a choice": {"refit": simplest},
    "no choice": {"refit": False},
    "random folds": {"cv": ShuffleSplit(4, random_state=0)},
    "given folds": {"cv": list(ShuffleSplit(2, random_state=0).split(X))},
    "default folds": {"cv": None},
    "two threads": {"n_jobs": 2},
    "all threads": {"n_jobs": -1},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    searched(network(), RATES, **OPTIONS[name])


def test_several_scores_need_a_refit_that_names_one():
    with pytest.raises(ValueError, match="multi-metric"):
        SweepSearchCV(network(), RATES, scoring=spread).fit(X, Y)


@pytest.mark.parametrize("scoring", ["f1", ("accuracy", "f1")], ids=str)
def test_scores_that_fail(scoring):
    search = SweepSearchCV(network(), RATES, cv=3, refit=False, scoring=scoring)
    with pytest.warns(UserWarning, match=r"(?s)Scoring failed.*multiclass|non-finite"):
        search.fit(X, Y)
    with pytest.raises(ValueError, match="multiclass"):
        clone(search).set_params(error_score="raise").fit(X, Y)


def test_frames_have_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    search = searched(network(), RATES, frame, pandas.Series(Y), together=9)
    assert search.feature_names_in_.tolist() == list("abcd")


def test_it_is_an_estimator():
    search = SweepSearchCV(network(), RATES, cv=3)
    assert get_tags(search).estimator_type == "classifier"
    assert clone(search).get_params()["estimator__max_iter"] == 25
    outer = make_pipeline(StandardScaler(), search)
    assert cross_val_score(outer, X, Y, cv=3).mean() > 0.8
    search.fit(X, Y)
    assert search.score(X, Y) == search.best_estimator_.score(X, Y)
    assert search.classes_.tolist() == [0, 1, 2]
    assert search.n_features_in_ == 4
    np.testing.assert_array_equal(search.predict_proba(X).shape, (150, 3))


def test_verbose_says_what_is_fitted(capsys):
    SweepSearchCV(network(), RATES, cv=3, verbose=2).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 folds, 3 candidates: 9 fits"
    assert len(lines) == 10
    assert lines[-1].startswith("[9/9] {'learning_rate_init': ")


# --- pipelines ------------------------------------------------------------------------------------------


class Counting(TransformerMixin, BaseEstimator):
    """Scales, and counts how often it is fitted."""

    fits = 0
    lock = threading.Lock()

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, x, y=None):
        with self.lock:
            Counting.fits += 1
        self.mean_ = x.mean(axis=0)
        return self

    def transform(self, x):
        return (x - self.mean_) * self.factor


def test_transformers_are_fitted_once_for_each_fold_and_setting():
    pipe = Pipeline([("count", Counting()), ("net", network())])
    space = {
        "count__factor": [0.5, 1.0],
        "net__alpha": [0.0, 0.1],
        "net__learning_rate_init": [1e-3, 0.01],
    }
    Counting.fits = 0
    search = SweepSearchCV(pipe, space, cv=3, refit=False).fit(X, Y)
    assert Counting.fits == 6
    assert search.fits_together_ == 24
    searched(pipe, space)


def test_steps_that_are_replaced():
    pipe = Pipeline([("scale", StandardScaler()), ("reduce", PCA(2)), ("model", network())])
    space = {
        "scale": [StandardScaler(), FunctionTransformer(), "passthrough"],
        "reduce__n_components": [2, 3],
        "model": [network(), network(activation="tanh"), GDClassifier(random_state=0)],
    }
    ours = SweepSearchCV(pipe, space, cv=3).fit(X, Y)
    theirs = GridSearchCV(pipe, space, cv=3).fit(X, Y)
    assert ours.fits_together_ == 36
    assert ours.best_index_ == theirs.best_index_
    np.testing.assert_allclose(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"]
    )


def test_a_pipeline_of_one_step_and_one_whose_transformer_fails():
    searched(Pipeline([("net", network())]), {"net__alpha": [0.0, 0.1]}, together=6)
    pipe = make_pipeline(PCA(9), network())
    with pytest.raises(ValueError, match="All the 6 fits failed"):
        SweepSearchCV(pipe, {"mlpclassifier__alpha": [0.0, 0.1]}, cv=3).fit(X, Y)


# --- other estimators -----------------------------------------------------------------------------------


def test_linear_models_and_others():
    searched(GDClassifier(random_state=0), {"l2": [1e-4, 1e-2], "optimizer": ["sgd", "nag"]})
    searched(GDRegressor(batch_size=20, max_iter=50, random_state=0), {"l1": [0.0, 0.1]}, XR, YR)
    searched(Ridge(), {"alpha": [0.1, 1.0]}, XR, YR, together=0)


def test_scarce_candidates_of_many_folds_are_put_together():
    x, y = make_classification(120, 5, random_state=0)
    ours = searched(network(), {"hidden_layer_sizes": [3, 4]}, x, y, cv=4, return_train_score=True)
    assert ours.fits_together_ == 8


def test_on_numpy():
    gd.set_backend("numpy")
    try:
        searched(network(max_iter=3), RATES)
    finally:
        gd.set_backend(None)
