"""Scores in NumPy are those of scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from fastgd.cli.metrics import class_scores, regression_scores


@pytest.mark.parametrize("seed", range(20))
def test_classes(seed):
    rng = np.random.default_rng(seed)
    truth, guess = rng.integers(rng.integers(1, 6), size=(2, rng.integers(1, 40)))
    found = class_scores(truth, guess, 5)
    each = metrics.precision_recall_fscore_support(truth, guess, labels=range(5), zero_division=0)
    for mine, theirs in zip(
        (found.precision, found.recall, found.f1, found.support), each, strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, guess), rel=1e-14)
    macro = metrics.f1_score(truth, guess, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(macro, rel=1e-14)
    assert set(found.never_predicted) == set(truth) - set(guess)


def test_numbers():
    truth, guess = np.random.default_rng(0).normal(size=(2, 50))
    wanted = [
        f(truth, guess)
        for f in (metrics.mean_squared_error, metrics.mean_absolute_error, metrics.r2_score)
    ]
    np.testing.assert_allclose(regression_scores(truth, guess), wanted, rtol=1e-13)


def test_what_has_no_variance_has_no_r2():
    assert np.isnan(regression_scores(np.ones(3), np.zeros(3))[2])
    assert np.isnan(regression_scores(np.ones(1), np.ones(1))[2])


def test_a_row_of_no_known_class_is_wrong():
    found = class_scores(np.array([0, -1]), np.array([0, 1]), 2)
    assert found.accuracy == 0.5
    assert found.support.tolist() == [1, 0]
    assert found.precision.tolist() == [1, 0]
