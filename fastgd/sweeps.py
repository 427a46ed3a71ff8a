"""`sweep`: very many descents of one problem, over learning rates, hyperparameters, starts and optimizers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.axes import Places, short
from fastgd.batches import seed_of
from fastgd.engines import config, sweeping
from fastgd.engines.descents import Descents, Limits, Outcomes
from fastgd.engines.registry import RULES
from fastgd.hyperparameters import Method, number
from fastgd.network_problem import NetworkProblem
from fastgd.optimizers import NAG, Optimizer
from fastgd.problems import Problem
from fastgd.progress import Progress
from fastgd.results import Status, SweepResult
from fastgd.schedules import as_schedule

__all__ = ["SweepResult", "sweep"]

DIVERGED_BEYOND = {"float32": 1e30, "float64": 1e100}
DEFAULT_TOL = {"float32": 1e-4, "float64": 1e-8}
_OWN_AXES = ("optimizer", "x0", "rng")
_EARLY = (Status.NOT_RUN, Status.MAX_SECONDS, Status.INTERRUPTED)
_ROWS_WORTH_REREADING = (
    20_000_000  # rows x runs up to which the last slopes are taken row by row once more
)


def sweep(
    problem: Problem | NetworkProblem,
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
        _check_optimizer("optimizer", optimizer)
    for k, one in enumerate(places.given.get("optimizer", ())):
        _check_optimizer(f"axes['optimizer'][{k}]", one)
    real, flush = _checked_dtype(dtype), _flag("flush_subnormals", flush_subnormals)
    _check_data(problem, real)
    limits = Limits(
        _checked_count("max_iter", max_iter),
        _checked_tol(tol, real, problem),
        DIVERGED_BEYOND[real.name],
        real,
        np.inf if max_seconds is None else started + _positive("max_seconds", max_seconds),
    )
    engine = _engine(backend, card=True)
    starts = _starts(problem, places, x0, rng, real)
    seeds = _seeds(problem, places, rng)
    found = _Found(places.total, problem.n_parameters, real)
    threads = config.get_num_threads(n_threads)
    show = None if progress is None else _flag("progress", progress)
    watcher = Progress(places.total, show, deadline=limits.deadline, max_iter=limits.max_iter)
    try:
        for index, runs in _descents(optimizer, places, starts):
            _check_order(problem, runs)
            runs.seeds, runs.seed_of = seeds[0], seeds[1][index]
            outcome = sweeping.descend(
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


def _sweep_networks(problem: NetworkProblem, *args: Any, **options: Any) -> SweepResult:
    from fastgd.network_sweep import sweep_networks  # noqa: PLC0415  (it uses the checks of this module)

    return sweep_networks(problem, *args, **options)


# --- which runs -------------------------------------------------------------------------------------


def _descents(
    optimizer: Optimizer, places: Places, starts: NDArray[Any]
) -> Iterator[tuple[NDArray[np.intp], Descents]]:
    """The runs, in groups that share a rule."""
    optimizers = places.values.get("optimizer", (optimizer,))
    which = places.of.get("optimizer", np.zeros(places.total, np.intp))
    for k, given in enumerate(optimizers):
        one = given.fresh()  # the rate of its schedule is that of the first step
        mine = np.flatnonzero(which == k)
        for index, method, schedules, rate_of in _methods(one, places, mine):
            runs = _described(one, method, starts[:, index], len(index))
            runs.schedules, runs.rate_of = schedules, rate_of
            yield index, runs


def _methods(
    optimizer: Optimizer, places: Places, mine: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], Method, list[Any] | None, NDArray[np.int64]]]:
    columns: dict[str, Any] = {}
    for name, values in places.values.items():
        if name not in _OWN_AXES:
            numbers = _first_rates(values) if name == "lr" else _column(values)
            columns[name] = numbers[places.of[name][mine]]
    rates = places.values.get("lr", (optimizer._options["lr"],))
    schedules = [as_schedule(rate) for rate in rates] if any(map(callable, rates)) else None
    rate_of = places.of["lr"] if "lr" in places.values else np.zeros(places.total, np.intp)
    if not columns:
        columns["lr"] = np.full(len(mine), optimizer.lr)
    for chosen, method in optimizer._methods(columns):
        index = mine[chosen]
        yield index, method, schedules, rate_of[index].astype(np.int64)


def _first_rates(rates: Sequence[Any]) -> NDArray[np.float64]:
    """The rates at the first step; schedules are followed later."""
    if set(map(type, rates)) == {float}:
        return np.array(rates, np.float64)
    return np.array([_first_rate(rate) for rate in rates], np.float64)


def _first_rate(rate: Any) -> float:
    if callable(rate) and not isinstance(rate, Optimizer):  # which SciPy may call
        return as_schedule(rate)(0)
    return number("lr", rate)


def _column(values: Sequence[Any]) -> NDArray[Any]:
    """One entry a value, of whatever kind; the optimizer's fields check them."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError):  # pairs and others mixed
        column = np.empty(len(values), object)
        for k, value in enumerate(values):
            column[k] = value
        return column


def _described(optimizer: Optimizer, method: Method, starts: NDArray[Any], runs: int) -> Descents:
    """A method with its numbers as rows, one column a run."""
    lookahead = isinstance(optimizer, NAG)
    rule = RULES["momentum"] if lookahead else method.rule
    state = [np.broadcast_to(method.initial.get(name, 0.0), runs) for name in rule.state]
    shared = None
    if method.prepared:
        clip = np.broadcast_to(method.clip_norm, runs)
        rows = [clip, np.full(runs, method.norm_eps)] if np.isfinite(clip).any() else []
        shared = np.vstack([np.broadcast_to(method.shared.reshape(6, -1), (6, runs)), *rows])
    return Descents(
        rule,
        method.coefficients,
        np.arange(runs),
        starts,
        np.broadcast_to(method.hyper.reshape(len(method.hyper), -1), (len(method.hyper), runs)),
        np.array(state, np.float64).reshape(len(rule.state), runs),
        shared,
        lookahead=lookahead,
    )


def _starts(
    problem: Problem,
    places: Places,
    x0: ArrayLike | None,
    rng: int | np.random.Generator | None,
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """Starting points (n_parameters, runs)."""
    n = problem.n_parameters
    said = {"x0": x0 is not None, "rng": rng is not None}
    given = [name for name in said if said[name]]
    given += [f"axes[{name!r}]" for name in ("x0", "rng") if name in places.values]
    if problem.batches is not None:  # then `rng` has something else to say
        given = [name for name in given if "x0" in name] or given[:1]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} both say where runs start; give one of them")
    if "x0" in places.values:
        given_points = enumerate(places.values["x0"])
        points = [_point(f"axes['x0'][{k}]", v, n, dtype) for k, v in given_points]
        return np.array(points, dtype)[places.of["x0"]].T
    if "rng" in places.values and x0 is None:
        draws = [_generator("axes['rng']", v).standard_normal(n) for v in places.values["rng"]]
        return np.array(draws, dtype)[places.of["rng"]].T
    start = np.zeros(n)
    if x0 is not None:
        start = _point("x0", x0, n, dtype)
    elif rng is not None:
        start = _generator("rng", rng).standard_normal(n)
    return np.broadcast_to(start.astype(dtype)[:, None], (n, places.total))


def _seeds(
    problem: Problem, places: Places, rng: int | np.random.Generator | None
) -> tuple[list[int], NDArray[np.int64]]:
    """Seeds of the orders in which batches of rows are taken, and which of them each run has."""
    if problem.batches is None:
        return [], np.zeros(places.total, np.int64)
    if "rng" in places.values:
        if rng is not None:
            raise ValueError("rng and axes['rng'] both say in which order rows come; give one")
        seeds = [seed_of("axes['rng']", v) for v in places.values["rng"]]
        return seeds, places.of["rng"].astype(np.int64)
    seed = problem.batches.seed if rng is None else seed_of("rng", rng)
    return [seed], np.zeros(places.total, np.int64)


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
        g = sweeping.slopes(problem, x)
    return np.asarray(np.abs(g).max(axis=0), np.float64)


# --- arguments -------------------------------------------------------------------------------------------


def _check_optimizer(name: str, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{name} must be a fastgd optimizer, for example gd.SGD(), "
            f"got {type(optimizer).__name__}"
        )
    if optimizer._groups:
        raise ValueError(f"{name} has groups; a sweep descends one array of parameters")


def _check_order(problem: Problem, runs: Descents) -> None:
    if runs.lookahead and problem.kernel("float64").sequential:
        raise ValueError(
            "optimizer NAG looks ahead with all parameters at once; problem has update='sequential'"
        )


def _checked_dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    try:
        real = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        real = np.dtype(object)
    if real.name not in DIVERGED_BEYOND:
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return np.dtype(real.name)  # in this machine's byte order


def _checked_count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer >= 0, got {value!r}")
    if not 0 <= value < 2**53:
        raise ValueError(f"{name} must be an integer in [0, 2^53), got {value!r}")
    return int(value)


def _checked_tol(tol: Any, dtype: np.dtype[Any], problem: Problem) -> float:
    if tol is None:
        return DEFAULT_TOL[dtype.name] if problem.batches is None else 0.0
    x = number("tol", tol)
    if not 0 <= x < np.inf:
        raise ValueError(f"tol must be a finite number >= 0, got {tol!r}")
    return x


def _positive(name: str, value: Any) -> float:
    x = number(name, value)
    if not x > 0:
        raise ValueError(f"{name} must be a number > 0, got {value!r}")
    return x


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {short(value)}")
    return bool(value)


def _check_data(problem: Problem, dtype: np.dtype[Any]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        finite = problem.kernel(dtype).finite
    if not finite:
        raise ValueError(f"problem has numbers beyond {dtype.name}: {problem!r}; scale its data")


def _point(name: str, point: Any, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        array = np.asarray(point)
    except (TypeError, ValueError):
        array = np.array(None)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be an array of real numbers, got {short(point)}")
    array = array[None] if n == 1 and array.ndim == 0 else array  # a number, where it is clear
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}, wanted ({n},)")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all():
        raise ValueError(f"{name} must be finite in {dtype.name}, got {short(point)}")
    return converted


def _generator(name: str, seed: Any) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise TypeError(f"{name} must be an integer >= 0 or a numpy.random.Generator, got {seed!r}")
    return np.random.default_rng(int(seed))


def _engine(backend: str | None, *, card: bool = False) -> str:
    """What `sweeping.descend` is asked for; the blocks of both compiled backends need the compiled core."""
    supports = ("numpy", "cython", "numba", *(("cuda",) if card else ()))
    chosen = config.resolve_backend(backend, supports=supports)
    if chosen == "cuda":
        return "cuda"
    if chosen == "numpy" or config.missing("cython"):
        if backend == "numba":
            raise RuntimeError(
                f"a sweep on Numba needs the compiled core: {config.missing('cython')}"
            )
        return "numpy"
    if chosen == "numba":
        return "numba"
    return "cython" if backend == "cython" else "auto"
