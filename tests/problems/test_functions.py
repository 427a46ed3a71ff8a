"""A user's functions as problems: compiled, called from Python, with and without gradients; the test functions."""

import math
import pickle

import numba
import numpy as np
import pytest
import scipy.optimize
from grids import SAMPLED_DTYPES

import fastgd as gd

pytest.importorskip("fastgd.engines.native.sweeps")


def valley(x, grad):
    """Rosenbrock's, in the precision of x: for float32 the constants would else be doubles to Numba alone."""
    one, two, hundred = x.dtype.type(1), x.dtype.type(2), x.dtype.type(100)
    a, b = one - x[0], x[1] - x[0] * x[0]
    grad[0] = -two * a - two * two * hundred * x[0] * b
    grad[1] = two * hundred * b
    return a * a + hundred * b * b


def plain(x, grad):
    a, b = 1 - x[0], x[1] - x[0] * x[0]
    grad[0] = -2 * a - 400 * x[0] * b
    grad[1] = 200 * b
    return a * a + 100 * b * b


def value(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] * x[0]) ** 2


def slope(x):
    b = x[1] - x[0] * x[0]
    return np.array([-2 * (1 - x[0]) - 400 * x[0] * b, 200 * b])


COMPILED = numba.njit(plain)
APART = numba.njit(value), numba.njit(slope)
RATES = {"lr": [1e-4, 1e-3, 2e-3, 1e-2]}
START = {"x0": [-1.2, 1.0], "max_iter": 150, "tol": 1e-2}


def bits(array):
    plain = np.where(np.isnan(array), np.nan, array)
    return plain.view(np.int64).tolist()


def assert_same(one, other):
    assert bits(one.x) == bits(other.x)
    for field in ("iterations", "status", "regime"):
        assert getattr(one, field).tolist() == getattr(other, field).tolist()


# --- compiled and not ------------------------------------------------------------------------------------


@numba.njit("float64(float64[:], float64[:])")
def signed(x, grad):
    grad[:] = 2 * x
    return x.sum()


def test_a_function_with_signatures():
    run = gd.minimize(signed, [1.0, 2.0], gd.SGD(lr=0.5))
    assert (run.nit, run.status, run.backend) == (1, 0, "numba")


@pytest.mark.parametrize(
    "optimizer",
    [gd.SGD(), gd.Adam(), gd.NAG(momentum=0.5), gd.SGD(clip_norm=1.0, weight_decay=0.1)],
    ids=lambda o: repr(o)[:40],
)
def test_sweeps_of_compiled_and_python_functions(optimizer):
    """Kernels, the reference and plain Python agree; the last rate diverges with some."""
    compiled, python = gd.Function(COMPILED, 2), gd.Function(plain, 2)
    found = gd.sweep(compiled, optimizer, RATES, **START)
    assert found.backend == "numba"
    assert_same(found, gd.sweep(compiled, optimizer, RATES, backend="numpy", **START))
    by_python = gd.sweep(python, optimizer, RATES, **START)
    assert by_python.backend == "numpy"
    assert_same(found, by_python)


def test_value_and_gradient_apart():
    apart = gd.sweep(gd.Function(APART[0], 2, jac=APART[1]), gd.SGD(), RATES, **START)
    assert apart.backend == "numba"
    assert_same(apart, gd.sweep(gd.Function(value, 2, jac=slope), gd.SGD(), RATES, **START))
    paired = gd.Function(lambda x: (value(x), slope(x)), 2, jac=True)
    assert_same(apart, gd.sweep(paired, gd.SGD(), RATES, **START))


def test_minimize_as_sweep():
    for fun, jac in ((COMPILED, None), APART):
        problem = gd.Function(fun, 2, jac=jac)
        out = gd.sweep(problem, gd.Adam(), RATES, **START)
        for k, rate in enumerate(RATES["lr"]):
            run = gd.minimize(fun, optimizer=gd.Adam(lr=rate), jac=jac, **START)
            assert run.backend == "numba"
            assert bits(run.x) == bits(out.x[k])
            assert (run.nit, run.status, run.fun) == (out.iterations[k], out.status[k], out.loss[k])


def test_single_precision():
    problem = gd.Function(numba.njit(valley), 2)
    seen = gd.sweep(problem, gd.SGD(), RATES, dtype="float32", **START)
    reference = gd.sweep(problem, gd.SGD(), RATES, dtype="float32", backend="numpy", **START)
    assert seen.x.dtype == np.float32
    assert seen.x.tobytes() == reference.x.tobytes()
    run = gd.minimize(problem, optimizer=gd.SGD(lr=1e-3), dtype="float32", **START)
    assert run.x.tobytes() == seen.x[1].tobytes()
    dtypes = set()

    def keep(x, grad):
        dtypes.update((x.dtype.name, grad.dtype.name))
        return plain(x, grad)

    gd.minimize(keep, [1.0, 2.0], dtype="float32", max_iter=3, tol=0)
    assert dtypes == {"float32"}


def test_many_runs_on_any_number_of_threads():
    problem = gd.Function(COMPILED, 2)
    axes = {"lr": np.geomspace(1e-5, 1e-2, 700)}
    one, two = (gd.sweep(problem, gd.SGD(), axes, n_threads=n, **START) for n in (1, 2))
    assert_same(one, two)
    assert {1, 2} <= set(one.status.tolist())


@numba.njit
def raising(x, grad):
    if x[0] < 0.5:
        raise ValueError("too far")
    grad[0] = 1.0
    return x[0]


@numba.njit
def dividing(x, grad):
    grad[0] = 1.0 / (1.0 if x[0] > 0.5 else 0.0 * x[0])  # Numba's own rules: an exception
    return x[0]


@pytest.mark.parametrize(("fun", "updates"), [(raising, [4, 6]), (dividing, [3, 5])])
def test_compiled_exceptions_are_divergence(fun, updates):
    problem = gd.Function(fun, 1)
    for backend in ("numba", "numpy"):
        out = gd.sweep(problem, gd.SGD(), {"lr": [0.25, 0.125]}, x0=[1.0], backend=backend)
        assert out.status.tolist() == [2, 2]
        assert out.iterations.tolist() == updates
    run = gd.minimize(fun, [1.0], gd.SGD(lr=0.25))
    assert (run.status, run.nit) == (2, updates[0])
    assert math.isnan(run.x[0])


def test_python_exceptions_pass_unchanged_through_a_sweep():
    def fails(x, grad):
        raise ZeroDivisionError("own")

    with pytest.raises(ZeroDivisionError, match="own"):
        gd.sweep(gd.Function(fails, 1), gd.SGD(), RATES)


def test_what_numba_cannot_compile_is_named():
    @numba.njit
    def wrong(x, grad):
        return undefined_name(x)  # noqa: F821

    with pytest.raises(TypeError, match="fun cannot be compiled"):
        gd.minimize(wrong, [1.0])
    with pytest.raises(TypeError, match="fun cannot be compiled"):
        gd.sweep(gd.Function(wrong, 1), gd.SGD(), RATES)


def test_many_points_at_once():
    points = np.random.default_rng(0).normal(size=(2, 1001))
    for fun, jac in ((COMPILED, None), APART):
        problem = gd.Function(fun, 2, jac=jac)
        assert problem.losses(points).tolist() == [problem.loss(p) for p in points.T]
        assert problem.slopes(points).T.tolist() == [problem.gradient(p).tolist() for p in points.T]
    assert np.isnan(gd.Function(raising, 1).losses(np.zeros((1, 1001)))).all()


# --- without a gradient ----------------------------------------------------------------------------------


def test_finite_differences():
    problem = gd.Function(value, 2)
    for x in ([-1.2, 1.0], [30.0, -4.0]):
        np.testing.assert_allclose(problem.gradient(x), slope(np.array(x)), rtol=1e-6)
    counted = []
    run = gd.minimize(
        lambda x: counted.append(1) or value(x), [-1.2, 1.0], gd.Adam(lr=0.02), tol=1e-4
    )
    assert run.success
    np.testing.assert_allclose(run.x, 1, atol=1e-3)
    assert run.nfev == len(counted)
    assert run.nfev >= 3 * run.njev


# --- the class ---------------------------------------------------------------------------------------------


def test_names_and_repr():
    problem = gd.Function(plain, names=["left", "right"])
    assert problem.parameter_names == ("left", "right")
    assert repr(problem) == "Function(plain, 2 parameters)"
    assert repr(gd.functions.rosenbrock(3)) == "Rosenbrock(3 parameters)"
    assert gd.Function(plain, 2).parameter_names == ("p0", "p1")
    assert pickle.loads(pickle.dumps(problem)).loss([1.0, 1.0]) == 0.0


def test_no_names_are_made_for_parameters_without_any():
    assert gd.Function(plain, 10**15).n_parameters == 10**15
    run = gd.minimize(plain, np.ones(2), max_iter=1, record=1)
    assert run.history.parameter_names == ("p0", "p1")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, 2), TypeError, "fun must be callable, got int"),
        ((plain,), TypeError, "n is missing"),
        ((plain, 0), ValueError, "n must be an integer >= 1, got 0"),
        ((plain, True), ValueError, "n must be an integer >= 1, got True"),
        ((plain, 2.5), ValueError, "n must be an integer >= 1"),
        ((lambda: 1.0, 2), TypeError, "needs 0 arguments"),
        ((lambda x, g, h: 1.0, 2), TypeError, "needs 3 arguments"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        gd.Function(*arguments)
    with pytest.raises(TypeError, match="jac must be callable, True or None"):
        gd.Function(value, 2, jac=3)
    with pytest.raises(ValueError, match="wanted a list or tuple of 2 strings"):
        gd.Function(value, 2, names=["a"])


@pytest.mark.parametrize(
    ("fun", "jac", "error", "message"),
    [
        (lambda x, g: None, None, TypeError, "fun must return a number, got None"),
        (lambda x, g: "a", None, TypeError, "fun must return a number, got 'a'"),
        (lambda x, g: x, None, TypeError, "fun must return a number"),
        (value, lambda x: x[:1], ValueError, r"the gradient has shape \(1,\), wanted \(2,\)"),
        (value, lambda x: None, TypeError, "the gradient must be an array, got None"),
        (value, lambda x: ["a", "b"], TypeError, "the gradient must be an array"),
        (value, True, TypeError, r"fun must return \(value, gradient\) where jac=True"),
    ],
)
def test_bad_returns(fun, jac, error, message):
    with pytest.raises(error, match=message):
        gd.minimize(fun, [1.0, 2.0], jac=jac)


def test_one_parameter_may_return_scalars():
    run = gd.minimize(lambda x: (x[0] - 3) ** 2, 0.0, gd.SGD(lr=0.3), jac=lambda x: 2 * (x[0] - 3))
    assert run.success
    np.testing.assert_allclose(run.x, [3.0])


# --- the test functions -------------------------------------------------------------------------------------

KNOWN = {
    name: getattr(gd.functions, name)()
    for name in ("rosenbrock", "beale", "himmelblau", "saddle", "bumpy")
} | {"rosenbrock5": gd.functions.rosenbrock(5)}


@pytest.mark.parametrize("name", KNOWN)
def test_gradients_and_minima(name):
    problem = KNOWN[name]
    rng = np.random.default_rng(1)
    for x in rng.normal(size=(20, problem.n_parameters)):
        differences = scipy.optimize.approx_fprime(x, problem.loss, 1e-7)
        np.testing.assert_allclose(problem.gradient(x), differences, rtol=1e-4, atol=1e-3)
        assert all(problem.loss(minimum) <= problem.loss(x) for minimum in problem.minima)
    for minimum in problem.minima:
        assert np.abs(problem.gradient(minimum)).max() < 1e-12


@pytest.mark.parametrize("name", ["rosenbrock5", "beale", "himmelblau", "saddle"])
@pytest.mark.parametrize("dtype", SAMPLED_DTYPES)
def test_the_same_bits_from_kernels_and_reference(name, dtype):
    options = {"rng": 3, "max_iter": 200, "dtype": dtype}
    one, other = (
        gd.sweep(KNOWN[name], gd.SGD(), {"lr": np.geomspace(1e-4, 1, 9)}, backend=b, **options)
        for b in ("numba", "numpy")
    )
    assert np.array_equal(one.x, other.x, equal_nan=True)
    assert one.iterations.tolist() == other.iterations.tolist()


def test_rosenbrock_is_scipys():
    x = np.array([0.3, -1.2, 2.0, 0.7])
    problem = gd.functions.rosenbrock(4)
    assert problem.loss(x) == pytest.approx(scipy.optimize.rosen(x), rel=1e-14)
    np.testing.assert_allclose(problem.gradient(x), scipy.optimize.rosen_der(x), rtol=1e-13)


def test_ravine():
    run = gd.minimize(gd.functions.ravine(25.0), [1.0, 1.0], gd.SGD(lr=2 / 26), tol=1e-6)
    assert run.success
    for wrong, error in ((0, ValueError), (np.nan, ValueError), ("a", TypeError)):
        with pytest.raises(error, match="condition must be"):
            gd.functions.ravine(wrong)
    with pytest.raises(ValueError, match="n must be an integer >= 2"):
        gd.functions.rosenbrock(1)
