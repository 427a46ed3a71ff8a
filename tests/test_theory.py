"""The closed forms against descents done step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.theory import (
    best_momentum,
    best_rate,
    critical_momentum,
    mode_iterations,
    predicted_iterations,
    predicted_regime,
    spectral_radius,
    stable_range,
)


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


# --- momentum: held against sweeps, which share no code with the closed forms ---------------------

SWEPT = [(False, gd.Momentum()), (True, gd.NAG())]
VALLEY = gd.Quadratic(HESSIAN, LINEAR)
MOMENTA = [0.0, 0.2, 0.5, 0.8, 0.95]


def companion(eigenvalue, lr, momentum, nesterov):
    """The matrix that takes (e_n, e_n-1) a step further, from the update written out."""
    contraction = 1.0 - lr * eigenvalue
    if nesterov:
        return np.array([[contraction * (1 + momentum), -contraction * momentum], [1.0, 0.0]])
    return np.array([[contraction + momentum, -momentum], [1.0, 0.0]])


@pytest.mark.parametrize(("nesterov", "optimizer"), SWEPT)
def test_limits_of_stability_are_those_of_a_sweep(nesterov, optimizer):
    limits = [stable_range(HESSIAN, m, nesterov=nesterov)[1] for m in MOMENTA]
    for share, converges in ((0.995, True), (1.005, False)):
        for limit, momentum in zip(limits, MOMENTA, strict=True):
            axes = {"lr": [share * limit], "momentum": [momentum]}
            out = gd.sweep(VALLEY, optimizer, axes, max_iter=1_000_000, tol=1e-6)
            assert out.converged.all() == converges, (share, momentum)


@pytest.mark.parametrize("nesterov", [False, True])
def test_spectral_radius_is_that_of_the_companion_matrix(nesterov):
    rates = np.array([0.0, 0.1, 0.5, 0.9, 1.3])
    radius = spectral_radius(HESSIAN, rates[:, None], MOMENTA, nesterov=nesterov)
    assert radius.shape == (5, 5, 2)
    for i, lr in enumerate(rates):
        for j, momentum in enumerate(MOMENTA):
            for k, eigenvalue in enumerate(np.linalg.eigvalsh(HESSIAN)):
                matrix = companion(eigenvalue, lr, momentum, nesterov)
                wanted = np.abs(np.linalg.eigvals(matrix)).max()
                assert radius[i, j, k] == pytest.approx(wanted, abs=1e-7), (lr, momentum)


@pytest.mark.parametrize(("nesterov", "optimizer"), SWEPT)
def test_counts_with_momentum_are_those_of_a_sweep(nesterov, optimizer):
    rates = np.linspace(0.05, 1.9, 38)
    axes = {"lr": rates, "momentum": MOMENTA}
    out = gd.sweep(VALLEY, optimizer, axes, x0=[0.0, 0.0], max_iter=100_000, tol=1e-6)
    predicted = predicted_iterations(
        HESSIAN, LINEAR, [0, 0], rates[:, None], 1e-6, momentum=MOMENTA, nesterov=nesterov
    )
    np.testing.assert_array_equal(np.isfinite(predicted), out.converged)
    late = (predicted - out.iterations)[out.converged]
    assert late.min() >= -3  # never early by more than that
    assert (late == 0).mean() > 0.3  # all that do not ring
    assert (late <= out.iterations[out.converged]).mean() > 0.99


def test_counts_are_exact_where_one_real_root_decides():
    momentum = np.array([0.0, 0.1, 0.2, 0.3])
    axes = {"lr": [0.05, 0.1, 0.2], "momentum": momentum}
    out = gd.sweep(VALLEY, gd.Momentum(), axes, x0=[0.0, 0.0], max_iter=100_000, tol=1e-6)
    lr = np.array(axes["lr"])[:, None]
    predicted = predicted_iterations(HESSIAN, LINEAR, [0, 0], lr, 1e-6, momentum=momentum)
    np.testing.assert_array_equal(predicted, out.iterations)


@pytest.mark.parametrize(("nesterov", "optimizer"), SWEPT)
def test_modes_alone_are_exact_or_bounds(nesterov, optimizer):
    """One eigenvector at a time: the envelope is never below what is counted."""
    values, vectors = np.linalg.eigh(HESSIAN)
    solution = np.linalg.solve(HESSIAN, LINEAR)
    rates = np.linspace(0.05, 1.2, 24)
    for k in range(2):
        start = solution + 3.0 * vectors[:, k]
        axes = {"lr": rates, "momentum": MOMENTA}
        out = gd.sweep(VALLEY, optimizer, axes, x0=start, max_iter=100_000, tol=1e-6)
        alone = mode_iterations(
            HESSIAN, LINEAR, start, rates[:, None], 1e-6, momentum=MOMENTA, nesterov=nesterov
        )[..., k]
        stable = spectral_radius(
            values[k : k + 1, None], rates[:, None], MOMENTA, nesterov=nesterov
        )
        stable = out.converged & (stable[..., 0] < 0.999)
        assert (out.iterations <= alone + 1)[stable].all()
        np.testing.assert_array_equal(out.iterations[:, 0][stable[:, 0]], alone[:, 0][stable[:, 0]])


@pytest.mark.parametrize(("nesterov", "optimizer"), SWEPT)
def test_regimes_are_those_of_a_sweep(nesterov, optimizer):
    rates, momenta = np.linspace(0.03, 3.5, 60), np.linspace(0.0, 0.98, 50)
    axes = {"lr": rates, "momentum": momenta}
    out = gd.sweep(VALLEY, optimizer, axes, x0=[0.0, 0.0], max_iter=100_000, tol=1e-6)
    predicted = predicted_regime(HESSIAN, rates[:, None], momenta, nesterov=nesterov)
    np.testing.assert_array_equal(predicted != "diverged", out.converged)
    # Where all modes of a heavy ball are equally slow, the start decides which of them is seen.
    assert (predicted == out.regime).mean() > 0.92


def test_best_pairs_shrink_the_slowest_mode_fastest():
    for nesterov in (False, True):
        lr, momentum = best_momentum(HESSIAN, nesterov=nesterov)
        best = spectral_radius(HESSIAN, lr, momentum, nesterov=nesterov).max()
        around = np.linspace(0.8, 1.2, 41)
        others = spectral_radius(
            HESSIAN, (lr * around)[:, None], momentum * around, nesterov=nesterov
        ).max(axis=-1)
        assert best <= others.min() + 1e-9
    assert critical_momentum(HESSIAN, best_momentum(HESSIAN)[0]) == pytest.approx(
        best_momentum(HESSIAN)[1]
    )


def test_critical_momentum_is_the_best_at_its_rate():
    momenta = np.linspace(0.0, 0.999, 1000)
    for lr in (0.05, 0.4, 1.0, 1.7):
        slowest = spectral_radius(HESSIAN, lr, momenta).max(axis=-1)
        assert critical_momentum(HESSIAN, lr) == pytest.approx(momenta[slowest.argmin()], abs=2e-3)
    assert np.isnan(critical_momentum(HESSIAN, 4.1 / np.linalg.eigvalsh(HESSIAN)[-1]))


def test_edges_of_the_closed_forms_with_momentum():
    line = [[2.0]]
    assert predicted_iterations(line, [0.0], [1.0], 0.5, 1e-3, nesterov=True, momentum=0.9) == 1
    assert predicted_iterations(line, [0.0], [1.0], 0.0, 1e-3, momentum=0.5) == np.inf
    # A double root exactly: (1 - sqrt(0.5))² at a l = 0.5.
    momentum = (1 - np.sqrt(0.5)) ** 2
    predicted = float(predicted_iterations(line, [0.0], [1.0], 0.25, 1e-9, momentum=momentum))
    done = counted(np.array(line), [0.0], [1.0], 0.25, 1e-9, momentum=momentum)
    assert abs(predicted - done) <= 2
    for bad in (-0.1, 1.0, np.nan, [0.5, 2.0]):
        with pytest.raises(ValueError, match="momentum"):
            spectral_radius(HESSIAN, 0.1, bad)
        with pytest.raises(ValueError, match="momentum"):
            predicted_iterations(HESSIAN, LINEAR, [0, 0], 0.1, 1e-3, momentum=bad)
    with pytest.raises(ValueError, match="lr"):
        predicted_regime(HESSIAN, -1.0)


def test_expected_iterations_are_those_of_the_slowest_mode():
    for condition in (1.0, 5.0, 300.0):
        hessian = np.diag([1.0, condition])
        for options in ({}, {"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}):
            rate = gd.theory.steady_rate(1.0, condition, **options)
            exact = gd.theory.predicted_iterations(
                hessian, [0, 0], [condition, 1.0], rate, 1e-6, **options
            )
            found = gd.theory.expected_iterations(condition, condition / 1e-6, **options)
            assert found == gd.theory.expected_iterations(
                condition, condition / 1e-6, lr=rate * condition, **options
            )
            assert 0.5 * found <= exact + 1 <= 1.5 * found + 40
    assert gd.theory.expected_iterations(np.inf, 10.0) == np.inf
    assert gd.theory.expected_iterations(10.0, 10.0, lr=2.0) == np.inf
    for condition, reduction in ((0.5, 10.0), (10.0, 0.5), (np.nan, 10.0), (10.0, np.inf)):
        with pytest.raises(ValueError, match="at least 1"):
            gd.theory.expected_iterations(condition, reduction)


@pytest.mark.parametrize(
    ("smallest", "largest"), [(-1.0, 1.0), (2.0, 1.0), (0.0, 0.0), (0.0, np.inf)]
)
def test_steady_rate_refuses(smallest, largest):
    with pytest.raises(ValueError, match=r"smallest|positive eigenvalue"):
        gd.theory.steady_rate(smallest, largest)
