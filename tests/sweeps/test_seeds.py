"""The best on average over seeds, against pandas' groupby."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.sweeps import SweepResult

LOST = {int(gd.Status.DIVERGED), int(gd.Status.NOT_RUN)}


def result(axes, *, loss, status=0, iterations=9, metric=None, paired=False):
    shape = tuple(len(v) for v in axes.values())[: 1 if paired else None]
    return SweepResult(
        axes=axes, paired=paired, loss=np.reshape(loss, shape), slope=np.zeros(shape),
        status=np.broadcast_to(status, shape), iterations=np.broadcast_to(iterations, shape),
        regime=np.full(shape, "slow"), x=np.zeros((*shape, 1)), metric=metric,
    )  # fmt: skip


# --- the luckiest seed -------------------------------------------------------------------------------------


def test_the_luckiest_seed_is_not_the_best():
    out = result({"lr": (0.1, 0.5), "rng": (0, 1, 2)}, loss=[2.0, 2.5, 3.0, 1.0, 4.0, 7.0])
    best = out.best()
    assert (best.axes, best.index, best.loss) == ({"lr": 0.1, "rng": 1}, (0, 1), 2.5)
    assert (best.average, best.seeds, best.converged, best.diverged) == (2.5, 3, 1.0, 0.0)
    assert best.standard_error == pytest.approx(np.std([2, 2.5, 3], ddof=1) / 3**0.5)
    lucky = out.best(over=None)
    assert (lucky.axes["lr"], lucky.loss, lucky.seeds) == (0.5, 1.0, 1)
    assert (lucky.average, lucky.standard_error, lucky.converged) == (None, None, None)
    assert "standard_error=0.288" in repr(best)


def test_mean_or_median():
    out = result({"rng": (0, 1, 2), "lr": (0.1, 0.5)}, loss=[3, 1, 3, 1, 3, 100])
    assert out.best().axes["lr"] == 0.1
    median = out.best(average="median")
    assert (median.axes, median.average, median.loss) == ({"rng": 0, "lr": 0.5}, 1.0, 1.0)


@pytest.mark.parametrize("average", ["mean", "median"])
def test_diverged_seeds_are_not_dropped_in_silence(average):
    """One of three diverged: worse than a combination with none, however low the others."""
    loss = [[1e-9, 1e-9, np.inf], [5.0, 5.0, 5.0], [1e-12, np.nan, np.nan]]
    status = [[0, 0, 2], [1, 1, 1], [0, 2, 2]]
    out = result({"lr": (0.1, 0.2, 0.3), "rng": (0, 1, 2)}, loss=loss, status=status)
    best = out.best(average=average)
    assert (best.axes["lr"], best.diverged, best.converged) == (0.2, 0.0, 0.0)
    found = out.averages(average=average)
    assert found.without.tolist() == [1, 0, 2]
    assert found.runs.tolist() == [3, 3, 3]
    np.testing.assert_allclose(found.diverged, [1 / 3, 0, 2 / 3])
    np.testing.assert_allclose(found.converged, [2 / 3, 0, 1 / 3])
    worst = result(
        {"lr": (0.1, 0.3), "rng": (0, 1, 2)}, loss=[loss[0], loss[2]], status=[status[0], status[2]]
    )
    assert worst.best(average=average).axes["lr"] == 0.1  # the fewer diverged
    iterations = out.best(by="iterations", average=average)
    assert (iterations.axes["lr"], iterations.seeds) == (0.1, 3)


def test_runs_that_were_not_started_count_as_lost():
    out = result({"lr": (0.1, 0.2), "rng": (0, 1)}, loss=[1, 1, 2, 2], status=[[1, -1], [1, 1]])
    assert out.best().axes["lr"] == 0.2


def test_another_axis():
    axes = {"x0": ((0.0,), (1.0,)), "lr": (0.1, 0.5)}
    out = result(axes, loss=[1, 2, 5, 2])
    assert out.best().loss == 1.0
    assert out.best(over="x0").axes["lr"] == 0.5


def test_what_is_refused():
    out = result({"lr": (0.1, 0.2)}, loss=[1, 2])
    assert out.best(over="rng").axes == {"lr": 0.1}  # there is nothing to average
    for call in (out.best, out.plot):
        with pytest.raises(
            ValueError, match=r"over must be an axis of the sweep, one of \['lr'\], or None"
        ):
            call(over="momentum")
        with pytest.raises(ValueError, match='average must be "mean" or "median", got \'mode\''):
            call(average="mode")
    with pytest.raises(ValueError, match="over must be an axis"):
        out.averages()
    with pytest.raises(ValueError, match="quantity must be"):
        out.averages("speed", over="lr")
    with pytest.raises(ValueError, match="no metric"):
        out.averages("metric", over="lr")
    gone = result({"lr": (0.1,), "rng": (0, 1)}, loss=[1, 2], status=2)
    with pytest.raises(ValueError, match="no run of this sweep ended with a finite loss"):
        gone.best()
    assert np.isnan(gone.averages().average).all()


def test_descents_from_random_points():
    out = gd.sweep(gd.functions.bumpy(), gd.SGD(), {"lr": [0.01, 0.05], "rng": range(8)})
    best, lucky = out.best(), out.best(over=None)
    assert best.average == pytest.approx(out.loss.mean(axis=1).min())
    assert lucky.loss == out.loss.min() <= best.loss


# --- pandas ------------------------------------------------------------------------------------------------


@st.composite
def sweeps(draw):
    n_lr, n_mu, n_rng = (draw(st.integers(1, 4)) for _ in range(3))
    axes = {
        "lr": np.geomspace(0.1, 1, n_lr).tolist(),
        "mu": list(range(n_mu)),
        "rng": list(range(n_rng)),
    }
    names = draw(st.permutations(list(axes)))
    paired = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    if paired:
        n = draw(st.integers(1, 20))
        axes = {name: rng.choice(axes[name], n).tolist() for name in names}
        shape = (n,)
    else:
        axes = {name: axes[name] for name in names}
        shape = tuple(len(axes[name]) for name in names)
    lost = draw(st.sampled_from([0.0, 0.2, 0.9]))
    status = np.where(
        rng.random(shape) < lost, rng.choice([2, -1], shape), rng.choice([0, 1, 3], shape)
    )
    loss = np.where(
        status == 2, rng.choice([np.nan, np.inf, 1e300], shape), rng.normal(size=shape).round(1)
    )
    return result(
        axes, loss=loss, status=status, iterations=rng.integers(1, 6, shape), paired=paired,
        metric=np.where(status == 2, np.nan, rng.random(shape).round(1)),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    out=sweeps(),
    by=st.sampled_from(["loss", "iterations", "metric"]),
    how=st.sampled_from(["mean", "median"]),
)
def test_as_pandas_groups(out, by, how):
    table = out.to_pandas(parameters=False)
    ended = ["converged"] if by == "iterations" else ["converged", "max_iter", "max_seconds"]
    known = table["status"].isin(ended)
    table["known"] = table[by].where(known).astype(float)
    grouped = table.groupby([name for name in out.axes if name != "rng"])
    wanted = pd.DataFrame({
        "average": grouped["known"].agg(how), "error": grouped["known"].sem(),
        "without": grouped["known"].apply(lambda v: v.isna().mean()), "n": grouped.size(),
        "diverged": grouped["status"].apply(lambda s: (s == "diverged").mean()),
        "converged": grouped["status"].apply(lambda s: (s == "converged").mean()),
    })  # fmt: skip
    if not out.paired:
        found = out.averages(by, average=how)
        assert found.average.shape == tuple(map(len, found.axes.values()))
        for mine, theirs in (
            (found.average, "average"), (found.standard_error, "error"), (found.runs, "n"),
            (found.without / found.runs, "without"), (found.diverged, "diverged"),
            (found.converged, "converged"),
        ):  # fmt: skip
            np.testing.assert_allclose(mine.ravel(), wanted[theirs], rtol=1e-12, atol=1e-12)
    if wanted["average"].isna().all():
        with pytest.raises(ValueError, match="no run of this sweep"):
            out.best(by=by, average=how)
        return
    best = out.best(by=by, average=how)
    own = wanted.loc[tuple(v for name, v in best.axes.items() if name != "rng")]
    sign = -1 if by == "metric" else 1
    able = wanted[wanted["average"].notna()]
    least = able["without"].min()
    assert own["without"] == pytest.approx(least)
    lowest = (sign * able["average"][np.isclose(able["without"], least)]).min()
    assert sign * own["average"] == pytest.approx(lowest, abs=1e-12)
    for field in ("average", "diverged", "converged"):
        assert getattr(best, field) == pytest.approx(own[field], abs=1e-12)
    np.testing.assert_allclose(best.standard_error, own["error"], rtol=1e-12, atol=1e-12)
    assert best.seeds == own["n"]
    group = table["known"].iloc[grouped.indices[own.name]].dropna()
    value = getattr(best, by)
    assert abs(value - best.average) <= np.abs(group - best.average).min() + 1e-12


def test_without_a_tolerance_the_loss_is_drawn():
    """Nothing converges in batches, so there are no iterations to count."""
    rows = gd.LeastSquares(np.arange(12.0), np.arange(12.0) ** 2, batch_size=4)
    out = gd.sweep(rows, gd.SGD(), {"lr": [1e-4, 1e-3], "rng": [0, 1, 2]}, max_iter=9)
    assert "loss" in out.plot().ax_.get_ylabel()
