"""Data of the estimators' tests."""

import numpy as np
from sklearn.datasets import load_digits, make_multilabel_classification


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
