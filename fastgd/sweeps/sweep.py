"""`sweep`: many descents or trainings of one problem, for all combinations of the axes' values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.descent.request import Options, Request
from fastgd.names import suggesting
from fastgd.network.problem import NetworkProblem
from fastgd.optimizers import Optimizer
from fastgd.problems import Problem
from fastgd.signals import interruptible
from fastgd.sweeps.chunks import sweep_in_chunks
from fastgd.sweeps.descents import sweep_descents
from fastgd.sweeps.executors import run_on
from fastgd.sweeps.job import Job
from fastgd.sweeps.networks import sweep_networks
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.stopping import SuccessiveHalving, checked_stopping

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP


@suggesting
def sweep(
    problem: Problem | NetworkProblem[Any],
    optimizer: Optimizer,
    axes: Mapping[str, Sequence[Any] | NDArray[Any]],
    *,
    x0: ArrayLike | Sequence[ArrayLike] | MLP | None = None,
    bounds: Any = None,
    rng: int | np.random.Generator | None = None,
    max_iter: int = 10_000,
    tol: float | None = None,
    dtype: DTypeLike | None = None,
    max_seconds: float | None = None,
    backend: str | None = None,
    n_threads: int | None = None,
    flush_subnormals: bool = True,
    progress: bool | None = None,
    keep: Literal["params", "outcome", "loss", "all"] | None = None,
    record: int | None = None,
    store: str | PathLike[str] | None = None,
    stopping: SuccessiveHalving | None = None,
    executor: Executor | Callable[[], Executor] | None = None,
) -> SweepResult:
    """Descend a problem once for every combination of the axes' values.

    The loops are compiled: runs advance as lanes of vector instructions, on all threads, without the interpreter. A
    run ends when its largest slope max|g|, penalties included, is below `tol` (tested at the start and after every
    update), when it diverges (a parameter is not finite or beyond 1e100, in float32 1e30) or after `max_iter` updates.
    Its outcome does not depend on the other runs, the threads or the backend.

    Parameters
    ----------
    problem : Problem or NetworkProblem
        For example a `fastgd.LeastSquares`; or a network's problem as `fastgd.MLP.problem` returns it, see the notes.
    optimizer : Optimizer
        Its hyperparameters hold unless `axes` varies them. It is copied, not modified. Ignored if `axes` contains
        "optimizer".
    axes : dict of str to sequence, or SampledAxes
        Names and the values they take: any hyperparameter of the optimizer ("lr" takes schedules too, "betas" pairs),
        "x0" (starting points), "rng" (seeds of random starting points and of the orders of batches), "optimizer"
        (optimizers to use instead). All combinations of the values are run; for a random search, `fastgd.sample_axes`
        draws combinations.
    x0 : array_like of shape (n_parameters,), optional
        Starting point of all runs; zeros by default. For a problem of one parameter a number will do, here and in
        `axes`.
    bounds : pair, sequence of pairs, or scipy.optimize.Bounds, optional
        The lowest and the highest value of every parameter, the same for all runs: a pair (low, high) for all of them,
        ``(0, None)`` for instance, or one pair for each; None stands for no bound. See the notes. Not for networks.
    rng : int or numpy.random.Generator, optional
        Start at a standard normal draw instead, the same for all runs. For a problem with batches it is also the seed
        of the rows' orders, and may be given beside `x0`.
    max_iter : int, default 10000
        Maximum number of updates of a run.
    tol : float, optional
        Default 1e-8, in float32 1e-4. With 0 no run converges, and each makes `max_iter` updates; that is the default
        for a problem with batches, which otherwise tests the slopes of all rows once per epoch. With `l1`, `l2` or
        `weight_decay` the slope is that of the penalized loss, see the notes.
    dtype : {"float64", "float32"}, optional
        Precision of the runs, float64 by default.
    max_seconds : float, optional
        Time limit. Runs under way then end with status 3; those not begun have status -1.
    backend : {"auto", "numpy", "cython", "numba", "cuda"}, optional
        "cython" has kernels compiled ahead of time for the plain, momentum and Adam rules on quadratics, polynomials,
        least squares and logistic regression; "numba" compiles any combination when it is first used; "numpy" is the
        readable reference. "auto" takes the first of these that fits. "cuda" runs on the GPU and is never chosen
        automatically; see the notes.
    n_threads : int, optional
        The setting of `fastgd.set_num_threads` by default.
    flush_subnormals : bool, default True
        Treat subnormal numbers as zero.
    progress : bool, optional
        Whether to show progress on standard error after one second: runs done, running and diverged, runs per
        second, and the time left if all active runs go on to `max_iter`. By default a bar on a terminal and in a
        notebook, and nothing elsewhere; True writes a line every ten seconds where there is neither; False
        is silent.
    keep : {"params", "outcome", "loss", "all"}, optional
        Of networks: "params" keeps the final parameters of every run, as `SweepResult.params`; all networks must have
        the same arrays. (Of other problems they are kept.) With `store` also how much of a run is kept: "outcome", its
        status, regime and iterations; "loss", also its loss and slope or metric (the default for networks); "all", also
        its final parameters (the default for other problems).
    record : int, optional
        Keep the loss before every `record`-th update of every run, as `SweepResult.history`. For that of some runs
        only, sweep these alone: a run's bits do not depend on the others.
    store : str or path-like, optional
        A folder that keeps runs as they end, about once a second, whatever then happens to the process. The same call
        runs what is not there; with other values on its axes it runs what is new. What else decides the runs (problem,
        optimizer, `max_iter`, `tol`, version of fastgd, ...) must be the same. `fastgd.SweepStore` looks at it, as
        does ``fastgd status``.
    stopping : SuccessiveHalving or Hyperband, optional
        Stop bad runs early: those that are not among the best after a share of their updates. `SweepResult.rungs` tells
        how many went on, and why. Not with `store` or `executor`, which run all.
    executor : concurrent.futures.Executor, Dask client, or callable that makes one, optional
        Runs chunks of about a second on its workers, with the same results; see the notes. `n_threads` are then the
        threads of a chunk, 1 by default.

    Returns
    -------
    SweepResult
        Arrays shaped like the axes. After Ctrl-C, SIGTERM or SIGHUP (see the notes) it holds the finished runs; those
        under way have status 4, those not begun -1.

    Raises
    ------
    SystemExit
        If such a signal ended an earlier call, which was to be the last, or came before anything could be kept.
    TypeError, ValueError
        If an argument is invalid; the message names it. If `store` holds another sweep; the message says what differs.
    RuntimeError
        If another process writes to `store`, or a worker of `executor` has another version of the library.
    BrokenExecutor
        If `executor` broke, and how to make another is not known; give a callable.

    Warns
    -----
    fastgd.sweeps.LostRuns
        If runs killed the worker of `executor` that ran them.
    OSError
        If `store` cannot be written; what was written before is kept.

    Notes
    -----
    In the main thread SIGTERM and SIGHUP, by which schedulers, ``timeout`` and closing terminals end a process, do as
    Ctrl-C: `sweep`, `minimize` and every ``fit`` return what is finished, so that a script can save it. Its next such
    call then ends the process, with the exit code 128 + signal; a second signal kills it. Signals that the script
    handles or ignores itself are left alone, and so are worker processes of multiprocessing and joblib.

    Small networks train side by side, each a lane of the processor's vectors (with ``backend="numpy"`` a part of larger
    arrays), others one by one, each on one thread (`engine` of the result says which); either way as `MLP.fit` would
    train it alone with the same seed. A run ends after `max_iter` updates (for n rows an epoch has
    ``ceil(n / batch_size)``), or when it diverges: when the loss of a batch, or a parameter at the end of an epoch, is
    not finite. `iterations` counts its updates until then. `loss` and `metric` (accuracy, or R² in regression) are
    those of the validation rows at the end, or of all training rows if there are none. The loss is without penalties;
    both are nan if a run diverged. `regime` is "growing" if the mean training loss of the last epoch is above that of
    every batch of the first; "slow" if it is below that of the epoch before (in runs shorter than two epochs: that of
    the second half below that of the first); else "cycling".

    Axes of a sweep of networks are the optimizer's hyperparameters, "optimizer", "rng" (seeds of the weights, the
    orders of rows and dropout; the network's by default), "batch_size", "epochs" or "max_iter" (instead of
    `max_iter`), "hidden" (units of the hidden layers: integers or tuples), and `activation`, `leak`, `bias`, `l1`,
    `l2`, `dropout`, `init`, `init_scale` and `init_mean` of `MLP`; "l1" and "l2" are the network's penalties on its
    weights, not the optimizer's. A hyperparameter of the optimizer for some parameters alone is an axis such as
    "layers.0.lr", for the weights and biases of layer 0, or "groups.3.lr", for array 3 of `MLP.params`; negative
    numbers count from the end. An axis of an array wins over one of its layer, and both win over groups of the
    optimizer. "layers.0.init_scale" and "layers.0.init_mean" are axes too.

    All networks start at `x0`, if it is given, or at those of an axis "x0": another network, or parameters as a list of
    arrays like `MLP.params` or all in one flat array. Seeds then choose the orders of rows and dropout alone. `tol` and
    `flush_subnormals` do not apply to networks, and the dtype is the network's.

    The networks that `SweepResult.best` may return are kept: by loss and by metric, of all runs, and of the
    combinations that are the best on average over the axis "rng". While it runs, a sweep holds those of all seeds of a
    combination. The parameters of all others might fill the memory, and networks of different sizes fit no table, so
    `x` is empty without ``keep="params"``. What `keep` and `record` keep may take half of the machine's memory at most.

    A run in `store` is one that came to its end; runs that a time limit or Ctrl-C broke off are run again. A chunk that
    is damaged is named by a warning, `fastgd.sweeps.DamagedChunk`, and run again. Two processes cannot write to one
    store; that of a dead process is free. The networks of such a sweep are trained again as they are asked for, with
    the same bits.

    On the GPU every run has one thread, or a block of threads if it has many parameters. The results are those of
    ``backend="numpy", flush_subnormals=False`` bit for bit: subnormal numbers are never flushed there. A function of
    your own must be ``fun(x, grad)``, compiled with `numba.njit`, and must not raise exceptions; its last bits may
    differ, because the GPU's compiler fuses products with sums.

    An `executor` is a ThreadPoolExecutor, a ProcessPoolExecutor (by fork, spawn or forkserver), one of loky, a
    client of Dask, or any other with `submit`, as that of ``mpi4py.futures`` has. It is not shut down, unless a
    callable made it. The problem is sent once to each worker: processes of this machine map one file into memory,
    others get it with a chunk. Functions and classes of a script, local functions and lambdas need cloudpickle
    (``fastgd[executors]``). What a lost worker had under way is run again; a ProcessPoolExecutor that broke is replaced
    by one with the same arguments. A run that kills its worker again and again gets ``Status.ERROR``, and is not
    stored; with Dask that holds for its chunk. After Ctrl-C or `max_seconds`, chunks under way get three seconds more.
    Networks that a chunk has too few of for lanes train one by one, so that `engine` may differ, and with it what
    differs between the two: whether an overflow that is multiplied by an input of 0 is NaN.

    With penalties a run minimizes the loss plus ``l1 * sum(|x|) + l2 / 2 * sum(x**2)`` (with `maximize`, the negative
    loss plus these), and has converged where that is stationary: where ``g + l2 * x + l1 * sign(x)`` vanishes, and for
    a parameter at 0, where l1 has a kink, where ``|g| <= l1``. `slope` is what remains of that; `loss` is the problem's
    alone. Clipping changes the path, not what is minimized. The steps of l1 are those of a subgradient: they pass a
    parameter that belongs at 0 to and fro by lr * l1, and such a run ends as "max_iter". Let the rate fall by a
    schedule, and take what is left of those parameters as 0.

    With `bounds` every update of the optimizer is followed by the projection of the parameters onto the box [1]_; its
    state is left as it is. A start outside is moved onto the box, as SciPy's L-BFGS-B does. All points stay within the
    bounds (rounded to the dtype), those where `fastgd.NAG` looks ahead too, and gradients are taken there alone. NaN
    stays NaN, so that divergence is seen. A run has converged by the projected gradient ``x - P(x - g)``: a slope that
    leads out of the box counts no more than the way to the bound. `slope` is the largest of that, with penalties where
    there are any. The loops with bounds are general ones, not made for one problem: an update of a small quadratic
    takes up to four times as long as without, one that sums rows of data a tenth longer.

    Coupled weight decay counts as l2. So does decoupled decay of plain descent, times (1 - momentum) with momentum.
    Under `AdamW` and the decoupled decay of `Adam`, `NAdam`, `RAdam` and `Adamax` it is no penalty: where such a run
    rests, ``g + weight_decay * x * (|g| + eps)`` vanishes, that is at an optimum of the loss within the bounds
    ``|x| <= 1 / weight_decay``, or at a bound [2]_; that is tested, and is 0 for a run that stays, which needs a rate
    that falls. With other optimizers (`Lion`, `Adagrad`, `RMSprop`, `Adadelta`, `amsgrad=True`, `NAG`), decoupled
    decay comes to rest where no objective is stationary: `slope` is nan, and no run converges. Use l2 instead, or
    `step_tol` of `fastgd.minimize`.

    References
    ----------
    .. [1] Bertsekas (1976), On the Goldstein-Levitin-Polyak gradient projection method.
    .. [2] Xie & Li (2024), Implicit bias of AdamW: l-infinity norm constrained optimization.

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

    A rate for each layer, and how the loss falls:

    >>> axes = {"layers.0.lr": [0.01, 0.1], "layers.1.lr": [0.01, 0.1, 1.0]}
    >>> out = gd.sweep(problem, gd.SGD(), axes, max_iter=100, record=10)
    >>> out.history.shape
    (2, 3, 10)

    On two processes (under ``if __name__ == "__main__"`` where they are spawned):

    >>> from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as executor:  # or ProcessPoolExecutor
    ...     again = gd.sweep(problem, gd.SGD(), axes, max_iter=100, record=10, executor=executor)
    >>> np.array_equal(again.history, out.history)
    True

    Of many rates the best third after 20 updates goes on to 60, and so on:

    >>> axes = {"lr": np.geomspace(1e-4, 1, 27), "rng": range(3)}
    >>> halving = gd.SuccessiveHalving(min_iter=20)
    >>> out = gd.sweep(problem, gd.Adam(), axes, max_iter=540, stopping=halving)
    >>> [(rung.updates, rung.runs) for rung in out.rungs]
    [(20, 81), (60, 27), (180, 9), (540, 3)]
    """
    options = Options(
        x0=x0, bounds=bounds, rng=rng, max_iter=max_iter, tol=tol, dtype=dtype, max_seconds=max_seconds,
        backend=backend, n_threads=n_threads, flush_subnormals=flush_subnormals, progress=progress,
    )  # fmt: skip
    if not isinstance(problem, Problem | NetworkProblem):
        raise _no_problem(problem)
    stopping = checked_stopping(stopping, store, executor)
    if store is not None or executor is not None:
        job = Job.of(problem, optimizer, axes, options, keep=keep, record=record)
        with interruptible():
            run = None if executor is None else partial(run_on, executor)
            return sweep_in_chunks(job, options, None if store is None else Path(store), run)
    if isinstance(problem, NetworkProblem):
        with interruptible():
            return sweep_networks(
                problem, optimizer, axes, options, keep=keep, record=record, stopping=stopping
            )
    if keep is not None:
        raise ValueError(f"keep is for sweeps of networks, got {keep!r:.60}")
    request = Request.of(problem, optimizer, axes, options, cuda=True)
    with interruptible():
        return sweep_descents(request, record=record, stopping=stopping)


def _no_problem(given: Any) -> TypeError:
    remedy = "of a network it is net.problem(X, y)"
    if callable(given):
        remedy = "of a function of n parameters it is gd.Function(f, n)"
    return TypeError(f"problem must be a fastgd.Problem, got {type(given).__name__}; {remedy}")
