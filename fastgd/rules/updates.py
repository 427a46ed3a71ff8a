"""Update rules, each written once: one scalar step per function.

A rule takes ``(p, g, *state, *coefficients)`` (parameter, gradient, optimizer state, numbers of this step) and
returns ``(p, *state)``. It is straight-line arithmetic on one dtype: no literals, no branches, no optional
arguments, and the functions of the vocabulary `np` as its only calls. Whatever depends on the step count or on a
flag is a coefficient (`fastgd.rules.coefficients`). NumPy calls a rule on whole arrays; Cython, Numba and CUDA
compile it, so that the same line of mathematics runs everywhere (`fastgd.engines.parse`).

A state variable is returned under its own name, which is how the compilers tell state from coefficients.
Coefficients that weigh a running average come in pairs: ``beta`` for the old value, ``gain`` for the new sample.
"""

import numpy as np


def prepare(p, g, sign, scale, clip, l2, l1, decay):
    """What optimizers share, before the rule: returns the ``(p, g)`` that the rule sees.

    Maximize, global-norm scale, clip by value, coupled penalties, decoupled weight decay, in that order.
    """
    g = scale * (sign * g)
    g = np.minimum(np.maximum(g, -clip), clip)
    g = g + l2 * p + l1 * np.sign(p)
    p = decay * p
    return p, g


def shrink(p, g, l2, decay, nought):
    """`prepare` where only weight decay is at work, bit for bit: l1 * sign(p) is then a zero of p's sign."""
    g = g + l2 * p + np.copysign(nought, p + nought)
    p = decay * p
    return p, g


def steepness(p, g, sign, l2, l1, decay, floor, nought):
    """How steep what a run minimizes is in one parameter: the objective and its penalties, not clipped. Returns a size.

    Where p is 0, l1 * |p| has a kink: there it is the distance of the subdifferential from 0. Weight decay is part of
    `l2`, unless an adaptive rule weighs it against ``g / (|g| + floor)``: where that rule rests, the size is 0 too.
    """
    slope = sign * g + l2 * p + l1 * np.sign(p)
    slope = slope + decay * p * (np.abs(slope) + floor)
    at_kink = np.maximum(np.abs(g) - l1, nought)
    return (np.where(np.abs(p) <= nought, at_kink, np.abs(slope)),)


def project(p, low, high):
    """Onto the box of the bounds, after an update: Bertsekas (1976). NaN stays, as does a zero of either sign."""
    p = np.where(p < low, low, p)
    return (np.where(p > high, high, p),)


def confined(p, g, sign, l2, l1, decay, floor, nought, low, high):
    """`steepness` inside a box: what the projected step x - P(x - slope) keeps of the slope.

    Written as two comparisons of distances, it is the slope itself, to the bit, where no bound is in reach.
    """
    slope = sign * g + l2 * p + l1 * np.sign(p)
    slope = slope + decay * p * (np.abs(slope) + floor)
    flat = sign * g
    at_kink = np.sign(flat) * np.maximum(np.abs(flat) - l1, nought)
    slope = np.where(np.abs(p) <= nought, at_kink, slope)
    return (np.abs(np.minimum(np.maximum(slope, p - high), p - low)),)


def sgd(p, g, lr):
    return (p - lr * g,)


def momentum(p, g, buf, mu, inner, outer):
    """Heavy ball: Polyak (1964). The rate is `inner` or `outer`: inside the velocity or not."""
    buf = mu * buf + inner * g
    return p - outer * buf, buf


def nesterov(p, g, buf, mu, inner, outer):
    """Nesterov (1983) in Sutskever et al. (2013) form, seen from the look-ahead point."""
    buf = mu * buf + inner * g
    return p - outer * (mu * buf + inner * g), buf


def adagrad(p, g, total, lr, inside, outside):
    """Duchi, Hazan & Singer (2011)."""
    total = total + g * g
    return p - lr * g / (np.sqrt(total + inside) + outside), total


def rmsprop(p, g, v, lr, alpha, gain, inside, outside):
    """Tieleman & Hinton (2012)."""
    v = alpha * v + gain * (g * g)
    return p - lr * g / (np.sqrt(v + inside) + outside), v


def rmsprop_momentum(p, g, v, buf, mu, inner, outer, alpha, gain, inside, outside):
    v = alpha * v + gain * (g * g)
    buf = mu * buf + inner * g / (np.sqrt(v + inside) + outside)
    return p - outer * buf, v, buf


def rmsprop_centered(p, g, mean, variance, lr, alpha, gain, inside, outside):
    """Graves (2013). Averaged as a variance: E[g²] - E[g]² cancels on a constant g, even below zero."""
    error = g - mean
    mean = mean + gain * error
    variance = alpha * (variance + gain * (error * error))
    return p - lr * g / (np.sqrt(variance + inside) + outside), mean, variance


def rmsprop_centered_momentum(
    p, g, mean, variance, buf, mu, inner, outer, alpha, gain, inside, outside
):
    error = g - mean
    mean = mean + gain * error
    variance = alpha * (variance + gain * (error * error))
    buf = mu * buf + inner * g / (np.sqrt(variance + inside) + outside)
    return p - outer * buf, mean, variance, buf


def adadelta(p, g, v, u, lr, rho, gain, eps):
    """Zeiler (2012)."""
    v = rho * v + gain * (g * g)
    step = g * (np.sqrt(u + eps) / np.sqrt(v + eps))
    u = rho * u + gain * (step * step)
    return p - lr * step, v, u


def adam(p, g, m, v, lr, beta1, gain1, beta2, gain2, root, eps):
    """Kingma & Ba (2015); `lr` and `root` carry the bias corrections."""
    m = beta1 * m + gain1 * g
    v = beta2 * v + gain2 * (g * g)
    return p - lr * m / (np.sqrt(v) * root + eps), m, v


def amsgrad(p, g, m, v, vmax, lr, beta1, gain1, beta2, gain2, inner, root, eps):
    """Reddi, Kale & Kumar (2018); `inner` corrects the second moment before its maximum is taken."""
    m = beta1 * m + gain1 * g
    v = beta2 * v + gain2 * (g * g)
    vmax = np.maximum(vmax, inner * v)
    return p - lr * m / (np.sqrt(vmax) * root + eps), m, v, vmax


def nadam(p, g, m, v, lr_g, lr_m, beta1, gain1, beta2, gain2, root, eps):
    """Dozat (2016)."""
    m = beta1 * m + gain1 * g
    v = beta2 * v + gain2 * (g * g)
    return p - (lr_g * g + lr_m * m) / (np.sqrt(v) * root + eps), m, v


def radam(p, g, m, v, lr, beta1, gain1, beta2, gain2, length, threshold, root, eps):
    """Liu et al. (2020): plain momentum until the second moment's sample is longer than the threshold."""
    m = beta1 * m + gain1 * g
    v = beta2 * v + gain2 * (g * g)
    step = lr * m
    return p - np.where(length > threshold, step / (np.sqrt(v) * root + eps), step), m, v


def adamax(p, g, m, u, lr, beta1, gain1, beta2, inside, outside):
    """Kingma & Ba (2015), section 7.1."""
    m = beta1 * m + gain1 * g
    u = np.maximum(beta2 * u, np.abs(g) + inside)
    return p - lr * m / (u + outside), m, u


def rprop(p, g, previous, size, down, up, same, smallest, largest, zero):
    """Riedmiller & Braun (1993), without backtracking: after a change of sign the gradient counts as zero once."""
    turn = g * previous
    factor = np.where(turn > zero, up, np.where(turn < zero, down, same))
    size = np.minimum(np.maximum(size * factor, smallest), largest)
    previous = np.where(turn < zero, zero, g)
    return p - np.sign(previous) * size, previous, size


def lion(p, g, m, lr, beta1, gain1, beta2, gain2):
    """Chen et al. (2023)."""
    step = np.sign(beta1 * m + gain1 * g)
    m = beta2 * m + gain2 * g
    return p - lr * step, m
