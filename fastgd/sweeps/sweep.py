"""`sweep`: very many descents of one problem, over learning rates, hyperparameters, starts and optimizers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.checks import as_count, as_dtype, as_flag, as_positive
from fastgd.descent.axes import Places
from fastgd.descent.request import (
    DIVERGED_BEYOND,
    check_data,
    check_order,
    check_ungrouped,
    checked_tol,
    grouped_descents,
    order_seeds,
    resolved_backend,
    starting_points,
)
from fastgd.engines import config, sweeps
from fastgd.engines.protocol.outcomes import Outcomes, Status
from fastgd.engines.protocol.sweeps import Limits
from fastgd.network.problem import NetworkProblem
from fastgd.optimizers import Optimizer
from fastgd.problems import Problem
from fastgd.progress import Progress
from fastgd.sweeps.results import SweepResult

_EARLY = (Status.NOT_RUN, Status.MAX_SECONDS, Status.INTERRUPTED)
_ROWS_WORTH_REREADING = (
    20_000_000  # rows x runs up to which the last slopes are taken row by row once more
)


def sweep(
    problem: Problem | NetworkProblem[Any],
    optimizer: Optimizer,
    axes: Mapping[str, Sequence[Any] | NDArray[Any]],
    *,
    x0: ArrayLike | None = None,
    rng: int | np.random.Generator | None = None,
    max_iter: int = 10_000,
    tol: float | None = None,
    dtype: DTypeLike | None = None,
    max_seconds: float | None = None,
    backend: str | None = None,
    n_threads: int | None = None,
    flush_subnormals: bool = True,
    progress: bool | None = None,
) -> SweepResult:
    """Descend a problem once for every combination of the axes' values.

    The loops are compiled and leave Python alone: runs advance as lanes of vector instructions, on all threads. A
    run ends when its largest slope max|g| is below `tol` (tested at the start and after every update), when it
    diverges (a parameter not finite or beyond 1e100, in float32 1e30) or after `max_iter` updates; its outcome does
    not depend on the other runs, the threads or the backend.

    Parameters
    ----------
    problem : Problem or NetworkProblem
        What is descended, for example `fastgd.LeastSquares`; or what `fastgd.MLP.problem` returns, see the notes.
    optimizer : Optimizer
        By which rule, with all that is not varied. It is not changed. Ignored where axes has "optimizer".
    axes : dict of str to sequence, or SampledAxes
        What is varied: any hyperparameter of the optimizer ("lr" takes schedules too; "betas" pairs), "x0" (starting
        points), "rng" (seeds of random starting points and of the orders of batches), "optimizer" (other optimizers in
        its place). Each value is combined with each of the others; for a random search, `fastgd.sample_axes` draws the
        combinations.
    x0 : array_like of shape (n_parameters,), optional
        Where all runs start; zeros by default. For a problem of one parameter a number does, here and in axes.
    rng : int or numpy.random.Generator, optional
        Start at a standard normal draw from it instead, the same for all runs. Of a problem with batches it is also
        the seed of the rows' orders, and may stand beside `x0`.
    max_iter : int, default 10000
        The most updates of a run.
    tol : float, optional
        Default 1e-8, in float32 1e-4. With 0 nothing converges, and every run does `max_iter` updates; that
        is the default of a problem with batches, whose slopes of all rows are tested once an epoch. The slope is the
        problem's own: with `weight_decay`, `l1` or `l2` a descent ends at the penalized optimum, where that slope is
        not 0, and goes on to `max_iter`.
    dtype : {"float64", "float32"}, optional
        Precision of the runs, float64 by default.
    max_seconds : float, optional
        Wall-clock time after which runs under way end with status 3; those not begun have status -1.
    backend : {"auto", "numpy", "cython", "numba", "cuda"}, optional
        "cython" has kernels ahead of time for the plain, momentum and Adam rules on quadratics, polynomials and least
        squares by statistics; "numba" compiles any combination when it is first used; "numpy" is the readable
        reference. "auto" takes the first of these that fits. "cuda" descends on the GPU and is never chosen by itself;
        see the notes.
    n_threads : int, optional
        As `fastgd.set_num_threads` has it by default.
    flush_subnormals : bool, default True
        Treat subnormal numbers as zero.
    progress : bool, optional
        Whether to say how far it is, after a second, on standard error: runs done, running and diverged, runs per
        second, and the time left if all that run go on to `max_iter`. By default a bar where that is a terminal;
        True also writes a line every ten seconds where it is none; False is silent.

    Returns
    -------
    SweepResult
        Arrays shaped like the axes. After Ctrl-C it holds what was finished; runs under way have status 4, those
        not begun -1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not legal; the message names it.

    Notes
    -----
    Networks are trained side by side, each on one thread, as `MLP.fit` would train it alone with the same seed. A run
    ends after `max_iter` updates (of n rows, ``ceil(n / batch_size)`` of them are an epoch), or when it diverges: where
    a batch's loss, or a parameter at the end of an epoch, is not finite; `iterations` are its updates until then.
    `loss` and `metric` (accuracy, or R² of values) are those of the validation rows at the end, or of all training rows
    where there are none; the loss is without penalties, and both are nan where a run diverged. `regime` is "slow" where
    the mean training loss of the last epoch was below that of the one before (of runs shorter than two epochs: that of
    the second half below that of the first), else "cycling".

    Axes are the optimizer's hyperparameters, "optimizer", "rng" (seeds of the weights, the orders of rows and dropout;
    the network's by default), "batch_size", "epochs" or "max_iter" (in the place of `max_iter`), "hidden" (units of the
    hidden layers, an integer or a tuple of them) and "dropout". `x0`, `tol` and `flush_subnormals` are not for
    networks, and the dtype is the network's. The parameters of all networks would fill the memory, and those of
    different sizes fit no table: `x` is empty, and two networks are kept, that of the lowest loss,
    ``out.best().network``, and that of the best metric, ``out.best(by="metric").network``.

    On the GPU every run has a thread, or a block of threads where it has many parameters, and the results are those of
    ``backend="numpy", flush_subnormals=False`` bit for bit: subnormal numbers are never flushed there. A function of
    your own must be ``fun(x, grad)``, compiled with `numba.njit`; its last bits may differ, since the card's compiler
    fuses products with sums, and it must not raise exceptions.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    >>> out = gd.sweep(line, gd.SGD(), {"lr": [0.1, 1.0, 2.0]}, tol=1e-3)
    >>> out.iterations[:2].tolist(), out.regime.tolist()
    ([379, 36], ['monotone', 'monotone', 'diverged'])
    >>> out.best(by="iterations").axes
    {'lr': 1.0}

    Networks over rate and batch size:

    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> net = gd.MLP([2, 8, 2], rng=0)
    >>> problem = net.problem(X[:200], X[:200, 0] > 0, validation=(X[200:], X[200:, 0] > 0))
    >>> axes = {"lr": [1e-3, 0.1], "batch_size": [10, 100], "epochs": [20]}
    >>> out = gd.sweep(problem, gd.Adam(), axes)
    >>> out.iterations.tolist()
    [[[400], [40]], [[400], [40]]]
    >>> bool(out.best(by="metric").network.score(X[200:], X[200:, 0] > 0) == out.metric.max() > 0.9)
    True
    """
    started = time.perf_counter()
    if not isinstance(problem, Problem | NetworkProblem):
        raise TypeError(
            f"problem must be a fastgd.Problem, got {type(problem).__name__}; of a network it is net.problem(X, y)"
        )
    if isinstance(problem, NetworkProblem):
        return _sweep_networks(
            problem,
            optimizer,
            axes,
            started=started,
            x0=x0,
            rng=rng,
            max_iter=max_iter,
            tol=tol,
            dtype=dtype,
            max_seconds=max_seconds,
            backend=backend,
            n_threads=n_threads,
            flush_subnormals=flush_subnormals,
            progress=progress,
        )
    places = Places(axes)
    if "optimizer" not in places.values:
        check_ungrouped("optimizer", optimizer)
    for k, one in enumerate(places.given.get("optimizer", ())):
        check_ungrouped(f"axes['optimizer'][{k}]", one)
    real, flush = as_dtype(dtype), as_flag("flush_subnormals", flush_subnormals)
    check_data(problem, real)
    limits = Limits(
        as_count("max_iter", max_iter),
        checked_tol(tol, real, problem),
        DIVERGED_BEYOND[real.name],
        real,
        np.inf if max_seconds is None else started + as_positive("max_seconds", max_seconds),
    )
    engine = resolved_backend(backend, card=True)
    starts = starting_points(problem, places, x0, rng, real)
    seeds = order_seeds(problem, places, rng)
    found = _Found(places.total, problem.n_parameters, real)
    threads = config.get_num_threads(n_threads)
    show = None if progress is None else as_flag("progress", progress)
    watcher = Progress(places.total, show, deadline=limits.deadline, max_iter=limits.max_iter)
    try:
        for index, runs in grouped_descents(optimizer, places, starts):
            check_order(problem, runs)
            runs.seeds, runs.seed_of = seeds[0], seeds[1][index]
            outcome = sweeps.descend(
                problem,
                runs,
                limits,
                backend=engine,
                n_threads=threads,
                flush=flush,
                progress=watcher,
            )
            found.take(index, *outcome)
            status = outcome[0].status
            if np.isin(status, _EARLY).any():
                break
            watcher.close_group(len(index), int(np.count_nonzero(status == Status.DIVERGED)))
    except KeyboardInterrupt:  # between the groups; within one, `descend` answers it
        pass
    finally:
        watcher.close()
    return found.result(
        problem,
        limits,
        starts,
        places,
        optimizer="" if "optimizer" in places.values else repr(optimizer),
        seconds=time.perf_counter() - started,
    )


def _sweep_networks(problem: NetworkProblem[Any], *args: Any, **options: Any) -> SweepResult:
    from fastgd.sweeps.networks import sweep_networks  # noqa: PLC0415  (it uses the checks of this module)

    return sweep_networks(problem, *args, **options)


# --- what came of them ---------------------------------------------------------------------------------


class _Found:
    """Outcomes of all runs, flat."""

    def __init__(self, total: int, n_parameters: int, dtype: np.dtype[Any]) -> None:
        self.x = np.zeros((total, n_parameters), dtype)
        self.before = np.zeros((total, n_parameters), dtype)
        self.iterations = np.zeros(total, np.int64)
        self.status = np.full(total, -1, np.int8)
        self.oscillating = np.zeros(total, bool)
        self.backends: dict[str, None] = {}
        self.vector = 1

    def take(self, index: NDArray[np.intp], outcomes: Outcomes, backend: str, vector: int) -> None:
        for name in ("x", "before", "iterations", "status", "oscillating"):
            getattr(self, name)[index] = getattr(outcomes, name)
        self.backends[backend] = None
        self.vector = max(self.vector, vector)

    def result(
        self, problem: Problem, limits: Limits, starts: NDArray[Any], places: Places, **about: Any
    ) -> SweepResult:
        shape = places.shape
        waiting = self.status == Status.NOT_RUN
        self.x[waiting] = starts.T[waiting]
        loss = problem.losses(self.x.T)
        return SweepResult(
            axes=places.given,
            paired=places.paired,
            iterations=self.iterations.reshape(shape),
            status=self.status.reshape(shape),
            regime=self._regimes(problem, loss).reshape(shape),
            loss=loss.reshape(shape),
            slope=_last_slopes(problem, self.x.T).reshape(shape),
            x=self.x.reshape(*shape, problem.n_parameters),
            parameter_names=problem.parameter_names,
            backend="+".join(self.backends),
            problem=repr(problem),
            dtype=limits.dtype.name,
            tol=limits.tol,
            max_iter=limits.max_iter,
            vector_width=self.vector,
            **about,
        )

    def _regimes(self, problem: Problem, loss: NDArray[np.float64]) -> NDArray[np.str_]:
        """Converged, by the signs of the last steps; else, whether the loss fell over the last 64 updates."""
        regimes = np.where(self.oscillating, "oscillating", "monotone")
        regimes[self.status == Status.DIVERGED] = "diverged"
        regimes[self.status == Status.NOT_RUN] = ""
        unfinished = np.isin(self.status, (Status.MAX_ITER, Status.MAX_SECONDS, Status.INTERRUPTED))
        falling = loss[unfinished] < problem.losses(self.before[unfinished].T)
        regimes[unfinished] = np.where(falling, "slow", "cycling")
        return regimes


def _last_slopes(problem: Problem, x: NDArray[Any]) -> NDArray[np.float64]:
    """max|g| at the points (n_parameters, runs)."""
    rows = problem.kernel(x.dtype).size * x.shape[1]
    if rows > _ROWS_WORTH_REREADING and hasattr(problem, "hessian"):
        with np.errstate(all="ignore"):
            g = problem.hessian @ x.astype(np.float64) - problem.linear[:, None]  # type: ignore[attr-defined]
    else:
        g = sweeps.slopes(problem, x)
    return np.asarray(np.abs(g).max(axis=0), np.float64)
