"""Whatever comes in: random problems give the same bits on both engines, and random objects a clear error."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from same_bits import bits

import fastgd as gd

pytest.importorskip("fastgd.engines.native.sweeps")

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# --- random problems ----------------------------------------------------------------------------------


numbers = st.floats(-1e3, 1e3, width=32) | st.sampled_from([0.0, -0.0, 1e-310, -1e-40, 1e29, 1e90])


@st.composite
def problems(draw):
    kind = draw(st.sampled_from(["quadratic", "polynomial", "least squares"]))
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    if kind == "polynomial":
        return gd.Polynomial(draw(st.lists(st.floats(-9, 9, width=16), min_size=2, max_size=6)))
    n = draw(st.integers(1, 5))
    if kind == "quadratic":
        factor = seed.normal(size=(n, n)) * 10.0 ** draw(st.integers(-2, 1))
        return gd.Quadratic(factor @ factor.T, seed.normal(size=n))
    rows = draw(st.integers(1, 20))
    return gd.LeastSquares(seed.normal(size=(rows, n)), seed.normal(size=rows))


rates = st.floats(2.0**-20, 1e3, width=32) | st.just(0.0)
ahead_of_time = st.sampled_from(
    [
        gd.SGD(),
        gd.SGD(momentum=0.9),
        gd.SGD(momentum=0.5, nesterov=True),
        gd.SGD(momentum=0.5, dampening=0.5),
        gd.Momentum(momentum=0.99),
        gd.Adam(betas=(0.5, 0.9)),
        gd.Adam(convention="keras"),
    ]
)


@QUICK
@given(
    data=st.data(),
    problem=problems(),
    optimizer=ahead_of_time,
    lr=st.lists(rates, min_size=1, max_size=40),
    decay=st.none() | st.floats(0.875, 1.0, width=16, exclude_max=True),
    options=st.fixed_dictionaries(
        {
            "max_iter": st.integers(0, 200),
            "tol": st.sampled_from([0.0, 1e-12, 1e-6, 1e-2, 1.0, 1e9]),
            "dtype": st.sampled_from(["float32", "float64"]),
            "flush_subnormals": st.booleans(),
        }
    ),
    n_threads=st.integers(1, 3),
)
def test_numpy_and_cython_agree(data, problem, optimizer, lr, decay, options, n_threads):  # noqa: PLR0917
    n = problem.n_parameters
    small = 1e29 if options["dtype"] == "float32" else 1e90
    x0 = data.draw(
        st.lists(numbers.filter(lambda x: abs(x) <= small), min_size=n, max_size=n), label="x0"
    )
    if decay:
        lr = [gd.schedules.exponential(max(rate, 1e-9), decay) for rate in lr]
    one, other = (
        gd.sweep(
            problem,
            optimizer,
            {"lr": lr},
            x0=x0,
            backend=backend,
            n_threads=n_threads,
            **options,
        )
        for backend in ("numpy", "cython")
    )
    for field in ("iterations", "status", "x", "regime", "loss", "slope"):
        assert bits(getattr(one, field)) == bits(getattr(other, field)), field
    assert (one.iterations <= options["max_iter"]).all()
    finite = np.isfinite(one.x).all(axis=-1)
    assert (one.status[~finite] == 2).all()
    with np.errstate(invalid="ignore"):
        converged = one.slope < np.dtype(options["dtype"]).type(options["tol"])
    inside = (np.abs(one.x) <= (1e30 if options["dtype"] == "float32" else 1e100)).all(axis=-1)
    if options["flush_subnormals"]:
        assert (one.status[converged & inside & (one.status != 2)] == 0).all()
        assert converged[one.status == 0].all()


# --- random objects --------------------------------------------------------------------------------------


class Liar:
    """Claims to be everything, and fails."""

    def __len__(self):
        raise TypeError("no length")

    def __array__(self, *args, **kwargs):
        raise TypeError("no array")

    def __float__(self):
        raise TypeError("no number")

    def __call__(self, *args):
        raise TypeError("lr: no call")


PLAIN = [
    None, True, False, 0, -1, 3, 10**400, -(10**30), 0.5, -0.5, float("nan"), float("inf"), 1j,
    "", "lr", "float64", "numpy", b"ab", Decimal("0.1"), Fraction(1, 3), int, dict, lambda *_: None, Liar(), Liar,
    gd.SGD(), gd.SGD, gd.Polynomial([1, 2]), range(3), slice(3), ..., NotImplemented, object(),
    np.float32(0.1), np.int8(3), np.bool_(True), np.str_("q"), np.datetime64("2020-01-01"),
    np.array(None), np.array(1.5), np.array([]), np.zeros((0, 2)), np.array([1.0, np.nan]),
    np.array(["a", "b"]), np.array([{}, []], object), np.array([1j, 2]), np.zeros(2, "M8[D]"),
    np.zeros(2, [("a", float)]), np.zeros((2, 2, 2)), np.ma.masked_array([0.1, 0.2], [True, False]),
    np.array([True, False]), np.float16([0.1]), np.longdouble([0.1]), memoryview(b"abc"),
    {0.1}, {"lr": [0.1]}, iter([0.1]), (x for x in [0.1]),
]  # fmt: skip
garbage = st.recursive(
    st.sampled_from(PLAIN),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)
LINE = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
OPTIONS = (
    "x0",
    "rng",
    "max_iter",
    "tol",
    "dtype",
    "max_seconds",
    "backend",
    "n_threads",
    "flush_subnormals",
)
AXES = {
    gd.SGD(lr=0.9): ("lr", "momentum", "nesterov", "clip_norm", "weight_decay", "convention", "x0", "rng"),
    gd.Adam(lr=0.9): ("betas", "amsgrad", "eps", "optimizer"),
}  # fmt: skip


def result_of(call, names):
    """What it returns, or None where it raised one of the two errors and said which argument was meant."""
    try:
        return call()
    except (TypeError, ValueError) as raised:
        error = raised
    assert any(name in str(error) for name in names), error
    return None


def attempt(name, **call):
    options = {"optimizer": gd.SGD(lr=0.9), "problem": LINE, "axes": {}, "backend": "numpy"}
    options |= {"tol": 1e-2, "max_iter": 30, "max_seconds": 5.0, **call}
    first = [options.pop(argument) for argument in ("problem", "optimizer", "axes")]
    found = result_of(lambda: gd.sweep(*first, **options), [name])
    if found is not None and name != "problem":
        assert found.x.shape == (*found.shape, 2)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: f"{type(value).__name__}")
@pytest.mark.parametrize("name", [*OPTIONS, "problem", "optimizer"])
def test_each_kind_of_object(name, value):
    attempt(name, **{name: value})


@QUICK
@given(name=st.sampled_from(OPTIONS), value=garbage)
def test_any_option(name, value):
    attempt(name, **{name: value})


@QUICK
@given(name=st.sampled_from(["problem", "optimizer", "axes"]), value=garbage)
def test_any_first_arguments(name, value):
    attempt("" if name == "axes" else name, **{name: value})


@QUICK
@given(data=st.data(), optimizer=st.sampled_from([*AXES]), value=garbage)
def test_any_axis(data, optimizer, value):
    name = data.draw(st.sampled_from(AXES[optimizer]))
    attempt(name, optimizer=optimizer, axes={name: value})


@QUICK
@given(data=st.data(), optimizer=st.sampled_from([*AXES]), values=st.lists(garbage, max_size=3))
def test_any_values_of_an_axis(data, optimizer, values):
    name = data.draw(st.sampled_from(AXES[optimizer]))
    attempt(name, optimizer=optimizer, axes={name: values})


@QUICK
@given(
    name=st.sampled_from(["X", "y", "cost", "intercept", "statistics", "update", "names"]),
    value=garbage,
)
def test_any_least_squares(name, value):
    arguments = {"X": [0.0, 0.5, 1.0], "y": [1.0, 2.0, 3.0], name: value}
    names = [name, "y has shape"] if name == "X" else [name]
    problem = result_of(lambda: gd.LeastSquares(**arguments), names)
    if problem is None:
        return
    assert np.isfinite(problem.gradient(np.ones(problem.n_parameters))).all()


@QUICK
@given(name=st.sampled_from(["hessian", "linear", "constant", "names"]), value=garbage)
def test_any_quadratic(name, value):
    arguments = {"hessian": [[1.0, 0.0], [0.0, 2.0]], name: value}
    names = [name, "linear has shape"] if name == "hessian" else [name]
    problem = result_of(lambda: gd.Quadratic(**arguments), names)
    if problem is None:
        return
    assert problem.gradient(np.ones(problem.n_parameters)).shape == (problem.n_parameters,)


@QUICK
@given(value=garbage)
def test_any_polynomial_and_point(value):
    result_of(lambda: gd.Polynomial(value), ["coefficients"])
    result_of(lambda: LINE.gradient(value), ["x "])
