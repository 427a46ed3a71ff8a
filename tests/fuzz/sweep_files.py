"""`SweepResult.load`: what was saved comes back to the bit; a damaged file is refused, or read, and nothing else."""

import tempfile
from pathlib import Path

import numpy as np
from fuzz import damage, values
from fuzz.harness import sometimes
from hypothesis import strategies as st

import fastgd as gd

VALUES = st.one_of(
    st.lists(st.floats(1e-9, 10), min_size=1, max_size=6),
    st.lists(st.integers(0, 9), min_size=1, max_size=3),
    st.lists(st.lists(st.floats(-9, 9), min_size=2, max_size=2), min_size=1, max_size=4),
    st.lists(st.text(st.characters(exclude_characters="\0"), max_size=5), min_size=1, max_size=3),
    st.lists(st.booleans(), min_size=1, max_size=2),
)
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes(*damage.BYTES, *damage.MEMBERS),
        "axes": st.dictionaries(st.text(max_size=6), VALUES, max_size=3),
        "parameters": st.integers(0, 3),
        "kind": st.sampled_from(values.KINDS),
        "dtype": st.sampled_from(values.DTYPES),
        "swept": st.booleans(),
        "place": damage.PLACE,
        "seed": values.SEEDS,
    }
)
ARRAYS = ("iterations", "status", "regime", "loss", "slope", "x")


def result_of(case):
    """A sweep's result, or one that looks like it with any numbers."""
    if case["swept"]:
        rates = {"lr": [0.1, 0.5, 3.0], "momentum": [0.0, 0.9]}
        return gd.sweep(gd.Quadratic([[1.0]]), gd.Momentum(), rates, x0=[1.0], max_iter=20)
    rng = np.random.default_rng(case["seed"])
    axes = {
        name: tuple(tuple(v) if isinstance(v, list) else v for v in listed)
        for name, listed in case["axes"].items()
    }
    shape = tuple(map(len, axes.values()))
    return gd.SweepResult(
        axes=axes,
        iterations=rng.integers(0, 2**40, shape),
        status=rng.integers(-1, 5, shape),
        regime=rng.choice(["", "monotone", "slow", "cycling", "diverged"], shape),
        loss=values.drawn(rng, shape, "float64", case["kind"]),
        slope=values.drawn(rng, shape, "float64", case["kind"]),
        x=values.drawn(rng, (*shape, case["parameters"]), case["dtype"], case["kind"]),
        problem="any problem \N{GREEK SMALL LETTER LAMDA}",
        seconds=0.5,
        max_iter=7,
    )


def check(case):
    result = result_of(case)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sweep.npz")
        result.save(path)
        if case["fault"]:
            found = damage.load_damaged(gd.SweepResult.load, path, case["fault"], case["place"])
            if found is not None:
                repr(found)
            return
        found = gd.SweepResult.load(path)
    assert found.axes == result.axes
    assert found.parameter_names == result.parameter_names
    assert (found.problem, found.seconds, found.max_iter) == (
        result.problem,
        result.seconds,
        result.max_iter,
    )
    for name in ARRAYS:
        values.assert_same_bits(getattr(found, name), getattr(result, name), name)
