"""Losses of linear models only, each written once, as those of networks are (`fastgd.rules.losses`).

The first three are of classes, whose targets are 0 and 1: the margin of a row is the output, with its sign changed for
class 0, and they count how far it stays below 1.
"""

import numpy as np


def hinge(z, y):
    """Of support vector machines: Cortes & Vapnik (1995)."""
    sign = (y + y) - 1.0
    short = 1.0 - sign * z
    return np.maximum(short, 0.0), np.where(short >= 0.0, -sign, 0.0)


def squared_hinge(z, y):
    """Lee & Mangasarian (2001)."""
    sign = (y + y) - 1.0
    short = np.maximum(1.0 - sign * z, 0.0)
    return short * short, -(sign * (short + short))


def modified_huber(z, y):
    """Zhang (2004): the square up to margins of -1, then a line of the same slope."""
    sign = (y + y) - 1.0
    short = np.maximum(1.0 - sign * z, 0.0)
    inner = np.minimum(short, 2.0)
    return inner * ((short + short) - inner), -(sign * (inner + inner))


def epsilon_insensitive(z, y, epsilon):
    """Vapnik (1995): the absolute error beyond `epsilon`."""
    error = z - y
    beyond = np.abs(error) - epsilon
    return np.maximum(beyond, 0.0), np.where(beyond > 0.0, np.sign(error), 0.0)


def squared_epsilon_insensitive(z, y, epsilon):
    """Its square: Vapnik (1995)."""
    error = z - y
    beyond = np.maximum(np.abs(error) - epsilon, 0.0)
    return beyond * beyond, np.sign(error) * (beyond + beyond)


def quantile(z, y, level):
    """Koenker & Bassett (1978): least where a share `level` of the targets lies below the output."""
    error = z - y
    above = 1.0 - level
    slope = np.where(error > 0.0, above, np.where(error < 0.0, -level, 0.0))
    return np.maximum(above * error, -(level * error)), slope
