"""`MLP.load`: training goes on to the same bits; a damaged file is refused, or read, and nothing else."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
from fuzz import damage, values
from fuzz.harness import sometimes
from hypothesis import strategies as st

import fastgd as gd

ACTIVATIONS = ("relu", "tanh", "leaky_relu", "gelu")
LOSSES = ("mse", "huber", "cross_entropy", "poisson")
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes(*damage.BYTES, *damage.MEMBERS),
        "sizes": st.lists(st.integers(1, 9), min_size=2, max_size=4),
        "activation": st.sampled_from(ACTIVATIONS),
        "loss": st.sampled_from(LOSSES),
        "dropout": st.sampled_from([0.0, 0.25]),
        "bias": st.sampled_from([True, True, False]),
        "init_scale": st.sampled_from([1.0, 0.3, -2.0]),
        "init_mean": st.sampled_from([0.0, 0.1]),
        "dtype": st.sampled_from(values.DTYPES),
        "optimizer": st.sampled_from(["SGD", "Adam", "NAdam", "Rprop", "RMSprop", "Adadelta"]),
        "steps": st.integers(0, 9),
        "place": damage.PLACE,
        "seed": values.SEEDS,
    }
)


def check(case):
    rng = np.random.default_rng(case["seed"])
    inputs, *_, outputs = case["sizes"]
    x = rng.normal(size=(20, inputs))
    y = (
        rng.integers(outputs, size=20)
        if case["loss"] == "cross_entropy"
        else rng.uniform(size=(20, outputs))
    )
    net = gd.MLP(
        case["sizes"],
        activation=case["activation"],
        loss=case["loss"],
        dropout=case["dropout"],
        bias=case["bias"],
        init_scale=case["init_scale"],
        init_mean=case["init_mean"],
        dtype=case["dtype"],
        rng=case["seed"],
    )

    def train(network, steps):
        make = getattr(gd, case["optimizer"])
        optimizer = make(lr=1e-3) if network.optimizer_ is None else None
        with warnings.catch_warnings(action="ignore"):  # a fit may diverge
            return network.fit(x, y, optimizer=optimizer, batch_size=7, steps=steps)

    if case["steps"]:
        train(net, case["steps"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.npz")
        net.save(path)
        if case["fault"]:
            found = damage.load_damaged(gd.MLP.load, path, case["fault"], case["place"])
            if found is not None:  # what was read is a network
                found.forward(np.zeros((1, found.sizes[0])))
            return
        found = gd.MLP.load(path)
    assert (found.sizes, found.steps_, found.epochs_) == (net.sizes, net.steps_, net.epochs_)
    values.assert_same_bits(found.params, net.params, "params")
    values.assert_same_bits(
        train(found, 3).params, train(net, 3).params, "params of training that goes on"
    )
