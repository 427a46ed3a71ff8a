"""Problems against plain formulas: losses, slopes, optima, and what is refused."""

import numpy as np
import pytest

import fastgd as gd

RNG = np.random.default_rng(11)
X = RNG.normal(size=(57, 3))
Y = X @ [1.0, -2.0, 0.5] + 3 + RNG.normal(0, 0.1, 57)
COSTS = {"1/2m": 0.5 / 57, "1/m": 1 / 57, "1/2": 0.5, "sum": 1.0}
PROBLEMS = [
    gd.Quadratic([[2.0, 1.0], [1.0, 3.0]], [1.0, -1.0], 4.0),
    gd.Polynomial([1.0, -2.0, 0.5, 0.25]),
    gd.LeastSquares(X, Y),
    gd.LeastSquares(X, Y, statistics=False, intercept=False),
]


def long_hand(rows, targets, point, factor):
    """Loss and gradient of factor * sum of squares, in Python's own floats."""
    loss, gradient = 0.0, [0.0] * len(point)
    for row, target in zip(rows.tolist(), targets.tolist(), strict=True):
        residual = sum(a * w for a, w in zip(row, point, strict=True)) - target
        loss += factor * residual**2
        gradient = [g + 2 * factor * residual * a for g, a in zip(gradient, row, strict=True)]
    return loss, gradient


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_least_squares_is_its_formula(cost, statistics, intercept):
    problem = gd.LeastSquares(X, Y, cost=cost, statistics=statistics, intercept=intercept)
    rows = np.column_stack([X, np.ones(57)]) if intercept else X
    point = [0.3, -1.0, 2.0, 0.7][: rows.shape[1]]
    loss, gradient = long_hand(rows, Y, point, COSTS[cost])
    assert problem.loss(point) == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(problem.gradient(point), gradient, rtol=1e-11)
    np.testing.assert_allclose(problem.solution, np.linalg.lstsq(rows, Y)[0], rtol=1e-12)
    np.testing.assert_allclose(problem.gradient(problem.solution), 0, atol=1e-11 * COSTS[cost] * 57)
    assert problem.parameter_names == (("w0", "w1", "w2", "b") if intercept else ("w0", "w1", "w2"))


@pytest.mark.parametrize("rows", [1, 2, 255, 256, 257, 600])
def test_sums_over_any_number_of_rows(rows):
    x = RNG.normal(size=(rows, 2))
    y = RNG.normal(size=rows)
    one, other = (gd.LeastSquares(x, y, statistics=s) for s in (True, False))
    np.testing.assert_allclose(
        other.gradient([1, 2, 3]), one.gradient([1, 2, 3]), rtol=1e-9, atol=1e-13
    )


def test_rows_are_summed_in_blocks_from_the_first():
    """Numbers that tell the order: 2^53 swallows a one that is added to it."""
    y = np.zeros(300)
    y[0], y[1:4], y[256:258] = -(2.0**53), -1.0, -1.0
    problem = gd.LeastSquares(np.ones(300), y, cost="1/2", intercept=False, statistics=False)
    assert problem.gradient([0.0])[0] == 2.0**53 + 2


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_gradient_is_the_derivative_of_the_loss(problem):
    point = np.linspace(-0.7, 1.3, problem.n_parameters)
    for k, slope in enumerate(problem.gradient(point)):
        step = np.zeros_like(point)
        step[k] = 1e-5
        difference = (problem.loss(point + step) - problem.loss(point - step)) / 2e-5
        assert slope == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_many_points_are_the_points_one_by_one(problem):
    points = RNG.normal(size=(problem.n_parameters, 9))
    slopes, losses = problem.slopes(points), problem.losses(points)
    for k, point in enumerate(points.T):
        assert slopes[:, k].tolist() == problem.gradient(point).tolist()
        assert losses[k] == pytest.approx(problem.loss(point), rel=1e-15)


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_float32_is_kept_and_losses_are_double(problem):
    point = np.ones(problem.n_parameters, np.float32)
    assert problem.gradient(point).dtype == np.float32
    assert problem.losses(point[:, None]).dtype == np.float64
    np.testing.assert_allclose(
        problem.gradient(point), problem.gradient(point.astype(float)), rtol=1e-4
    )
    assert problem.gradient(point.tolist()).dtype == np.float64
    assert problem.gradient(point.astype(">f4")).dtype.isnative
    assert problem.kernel("float32").data.dtype == np.float32


def test_quadratic_and_polynomial_are_their_formulas():
    quadratic = gd.Quadratic([[2.0, 1.0], [1.0, 3.0]], [1.0, -1.0], 4.0)
    assert quadratic.loss([1.0, 2.0]) == 0.5 * (2 + 2 * 2 + 12) - (1 - 2) + 4
    assert quadratic.gradient([1.0, 2.0]).tolist() == [2 + 2 - 1, 1 + 6 + 1]
    assert quadratic.parameter_names == ("p0", "p1")
    parabola = gd.Polynomial([57360, -23090, 2326])
    assert parabola.loss([22]) == 2326 * 22**2 - 23090 * 22 + 57360
    assert parabola.gradient([22]).tolist() == [2 * 2326 * 22 - 23090]
    assert gd.Polynomial([1, 2]).gradient([5.0]).tolist() == [2.0]


def test_a_hessian_may_be_skew_by_rounding_only():
    q = np.linalg.qr(RNG.normal(size=(5, 5)))[0]
    hessian = q @ np.diag([1.0, 2, 3, 4, 5]) @ q.T
    hessian[0, 1] += 1e-16
    problem = gd.Quadratic(hessian)
    assert (problem.hessian == problem.hessian.T).all()
    np.testing.assert_allclose(problem.hessian, hessian, atol=1e-15)
    with pytest.raises(ValueError, match=r"hessian is not symmetric: it differs .* 0.1"):
        gd.Quadratic([[1.0, 0.1], [0.0, 1.0]])


def test_losses_at_the_optimum_do_not_cancel():
    """1e6 above a small residual: a loss from sums of squares would have no digits left."""
    x = np.linspace(0, 1, 50)
    problem = gd.LeastSquares(x, 1e6 + x + 1e-3 * np.cos(40 * x))
    direct = 0.5 / 50 * np.sum((problem.X @ problem.solution - problem.y) ** 2)
    assert problem.loss(problem.solution) == pytest.approx(direct, rel=1e-6)


def test_columns_that_depend_on_each_other_have_the_shortest_solution():
    problem = gd.LeastSquares([[1.0, 1.0], [2.0, 2.0]], [2.0, 4.0], intercept=False)
    np.testing.assert_allclose(problem.solution, [1.0, 1.0])
    assert problem.loss([2.0, 0.0]) == pytest.approx(0, abs=1e-25)


def test_the_callers_arrays_stay_the_callers():
    x, y, h = X.copy(), Y.copy(), np.eye(2)
    problems = [gd.LeastSquares(x, y), gd.LeastSquares(x, y, intercept=False), gd.Quadratic(h)]
    before = [p.gradient(np.ones(p.n_parameters)).tolist() for p in problems]
    assert x.tolist() == X.tolist()
    x += 1
    y += 1
    h += 1
    assert [p.gradient(np.ones(p.n_parameters)).tolist() for p in problems] == before


def test_inputs_of_any_layout_and_kind():
    wanted = gd.LeastSquares(X, Y).gradient([1, 2, 3, 4]).tolist()
    for x in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X.astype(">f8"), X.tolist()):
        assert gd.LeastSquares(x, Y).gradient([1, 2, 3, 4]).tolist() == wanted
    counted = gd.LeastSquares(np.arange(4), np.array([True, False, True, True]))
    assert counted.parameter_names == ("w", "b")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: gd.LeastSquares([], []), ValueError, "X has shape"),
        (lambda: gd.LeastSquares(np.zeros((0, 2)), []), ValueError, "X has shape"),
        (lambda: gd.LeastSquares(np.zeros((2, 0)), [1, 2]), ValueError, "X has shape"),
        (lambda: gd.LeastSquares(1.0, [1.0]), ValueError, "X has shape"),
        (lambda: gd.LeastSquares([1, 2], [1, 2, 3]), ValueError, "y has shape .*3.*wanted .*2"),
        (lambda: gd.LeastSquares([1, 2], [[1], [2]]), ValueError, "y has shape"),
        (lambda: gd.LeastSquares([1, np.nan], [1, 2]), ValueError, "X holds nan"),
        (lambda: gd.LeastSquares([1, 2], [1, -np.inf]), ValueError, "y holds -inf"),
        (lambda: gd.LeastSquares(["a", "b"], [1, 2]), TypeError, "X must be an array of real"),
        (lambda: gd.LeastSquares([1, 2j], [1, 2]), TypeError, "X must be an array of real"),
        (lambda: gd.LeastSquares([[1], [1, 2]], [1, 2]), TypeError, "X must be an array of real"),
        (lambda: gd.LeastSquares(None, [1, 2]), TypeError, "X must be an array of real"),
        (lambda: gd.LeastSquares([1, 2], [1, 10**400]), TypeError, "y must be an array of real"),
        (lambda: gd.LeastSquares([1, 2], [1, 2], cost="mean"), ValueError, "cost is 'mean', wanted"),
        (lambda: gd.LeastSquares([1, 2], [1, 2], cost=[]), ValueError, "cost is"),
        (lambda: gd.LeastSquares([1, 2], [1, 2], update="both"), ValueError, "update is 'both'"),
        (lambda: gd.LeastSquares([1, 2], [1, 2], update=X), ValueError, "update is"),
        (lambda: gd.LeastSquares([1, 2], [1, 2], intercept="no"), TypeError, "intercept must be"),
        (lambda: gd.LeastSquares([1, 2], [1, 2], statistics=X), TypeError, "statistics must be"),
        (lambda: gd.LeastSquares([1, 2], [1, 2], names="w"), ValueError, "names is 'w'"),
        (lambda: gd.LeastSquares([1, 2], [1, 2], names=["a", "b"]), ValueError, "names is .* 1 str"),
        (lambda: gd.LeastSquares([1, 2], [1, 2], names=5), ValueError, "names is 5"),
        (lambda: gd.Quadratic([1.0, 2.0]), ValueError, "hessian has shape"),
        (lambda: gd.Quadratic([[1.0, 2.0]]), ValueError, "hessian has shape"),
        (lambda: gd.Quadratic(3.0), ValueError, "hessian has shape"),
        (lambda: gd.Quadratic(np.zeros((0, 0))), ValueError, "hessian has shape"),
        (lambda: gd.Quadratic([[np.nan]]), ValueError, "hessian holds nan"),
        (lambda: gd.Quadratic([[1.0]], [1.0, 2.0]), ValueError, "linear has shape"),
        (lambda: gd.Quadratic([[1.0]], constant=[1.0, 2.0]), ValueError, "constant has shape"),
        (lambda: gd.Quadratic([[1.0]], constant=None), TypeError, "constant must be"),
        (lambda: gd.Quadratic([[1.0]], names=["a", "b"]), ValueError, "names is"),
        (lambda: gd.Polynomial([1.0]), ValueError, "coefficients has shape"),
        (lambda: gd.Polynomial(1.0), ValueError, "coefficients has shape"),
        (lambda: gd.Polynomial([1.0, np.inf]), ValueError, "coefficients holds inf"),
        (lambda: gd.Polynomial("ab"), TypeError, "coefficients must be"),
        (lambda: gd.Polynomial([1, 2]).loss([1, 2]), ValueError, "x has shape"),
        (lambda: gd.Polynomial([1, 2]).gradient(["a"]), TypeError, "x must be"),
    ],
)  # fmt: skip
def test_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_zero_hessian_is_a_plane():
    plane = gd.Quadratic(np.zeros((2, 2)), [1.0, 2.0])
    assert plane.gradient([5.0, 6.0]).tolist() == [-1.0, -2.0]


@pytest.mark.parametrize("digits", [6, 8, 16])
@pytest.mark.parametrize("rows", [10, 60, 500])
def test_losses_where_columns_are_nearly_collinear(rows, digits):
    """A sum of two columns, rounded: the solution may lie 10^8 away, where a quadratic form is all rounding."""
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, 2))
    x = np.column_stack([x, np.round(x.sum(axis=1), digits)])
    y = x @ [1.0, 2.0, 3.0] + rng.normal(size=rows)
    problem = gd.LeastSquares(x, y)
    points = rng.normal(size=(4, 20))
    residuals = problem.X @ points - y[:, None]
    wanted = (residuals**2).mean(axis=0) / 2
    np.testing.assert_allclose(problem.losses(points), wanted, rtol=1e-9)
