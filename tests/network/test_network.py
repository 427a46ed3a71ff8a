"""Networks: gradients beyond the oracle's cases, training that equals steps bit for bit, threads."""

import functools
import multiprocessing
import threading

import numpy as np
import pytest
from grids import SAMPLED_CASES
from network.nets import EPS, assert_close, copies, data, same_bits

import fastgd as gd
from fastgd.batches import Batches
from fastgd.engines.native import networks as native_networks
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.reference.networks import dropout_mask

ENGINES = ("numpy", "cython")


@pytest.fixture
def every_call_a_team():
    """Threads are used however small the work is."""
    old = native_networks.set_threshold(0.0)
    yield
    native_networks.set_threshold(old)


# --- penalties, weights, dropout ----------------------------------------------------------------------


@pytest.mark.parametrize("backend", ENGINES)
def test_weights_are_repetitions(backend):
    x, y = data(20, 4, 3)
    w = np.random.default_rng(1).integers(0, 4, 20)
    net = gd.MLP([4, 9, 3], loss="mse", dtype="float64", backend=backend)
    loss, grads = net.loss_and_grad(x, y, w)
    repeated, others = net.loss_and_grad(np.repeat(x, w, axis=0), np.repeat(y, w, axis=0))
    assert abs(loss - repeated) < 1e-13
    assert_close(grads, others, 1e-12)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("rows", [1, 7, 300])
@pytest.mark.parametrize("weighted", [False, True])
def test_penalty_per_row(backend, rows, weighted):
    """The penalties over the sum of the rows' weights, as in scikit-learn."""
    from dataclasses import replace  # noqa: PLC0415

    plain = gd.MLP([4, 5, 3], loss="mse", dtype="float64", backend=backend)
    engine = type(plain.engine)(replace(plain.architecture, l1=0.3, l2=0.7, penalty_per_row=True))
    x, y = data(rows, 4, 3)
    w = np.linspace(0.5, 2, rows) if weighted else None
    total = rows if w is None else w.sum()
    loss, grads = plain.loss_and_grad(x, y, w)
    own, penalty, others = engine.loss_and_grad(plain.params, plain.rows(x, y, w), None)
    weights = plain.params[::2]
    wanted = sum(0.3 * np.abs(p).sum() + 0.35 * (p * p).sum() for p in weights) / total
    assert own == pytest.approx(loss, rel=1e-13)
    assert penalty == pytest.approx(wanted, rel=1e-13)
    for k, p in enumerate(weights):
        grads[2 * k] = grads[2 * k] + (0.3 * np.sign(p) + 0.7 * p) / total
    assert_close(others, grads, 1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_leaves_out_its_share(share):
    mask = dropout_mask(3, 5, 1, (1000, 200), share)
    assert set(np.unique(mask)) == {0.0, 1 / (1 - share)}
    left = np.mean(mask == 0)
    assert abs(left - share) < 5 * np.sqrt(share * (1 - share) / mask.size)
    for other in (
        dropout_mask(4, 5, 1, (1000, 200), share),
        dropout_mask(3, 6, 1, (1000, 200), share),
        dropout_mask(3, 5, 2, (1000, 200), share),
    ):
        together = np.mean((mask == 0) & (other == 0))
        assert abs(together - share**2) < 5 * share / np.sqrt(mask.size)
    # neither rows nor units have a share of their own
    assert np.std((mask == 0).mean(axis=0)) < 1.5 * np.sqrt(share * (1 - share) / 1000)
    assert np.std((mask == 0).mean(axis=1)) < 1.5 * np.sqrt(share * (1 - share) / 200)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("rows", [1, 5, 70, 300])
@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1, 2**64, 2**70 + 5])
def test_dropout_masks_are_the_reference_s(backend, rows, seed):
    """One update of plain descent is the gradient with the masks of its number."""
    net = gd.MLP([6, 17, 9, 2], loss="mse", dtype="float64", dropout=0.4, rng=seed, backend=backend)
    reference = gd.MLP([6, 17, 9, 2], loss="mse", dtype="float64", dropout=0.4, backend="numpy")
    x, y = data(rows, 6, 2)
    optimizer = gd.SGD(lr=0.5)
    for t in (1, 2):
        engine, before = reference.engine, copies(net)
        masks = engine.masks(seed % 2**64, t, rows)
        _, _, grads = engine.loss_and_grad(before, net.rows(x, y), None, masks)
        net.fit(x, y, optimizer=optimizer, batch_size=rows, epochs=1, shuffle=False)
        wanted = [p - 0.5 * g for p, g in zip(before, grads, strict=True)]
        assert_close(net.params, wanted, 1e-13)
        assert not same_bits(net.params, before)


def test_dropout_is_reproducible_and_only_in_training():
    x, y = data(64, 5, 1)

    def trained(seed):
        net = gd.MLP([5, 30, 1], loss="mse", dropout=0.5, rng=seed)
        return net.fit(x, y, optimizer=gd.Adam(), batch_size=16, epochs=3)

    a, b = trained(1), trained(1)
    assert same_bits(a.params, b.params)
    assert not same_bits(a.params, trained(2).params)
    assert np.array_equal(a.predict(x), a.predict(x))
    assert a.loss(x, y) == a.loss_and_grad(x, y)[0]


# --- training is steps --------------------------------------------------------------------------------


def stepped(net, optimizer, x, y, *, batch, updates):
    """The same updates one by one, rows in order."""
    per_epoch = -(-len(x) // batch)
    for k in range(updates):
        part = slice(k % per_epoch * batch, (k % per_epoch + 1) * batch)
        optimizer.step(net.params, net.loss_and_grad(x[part], y[part])[1])
    return net


def assert_fit_is_steps(make, *, batch, rows, updates, dtype="float32", n_threads=1, **options):
    sizes, x_and_y = [6, 19, 5, 3], data(rows, 6, 3)
    nets = [
        gd.MLP(sizes, loss="mse", dtype=dtype, n_threads=n_threads, rng=4, **options)
        for _ in range(2)
    ]
    one, other = make(), make()
    nets[0].fit(*x_and_y, optimizer=one, batch_size=batch, steps=updates, shuffle=False)
    stepped(nets[1], other, *x_and_y, batch=batch, updates=updates)
    assert same_bits(nets[0].params, nets[1].params)
    assert one.t == other.t == updates
    for name, value in other.state_dict().items():
        assert np.array_equal(one.state_dict()[name], value), name


@pytest.mark.parametrize("case", SAMPLED_CASES, ids=lambda case: case.id)
def test_fit_is_steps(case, every_call_a_team):
    shapes = [(1, 75, 12), (8, 75, 12), (70, 75, 4), (290, 300, 3)]
    for k, (batch, rows, most) in enumerate(shapes):
        updates = 3 if case.kwargs.get("maximize") else most  # uphill there is no end
        for dtype in ("float32", "float64"):
            assert_fit_is_steps(
                case.make,
                batch=batch,
                rows=rows,
                updates=updates,
                dtype=dtype,
                n_threads=1 + k % 3,
            )


@pytest.mark.parametrize("optimizer", ["SGD", "Momentum", "Adam", "Rprop"])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fit_is_steps_with_threads(optimizer, n_threads, dtype, every_call_a_team):
    make = getattr(gd, optimizer)
    for batch, rows in ((1, 9), (8, 75), (70, 75), (290, 300), (600, 600)):
        assert_fit_is_steps(
            make, batch=batch, rows=rows, updates=10, dtype=dtype, n_threads=n_threads, l2=0.01
        )


def momentum_rule(p, g, m, lr, mu):
    m = mu * m + g
    return p - lr * m, m


@functools.cache
def own_class(coefficients):
    return gd.Optimizer.from_rule(
        momentum_rule,
        state=("m",),
        coefficients=coefficients,
        defaults={"lr": 0.1, "momentum": 0.9},
    )


def compilable(t, lr, momentum):
    return lr / t, momentum


def uncompilable(t, lr, momentum):
    return float(f"{lr:.3f}") / t, momentum


OPTIMIZERS = {
    "schedule": lambda: gd.Adam(lr=gd.schedules.warmup_cosine(peak=0.1, warmup=5, total=20)),
    "function of the step": lambda: gd.SGD(lr=lambda t: 0.1 / (1 + t)),
    "clip_norm": lambda: gd.Adam(lr=0.1, clip_norm=0.05),
    "clip_value": lambda: gd.Momentum(lr=0.1, clip_value=0.01),
    "both": lambda: gd.SGD(lr=0.1, clip_norm=0.1, clip_value=0.01, weight_decay=0.1, l1=0.01),
    "groups": lambda: gd.Adam(
        lr=0.1, groups={1: {"lr": 0.5, "weight_decay": 0.1}, 4: {"betas": (0.5, 0.6)}}
    ),
    "groups with schedules": lambda: gd.SGD(
        lr=lambda t: 0.1 / (1 + t), groups={0: {"lr": lambda t: 0.01 * t}}, clip_norm=0.3
    ),
    "own rule": lambda: own_class(compilable)(clip_norm=0.4),
    "own coefficients in Python": lambda: own_class(uncompilable)(clip_value=1.0),
    "numba": lambda: gd.Adam(lr=0.1, backend="numba", clip_norm=0.4),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_fit_is_steps_for(name, n_threads, every_call_a_team):
    for batch, rows in ((1, 30), (8, 75), (70, 75), (290, 300)):
        assert_fit_is_steps(
            OPTIMIZERS[name], batch=batch, rows=rows, updates=12, n_threads=n_threads
        )


@pytest.mark.parametrize("backend", ENGINES)
def test_an_optimizer_in_numpy(backend):
    """It is stepped outside the compiled loop; the same numbers to rounding."""
    x, y = data(75, 6, 3)
    nets = [gd.MLP([6, 19, 3], loss="mse", dtype="float64", backend=backend) for _ in range(2)]
    nets[0].fit(x, y, optimizer=gd.Adam(backend="numpy"), batch_size=8, epochs=2, shuffle=False)
    stepped(nets[1], gd.Adam(), x, y, batch=8, updates=20)
    assert_close(nets[0].params, nets[1].params, 1e-9)


def test_coefficients_that_raise():
    """The error comes through; the updates before it are kept and counted."""

    def raising(t, lr):
        if t == 4:
            raise RuntimeError("no rate")
        return float(f"{lr:.3f}"), 0.0

    own = gd.Optimizer.from_rule(
        momentum_rule, state=("m",), coefficients=raising, defaults={"lr": 0.1}
    )()
    x, y = data(40, 3, 1)
    nets = [gd.MLP([3, 4, 1], loss="mse", dtype="float64") for _ in range(2)]
    with pytest.raises(RuntimeError, match="no rate"):
        nets[0].fit(x, y, optimizer=own, batch_size=4, shuffle=False)
    stepped(nets[1], gd.SGD(lr=0.1), x, y, batch=4, updates=3)
    assert_close(nets[0].params, nets[1].params, 1e-14)
    assert (nets[0].steps_, own.t, nets[0].status_) == (3, 3, Status.INTERRUPTED)
    loss, grads = nets[0].loss_and_grad(x[:4], y[:4])  # in the memory of the call that failed
    twin = gd.MLP([3, 4, 1], loss="mse", dtype="float64")
    for p, q in zip(twin.params, nets[0].params, strict=True):
        p[...] = q
    theirs, their_grads = twin.loss_and_grad(x[:4], y[:4])
    assert loss == theirs > 0
    assert_close(grads, their_grads, 0)


def test_fit_with_weights_and_orders():
    x, y = data(75, 6, 3)
    w = np.random.default_rng(3).uniform(size=75)
    nets = [gd.MLP([6, 19, 3], loss="mse", dtype="float64") for _ in range(2)]
    one, other = gd.Adam(), gd.Adam()
    nets[0].fit(x, y, optimizer=one, batch_size=8, epochs=3, sample_weight=w, rng=11)
    batches = Batches(75, 8, True, False, 11)
    for k in range(30):
        rows = batches.of_update(11, k)
        other.step(nets[1].params, nets[1].loss_and_grad(x[rows], y[rows], w[rows])[1])
    assert same_bits(nets[0].params, nets[1].params)


def test_norms_change_nothing_and_are_right():
    x, y = data(75, 6, 3)
    nets = [gd.MLP([6, 19, 3], loss="mse", dtype="float64") for _ in range(2)]
    for net, wanted in zip(nets, (True, False), strict=True):
        net.fit(x, y, optimizer=gd.SGD(lr=0.1), batch_size=75, steps=3, record=1, grad_norm=wanted)
    assert same_bits(nets[0].params, nets[1].params)
    assert np.isnan(nets[1].history_.grad_norm).all()
    fresh = gd.MLP([6, 19, 3], loss="mse", dtype="float64")
    norm = np.sqrt(sum(np.sum(g * g) for g in fresh.loss_and_grad(x, y)[1]))
    assert nets[0].history_.grad_norm[0] == pytest.approx(norm, rel=1e-13)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("batch", [1, 8, 70, 290])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_engines_train_alike(optimizer, batch, dropout, dtype):
    x, y = data(300, 6, 4, "cross_entropy")
    nets = [gd.MLP([6, 19, 11, 4], dtype=dtype, dropout=dropout, backend=b) for b in ENGINES]
    for net in nets:
        net.fit(x, y, optimizer=getattr(gd, optimizer)(lr=0.01), batch_size=batch, steps=20)
    assert_close(nets[0].params, nets[1].params, 1e4 * EPS[dtype])
    assert np.allclose(nets[0].history_.loss, nets[1].history_.loss, rtol=1e3 * EPS[dtype])


@pytest.mark.parametrize("batch", [1, 8, 70, 290])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_threads_do_not_change_bits(batch, dropout, every_call_a_team):
    x, y = data(300, 40, 4, "cross_entropy")
    found = []
    for n_threads in (1, 2, 3, 5):
        net = gd.MLP([40, 70, 33, 4], dropout=dropout, n_threads=n_threads, l1=1e-3)
        net.fit(x, y, optimizer=gd.Momentum(clip_norm=1.0), batch_size=batch, steps=15)
        found.append([*copies(net), net.forward(x), *net.loss_and_grad(x, y)[1]])
    assert all(same_bits(found[0], other) for other in found[1:])


# --- sparse inputs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 8, 70, 300])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("kind", ["columns", "all", "rows", "scattered", "nothing"])
def test_sparse_inputs(kind, dtype, n):
    """Inputs that are left out where they are 0 give what they give when they are not."""
    rng = np.random.default_rng(n)
    x = rng.integers(1, 256, size=(n, 45)).astype(dtype)
    x = x if dtype == "uint8" else x / x.dtype.type(255)
    if kind == "columns":
        x[:, rng.permutation(45)[:30]] = 0
    elif kind == "rows":
        x[::2] = 0
    elif kind == "all":
        x[:] = 0
    elif kind == "scattered":
        x[rng.uniform(size=x.shape) < 0.8] = 0
    y = rng.integers(3, size=n)
    dense, sparse = (gd.MLP([45, 20, 3], dtype="float64", l2=0.1, backend=b) for b in ENGINES)
    loss, grads = dense.loss_and_grad(x, y)
    own, others = sparse.loss_and_grad(x, y)
    assert own == pytest.approx(loss, rel=1e-13)
    assert_close(others, grads, 1e-12)
    optimizer = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}
    for net in (dense, sparse):
        net.fit(x, y, optimizer=gd.SGD(**optimizer), batch_size=min(n, 290), epochs=4)
    assert_close(sparse.params, dense.params, 1e-11)
    assert np.abs(sparse.forward(x) - dense.forward(x)).max() < 1e-11


def test_dead_units_and_negative_zeros():
    x, y = data(9, 5, 2)
    x[:, 2] = -0.0
    nets = [gd.MLP([5, 8, 8, 2], loss="mse", dtype="float64", backend=b) for b in ENGINES]
    for net in nets:
        net.params[1][...] = -100.0  # no unit of the first layer lives
        net.fit(x, y, optimizer=gd.Momentum(lr=0.1), batch_size=1, epochs=3)
    assert_close(nets[1].params, nets[0].params, 1e-12)


# --- threads and processes ----------------------------------------------------------------------------


def test_threads_share_a_network():
    x, y = data(2000, 20, 4, "cross_entropy")
    net = gd.MLP([20, 64, 4])
    wanted, grads, failures = net.forward(x), net.loss_and_grad(x, y)[1], []

    def work(k):
        for _ in range(10):
            right = (
                np.array_equal(net.forward(x[: 100 * k]), wanted[: 100 * k])
                if k % 2
                else same_bits(net.loss_and_grad(x, y)[1], grads)
            )
            if not right:
                failures.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_networks_train_at_the_same_time():
    x, y = data(500, 20, 4, "cross_entropy")

    def trained():
        return gd.MLP([20, 64, 4]).fit(x, y, optimizer=gd.Adam(), epochs=3)

    wanted, found = trained(), []
    threads = [threading.Thread(target=lambda: found.append(trained())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(same_bits(net.params, wanted.params) for net in found)


def _in_a_child(net, x, y, queue):
    net.fit(x, y, optimizer=gd.SGD(lr=0.1), batch_size=250, epochs=2)
    queue.put(net.predict(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork with threads, which is the point
def test_fork_after_use(every_call_a_team):
    x, y = data(500, 20, 4, "cross_entropy")
    net = gd.MLP([20, 64, 4], n_threads=2)
    net.fit(x, y, optimizer=gd.SGD(lr=0.1), batch_size=250, epochs=2)
    twin = gd.MLP([20, 64, 4], n_threads=2)
    for p, q in zip(twin.params, net.params, strict=True):
        p[...] = q
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(twin, x, y, queue))
    child.start()
    found = queue.get(timeout=60)
    child.join(60)
    twin.fit(x, y, optimizer=gd.SGD(lr=0.1), batch_size=250, epochs=2)
    assert child.exitcode == 0
    assert np.array_equal(found, twin.predict(x))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_recorded_penalties_do_not_depend_on_which_updates_are_made_together(
    n_threads, every_call_a_team
):
    """Which inputs are zero in a whole batch is looked at anew in every call of the engine, then now and again."""
    x, y = data(90, 40, 2)
    x[8:, :30] = 0
    found = []
    for calls in (1, 5):
        net = gd.MLP([40, 7, 2], loss="mse", l1=0.01, l2=0.1, rng=1, n_threads=n_threads)
        losses, optimizer = [], gd.Adam()
        for _ in range(calls):
            net.fit(
                x, y, optimizer=optimizer, batch_size=4, steps=20 // calls, shuffle=False, record=1
            )
            losses += list(net.history_.loss)
        found.append(losses[-20:])
    assert found[0] == found[1]
