"""``average=``: the model is the mean of the parameters after each update, as in scikit-learn's SGD estimators."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier, SGDRegressor

import fastgd as gd

RNG = np.random.default_rng(7)
X = RNG.normal(size=(300, 7))
Y = X @ RNG.normal(size=7) + 0.3 * RNG.normal(size=300) + 1
LABELS = (Y > 1).astype(int)
W = RNG.uniform(0.2, 2, 300)
PARTS = [slice(0, 120), slice(120, 121), slice(121, 250), slice(250, 300)]
PLAIN = {"batch_size": 1, "shuffle": False, "standardize": False, "learning_rate": 0.01, "tol": 0}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def _of_sklearn(kind, average, l2, **more):
    options = {
        "average": average,
        "shuffle": False,
        "learning_rate": "constant",
        "eta0": 0.01,
        "alpha": l2,
        "tol": None,
    }
    return kind(**options, **more, **({"loss": "log_loss"} if kind is SGDClassifier else {}))


def _same(ours, theirs):
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(
        ours.intercept_, np.reshape(theirs.intercept_, np.shape(ours.intercept_)), rtol=1e-11
    )


@pytest.fixture
def backend():
    yield gd.set_backend
    gd.set_backend(None)


# --- against scikit-learn ---------------------------------------------------------------------------


@pytest.mark.parametrize("l2", [0.0, 0.05])
@pytest.mark.parametrize("average", [True, 1, 200, 700, 10**6])
def test_fit_as_in_scikit_learn(average, l2):
    for ours, theirs, y in (
        (gd.GDRegressor, SGDRegressor, Y),
        (gd.GDClassifier, SGDClassifier, LABELS),
    ):
        wanted = _of_sklearn(theirs, average, l2, max_iter=3).fit(X, y)
        _same(ours(average=average, max_iter=3, l2=l2, **PLAIN).fit(X, y), wanted)


@pytest.mark.parametrize("average", [True, 130, 10**6])
def test_parts_as_in_scikit_learn(average):
    ours, theirs = (
        gd.GDRegressor(average=average, l2=0.01, **PLAIN),
        _of_sklearn(SGDRegressor, average, 0.01),
    )
    for part in PARTS:
        _same(ours.partial_fit(X[part], Y[part]), theirs.partial_fit(X[part], Y[part]))


@pytest.mark.parametrize("average", [True, 130])
def test_parts_of_classes_by_a_loop(average):
    """scikit-learn's classifier continues from another intercept after the first part."""
    ours = gd.GDClassifier(average=average, **PLAIN)
    p, points = np.zeros(8), []
    rows = np.c_[X, np.ones(300)]
    for part in PARTS:
        ours.partial_fit(X[part], LABELS[part], classes=[0, 1])
        for k in range(300)[part]:
            p = p - 0.01 * (1 / (1 + np.exp(-rows[k] @ p)) - LABELS[k]) * rows[k]
            if k + 1 >= average:
                points.append(p)
        wanted = np.mean(points, axis=0) if points else p
        np.testing.assert_allclose(np.append(ours.coef_, ours.intercept_), wanted, rtol=1e-11)


def test_parts_after_a_fit_go_on():
    ours, theirs = (
        gd.GDRegressor(average=True, max_iter=2, **PLAIN),
        _of_sklearn(SGDRegressor, True, 0.0, max_iter=2),
    )
    for one in (ours, theirs):
        one.fit(X[:200], Y[:200])
        one.partial_fit(X[200:], Y[200:])
    _same(ours, theirs)


def test_warm_start_begins_from_the_average():
    first = gd.GDRegressor(average=True, warm_start=True, max_iter=1, **PLAIN).fit(X, Y)
    coef, intercept = first.coef_.copy(), first.intercept_
    theirs = _of_sklearn(SGDRegressor, True, 0.0, max_iter=1).fit(
        X, Y, coef_init=coef, intercept_init=[intercept]
    )
    _same(first.fit(X, Y), theirs)


# --- written out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", [True, 25, 310])
@pytest.mark.parametrize("batch", [8, 300])
def test_mean_over_the_updates_of_batches(average, batch):
    """The updates themselves come from an estimator that is stopped after each of them."""
    options = {
        **PLAIN,
        "batch_size": batch,
        "optimizer": gd.Adam(lr=0.03),
        "learning_rate": "auto",
        "l2": 0.1,
    }
    averaged = gd.GDRegressor(average=average, **options)
    stepwise, points, seen = gd.GDRegressor(**options), [], 0
    for _ in range(3):
        averaged.partial_fit(X, Y, sample_weight=W)
        for k in range(0, len(X), batch):
            part = slice(k, k + batch)
            stepwise.partial_fit(X[part], Y[part], sample_weight=W[part])
            seen += len(X[part])
            if seen >= average:
                points.append(np.append(stepwise.coef_, stepwise.intercept_))
        wanted = (
            np.mean(points, axis=0) if points else np.append(stepwise.coef_, stepwise.intercept_)
        )
        np.testing.assert_allclose(
            np.append(averaged.coef_, averaged.intercept_), wanted, rtol=1e-12
        )


def test_standardized_columns():
    """An average in the coordinates of training is the average in the user's units."""
    scaled = X * [1, 10, 100, 0.1, 1, 1, 5] + 3
    options = {"batch_size": 20, "shuffle": False, "learning_rate": 0.05, "l2": 0.01, "tol": 0}
    seen = []
    last = gd.GDRegressor(max_iter=1, **options)
    for epochs in range(1, 4):
        last.set_params(max_iter=epochs)
        seen.append(
            gd.GDRegressor(average=300 * epochs, max_iter=epochs, **options).fit(scaled, Y).coef_
        )
        np.testing.assert_allclose(seen[-1], _last_of(options, scaled, epochs), rtol=1e-10)
    every = gd.GDRegressor(average=True, max_iter=3, **options).fit(scaled, Y)
    assert not np.allclose(every.coef_, seen[-1])


def _last_of(options, x, epochs):
    """The parameters after the last update: those of one epoch, continued."""
    one = gd.GDRegressor(average=True, max_iter=1, **options).fit(x, Y)
    for _ in range(epochs - 1):
        one.partial_fit(x, Y)
    coef, _ = one._scaling.back(one._averaging._last)
    return coef[0]


# --- the same bits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_backends_have_the_same_bits(backend, outputs, batch, dtype, optimizer):
    x, y = X[:150], (Y[:150, None] * np.arange(1, outputs + 1)).astype(dtype)
    y = y[:, 0] if outputs == 1 else y
    model = gd.GDRegressor(
        optimizer=optimizer, batch_size=batch, l1=0.01, l2=0.02, average=40, max_iter=2, learning_rate=1e-3,
        standardize=False, random_state=1, dtype=dtype, tol=0,
    )  # fmt: skip
    found = []
    for name in ("numpy", "cython"):
        backend(name)
        one = clone(model).fit(x, y)
        one.partial_fit(x[:30], y[:30])
        found.append((one.coef_, one.intercept_))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_many_outputs(backend):
    """They are a network's, whose products on NumPy are those of its BLAS."""
    y, found = Y[:, None] * np.arange(1, 9), []
    for name in ("numpy", "cython"):
        backend(name)
        found.append(
            gd.GDRegressor(batch_size=5, average=40, max_iter=2, random_state=0).fit(X, y).coef_
        )
    np.testing.assert_allclose(*found, rtol=1e-10)


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_have_the_same_bits(backend, classes):
    y = np.arange(300) % classes
    found = []
    for name in ("numpy", "cython"):
        backend(name)
        found.append(
            gd.GDClassifier(batch_size=1, average=True, max_iter=1, random_state=0, tol=0)
            .fit(X, y)
            .coef_
        )
    np.testing.assert_array_equal(*found)


def test_threads_do_not_matter():
    many = np.tile(X, (40, 6))
    target = np.tile(Y, 40)
    found = [
        gd.GDRegressor(batch_size=6000, average=True, max_iter=3, n_threads=n, random_state=0)
        .fit(many, target)
        .coef_
        for n in (1, 2)
    ]
    np.testing.assert_array_equal(*found)


# --- what belongs to an estimator -------------------------------------------------------------------


@pytest.mark.parametrize("way", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_go_on(way):
    one = gd.GDRegressor(average=True, **PLAIN).partial_fit(X[:100], Y[:100])
    other = way(one)
    for each in (one, other):
        each.partial_fit(X[100:], Y[100:])
    np.testing.assert_array_equal(one.coef_, other.coef_)


def test_an_error_changes_nothing():
    one = gd.GDRegressor(average=True, **PLAIN).partial_fit(X[:100], Y[:100])
    other = copy.deepcopy(one)
    with pytest.raises(ValueError, match="NaN"):
        one.partial_fit(X[100:200] * np.nan, Y[100:200])
    for each in (one, other):
        each.partial_fit(X[200:], Y[200:])
    np.testing.assert_array_equal(one.coef_, other.coef_)


def test_callbacks_see_the_average():
    seen = []

    def keep(model):
        seen.append(model.coef_.copy())

    model = gd.GDRegressor(average=True, max_iter=3, **PLAIN)
    model.set_callbacks(keep)
    model.fit(X, Y)
    np.testing.assert_array_equal(seen[-1], model.coef_)
    np.testing.assert_array_equal(
        seen[0], gd.GDRegressor(average=True, max_iter=1, **PLAIN).fit(X, Y).coef_
    )


def test_averaging_calms_single_rows():
    """Near the minimum the average is nearer than the last parameters, which swing."""
    best = np.linalg.lstsq(np.c_[X, np.ones(300)], Y, rcond=None)[0][:-1]
    options = {**PLAIN, "learning_rate": 0.05, "shuffle": True, "random_state": 0, "max_iter": 30}
    averaged = gd.GDRegressor(average=300, **options).fit(X, Y)
    assert averaged.dual_gap_ < gd.GDRegressor(**options).fit(X, Y).dual_gap_ / 3
    assert np.abs(averaged.coef_ - best).max() < 0.02


@pytest.mark.parametrize("value", [-1, 1.5, "yes", None])
def test_bad_values(value):
    with pytest.raises((TypeError, ValueError), match="average"):
        gd.GDRegressor(average=value).fit(X, Y)
