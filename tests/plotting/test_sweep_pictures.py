"""Pictures of sweeps: curves of recorded runs, and points of a random search."""

import numpy as np
import pytest
from scipy.stats import loguniform, uniform

import fastgd as gd

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, 40)
Y = 22 * X + 115 + RNG.normal(0, 10, 40)
LINE = gd.LeastSquares(X, Y)


@pytest.fixture
def ax():
    return matplotlib.figure.Figure(layout="constrained").subplots()


@pytest.fixture(scope="module")
def seeds():
    problem = gd.LeastSquares(X, Y, batch_size=4)
    axes = {"lr": [0.01, 0.5, 1.9], "rng": [0, 1, 2]}
    return gd.sweep(problem, gd.SGD(), axes, max_iter=100, record=5)


@pytest.fixture(scope="module")
def sampled():
    axes = gd.sample_axes({"lr": loguniform(1e-2, 20), "momentum": uniform(0, 0.99)}, 100, rng=0)
    return gd.sweep(LINE, gd.Momentum(), axes, max_iter=300, tol=0)


def labels(ax):
    return ax.get_legend_handles_labels()[1]


def test_over_seeds_the_mean_and_its_standard_error(seeds, ax):
    seeds.plot_curves(ax=ax)
    first = seeds.history[0]
    updates, mean = ax.lines[0].get_data()
    assert np.array_equal(updates, 5 * np.arange(20))
    assert np.allclose(mean, first.mean(axis=0))
    edges = ax.collections[0].get_paths()[0].vertices[:, 1]
    error = first.std(axis=0, ddof=1) / np.sqrt(3)
    assert np.isclose(edges.max(), (mean + error).max())
    assert labels(ax)[-1] == "mean ± standard error"
    assert ax.get_ylabel() == "loss, mean over 3 seeds"


def test_quantiles_are_around_the_median(seeds, ax):
    seeds.plot_curves(band="quantiles", ax=ax)
    assert np.allclose(ax.lines[0].get_ydata(), np.median(seeds.history[0], axis=0))
    assert labels(ax)[-1] == "25 % to 75 % of the runs"


def test_without_an_average_each_run_has_its_curve(seeds, ax):
    seeds.plot_curves(over=None, ax=ax)
    assert len(labels(ax)) == 9
    assert labels(ax)[0] == "lr 0.01, rng 0"


def test_runs_that_diverged_are_left_out_and_counted(ax):
    axes = {"lr": [0.5, 9.0], "x0": [(0.0, 0.0), (1.0, 1.0)]}
    out = gd.sweep(LINE, gd.SGD(), axes, max_iter=2000, record=10)
    out.plot_curves(over="x0", ax=ax)
    assert labels(ax)[:2] == ["lr 0.5", "lr 9 (2 of 2 diverged)"]


def test_a_run_that_converged_keeps_its_last_loss(ax):
    axes = {"x0": [(0.0, 0.0), tuple(LINE.solution + 1e-3)]}
    out = gd.sweep(LINE, gd.SGD(lr=1.0), axes, max_iter=2000, tol=1e-3, record=1)
    out.plot_curves(over="x0", ax=ax)
    assert (np.diff(ax.lines[0].get_ydata()) <= 1e-9).all()


def test_many_curves_are_coloured_by_their_axis():
    out = gd.sweep(LINE, gd.SGD(), {"lr": np.geomspace(1e-3, 4, 40)}, max_iter=50, record=1)
    display = out.plot_curves()
    assert len(display.ax_.lines) == 40
    assert not labels(display.ax_)
    assert [a.get_ylabel() for a in display.figure_.axes] == ["loss", "learning rate"]
    plt.close("all")


def test_what_cannot_be_drawn_is_said(seeds):
    with pytest.raises(ValueError, match=r"give it record=, as in sweep"):
        gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}).plot_curves()
    with pytest.raises(ValueError, match='band must be "standard error"'):
        seeds.plot_curves(band="sigma")
    with pytest.raises(ValueError, match="over must be an axis"):
        seeds.plot_curves(over="momentum")
    axes = {"lr": [0.1, 0.2, 0.3, 0.4], "momentum": [0.0, 0.1, 0.2, 0.3]}
    out = gd.sweep(LINE, gd.Momentum(), axes, max_iter=20, record=10)
    with pytest.raises(ValueError, match="at most 12 curves"):
        out.plot_curves()


def test_a_random_search_is_points_coloured_by_loss(sampled, ax):
    display = sampled.plot(ax=ax)
    assert repr(display) == "PointsDisplay(momentum against learning rate)"
    drawn = {c.get_label(): c.get_offsets() for c in ax.collections}
    assert len(drawn["diverged"]) == sampled.diverged.sum() > 10
    assert sum(map(len, drawn.values())) == 100
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    best = next(line for line in ax.lines if line.get_label() == "best")
    chosen = sampled.best().axes
    assert np.allclose(np.ravel(best.get_data()), [chosen["lr"], chosen["momentum"]])


def test_runs_that_grew_do_not_take_the_range_of_colours(sampled):
    display = sampled.plot()
    bar = display.figure_.axes[-1]
    assert bar.get_ylim()[1] < 1e8
    plt.close("all")


def test_points_need_two_axes_of_numbers(sampled):
    with pytest.raises(ValueError, match="x must be a numeric axis"):
        sampled.plot(x="moment")
    out = gd.sweep(LINE, gd.SGD(), {"lr": [0.1, 0.2]})
    with pytest.raises(ValueError, match="two different numeric axes"):
        out.plot("points")
