"""The result of a sweep: one entry per run, in arrays shaped like the sweep's axes.

Long because of its documentation: what the methods do is in `arrays`, `axis_values`, `best` and `files`. Its parts are
`contents` (what follows from the axes), `table_results` (tables, selections), `network_results` and `pictures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Regime, Status
from fastgd.sweeps import files
from fastgd.sweeps.arrays import (
    ARRAYS,
    check_members,
    checked_array,
    checked_names,
    checked_x,
)
from fastgd.sweeps.axis_values import AxesAsGiven, shown_axes
from fastgd.sweeps.best import BestRun, Values, best_of_combinations
from fastgd.sweeps.network_results import NetworkResult
from fastgd.sweeps.pictures import PictureResult
from fastgd.sweeps.regimes import RegimeNames
from fastgd.sweeps.rungs import Rungs
from fastgd.sweeps.seeds import SeedAverages, averages_of, check_average, combinations
from fastgd.sweeps.table_results import TableResult
from fastgd.text import printable

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP


_STATUSES = [int(status) for status in Status]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SweepResult(TableResult, NetworkResult, PictureResult):
    """The outcome of every run of a sweep.

    `fastgd.sweep` returns it. Every array is shaped like the axes, in their order; `x` has one
    more axis.

    Parameters
    ----------
    axes : dict of str to sequence
        Names and values of the axes, in order. NumPy scalars become Python numbers and
        one-dimensional arrays (starting points) become tuples of numbers.
    iterations : ndarray of int64
        Updates done; 0 for a run that had converged at its start.
    status : ndarray of int8
        How each run ended, see `Status`.
    regime : ndarray of str
        ``"monotone"`` or ``"oscillating"`` (converged); of runs that were not: ``"growing"`` if what the run minimizes
        is larger than at its start, ``"slow"`` if it was still falling, else ``"cycling"``; ``"diverged"``; and ``""``
        for a run that was not started. One byte per run is kept, the names are made when they are asked for.
    loss : ndarray of float64
        The problem's value at the last iterate, without penalties.
    slope : ndarray of float64
        The largest absolute component of the gradient there, penalties included, which is compared with `tol`; nan
        where no slope tells that a run has converged (see the notes of `sweep`).
    x : ndarray of shape (axes..., n_parameters), float32 or float64
        The last iterates; of networks those that ``keep="params"`` asks for, else none, shape (axes..., 0).
    parameter_names : sequence of str, optional
        One name per parameter; ``p0, p1, ...`` by default.
    seconds : float, default 0
        Wall-clock time of the whole sweep.
    backend : str, default ""
        The backend of the sweep.
    problem, optimizer : str, default ""
        Descriptions of the problem and the optimizer.
    dtype : str, default "float64"
        The precision of the runs.
    tol : float, default nan
        A run has converged when `slope` is below it.
    max_iter : int, default 0
        Maximum number of updates of a run.
    vector_width : int, default 1
        Runs that advance in one machine instruction.
    paired : bool, default False
        Whether the axes are combinations, one per run, as `fastgd.sample_axes` draws them, all of one length.
    metric : ndarray of float64, optional
        In a sweep of networks: accuracy or R² at the end of the run.
    metric_name : str, default ""
        The name of the metric.
    networks : dict of tuple of int to MLP, optional
        In a sweep of networks: the trained networks that were kept, by index: those that `best` may return. They are
        not saved with the sweep; `MLP.save` writes them.
    history : ndarray of shape (axes..., records), optional
        With `record`: the loss before update 0, `record`, 2 `record`, ...; nan from the end of a run on. Of networks it
        is the training loss of the update's batch, penalties included, else the problem's value as in `loss`.
    record : int, default 0
        Updates between two entries of `history`.
    engine : str, default ""
        Of networks: "lanes" or on NumPy "batched" (small ones side by side), "one by one", or two with "and" between.
    template : MLP, optional
        In a sweep of networks: an untrained one, of which `network` makes others. It is not saved.
    rungs : Rungs, optional
        Of a sweep that stopped bad runs early: how many went on, and why.

    Raises
    ------
    ValueError
        If an array does not have the shape of the axes, or the values of `status` or `regime`
        are unknown.

    See Also
    --------
    fastgd.sweep : Returns a `SweepResult`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd.sweeps.results import SweepResult
    >>> out = SweepResult(
    ...     axes={"lr": (0.1, 0.5, 3.0)}, iterations=[40, 7, 900], status=[0, 0, 2],
    ...     regime=["monotone", "monotone", "diverged"], loss=[1.0, 1.0, np.inf],
    ...     slope=[1e-9, 1e-9, np.inf], x=[[2.0], [2.0], [1e101]], parameter_names=("w",))
    >>> out.best(by="iterations").axes
    {'lr': 0.5}
    >>> out.to_pandas()[["lr", "status", "iterations", "w"]]
        lr     status  iterations              w
    0  0.1  converged          40   2.000000e+00
    1  0.5  converged           7   2.000000e+00
    2  3.0   diverged         900  1.000000e+101
    """

    axes: AxesAsGiven = AxesAsGiven()  # noqa: RUF009  (a descriptor, which a class has once)
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    regime: RegimeNames = RegimeNames()  # noqa: RUF009  (a descriptor, which a class has once)
    loss: NDArray[np.float64]
    slope: NDArray[np.float64]
    x: NDArray[Any]
    parameter_names: tuple[str, ...] = ()
    seconds: float = 0.0
    backend: str = ""
    problem: str = ""
    optimizer: str = ""
    dtype: str = "float64"
    tol: float = float("nan")
    max_iter: int = 0
    vector_width: int = 1
    paired: bool = False
    metric: NDArray[np.float64] | None = None
    metric_name: str = ""
    networks: Mapping[tuple[int, ...], MLP] = field(default_factory=dict)
    history: NDArray[Any] | None = None
    record: int = 0
    engine: str = ""
    template: MLP | None = None
    rungs: Rungs | None = None

    def __post_init__(self) -> None:
        if self.paired and len(set(self.kept_axes.lengths)) != 1:
            raise ValueError("axes must all be of one length where they are paired")
        shape = self.shape
        for name, dtype in ARRAYS.items():
            self._set(name, checked_array(name, getattr(self, name), dtype, shape))
        checked_array("regime", self.regime_codes, np.uint8, shape)
        if self.metric is not None:
            self._set("metric", checked_array("metric", self.metric, np.float64, shape))
        self._set("x", checked_x("x", self.x, shape))
        if self.history is not None:
            self._set("history", checked_x("history", self.history, shape))
        self._set("parameter_names", checked_names(self.parameter_names, self.x.shape[-1]))
        check_members("status", self.status, _STATUSES)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    # --- contents -----------------------------------------------------------------------------

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Where the slope is below `tol`."""
        return np.asarray(self.status == Status.CONVERGED)

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Where a run diverged."""
        return np.asarray(self.status == Status.DIVERGED)

    def __repr__(self) -> str:
        axes = self.kept_axes
        by = " x ".join(f"{n} ({length})" for n, length in zip(axes, axes.lengths, strict=True))
        if self.paired:
            by = f"{', '.join(axes)} together"
        runs = "1 run" if self.size == 1 else f"{self.size:,} runs"
        lines = [f"SweepResult: {runs}" + (f" over {by}" if by else "")]
        about = (self.problem, self.optimizer, self.dtype, self.backend)
        lines.append("  " + ", ".join(text for text in about if text))
        for status in (*sorted(Status)[1:], Status.NOT_RUN):
            counts = self.iterations[self.status == status]
            if counts.size:
                span = f"iterations {_span(counts)}" if status != Status.NOT_RUN else ""
                lines.append(f"  {status.label:<12}{counts.size:>12,}  {span}".rstrip())
        return "\n".join(map(printable, lines))

    def best(
        self,
        by: Literal["loss", "iterations", "metric"] = "loss",
        *,
        over: str | None = "rng",
        average: Literal["mean", "median"] = "mean",
    ) -> BestRun:
        """Return the best run, or a typical run of the combination that is the best on average over the seeds.

        Runs that diverged or were not started are never returned, and those that were stopped early only if no other
        has a value. A combination of which some diverged is worse than any of which none did; combinations are compared
        by this share first, then by the average of the other runs.

        Parameters
        ----------
        by : {"loss", "iterations", "metric"}, default "loss"
            The lowest loss (fewer iterations break a tie), the fewest iterations among the runs that
            converged (the lower loss breaks a tie), or, for networks, the highest metric (likewise).
        over : str, optional
            The axis to average over: by default the seeds, "rng", where there is such an axis. The combination of the
            other axes' values that is the best on average is chosen, and of its runs the one nearest to the average.
            None: the best of all runs, whatever its seed: for the lowest of many random starting points.
        average : {"mean", "median"}, default "mean"
            How to average.

        Returns
        -------
        BestRun
            The run's entries in all arrays, and the combination's average, standard error and number of runs.

        Raises
        ------
        ValueError
            If an argument is unknown, or there is no run to choose from.

        Examples
        --------
        >>> out = SweepResult(axes={"lr": (0.1, 0.5)}, iterations=[40, 7], status=[0, 0],
        ...     regime=["monotone"] * 2, loss=[1.0, 1.5], slope=[0, 0], x=[[2.0], [2.1]])
        >>> out.best().axes, out.best(by="iterations").axes
        ({'lr': 0.1}, {'lr': 0.5})

        The lucky seed of a rate that is worse on average:

        >>> out = SweepResult(axes={"lr": (0.1, 0.5), "rng": (0, 1, 2)}, iterations=np.full((2, 3), 9),
        ...     status=np.ones((2, 3)), regime=np.full((2, 3), "slow"), slope=np.ones((2, 3)),
        ...     loss=[[2.0, 2.5, 3.0], [1.0, 4.0, 7.0]], x=np.zeros((2, 3, 1)))
        >>> best = out.best()
        >>> best.axes, best.average, round(best.standard_error, 3), best.seeds
        ({'lr': 0.1, 'rng': 1}, 2.5, 0.289, 3)
        >>> out.best(over=None).axes
        {'lr': 0.5, 'rng': 0}
        """
        self._check_quantity("by", by)
        check_average(self.axes, over, average)
        rows = np.arange(self.size)[:, None]
        if over in self.axes:
            rows = combinations(self.axes, over, paired=self.paired).rows
        best = best_of_combinations(by, average, rows, self._values())
        if best is None:
            wanted = "converged" if by == "iterations" else f"ended with a finite {by}"
            raise ValueError(f"no run of this sweep {wanted}; it holds {self._counts()}")
        run = self._run(tuple(int(i) for i in np.unravel_index(best.run, self.shape)))
        if over not in self.axes:
            return run
        ended = self.status.ravel()[rows[best.row][rows[best.row] >= 0]]
        return replace(
            run,
            average=best.average,
            standard_error=best.standard_error,
            seeds=ended.size,
            converged=float(np.mean(ended == Status.CONVERGED)),
            diverged=float(np.mean(ended == Status.DIVERGED)),
        )

    def averages(
        self,
        quantity: Literal["loss", "iterations", "metric"] = "loss",
        *,
        over: str = "rng",
        average: Literal["mean", "median"] = "mean",
    ) -> SeedAverages:
        """Average a quantity over the seeds, or over another axis.

        Only runs that have a value count: that did not diverge, and of iterations, that converged. How many have none
        stands beside the average.

        Parameters
        ----------
        quantity : {"loss", "iterations", "metric"}, default "loss"
        over : str, default "rng"
            The axis to average over. If the axes are paired, runs that are equal in all others belong together.
        average : {"mean", "median"}, default "mean"

        Returns
        -------
        SeedAverages
            Arrays shaped like the other axes.

        Raises
        ------
        ValueError
            If an argument is unknown, or the sweep has no such axis.

        Examples
        --------
        >>> out = SweepResult(axes={"lr": (0.1, 0.5), "rng": (0, 1)}, iterations=[[3, 5], [9, 9]],
        ...     status=[[0, 0], [0, 2]], regime=[["monotone"] * 2, ["monotone", "diverged"]],
        ...     loss=[[1.0, 2.0], [4.0, 1e99]], slope=np.zeros((2, 2)), x=np.zeros((2, 2, 1)))
        >>> found = out.averages("loss")
        >>> found.average, found.standard_error, found.diverged
        (array([1.5, 4. ]), array([0.5, nan]), array([0. , 0.5]))
        """
        self._check_quantity("quantity", quantity)
        check_average(self.axes, over, average)
        if over not in self.axes:
            raise ValueError(
                f"over must be an axis of the sweep, one of {list(self.axes)}, got {over!r}"
            )
        taken = combinations(self.axes, over, paired=self.paired)
        return averages_of(taken, getattr(self, quantity), self.status, quantity, average)

    def _check_quantity(self, argument: str, name: Any) -> None:
        if name not in ("loss", "iterations", "metric"):
            raise ValueError(f'{argument} must be "loss", "iterations" or "metric", got {name!r}')
        if name == "metric" and self.metric is None:
            raise ValueError(
                f'{argument}="metric" is for sweeps of networks; this one has no metric'
            )

    def _values(self) -> Values:
        metric = None if self.metric is None else self.metric.ravel()
        return Values(self.loss.ravel(), self.iterations.ravel(), self.status.ravel(), metric)

    def _run(self, index: tuple[int, ...]) -> BestRun:
        return BestRun(
            index=index,
            axes=self.axes_at(index),
            x=self.x[index].copy(),
            loss=float(self.loss[index]),
            iterations=int(self.iterations[index]),
            status=Status(int(self.status[index])),
            regime=Regime(int(self.regime_codes[index])).label,
            metric=None if self.metric is None else float(self.metric[index]),
            network=self.networks.get(index),
        )

    def _counts(self) -> str:
        found = [(s.label, int(np.count_nonzero(self.status == s))) for s in Status]
        return ", ".join(f"{count:,} {label}" for label, count in found if count) or "no runs"

    # --- files --------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Write the sweep to a NumPy ``.npz`` archive, which is read without pickle.

        Axes of numbers, booleans, strings and equally long tuples of numbers are restored as they
        were; other values (schedules, ``None``) are saved as their ``repr``, optimizers as in `shown_axes`.

        Parameters
        ----------
        path : str or path-like
            The file to write, under exactly this name; an older one is replaced.

        Examples
        --------
        >>> out.save("sweep.npz")  # doctest: +SKIP
        """
        arrays = {name: getattr(self, name) for name in (*ARRAYS, "x")}
        arrays["regime"] = self.regime_codes
        for name in ("metric", "history"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        arrays["parameter_names"] = np.array(self.parameter_names, dtype=np.str_)
        about = self._about()
        if self.rungs is not None:
            about["rungs"] = self.rungs.plain()
        files.write(path, shown_axes(self.kept_axes).columns, arrays, about)

    @classmethod
    def load(cls, path: str | PathLike[str], *, max_bytes: int | None = None) -> SweepResult:
        """Read a sweep that `save` wrote; no code in the file is run.

        Parameters
        ----------
        path : str or path-like
        max_bytes : int, optional
            The most that the file may unpack to; by default 64 MiB and 100 times its size, within which all files of
            this version are. Those of older versions may need more.

        Returns
        -------
        SweepResult

        Raises
        ------
        FileNotFoundError
            If the file does not exist.
        ValueError
            If the file is not a saved sweep, is damaged, or would unpack to more.

        Examples
        --------
        >>> out = SweepResult.load("sweep.npz")  # doctest: +SKIP
        """
        try:
            return cls(**files.read(path, max_bytes))
        except Exception as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(f"path: {str(path)!r} is not a saved sweep ({error})") from error


def _span(counts: NDArray[np.int64]) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
