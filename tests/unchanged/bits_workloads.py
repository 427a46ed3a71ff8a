"""What is computed for `bits.json`: steps, sweeps, descents and networks, through the public API alone.

Inputs of least squares are short binary fractions, so that their sums of products are exact in whatever order BLAS
takes them: the digests of all but networks and of losses' last digits hold on every x86-64.
"""

import contextlib
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from cases import BACKENDS, CASES
from threadpoolctl import threadpool_info

import fastgd as gd

DTYPES = ("float32", "float64")
STEPS = 20
SHAPES = ((), (7,), (3, 5), (1003,))
FIELDS = ("iterations", "status", "x", "slope")


def digest(*results: Any) -> str:
    """The first 16 hex digits of sha256 over dtypes, shapes and bytes; NaN counts without its payload."""
    hashed = hashlib.sha256()
    for result in results:
        array = np.ascontiguousarray(result)
        if array.dtype.kind == "f":
            array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
        if array.dtype.kind in "OU":  # texts, without the width of the longest
            hashed.update(repr(array.tolist()).encode())
        else:
            hashed.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return hashed.hexdigest()[:16]


def nine_digits(losses: Any) -> list[str]:
    """Numbers without their last digits, in which NumPy's BLAS and exp have a say."""
    return [f"{value:.8e}" for value in np.ravel(losses).tolist()]


# --- where the bits hold ------------------------------------------------------------------------------


def instruction_set() -> str | None:
    """The kernels in use and their compiler, which decide how products of networks are fused; None without kernels."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        gd.show_config()
    kernels = re.search(r"kernels for (\w+)", shown.getvalue())
    compiler = re.search(r"^compiler (.*)$", shown.getvalue(), re.MULTILINE)
    return f"{kernels[1]}, {compiler[1]}" if kernels and compiler else None


def arithmetic() -> str:
    """What the last bits of NumPy's matrix products and elementary functions depend on."""
    found = {info.get("architecture", "") for info in threadpool_info()}
    widest = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])[-1:]
    return ", ".join(["NumPy " + np.__version__, *sorted(found - {""}), *widest])


# --- steps --------------------------------------------------------------------------------------------

STEP_CASES = {case.id: case for case in CASES}


def _drawn(seed: int, dtype: str) -> list[np.ndarray]:
    """Normal numbers, some zeros of both signs among them."""
    rng = np.random.default_rng(seed)
    arrays = []
    for shape in SHAPES:
        array = np.asarray(rng.normal(size=shape).astype(dtype))
        array[rng.random(shape) < 0.05] = 0.0
        array[rng.random(shape) < 0.05] = -0.0
        arrays.append(array)
    return arrays


def step_digest(case_id: str, dtype: str, backend: str) -> str:
    """Parameters and state after some steps."""
    params = _drawn(1, dtype)
    optimizer = STEP_CASES[case_id].make(backend=backend, n_threads=1)
    for step in range(STEPS):
        optimizer.step(params, _drawn(100 + step, dtype))
    state = optimizer.state_dict()
    del state["hyperparameters"]  # the digests were made without
    return digest(*params, *(state[name] for name in sorted(state)))


# --- problems -----------------------------------------------------------------------------------------


def _fractions(seed: int, *shape: int) -> np.ndarray:
    """Multiples of 1/64, normally distributed."""
    return np.round(64 * np.random.default_rng(seed).normal(size=shape)) / 64


ROWS = _fractions(2, 37, 3)
TARGETS = np.round(64 * (ROWS @ [1.0, -2.0, 0.5]) + 16 * _fractions(3, 37)) / 64
SCORES = ROWS[:, 0] - ROWS[:, 1] + _fractions(4, 37)
TWO_CLASSES = (SCORES > 0).astype(int)
THREE_CLASSES = np.array(["a", "b", "c"])[np.digitize(SCORES, [-0.5, 0.75])]
HESSIAN = np.array([[4.0, 1.0, 0.5], [1.0, 2.0, -0.25], [0.5, -0.25, 0.75]])


def _ripples(x: Any, grad: Any) -> Any:
    value = 0.0
    for i in range(len(x)):
        a = 1.0 * float(x[i])
        square = 1.0 + a * a
        value += a * a / square + 0.125 * (i + 1.0) * a * a
        grad[i] = 2.0 * a / (square * square) + 0.25 * (i + 1.0) * a
    return value


COMPILED = numba.njit(error_model="numpy")(_ripples)


def _apart(x: np.ndarray) -> float:
    return float((x[0] - 1.0) ** 2 + 3.0 * (x[1] + 0.5) ** 2)


def _apart_slopes(x: np.ndarray) -> np.ndarray:
    return np.array([2.0 * (x[0] - 1.0), 6.0 * (x[1] + 0.5)])


def least_squares(features: int = 3, **options: Any) -> gd.LeastSquares:
    return gd.LeastSquares(ROWS[:, :features], TARGETS, **options)


PROBLEMS: dict[str, Callable[[], Any]] = {
    "line": lambda: least_squares(1),
    "plane": least_squares,
    "sequential": lambda: least_squares(2, update="sequential", cost="1/m"),
    "sequential-rows": lambda: least_squares(2, update="sequential", statistics=False),
    "rows": lambda: least_squares(statistics=False),
    "no-intercept": lambda: least_squares(2, statistics=False, intercept=False, cost="sum"),
    "no-intercept-statistics": lambda: least_squares(intercept=False),
    "batches": lambda: least_squares(2, batch_size=8),
    "batches-in-order": lambda: least_squares(2, batch_size=10, shuffle=False, drop_last=True),
    "two-classes": lambda: gd.Logistic(ROWS, TWO_CLASSES),
    "three-classes": lambda: gd.Logistic(ROWS[:, :2], THREE_CLASSES),
    "two-classes-batches": lambda: gd.Logistic(ROWS[:, :2], TWO_CLASSES, batch_size=8, rng=3),
    "three-classes-batches": lambda: gd.Logistic(ROWS[:, :2], THREE_CLASSES, batch_size=9),
    "quadratic": lambda: gd.Quadratic(HESSIAN, [1.0, -0.5, 0.25], 2.0),
    "polynomial": lambda: gd.Polynomial([1.0, 0.5, -3.0, 0.25, 1.0]),
    "rosenbrock": gd.functions.rosenbrock,
    "himmelblau": gd.functions.himmelblau,
    "compiled": lambda: gd.Function(COMPILED, 3),
    "python": lambda: gd.Function(_ripples, 2),
}
ROUNDED_BY_NUMPY = ("LeastSquares",)  # their losses come of BLAS, LAPACK


# --- sweeps -------------------------------------------------------------------------------------------


def _rates(low: float, high: float, count: int = 40) -> list[float]:
    """From convergent to divergent, in numbers that no library of mathematics rounds."""
    return [low + (high - low) * (k / (count - 1)) ** 2 for k in range(count)]


def _signed(p: Any, g: Any, m: Any, lr: Any, beta: Any, gain: Any) -> Any:  # noqa: PLR0917
    m = beta * m + gain * g
    return p - lr * np.sign(m), m


def _signed_coefficients(t: Any, lr: Any, beta: Any) -> Any:
    return lr, beta, 1.0 - beta


SIGNUM = gd.Optimizer.from_rule(
    _signed, state=("m",), coefficients=_signed_coefficients, defaults={"lr": 0.1, "beta": 0.9}
)


@dataclass(frozen=True)
class Sweep:
    """A problem's name, a rule, what is varied, and where the runs start."""

    problem: str
    dtype: str
    optimizer: Callable[[], Any]
    axes: Any
    options: dict[str, Any] = field(default_factory=dict)
    backends: tuple[str, ...] = ("numpy", "numba")

    def run(self, backend: str | None) -> gd.SweepResult:
        return gd.sweep(
            PROBLEMS[self.problem](),
            self.optimizer(),
            self.axes,
            dtype=self.dtype,
            backend=backend,
            **{"max_iter": 150, "n_threads": 1, **self.options},
        )


F4, F8 = DTYPES
_SCHEDULES = [
    gd.schedules.step(0.5, 10, 0.5),
    gd.schedules.linear(0.5, 0.01, 60),
    gd.schedules.warmup(gd.schedules.constant(0.25), 8),
    0.125,
]
_START2, _START3 = {"x0": [-1.25, 1.0]}, {"x0": [2.0, -1.5, 0.25]}
_STARTS2 = {"x0": [[-1.25, 1.0], [0.5, 0.5], [2.0, -1.0]]}
_MIXED = {
    "optimizer": [gd.SGD(), gd.Adam(), gd.SGD(momentum=0.5, nesterov=True)],
    "lr": _rates(0.01, 2, 14),
}


_SAMPLED = gd.sample_axes({"lr": _rates(0.01, 3, 20), "momentum": [0.0, 0.5, 0.9]}, 40, rng=5)

ALL, AHEAD = BACKENDS, ("numpy", "cython")
SWEEPS: dict[str, Sweep] = {
    # Kernels ahead of time, and Numba's of the same
    "sgd-line": Sweep("line", F4, gd.SGD, {"lr": _rates(0.01, 3)}, backends=ALL),
    "momentum-plane": Sweep(
        "plane", F8, gd.Momentum, {"lr": _rates(0.01, 3, 14), "momentum": [0.0, 0.5, 0.9]},
        backends=AHEAD,
    ),
    "adam-no-intercept-statistics": Sweep(
        "no-intercept-statistics", F4, gd.Adam,
        {"betas": [(0.9, 0.999), (0.5, 0.9)], "lr": _rates(0.01, 4, 20)}, backends=ALL,
    ),
    "nesterov-quadratic": Sweep(
        "quadratic", F8, lambda: gd.SGD(momentum=0.5, nesterov=True), {"lr": _rates(0.01, 1)},
        _START3, AHEAD,
    ),
    "adam-polynomial": Sweep(
        "polynomial", F8, lambda: gd.Adam(convention="keras"),
        {"lr": _rates(0.01, 4, 10), "x0": [-2.0, -0.5, 0.25, 3.0]}, backends=AHEAD,
    ),
    "sgd-polynomial": Sweep(
        "polynomial", F4, gd.SGD, {"lr": _rates(0.001, 0.4, 20), "rng": [0, 1]}, backends=AHEAD
    ),
    "schedule-quadratic": Sweep(
        "quadratic", F8, gd.SGD, {"lr": [*_SCHEDULES, *_rates(0.01, 1, 36)]}, _START3, AHEAD
    ),
    "mixed-quadratic": Sweep("quadratic", F4, gd.SGD, _MIXED, _START3, AHEAD),
    "sampled-line": Sweep("line", F8, gd.Momentum, _SAMPLED, backends=AHEAD),
    # Numba's alone, beside NumPy's
    "sgd-sequential": Sweep("sequential", F8, gd.SGD, {"lr": _rates(0.01, 3)}),
    "momentum-sequential-rows": Sweep(
        "sequential-rows", F4, lambda: gd.Momentum(momentum=0.5), {"lr": _rates(0.01, 3)}
    ),
    "sgd-rows": Sweep("rows", F4, gd.SGD, {"lr": _rates(0.01, 3)}),
    "nag-no-intercept": Sweep(
        "no-intercept", F8, lambda: gd.NAG(momentum=0.5), {"lr": _rates(0.001, 0.1)}
    ),
    "adam-batches": Sweep(
        "batches", F4, gd.Adam, {"lr": _rates(0.01, 4, 20), "rng": [0, 7]}, {"tol": 0.01}
    ),
    "l1-batches-in-order": Sweep(
        "batches-in-order", F8, lambda: gd.SGD(l1=0.0625), {"lr": _rates(0.01, 3)}
    ),
    "sgd-two-classes": Sweep(
        "two-classes", F4, lambda: gd.SGD(l2=0.125), {"lr": [*_rates(0.1, 20, 39), 1e31]}
    ),
    "momentum-three-classes": Sweep(
        "three-classes", F8, gd.Momentum, {"lr": [*_rates(0.01, 9, 39), 1e101]}
    ),
    "rmsprop-two-classes-batches": Sweep(
        "two-classes-batches", F8, lambda: gd.RMSprop(weight_decay=0.0625),
        {"lr": [*_rates(0.001, 0.5, 39), 1e101]},
    ),
    "schedule-three-classes-batches": Sweep(
        "three-classes-batches", F4, gd.SGD, {"lr": [*_SCHEDULES, *_rates(0.1, 8, 36)]}
    ),
    "rmsprop-quadratic": Sweep(
        "quadratic", F4, gd.RMSprop,
        {"weight_decay": [0.125, 0.25], "lr": _rates(0.001, 40, 20)}, _START3,
    ),
    "clip-quadratic": Sweep(
        "quadratic", F8, gd.SGD, {"clip_norm": [0.25, 0.5, 2.0], "lr": _rates(0.01, 1, 14)},
        _START3,
    ),
    "rprop-polynomial": Sweep("polynomial", F4, gd.Rprop, {"lr": _rates(0.001, 8)}),
    "own-rule-plane": Sweep(
        "plane", F8, SIGNUM, {"beta": [0.0, 0.5, 0.9], "lr": _rates(0.001, 1, 14)}
    ),
    "adam-rosenbrock": Sweep("rosenbrock", F8, gd.Adam, {"lr": _rates(0.001, 2)}, _START2),
    "nag-rosenbrock": Sweep(
        "rosenbrock", F4, lambda: gd.NAG(momentum=0.5), {"lr": _rates(1e-4, 0.01, 14), **_STARTS2}
    ),
    "sgd-himmelblau": Sweep(
        "himmelblau", F8, gd.SGD, {"lr": _rates(0.001, 0.1, 14), **_STARTS2}, {}, ("numpy",)
    ),
    "momentum-compiled": Sweep(
        "compiled", F8, gd.Momentum, {"lr": _rates(0.01, 4)}, {"x0": [1.0, -2.0, 0.5]}
    ),
    "sgd-compiled": Sweep("compiled", F4, gd.SGD, {"lr": _rates(0.01, 6)}, _START3, ("numpy",)),
    "adam-python": Sweep(
        "python", F8, gd.Adam, {"lr": _rates(0.01, 4, 12)}, _START2, ("numpy",)
    ),
}  # fmt: skip


def sweep_digests(name: str, backend: str) -> tuple[str, str]:
    """All that was found, with losses to nine digits where NumPy rounds them; and the losses' bits."""
    sweep = SWEEPS[name]
    out = sweep.run(backend)
    rounded = type(PROBLEMS[sweep.problem]()).__name__ in ROUNDED_BY_NUMPY
    loss = nine_digits(out.loss) if rounded else out.loss
    return digest(*(getattr(out, f) for f in FIELDS), out.regime, loss), digest(out.loss)


# --- one descent --------------------------------------------------------------------------------------

_RECORDED = {"record": 7, "max_iter": 60}
DESCENTS: dict[str, tuple[Callable[[], Any], dict[str, Any], tuple[str, ...]]] = {
    "quadratic": (
        lambda: (PROBLEMS["quadratic"](), [2.0, -1.5, 0.25], gd.Adam(lr=0.125)), _RECORDED, AHEAD,
    ),
    "line-schedule": (
        lambda: (PROBLEMS["line"](), None, gd.Momentum(lr=_SCHEDULES[1])),
        {"max_iter": 200, "tol": 1e-3, "dtype": F4}, AHEAD,
    ),
    "rows": (
        lambda: (PROBLEMS["rows"](), None, gd.NAG(lr=0.125)), _RECORDED, ("numpy", "numba"),
    ),
    "batches": (
        lambda: (PROBLEMS["batches"](), None, gd.RMSprop(lr=0.03125)),
        {**_RECORDED, "rng": 11}, ("numpy", "numba"),
    ),
    "three-classes": (
        lambda: (PROBLEMS["three-classes"](), None, gd.SGD(lr=2.0, clip_norm=1.0)),
        {"max_iter": 100}, ("numpy", "numba"),
    ),
    "rosenbrock": (
        lambda: (PROBLEMS["rosenbrock"](), [-1.25, 1.0], gd.SGD(lr=2.0**-10)),
        {**_RECORDED, "dtype": F4}, ("numpy", "numba"),
    ),
    "compiled": (
        lambda: (COMPILED, [1.0, -2.0, 0.5], gd.Momentum(lr=0.125)), _RECORDED,
        ("numpy", "numba"),
    ),
    "diverging": (
        lambda: (PROBLEMS["polynomial"](), 3.0, gd.SGD(lr=0.5)), _RECORDED, ALL,
    ),
    "python": (lambda: (_ripples, [1.0, -2.0], gd.Adam(lr=0.25)), _RECORDED, ("numpy",)),
    "python-jac": (
        lambda: (_apart, [0.0, 0.0], gd.SGD(lr=0.125)),
        {"jac": _apart_slopes, "step_tol": 1e-6}, ("numpy",),
    ),
}  # fmt: skip


def descent_digest(name: str, backend: str) -> str:
    made, options, _ = DESCENTS[name]
    fun, x0, optimizer = made()
    run = gd.minimize(fun, x0, optimizer, backend=backend, **options)
    results = [run.x, run.jac, run.nit, run.njev, run.status, *nine_digits(run.fun)]
    results += [run.x_best, *nine_digits(run.fun_best)]
    if run.history is not None:
        history = run.history
        results += [history.n, history.x, history.slope, *nine_digits(history.loss)]
    return digest(*results)


# --- networks -----------------------------------------------------------------------------------------

INPUTS = np.random.default_rng(6).normal(size=(150, 9))
CLASSES = (INPUTS[:, 0] > 0).astype(int) + (INPUTS[:, 1] > 0.5)
VALUES = INPUTS[:, :2] * INPUTS[:, 2:4]


def _classifier(dtype: str) -> gd.MLP:
    return gd.MLP([9, 33, 17, 3], dropout=0.25, l2=1e-3, dtype=dtype, rng=1, backend="cython")


def _regressor(dtype: str) -> gd.MLP:
    return gd.MLP(
        [9, 20, 2], activation="tanh", loss="mse", l1=1e-4, dtype=dtype, rng=2, backend="cython"
    )


def _swept(dtype: str) -> list[np.ndarray]:
    problem = _classifier(dtype).problem(INPUTS, CLASSES, batch_size=32)
    axes = {"lr": [1e-3, 0.1], "hidden": [(12,), (8, 8)]}
    out = gd.sweep(problem, gd.SGD(momentum=0.9), axes, max_iter=12, n_threads=1)
    return [out.iterations, out.status, out.metric, *out.best().network.params]


def _fitted(net: gd.MLP, targets: np.ndarray, optimizer: Any, **options: Any) -> list[np.ndarray]:
    net.fit(INPUTS, targets, optimizer=optimizer, epochs=2, grad_norm=True, **options)
    history = net.history_
    return [*net.params, history.loss, history.grad_norm, net.forward(INPUTS)]


NETWORKS: dict[str, Callable[[str], list[np.ndarray]]] = {
    "classifier-adam": lambda dtype: _fitted(_classifier(dtype), CLASSES, gd.Adam(lr=0.01)),
    "classifier-lion-weights": lambda dtype: _fitted(
        _classifier(dtype), CLASSES, gd.Lion(lr=gd.schedules.linear(0.01, 0.001, 10)),
        sample_weight=np.linspace(0.5, 1.5, 150), batch_size=40,
    ),
    "regressor-momentum": lambda dtype: _fitted(
        _regressor(dtype), VALUES, gd.SGD(lr=0.05, momentum=0.9, clip_norm=1.0)
    ),
    "swept": _swept,
}  # fmt: skip


def network_digest(name: str, dtype: str) -> str:
    return digest(*NETWORKS[name](dtype))
