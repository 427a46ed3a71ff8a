"""Every optimizer of fastgd.torch makes the steps of PyTorch's optimizer of that name."""

import copy

import pytest

pytest.importorskip("torch", exc_type=ImportError)

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch.pairs import CASES, IDS, NAMES, Pair, assert_same_state

import fastgd as gd

DTYPES = (torch.float32, torch.float64)
every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@every_case
def test_many_steps(name, options, dtype, monkeypatch):
    monkeypatch.delattr("fastgd.torch.way.Way.step")  # all of them are made in C, the first too
    pair = Pair(name, options, dtype)
    pair.steps(300)
    pair.check(300)
    assert_same_state(pair.fastgd.state_dict(), pair.torch.state_dict(), 300, name)


@every_case
def test_on_numpy(name, options):
    gd.set_backend("numpy")
    try:
        pair = Pair(name, options)
        pair.steps(20)
        pair.check(20)
    finally:
        gd.set_backend(None)


@every_case
def test_the_same_bits_through_numpy(name, options, monkeypatch):
    """What reads tensors in C does nothing but what the stepper for arrays does."""
    fast = Pair(name, options)
    fast.steps(20)
    monkeypatch.setattr("fastgd.torch.way.tensor_stepper_class", lambda backend: None)
    slow = Pair(name, options)
    slow.steps(20)
    assert all(torch.equal(p, q) for p, q in zip(fast.ours, slow.ours, strict=True))


@every_case
def test_gradients_that_come_and_go(name, options):
    """A parameter without a gradient rests and does not count the step."""
    pair = Pair(name, options)
    for missing in ((0,), (), (1, 3), (0,), (0, 1, 2, 3, 4), (2,), ()):
        pair.steps(7, missing)
    pair.check(50)
    assert_same_state(pair.fastgd.state_dict(), pair.torch.state_dict(), 50, name)


@every_case
def test_saved_by_one_and_loaded_by_the_other(name, options):
    pair = Pair(name, options)
    pair.steps(20)
    ours, theirs = (copy.deepcopy(o.state_dict()) for o in (pair.fastgd, pair.torch))
    pair.fastgd.load_state_dict(theirs)
    pair.torch.load_state_dict(ours)
    pair.steps(30)
    pair.check(50)
    assert_same_state(pair.fastgd.state_dict(), pair.torch.state_dict(), 50, name)


def test_every_class_of_torch_whose_rule_is_here():
    known = [name for name in gd.optimizers.NAMES if hasattr(torch.optim, name)]
    assert sorted(NAMES) == sorted(known)


RATES = st.floats(1e-5, 0.1)
DECAY = st.sampled_from([0.0, 1e-3, 0.1])
BETAS = st.tuples(st.floats(0.0, 0.99), st.floats(0.0, 0.999))
EPS = st.floats(1e-8, 1e-2)
FLAG = st.booleans()
COMMON = {"lr": RATES, "maximize": FLAG}
OF_MEANS = {**COMMON, "betas": BETAS, "eps": EPS, "weight_decay": DECAY}
OPTIONS = {
    "SGD": {
        **COMMON,
        "momentum": st.sampled_from([0.0, 0.5, 0.99]),
        "dampening": st.sampled_from([0.0, 0.5]),
        "weight_decay": DECAY,
    },
    "Adagrad": {
        **COMMON,
        "lr_decay": DECAY,
        "weight_decay": DECAY,
        "initial_accumulator_value": DECAY,
        "eps": EPS,
    },
    "RMSprop": {
        **COMMON,
        "alpha": st.floats(0.5, 0.999),
        "eps": st.floats(1e-4, 1e-2),
        "weight_decay": DECAY,
        "momentum": st.sampled_from([0.0, 0.9]),
        "centered": FLAG,
    },
    "Adadelta": {**COMMON, "rho": st.floats(0.0, 1.0), "eps": EPS, "weight_decay": DECAY},
    "Adam": {**OF_MEANS, "amsgrad": FLAG, "decoupled_weight_decay": FLAG},
    "AdamW": {**OF_MEANS, "amsgrad": FLAG},
    "NAdam": {**OF_MEANS, "momentum_decay": st.floats(0.0, 0.1), "decoupled_weight_decay": FLAG},
    "RAdam": {**OF_MEANS, "decoupled_weight_decay": FLAG},
    "Adamax": OF_MEANS,
    "Rprop": {
        **COMMON,
        "etas": st.tuples(st.floats(0.1, 0.9), st.floats(1.1, 2.0)),
        "step_sizes": st.tuples(st.floats(1e-6, 1e-3), st.floats(0.1, 1.0)),
    },
}


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_options_in_two_groups(name, data):
    """Whatever the options of two groups, also after they have changed under way: float64, so that bounds are tight."""
    first, second, later = (
        data.draw(st.fixed_dictionaries({}, optional=OPTIONS[name])) for _ in range(3)
    )
    pair = Pair(
        name,
        first,
        torch.float64,
        lambda p: [{"params": p[:2]}, {"params": p[2:], **second}],
    )
    pair.steps(5)
    changed = {key: later[key] for key in ("lr", "weight_decay", "betas", "eps") if key in later}
    for optimizer in (pair.torch, pair.fastgd):
        optimizer.param_groups[1].update(changed)
    pair.steps(5)
    for p, q in zip(pair.theirs, pair.ours, strict=True):
        tight = 1e-6 if name == "NAdam" else 1e-9
        assert torch.allclose(q, p, rtol=tight, atol=tight)
