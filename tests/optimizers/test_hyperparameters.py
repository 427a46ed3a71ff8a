"""Hyperparameters in a saved state: compared, restored or ignored, and every saved scalar checked."""

import io
import json

import numpy as np
import pytest

import fastgd as gd
from fastgd import schedules
from fastgd.schedules.plain import as_plain, from_plain

SCHEDULES = [
    schedules.constant(0.1),
    schedules.step(0.1, every=30),
    schedules.multi_step(0.1, [3, 7], factor=0.5),
    schedules.exponential(0.1, 0.9),
    schedules.cosine(0.1, 20, floor=0.01),
    schedules.cosine_restarts(0.1, 5, multiplier=2),
    schedules.linear(0.1, 0.0, 10),
    schedules.polynomial(0.1, 10, power=2.0),
    schedules.inverse_sqrt(0.1, 3),
    schedules.one_cycle(0.1, 20, anneal="linear"),
    schedules.warmup(schedules.cosine(0.1, 20), 5),
    schedules.warmup_linear(0.1, 2, 20).scaled(0.5),
]
OTHERS = {  # another value of each hyperparameter, for each family
    gd.SGD: {"lr": 0.5, "momentum": 0.8, "weight_decay": 0.1, "l1": 0.1, "l2": 0.1, "clip_norm": 1.0, "maximize": True},
    gd.Adam: {"lr": 0.5, "betas": (0.8, 0.99), "eps": 1e-3, "clip_value": 2.0, "convention": "keras", "amsgrad": True},
    gd.Rprop: {"etas": (0.4, 1.1), "step_sizes": (1e-5, 1.0)},
    gd.Adadelta: {"rho": 0.5},
    gd.NAdam: {"momentum_decay": 0.1},
}  # fmt: skip
CASES = [(kind, name, value) for kind, values in OTHERS.items() for name, value in values.items()]


def stepped(optimizer, steps=3):
    params = [np.ones(3), np.ones(2)]
    for k in range(steps):
        optimizer.step(params, [np.full(3, 0.1 * k), np.full(2, -0.5)])
    return optimizer


def through_a_file(state):
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return np.load(file, allow_pickle=False)


def unchanged(optimizer, call, match):
    before, shown = optimizer.state_dict(), repr(optimizer)
    with pytest.raises(ValueError, match=match):
        call()
    np.testing.assert_equal(optimizer.state_dict(), before)
    assert repr(optimizer) == shown


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(("kind", "name", "value"), CASES, ids=str)
def test_a_difference_is_an_error_that_names_it(kind, name, value, used):
    state = through_a_file(stepped(kind(**{name: value})).state_dict())
    own = stepped(kind()) if used else kind()
    match = rf"saved with .*{name}={value!r}.*, but this {kind.__name__} has .*{name}=".replace(
        "(", r"\("
    ).replace(")", r"\)")
    unchanged(own, lambda: own.load_state_dict(state), match)


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(("kind", "name", "value"), CASES, ids=str)
def test_restored_goes_on_to_the_same_bits(kind, name, value, used):
    whole = stepped(kind(**{name: value}))
    state = through_a_file(whole.state_dict())
    other = stepped(kind(lr=0.123)) if used else kind(lr=0.123)
    other.load_state_dict(state, hyperparameters="restore")
    assert repr(other) == repr(whole)
    assert other.t == 3
    p, q = [np.ones(3), np.ones(2)], [np.ones(3), np.ones(2)]
    for optimizer, params in ((whole, p), (other, q)):
        optimizer.step(params, [np.full(3, 0.7), np.full(2, 0.2)])
    np.testing.assert_equal(p, q)
    np.testing.assert_equal(other.state_dict(), whole.state_dict())


def test_ignored_keeps_its_own():
    state = stepped(gd.Momentum(lr=0.5)).state_dict()
    other = gd.Momentum(lr=0.1)
    other.load_state_dict(state, hyperparameters="ignore")
    assert (other.t, other.lr) == (3, 0.1)
    assert json.loads(str(other.state_dict()["hyperparameters"]))["lr"] == 0.1
    with pytest.raises(ValueError, match="'check', 'restore' or 'ignore', got 'keep'"):
        other.load_state_dict(state, hyperparameters="keep")


def test_a_rate_that_was_set_is_saved():
    one = stepped(gd.SGD(lr=0.5))
    one.lr = 0.25
    two = gd.SGD(lr=0.5)
    unchanged(
        two, lambda: two.load_state_dict(one.state_dict()), "with lr=0.25, but this SGD has lr=0.5"
    )
    two.load_state_dict(one.state_dict(), hyperparameters="restore")
    assert two.lr == 0.25


def test_the_state_of_an_earlier_version_is_compared_with_nothing():
    state = stepped(gd.Adam(lr=0.5)).state_dict()
    del state["hyperparameters"]
    other = gd.Adam(lr=0.1)
    other.load_state_dict(state)
    assert (other.t, other.lr) == (3, 0.1)
    with pytest.raises(ValueError, match="no hyperparameters"):
        gd.Adam().load_state_dict(state, hyperparameters="restore")


# --- schedules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_schedules_come_back(schedule):
    assert from_plain(json.loads(json.dumps(as_plain(schedule)))) == schedule
    state = through_a_file(stepped(gd.SGD(lr=schedule)).state_dict())
    same, other = gd.SGD(lr=schedule), gd.SGD(lr=schedule.scaled(0.5))
    same.load_state_dict(state)
    with pytest.raises(ValueError, match="lr="):
        other.load_state_dict(state)
    with pytest.raises(ValueError, match=r"has lr=0\.001"):
        gd.SGD().load_state_dict(state)
    other.load_state_dict(state, hyperparameters="restore")
    assert repr(other) == repr(same)


@pytest.mark.parametrize(
    "plain",
    [
        None, 3, {}, {"schedule": "cosine"}, {"schedule": "exec", "arguments": {}},
        {"schedule": "step", "arguments": {}},
        {"schedule": "constant", "arguments": {"rate": -1}}, {"schedule": "constant", "arguments": {"rate": "a"}},
        {"schedule": "scaled", "arguments": {"schedule": 3, "factor": 1}}, {"schedule": ["step"], "arguments": {}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_schedule_is_refused(plain):
    with pytest.raises((ValueError, TypeError)):
        from_plain(plain)


def test_a_function_is_compared_by_the_last_rate():
    def halved(t):
        return 0.5 if t < 2 else 0.25

    state = stepped(gd.SGD(lr=halved)).state_dict()
    gd.SGD(lr=halved).load_state_dict(state)
    gd.SGD(lr=lambda t: 0.25).load_state_dict(state)  # what it is elsewhere cannot be known
    with pytest.raises(
        ValueError, match=r"halved \(a function, 0\.25 at the last step\), but .* has lr=.*0\.125"
    ):
        gd.SGD(lr=lambda t: 0.125).load_state_dict(state)
    with pytest.raises(ValueError, match=r"has lr=0\.25"):
        gd.SGD(lr=0.25).load_state_dict(state)
    gd.SGD(lr=halved).load_state_dict(state, hyperparameters="restore")
    with pytest.raises(ValueError, match="cannot hold a function"):
        gd.SGD(lr=0.25).load_state_dict(state, hyperparameters="restore")
    composed = gd.SGD(lr=schedules.warmup(halved, 1))
    with pytest.raises(ValueError, match="at the last step"):
        composed.load_state_dict(state)  # 0.5, a step later


# --- groups and users' rules --------------------------------------------------------------------------


def test_groups_are_compared_and_restored():
    groups = {0: {"lr": schedules.cosine(0.1, 9)}, 1: {"betas": (0.5, 0.6), "weight_decay": 0.1}}
    whole = stepped(gd.Adam(groups=groups))
    state = through_a_file(whole.state_dict())
    gd.Adam(groups=groups).load_state_dict(state)
    changed = gd.Adam(groups={**groups, 1: {"betas": (0.5, 0.7), "weight_decay": 0.1}})
    unchanged(
        changed,
        lambda: changed.load_state_dict(state),
        r"groups\[1\]\['betas'\]=\(0\.5, 0\.6\), but this Adam has groups\[1\]\['betas'\]=\(0\.5, 0\.7\)",
    )
    with pytest.raises(ValueError, match="groups"):
        gd.Adam().load_state_dict(state)
    turned = gd.Adam(groups=dict(reversed(groups.items())))
    with pytest.raises(ValueError, match="groups="):
        turned.load_state_dict(state)  # the numbers of groups are saved in order
    for other in (gd.Adam(), changed, turned):
        other.load_state_dict(state, hyperparameters="restore")
        assert repr(other) == repr(whole)


def test_keys_of_groups_that_json_has_not():
    groups = {("w", 2.5): {"lr": 0.1}, np.int64(3): {"lr": 0.2}}
    state = gd.SGD(groups=groups).state_dict()
    gd.SGD(groups=groups).load_state_dict(state, hyperparameters="restore")
    gd.SGD(groups=groups).load_state_dict(state)
    with pytest.raises(ValueError, match=r"the key 2\.5; only text and integers can be restored"):
        gd.SGD().load_state_dict(state, hyperparameters="restore")


def test_users_rules():
    def made(default):
        def rule(p, g, m, lr, mu):
            m = mu * m + g
            return p - lr * m, m

        defaults = {"lr": 0.1, "mu": default}
        return gd.Optimizer.from_rule(
            rule, state=("m",), coefficients=lambda t, lr, mu: (lr, mu), defaults=defaults
        )

    state = through_a_file(stepped(made(0.9)(mu=0.5)).state_dict())
    with pytest.raises(ValueError, match=r"saved with mu=0\.5, but this rule has mu=0\.9"):
        made(0.9)().load_state_dict(state)
    other = made(0.9)()
    other.load_state_dict(state, hyperparameters="restore")
    assert other.mu == 0.5
    made(0.5)().load_state_dict(state)


# --- what is wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"t": np.array(2**63 - 1)}, r"state\['t'\]"),
        ({"t": np.array(2**64 - 1, np.uint64)}, r"state\['t'\]"),
        ({"t": np.array(2**53 + 1)}, r"state\['t'\]"),
        ({"t": np.array([3])}, r"state\['t'\]"),
        ({"t": np.array(True)}, r"state\['t'\]"),
        ({"carry": np.array([np.nan])}, r"state\['carry'\]"),
        ({"carry": np.array([np.inf])}, r"state\['carry'\]"),
        ({"carry": np.array([1.0, 1.0])}, r"state\['carry'\]"),
        ({"carry": np.array([1])}, r"state\['carry'\]"),
        ({"carry": np.array(1.0)}, r"state\['carry'\]"),
        ({"params": np.array([1, 2])}, r"state\['params'\]"),
        ({"params": np.array("params[0]")}, r"state\['params'\]"),
        ({"rules": np.array([1.0])}, "rules"),
        ({"optimizer": np.array(["NAdam"])}, "state is that of"),
        ({"hyperparameters": np.array("{")}, r"state\['hyperparameters'\]"),
        ({"hyperparameters": np.array("[" * 100_000)}, r"state\['hyperparameters'\]"),
        ({"hyperparameters": np.array("3")}, r"state\['hyperparameters'\]"),
        ({"hyperparameters": np.array(["{}"])}, r"state\['hyperparameters'\]"),
        ({"hyperparameters": np.array(3.0)}, r"state\['hyperparameters'\]"),
        ({"hyperparameters": np.array('{"groups": [3]}')}, r"state\['hyperparameters'\]"),
        ({"hyperparameters": np.array('{"groups": [{"path": 3, "options": {}}]}')}, r"state\['hyperparameters'\]"),
    ],
    ids=str,
)  # fmt: skip
def test_every_scalar_is_checked(change, match, used):
    state = stepped(gd.NAdam()).state_dict()
    own = stepped(gd.NAdam(), 1) if used else gd.NAdam()
    unchanged(own, lambda: own.load_state_dict({**state, **change}), match)


@pytest.mark.parametrize(
    "change",
    [
        {"lr": -1.0}, {"lr": "a"}, {"lr": None}, {"lr": {}}, {"lr": {"schedule": "exec", "arguments": {"x": 1}}},
        {"betas": [0.1]}, {"betas": [2.0, 3.0]}, {"betas": 0.5}, {"unknown": 1.0}, {"convention": "mine"},
        {"lr": 1e400},
        {"maximize": 2}, {"groups": [{"path": [{}], "options": {}}]}, {"groups": [{"path": [0], "options": {"x": 1}}]},
    ],
    ids=str,
)  # fmt: skip
def test_nonsense_is_not_restored(change):
    state = stepped(gd.Adam()).state_dict()
    plain = {**json.loads(str(state["hyperparameters"])), **change}
    state["hyperparameters"] = np.array(json.dumps(plain))
    for own in (gd.Adam(), stepped(gd.Adam(), 1)):
        unchanged(
            own, lambda own=own: own.load_state_dict(state, hyperparameters="restore"), "restored"
        )
        unchanged(own, lambda own=own: own.load_state_dict(state), "state was saved with")
