"""`Optimizer.step`: the compiled stepper against NumPy's, for every optimizer, layout, dtype and number of threads."""

import contextlib

import numpy as np
from cases import CASES as OPTIMIZERS
from fuzz import values
from fuzz.harness import refused, sometimes
from hypothesis import strategies as st

from fastgd.engines.native import steps as native_steps

BY_ID = {case.id: case for case in OPTIMIZERS}
SHARED = (  # what every optimizer takes besides
    {},
    {"clip_norm": 0.5},
    {"clip_value": 0.1, "maximize": True},
    {"l1": 0.01, "l2": 0.1},
    {"flush_subnormals": False},
)
FAULTS = (
    "no gradient",
    "other shape",
    "other dtype",
    "integers",
    "objects",
    "read-only",
    "overlap",
    "one gradient less",
    "foreign bytes",
    "a shape that lies",
    "rate",
)
ARRAY = st.fixed_dictionaries(
    {
        "shape": values.SHAPES,
        "dtype": st.sampled_from(values.DTYPES),
        "layout": st.sampled_from(values.LAYOUTS),
        "gradient_layout": st.sampled_from(values.LAYOUTS),
    }
)
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes(*FAULTS),
        "optimizer": st.sampled_from(sorted(BY_ID)),
        "shared": st.sampled_from(SHARED),
        "arrays": st.lists(ARRAY, min_size=1, max_size=5),
        "nesting": st.sampled_from(["list", "tuple", "dict", "nested"]),
        "start": st.sampled_from(values.KINDS),
        "gradients": st.sampled_from(values.KINDS),
        "steps": st.integers(1, 4),
        "bounds": st.sampled_from(
            [None, None, (-0.5, 0.25), (None, 0.0), (1e-310, None), (2.0, 2.0)]
        ),
        "skipped": st.sampled_from([None, None, 0, 1]),  # an array without a gradient
        "own_rate": st.sampled_from([None, 0.0, 1e-3, 1e3]),
        "n_threads": st.integers(1, 4),
        "team": st.booleans(),
        "seed": values.SEEDS,
    }
)


class Liar(np.ndarray):
    """An array whose attribute says that there is more memory than there is."""

    shape = property(lambda self: (10**9,))


@contextlib.contextmanager
def threads(wanted):
    """Threads and chunks from the first element on, where wanted."""
    if not wanted:
        yield
        return
    old = native_steps.set_thresholds(0, 0, 0, 0.0, 64)
    try:
        yield
    finally:
        native_steps.set_thresholds(*old)


def nested(arrays, how):
    if how == "nested":
        return {"first": arrays[0], "rest": [{str(k): a} for k, a in enumerate(arrays[1:])]}
    names = {f"p{k}": a for k, a in enumerate(arrays)}
    return {"list": list(arrays), "tuple": tuple(arrays), "dict": names}[how]


class Run:
    """The same steps on one backend."""

    def __init__(self, case, backend):
        self.case, self.rng = case, np.random.default_rng(case["seed"])
        options = BY_ID[case["optimizer"]].kwargs | case["shared"]
        make = type(BY_ID[case["optimizer"]].make())
        self.optimizer = make(**options, backend=backend, n_threads=case["n_threads"])
        self.params = self.arrays("start", "layout")

    def arrays(self, kind, layout):
        return [
            values.laid_out(
                values.drawn(self.rng, a["shape"], a["dtype"], self.case[kind]), a[layout]
            )
            for a in self.case["arrays"]
        ]

    def step(self, params=None, grads=None, lr=None):
        params = self.params if params is None else params
        grads = self.arrays("gradients", "gradient_layout") if grads is None else grads
        how = self.case["nesting"]
        if len(grads) < len(params):
            how = "list"
        skipped = None if self.case["fault"] else self.case["skipped"]
        if skipped is not None and skipped < len(grads) > 1:
            grads = [None if k == skipped else g for k, g in enumerate(grads)]
        self.optimizer.step(
            nested(params, how),
            nested(grads, how),
            lr=lr,
            bounds=self.case["bounds"],
            none_grads="error" if skipped is None else "skip",
        )

    def all_steps(self):
        for k in range(self.case["steps"]):
            self.step(lr=self.case["own_rate"] if k == 1 else None)
        return self


def check(case):
    with threads(case["team"]):
        found = Run(case, "cython").all_steps()
        if case["fault"]:
            assert_refused(found, case["fault"])
            found.all_steps()  # as if nothing had happened
    wanted = Run(case, "numpy").all_steps()
    if case["fault"]:
        wanted.arrays("gradients", "gradient_layout")  # those of the step that was refused
        wanted.all_steps()
    values.assert_same_bits(found.params, wanted.params, "params")
    state, other = found.optimizer.state_dict(), wanted.optimizer.state_dict()
    assert state.keys() == other.keys()
    for name, array in state.items():
        values.assert_same_bits(array, other[name], name)


def assert_refused(run, fault):
    """The step is refused, and neither parameters nor state have changed."""
    params, grads = list(run.params), run.arrays("gradients", "gradient_layout")
    before, state, lr = [np.array(p) for p in params], run.optimizer.state_dict(), None
    first = params[0]
    if fault == "no gradient":
        grads[0] = None
    elif fault == "other shape":
        grads[0] = np.zeros((*first.shape, 2), first.dtype)
    elif fault == "other dtype":
        other = {"f": "d", "d": "f"}[grads[-1].dtype.char]
        grads[-1] = np.ones(grads[-1].shape, other)
    elif fault == "integers":
        params[0] = np.zeros(first.shape, np.int64)
    elif fault == "objects":
        grads[0] = np.full(first.shape, None, object)
    elif fault == "read-only":
        params[0] = first.view()
        params[0].flags.writeable = False
    elif fault == "overlap":
        params = [*params[:-1], np.broadcast_to(first.dtype.type(0), (*first.shape, 2))]
    elif fault == "one gradient less":
        grads = grads[:-1] or [np.zeros(1), np.zeros(1)]
    elif fault == "foreign bytes":
        grads[0] = grads[0].astype(grads[0].dtype.newbyteorder())
    elif fault == "a shape that lies":
        params[0] = np.ones((*first.shape, 2), first.dtype).view(Liar)
    else:
        lr = float("nan")
    refused(lambda: run.step(params, grads, lr))
    values.assert_same_bits(run.params, before, "params")
    for name, array in run.optimizer.state_dict().items():
        values.assert_same_bits(array, state[name], name)
