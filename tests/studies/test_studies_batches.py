"""The studies of batches and schedules, held against the plainest loops."""

import numpy as np
import pytest

import fastgd as gd
from fastgd.studies import batch_sizes, reproduce, schedules
from fastgd.studies.common import loss_at


@pytest.fixture
def _no_real_data(monkeypatch, tmp_path):
    monkeypatch.delenv("FASTGD_DATA", raising=False)
    monkeypatch.setattr("fastgd.datasets.files._cache_folder", lambda: tmp_path / "cache")


def looped(problem, rate, updates):
    """The loss after so many updates of plain descent, one batch after the other."""
    x = np.zeros(problem.n_parameters)
    for n in range(updates):
        rows = problem.batches.of_update(problem.batches.seed, n)
        residual = problem.X[rows] @ x - problem.y[rows]
        x = x - (rate(n) if callable(rate) else rate) * (problem.X[rows].T @ residual) / len(rows)
    return problem.loss(x)


def test_losses_at_marks_are_those_of_a_loop():
    x, y = schedules.rows_of(0)
    problem = schedules.problem_of(x[:130], y[:130], 20)
    assert problem.updates_per_epoch == 7
    marks = [1, 6, 7, 8, 20]
    cosine = gd.schedules.cosine(0.2, 20)
    losses = loss_at(problem, gd.SGD(), {"lr": [0.05, cosine]}, marks)
    for mark, row in zip(marks, losses, strict=True):
        wanted = [looped(problem, 0.05, mark), looped(problem, cosine, mark)]
        np.testing.assert_allclose(row, wanted, rtol=1e-10)


def test_schedules_of_the_notes():
    each = schedules.kinds(0.1, 200)
    assert each["÷10 every 30 passes"](30 * 200 - 1) == 0.1
    assert each["÷10 every 30 passes"](30 * 200) == pytest.approx(0.01)
    assert each["cosine"](45 * 200) == pytest.approx(0.05)
    assert each["linear"](45 * 200) == pytest.approx(0.05)
    assert each["warm-up, then cosine"](5 * 200) == pytest.approx(0.1)
    assert each["inverse square root"](0) == pytest.approx(0.1)


def test_schedules_end_lower_than_a_constant_rate(tmp_path):
    results = reproduce(["schedules"], out=tmp_path, quick=True).sections[0].results
    final = results["final"]
    assert min(final.values()) < 0.1 * final["constant"]
    one, two, four = (results["rule"][k] for k in (1, 2, 4))
    assert two["k times"] == pytest.approx(one["k times"], rel=0.1)
    assert four["k times"] == pytest.approx(one["k times"], rel=0.2)
    assert four["the same"] > 5 * one["the same"]


def test_fastest_rate():
    excess = np.array([[0.5, 0.3, np.nan], [0.02, 0.009, np.nan], [1e-6, 1e-3, np.nan]])
    assert batch_sizes.fastest(excess) == 1
    assert batch_sizes.fastest(excess[:1]) == 1
    assert batch_sizes.fastest(excess[2:]) == 0
    lucky = np.array([[0.001, 0.5], [0.5, 0.009], [0.001, 0.009]])
    assert batch_sizes.fastest(lucky) == 1
    assert batch_sizes.stays_close(lucky).tolist() == [[False, False], [False, True], [True, True]]


@pytest.mark.usefixtures("_no_real_data")
def test_small_batches_need_fewer_passes(tmp_path):
    done = reproduce(["batch-sizes"], out=tmp_path / "report", quick=True, download=False)
    section = done.sections[0]
    assert section.data.instead
    found = {d.size: d for d in section.results["standardized"]}
    passes = [found[s].updates[found[s].arrived] / found[s].per_pass for s in (None, 1024, 1)]
    assert passes[0] > passes[1] > passes[2]
    assert all(d.arrived is None for d in section.results["raw"])
