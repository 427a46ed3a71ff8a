"""Losses of a network's outputs, each written once: value and slope for one output and its target.

A loss takes ``(z, y, ...)``, the output before its link, the target (and its constants), and
returns ``(value, slope)``; the slope is the derivative by z, link included. They are straight-line
arithmetic as activations are. Softmax with cross-entropy couples the outputs of a row: a network's
is in the loops over rows, a linear model's in `fastgd.rules.residuals`.
"""

import numpy as np


def mse(z, y):
    error = z - y
    return error * error, error + error


def half_squares(z, y):
    error = z - y
    return 0.5 * (error * error), error


def mae(z, y):
    error = z - y
    return np.abs(error), np.sign(error)


def huber(z, y, delta):
    """Huber (1964): half the square up to `delta`, then a line of the same slope."""
    error = z - y
    size = np.abs(error)
    inner = np.minimum(size, delta)
    return inner * (size - 0.5 * inner), np.minimum(np.maximum(error, -delta), delta)


def binary_cross_entropy(z, y):
    """Of the sigmoid of z: log(1 + exp(z)) - y z, without large exponentials."""
    e = np.exp(-np.abs(z))
    half = 1.0 / (1.0 + e)
    value = np.maximum(z, 0.0) - y * z + np.log1p(e)
    return value, np.where(z < 0.0, e * half, half) - y


def poisson(z, y):
    """Half the deviance of a count y whose mean is exp(z): exp(z) - y z + (y log y - y)."""
    mean = np.exp(z)
    own = np.where(y > 0.0, y * np.log(np.maximum(y, 1e-30)), 0.0)
    return (mean - y) + (own - y * z), mean - y
