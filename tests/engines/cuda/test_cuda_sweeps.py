"""Sweeps on the gpu against the reference, bit by bit: every optimizer, every kind of problem, every way to end."""

import _thread
import math

import numpy as np
import pytest
from cases import CASES
from grids import SAMPLED_CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

import fastgd as gd
from fastgd.engines import sweeps
from fastgd.engines.cuda import sweep_block, sweep_slopes
from fastgd.engines.cuda import sweeps as cuda_sweeps
from fastgd.optimizers.loops import schedule_of

RNG = np.random.default_rng(7)
ROWS = RNG.uniform(0, 1, (9, 1))
TARGETS = ROWS[:, 0] * 3 - 1
WIDE = RNG.normal(size=(11, 3))
LABELS = ["b", "a", "c", "a", "b", "b", "c", "c", "a", "a", "b"]
FACTOR = RNG.normal(size=(6, 6))
LARGE = RNG.normal(size=(40, 40))

PROBLEMS = {
    "line": gd.LeastSquares(ROWS, TARGETS),
    "line-rows": gd.LeastSquares(ROWS, TARGETS, statistics=False),
    "line-sequential": gd.LeastSquares(ROWS, TARGETS, update="sequential"),
    "rows-sequential": gd.LeastSquares(WIDE, WIDE[:, 0], update="sequential", statistics=False),
    "batches": gd.LeastSquares(WIDE, WIDE @ [1, -2, 0.5], batch_size=4),
    "batches-sequential": gd.LeastSquares(WIDE, WIDE[:, 1], batch_size=4, update="sequential"),
    "in-order": gd.LeastSquares(WIDE, WIDE[:, 1], batch_size=4, shuffle=False, drop_last=True),
    "logistic": gd.Logistic(WIDE, WIDE[:, 0] > 0),
    "logistic-batches": gd.Logistic(WIDE, WIDE[:, 0] > 0, batch_size=3),
    "softmax": gd.Logistic(WIDE, LABELS),
    "softmax-batches": gd.Logistic(WIDE, LABELS, batch_size=5),
    "quadratic1": gd.Quadratic([[2.0]], [0.3]),
    "quadratic3": gd.Quadratic(np.diag([1.0, 0.2, 2.0]), [1.0, 2.0, 3.0]),
    "quadratic6": gd.Quadratic(FACTOR @ FACTOR.T / 6, FACTOR[0]),
    "quadratic40": gd.Quadratic(LARGE @ LARGE.T / 40, LARGE[0]),
    "polynomial": gd.Polynomial([5.0, -6.0, 1.0, 0.1, 0.02]),
    "long-polynomial": gd.Polynomial(1.0 / np.arange(1.0, 16.0)),
    "rosenbrock": gd.functions.rosenbrock(3),
    "beale": gd.functions.beale(),
}
RATES = np.geomspace(2e-3, 3.0, 5)
FIELDS = ("status", "iterations", "x", "before", "oscillating")


def start(problem):
    return np.linspace(0.7, 1.3, problem.n_parameters)


class Noted:
    """Runs whose outcomes are noted as an engine hands them back."""

    def __init__(self, supply, answers):
        self.supply, self.answers, self.total = supply, answers, supply.total

    def part(self, start, stop):
        return self.supply.part(start, stop)

    def take(self, start, runs, outcomes):
        self.answers.append(outcomes)
        self.supply.take(start, runs, outcomes)


def outcomes(monkeypatch, backend, *arguments, **options):
    """A sweep and what its engine answered."""
    answers, descend = [], sweeps.descend

    def noted(problem, supply, *args, **named):
        return descend(problem, Noted(supply, answers), *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(sweeps, "descend", noted)
        found = gd.sweep(*arguments, backend=backend, flush_subnormals=False, **options)
    return found, answers


def same(problem, optimizer, axes=None, **options):
    """The sweep on the gpu, which must be that of the reference in all it answers."""
    options = {"x0": start(problem), "max_iter": 70, "tol": 3e-2} | options
    arguments = problem, optimizer, {"lr": RATES} if axes is None else axes
    with pytest.MonkeyPatch.context() as patch:
        found, answers = outcomes(patch, "cuda", *arguments, **options)
        _, wanted = outcomes(patch, "numpy", *arguments, **options)
    assert found.backend == "cuda"
    for mine, other in zip(answers, wanted, strict=True):
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(mine, field), getattr(other, field), field)
    return found


@pytest.mark.parametrize("case", SAMPLED_CASES, ids=lambda case: case.id)
def test_every_optimizer(case):
    dtype = "float32" if CASES.index(case) % 2 else "float64"
    same(PROBLEMS["line"], case.make(), {"lr": RATES[1::2]}, max_iter=40, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem(name, dtype):
    long = PROBLEMS[name].n_parameters > 30
    axes = {"lr": RATES[1::2]} if long or "rows" in name else None
    same(PROBLEMS[name], gd.SGD(), axes, dtype=dtype, max_iter=10 if long else 67)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("line", gd.NAG(weight_decay=0.1, l1=0.01, clip_norm=0.5)),
        ("batches", gd.NAG(momentum=0.5)),
        ("batches", gd.SGD(clip_norm=0.5, weight_decay=0.1)),
        ("batches-sequential", gd.Momentum(clip_norm=0.5)),
        ("rows-sequential", gd.Adam(l2=0.1)),
        ("quadratic6", gd.SGD(clip_norm=0.3, clip_value=0.2, maximize=True)),
        ("softmax", gd.AdamW(weight_decay=0.1)),
        ("rosenbrock", gd.SGD(clip_norm=1.0)),
        ("quadratic40", gd.Adam(clip_norm=0.3)),
        ("quadratic40", gd.NAG(l2=0.1)),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_what_stands_before_a_rule(name, optimizer):
    long = PROBLEMS[name].n_parameters > 30
    same(PROBLEMS[name], optimizer, {"lr": RATES[1::2]}, max_iter=6 if long else 40)


@pytest.mark.parametrize(
    ("name", "optimizer", "dtype"),
    [
        ("line", gd.SGD(), "float32"),
        ("quadratic6", gd.NAG(l1=0.1), "float64"),
        ("batches", gd.SGD(clip_norm=0.5), "float32"),
        ("rows-sequential", gd.Adam(), "float64"),
        ("rosenbrock", gd.NAG(), "float32"),
        ("quadratic40", gd.NAG(l2=0.1), "float64"),
    ],
)
def test_bounds(name, optimizer, dtype):
    problem, axes = PROBLEMS[name], {"lr": RATES[1::2]}
    n = problem.n_parameters
    sides = [[(0.0, 0.9), (-0.5, None), (None, 0.8)][k % 3] for k in range(n)]
    options = {"bounds": sides, "max_iter": 8 if n > 30 else 40, "dtype": dtype}
    same(problem, optimizer, axes, **options)
    same(problem, optimizer, axes, tol=0.0, **options)  # nothing is tested: the projection is all


def test_runs_converge_at_a_bound():
    found = same(PROBLEMS["quadratic6"], gd.SGD(), {"lr": [0.3]}, bounds=(0, None), max_iter=130)
    assert found.converged.all()


@pytest.mark.parametrize(
    ("name", "optimizer", "tol"),
    [
        ("quadratic1", gd.SGD(l1=0.1, l2=0.2), 3e-2),
        ("quadratic6", gd.Momentum(weight_decay=0.5, convention="keras"), 0.3),
        ("line", gd.AdamW(weight_decay=3.0), 0.2),
        ("rosenbrock", gd.SGD(l1=30.0), 1.0),
        ("logistic-batches", gd.SGD(l2=0.3), 0.1),
        ("quadratic40", gd.SGD(l1=0.1, l2=1.0), 0.5),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_convergence_with_penalties(name, optimizer, tol):
    axes = {"lr": [0.02, 0.1, 0.3], "x0": [start(PROBLEMS[name]), 0 * start(PROBLEMS[name])]}
    found = same(PROBLEMS[name], optimizer, axes, tol=tol, max_iter=30, x0=None)
    assert (found.status == 0).any()


@pytest.mark.parametrize("name", ["batches", "logistic-batches"])
def test_orders_of_rows_by_seed_and_the_test_once_an_epoch(name):
    axes = {"rng": [3, 8], "lr": [0.05, 0.2]}
    for tol in (0.0, 0.3):
        found = same(PROBLEMS[name], gd.Momentum(), axes, tol=tol)
        if tol:
            assert (found.iterations % PROBLEMS[name].updates_per_epoch)[
                found.status == 0
            ].max() == 0


@pytest.mark.parametrize("optimizer", [gd.SGD(), gd.Adam(), gd.NAdam(), gd.AdamW()], ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_schedules(optimizer, dtype):
    rates = [gd.schedules.warmup_cosine(0.5, 10, 60), 0.25, lambda t: 0.5 / (t + 1)]
    same(PROBLEMS["line"], optimizer, {"lr": rates}, dtype=dtype)


def test_other_hyperparameters_have_tables_of_their_own():
    axes = {"betas": [(0.5, 0.99), (0.9, 0.999)], "eps": [1e-8, 1e-3], "lr": [0.05, 0.5]}
    same(PROBLEMS["line"], gd.Adam(), axes)


# --- a user's own -------------------------------------------------------------------------------------------


def own_coefficients(t, lr, mu):
    if t > 20.0:
        return lr / t, mu
    return lr, mu


TABLE = {0: 0.25}


@pytest.mark.parametrize(
    "coefficients",
    [
        lambda t, lr, mu: (lr / (1.0 + 0.01 * t), mu),
        lambda t, lr, mu: (math.pow(lr, 1.0 + 0.001 * t), mu),  # a power of the rate
        lambda t, carry, lr, mu: (carry * mu, lr * (1.0 - carry), mu),
        own_coefficients,  # no straight line
        lambda t, lr, mu: (lr * TABLE[0] / t, mu),  # no compiler knows it
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_users_rule(coefficients, dtype):
    kind = gd.Optimizer.from_rule(
        lambda p, g, v, rate, mu: (p - rate * np.tanh(mu * v + g), mu * v + g),
        state=("v",),
        coefficients=coefficients,
        defaults={"lr": 0.1, "mu": 0.5},
    )
    same(PROBLEMS["line"], kind(), {"mu": [0.1, 0.5], "lr": [0.1, 0.5]}, dtype=dtype)
    same(PROBLEMS["line"], kind(), {"lr": [lambda t: 0.3 / (t + 1), 0.1]}, dtype=dtype)


@njit
def bowl(x, grad):
    value = 0.0
    for i in range(len(x)):
        grad[i] = 2 * (i + 1) * x[i]
        value += (i + 1) * x[i] ** 2
    return value


@pytest.mark.parametrize("n", [2, 60])
def test_a_users_function(n):
    same(gd.Function(bowl, n), gd.SGD(), {"lr": [0.01, 0.2, 3.0]}, max_iter=20)


def test_functions_that_the_gpu_cannot_call():
    @njit
    def value(x):
        return x[0] * x[0]

    @njit
    def slope(x):
        return 2 * x

    options = {"backend": "cuda", "x0": [1.0]}
    with pytest.raises(TypeError, match="fun\\(x, grad\\)"):
        gd.sweep(gd.Function(value, 1, jac=slope), gd.SGD(), {}, **options)
    with pytest.raises(ValueError, match="cannot call a Python function"):
        gd.sweep(gd.Function(bowl.py_func, 1), gd.SGD(), {}, **options)


# --- stops --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_iter", [0, 1, 2, 33, 63, 64, 65, 127, 128, 129, 150])
def test_windows_of_any_length(max_iter):
    axes = {"lr": [0.01, 0.2, 0.9, 1.05], "momentum": [0.0, 0.9]}
    same(PROBLEMS["quadratic1"], gd.Momentum(), axes, x0=-0.4, max_iter=max_iter, tol=0.02)


@pytest.mark.parametrize("at_first", [1, 7, 64])
def test_launches_of_any_length(monkeypatch, at_first):
    """Runs are taken up again in the middle of a window, and their last moves are gone over all the same."""
    monkeypatch.setattr(cuda_sweeps, "AT_FIRST", at_first)
    monkeypatch.setattr(cuda_sweeps, "LAUNCH", 1e-6)
    monkeypatch.setattr(cuda_sweeps, "RING", 1)
    axes = {"lr": [0.2, 0.9, 1.05]}
    for optimizer in (gd.SGD(), gd.Adam(lr=0.1)):
        same(PROBLEMS["quadratic1"], optimizer, axes, x0=-0.4, max_iter=40, tol=0.02)


def test_rings_go_round(monkeypatch):
    monkeypatch.setattr(cuda_sweeps, "RING", 1)
    rates = {"lr": [lambda t: 0.3 / (t + 1), gd.schedules.step(0.5, every=30)]}
    same(PROBLEMS["line"], gd.Adam(), rates, max_iter=300, tol=1e-3)
    same(PROBLEMS["batches"], gd.Adam(), {"lr": [0.01, 0.1]}, max_iter=300, tol=1e-2)


def test_runs_in_chunks(monkeypatch):
    monkeypatch.setattr(cuda_sweeps, "_chunk", lambda *_: 3)
    axes = {"lr": [0.01, 0.2, 0.9, 5.0], "x0": [[0.3], [-1.0]]}
    same(PROBLEMS["quadratic1"], gd.Momentum(), axes, x0=None)


def test_nothing_converges_with_tolerance_zero():
    found = same(gd.Quadratic([[1.0]]), gd.SGD(), {"lr": [0.5, 1.0]}, x0=[1.0], tol=0, max_iter=70)
    assert found.iterations.tolist() == [70, 70]


def test_nan_is_never_convergence():
    steep = gd.Polynomial([0, 1, 0, 0, -1e8, 0, 1.0])
    axes = {"x0": [[1e100], [-1e100], [3e7]], "lr": [1e-3, 1e8]}
    assert (same(steep, gd.SGD(), axes, x0=None, tol=1e3).status == 2).all()


def test_max_seconds():
    options = {"x0": [1.0, 2.0], "tol": 0, "backend": "cuda", "max_iter": 10**12}
    found = gd.sweep(PROBLEMS["line"], gd.SGD(), {"lr": [0.1, 0.2]}, max_seconds=0.3, **options)
    assert found.status.tolist() == [3, 3]
    assert (found.iterations > 0).all()
    assert np.isin(found.regime, ["slow", "cycling"]).all()


def test_ctrl_c():
    sent = []

    def rate(t):
        if t == 100 and not sent:
            sent.append(t)
            _thread.interrupt_main()
        return 0.1

    axes = {"momentum": [0.0, 0.5], "x0": RNG.normal(size=(3, 2))}
    options = {"tol": 0, "max_iter": 10**12, "max_seconds": 60, "backend": "cuda"}
    found = gd.sweep(PROBLEMS["line"], gd.SGD(lr=rate), axes, **options)
    assert sent
    assert found.seconds < 50
    assert (found.status[0] == 4).all()
    assert (found.iterations[0] > 0).all()
    assert (found.status[1] == -1).all()


def test_a_schedule_that_fails_ends_the_sweep():
    def rate(t):
        if t > 80:
            raise ZeroDivisionError("asked too late")
        return 0.1

    with pytest.raises(ZeroDivisionError, match="too late"):
        gd.sweep(PROBLEMS["line"], gd.SGD(lr=rate), {}, max_iter=200, tol=0, backend="cuda")


def test_progress_is_told(capsys):
    gd.sweep(PROBLEMS["line"], gd.SGD(), {"lr": RATES}, backend="cuda", max_iter=20, progress=True)


# --- many parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("few", [True, False], ids=["a thread a run", "a block a run"])
@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("quadratic6", gd.Adam()),
        ("quadratic6", gd.NAG(clip_norm=0.5, weight_decay=0.1)),
        ("batches", gd.Momentum(clip_norm=0.5)),
        ("line-rows", gd.SGD()),
        ("logistic", gd.SGD()),
        ("softmax-batches", gd.NAG()),
        ("softmax", gd.Momentum(lr=lambda t: 0.3 / (t + 1))),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_blocks_and_arrays_give_the_bits_of_threads_and_scalars(monkeypatch, name, optimizer, few):
    """A run may have a thread, with its numbers as scalars or in arrays, or a block."""
    monkeypatch.setattr(sweep_block, "FEWEST", 1000 if few else 1)
    monkeypatch.setattr(sweep_slopes, "UNROLLED", 0)
    axes = {"rng": [3, 4], "lr": [0.3]} if "batches" in name else {"lr": [0.05, 0.3]}
    axes = {} if schedule_of(optimizer) else axes
    same(PROBLEMS[name], optimizer, axes, max_iter=25)


# --- any --------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    rates=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=4),
    x0=st.floats(-1e6, 1e6),
    momentum=st.floats(0, 0.999),
    tol=st.floats(0, 1),
    max_iter=st.integers(0, 140),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_any_descent(rates, x0, momentum, tol, max_iter, dtype):  # noqa: PLR0917
    optimizer = gd.Momentum(momentum=momentum)
    options = {"x0": [x0], "max_iter": max_iter, "tol": tol, "dtype": dtype}
    same(PROBLEMS["quadratic1"], optimizer, {"lr": rates}, **options)
