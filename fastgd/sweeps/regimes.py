"""Regimes of runs: kept as codes of one byte, given as names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Regime

NAMES = np.array([regime.label for regime in Regime])
_SLOW, _CYCLING, _GROWING = map(np.uint8, (Regime.SLOW, Regime.CYCLING, Regime.GROWING))
_SORTED = np.argsort(NAMES)
_ROUNDING = (
    1e-9  # relative to the first loss; a run that jumps to and fro between two points has not grown
)


class RegimeNames:
    """An attribute that takes names or codes, keeps codes under its name with an underscore, and gives names."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> NDArray[np.str_]:
        if instance is None:
            raise AttributeError(self.name)  # a dataclass takes it for a field without a default
        codes = instance.__dict__["_" + self.name]
        return np.asarray(NAMES[codes], NAMES.dtype)

    def __set__(self, instance: Any, given: Any) -> None:
        instance.__dict__["_" + self.name] = codes_of(given)


def codes_of(given: Any) -> NDArray[np.uint8]:
    """Codes of regimes, which are given by name or as codes."""
    array = np.asarray(given)
    if array.dtype == np.uint8:
        if not array.size or array.max() < len(NAMES):
            return array
        unknown = array[array >= len(NAMES)]
    else:
        array = np.asarray(given, np.str_)
        places = np.searchsorted(NAMES, array, sorter=_SORTED)
        codes = _SORTED[np.minimum(places, len(NAMES) - 1)]
        unknown = array[NAMES[codes] != array]
        array = codes
    if unknown.size:
        raise ValueError(f"regime must hold only {NAMES.tolist()}, got {unknown[0].item()!r}")
    return np.asarray(array, np.uint8)


def unfinished_regimes(
    start: NDArray[np.float64], before: NDArray[np.float64], now: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Of runs that have not converged, by what they minimize: at the start, some updates ago, and now."""
    with np.errstate(all="ignore"):
        bounded = now <= start + _ROUNDING * np.abs(start)  # a NaN is not
        regimes = np.where(now < before, _SLOW, _CYCLING)
    return np.where(bounded, regimes, _GROWING)


def training_regimes(
    recent: NDArray[np.float64],
    highest: NDArray[np.float64],
    windows: NDArray[np.int64],
    done: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Of trainings, by two windows of losses: the last one above all first losses, below the one before, or neither.

    Parameters
    ----------
    recent : ndarray of shape (runs, n)
        The losses of the last updates, that of update u at place ``u % n``.
    highest : ndarray of shape (runs,)
        The highest loss of each run's first window.
    windows : ndarray of int64, shape (runs,)
        Updates of a window: those of an epoch, or half of all if these are fewer.
    done : ndarray of int64, shape (runs,)
        Updates made.
    """
    found = np.full(len(recent), Regime.CYCLING, np.uint8)
    length = np.minimum(windows, np.minimum(done, 2 * np.maximum(windows, 1)) // 2)
    for last, n in sorted(set(zip(done.tolist(), length.tolist(), strict=True))):
        if not n:
            continue
        own = np.flatnonzero((done == last) & (length == n))
        places = np.arange(last - 2 * n, last) % recent.shape[1]
        before, now = np.split(recent[own[:, None], places], 2, axis=1)
        now, before = now.mean(axis=1), before.mean(axis=1)
        found[own[now < before]] = Regime.SLOW
        found[own[now > highest[own]]] = Regime.GROWING
    return found


def training_regime(losses: NDArray[np.float64], highest: float, window: int) -> Regime:
    """As `training_regimes`, of one training, without NumPy's calls on whole tables.

    Parameters
    ----------
    losses : ndarray
        Of its last updates in order: two windows, or all if there are fewer.
    highest : float
        The highest loss of the first window.
    window : int
        Updates of a window.
    """
    n = min(window, losses.size // 2)
    if not n:
        return Regime.CYCLING
    before = np.add.reduce(losses[-2 * n : -n]) / n
    now = np.add.reduce(losses[-n:]) / n
    if now > highest:
        return Regime.GROWING
    return Regime.SLOW if now < before else Regime.CYCLING
