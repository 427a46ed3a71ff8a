"""The rule for default rates: stable on every problem, and nearly as fast as the best."""

import numpy as np
import pytest

import fastgd as gd
from fastgd.descent.rates import default_rate, with_default_rate
from fastgd.problems.curvature import Curvature, of_matrix, of_polynomial, of_rows

PLAIN = {
    "sgd": gd.SGD(),
    "torch momentum": gd.SGD(momentum=0.9),
    "dampened": gd.SGD(momentum=0.9, dampening=0.5),
    "torch nesterov": gd.SGD(momentum=0.5, nesterov=True),
    "momentum": gd.Momentum(),
    "little momentum": gd.Momentum(momentum=0.1),
    "nag": gd.NAG(),
    "much nag": gd.NAG(momentum=0.99),
    "l2": gd.SGD(l2=3.0),
    "decay": gd.Momentum(weight_decay=3.0, convention="keras"),
}


def table(rng, rows, columns):
    """Columns of any scale, some of them collinear or constant."""
    X = rng.normal(size=(rows, columns)) * 10.0 ** rng.uniform(-3, 3, columns)
    X += rng.choice([0.0, 10.0]) * np.abs(X).max(axis=0)
    for j in range(1, columns):
        kind = rng.integers(6)
        if kind == 0:
            X[:, j] = X[:, :j] @ rng.integers(-1, 2, j)
        elif kind == 1:
            X[:, j] = X[0, j]
    return X


def test_collinear_columns_are_the_case_that_was_at_the_limit():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(30, 3))
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    y = rng.normal(size=30)
    for inputs, rows in ((X, 30), (rng.normal(size=(6, 20)), 6)):
        line = gd.LeastSquares(inputs, y[:rows])
        run = gd.minimize(line)
        assert run.success
        np.testing.assert_allclose(run.fun, line.loss(line.solution), atol=1e-12)


def test_the_rate_of_a_well_conditioned_quadratic_is_the_best_one():
    hessian = np.diag([1.0, 2.0, 4.0])
    assert default_rate(gd.SGD(), gd.Quadratic(hessian).curvature()) == gd.theory.best_rate(hessian)
    assert gd.theory.steady_rate(1.0, 4.0, 0.5) == pytest.approx(3.0 / 5.0)
    assert gd.theory.steady_rate(0.0, 4.0, 0.5) == pytest.approx(0.95 * 3.0 / 4.0)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9, 0.99])
def test_no_rate_is_much_better(momentum, nesterov):
    for condition in (1.0, 2.0, 10.0, 1e2, 1e4):
        grid = np.linspace(0.01, 4.0, 4000)
        curvatures = np.diag([1.0 / condition, 1.0])
        sizes = gd.theory.spectral_radius(curvatures, grid, momentum, nesterov=nesterov)
        best = -np.log(np.maximum(sizes.max(axis=-1).min(), 1e-6))
        ours = gd.theory.steady_rate(1.0 / condition, 1.0, momentum, nesterov=nesterov)
        own = gd.theory.spectral_radius(curvatures, ours, momentum, nesterov=nesterov).max()
        assert -np.log(np.maximum(own, 1e-6)) > 0.7 * best


def test_what_the_optimizer_adds_counts():
    bowl = of_matrix(np.diag([1.0, 4.0]))
    rate = {name: default_rate(one, bowl) for name, one in PLAIN.items()}
    assert rate["sgd"] == 0.4
    assert rate["l2"] == 2.0 / (4.0 + 7.0)
    assert rate["dampened"] == 2.0 * rate["torch momentum"]
    assert rate["torch momentum"] == rate["momentum"]
    assert rate["nag"] < rate["momentum"]


@pytest.mark.parametrize(
    "optimizer",
    [gd.Adam(), gd.RMSprop(), gd.SGD(maximize=True), gd.Momentum(momentum=1.0), gd.Rprop(),
     gd.SGD(momentum=0.5, dampening=1.0)],
)  # fmt: skip
def test_where_the_rate_does_not_follow_from_the_curvature(optimizer):
    assert default_rate(optimizer, of_matrix([[2.0]])) is None
    assert repr(with_default_rate(optimizer, gd.Quadratic([[2.0]]))) == repr(optimizer)


@pytest.mark.parametrize("curvature", [None, Curvature(0.0), Curvature(np.inf)])
def test_without_a_curvature_the_rate_is_the_optimizers(curvature):
    assert default_rate(gd.SGD(), curvature) is None


# --- curvatures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(30, 4), (4, 30)])
def test_the_curvature_of_rows_is_that_of_the_hessian(shape):
    rng = np.random.default_rng(3)
    for _ in range(20):
        X = table(rng, *shape)
        for cost in ("1/2m", "1/m", "1/2", "sum"):
            line = gd.LeastSquares(X, rng.normal(size=shape[0]), cost=cost)
            found = line.curvature()
            eigenvalues = np.linalg.eigvalsh(line.hessian)
            assert found.largest == pytest.approx(eigenvalues[-1])
            assert found.constant
            assert 0 < found.smallest <= found.largest
    weights = np.r_[np.zeros(10), np.ones(20)] if shape[0] == 30 else np.array([1.0, 0, 0, 2])
    repeated = np.repeat(X, weights.astype(int), axis=0)
    assert of_rows(X, weights).largest == pytest.approx(of_rows(repeated).largest)


def test_the_curvature_of_labels_and_batches_is_a_bound():
    rng = np.random.default_rng(4)
    for classes in (2, 4):
        for batch_size in (None, 1, 8):
            X = rng.normal(size=(40, 3))
            labels = np.r_[np.arange(classes), rng.integers(0, classes, 40 - classes)]
            problem = gd.Logistic(X, labels, batch_size=batch_size)
            bound = problem.curvature().largest
            assert problem.curvature().condition == np.inf
            for _ in range(20):
                x, step = rng.normal(size=(2, problem.n_parameters))
                rows = np.arange(40) if batch_size is None else rng.permutation(40)[:batch_size]
                here, there = (
                    problem.batch_slopes(point[:, None], rows)[:, 0] for point in (x, x + step)
                )
                assert np.linalg.norm(there - here) <= bound * np.linalg.norm(step) * (1 + 1e-12)


def test_the_local_curvature_is_that_of_the_second_derivatives():
    rng = np.random.default_rng(9)
    X = rng.normal(size=(40, 3))
    for classes in (2, 3):
        problem = gd.Logistic(X, np.r_[np.arange(classes), rng.integers(0, classes, 40 - classes)])
        x, step = rng.normal(size=problem.n_parameters), 1e-5
        moved = x[:, None] + step * np.eye(len(x))
        slopes = (problem.slopes(moved) - problem.slopes(x[:, None])) / step
        eigenvalues = np.linalg.eigvalsh(0.5 * (slopes + slopes.T))[4 * (classes > 2) :]
        found = problem.local_curvature(x)
        assert found.largest == pytest.approx(eigenvalues[-1], rel=1e-3)
        assert found.smallest == pytest.approx(eigenvalues[0], rel=1e-3)
    assert gd.Polynomial([0, 0, 1.0]).local_curvature([1.0]) is None
    hessian = np.diag([1.0, 4.0])
    assert gd.Quadratic(hessian).local_curvature([1.0, 1.0]) == of_matrix(hessian)
    line = gd.LeastSquares(X, X[:, 0], batch_size=5)
    assert line.local_curvature(np.zeros(4)) == gd.LeastSquares(X, X[:, 0]).local_curvature(
        np.zeros(4)
    )


def test_the_curvature_of_a_polynomial_is_that_below_the_start():
    quartic = gd.Polynomial([0.0, 0.0, -3.0, 0.0, 1.0])  # minima at +-sqrt(1.5)
    found = quartic.curvature([2.0])
    assert found.largest == pytest.approx(12 * 4.0 - 6.0)
    assert quartic.curvature([-2.0]) == found
    inner = quartic.curvature([0.5])  # up to where it is as high again, at sqrt(2.75)
    assert inner.largest == pytest.approx(12 * 2.75 - 6.0)
    assert gd.Polynomial([0.0, 1.0, 0.0, 1.0]).curvature([3.0]) is None  # falls for ever
    assert gd.Polynomial([0.0, 1.0]).curvature() is None
    assert gd.Polynomial([5.0, -6.0, 1.0, 0.0]).curvature() == of_matrix([[2.0]])
    assert of_polynomial([1.0, 0.0, -1.0], 0.0).largest == 0.0


def test_descents_of_polynomials_stay_in_their_valley():
    rng = np.random.default_rng(7)
    for _ in range(40):
        f = gd.Polynomial([*rng.normal(size=rng.integers(2, 6)), 1.0])
        start = rng.normal() * 3
        if f.curvature([start]) is None:
            continue
        runs = [gd.minimize(f, [start], max_iter=1000, record=1)]
        for optimizer in (gd.Momentum(), gd.Momentum(momentum=0.5)):
            ready = with_default_rate(optimizer, f, [start])
            runs.append(gd.minimize(f, [start], ready, max_iter=1000, record=1))
        for run in runs:
            assert run.status in (0, 1)
            assert run.history.loss.max() <= f.loss([start]) + 1e-9 * (1 + abs(f.loss([start])))


# --- descents ---------------------------------------------------------------------------------------------


def test_a_function_keeps_the_rate_of_sgd():
    def bowl(x, grad):
        grad[:] = 2 * x
        return float((x**2).sum())

    run = gd.minimize(bowl, [1.0, 2.0], max_iter=5)
    np.testing.assert_array_equal(run.x, gd.minimize(bowl, [1.0, 2.0], gd.SGD(), max_iter=5).x)


def test_an_optimizer_that_is_given_keeps_its_rate():
    line = gd.LeastSquares([0.0, 1.0, 2.0], [1.0, 3.0, 4.0])
    by_default = gd.minimize(line, max_iter=3)
    given = gd.minimize(line, optimizer=gd.SGD(), max_iter=3)
    assert not np.array_equal(by_default.x, given.x)
    explicit = gd.SGD(lr=default_rate(gd.SGD(), line.curvature()))
    np.testing.assert_array_equal(by_default.x, gd.minimize(line, optimizer=explicit, max_iter=3).x)


def test_300_problems_never_diverge():
    """Every plain optimizer, on problems of all shapes, scales and ranks: converged, or honest about it."""
    rng = np.random.default_rng(11)
    for k in range(300):
        rows, columns = int(rng.integers(1, 40)), int(rng.integers(1, 12))
        X = table(rng, rows, columns)
        if k % 2 or rows < 3:
            problem = gd.LeastSquares(
                X, rng.normal(size=rows), update="sequential" if k % 10 == 1 else "simultaneous"
            )
        else:
            classes = 2 + k % 4 // 2
            labels = np.r_[np.arange(classes), rng.integers(0, classes, rows - classes)]
            problem = gd.Logistic(X, labels)
        start = problem.loss(np.zeros(problem.n_parameters))
        name = list(PLAIN)[k % len(PLAIN)]
        if getattr(problem, "update", "") == "sequential" and "nag" in name:
            name = "sgd"
        runs = [
            gd.minimize(problem, max_iter=1000),
            gd.minimize(problem, optimizer=with_default_rate(PLAIN[name], problem), max_iter=1000),
        ]
        for run in runs:
            assert run.status in (0, 1), (k, name)
            assert run.fun <= start * (1 + 1e-9), (k, name)
        if isinstance(problem, gd.LeastSquares) and runs[0].success:
            exact = problem.loss(np.linalg.lstsq(problem.X, problem.y)[0])
            smallest = gd.Quadratic(problem.hessian).curvature().smallest or 1.0
            distance = 1e-16 * problem.n_parameters / smallest  # of slopes of 1e-8
            np.testing.assert_allclose(runs[0].fun, exact, rtol=1e-6, atol=distance + 1e-12)
