"""Every optimizer as a naive loop over Python floats, written from the papers: the oracle of the
compiled kernels.

Nothing here is imported from fastgd, vectorized, or clever. One formula per convention, in the
notation of its source: p parameter, g gradient, t = 1, 2, ... step number. All state is float64 and
starts at zero unless the constructor says otherwise. Constructors take the arguments of the fastgd
classes; the defaults are PyTorch's where it has them.
"""

import math
from math import sqrt


def sign(x):
    """-1, 0 or 1; NaN for NaN."""
    if math.isnan(x):
        return x
    return 1.0 if x > 0 else -1.0 if x < 0 else 0.0


def maximum(a, b):
    """The larger one; NaN if either is, which Python's max does not promise."""
    return a + b if math.isnan(a + b) else max(a, b)


class Naive:
    """What all optimizers share: maximize, clipping, penalties and weight decay, in that order."""

    decoupled = False

    def __init__(
        self,
        lr,
        *,
        weight_decay=0.0,
        l1=0.0,
        l2=0.0,
        clip_value=None,
        clip_norm=None,
        maximize=False,
        convention="torch",
    ):
        self.lr, self.weight_decay, self.l1, self.l2 = lr, weight_decay, l1, l2
        self.clip_value, self.clip_norm = clip_value, clip_norm
        self.maximize, self.convention = maximize, convention
        self.t = 0
        self.state = {}

    def step(self, params, grads, lr=None):
        """Update the list `params` in place; `lr` is this step's rate."""
        lr = self.lr if lr is None else lr
        self.t += 1
        grads = self.prepared(grads)
        # Loshchilov & Hutter (2019), with the rate as a factor of the decay as in every library.
        # Keras decays all its optimizers in this way.
        decoupled = self.decoupled or self.convention == "keras"
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            if decoupled:
                penalty = 0.0
                shrink = 1.0 - lr * self.weight_decay
            else:
                penalty = self.weight_decay * p
                shrink = 1.0
            g_full = g + penalty + self.l2 * p + self.l1 * sign(p)
            params[i] = self.update(i, shrink * p, g_full, lr, self.t)

    def prepared(self, grads):
        grads = [-g if self.maximize else g for g in grads]
        if self.clip_norm is not None:
            # Pascanu, Mikolov & Bengio (2013), Algorithm 1. PyTorch adds 1e-6 to the norm and has
            # no threshold.
            norm = sqrt(math.fsum(g * g for g in grads))
            if self.convention in ("optax", "keras"):
                factor = self.clip_norm / norm if norm > self.clip_norm else 1.0
            else:
                factor = min(1.0, self.clip_norm / (norm + 1e-6))
            grads = [g * factor for g in grads]
        if self.clip_value is not None:
            c = self.clip_value
            grads = [min(max(g, -c), c) for g in grads]
        return grads

    def update(self, i, p, g, lr, t):
        raise NotImplementedError

    def get(self, name, i, start=0.0):
        return self.state.get((name, i), start)

    def put(self, name, i, value):
        self.state[name, i] = value
        return value

    def average(self, name, i, weight, sample):
        """Exponential moving average from zero; `weight` belongs to the old value."""
        return self.put(name, i, weight * self.get(name, i) + (1.0 - weight) * sample)


class SGD(Naive):
    """Polyak (1964), Nesterov (1983) in the form of Sutskever et al. (2013)."""

    def __init__(self, lr=1e-3, momentum=0.0, dampening=0.0, nesterov=False, **common):
        super().__init__(lr, **common)
        self.momentum, self.dampening, self.nesterov = momentum, dampening, nesterov

    def update(self, i, p, g, lr, t):
        mu = self.momentum
        if mu == 0.0:
            return p - lr * g
        if self.convention in ("torch", "optax"):
            # The rate stands outside the buffer, which is the gradient itself after the first step.
            if t == 1:
                buf = self.put("buf", i, g)
            else:
                buf = self.put("buf", i, mu * self.get("buf", i) + (1.0 - self.dampening) * g)
            return p - lr * (g + mu * buf) if self.nesterov else p - lr * buf
        # Polyak's heavy ball, Keras, scikit-learn: the rate stands inside the velocity.
        v = self.put("v", i, mu * self.get("v", i) - lr * g)
        return p + mu * v - lr * g if self.nesterov else p + v


class Momentum(Naive):
    """Polyak (1964): p_new = p - lr g + mu (p - p_old)."""

    def __init__(self, lr=0.01, momentum=0.9, **common):
        super().__init__(lr, **common)
        self.momentum = momentum

    def update(self, i, p, g, lr, t):
        v = self.put("v", i, self.momentum * self.get("v", i) + lr * g)
        return p - v


class HeavyBall(Momentum):
    """Another name of it."""


class NAG(Momentum):
    """Sutskever et al. (2013), where the parameter is the look-ahead point theta + mu v."""

    def update(self, i, p, g, lr, t):
        mu = self.momentum
        v_old = self.get("v", i)
        v = self.put("v", i, mu * v_old - lr * g)
        theta = p - mu * v_old + v  # theta_new = theta + v, and theta = p - mu v_old
        return theta + mu * v


class Adagrad(Naive):
    """Duchi, Hazan & Singer (2011)."""

    def __init__(self, lr=1e-2, lr_decay=0.0, initial_accumulator_value=None, eps=1e-10, **common):
        super().__init__(lr, **common)
        self.lr_decay, self.eps = lr_decay, eps
        if initial_accumulator_value is None:
            initial_accumulator_value = 0.1 if self.convention in ("optax", "keras") else 0.0
        self.start = initial_accumulator_value

    def update(self, i, p, g, lr, t):
        total = self.put("G", i, self.get("G", i, self.start) + g * g)
        lr = lr / (1.0 + (t - 1) * self.lr_decay)
        if self.convention == "torch":
            return p - lr * g / (sqrt(total) + self.eps)
        if total == 0.0:
            return p
        return p - lr * g / sqrt(total + self.eps)


class RMSprop(Naive):
    """Tieleman & Hinton (2012), Lecture 6.5; centered: Graves (2013), equations 38-45."""

    def __init__(self, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0.0, centered=False, **common):
        super().__init__(lr, **common)
        self.alpha, self.eps, self.momentum, self.centered = alpha, eps, momentum, centered

    def update(self, i, p, g, lr, t):
        v = self.average("v", i, self.alpha, g * g)
        if self.centered:
            mean = self.average("mean", i, self.alpha, g)
            v = max(v - mean * mean, 0.0)  # a variance; only rounding makes it negative
        torch = self.convention == "torch"
        u = g / (sqrt(v) + self.eps) if torch else g / sqrt(v + self.eps)
        if self.momentum == 0.0:
            return p - lr * u
        if torch:
            return p - lr * self.put("buf", i, self.momentum * self.get("buf", i) + u)
        return p - self.put("buf", i, self.momentum * self.get("buf", i) + lr * u)


class Adadelta(Naive):
    """Zeiler (2012), Algorithm 1, times a rate."""

    def __init__(self, lr=1.0, rho=0.9, eps=1e-6, **common):
        super().__init__(lr, **common)
        self.rho, self.eps = rho, eps

    def update(self, i, p, g, lr, t):
        v = self.average("v", i, self.rho, g * g)
        step = sqrt(self.get("u", i) + self.eps) / sqrt(v + self.eps) * g
        self.average("u", i, self.rho, step * step)
        return p - lr * step


class Adam(Naive):
    """Kingma & Ba (2015), Algorithm 1; AMSGrad: Reddi, Kale & Kumar (2018), Algorithm 2."""

    def __init__(self, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, amsgrad=False, **common):
        super().__init__(lr, **common)
        self.betas, self.eps, self.amsgrad = betas, eps, amsgrad

    def update(self, i, p, g, lr, t):
        b1, b2 = self.betas
        m = self.average("m", i, b1, g)
        v = self.average("v", i, b2, g * g)
        c1, c2 = 1.0 - b1**t, 1.0 - b2**t
        if self.amsgrad and self.convention == "optax":  # the maximum of corrected moments
            vmax = self.put("vmax", i, max(self.get("vmax", i), v / c2))
            return p - lr * (m / c1) / (sqrt(vmax) + self.eps)
        if self.amsgrad:
            v = self.put("vmax", i, max(self.get("vmax", i), v))
        if self.amsgrad and self.convention == "paper":  # no bias correction in Algorithm 2
            return p - lr * m / (sqrt(v) + self.eps)
        if self.convention in ("keras", "sklearn"):  # Kingma & Ba's last remark in section 2
            return p - lr * sqrt(c2) / c1 * m / (sqrt(v) + self.eps)
        return p - lr * (m / c1) / (sqrt(v / c2) + self.eps)


class AdamW(Adam):
    """Loshchilov & Hutter (2019), Algorithm 2, with the rate as a factor of the decay."""

    decoupled = True

    def __init__(self, lr=1e-3, weight_decay=1e-2, **others):
        super().__init__(lr, weight_decay=weight_decay, **others)


class NAdam(Naive):
    """Dozat (2016), Algorithm 2, with the momentum schedule of its section on warming mu."""

    def __init__(
        self,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        momentum_decay=4e-3,
        decoupled_weight_decay=False,
        **common,
    ):
        super().__init__(lr, **common)
        self.betas, self.eps, self.psi = betas, eps, momentum_decay
        self.decoupled = decoupled_weight_decay

    def mu(self, t):
        b1 = self.betas[0]
        return b1 if self.convention == "optax" else b1 * (1.0 - 0.5 * 0.96 ** (t * self.psi))

    def update(self, i, p, g, lr, t):
        b1, b2 = self.betas
        m = self.average("m", i, b1, g)
        v = self.average("v", i, b2, g * g)
        product = math.prod(self.mu(k) for k in range(1, t + 1))
        looked_ahead = self.mu(t + 1) * m / (1.0 - product * self.mu(t + 1))
        looked_ahead += (1.0 - self.mu(t)) * g / (1.0 - product)
        return p - lr * looked_ahead / (sqrt(v / (1.0 - b2**t)) + self.eps)


class RAdam(Naive):
    """Liu et al. (2020), Algorithm 2."""

    def __init__(
        self, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, decoupled_weight_decay=False, **common
    ):
        super().__init__(lr, **common)
        self.betas, self.eps = betas, eps
        self.decoupled = decoupled_weight_decay

    def update(self, i, p, g, lr, t):
        b1, b2 = self.betas
        m = self.average("m", i, b1, g)
        v = self.average("v", i, b2, g * g)
        m_hat, c2 = m / (1.0 - b1**t), 1.0 - b2**t
        longest = 2.0 / (1.0 - b2) - 1.0
        length = longest - 2.0 * t * b2**t / c2
        optax = self.convention == "optax"
        if not (length >= 5.0 if optax else length > 5.0):
            return p - lr * m_hat
        r = sqrt(
            (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length)
        )
        if optax:
            return p - lr * r * m_hat / (sqrt(v / c2) + self.eps)
        return p - lr * r * m_hat * sqrt(c2) / (sqrt(v) + self.eps)


class Adamax(Naive):
    """Kingma & Ba (2015), Algorithm 2; where the epsilon stands is each library's own."""

    def __init__(self, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, **common):
        super().__init__(lr, **common)
        self.betas, self.eps = betas, eps

    def update(self, i, p, g, lr, t):
        b1, b2 = self.betas
        m = self.average("m", i, b1, g)
        if self.convention == "keras":
            u = self.put("u", i, maximum(b2 * self.get("u", i), abs(g)))
            return p - lr / (1.0 - b1**t) * m / (u + self.eps)
        u = self.put("u", i, maximum(b2 * self.get("u", i), abs(g) + self.eps))
        return p - lr / (1.0 - b1**t) * m / u


class Rprop(Naive):
    """Riedmiller & Braun (1993) as iRprop-: after a change of sign the gradient counts as zero
    once."""

    def __init__(self, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0), **common):
        super().__init__(lr, **common)
        self.etas, self.step_sizes = etas, step_sizes

    def update(self, i, p, g, lr, t):
        previous, size = self.get("previous", i), self.get("size", i, lr)
        if sign(g) * sign(previous) > 0:
            size *= self.etas[1]
        elif sign(g) * sign(previous) < 0:
            size *= self.etas[0]
            g = 0.0
        size = min(max(size, self.step_sizes[0]), self.step_sizes[1])
        self.put("previous", i, g)
        self.put("size", i, size)
        return p - sign(g) * size


class Lion(Naive):
    """Chen et al. (2023), Program 1; the decay is decoupled."""

    decoupled = True

    def __init__(self, lr=1e-4, betas=(0.9, 0.99), **common):
        super().__init__(lr, **common)
        self.betas = betas

    def update(self, i, p, g, lr, t):
        b1, b2 = self.betas
        m = self.get("m", i)
        direction = sign(b1 * m + (1.0 - b1) * g)
        self.put("m", i, b2 * m + (1.0 - b2) * g)
        return p - lr * direction
