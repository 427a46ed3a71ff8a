"""`MLP.fit` that ends early: callbacks, limits, Ctrl-C, divergence."""

import os
import signal
import threading
import warnings

import numpy as np
import pytest
from network.nets import X, Y, copies, network, run_python, same_bits

import fastgd as gd
from fastgd.engines.protocol.outcomes import Status
from fastgd.network import training
from fastgd.network.history import DivergenceWarning
from fastgd.optimizers.plan import Plan

ENGINES = ("numpy", "numba", "cython")


# --- callbacks, limits, interrupts --------------------------------------------------------------------


@pytest.mark.parametrize("answer", [True, np.True_])
def test_a_callback_stops(answer):
    called = []

    def second(history):
        called.append(len(history))

    net = network().fit(
        X, Y, epochs=9, callbacks=(lambda h: answer if len(h) == 2 else None, second)
    )
    assert (net.status_, called) == (Status.CONVERGED, [1, 2])


@pytest.mark.parametrize("answer", [None, False, 1, "stop", np.False_, [True]])
def test_other_answers_do_not(answer):
    net = network().fit(X, Y, epochs=3, callbacks=[lambda h: answer])
    assert (net.status_, len(net.history_)) == (Status.MAX_ITER, 3)


def test_max_seconds():
    net = network().fit(X, Y, epochs=10**9, max_seconds=0)
    assert (net.status_, len(net.history_)) == (Status.MAX_SECONDS, 1)
    assert net.steps_ >= 1
    assert network().fit(X, Y, epochs=2, max_seconds=np.inf).status_ is Status.MAX_ITER


@pytest.mark.parametrize("backend", ENGINES)
def test_an_interrupted_training_goes_on_exactly(backend):
    def press(history):
        if len(history) == 3:
            raise KeyboardInterrupt

    net, whole = network(backend=backend), network(backend=backend)
    net.fit(X, Y, optimizer=gd.Adam(), batch_size=8, epochs=5, record=5, callbacks=[press])
    assert (net.status_, net.steps_, net.epochs_) == (Status.INTERRUPTED, 15, 1)
    net.fit(X, Y, batch_size=8, steps=5 * 13 - 15)
    whole.fit(X, Y, optimizer=gd.Adam(), batch_size=8, epochs=5)
    assert same_bits(net.params, whole.params)
    assert (net.steps_, net.epochs_) == (whole.steps_, whole.epochs_)


def test_an_error_of_a_callback_comes_through():
    def fail(history):
        raise RuntimeError("mine")

    net = network()
    with pytest.raises(RuntimeError, match="mine"):
        net.fit(X, Y, batch_size=50, callbacks=[fail])
    assert (net.status_, net.steps_, net.epochs_) == (Status.INTERRUPTED, 2, 1)
    assert net.fit(X, Y, batch_size=50, epochs=1).epochs_ == 2


@pytest.mark.parametrize("backend", ENGINES)
def test_ctrl_c_counts_every_update(backend):
    """SIGINT while updates are made: the position is that of the optimizer, and training goes on exactly."""
    net, whole = network(backend=backend), network(backend=backend)
    optimizer, timers = gd.SGD(lr=1e-3), []

    def press_soon(history):
        if not timers:
            timers.append(threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)))
            timers[0].start()

    net.fit(
        X, Y, optimizer=optimizer, batch_size=8, epochs=10**9, record=130, callbacks=[press_soon]
    )
    done = net.steps_
    assert (net.status_, optimizer.t) == (Status.INTERRUPTED, done)
    assert divmod(done, 13) == (net.epochs_, net.steps_in_epoch_)
    if backend == "cython":  # in NumPy an update may be broken off in its middle
        whole.fit(X, Y, optimizer=gd.SGD(lr=1e-3), batch_size=8, steps=done)
        assert same_bits(net.params, whole.params)


@pytest.mark.parametrize("backend", ENGINES)
def test_ctrl_c_right_after_updates(backend, monkeypatch):
    """Answered at the first call after them, it finds optimizer and network at the same update."""
    net, optimizer = network(backend=backend), gd.SGD(lr=1e-3)
    write_rates = Plan.write_rates

    def pressed(self):
        write_rates(self)
        if self.t > 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(Plan, "write_rates", pressed)
    net.fit(X, Y, optimizer=optimizer, batch_size=8, epochs=9)
    assert net.status_ is Status.INTERRUPTED
    assert net.steps_ == optimizer.t > 20
    assert divmod(net.steps_, 13) == (net.epochs_, net.steps_in_epoch_)


def test_ctrl_c_in_a_process_of_its_own():
    done = run_python("""
        import os, signal, threading
        import numpy as np
        import fastgd as gd
        signal.signal(signal.SIGINT, signal.default_int_handler)
        x = np.random.default_rng(0).normal(size=(3000, 50))
        net = gd.MLP([50, 100, 1], loss="mse")
        def press(history):
            if len(history) == 1:
                threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        net.fit(x, x[:, 0], optimizer=gd.SGD(lr=1e-4), batch_size=256, epochs=10**9, callbacks=[press])
        print(net.status_.label, net.steps_ == net.optimizer_.t > 0, np.isfinite(net.predict(x)).all())
    """)
    assert (done.stdout.split(), done.stderr) == (["interrupted", "True", "True"], "")


def test_a_callback_may_reset_the_optimizer():
    """A restart: from there on as with a new one."""
    net, other = network(), network()
    optimizer = gd.Adam()
    net.fit(X, Y, optimizer=optimizer, epochs=2, callbacks=[lambda h: optimizer.reset()])
    for _ in range(2):
        other.fit(X, Y, optimizer=gd.Adam(), epochs=1)
    assert same_bits(net.params, other.params)


def test_a_callback_may_change_the_rate():
    net = network()
    optimizer = gd.SGD(lr=0.1)

    def halve(history):
        optimizer.lr = optimizer.lr / 2

    net.fit(X, Y, optimizer=optimizer, epochs=3, callbacks=[halve])
    assert net.history_.lr.tolist() == [0.1, 0.05, 0.025]


# --- divergence ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("batch", [1, 20, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["SGD", "Momentum"])
def test_divergence(optimizer, dtype, batch, backend):
    net = network(dtype=dtype, backend=backend, activation="identity")
    made = getattr(gd, optimizer)(lr=50.0)
    with pytest.warns(DivergenceWarning, match=r"at update \d+ with learning rate 50: ") as caught:
        net.fit(X, Y, optimizer=made, batch_size=batch, epochs=200)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(net.steps_) in str(caught[0].message) or str(net.steps_ - 1) in str(
        caught[0].message
    )
    assert net.status_ is Status.DIVERGED
    assert all(np.isfinite(p).all() for p in net.params)
    assert np.isfinite(net.history_.loss).all()
    assert np.isfinite(made.lr)
    # neither infinities of the optimizer nor its steps are left behind
    made.lr = 1e-4
    fresh = network(dtype=dtype, backend=backend, activation="identity")
    for p, q in zip(fresh.params, net.params, strict=True):
        q[...] = p
    net.fit(X, Y, optimizer=made, batch_size=batch, epochs=1)
    assert net.status_ is Status.MAX_ITER


def test_divergence_goes_back_to_the_last_record():
    seen = []
    net = network(activation="identity")
    with pytest.warns(DivergenceWarning, match="those of the last record before"):
        net.fit(
            X,
            Y,
            optimizer=gd.SGD(lr=2.0),
            batch_size=50,
            epochs=9999,
            callbacks=[lambda h: seen.append(copies(net))],
        )
    assert len(seen) == len(net.history_) > 0
    assert same_bits(net.params, seen[-1])


def test_divergence_goes_back_to_the_best():
    seen = []
    net = network(activation="identity")
    with pytest.warns(DivergenceWarning, match="those of the best record"):
        net.fit(
            X,
            Y,
            optimizer=gd.SGD(lr=2.0),
            batch_size=50,
            epochs=9999,
            monitor="loss",
            patience=10**6,
            callbacks=[lambda h: seen.append(copies(net))],
        )
    assert same_bits(net.params, seen[0])


def test_the_last_update_of_all_may_diverge():
    """No loss has seen its parameters; they are looked at."""
    net = network(activation="identity", dtype="float32")
    before = copies(net)
    with pytest.warns(DivergenceWarning, match=r"at update 0 with learning rate 1e\+39"):
        net.fit(1e3 * X, Y, optimizer=gd.SGD(lr=1e39), steps=1)
    assert same_bits(net.params, before)
    assert len(net.history_) == 0


def test_a_warning_that_is_an_error():
    net = network(activation="identity")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DivergenceWarning):
            net.fit(X, Y, optimizer=gd.SGD(lr=50.0), epochs=200)
    assert net.status_ is Status.DIVERGED
    assert all(np.isfinite(p).all() for p in net.params)


def test_stacklevel_of_the_function():
    net = network(activation="identity")
    with pytest.warns(DivergenceWarning) as caught:
        training.fit(net, X, Y, optimizer=gd.SGD(lr=50.0), epochs=200)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("backend", ENGINES)
def test_divergence_names_the_update_whose_loss_is_not_finite(backend):
    """One weight, by hand: w = 1, x = 1e100 give the gradient 2e200; with the rate 1e-90 then w = -2e110."""
    net = gd.MLP([1, 1], loss="mse", dtype="float64", backend=backend)
    net.params[0][...], net.params[1][...] = 1.0, 0.0
    with pytest.warns(DivergenceWarning, match="at update 1 with learning rate 1e-90:"):
        net.fit([[1e100]], [0.0], optimizer=gd.SGD(lr=1e-90), steps=5, record=9)
    assert (net.params[0][0, 0], net.steps_) == (1.0, 1)


@pytest.mark.parametrize("backend", ENGINES)
def test_divergence_by_a_schedule_names_its_rate(backend):
    rates = np.array([0.01] * 4 + [1e30] * 100)
    seen, net = [], network(activation="identity", dtype="float32", backend=backend)
    with pytest.warns(DivergenceWarning, match=r"learning rate 1e\+30"):
        net.fit(
            X,
            Y,
            optimizer=gd.SGD(lr=lambda t: rates[t]),
            batch_size=25,
            steps=100,
            record=2,
            callbacks=[lambda h: seen.append(copies(net))],
        )
    assert len(net.history_) == len(seen) == 2
    assert same_bits(net.params, seen[-1])


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("loss", ["cross_entropy", "poisson", "half_squares", "huber"])
def test_divergence_of_every_kind_of_loss(loss, backend):
    y = np.arange(100) % 2 if loss == "cross_entropy" else np.abs(Y) * [1.0, 2.0]
    net = gd.MLP([4, 6, 2], activation="relu", loss=loss, backend=backend)
    before, optimizer = copies(net), gd.Adam(lr=1e30)
    with pytest.warns(DivergenceWarning, match=r"1e\+30"):
        net.fit(X, y, optimizer=optimizer, batch_size=20, epochs=50, record=10**6)
    assert (net.status_, optimizer.t) == (Status.DIVERGED, 0)
    assert same_bits(net.params, before)
    assert np.isfinite(net.predict_proba(X)).all()


def test_parameters_that_are_no_numbers_at_the_start():
    net = network()
    net.params[0][0, 0] = np.nan
    with pytest.warns(DivergenceWarning, match="at update 0"):
        net.fit(X, Y, optimizer=gd.SGD(lr=0.1), epochs=1)
    assert (net.status_, net.steps_) == (Status.DIVERGED, 0)
