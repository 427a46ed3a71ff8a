"""The study of trainability: its networks against plain loops, its maps, its rectangles, its report."""

import numpy as np
import pytest

from fastgd.fractals import busiest, typical
from fastgd.studies import reproduce
from fastgd.studies.trainability import maps
from fastgd.studies.trainability.maps import axes_of, trainability_map, trainability_maps, zoom
from fastgd.studies.trainability.setting import VARIANTS, Setting

N = 16
SLOPES = {
    "tanh": (np.tanh, lambda z, h: 1.0 - h * h),
    "relu": (lambda z: np.maximum(z, 0.0), lambda z, h: (z > 0).astype(float)),
    "identity": (lambda z: z, lambda z, h: np.ones_like(z)),
}


def descended(setting, rate0, rate1, steps, offset=0.0):
    """The source's network, y = W1 σ(factor W0 x) / n, by the plainest loop: the loss before each step."""
    w0, w1, x, y = (np.array(a) for a in setting._drawn)
    w0 += offset
    activation, slope = SLOPES[setting.variant.activation]
    factor = np.sqrt((1.0 if setting.variant.activation == "identity" else 2.0) / N)
    losses = []
    for _ in range(steps):
        z = factor * x @ w0
        h = activation(z)
        error = (h @ w1)[:, 0] / N - y
        losses.append(np.mean(error**2))
        back = 2.0 * error[:, None] / len(y) / N
        g1, g0 = h.T @ back, factor * x.T @ ((back @ w1.T) * slope(z, h))
        w0, w1 = w0 - rate0 * g0, w1 - rate1 * g1
    return np.array(losses)


@pytest.mark.parametrize("name", ["tanh", "relu", "identity", "single", "small"])
def test_the_networks_are_the_sources(name):
    setting = Setting(VARIANTS[name], seed=2)
    x, y = np.array([0.3, 5.0]), np.array([1.0, 20.0])
    out = maps._swept(setting, x, y, 30, None)
    for row, rate1 in enumerate(y):
        for column, rate0 in enumerate(x):
            losses = descended(setting, rate0, rate1, 30)
            np.testing.assert_allclose(
                out.history[row, column] / N**2, losses, rtol=1e-7, atol=1e-15
            )


def test_the_mean_of_initial_weights():
    setting = Setting(VARIANTS["init"], seed=1)
    x, y = np.array([-1.0, 0.5]), np.array([2.0, 10.0])
    out = maps._swept(setting, x, y, 20, None)
    for row, rate in enumerate(y):
        for column, offset in enumerate(x):
            losses = descended(setting, rate, rate, 20, offset)
            np.testing.assert_allclose(
                out.history[row, column] / N**2, losses, rtol=1e-7, atol=1e-15
            )


def test_minibatches_are_measured_by_the_first_loss_of_all_rows():
    setting, whole = Setting(VARIANTS["minibatch"]), Setting(VARIANTS["tanh"])
    first = descended(whole, 0.1, 0.1, 1)[0]
    assert setting.first_loss / N**2 == pytest.approx(first, rel=1e-12)
    assert whole.first_loss is None
    assert Setting(VARIANTS["init"]).first_loss is None


@pytest.mark.parametrize("name", list(VARIANTS))
def test_a_map_does_not_depend_on_how_it_is_cut(name, monkeypatch):
    view = (1.0, 1e3, 1.0, 1e3) if name != "init" else (-1.0, 1.0, 1.0, 1e3)
    options = {"steps": 12, "progress": False}
    whole = trainability_map(VARIANTS[name], view, 5, **options)
    monkeypatch.setattr(maps, "_LOSSES", 1)  # one row of the map at a time
    cut = trainability_map(VARIANTS[name], view, 5, **options)
    assert whole.finished
    np.testing.assert_array_equal(whole.measure, cut.measure)
    np.testing.assert_array_equal(whole.converged, cut.converged)
    assert whole.view == pytest.approx(view)


def test_slow_rates_converge_and_fast_ones_diverge():
    found = trainability_map(VARIANTS["small"], size=9, steps=100, progress=False)
    assert found.converged[0].all()
    assert not found.converged[-1].any()
    assert found.dimension() is None  # too few cells


# --- rectangles -----------------------------------------------------------------------------------------


def test_a_zoom_begins_and_ends_where_it_should_and_shrinks_evenly():
    variant, start, end = VARIANTS["tanh"], (1e-2, 1e4, 1e-3, 1e3), (3.0, 7.0, 10.0, 12.0)
    views = np.log(list(zoom(variant, start, end, 7)))
    np.testing.assert_allclose(views[0], np.log(start))
    np.testing.assert_allclose(views[-1], np.log(end))
    widths = views[:, 1::2] - views[:, ::2]
    np.testing.assert_allclose(np.diff(np.log(widths), 2, axis=0), 0, atol=1e-12)
    assert (np.diff(views[:, ::2], axis=0) >= 0).all()  # each within the one before
    assert (np.diff(views[:, 1::2], axis=0) <= 0).all()


def test_a_zoom_may_be_a_shift():
    variant = VARIANTS["init"]
    views = list(zoom(variant, (0.0, 1.0, 1.0, 10.0), (2.0, 3.0, 1.0, 10.0), 3))
    np.testing.assert_allclose(views[1], (1.0, 2.0, 1.0, 10.0))


def test_rectangles_that_hold_too_few_numbers_are_refused():
    with pytest.raises(ValueError, match="too near for 9 different numbers of float32"):
        axes_of(VARIANTS["tanh"], (1.0, 1.0 + 1e-7, 1.0, 2.0), 9, "float32")
    axes_of(VARIANTS["tanh"], (1.0, 1.0 + 1e-7, 1.0, 2.0), 9, "float64")
    with pytest.raises(ValueError, match="x0 and x1 must be two numbers, the smaller first"):
        axes_of(VARIANTS["init"], (1.0, -1.0, 1.0, 2.0), 9)


@pytest.mark.parametrize("choose", [busiest, typical])
def test_a_part_lies_on_the_boundary(choose):
    found = trainability_map(VARIANTS["small"], size=40, steps=40, progress=False)
    x0, x1, y0, y1 = found.part(8, choose)
    inside = found.converged[(found.y >= y0) & (found.y <= y1)][
        :, (found.x >= x0) & (found.x <= x1)
    ]
    assert inside.shape == (5, 5)
    assert 0 < inside.sum() < 25
    none = trainability_map(
        VARIANTS["small"], (1e-3, 1e-2, 1e-3, 1e-2), 40, steps=30, progress=False
    )
    assert none.part(8, choose) is None
    assert none.dimension() is None


# --- interruptions --------------------------------------------------------------------------------------


def test_an_interrupted_series_keeps_what_was_begun(monkeypatch):
    swept, calls = maps._swept, []

    def interrupted(*arguments):
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return swept(*arguments)

    monkeypatch.setattr(maps, "_swept", interrupted)
    monkeypatch.setattr(maps, "_LOSSES", 4 * 10 * 2)  # two rows of a map at a time
    views = [(1.0, 10.0, 1.0, 10.0)] * 3
    found = trainability_maps(VARIANTS["small"], views, 4, steps=10, progress=False)
    assert [m.finished for m in found] == [True, False]
    assert found[1].runs == 8


# --- the report -----------------------------------------------------------------------------------------


def test_quick_study(tmp_path):
    done = reproduce(["trainability"], out=tmp_path, quick=True)
    (section,) = done.sections
    assert done.finished
    assert set(section.results) == {name for name, v in VARIANTS.items() if v.published}
    for found in section.results.values():
        assert 0.0 < found["converged"] < 1.0
        assert 0.8 < found["median"] <= 2.0
    names = [path.name for path in done.files]
    assert "trainability-maps.png" in names
    assert "trainability-dimensions.csv" in names
    text = done.report.with_suffix(".md").read_text(encoding="utf-8")
    assert "(published, of its experiments: 1.17 to 1.98)" in text
