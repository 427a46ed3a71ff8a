"""Names of the axes of a sweep of networks: what each varies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import Places
from fastgd.engines.protocol.networks import Architecture
from fastgd.network.arguments import CHANGEABLE

OF_STARTS = ("init", "init_scale", "x0")
OF_TRAINING = ("optimizer", "rng", "batch_size", "epochs", "max_iter")
_OWN = frozenset((*CHANGEABLE, *OF_STARTS, *OF_TRAINING))
_PART = re.compile(r"(layers|groups)\.(-?\d+)\.(\w+)")


@dataclass(frozen=True)
class OptimizerAxis:
    """An axis that varies a hyperparameter of the optimizer.

    Attributes
    ----------
    name : str
        The axis: "lr", "layers.0.lr", "groups.3.lr".
    option : str
        The hyperparameter.
    part : {"all", "layers", "groups"}
        Whether it holds for all parameters, for those of a layer or for one array.
    number : int
        Of the layer or the array, from 0; negative numbers count from the end.
    """

    name: str
    option: str
    part: Literal["all", "layers", "groups"] = "all"
    number: int = 0

    def arrays(self, a: Architecture) -> Iterable[int]:
        """The parameters that it concerns, by their numbers in `MLP.params`."""
        arrays = len(a.shapes)
        if self.part == "all":
            return range(arrays)
        count, what = (a.layers, "layers") if self.part == "layers" else (arrays, "arrays")
        if not -count <= self.number < count:
            raise ValueError(
                f"axes[{self.name!r}] has the number {self.number}, but the network has {count} {what}"
            )
        k = self.number % count
        return a.layer(k) if self.part == "layers" else (k,)


def optimizer_axes(names: Iterable[str]) -> list[OptimizerAxis]:
    """The axes of the optimizer's hyperparameters: all that are not the network's or the training's own."""
    found = []
    for name in names:
        if name in _OWN:
            continue
        match = _PART.fullmatch(name)
        if match is None and name.startswith(("layers.", "groups.")):
            raise ValueError(
                f"axes[{name!r}] is not the name of an axis; wanted for example 'layers.0.lr', "
                "an option of the optimizer for a layer, or 'groups.1.lr', for one array"
            )
        if match is None:
            found.append(OptimizerAxis(name, name))
        else:
            part, number, option = match.groups()
            found.append(OptimizerAxis(name, option, part, int(number)))  # type: ignore[arg-type]
    return found


def choices(places: Places, names: Iterable[str]) -> tuple[list[dict[str, Any]], NDArray[np.intp]]:
    """The different combinations of the values of some axes, and which of them each run has."""
    present = [name for name in names if name in places.values]
    code = np.zeros(places.total, np.intp)
    for name in present:
        same = _first_equal(places.values[name])[places.of[name]]
        _, code = np.unique(code * len(places.values[name]) + same, return_inverse=True)
    _, first, of = np.unique(code, return_index=True, return_inverse=True)
    values = {name: places.values[name] for name in present}
    found = [{n: v[places.of[n][k]] for n, v in values.items()} for k in first.tolist()]
    return found, of.reshape(-1)


def _first_equal(values: tuple[Any, ...]) -> NDArray[np.intp]:
    """For each value the place of the first that equals it; one that has no hash equals itself alone."""
    known: dict[Any, int] = {}
    places = []
    for k, value in enumerate(values):
        try:
            places.append(known.setdefault((type(value), value), k))
        except TypeError:
            places.append(k)
    return np.array(places, np.intp)
