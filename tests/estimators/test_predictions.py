"""Predictions of the estimators: plain arrays take a short way, with all the checks of the long one."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import NotFittedError

import fastgd as gd

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = np.random.default_rng(0).normal(size=(150, 5))
LABELS = np.arange(150) % 3


def classifier(**options):
    return gd.MLPClassifier(12, max_iter=3, random_state=0, **options)


@pytest.fixture
def fitted():
    return classifier().fit(X, LABELS)


def test_kinds_of_input(fitted):
    wanted = fitted.predict_proba(X)
    wide = np.zeros((150, 10))
    wide[:, ::2] = X
    for rows in (X.tolist(), np.asfortranarray(X), wide[:, ::2], X.astype(">f8"), X.astype(object)):
        np.testing.assert_array_equal(fitted.predict_proba(rows), wanted)
    for k in (0, 70, 149):
        np.testing.assert_array_equal(fitted.predict_proba(X[k : k + 1]), wanted[k : k + 1])


def test_names_of_columns():
    frame = pd.DataFrame(X, columns=list("abcde"))
    named = classifier().fit(frame, LABELS)
    np.testing.assert_array_equal(
        named.predict_proba(frame), classifier().fit(X, LABELS).predict_proba(X)
    )
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        named.predict(X)


def test_refused(fitted):
    for value, message in ((np.nan, "Input X contains NaN"), (np.inf, "Input X contains infinity")):
        with pytest.raises(ValueError, match=message):
            fitted.predict_proba(np.where(np.arange(5) == 2, value, X))
    with pytest.raises(ValueError, match="X has 4 features"):
        fitted.predict_proba(X[:, :4])
    with pytest.raises(ValueError, match="0 sample"):
        fitted.predict_proba(X[:0])
    with pytest.raises(ValueError, match="Expected 2D array"):
        fitted.predict_proba(X[0])
    with pytest.raises(NotFittedError):
        classifier().predict_proba(X)


def test_assume_finite(fitted):
    rows = X[:3].copy()
    rows[1, 1] = np.nan
    with sklearn.config_context(assume_finite=True):
        p = fitted.predict_proba(rows)
    np.testing.assert_array_equal(p[::2], fitted.predict_proba(X[:3:2]))


def test_changes_after_fit(fitted):
    before = fitted.predict_proba(X)
    fitted.set_params(activation="tanh")
    changed = fitted.predict_proba(X)
    assert np.abs(changed - before).max() > 1e-3
    np.testing.assert_array_equal(fitted.set_params(activation="relu").predict_proba(X), before)
    fitted.coefs_[0][...] *= 2  # in place
    twice = fitted.predict_proba(X)
    assert np.abs(twice - before).max() > 1e-3
    fitted.coefs_ = [fitted.coefs_[0] / 2, fitted.coefs_[1]]  # replaced
    np.testing.assert_array_equal(fitted.predict_proba(X), before)
    fitted.n_threads = 2
    np.testing.assert_array_equal(fitted.predict_proba(X), before)


def test_precisions():
    single = classifier(dtype="float32").fit(X, LABELS)
    p = single.predict_proba(X)
    assert p.dtype == np.float32
    np.testing.assert_array_equal(single.predict_proba(X.astype("f4")), p)
    double = classifier().fit(X, LABELS)
    assert double.predict_proba(X.astype("f4")).dtype == np.float64


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_regressors(loss, outputs):
    y = np.exp(X[:, :outputs] / 2)
    model = gd.MLPRegressor(loss, 10, max_iter=3, random_state=0).fit(
        X, y if outputs > 1 else y[:, 0]
    )
    found = model.predict(X)
    assert found.shape == ((150, 3) if outputs > 1 else (150,))
    for k in (0, 149):
        np.testing.assert_array_equal(model.predict(X[k : k + 1]), found[k : k + 1])
    np.testing.assert_array_equal(model.predict(X.tolist()), found)
