"""`load_state_dict`: an exact continuation, and a state that does not fit changes nothing."""

import copy
import io

import numpy as np
from cases import CASES as OPTIMIZERS
from fuzz import values
from fuzz.harness import sometimes
from hypothesis import strategies as st

BY_ID = {case.id: case for case in OPTIMIZERS}
FAULTS = (
    "no key",
    "new key",
    "shape",
    "dtype",
    "objects",
    "steps",
    "most steps",
    "carry",
    "names",
    "another optimizer",
    "not a mapping",
)
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes(*FAULTS),
        "optimizer": st.sampled_from(sorted(BY_ID)),
        "shapes": st.lists(values.SHAPES, min_size=1, max_size=3),
        "dtype": st.sampled_from(values.DTYPES),
        "backend": st.sampled_from(["cython", "numpy"]),
        "before": st.integers(0, 4),
        "after": st.integers(1, 4),
        "by": st.sampled_from(["dict", "file", "copy"]),
        "late": st.booleans(),
        "place": st.integers(0, 99),
        "seed": values.SEEDS,
    }
)


def walk(case, optimizer, params, steps, seed):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        optimizer.step(params, [values.drawn(rng, p.shape, p.dtype) for p in params])


def check(case):
    rng = np.random.default_rng(case["seed"])
    params = [values.drawn(rng, shape, case["dtype"]) for shape in case["shapes"]]
    make = BY_ID[case["optimizer"]].make
    optimizer = make(backend=case["backend"])
    walk(case, optimizer, params, case["before"], 1)
    state, saved = optimizer.state_dict(), [p.copy() for p in params]
    if case["fault"]:
        assert_refused(case, make, optimizer, params, wrong(case, state))
        return
    other, theirs = restored(case, make, optimizer, state), [p.copy() for p in saved]
    assert other.t == optimizer.t == case["before"]
    for one, arrays in ((optimizer, params), (other, theirs)):
        walk(case, one, arrays, case["after"], 2)
    values.assert_same_bits(theirs, params, "params")
    for name, array in optimizer.state_dict().items():
        values.assert_same_bits(other.state_dict()[name], array, name)


def restored(case, make, optimizer, state):
    """Another optimizer with the same state, from memory or from a file."""
    if case["by"] == "copy":
        return copy.deepcopy(optimizer)
    other = make(backend=case["backend"])
    if case["late"] and case["before"]:  # it has walked elsewhere
        elsewhere = [np.zeros(shape, case["dtype"]) for shape in case["shapes"]]
        walk(case, other, elsewhere, 2, 3)
    if case["by"] == "file":
        file = io.BytesIO()
        np.savez(file, **state)
        file.seek(0)
        with np.load(file) as archive:
            other.load_state_dict(archive)
    else:
        other.load_state_dict(state)
    return other


def wrong(case, state):
    """A state with one thing wrong."""
    names, fault = sorted(state), case["fault"]
    name = names[case["place"] % len(names)]
    if fault == "not a mapping":
        return list(state.items())
    if fault == "no key":
        del state[name]
    elif fault == "new key":
        state["state.zz"] = np.zeros(3)
    elif fault == "shape":
        state[name] = np.concatenate([state[name].ravel()] * 2 + [state[name].ravel()[:1]] * 2)
        state[name] = state[name][None, None]
    elif fault == "dtype":
        state[name] = np.full(state[name].shape, 1j)
    elif fault == "objects":
        state[name] = np.full(state[name].shape, None, object)
    elif fault == "steps":
        state["t"] = np.array([-1, 0.5, np.nan][case["place"] % 3])
    elif fault == "most steps":
        state["t"] = np.array(2**63 - 1)
    elif fault == "carry":
        state["carry"] = np.full_like(state.get("carry", np.ones(1)), np.nan)
    elif fault == "names":
        state["params"] = np.array(["params[77]"])
    else:
        state["optimizer"] = np.array("Newton")
    return state


def assert_refused(case, make, optimizer, params, state):
    """An optimizer that has walked keeps what it has; a new one refuses at once, or at its first step."""
    kept, before = optimizer.state_dict(), [p.copy() for p in params]
    walked = case["before"] > 0
    other = optimizer if walked else make(backend=case["backend"])
    try:
        other.load_state_dict(state)
        if not walked:
            walk(case, other, params, 1, 2)
    except (TypeError, ValueError) as error:
        assert str(error)
        values.assert_same_bits(params, before, "params")
        for name, array in optimizer.state_dict().items():
            values.assert_same_bits(array, kept[name], name)
        return
    # Older states have no hyperparameters.
    assert case["fault"] == "no key", "nothing was refused"
    assert "hyperparameters" not in state, "nothing was refused"
