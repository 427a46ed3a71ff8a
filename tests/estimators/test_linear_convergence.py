"""When fits of linear models end: near the optimum, or with a warning that says what to do; there is no third way."""

import re
import warnings
from functools import partial

import numpy as np
import pytest
from estimators.random_problems import random_problem
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)

import fastgd as gd
from fastgd.estimators.arguments import OPTIMIZERS
from fastgd.estimators.design import Design
from fastgd.estimators.secant import SecantRate

ADVICE = r"set l2|raise max_iter|lower learning_rate|standardize=True|set it to 0"


def incomes(n=400):
    """Income and age of people, whose columns differ a thousandfold."""
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(5e4, 1.5e4, n), rng.normal(40, 10, n)]
    return X, 2e-4 * X[:, 0] - 0.1 * X[:, 1] + rng.normal(size=n)


def fitted(model, X, y, **fit):
    """The fitted model, and the messages of its warnings of convergence."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, **fit)
    assert all(issubclass(w.category, ConvergenceWarning) for w in caught), caught
    return model, [str(w.message) for w in caught]


# --- swings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["momentum", "nag", "sgd"])
@pytest.mark.parametrize("standardize", [True, False])
def test_a_swing_is_not_the_end(optimizer, standardize):
    x = np.random.default_rng(0).uniform(0, 1, (40, 1))
    y = 22 * x[:, 0] + 115
    model = gd.GDRegressor(optimizer=optimizer, standardize=standardize).fit(x, y)
    assert model.score(x, y) > 1 - 1e-6


def test_small_tolerances_are_met():
    X, y = load_diabetes(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    for standardize in (True, False):
        model = gd.GDRegressor(
            optimizer="nag", l2=10 / 442, tol=1e-14, max_iter=20_000, standardize=standardize
        ).fit(X, y)
        np.testing.assert_allclose(model.coef_, Ridge(alpha=10).fit(X, y).coef_, atol=1e-4)


@pytest.mark.parametrize("batch_size", [None, 16])
def test_the_best_parameters_are_kept(batch_size):
    """A rate that rises far beyond the stable range near the end."""
    X, y = incomes()
    last = 100 * (1 if batch_size is None else 25)

    def rate(t):
        return 0.05 if t < last else 3.0

    model = gd.GDRegressor(
        learning_rate=rate,
        max_iter=110,
        tol=0,
        n_iter_no_change=np.inf,
        batch_size=batch_size,
        random_state=0,
    )
    model, (message,) = fitted(model, X, y)
    assert re.search(ADVICE, message)
    assert model.loss_curve_[-1] > 1.1 * min(model.loss_curve_)
    loss = 0.5 * np.mean((model.predict(X) - y) ** 2)
    best = 0.5 * np.mean((LinearRegression().fit(X, y).predict(X) - y) ** 2)
    assert loss - best <= 1.001 * model.dual_gap_ + 1e-12
    assert loss < 1.02 * best


# --- what the gap is ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("l1", [0.0, 0.05])
@pytest.mark.parametrize("l2", [0.0, 0.02])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error", "poisson", None])
def test_the_gap_bounds_what_is_left(loss, l2, l1, standardize):
    """After few epochs and many, it is at least the distance to the best that is known."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 4)) * [1, 0.5, 2, 1] + 1
    y = np.abs(X @ [1, 0, -0.5, 0.2] + rng.standard_t(3, size=60))
    weights = rng.uniform(0.2, 2, 60)
    if loss is None:
        make, y = gd.GDClassifier, (y > np.median(y)).astype(int)
    else:
        make = gd.GDRegressor
    options = {
        "l1": l1,
        "l2": l2,
        "standardize": standardize,
        **({} if loss is None else {"loss": loss}),
    }

    def objective(model):
        z = X @ np.ravel(model.coef_) + float(np.ravel(model.intercept_)[0])
        size = np.abs(z - y)
        rows = {
            "squared_error": size**2 / 2,
            "huber": np.minimum(size, 1) * (size - np.minimum(size, 1) / 2),
            "absolute_error": size,
            "poisson": np.exp(z) - y * z + y * np.log(np.maximum(y, 1e-300)) - y,
            None: np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - y * z,
        }[loss]
        w = np.ravel(model.coef_)
        return rows @ weights / weights.sum() + l1 * np.abs(w).sum() + l2 / 2 * w @ w

    best = make(optimizer="nag", max_iter=1000, tol=1e-12, **options).fit(X, y, weights)
    lowest = objective(best) - (best.dual_gap_ if np.isfinite(best.dual_gap_) else 0)
    for epochs in (2, 20, 200):
        model = make(max_iter=epochs, tol=1e-12, **options).fit(X, y, weights)
        left = objective(model) - objective(best)
        assert left <= model.dual_gap_ + 1e-10
        assert lowest <= objective(model) + 1e-10
    assert best.dual_gap_ < (1e-6 if loss in ("squared_error", "huber") else 1e-3) * objective(best)


def test_without_a_proof_patience_does_not_end_a_fit():
    """As the docstring of `n_iter_no_change` says."""
    X, y = load_diabetes(return_X_y=True)
    noisy = gd.GDRegressor(
        learning_rate=0.3, batch_size=2, n_iter_no_change=1, max_iter=30, random_state=0
    )
    model, messages = fitted(noisy, X, y)
    assert model.n_iter_ == 30
    assert messages


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_many_rows_are_proved_by_their_gram_matrix(monkeypatch):
    """Which is fast; only where its rounding would matter the rows are decomposed."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 60))
    X[:, 7] = 0.0
    y = X @ rng.normal(size=60) + 5 * rng.normal(size=4000)
    slow, qr = [], np.linalg.qr
    monkeypatch.setattr(np.linalg, "qr", lambda *a, **k: slow.append(1) or qr(*a, **k))
    gd.GDClassifier(max_iter=3).fit(X, y > 0)
    model = gd.GDRegressor(max_iter=3).fit(X, y)
    assert not slow
    errors = [m.predict(X) - y for m in (model, LinearRegression().fit(X, y))]
    left = 0.5 * np.mean(errors[0] ** 2) - 0.5 * np.mean(errors[1] ** 2)
    assert model.dual_gap_ == pytest.approx(left, rel=1e-8)
    X[:, 7] = X[:, 8] + 1e-6 * rng.normal(size=4000)
    gd.GDRegressor(max_iter=3).fit(X, y)
    assert slow


def softmax_objective(model, X, y):
    """Cross-entropy and the l2 penalty."""
    z = X @ model.coef_.T + model.intercept_
    rows = np.log(np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1)) + z.max(axis=1)
    return float((rows - z[np.arange(len(y)), y]).mean() + model.l2 / 2 * (model.coef_**2).sum())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("standardize", [True, False])
def test_the_gap_of_many_unknowns_is_a_bound(standardize):
    """Of 2,000, found by conjugate gradients: with a penalty, and of more columns than rows without one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 199)) * rng.uniform(0.3, 1, 199)
    y = (X @ rng.normal(size=(199, 10)) + 5 * rng.gumbel(size=(300, 10))).argmax(axis=1)
    options = {"optimizer": "nag", "l2": 0.1, "standardize": standardize}
    best = fitted(gd.GDClassifier(max_iter=3000, tol=1e-12, **options), X, y)[0]
    lowest = softmax_objective(best, X, y)
    assert best.dual_gap_ < 1e-9 * lowest
    for epochs in (3, 30, 60, 200):
        model = fitted(gd.GDClassifier(max_iter=epochs, **options), X, y)[0]
        left = softmax_objective(model, X, y) - lowest
        assert left <= model.dual_gap_ + 1e-12
        assert epochs < 60 or model.dual_gap_ < 2 * left + 2e-6 * lowest
    wide = rng.normal(size=(50, 2000))
    z = wide[:, 0] + rng.normal(size=50)
    model, messages = fitted(gd.GDRegressor(standardize=standardize), wide, z)
    assert not messages
    assert 0.5 * np.mean((model.predict(wide) - z) ** 2) <= 1.001 * model.dual_gap_ + 1e-9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("data", ["few rows", "many columns", "classes", "kinks", "batches"])
def test_proofs_take_a_small_share_of_the_work(data, monkeypatch):
    """Counted in passes over the rows: of the design by a proof, and of the network by an epoch."""
    rng = np.random.default_rng(0)
    n, d = {"few rows": (300, 4), "many columns": (2000, 120)}.get(data, (3000, 30))
    X = rng.normal(size=(n, d)) @ (np.eye(d) + rng.normal(size=(d, d)))
    y = X @ rng.normal(size=d) + 3 * rng.standard_t(3, size=n)
    make = partial(gd.GDClassifier, max_iter=300)
    if data == "classes":
        y = np.digitize(y, np.quantile(y, np.linspace(0.1, 0.9, 9)))
    elif data == "kinks":
        make = partial(gd.GDRegressor, "absolute_error", max_iter=300)
    else:
        y = y > 0
    if data == "batches":
        make = partial(make, batch_size=50, random_state=0)
    passes = []
    for name in ("times", "mean", "gram", "sizes"):
        plain = getattr(Design, name)
        monkeypatch.setattr(
            Design, name, lambda *a, plain=plain, **k: passes.append(1) or plain(*a, **k)
        )
    model = make().fit(X, y)
    work = len(X) * (model.coef_.size + 20) * len(passes)
    epochs = model.n_iter_ * (2 * len(X) * (model.coef_.size + 20) + 1e5)
    assert work < 2 * 2e7 + 2 * 0.05 * epochs + 16 * len(X) * (model.coef_.size + 20)


@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
def test_the_gap_at_kinks_is_near_to_what_is_left(loss):
    X, y = load_diabetes(return_X_y=True)
    model = fitted(gd.GDRegressor(loss), X, y)[0]
    peer = QuantileRegressor(alpha=0, quantile=0.5).fit(X, y)
    size = np.abs(np.array([model.predict(X) - y, peer.predict(X) - y]))
    if loss == "huber":
        size = np.minimum(size, 1) * (size - np.minimum(size, 1) / 2)
    ours, theirs = size.mean(axis=1)
    assert ours - theirs <= model.dual_gap_ < 1.2e-3 * ours


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nag", "adam", "lion"])
@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
def test_kinks_are_come_to(loss, optimizer):
    """Absolute errors, and Huber's where delta is nothing beside the targets."""
    X, y = incomes()
    y = 1e4 * (y + np.random.default_rng(1).standard_t(2, size=len(y)))
    model = gd.GDRegressor(loss, optimizer=optimizer).fit(X, y)
    assert model.dual_gap_ <= 1e-3 * np.abs(model.predict(X) - y).mean()


def steady_rate_of(model, X, y):
    """The rate "auto" of the first update."""
    return fitted(clone(model).set_params(max_iter=1), X, y)[0]._optimizer.lr


def test_a_fit_that_comes_near_its_tolerance_does_not_warn():
    """A hundredfold; more than that it does, and where the tolerance is 0."""
    X, y = load_diabetes(return_X_y=True)
    rate = steady_rate_of(gd.GDRegressor(), X, y)
    model, messages = fitted(gd.GDRegressor(learning_rate=rate), X, y)
    assert model.n_iter_ == 1000
    assert not messages
    loss = 0.5 * np.mean((model.predict(X) - y) ** 2)
    assert 1e-6 * loss < model.dual_gap_ < 1e-4 * loss
    assert fitted(gd.GDRegressor(learning_rate=rate, max_iter=300), X, y)[1]
    assert fitted(gd.GDRegressor(learning_rate=rate, tol=0), X, y)[1]


# --- columns ------------------------------------------------------------------------------------------


def test_unscaled_columns():
    X, y = incomes()
    model = gd.GDRegressor().fit(X, y)
    peer = LinearRegression().fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-2)
    assert model.score(X, y) == pytest.approx(peer.score(X, y), abs=1e-5)
    kinds = y > np.median(y)
    clf = gd.GDClassifier().fit(X, kinds)
    assert clf.score(X, kinds) == pytest.approx(
        LogisticRegression(C=np.inf, solver="newton-cholesky").fit(X, kinds).score(X, kinds),
        abs=0.01,
    )
    counts = np.random.default_rng(1).poisson(np.exp((y - y.mean()) / y.std() / 2))
    ours = gd.GDRegressor("poisson").fit(X, counts)
    peer = PoissonRegressor(alpha=0, solver="newton-cholesky").fit(X, counts)
    np.testing.assert_allclose(ours.predict(X), peer.predict(X), rtol=1e-2)


def test_unscaled_columns_as_they_are_warn():
    X, y = incomes()
    message = r"ratio 1\.\de\+03 and the condition number is .*; set standardize=True"
    with pytest.warns(ConvergenceWarning, match=message):
        gd.GDRegressor(standardize=False).fit(X, y)
    rate = steady_rate_of(gd.GDRegressor(standardize=False), X, y)
    with pytest.warns(ConvergenceWarning, match="iterations by the closed form; set standardize"):
        gd.GDRegressor(standardize=False, learning_rate=rate).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="set standardize=True"):
        gd.GDClassifier(standardize=False).fit(X, y > np.median(y))


def test_the_iterations_that_the_warning_expects_are_enough():
    X, y = load_diabetes(return_X_y=True)
    rate = steady_rate_of(gd.GDRegressor(), X, y)
    model, (message,) = fitted(gd.GDRegressor(max_iter=50, learning_rate=rate), X, y)
    more = int(re.search(r"about (\d+) more", message)[1])
    model, messages = fitted(model.set_params(max_iter=50 + 2 * more), X, y)
    assert not messages
    assert 0.7 * more < model.n_iter_ - 50 < 1.2 * more


def test_units_change_nothing():
    """Of the columns, of their zeros, or of y: the same course, the same end."""
    X, y = load_diabetes(return_X_y=True)
    scales, zeros = 10.0 ** np.linspace(-6, 6, 10), np.linspace(-1e3, 1e3, 10)
    for options in ({}, {"loss": "huber", "huber_delta": 50.0}, {"optimizer": "adam"}):
        plain = gd.GDRegressor(**options, tol=1e-4).fit(X, y)
        changed = dict(options)
        if "huber_delta" in options:
            changed["huber_delta"] = 1e5 * options["huber_delta"]
        other = gd.GDRegressor(**changed, tol=1e-4).fit((X + zeros) * scales, 1e5 * y - 3e7)
        assert plain.n_iter_ == other.n_iter_
        np.testing.assert_allclose(other.coef_ * scales / 1e5, plain.coef_, rtol=1e-4)


def test_penalties_are_those_of_the_users_weights():
    X, y = load_diabetes(return_X_y=True)
    X = X * np.geomspace(0.1, 100, 10)
    peer = Ridge(alpha=0.01 * len(y), tol=1e-12).fit(X, y)
    ridge = gd.GDRegressor(l2=0.01, optimizer="nag", max_iter=5000, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(ridge.coef_, peer.coef_, rtol=1e-3)
    noisy = gd.GDRegressor(l2=0.01, batch_size=50, random_state=0, max_iter=300)
    np.testing.assert_allclose(fitted(noisy, X, y)[0].predict(X), peer.predict(X), atol=5)
    lasso = gd.GDRegressor(l1=1.0, optimizer="nag", max_iter=5000, tol=1e-8).fit(X, y)
    peer = Lasso(alpha=1.0, tol=1e-10, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(lasso.coef_, peer.coef_, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(lasso.coef_ == 0, peer.coef_ == 0)


@pytest.mark.parametrize("intercept", [True, False])
def test_columns_of_all_kinds(intercept):
    """Far from 0, constant, twice the same, tiny, huge."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(200, 3))
    X = np.c_[
        base, base[:, 1], np.full(200, 3.0), np.zeros(200), 1e-12 * base[:, 1], 1e120 * base[:, 2]
    ]
    y = base @ [1, -2, 0.5] + 3 + 0.1 * rng.normal(size=200)
    if intercept:
        X[:, 0] += 1e9
    model = gd.GDRegressor(fit_intercept=intercept).fit(X, y)
    used = base if intercept else X[:, [0, 1, 2, 4]]
    peer = LinearRegression(fit_intercept=intercept).fit(used, y)
    assert model.score(X, y) == pytest.approx(peer.score(used, y), abs=1e-5)
    assert not intercept or not model.coef_[4:6].any()
    weighted = gd.GDRegressor(fit_intercept=intercept).fit(X, y, np.repeat([0.0, 1.0], 100))
    half = gd.GDRegressor(fit_intercept=intercept).fit(X[100:], y[100:])
    np.testing.assert_allclose(weighted.predict(X[:, :]), half.predict(X), rtol=1e-5, atol=1e-5)


def test_numbers_too_large_are_refused():
    X = np.array([[1.7e308], [-1.7e308], [-1.7e308]])
    with pytest.raises(ValueError, match="X holds numbers"):
        gd.GDRegressor().fit(X, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="non-finite"):
        gd.GDRegressor(dtype="float32").fit([[1e-44], [2e-44], [0.0]], [1e20, 2e20, 3e20])


@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e160, 1e300])
def test_units_at_the_ends_of_float64(unit):
    """Where the loss is a number they make no difference, else y is refused."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    y = X @ [1.0, 2.0] + rng.normal(size=50)
    kinds = y + 2 * rng.normal(size=50) > 0
    for make, targets in ((gd.GDRegressor, y), (gd.GDClassifier, kinds)):
        plain, other = make().fit(X, targets), make().fit(unit * X, targets)
        np.testing.assert_allclose(other.coef_ * unit, plain.coef_, rtol=1e-2)
    plain = gd.GDRegressor("absolute_error").fit(X, y)
    other = gd.GDRegressor("absolute_error").fit(X, unit * y)
    np.testing.assert_allclose(other.coef_ / unit, plain.coef_, rtol=1e-2)
    for loss in ("squared_error", "huber"):
        with pytest.raises(ValueError, match=r"y has a spread of .* scale it"):
            gd.GDRegressor(loss).fit(X, unit * y)


def test_partial_fit_goes_on_in_the_coordinates_of_the_fit():
    X, y = incomes()
    model = gd.GDRegressor().fit(X, y)
    before = model.score(X, y)
    for _ in range(5):
        model.partial_fit(X[::2], y[::2])
    assert model.score(X, y) == pytest.approx(before, abs=1e-2)


def test_partial_fit_warns_once_of_unscaled_columns():
    X, y = incomes()
    for make, targets, first in (
        (gd.GDRegressor, y, {}),
        (gd.GDClassifier, y > 0, {"classes": [False, True]}),
    ):
        model = make()
        model.partial_fit(X[:5], targets[:5], **first)  # too few to tell
        with pytest.warns(ConvergenceWarning, match=r"ratio 1\.\de\+03, and partial_fit"):
            model.partial_fit(X[5:100], targets[5:100])
        model.partial_fit(X, targets)
        scaled = (X - X.mean(axis=0)) / X.std(axis=0)
        make().partial_fit(np.c_[scaled, np.full(len(X), 7.0)], targets, **first)
        fitted(make(), X, targets)[0].partial_fit(X, targets)


def test_a_warm_start_goes_on():
    X, y = load_diabetes(return_X_y=True)
    options = {"max_iter": 100, "tol": 0, "learning_rate": 0.1}
    once = fitted(gd.GDRegressor(**{**options, "max_iter": 200}), X, y)[0]
    twice = fitted(fitted(gd.GDRegressor(warm_start=True, **options), X, y)[0], X, y)[0]
    np.testing.assert_allclose(twice.coef_, once.coef_, rtol=1e-9)


# --- the reasons --------------------------------------------------------------------------------------


def test_the_warning_says_why():
    X, y = load_breast_cancer(return_X_y=True)
    assert "raise max_iter" in fitted(gd.GDClassifier(max_iter=50), X, y)[1][0]
    x = np.arange(6.0)[:, None]
    assert "a plane separates" in fitted(gd.GDClassifier(max_iter=10), x, x[:, 0] > 2)[1][0]
    X, y = load_diabetes(return_X_y=True)
    noisy = gd.GDRegressor(learning_rate=0.2, batch_size=4, max_iter=30, random_state=0)
    assert "raise batch_size" in fitted(noisy, X, y)[1][0]
    decayed = gd.GDRegressor(optimizer=gd.SGD(lr=0.1, weight_decay=0.1), max_iter=300)
    assert "weight_decay is not part" in fitted(decayed, X, y)[1][0]
    fast = gd.GDRegressor(learning_rate=0.55, max_iter=40)
    assert "the loss has grown; lower learning_rate" in fitted(fast, X, y)[1][0]
    doubled = np.c_[X[:, :3], X[:, 0] + 1e-4 * X[:, 4]]
    assert "collinear" in fitted(gd.GDRegressor(), doubled, X[:, 0] + 10 * X[:, 4])[1][0]


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", None])
@pytest.mark.parametrize("center", [0.0, 1e3, 1e7])
def test_what_float32_cannot_hold_warns(loss, center):
    """Far from 0 a rounded intercept alone moves the predictions by more than their noise."""
    rng = np.random.default_rng(0)
    X = (center + 2 * rng.normal(size=(400, 1))).astype(np.float32)
    y = 3 * (X[:, 0].astype(float) - center) + 0.25 * rng.normal(size=400)
    y = y if loss else y + 3 * rng.normal(size=400) > 0
    make = gd.GDClassifier if loss is None else partial(gd.GDRegressor, loss)
    model, messages = fitted(make(), X, y)
    assert model.coef_.dtype == np.float32
    if center < 1e7:
        assert not messages
    else:
        assert "float32 cannot hold the model" in messages[0]
        assert "dtype='float64'" in messages[0]
    centred = X.astype(float) - np.mean(X, axis=0, dtype=float)
    assert not fitted(make(), centred.astype(np.float32), y)[1]
    better, messages = fitted(make(dtype="float64"), X, y)
    assert not messages
    if loss == "squared_error":
        assert better.score(X, y) - 1e-4 < model.score(X, y) + (center == 1e7)
        left = 0.5 * np.mean((model.predict(X) - y) ** 2 - (better.predict(X) - y) ** 2)
        assert left <= 1.001 * model.dual_gap_ + 1e-6


def test_intercepts_make_good_how_weights_were_rounded():
    X = (1e5 + np.random.default_rng(0).normal(size=(400, 3))).astype(np.float32)
    y = X.astype(float) @ [3.1, 2.3, -1.7] - 3e5
    model = fitted(gd.GDRegressor(), X, y)[0]
    z = X.astype(float) @ model.coef_.astype(float) + float(model.intercept_)
    assert abs(np.mean(z - y)) <= abs(np.spacing(model.intercept_))


# --- batches ------------------------------------------------------------------------------------------


def test_rare_pixels_do_not_slow_batches_down():
    X, y = load_digits(return_X_y=True)
    model = fitted(gd.GDClassifier(batch_size=32, max_iter=50, random_state=0), X[:1300], y[:1300])
    rare = fitted(
        gd.GDClassifier(batch_size=32, max_iter=50, random_state=0, shuffle=False),
        X[:1300],
        y[:1300],
    )
    assert model[0].dual_gap_ < 0.5 * rare[0].dual_gap_
    assert model[0].loss_curve_[-1] < 0.5 * rare[0].loss_curve_[-1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_poisson_losses_in_batches_stay_below_their_start():
    problem = random_problem(123)
    model = gd.GDRegressor("poisson", batch_size=32, max_iter=50, random_state=0)
    curve = model.fit(problem.X, problem.y).loss_curve_
    assert max(curve) <= 1.01 * curve[0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nag"])
def test_batches_do_not_diverge(optimizer):
    """A rate for the mean batch is stable: a swing ends below the best constant."""
    for number in (*range(30), 54):
        problem = random_problem(number)
        if problem.loss in ("absolute_error", "poisson"):
            continue  # their rates have other rules
        classes = problem.loss in ("logistic", "softmax")
        options = {} if classes else {"loss": problem.loss}
        make = gd.GDClassifier if classes else gd.GDRegressor
        for batch_size in (2, 8):
            model = make(
                optimizer=optimizer,
                batch_size=batch_size,
                max_iter=20,
                random_state=0,
                tol=0,
                n_iter_no_change=np.inf,
                **options,
            ).fit(problem.X, problem.y)
            curve = np.array(model.loss_curve_)
            start = max(curve[0], problem.null)
            assert curve.max() <= 4 * start, problem.name
            assert curve[-5:].mean() <= 1.25 * start, problem.name


def test_the_advice_for_batches_helps():
    X, y = load_diabetes(return_X_y=True)
    model = gd.GDRegressor(learning_rate=0.1, batch_size=8, max_iter=60, random_state=0)
    model, (message,) = fitted(model, X, y)
    found = re.search(r"fastgd\.schedules\.cosine\(([\d.e-]+), (\d+)\)", message)
    schedule = gd.schedules.cosine(float(found[1]), int(found[2]))
    assert not fitted(clone(model).set_params(learning_rate=schedule), X, y)[1]
    short = gd.GDRegressor(learning_rate=1e-4, batch_size=8, max_iter=10, random_state=0)
    assert "the loss still falls; raise max_iter" in fitted(short, X, y)[1][0]


# --- no third way -------------------------------------------------------------------------------------


def outcome(number, optimizer):
    """A fit of a random problem with nothing but defaults: relative distance from the optimum, and the warning."""
    problem = random_problem(number)
    classes = problem.loss in ("logistic", "softmax")
    options = {} if classes else {"loss": problem.loss}
    model = (gd.GDClassifier if classes else gd.GDRegressor)(optimizer=optimizer, **options)
    model, messages = fitted(model, problem.X, problem.y)
    z = problem.X @ np.atleast_2d(model.coef_).T + model.intercept_
    return problem, problem.distance(z[:, 0] if z.shape[1] == 1 else z), messages


def check_no_third_way(number, optimizer):
    problem, distance, messages = outcome(number, optimizer)
    assert distance <= 1e-3 or messages, problem.name
    assert len(messages) <= 1
    assert all(re.search(ADVICE, message) for message in messages)


@pytest.mark.parametrize("place", range(len(OPTIMIZERS)))
def test_near_the_optimum_or_a_warning(place):
    """A sample of the grid below: each optimizer with six problems, each problem at most once."""
    for number in range(place, 84, len(OPTIMIZERS)):
        check_no_third_way(number, list(OPTIMIZERS)[place])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(200))
def test_near_the_optimum_or_a_warning_everywhere(number):
    for optimizer in OPTIMIZERS:
        check_no_third_way(number, optimizer)


# --- rates from secants -------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [gd.GDRegressor, gd.GDClassifier])
def test_secants_save_most_epochs_of_collinear_columns(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 6))
    X[:, 1] = X[:, 0] + 0.05 * rng.normal(size=500)
    z = X @ rng.normal(size=6) + rng.logistic(size=500)
    y = z if make is gd.GDRegressor else z > 0
    model, messages = fitted(make(), X, y)
    assert not messages
    steady = make(learning_rate=0.9 if make is gd.GDRegressor else 3.0)
    slow, _ = fitted(steady, X, y)
    assert model.n_iter_ < 0.2 * slow.n_iter_
    assert model.dual_gap_ <= 1e-6 * model.loss_curve_[-1]


def test_secants_go_back_where_the_objective_rises():
    """A loss that is flat far away and steep near its minimum: steps by its curvature far away lead nowhere."""
    rate, x, values = SecantRate(0.25), [np.array([30.0])], []
    for _ in range(60):
        values.append(float(np.sqrt(1 + 4 * x[0] ** 2)[0]))
        g = [4 * x[0] / values[-1]]
        x[0] = x[0] - rate.next(values[-1], x, g) * g[0]
    assert min(values) < 1 + 1e-6
    assert all(v <= max(values[max(0, k - 11) : k]) for k, v in enumerate(values) if k > 12)


def test_least_squares_without_the_rows():
    """The same fit as with them, and one that is exact where the loss is too small for products."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5)) * [1, 10, 0.1, 3, 1] + 5
    for noise in (1.0, 0.0):
        y = X @ rng.normal(size=5) + 100 + noise * rng.normal(size=300)
        model, messages = fitted(gd.GDRegressor(tol=1e-9), X, y)
        assert not messages
        exact = LinearRegression().fit(X, y)
        np.testing.assert_allclose(model.predict(X), exact.predict(X), rtol=1e-4 if noise else 1e-3)
        left = np.mean((model.predict(X) - y) ** 2) - np.mean((exact.predict(X) - y) ** 2)
        assert 0.5 * left <= model.dual_gap_ + 1e-12
