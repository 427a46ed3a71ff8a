"""What an update rule needs to know of the step: one function per family and convention.

A coefficient function takes ``(t, lr, ...)`` (step number from 1, rate, hyperparameters; all double) and returns the
rule's coefficients in the rule's order, still in double: each is rounded once to the dtype of the arrays. A running
product over the steps is a second argument `carry`, 1 before the first step, returned first.

The functions are compiled like the rules, because whole compiled descents need them at every step: assignments and one
return, conditional expressions instead of branches, and `math.pow`, `math.sqrt`, `math.exp`, `math.log` as the only
calls. Powers are libm's ``pow(b, t)`` everywhere: ``b**t`` with an integer t, or a running product, differs in the
last bits.
"""

import math


def prepare(t, lr, sign, scale, clip, l2, l1, decay):
    """Decoupled decay shrinks with the rate: p <- (1 - lr * decay) p."""
    return sign, scale, clip, l2, l1, 1.0 - lr * decay


def sgd(t, lr):
    return (lr,)


def rate_outside(t, lr, mu):
    """Velocity mu v + g, p <- p - lr v (torch, optax)."""
    return mu, 1.0, lr


def rate_outside_dampened(t, lr, mu, dampening):
    """As torch: the first step is not dampened, since there the buffer becomes the gradient itself."""
    return mu, (1.0 - dampening if t > 1.0 else 1.0), lr


def rate_inside(t, lr, mu):
    """Velocity mu v + lr g, p <- p - v (Polyak, Keras, scikit-learn)."""
    return mu, lr, 1.0


def adagrad(t, lr, lr_decay, inside, outside):
    return lr / (1.0 + (t - 1.0) * lr_decay), inside, outside


def rmsprop(t, lr, alpha, inside, outside):
    return lr, alpha, 1.0 - alpha, inside, outside


def rmsprop_rate_outside(t, lr, mu, alpha, inside, outside):
    return mu, 1.0, lr, alpha, 1.0 - alpha, inside, outside


def rmsprop_rate_inside(t, lr, mu, alpha, inside, outside):
    return mu, lr, 1.0, alpha, 1.0 - alpha, inside, outside


def adadelta(t, lr, rho, eps):
    return lr, rho, 1.0 - rho, eps


def adam(t, lr, beta1, beta2, eps):
    """Epsilon beside the corrected root (the paper, torch, optax)."""
    root = 1.0 / math.sqrt(1.0 - math.pow(beta2, t))
    return lr / (1.0 - math.pow(beta1, t)), beta1, 1.0 - beta1, beta2, 1.0 - beta2, root, eps


def adam_uncorrected_eps(t, lr, beta1, beta2, eps):
    """Epsilon beside the raw root (Keras, scikit-learn): it counts as eps / sqrt(1 - beta2^t)."""
    rate = lr * math.sqrt(1.0 - math.pow(beta2, t)) / (1.0 - math.pow(beta1, t))
    return rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, 1.0, eps


def amsgrad(t, lr, beta1, beta2, eps):
    """The maximum is taken over the raw second moment, today's correction applied to it (torch)."""
    root = 1.0 / math.sqrt(1.0 - math.pow(beta2, t))
    rate = lr / (1.0 - math.pow(beta1, t))
    return rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, 1.0, root, eps


def amsgrad_uncorrected_eps(t, lr, beta1, beta2, eps):
    """As `amsgrad`, epsilon beside the raw root (Keras)."""
    rate = lr * math.sqrt(1.0 - math.pow(beta2, t)) / (1.0 - math.pow(beta1, t))
    return rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, 1.0, 1.0, eps


def amsgrad_corrected_maximum(t, lr, beta1, beta2, eps):
    """The maximum is taken over the corrected second moment (optax)."""
    inner = 1.0 / (1.0 - math.pow(beta2, t))
    rate = lr / (1.0 - math.pow(beta1, t))
    return rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, inner, 1.0, eps


def amsgrad_without_correction(t, lr, beta1, beta2, eps):
    """Reddi, Kale & Kumar (2018), Algorithm 2."""
    return lr, beta1, 1.0 - beta1, beta2, 1.0 - beta2, 1.0, 1.0, eps


def nadam(t, carry, lr, beta1, beta2, eps, psi):
    """Momentum schedule mu_t = beta1 (1 - 0.5 * 0.96^(t psi)); `carry` is the product of the mu so far."""
    mu = beta1 * (1.0 - 0.5 * math.pow(0.96, t * psi))
    mu_next = beta1 * (1.0 - 0.5 * math.pow(0.96, (t + 1.0) * psi))
    carry = carry * mu
    lr_g = lr * (1.0 - mu) / (1.0 - carry)
    lr_m = lr * mu_next / (1.0 - carry * mu_next)
    root = 1.0 / math.sqrt(1.0 - math.pow(beta2, t))
    return carry, lr_g, lr_m, beta1, 1.0 - beta1, beta2, 1.0 - beta2, root, eps


def nadam_constant_momentum(t, lr, beta1, beta2, eps):
    """mu_t = beta1 for all t (optax)."""
    lr_g = lr * (1.0 - beta1) / (1.0 - math.pow(beta1, t))
    lr_m = lr * beta1 / (1.0 - math.pow(beta1, t + 1.0))
    root = 1.0 / math.sqrt(1.0 - math.pow(beta2, t))
    return lr_g, lr_m, beta1, 1.0 - beta1, beta2, 1.0 - beta2, root, eps


def radam(t, lr, beta1, beta2, eps):
    """Rectified where rho_t > 5, epsilon beside the raw root (torch)."""
    power = math.pow(beta2, t)
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * t * power / (1.0 - power)
    share = (length - 4.0) * (length - 2.0) * longest
    whole = (longest - 4.0) * (longest - 2.0) * length
    rectified = math.sqrt(share / whole) * math.sqrt(1.0 - power) if length > 5.0 else 1.0
    rate = lr * rectified / (1.0 - math.pow(beta1, t))
    return rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, length, 5.0, 1.0, eps


def radam_corrected_root(t, lr, beta1, beta2, eps):
    """Rectified where rho_t >= 5, epsilon beside the corrected root (optax)."""
    power = math.pow(beta2, t)
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * t * power / (1.0 - power)
    share = (length - 4.0) * (length - 2.0) * longest
    whole = (longest - 4.0) * (longest - 2.0) * length
    rectified = math.sqrt(share / whole) if length >= 5.0 else 1.0
    rate = lr * rectified / (1.0 - math.pow(beta1, t))
    root = 1.0 / math.sqrt(1.0 - power)
    threshold = 5.0 if length > 5.0 or length < 5.0 else 4.0
    return rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, length, threshold, root, eps


def adamax(t, lr, beta1, beta2, inside, outside):
    return lr / (1.0 - math.pow(beta1, t)), beta1, 1.0 - beta1, beta2, inside, outside


def rprop(t, lr, down, up, smallest, largest):
    """The rate enters only as the first step size, that is as initial state."""
    return down, up, 1.0, smallest, largest, 0.0


def lion(t, lr, beta1, beta2):
    return lr, beta1, 1.0 - beta1, beta2, 1.0 - beta2
