"""What duality needs of losses that are flat, or that turn at a corner, as `fastgd.estimators.conjugates` states it.

A loss of classes is a function of how far the margin is below 1, and its slopes are -a times the sign of the class with
a >= 0. Reference for conjugates: Boyd and Vandenberghe (2004), "Convex optimization", section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CORNERS", "bands", "corner_of"]

Reals = NDArray[np.float64]
# Losses that turn at once, as their networks' names are.
CORNERS = ("mae", "hinge", "epsilon_insensitive", "quantile")
# Rows per unknown that may hold a kink's slopes, the best guess first.
_SHRINKING = (4, 3, 2, 16, 1)


def bands(error: Reals, unknowns: int) -> list[float]:
    """Sizes of residual below which there are about as many rows as unknowns, or some times as many."""
    sizes = np.sort(np.abs(error).max(axis=1))
    places = [min(len(sizes), times * unknowns) - 1 for times in _SHRINKING]
    return [max(float(sizes[place]), 1e-300) for place in dict.fromkeys(places)]


def _share(size: Reals, most: Reals | float) -> float:
    """The largest share, at most 1, of sizes >= 0 that does not exceed `most`."""
    with np.errstate(all="ignore"):
        return min(1.0, float(np.where(size > 0, most / size, 1.0).min()))


class _Apart:
    """A loss of outputs that do not depend on one another, and of which none vanishes for longer weights."""

    coupled = False

    def right(self, z: Reals, y: Reals) -> NDArray[np.bool_] | None:
        return None


class _OfClasses(_Apart):
    most = math.inf  # the steepest slope

    def feasible_share(self, t: Reals, y: Reals) -> float:
        a = -_sign(y) * t
        return 0.0 if (a < 0).any() else _share(a, self.most)

    def held(self, t: Reals, y: Reals) -> Reals | None:
        return -_sign(y) * np.clip(-_sign(y) * t, 0.0, self.most)


class _Hinge(_OfClasses):
    """max(0, m), where m is what the margin lacks."""

    most = 1.0

    def value(self, z: Reals, y: Reals) -> Reals:
        return np.maximum(_short(z, y), 0.0)

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        m = _short(z, y)
        for band in bands(m, unknowns):
            yield -_sign(y) * _rise(m, band), (np.abs(m) <= band) / (2.0 * band)

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        m = _short(z, y)
        return np.maximum(np.maximum(m, 0.0) + _sign(y) * t * m, 0.0)


@dataclass(frozen=True)
class _SquaredHinge(_OfClasses):
    """The square of max(0, m) where that is at most `most` / 2, then a line."""

    most: float = math.inf

    def value(self, z: Reals, y: Reals) -> Reals:
        m = np.maximum(_short(z, y), 0.0)
        inner = np.minimum(m, 0.5 * self.most)
        return np.asarray(inner * (2.0 * m - inner))

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        m = _short(z, y)
        bends = (m > 0) & (m <= 0.5 * self.most)
        yield -_sign(y) * np.clip(2.0 * m, 0.0, self.most), np.where(bends, 2.0, 0.0)

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        a = -_sign(y) * t
        return np.maximum(self.value(z, y) + a * (0.25 * a - _short(z, y)), 0.0)


@dataclass(frozen=True)
class _Insensitive(_Apart):
    """The absolute error beyond `epsilon`: a corner on either side."""

    epsilon: float

    def value(self, z: Reals, y: Reals) -> Reals:
        return np.maximum(np.abs(z - y) - self.epsilon, 0.0)

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        error = z - y
        beyond = np.abs(error) - self.epsilon
        for band in bands(beyond, unknowns):
            yield np.sign(error) * _rise(beyond, band), (np.abs(beyond) <= band) / (2.0 * band)

    def feasible_share(self, t: Reals, y: Reals) -> float:
        return _share(np.abs(t), 1.0)

    def held(self, t: Reals, y: Reals) -> Reals | None:
        return np.clip(t, -1.0, 1.0)

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        return np.maximum(self.value(z, y) + self.epsilon * np.abs(t) - t * (z - y), 0.0)


@dataclass(frozen=True)
class _SquaredInsensitive(_Apart):
    """The square of that."""

    epsilon: float

    def value(self, z: Reals, y: Reals) -> Reals:
        return np.maximum(np.abs(z - y) - self.epsilon, 0.0) ** 2

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        error = z - y
        beyond = np.abs(error) - self.epsilon
        yield 2.0 * np.sign(error) * np.maximum(beyond, 0.0), np.where(beyond > 0, 2.0, 0.0)

    def feasible_share(self, t: Reals, y: Reals) -> float:
        return 1.0

    def held(self, t: Reals, y: Reals) -> Reals | None:
        return None

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        conjugate = np.abs(t) * (self.epsilon + 0.25 * np.abs(t))
        return np.maximum(self.value(z, y) + conjugate - t * (z - y), 0.0)


@dataclass(frozen=True)
class _Quantile(_Apart):
    """The loss of a quantile: slopes from -level to 1 - level, a corner where the residual is 0."""

    level: float

    def value(self, z: Reals, y: Reals) -> Reals:
        return np.maximum((1.0 - self.level) * (z - y), self.level * (y - z))

    def metrics(self, z: Reals, y: Reals, unknowns: int) -> Iterator[tuple[Reals, Reals]]:
        error = z - y
        for band in bands(error, unknowns):
            yield _rise(error, band) - self.level, (np.abs(error) <= band) / (2.0 * band)

    def feasible_share(self, t: Reals, y: Reals) -> float:
        return _share(np.abs(t), np.where(t > 0, 1.0 - self.level, self.level))

    def held(self, t: Reals, y: Reals) -> Reals | None:
        return np.clip(t, -self.level, 1.0 - self.level)

    def excess(self, z: Reals, y: Reals, t: Reals) -> Reals:
        return np.maximum(self.value(z, y) - t * (z - y), 0.0)


def _sign(y: Reals) -> Reals:
    """-1 and 1 for targets 0 and 1."""
    return np.asarray(2.0 * y - 1.0)


def _short(z: Reals, y: Reals) -> Reals:
    """What the margins lack."""
    return np.asarray(1.0 - _sign(y) * z)


def _rise(distance: Reals, band: float) -> Reals:
    """From 0 to 1 within a band around 0."""
    return np.clip(0.5 + distance / (2.0 * band), 0.0, 1.0)


def corner_of(loss: str, constant: float) -> Any:
    """The loss of a linear model by its name; a KeyError if it is none of these."""
    kinds: dict[str, Callable[[], Any]] = {
        "hinge": _Hinge,
        "squared_hinge": _SquaredHinge,
        "modified_huber": lambda: _SquaredHinge(4.0),
        "epsilon_insensitive": lambda: _Insensitive(constant),
        "squared_epsilon_insensitive": lambda: _SquaredInsensitive(constant),
        "quantile": lambda: _Quantile(constant),
    }
    return kinds[loss]()
