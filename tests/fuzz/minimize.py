"""`minimize`: the bits of the NumPy engine, of the same run in a sweep, and of what is recorded on the way."""

import math

import numpy as np
from fuzz import problems, values
from fuzz.harness import refused, sometimes
from hypothesis import strategies as st

import fastgd as gd

FAULTS = ("x0", "bounds", "updates", "record", "jac", "function", "value", "gradient", "step_tol")
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes(*FAULTS),
        "problem": problems.PROBLEM,
        "rule": st.sampled_from(sorted(problems.RULES)),
        "lr": st.floats(1e-12, 1e12),
        "start": st.sampled_from(["normal", "zeros", "tiny"]),
        "max_iter": st.one_of(st.integers(0, 130), st.sampled_from([63, 64, 65, 300])),
        "tol": st.sampled_from([0.0, 1e-8, 1e-3, 1.0]),
        "record": st.sampled_from([None, None, 1, 3, 64]),
        "box": problems.BOX,
        "dtype": st.sampled_from(values.DTYPES),
        "flush": st.booleans(),
        "seed": values.SEEDS,
    }
)


def check(case):
    problem = problems.problem_of(case["problem"], case["dtype"])
    optimizer = problems.optimizer_of(case["rule"], case["lr"])
    rng = np.random.default_rng(case["seed"])
    x0 = values.drawn(rng, (problem.n_parameters,), "float64", case["start"])
    shared = {
        "x0": x0,
        "max_iter": case["max_iter"],
        "tol": case["tol"],
        "bounds": problems.bounds_of(case["box"], problem.n_parameters),
        "dtype": case["dtype"],
        "flush_subnormals": case["flush"],
    }
    if case["fault"]:
        refused(
            lambda: gd.minimize(**{"fun": problem, "optimizer": optimizer} | shared | faulty(case))
        )
        return
    own = {"optimizer": optimizer, "record": case["record"]}
    found, wanted = (gd.minimize(problem, backend=b, **own, **shared) for b in ("cython", "numpy"))
    assert (found.nit, found.status, found.success) == (wanted.nit, wanted.status, wanted.success)
    for name in ("x", "fun", "jac", "x_best", "fun_best"):
        values.assert_same_bits(found[name], wanted[name], name)
    if case["record"]:
        for name in ("n", "x", "loss", "slope"):
            values.assert_same_bits(
                getattr(found.history, name), getattr(wanted.history, name), name
            )
    swept = gd.sweep(problem, optimizer, {"lr": [case["lr"], 1e-9]}, **shared)
    assert (found.nit, found.status) == (swept.iterations[0], swept.status[0])
    values.assert_same_bits(found.x, swept.x[0], "x of the same run in a sweep")
    assert found.status != 0 or math.isfinite(found.fun), "NaN is never convergence"


def faulty(case):
    """The arguments that are wrong."""
    return {
        "x0": {"x0": np.zeros(99)},
        "bounds": {"bounds": [(1.0, -1.0)] * 99},
        "updates": {"max_iter": -1},
        "record": {"record": 0},
        "jac": {"fun": lambda x: 0.0, "jac": 3},
        "function": {"fun": 3},
        "value": {"fun": lambda x, grad: grad.fill(1.0)},
        "gradient": {"fun": lambda x: 1.0, "jac": lambda x: np.zeros(99)},
        "step_tol": {"step_tol": -1.0},
    }[case["fault"]]
