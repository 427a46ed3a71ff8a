"""Activations of a network's hidden layers, each written once: value and slope of one number.

An activation takes ``(z, ...)``, the unit's weighted input (and constants), and returns
``(value, slope)``: the unit's output and its derivative, used in backpropagation. They are
straight-line arithmetic with the vocabulary of `fastgd.rules.elementary`, whose literals every
backend rounds to the dtype of `z`.
"""

import numpy as np


def identity(z):
    return z, 1.0


def relu(z):
    """Nair & Hinton (2010). The slope at 0 is 0."""
    return np.maximum(z, 0.0), np.where(z > 0.0, 1.0, 0.0)


def leaky_relu(z, leak):
    """Maas, Hannun & Ng (2013)."""
    return np.where(z > 0.0, z, leak * z), np.where(z > 0.0, 1.0, leak)


def sigmoid(z):
    """1 / (1 + exp(-z)); exp is never taken of a positive number."""
    e = np.exp(-np.abs(z))
    half = 1.0 / (1.0 + e)
    value = np.where(z < 0.0, e * half, half)
    return value, value * (1.0 - value)


def tanh(z):
    value = np.tanh(z)
    return value, 1.0 - value * value


def gelu(z):
    """Hendrycks & Gimpel (2016): z times the normal distribution's share below z, without approximation."""
    below = 0.5 + 0.5 * np.erf(z * 0.7071067811865476)
    density = 0.3989422804014327 * np.exp(-0.5 * (z * z))
    return z * below, below + z * density


def softplus(z):
    """log(1 + exp(z)): Dugas et al. (2001)."""
    e = np.exp(-np.abs(z))
    half = 1.0 / (1.0 + e)
    return np.maximum(z, 0.0) + np.log1p(e), np.where(z < 0.0, e * half, half)
