"""Random regressions and classifications with their optima, by SciPy in coordinates in which every problem is easy."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linprog, minimize
from scipy.special import expit, log_expit, log_softmax, rel_entr, softmax

LOSSES = ("squared_error", "huber", "absolute_error", "poisson", "logistic", "softmax")
SHAPES = ("plain", "collinear", "constant", "wide", "offset", "nearly collinear")
FLOOR = (
    0.01  # of the loss of the best constant: what "relative" refers to where the optimum is lower
)


@dataclass(frozen=True)
class Problem:
    """Inputs, targets, and what is minimized over them without penalties."""

    name: str
    loss: str
    X: np.ndarray
    y: np.ndarray

    def value(self, z):
        """The mean loss of outputs of shape (n,), or (n, classes)."""
        return float(row_losses(self.loss, z, self.y).mean())

    @cached_property
    def null(self):
        """The loss of the best constant."""
        return optimum(self.loss, np.zeros((len(self.y), 0)), self.y)

    @cached_property
    def optimum(self):
        """The lowest loss."""
        return optimum(self.loss, whitened(self.X), self.y)

    def distance(self, z):
        """The loss above the lowest, relative to it, or to FLOOR of that of the best constant where this is more."""
        return (self.value(z) - self.optimum) / max(self.optimum, FLOOR * self.null)


def random_problem(number):
    """One of the problems; the same for the same number."""
    rng = np.random.default_rng([11, number])
    loss, shape = LOSSES[number % 6], SHAPES[number // 6 % 6]
    d = int(np.round(np.exp(rng.uniform(0, np.log(50.49)))))
    n = int(rng.integers(2 * d + 10, 6 * d + 60))
    if shape == "wide":
        d = max(d, 8)
        n = int(rng.integers(max(5, d // 3), d))
    base = rng.normal(size=(n, d)) @ (np.eye(d) + 0.3 * rng.normal(size=(d, d)) / np.sqrt(d))
    if "collinear" in shape and d > 1:
        noise = 0.0 if shape == "collinear" else 10.0 ** rng.uniform(-5, -1)
        base[:, -1] = base[:, :-1].sum(axis=1) / np.sqrt(d) + noise * base[:, -1]
    z = base @ rng.normal(size=d) / np.sqrt(d)
    if shape == "constant":
        base[:, rng.integers(d)] = rng.normal()
    scales = 10.0 ** rng.uniform(-6, 6, d)
    X = (base + (100.0 * rng.normal(size=d) if shape == "offset" else 0.0)) * scales
    y = targets(loss, z, rng, separable=number // 36 % 2 == 1)
    return Problem(f"{number}-{loss}-{shape}-{n}x{d}", loss, X, y)


def targets(loss, z, rng, *, separable):
    """What is to be predicted; `separable`: the linear model is exact, or the classes have a gap between them."""
    n = len(z)
    noise = 0.0 if separable else 0.5 * rng.standard_t(3, size=n)
    if loss == "poisson":
        rate = 10.0 ** rng.uniform(-0.3, 2)
        return rng.poisson(rate * np.exp(0.7 * z / max(1.0, z.std()))).astype(float)
    if loss == "logistic":
        y = z + noise > np.median(z)
        return (
            np.where(y, "yes", "no") if 0 < y.sum() < n else np.where(np.arange(n) % 2, "yes", "no")
        )
    if loss == "softmax":
        y = np.searchsorted(np.quantile(z, [1 / 3, 2 / 3]), z + noise)
        return y if len(np.unique(y)) == 3 else np.arange(n) % 3
    unit, shift = 10.0 ** rng.uniform(-6, 6), rng.normal() * 10.0 ** rng.uniform(-2, 2)
    return unit * (z + noise + shift)


def row_losses(loss, z, y):
    """The loss of each row; Huber's with its default delta of 1."""
    if loss == "softmax":
        return -log_softmax(z, axis=1)[np.arange(len(y)), y]
    if loss == "logistic":
        return -log_expit(np.where(y == "yes", z, -z))
    if loss == "poisson":
        with np.errstate(over="ignore"):
            mean = np.exp(z)
        return rel_entr(y, mean) - y + mean
    size = np.abs(z - y)
    if loss == "absolute_error":
        return size
    inner = size if loss == "squared_error" else np.minimum(size, 1.0)
    return inner * (size - 0.5 * inner)


def slopes(loss, z, y):
    """The derivatives of `row_losses` by z."""
    if loss == "softmax":
        return softmax(z, axis=1) - np.eye(3)[y]
    if loss == "logistic":
        return expit(z) - (y == "yes")
    if loss == "poisson":
        with np.errstate(over="ignore"):
            return np.exp(z) - y
    error = z - y
    return error if loss == "squared_error" else np.clip(error, -1, 1)


def whitened(X):
    """Orthonormal columns that span what the columns of X span beside the constant."""
    centred = X - X.mean(axis=0)
    scale = np.abs(centred).max(axis=0)
    tiny = scale <= 1e-12 * np.abs(X).max(axis=0)
    scaled = centred[:, ~tiny] / scale[~tiny]
    if not scaled.size:
        return np.zeros((len(X), 0))
    u, s, _ = np.linalg.svd(scaled / np.maximum(scaled.std(axis=0), 1e-300), full_matrices=False)
    return u[:, s > s[0] * 1e-12] * np.sqrt(len(X))


def optimum(loss, basis, y):
    """The lowest mean loss of a linear model with an intercept."""
    n = len(y)
    design = np.c_[basis, np.ones(n)]
    if loss == "squared_error":
        return float(0.5 * ((design @ np.linalg.lstsq(design, y)[0] - y) ** 2).mean())
    if loss == "absolute_error":
        return _least_absolute(design, y)
    outputs = 3 if loss == "softmax" else 1
    unit = 1.0
    if loss == "huber":
        unit = max(1.0, float(np.abs(y - np.median(y)).max()))
    start = np.zeros((design.shape[1], outputs))
    if loss == "huber":
        start[:, 0] = np.linalg.lstsq(design, y)[0] / unit
    if loss == "poisson":
        start[-1] = np.log(max(y.mean(), 1e-300))
    weight = 1.0 / n / (max(y.mean(), 1e-300) if loss == "poisson" else unit)

    def objective(w):
        z = unit * (design @ w.reshape(start.shape))
        z = z if outputs > 1 else z[:, 0]
        g = slopes(loss, z, y).reshape(n, outputs) * weight * unit
        return float(row_losses(loss, z, y).sum() * weight), (design.T @ g).ravel()

    lowest = 1e-7 * objective(start.ravel())[0]

    def near_nothing(intermediate_result):
        if intermediate_result.fun < lowest:
            raise StopIteration  # classes that can be separated

    best = minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B", callback=near_nothing,
        options={"maxiter": 5000, "maxfun": 10_000, "gtol": 1e-10, "ftol": 1e-14, "maxcor": 20},
    )  # fmt: skip
    return float(best.fun / (weight * n))


def _least_absolute(design, y):
    """By linear programming: y = design w + up - down."""
    n, q = design.shape
    unit = max(float(np.abs(y - np.median(y)).mean()), 1e-300)
    cost = np.r_[np.zeros(q), np.ones(2 * n)]
    sides = np.c_[design, np.eye(n), -np.eye(n)]
    free = [(None, None)] * q + [(0, None)] * (2 * n)
    result = linprog(cost, A_eq=sides, b_eq=(y - np.median(y)) / unit, bounds=free)
    return float(result.fun * unit / n)
