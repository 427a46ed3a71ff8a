"""Losses and gradients of networks against PyTorch's autograd, stored and live, and against finite differences."""

import functools
import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.make_network_oracle import (
    ACTIVATIONS,
    BATCHES,
    DEPTHS,
    LOSSES,
    STORED,
    WIDE,
    NetworkCase,
    run_torch,
)
from threadpoolctl import threadpool_limits

import fastgd as gd

ENGINES = ("numpy", "cython")
#: Relative to the largest number of each array.
FLOAT64_BOUND = 1e-10
FILE = Path(__file__).parents[1] / "oracle" / "network.npz"


def network_of(case, backend, dtype="float64"):
    net = gd.MLP(
        case.sizes,
        activation=case.activation,
        loss=case.loss,
        dtype=dtype,
        backend=backend,
        **case.penalties,
    )
    for p, value in zip(net.params, case.parameters(), strict=True):
        p[...] = value
    return net


def ours(case, backend, dtype="float64"):
    """Loss and gradients."""
    x, y, weights = case.data()
    return network_of(case, backend, dtype).loss_and_grad(x, y, weights)


def assert_same(actual, wanted, bound=FLOAT64_BOUND):
    loss, grads = actual
    their_loss, theirs = wanted
    assert abs(loss - their_loss) <= bound * abs(their_loss)
    for k, (g, other) in enumerate(zip(grads, theirs, strict=True)):
        assert g.shape == other.shape
        assert np.abs(g - other).max() <= bound * np.abs(other).max(), f"gradient {k}"


# --- stored -----------------------------------------------------------------------------------------


@functools.cache
def load():
    with np.load(FILE) as file:
        return {name: file[name] for name in file.files}


def stored(case):
    file = load()
    k = file["ids"].tolist().index(case.id)
    start = file["ends"][k - 1] if k else 0
    loss, *numbers = file["numbers"][start : file["ends"][k]]
    shapes = [p.shape for p in case.parameters()]
    cuts = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1]
    parts = np.split(np.array(numbers), cuts)
    return loss, [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_stored(loss, activation, backend):
    cases = [case for case in STORED if (case.loss, case.activation) == (loss, activation)]
    assert len({case.depth for case in cases}) >= len(DEPTHS) - 1
    for case in cases:
        assert_same(ours(case, backend), stored(case))


def test_stored_file_belongs_to_the_table():
    assert load()["ids"].tolist() == [case.id for case in STORED]
    assert len({case.id for case in STORED}) == len(STORED)
    assert str(load()["version"]).startswith("torch")
    assert FILE.stat().st_size < 300_000


# --- live -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_live_torch(loss, activation):
    """All depths and batches, with layers that are wider than a register and not its multiple."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("torch")
    for depth, batch, special in itertools.product(DEPTHS, BATCHES, ("", "weights", "penalties")):
        case = NetworkCase(activation, loss, depth, batch, special, WIDE, 11, 5)
        with threadpool_limits(1):  # their threads disturb one another where cores are few
            wanted = run_torch(case)
            found = [ours(case, backend) for backend in ENGINES]
        for own in found:
            assert_same(own, wanted)


# --- float32 ----------------------------------------------------------------------------------------


def float32_bound(case):
    """How far loss and gradients of float32 may lie from those of float64, relative to an array's largest.

    With u = 2^-24, a sum of n products of random signs is off by about sqrt(n) u of the typical size of the sum
    (Higham & Mary, 2019: rounding errors are random too). A number passes through such a sum in every layer on the
    way forward and on the way back, and over the rows; errors of layers add up, and each is magnified by the layers
    after it by no more than its values are, but for what cancels: a factor of 4.
    """
    longest = max(*case.sizes, case.batch)
    return 4 * 2 * (case.depth + 1) * np.sqrt(longest) * 2.0**-24


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "mae"])  # its slope is a jump
def test_float32(loss, activation, backend):
    for depth, batch in itertools.product(DEPTHS, BATCHES):
        case = NetworkCase(activation, loss, depth, batch, "", WIDE, 11, 5)
        value, grads = ours(case, backend, "float32")
        assert all(g.dtype == np.float32 for g in grads)
        assert_same((value, grads), ours(case, "numpy"), float32_bound(case))


# --- finite differences -----------------------------------------------------------------------------

SMOOTH = ("sigmoid", "tanh", "gelu", "softplus", "identity")
SLOPES = ("cross_entropy", "binary_cross_entropy", "mse", "half_squares", "poisson")


@st.composite
def architectures(draw):
    depth = draw(st.integers(0, 4))
    sizes = draw(st.lists(st.integers(1, 20), min_size=depth + 2, max_size=depth + 2))
    return {
        "sizes": sizes,
        "activation": draw(st.sampled_from(SMOOTH)),
        "loss": draw(st.sampled_from(SLOPES)),
        "l1": draw(st.sampled_from((0.0, 0.01))),
        "l2": draw(st.sampled_from((0.0, 0.1))),
        "sum_outputs": draw(st.sampled_from((None, True, False))),
    }


def targets_for(loss, n, outputs, rng):
    if loss == "cross_entropy":
        return rng.integers(outputs, size=n)
    if loss == "binary_cross_entropy":
        return rng.uniform(size=(n, outputs))
    return np.abs(rng.normal(size=(n, outputs)))


@pytest.mark.parametrize("backend", ENGINES)
@given(a=architectures(), rows=st.integers(1, 40), weighted=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_finite_differences(backend, a, rows, weighted, seed):
    """The loss along a random direction, whose slope is the gradient's product with it.

    The loss is exact to about 1e-15 of its size L and of the sizes of what is summed; with a step h the
    central difference is off by 1e-15 L / h and by h^2 times a third derivative: h = 1e-5 leaves 1e-10.
    """
    rng = np.random.default_rng(seed)
    net = gd.MLP(**a, dtype="float64", backend=backend, rng=seed)
    x = rng.normal(size=(rows, a["sizes"][0]))
    y = targets_for(a["loss"], rows, a["sizes"][-1], rng)
    w = rng.uniform(0.1, 2.0, rows) if weighted else None
    for b in net.params[1::2]:
        b[...] = rng.normal(size=b.shape) / 4
    loss, grads = net.loss_and_grad(x, y, w)
    directions = [rng.normal(size=p.shape) for p in net.params]
    length = np.sqrt(sum(np.sum(d * d) for d in directions))
    slope = sum(np.sum(g * d) for g, d in zip(grads, directions, strict=True)) / length
    start, h, values = [p.copy() for p in net.params], 1e-5, []
    for sign in (1, -1):
        for p, s, d in zip(net.params, start, directions, strict=True):
            p[...] = s + sign * h / length * d
        values.append(net.loss_and_grad(x, y, w)[0])
    size = max(abs(loss), 1.0, *(np.abs(g).max() for g in grads))
    assert abs((values[0] - values[1]) / (2 * h) - slope) <= 1e-7 * size
