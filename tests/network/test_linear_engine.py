"""The kernels of linear models: the bits of their NumPy twin, for every loss, shape and number of threads."""

import itertools

import numpy as np
import pytest

import fastgd as gd
from fastgd.batches import GivenOrders
from fastgd.engines.native.networks import Network, set_threshold
from fastgd.engines.networks import linear_engine_for
from fastgd.engines.protocol.networks import LINEAR_LOSSES, LOSSES, Architecture, Rows
from fastgd.engines.reference.linear import LinearReference
from fastgd.engines.reference.networks import Reference
from fastgd.network.linear import LinearNetwork
from fastgd.network.trainer import Trainer

WITH_CONSTANT = ("huber", "epsilon_insensitive", "squared_epsilon_insensitive", "quantile")
INPUTS = (1, 8, 20, 32, 33, 70, 300)  # one chunk or less, whole chunks, several of each chain
ROWS = (1, 2, 7, 64, 700, 2500)  # one row, part of a tile, several tiles, several blocks


@pytest.fixture(autouse=True)
def several_threads():
    """Work that is small is shared too."""
    before = set_threshold(0.0)
    yield
    set_threshold(before)


def architecture(inputs, outputs, loss, dtype="float64", **options):
    constants = (0.3,) if loss in WITH_CONSTANT else ()
    kind = np.dtype(dtype)
    return Architecture(
        (inputs, outputs), "identity", loss, kind, loss_constants=constants, **options
    )


def some_rows(a, n, rng, weighted=False):
    inputs, outputs = a.sizes
    x = rng.normal(size=(n, inputs)).astype(a.dtype)
    y = rng.integers(0, 2, (n, outputs)).astype(a.dtype)
    if a.classes:
        y = rng.integers(0, outputs, n).astype(np.int32)
    return Rows(x, y, rng.random(n) if weighted else None)


def some_params(a, rng):
    sizes = a.sizes[0] ** -0.5, 1.0
    return [
        (s * rng.normal(size=shape)).astype(a.dtype)
        for s, shape in zip(sizes, a.shapes, strict=True)
    ]


def assert_same(found, wanted):
    assert found[:2] == wanted[:2]
    for g, right in zip(found[2], wanted[2], strict=True):
        np.testing.assert_array_equal(g, right)


@pytest.mark.parametrize("loss", [*LOSSES, *LINEAR_LOSSES])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_have_the_bits_of_numpy(loss, dtype):
    rng = np.random.default_rng(0)
    for inputs, n, outputs in itertools.product(
        INPUTS, ROWS, (2, 3) if loss == "cross_entropy" else (1, 3)
    ):
        options = {"l1": 0.1, "l2": 0.2} if rng.random() < 0.5 else {}
        mean = {"sum_outputs": bool(rng.integers(2))}
        a = architecture(inputs, outputs, loss, dtype, **options, **mean)
        rows, params = some_rows(a, n, rng, rng.random() < 0.5), some_params(a, rng)
        index = rng.permutation(n)[: n // 2 + 1].astype(np.int32) if rng.random() < 0.5 else None
        wanted = LinearReference(a).loss_and_grad(params, rows, index)
        for threads in (1, 2):
            engine = Network(a, threads, linear=True)
            assert_same(engine.loss_and_grad(params, rows, index), wanted)
            outputs_wanted = LinearReference(a).forward(params, rows.x)
            np.testing.assert_array_equal(engine.forward(params, rows.x), outputs_wanted)
            assert engine.assess(params, rows) == LinearReference(a).assess(params, rows)
        ordinary = Reference(a).loss_and_grad(params, rows, index)
        for g, right in zip(wanted[2], ordinary[2], strict=True):
            bound = 1e-4 if dtype == "float32" else 1e-11
            np.testing.assert_allclose(g, right, rtol=bound, atol=bound)


def trained(a, rows, optimizer, batch, *, backend="cython", threads=1, norms=False):
    net = LinearNetwork.from_architecture(a, backend=backend, n_threads=threads, rng=1)
    orders = np.stack([np.random.default_rng(k).permutation(len(rows)) for k in range(2)])
    trainer = Trainer(net, rows, optimizer.fresh(), norms=norms)
    batches = GivenOrders(orders.astype(np.int32), batch)
    stretches = list(trainer.stretches(batches, 0, 2 * -(-len(rows) // batch)))
    losses = np.concatenate([s.losses for s in stretches])
    return net.params, losses, np.concatenate([s.norms for s in stretches]) if norms else None


OPTIMIZERS = {
    "sgd": gd.SGD(lr=0.01),
    "adam": gd.Adam(lr=0.01),
    "clipped": gd.SGD(lr=0.01, clip_norm=0.1),
    "decayed": gd.Momentum(lr=0.01, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("batch", [1, 32, 100])
@pytest.mark.parametrize(
    ("loss", "outputs"), [("huber", 1), ("binary_cross_entropy", 2), ("cross_entropy", 3)]
)
def test_training_has_the_bits_of_numpy(name, batch, loss, outputs):
    rng = np.random.default_rng(3)
    a = architecture(20, outputs, loss, l2=0.01)
    rows, norms = some_rows(a, 100, rng, weighted=True), name == "clipped"
    options = OPTIMIZERS[name], batch
    wanted = trained(a, rows, *options, backend="numpy", norms=norms)
    for threads in (1, 2):
        params, losses, found = trained(a, rows, *options, threads=threads, norms=norms)
        for p, right in zip(params, wanted[0], strict=True):
            np.testing.assert_array_equal(p, right)
        np.testing.assert_array_equal(losses, wanted[1])
        if norms:
            np.testing.assert_allclose(found, wanted[2], rtol=1e-15)  # summed by NumPy


def test_rows_are_read_where_they_are_and_not_behind_their_end():
    rng = np.random.default_rng(4)
    a = architecture(20, 1, "half_squares")
    rows, params = some_rows(a, 50, rng), some_params(a, rng)
    wide = np.full((50, 31), np.nan)  # what follows a row must not be seen
    wide[:, 5:25] = rows.x
    engine, wanted = Network(a, 1, linear=True), LinearReference(a).loss_and_grad(params, rows)
    assert_same(engine.loss_and_grad(params, Rows(wide[:, 5:25], rows.y)), wanted)
    backwards = Rows(rows.x[::-1].copy()[::-1], rows.y)
    assert_same(engine.loss_and_grad(params, backwards), wanted)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_rows_of_other_types_are_converted(kind):
    rng = np.random.default_rng(5)
    a = architecture(20, 1, "half_squares")
    x = rng.integers(0, 255, (90, 20)).astype(kind)
    rows, params = Rows(x, some_rows(a, 90, rng).y, None, 1 / 255), some_params(a, rng)
    wanted = LinearReference(a).loss_and_grad(params, rows)
    assert_same(Network(a, 2, linear=True).loss_and_grad(params, rows), wanted)


def test_many_outputs_are_those_of_networks():
    few, many = (linear_engine_for(architecture(4, n, "mse"), None, 1, False) for n in (1, 20))
    assert few.linear
    assert not many.linear
