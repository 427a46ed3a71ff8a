"""Descents of Python functions: compiled between two calls as in Python, and what a function may do with its arrays."""

import signal
import threading

import numpy as np
import pytest
from same_bits import bits

import fastgd as gd
from fastgd.engines.native import kernels

pytestmark = pytest.mark.skipif(not kernels.available(), reason="compares with compiled loops")


class InPython(gd.Function):
    """A class of a user's own, whose methods are called in Python."""


def value(x):
    return float(((x - np.arange(1, len(x) + 1)) ** 2).sum() + 0.1 * np.cos(3 * x[0]))


def slope(x):
    g = 2 * (x - np.arange(1, len(x) + 1, dtype=x.dtype))
    g[0] -= x.dtype.type(0.3) * np.sin(3 * x[0])
    return g


def written(x, grad):
    grad[:] = slope(x)
    return value(x)


FORMS = {
    "written": (written, None),
    "paired": (lambda x: (value(x), slope(x)), True),
    "listed": (lambda x: [np.array([value(x)]), list(slope(x))], True),
    "apart": (value, slope),
    "differences": (value, None),
}
WAYS = {
    "converges": {"optimizer": gd.SGD(lr=0.1), "record": 7},
    "penalties": {"optimizer": gd.SGD(lr=0.1, l1=0.2, l2=0.1), "record": 1},
    "decay": {"optimizer": gd.AdamW(lr=0.1, weight_decay=0.3), "record": 3, "max_iter": 90},
    "clipped": {"optimizer": gd.Adam(lr=0.1, clip_norm=0.5), "max_iter": 64},
    "scheduled": {"optimizer": gd.Momentum(lr=gd.schedules.exponential(0.2, 0.97)), "record": 50},
    "small steps": {"optimizer": gd.Momentum(lr=0.01), "step_tol": 1e-3, "tol": 0.0},
    "maximizes": {"optimizer": gd.SGD(lr=0.3, maximize=True), "record": 20},
    "no updates": {"optimizer": gd.SGD(lr=0.1), "max_iter": 0, "record": 1},
}


def assert_alike(one, other):
    for name in ("x", "fun", "jac", "slope", "x_best", "fun_best"):
        assert bits(np.asarray(one[name])) == bits(np.asarray(other[name])), name
    for name in ("nit", "nfev", "njev", "status", "message", "backend"):
        assert one[name] == other[name], name
    assert (one.history is None) == (other.history is None)
    if one.history is not None:
        for name in ("n", "x", "loss", "slope"):
            assert bits(getattr(one.history, name)) == bits(getattr(other.history, name)), name


@pytest.mark.parametrize("n", [1, 21])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
def test_compiled_as_in_python(way, form, dtype, n):
    fun, jac = FORMS[form]
    options = {"tol": 1e-3, "max_iter": 300, "dtype": dtype, **WAYS[way]}
    start = np.linspace(-1.0, 2.0, n)
    runs = [
        gd.minimize(kind(fun, n, jac=jac), start, **options) for kind in (gd.Function, InPython)
    ]
    assert runs[0].nit > 0 or not options["max_iter"]
    assert_alike(*runs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_looking_ahead_takes_two_gradients_an_update(dtype):
    """As the reference, which a class of a user's own goes through."""
    options = {"optimizer": gd.NAG(lr=gd.schedules.exponential(0.05, 0.99)), "tol": 1e-3}
    runs = [
        gd.minimize(kind(written, 3), [0.0, 1.0, 2.0], dtype=dtype, record=9, **options)
        for kind in (gd.Function, InPython)
    ]
    assert [run.backend for run in runs] == ["python", "numpy"]
    assert bits(runs[0].history.x) == bits(runs[1].history.x)
    assert runs[0].nit == runs[1].nit
    assert runs[0].njev == 2 * runs[0].nit + 1 == runs[1].njev


# --- what a function may do with its arrays -----------------------------------------------------------


def test_arrays_that_are_kept_stay_as_they_were():
    kept = []

    def fun(x, grad):
        grad[:] = 2 * x
        kept.append((x, x.copy(), grad[:], grad.copy(), memoryview(x)))
        return float(x @ x)

    gd.minimize(fun, [3.0, 4.0], gd.SGD(lr=0.1), max_iter=20)
    assert len(kept) == 21
    for x, then, grad, slopes, view in kept:
        assert bits(x) == bits(then)
        assert bits(grad) == bits(slopes)
        assert bits(np.asarray(view)) == bits(then)


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")  # from NumPy 2.5 on
def test_arrays_that_are_changed_change_nothing():
    def rude(x, grad):
        grad[:] = 2 * x
        found = float(x @ x)
        x[:] = 1e9
        x.shape = (2, 1)
        x.setflags(write=False)
        grad.shape = (1, 2)
        return found

    def polite(x, grad):
        grad[:] = 2 * x
        return float(x @ x)

    runs = [gd.minimize(fun, [3.0, 4.0], gd.SGD(lr=0.1), record=1) for fun in (rude, polite)]
    assert_alike(*runs)


def test_a_lent_array_cannot_be_freed():
    def fun(x, grad):
        with pytest.raises(ValueError, match="own"):
            grad.resize(1000, refcheck=False)
        grad[:] = 2 * x
        return float(x @ x)

    assert gd.minimize(fun, [3.0, 4.0], gd.SGD(lr=0.1)).success


# --- a function that fails ----------------------------------------------------------------------------


class Failing:
    """A function that fails at one of its calls."""

    def __init__(self, error, at):
        self.error, self.at, self.calls = error, at, 0

    def __call__(self, x, grad):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        grad[:] = 2 * x
        return float(x @ x)


@pytest.mark.parametrize("at", [1, 2, 30])
def test_exceptions_pass_through(at):
    fun = Failing(ZeroDivisionError("mine"), at)
    with pytest.raises(ZeroDivisionError, match="mine"):
        gd.minimize(fun, [3.0, 4.0], gd.SGD(lr=0.01))
    assert fun.calls == at


def test_ctrl_c_in_a_function_ends_the_run_at_once():
    fun = Failing(KeyboardInterrupt(), 30)
    run = gd.minimize(fun, [3.0, 4.0], gd.SGD(lr=0.001))
    assert (run.status, run.nit, fun.calls) == (4, 29, 30)
    assert np.isnan(run.fun)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals")
def test_a_signal_comes_through_where_the_function_runs_no_python():
    calls = []

    def jac(x):
        calls.append(0)
        if len(calls) == 10:
            signal.raise_signal(signal.SIGINT)
        return 2 * x

    run = gd.minimize(lambda x: float(x @ x), [3.0, 4.0], gd.SGD(lr=0.001), jac=jac)
    assert run.status == 4
    assert len(calls) == 10


def test_a_gradient_that_is_not_written_whole_is_refused_at_any_call():
    calls = []

    def fun(x, grad):
        calls.append(0)
        grad[: 1 if len(calls) == 9 else 2] = 2 * x[: 1 if len(calls) == 9 else 2]
        return float(x @ x)

    with pytest.raises(ValueError, match="not component 1 of 2"):
        gd.minimize(fun, [3.0, 4.0], gd.SGD(lr=0.01))
    assert len(calls) == 9


def test_nan_ends_no_run_and_counts_as_no_convergence():
    def fun(x, grad):
        grad[:] = np.nan if abs(x[0]) < 2.5 else 2 * x
        return float(x @ x)

    run = gd.minimize(fun, [3.0, 4.0], gd.SGD(lr=0.05), max_iter=50)
    assert run.status == 2
    assert not run.success
