"""Sweeps of very many runs: in parts, in place, and with axes that stay arrays."""

import tracemalloc

import numpy as np
import pytest
from same_bits import bits

import fastgd as gd
from fastgd.descent.axes import Places
from fastgd.engines.native import crew
from fastgd.engines.protocol.outcomes import Status
from fastgd.sweeps.ends import Judge

pytest.importorskip("fastgd.engines.native.sweeps")

X = np.linspace(0.0, 1.0, 12)
LINE = gd.LeastSquares(X, 2.0 * X + 1.0)
BATCHES = gd.LeastSquares(X, 2.0 * X + 1.0, batch_size=4)
RATES = np.geomspace(0.01, 3.0, 37)
FIELDS = ("x", "iterations", "status", "loss", "slope", "regime_codes")
SWEEPS = {
    "rates": (LINE, gd.SGD(), {"lr": RATES}, {}),
    "two rules": (LINE, gd.Momentum(), {"lr": RATES, "momentum": [0.0, 0.5, 0.9]}, {}),
    "rates outside": (LINE, gd.Adam(), {"lr": RATES, "eps": np.geomspace(1e-8, 1e-2, 9)}, {}),
    "rates between": (
        LINE,
        gd.Adam(),
        {"betas": [(0.9, 0.99), (0.5, 0.9)], "lr": RATES, "eps": [1e-8, 1e-3]},
        {},
    ),
    "penalties": (LINE, gd.SGD(), {"l2": [0.0, 0.1, 1.0], "lr": RATES}, {}),
    "maximized": (LINE, gd.SGD(maximize=True), {"lr": RATES}, {"max_iter": 9}),
    "schedules": (LINE, gd.SGD(), {"lr": [0.1, gd.schedules.cosine(0.5, 40), 0.3] * 50}, {}),
    "optimizers": (
        LINE,
        gd.SGD(),
        {"optimizer": [gd.SGD(), gd.Adam(), gd.NAG(momentum=0.5)], "lr": RATES},
        {},
    ),
    "starts": (
        LINE,
        gd.SGD(lr=0.3),
        {"x0": np.random.default_rng(0).normal(size=(100, 2)), "l1": [0.0, 0.1]},
        {},
    ),
    "orders": (BATCHES, gd.SGD(), {"lr": RATES / 5, "rng": [0, 1, 2, 3, 4]}, {"tol": 1e-3}),
    "pairs": (
        LINE,
        gd.Momentum(),
        gd.SampledAxes({"lr": RATES, "momentum": np.linspace(0.0, 0.95, 37)}),
        {},
    ),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_parts_make_no_difference(name, monkeypatch):
    problem, optimizer, axes, options = SWEEPS[name]
    options = {"max_iter": 150, "tol": 1e-3} | options
    whole = gd.sweep(problem, optimizer, axes, **options)
    reference = gd.sweep(problem, optimizer, axes, backend="numpy", **options)
    monkeypatch.setattr("fastgd.engines.sweeps.part_length", lambda *_, **__: 7)
    parts = gd.sweep(problem, optimizer, axes, n_threads=3, **options)
    for field in FIELDS:
        assert bits(getattr(parts, field)) == bits(getattr(whole, field)), field
        if field not in {"loss", "slope"}:  # which may be NumPy's own
            assert bits(getattr(reference, field)) == bits(getattr(whole, field)), field


def test_memory_beyond_the_result():
    rates = np.linspace(0.01, 1.9, 500_000)
    gd.sweep(LINE, gd.SGD(), {"lr": rates[:100]}, max_iter=3)
    tracemalloc.start()
    try:
        out = gd.sweep(LINE, gd.SGD(), {"lr": rates}, max_iter=3, n_threads=2)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept <= 51 * out.size  # x, loss, slope, iterations, status, regime and the rates
    assert peak - kept <= 60 * out.size


def test_axes_are_tuples_of_python_numbers_when_they_are_asked_for():
    rates = np.array([0.1, 0.5, 0.25], np.float32)
    out = gd.sweep(LINE, gd.SGD(), {"lr": rates, "rng": np.arange(2, dtype=np.uint8)}, max_iter=2)
    rates[:] = 7.0  # the caller's own
    assert out.axes == {"lr": (np.float32(0.1).item(), 0.5, 0.25), "rng": (0, 1)}
    assert type(out.axes) is dict
    assert {type(v) for v in (*out.axes["lr"], *out.axes["rng"])} == {float, int}
    starts = gd.sweep(LINE, gd.SGD(), {"x0": [[1.0, 2.0], [3.0, 4.0]]}, max_iter=2)
    same = gd.sweep(LINE, gd.SGD(), {"x0": np.array([[1.0, 2.0], [3.0, 4.0]])}, max_iter=2)
    assert starts.axes == same.axes == {"x0": ((1.0, 2.0), (3.0, 4.0))}
    assert same.best().axes in ({"x0": (1.0, 2.0)}, {"x0": (3.0, 4.0)})
    assert bits(starts.x) == bits(same.x)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((3, 3)), r"axes\['x0'\]\[0\] has shape \(3,\), wanted \(2,\)"),
        (np.array([[0.0, 0.0], [np.nan, 0.0]]), r"axes\['x0'\]\[1\] must be finite"),
    ],
)
def test_starts_in_one_array_are_checked(points, message):
    with pytest.raises(ValueError, match=message):
        gd.sweep(LINE, gd.SGD(), {"x0": points})


def test_places_of_some_runs_are_those_of_all():
    places = Places({"lr": RATES, "momentum": (0.1, 0.2, 0.3), "l2": (0.0, 1.0)})
    some = np.array([0, 5, 100, 221, 7])
    for name, every in places.of.items():
        assert (places.positions(name, some) == every[some]).all()
        assert (places.numbered(name, range(3, 80)) == every[3:80]).all()
    order = np.asarray(places.by_rate(range(places.total)))
    assert sorted(order.tolist()) == list(range(places.total))
    assert (places.of["lr"][order].reshape(-1, len(RATES)) == np.arange(len(RATES))).all()
    alone = Places({"lr": RATES})
    assert alone.positions("lr", range(2, 9)) == slice(2, 9)


@pytest.mark.parametrize("length", [7, 1000])
def test_an_interrupt_as_results_are_taken_loses_none(length, monkeypatch):
    ends, asked = Judge.ends, []

    def interrupted(self, *arguments):
        asked.append(arguments)
        if len(asked) == 2 or length > len(RATES):
            monkeypatch.setattr(Judge, "ends", ends)
            raise KeyboardInterrupt
        return ends(self, *arguments)

    axes = {"lr": RATES, "momentum": [0.5, 0.6]}
    whole = gd.sweep(LINE, gd.Momentum(), axes, max_iter=40)
    monkeypatch.setattr("fastgd.engines.sweeps.part_length", lambda *_, **__: length)
    monkeypatch.setattr(Judge, "ends", interrupted)
    out = gd.sweep(LINE, gd.Momentum(), axes, max_iter=40, n_threads=1)
    done = out.status != Status.NOT_RUN
    assert done.sum() == (14 if length == 7 else out.size)
    for field in FIELDS:
        assert bits(getattr(out, field)[done]) == bits(getattr(whole, field)[done]), field
    assert (out.x[~done] == 0).all()
    assert (out.loss[~done] == LINE.loss(np.zeros(2))).all()
    assert np.isfinite(out.slope[~done]).all()


def test_few_runs_stay_on_one_thread_and_long_ones_are_spread():
    assert crew.part_length(64, 2, 40, batched=False) >= 64
    assert crew.part_length(200, 2, 10**9, batched=False) == 64
    assert crew.part_length(43, 2, 10**9, batched=False) == 32
    assert crew.part_length(43, 1, 10**9, batched=False) == 64
    assert crew.part_length(8, 2, 10**9, batched=False) == 4
    assert crew.part_length(10_000, 2, 4_000_000, batched=False) == 512
    assert crew.part_length(10**7, 2, 400, batched=False) == 1 << 14
    assert crew.part_length(1_000, 2, 400, batched=False) >= 1_000
    assert crew.part_length(20, 2, 10**9, batched=True) == 16
