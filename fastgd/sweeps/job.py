"""`Job`: what decides the runs of a sweep, apart from how and where they are run.

A job runs any of its runs, here or in another process, to which it can be sent. A run's outcome does not depend on
which others run with it, so that the parts of a job are those of one sweep, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count, as_seed
from fastgd.descent.axes import CheckedAxes, Places, SampledAxes, SomePlaces
from fastgd.descent.request import Options, Request
from fastgd.network.problem import NetworkProblem
from fastgd.optimizers import Optimizer
from fastgd.problems import Problem
from fastgd.progress import Progress
from fastgd.sweeps.descents import sweep_descents
from fastgd.sweeps.network_runs import NetworkRuns
from fastgd.sweeps.networks import sweep_networks
from fastgd.sweeps.results import SweepResult

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP

KEEP = ("outcome", "loss", "all")  # what a run leaves, from the least to the most


@dataclass(frozen=True, eq=False)
class Job:
    """The runs of a sweep.

    Attributes
    ----------
    problem : Problem or NetworkProblem
    optimizer : Optimizer
    axes : CheckedAxes
    paired : bool
        Whether the axes are combinations, one per run.
    options : Options
        Without what holds for one call alone: threads, time limit, progress.
    keep : {"outcome", "loss", "all"}
        What is kept of a run: its outcome and iterations; also loss and slope (or metric); also the final parameters.
    record : int, optional
        Updates between two losses that are kept.
    """

    problem: Problem | NetworkProblem[Any]
    optimizer: Optimizer
    axes: CheckedAxes
    paired: bool
    options: Options
    keep: str
    record: int | None

    @classmethod
    def of(
        cls,
        problem: Problem | NetworkProblem[Any],
        optimizer: Optimizer,
        axes: Mapping[str, Any],
        options: Options,
        *,
        keep: str | None,
        record: int | None,
    ) -> Job:
        """The job of a call of `sweep`, checked as far as it can be before the first run."""
        places = Places(axes)
        for value in places.values.get("rng", ()):
            if isinstance(value, np.random.Generator):
                raise TypeError(
                    "axes['rng'] holds a generator, which a run in parts or a second time would find changed; "
                    "give whole numbers as seeds"
                )
        options = replace(options, **_settled(problem, places, options))
        network = isinstance(problem, NetworkProblem)
        level = {None: "loss" if network else "all", "params": "all"}.get(keep, keep)
        if level not in KEEP:
            raise ValueError(f"keep must be 'outcome', 'loss', 'all' or None, got {keep!r:.60}")
        record = None if record is None else as_count("record", record, 1)
        job = cls(problem, optimizer, places.given, places.paired, options, level, record)
        job.check(places)
        return job

    def __getstate__(self) -> dict[str, Any]:
        """For pickles: without what can be made again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def places(self) -> Places:
        """The axes, and where each run stands on them."""
        return Places(SampledAxes(self.axes.columns) if self.paired else self.axes)

    @property
    def total(self) -> int:
        """The number of runs."""
        return self.places.total

    def check(self, places: Places) -> None:
        """Refuse what could not be run."""
        if isinstance(self.problem, NetworkProblem):
            NetworkRuns(self.problem, self.optimizer, places, self.options)
            return
        list(Request.of(self.problem, self.optimizer, places, self.options, cuda=True).groups())

    def run(
        self,
        index: NDArray[np.intp],
        *,
        n_threads: int | None = None,
        max_seconds: float | None = None,
        watcher: Progress | None = None,
    ) -> SweepResult:
        """Some runs, in the order of `index`, as a result of one dimension.

        Parameters
        ----------
        index : ndarray of int
            Their positions among all runs.
        n_threads : int, optional
        max_seconds : float, optional
        watcher : Progress, optional
            Shows all runs.
        """
        some = SomePlaces(self.places, index)
        watcher = watcher or Progress(some.total, False)
        now = replace(
            self.options,
            n_threads=n_threads,
            max_seconds=max_seconds,
            started=time.perf_counter(),
        )
        if isinstance(self.problem, NetworkProblem):
            keep = "params" if self.keep == "all" else None
            return sweep_networks(
                self.problem,
                self.optimizer,
                some,
                now,
                keep=keep,
                record=self.record,
                watcher=watcher,
            )
        return sweep_descents(
            Request.of(self.problem, self.optimizer, some, now, cuda=True),
            watcher,
            record=self.record,
        )

    def network(self, k: int, updates: int) -> MLP:
        """The network of a run after so many updates, trained again: with the same bits as before."""
        columns = {
            name: (value,)
            for name, value in self.places.at(k).items()
            if name not in ("epochs", "max_iter")
        }
        options = replace(self.options, max_iter=updates, max_seconds=None, progress=False)
        places = Places(CheckedAxes(columns))
        out = sweep_networks(self.problem, self.optimizer, places, options)  # type: ignore[arg-type]
        (network,) = out.networks.values()
        return network


def _settled(
    problem: Problem | NetworkProblem[Any], places: Places, options: Options
) -> dict[str, Any]:
    """`x0` and `rng` as values: a generator is drawn from now, once for all runs."""
    settled: dict[str, Any] = {"n_threads": None, "max_seconds": None, "progress": False}
    if not isinstance(options.rng, np.random.Generator):
        return settled
    if isinstance(problem, NetworkProblem):
        return settled | {"rng": as_seed("rng", options.rng)}
    if options.x0 is None and not {"x0", "rng"} & set(places.values):
        settled["x0"] = options.rng.standard_normal(problem.n_parameters)
    batched = problem.batches is not None
    return settled | {"rng": as_seed("rng", options.rng) if batched else None}
