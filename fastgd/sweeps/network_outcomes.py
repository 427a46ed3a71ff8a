"""How the runs of a sweep of networks ended: arrays that are filled run by run, and the result made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count
from fastgd.descent.axes import Places
from fastgd.engines.protocol.outcomes import Status
from fastgd.network.mlp import MLP
from fastgd.network.parameters import numbered_names
from fastgd.sweeps import alone, lane_ends
from fastgd.sweeps.best import Values
from fastgd.sweeps.kept import Kept, KeptNetworks, Stage, Waiting, in_order
from fastgd.sweeps.network_runs import NetworkRuns
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.seeds import Combinations
from fastgd.sweeps.tables import table


class NetworkOutcomes:
    """Results by run.

    Parameters
    ----------
    runs : NetworkRuns
    taken : Combinations or None
        Runs that differ in their seeds alone. None: no network is handed over.
    keep : {"params", None}
        Whether the parameters of all runs are kept.
    record : int or None
        Updates between two losses that are kept.
    """

    def __init__(
        self, runs: NetworkRuns, taken: Combinations | None, keep: Any, record: Any
    ) -> None:
        n = runs.total
        self.runs, self.order = runs, np.arange(n) if taken is None else in_order(taken)
        self.iterations = np.zeros(n, np.int64)
        self.status = np.full(n, Status.NOT_RUN, np.int8)
        self.loss, self.metric = np.full(n, math.nan), np.full(n, math.nan)
        self.regime = np.zeros(n, np.uint8)
        self.ended = self.diverged = 0
        self.waiting: dict[int, Waiting] = {}
        self.values = Values(self.loss, self.iterations, self.status, self.metric)
        self.kept = None if taken is None else KeptNetworks(taken, self.values)
        self.parameter_names: tuple[str, ...] = ()
        self.params = np.zeros((n, 0), runs.problem.network.architecture.dtype)
        self.history: NDArray[Any] | None = None
        self.record = 0
        self._make_room(keep, record)

    def _make_room(self, keep: Any, record: Any) -> None:
        """For what is kept of every run."""
        total, real = self.runs.total, self.runs.problem.network.architecture.dtype
        if keep not in (None, "params"):
            raise ValueError(f"keep must be 'params' or None, got {keep!r:.60}")
        if keep is not None:
            a = self.runs.one_form("keep='params'")
            self.parameter_names = numbered_names(a)
            self.params = table("keep='params'", total, len(self.parameter_names), real)
        if record is not None:
            self.record = as_count("record", record, 1)
            records = -(-int(self.runs.updates.max()) // self.record)
            self.history = table(f"record={record}", total, records, real)

    def take(self, runs: NDArray[np.intp], ended: lane_ends.Ended) -> None:
        """The outcomes of runs that trained side by side."""
        self.iterations[runs], self.status[runs] = ended.iterations, ended.status
        self.regime[runs], self.loss[runs] = ended.regime, ended.worth[:, 0]
        self.metric[runs] = ended.worth[:, 1]
        if self.parameter_names:
            self.params[runs] = ended.numbers[:, : len(self.parameter_names)]
        if self.history is not None:
            first, stop = -(-ended.begun // self.record), ended.history.shape[1]
            self.history[runs, first:stop] = ended.history[:, first:]
        self.ended += runs.size
        self.diverged += int(np.count_nonzero(ended.status == Status.DIVERGED))
        waits = ended.status == Status.STOPPED
        places = np.flatnonzero(~waits)
        if self.kept is not None:
            self.kept.add_all(runs[places], lambda i: ended.row(int(places[i])))
        if self.waiting or waits.any():
            for k, run in enumerate(runs.tolist()):
                self._wait(run, lane_ends.Place(ended, k) if waits[k] else None)

    def take_one(self, k: int, ended: alone.Ended, worth: tuple[float, float]) -> None:
        """The outcome of a run that trained alone; `worth`: loss and metric."""
        self.iterations[k], self.status[k] = ended.iterations, ended.status
        self.regime[k], (self.loss[k], self.metric[k]) = ended.regime, worth
        if self.parameter_names:
            np.concatenate([p.ravel() for p in ended.trainer.network.params], out=self.params[k])
        if self.history is not None:
            first, stop = -(-ended.begun // self.record), ended.losses.size
            self.history[k, first:stop] = ended.losses[first:]
        self.ended += 1
        self.diverged += ended.status is Status.DIVERGED
        waits = ended.status is Status.STOPPED
        self._wait(k, ended.waiting() if waits else None)
        if self.kept is not None and not waits:
            self.kept.add(k, ended.kept)

    # --- runs that wait -------------------------------------------------------------------------------

    def stage(self, runs: NDArray[np.intp], pause: NDArray[np.int64]) -> Stage:
        """Runs that are taken on from where they wait, or begin; each waits after `pause` updates."""
        among = np.zeros(self.runs.total, bool)
        among[runs] = True
        until = np.zeros(self.runs.total, np.int64)
        until[runs] = np.where(pause < self.runs.updates[runs], pause, 0)
        waiting = {k: self.waiting[k] for k in runs.tolist() if k in self.waiting}
        self.ended = self.diverged = 0
        return Stage(self.order[among[self.order]], until, waiting)

    def _wait(self, run: int, where: Waiting | None) -> None:
        """A run waits here, or no longer."""
        if where is not None:
            self.waiting[run] = where
        else:
            self.waiting.pop(run, None)

    def close(self, status: Status) -> None:
        """Runs that still wait were broken off."""
        left = np.array(sorted(self.waiting), np.intp)
        self.status[left] = status
        self.leave(left)

    def leave(self, runs: NDArray[np.intp]) -> None:
        """Runs that wait and do not go on."""
        left = [(k, self.waiting.pop(k)) for k in runs.tolist() if k in self.waiting]
        places = np.array([k for k, _ in left], np.intp)
        if self.kept is not None:
            self.kept.add_all(places, lambda i: left[i][1].begun().kept)

    # --- all runs -------------------------------------------------------------------------------------

    def result(self, places: Places, **about: Any) -> SweepResult:
        """The result of the sweep, with the best networks."""
        shape = places.shape
        handed_over = {} if self.kept is None else self.kept.networks()
        a = self.runs.problem.network.architecture
        return SweepResult(
            axes=places.given,
            paired=places.paired,
            iterations=self.iterations.reshape(shape),
            status=self.status.reshape(shape),
            regime=self.regime.reshape(shape),
            loss=self.loss.reshape(shape),
            metric=self.metric.reshape(shape),
            metric_name="accuracy" if a.link in {"softmax", "sigmoid"} else "R²",
            slope=np.full(shape, math.nan),
            x=self.params.reshape(*shape, self.params.shape[1]),
            parameter_names=self.parameter_names,
            history=None if self.history is None else self.history.reshape(*shape, -1),
            record=self.record,
            template=self.runs.template(),
            networks={
                tuple(int(i) for i in np.unravel_index(k, shape)): self._handed_over(k, kept)
                for k, kept in handed_over.items()
            },
            problem=repr(self.runs.problem),
            dtype=a.dtype.name,
            **about,
        )

    def _handed_over(self, k: int, kept: Kept) -> MLP:
        """The network as `MLP.fit` would have trained it, with threads and backend of the problem's network."""
        done, whole = int(self.iterations[k]), self.runs.network(k)
        whole.steps_, whole.status_ = done, Status(int(self.status[k]))
        whole.epochs_, whole.steps_in_epoch_ = divmod(done, self.runs.batches_at(k).updates)
        whole.optimizer_ = self.runs.optimizer(k)
        kept.into(whole, whole.optimizer_)
        return whole
