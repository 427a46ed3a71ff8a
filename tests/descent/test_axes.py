"""Axes drawn at random and tables of combinations."""

import numpy as np
import pytest
from scipy.stats import loguniform

import fastgd as gd

LINE = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.5])
NETWORK = gd.MLP([1, 2]).problem(np.eye(2)[:, :1], [0, 1])


def test_draws_follow_the_seed():
    axes = {"lr": loguniform(1e-4, 1), "rng": range(100)}
    one, two, other = (gd.sample_axes(axes, 20, rng=seed) for seed in (1, 1, 2))
    assert dict(one) == dict(two) != dict(other)
    assert all(type(v) is float and 1e-4 <= v <= 1 for v in one["lr"])
    assert len(set(one["lr"])) == 20
    again = gd.sample_axes(axes, 20, rng=np.random.default_rng(1))
    assert dict(again) == dict(one)


def test_of_sequences_no_combination_comes_twice():
    axes = {"lr": np.array([0.1, 0.2, 0.3]), "rng": range(4)}
    drawn = gd.sample_axes(axes, 12)
    assert set(zip(drawn["lr"], drawn["rng"], strict=True)) == {
        (lr, seed) for lr in (0.1, 0.2, 0.3) for seed in range(4)
    }
    assert len(set(zip(*gd.sample_axes(axes, 6).values(), strict=True))) == 6
    many = {f"p{k}": range(10) for k in range(25)}
    assert len(set(zip(*gd.sample_axes(many, 50).values(), strict=True))) == 50


def test_samples_of_other_problems_are_the_same_runs():
    optimizers = [gd.Momentum(), gd.SGD()]
    axes = gd.sample_axes(
        {"lr": loguniform(0.01, 1), "optimizer": optimizers, "x0": [(0, 0), (1, 2)]}, 30
    )
    out = gd.sweep(LINE, None, axes, tol=1e-6)
    assert out.shape == (30,)
    for k in range(30):
        one = gd.sweep(
            LINE, axes["optimizer"][k], {"lr": [axes["lr"][k]]}, x0=axes["x0"][k], tol=1e-6
        )
        assert out.iterations[k] == one.iterations[0]
        assert np.array_equal(out.x[k], one.x[0])


def test_a_table_of_ones_own():
    axes = gd.SampledAxes({"lr": [0.1, 0.2], "momentum": [0.9, 0.0]})
    out = gd.sweep(LINE, gd.Momentum(), axes)
    grid = gd.sweep(LINE, gd.Momentum(), dict(axes))
    assert out.iterations.tolist() == [grid.iterations[0, 0], grid.iterations[1, 1]]
    assert repr(axes) == "SampledAxes(2 runs over lr, momentum)"


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: gd.sample_axes([0.1], 3), TypeError, "axes must be a dict"),
        (lambda: gd.sample_axes({"lr": [0.1]}, 2), ValueError, "only 1 combinations"),
        (lambda: gd.sample_axes({"lr": [0.1]}, 0), ValueError, "samples must be an integer >= 1"),
        (lambda: gd.sample_axes({"lr": [0.1]}, 1.0), TypeError, "samples must be an integer"),
        (lambda: gd.sample_axes({"lr": []}, 1), ValueError, r"axes\['lr'\] is empty"),
        (lambda: gd.sample_axes({"lr": 0.1}, 1), TypeError, r"axes\['lr'\] must be a sequence"),
        (lambda: gd.sample_axes({"lr": [0.1]}, 1, rng=-1), TypeError, "rng must"),
        (lambda: gd.sample_axes({}, 1), ValueError, "at least one name"),
        (lambda: gd.SampledAxes({"a": [1], "b": [1, 2]}), ValueError, "one length"),
        (lambda: gd.SampledAxes({}), ValueError, "empty"),
        (
            lambda: gd.sweep(NETWORK, gd.SGD(), {"lr": loguniform(0.1, 1)}),
            TypeError,
            "distribution: draw from it by gd.sample_axes",
        ),
    ],
)
def test_refused_samples(call, error, says):
    with pytest.raises(error, match=says):
        call()
