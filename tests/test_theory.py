"""The closed forms against descents done step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgd.theory import best_momentum, best_rate, predicted_iterations, stable_range


def counted(hessian, linear, x0, lr, tol, *, momentum=0.0, most=20_000):
    """Updates until max|g| < tol, by doing them; inf where that is not reached."""
    x, v = np.array(x0, float), np.zeros(len(x0))
    for n in range(most + 1):
        g = hessian @ x - linear
        if np.abs(g).max() < tol:
            return n
        if np.abs(x).max() > 1e100:
            break
        v = momentum * v + lr * g
        x = x - v
    return np.inf


HESSIAN = np.array([[2.0, 0.3], [0.3, 0.5]])
LINEAR = np.array([1.0, -2.0])


def test_prediction_is_the_count_where_one_component_rules():
    rates = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.95, 1.0, 1.5])
    predicted = predicted_iterations(HESSIAN, LINEAR, [0.0, 0.0], rates, 1e-6)
    done = [counted(HESSIAN, LINEAR, [0.0, 0.0], lr, 1e-6) for lr in rates]
    np.testing.assert_array_equal(predicted, done)
    assert np.isinf(predicted[-1])


@settings(max_examples=60, deadline=None)
@given(
    low=st.floats(0.05, 1.0), ratio=st.floats(1.5, 30.0), angle=st.floats(0.0, 3.0),
    rate=st.floats(0.05, 0.95), start=st.tuples(*[st.floats(-9, 9)] * 2),
)  # fmt: skip
def test_prediction_is_near_the_count_everywhere(low, ratio, angle, rate, start):
    q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    hessian = q @ np.diag([low, low * ratio]) @ q.T
    hessian = (hessian + hessian.T) / 2
    lr = rate * stable_range(hessian)[1]
    predicted = float(predicted_iterations(hessian, LINEAR, start, lr, 1e-6))
    done = counted(hessian, LINEAR, start, lr, 1e-6)
    slowest = np.abs(1 - lr * np.linalg.eigvalsh(hessian)).max()
    # Two components of the same size double the slope, or cancel: that shifts the end by the
    # number of updates that halve the slower one, and a little more where both shrink alike.
    assert abs(predicted - done) <= 1 + 2 * np.log(2) / -np.log(slowest)


def test_prediction_keeps_the_shape_of_the_rates():
    rates = np.full((2, 3), 0.3)
    assert predicted_iterations(HESSIAN, LINEAR, [0, 0], rates, 1e-3).shape == (2, 3)
    assert predicted_iterations(HESSIAN, LINEAR, [0, 0], 0.3, 1e-3).shape == ()


def test_prediction_at_the_edges():
    def predict(lr, x0=(1.0, 1.0), linear=(0.0, 0.0), hessian=((4.0, 0.0), (0.0, 1.0))):
        return float(predicted_iterations(hessian, linear, x0, lr, 1e-3))

    assert predict(0.1, x0=(0.0, 0.0)) == 0  # there already
    assert predict(0.0) == np.inf  # never moves
    assert predict(0.5) == np.inf  # the steep component flips for ever
    assert predict(0.7, x0=(0.0, 1.0)) == counted(np.diag([4.0, 1.0]), 0, (0, 1), 0.7, 1e-3)
    assert predict(0.25, x0=(1.0, 0.0)) == 1  # one exact step
    assert predict(0.1, linear=(0.0, 1.0), hessian=((1.0, 0.0), (0.0, 0.0))) == np.inf


def test_stable_range_parts_convergence_from_divergence():
    for momentum in (0.0, 0.5, 0.9):
        _, limit = stable_range(HESSIAN, momentum)
        start = [1.0, 1.0]
        assert np.isfinite(counted(HESSIAN, LINEAR, start, 0.99 * limit, 1e-6, momentum=momentum))
        assert np.isinf(counted(HESSIAN, LINEAR, start, 1.01 * limit, 1e-6, momentum=momentum))


def test_best_rate_and_momentum_are_minima():
    def slowest(lr, momentum=0.0):
        factors = [
            np.abs(np.roots([1.0, -(1 + momentum - lr * li), momentum])).max()
            for li in np.linalg.eigvalsh(HESSIAN)
        ]
        return max(factors)

    rate = best_rate(HESSIAN)
    assert slowest(rate) < min(slowest(0.99 * rate), slowest(1.01 * rate))
    lr, momentum = best_momentum(HESSIAN)
    assert slowest(lr, momentum) == pytest.approx(np.sqrt(momentum), rel=1e-6)
    for lr_factor, momentum_factor in ((0.98, 1), (1.02, 1), (1, 0.98), (1, 1.02)):
        assert slowest(lr * lr_factor, momentum * momentum_factor) > slowest(lr, momentum) - 1e-9
    assert slowest(lr, momentum) < slowest(rate)


@pytest.mark.parametrize(
    ("hessian", "says"),
    [
        ([1.0, 2.0], "square"),
        (np.zeros((0, 0)), "square"),
        ([[1.0, 2.0], [0.0, 1.0]], "symmetric"),
        ([[np.nan]], "finite"),
        ([[1.0, 0.0], [0.0, -1.0]], "negative"),
        ([[0.0]], "positive"),
    ],
)
def test_bad_hessians_are_refused(hessian, says):
    for function in (stable_range, best_rate, best_momentum):
        with pytest.raises(ValueError, match=f"hessian.*{says}"):
            function(hessian)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x0", [1.0]), ("x0", [np.nan, 0.0]), ("linear", [1.0, 2.0, 3.0]), ("lr", -0.1),
        ("lr", [0.1, np.nan]), ("tol", 0.0), ("tol", np.nan), ("tol", np.inf),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(name, value):
    arguments = {"hessian": HESSIAN, "linear": LINEAR, "x0": [0, 0], "lr": 0.1, "tol": 1e-3}
    with pytest.raises(ValueError, match=name):
        predicted_iterations(**arguments | {name: value})
    with pytest.raises(ValueError, match="momentum"):
        stable_range(HESSIAN, momentum=1.0)
    with pytest.raises(ValueError, match="only positive"):
        best_rate([[1.0, 0.0], [0.0, 0.0]])
