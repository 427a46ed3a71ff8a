"""Final parameters, histories and given starts in sweeps of networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.protocol.outcomes import Status
from fastgd.network.history import DivergenceWarning
from fastgd.sweeps import tables

RNG = np.random.default_rng(5)
X = RNG.normal(size=(50, 3))
Y = np.sin(X).sum(axis=1)


def network(**options):
    return gd.MLP([3, 4, 1], **{"loss": "mse", "activation": "tanh", "rng": 2, **options})


def problem(**options):
    return network(**options).problem(X, Y, batch_size=16)


def flat(net):
    return np.concatenate([p.ravel() for p in net.params])


AXES = {
    "layers.0.lr": [0.01, 0.1],
    "rng": [2, 5],
    "activation": ["tanh", "relu"],
    "l2": [0.0, 0.1],
    "layers.-1.init_scale": [1.0, 0.5],
    "batch_size": [16, 50],
    "max_iter": [7, 10],
}


@settings(max_examples=30, deadline=None)
@given(
    names=st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=3, unique=True),
    record=st.integers(1, 12),
    dtype=st.sampled_from(["float32", "float64"]),
    paired=st.booleans(),
    n_threads=st.integers(1, 2),
)
def test_every_network_and_its_losses(names, record, dtype, paired, n_threads):
    axes = {name: AXES[name] for name in names}
    axes = gd.SampledAxes(axes) if paired else axes
    given = {"keep": "params", "record": record, "max_iter": 9, "n_threads": n_threads}
    out = gd.sweep(problem(dtype=dtype, l1=1e-3), gd.SGD(lr=0.05), axes, **given)
    longest = max(AXES["max_iter"]) if "max_iter" in names else 9
    assert out.params.dtype == out.history.dtype == dtype
    assert out.params.shape == (*out.shape, 21)
    assert out.history.shape == (*out.shape, -(-longest // record))
    for index in np.ndindex(out.shape):
        own = out.axes_at(index)
        changes = {n: own[n] for n in ("activation", "l2") if n in own}
        changes["init_scale"] = (1.0, own.get("layers.-1.init_scale", 1.0))
        alone = network(dtype=dtype, l1=1e-3).fresh(own.get("rng"), **changes)
        rate = own.get("layers.0.lr", 0.05)
        optimizer = gd.SGD(lr=0.05, groups={0: {"lr": rate}, 1: {"lr": rate}})
        size, steps = own.get("batch_size", 16), own.get("max_iter", 9)
        alone.fit(X, Y, optimizer=optimizer, batch_size=size, steps=steps, record=1)
        assert np.array_equal(out.params[index], flat(alone))
        found = out.network(index)
        assert found.architecture == alone.architecture
        assert found.steps_ == steps
        assert all(map(np.array_equal, found.params, alone.params))
        losses = alone.history_.loss[::record].astype(dtype)
        assert np.array_equal(out.history[index][: losses.size], losses)
        assert np.isnan(out.history[index][losses.size :]).all()
        assert all(map(np.array_equal, found.fresh().params, alone.fresh().params))


def test_a_history_ends_where_a_run_diverges():
    out = gd.sweep(problem(), gd.SGD(), {"lr": [0.01, 1e30]}, max_iter=8, record=1, keep="params")
    assert out.status[1] == Status.DIVERGED
    done = int(out.iterations[1])
    assert np.isfinite(out.history[1, :done]).all()
    assert np.isnan(out.history[1, done:]).all()
    assert np.isfinite(out.history[0]).all()
    assert out.network(1).status_ is Status.DIVERGED
    with pytest.warns(DivergenceWarning):
        network().fit(X, Y, optimizer=gd.SGD(lr=1e30), batch_size=16, steps=8)


@pytest.mark.parametrize("form", ["network", "list", "flat", "axis"])
def test_given_starts(form):
    start = network(rng=9)
    x0 = {"network": start, "list": start.params, "flat": flat(start), "axis": None}[form]
    axes = {"rng": [2, 5]}
    if form == "axis":
        axes["x0"] = [flat(start).tolist()]
    out = gd.sweep(problem(), gd.Adam(lr=0.01), axes, x0=x0, max_iter=9, keep="params")
    before = flat(start)
    for k, seed in enumerate(axes["rng"]):
        alone = network(rng=seed)
        for p, q in zip(alone.params, start.params, strict=True):
            p[...] = q
        alone.fit(X, Y, optimizer=gd.Adam(lr=0.01), batch_size=16, steps=9)
        assert np.array_equal(out.params.reshape(2, -1)[k], flat(alone))
    assert np.array_equal(flat(start), before)


def test_the_best_of_given_starts_goes_on():
    start = network(rng=9)
    out = gd.sweep(problem(), gd.Adam(), {"lr": [0.01, 0.1]}, x0=start, max_iter=8)
    best = out.best()
    alone = network()
    for p, q in zip(alone.params, start.params, strict=True):
        p[...] = q
    optimizer = gd.Adam(lr=best.axes["lr"])
    alone.fit(X, Y, optimizer=optimizer, batch_size=16, steps=12)
    best.network.fit(X, Y, batch_size=16, steps=4)
    assert all(map(np.array_equal, best.network.params, alone.params))


def test_parameters_and_histories_in_files_and_tables(tmp_path):
    out = gd.sweep(problem(), gd.SGD(), {"lr": [0.01, 0.1]}, max_iter=9, record=3, keep="params")
    assert out.parameter_names[:2] == ("W0[0, 0]", "W0[0, 1]")
    assert out.parameter_names[-1] == "b1[0]"
    assert "b1[0]" in out.to_pandas(parameters=True)
    out.save(tmp_path / "out.npz")
    back = gd.SweepResult.load(tmp_path / "out.npz")
    assert np.array_equal(back.params, out.params)
    assert np.array_equal(back.history, out.history)
    assert back.record == 3
    with pytest.raises(ValueError, match="was read from a file"):
        back.network(0)
    plain = gd.sweep(problem(), gd.SGD(), {"lr": [0.01, 0.1]}, max_iter=9)
    plain.save(tmp_path / "plain.npz")
    again = gd.SweepResult.load(tmp_path / "plain.npz")
    assert again.history is None
    with pytest.raises(ValueError, match="give it keep='params'"):
        again.params  # noqa: B018


def test_what_would_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(tables, "most_bytes", lambda: 1000)
    axes = {"lr": np.linspace(0.01, 0.1, 50)}
    with pytest.raises(ValueError, match=r"keep='params' needs 0 MB for 21 numbers of each of 50"):
        gd.sweep(problem(), gd.SGD(), axes, max_iter=1, keep="params")
    with pytest.raises(ValueError, match="record=1 needs"):
        gd.sweep(problem(), gd.SGD(), axes, max_iter=10**6, record=1)


def test_runs_that_were_not_started():
    out = gd.sweep(
        problem(), gd.SGD(), {"lr": [0.01]}, max_seconds=1e-9, keep="params", record=1, max_iter=3
    )
    assert out.status.tolist() == [Status.NOT_RUN]
    assert np.isnan(out.params).all()
    assert np.isnan(out.history).all()
    with pytest.raises(ValueError, match="was not started"):
        out.network(0)


@pytest.mark.parametrize("index", [(), (0, 0), (2,), (-3,), (0.5,), ("a",), ((0, 1),)])
def test_there_is_no_such_run(index):
    out = gd.sweep(problem(), gd.SGD(), {"lr": [0.01, 0.1]}, max_iter=2, keep="params")
    with pytest.raises(IndexError):
        out.network(*index)


@pytest.mark.parametrize("option", [{"keep": "params"}])
def test_other_sweeps_have_them_not(option):
    line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="is for sweeps of networks"):
        gd.sweep(line, gd.SGD(), {"lr": [0.1]}, **option)
