"""Pictures of descents: losses, paths, fitted lines, animations."""

import numpy as np
import pytest

import fastgd as gd

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, 40)
LINE = gd.LeastSquares(X, 22 * X + 115 + RNG.normal(0, 10, 40))
RAVINE = gd.Quadratic([[1.0, 0.0], [0.0, 1000.0]])


@pytest.fixture
def ax():
    return matplotlib.figure.Figure(layout="constrained").subplots()


def run(problem=LINE, lr=1.0, x0=None, **options):
    return gd.minimize(problem, x0, gd.SGD(lr=lr), **({"record": 1, "max_iter": 300} | options))


def labels(ax):
    return ax.get_legend_handles_labels()[1]


# --- losses ---------------------------------------------------------------------------------------


def test_a_history_draws_its_losses_and_slopes_on_the_axes_given(ax):
    history = run().history
    display = history.plot(ax=ax)
    assert display.ax_ is ax
    assert not plt.get_fignums()
    assert np.array_equal(ax.lines[0].get_xydata(), np.column_stack([history.n, history.loss]))
    assert ax.get_yscale() == "log"
    slopes = history.plot("slope")
    assert np.array_equal(slopes.ax_.lines[0].get_ydata(), history.slope)
    assert "slope" in slopes.ax_.get_ylabel()


def test_several_runs_have_their_names_and_the_diverging_one_does_not_squash_them(ax):
    runs = {"calm": run(), "wild": run(lr=2.5)}
    gd.plot_history(runs, ax=ax)
    assert labels(ax) == ["calm", "wild"]
    assert ax.get_ylim()[1] <= 10 * max(r.history.loss[0] for r in runs.values())
    assert labels(gd.plot_history([runs["calm"], runs["calm"].history]).ax_) == ["run 1", "run 2"]


def test_a_million_losses_are_thinned_without_losing_peaks(ax):
    losses = np.linspace(2.0, 1.0, 10**6)
    losses[123_456] = 3.0
    gd.plotting.LossCurveDisplay({"long": losses}).plot(ax)
    drawn = ax.lines[0].get_ydata()
    assert drawn.size < 10_000
    assert drawn.max() == 3.0
    assert drawn[-1] == losses[-1]


def test_a_loss_of_zero_leaves_the_scale_logarithmic(ax):
    gd.plotting.LossCurveDisplay({"exact": [100.0, 1.0, 0.01, 0.0]}).plot(ax)
    assert ax.get_yscale() == "log"


def test_losses_that_are_all_nan_say_so(ax):
    gd.plotting.LossCurveDisplay({"lost": [np.nan, np.nan]}).plot(ax)
    assert "no finite value" in [text.get_text() for text in ax.texts]


def test_a_training_draws_training_and_validation():
    net = gd.MLP([1, 4, 1], loss="mse", rng=0)
    net.fit(X[:, None], X, epochs=3, validation=(X[:, None], X))
    display = net.history_.plot()
    assert labels(display.ax_) == ["training", "validation"]
    assert display.ax_.get_xlabel() == "epoch"
    with pytest.raises(ValueError, match="quantity='grad_norm' was not recorded"):
        net.history_.plot("grad_norm")
    with pytest.raises(ValueError, match="quantity must be one of"):
        net.history_.plot("speed")
    assert labels(gd.plot_history({"net": net.history_}).ax_) == ["net"]


# --- paths ----------------------------------------------------------------------------------------


def test_paths_lie_over_contours_between_start_and_minimum(ax):
    one = run(RAVINE, 0.0019, [4.0, 0.1])
    display = gd.plot_paths(RAVINE, {"SGD": one}, ax=ax)
    drawn = next(line for line in ax.lines if line.get_label() == "SGD")
    assert np.array_equal(drawn.get_xydata(), one.history.x)
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    assert left < 0
    assert right > 4
    assert low < 0
    assert 0.1 < high < 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("p0", "p1")
    assert repr(display) == "PathDisplay(SGD over p0, p1)"
    assert ax.collections


def test_a_path_that_runs_away_neither_widens_the_window_nor_covers_it(ax):
    alone = gd.plot_paths(LINE, {"calm": run()}).ax_
    gd.plot_paths(LINE, {"calm": run(), "wild": run(lr=2.5)}, ax=ax)
    assert np.allclose(ax.get_xlim(), alone.get_xlim())
    wild = next(line for line in ax.lines if line.get_label() == "wild (leaves)").get_xydata()
    assert np.isfinite(wild).all(axis=1).sum() < 5


def test_of_one_parameter_the_iterates_lie_on_the_curve(ax):
    curve = gd.Polynomial([0.0, 0.0, 1.0, 0.5, 0.1])
    one = run(curve, 0.05, [-3.0])
    gd.plot_paths(curve, one, ax=ax)
    drawn = next(line for line in ax.lines if line.get_label() == "run").get_xydata()
    assert np.allclose(drawn[:, 1], one.history.loss)


@pytest.mark.parametrize("x0", [None, LINE.solution])
@pytest.mark.parametrize("lr", [0.5, 5.0])
def test_one_update_all_diverged_and_a_start_at_the_minimum_are_drawn(x0, lr):
    for most in (1, 500):
        one = run(lr=lr, x0=x0, max_iter=most, dtype="float32")
        gd.plot_paths(LINE, one).figure_.canvas.draw()
        gd.plot_history(one).figure_.canvas.draw()
        gd.plot_fit(LINE, one).figure_.canvas.draw()


def test_a_function_of_ones_own_need_not_have_a_value_everywhere(ax):
    import math  # noqa: PLC0415

    def bowl(x):
        return math.log(x[0]) ** 2 + x[1] ** 2

    one = gd.minimize(bowl, [3.0, 1.0], gd.SGD(lr=0.1), record=1, max_iter=50)
    gd.plot_paths(bowl, one, window=[(-1, 4), (-1, 1)], ax=ax)
    assert ax.get_xlim() == (-1, 4)
    assert ax.collections


def test_points_will_do_instead_of_runs(ax):
    gd.plot_paths(RAVINE, [[4.0, 0.1], [3.0, 0.0]], ax=ax)
    gd.plot_paths(gd.Polynomial([0.0, 0.0, 1.0]), np.array([2.0, 1.0, 0.5]))


def test_what_cannot_be_drawn_is_named():
    wide = gd.LeastSquares(RNG.normal(size=(9, 5)), np.ones(9))
    with pytest.raises(ValueError, match="fun must have one or two parameters"):
        gd.plot_paths(wide, run(wide, 0.1))
    with pytest.raises(ValueError, match="runs: calm has no history; call minimize with record=1"):
        gd.plot_history({"calm": run(record=None)})
    with pytest.raises(TypeError, match="runs must be a result of minimize"):
        gd.plot_history(3)
    with pytest.raises(ValueError, match="runs must hold at least one"):
        gd.plot_paths(LINE, {})
    with pytest.raises(ValueError, match="window must hold a pair"):
        gd.plot_paths(LINE, run(), window=(3, 1))
    with pytest.raises(ValueError, match="quantity must be one of"):
        gd.plot_history(run(), quantity="los")
    with pytest.raises(ValueError, match="problem must be a LeastSquares"):
        gd.plot_fit(RAVINE, run(RAVINE, 1e-4, [4.0, 0.1]))


# --- fitted lines and animations --------------------------------------------------------------------


def test_successive_lines_of_one_run_and_the_last_of_several(ax):
    one = run()
    gd.plot_fit(LINE, one, ax=ax)
    assert labels(ax)[:2] == ["rows", "update 0 (outside)"]
    assert labels(ax)[-1] == f"update {one.nit}"
    w, b = one.x
    grid, values = ax.lines[-1].get_data()
    assert np.allclose(values, w * grid + b)
    assert labels(gd.plot_fit(LINE, {"a": one, "b": run(lr=0.1)}).ax_) == ["rows", "a", "b"]


def test_of_two_classes_the_line_is_a_probability(ax):
    classes = gd.Logistic(X, np.where(X > 0.5, "tall", "short"))
    gd.plot_fit(classes, gd.minimize(classes, record=1, max_iter=50), ax=ax)
    assert ax.get_ylabel() == "probability of tall"
    assert set(ax.lines[0].get_ydata()) == {0.0, 1.0}
    assert ((ax.lines[-1].get_ydata() > 0) & (ax.lines[-1].get_ydata() < 1)).all()


def test_frames_move_line_and_path_and_begin_closely():
    one = run(lr=0.1)
    moving = gd.animate(LINE, {"SGD": one}, frames=20)
    assert 10 < moving.frames <= 20
    assert repr(moving) == f"Animation({moving.frames} frames)"
    titles = [moving.figure(k).get_suptitle() for k in (0, 1, -1)]
    assert titles == ["update 0", "update 1", f"update {one.nit}"]
    lines, paths = moving.figure().axes[:2]
    w, b = one.x
    grid, values = next(p for p in lines.lines if p.get_label() == "SGD").get_data()
    assert np.allclose(values, w * grid + b)
    assert len(next(p for p in paths.lines if p.get_label() == "SGD").get_xdata()) == one.nit + 1
    assert not plt.get_fignums()


def test_of_many_parameters_the_losses_move():
    wide = gd.LeastSquares(RNG.normal(size=(9, 3)), np.ones(9))
    moving = gd.animate(wide, run(wide, 0.1, max_iter=5))
    assert len(moving.figure(2).axes[0].lines[0].get_xdata()) == 3


def test_a_gif_and_a_page_are_written_and_other_endings_refused(tmp_path):
    from PIL import Image  # noqa: PLC0415

    moving = gd.animate(RAVINE, run(RAVINE, 1e-4, [4.0, 0.1], max_iter=3))
    moving.save(tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 4
    moving.save(tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") == 4
    assert "<script" in moving._repr_html_()
    with pytest.raises(ValueError, match=r"path must end in \.gif or \.html"):
        moving.save(tmp_path / "a.mp4")
    with pytest.raises(IndexError, match="frame must be"):
        moving.figure(4)
    assert not plt.get_fignums()
