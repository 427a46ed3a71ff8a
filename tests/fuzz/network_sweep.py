"""Sweeps of networks: side by side, as lanes of vectors or in NumPy's arrays, each has the bits that it has alone.

Where a column of a batch is zero, the engine for one network leaves it out: 0 times infinity is 0 then. So cases with
such columns have small rates.
"""

import contextlib
import warnings
from unittest import mock

import numpy as np
from fuzz import network, values
from fuzz.harness import refused, sometimes
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES
from fastgd.schedules import cosine
from fastgd.sweeps import lanes

FIELDS = ("iterations", "status", "regime", "loss", "metric", "x")
FAULTS = ("unknown axis", "empty axis", "rate", "array", "keep", "record", "both", "updates")
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes(*FAULTS),
        "sizes": st.lists(st.integers(1, 20), min_size=2, max_size=4),
        "activation": st.sampled_from(sorted(ACTIVATIONS)),
        "loss": st.sampled_from(sorted(LOSSES)),
        "penalties": st.sampled_from([{}, {}, {"l2": 0.1}, {"l1": 0.01, "l2": 0.1}]),
        "dropout": st.sampled_from([0.0, 0.0, 0.5]),
        "bias": st.sampled_from([True, True, False]),
        "dtype": st.sampled_from(values.DTYPES),
        "rows": st.one_of(st.integers(1, 12), st.integers(13, 300)),
        "input": st.sampled_from(["float32", "float64", "uint8", "strided", "sparse"]),
        "weighted": st.booleans(),
        "batch": st.sampled_from([1, 2, 7, 32, 64, 300]),
        "shuffle": st.booleans(),
        "drop_last": st.booleans(),
        "optimizer": st.sampled_from([*network.OPTIMIZERS, "NAdam", "RAdam", "own", "own"]),
        "clip_norm": st.sampled_from([None, None, 0.3]),
        "rates": st.integers(1, 35),
        "highest": st.sampled_from([0.1, 10.0, 1e12]),
        "seeds": st.lists(st.integers(0, 2**70), min_size=1, max_size=5, unique=True),
        "more": st.sampled_from(
            [{}, {}, {"batch_size": [2, 50]}, {"epochs": [0, 1, 2]}, {"clip_norm": [None, 0.1]},
             {"layers.0.lr": [0.01, 0.1]}, {"dropout": [0.0, 0.2]}, {"hidden": [2, (3, 4)]}]
        ),
        "scheduled": st.booleans(),
        "max_iter": st.integers(0, 20),
        "record": st.sampled_from([None, 1, 5]),
        "n_threads": st.integers(1, 3),
        "backend": st.sampled_from(["cython", "cython", "cython", "numpy"]),
        "seed": values.SEEDS,
    }
)  # fmt: skip


def own(p, g, m, lr, beta, gain, most):  # noqa: PLR0917
    """A user's rule, which Numba compiles."""
    m = beta * m + gain * g
    return p - lr * np.where(np.abs(m) > most, np.sign(m), np.tanh(m)), m


def of_step(t, lr, beta):
    return lr / t**0.5, beta, 1.0 - beta, 0.1


OWN = gd.Optimizer.from_rule(own, state=("m",), coefficients=of_step, defaults={"beta": 0.9})


@contextlib.contextmanager
def trained(how):
    """Whether networks are trained side by side, however large or few they are."""
    together = mock.patch.object(lanes, "worth_it", return_value=how == "lanes")
    with together, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some diverge
        yield


def problem_of(case):
    sparse = case["input"] == "sparse"
    x, y, weights = network.data(case | {"input": "float32" if sparse else case["input"]})
    if sparse:
        x *= np.random.default_rng(case["seed"]).random(x.shape) < 0.3
    if x.dtype == np.uint8:
        x = np.maximum(x, 1)
    net = network.network(case, case["backend"])
    how = {name: case[name] for name in ("shuffle", "drop_last")}
    return net.problem(x, y, sample_weight=weights, batch_size=case["batch"], **how)


def swept(case, how, **changes):
    """The sweep that a case describes."""
    highest = min(case["highest"], 1.0) if case["input"] == "sparse" else case["highest"]
    rates = np.geomspace(1e-4, highest, case["rates"]).tolist()
    axes = {"lr": [*rates, cosine(0.1, 10)] if case["scheduled"] else rates, "rng": case["seeds"]}
    own = case["more"] if len(case["sizes"]) > 2 or "hidden" not in case["more"] else {}
    options = {
        "axes": axes | own,
        "max_iter": case["max_iter"],
        "record": case["record"],
        "keep": None if "hidden" in own else "params",
    } | changes
    kind = OWN if case["optimizer"] == "own" else getattr(gd, case["optimizer"])
    optimizer = kind(lr=0.01, clip_norm=case["clip_norm"])
    with trained(how):
        return gd.sweep(
            problem_of(case), optimizer, **options, progress=False, n_threads=case["n_threads"]
        )


def check(case):
    if case["fault"]:
        refused(lambda: swept(case, "lanes", **faulty(case["fault"])))
        return
    found, wanted = swept(case, "lanes"), swept(case, "one by one")
    for field in FIELDS:
        values.assert_same_bits(getattr(found, field), getattr(wanted, field), field)
    if case["record"]:
        values.assert_same_bits(found.history, wanted.history, "history")
    assert found.networks.keys() == wanted.networks.keys()
    for index, net in found.networks.items():
        other = wanted.networks[index]
        values.assert_same_bits(net.params, other.params, f"parameters of the network {index}")
        state, its_state = net.optimizer_.state_dict(), other.optimizer_.state_dict()
        assert state.keys() == its_state.keys()
        for name, array in state.items():
            np.testing.assert_array_equal(array, its_state[name], name)


def faulty(fault):
    """The arguments that are wrong."""
    return {
        "unknown axis": {"axes": {"lr": [0.1], "warmth": [1.0]}},
        "empty axis": {"axes": {"lr": []}},
        "rate": {"axes": {"lr": [0.1, float("nan")]}},
        "array": {"axes": {"layers.70.lr": [0.1]}},
        "keep": {"keep": "all"},
        "record": {"record": 0},
        "both": {"axes": {"epochs": [1], "max_iter": [1]}},
        "updates": {"max_iter": -1},
    }[fault]
