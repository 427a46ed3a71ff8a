"""fastgd against what shares no code with it: naive loops, stored and live torch and optax."""

import functools
import warnings
from pathlib import Path

import numpy as np
import pytest
from cases import BACKENDS, CASES
from oracle.make_trajectories import DTYPES, EVERY, N_STEPS, START, gradients, run_optax, run_torch

STORED = {name: Path(__file__).parents[1] / "oracle" / f"{name}.npz" for name in ("torch", "optax")}
BY_ID = {case.id: case for case in CASES}
OF_TORCH = [case.id for case in CASES if case.torch]
OF_OPTAX = [case.id for case in CASES if case.optax]
#: A relative perturbation of 2^-53 in each of 200 steps, amplified a few dozen times by a rule.
FLOAT64_BOUND = 1e-12
G = gradients()


def changing_rate(lr, k):
    """Neither constant nor smooth, so that it matters where a rule uses it."""
    return lr * (0.25 + ((7 * k) % 11) / 11)


@functools.cache
def naive_trajectory(case_id, changing=False):
    """All iterates, shape (201, 10), float64."""
    optimizer, p = BY_ID[case_id].make_naive(), START.tolist()
    iterates = [list(p)]
    for k, g in enumerate(G):
        optimizer.step(p, g.tolist(), changing_rate(optimizer.lr, k) if changing else None)
        iterates.append(list(p))
    return np.array(iterates)


def fastgd_iterates(case_id, dtype, backend, changing=False):
    """Every tenth iterate, shape (20, 10), from parameters that are a list of two arrays."""
    p, g = START.astype(dtype), G.astype(dtype)
    params = [p[:4].copy(), p[4:].reshape(2, 3).copy()]
    optimizer = BY_ID[case_id].make(backend=backend)
    lr, kept = optimizer.lr, []
    for k in range(N_STEPS):
        grads = [g[k, :4], g[k, 4:].reshape(2, 3)]
        if changing:
            optimizer.step(params, grads, lr=changing_rate(lr, k))
        else:
            optimizer.step(params, grads)
        if (k + 1) % EVERY == 0:
            kept.append(np.concatenate([a.ravel() for a in params]))
    assert all(a.dtype == dtype for a in params)
    return np.array(kept)


@functools.cache
def load(library):
    with np.load(STORED[library]) as file:
        return {name: file[name] for name in file.files}


def stored(library, case_id, dtype):
    file = load(library)
    return file[dtype][file["ids"].tolist().index(case_id)]


def float32_bound(case_id, library=None):
    """How far two float32 runs may lie apart, shape (20, 10).

    With u = 2^-24 the unit roundoff, step k rounds p once, by at most u |p_k|, and adds an update
    that carries a relative error of at most (k + 10) u: state that averages k samples has been
    rounded k times, its weights once each, and at most ten operations follow. The average of
    samples of both signs may be much smaller than they are, so the update is measured by its
    largest value so far, D_k. The errors of two runs add up to 2 u = eps = 2^-23:

        eps sum_k (|p_k| + (k + 10) D_k)

    Two kinds of cases are worse, by a factor that can be computed: see the two helpers below.
    """
    case, iterates = BY_ID[case_id], naive_trajectory(case_id)
    largest_update = np.maximum.accumulate(np.abs(np.diff(iterates, axis=0)), axis=0)
    k = np.arange(1, N_STEPS + 1)[:, None]
    relative = k + 10.0
    if case.kwargs.get("centered"):
        relative = relative * cancellation(case.kwargs.get("alpha", 0.99))
    if library == "optax" and case.optimizer in ("Adam", "AdamW", "NAdam", "RAdam"):
        beta2 = case.kwargs.get("betas", (0.9, 0.999))[1]
        relative = relative + float32_corrections(case.optimizer, beta2, k)
    error = np.finfo("float32").eps * (np.abs(iterates[1:]) + relative * largest_update)
    return np.cumsum(error, axis=0)[EVERY - 1 :: EVERY]


def cancellation(alpha):
    """Centered RMSprop subtracts E[g]^2 from E[g^2]: how much that magnifies relative errors."""
    v, mean, factors = np.zeros(START.size), np.zeros(START.size), []
    for g in G:
        v, mean = alpha * v + (1 - alpha) * g * g, alpha * mean + (1 - alpha) * g
        factors.append(np.divide(v, v - mean**2, out=np.ones_like(v), where=v > 0))
    return np.array(factors)


def float32_corrections(optimizer, beta2, k):
    """optax forms 1 - beta2^k in float32: relative error eps / (1 - beta2) in the first steps.

    RAdam subtracts what it gets from that, of the size of rho_inf, from rho_inf; its factor is about
    proportional to the root of the small difference minus 4.
    """
    error = 1.0 / (1.0 - beta2)
    if optimizer != "RAdam":
        return error
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * k * beta2**k / (1.0 - beta2**k)
    return error + longest * error / (2.0 * np.maximum(length - 4.0, 1.0))


def assert_close(actual, wanted, bound):
    assert actual.shape == wanted.shape
    excess = np.abs(actual.astype("float64") - wanted) / bound
    step, i = np.unravel_index(np.argmax(np.nan_to_num(excess, nan=np.inf)), excess.shape)
    assert excess[step, i] <= 1.0, (
        f"after {EVERY * (step + 1)} steps parameter {i} is {actual[step, i]!r}, "
        f"wanted {wanted[step, i]!r}: off by {excess[step, i]:.3g} times the bound"
    )


def assert_same(actual, wanted):
    assert_close(actual, wanted, FLOAT64_BOUND * np.maximum(1.0, np.abs(wanted)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case_id", BY_ID)
def test_naive(case_id, backend):
    wanted = naive_trajectory(case_id)[EVERY::EVERY]
    assert_same(fastgd_iterates(case_id, "float64", backend), wanted)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case_id", BY_ID)
def test_naive_in_float32(case_id, backend):
    wanted = naive_trajectory(case_id)[EVERY::EVERY]
    actual = fastgd_iterates(case_id, "float32", backend)
    assert_close(actual, wanted, float32_bound(case_id) + 1e-30)


@pytest.mark.parametrize("backend", ["numpy", "cython"])
@pytest.mark.parametrize("case_id", BY_ID)
def test_naive_with_changing_rate(case_id, backend):
    wanted = naive_trajectory(case_id, changing=True)[EVERY::EVERY]
    assert_same(fastgd_iterates(case_id, "float64", backend, changing=True), wanted)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("library", "case_id"),
    [("torch", name) for name in OF_TORCH] + [("optax", name) for name in OF_OPTAX],
)
class TestStored:
    def test_float64(self, library, case_id, backend):
        wanted = stored(library, case_id, "float64")
        assert_same(fastgd_iterates(case_id, "float64", backend), wanted)

    def test_float32(self, library, case_id, backend):
        wanted = stored(library, case_id, "float32")
        actual = fastgd_iterates(case_id, "float32", backend)
        assert_close(actual, wanted, float32_bound(case_id, library) + 1e-30)


def peer(name):
    """Skip where the peer is missing. Its own warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case_id", OF_TORCH)
def test_live_torch(case_id):
    peer("torch")
    assert_same(fastgd_iterates(case_id, "float64", "auto"), run_torch(BY_ID[case_id], "float64"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case_id", OF_OPTAX)
def test_live_optax(case_id):
    peer("optax")
    assert_same(fastgd_iterates(case_id, "float64", "auto"), run_optax(BY_ID[case_id], "float64"))


@pytest.mark.parametrize("case_id", OF_TORCH + OF_OPTAX)
def test_naive_loops_agree_with_the_peers(case_id):
    library = "torch" if BY_ID[case_id].torch else "optax"
    assert_same(naive_trajectory(case_id)[EVERY::EVERY], stored(library, case_id, "float64"))


def test_table_and_stored_files_belong_together():
    assert len(BY_ID) == len(CASES)
    assert load("torch")["ids"].tolist() == OF_TORCH
    assert load("optax")["ids"].tolist() == OF_OPTAX
    for library in STORED:
        assert str(load(library)["versions"]).startswith(library)
        for dtype in DTYPES:
            assert load(library)[dtype].dtype == dtype
    assert sum(path.stat().st_size for path in STORED.values()) < 300_000


def test_every_optimizer_has_rows():
    import fastgd as gd  # noqa: PLC0415

    def below(cls):
        return {cls, *(c for sub in cls.__subclasses__() for c in below(sub))}

    names = {cls.__name__ for cls in below(gd.Optimizer)} & set(gd.__all__)
    assert names - {"Optimizer"} == {case.optimizer for case in CASES} - {"HeavyBall"}
    assert gd.HeavyBall is gd.Momentum
