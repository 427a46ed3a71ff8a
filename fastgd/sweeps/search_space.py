"""`Space`: what `fastgd.tune` searches over, as distributions of Optuna and as columns of a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import shown
from fastgd.sweeps.parzen import Dimension
from fastgd.text import printable

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["Space"]

_WANTED = (
    "a distribution of Optuna, one of SciPy (uniform, loguniform, randint), or a sequence of values"
)


class Space:
    """Names of axes and what their values may be.

    Parameters
    ----------
    space : dict of str to distribution or sequence

    Attributes
    ----------
    distributions : dict of str to optuna.distributions.BaseDistribution
    """

    def __init__(self, space: Mapping[str, Any]) -> None:
        if not isinstance(space, Mapping) or not space:
            raise TypeError(f"space must be a dict of names to distributions, got {shown(space)}")
        self.distributions: dict[str, BaseDistribution] = {}
        self._choices: dict[str, dict[Any, Any]] = {}  # from what a study holds to the value itself
        for name, given in space.items():
            if not isinstance(name, str):
                raise TypeError(f"space has the key {name!r}; wanted the name of an axis")
            self.distributions[name] = self._distribution(name, given)

    def _distribution(self, name: str, given: Any) -> BaseDistribution:
        from optuna import distributions as of  # noqa: PLC0415

        if isinstance(given, of.BaseDistribution):
            return given
        if hasattr(given, "rvs"):
            return _of_scipy(name, given)
        if isinstance(given, str | bytes | Mapping) or not hasattr(given, "__len__"):
            raise TypeError(f"space[{name!r}] must be {_WANTED}; got {shown(given)}")
        values = given.tolist() if isinstance(given, np.ndarray) else list(given)
        if not values:
            raise ValueError(f"space[{name!r}] is empty; wanted at least one value")
        labels = {_label(value): value for value in values}
        if len(labels) < len(values):
            raise ValueError(f"space[{name!r}] has a value twice: {shown(values)}")
        self._choices[name] = labels
        return of.CategoricalDistribution(list(labels))

    def column(self, name: str, labels: Sequence[Any]) -> Sequence[Any] | NDArray[Any]:
        """The values of an axis, by what a study holds."""
        if name in self._choices:
            return [self._choices[name][label] for label in labels]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in labels)
        return np.array(labels) if numbers else list(labels)

    # --- the unit cube --------------------------------------------------------------------------------

    @property
    def dimensions(self) -> list[Dimension]:
        """Those of the cube in which `points` lie."""
        return [Dimension(len(getattr(one, "choices", ()))) for one in self.distributions.values()]

    def points(self, params: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """The places of some settings."""
        columns = [
            [_place(one, setting[name]) for setting in params]
            for name, one in self.distributions.items()
        ]
        return np.array(columns, float).T.reshape(len(params), len(columns))

    def params(self, points: NDArray[np.float64]) -> list[dict[str, Any]]:
        """The settings at some places."""
        columns = {
            name: [_at(one, place) for place in column]
            for (name, one), column in zip(
                self.distributions.items(), points.T.tolist(), strict=True
            )
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether a setting of an earlier study lies in the space."""
        return params.keys() == self.distributions.keys() and all(
            _inside(one, params[name]) for name, one in self.distributions.items()
        )


def _inside(one: Any, value: Any) -> bool:
    if hasattr(one, "choices"):
        return value in one.choices
    return isinstance(value, int | float) and one.low <= value <= one.high


def _label(value: Any) -> Any:
    """A value as Optuna's storages keep it."""
    plain = isinstance(value, bool | int | float | str) or value is None
    return value if plain else printable(str(value))


def _of_scipy(name: str, given: Any) -> BaseDistribution:
    """A frozen distribution of SciPy."""
    from optuna import distributions as of  # noqa: PLC0415

    kind = getattr(getattr(given, "dist", None), "name", None)
    if kind not in {"uniform", "loguniform", "reciprocal", "randint"}:
        raise ValueError(f"space[{name!r}] must be {_WANTED}; got {kind or shown(given)}")
    low, high = given.support()
    if kind == "randint":
        return of.IntDistribution(int(low), int(high))
    return of.FloatDistribution(float(low), float(high), log=kind != "uniform")


def _ends(one: Any) -> tuple[float, float]:
    """The ends of an interval: of integers and steps half a step beyond the last values."""
    half = 0.5 * (one.step or 0.0)
    low, high = one.low - half, one.high + half
    return (math.log(low), math.log(high)) if one.log else (low, high)


def _place(one: Any, value: Any) -> float:
    if hasattr(one, "choices"):
        return float(one.choices.index(value))
    low, high = _ends(one)
    x = math.log(value) if one.log else float(value)
    return 0.5 if high == low else min(max((x - low) / (high - low), 0.0), 1.0)


def _at(one: Any, place: float) -> Any:
    if hasattr(one, "choices"):
        return one.choices[min(int(place), len(one.choices) - 1)]
    low, high = _ends(one)
    x = low + place * (high - low)
    x = math.exp(x) if one.log else x
    if one.step:
        x = one.low + round((x - one.low) / one.step) * one.step
    x = min(max(x, one.low), one.high)
    return int(x) if isinstance(one.low, int) and one.step else float(x)
