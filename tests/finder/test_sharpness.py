"""The largest eigenvalue and the stable rates, against matrices that are formed, PyTorch and runs that diverge."""

import math

import numpy as np
import pytest

import fastgd as gd
from fastgd.finder.sharpness import Slopes, largest_eigenvalue, stable_limit
from fastgd.finder.subjects import Trainings, slopes_of

RNG = np.random.default_rng(1)
X = RNG.normal(size=(80, 5))
Y = RNG.integers(0, 3, 80)


@pytest.mark.parametrize("n", [1, 2, 30, 200])
def test_eigenvalue_of_a_symmetric_matrix(n):
    a = RNG.normal(size=(n, n))
    matrix = a + a.T
    wanted = np.linalg.eigvalsh(matrix)[-1]
    assert largest_eigenvalue(matrix.dot, n) == pytest.approx(wanted, rel=5e-3)


def test_a_negative_matrix_and_one_that_is_not_finite():
    assert largest_eigenvalue(lambda v: -2.0 * v, 5) == pytest.approx(-2.0)
    assert largest_eigenvalue(lambda v: 0.0 * v, 5) == 0.0
    assert math.isnan(largest_eigenvalue(lambda v: np.inf * v, 5))


def test_sharpness_of_a_linear_network_is_that_of_its_moments():
    net = gd.MLP([5, 1], loss="mse", l2=0.3)
    rows = np.hstack([X, np.ones((80, 1))])
    hessian = 2.0 * rows.T @ rows / 80 + np.diag([0.3] * 5 + [0.0])
    slopes = slopes_of(net.problem(X, X[:, 0]), in_batches=False)
    found = largest_eigenvalue(slopes.product, 6)
    assert found == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-3)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_products_are_those_of_the_hessian_in_pytorch(activation):
    torch = pytest.importorskip("torch")
    net = gd.MLP([5, 7, 3], activation=activation, dtype="float64", rng=2)
    slopes = slopes_of(net.problem(X, Y), in_batches=False)
    act = {"tanh": torch.tanh, "relu": torch.relu, "gelu": torch.nn.functional.gelu}[activation]
    x, y = torch.tensor(X), torch.tensor(Y)

    def loss(flat):
        w0, b0, w1, b1 = torch.split(flat, [35, 7, 21, 3])
        hidden = act(x @ w0.reshape(5, 7) + b0)
        return torch.nn.functional.cross_entropy(hidden @ w1.reshape(7, 3) + b1, y)

    hessian = torch.autograd.functional.hessian(loss, torch.tensor(slopes.point)).numpy()
    vector = RNG.normal(size=66)
    np.testing.assert_allclose(slopes.product(vector), hessian @ vector, rtol=1e-4, atol=1e-6)
    found = largest_eigenvalue(slopes.product, 66)
    assert found == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=2e-3)


def quadratic(diagonal, gradients=None):
    h = np.asarray(diagonal, float)
    return Slopes(
        np.ones(h.size), lambda p: h * p, None if gradients is None else lambda: gradients
    )


@pytest.mark.parametrize(
    ("optimizer", "limit"),
    [
        (gd.SGD(), 0.5),
        (gd.SGD(momentum=0.5), 0.75),
        (gd.SGD(momentum=0.5, dampening=0.5), 1.5),
        (gd.SGD(momentum=0.5, nesterov=True), 0.375),
        (gd.NAG(momentum=0.5), 0.375),
        (gd.Momentum(momentum=0.9), 0.95),
        (gd.SGD(l2=4.0), 0.25),
        (gd.SGD(weight_decay=4.0), 0.25),
    ],
)
def test_rules_of_quadratics(optimizer, limit):
    """On all rows the limit is where descents of the quadratic begin to diverge."""
    found = stable_limit(optimizer, quadratic([4.0, 1.0]))
    assert found.rate == pytest.approx(limit, rel=1e-3)
    bowl = gd.Quadratic(np.diag([4.0, 1.0]), [0.0, 0.0])
    rates = [0.98 * limit, 1.02 * limit]
    out = gd.sweep(bowl, optimizer, {"lr": rates}, x0=[1.0, 1.0], max_iter=20_000)
    assert out.diverged.tolist() == [False, True]


def test_batches_leave_momentum_less_room():
    noise = RNG.normal(size=(10, 2))
    found = stable_limit(gd.Momentum(momentum=0.9), quadratic([4.0, 1.0], noise))
    assert found.rate == pytest.approx(2.0 * 0.1 / 4.0, rel=1e-3)


def test_adam_scales_by_the_roots_of_mean_squares():
    gradients = np.array([[2.0, 0.5], [-2.0, -0.5]])
    found = stable_limit(gd.Adam(eps=1e-12), quadratic([4.0, 3.0], gradients))
    assert found.sharpness == pytest.approx(3.0 / 0.5, rel=1e-3)
    assert found.rate == pytest.approx(2.0 / 6.0, rel=1e-3)
    plain = stable_limit(gd.RMSprop(eps=1e-12), quadratic([4.0, 3.0], gradients))
    assert plain.rate == pytest.approx(found.rate)
    heavy = stable_limit(gd.RMSprop(momentum=0.5, eps=1e-12), quadratic([4.0, 3.0], gradients))
    assert heavy.rate == pytest.approx(0.5 * found.rate)


@pytest.mark.parametrize(
    ("optimizer", "slopes", "largest", "reason"),
    [
        (gd.Lion(), quadratic([1.0]), None, "no known formula limits the rate of Lion"),
        (gd.Adam(), quadratic([1.0]), None, "known from batches only"),
        (gd.Adam(), None, None, "known from batches only"),
        (gd.SGD(), None, None, "not known"),
        (gd.SGD(), quadratic([-1.0]), None, "curvature at the start is -1"),
        (gd.SGD(), None, math.inf, "kink"),
        (gd.SGD(momentum=1.0), None, 1.0, "no rate is stable"),
    ],
)
def test_reasons_why_there_is_none(optimizer, slopes, largest, reason):
    found = stable_limit(optimizer, slopes, largest)
    assert found.rate is None
    assert reason in found.reason


def test_a_linear_model_has_its_curvature_in_closed_form():
    """The same number as by products, of which it needs none."""
    found = gd.find_lr(gd.GDRegressor(standardize=False), X, X[:, 0], rates=[0.1], steps=1)
    rows = np.hstack([X, np.ones((80, 1))])
    assert found.sharpness == pytest.approx(np.linalg.eigvalsh(rows.T @ rows / 80)[-1])


def test_the_network_of_a_problem_keeps_its_parameters():
    net = gd.MLP([5, 8, 3], dropout=0.5)
    before = [p.copy() for p in net.params]
    Trainings(net.problem(X, Y), gd.Adam()).limit()
    for p, old in zip(net.params, before, strict=True):
        np.testing.assert_array_equal(p, old)
