"""Measures of runs, boundaries, and box-counting dimensions of sets whose dimension is known."""

import numpy as np
import pytest

import fastgd as gd
from fastgd.fractals import boundary, box_dimension, busiest, trainability, typical

RNG = np.random.default_rng(5)


# --- sets of known dimension ----------------------------------------------------------------------------


def carpet(levels):
    """Sierpinski's carpet, of dimension log 8 / log 3."""
    cells = np.ones((1, 1), bool)
    for _ in range(levels):
        row = np.concatenate([cells, cells, cells], axis=1)
        middle = np.concatenate([cells, np.zeros_like(cells), cells], axis=1)
        cells = np.concatenate([row, middle, row])
    return cells


def koch(levels, size):
    """A Koch curve, of dimension log 4 / log 3, drawn in cells."""
    points = np.array([0.0 + 0.0j, 1.0 + 0.0j])
    for _ in range(levels):
        a, step = points[:-1], np.diff(points) / 3
        peak = a + step + step * np.exp(1j * np.pi / 3)
        new = np.stack([a, a + step, peak, a + 2 * step], axis=1).ravel()
        points = np.append(new, points[-1])
    cells = np.zeros((size, size), bool)
    fine = (points[:-1, None] + np.diff(points)[:, None] * np.linspace(0, 1, 4)).ravel()
    cells[(fine.imag * size).astype(int), np.minimum((fine.real * size).astype(int), size - 1)] = 1
    return cells


def naive_counts(cells, sizes):
    return [
        sum(
            cells[r : r + s, c : c + s].any()
            for r in range(0, cells.shape[0], s)
            for c in range(0, cells.shape[1], s)
        )
        for s in sizes
    ]


def test_a_square_and_a_line_have_whole_dimensions():
    for cells, dimension in (
        (np.ones((256, 256)), 2.0), (np.ones((200, 311)), 2.0), (np.eye(256), 1.0), (np.eye(201), 1.0)
    ):  # fmt: skip
        found = box_dimension(cells)
        assert found.dimension == pytest.approx(dimension, abs=1e-12)
        assert found.standard_error < 1e-12
        np.testing.assert_allclose(found.slopes, dimension)
    slanted = np.zeros((512, 512), bool)
    slanted[(np.arange(512) * 0.37).astype(int), np.arange(512)] = True
    found = box_dimension(slanted)
    assert abs(found.dimension - 1.0) < max(0.02, 3 * found.standard_error)


def test_sierpinskis_carpet():
    found = box_dimension(carpet(5), sizes=[1, 3, 9, 27, 81])
    assert found.dimension == pytest.approx(np.log(8) / np.log(3), abs=1e-12)
    by_twos = box_dimension(carpet(5))
    assert by_twos.dimension == pytest.approx(np.log(8) / np.log(3), abs=0.08)
    assert 0 < by_twos.standard_error < 0.05


def test_kochs_curve():
    found = box_dimension(koch(8, 2048))
    assert found.dimension == pytest.approx(np.log(4) / np.log(3), abs=0.05)
    assert found.standard_error < 0.05


def test_the_boundary_of_a_disc_is_a_curve():
    y, x = np.mgrid[:600, :600] - 299.5
    found = box_dimension(boundary(x**2 + y**2 < 200**2))
    assert found.dimension == pytest.approx(1.0, abs=0.05)


def test_counts_are_those_of_plain_loops():
    cells = RNG.random((40, 56)) < 0.05
    sizes = [1, 2, 3, 5, 8]
    found = box_dimension(cells, sizes=sizes)
    assert found.counts.tolist() == naive_counts(cells, sizes)


def test_slope_and_standard_error_are_those_of_a_regression():
    stats = pytest.importorskip("scipy.stats")
    cells = RNG.random((128, 128)) < 0.1
    found = box_dimension(cells)
    line = stats.linregress(np.log(1.0 / found.sizes), np.log(found.counts))
    assert found.dimension == pytest.approx(line.slope, rel=1e-12)
    assert found.standard_error == pytest.approx(line.stderr, rel=1e-12)


def test_an_empty_set_has_no_dimension():
    found = box_dimension(np.zeros((64, 64)))
    assert np.isnan(found.dimension)
    assert np.isnan(found.standard_error)


@pytest.mark.parametrize(
    ("cells", "options", "says"),
    [
        (np.ones(9), {}, r"cells must be a map.*\(9,\)"),
        (np.ones((8, 8)), {}, "sizes must be three or more"),
        (np.ones((64, 64)), {"sizes": [1, 2]}, "sizes must be three or more"),
        (np.ones((64, 64)), {"sizes": [1, 2, 65]}, "within 64 x 64"),
        (np.ones((64, 64)), {"sizes": [0, 2, 4]}, "sizes must be an integer >= 1"),
    ],
)
def test_box_dimension_refuses(cells, options, says):
    with pytest.raises(ValueError, match=says):
        box_dimension(cells, **options)


# --- boundaries and parts -------------------------------------------------------------------------------


def test_boundary_is_where_four_neighbours_differ():
    inside = RNG.random((20, 31)) < 0.5
    found = boundary(inside)
    assert found.shape == (19, 30)
    for row in range(19):
        for column in range(30):
            four = inside[row : row + 2, column : column + 2]
            assert found[row, column] == (four.any() and not four.all())


def test_busiest_square_has_the_most_cells():
    cells = RNG.random((30, 40)) < 0.2
    row, column = busiest(cells, 7)
    held = [[cells[r : r + 7, c : c + 7].sum() for c in range(34)] for r in range(24)]
    assert held[row][column] == np.max(held)
    assert busiest(np.zeros((9, 9)), 3) == (3, 3)
    with pytest.raises(ValueError, match="side must be at most"):
        busiest(cells, 31)


def test_a_typical_square_holds_the_median_number_of_cells():
    cells = RNG.random((30, 41)) < np.linspace(0, 0.3, 41)
    row, column = typical(cells, 5)
    held = np.array(
        [[cells[r : r + 5, c : c + 5].sum() for c in range(0, 40, 5)] for r in range(0, 30, 5)]
    )
    occupied = np.sort(held[held > 0])
    assert cells[row : row + 5, column : column + 5].sum() == occupied[len(occupied) // 2]
    with pytest.raises(ValueError, match="side must be at most"):
        typical(cells, 31)
    with pytest.raises(ValueError, match="all are empty"):
        typical(np.zeros((9, 9)), 3)


# --- what losses say ------------------------------------------------------------------------------------


def published(v, max_val=1e6):
    """The measure as the author's code has it, one run at a time."""
    finite = np.isfinite(v)
    v = np.where(finite, v, max_val)
    v = v / v[0]
    v = np.where(v > max_val, max_val, v)
    converged = np.mean(v[-20:]) < 1
    return -np.sum(v) if converged else np.sum(1 / v)


def test_the_measure_is_the_published_one():
    steps = np.arange(60)
    falls = [0.5 * np.exp(-k * steps) for k in (0.01, 0.1)]
    grows = [0.5 * np.exp(np.minimum(k * steps, 700)) for k in (0.01, 1.0, 20.0)]
    losses = np.array([*falls, *grows])
    losses[-1, 40:] = np.nan
    found = trainability(losses)
    assert found.converged.tolist() == [True, True, False, False, False]
    signed = np.where(found.converged, -found.measure, found.measure)
    np.testing.assert_allclose(signed, [published(v) for v in losses], rtol=1e-12)


def test_other_first_losses_and_runs_without_losses():
    losses = np.full((2, 2, 30), 2.0)
    losses[1, 1] = np.nan
    found = trainability(losses, first=[[1.0, 4.0], [4.0, 4.0]])
    assert found.converged.tolist() == [[False, True], [True, False]]
    np.testing.assert_allclose(found.measure, [[15.0, 15.0], [15.0, np.nan]])
    kept = losses.copy()
    trainability(losses)
    np.testing.assert_array_equal(losses, kept)


def test_losses_must_be_there_and_positive():
    with pytest.raises(ValueError, match="last axis of updates"):
        trainability(3.0)
    with pytest.raises(ValueError, match="first loss of a run must be above 0, got -1"):
        trainability([[-1.0, 2.0]])


def test_a_sweep_of_networks_goes_in_as_it_is():
    X = RNG.normal(size=(16, 4))
    problem = gd.MLP([4, 4, 1], activation="tanh", loss="mse", bias=False, rng=0).problem(
        X, RNG.normal(size=16), batch_size=16, shuffle=False
    )
    axes = {"layers.0.lr": [1e-2, 1e3], "layers.1.lr": [1e-2, 1e3]}
    out = gd.sweep(problem, gd.SGD(), axes, max_iter=40, record=1)
    found = trainability(out.history)
    assert found.converged[0, 0]
    assert not found.converged[0, 1]
