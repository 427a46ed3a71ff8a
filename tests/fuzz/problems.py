"""Problems from a few words, as sweeps and single descents take them."""

import numpy as np
from fuzz import values
from hypothesis import strategies as st

import fastgd as gd

#: Problems and rules that have kernels ahead of time; `compiled` has some that Numba compiles.
NATIVE = ("line", "plane", "quadratic", "polynomial")
RULES = {
    "sgd": (gd.SGD, {}),
    "keras": (gd.SGD, {"momentum": 0.9, "convention": "keras"}),
    "dampened": (gd.SGD, {"momentum": 0.8, "dampening": 0.5}),
    "nesterov": (gd.SGD, {"momentum": 0.8, "nesterov": True}),
    "momentum": (gd.Momentum, {}),
    "adam": (gd.Adam, {}),
    "adam-keras": (gd.Adam, {"eps": 1e-3, "convention": "keras"}),
}
PROBLEM = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(NATIVE),
        "parameters": st.integers(1, 9),
        "rows": st.integers(1, 40),
        "scale": st.sampled_from([1.0, 1e-6, 1e6, 1e150]),
        "cost": st.sampled_from(["1/2m", "1/m", "1/2", "sum"]),
        "seed": values.SEEDS,
    }
)


def problem_of(case, dtype):
    """A problem of random numbers, which the dtype can hold."""
    rng, n = np.random.default_rng(case["seed"]), case["parameters"]
    scale = case["scale"] if dtype == "float64" else min(case["scale"], 1e15)
    if case["kind"] == "quadratic":
        half = rng.normal(size=(n, n))
        return gd.Quadratic(half @ half.T * scale, rng.normal(size=n) * scale)
    if case["kind"] == "polynomial":
        return gd.Polynomial(rng.normal(size=n + 1) * scale)
    columns = 1 if case["kind"] == "line" else n
    X = rng.normal(size=(case["rows"], columns))
    y = X.sum(axis=1) * scale + rng.normal(size=case["rows"])
    return gd.LeastSquares(X, y, cost=case["cost"], intercept=case["seed"] % 2 == 0)


def optimizer_of(rule, lr=0.1):
    make, options = RULES[rule]
    return make(lr=lr, **options)


EDGE = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1e-310, 1.0, -1e30]), st.floats(-2, 2))
BOX = st.one_of(st.none(), st.none(), st.lists(st.tuples(EDGE, EDGE), min_size=1, max_size=3))


def bounds_of(box, n):
    """Bounds for n parameters from the pairs of a case, in turn; a pair that is the wrong way round is turned."""
    if box is None:
        return None
    pairs = [sorted(pair) if None not in pair else pair for pair in box]
    return [tuple(pairs[k % len(pairs)]) for k in range(n)]
