"""Functions that do not do what they should: an error that names it or an honest status, never a silent success."""

import math
from contextlib import contextmanager

import numba
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd

pytest.importorskip("fastgd.engines.native.sweeps")


# --- a gradient that is not written, or not whole --------------------------------------------------------


def rebinds(x, grad):
    grad = 2 * x  # noqa: F841
    return (x**2).sum()


def silent(x, grad):
    return (x**2).sum()


def first_alone(x, grad):
    grad[0] = 2 * x[0]
    return (x**2).sum()


def adds(x, grad):
    grad += 2 * x
    return (x**2).sum()


def without_return(x, grad):
    grad[:] = 2 * x


def good(x, grad):
    grad[:] = 2 * x
    return (x**2).sum()


UNWRITTEN = {
    "rebinds": (rebinds, "none of its components"),
    "silent": (silent, "none of its components"),
    "first_alone": (first_alone, r"not components 1, 2 of 3"),
    "adds": (adds, "nothing can be added"),
}


def ways(fun, x0=(3.0, -2.0, 1.0), **options):
    """The same descent by every way of calling it."""
    x0 = list(x0)
    problem = gd.Function(fun, len(x0))
    rates = {"lr": [0.1, 0.25]}
    yield lambda: gd.minimize(fun, x0, gd.SGD(lr=0.1), **options)
    yield lambda: gd.minimize(problem, x0, gd.NAG(lr=0.1), **options)
    yield lambda: gd.minimize(fun, x0, gd.SGD(lr=0.1), backend="numpy", **options)
    yield lambda: gd.minimize(fun, x0, gd.SGD(lr=0.1), dtype="float32", **options)
    yield lambda: gd.sweep(problem, gd.SGD(), rates, x0=x0, **options)
    yield lambda: gd.sweep(problem, gd.SGD(), rates, x0=x0, backend="numpy", **options)
    yield lambda: gd.sweep(problem, gd.SGD(), {**rates, "x0": [x0, x0[::-1]]}, **options)
    yield lambda: problem.evaluate(np.array(x0))


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "njit"])
@pytest.mark.parametrize("name", UNWRITTEN)
def test_a_gradient_that_was_not_written_is_an_error(name, compiled):
    fun, components = UNWRITTEN[name]
    for way in ways(numba.njit(fun) if compiled else fun):
        with pytest.raises(ValueError, match=f"grad was not written by '{name}'.*{components}"):
            way()


def test_many_components_are_not_all_listed():
    def odd(x, grad):
        grad[::2] = 0.0
        return 0.0

    with pytest.raises(ValueError, match=r"not components 1, 3, 5, 7, 9, 11 and 9 more of 30"):
        gd.minimize(odd, np.ones(30))


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "njit"])
def test_a_function_without_return(compiled):
    for way in ways(numba.njit(without_return) if compiled else without_return):
        with pytest.raises(TypeError, match="fun must return a number, got None"):
            way()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_computed_nan_is_not_taken_for_one_that_was_left(dtype):
    def outside(x, grad):
        with np.errstate(all="ignore"):
            grad[:] = x / np.zeros_like(x) - np.inf
        return 1.0

    run = gd.minimize(outside, [1.0, 2.0], dtype=dtype)
    assert (run.status, run.success, run.nit) == (2, False, 1)
    quiet = gd.minimize(lambda x, g: g.__setitem__(slice(None), np.nan) or 1.0, [1.0], dtype=dtype)
    assert (quiet.status, quiet.nit) == (2, 1)


def test_later_points_are_watched_too():
    """In Python by an error; a compiled function's slope is then NaN, which diverges on every backend alike."""

    def forgets(x, grad):
        if abs(x[0]) > 1.5:
            grad[:] = 2 * x
        elif abs(x[0]) > 1.0:
            grad[0] = 2 * x[0]
        return x[0] * x[0] + x[1] * x[1]

    with pytest.raises(ValueError, match="grad was not written by 'forgets': not component 1 of 2"):
        gd.minimize(forgets, [3.0, 1.0], gd.SGD(lr=0.1))
    compiled = numba.njit(forgets)
    runs = [
        gd.sweep(gd.Function(compiled, 2), gd.SGD(), {"lr": [0.1, 0.05]}, x0=[3.0, 1.0], backend=b)
        for b in ("numba", "numpy")
    ]
    for out in runs:
        assert out.status.tolist() == [2, 2]
        assert out.iterations.tolist() == runs[0].iterations.tolist()
        assert np.array_equal(out.x, runs[0].x, equal_nan=True)
        assert np.isnan(out.x[:, 1]).all()
    alone = gd.minimize(compiled, [3.0, 1.0], gd.SGD(lr=0.1))
    assert (alone.status, alone.nit) == (2, runs[0].iterations[0])


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")  # NumPy 2.5 and later
def test_a_gradient_whose_shape_was_changed_in_place():
    def reshaped(x, grad):
        grad.shape = (2, 1)
        grad[:, 0] = 2 * x
        return (x**2).sum()

    assert gd.minimize(reshaped, [1.0, 2.0], gd.SGD(lr=0.25)).success


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "njit"])
def test_where_there_is_no_value_no_gradient_is_owed(compiled):
    def barrier(x, grad):
        if x[0] <= 0:
            return np.inf
        grad[0] = 5.0
        return x[0]

    fun = numba.njit(barrier) if compiled else barrier
    for backend in (None, "numpy"):
        at_start = gd.minimize(fun, [-1.0], backend=backend)
        assert (at_start.status, at_start.nit, at_start.fun) == (2, 0, np.inf)
        later = gd.minimize(fun, [1.0], gd.SGD(lr=0.15), backend=backend)
        assert (later.status, later.nit) == (2, 3)
        out = gd.sweep(gd.Function(fun, 1), gd.SGD(lr=0.15), {"x0": [1.0, -1.0]}, backend=backend)
        assert (out.status.tolist(), out.iterations.tolist()) == ([2, 2], [3, 0])


# --- values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["1.5", b"2", 1 + 2j, np.complex64(1j), np.array(1j), np.array([1j]), np.ones(2), [], None, {},
     np.array(["3"]), np.timedelta64(1, "s"), ["4"]],
    ids=repr,
)  # fmt: skip
def test_what_is_no_number_is_refused(value):
    def fun(x, grad):
        grad[:] = 2 * x
        return value

    for way in ways(fun):
        with pytest.raises(TypeError, match="fun must return a number, got"):
            way()
    with pytest.raises(TypeError, match="fun must return a number, got"):
        gd.minimize(lambda x: (value, 2 * x), [1.0], jac=True)


@pytest.mark.parametrize("value", [2, np.float32(2), np.array(2.0), np.array([[2]]), [2.0], True])
def test_what_is_a_number_is_taken(value):
    def fun(x, grad):
        grad[:] = 2 * x
        return value

    run = gd.minimize(fun, [1.0, 3.0], gd.SGD(lr=0.5))
    assert run.success
    assert run.fun == float(np.squeeze(value))


@pytest.mark.parametrize("text", ["complex(x[0], 1)", "'a'", "(x[0], x[0])", "x", "None"])
def test_compiled_functions_that_return_no_number(text):
    scope = {}
    exec(f"def fun(x, grad):\n    grad[:] = 2 * x\n    return {text}", scope)
    for way in ways(numba.njit(scope["fun"])):
        with pytest.raises(TypeError, match="fun must return a number, got"):
            way()


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "njit"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_first_value_that_is_not_finite(value, compiled):
    def fun(x, grad):
        grad[:] = 2 * x
        return value

    fun = numba.njit(fun) if compiled else fun
    for backend in (None, "numpy"):
        run = gd.minimize(fun, [0.0, 0.0], backend=backend)
        assert (run.status, run.success, run.nit) == (2, False, 0)
        assert run.message == f"Diverged at the start: the value at x0 is {value}."
        assert np.array_equal([run.fun, run.fun_best], [value] * 2, equal_nan=True)
        assert run.jac.tolist() == [0.0, 0.0]
        problem = gd.Function(fun, 2)
        out = gd.sweep(problem, gd.SGD(), {"x0": [[0.0, 0.0], [1.0, 2.0]]}, backend=backend)
        assert out.status.tolist() == [2, 2]
        assert out.iterations.tolist() == [0, 0]
        assert out.x.tolist() == [[0.0, 0.0], [1.0, 2.0]]
        assert set(out.regime.tolist()) == {"diverged"}
        with pytest.raises(ValueError, match="2 diverged"):
            out.best()


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "njit"])
def test_starts_outside_of_the_domain_do_not_touch_the_others(compiled):
    def log_barrier(x, grad):
        grad[0] = 1.0 - 1.0 / x[0]
        return x[0] - np.log(x[0])

    def guarded(x, grad):
        grad[0] = 1.0 - 1.0 / x[0] if x[0] > 0 else 0.0
        return x[0] - np.log(x[0]) if x[0] > 0 else np.inf

    starts = {"x0": [[2.0], [-1.0], [0.5]], "lr": [0.1, 0.2]}
    fun = numba.njit(guarded) if compiled else guarded
    out = gd.sweep(gd.Function(fun, 1), gd.SGD(), starts, tol=1e-6)
    assert out.status.tolist() == [[0, 0], [2, 2], [0, 0]]
    inside = gd.sweep(
        gd.Function(log_barrier, 1), gd.SGD(), {**starts, "x0": [[2.0], [0.5]]}, tol=1e-6
    )
    assert out.x[[0, 2]].tolist() == inside.x.tolist()
    assert out.iterations[[0, 2]].tolist() == inside.iterations.tolist()


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "njit"])
def test_a_value_that_is_nan_where_the_slopes_vanish(compiled):
    def hollow(x, grad):
        grad[0] = 2 * x[0]
        return x[0] * x[0] if abs(x[0]) > 1e-3 else np.nan

    fun = numba.njit(hollow) if compiled else hollow
    for backend in (None, "numpy"):
        run = gd.minimize(fun, [1.0], backend=backend, optimizer=gd.SGD(lr=0.25))
        assert (run.status, run.success) == (2, False)
        assert "came to rest where the value is nan" in run.message
        out = gd.sweep(gd.Function(fun, 1), gd.SGD(), {"lr": [0.25]}, x0=1.0, backend=backend)
        assert (out.status[0], out.regime[0], out.iterations[0]) == (2, "diverged", run.nit)


def test_no_step_is_no_convergence_where_the_slope_is_nan():
    """Rprop's step by a NaN slope is 0."""

    def fun(x, grad):
        grad[:] = np.nan if abs(x[0]) < 0.9 else 1.0
        return x[0]

    for backend in (None, "numpy"):
        run = gd.minimize(fun, [1.0], gd.Rprop(lr=0.2), step_tol=1e-9, max_iter=50, backend=backend)
        assert not run.success


# --- other forms ----------------------------------------------------------------------------------------


def square(x):
    return (x**2).sum()


@pytest.mark.parametrize(
    ("jac", "error", "message"),
    [
        (lambda x: (2 * x)[:1], ValueError, r"the gradient has shape \(1,\), wanted \(2,\)"),
        (lambda x: (2 * x)[:, None], ValueError, r"the gradient has shape \(2, 1\), wanted \(2,\)"),
        (lambda x: 2.0, ValueError, r"the gradient has shape \(1,\), wanted \(2,\)"),
        (lambda x: None, TypeError, "the gradient must be an array, got None"),
        (lambda x: [None, None], TypeError, "the gradient must be an array"),
        (lambda x: 2 * x + 0j, TypeError, "the gradient must be an array"),
        (lambda x: ["1", "2"], TypeError, "the gradient must be an array"),
        (lambda x: np.array(["1", "2"]), TypeError, "the gradient must be an array"),
        (lambda x: x > 0, None, ""),  # truth values are numbers to NumPy
    ],
)
def test_what_jac_returns(jac, error, message):
    paired = lambda x: (square(x), jac(x))  # noqa: E731
    calls = [
        lambda: gd.minimize(square, [1.0, 2.0], jac=jac, max_iter=3),
        lambda: gd.minimize(paired, [1.0, 2.0], jac=True, max_iter=3),
        lambda: gd.sweep(gd.Function(square, 2, jac=jac), gd.SGD(), {}, x0=[1.0, 2.0], max_iter=3),
        lambda: scipy.optimize.minimize(
            square, [1.0, 2.0], jac=jac, method=gd.SGD(), options={"maxiter": 3}
        ),
    ]
    for call in calls:
        if error is None:
            call()
            continue
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("text", ["2.0", "x[:1]", "None", "np.ones((2, 1))", "x + 1j"])
def test_what_a_compiled_jac_returns(text):
    scope = {"np": np}
    exec(f"def jac(x):\n    return {text}", scope)
    fun, jac = numba.njit(square), numba.njit(scope["jac"])
    for backend in (None, "numpy"):
        with pytest.raises((TypeError, ValueError), match="the gradient"):
            gd.minimize(fun, [1.0, 2.0], jac=jac, backend=backend)
        with pytest.raises((TypeError, ValueError), match="the gradient"):
            gd.sweep(gd.Function(fun, 2, jac=jac), gd.SGD(), {}, x0=[1.0, 2.0], backend=backend)


def test_functions_that_modify_their_point():
    """By every form and backend the same descent as with one that does not."""

    def vandal(x, grad):
        grad[:] = 2 * x
        value = (x**2).sum()
        x[:] = 7.0
        return value

    def value(x):
        found = (x**2).sum()
        x[:] = 7.0
        return found

    def slope(x):
        g = 2 * x
        x[:] = -7.0
        return g

    wanted = gd.minimize(good, [1.0, -2.0], gd.Momentum(lr=0.1))
    forms = [(vandal, None), (value, slope), (lambda x: (value(x.copy()), slope(x)), True)]
    forms += [(numba.njit(vandal), None), (numba.njit(value), numba.njit(slope))]
    for fun, jac in forms:
        x0 = np.array([1.0, -2.0])
        run = gd.minimize(fun, x0, gd.Momentum(lr=0.1), jac=jac)
        assert x0.tolist() == [1.0, -2.0]
        assert (run.x.tolist(), run.nit, run.fun) == (wanted.x.tolist(), wanted.nit, wanted.fun)
        problem, points = gd.Function(fun, 2, jac=jac), np.linspace(-1, 1, 1200).reshape(2, 600)
        assert problem.losses(points).tolist() == (points**2).sum(axis=0).tolist()
        assert problem.slopes(points).tolist() == (2 * points).tolist()


def test_a_gradient_in_a_buffer_of_the_user_is_copied():
    buffer = np.empty(2)

    def slope(x):
        return np.multiply(x, 2, out=buffer)

    def value(x):
        buffer[:] = 1e9  # as working space
        return float((x**2).sum())

    kept, plain = (
        gd.minimize(value, [1.0, -2.0], gd.SGD(lr=0.1), jac=jac, record=1)
        for jac in (slope, lambda x: 2 * x)
    )
    assert kept.history.x.tolist() == plain.history.x.tolist()


# --- no success without a value -------------------------------------------------------------------------

_VALUES = [1.0, math.nan, math.inf, -math.inf]
_SLOPES = [0.0, 1e-12, 1.0, -2.0, 1e300, math.nan, math.inf]


@st.composite
def bad_functions(draw):
    """A function of two parameters that answers by a table of where it is: any value, any slopes, or none."""
    table = [
        (
            draw(st.sampled_from(_VALUES)),
            draw(st.sampled_from(_SLOPES)),
            draw(st.sampled_from([*_SLOPES, None])),
        )
        for _ in range(4)
    ]
    return table


def tabled(table):
    def fun(x, grad):
        place = 0
        while place < 3 and abs(x[0]) < (1.0, 0.5, 0.25)[place]:
            place += 1
        value, first, second = table[place]
        grad[0] = x[0] * first
        if second is not None:
            grad[1] = second
        return value

    return fun


TEXT = """
@numba.njit
def fun(x, grad):
    place = 0
    while place < 3 and abs(x[0]) < np.array([1.0, 0.5, 0.25])[place]:
        place += 1
    grad[0] = x[0] * firsts[place]
    if written[place]:
        grad[1] = seconds[place]
    return values[place]
"""


def assert_honest(success, fun, slope, message):
    if success:
        assert np.isfinite(fun), message
        assert np.isfinite(slope), message


@contextmanager
def allowed(message):
    """An error of this kind may come."""
    try:
        yield
    except ValueError as error:
        if message not in str(error):
            raise


OPTIMIZERS = [gd.SGD(lr=0.2), gd.Momentum(lr=0.1), gd.Adam(lr=0.1), gd.Rprop(), gd.NAG(lr=0.1),
              gd.Lion(lr=0.05), gd.SGD(lr=0.2, clip_norm=1.0), gd.SGD(lr=0.2, clip_value=1.0)]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the functions' own arithmetic
@settings(max_examples=150, deadline=None)
@given(
    table=bad_functions(),
    optimizer=st.sampled_from(OPTIMIZERS),
    step_tol=st.sampled_from([None, 1e-6]),
    dtype=st.sampled_from(["float32", "float64"]),
    start=st.sampled_from([1.2, 0.7, 0.0, -0.3]),
)
def test_no_python_function_succeeds_with_nan(table, optimizer, step_tol, dtype, start):
    fun = tabled(table)
    options = {"max_iter": 20, "tol": 1e-6, "dtype": dtype}
    x0 = [start, 0.5]
    problem = gd.Function(fun, 2)
    for backend in (None, "numpy"):
        with allowed("grad was not written by 'fun'"):
            run = gd.minimize(fun, x0, optimizer, step_tol=step_tol, backend=backend, **options)
            assert_honest(run.success, run.fun, np.abs(run.jac).max(), run.message)
    with allowed("grad was not written by 'fun'"):
        out = gd.sweep(problem, optimizer, {"x0": [x0, [0.1, 0.1]]}, **options)
        assert np.isfinite(out.loss[out.converged]).all()
        assert np.isfinite(out.slope[out.converged]).all()
    both = lambda x: (table[0][0], np.array([table[0][1], table[1][1]]))  # noqa: E731
    theirs = scipy.optimize.minimize(both, x0, jac=True, method=optimizer, options={"maxiter": 9})
    assert_honest(theirs.success, theirs.fun, np.abs(theirs.jac).max(), theirs.message)


@pytest.mark.parametrize("seed", range(6))
def test_no_compiled_function_succeeds_with_nan(seed):
    """The same on Numba and its reference, which agree about every run."""
    rng = np.random.default_rng(seed)
    rows = [
        (rng.choice(_VALUES, p=[0.7, 0.1, 0.1, 0.1]), *rng.choice(_SLOPES, 2)) for _ in range(4)
    ]
    values, firsts, seconds = (np.array(column) for column in zip(*rows, strict=True))
    written = np.array([True, *(rng.random(3) < 0.7)])
    scope = {"numba": numba, "np": np, "values": values, "firsts": firsts, "seconds": seconds,
             "written": written}  # fmt: skip
    exec(TEXT, scope)
    problem = gd.Function(scope["fun"], 2)
    starts = {"x0": [[1.2, 0.5], [1.5, -0.1], [-1.0, 0.0], [-1.01, 1.0]]}
    options = {"max_iter": 20, "tol": 1e-6}
    optimizer = OPTIMIZERS[seed % len(OPTIMIZERS)]
    one, other = (
        gd.sweep(problem, optimizer, starts, backend=b, **options) for b in ("numba", "numpy")
    )
    assert np.isfinite(one.loss[one.converged]).all()
    assert np.isfinite(one.slope[one.converged]).all()
    assert one.status.tolist() == other.status.tolist()
    assert one.iterations.tolist() == other.iterations.tolist()
    assert np.array_equal(one.x, other.x, equal_nan=True)
    for k, x0 in enumerate(starts["x0"]):
        run = gd.minimize(problem, x0, optimizer, **options)
        assert (run.status, run.nit) == (one.status[k], one.iterations[k])
        assert_honest(run.success, run.fun, np.abs(run.jac).max(), run.message)
