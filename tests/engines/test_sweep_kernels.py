"""The sweep's engines against each other bit by bit, and their stops against loops that test every iterate."""

import _thread
import math
import threading
from itertools import pairwise

import numpy as np
import pytest
from cases import CASES
from grids import SAMPLED_CASES, sampled
from same_bits import bits

import fastgd as gd

pytest.importorskip("fastgd.engines.native.sweeps")

RNG = np.random.default_rng(7)
ROWS = RNG.uniform(0, 1, (40, 1))
TARGETS = ROWS[:, 0] * 3 - 1 + RNG.normal(0, 0.3, 40)
WIDE = RNG.normal(size=(300, 3))  # more rows than are summed at once
WIDE_TARGETS = WIDE @ [1.0, -2.0, 0.5] + 1
FACTOR = RNG.normal(size=(6, 6))

PROBLEMS = {
    "line": gd.LeastSquares(ROWS, TARGETS),
    "line-rows": gd.LeastSquares(ROWS, TARGETS, statistics=False),
    "plane": gd.LeastSquares(WIDE, WIDE_TARGETS),
    "plane-rows": gd.LeastSquares(WIDE, WIDE_TARGETS, statistics=False),
    "line-sequential": gd.LeastSquares(ROWS, TARGETS, update="sequential"),
    "plane-rows-sequential": gd.LeastSquares(
        WIDE, WIDE_TARGETS, update="sequential", statistics=False
    ),
    "quadratic1": gd.Quadratic([[2.0]], [0.3]),
    "quadratic2": gd.Quadratic([[2.0, 0.5], [0.5, 1.0]], [0.3, -1.0]),
    "quadratic3": gd.Quadratic(np.diag([1.0, 0.2, 2.0]), [1.0, 2.0, 3.0]),
    "quadratic6": gd.Quadratic(FACTOR @ FACTOR.T / 6, FACTOR[0]),
    "polynomial": gd.Polynomial([5.0, -6.0, 1.0, 0.1, 0.02]),
}
AHEAD_OF_TIME = ("line", "quadratic1", "quadratic2", "quadratic3", "quadratic6", "polynomial")
RATES = np.geomspace(2e-3, 3.0, 7)


def assert_same(one, other, fields=("iterations", "status", "x", "regime", "loss", "slope")):
    for field in fields:
        assert bits(getattr(one, field)) == bits(getattr(other, field)), field


def start(problem):
    return np.linspace(0.7, 1.3, problem.n_parameters)


def by_backends(problem, optimizer, axes, backends, **options):
    options = {"x0": start(problem), "max_iter": 150, "tol": 1e-3} | options
    found = [
        gd.sweep(problem, optimizer, axes, backend=b, n_threads=n, **options)
        for n, b in enumerate(backends, 1)
    ]
    for other in found[1:]:
        assert_same(found[0], other)
    return found[0]


# --- the same bits on every backend -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", AHEAD_OF_TIME)
@pytest.mark.parametrize(
    "optimizer",
    [
        gd.SGD(),
        gd.SGD(momentum=0.8, nesterov=True),
        gd.SGD(momentum=0.8, dampening=0.5),
        gd.Momentum(),
        gd.Adam(),
    ],
    ids=repr,
)
def test_ahead_of_time_kernels(name, optimizer, dtype):
    rates = np.geomspace(1e-3, 4, 70)
    found = by_backends(PROBLEMS[name], optimizer, {"lr": rates}, ["numpy", "cython"], dtype=dtype)
    assert len(set(found.status.tolist())) > 1


@pytest.mark.parametrize("case", SAMPLED_CASES, ids=lambda case: case.id)
def test_every_optimizer(case):
    found = by_backends(PROBLEMS["line"], case.make(), {"lr": RATES}, ["numpy", "auto"])
    assert (found.iterations > 0).all()


USER = gd.Optimizer.from_rule(
    lambda p, g, v, rate, mu: (p - rate * np.tanh(mu * v + g), mu * v + g),
    state=("v",),
    coefficients=lambda t, lr, mu: (lr / (1.0 + 0.01 * t), mu),
    defaults={"lr": 0.1, "mu": 0.5},
)


NUMBA_KERNELS = [
    ("line", gd.SGD(), "float64"),  # the kernels that exist ahead of time, from Numba
    ("quadratic6", gd.Adam(), "float64"),
    ("polynomial", gd.Momentum(), "float32"),
    ("line-rows", gd.SGD(), "float32"),
    ("plane-rows", gd.Adam(), "float64"),
    ("line-sequential", gd.SGD(), "float64"),
    ("plane-rows-sequential", gd.Momentum(), "float32"),
    ("plane-rows-sequential", gd.SGD(clip_norm=0.3, weight_decay=0.1), "float64"),
    ("plane", gd.SGD(clip_norm=0.3, clip_value=0.2), "float32"),
    ("quadratic6", gd.AdamW(weight_decay=0.3), "float32"),
    ("plane-rows", gd.NAG(), "float64"),
    ("line", gd.NAG(weight_decay=0.1, l1=0.01, clip_norm=0.5), "float32"),
    ("line", gd.NAdam(), "float32"),
    ("line", gd.Rprop(), "float32"),
    ("quadratic1", USER(), "float32"),
    ("quadratic3", USER(weight_decay=0.1), "float64"),
]


@pytest.mark.parametrize(
    ("name", "optimizer", "dtype"),
    sampled(NUMBA_KERNELS, lambda row: row[2] == "float64"),
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_numba_kernels(name, optimizer, dtype):
    by_backends(PROBLEMS[name], optimizer, {"lr": RATES}, ["numpy", "numba"], dtype=dtype)


@pytest.mark.parametrize("optimizer", [gd.Momentum(), gd.Adam(betas=(0.5, 0.9))], ids=repr)
def test_many_blocks_on_any_number_of_threads(optimizer):
    """700 runs of ten kinds that end at different steps: several blocks, with lanes closing up."""
    problem = PROBLEMS["line"]
    axis = "momentum" if isinstance(optimizer, gd.Momentum) else "eps"
    axes = {"lr": np.geomspace(1e-3, 3, 70), axis: np.linspace(1e-8, 0.95, 10)}
    options = {"x0": [2.0, -1.0], "max_iter": 700, "tol": 1e-2}
    found = gd.sweep(problem, optimizer, axes, backend="numpy", **options)
    assert len(set(found.iterations.ravel().tolist())) > 150
    for n_threads in (1, 2, 3):
        assert_same(found, gd.sweep(problem, optimizer, axes, n_threads=n_threads, **options))


def test_a_user_rule_is_not_mistaken_for_a_shipped_one_of_its_name():
    def sgd(p, g, lr):
        return (p - lr * (g + g),)

    twice = gd.Optimizer.from_rule(
        sgd, state=(), coefficients=lambda t, lr: (lr,), defaults={"lr": 0.1}
    )
    found = gd.sweep(PROBLEMS["quadratic1"], twice(), {}, max_iter=1, tol=0)
    assert found.x.item() == pytest.approx(0.06)  # 2 lr (b - h 0)


# --- the same as step by step ---------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in CASES if c.optimizer != "NAG"], ids=lambda c: c.id)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_is_its_steps_by_hand(case, dtype):
    problem, optimizer = PROBLEMS["line"], case.make()
    backend = "numpy" if dtype == "float32" else "auto"
    p = start(problem).astype(dtype)
    done = 0
    for n in (1, 2, 40):
        for _ in range(done, n):
            optimizer.step(p, problem.gradient(p))
        done = n
        found = gd.sweep(
            problem,
            case.make(),
            {},
            x0=start(problem),
            max_iter=n,
            tol=0,
            dtype=dtype,
            backend=backend,
        )
        assert bits(found.x) == bits(p), n


@pytest.mark.parametrize(
    "options", [{}, {"weight_decay": 0.3}, {"l1": 0.2, "maximize": True}, {"clip_norm": 0.1}]
)
def test_nag_by_hand_follows_the_points_it_looks_ahead_to(options):
    """p of `step` is theta + mu (theta - theta_before)."""
    problem, nag = PROBLEMS["line"], gd.NAG(lr=0.2, momentum=0.7, **options)
    p = np.array([0.5, -0.5])
    before = p.copy()
    for n in range(1, 12):
        nag.step(p, problem.gradient(p))
        theta = gd.sweep(problem, nag, {}, x0=[0.5, -0.5], max_iter=n, tol=0, backend="numpy").x
        np.testing.assert_allclose(p, theta + 0.7 * (theta - before), rtol=1e-12)
        before = theta


@pytest.mark.parametrize("backend", ["numpy", "cython", "numba"])
def test_schedules_step_by_hand(backend):
    problem = PROBLEMS["line"]
    rates = [
        gd.schedules.warmup_cosine(0.5, 10, 90),
        0.25,
        lambda t: 0.5 / (t + 1),
        gd.schedules.step(1.0, every=30),
    ]
    found = gd.sweep(
        problem, gd.Momentum(), {"lr": rates}, max_iter=100, tol=0, backend=backend, n_threads=2
    )
    for k, rate in enumerate(rates):
        optimizer, p = gd.Momentum(lr=rate), np.zeros(2)
        for _ in range(100):
            optimizer.step(p, problem.gradient(p))
        assert bits(found.x[k]) == bits(p)


def test_a_schedule_begins_with_the_run_whatever_the_optimizer_has_done():
    problem, rate = PROBLEMS["line"], gd.schedules.linear(0.5, 0.01, 50)
    for make in (gd.Rprop, gd.Momentum):
        used = make(lr=rate)
        used.step(np.zeros(2), np.ones(2))
        one, other = (gd.sweep(problem, o, {}, max_iter=20, tol=0) for o in (used, make(lr=rate)))
        assert_same(one, other)
        assert used.t == 1


# --- exact stops ------------------------------------------------------------------------------------------


def momentum_loop(lr, mu, x, max_iter, tol, hb=(2.0, 0.3), real=float, bound=1e100):  # noqa: PLR0917
    """f = h/2 x² - b x, every iterate tested, in the kernels' order of operations."""
    x, v, h, b, lr, mu = map(real, (x, 0.0, *hb, lr, mu))
    moves = []
    for n in range(max_iter + 1):
        g = h * x - b
        if abs(g) < tol:
            last = moves[-33:]
            turns = sum(a * c < 0 for a, c in pairwise(last))
            return n, 0, "oscillating" if 2 * turns > min(32, n) else "monotone", x
        if n == max_iter:
            return n, 1, None, x
        v = mu * v + lr * g
        new = x - v
        moves.append(new - x)
        x = new
        if not abs(x) <= bound:
            return n + 1, 2, "diverged", x
    raise AssertionError


GRID = [(lr, mu) for lr in np.linspace(0.005, 1.9, 60).tolist() for mu in (0.0, 0.5, 0.9, 0.97)]
LENGTHS = [0, 1, 2, 31, 32, 33, 63, 64, 65, 66, 127, 128, 129, 130, 1000]


@pytest.mark.parametrize("max_iter", LENGTHS)
@pytest.mark.parametrize("tol", [0.2, 1e-3])
@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_stops_are_those_of_a_loop_that_tests_every_iterate(max_iter, tol, backend):
    axes = {"lr": [lr for lr, _ in GRID[::4]], "momentum": [0.0, 0.5, 0.9, 0.97]}
    found = gd.sweep(
        PROBLEMS["quadratic1"],
        gd.Momentum(),
        axes,
        x0=-0.4,
        max_iter=max_iter,
        tol=tol,
        backend=backend,
    )
    for k, (lr, mu) in enumerate(GRID):
        place = np.unravel_index(k, found.shape)
        n, status, regime, x = momentum_loop(lr, mu, -0.4, max_iter, tol)
        got = (found.iterations[place], found.status[place], found.x[place].item())
        assert got == (n, status, x), (lr, mu)
        if regime:
            assert found.regime[place] == regime, (lr, mu)


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_convergence_at_the_last_moment_and_one_step_too_late(backend):
    """With momentum the slope dips below the tolerance, once, and rises again."""
    n, status, _, _ = momentum_loop(0.01, 0.9, -0.4, 10**4, 0.05)
    later = [momentum_loop(0.01, 0.9, -0.4, k, 0.0)[3] for k in range(n, n + 3)]
    assert status == 0
    assert abs(2 * later[1] - 0.3) > 0.05  # passed
    for max_iter, wanted in ((n, 0), (n + 1, 0), (n + 64, 0), (n - 1, 1)):
        found = gd.sweep(
            PROBLEMS["quadratic1"],
            gd.Momentum(lr=0.01),
            {},
            x0=-0.4,
            max_iter=max_iter,
            tol=0.05,
            backend=backend,
        )
        assert (found.iterations, found.status) == (min(n, max_iter), wanted)


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_converged_at_the_start_and_after_one_update(backend):
    options = {"max_iter": 10, "tol": 1e-6, "backend": backend}
    at_once = gd.sweep(PROBLEMS["quadratic1"], gd.SGD(), {"lr": [0.1, 5.0]}, x0=0.15, **options)
    assert at_once.iterations.tolist() == [0, 0]
    assert at_once.regime.tolist() == ["monotone"] * 2
    assert at_once.x.ravel().tolist() == [0.15, 0.15]
    newton = gd.sweep(PROBLEMS["quadratic1"], gd.SGD(lr=0.5), {}, x0=4.0, **options)
    assert (newton.iterations, newton.status) == (1, 0)


@pytest.mark.parametrize("backend", ["numpy", "cython"])
@pytest.mark.parametrize("max_iter", [5, 64, 200])
def test_nothing_converges_with_tolerance_zero(backend, max_iter):
    found = gd.sweep(
        gd.Quadratic([[1.0]]),
        gd.SGD(),
        {"lr": [0.5, 1.0]},
        x0=[1.0],
        tol=0,
        max_iter=max_iter,
        backend=backend,
    )
    assert found.iterations.tolist() == [max_iter] * 2
    assert found.x[1].item() == 0  # where the slope is 0, which is not below 0


@pytest.mark.parametrize("backend", ["numpy", "cython"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [1.5, 20.0, 3e7, 1e18, 1e37])
def test_divergence_at_its_step(backend, dtype, factor):
    """x <- (1 - lr) x grows by about `factor` an update, and may jump from below the bound to infinity."""
    bound = {np.float32: 1e30, np.float64: 1e100}[dtype]
    rates = [factor + 1, factor * 1.1 + 1, 2 * factor + 1, 0.1]
    most = {np.float32: 200, np.float64: 700}[dtype]
    found = gd.sweep(
        gd.Quadratic([[1.0]]),
        gd.SGD(),
        {"lr": rates},
        x0=[1.0],
        max_iter=most,
        tol=0,
        backend=backend,
        dtype=dtype,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        for k, lr in enumerate(rates):
            n, status, _, x = momentum_loop(lr, 0.0, 1.0, most, 0, (1.0, 0.0), dtype, bound)
            assert (found.iterations[k], found.status[k]) == (n, status)
            assert found.x[k] == x or not np.isfinite(x)
    assert found.regime[0] == "diverged"


@pytest.mark.parametrize(
    ("backend", "dtype"),
    [(b, t) for b in ("numpy", "cython") for t in ("float32", "float64")] + [("numba", "float64")],
)
def test_nan_is_never_convergence(backend, dtype):
    """A start from where the slope is already infinite, or infinity minus infinity."""
    huge = {"float32": 1e30, "float64": 1e100}[dtype]
    steep = gd.Polynomial([0, 1, 0, 0, -1e8, 0, 1.0])
    found = gd.sweep(
        steep,
        gd.SGD(),
        {"x0": [[huge], [-huge], [3e7]], "lr": [1e-3, 1.0, 1e8]},
        tol=1e3,
        max_iter=100,
        dtype=dtype,
        backend=backend,
    )
    assert (found.status == 2).all()
    assert (found.iterations >= 1).all()
    assert (found.regime == "diverged").all()


@pytest.mark.parametrize("backend", ["numpy", "cython", "numba"])
def test_regimes(backend):
    bowl = gd.Quadratic([[4.0, 0.0], [0.0, 4.0]])
    rates = {"monotone": 0.1, "oscillating": 0.4, "slow": 1e-6, "cycling": 0.5, "diverged": 0.6}
    found = gd.sweep(
        bowl, gd.SGD(), {"lr": [*rates.values()]}, x0=[1.0, -1.0], max_iter=1000, backend=backend
    )
    assert found.regime.tolist() == [*rates]
    assert found.x[3].tolist() == [1.0, -1.0]  # and the other way round at every odd step


# --- ended from outside -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", "cython", "numba"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_max_seconds(backend, n_threads):
    rates = np.linspace(0.01, 0.3, 600)
    gd.sweep(PROBLEMS["line"], gd.SGD(), {}, backend=backend, max_iter=1)  # compiled
    found = gd.sweep(
        PROBLEMS["line"],
        gd.SGD(),
        {"momentum": [0.0, 0.5], "lr": rates},
        x0=[1.0, 2.0],
        max_iter=10**12,
        tol=0,
        max_seconds=0.05,
        backend=backend,
        n_threads=n_threads,
    )
    assert found.seconds < 20
    assert set(found.status.ravel().tolist()) == {3, -1}
    waiting = found.status == -1
    assert waiting[1].all()  # another rule, which had not begun
    assert (found.iterations[waiting] == 0).all()
    assert (found.iterations[~waiting] > 0).all()
    assert (found.x[waiting] == [1.0, 2.0]).all()
    assert set(found.regime[waiting].tolist()) == {""}
    assert np.isin(found.regime[~waiting], ["slow", "cycling"]).all()


@pytest.mark.parametrize("backend", ["numpy", "cython", "numba"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c(backend, n_threads):
    """The interrupt comes while a schedule is asked for its thousandth rate."""
    sent = []

    def rate(t):
        if t == 1000 and not sent:
            sent.append(t)
            _thread.interrupt_main()
        return 0.1

    found = gd.sweep(
        PROBLEMS["line"],
        gd.SGD(lr=rate),
        {"momentum": [0.0, 0.5], "x0": RNG.normal(size=(600, 2))},
        max_iter=10**12,
        tol=0,
        max_seconds=60,
        backend=backend,
        n_threads=n_threads,
    )
    assert sent
    assert found.seconds < 50
    assert set(found.status[0].tolist()) <= {4, -1}
    assert 4 in found.status[0]
    assert (found.status[1] == -1).all()
    assert (found.iterations[found.status == 4] > 0).any()


def test_ctrl_c_in_compiled_loops():
    timer = threading.Timer(0.15, _thread.interrupt_main)
    timer.start()
    found = gd.sweep(
        PROBLEMS["line"], gd.SGD(), {"lr": [0.1, 0.2]}, max_iter=10**15, tol=0, max_seconds=60
    )
    timer.join()
    assert found.status.tolist() == [4, 4]
    assert found.seconds < 50


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_a_schedule_that_fails_ends_the_sweep(backend, n_threads):
    def rate(t):
        if t > 500:
            raise ZeroDivisionError("asked too late")
        return 0.1

    with pytest.raises(ZeroDivisionError, match="too late"):
        gd.sweep(
            PROBLEMS["line"],
            gd.SGD(lr=rate),
            {"x0": RNG.normal(size=(600, 2))},
            max_iter=10**6,
            tol=0,
            backend=backend,
            n_threads=n_threads,
        )


# --- subnormal numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flush", [True, False])
@pytest.mark.parametrize(
    ("dtype", "max_iter"), [("float32", 250), ("float32", 330), ("float64", 2100)]
)
@pytest.mark.parametrize("optimizer", [gd.Momentum(momentum=0.5), gd.Adam(eps=1e-3)], ids=repr)
def test_subnormal_states(optimizer, dtype, max_iter, flush):
    """Everything decays to 0 by a constant factor, and is subnormal on its way."""
    found = by_backends(
        gd.Quadratic([[1.0, 0.0], [0.0, 1.2]]),
        optimizer,
        {"lr": np.linspace(0.3, 1.4, 40)},
        ["numpy", "cython", "numba" if isinstance(optimizer, gd.Momentum) else "cython"],
        dtype=dtype,
        max_iter=max_iter,
        tol=0,
        flush_subnormals=flush,
    )
    small = (found.x != 0) & (np.abs(found.x) < np.finfo(dtype).tiny)
    if flush:
        assert not small.any()
    elif isinstance(optimizer, gd.Momentum) and max_iter != 330:
        assert small.any()


def test_subnormal_moves_and_slopes_count_alike():
    """Where flushed, a subnormal slope is 0, below any tolerance that is not subnormal itself."""
    for tol in (1e-320, 3e-308):
        for flush in (True, False):
            by_backends(
                gd.Quadratic([[1.0]]),
                gd.SGD(),
                {"lr": [0.4, 1.6]},
                ["numpy", "cython"],
                x0=[1e-300],
                max_iter=100,
                tol=tol,
                flush_subnormals=flush,
            )


# --- what no kernel does -------------------------------------------------------------------------------------------


def test_cython_refuses_what_it_has_no_kernel_for():
    with pytest.raises(ValueError, match="backend='cython' has no sweep of lion"):
        gd.sweep(PROBLEMS["line"], gd.Lion(clip_norm=1.0), {}, backend="cython")


def test_coefficients_in_python_only_run_on_numpy():
    table = {0: 0.25}
    kind = gd.Optimizer.from_rule(
        lambda p, g, lr: (p - lr * g,),
        state=(),
        coefficients=lambda t, lr: (lr * table[0],),
        defaults={"lr": 1.0},
    )
    found = gd.sweep(PROBLEMS["quadratic1"], kind(), {}, max_iter=5)
    assert found.backend == "numpy"
    wanted = gd.sweep(PROBLEMS["quadratic1"], gd.SGD(lr=0.25), {}, max_iter=5)
    assert bits(found.x) == bits(wanted.x)
    with pytest.raises(ValueError, match="backend='numba' cannot compile the optimizer's coeff"):
        gd.sweep(PROBLEMS["quadratic1"], kind(), {}, backend="numba")


def test_nag_refuses_one_parameter_after_the_other():
    with pytest.raises(ValueError, match="sequential"):
        gd.sweep(PROBLEMS["line-sequential"], gd.NAG(), {})


def test_iterations_are_counted_beyond_float32():
    """Beyond 2^24 a float32 would count no further."""
    found = gd.sweep(
        gd.Quadratic([[1.0]]),
        gd.SGD(lr=2.0),
        {},
        x0=[1.0],
        max_iter=2**24 + 3,
        tol=0,
        dtype="float32",
    )
    assert found.iterations.item() == 2**24 + 3
    assert math.copysign(1, found.x.item()) == -1
