"""The runs of a sweep of networks, as columns: a number for each run, and what many of them share once.

A sweep has up to millions of runs, and most differ in a rate alone. Nothing here is an object of one run until that
run is asked for: seeds, batches and updates are arrays over the runs, and `network_groups` has the numbers of the
optimizer as rows over those runs that one compiled loop can train side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.batches import Batches
from fastgd.checks import LARGEST_COUNT, as_count, as_seed
from fastgd.descent.axes import Places
from fastgd.descent.request import Options, check_optimizers
from fastgd.engines.protocol.networks import Architecture, Array
from fastgd.network.arguments import CHANGEABLE, changed_architecture
from fastgd.network.mlp import MLP
from fastgd.network.parameters import Initialization, given_parameters, parameter_views
from fastgd.network.problem import NetworkProblem
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import with_groups
from fastgd.sweeps.network_axes import (
    Axis,
    choices,
    initialization_of,
    optimizer_axes,
    start_axes,
)
from fastgd.sweeps.network_groups import Part, RunGroup, groups_of_runs, parts_of


@dataclass(frozen=True, eq=False)
class Start:
    """How the parameters of a run begin: drawn by its seed, or as they are given."""

    initialization: Initialization
    given: list[Array] | None = None

    def write(self, params: Sequence[Array], a: Architecture, seed: int) -> None:
        """Write the initial parameters of a network."""
        if self.given is None:
            self.initialization.write(params, a, seed)
            return
        for p, value in zip(params, self.given, strict=True):
            p[...] = value


class NetworkRuns:
    """All runs of a sweep of networks, checked.

    Parameters
    ----------
    problem : NetworkProblem
    optimizer : Optimizer
        Ignored if there is an axis "optimizer".
    places : Places
        The axes.
    options : Options
        `x0`, `rng` and `max_iter` of the sweep.

    Attributes
    ----------
    total : int
        The number of runs.
    seeds : list of int
        The different seeds; `seed_of`, ndarray of int, has each run's place among them.
    batches : list of Batches
        The different sizes of batches, and `batches_of`.
    updates : ndarray of int64
        The most updates of each run.
    architectures : list of Architecture
        The different ones, and `architecture_of`.
    starts : list of Start
        The different ways to begin, and `start_of`.
    groups : list of RunGroup
        The same runs as engines take them; each run is in one of them.

    Raises
    ------
    TypeError, ValueError
        If a run could not be trained; the message names the axis.
    """

    def __init__(
        self, problem: NetworkProblem[MLP], optimizer: Any, places: Places, options: Options
    ) -> None:
        self.problem, self.places, self.total = problem, places, places.total
        check_optimizers(optimizer, places)
        self.seeds = _seeds(problem, places, options.rng)
        self.seed_of = self._place("rng")
        self.batches = [
            problem.batches(size, 0, "axes['batch_size']")
            for size in places.values.get("batch_size", (problem.batch_size,))
        ]
        self.batches_of = self._place("batch_size")
        self.updates = self._updates(options.most_updates)
        self._choose_architectures()
        self._choose_starts(options.x0)
        self._optimizers: tuple[Optimizer, ...] = places.values.get("optimizer", (optimizer,))
        self._optimizer_of = self._place("optimizer")
        self._axes = optimizer_axes(places.values)
        self._parts: dict[tuple[int, int], list[Part]] = {}  # by architecture and optimizer
        self.groups = list(self._grouped())

    def _grouped(self) -> Iterator[RunGroup]:
        """The runs by architecture and optimizer, and by the rules that its hyperparameters select."""
        both = self.architecture_of * len(self._optimizers) + self._optimizer_of
        order = np.argsort(both, kind="stable")
        for index in np.split(order, np.flatnonzero(np.diff(both[order])) + 1):
            architecture = self.architectures[self.architecture_of[index[0]]]
            optimizer = self._optimizers[self._optimizer_of[index[0]]]
            yield from groups_of_runs(optimizer, architecture, self._axes, self.places, index)

    def _place(self, name: str) -> NDArray[np.intp]:
        """Each run's place on an axis; 0 if there is no such axis."""
        of = self.places.of.get(name)
        return np.zeros(self.total, np.intp) if of is None else of

    def _updates(self, max_iter: int) -> NDArray[np.int64]:
        values = self.places.values
        if "epochs" in values and "max_iter" in values:
            raise ValueError(
                "axes['epochs'] and axes['max_iter'] both say how long; give one of them"
            )
        counts = {
            name: [as_count(f"axes[{name!r}][{k}]", v) for k, v in enumerate(values[name])]
            for name in ("epochs", "max_iter")
            if name in values
        }
        if "epochs" not in counts:
            updates = np.array(counts.get("max_iter", [max_iter]), np.int64)
            return updates[self._place("max_iter")]
        each = [b.updates for b in self.batches]
        table = [[min(n * epoch, LARGEST_COUNT) for n in each] for epoch in counts["epochs"]]
        return np.array(table, np.int64)[self._place("epochs"), self.batches_of]

    def _choose_architectures(self) -> None:
        """The architectures of the runs."""
        network = self.problem.network
        changes, self.architecture_of, _ = choices(self.places, CHANGEABLE)
        self.architectures = [changed_architecture(network.architecture, own) for own in changes]
        if "leak" in self.places.values and not any(a.constants for a in self.architectures):
            raise ValueError("axes['leak'] has no effect: no run has the activation 'leaky_relu'")

    def _choose_starts(self, x0: Any) -> None:
        """The starts of the runs."""
        axes = start_axes(self.places.values)
        given = x0 is not None or "x0" in axes
        says = [f"axes[{name!r}]" for name in axes] + ["x0"] * (x0 is not None)
        if given and len(says) > 1:
            raise ValueError(f"{' and '.join(says)} both say where runs start; give one of them")
        if given:
            self.one_form(says[0])
        values, self.start_of, first = choices(self.places, axes if given else [*CHANGEABLE, *axes])
        self.starts = []
        for k, own in zip(first, values, strict=True):
            a = self.architectures[int(self.architecture_of[k])]
            start = Start(initialization_of(self.problem.network.initialization, a, own))
            if given:
                where = "x0" if x0 is not None else f"{says[0]}[{self.places.of['x0'][k]}]"
                value = own.get("x0", x0)
                value = value.params if isinstance(value, MLP) else value
                start = replace(start, given=given_parameters(where, value, a))
            self.starts.append(start)

    def one_form(self, wanted_by: str) -> Architecture:
        """An architecture of whose arrays all networks have the like; ValueError if they differ."""
        first = self.architectures[0]
        for other in self.architectures[1:]:
            if other.shapes != first.shapes:
                raise ValueError(
                    f"{wanted_by} needs networks of the same arrays, but there are {first.shapes} and {other.shapes}"
                )
        return first

    def template(self) -> MLP:
        """An untrained network like those of the sweep; it differs from a run's in what the axes vary."""
        network = self.problem.network
        return network.fresh(self.seeds[0] if len(self.seeds) == 1 else None)

    # --- one run ----------------------------------------------------------------------------------

    def seed(self, k: int) -> int:
        """Of a run's weights, orders of rows and dropout."""
        return self.seeds[int(self.seed_of[k])]

    def penalties(self, index: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The l1 and the l2 of some runs."""
        both = np.array([(a.l1, a.l2) for a in self.architectures])[self.architecture_of[index]]
        return both[:, 0].copy(), both[:, 1].copy()

    def batches_at(self, k: int) -> Batches:
        """How a run's rows are dealt out; the seed of the orders is `seed`."""
        return self.batches[int(self.batches_of[k])]

    def network(self, k: int, **running: Any) -> MLP:
        """The network of a run as it begins; `running` replaces the problem's `backend` and `n_threads`."""
        network, start = self.problem.network, self.starts[int(self.start_of[k])]
        settings = {name: getattr(network, name) for name in ("backend", "n_threads", "tf32")}
        new = network.from_architecture(
            self.architectures[int(self.architecture_of[k])],
            rng=self.seed(k),
            **(settings | running | vars(start.initialization)),
        )
        if start.given is not None:
            start.write(new.params, new.architecture, new.seed)
        return new

    def start_keys(self, index: NDArray[np.intp]) -> NDArray[np.intp]:
        """Columns of numbers, one for each of some runs, which are equal where the runs start alike."""
        return np.stack([self.architecture_of[index], self.start_of[index], self.seed_of[index]])

    def start_key(self, k: int) -> tuple[int, int, int]:
        """The same for one run."""
        return int(self.architecture_of[k]), int(self.start_of[k]), int(self.seed_of[k])

    def start(self, k: int) -> list[Array]:
        """The initial parameters of a run, in new arrays."""
        a = self.architectures[int(self.architecture_of[k])]
        params = parameter_views(a)
        self.starts[int(self.start_of[k])].write(params, a, self.seed(k))
        return params

    def optimizer(self, k: int) -> Optimizer:
        """The optimizer of a run, new."""
        given = {axis: self._value(axis, k) for axis in self._axes}
        own = {axis.option: value for axis, value in given.items() if axis.part == "all"}
        one = self._optimizers[int(self._optimizer_of[k])].with_options(**own)
        if len(own) == len(given):
            return one
        which = int(self.architecture_of[k]), int(self._optimizer_of[k])
        if which not in self._parts:
            self._parts[which] = parts_of(one, self.architectures[which[0]], self._axes)
        parts = self._parts[which]
        groups = {
            (array,): part.options | {axis.option: given[axis] for axis in part.axes}
            for array, part in enumerate(parts)
        }
        return with_groups(one, {path: options for path, options in groups.items() if options})

    def _value(self, axis: Axis, k: int) -> Any:
        return self.places.values[axis.name][self.places.of[axis.name][k]]


def _seeds(problem: NetworkProblem[MLP], places: Places, rng: Any) -> list[int]:
    if "rng" not in places.values:
        return [problem.network.seed if rng is None else as_seed("rng", rng)]
    if rng is not None:
        raise ValueError("rng and axes['rng'] both say which seeds the runs have; give one of them")
    return [as_seed("axes['rng']", value) for value in places.values["rng"]]
