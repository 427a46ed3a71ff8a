"""`Averaging`: the mean of a linear model's parameters over its updates, across calls of `fit` and `partial_fit`."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastgd.checks import as_count, is_flag
from fastgd.engines.protocol.networks import Array, Averages

__all__ = ["AverageFrom", "Averaging"]


class AverageFrom:
    """False, True, or the number of rows after which the average begins."""

    def scalar(self, name: str, value: Any) -> Any:
        """One value, checked."""
        if is_flag(value):
            return value
        return as_count(name, value, 0, wanted="True, False or a number of rows >= 0")


class Averaging:
    """Averages parameters by the rule of Polyak and Juditsky (1992), as scikit-learn's `SGDRegressor` counts.

    The first update that counts is the one that has seen row number `after`, over all epochs and calls. Training goes
    on from the last parameters, not from their average.

    Parameters
    ----------
    after : int
        At least 1.
    """

    def __init__(self, after: int) -> None:
        self.after, self.seen = after, 0
        self.averages: Averages | None = None
        self._last: list[Array] = []  # where training goes on

    @classmethod
    def of(cls, average: Any, before: Averaging | None) -> Averaging | None:
        """That of an estimator's parameter `average`, None if it has none; in parts it goes on with the one before."""
        if not average:
            return None
        if before is not None:
            return copy.deepcopy(before)  # an error leaves the estimator's own as it was
        return cls(int(average))

    def begin(self, params: list[Array], rows: int, batch: int) -> Averages:
        """Go on, by passes over so many rows: the parameters become the last ones before."""
        for p, old in zip(params, self._last, strict=False):
            np.copyto(p, old)
        if self.averages is None:
            self.averages = Averages([np.zeros(p.shape) for p in params])
        epochs, row = divmod(max(0, self.after - self.seen - 1), rows)
        self.averages.wait = epochs * -(-rows // batch) + row // batch
        return self.averages

    def add(self, params: list[Array]) -> None:
        """Take the parameters after an update."""
        assert self.averages is not None
        self.averages.add(params)
        self.averages.advance(1)

    def means(self, params: list[Array]) -> list[Array]:
        """The averages; the parameters themselves while no update counts."""
        found = self.averages
        if found is None or not found.count:
            return params
        return [
            np.asarray(total / found.count, p.dtype)
            for total, p in zip(found.sums, params, strict=True)
        ]

    @contextmanager
    def shown(self, params: list[Array]) -> Iterator[None]:
        """A context in which the parameters are their averages."""
        last = [p.copy() for p in params]
        self.put(params)
        try:
            yield
        finally:
            for p, old in zip(params, last, strict=True):
                np.copyto(p, old)

    def end(self, params: list[Array]) -> None:
        """Remember where training goes on; the parameters become their averages."""
        self._last = [p.copy() for p in params]
        self.put(params)

    def put(self, params: list[Array]) -> None:
        """Write the averages into the parameters."""
        for p, mean in zip(params, self.means(params), strict=True):
            np.copyto(p, mean)
