"""What the tests of networks share: small data, a small network, comparisons."""

import os
import subprocess
import sys
import textwrap

import numpy as np

import fastgd as gd

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}

# --- data and networks --------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4))
Y = (X @ [1.0, -2.0, 0.5, 0.0] + 0.1 * RNG.normal(size=100))[:, None]
HELD_OUT = (X[:30] + 0.01, Y[:30])


def network(**options):
    """A network for X and Y."""
    return gd.MLP([4, 12, 1], **{"loss": "mse", "dtype": "float64", "rng": 3, **options})


def data(n, inputs, outputs, loss="mse", *, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, inputs)).astype(dtype)
    if loss == "cross_entropy":
        return x, rng.integers(outputs, size=n)
    return x, np.abs(rng.normal(size=(n, outputs)))


def run_python(source, **environment):
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


# --- comparisons --------------------------------------------------------------------------------------


def copies(net):
    return [p.copy() for p in net.params]


def same_bits(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def assert_close(actual, wanted, bound):
    """Relative to the largest number of each array."""
    for k, (a, b) in enumerate(zip(actual, wanted, strict=True)):
        assert np.abs(a - b).max() <= bound * max(np.abs(b).max(), 1e-30), f"array {k}"
