"""Networks: loss and gradients within rounding of the NumPy engine's; the same bits for any number of threads.

Training equals steps by hand bit by bit, in whatever batches, which is how training is compared: an update divides by
roots and takes signs, so engines that differ in the last bit cannot be compared after it.
"""

import contextlib
import warnings

import numpy as np
from fuzz import values
from fuzz.harness import refused, sometimes
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.native import networks as native_networks
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES

#: Units in the last place of the largest number, for the longest sums and deepest networks here.
BOUND = {"float32": 2e-4, "float64": 1e-10}
FAULTS = ("X", "y", "rows", "weights", "batch", "epochs", "not a number", "no array")
OPTIMIZERS = ("SGD", "Momentum", "NAG", "Adam", "Adagrad", "RMSprop", "Lion", "Rprop", "Adadelta")
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes(*FAULTS),
        "sizes": st.lists(st.integers(1, 40), min_size=2, max_size=4),
        "activation": st.sampled_from(sorted(ACTIVATIONS)),
        "loss": st.sampled_from(sorted(LOSSES)),
        "penalties": st.sampled_from([{}, {"l2": 0.1}, {"l1": 0.01, "l2": 0.1}]),
        "dropout": st.sampled_from([0.0, 0.0, 0.5]),
        "bias": st.sampled_from([True, True, False]),
        "dtype": st.sampled_from(values.DTYPES),
        "rows": st.one_of(st.integers(1, 12), st.integers(60, 300)),
        "input": st.sampled_from(["float32", "float64", "uint8", "strided"]),
        "weighted": st.booleans(),
        "batch": st.sampled_from([1, 1, 2, 7, 32, 64, 300]),
        "optimizer": st.sampled_from(OPTIMIZERS),
        "clip_norm": st.sampled_from([None, None, 0.3]),
        "steps": st.integers(1, 12),
        "shuffle": st.booleans(),
        "n_threads": st.integers(2, 4),
        "seed": values.SEEDS,
    }
)


@contextlib.contextmanager
def every_call_a_team():
    """Threads are used however small the work is."""
    old = native_networks.set_threshold(0.0)
    try:
        yield
    finally:
        native_networks.set_threshold(old)


def network(case, backend, n_threads=1, **changes):
    """The network of a case; its data are small enough for every loss to stay finite."""
    return gd.MLP(
        case["sizes"],
        activation=case["activation"],
        loss=case["loss"],
        dtype=case["dtype"],
        rng=case["seed"],
        backend=backend,
        n_threads=n_threads,
        **{
            "dropout": case["dropout"],
            "bias": case["bias"],
            **case["penalties"],
            **changes,
        },
    )


def data(case):
    """Inputs, targets and weights."""
    rng, n = np.random.default_rng(case["seed"]), case["rows"]
    inputs, outputs = case["sizes"][0], case["sizes"][-1]
    if case["input"] == "uint8":
        x = rng.integers(0, 256, (n, inputs), np.uint8)
    elif case["input"] == "strided":
        x = rng.normal(size=(n, 2 * inputs))[:, ::2]
    else:
        x = rng.normal(size=(n, inputs)).astype(case["input"])
    classes = case["loss"] == "cross_entropy"
    y = rng.integers(outputs, size=n) if classes else rng.uniform(0, 1, (n, outputs))
    return x, y, rng.uniform(0.5, 2, n) if case["weighted"] else None


def optimizer_of(case):
    return getattr(gd, case["optimizer"])(lr=1e-3, clip_norm=case["clip_norm"])


def trained(case, n_threads):
    """A network after some updates, and its optimizer."""
    net, optimizer = network(case, "cython", n_threads), optimizer_of(case)
    x, y, weights = data(case)
    with warnings.catch_warnings(action="ignore"):  # a fit may diverge
        net.fit(
            x,
            y,
            sample_weight=weights,
            optimizer=optimizer,
            batch_size=case["batch"],
            steps=case["steps"],
            shuffle=case["shuffle"],
        )
    return net, optimizer


def check(case):
    with every_call_a_team():
        if case["fault"]:
            assert_refused(case)
            return
        assert_loss_and_gradients(case)
        net, optimizer = trained(case, 1)
        other, its_optimizer = trained(case, case["n_threads"])
    values.assert_same_bits(other.params, net.params, "parameters on more threads")
    state, its_state = optimizer.state_dict(), its_optimizer.state_dict()
    for name, array in state.items():
        values.assert_same_bits(its_state[name], array, name)
    if not (case["shuffle"] or case["dropout"]):
        values.assert_same_bits(net.params, stepped(case).params, "parameters of steps by hand")


def assert_loss_and_gradients(case):
    """Of all engines and numbers of threads, on the same parameters."""
    x, y, weights = data(case)
    wanted, grads = network(case, "numpy").loss_and_grad(x, y, weights)
    one, its = network(case, "cython").loss_and_grad(x, y, weights)
    more, others = network(case, "cython", case["n_threads"]).loss_and_grad(x, y, weights)
    bound = BOUND[case["dtype"]]
    assert abs(one - wanted) <= bound * max(abs(wanted), 1.0), (one, wanted)
    assert more == one
    values.assert_same_bits(others, its, "gradients on more threads")
    largest = max(max(np.abs(g).max(), 1e-3) for g in grads)
    for k, (g, other) in enumerate(zip(its, grads, strict=True)):
        # A unit at the kink of its activation or loss may have either slope.
        kinks = case["activation"] in {"relu", "leaky_relu"} or case["loss"] in {"mae", "huber"}
        off = np.abs(g - other).max() / largest
        assert off <= bound or (kinks and case["dtype"] == "float32"), (k, off)


def stepped(case):
    """The same updates one by one, rows in order."""
    net, optimizer = network(case, "cython"), optimizer_of(case)
    x, y, weights = data(case)
    size = min(case["batch"], len(x))
    for k in range(case["steps"]):
        first = k % -(-len(x) // size) * size
        part = slice(first, first + size)
        own = None if weights is None else weights[part]
        optimizer.step(net.params, net.loss_and_grad(x[part], y[part], own)[1])
    return net


def assert_refused(case):
    """A call with something wrong changes nothing."""
    net, fault = network(case, "cython"), case["fault"]
    x, y, _ = data(case)
    before = [p.copy() for p in net.params]
    more = {}
    if fault == "X":
        x = x[:, :, None]
    elif fault == "y":
        y = np.full(len(y), case["sizes"][-1]) if y.ndim == 1 else y[:, :, None]
    elif fault == "rows":
        x = x[:0]
    elif fault == "weights":
        more = {"sample_weight": np.full(len(x), -1.0)}
    elif fault == "batch":
        more = {"batch_size": 0}
    elif fault == "epochs":
        more = {"epochs": -1}
    elif fault == "not a number":
        x = np.full(x.shape, np.nan)
    else:
        x = "rows"
    refused(lambda: net.fit(x, y, **more))
    values.assert_same_bits(net.params, before, "parameters")
