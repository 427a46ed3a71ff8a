"""`minimize`: one descent of a problem or of any function."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastgd.checks import as_count, as_positive
from fastgd.descent.follower import Follower
from fastgd.descent.history import Recording
from fastgd.descent.optimize_result import as_result, result_class
from fastgd.descent.rates import with_default_rate
from fastgd.descent.request import Options, Request
from fastgd.descent.run import follower
from fastgd.engines.layout import RUNNING
from fastgd.engines.protocol.outcomes import SLICE, Standing, Status
from fastgd.engines.protocol.sweeps import Limits
from fastgd.names import suggesting
from fastgd.optimizers import SGD, Optimizer
from fastgd.problems import Function, Problem
from fastgd.progress import Progress
from fastgd.signals import interruptible
from fastgd.tensors import as_array

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

    Callback = Callable[[OptimizeResult], None]

_FIRST_SLICE = 16  # updates after which the clock is read first
_LONGEST_SLICE = 1 << 30
_MOST_KEPT = 1 << 20  # numbers recorded in one slice


@suggesting
def minimize(
    fun: Problem | Callable[..., Any],
    x0: ArrayLike | None = None,
    optimizer: Optimizer | None = None,
    *,
    jac: Callable[..., Any] | bool | None = None,
    bounds: Any = None,
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
    by `numba.njit`; any other Python function is called once per update. A run ends as in `fastgd.sweep`, with the
    same bits, the same number of updates and the same status.

    Parameters
    ----------
    fun : Problem or callable
        A problem, or ``fun(x, grad) -> value``, which writes the gradient into `grad`; or ``fun(x)``, whose gradient
        comes from `jac` or from finite differences: see `fastgd.Function`.
    x0 : array_like of shape (n_parameters,)
        Starting point; optional for a problem, and zero by default.
    optimizer : Optimizer, optional
        It is copied, not modified. By default `fastgd.SGD`, for a problem with a rate that is stable and fast: for
        least squares and quadratics 2 / (smallest + largest curvature), or 95 % of the stability limit 2 / (largest
        curvature) where that is less; for logistic regression the latter, from a bound of its curvature; in batches 1 /
        (a bound for every batch); for polynomials 1 / (largest curvature below the starting point). For a function, and
        where the curvature is not bounded, with the rate of `fastgd.SGD`.
    jac : callable or True, optional
        ``jac(x)`` returns the gradient; True: ``fun(x)`` returns the pair (value, gradient).
    bounds : pair, sequence of pairs, or scipy.optimize.Bounds, optional
        The lowest and the highest value of every parameter: a pair (low, high) for all of them, or one pair for each;
        None stands for no bound. Every update is followed by the projection onto this box; see the notes of
        `fastgd.sweep`. A function is only called within the bounds.
    rng : int or numpy.random.Generator, optional
        Start at a standard normal draw, if there is no `x0`; for a problem with batches, also the seed of the rows'
        orders. The iterates of such a problem are recorded and called back at NumPy's speed.
    max_iter : int, default 10000
        Maximum number of updates.
    tol : float, optional
        The run has converged when the largest slope max|g|, penalties included, is below this: tested at the start
        and after every update. Default 1e-8, in float32 1e-4. With 0, the default for a problem with batches, it
        never converges. What the slope is with `l1`, `l2` and `weight_decay`: see the notes of `fastgd.sweep`.
    step_tol : float, optional
        The run has also converged after an update that moved every parameter by less than this. Off by default.
    max_seconds : float, optional
        Time limit, after which the run ends with status 3.
    record : int, optional
        Keep every `record`-th iterate, and the first and the last, in `history`.
    callback : callable, optional
        ``callback(intermediate_result)``, with an OptimizeResult of x, fun, jac and nit; or ``callback(x)``, if its
        argument has another name. Called after every update, or with `record` after every `record`-th. If it raises
        StopIteration, the run ends with status 4.
    dtype : {"float64", "float32"}, default "float64"
        Precision of the run.
    backend : {"auto", "numpy", "cython", "numba"}, optional
        As for `fastgd.sweep`. For up to 2 million updates "auto" prefers kernels compiled ahead of time, where there
        are any, to faster ones that must be compiled first.
    n_threads : int, optional
        Accepted for symmetry with `sweep`; one run uses one thread.
    flush_subnormals : bool, default True
        Treat subnormal numbers as zero, but not within a Python function.
    progress : bool, optional
        Whether to show progress on standard error after one second; as for `fastgd.sweep`.

    Returns
    -------
    scipy.optimize.OptimizeResult
        Or, where SciPy is not installed, a class that behaves as it.
        `x`, `fun`, `jac` at the end of the run; `nit` updates; `nfev` and `njev`, the evaluations of the value and the
        gradient; `status` as in `fastgd.SweepResult` (0 converged, 1 max_iter, 2 diverged, 3 max_seconds,
        4 interrupted by Ctrl-C, the callback, or a signal as in `fastgd.sweep`); `success` (status 0), `message`;
        `history` (a `History`, or None);
        `x_best`, `fun_best`: the lowest loss among the start, the recorded iterates and the last one; `backend`.
        A `message` of status 1 says what is known of why, and what helps: of a problem with known curvature its
        condition number, the iterations that `fastgd.theory` expects, and the ratio of the columns' sizes. It is made
        when it is first read.
        A Python function that diverged is not called again: `fun` and `jac` are NaN.
        `fun` and `jac` are the function's alone. Beside them are `penalty`, what the optimizer's penalties add to the
        value, and `slope`, the largest slope with them, which was compared with `tol` (nan where there is none, see the
        notes of `fastgd.sweep`); with `bounds` it is that of the projected gradient. By these sums, or of a maximized
        function by its negative, the best is chosen.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; the message names it. A Python function's exceptions pass through.

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

    The same where the first parameter may not be above 1/2:

    >>> run = gd.minimize(rosenbrock, [0.0, 0.0], gd.SGD(lr=1e-3), bounds=[(None, 0.5), (None, None)], tol=1e-6)
    >>> run.success, run.x.round(5), run.jac.round(3)[0]
    (True, array([0.5 , 0.25]), np.float64(-1.0))
    """
    if isinstance(x0, Optimizer):
        raise TypeError(
            f"x0 must be an array of numbers, got {x0!r}; did you mean optimizer={x0!r}?"
        )
    result_class()  # imports SciPy's: Ctrl-C during an import after the run would lose the result

    options = Options(
        x0=x0, bounds=bounds, rng=rng, max_iter=max_iter, tol=tol, dtype=dtype, max_seconds=max_seconds,
        backend=backend, n_threads=n_threads, flush_subnormals=flush_subnormals, progress=progress,
    )  # fmt: skip
    problem = _problem(fun, jac, x0)
    shortest = 0.0 if step_tol is None else as_positive("step_tol", step_tol)
    every = 0 if record is None else as_count("record", record, 1)
    call = _checked_callback(callback)
    request = Request.of(problem, SGD() if optimizer is None else optimizer, {}, options)
    if optimizer is None:
        own = with_default_rate(SGD(), problem, request.starts.points[:, 0])
        request = replace(request, optimizer=own)
    limits = request.limits
    run = follower(request, step_tol=shortest, observed=bool(every or call))
    recording = Recording(request.problem, run, every)
    show = request.show
    with (
        interruptible(),
        Progress(1, show, deadline=limits.deadline, max_iter=limits.max_iter) as watcher,
    ):
        stopped_by = _advance_to_end(run, limits, recording, call, watcher)
        return recording.result(limits, stopped_by)


# --- the loop -------------------------------------------------------------------------------------------


def _advance_to_end(
    run: Follower,
    limits: Limits,
    recording: Recording,
    callback: Callback | None,
    watcher: Progress,
) -> str:
    """Advance in slices, to react to the clock and to Ctrl-C; returns what interrupted the run."""
    steps, every = _FIRST_SLICE, recording.every
    called = every or 1
    most = _LONGEST_SLICE if not every else every * max(1, _MOST_KEPT // run.x.size)
    try:
        while run.status == RUNNING:
            start = time.perf_counter()
            if start > limits.deadline:
                run.status = Status.MAX_SECONDS
                break
            stop = min(limits.max_iter, run.n + min(steps, most))
            if callback is not None:
                stop = min(stop, run.n - run.n % called + called)
            recording.take(run.advance(stop, every))
            steps = _next_slice(steps, time.perf_counter() - start)
            watcher.look(lambda: _standing(run, limits))
            if callback is not None and run.n == stop and run.n % called == 0:
                _call(callback, recording, run)
    except KeyboardInterrupt:
        run.status = Status.INTERRUPTED
        return "interrupted"
    except _Stopped:
        if run.status == RUNNING:
            run.status = Status.INTERRUPTED
        return "the callback raised StopIteration"
    return ""


def _standing(run: Follower, limits: Limits) -> Standing:
    return Standing(0, 1, 0, run.n / max(1, limits.max_iter), run.n)


def _next_slice(steps: int, took: float) -> int:
    """Updates of the next slice, given the seconds that the last one took."""
    if took < SLICE / 2:
        return min(4 * steps, _LONGEST_SLICE)
    return max(1, steps // 2) if took > 2 * SLICE else steps


class _Stopped(Exception):
    """A callback's StopIteration, as distinct from one that a user's function raises."""


def _call(callback: Callback, recording: Recording, run: Follower) -> None:
    if run.status == Status.DIVERGED:
        return
    loss, g = recording.here()
    try:
        callback(as_result({"x": run.x.copy(), "fun": loss, "jac": g.copy(), "nit": run.n}))
    except StopIteration:
        raise _Stopped from None


# --- arguments ------------------------------------------------------------------------------------------


def _problem(fun: Any, jac: Any, x0: ArrayLike | None) -> Problem:
    if isinstance(fun, Problem):
        if jac is not None:
            raise TypeError("jac belongs to a function; a problem has its gradient")
        return fun
    if not callable(fun):
        raise TypeError(f"fun must be a fastgd.Problem or callable, got {type(fun).__name__}")
    if x0 is None:
        raise TypeError("x0 is missing: a function needs a starting point")
    x0 = as_array("x0", x0)
    try:
        count = np.size(np.asarray(x0))
    except ValueError:
        count = 0
    if count == 0 or np.ndim(x0) > 1:
        raise ValueError(f"x0 must have shape (n_parameters,), got {x0!r:.60}")
    return Function(fun, count, jac=jac)


def _checked_callback(callback: Any) -> Callback | None:
    """A function of the intermediate result, which calls `callback` as SciPy does."""
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
