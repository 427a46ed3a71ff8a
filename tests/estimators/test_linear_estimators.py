"""`GDRegressor` and `GDClassifier` against closed forms, scikit-learn's linear models and loops written out."""

import copy
import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

import fastgd as gd
from fastgd.estimators.arguments import OPTIMIZERS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)) * [1, 2, 0.5] + [0, 1, 0]
Y = X @ RNG.normal(size=(3, 2)) + [1, -2] + 0.1 * RNG.normal(size=(80, 2))
W = RNG.uniform(0.1, 3, 80)
IRIS, KINDS = load_iris(return_X_y=True)
IRIS = (IRIS - IRIS.mean(axis=0)) / IRIS.std(axis=0)
BINARY = np.array(["no", "yes"])[(KINDS == 1).astype(int)]
LONG = {"max_iter": 20000, "tol": 1e-14, "optimizer": "nag", "n_iter_no_change": 100}


# --- where the descents end ---------------------------------------------------------------------------


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weights", [None, W])
@pytest.mark.parametrize("y", [Y[:, 0], Y], ids=["one", "two"])
def test_least_squares(y, weights, intercept):
    ours = gd.GDRegressor(fit_intercept=intercept, **LONG).fit(X, y, weights)
    peer = LinearRegression(fit_intercept=intercept).fit(X, y, weights)
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-5)
    np.testing.assert_allclose(ours.intercept_, peer.intercept_, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(ours.predict(X), peer.predict(X), rtol=1e-4, atol=1e-5)
    assert np.shape(ours.intercept_) == (
        np.shape(peer.intercept_) if intercept else np.shape(y)[1:]
    )


def test_ridge():
    ours = gd.GDRegressor(l2=0.3, **LONG).fit(X, Y)
    peer = Ridge(alpha=0.3 * len(X)).fit(X, Y)
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-5)


def test_lasso():
    y = X[:, 0] + 0.05 * X[:, 1]
    ours = gd.GDRegressor(l1=0.2, learning_rate=0.01, max_iter=5000, n_iter_no_change=500).fit(X, y)
    np.testing.assert_allclose(
        ours.coef_, Lasso(alpha=0.2).fit(X, y).coef_, atol=3e-3
    )  # lr * l1 to and fro


def test_other_losses():
    y = Y[:, 0] + np.where(np.arange(80) % 10, 0, 20.0)
    ours = gd.GDRegressor("huber", huber_delta=0.5, **LONG).fit(X, y)
    slopes = np.clip(ours.predict(X) - y, -0.5, 0.5)
    np.testing.assert_allclose(X.T @ slopes, 0, atol=1e-4)
    np.testing.assert_allclose(slopes.sum(), 0, atol=1e-4)
    ours = gd.GDRegressor("absolute_error", optimizer="adam", max_iter=3000, tol=1e-3).fit(X, y)
    plain = LinearRegression().fit(X, Y[:, 0])
    np.testing.assert_allclose(ours.coef_, plain.coef_, atol=0.05)
    counts = np.random.default_rng(0).poisson(np.exp(0.3 * X[:, 0] - 0.2))
    ours = gd.GDRegressor("poisson", **LONG).fit(X, counts)
    peer = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(X, counts)
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-4)
    np.testing.assert_allclose(ours.predict(X), peer.predict(X), rtol=1e-4)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("y", [BINARY, KINDS], ids=["two", "three"])
def test_logistic_and_softmax(y, intercept):
    ours = gd.GDClassifier(l2=0.02, fit_intercept=intercept, **LONG).fit(IRIS, y)
    peer = LogisticRegression(
        C=1 / (0.02 * len(y)), fit_intercept=intercept, tol=1e-10, max_iter=5000
    ).fit(IRIS, y)
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-3, atol=1e-4)
    assert ours.coef_.shape == peer.coef_.shape
    assert ours.intercept_.shape == peer.intercept_.shape
    np.testing.assert_allclose(ours.predict_proba(IRIS), peer.predict_proba(IRIS), atol=1e-4)
    np.testing.assert_allclose(ours.predict_log_proba(IRIS), np.log(ours.predict_proba(IRIS)))
    np.testing.assert_array_equal(ours.predict(IRIS), peer.predict(IRIS))
    np.testing.assert_allclose(
        ours.decision_function(IRIS), IRIS @ ours.coef_.T.squeeze() + ours.intercept_.squeeze()
    )
    assert ours.score(IRIS, y) > 0.7


def test_class_weight():
    balanced = gd.GDClassifier(class_weight="balanced", l2=0.01).fit(IRIS, BINARY)
    weighted = gd.GDClassifier(l2=0.01).fit(IRIS, BINARY, compute_sample_weight("balanced", BINARY))
    np.testing.assert_array_equal(balanced.coef_, weighted.coef_)
    plain = gd.GDClassifier(l2=0.01).fit(IRIS, BINARY)
    assert (balanced.predict(IRIS) == "yes").sum() > (plain.predict(IRIS) == "yes").sum()


# --- how they go there --------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 1, 7])
def test_the_updates_written_out(batch_size):
    reg = gd.GDRegressor(
        learning_rate=0.02,
        batch_size=batch_size,
        random_state=5,
        max_iter=3,
        tol=0,
        n_iter_no_change=np.inf,
        l2=0.1,
        standardize=False,
    )
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        reg.fit(X, Y[:, 0], W)
    rng, order, w, b, curve = np.random.RandomState(5), np.arange(80), np.zeros(3), 0.0, []
    for _ in range(3):
        size = batch_size or 80
        if batch_size:
            order = order[rng.permutation(80)]
        total = 0.0
        for start in range(0, 80, size):
            rows = order[start : start + size]
            share = W[rows] / W[rows].sum()
            error = X[rows] @ w + b - Y[rows, 0]
            total += len(rows) * (share @ error**2 / 2 + 0.05 * w @ w)
            w, b = w - 0.02 * (X[rows].T @ (share * error) + 0.1 * w), b - 0.02 * (share @ error)
        curve.append(total / 80)
    np.testing.assert_allclose(reg.coef_, w, rtol=1e-10)
    np.testing.assert_allclose(reg.intercept_, b, rtol=1e-10)
    np.testing.assert_allclose(reg.loss_curve_, curve, rtol=1e-10)
    assert (reg.n_iter_, reg.t_) == (3, 3 * -(-80 // size))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_automatic_rate_never_diverges():
    for scale in (1e-6, 1.0, 1e6):
        for batch_size in (None, 1, 16):
            for optimizer in ("sgd", "momentum", "nag"):
                reg = gd.GDRegressor(
                    optimizer=optimizer,
                    batch_size=batch_size,
                    random_state=0,
                    max_iter=200,
                    tol=0.0,
                    standardize=False,
                )
                reg.fit(X * scale, Y)
                assert reg.loss_curve_[-1] < 0.5 * (Y**2).sum(axis=1).mean()
    one = gd.GDRegressor(max_iter=1, tol=1.0, standardize=False).fit(X, Y[:, 0])
    design = np.c_[X, np.ones(80)]
    curvatures = np.linalg.eigvalsh(design.T @ design / 80)
    assert one._optimizer.lr == pytest.approx(gd.theory.steady_rate(curvatures[0], curvatures[-1]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_by_name_and_as_an_object(name):
    for intercept in (True, False):
        options = {
            "batch_size": 20,
            "random_state": 0,
            "max_iter": 5,
            "tol": 0,
            "fit_intercept": intercept,
        }
        named = gd.GDClassifier(optimizer=name, learning_rate=0.01, **options).fit(IRIS, KINDS)
        optimizer = OPTIMIZERS[name](lr=0.01)
        other = gd.GDClassifier(optimizer=optimizer, **options).fit(IRIS, KINDS)
        assert optimizer.t == 0
        assert named.loss_curve_ == other.loss_curve_
        assert named.loss_curve_[-1] < named.loss_curve_[0]
        assert named.intercept_.any() == intercept
    gd.GDClassifier(optimizer=name, **options).fit(IRIS, KINDS)  # its own rate


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_schedules():
    lr = gd.schedules.warmup_cosine(peak=0.1, warmup=5, total=100)
    by_rate = gd.GDRegressor(learning_rate=lr, max_iter=10).fit(X, Y)
    by_object = gd.GDRegressor(optimizer=gd.SGD(lr=lr), max_iter=10).fit(X, Y)
    np.testing.assert_array_equal(by_rate.coef_, by_object.coef_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_and_partial_fit():
    options = {"max_iter": 4, "tol": 0, "learning_rate": 0.01, "standardize": False}
    whole = gd.GDRegressor(**{**options, "max_iter": 8}).fit(X, Y)
    twice = gd.GDRegressor(warm_start=True, **options).fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(whole.coef_, twice.coef_)
    assert len(twice.loss_curve_) == 8
    parts = gd.GDRegressor(optimizer="adam", learning_rate=0.01)
    for _ in range(8):
        parts.partial_fit(X, Y)
    adam = gd.GDRegressor(optimizer="adam", **{**options, "max_iter": 8}).fit(X, Y)
    np.testing.assert_array_equal(parts.coef_, adam.coef_)
    assert parts.t_ == 8
    in_order = {"batch_size": 10, "shuffle": False, "learning_rate": 0.1, "standardize": False}
    clf = gd.GDClassifier(**in_order)
    clf.partial_fit(IRIS[:20], KINDS[:20], classes=[0, 1, 2])
    for start in range(20, 150, 10):
        clf.partial_fit(IRIS[start : start + 10], KINDS[start : start + 10])
    once = gd.GDClassifier(**in_order, max_iter=1).fit(IRIS, KINDS)
    np.testing.assert_allclose(clf.coef_, once.coef_, rtol=1e-12)


def test_dtypes_and_forms_of_data():
    single = gd.GDRegressor().fit(X.astype("f4"), Y)
    assert single.coef_.dtype == single.predict(X.astype("f4")).dtype == np.float32
    assert gd.GDRegressor(dtype="float32").fit(X, Y).coef_.dtype == np.float32
    want = gd.GDRegressor().fit(X, Y)
    for other in (np.asfortranarray(X), X.tolist(), sparse.csr_array(X), sparse.csc_matrix(X)):
        ours = gd.GDRegressor().fit(other, Y)
        np.testing.assert_array_equal(ours.coef_, want.coef_)
        np.testing.assert_allclose(ours.predict(other), want.predict(X), rtol=1e-14)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_callbacks():
    pytest.importorskip("sklearn.callback")
    seen = []
    reg = (
        gd.GDRegressor()
        .set_callbacks(lambda e: seen.append(e.score(X, Y)) or len(seen) == 4)
        .fit(X, Y)
    )
    assert reg.n_iter_ == len(seen) == 4
    assert seen == sorted(seen)
    assert seen[-1] == reg.score(X, Y)


# --- in scikit-learn's company ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_in_pipelines_and_searches():
    clf = gd.GDClassifier(max_iter=50)
    assert (
        make_pipeline(StandardScaler(), clf).fit(IRIS * 100, KINDS).score(IRIS * 100, KINDS) > 0.85
    )
    assert cross_val_score(clf, IRIS, KINDS, cv=3).min() > 0.7
    search = GridSearchCV(clf, {"optimizer": ["sgd", gd.Adam(lr=0.1)], "l2": [0.0, 0.1]}, cv=2).fit(
        IRIS, KINDS
    )
    assert search.best_score_ > 0.8
    RandomizedSearchCV(
        gd.GDRegressor(max_iter=20), {"l2": [0, 0.1, 1]}, n_iter=2, cv=2, random_state=0
    ).fit(X, Y)


def test_copies():
    reg = gd.GDRegressor(optimizer="adam", learning_rate=0.05, tol=1e-3).fit(X, Y)
    for other in (pickle.loads(pickle.dumps(reg)), copy.deepcopy(reg)):
        np.testing.assert_array_equal(other.predict(X), reg.predict(X))
        np.testing.assert_array_equal(
            other.partial_fit(X, Y).coef_, copy.deepcopy(reg).partial_fit(X, Y).coef_
        )
    assert not hasattr(clone(reg), "coef_")
    reg.coef_ = np.zeros((2, 3))
    reg.intercept_[:] = 7.0
    np.testing.assert_array_equal(reg.predict(X), np.full((80, 2), 7.0))


# --- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimizer": "newton"}, {"optimizer": None}, {"learning_rate": 0.0}, {"learning_rate": "fast"},
        {"learning_rate": None}, {"batch_size": 0}, {"batch_size": 2.0}, {"l1": -1}, {"l2": np.inf},
        {"fit_intercept": 1}, {"max_iter": 0}, {"tol": -1}, {"n_iter_no_change": 0}, {"dtype": int},
        {"n_threads": -1}, {"loss": "hinge"}, {"huber_delta": 0.0},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_parameter_is_named(wrong):
    (name,) = wrong
    for error in (ValueError, TypeError):
        with pytest.raises(error, match=name):
            gd.GDRegressor(**wrong).fit(X, Y)


def test_wrong_data():
    with pytest.raises(ValueError, match="only one class"):
        gd.GDClassifier().fit(X, np.ones(80))
    with pytest.raises(ValueError, match="label type"):
        gd.GDClassifier().fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="classes"):
        gd.GDClassifier().partial_fit(IRIS, KINDS)
    with pytest.raises(ValueError, match="balanced"):
        gd.GDClassifier(class_weight="balanced").partial_fit(IRIS, KINDS, classes=[0, 1, 2])
    with pytest.raises(TypeError, match="class_weight"):
        gd.GDClassifier(class_weight=3).fit(IRIS, KINDS)
    with pytest.raises(ValueError, match="negative"):
        gd.GDRegressor("poisson").fit(X, Y)
    clf = gd.GDClassifier(l2=0.1, warm_start=True).fit(IRIS, KINDS)
    before = pickle.dumps(clf)
    with pytest.raises(ValueError, match="not among"):
        clf.partial_fit(IRIS, KINDS + 1)
    with pytest.raises(ValueError, match="not among"):
        clf.fit(IRIS, KINDS + 1)
    with pytest.raises(ValueError, match="features"):
        clf.fit(IRIS[:, :2], KINDS)
    assert pickle.dumps(clf) == before
    reg = gd.GDRegressor(warm_start=True, tol=0.1).fit(X, Y)
    with pytest.raises(ValueError, match="outputs"):
        reg.fit(X, Y[:, 0])


def test_a_diverged_fit_is_no_fit():
    reg = gd.GDRegressor(learning_rate=10.0)
    with pytest.raises(ValueError, match=r"SGD produced a non-finite .* learning rate 10"):
        reg.fit(X, Y)
    assert not vars(reg).keys() - reg.get_params().keys()
    reg.set_params(learning_rate="auto").fit(X, Y)
    before = reg.predict(X)
    with pytest.raises(ValueError, match="non-finite"):
        reg.set_params(learning_rate=10.0).fit(X, Y)
    np.testing.assert_array_equal(reg.predict(X), before)


def test_an_optimizer_that_moves_what_has_no_rate():
    rule = gd.Optimizer.from_rule(
        lambda p, g, lr, size: (p - size * np.sign(g),),
        coefficients=lambda t, lr, size: (lr, size),
        defaults={"lr": 0.1, "size": 0.01},
    )
    with pytest.raises(ValueError, match="fit_intercept"):
        gd.GDRegressor(optimizer=rule(), fit_intercept=False, tol=0.5).fit(X, Y)
    grouped = gd.SGD(lr=0.1, groups={1: {"lr": 0.2}})
    with pytest.raises(ValueError, match="group"):
        gd.GDRegressor(optimizer=grouped, fit_intercept=False).fit(X, Y)


# --- rows that come one by one --------------------------------------------------------------------------


@pytest.mark.parametrize("make", [gd.GDRegressor, gd.GDClassifier])
def test_plain_parts_are_fitted_as_checked_ones_are(make):
    """Lists go through scikit-learn's checks, arrays of floats need not."""
    first = {"classes": [0, 1]} if make is gd.GDClassifier else {}
    y = (X[:, 0] > 0).astype(int)
    plain, listed = (
        make(batch_size=1, shuffle=False).partial_fit(X[:9], y[:9], **first) for _ in "ab"
    )
    for k in range(9, 60, 3):
        plain.partial_fit(X[k : k + 3], y[k : k + 3])
        listed.partial_fit(X[k : k + 3].tolist(), y[k : k + 3].tolist())
    np.testing.assert_array_equal(plain.coef_, listed.coef_)
    assert plain.loss_curve_ == listed.loss_curve_


def test_what_scikit_learn_refuses_is_refused_in_parts():
    reg = gd.GDRegressor().partial_fit(X[:9], Y[:9, 0])
    clf = gd.GDClassifier().partial_fit(X[:9], [0, 1, 0] * 3, classes=[0, 1])
    wrong = X[:3].copy()
    wrong[1, 1] = np.nan
    for model, y in ((reg, Y[:3, 0]), (clf, np.array([0, 1, 1]))):
        with pytest.raises(ValueError, match="NaN"):
            model.partial_fit(wrong, y)
        with pytest.raises(ValueError, match="features"):
            model.partial_fit(X[:3, :2], y)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            model.partial_fit(X[:3], y[:2])
    with pytest.raises(ValueError, match="NaN"):
        reg.partial_fit(X[:3], np.array([0.0, np.nan, 1.0]))
    with pytest.raises(ValueError, match=r"label .*7"):
        clf.partial_fit(X[:3], np.array([0, 7, 1]))
