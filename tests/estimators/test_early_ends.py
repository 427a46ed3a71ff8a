"""Fits of logistic regression end soon after they have come near enough, and large ones begin without eigenvalues."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

import fastgd as gd
from fastgd.engines.protocol.networks import Rows
from fastgd.estimators.design import Design


def drawn(rows, features, classes, seed=0):
    """Classes that overlap, by correlated inputs."""
    rng = np.random.default_rng(seed)
    mixed = np.eye(features) + 0.5 * rng.normal(size=(features, features)) / features**0.5
    X = rng.normal(size=(rows, features)) @ mixed
    z = X @ rng.normal(size=(features, classes)) / features**0.5
    return X, (z + rng.gumbel(size=z.shape)).argmax(axis=1)


@pytest.mark.parametrize(("rows", "features", "classes"), [(3000, 300, 2), (5000, 60, 5)])
def test_not_many_epochs_are_made_after_the_optimum(rows, features, classes):
    """Of problems whose curvature is too large to be decomposed: conjugate gradients are tried early."""
    X, y = drawn(rows, features, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = gd.GDClassifier().fit(X, y)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000, solver="newton-cg").fit(X, y)
    ours, theirs = (log_loss(y, m.predict_proba(X)) for m in (model, peer))
    assert -1e-9 < ours - theirs <= 1.01e-6 * ours
    assert ours - theirs <= model.dual_gap_ + 1e-9
    curve = np.array(model.loss_curve_)
    near = int(np.argmax(curve <= (1.0 + 1e-6) * theirs))
    assert model.n_iter_ <= 1.6 * near + 5


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_that_a_model_separates_end_at_a_loss_of_next_to_nothing(classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 500))
    y = rng.integers(0, classes, 200)
    model = gd.GDClassifier(max_iter=1000).fit(X, y)
    null = log_loss(y, np.broadcast_to(np.bincount(y) / len(y), (len(y), classes)))
    assert model.score(X, y) == 1
    assert model.loss_curve_[-1] <= 1e-6 * 0.01 * null < min(model.loss_curve_[:-1])
    assert model.dual_gap_ <= 1e-8 * null


def test_the_largest_curvature_needs_no_eigenvalues_of_large_matrices(monkeypatch):
    rng = np.random.default_rng(0)
    for shape in ((400, 900), (2000, 600)):
        x = rng.normal(size=shape) * rng.uniform(0.2, 1, shape[1])
        rows = Rows(x, x[:, 0])
        exact = Design(rows, True).curvature.largest
        with monkeypatch.context() as patch:
            patch.setattr(
                np.linalg, "eigvalsh", lambda *a: pytest.fail("all eigenvalues were computed")
            )
            found = Design(rows, True).steepest.largest
        assert exact <= found <= 1.021 * exact
    few = Design(Rows(x[:, :5], x[:, 0]), True)
    assert few.steepest is few.curvature  # where these are quicker
