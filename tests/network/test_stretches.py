"""A call of the engine makes updates of many epochs: what is recorded, kept and tested does not depend on how many."""

import warnings

import numpy as np
import pytest
from network.nets import X, Y, copies, network, same_bits

import fastgd as gd
from fastgd.batches import Batches, GivenOrders
from fastgd.engines.protocol.networks import Checkpoints
from fastgd.engines.protocol.outcomes import Status
from fastgd.network import trainer as trainers

ENGINES = ["numpy", "numba", "cython"]
RECORDED = ("step", "epoch", "loss", "lr", "grad_norm")


def same_history(one, other):
    for name in RECORDED:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def fitted(backend="cython", *, watched=False, **options):
    """A network, trained; watched, every record ends a call of the engine."""
    net = network(backend=backend, activation=options.pop("activation", "tanh"))
    given = {"optimizer": gd.SGD(lr=lambda t: 0.1 / (1 + t)), "batch_size": 30, "epochs": 7}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gd.DivergenceWarning)
        net.fit(X, Y, callbacks=[lambda h: None] if watched else (), **(given | options))
    return net


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 100, "epochs": 40},
        {"batch_size": 1, "epochs": 2},
        {"record": 3, "grad_norm": True},
        {"record": 1, "shuffle": False},
        {"record": 9, "drop_last": True},
        {"steps": 17, "epochs": None},
        {"steps": 17, "epochs": None, "record": 50},
    ],
    ids=str,
)
def test_records_of_one_call_are_those_of_many(backend, options):
    net, watched = fitted(backend, **options), fitted(backend, watched=True, **options)
    same_history(net.history_, watched.history_)
    assert same_bits(net.params, watched.params)
    assert net.steps_ == watched.steps_ == net.optimizer_.t
    assert (net.epochs_, net.steps_in_epoch_) == (watched.epochs_, watched.steps_in_epoch_)
    assert (np.diff(net.history_.seconds) >= 0).all()


@pytest.mark.parametrize("most", [1, 5, 64])
@pytest.mark.parametrize("options", [{"record": 3}, {"batch_size": 100, "epochs": 50}], ids=str)
def test_where_a_call_ends_does_not_matter(most, options, monkeypatch):
    whole = fitted(**options)
    monkeypatch.setattr(trainers, "_MOST", most)
    cut = fitted(**options)
    same_history(whole.history_, cut.history_)
    assert same_bits(whole.params, cut.params)


def test_epochs_beyond_those_drawn_together():
    """100 rows: 655 epochs are drawn from one generator."""
    net = fitted(batch_size=100, epochs=1500)
    by_step, optimizer = network(activation="tanh"), gd.SGD(lr=lambda t: 0.1 / (1 + t))
    orders = Batches(100, 100, True, False, by_step.seed).orders(by_step.seed, 0, 1500)
    for order in orders:
        optimizer.step(by_step.params, by_step.loss_and_grad(X[order], Y[order])[1])
    assert same_bits(net.params, by_step.params)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("lr", [2.0, 1e300])
@pytest.mark.parametrize(("size", "record"), [(100, None), (30, None), (30, 3)])
def test_divergence_ends_all_alike(backend, lr, size, record):
    """By a loss, or by a parameter at a record: the same update, the same records, the same parameters."""
    options = {"optimizer": gd.SGD(lr=lr), "batch_size": size, "epochs": 2000, "record": record}
    net = fitted(backend, activation="identity", **options)
    watched = fitted(backend, activation="identity", watched=True, **options)
    assert net.status_ is watched.status_ is Status.DIVERGED
    same_history(net.history_, watched.history_)
    assert same_bits(net.params, watched.params)
    assert net.steps_ == watched.steps_
    assert net.optimizer_.t == watched.optimizer_.t == 0


def test_an_interrupted_call_leaves_its_records(monkeypatch):
    net = network()
    train = type(net.engine).train

    class Interrupted:
        """An engine after whose third call Ctrl-C is answered."""

        def __init__(self, engine):
            self.engine, self.calls = engine, 0

        def __getattr__(self, name):
            return getattr(self.engine, name)

        def train(self, params, rows, stretch):
            train(self.engine, params, rows, stretch)
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt

    net.engine = Interrupted(net.engine)
    monkeypatch.setattr(trainers, "_MOST", 10)
    net.fit(X, Y, optimizer=gd.SGD(lr=0.01), batch_size=50, epochs=1000)
    assert net.status_ is Status.INTERRUPTED
    # One update, to see how long it takes, then ten and ten.
    assert net.steps_ == net.optimizer_.t == 21
    assert net.history_.step.tolist() == list(range(2, 22, 2))


@pytest.mark.parametrize("backend", ENGINES)
def test_checkpoints_keep_the_parameters_there(backend):
    net = network(backend=backend)
    trainer = trainers.Trainer(net, net.rows(X, Y), gd.SGD(lr=0.01), per_second=1e9)
    kept = [np.zeros_like(p) for p in net.params]
    order = np.arange(100, dtype=np.int32)
    (stretch,) = trainer.stretches(GivenOrders(order[None], 8), 0, 11, Checkpoints(4, 2, kept))
    assert (stretch.done, stretch.overflowed) == (11, False)
    twin = network(backend=backend)
    twin.fit(X, Y, optimizer=gd.SGD(lr=0.01), batch_size=8, steps=10, shuffle=False)
    assert same_bits(kept, twin.params)
    net.params[0][0, 0] = np.inf
    kept = copies(net)
    (stretch,) = trainer.stretches(GivenOrders(order[None], 8), 0, 1, Checkpoints(1, 0, kept))
    assert stretch.diverged or stretch.overflowed


@pytest.mark.parametrize("rows", [3, 100, 70_000])
@pytest.mark.parametrize("size", [1, 64, 70_000])
def test_orders_ahead_are_those_of_the_epochs(rows, size):
    batches = Batches(rows, min(size, rows), True, False, 5)
    update, n = 0, batches.updates
    for _ in range(6):
        orders, first, last = batches.ahead(update, 3 * n // 2 + 1)
        epoch = (update - first) // n
        assert update == epoch * n + first < epoch * n + last
        np.testing.assert_array_equal(orders, batches.orders(5, epoch, epoch + len(orders)))
        assert last <= len(orders) * n
        assert not orders.flags.writeable
        update += last - first
    assert Batches(rows, 1, False, False, 5).ahead(7 * rows + 1, 10) == (None, 1, 11)
