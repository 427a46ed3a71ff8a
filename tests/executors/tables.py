"""Sweeps of every kind of problem, made of functions that processes import from here."""

import os
import signal

import numba
import numpy as np

import fastgd as gd

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(50, 3))
TARGETS = ROWS @ [1.0, -2.0, 0.5] + RNG.normal(0, 0.1, 50)
RATES = np.geomspace(1e-3, 3, 60)
ARRAYS = ("iterations", "status", "regime_codes", "loss", "slope", "x", "metric", "history")
TOLD = ("backend", "problem", "optimizer", "dtype", "max_iter", "metric_name", "parameter_names")


@numba.njit
def compiled(x, grad):
    grad[0] = 4 * x[0] ** 3 - 2 * x[0]
    grad[1] = 2 * x[1]
    return x[0] ** 4 - x[0] ** 2 + x[1] ** 2


def plain(x, grad):
    grad[:] = np.sin(x) + 0.5 * x
    return float(np.sum(0.25 * x**2 - np.cos(x)))


def fatal(x, grad):
    """Runs that go far kill their process."""
    if abs(x[0]) > 100:
        os._exit(1)
    grad[0] = 2 * x[0]
    return x[0] ** 2


def fatal_once(x, grad):
    """The first run that goes far kills its process; MARK is a file that then exists."""
    if abs(x[0]) > 100:
        try:
            os.close(os.open(os.environ["MARK"], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    grad[0] = 2 * x[0]
    return x[0] ** 2


def failing(x, grad):
    if abs(x[0]) > 100:
        raise ArithmeticError("too far")
    grad[0] = 2 * x[0]
    return x[0] ** 2


def bowl(x, grad):
    """With a rate of 0 it goes on for ever; READY is a file that then exists."""
    grad[0] = 2 * x[0]
    bowl.repeated = bowl.repeated + 1 if x[0] == 1.0 else 0
    if bowl.repeated == 1000:
        open(os.environ["READY"], "w").close()
    return x[0] ** 2


bowl.repeated = 0


def signum(p, g, m, lr, beta1, gain1):  # noqa: PLR0917
    m = beta1 * m + gain1 * g
    return p - lr * np.sign(m), m


def signum_coefficients(t, lr, beta1):
    return lr, beta1, 1.0 - beta1


def falling(t):
    return 0.5 / (1 + t)


Signum = gd.Optimizer.from_rule(
    signum,
    state=("m",),
    coefficients=signum_coefficients,
    defaults={"lr": 1e-3, "beta1": 0.9},
)


def network(*hidden, **options):
    return gd.MLP([3, *(hidden or (8,)), 1], loss="mse", rng=0).problem(ROWS, TARGETS, **options)


def _sweeps():
    """By name: problem, optimizer, axes, options."""
    momentum = {"lr": RATES, "momentum": [0.0, 0.5, 0.9]}
    squares = gd.LeastSquares(ROWS, TARGETS)
    seeds = {"lr": [1e-3, 0.01, 0.1, 10.0], "rng": range(4)}
    short = {"max_iter": 40}
    return {
        "least squares": (squares, gd.Momentum(), momentum, {}),
        "batches": (gd.LeastSquares(ROWS, TARGETS, batch_size=9), gd.Adam(), {"lr": RATES, "rng": [3, 4]}, short),
        "float32": (squares, gd.SGD(), {"lr": RATES}, {"dtype": "float32"}),
        "logistic": (gd.Logistic(ROWS, TARGETS > 0), gd.NAG(), momentum, {}),
        "quadratic": (
            gd.Quadratic(np.diag([1.0, 2.0, 5.0]), [1.0, 0.0, 1.0]), gd.Adam(), {"lr": RATES}, {"record": 20},
        ),
        "polynomial": (gd.Polynomial([1.0, -2.0, 0.0, 1.0]), gd.SGD(), {"lr": RATES}, {"x0": 0.1}),
        "known function": (gd.functions.rosenbrock(), gd.Adam(), {"lr": RATES}, {"rng": 5}),
        "compiled function": (gd.Function(compiled, 2), gd.SGD(), {"lr": RATES}, {"x0": [0.3, 1.0]}),
        "Python function": (gd.Function(plain, 2), gd.SGD(), {"lr": RATES[::4]}, {"x0": [1.0, 2.0]}),
        "own rule": (squares, Signum(), {"lr": RATES, "beta1": [0.5, 0.9]}, {}),
        "optimizers": (squares, gd.SGD(), {"optimizer": [gd.Adam(), gd.SGD(), gd.Rprop()], "lr": [0.1, falling]}, {}),
        "sampled": (squares, gd.Momentum(), gd.sample_axes(momentum, 90), {}),
        "points": (squares, gd.SGD(), {"x0": RNG.normal(size=(20, 4)), "lr": [0.1, 3.0]}, {}),
        "lanes": (network(batch_size=10), gd.Adam(), seeds, {**short, "record": 8, "keep": "params"}),
        "one by one": (network(120, 120, batch_size=10), gd.Momentum(), seeds, {**short, "record": 8}),
        "single rows": (network(batch_size=1), gd.SGD(), seeds, {**short, "keep": "params"}),
        "validation": (network(validation=(ROWS, TARGETS)), Signum(), {"lr": [0.1], "hidden": [3, (4, 2)]}, short),
    }  # fmt: skip


SWEEPS = _sweeps()


def run(name, **more):
    problem, optimizer, axes, options = SWEEPS[name]
    return gd.sweep(problem, optimizer, axes, **{"max_iter": 200, **options, **more})


def one_far(fun, count=300, which=(123,), **options):
    """Runs of a function of one parameter, of which some go far."""
    rates = np.linspace(0.1, 0.9, count)
    rates[list(which)] = 1e3
    options = {"x0": 1.0, "max_iter": 30, **options}
    return gd.sweep(gd.Function(fun, 1), gd.SGD(), {"lr": rates}, **options)


def assert_same(one, other, where=""):
    """The same bits of everything that is known of the runs."""
    for name in ARRAYS:
        a, b = getattr(one, name), getattr(other, name)
        if name in {"metric", "history"} and a is None:
            assert b is None, (where, name)
            continue
        assert a.dtype == b.dtype, (where, name)
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), (where, name)
        if a.dtype.kind == "f":
            known = ~np.isnan(a)
            assert a[known].tobytes() == b[known].tobytes(), (where, name)
    for name in TOLD:
        assert getattr(one, name) == getattr(other, name), (where, name)
    assert one.axes == other.axes, where
