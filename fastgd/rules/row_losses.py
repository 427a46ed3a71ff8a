"""Losses of one row of a linear model, by the kind of the model: twins of `fastgd.rules.residuals`.

A model with one output takes ``(z, y)`` and returns ``(loss,)``. One with several takes ``(k, z, y)`` as its residual
does, and leaves the loss in ``z[0]``. They are stable for outputs of any size.
"""

import numpy as np


def rows(z, y):
    """Half the square."""
    error = z - y
    return (0.5 * (error * error),)


def logistic(z, y):
    """log(1 + exp(wrong)): how far the log-odds lie on the wrong side, of a target that is 0 or 1."""
    wrong = (1.0 - (y + y)) * z
    return (np.maximum(wrong, 0.0) + np.log1p(np.exp(-np.abs(wrong))),)


def softmax(k, z, y):
    """log(sum(exp(z))) less the row's own output, without large exponentials."""
    peak = z[0]
    own = z[0]
    for c in range(1, k):
        peak = np.maximum(z[c], peak)
        own = np.where(y[c] > 0.0, z[c], own)
    total = np.exp(z[0] - peak)
    for c in range(1, k):
        total = total + np.exp(z[c] - peak)
    z[0] = np.log(total) + (peak - own)
