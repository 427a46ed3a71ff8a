"""Regimes: which runs are "growing", and how they are kept."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.sweeps import SweepResult
from fastgd.sweeps.regimes import NAMES, codes_of

pytest.importorskip("fastgd.engines.native.sweeps")

BOWL = gd.Quadratic([[4.0, 1.0], [1.0, 3.0]], [1.0, -1.0])
BACKENDS = ["numpy", "cython", "numba"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_whose_loss_has_grown_is_growing(backend):
    """Rates just beyond the limit of stability, stopped before they count as diverged."""
    limit = 2 / np.linalg.eigvalsh(BOWL.hessian)[-1]
    axes = {"lr": [0.5 * limit, 1.02 * limit, 1.2 * limit, 3 * limit, 1e-9]}
    out = gd.sweep(BOWL, gd.SGD(), axes, x0=[1.0, 1.0], max_iter=100, backend=backend)
    assert out.regime.tolist() == ["monotone", "growing", "growing", "growing", "slow"]
    assert (out.loss[1:4] > BOWL.loss([1.0, 1.0])).all()


def test_at_every_moment_of_a_growing_swing():
    """Whatever the phase of the swing, and though the loss may be below that of 64 updates ago."""
    start = BOWL.loss([1.0, 1.0])
    for n in range(200, 300):
        out = gd.sweep(BOWL, gd.Momentum(lr=0.9, momentum=0.95), {}, x0=[1.0, 1.0], max_iter=n)
        if out.status == gd.Status.MAX_ITER:
            assert (str(out.regime) == "growing") == (out.loss > start)


@settings(max_examples=60, deadline=None)
@given(
    lr=st.floats(1e-4, 5.0),
    momentum=st.floats(0, 1.1),
    max_iter=st.integers(0, 300),
    start=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)
def test_growing_is_above_the_start_and_nothing_else_is(lr, momentum, max_iter, start):
    out = gd.sweep(
        BOWL, gd.Momentum(momentum=momentum), {"lr": [lr, lr / 3]}, x0=start, max_iter=max_iter
    )
    first = BOWL.loss(start)
    grown = out.loss > first + 1e-9 * abs(first)
    unfinished = out.status == gd.Status.MAX_ITER
    assert ((out.regime == "growing") == (grown & unfinished)).all()


def test_starts_of_their_own():
    starts = [[1.0, 1.0], [100.0, -100.0]]
    axes = {"lr": [1e-3, 0.47], "x0": starts}
    out = gd.sweep(BOWL, gd.SGD(), axes, max_iter=40)
    grown = out.loss > np.array([BOWL.loss(x) for x in starts])
    assert ((out.regime == "growing") == grown).all()
    assert grown[1].all()
    by_seed = gd.sweep(BOWL, gd.SGD(), {"rng": [0, 1, 2], "lr": [0.47]}, max_iter=40)
    assert set(by_seed.regime.ravel().tolist()) == {"growing"}


def test_to_and_fro_is_no_growth():
    """At exactly the limit of stability the loss returns, up to rounding."""
    for steep in (3.0, 7.0, 0.1):
        bowl = gd.Quadratic([[steep]], [0.3])
        for n in (99, 100):
            out = gd.sweep(bowl, gd.SGD(lr=2 / steep), {}, x0=[0.7], max_iter=n)
            assert str(out.regime) == "cycling"


def test_networks_that_grow():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    net = gd.MLP([3, 1], loss="mse", dtype="float64", rng=1)
    problem = net.problem(X, X @ [1.0, -2.0, 0.5], batch_size=60)
    out = gd.sweep(problem, gd.SGD(), {"lr": [0.01, 1.5]}, max_iter=40)
    assert out.status.tolist() == [1, 1]
    assert out.regime.tolist() == ["slow", "growing"]
    assert out.loss[1] > 1e3


# --- how they are kept ------------------------------------------------------------------------------------


def result(regime, shape=(6,)):
    n = int(np.prod(shape))
    axes = {f"a{k}": tuple(range(length)) for k, length in enumerate(shape)}
    numbers = np.arange(n, dtype=float).reshape(shape)
    return SweepResult(
        axes=axes, iterations=np.ones(shape, int), status=np.ones(shape, int), regime=regime,
        loss=numbers, slope=numbers, x=np.zeros((*shape, 2)),
    )  # fmt: skip


def test_one_byte_per_run():
    names = NAMES[1:].tolist()
    out = result(names)
    assert out.regime.tolist() == names
    assert out.regime.dtype == NAMES.dtype
    assert (out.regime == "growing").sum() == 1
    assert out.regime_codes.tolist() == [1, 2, 3, 4, 5, 6]
    assert out.regime_codes.nbytes == 6
    assert result(out.regime_codes).regime.tolist() == names
    assert out.to_pandas()["regime"].tolist() == names
    arrays = [v for v in vars(out).values() if isinstance(v, np.ndarray)]
    assert sum(a.nbytes for a in arrays) / out.size == 8 + 1 + 1 + 8 + 8 + 16
    square = result(np.array(names).reshape(2, 3), (2, 3))
    assert square.regime[1].tolist() == names[3:]
    alone = result(np.array("slow"), ())
    assert alone.regime.shape == ()
    assert alone.regime == "slow"
    assert str(alone.best().regime) == "slow"


@pytest.mark.parametrize("given", [["odd"] * 6, np.full(6, 7, np.uint8), [1] * 6, [None] * 6])
def test_what_is_no_regime(given):
    with pytest.raises(ValueError, match="regime must hold only"):
        result(given)
    with pytest.raises(ValueError, match="regime must be shaped like the axes"):
        result(["slow"] * 5)


def test_copies_and_files(tmp_path):
    out = result(NAMES[1:])
    out.save(tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as archive:
        assert archive["regime"].dtype == np.uint8
    copies = [
        SweepResult.load(tmp_path / "out.npz"), pickle.loads(pickle.dumps(out)), copy.deepcopy(out),
        dataclasses.replace(out, seconds=2.0),
    ]  # fmt: skip
    for other in copies:
        assert other.regime.tolist() == out.regime.tolist()


def test_a_file_whose_codes_are_unknown(tmp_path):
    path = tmp_path / "out.npz"
    result(NAMES[1:]).save(path)
    with np.load(path) as archive:
        members = dict(archive)
    members["regime"] = np.full(6, 9, np.uint8)
    np.savez(path, **members)
    with pytest.raises(ValueError, match="not a saved sweep"):
        SweepResult.load(path)


@given(st.lists(st.sampled_from(NAMES.tolist()), max_size=50))
def test_names_and_codes(names):
    assert NAMES[codes_of(names)].tolist() == names
    assert NAMES[codes_of(np.array(names, "<U40"))].tolist() == names
