"""A network on the GPU: the numbers of the NumPy reference, as far as the order of sums lets them be the same.

Products, shares and bias gradients are sums in another order than NumPy's: a result differs by a few roundings of its
terms, and updates carry such differences on. So comparisons here allow some units of the dtype's 24 or 53 binary digits
of numbers of size 1; what has no sum in it (masks of dropout) is compared bit by bit.
"""

import copy
import math
import pickle
import signal
from dataclasses import replace

import numpy as np
import pytest
from grids import SAMPLED_CASES

import fastgd as gd
from fastgd.engines.cuda import device, network_data, network_kernels, network_training
from fastgd.engines.cuda import networks as cuda_networks
from fastgd.engines.cuda.network_data import Data
from fastgd.engines.cuda.networks import CudaNetwork
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES, Architecture, Rows, Stretch
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.reference.networks import Reference, dropout_mask
from fastgd.network.history import DivergenceWarning
from fastgd.network.trainer import Trainer
from fastgd.signals import of_the_process

SINGLE, DOUBLE = np.dtype("float32"), np.dtype("float64")
CLOSE = {SINGLE: {"rtol": 1e-5, "atol": 2e-6}, DOUBLE: {"rtol": 1e-12, "atol": 1e-14}}
RNG = np.random.default_rng(7)
X, CLASSES, VALUES = RNG.normal(size=(7, 3)), RNG.integers(0, 2, 7), RNG.normal(size=(7, 2))
WEIGHTS = RNG.uniform(0.5, 2.0, 7)


def softsign(z):
    size = 1 + np.abs(z)
    return z / size, 1 / (size * size)


def quantile(z, y):
    error = y - z
    return np.maximum(0.9 * error, -0.1 * error), np.where((error > 0) & (error < 9), -0.9, 0.1)


def architecture(activation="tanh", loss="cross_entropy", dtype=DOUBLE, sizes=(3, 4, 2), **more):
    return Architecture(
        sizes,
        activation,
        loss,
        dtype,
        constants=(0.2,) if activation == "leaky_relu" else (),
        loss_constants=(0.4,) if loss == "huber" else (),
        **more,
    )


def drawn(a, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=s).astype(a.dtype) for s in a.shapes]


def rows_for(a, weights=WEIGHTS, x=X, scale=1.0):
    y = np.abs(VALUES).round().clip(0, 1) if a.link in {"sigmoid", "exp"} else VALUES
    y = CLASSES.astype(np.int32) if a.classes else y.astype(a.dtype)
    return Rows(x, y, weights, scale)


def assert_same_pass(a, rows, index=None):
    params, engine, reference = drawn(a), CudaNetwork(a), Reference(a)
    close = CLOSE[a.dtype]
    outputs = engine.forward(params, rows.x, rows.scale)
    assert outputs.dtype == a.dtype
    np.testing.assert_allclose(outputs, reference.forward(params, rows.x, rows.scale), **close)
    loss, penalty, grads = engine.loss_and_grad(params, rows, index)
    wanted = reference.loss_and_grad(params, rows, index)
    np.testing.assert_allclose(loss, wanted[0], **close)
    np.testing.assert_allclose(penalty, wanted[1], rtol=1e-12)
    for g, w in zip(grads, wanted[2], strict=True):
        np.testing.assert_allclose(g, w, **close)


# --- passes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, softsign])
def test_activations(activation, dtype):
    a = architecture(activation, dtype=dtype)
    assert_same_pass(a, rows_for(a))


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
@pytest.mark.parametrize("loss", [*LOSSES, quantile])
def test_losses(loss, dtype):
    a = architecture("relu", loss, dtype)
    assert_same_pass(a, rows_for(a))


def test_sums_over_outputs_caps_and_an_index():
    a = architecture(loss="mse", sum_outputs=True, loss_cap=0.7)
    assert_same_pass(a, rows_for(a), np.array([6, 2, 2, 0]))
    a = architecture(loss_cap=0.4)
    assert_same_pass(a, rows_for(a, None), np.array([5]))


@pytest.mark.parametrize("per_row", [False, True])
def test_penalties(per_row):
    a = architecture(l1=0.1, l2=0.03, penalty_per_row=per_row, dtype=SINGLE)
    assert_same_pass(a, rows_for(a))
    assert_same_pass(a, rows_for(a, np.zeros(7)))


def test_more_outputs_than_a_row_has_threads_and_more_layers():
    a = architecture("relu", "mse", sizes=(3, 4, 3, 20))
    y = np.random.default_rng(1).normal(size=(7, 20))
    assert_same_pass(a, Rows(X, y))
    a = replace(a, loss="cross_entropy")
    assert_same_pass(a, Rows(X, np.array([0, 3, 19, 7, 7, 4, 12], np.int32)))


def test_without_biases():
    a = architecture(loss="mse", sizes=(3, 4, 3, 2), l2=0.1, bias=False)
    assert_same_pass(a, rows_for(a))


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
def test_kinds_of_inputs(kind, dtype):
    a = architecture(dtype=dtype)
    x = (X * 40 + 128).astype(kind)
    assert_same_pass(a, rows_for(a, None, x, 1 / 255))


def test_large_inputs_in_parts(monkeypatch):
    monkeypatch.setattr(cuda_networks, "_AT_ONCE", 3)
    a = architecture(l2=0.1)
    assert_same_pass(a, rows_for(a))


def test_no_rows_at_all():
    a = architecture()
    assert CudaNetwork(a).forward(drawn(a), X[:0]).shape == (0, 2)


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
@pytest.mark.parametrize("seed", [3, 2**64 - 1])
def test_masks_of_dropout_have_the_bits(seed, dtype):
    """Of an identity on ones, so that what comes out is the mask."""
    a, t, rows = architecture("identity", dtype=dtype), 12, 5
    z = device.to_device(np.zeros((rows, 4), dtype))
    slopes, ones = device.empty((rows, 4), dtype), device.to_device(np.ones(4, dtype))
    numbers = device.to_device(np.array([1.0, 1.0 / (1.0 - 0.4), 1.0], dtype))
    clock = device.to_device(
        np.array([4, 0, t - 5, 5 * rows, network_training.mixed_seed(seed)], np.int64)
    )
    kernel = network_kernels.activate("identity", a.dtype.char)
    places = [device.address(one) for one in (z, ones, slopes, clock, numbers)]
    z_at, ones_at, slopes_at, clock_at, numbers_at = places
    threshold = round(0.4 * 2**24)
    kernel[2, device.gpu().threads](
        z_at, ones_at, 4, slopes_at, clock_at, rows, numbers_at, threshold, 1
    )
    wanted = dropout_mask(seed, t, 1, (rows, 4), 0.4).astype(dtype)
    assert 0 < np.count_nonzero(wanted) < wanted.size
    assert (device.to_host(z) == wanted).all()
    assert (device.to_host(slopes) == wanted).all()


# --- training ---------------------------------------------------------------------------------------


def trained(backend, options, optimizer, y=CLASSES, x=X, **how):
    net = gd.MLP([3, 4, 2], **{"dtype": "float64", "rng": 3, **options}, backend=backend)
    how = {"batch_size": 3, "epochs": 2, "record": 1, "grad_norm": True, **how}
    return net.fit(x, y, optimizer=optimizer(), **how)


def assert_same_fit(options, optimizer, **how):
    ours = trained("cuda", options, optimizer, **how)
    wanted = trained("numpy", options, optimizer, **how)
    close = CLOSE[wanted.architecture.dtype]
    assert ours.status_ == wanted.status_
    assert ours.steps_ == wanted.steps_
    for p, q in zip(ours.params, wanted.params, strict=True):
        np.testing.assert_allclose(p, q, **close)
    for column in ("loss", "grad_norm", "lr"):
        mine = getattr(ours.history_, column)
        np.testing.assert_allclose(mine, getattr(wanted.history_, column), **close)
    theirs = wanted.optimizer_.state_dict()
    for key, value in ours.optimizer_.state_dict().items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value, theirs[key], **close)
    return ours


def adam():
    return gd.Adam(lr=0.05)


FITS = {
    "single": ({"dtype": "float32"}, adam, {}),
    "weights": ({}, adam, {"sample_weight": WEIGHTS}),
    "penalties": ({"l1": 0.01, "l2": 0.1}, adam, {}),
    "dropout": ({"dropout": 0.4}, adam, {}),
    "without biases": ({"bias": False}, lambda: gd.Adam(lr=0.05, clip_norm=0.3), {}),
    "uint8": ({}, adam, {"x": (X * 40 + 128).astype(np.uint8)}),
    "all rows": ({}, adam, {"batch_size": 100}),
    "one row": ({}, adam, {"batch_size": 1, "epochs": 1}),
    "values": ({"loss": "mse", "activation": "gelu"}, adam, {"y": VALUES}),
    "own functions": ({"loss": quantile, "activation": softsign}, adam, {"y": VALUES}),
    "clipped": ({}, lambda: gd.SGD(lr=0.5, momentum=0.9, clip_norm=0.3), {}),
    "groups": (
        {},
        lambda: gd.Adam(
            lr=0.05, groups={1: {"lr": 0.5}, 2: {"weight_decay": 0.1, "clip_norm": 0.2}}
        ),
        {},
    ),
    "schedule": ({}, lambda: gd.SGD(lr=gd.schedules.cosine(0.3, total=6)), {}),
    "drop last": ({}, adam, {"drop_last": True}),
}


@pytest.mark.parametrize("name", FITS)
def test_fit(name):
    options, optimizer, how = FITS[name]
    assert_same_fit(options, optimizer, **how)


@pytest.mark.parametrize("case", SAMPLED_CASES, ids=lambda case: case.id)
def test_every_optimizer(case):
    """A linear model, three updates."""
    nets = []
    for backend in ("cuda", "numpy"):
        net = gd.MLP([3, 2], dtype="float64", rng=1, backend=backend)
        nets.append(net.fit(X, CLASSES, optimizer=case.make(), batch_size=3, steps=3))
    for p, q in zip(nets[0].params, nets[1].params, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-11)  # RMSprop divides by what is near 0


def test_a_rule_of_ones_own():
    def plain(p, g, rate):
        return (p - rate * g,)

    def numbers(t, lr):
        if t == 3:
            raise ZeroDivisionError("no third update")
        return (lr,)

    own = gd.Optimizer.from_rule(plain, state=(), coefficients=numbers, defaults={"lr": 0.1})
    nets = []
    for backend in ("cuda", "numpy"):
        net = gd.MLP([3, 2], dtype="float64", rng=1, backend=backend)
        with pytest.raises(ZeroDivisionError, match="third"):
            net.fit(X, CLASSES, optimizer=own(backend="numpy"), batch_size=3, epochs=2)
        nets.append(net)
    assert nets[0].steps_ == nets[1].steps_ == nets[0].optimizer_.t == 2
    for p, q in zip(nets[0].params, nets[1].params, strict=True):
        np.testing.assert_allclose(p, q, **CLOSE[DOUBLE])


# --- a stretch --------------------------------------------------------------------------------------


def stretch_of(trainer, order, first=0, last=3, batch_size=3):
    orders = np.atleast_2d(order).astype(np.int32)
    rows = orders.shape[1]
    return Stretch(
        orders,
        rows,
        batch_size,
        -(-rows // batch_size),
        first,
        last,
        trainer.plan,
        trainer.plan.rates_ahead(last - first),
        trainer.plan.t,
        norms=np.zeros(last - first) if trainer.norms else None,
    )


def begun(backend, optimizer=None, **options):
    net = gd.MLP([3, 2], **{"dtype": "float64", "loss": "mse", **options}, backend=backend)
    rows = net.rows(X, VALUES)
    return net, Trainer(net, rows, optimizer or gd.SGD(lr=0.1))


def test_divergence_ends_a_stretch_before_the_update():
    found = []
    for backend in ("cuda", "numpy"):
        net, trainer = begun(backend, gd.SGD(lr=1e200))
        stretch = stretch_of(trainer, np.arange(7))
        net.engine.train(net.params, trainer.rows, stretch)
        found.append((stretch, net.params))
    ours, wanted = found
    assert ours[0].diverged
    assert wanted[0].diverged
    assert ours[0].done == wanted[0].done == 1
    assert math.isinf(ours[0].losses[1])
    for p, q in zip(ours[1], wanted[1], strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-12)


def test_divergence_of_a_fit():
    net = gd.MLP([3, 2], dtype="float64", loss="mse", backend="cuda")
    before = [p.copy() for p in net.params]
    with pytest.warns(DivergenceWarning, match="diverged at update 1 "):
        net.fit(X, VALUES, optimizer=gd.SGD(lr=1e200), batch_size=3)
    assert net.status_ == Status.DIVERGED
    for p, q in zip(net.params, before, strict=True):
        assert (p == q).all()


def test_what_a_short_batch_lacks_does_not_count():
    """Its rows' zeros times an infinite weight are no number."""
    net, trainer = begun("cuda")
    trainer.network.params[1][...] = 0.25
    stretch = stretch_of(trainer, np.arange(7), 2, 3)
    net.engine.train(net.params, trainer.rows, stretch)
    wanted, other = begun("numpy")
    wanted.params[1][...] = 0.25
    wanted.engine.train(wanted.params, other.rows, stretch_of(other, np.arange(7), 2, 3))
    for p, q in zip(net.params, wanted.params, strict=True):
        np.testing.assert_allclose(p, q, **CLOSE[DOUBLE])


def interrupt_at(monkeypatch, update, number=signal.SIGINT):
    made, go = [], network_training.Replay.go

    def counted(self, launches):
        made.append(1)
        if len(made) == update:
            signal.raise_signal(number)
        go(self, launches)

    monkeypatch.setattr(network_training.Replay, "go", counted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_between_two_updates(number, monkeypatch):
    monkeypatch.setattr(CudaNetwork, "seconds_of_stretch", 1e9)
    interrupt_at(monkeypatch, 3, number)
    before = signal.getsignal(number)
    with of_the_process():
        net = trained("cuda", {}, adam, record=None)
    assert signal.getsignal(number) is before
    assert net.status_ == Status.INTERRUPTED
    assert net.steps_ == net.optimizer_.t == 3
    monkeypatch.undo()
    wanted = trained("numpy", {}, adam, epochs=None, steps=3)
    for p, q in zip(net.params, wanted.params, strict=True):
        np.testing.assert_allclose(p, q, **CLOSE[DOUBLE])


def test_an_error_counts_what_was_done(monkeypatch):
    go = network_training.Replay.go

    def failing(self, launches):
        if failing.left == 0:
            raise RuntimeError("no more")
        failing.left -= 1
        go(self, launches)

    failing.left = 2
    monkeypatch.setattr(network_training.Replay, "go", failing)
    net, trainer = begun("cuda")
    stretch = stretch_of(trainer, np.arange(7))
    before = net.params[0].copy()
    with pytest.raises(RuntimeError, match="no more"):
        net.engine.train(net.params, trainer.rows, stretch)
    assert stretch.done == 2
    assert (net.params[0] != before).any()


# --- where the data lies ----------------------------------------------------------------------------


def test_two_calls_give_the_bits_of_one():
    once = trained("cuda", {"dropout": 0.2}, adam)
    twice = trained("cuda", {"dropout": 0.2}, adam, epochs=1)
    training = twice.engine._training
    twice.fit(X, CLASSES, batch_size=3, epochs=1, grad_norm=True)
    assert twice.engine._training is training  # and with it the graph
    for p, q in zip(once.params, twice.params, strict=True):
        assert (p == q).all()


def test_data_go_to_the_card_once(monkeypatch):
    sent, send = [], Data.send
    monkeypatch.setattr(Data, "send", lambda self, *args: (sent.append(1), send(self, *args)))
    trained("cuda", {}, adam, record=1)
    assert len(sent) == 1


@pytest.mark.parametrize("room", [3, 6])
def test_data_too_large_for_the_gpu(monkeypatch, room):
    """Room for the rows of one update or two at a time."""
    monkeypatch.setattr(device, "free_memory", lambda: room * (X[0].nbytes + 4))
    monkeypatch.setattr(network_data, "_SHARE", 1.0)
    net = assert_same_fit({}, adam)
    assert not net.engine._data.resident
    assert net.engine._training.task.updates == room // 3


def test_a_batch_too_large_for_the_gpu(monkeypatch):
    monkeypatch.setattr(device, "free_memory", lambda: 100)
    with pytest.raises(MemoryError, match="batch of 3 rows"):
        trained("cuda", {}, adam)


# --- the network's face -----------------------------------------------------------------------------


def test_arguments():
    with pytest.raises(TypeError, match="tf32 must be True or False, got 1"):
        gd.MLP([3, 2], tf32=1)
    net = gd.MLP([3, 2], backend="cuda", tf32=True)
    assert net.fresh().tf32
    assert not net.fresh(tf32=False).tf32
    assert isinstance(net.fresh(backend="numpy").engine, Reference)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.tf32
        assert isinstance(other.engine, CudaNetwork)
    assert not isinstance(gd.MLP([3, 2], backend="auto").engine, CudaNetwork)


def test_saved_and_continued(tmp_path):
    net = trained("cuda", {}, adam, epochs=1)
    net.save(tmp_path / "net.npz")
    gd.set_backend("cuda")
    try:
        loaded = gd.MLP.load(tmp_path / "net.npz")
    finally:
        gd.set_backend(None)
    assert isinstance(loaded.engine, CudaNetwork)
    loaded.fit(X, CLASSES, optimizer=adam(), batch_size=3, epochs=1)
    net.fit(X, CLASSES, batch_size=3, epochs=1)
    for p, q in zip(loaded.params, net.params, strict=True):
        assert (p == q).all()


def test_outputs_and_scores():
    net = trained("cuda", {}, adam)
    other = net.fresh(backend="numpy")
    for p, q in zip(other.params, net.params, strict=True):
        p[...] = q
    assert (net.predict(X) == other.predict(X)).all()
    assert net.loss(X, CLASSES) == pytest.approx(other.loss(X, CLASSES), rel=1e-12)


def test_sweeps_are_refused():
    problem = gd.MLP([3, 2], backend="cuda").problem(X, CLASSES, batch_size=3)
    with pytest.raises(ValueError, match="one network at a time"):
        gd.sweep(problem, gd.SGD(lr=0.1), {"lr": [0.1, 0.2]}, max_iter=1)
