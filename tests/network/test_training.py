"""`MLP.fit`: continuation, history, early stopping, data on disk."""

import copy
import inspect
import os
import pickle

import numpy as np
import pytest
from network.nets import HELD_OUT, X, Y, copies, network, run_python, same_bits

import fastgd as gd
from fastgd.batches import GivenOrders
from fastgd.engines.native import networks as native_networks
from fastgd.engines.protocol.outcomes import Status
from fastgd.network.trainer import Trainer

ENGINES = ("numpy", "numba", "cython")
# --- how long, and continuation -----------------------------------------------------------------------


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("batch", [1, 32, 100, 1000])
def test_epochs_one_by_one(batch, dropout, backend):
    nets = [network(dropout=dropout, backend=backend) for _ in range(3)]
    rate = gd.schedules.warmup_cosine(peak=0.05, warmup=3, total=50)
    optimizers = [gd.Adam(lr=rate) for _ in nets]
    nets[0].fit(X, Y, optimizer=optimizers[0], batch_size=batch, epochs=4)
    for _ in range(4):
        nets[1].fit(X, Y, optimizer=optimizers[1], batch_size=batch, epochs=1)
    left, sizes = nets[0].steps_, (1, 2, 5, 3)
    while left:
        steps = min(left, sizes[left % 4])
        nets[2].fit(X, Y, optimizer=optimizers[2], batch_size=batch, steps=steps)
        left -= steps
    for net in nets[1:]:
        assert same_bits(net.params, nets[0].params)
        assert (net.steps_, net.epochs_) == (nets[0].steps_, 4)


def test_the_last_optimizer_goes_on():
    one, two = network(), network()
    one.fit(X, Y, optimizer=gd.Momentum(lr=0.01), epochs=3)
    two.fit(X, Y, optimizer=gd.Momentum(lr=0.01), epochs=1).fit(X, Y, epochs=2)
    assert same_bits(one.params, two.params)
    assert isinstance(network().fit(X, Y, epochs=1).optimizer_, gd.Adam)


def test_counts():
    net = network().fit(X, Y, batch_size=30, epochs=2)
    assert (net.steps_, net.epochs_, net.status_) == (8, 2, Status.MAX_ITER)
    net.fit(X, Y, batch_size=30, epochs=2, drop_last=True)
    assert (net.steps_, net.epochs_) == (14, 4)
    net.fit(X, Y, batch_size=30, steps=5)
    assert (net.steps_, net.epochs_) == (19, 5)
    before = copies(net)
    for nothing in ({"epochs": 0}, {"steps": 0}):
        net.fit(X, Y, batch_size=30, **nothing)
        assert (net.steps_, len(net.history_), net.status_) == (19, 0, Status.MAX_ITER)
    assert same_bits(net.params, before)
    assert len(network().fit(X, Y).history_) == 10
    assert network().fit(X, Y, batch_size=np.int64(50), epochs=np.int32(1)).steps_ == 2


def test_one_row():
    net = network().fit(X[:1], Y[0], epochs=3)
    assert net.steps_ == 3
    assert np.isfinite(net.predict(X)).all()


def test_orders_are_new_in_each_epoch_and_of_the_seed():
    def losses(**options):
        net = network().fit(X, Y, optimizer=gd.SGD(lr=0.0), batch_size=10, record=1, **options)
        return net.history_.loss

    first = losses(epochs=2)
    assert np.array_equal(first, losses(epochs=2))
    assert not np.array_equal(first[:10], first[10:])
    assert not np.array_equal(first, losses(epochs=2, rng=4))
    generators = [losses(epochs=2, rng=np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(*generators)
    rows = losses(epochs=2, shuffle=False)
    assert np.array_equal(rows[:10], rows[10:])
    assert first.mean() == pytest.approx(rows.mean())


def test_drop_last():
    net = network().fit(
        X, Y, optimizer=gd.SGD(lr=0.0), batch_size=60, epochs=1, drop_last=True, shuffle=False
    )
    assert net.history_.loss[0] == pytest.approx(net.loss(X[:60], Y[:60]), rel=1e-13)


# --- history ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ENGINES)
def test_history(backend):
    net = network(backend=backend, l2=0.1)
    before, start = copies(net), net.loss_and_grad(X, Y)[0]
    net.fit(
        X,
        Y,
        optimizer=gd.SGD(lr=lambda t: 0.1 / (1 + t)),
        batch_size=100,
        epochs=3,
        grad_norm=True,
        validation=HELD_OUT,
    )
    h = net.history_
    assert (h.step.tolist(), h.epoch.tolist()) == ([1, 2, 3], [1, 2, 3])
    assert np.allclose(h.lr, [0.1, 0.05, 0.1 / 3])
    assert h.loss[0] == pytest.approx(start, rel=1e-12)
    assert (np.diff(h.loss) < 0).all()
    assert (h.grad_norm > 0).all()
    assert (np.diff(h.seconds) >= 0).all()
    assert h.val_loss[-1] == net.loss(*HELD_OUT)
    assert h.val_metric[-1] == net.score(*HELD_OUT)
    assert list(h.to_pandas().columns) == list(h.columns)
    assert not same_bits(net.params, before)
    for twin in (copy.deepcopy(h), pickle.loads(pickle.dumps(h))):
        assert np.array_equal(twin.loss, h.loss)
    with pytest.raises(AttributeError, match="accuracy"):
        _ = h.accuracy


@pytest.mark.parametrize(
    ("record", "wanted"),
    [(1, range(1, 13)), (3, [3, 6, 9, 12]), (5, [5, 10, 12]), (50, [12]), (None, [4, 8, 12])],
)
def test_stride_of_records(record, wanted):
    """Whatever the stride, the losses are the mean since the record before, and training is the same."""
    every = network().fit(X, Y, batch_size=25, epochs=3, record=1)
    net = network().fit(X, Y, batch_size=25, epochs=3, record=record)
    steps = net.history_.step.astype(int)
    assert steps.tolist() == list(wanted)
    assert np.allclose(net.history_.epoch, steps / 4)
    means = [every.history_.loss[a:b].mean() for a, b in zip([0, *steps[:-1]], steps, strict=True)]
    assert np.allclose(net.history_.loss, means, rtol=1e-13)
    assert same_bits(net.params, every.params)


def test_accuracy_is_the_metric_of_classes():
    labels = (Y[:, 0] > 0).astype(int)
    net = gd.MLP([4, 8, 2]).fit(X, labels, epochs=3, validation=(X, labels))
    assert net.history_.val_metric[-1] == np.mean(net.predict(X) == labels) == net.score(X, labels)


@pytest.mark.parametrize("backend", ENGINES)
def test_every_record_is_right(backend):
    """Losses and norms before each update, validation after it, beside steps done by hand."""
    net, twin = (network(backend=backend, l1=0.01, l2=0.1) for _ in range(2))
    makers = [gd.SGD(lr=lambda t: 0.1 / (1 + t)) for _ in range(2)]
    net.fit(
        X,
        Y,
        optimizer=makers[0],
        batch_size=30,
        epochs=2,
        record=1,
        shuffle=False,
        grad_norm=True,
        validation=HELD_OUT,
    )
    h = net.history_
    assert np.allclose(h.epoch, np.arange(1, 9) / 4, rtol=1e-15)
    for k in range(8):
        rows = slice(k % 4 * 30, k % 4 * 30 + 30)
        loss, grads = twin.loss_and_grad(X[rows], Y[rows])
        makers[1].step(twin.params, grads)
        norm = np.sqrt(sum(np.sum(g * g) for g in grads))
        found = (h.loss[k], h.grad_norm[k], h.val_loss[k], h.val_metric[k])
        assert found == pytest.approx(
            (loss, norm, twin.loss(*HELD_OUT), twin.score(*HELD_OUT)), rel=1e-11
        )


def test_every_call_has_a_history_of_its_own():
    net = network().fit(X, Y, epochs=2)
    first = net.history_
    net.fit(X, Y, epochs=1)
    assert (len(first), len(net.history_), net.history_.step.tolist()) == (2, 1, [12])


# --- early stopping -----------------------------------------------------------------------------------


def falling_then_rising(net, monitor, patience, **options):
    """After 6 epochs the gradient is climbed, slowly enough for 5 epochs to stay among the numbers."""
    up = gd.SGD(lr=0.01, maximize=True)
    net.fit(X, Y, optimizer=gd.SGD(lr=0.02), epochs=6)
    return net.fit(X, Y, optimizer=up, epochs=5, monitor=monitor, patience=patience, **options)


@pytest.mark.parametrize("monitor", ["val_loss", "val_metric", "loss"])
@pytest.mark.parametrize("patience", [1, 3])
def test_patience_restores_the_best(monitor, patience):
    seen = []
    net = network()
    falling_then_rising(
        net, monitor, patience, validation=HELD_OUT, callbacks=[lambda h: seen.append(copies(net))]
    )
    assert net.status_ is Status.CONVERGED
    assert len(net.history_) == len(seen) == 1 + patience
    assert same_bits(net.params, seen[0])
    assert net.steps_ == 4 * (6 + 1 + patience)


def test_the_best_is_restored_at_the_end_too():
    seen, net = [], network()
    falling_then_rising(net, "loss", 50, callbacks=[lambda h: seen.append(copies(net))])
    assert (net.status_, len(seen)) == (Status.MAX_ITER, 5)
    assert same_bits(net.params, seen[0])


def test_min_delta():
    def records(delta):
        net = network()
        net.fit(
            X,
            Y,
            optimizer=gd.SGD(lr=1e-4),
            epochs=20,
            validation=HELD_OUT,
            patience=3,
            min_delta=delta,
        )
        return len(net.history_)

    assert records(0.0) == 20
    assert records(10.0) == 4


def test_a_monitor_that_is_no_number():
    """R² of constant values is none; nothing is better, and the first parameters are kept."""
    seen, net = [], network()
    constant = (X[:5], np.ones(5))
    net.fit(
        X,
        Y,
        epochs=20,
        validation=constant,
        monitor="val_metric",
        patience=2,
        callbacks=[lambda h: seen.append(copies(net))],
    )
    assert np.isnan(net.history_.val_metric).all()
    assert (len(seen), net.status_) == (3, Status.CONVERGED)
    assert same_bits(net.params, seen[0])


# --- the face -----------------------------------------------------------------------------------------


def test_help_shows_the_arguments():
    names = list(inspect.signature(network().fit).parameters)
    assert names[:4] == ["X", "y", "optimizer", "batch_size"]
    text = inspect.getdoc(gd.MLP.fit)  # from Python 3.13 on __doc__ has no indentation either
    for name in names[2:]:
        assert f"\n{name}" in text or f", {name} :" in text, name


def test_fit_returns_the_network_itself():
    class Own(gd.MLP):
        pass

    net = Own([4, 1], loss="mse")
    assert net.fit(X, Y, epochs=1) is net


def test_trainer_goes_in_stretches():
    net, other = network(), network()
    optimizer = gd.Adam()
    trainer = Trainer(net, net.rows(X, Y), optimizer)
    order = np.random.default_rng(1).permutation(100).astype(np.int32)
    stretches = list(trainer.stretches(GivenOrders(order[None], 8), 0, 13))
    assert [s.first for s in stretches[1:]] == [s.last for s in stretches[:-1]]
    assert (stretches[0].first, stretches[-1].last, trainer.done, optimizer.t) == (0, 13, 13, 13)
    step = gd.Adam()
    for k in range(13):
        rows = order[8 * k : 8 * k + 8]
        step.step(other.params, other.loss_and_grad(X[rows], Y[rows])[1])
    assert same_bits(net.params, other.params)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_goes_on_by_itself(twin, backend):
    net = network(backend=backend).fit(X, Y, optimizer=gd.Adam(), batch_size=8, steps=20)
    other, before = twin(net), copies(net)
    other.fit(X, Y, batch_size=8, steps=20)
    assert same_bits(net.params, before)
    net.fit(X, Y, batch_size=8, steps=20)
    assert same_bits(net.params, other.params)
    assert (net.steps_, net.epochs_) == (other.steps_, other.epochs_)


# --- data on disk -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ENGINES)
def test_mapped_rows_are_rows(backend, tmp_path):
    images = np.random.default_rng(2).integers(256, size=(60, 30), dtype=np.uint8)
    labels = np.arange(60) % 3
    images.tofile(tmp_path / "images")
    mapped = np.memmap(tmp_path / "images", np.uint8, "r", shape=images.shape)
    nets = [gd.MLP([30, 9, 3], backend=backend) for _ in range(2)]
    for net, x in zip(nets, (images, mapped), strict=True):
        net.fit(x, labels, optimizer=gd.Adam(), batch_size=7, epochs=3, validation=(x, labels))
    assert same_bits(nets[0].params, nets[1].params)
    assert np.shares_memory(nets[1].rows(mapped, labels).x, mapped)


SPARSE_FILE = """
    import re
    import numpy as np
    import fastgd as gd

    rows = {rows}
    with open({path!r}, "wb") as file:
        file.truncate(rows * 784)
    x = np.memmap({path!r}, np.uint8, "r", shape=(rows, 784))
    net = gd.MLP([784, 50, 10], rng=0)
    net.fit(x, np.zeros(rows, np.int8), optimizer=gd.SGD(lr=0.1), batch_size=256, steps={steps})
    status = open("/proc/self/status").read()
    print(net.steps_, *(re.search(name + r":\\\\s+(\\\\d+) kB", status)[1] for name in ("RssAnon", "VmHWM")))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
def test_a_large_file_is_not_copied(tmp_path):
    """2 GB of bytes, never in private memory. (The file's pages are the system's own.)"""
    source = SPARSE_FILE.format(rows=2_700_000, path=str(tmp_path / "bytes"), steps=20)
    done = run_python(source.replace("\\\\", "\\"))
    assert done.stderr == ""
    steps, anonymous, _ = map(int, done.stdout.split())
    assert steps == 20
    assert anonymous * 1024 < 500e6


def test_no_thread_is_needed():
    """With every call a team, and with none: the same."""
    found = []
    for worth in (0.0, 1e300):
        old = native_networks.set_threshold(worth)
        try:
            found.append(network(n_threads=2).fit(X, Y, optimizer=gd.Adam(), epochs=2).params)
        finally:
            native_networks.set_threshold(old)
    assert same_bits(*found)
