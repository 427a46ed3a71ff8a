"""`minimize`: one descent of a problem or of any function; optimizers as SciPy's custom minimizers."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from fastgd.descent.run import SMALL_STEP, Follower, Recorded, follower
from fastgd.engines import config
from fastgd.engines.protocol.outcomes import SLICE, Standing, Status
from fastgd.engines.protocol.sweeps import Limits
from fastgd.optimizers import SGD, Optimizer
from fastgd.problems import Function, Problem
from fastgd.problems.base import Array
from fastgd.progress import Progress

if TYPE_CHECKING:
    import pandas as pd
    from scipy.optimize import OptimizeResult


_FIRST_SLICE = 16  # updates after which the clock is looked at first
_LONGEST_SLICE = 1 << 30
_MOST_KEPT = 1 << 20  # numbers recorded in one slice
_AT_ONCE = 4096  # recorded points whose losses are taken together


@dataclass(frozen=True, eq=False)
class History:
    """Iterates recorded on the way: the start, every `record`-th, and the last.

    Attributes
    ----------
    n : ndarray of int64, shape (k,)
        Updates done by then.
    x : ndarray of shape (k, n_parameters)
        The iterates, in the run's dtype.
    loss : ndarray of float64, shape (k,)
    slope : ndarray of float64, shape (k,)
        The largest absolute component of the gradient.
    parameter_names : tuple of str
    """

    n: NDArray[np.int64]
    x: Array
    loss: NDArray[np.float64]
    slope: NDArray[np.float64]
    parameter_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.n)

    def __repr__(self) -> str:
        return f"History({len(self)} iterates, n = {self.n[0]} ... {self.n[-1]})"

    def to_pandas(self) -> pd.DataFrame:
        """One row an iterate: `n`, the parameters, `loss`, `slope`.

        Returns
        -------
        pandas.DataFrame

        Examples
        --------
        >>> import fastgd as gd
        >>> bowl = gd.Quadratic([[2.0]])
        >>> run = gd.minimize(bowl, [1.0], gd.SGD(lr=0.25), max_iter=2, record=1)
        >>> run.history.to_pandas()
           n    p0    loss  slope
        0  0  1.00  1.0000    2.0
        1  1  0.50  0.2500    1.0
        2  2  0.25  0.0625    0.5
        """
        import pandas as pd  # noqa: PLC0415

        columns = dict(zip(self.parameter_names, self.x.T, strict=True))
        return pd.DataFrame({"n": self.n, **columns, "loss": self.loss, "slope": self.slope})


def minimize(
    fun: Problem | Callable[..., Any],
    x0: ArrayLike | None = None,
    optimizer: Optimizer | None = None,
    *,
    jac: Callable[..., Any] | bool | None = None,
    rng: int | np.random.Generator | None = None,
    max_iter: int = 10_000,
    tol: float | None = None,
    step_tol: float | None = None,
    max_seconds: float | None = None,
    record: int | None = None,
    callback: Callable[..., Any] | None = None,
    dtype: DTypeLike = "float64",
    backend: str | None = None,
    n_threads: int | None = None,
    flush_subnormals: bool = True,
    progress: bool | None = None,
) -> OptimizeResult:
    """Descend a problem, or any function, from one point.

    The whole loop is compiled, without the interpreter, for the problems of this library and for functions compiled
    by `numba.njit`; any other Python function is called once an update. A run ends as in `fastgd.sweep`, with the
    same bits, the same number of updates and the same status.

    Parameters
    ----------
    fun : Problem or callable
        A problem, or ``fun(x, grad) -> value``, which writes the gradient into `grad`; ``fun(x)`` with `jac`, or
        without it, by finite differences: see `fastgd.Function`.
    x0 : array_like of shape (n_parameters,)
        Where to start; for a problem it may be left out, and is zero then.
    optimizer : Optimizer, optional
        By which rule; `fastgd.SGD()` by default. It is not changed: a fresh copy does the work.
    jac : callable or True, optional
        ``jac(x)`` returns the gradient; True: ``fun(x)`` returns the pair (value, gradient).
    rng : int or numpy.random.Generator, optional
        Start at a standard normal draw from it, if there is no `x0`; of a problem with batches, also the seed of the
        orders in which rows come. Such a problem's iterates are recorded and called back at NumPy's speed.
    max_iter : int, default 10000
        The most updates.
    tol : float, optional
        The run has converged when the largest slope max|g| is below it: tested at the start and after every update.
        Default 1e-8, in float32 1e-4. With 0, the default of a problem with batches, this never happens.
    step_tol : float, optional
        The run has also converged after an update that moved every parameter by less than this. Off by default.
    max_seconds : float, optional
        Wall-clock time after which the run ends with status 3.
    record : int, optional
        Record every so many iterates (and the first and the last) in `history`.
    callback : callable, optional
        ``callback(intermediate_result)``, an OptimizeResult with x, fun, jac and nit; or ``callback(x)``, if its
        argument has another name. Called after every update, or with `record` after every `record`-th. If it raises
        StopIteration the run ends with status 4.
    dtype : {"float64", "float32"}, default "float64"
        Precision of the run.
    backend : {"auto", "numpy", "cython", "numba"}, optional
        As for `fastgd.sweep`. "auto" compiles nothing for up to 2 million updates where there are kernels ahead of
        time.
    n_threads : int, optional
        Checked, and of no consequence: one run takes one thread.
    flush_subnormals : bool, default True
        Treat subnormal numbers as zero, but not within a Python function.
    progress : bool, optional
        Whether to say how far it is, after a second, on standard error; as for `fastgd.sweep`.

    Returns
    -------
    scipy.optimize.OptimizeResult
        `x`, `fun`, `jac` where the run ended; `nit` updates; `nfev` and `njev`, how often the value and the gradient
        were taken; `status` as in `fastgd.SweepResult` (0 converged, 1 max_iter, 2 diverged, 3 max_seconds,
        4 interrupted by Ctrl-C or the callback); `success` (status 0), `message`; `history` (a `History`, or None);
        `x_best`, `fun_best`: the lowest loss among the start, the recorded iterates and the last one; `backend`.
        Where a Python function diverged it is not called again: `fun` and `jac` are NaN.

    Raises
    ------
    TypeError, ValueError
        If an argument is not legal; the message names it. A Python function's exceptions pass through.

    Examples
    --------
    >>> import fastgd as gd
    >>> def rosenbrock(x, grad):
    ...     a, b = 1 - x[0], x[1] - x[0] ** 2
    ...     grad[:] = -2 * a - 400 * x[0] * b, 200 * b
    ...     return a**2 + 100 * b**2
    >>> run = gd.minimize(rosenbrock, [-1.2, 1.0], gd.Momentum(lr=1e-3, momentum=0.9), tol=1e-6)
    >>> run.success, run.nit, run.x.round(5)
    (True, 2993, array([1., 1.]))
    """
    import scipy.optimize  # noqa: F401, PLC0415  (now, not when the outcome is at hand and Ctrl-C may come)

    started = time.perf_counter()
    real = as_dtype(dtype)
    problem = _problem(fun, jac, x0)
    one = SGD() if optimizer is None else optimizer
    check_ungrouped("optimizer", one)
    one = one.fresh()
    check_data(problem, real)
    limits = Limits(
        as_count("max_iter", max_iter),
        checked_tol(tol, real, problem),
        DIVERGED_BEYOND[real.name],
        real,
        np.inf if max_seconds is None else started + as_positive("max_seconds", max_seconds),
    )
    shortest = 0.0 if step_tol is None else as_positive("step_tol", step_tol)
    every = 0 if record is None else as_count("record", record, 1)
    call = _checked_callback(callback)
    config.get_num_threads(n_threads)
    flush = as_flag("flush_subnormals", flush_subnormals)
    engine = resolved_backend(backend)
    starts = starting_points(problem, Places({}), x0, rng, real)
    ((_, runs),) = grouped_descents(one, Places({}), starts)
    check_order(problem, runs)
    runs.seeds, runs.seed_of = order_seeds(problem, Places({}), rng)
    run = follower(
        problem,
        one,
        runs,
        limits,
        step_tol=shortest,
        backend=engine,
        flush=flush,
        watched=bool(every or call),
    )
    kept = _Kept(problem, run, every)
    show = None if progress is None else as_flag("progress", progress)
    with Progress(1, show, deadline=limits.deadline, max_iter=limits.max_iter) as watcher:
        stopped_by = _followed(run, limits, kept, every, call, watcher=watcher)
    return kept.result(limits, stopped_by, lookahead=runs.lookahead)


def _followed(
    run: Follower,
    limits: Limits,
    kept: _Kept,
    every: int,
    callback: Callable[[OptimizeResult], None] | None,
    *,
    watcher: Progress,
) -> str:
    """Runs it to its end, in slices, so that the clock and Ctrl-C are heeded; says what cut it short."""
    steps, called = _FIRST_SLICE, every or 1
    most = _LONGEST_SLICE if not every else every * max(1, _MOST_KEPT // run.x.size)
    try:
        while run.status < 0:
            start = time.perf_counter()
            if start > limits.deadline:
                run.status = Status.MAX_SECONDS
                break
            stop = min(limits.max_iter, run.n + min(steps, most))
            if callback is not None:
                stop = min(stop, run.n - run.n % called + called)
            kept.take(run.advance(stop, every))
            took = time.perf_counter() - start
            steps = _paced(steps, took)
            watcher.look(lambda: _standing(run, limits))
            if callback is not None and run.n == stop and run.n % called == 0:
                _call(callback, kept, run)
    except KeyboardInterrupt:
        run.status = Status.INTERRUPTED
        return "interrupted"
    except _Stopped:
        if run.status < 0:
            run.status = Status.INTERRUPTED
        return "the callback raised StopIteration"
    return ""


def _standing(run: Follower, limits: Limits) -> Standing:
    return Standing(0, 1, 0, run.n / max(1, limits.max_iter), run.n)


def _paced(steps: int, took: float) -> int:
    """Updates that fill a slice, by what the last one took."""
    if took < SLICE / 2:
        return min(4 * steps, _LONGEST_SLICE)
    return max(1, steps // 2) if took > 2 * SLICE else steps


class _Stopped(Exception):
    """A callback's StopIteration, told from one that a user's function lets out."""


def _call(callback: Callable[[OptimizeResult], None], kept: _Kept, run: Follower) -> None:
    if run.status == Status.DIVERGED:
        return
    loss, g = kept.here()
    try:
        callback(_as_result({"x": run.x.copy(), "fun": loss, "jac": g.copy(), "nit": run.n}))
    except StopIteration:
        raise _Stopped from None


class _Kept:
    """What was recorded, and how the result is made of it."""

    def __init__(self, problem: Problem, run: Follower, every: int) -> None:
        self.problem, self.run, self.every = problem, run, every
        self.start = run.x.copy()
        self.recorded: list[Recorded] = []

    def take(self, recorded: Recorded | None) -> None:
        if recorded is not None and len(recorded.x):
            self.recorded.append(recorded)

    def here(self) -> tuple[float, Array]:
        """Loss and gradient where the run is."""
        known = self.run.last()
        if known is not None:
            return known
        point = self.run.x.copy()[:, None]
        if self.run.status == Status.DIVERGED and self.problem.kernel("float64").kind == "python":
            return np.nan, np.full_like(point[:, 0], np.nan)
        return float(self.problem.losses(point)[0]), self.problem.slopes(point)[:, 0]

    def result(self, limits: Limits, stopped_by: str, *, lookahead: bool) -> OptimizeResult:
        run = self.run
        loss, g = self.here()
        slope = float(np.abs(g).max())
        small = run.status == SMALL_STEP
        status = Status(Status.CONVERGED if small else run.status)
        points = self._points(loss, slope)
        best = _lowest(points.loss)
        evaluations = run.evaluations()
        if evaluations is None:  # the compiled loops take a gradient at every iterate they test
            gradients = run.n * (2 if lookahead else 1) + (status != Status.DIVERGED)
            values = gradients if isinstance(self.problem, Function) else len(points)
            evaluations = values, gradients
        fields = {
            "x": run.x.copy(),
            "fun": loss,
            "jac": np.array(g),
            "nit": run.n,
            "nfev": evaluations[0],
            "njev": evaluations[1],
            "status": int(status),
            "success": status == Status.CONVERGED,
            "message": _message(status, slope, limits, stopped_by),
            "history": points if self.every else None,
            "x_best": points.x[best].copy(),
            "fun_best": float(points.loss[best]),
            "backend": run.backend,
        }
        return _as_result(fields)

    def _points(self, loss: float, slope: float) -> History:
        """The start, what was recorded, and the last iterate, each once."""
        run, start = self.run, Recorded(self.start[None])
        if run.first is not None:
            start.loss, start.slope = np.array([run.first[0]]), np.array([run.first[1]])
        parts = [start, *self.recorded]
        updates = [0, *(self.every * k for k in range(1, sum(len(p.x) for p in parts)))]
        if run.n > updates[-1]:
            updates.append(run.n)
            last = np.array([loss]), np.array([slope])
            parts.append(Recorded(run.x.copy()[None], *last))
        known = [self._known(part) for part in parts]
        return History(
            np.array(updates, np.int64),
            np.concatenate([part.x for part in parts]),
            np.concatenate([losses for losses, _ in known]),
            np.concatenate([slopes for _, slopes in known]),
            self.problem.parameter_names,
        )

    def _known(self, part: Recorded) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if part.loss is not None and part.slope is not None:
            return part.loss, part.slope
        losses, slopes = [], []
        for k in range(0, len(part.x), _AT_ONCE):
            points = np.ascontiguousarray(part.x[k : k + _AT_ONCE].T)
            losses.append(self.problem.losses(points))
            slopes.append(np.abs(self.problem.slopes(points)).max(axis=0).astype(np.float64))
        return np.concatenate(losses), np.concatenate(slopes)


def _as_result(fields: dict[str, Any]) -> OptimizeResult:
    from scipy.optimize import OptimizeResult  # noqa: PLC0415

    result = OptimizeResult()
    result.update(fields)
    return result


def _lowest(losses: NDArray[np.float64]) -> int:
    """Where the least is; NaN is least of nothing."""
    return int(np.argmin(np.where(np.isnan(losses), np.inf, losses)))


def _message(status: Status, slope: float, limits: Limits, stopped_by: str) -> str:
    if status == Status.CONVERGED:
        if slope < limits.tol:
            return f"Converged: the largest slope {slope:.3g} is below tol={limits.tol:g}."
        return "Converged: the last update moved every parameter by less than step_tol."
    return {
        Status.MAX_ITER: f"Not converged after max_iter={limits.max_iter} updates.",
        Status.DIVERGED: f"Diverged: a parameter is not finite or beyond {limits.bound:g}.",
        Status.MAX_SECONDS: "Stopped after max_seconds.",
    }.get(status, f"Stopped: {stopped_by}.")


# --- arguments ---------------------------------------------------------------------------------------


def _problem(fun: Any, jac: Any, x0: ArrayLike | None) -> Problem:
    if isinstance(fun, Problem):
        if jac is not None:
            raise TypeError("jac belongs to a function; a problem has its gradient")
        return fun
    if not callable(fun):
        raise TypeError(f"fun must be a fastgd.Problem or callable, got {type(fun).__name__}")
    if x0 is None:
        raise TypeError("x0 is missing: where does the descent of the function start?")
    try:
        count = np.size(np.asarray(x0))
    except ValueError:
        count = 0
    if count == 0 or np.ndim(x0) > 1:
        raise ValueError(f"x0 must have shape (n_parameters,), got {x0!r:.60}")
    return Function(fun, count, jac=jac)


def _checked_callback(callback: Any) -> Callable[[OptimizeResult], None] | None:
    """As SciPy calls it: by its argument's name with all that is known, else with the point."""
    if callback is None:
        return None
    if not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    try:
        named = set(inspect.signature(callback).parameters) == {"intermediate_result"}
    except (TypeError, ValueError):
        named = False
    if named:
        return lambda result: callback(intermediate_result=result)
    return lambda result: callback(result.x)
