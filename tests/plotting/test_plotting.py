"""The displays: what they put on the axes, and that they leave nothing open."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import fastgd as gd
from fastgd.engines.protocol.outcomes import Status
from fastgd.plotting import HeatMapDisplay, IterationsDisplay, LossCurveDisplay, PhaseDiagramDisplay
from fastgd.plotting.common import cell_edges
from fastgd.sweeps import SweepResult

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


def test_long_legends_take_more_rows_and_stay_in_the_figure():
    names = {f"betas (0.9, 0.99{k})": [3.0, 2.0] for k in range(6)}
    display = IterationsDisplay([0.1, 0.2], names).plot()
    display.figure_.canvas.draw()
    box = display.ax_.get_legend().get_window_extent()
    assert box.x1 <= display.figure_.bbox.x1


@pytest.fixture
def ax():
    return matplotlib.figure.Figure().subplots()


def sweep_of(axes, status=0, iterations=None, loss=None):
    shape = tuple(len(values) for values in axes.values())
    status = np.broadcast_to(status, shape)
    count = np.arange(1, np.prod(shape) + 1).reshape(shape)
    regime = np.array(["monotone", "slow", "diverged"])[status]
    return SweepResult(
        axes=axes,
        iterations=count if iterations is None else iterations,
        status=status,
        regime=regime,
        loss=np.zeros(shape) if loss is None else loss,
        slope=np.zeros(shape),
        x=np.zeros((*shape, 2)),
        tol=1e-3,
    )


def labels(ax):
    return ax.get_legend_handles_labels()[1]


def draw(display):
    """Rendering raises what building did not."""
    display.figure_.canvas.draw()


# --- iterations ---------------------------------------------------------------------------------


def test_a_new_figure_is_pyplots_and_a_given_one_is_left_alone(ax):
    display = IterationsDisplay([0.1, 0.2], {"counted": [4, 2]})
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert not plt.get_fignums()
    display.plot()
    assert display.ax_ is not ax
    assert len(plt.get_fignums()) == 1


def test_lines_curve_and_names(ax):
    display = IterationsDisplay(
        [0.1, 0.2, 0.3], {"published": [4.0, 2.0, np.nan], "ours": [4, 3, np.nan]},
        curve=([0.1, 0.2, 0.3], [4.0, 2.5, np.inf]),
    ).plot(ax)  # fmt: skip
    assert labels(ax) == ["closed form", "published", "ours"]
    assert ax.get_xlabel() == "learning rate"
    assert "iterations" in ax.get_ylabel()
    curve, *points = ax.get_lines()
    assert np.isnan(curve.get_ydata()[-1])
    assert len({line.get_marker() for line in points}) == 2
    draw(display)


def test_scales_are_logarithmic_where_it_helps():
    def scales(x, y):
        ax = matplotlib.figure.Figure().subplots()
        IterationsDisplay(x, {"": y}).plot(ax)
        return ax.get_xscale(), ax.get_yscale()

    assert scales([0.1, 0.2, 0.3], [10, 20, 30]) == ("linear", "linear")
    assert scales([0.1, 0.2, 0.3], [10, 20, 3000]) == ("linear", "log")
    assert scales(np.geomspace(1e-3, 1, 7), np.full(7, 5)) == ("log", "linear")
    assert scales([0.1, 0.2], [0, 1000]) == ("linear", "linear")


def test_diverged_rates_lie_in_a_band_half_way_to_their_neighbours(ax):
    rates = [0.4, 0.1, 0.2, 0.3]
    display = IterationsDisplay(rates, {"": [np.nan, 4, 2, np.nan]}, failed=[True, False, False, 1])
    display.plot(ax)
    (bands,) = ax.collections
    assert bands.get_hatch()
    (band,) = bands.get_paths()
    assert band.vertices[:, 0].min() == pytest.approx(0.25)
    assert band.vertices[:, 0].max() == pytest.approx(ax.get_xlim()[1])
    draw(display)


def test_a_known_limit_moves_the_band(ax):
    IterationsDisplay([0.1, 0.9], {"": [4, 2]}, unstable_from=0.5).plot(ax)
    assert ax.collections[0].get_paths()[0].vertices[:, 0].min() == 0.5


def test_a_limit_beyond_the_rates_is_no_band(ax):
    IterationsDisplay([0.1, 0.2], {"": [4, 2]}, unstable_from=5.0).plot(ax)
    assert not ax.collections


def test_a_run_far_away_does_not_flatten_the_others(ax):
    IterationsDisplay([1, 2, 3, 4], {"": [-1.0, -2.0, -3.0, 1e57]}).plot(ax)
    assert ax.get_ylim()[1] < 0


def test_nothing_finite_still_draws(ax):
    draw(IterationsDisplay([0.1, 0.2], {"": [np.nan, np.nan]}, failed=[True, True]).plot(ax))


def bands(ax):
    """The filled parts of the axis, by their names."""
    return {
        patch.get_label(): [path.get_extents().intervalx.tolist() for path in patch.get_paths()]
        for patch in ax.collections
    }


def test_all_that_was_tried_is_on_the_axis(ax):
    line = gd.LeastSquares(np.linspace(0, 1, 30), np.linspace(1, 4, 30))
    rates = np.geomspace(1e-4, 100, 40)
    out = gd.sweep(line, gd.SGD(), {"lr": rates}, max_iter=2000)
    IterationsDisplay.from_sweep(out, ax=ax)
    left, right = ax.get_xlim()
    assert left < rates[0]
    assert rates[-1] < right
    found = bands(ax)
    ((begin, until),) = found["not converged in time"]
    unfinished = rates[out.status == Status.MAX_ITER]
    assert begin == left
    assert unfinished[-1] < until < rates[unfinished.size]
    ((begin, until),) = found["diverged"]
    assert until == right
    assert rates[out.converged][-1] < begin < rates[out.diverged][0]


def test_growing_runs_have_a_band_of_their_own(ax):
    line = gd.LeastSquares(np.linspace(0, 1, 30), np.linspace(1, 4, 30))
    rates = np.linspace(1.4, 1.6, 41)
    out = gd.sweep(line, gd.SGD(), {"lr": rates}, max_iter=300)
    growing = rates[out.regime == "growing"]
    IterationsDisplay.from_sweep(out, ax=ax)
    ((begin, until),) = bands(ax)["growing"]
    assert growing.size
    assert begin == pytest.approx(growing[0] - 0.0025)
    assert until == ax.get_xlim()[1]


def test_where_nothing_converged_the_figure_says_so(ax):
    out = sweep_of({"lr": (0.1, 0.2, 0.3)}, status=[1, 1, 1], iterations=[9, 9, 9])
    IterationsDisplay.from_sweep(out, ax=ax)
    assert [text.get_text() for text in ax.texts] == ["no run converged"]
    assert ax.get_yticks().size == 0
    assert labels(ax) == ["not converged in time"]


def test_a_title_stands_above_the_legend():
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    IterationsDisplay([0.1, 0.2, 0.4], {"counted": [40, 19, 8]}).plot(ax)
    title = ax.set_title("mine")
    FigureCanvasAgg(figure).draw()
    assert title.get_window_extent().ymin >= ax.get_legend().get_window_extent().ymax


def test_cells_of_uneven_values_have_one_size(ax):
    momenta = [0.0, 0.5, 0.9, 0.99]
    HeatMapDisplay([0.1, 0.2, 0.3], momenta, np.arange(12.0).reshape(4, 3)).plot(ax)
    assert ax.get_ylim() == (-0.5, 3.5)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "0.5", "0.9", "0.99"]
    assert ax.get_xlim() == pytest.approx((0.05, 0.35))  # even: to scale


def test_a_diverging_curve_does_not_squash_the_others(ax):
    n = np.arange(60)
    curves = {"slow": 3 * 0.99**n, "right": 3 * 0.9**n, "too large": 3 * 1.3**n}
    LossCurveDisplay(curves).plot(ax)
    assert ax.get_ylim()[1] == 30.0
    ax.clear()
    LossCurveDisplay({name: curve - 1 for name, curve in curves.items()}).plot(ax)
    assert 2 < ax.get_ylim()[1] < 4
    ax.clear()
    LossCurveDisplay({"too large": curves["too large"]}).plot(ax)
    assert ax.get_ylim()[1] > 1e7


def test_a_notebook_shows_one_line_or_a_picture(ax):
    out = sweep_of({"lr": (0.3, 0.1, 0.2)}, status=[2, 0, 1], iterations=[9, 40, 100])
    display = IterationsDisplay.from_sweep(out, ax=ax)
    assert repr(display).startswith(
        "IterationsDisplay(iterations until max |slope| < 0.001 against"
    )
    assert "\n" not in repr(display)
    assert LossCurveDisplay({"a": [1.0]})._repr_html_() is None
    figure = Figure()
    drawn = LossCurveDisplay({"a": [1.0]}).plot(figure.subplots())
    assert drawn._repr_html_().startswith('<img alt="" src="data:image/png;base64,')
    page = out._repr_html_()
    assert "<pre>SweepResult: 3 runs over lr (3)" in page
    assert "<th>lr</th><th>status</th>" in page
    assert page.index("<td>0.1</td><td>converged</td><td>40</td>") < page.index("<td>0.2</td>")
    assert "<td>0.3</td>" not in page, "it diverged"
    assert "<img" in page


def test_names_from_a_file_are_no_markup():
    out = sweep_of({"<b>": ("<i>", "x")}, status=[0, 0], iterations=[1, 2])
    page = out._repr_html_()
    assert "<b>" not in page
    assert "&lt;i&gt;" in page
    assert "<img" not in page, "there is no numeric axis"


def test_from_sweep_sorts_and_leaves_gaps(ax):
    out = sweep_of({"lr": (0.3, 0.1, 0.2)}, status=[2, 0, 1], iterations=[9, 40, 100])
    display = IterationsDisplay.from_sweep(out, ax=ax, predicted=[np.inf, 40.0, 101.0])
    np.testing.assert_array_equal(display.x, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(display.lines["counted"], [40, np.nan, np.nan])
    assert display.unfinished["counted"].tolist() == [False, True, False]
    assert labels(ax) == ["closed form", "counted", "not converged in time", "diverged"]
    assert ax.get_ylabel() == "iterations until max |slope| < 0.001"


def test_from_sweep_draws_a_line_for_each_of_the_others(ax):
    out = sweep_of({"momentum": (0.0, 0.9), "lr": (0.1, 0.2, 0.3), "nesterov": (True,)})
    display = IterationsDisplay.from_sweep(out, ax=ax)
    assert {k: list(v) for k, v in display.lines.items()} == {
        "momentum 0": [1, 2, 3], "momentum 0.9": [4, 5, 6],
    }  # fmt: skip


def test_from_sweep_shows_losses_of_what_did_not_diverge(ax):
    out = sweep_of({"lr": (0.1, 0.2, 0.3)}, status=[0, 1, 2], loss=[1.0, 2.0, 3.0])
    display = IterationsDisplay.from_sweep(out, quantity="loss", ax=ax)
    np.testing.assert_array_equal(display.lines["counted"], [1.0, 2.0, np.nan])
    assert ax.get_ylabel() == "loss at the end"


def test_from_sweep_says_what_it_cannot_draw():
    many = sweep_of({"lr": (0.1, 0.2), "momentum": np.arange(9) / 10})
    with pytest.raises(ValueError, match=r"at most 6 lines.*9"):
        IterationsDisplay.from_sweep(many, x="lr")
    with pytest.raises(ValueError, match=r"x must.*'betas'"):
        IterationsDisplay.from_sweep(many, x="betas")
    with pytest.raises(ValueError, match="no numeric axis"):
        IterationsDisplay.from_sweep(sweep_of({"convention": ("torch", "keras")}))


# --- loss curves --------------------------------------------------------------------------------


def test_loss_curves(ax):
    curves = {"SGD": [100.0, 10.0, 1.0], "Adam": ([0, 5], [100.0, np.inf])}
    display = LossCurveDisplay(curves, x_name="epoch").plot(ax)
    sgd, adam = ax.get_lines()
    assert list(sgd.get_xdata()) == [0, 1, 2]
    assert list(adam.get_xdata()) == [0, 5]
    assert np.isnan(adam.get_ydata()[1])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "loss", "log")
    draw(display)


def test_many_loss_curves_all_look_different(ax):
    LossCurveDisplay({str(k): [1.0, 2.0] for k in range(20)}).plot(ax)
    looks = [(line.get_color(), str(line.get_linestyle())) for line in ax.get_lines()]
    dashes = [
        (line.get_color(), line._unscaled_dash_pattern) for line in ax.get_lines()
    ]  # linestyle alone hides custom dashes
    assert len(looks) == 20
    assert all(a != b for a, b in itertools.combinations(dashes, 2))


def test_marks_of_loss_curves(ax):
    curves = {"SGD": ([1, 2, 3], [3.0, 1.0, 2.0]), "Adam": ([1, 2], [2.0, 1.5]), "NAG": [4.0]}
    LossCurveDisplay(curves, marked={"SGD": 2}).plot(ax)
    sgd, mark, adam, nag = ax.get_lines()
    assert mark.get_xydata().tolist() == [[2, 1]]
    assert mark.get_color() == sgd.get_color()
    assert adam.get_marker() == "None"
    assert nag.get_marker() == "o"  # one point is seen only so
    assert labels(ax) == ["SGD", "Adam", "NAG"]


# --- heat maps ----------------------------------------------------------------------------------


def test_cells_are_hatched_and_the_best_is_ringed(ax):
    display = HeatMapDisplay(
        [0.1, 0.2, 0.3], [0.0, 0.9], [[5, 3, np.nan], [9, np.nan, np.nan]],
        diverged=[[False, False, True], [False, True, True]],
        unfinished=np.zeros((2, 3), bool), best=(0, 1), boundary=([0.2, 0.3], [0.0, 0.9]),
    ).plot(ax)  # fmt: skip
    assert labels(ax) == ["diverged", "limit of stability", "best"]
    hatched = [c for c in ax.collections if c.get_hatch()]
    assert [len(c.get_paths()) for c in hatched] == [2]  # one rectangle for each row's stretch
    star = ax.get_lines()[-1]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (0.2, 0.0)
    assert ax.get_ylim()[0] == 0.0  # a momentum below 0 has no place on the axis
    draw(display)


def seeds_and_two_axes():
    axes = {"rng": (0, 1), "lr": (0.2, 0.1), "momentum": (0.0, 0.5, 0.9)}
    status = np.zeros((2, 2, 3), int)
    status[:, 0, 2] = 2  # diverged for both seeds
    status[0, 1, 0] = 2  # for one of them
    status[:, 1, 1] = 1
    return sweep_of(axes, status=status)


def test_from_sweep_takes_the_best_over_further_axes(ax):
    display = HeatMapDisplay.from_sweep(seeds_and_two_axes(), over=None, ax=ax)
    assert display.x == [0.1, 0.2]
    assert display.y == [0.0, 0.5, 0.9]
    np.testing.assert_array_equal(display.values, [[10, 1], [np.nan, 2], [6, np.nan]])
    assert display.diverged.tolist() == [[False, False], [False, False], [False, True]]
    assert display.unfinished.tolist() == [[False, False], [True, False], [False, False]]
    assert display.best == (0, 1)
    draw(display)


def test_an_axis_of_one_value_is_not_drawn_if_there_are_others(ax):
    """As one has of which `SweepResult.sel` took a value."""
    axes = {"lr": (0.2, 0.1), "momentum": (0.0, 0.5), "l2": (0.0, 0.1, 0.2)}
    display = HeatMapDisplay.from_sweep(sweep_of(axes).sel(lr=0.1), ax=ax)
    assert (display.x_name, display.y_name) == ("l2", "momentum")


def test_from_sweep_averages_over_seeds(ax):
    display = HeatMapDisplay.from_sweep(seeds_and_two_axes(), ax=ax)
    np.testing.assert_array_equal(display.values, [[10, 4], [np.nan, 5], [9, np.nan]])
    assert display.diverged.tolist() == [[False, False], [False, False], [False, True]]
    assert display.unfinished.tolist() == [[False, False], [True, False], [False, False]]
    assert display.partial.tolist() == [[True, False], [False, False], [False, False]]
    assert display.best == (0, 1)
    assert "mean over seeds" in display.value_name
    assert "some runs have no value" in labels(ax)
    draw(display)


def test_a_cell_with_a_lost_seed_is_never_the_best(ax):
    axes = {"lr": (0.1, 0.2), "momentum": (0.0, 0.5), "rng": (0, 1, 2)}
    loss = np.full((2, 2, 3), 5.0)
    loss[0, 0] = 1.0
    status = np.ones((2, 2, 3), int)
    status[0, 0, 1] = 2
    status[1, 1, :] = 2
    loss[1, 0] = [4.0, 3.0, 100.0]
    out = sweep_of(axes, status=status, loss=loss)
    display = HeatMapDisplay.from_sweep(out, quantity="loss", ax=ax)
    assert display.best == (1, 0)  # of 0.1 and 0.5, whose loss is 5
    assert display.values[0, 0] == 1.0
    median = HeatMapDisplay.from_sweep(out, quantity="loss", average="median")
    assert median.best == (0, 1)
    assert median.values[0, 1] == 4.0
    further = sweep_of(
        {**axes, "convention": ("torch",)}, status=status[..., None], loss=loss[..., None]
    )
    assert HeatMapDisplay.from_sweep(further, quantity="loss").best == display.best
    luckiest = HeatMapDisplay.from_sweep(out, quantity="loss", over=None)
    assert luckiest.best == (0, 0)


def test_seeds_that_are_an_axis_of_the_map_are_not_averaged(ax):
    out = sweep_of({"lr": (0.1, 0.2), "rng": (0, 1, 2)})
    display = HeatMapDisplay.from_sweep(out, ax=ax)
    assert (display.x, display.y, display.best) == ([0.1, 0.2], [0, 1, 2], None)
    assert display.values.tolist() == [[1, 4], [2, 5], [3, 6]]
    draw(display)


def test_lines_are_averages_with_standard_errors(ax):
    axes = {"rng": (0, 1, 2), "lr": (0.2, 0.1), "momentum": (0.0, 0.9)}
    loss = np.arange(12.0).reshape(3, 2, 2) ** 2
    status = np.ones((3, 2, 2), int)
    status[1, 0, 0] = 2
    out = sweep_of(axes, status=status, loss=loss)
    display = IterationsDisplay.from_sweep(out, quantity="loss", ax=ax)
    assert list(display.lines) == ["momentum 0", "momentum 0.9"]
    np.testing.assert_allclose(display.lines["momentum 0"], [(4 + 36 + 100) / 3, (0 + 64) / 2])
    np.testing.assert_allclose(
        display.errors["momentum 0"], [np.std([4, 36, 100], ddof=1) / 3**0.5, 32.0]
    )
    assert display.partial["momentum 0"].tolist() == [False, True]
    assert "mean over seeds" in ax.get_ylabel()
    assert "some runs have no value" in labels(ax)
    draw(display)
    each = IterationsDisplay.from_sweep(out, quantity="loss", x="lr", over=None)
    assert len(each.lines) == 6
    of_seeds = IterationsDisplay.from_sweep(out, quantity="loss", x="rng")
    assert len(of_seeds.lines) == 4
    assert of_seeds.errors is None


def test_many_seeds_draw_one_line(ax):
    out = sweep_of({"lr": (0.1, 0.2), "rng": tuple(range(50))})
    display = IterationsDisplay.from_sweep(out, ax=ax)
    assert display.x.tolist() == [0.1, 0.2]
    assert list(display.lines) == ["counted"]
    assert type(out.plot()) is IterationsDisplay  # 50 seeds are no axis of a map


def test_axes_of_no_numbers_stand_side_by_side(ax):
    axes = {"betas": ((0.9, 0.999), (0.8, 0.99)), "lr": tuple(np.geomspace(1e-3, 1, 5))}
    HeatMapDisplay.from_sweep(sweep_of(axes), ax=ax)
    assert ax.get_xscale() == "log"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["(0.9, 0.999)", "(0.8, 0.99)"]


def test_a_map_of_nothing_but_divergence_draws(ax):
    out = sweep_of({"lr": (1.0, 2.0), "momentum": (0.0, 0.5)}, status=2)
    display = HeatMapDisplay.from_sweep(out, ax=ax)
    assert display.best is None
    draw(display)


def test_heat_map_says_what_it_cannot_draw():
    out = sweep_of({"lr": (0.1, 0.2), "momentum": (0.0, 0.5)})
    with pytest.raises(ValueError, match=r"y must.*'rng'"):
        HeatMapDisplay.from_sweep(out, y="rng")
    with pytest.raises(ValueError, match="two different axes"):
        HeatMapDisplay.from_sweep(out, x="lr", y="lr")
    with pytest.raises(ValueError, match="two different axes"):
        HeatMapDisplay.from_sweep(sweep_of({"lr": (0.1, 0.2)}))


def test_few_slow_cells_do_not_take_up_the_colours():
    values = np.full((20, 20), 50.0) + np.arange(20)
    values[0, 0] = 1e6
    ax = matplotlib.figure.Figure().subplots()
    HeatMapDisplay(np.arange(1, 21), np.arange(20), values).plot(ax)
    assert ax.collections[0].norm.vmax < 100


def test_cell_edges():
    np.testing.assert_allclose(cell_edges(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])
    np.testing.assert_allclose(cell_edges(np.array([3.0])), [2.5, 3.5])
    np.testing.assert_allclose(
        cell_edges(np.array([1.0, 10.0, 100.0])), [10**-0.5, 10**0.5, 10**1.5, 10**2.5]
    )


# --- phase diagrams -------------------------------------------------------------------------------


def test_phase_diagram_shows_every_regime_and_the_predicted_borders():
    result = sweep_of({"lr": (0.1, 0.2, 0.3), "momentum": (0.0, 0.5)}, [[0, 0], [0, 1], [2, 2]])
    predicted = [["monotone"] * 2, ["monotone"] * 2, ["diverged"] * 2]
    display = PhaseDiagramDisplay.from_sweep(result, predicted=predicted, best=(0.2, 0.0))
    names = display.ax_.get_legend_handles_labels()[1]
    assert names == ["monotone", "slow", "diverged", "predicted borders", "best pair"]
    assert np.asarray(display.regimes).shape == (2, 3)
    assert display.regimes[1, 1] == "slow"
    assert display.ax_.get_xlabel() == "learning rate"


def test_phase_diagram_of_several_seeds_shows_the_worst(ax):
    status = np.zeros((2, 3, 2), int)
    status[0, 1, 0], status[1, 1, 0], status[1, 2, 1] = 1, 2, 1
    axes = {"lr": (0.1, 0.2), "rng": (0, 1, 2), "momentum": (0.0, 0.5)}
    display = PhaseDiagramDisplay.from_sweep(sweep_of(axes, status), ax=ax)
    assert display.regimes.tolist() == [["slow", "diverged"], ["monotone", "slow"]]
    with pytest.raises(ValueError, match="two numeric axes"):
        PhaseDiagramDisplay.from_sweep(sweep_of(axes, status), over=None)


def test_phase_diagram_sorts_its_axes(ax):
    result = sweep_of({"lr": (0.3, 0.1), "momentum": (0.0, 0.5)}, [[2, 2], [0, 1]])
    display = PhaseDiagramDisplay.from_sweep(result, ax=ax, legend=False, title="both")
    assert display.x == [0.1, 0.3]
    assert display.regimes.tolist() == [["monotone", "diverged"], ["slow", "diverged"]]
    assert ax.get_title(loc="left") == "both"
    assert ax.get_legend() is None


def test_phase_diagram_needs_two_numeric_axes():
    with pytest.raises(ValueError, match="two numeric axes"):
        PhaseDiagramDisplay.from_sweep(sweep_of({"lr": (0.1, 0.2)}))
    with pytest.raises(ValueError, match=r"predicted.*\(2, 2\)"):
        PhaseDiagramDisplay.from_sweep(
            sweep_of({"lr": (0.1, 0.2), "momentum": (0.0, 0.5)}), predicted=[["monotone"]]
        )
