"""`sweep` by the kernels compiled ahead of time: the bits of the NumPy engine for any grid and number of threads."""

import numpy as np
from fuzz import problems, values
from fuzz.harness import refused, sometimes
from hypothesis import strategies as st

import fastgd as gd

FIELDS = ("iterations", "status", "regime", "x", "loss", "slope")
FAULTS = (
    "unknown axis", "empty axis", "no mapping", "x0", "bounds", "rate", "updates", "tolerance", "type",
)  # fmt: skip
RATES = st.one_of(
    st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=5),
    st.builds(
        lambda n, low: np.geomspace(low, 3.0, n).tolist(), st.integers(6, 300), st.floats(1e-9, 1)
    ),
)
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes(*FAULTS),
        "problem": problems.PROBLEM,
        "rule": st.sampled_from(sorted(problems.RULES)),
        "rates": RATES,
        "starts": st.integers(0, 4),
        "start": st.sampled_from(["normal", "zeros", "huge", "tiny"]),
        "max_iter": st.one_of(st.integers(0, 130), st.sampled_from([31, 32, 33, 63, 64, 65, 300])),
        "tol": st.sampled_from([0.0, 1e-8, 1e-3, 1.0, 1e10]),
        "box": problems.BOX,
        "dtype": st.sampled_from(values.DTYPES),
        "flush": st.booleans(),
        "n_threads": st.integers(1, 4),
        "seed": values.SEEDS,
    }
)


def swept(case, backend, **changes):
    """The sweep that a case describes, on one backend."""
    problem = problems.problem_of(case["problem"], case["dtype"])
    axes = {"lr": case["rates"]}
    rng, shape = np.random.default_rng(case["seed"]), (problem.n_parameters,)
    starts = [values.drawn(rng, shape, "float64", case["start"]) for _ in range(case["starts"])]
    if starts:
        limit = 1e29 if case["dtype"] == "float32" else 1e99
        axes["x0"] = [np.clip(start, -limit, limit) for start in starts]
    options = {
        "max_iter": case["max_iter"],
        "tol": case["tol"],
        "bounds": problems.bounds_of(case["box"], problem.n_parameters),
        "dtype": case["dtype"],
        "flush_subnormals": case["flush"],
    } | changes
    axes = options.pop("axes", axes)
    return gd.sweep(
        options.pop("problem", problem),
        problems.optimizer_of(case["rule"]),
        axes,
        backend=backend,
        n_threads=case["n_threads"],
        **options,
    )


def check(case):
    if case["fault"]:
        refused(lambda: swept(case, "cython", **faulty(case["fault"])))
        return
    found, wanted = swept(case, "cython"), swept(case, "numpy")
    for field in FIELDS:
        values.assert_same_bits(getattr(found, field), getattr(wanted, field), field)


def faulty(fault):
    """The arguments that are wrong."""
    return {
        "unknown axis": {"axes": {"lr": [0.1], "warmth": [1.0]}},
        "empty axis": {"axes": {"lr": []}},
        "no mapping": {"axes": [0.1, 0.2]},
        "x0": {"axes": {"lr": [0.1], "x0": [np.zeros(99)]}},
        "bounds": {"bounds": "narrow"},
        "rate": {"axes": {"lr": [0.1, float("nan")]}},
        "updates": {"max_iter": -1},
        "tolerance": {"tol": float("nan")},
        "type": {"problem": np.eye(2)},
    }[fault]
