"""Descents with penalties converge where what they minimize is stationary, by code that shares none with fastgd."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet, Ridge

import fastgd as gd

pytest.importorskip("fastgd.engines.native.sweeps")

HESSIAN, LINEAR = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([0.3, -1.0])
BOWL, HILL = gd.Quadratic(HESSIAN, LINEAR), gd.Quadratic(-HESSIAN, -LINEAR)
BACKENDS = ("numpy", "numba")
X, Y = load_diabetes(return_X_y=True)
X, Y = X[:, :6] / X[:, :6].std(axis=0), (Y - Y.mean()) / Y.std()
ROWS = gd.LeastSquares(X, Y, intercept=False)  # its cost is that of scikit-learn's ElasticNet


def distance(x, g, *, l1=0.0, l2=0.0):
    """How far zero is from the subdifferential at x of an objective with the gradient g, and l1 |x| + l2/2 x^2."""
    gaps = []
    for p, slope in zip(np.ravel(x), np.ravel(g), strict=True):
        low = slope + l2 * p + l1 * (1 if p > 0 else -1)
        high = slope + l2 * p + l1 * (-1 if p < 0 else 1)
        gaps.append(max(0.0, low, -high))
    return max(gaps)


# --- solutions that others found ------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["l2", "weight_decay"])
def test_ridge(backend, name):
    decays = [0.01, 0.1, 1.0, 10.0]
    out = gd.sweep(ROWS, gd.Momentum(lr=0.05), {name: decays}, backend=backend, max_iter=100_000)
    assert out.converged.all()
    assert (out.slope < 1e-8).all()
    for k, decay in enumerate(decays):
        theirs = Ridge(alpha=decay * len(X), fit_intercept=False, tol=1e-12).fit(X, Y)
        np.testing.assert_allclose(out.x[k], theirs.coef_, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_elastic_net(backend):
    """Converged where no coefficient is 0; where one is, the subgradient passes it to and fro, and says max_iter."""
    l1s = [1e-3, 1e-2, 0.1, 0.3]
    out = gd.sweep(
        ROWS, gd.SGD(lr=0.1, l2=0.2), {"l1": l1s}, x0=np.ones(6), backend=backend, max_iter=20_000
    )
    for k, l1 in enumerate(l1s):
        model = ElasticNet(
            alpha=l1 + 0.2, l1_ratio=l1 / (l1 + 0.2), fit_intercept=False, tol=1e-14, max_iter=10**6
        ).fit(X, Y)
        assert bool(out.converged[k]) == bool((model.coef_ != 0).all())
        near = 1e-6 if out.converged[k] else 0.1 * 2 * l1
        np.testing.assert_allclose(out.x[k], model.coef_, atol=near)
    assert 0 < np.count_nonzero(out.converged) < len(l1s)
    assert (out.status[~out.converged] == 1).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_where_l1_holds_all_parameters_at_zero(backend):
    most = np.abs(X.T @ Y).max() / len(X)
    out = gd.sweep(
        ROWS, gd.SGD(lr=0.1), {"l1": [1.01 * most, 0.99 * most]}, backend=backend, max_iter=50
    )
    assert (out.status.tolist(), out.iterations[0], out.x[0].any()) == ([0, 1], 0, False)


@pytest.mark.parametrize(
    ("optimizer", "share"),
    [
        (gd.SGD(lr=0.1, convention="keras"), 1.0),
        (gd.SGD(lr=0.1, momentum=0.8, nesterov=True, convention="keras"), 0.2),
        (gd.Momentum(lr=0.1, momentum=0.6, convention="keras"), 0.4),
    ],
    ids=repr,
)
def test_decoupled_decay_of_plain_descent_is_a_penalty(optimizer, share):
    """With momentum a step is 1 / (1 - momentum) as long, and the decay counts that much less."""
    for decay in (0.1, 2.0):
        one = optimizer.with_options(weight_decay=decay)
        run = gd.minimize(BOWL, [0.7, 1.3], one, max_iter=100_000)
        assert run.success
        assert run.slope < 1e-8
        np.testing.assert_allclose(
            run.x, np.linalg.solve(HESSIAN + share * decay * np.eye(2), LINEAR), atol=1e-7
        )
        longer = gd.minimize(BOWL, [0.7, 1.3], one, max_iter=run.nit + 500, tol=0)
        np.testing.assert_allclose(longer.x, run.x, atol=1e-7)  # it stays there


# --- a rule that weighs decay against g / (|g| + eps): bounds ----------------------------------------------


@pytest.mark.parametrize("make", [gd.AdamW, lambda **o: gd.NAdam(decoupled_weight_decay=True, **o)])
def test_decay_of_adaptive_rules_bounds_the_parameters(make):
    """|p| <= 1 / decay: the optimum of the objective where that is inside, else at the bound."""
    for decay, bounds in ((0.25, (4.0, 4.0)), (2.0, (0.5, 0.5))):
        wanted = gd.minimize(BOWL, optimizer=gd.SGD(lr=0.3)).x
        if decay == 2.0:  # p1 at its bound -0.5, p0 where its own slope vanishes
            wanted = np.array([(LINEAR[0] + 0.5 * HESSIAN[0, 1]) / HESSIAN[0, 0], -0.5])
        rate = gd.schedules.exponential(0.05, 0.9998)
        run = gd.minimize(
            BOWL, [0.1, 0.1], make(lr=rate, weight_decay=decay), tol=1e-4, max_iter=40_000
        )
        assert run.success, run.message
        assert (np.abs(run.x) <= np.add(bounds, 1e-4)).all()
        np.testing.assert_allclose(run.x, wanted, atol=1e-3)
    steady = gd.minimize(BOWL, [0.1, 0.1], make(lr=0.05, weight_decay=0.25), max_iter=500)
    assert (steady.status, "schedule" in steady.message) == (1, True)


NO_OBJECTIVE = (
    gd.AdamW(lr=0.05, weight_decay=0.3, amsgrad=True),
    gd.Lion(lr=0.05, weight_decay=0.3),
    gd.RMSprop(lr=0.05, weight_decay=0.3, convention="keras"),
    gd.Adagrad(lr=0.05, weight_decay=0.3, convention="keras"),
    gd.RAdam(lr=0.05, weight_decay=0.3, betas=(0.9, 0.6), decoupled_weight_decay=True),
    gd.NAG(lr=0.05, weight_decay=0.3, convention="keras"),
)


@pytest.mark.parametrize("optimizer", NO_OBJECTIVE, ids=repr)
def test_where_no_slope_tells_no_run_converges(optimizer):
    for problem in (
        BOWL,
        gd.Function(lambda x, g: g.__setitem__(slice(None), HESSIAN @ x - LINEAR) or 0.0, 2),
    ):
        run = gd.minimize(problem, [0.7, 1.3], optimizer, tol=10.0, max_iter=300)
        assert (run.status, np.isnan(run.slope)) == (1, True)
        assert "step_tol" in run.message
    free = gd.minimize(BOWL, [0.7, 1.3], optimizer.with_options(weight_decay=0.0), tol=1.0)
    assert free.success


# --- stationarity, whatever is drawn ------------------------------------------------------------------------

RULES = (
    gd.SGD(),
    gd.Momentum(momentum=0.5),
    gd.NAG(momentum=0.5),
    gd.Adam(),
    gd.SGD(convention="keras"),
)
DRAWN = {
    "l1": st.sampled_from([0.0, 0.1, 0.7]),
    "l2": st.sampled_from([0.0, 0.01, 0.5]),
    "weight_decay": st.sampled_from([0.0, 0.1, 1.0]),
    "clip_value": st.sampled_from([None, 0.4]),
    "maximize": st.booleans(),
    "lr": st.sampled_from([0.02, 0.1, 0.5]),
}


@settings(max_examples=60, deadline=None)
@given(
    optimizer=st.sampled_from(RULES),
    options=st.fixed_dictionaries(DRAWN),
    starts=st.lists(st.sampled_from([0.0, -1.0, 0.25, 2.0]), min_size=4, max_size=4),
    tol=st.sampled_from([1e-8, 1e-3, 0.1]),
)
def test_converged_is_stationary(optimizer, options, starts, tol):
    problem, sign = (HILL, -1.0) if options["maximize"] else (BOWL, 1.0)
    one = optimizer.with_options(**options)
    points = [starts[:2], starts[2:]]
    found = [
        gd.sweep(problem, one, {"x0": points}, backend=b, max_iter=400, tol=tol) for b in BACKENDS
    ]
    python = [
        gd.minimize(lambda x, g: g.__setitem__(slice(None), problem.gradient(x)) or problem.loss(x),
                    x0, one, max_iter=400, tol=tol) for x0 in points
    ]  # fmt: skip
    for k, run in enumerate(python):
        ends = [(out.status[k], out.iterations[k], out.x[k].tolist()) for out in found]
        assert ends == [(run.status, run.nit, run.x.tolist())] * 2
        slope = distance(
            run.x,
            sign * problem.gradient(run.x),
            l1=options["l1"],
            l2=options["l2"] + options["weight_decay"],
        )
        assert run.slope == pytest.approx(slope, rel=1e-9, abs=1e-14)
        assert run.success == (slope < tol) or run.status == 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [gd.SGD(), gd.NAdam(lr=0.05)], ids=repr)
def test_penalties_move_with_their_runs(optimizer, dtype):
    """Many runs of different penalties and schedules that end at different steps: lanes close up."""
    axes = {
        "l2": np.linspace(0.0, 2.0, 30),
        "l1": [0.0, 0.01, 0.2],
        "lr": [gd.schedules.exponential(0.2, 0.999), 0.02, 0.05, 0.3],
    }
    options = {"x0": [0.7, 1.3], "max_iter": 333, "tol": 1e-3, "dtype": dtype}
    one, *others = [
        gd.sweep(BOWL, optimizer, axes, backend=b, n_threads=n, **options)
        for b, n in (("numpy", 1), ("numba", 1), ("numba", 2))
    ]
    for other in others:
        for name in ("iterations", "status", "x", "slope", "regime"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert len(np.unique(one.iterations)) > 50
    for place in np.argwhere(one.converged)[::7]:
        l2, l1 = axes["l2"][place[0]], axes["l1"][place[1]]
        x = one.x[tuple(place)].astype(float)
        assert distance(x, BOWL.gradient(x), l1=l1, l2=l2) < 1e-3 + 1e-6


def test_batches_are_tested_with_all_rows_and_penalties():
    problem = gd.LeastSquares(X[:40], Y[:40], batch_size=16, intercept=False)
    rate = gd.schedules.exponential(0.1, 0.97)
    axes = {"l2": [0.5, 1.0, 2.0], "rng": [0, 1]}
    options = {"tol": 0.05, "max_iter": 600}
    one, other = (gd.sweep(problem, gd.SGD(lr=rate), axes, backend=b, **options) for b in BACKENDS)
    for name in ("iterations", "status", "x"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.converged.any()
    for place in np.argwhere(one.converged):
        x = one.x[tuple(place)]
        g = X[:40].T @ (X[:40] @ x - Y[:40]) / 40
        assert distance(x, g, l2=axes["l2"][place[0]]) < 0.05


# --- what results say -----------------------------------------------------------------------------------------


def test_values_are_the_functions_and_the_slope_is_that_of_the_test():
    lowest = np.linalg.solve(HESSIAN, LINEAR)  # of the function alone
    run = gd.minimize(BOWL, lowest, gd.SGD(lr=0.1, l2=0.5, l1=0.1), record=1)
    assert run.success
    assert run.slope < 1e-8
    assert "penalt" in run.message
    np.testing.assert_allclose(run.jac, HESSIAN @ run.x - LINEAR)
    assert run.fun == pytest.approx(BOWL.loss(run.x))
    assert run.penalty == pytest.approx(0.1 * np.abs(run.x).sum() + 0.25 * run.x @ run.x)
    np.testing.assert_allclose(run.history.loss[-1], run.fun)
    np.testing.assert_allclose(run.history.slope[-1], run.slope)
    np.testing.assert_allclose(run.x_best, run.x, atol=1e-7)
    assert run.history.loss[0] < run.fun
    plain = gd.minimize(BOWL, [0.7, 1.3], gd.SGD(lr=0.1))
    assert (plain.slope, plain.penalty) == (np.abs(plain.jac).max(), 0.0)
    assert "penalt" not in plain.message


def test_the_best_of_a_maximized_function_is_its_highest():
    run = gd.minimize(HILL, [0.7, 1.3], gd.SGD(lr=0.1, maximize=True), record=1)
    assert run.fun_best == run.history.loss.max()


def test_to_and_fro_across_zero_says_so():
    run = gd.minimize(ROWS, np.ones(6), gd.SGD(lr=0.1, l1=0.3), max_iter=3000)
    assert (run.status, run.success) == (1, False)
    assert "to and fro" in run.message
    assert "schedule" in run.message


ROUND = gd.Quadratic(np.eye(2), [1.0, 0.05])  # with l1=0.1 its optimum is [0.9, 0]


def _round(x, grad):
    grad[:] = x - [1.0, 0.05]
    return float(x @ x / 2 - x @ [1.0, 0.05])


@pytest.mark.parametrize("problem", [ROUND, _round], ids=["problem", "function"])
@pytest.mark.parametrize(
    "make",
    [gd.Adam, gd.SGD, gd.Momentum, gd.NAG, gd.RMSprop, gd.Lion, gd.NAdam],
)
def test_only_parameters_at_the_kink_are_said_to_belong_at_zero(make, problem):
    for count in range(1990, 2000):  # wherever in their swing
        run = gd.minimize(problem, [1.0, 1.0], make(lr=0.05, l1=0.1), max_iter=count)
        assert "1 of 2 parameters belong at 0" in run.message, run.x
        assert "by a schedule" in run.message
    if problem is ROUND:  # 0.01 is near 0, too, but no kink holds it there
        off = gd.Quadratic(np.eye(2), [1.0, 0.11])
        run = gd.minimize(off, [1.0, 1.0], make(lr=0.05, l1=0.1), max_iter=50)
        assert "belong at 0" not in run.message, run.x


def test_advice_is_not_what_was_followed():
    falling = gd.schedules.exponential(0.05, 0.999)
    run = gd.minimize(ROUND, [1.0, 1.0], gd.SGD(lr=falling, l1=0.1), max_iter=2000)
    assert "1 of 2 parameters belong at 0" in run.message
    assert "schedule" not in run.message
    again = gd.minimize(ROUND, [1.0, 1.0], gd.SGD(lr=falling, l1=0.1), step_tol=1e-5)
    assert again.success  # as the message says
    np.testing.assert_allclose(again.x, [0.9, 0.0], atol=1e-4)

    decaying = gd.AdamW(lr=falling, weight_decay=0.1)
    run = gd.minimize(ROUND, [1.0, 1.0], decaying, max_iter=500)
    assert "let the schedule go on" in run.message
    assert "give l2" in run.message
    for rule in (decaying, gd.Lion(lr=0.05, weight_decay=0.1)):
        run = gd.minimize(ROUND, [1.0, 1.0], rule.with_options(l2=0.1), max_iter=500)
        assert "set weight_decay=0" in run.message
        assert "give l2" not in run.message


@pytest.mark.parametrize("backend", BACKENDS)
def test_regimes_go_by_what_is_minimized(backend):
    """From the objective's optimum the loss rises all the way to the penalized one."""
    best = np.linalg.solve(HESSIAN, LINEAR)
    out = gd.sweep(BOWL, gd.SGD(lr=1e-4, l2=1.0), {}, x0=best, max_iter=200, backend=backend)
    assert (out.status.item(), out.regime.item()) == (1, "slow")
    up = gd.sweep(
        HILL, gd.SGD(lr=1e-4, maximize=True), {}, x0=[1, 1], max_iter=200, backend=backend
    )
    assert up.regime.item() == "slow"


# --- NaN --------------------------------------------------------------------------------------------------------


@njit
def _first_unknown(x, grad):
    grad[0], grad[1] = np.nan, 0.0
    return 0.0


@njit
def _last_unknown(x, grad):
    grad[0], grad[1] = 0.0, np.nan
    return 0.0


@pytest.mark.parametrize(
    "optimizer", [gd.SGD(lr=0.0), gd.SGD(lr=0.0, l1=0.1), gd.Rprop()], ids=repr
)
@pytest.mark.parametrize("fun", [_first_unknown, _last_unknown], ids=["first", "last"])
@pytest.mark.parametrize("x0", [[0.0, 0.0], [1.0, -1.0]])
def test_a_slope_of_nan_never_converges(fun, optimizer, x0):
    for backend in BACKENDS:
        problem = gd.Function(fun, 2)
        out = gd.sweep(problem, optimizer, {}, x0=x0, tol=10.0, max_iter=70, backend=backend)
        assert out.status.item() == 2, backend
        run = gd.minimize(
            problem, x0, optimizer, tol=10.0, step_tol=10.0, max_iter=70, backend=backend
        )
        assert (run.status, run.success) == (2, False), backend
    run = gd.minimize(fun.py_func, x0, optimizer, tol=10.0, step_tol=10.0, max_iter=70)
    assert (run.status, run.success) == (2, False)
