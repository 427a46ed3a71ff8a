"""Data of the estimators' tests, and the mark of those that compare with what not every scikit-learn has."""

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_digits, make_multilabel_classification


def since(major, minor):
    """Skips a test that compares with a scikit-learn from this version on; ours is as 1.9."""
    found = tuple(map(int, sklearn.__version__.split(".")[:2]))
    return pytest.mark.skipif(
        found < (major, minor),
        reason=f"compares with scikit-learn {major}.{minor} or later, not {sklearn.__version__}",
    )


def digits():
    """Images of ten classes."""
    X, y = load_digits(return_X_y=True)
    return X[:240] / 16, y[:240]


def labels():
    """Rows with several labels."""
    X, Y = make_multilabel_classification(120, 12, n_classes=4, random_state=0)
    return (X - X.mean(axis=0)) / X.std(axis=0), Y


def numbers(outputs):
    """Rows with one to three numbers."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(130, 6))
    Y = np.c_[np.sin(X[:, 0]) + X[:, 1] ** 2, X[:, 2], X.sum(axis=1)]
    return X, Y[:, 0] if outputs == 1 else Y[:, :outputs]
