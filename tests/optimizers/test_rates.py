"""Learning rates as a step reads them: those of a schedule, with the bits of single calls, and each at its step."""

import numpy as np
import pytest

import fastgd as gd
from fastgd import schedules
from fastgd.optimizers.rates import reader_of

BUILT_IN = [
    schedules.constant(0.1),
    schedules.step(0.1, 30),
    schedules.multi_step(0.3, [3, 7, 1000], 0.5),
    schedules.cosine(0.1, 1000, 0.003),
    schedules.cosine_restarts(0.1, 3, 3),
    schedules.one_cycle(0.1, 100),
    schedules.warmup_cosine(0.1, 20, 300).scaled(1.7),
]


@pytest.mark.parametrize("schedule", BUILT_IN, ids=str)
def test_the_bits_of_single_calls(schedule):
    read = reader_of(schedule)
    jumps = [*range(2500), 17, 10**9, 10**9 + 1, 0, 2**53 - 1, 2**53, 5]
    assert [read(t) for t in jumps] == [schedule(t) for t in jumps]


def test_a_step_takes_the_rate_of_the_schedule():
    schedule = schedules.warmup_cosine(0.5, 10, 90)
    optimizer, twin = (
        gd.Adam(lr=schedule, clip_norm=1.0, weight_decay=0.1),
        gd.Adam(clip_norm=1.0, weight_decay=0.1),
    )
    p, q, g = np.ones(5), np.ones(5), np.arange(5.0)
    for t in range(100):
        assert optimizer.lr == schedule(t)
        optimizer.step(p, g)
        twin.step(q, g, lr=schedule(t))
        assert p.tobytes() == q.tobytes()


def test_groups_read_their_own_schedules():
    first, second = schedules.linear(1.0, 0.0, 50), schedules.step(0.5, 7)
    optimizer = gd.SGD(
        lr=first,
        groups={1: {"lr": second}, 2: {"lr": lambda t: 0.25 * t}, 3: {"weight_decay": 0.0}},
    )
    params = [np.zeros(1) for _ in range(4)]
    wanted = [0.0] * 4
    for t in range(60):
        optimizer.step(params, [np.ones(1)] * 4)
        for k, rate in enumerate([first(t), second(t), 0.25 * t, first(t)]):
            wanted[k] -= rate
        assert [p[0] for p in params] == wanted


def test_a_function_is_called_once_a_step_and_not_ahead():
    seen = []

    def rate(t):
        seen.append(t)
        return np.float64(0.5) if t % 2 else 1

    for lr, calls in ((rate, [0, 1, 2]), (schedules.warmup(schedules.as_schedule(rate), 1), None)):
        optimizer, p = gd.SGD(lr=lr), np.zeros(1)
        optimizer.step(p, np.ones(1))
        seen.clear()
        for _ in range(3):
            optimizer.step(p, np.ones(1))
        if calls:
            assert seen == [1, 2, 3]
        assert max(seen) <= 3


def test_the_rate_may_be_set_and_the_steps_may_jump():
    optimizer, p, g = gd.SGD(lr=schedules.linear(1.0, 0.0, 100)), np.zeros(1), np.ones(1)
    for _ in range(10):
        optimizer.step(p, g)
    state = optimizer.state_dict()
    before = p.copy()
    optimizer.step(p, g)
    optimizer.load_state_dict(state)
    q = before.copy()
    optimizer.step(q, g)
    assert q == p
    optimizer.lr = schedules.constant(0.125)
    optimizer.step(q, g)
    assert q == p - 0.125
    optimizer.lr = 0.5
    optimizer.step(q, g)
    assert q == p - 0.625


def test_a_rate_that_is_none_is_refused_at_its_step():
    optimizer, p, g = (
        gd.SGD(lr=schedules.as_schedule(lambda t: 1.0 if t < 3 else -1.0)),
        np.zeros(1),
        np.ones(1),
    )
    for _ in range(3):
        optimizer.step(p, g)
    with pytest.raises(
        ValueError, match=r"lr must be a finite number >= 0, returned at step 3 -1.0"
    ):
        optimizer.step(p, g)
    huge = schedules.linear(1e300, 1e308, 10).scaled(100.0)  # infinite from some step on
    optimizer, p = gd.SGD(lr=huge), np.zeros(1)
    finite = [t for t in range(20) if huge(t) < np.inf]
    for _ in finite:
        optimizer.step(p, g)
    with pytest.raises(
        ValueError, match=f"lr at step {len(finite)} must be a number >= 0, got inf"
    ):
        optimizer.step(p, g)
    assert optimizer.t == len(finite)
