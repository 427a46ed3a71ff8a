"""The studies beside the rate table: what they compute, held against arithmetic done another way."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest

import fastgd as gd
from fastgd.studies import cost_function, local_minima, reproduce, step_size, worked_examples
from fastgd.studies.published import LESSON_ERRORS, STEP_SIZES, TWO_FEATURES
from fastgd.studies.report import Origin

DATA = os.environ.get("FASTGD_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="FASTGD_DATA is not set")


def done(name, folder, **options):
    with pytest.MonkeyPatch.context() as patch:
        if options.get("data") is None:
            patch.delenv("FASTGD_DATA", raising=False)
            patch.setattr("fastgd.datasets.files._cache_folder", lambda: folder / "cache")
        options = {"quick": True, "download": False} | options
        return reproduce([name], out=folder / "report", **options)


def table(result, name):
    """A table's file, as dicts."""
    path = next(p for p in result.files if p.name == f"{result.sections[0].name}-{name}.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- worked examples ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    return done("worked-examples", tmp_path_factory.mktemp("worked"))


def test_every_printed_digit(worked):
    results = worked.sections[0].results
    assert results["total"] == 23
    assert [check for check in results["checks"] if not check.exact] == []
    assert worked.sections[0].data == Origin()


def test_the_lesson_in_plain_python():
    """The lesson's loop: w1 first, w0 with the new w1, plain sums."""
    for rate, printed in LESSON_ERRORS.items():
        w, b = 1.0, 0.0
        for n in range(1, 31):
            w -= rate * sum((w * x + b - y) * x for x, y in LESSON)
            b -= rate * sum(w * x + b - y for x, y in LESSON)
            error = sum((w * x + b - y) ** 2 for x, y in LESSON) / 3
            if n in printed:
                assert f"{error:.5f}" == printed[n]
        problem = worked_examples.lesson_problem("sequential")
        np.testing.assert_allclose(
            worked_examples.after(problem, 30, rate, (1.0, 0.0)), (w, b), rtol=1e-12
        )


LESSON = list(zip((0.0, 1.0, 3.0), (-1.0, 1.0, 5.0), strict=True))


def test_five_decimals_either_way():
    problem = worked_examples.lesson_problem("sequential", statistics=True)
    assert all(check.exact for check in worked_examples.lesson_checks(problem))


def test_the_slides_in_plain_python():
    """Sixteen digits from the slides' own arithmetic: step = (rate * (1/n)) * sum, one residual for all."""
    rows = [(1.0, x1, x2) for x1, x2 in zip(worked_examples.LINE_X, (0, 1, 0, 1, 0), strict=True)]
    targets = [2.0 * row[1] + 1.0 for row in rows]
    beta = [0.0, 0.0, 0.0]
    for _ in range(1000):
        residuals = [sum(c * v for c, v in zip(beta, row, strict=True)) - y
                     for row, y in zip(rows, targets, strict=True)]  # fmt: skip
        sums = [sum(r * row[j] for r, row in zip(residuals, rows, strict=True)) for j in range(3)]
        beta = [c - 0.01 * (1 / 5) * s for c, s in zip(beta, sums, strict=True)]
    np.testing.assert_allclose(beta, TWO_FEATURES, rtol=0, atol=2e-15)


def test_simultaneous_update_is_another_method(worked):
    rows = {(r["update"][:2], r["rate"]): r for r in table(worked, "orders")}
    together = rows["to", "0.1"]
    printed = [f"{float(together[f'after {n}']):.5f}" for n in (1, 2, 3, 20, 30)]
    assert printed == ["0.57000", "0.41903", "0.32482", "0.00446", "0.00036"]
    assert float(rows["to", "0.5"]["after 30"]) == pytest.approx(2.8e41, rel=0.02)


def test_limits_of_the_orders():
    assert worked_examples._together_limit() == pytest.approx(0.16928, abs=5e-6)
    below, above = worked_examples._measured_limit()
    assert below < 13 / 30 < above


# --- step size ----------------------------------------------------------------------------------


def test_step_sizes_end_as_published(tmp_path):
    result = done("step-size-1d", tmp_path)
    assert result.sections[0].results["same"] == 3
    rows = table(result, "outcomes")
    assert [row["fastgd"] for row in rows] == list(STEP_SIZES.values())
    for row in rows:
        assert float(row["x after 100"]) == pytest.approx(float(row["by the formula"]), rel=1e-9)
    given = [r["gradient times"] for r in table(result, "scalings") if outcomes(r) == PUBLISHED]
    assert given == ["1/1000", "1/1600 (1/m²)"]


PUBLISHED = list(STEP_SIZES.values())


def outcomes(row):
    return [row[f"rate {rate:g}"] for rate in STEP_SIZES]


def test_outcomes_in_words():
    low = step_size.LOWEST
    assert step_size.outcome(np.array([22.0, low])) == "converges"
    assert step_size.outcome(np.array([22.0, 15.0])) == "too slow"
    assert step_size.outcome(np.array([22.0, -30.0])) == "diverges"
    assert step_size.outcome(np.array([22.0, np.nan])) == "diverges"


# --- the cost of a line -------------------------------------------------------------------------


def test_cost_of_a_line_on_the_stand_in(tmp_path):
    result = done("cost-function", tmp_path)
    section = result.sections[0]
    assert section.data.instead == "40 constructed rows"
    assert section.data.statement.startswith("heights and weights are a STAND-IN")
    assert section.results["best"] == 5
    assert section.results["vertex"] == pytest.approx(4.963, abs=0.02)
    raw, scaled = table(result, "scaling")
    for row in (raw, scaled):
        predicted, counted = int(row["updates at the best rate"]), int(row["counted"])
        assert abs(predicted - counted) <= 50
    assert float(raw["stable below rate"]) < 5e-4
    assert float(scaled["stable below rate"]) > 1


@needs_data
def test_cost_of_a_line_on_the_real_rows(tmp_path):
    result = done("cost-function", tmp_path, data=DATA)
    assert not result.sections[0].data.instead
    for row in table(result, "numbers"):
        assert float(row["these 40 rows"]) == pytest.approx(float(row["published"]), rel=5e-4)


def test_descent_of_the_cost_reaches_the_fitted_line():
    rows = cost_function._Rows(gd.datasets.load_heights_weights(rows="study", download=False))
    np.testing.assert_allclose(rows.descent[-1], rows.scaled.solution, rtol=1e-3)
    assert len(rows.descent) == cost_function.UPDATES + 1


# --- local minima -------------------------------------------------------------------------------


def test_small_plain_steps_stay_in_their_basin():
    problem = gd.Polynomial(local_minima.CURVE.coef)
    starts = np.linspace(-2.2, 2.4, 92)
    out = gd.sweep(problem, gd.SGD(lr=1e-3), {"x0": starts}, max_iter=100_000, tol=1e-6)
    basin = np.searchsorted(local_minima.MAXIMA, starts)
    np.testing.assert_array_equal(local_minima.reached(out), basin)


def test_the_curve_has_its_minima_where_it_says():
    slope = local_minima.CURVE.deriv()
    critical = local_minima.MINIMA + local_minima.MAXIMA
    np.testing.assert_allclose(slope(np.array(critical)), 0.0, atol=1e-12)
    assert (slope.deriv()(np.array(local_minima.MINIMA)) > 0).all()
    assert local_minima.MINIMA[local_minima.LOWEST] == 2.0


def test_momentum_reaches_the_lowest_more_often(tmp_path):
    results = done("local-minima", tmp_path).sections[0].results
    assert results["best"] > results["plain"] + 0.1


# --- all of them --------------------------------------------------------------------------------


def test_animations_only_when_asked(tmp_path):
    still = done("step-size-1d", tmp_path / "still")
    moving = done("step-size-1d", tmp_path / "moving", animate=True)
    films = [p for p in moving.files if p.suffix == ".gif"]
    assert len(films) == 1
    assert 0 < films[0].stat().st_size < 2_000_000
    assert not [p for p in still.files if p.suffix == ".gif"]


def test_the_command_runs_several_and_says_what_came_of_them(tmp_path):
    command = ["reproduce", "worked-examples", "step-size-1d", "--quick", "--out", str(tmp_path)]
    out = subprocess.run(
        [sys.executable, "-m", "fastgd", *command], capture_output=True, text=True, check=True
    ).stdout
    assert out.splitlines()[0] == "Data: none is needed."
    assert "step-size-1d: 3 of 3 published outcomes" in out
    assert "worked-examples: 23 of 23 printed numbers" in out
