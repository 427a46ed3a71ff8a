"""The losses of linear models that networks do not have: scikit-learn's values and slopes, and the optimum."""

import numpy as np
import pytest
from scipy.optimize import linprog
from sklearn.datasets import load_diabetes, load_iris, make_classification
from sklearn.linear_model import QuantileRegressor, SGDClassifier, SGDRegressor, _sgd_fast
from sklearn.svm import LinearSVC, LinearSVR

import fastgd as gd
from fastgd.engines.config import get_backend
from fastgd.engines.protocol.networks import LINEAR_LOSSES
from fastgd.estimators.conjugates import conjugate_of

OF_CLASSES = ("hinge", "squared_hinge", "modified_huber")
OF_NUMBERS = ("epsilon_insensitive", "squared_epsilon_insensitive", "quantile")
CONSTANT = 0.3
Z = np.concatenate([np.linspace(-4, 4, 801), [-1.0, 1.0, 0.0, 0.3, -0.3]])


def peer(loss):
    """scikit-learn's loss, of (output, target)."""
    made = {
        "hinge": lambda: _sgd_fast.Hinge(1.0),
        "squared_hinge": lambda: _sgd_fast.SquaredHinge(1.0),
        "modified_huber": _sgd_fast.ModifiedHuber,
        "epsilon_insensitive": lambda: _sgd_fast.EpsilonInsensitive(CONSTANT),
        "squared_epsilon_insensitive": lambda: _sgd_fast.SquaredEpsilonInsensitive(CONSTANT),
    }[loss]()
    name = "py_loss" if hasattr(made, "py_loss") else "loss"
    return lambda z, y: (getattr(made, name)(z, y), made.py_dloss(z, y))


@pytest.mark.parametrize("loss", [name for name in LINEAR_LOSSES if name != "quantile"])
def test_values_and_slopes_are_those_of_scikit_learn(loss):
    constants = (CONSTANT,) if loss in OF_NUMBERS else ()
    for target in (0.0, 1.0):
        y = 2 * target - 1 if loss in OF_CLASSES else target
        wanted = np.array([peer(loss)(float(z), y) for z in Z])
        value, slope = LINEAR_LOSSES[loss](Z, np.full_like(Z, target), *constants)
        np.testing.assert_allclose(value, wanted[:, 0], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(slope, wanted[:, 1], rtol=1e-12, atol=1e-12)


def test_the_loss_of_quantiles():
    """Its mean slope is 0 where a share of the targets lies below."""
    y = np.random.default_rng(0).normal(size=1000)
    for level in (0.1, 0.5, 0.9):
        value, slope = LINEAR_LOSSES["quantile"](np.quantile(y, level), y, level)
        assert abs(slope.mean()) < 1e-3
        assert all(value.mean() <= LINEAR_LOSSES["quantile"](z, y, level)[0].mean() for z in Z)


@pytest.mark.parametrize("loss", LINEAR_LOSSES)
def test_conjugates(loss):
    """Fenchel and Young: never negative for slopes that the loss has, and 0 at its own."""
    rng = np.random.default_rng(0)
    known = conjugate_of(loss, CONSTANT)
    z = rng.normal(scale=2, size=(400, 1))
    y = rng.integers(0, 2, (400, 1)).astype(float)
    constants = (CONSTANT,) if loss in OF_NUMBERS else ()
    value, slope = LINEAR_LOSSES[loss](z, y, *constants)
    np.testing.assert_allclose(known.value(z, y), value, rtol=1e-12)
    np.testing.assert_allclose(known.excess(z, y, slope), 0, atol=1e-12)
    assert known.feasible_share(slope, y) == 1
    elsewhere = LINEAR_LOSSES[loss](rng.permutation(z), y, *constants)[1]
    at = np.linspace(-9, 9, 4001)
    tested, wanted = elsewhere[:40], y[:40]
    values = LINEAR_LOSSES[loss](at[None], wanted, *constants)[0]
    conjugate = (tested * at - values).max(axis=1, keepdims=True)
    found = known.excess(z[:40], wanted, tested)
    np.testing.assert_allclose(found, value[:40] + conjugate - tested * z[:40], atol=1e-2)


# --- fits -----------------------------------------------------------------------------------------------


def classes(many=2):
    return make_classification(400, 8, n_informative=5, n_classes=many, flip_y=0.1, random_state=0)


@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("loss", OF_CLASSES)
def test_a_classifier_comes_to_the_optimum_or_warns(loss, l2):
    X, y = classes()
    clf = gd.GDClassifier(loss=loss, l2=l2).fit(X, y)
    assert clf.dual_gap_ <= 1e-3 * min(clf.loss_curve_)
    if loss == "squared_hinge" and l2:
        svc = LinearSVC(C=1 / (2 * l2 * len(y)), intercept_scaling=1e3, tol=1e-8, max_iter=100_000)
        svc.fit(X, y)
        np.testing.assert_allclose(clf.coef_, svc.coef_, atol=0.02)
    assert clf.score(X, y) > 0.75


def test_hinge_is_least_where_a_linear_program_is():
    X, y = classes()
    n, k = X.shape
    signed = (2 * y - 1)[:, None] * np.c_[X, np.ones(n)]
    cost = np.r_[np.zeros(k + 1), np.full(n, 1 / n)]
    bounds = [(None, None)] * (k + 1) + [(0, None)] * n
    best = linprog(cost, A_ub=-np.c_[signed, np.eye(n)], b_ub=-np.ones(n), bounds=bounds).fun
    clf = gd.GDClassifier(loss="hinge").fit(X, y)
    found = np.maximum(0, 1 - (2 * y - 1) * clf.decision_function(X)).mean()
    assert best <= found + 1e-9
    assert found - best <= clf.dual_gap_ + 1e-9
    assert found <= 1.001 * best


@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
def test_quantiles_are_those_of_scikit_learn(level):
    X, y = load_diabetes(return_X_y=True)
    reg = gd.GDRegressor("quantile", quantile=level).fit(X, y)
    exact = QuantileRegressor(quantile=level, alpha=0).fit(X, y)

    def loss(model):
        return LINEAR_LOSSES["quantile"](model.predict(X), y, level)[0].mean()

    assert loss(exact) - 1e-9 <= loss(reg) <= 1.001 * loss(exact)
    assert loss(reg) - loss(exact) <= reg.dual_gap_ + 1e-9


@pytest.mark.parametrize("loss", ["epsilon_insensitive", "squared_epsilon_insensitive"])
@pytest.mark.parametrize("epsilon", [0.0, 30.0])
def test_insensitive_losses_come_to_the_optimum(loss, epsilon):
    X, y = load_diabetes(return_X_y=True)
    reg = gd.GDRegressor(loss, epsilon=epsilon, l2=1e-4).fit(X, y)
    assert reg.dual_gap_ <= 1.001e-3 * min(reg.loss_curve_)
    if loss == "squared_epsilon_insensitive" and not epsilon:
        squares = gd.GDRegressor(l2=5e-5).fit(X, y)
        np.testing.assert_allclose(reg.predict(X), squares.predict(X), rtol=1e-2)
    if loss == "squared_epsilon_insensitive" and epsilon:
        svr = LinearSVR(
            epsilon=epsilon, loss=loss, C=1 / (1e-4 * 2 * len(y)) * 2, dual=False,
            intercept_scaling=1e4, tol=1e-10, max_iter=100_000,
        )  # fmt: skip
        svr.fit(X, y)
        np.testing.assert_allclose(reg.predict(X), svr.predict(X), rtol=0.02)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", OF_CLASSES)
def test_several_classes_are_told_from_all_others(loss):
    X, y = load_iris(return_X_y=True)
    clf = gd.GDClassifier(loss=loss, l2=0.01).fit(X, y)
    assert clf.coef_.shape == (3, 4)
    assert clf.score(X, y) > 0.9
    for k in range(3):
        one = gd.GDClassifier(loss=loss, l2=0.01).fit(X, y == k)
        np.testing.assert_allclose(
            clf.decision_function(X)[:, k], one.decision_function(X), atol=0.1
        )
    labels = np.array(["a", "b", "c", "d", "e", "f", "g"])[
        np.arange(len(X)) % 7
    ]  # more than five outputs
    assert gd.GDClassifier(loss=loss, max_iter=30, tol=1.0).fit(X, labels).coef_.shape == (7, 4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_in_batches_of_one_row():
    X, y = classes()
    sklearn = SGDClassifier(loss="hinge", alpha=0.001, random_state=0).fit(X, y).score(X, y)
    ours = gd.GDClassifier(loss="hinge", l2=0.001, batch_size=1, max_iter=50, random_state=0)
    assert ours.fit(X, y).score(X, y) > sklearn - 0.03
    target = X[:, 0] + 0.1 * y
    peer_score = SGDRegressor("epsilon_insensitive", random_state=0).fit(X, target).score(X, target)
    reg = gd.GDRegressor("epsilon_insensitive", batch_size=1, max_iter=50, random_state=0)
    assert reg.fit(X, target).score(X, target) > peer_score - 0.05


def test_probabilities():
    X, y = classes(3)
    clf = gd.GDClassifier(loss="modified_huber", l2=0.01).fit(X, y)
    like = SGDClassifier(loss="modified_huber").fit(X, y)
    like.coef_, like.intercept_ = clf.coef_, clf.intercept_
    np.testing.assert_allclose(clf.predict_proba(X), like.predict_proba(X), atol=1e-12)
    two = gd.GDClassifier(loss="modified_huber", l2=0.01).fit(X, y == 1)
    like = SGDClassifier(loss="modified_huber").fit(X, y == 1)
    like.coef_, like.intercept_ = two.coef_, two.intercept_
    np.testing.assert_allclose(two.predict_proba(X), like.predict_proba(X), atol=1e-12)
    for loss in ("hinge", "squared_hinge"):
        none = gd.GDClassifier(loss=loss)
        assert not hasattr(none, "predict_proba")
        assert not hasattr(none, "predict_log_proba")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_numpy_computes_the_same():
    X, y = classes()
    before = get_backend()
    for loss in OF_CLASSES:
        compiled = gd.GDClassifier(loss=loss, l2=0.01, max_iter=30, tol=0.01).fit(X, y)
        gd.set_backend("numpy")
        try:
            plain = gd.GDClassifier(loss=loss, l2=0.01, max_iter=30, tol=0.01).fit(X, y)
        finally:
            gd.set_backend(before)
        np.testing.assert_array_equal(compiled.coef_, plain.coef_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinges"}, "loss"),
        ({"loss": "quantile", "quantile": 1.0}, "quantile"),
        ({"loss": "epsilon_insensitive", "epsilon": -0.1}, "epsilon"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        gd.GDRegressor(**options).fit(np.eye(3), np.arange(3.0))
