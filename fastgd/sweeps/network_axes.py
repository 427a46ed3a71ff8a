"""Names of the axes of a sweep of networks: what each varies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_finite
from fastgd.descent.axes import Places
from fastgd.engines.protocol.networks import Architecture
from fastgd.network.arguments import CHANGEABLE, changed_architecture
from fastgd.network.parameters import Initialization, spread

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP

OF_STARTS = ("init", "init_scale", "init_mean", "x0")
OF_TRAINING = ("optimizer", "rng", "batch_size", "epochs", "max_iter")
_OWN = frozenset((*CHANGEABLE, *OF_STARTS, *OF_TRAINING))
_OF_EACH_LAYER = ("init_scale", "init_mean")
_PART = re.compile(r"(layers|groups)\.(-?\d+)\.(\w+)")


@dataclass(frozen=True)
class Axis:
    """An axis that varies an option: a hyperparameter of the optimizer, or what a layer's initial weights are.

    Attributes
    ----------
    name : str
        The axis: "lr", "layers.0.lr", "groups.3.lr".
    option : str
        The hyperparameter, or `init_scale` or `init_mean`.
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
        if self.part == "all":
            return range(len(a.shapes))
        k = self.place(a)
        return a.layer(k) if self.part == "layers" else (k,)

    def place(self, a: Architecture) -> int:
        """The number of the layer or the array, counted from 0."""
        layers = self.part == "layers"
        count = a.layers if layers else len(a.shapes)
        if not -count <= self.number < count:
            what = "layers" if layers else "arrays"
            raise ValueError(
                f"axes[{self.name!r}] has the number {self.number}, but the network has {count} {what}"
            )
        return self.number % count


def optimizer_axes(names: Iterable[str]) -> list[Axis]:
    """The axes of the optimizer's hyperparameters: all that are not the network's or the training's own."""
    return [axis for axis in _options(names) if not _is_of_starts(axis)]


def start_axes(names: Iterable[str]) -> list[str]:
    """The axes that say where runs start."""
    apart = [axis.name for axis in _options(names) if _is_of_starts(axis)]
    return [*(name for name in OF_STARTS if name in names), *apart]


def _is_of_starts(axis: Axis) -> bool:
    return axis.part == "layers" and axis.option in _OF_EACH_LAYER


def initialization_of(
    like: Initialization, a: Architecture, values: Mapping[str, Any]
) -> Initialization:
    """The initialization of a run with these axis values; `like` has what no axis varies."""
    options = {name: values.get(name, given) for name, given in vars(like).items()}
    found = Initialization.checked(a, **options)
    for axis in filter(_is_of_starts, _options(values)):
        each = list(spread(getattr(found, axis.option), a.layers))
        each[axis.place(a)] = as_finite(f"axes[{axis.name!r}]", values[axis.name])
        changed: dict[str, Any] = {axis.option: tuple(each)}
        found = replace(found, **changed)
    return found


def changes_of(network: MLP, values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `MLP.fresh`, by which a network becomes that of a run with these axis values."""
    changes = {name: values[name] for name in CHANGEABLE if name in values}
    a = changed_architecture(network.architecture, changes)
    return changes | vars(initialization_of(network.initialization, a, values))


def _options(names: Iterable[str]) -> list[Axis]:
    """The axes that vary an option of the optimizer or of a layer."""
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
            found.append(Axis(name, name))
        else:
            part, number, option = match.groups()
            found.append(Axis(name, option, part, int(number)))  # type: ignore[arg-type]
    return found


def choices(
    places: Places, names: Iterable[str]
) -> tuple[list[dict[str, Any]], NDArray[np.intp], list[int]]:
    """The different combinations of some axes' values, which of them each run has, and the first run of each."""
    present = [name for name in names if name in places.values]
    if not present:
        return [{}], np.zeros(places.total, np.intp), [0]
    code = np.zeros(places.total, np.intp)
    for name in present:
        same = _first_equal(places.values[name])[places.of[name]]
        _, code = np.unique(code * len(places.values[name]) + same, return_inverse=True)
    _, first, of = np.unique(code, return_index=True, return_inverse=True)
    values = {name: places.values[name] for name in present}
    found = [{n: v[places.of[n][k]] for n, v in values.items()} for k in first.tolist()]
    return found, of.reshape(-1), first.tolist()


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
