"""Descents within bounds: the optima that others find, loops that clip by hand, and the same bits on all backends."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import njit
from same_bits import bits
from scipy import optimize

import fastgd as gd

pytest.importorskip("fastgd.engines.native.sweeps")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 4))
Y = X @ [1.0, -2.0, 0.5, 0.0] + 0.1 * RNG.normal(size=60)
ROWS = gd.LeastSquares(X, Y, intercept=False)
HESSIAN, LINEAR = X.T @ X / 60, X.T @ Y / 60
BOWL = gd.Quadratic(HESSIAN, LINEAR)
SIDES = [(0.0, None), (-0.5, 0.25), (None, 0.1), (None, None)]
FIELDS = ("status", "iterations", "regime", "x", "slope", "loss")
INF = math.inf


def rosenbrock(x, grad):
    a, b = 1 - x[0], x[1] - x[0] ** 2
    grad[0], grad[1] = -2 * a - 400 * x[0] * b, 200 * b
    return a**2 + 100 * b**2


VALLEY = gd.Function(njit(rosenbrock), 2)


# --- the optima that others find --------------------------------------------------------------------------


def test_nonnegative_least_squares():
    theirs, _ = optimize.nnls(X, Y)
    for optimizer in (gd.Momentum(lr=0.1), gd.NAG(lr=0.1), gd.SGD(lr=0.2)):
        run = gd.minimize(ROWS, optimizer=optimizer, bounds=(0, None), tol=1e-10)
        assert run.success
        assert run.slope < 1e-10
        np.testing.assert_allclose(run.x, theirs, atol=1e-9)
    default = gd.minimize(ROWS, bounds=(0, None))
    np.testing.assert_allclose(default.x, theirs, atol=1e-7)
    assert "slope within the bounds" in default.message


def test_bounded_least_squares():
    low, high = [-INF if low is None else low for low, _ in SIDES], [0.0] * 4
    high = [INF if high is None else high for _, high in SIDES]
    theirs = optimize.lsq_linear(X, Y, (low, high), tol=1e-14)
    run = gd.minimize(ROWS, optimizer=gd.Momentum(lr=0.1), bounds=SIDES, tol=1e-10)
    np.testing.assert_allclose(run.x, theirs.x, atol=1e-8)
    again = gd.minimize(
        ROWS, optimizer=gd.Momentum(lr=0.1), bounds=optimize.Bounds(low, high), tol=1e-10
    )
    assert bits(again.x) == bits(run.x)
    assert bits(
        gd.minimize(
            ROWS, optimizer=gd.Momentum(lr=0.1), bounds=np.array([low, high]).T, tol=1e-10
        ).x
    ) == bits(run.x)


@pytest.mark.parametrize(
    "bounds", [[(-2, 0.8), (None, None)], [(1.2, 3.0), (0.0, 2.0)], [(-3, -0.5)] * 2]
)
def test_rosenbrock_in_a_box(bounds):
    theirs = optimize.minimize(
        optimize.rosen,
        [0.0, 0.0],
        jac=optimize.rosen_der,
        bounds=bounds,
        method="L-BFGS-B",
        tol=1e-14,
    )
    run = gd.minimize(VALLEY, [0.0, 0.0], gd.SGD(lr=2e-4), bounds=bounds, max_iter=10**6, tol=1e-7)
    assert run.success
    np.testing.assert_allclose(run.x, theirs.x, atol=1e-4)


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_logistic_regression_with_signs(l2):
    problem = gd.Logistic(X, Y + RNG.normal(size=60) > 0, intercept=False)
    theirs = optimize.minimize(
        lambda w: problem.loss(w) + l2 / 2 * w @ w, np.zeros(4), jac=lambda w: problem.gradient(w) + l2 * w,
        bounds=[(0, None), (0, None), (None, 0), (None, 0)], method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-10},
    )  # fmt: skip
    bounds = [(0, None), (0, None), (None, 0), (None, 0)]
    run = gd.minimize(problem, optimizer=gd.Momentum(lr=0.5, l2=l2), bounds=bounds)
    assert run.success
    np.testing.assert_allclose(run.x, theirs.x, atol=1e-5)


def test_l1_within_bounds_comes_to_rest():
    """Where weights may not be negative, the step of l1 does not pass 0: the lasso converges, without a schedule."""
    from sklearn.linear_model import Lasso  # noqa: PLC0415

    theirs = Lasso(alpha=0.3, fit_intercept=False, positive=True, tol=1e-14).fit(X, Y)
    run = gd.minimize(ROWS, optimizer=gd.SGD(lr=0.2, l1=0.3), bounds=(0, None))
    assert run.success
    assert (run.x == 0).any()
    np.testing.assert_allclose(run.x, theirs.coef_, atol=1e-7)


# --- loops that clip by hand ------------------------------------------------------------------------------


def by_hand(kind, steps):
    """Points of a descent of BOWL, each update followed by a clip, as one would write it in NumPy."""
    low, high = np.array([[0, -0.5, -INF, -INF], [INF, 0.25, 0.1, INF]])
    x, v, m, points = np.clip(np.ones(4), low, high), np.zeros(4), np.zeros(4), []
    for t in range(1, steps + 1):
        at = np.clip(x - 0.9 * v, low, high) if kind == "NAG" else x
        g = HESSIAN @ at - LINEAR
        if kind == "Adam":
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            x = x - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        else:
            v = 0.9 * v + 0.05 * g
            x = x - v
        x = np.clip(x, low, high)
        points.append(x)
    return np.array(points)


@pytest.mark.parametrize("kind", ["Momentum", "NAG", "Adam"])
def test_an_update_is_followed_by_the_projection(kind):
    optimizer = getattr(gd, kind)(lr=0.05)
    run = gd.minimize(BOWL, np.ones(4), optimizer, bounds=SIDES, max_iter=40, record=1)
    np.testing.assert_allclose(run.history.x[1:], by_hand(kind, 40), rtol=0, atol=1e-12)


def test_trajectories_of_torch():
    torch = pytest.importorskip("torch")
    w = torch.ones(4, dtype=torch.float64)
    w.data.clamp_(-0.3, 0.6)
    theirs, points = torch.optim.Adam([w.requires_grad_()], lr=0.05), []
    for _ in range(50):
        w.grad = torch.from_numpy(HESSIAN @ w.detach().numpy() - LINEAR)
        theirs.step()
        w.data.clamp_(-0.3, 0.6)
        points.append(w.detach().numpy().copy())
    run = gd.minimize(BOWL, np.ones(4), gd.Adam(lr=0.05), bounds=(-0.3, 0.6), max_iter=50, record=1)
    np.testing.assert_allclose(run.history.x[1:], points, rtol=0, atol=1e-12)


# --- the same bits on all backends ------------------------------------------------------------------------

PROBLEMS = {
    "bowl": BOWL,
    "rows": ROWS,
    "logistic": gd.Logistic(X, Y > 0),
    "sequential": gd.LeastSquares(X, Y, update="sequential"),
    "batches": gd.LeastSquares(X, Y, batch_size=16),
    "compiled": VALLEY,
    "python": gd.Function(rosenbrock, 2),
    "polynomial": gd.Polynomial([5.0, -6.0, 1.0, 0.1, 0.02]),
    "wide": gd.Quadratic(np.diag(np.linspace(0.1, 1, 15)) + 0.1, np.linspace(-1, 1, 15)),
}


def sides(n):
    return [SIDES[k % 3] for k in range(n)]


@pytest.mark.parametrize(
    ("name", "optimizer", "dtype"),
    [
        ("bowl", gd.SGD(), "float64"),
        ("bowl", gd.NAG(l2=0.1), "float32"),
        ("rows", gd.Adam(), "float64"),
        ("rows", gd.SGD(l1=0.05, clip_norm=0.5), "float32"),
        ("logistic", gd.NAG(), "float64"),
        ("sequential", gd.Momentum(), "float64"),
        ("batches", gd.Momentum(), "float32"),
        ("compiled", gd.AdamW(), "float64"),
        ("python", gd.NAG(), "float64"),
        ("python", gd.RMSprop(), "float32"),
        ("polynomial", gd.SGD(maximize=True), "float64"),
        ("wide", gd.Rprop(), "float64"),
    ],
    ids=str,
)  # fmt: skip
def test_same_bits(name, optimizer, dtype):
    problem = PROBLEMS[name]
    n = problem.n_parameters
    axes = {"lr": np.geomspace(1e-4, 0.3, 6), "x0": RNG.normal(size=(3, n))}
    options = {"bounds": sides(n), "max_iter": 200, "tol": 1e-2, "dtype": dtype}
    wanted = gd.sweep(problem, optimizer, axes, backend="numpy", **options)
    assert set(wanted.status.ravel()) & {0, 1}
    low, high = np.array(
        [[-INF if s[0] is None else s[0], INF if s[1] is None else s[1]] for s in sides(n)], dtype
    ).T
    inside = (wanted.x >= low) & (wanted.x <= high)
    assert inside[wanted.status != gd.Status.DIVERGED].all()
    for backend in ("auto", "numba", "cython"):
        try:
            found = gd.sweep(problem, optimizer, axes, backend=backend, **options)
        except ValueError as error:
            if "backend=" not in str(error):  # one that has no such loop says so
                raise
            continue
        for field in FIELDS:
            assert bits(getattr(found, field)) == bits(getattr(wanted, field)), (backend, field)
    for place in ((2, 1), (5, 2)):
        alone = optimizer.with_options(lr=axes["lr"][place[0]])
        for backend in ("auto", "numpy"):
            run = gd.minimize(problem, axes["x0"][place[1]], alone, backend=backend, **options)
            assert (run.status, run.nit) == (wanted.status[place], wanted.iterations[place])
            assert bits(run.x) == bits(wanted.x[place])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(0, 2)), min_size=4, max_size=4),
    st.sampled_from([gd.SGD(), gd.Momentum(), gd.NAG(), gd.Adam(), gd.Lion(), gd.Rprop()]),
    st.floats(1e-3, 3.0),
    st.sampled_from(["float32", "float64"]),
)
@example([(0.0, 0.0)] * 4, gd.SGD(), 0.1, "float64")
@example([(2.2e-313, 0.0)] * 4, gd.SGD(), 1.0, "float64")
@example([(-1e-40, 2e-40)] * 4, gd.Momentum(), 1.0, "float32")
def test_every_iterate_lies_inside(pairs, optimizer, lr, dtype):
    bounds = [(low, low + width) for low, width in pairs]
    run = gd.minimize(
        BOWL,
        np.full(4, 3.0),
        optimizer.with_options(lr=lr),
        bounds=bounds,
        max_iter=30,
        record=1,
        dtype=dtype,
    )
    low, high = np.array(bounds, dtype).T
    for side in (low, high):
        side[np.abs(side) < np.finfo(dtype).tiny] = 0.0  # as subnormal bounds count
    assert ((run.history.x >= low) & (run.history.x <= high)).all()
    swept = gd.sweep(
        BOWL, optimizer, {"lr": [lr]}, x0=np.full(4, 3.0), bounds=bounds, max_iter=30, dtype=dtype
    )
    assert bits(swept.x[0]) == bits(run.x)


@pytest.mark.parametrize(
    "free",
    [[(None, None)] * 4, (None, None), (-INF, INF), optimize.Bounds(), np.array([[-INF, INF]] * 4)],
)
def test_no_bound_is_no_bound(free):
    axes = {"lr": np.geomspace(0.01, 3, 9)}
    wanted = gd.sweep(BOWL, gd.Momentum(), axes, max_iter=300)
    found = gd.sweep(BOWL, gd.Momentum(), axes, max_iter=300, bounds=free)
    assert all(bits(getattr(found, field)) == bits(getattr(wanted, field)) for field in FIELDS)


@pytest.mark.parametrize(
    "optimizer", [gd.SGD(lr=0.1), gd.SGD(lr=0.1, l1=0.1, l2=0.1), gd.AdamW(lr=0.1)], ids=repr
)
def test_bounds_out_of_reach_change_no_bit(optimizer):
    """Those kernels test the slope by another formula, which must give the slope itself there."""
    wanted = gd.minimize(BOWL, np.ones(4), optimizer, max_iter=500, tol=1e-6, record=7)
    found = gd.minimize(
        BOWL, np.ones(4), optimizer, max_iter=500, tol=1e-6, record=7, bounds=(-1e50, None)
    )
    assert (found.nit, found.status) == (wanted.nit, wanted.status)
    assert bits(found.history.x) == bits(wanted.history.x)
    assert bits(found.history.slope) == bits(wanted.history.slope)


def test_a_run_still_diverges():
    axes = {"lr": [1e3]}
    for backend in ("numpy", "auto"):
        out = gd.sweep(
            BOWL,
            gd.SGD(),
            axes,
            x0=np.ones(4),
            bounds=[(None, None)] * 3 + [(0, None)],
            backend=backend,
        )
        assert out.regime.tolist() == ["diverged"]
    run = gd.minimize(lambda x, g: g.fill(np.nan) or 1.0, [0.5], bounds=(0, 1))
    assert run.status == gd.Status.DIVERGED


# --- functions are called within the bounds alone ---------------------------------------------------------


@pytest.mark.parametrize("optimizer", [gd.SGD(lr=0.3), gd.NAG(lr=0.3)], ids=repr)
@pytest.mark.parametrize("given", ["gradient", "differences"])
def test_called_inside(optimizer, given):
    seen = []

    def entropy(x):
        seen.append(x.copy())
        return float((x * np.log(x)).sum() - 2 * x[0])

    jac = (lambda x: np.log(x) + 1 - np.array([2.0, 0.0, 0.0])) if given == "gradient" else None
    bounds = [(1e-3, 1.0), (0.5, 2.0), (1.0, 1.0)]
    for backend in ("auto", "numpy"):
        run = gd.minimize(
            entropy, [3.0, -1.0, 1.0], optimizer, jac=jac, bounds=bounds, tol=1e-5, backend=backend
        )
        assert run.success
        np.testing.assert_allclose(run.x, [1.0, 0.5, 1.0], atol=1e-6)
    low, high = np.array(bounds).T
    assert all(((low <= x) & (x <= high)).all() for x in seen)


def test_differences_count_their_calls():
    calls = []
    bounds = [(0.0, 1.0), (2.0, 2.0)]
    run = gd.minimize(
        lambda x: calls.append(1) or float(x @ x), [1.0, 1.0], bounds=bounds, max_iter=5, tol=0
    )
    assert run.nfev == len(calls)
    assert run.x[1] == 2.0
    assert run.jac[1] == 0.0


# --- SciPy ------------------------------------------------------------------------------------------------


def test_as_a_method_of_scipy():
    def cost(x):
        return float(((x - [0.2, 2.0]) ** 2).sum())

    free = optimize.minimize(
        cost, [1.0, 1.0], method=gd.SGD(lr=0.2), bounds=[(None, None)] * 2, tol=1e-6
    )
    np.testing.assert_allclose(free.x, [0.2, 2.0], atol=1e-5)
    for bounds in ([(0.5, None), (None, 1)], optimize.Bounds([0.5, -np.inf], [np.inf, 1])):
        run = optimize.minimize(cost, [1.0, 1.0], method=gd.Adam(lr=0.1), bounds=bounds, tol=1e-6)
        assert run.success
        assert run.x.tolist() == [0.5, 1.0]
    assert optimize.minimize(cost, [1.0, 1.0], method=gd.SGD(lr=0.2), bounds=(), tol=1e-6).success


# --- what a sweep keeps -------------------------------------------------------------------------------------


def test_stores_and_workers_know_the_bounds(tmp_path):
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    axes = {"lr": np.geomspace(0.01, 0.3, 8)}
    call = {"bounds": (0, None), "max_iter": 500}
    wanted = gd.sweep(ROWS, gd.SGD(), axes, **call)
    stored = gd.sweep(ROWS, gd.SGD(), axes, store=tmp_path / "s", **call)
    with ThreadPoolExecutor(2) as executor:
        worked = gd.sweep(ROWS, gd.SGD(), axes, executor=executor, **call)
    assert bits(stored.x) == bits(worked.x) == bits(wanted.x)
    with pytest.raises(ValueError, match="bounds"):
        gd.sweep(ROWS, gd.SGD(), axes, store=tmp_path / "s", max_iter=500)
    halved = gd.sweep(ROWS, gd.SGD(), axes, stopping=gd.SuccessiveHalving(min_iter=100), **call)
    ran = halved.status != gd.Status.STOPPED
    assert bits(halved.x[ran]) == bits(wanted.x[ran])
    pickle.loads(pickle.dumps(halved))


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ([(0, 1)] * 3, "bounds has 3 entries, wanted .* 4 parameters"),
        ((1, 0), r"bounds\[0\] must have low <= high, got \(1, 0\)"),
        ([(0, 1)] * 3 + [(math.nan, 1)], r"bounds\[3\] must have low <= high"),
        ([(0, 1)] * 3 + [(0, 1, 2)], r"bounds\[3\] must be a pair"),
        ([(0, 1)] * 3 + [("a", 1)], r"bounds\[3\] must be a pair"),
        ((INF, None), r"bounds\[0\] leaves no finite number"),
        (3, "bounds must be a pair"),
        ("ab", "bounds must be a pair"),
        (optimize.Bounds([0, 0, 0], [1, 1, 1]), "lb and ub of 4 numbers"),
    ],
)
def test_refused(bounds, words):
    with pytest.raises((TypeError, ValueError), match=words):
        gd.minimize(BOWL, optimizer=gd.SGD(), bounds=bounds)
    with pytest.raises((TypeError, ValueError), match=words):
        gd.sweep(BOWL, gd.SGD(), {"lr": [0.1]}, bounds=bounds)


def test_refused_of_networks():
    net = gd.MLP([2, 3, 1], loss="mse")
    with pytest.raises(ValueError, match="bounds are for descents of a problem"):
        gd.sweep(net.problem(X[:, :2], Y), gd.SGD(), {"lr": [0.1]}, max_iter=2, bounds=(0, 1))
