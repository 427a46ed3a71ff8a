"""Maps of two parts: what is drawn for which runs."""

import matplotlib as mpl
import numpy as np
import pytest

import fastgd as gd
from fastgd.fractals import trainability
from fastgd.plotting import FractalDisplay, fractal

mpl.use("Agg")


def colours(display):
    """The colour of each cell, as (rows, columns, 4)."""
    mesh = display.ax_.collections[0]
    display.figure_.canvas.draw()
    return mesh.get_facecolors().reshape(*np.shape(display.measure), 4)


def is_blue(cells):
    return cells[..., 2] > cells[..., 0]


def scales(display):
    return list(display.ax_.child_axes)


def test_converged_runs_are_blue_and_diverged_ones_red_and_slow_ones_dark():
    measure, diverged = [[1.0, 9.0, 1e6], [1.0, 5.0, 7.0]], [[0, 0, 0], [1, 1, 1]]
    display = FractalDisplay([0.1, 0.2, 0.3], [0.0, 0.9], measure, diverged).plot()
    cells = colours(display)
    assert is_blue(cells).tolist() == [[True] * 3, [False] * 3]
    light = cells[..., :3].sum(axis=-1)
    assert (np.diff(light, axis=1) < 0).all()
    assert [ax.get_ylabel().split(" ")[0] for ax in scales(display)] == ["converged", "diverged"]
    texts = [[t.get_text() for t in ax.get_yticklabels()] for ax in scales(display)]
    assert texts[0][0] == "1"
    assert texts[1][-1] == "7"


def test_shades_are_equally_frequent():
    measure = np.geomspace(1.0, 1e30, 64).reshape(8, 8)
    display = FractalDisplay(range(1, 9), range(1, 9), measure, np.zeros((8, 8))).plot()
    code = display.ax_.collections[0].get_array()
    np.testing.assert_allclose(np.diff(np.sort(np.ravel(code))), 255 / 63)
    assert len(scales(display)) == 1


def test_runs_that_are_neither_and_those_that_were_not_made_are_told():
    display = FractalDisplay(
        [1.0, 2.0], [1.0, 2.0], [[1.0, np.nan], [3.0, 4.0]], [[0, 0], [0, 1]], [[0, 0], [1, 0]]
    ).plot()
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names == ["neither in time", "not run"]
    cells = colours(display)
    assert len(set(cells[1, 0, :3])) == 1  # grey
    assert cells[0, 1, 3] == 0.0  # nothing


@pytest.mark.parametrize(
    ("values", "scale", "labels"),
    [
        (np.geomspace(1e-3, 1e6, 9), "log", {"$\\mathdefault{10^{2}}$"}),
        (np.geomspace(3, 60, 9), "log", {"5", "10", "20", "50"}),
        (np.geomspace(10, 12, 9), "log", {"10.0", "10.5", "11.0", "11.5", "12.0"}),
        (np.geomspace(1, 1 + 1e-9, 9), "linear", set()),
        (np.linspace(-4, 4, 9), "linear", {"0", "2", "4"}),
    ],
)
def test_numbers_are_to_scale_and_labelled(values, scale, labels):
    display = FractalDisplay(values.tolist(), [1, 2], np.ones((2, 9)), np.zeros((2, 9))).plot()
    display.figure_.canvas.draw()
    assert display.ax_.get_xscale() == scale
    shown = {text.get_text() for text in display.ax_.get_xticklabels()}
    assert labels <= shown
    assert len(display.ax_.get_xticks()) < 20


def test_arrays_must_fit_the_axes():
    with pytest.raises(ValueError, match=r"measure must have the shape \(1, 2\)"):
        FractalDisplay([0.1, 0.2], [0.0], [[1.0]], [[False]]).plot()
    with pytest.raises(ValueError, match=r"unfinished must have the shape \(1, 2\)"):
        FractalDisplay([0.1, 0.2], [0.0], [[1.0, 1.0]], [[0, 0]], [0]).plot()


def test_descents_show_iterations():
    axes = {"momentum": [0.9, 0.0], "lr": [0.1, 1.0, 2.5]}
    out = gd.sweep(gd.Quadratic([[1.0]]), gd.Momentum(), axes, x0=1.0, max_iter=100, tol=1e-4)
    display = fractal(out)
    assert (display.x_name, display.y_name) == ("learning rate", "momentum")
    assert display.y == [0.0, 0.9]  # increasing, whatever the order of the axis
    np.testing.assert_array_equal(display.diverged, out.diverged[::-1])
    np.testing.assert_array_equal(display.unfinished, (out.status == gd.Status.MAX_ITER)[::-1])
    np.testing.assert_array_equal(display.measure, out.iterations[::-1])
    across = fractal(out, x="momentum", title="a title")
    np.testing.assert_array_equal(across.measure, out.iterations[::-1].T)
    assert across.ax_.get_title("left") == "a title"


def test_descents_without_a_tolerance_show_losses():
    axes = {"lr": [0.1, 1.5, 1e9], "momentum": [0.0, 0.5]}
    out = gd.sweep(gd.Quadratic([[1.0]]), gd.Momentum(), axes, x0=1.0, max_iter=60, tol=0)
    display = fractal(out)
    assert out.diverged.any()
    np.testing.assert_array_equal(
        display.measure, np.where(out.diverged, out.iterations, out.loss).T
    )
    assert "loss at the end" in display.converged_name


@pytest.fixture(scope="module")
def networks():
    rng = np.random.default_rng(0)
    network = gd.MLP([3, 4, 1], activation="tanh", loss="mse", bias=False, rng=0)
    problem = network.problem(rng.normal(size=(8, 3)), rng.normal(size=8), batch_size=8)
    axes = {"layers.0.lr": np.geomspace(1e-3, 1e3, 4), "layers.1.lr": np.geomspace(1e-3, 1e3, 5)}
    return gd.sweep(problem, gd.SGD(), axes, max_iter=60, record=1)


def test_networks_show_what_their_losses_say(networks):
    display = fractal(networks)
    found = trainability(networks.history)
    np.testing.assert_array_equal(display.measure, found.measure)
    np.testing.assert_array_equal(display.diverged, ~found.converged)
    assert display.x_name == "learning rate of layer 1"
    assert display.ax_.get_xscale() == display.ax_.get_yscale() == "log"


def test_a_third_axis_must_have_one_value(networks):
    out = gd.sweep(
        gd.Quadratic([[1.0]]), gd.Momentum(), {"lr": [0.1, 0.2], "momentum": [0, 0.1], "x0": [1, 2]}
    )
    with pytest.raises(ValueError, match="'x0' must then have one value, not 2"):
        fractal(out, x="lr", y="momentum")
    with pytest.raises(ValueError, match="two different axes"):
        fractal(networks, x="layers.0.lr", y="layers.0.lr")


def test_long_axes_of_names_are_labelled_now_and_then():
    values = [f"value {k}" for k in range(40)]
    display = FractalDisplay(values, [0.1], np.ones((1, 40)), np.zeros((1, 40))).plot()
    assert 5 < len(display.ax_.get_xticks()) <= 12
