"""Schedules: closed forms, torch, and the promise that a table holds the bits of single calls."""

import math
import pickle
import timeit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgd import schedules as sch

ALL = [
    sch.constant(0.1),
    sch.step(0.1, 30),
    sch.multi_step(0.3, [3, 7, 1000], 0.5),
    sch.exponential(0.7, 0.99),
    sch.cosine(0.1, 1000, 0.003),
    sch.cosine_restarts(0.1, 7, 1, 0.01),
    sch.cosine_restarts(0.1, 3, 3),
    sch.linear(0.1, 0.7, 33),
    sch.polynomial(0.3, 100, 1.7, 0.01),
    sch.inverse_sqrt(0.1, 3),
    sch.one_cycle(0.1, 100),
    sch.one_cycle(0.1, 100, anneal="linear", pct_start=0.0),
    sch.warmup(sch.step(0.1, 3), 10, 0.01),
    sch.warmup_cosine(0.1, 20, 300),
    sch.warmup_linear(0.1, 20, 300, 0.01),
    sch.warmup_inverse_sqrt(0.1, 20),
    sch.warmup_constant(0.1, 20),
    sch.warmup_cosine(0.1, 20, 300).scaled(1.7),
    sch.as_schedule(abs),
]
rates = st.floats(0.0, 1e6)
counts = st.integers(1, 10**6)


@st.composite
def any_schedule(draw):
    peak, share, n = draw(rates), draw(st.floats(0.0, 1.0)), draw(counts)
    floor, factor = peak * share, draw(st.floats(1e-3, 1.0))
    made = draw(
        st.sampled_from(
            [
                sch.constant(peak),
                sch.step(peak, n, factor),
                sch.multi_step(peak, [n, 2 * n], factor),
                sch.exponential(peak, factor),
                sch.cosine(peak, n, floor),
                sch.cosine_restarts(peak, n, 1, floor),
                sch.cosine_restarts(peak, n, 2, floor),
                sch.linear(peak, floor, n),
                sch.linear(floor, peak, n),
                sch.polynomial(peak, n, 0.5 + share, floor),
                sch.inverse_sqrt(peak, n),
                sch.one_cycle(peak, n + 1, 0.9 * share),
                sch.one_cycle(peak, n + 1, 0.9 * share, anneal="linear"),
            ]
        )
    )
    if draw(st.booleans()):
        made = sch.warmup(made, draw(st.integers(0, 1000)), draw(rates))
    return made.scaled(draw(st.floats(0, 10))) if draw(st.booleans()) else made


@settings(max_examples=200, deadline=None)
@given(any_schedule(), st.integers(0, 2 * 10**6), st.integers(0, 70))
def test_a_table_holds_the_bits_of_single_calls_and_no_negative_rate(schedule, start, length):
    table = schedule.values(start, start + length)
    assert table.dtype == np.float64
    single = np.array([schedule(t) for t in range(start, start + length)], dtype=np.float64)
    assert table.tobytes() == single.tobytes()
    assert np.isfinite(table).all()
    assert (table >= 0).all()
    assert not np.signbit(table).any()


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_bits_at_many_offsets_and_far_away(schedule):
    steps = np.r_[0:400, 999, 1000, 1001, 10**6, 2**40, 2**53]
    single = np.array([schedule(int(t)) for t in steps])
    for first in range(17):
        assert schedule(steps[first:]).tobytes() == single[first:].tobytes()
    assert schedule(steps[::-3]).tobytes() == single[::-3].tobytes()


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_shapes_and_integer_types(schedule):
    steps = np.arange(24).reshape(2, 3, 4)
    table = schedule.values(0, 24)
    assert schedule(steps).shape == (2, 3, 4)
    np.testing.assert_array_equal(schedule(np.asfortranarray(steps)).ravel(), table)
    np.testing.assert_array_equal(schedule(steps.astype(np.uint8)).ravel(), table)
    np.testing.assert_array_equal(schedule([0, 1, 2]), table[:3])
    assert schedule(np.array(5)).shape == ()
    assert isinstance(schedule(np.array(5)), np.ndarray)
    assert type(schedule(5)) is float
    assert type(schedule(np.int32(5))) is float
    assert schedule(np.int32(5)) == table[5]
    assert schedule(np.zeros((0, 3), dtype=int)).shape == (0, 3)
    assert schedule.values(7, 7).shape == (0,)


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_frozen_hashable_equal_by_value_picklable(schedule):
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule
    assert hash(copy) == hash(schedule)
    assert schedule != schedule.scaled(2.0)
    assert schedule.scaled(2.0)(7) == 2.0 * schedule(7)
    with pytest.raises(AttributeError):
        schedule.name = "other"


def test_the_repr_makes_it_again():
    for schedule in ALL[:-1]:
        assert eval(repr(schedule), vars(sch)) == schedule


def test_closed_forms():
    t = np.arange(0, 120)
    np.testing.assert_allclose(sch.step(0.5, 30)(t), 0.5 * 0.1 ** (t // 30), rtol=1e-15)
    np.testing.assert_allclose(sch.exponential(0.5, 0.9)(t), 0.5 * 0.9**t, rtol=1e-14)
    half = 0.5 * (1 + np.cos(np.pi * np.minimum(t / 100, 1)))
    np.testing.assert_allclose(sch.cosine(0.5, 100)(t), 0.5 * half, atol=1e-16)
    np.testing.assert_allclose(sch.cosine(0.5, 100, 0.1)(t), 0.1 + 0.4 * half, rtol=1e-14)
    left = np.maximum(1 - t / 100, 0)
    np.testing.assert_allclose(sch.linear(0.5, 0.0, 100)(t), 0.5 * left, atol=1e-16)
    np.testing.assert_allclose(sch.polynomial(0.5, 100, 3)(t), 0.5 * left**3, rtol=1e-14)
    np.testing.assert_array_equal(sch.inverse_sqrt(0.5)(t), 0.5 / np.sqrt(t + 1))
    noam = 0.5 * np.minimum(t[1:] / 20, np.sqrt(20 / t[1:]))
    np.testing.assert_allclose(sch.warmup_inverse_sqrt(0.5, 20)(t[1:]), noam, rtol=1e-14)
    np.testing.assert_array_equal(
        sch.multi_step(0.5, (30, 80), 0.5)(t), np.select([t < 30, t < 80], [0.5, 0.25], 0.125)
    )


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_restarts_against_a_loop(multiplier):
    rate, inside, length = sch.cosine_restarts(0.1, 3, multiplier, 0.02), 0, 3
    for t in range(200):
        expected = 0.02 + 0.08 * (1 + math.cos(math.pi * inside / length)) / 2
        assert rate(t) == pytest.approx(expected, rel=1e-14)
        inside += 1
        if inside == length:
            inside, length = 0, length * multiplier


def test_after_its_end_a_schedule_stays():
    for schedule, end in [
        (sch.cosine(0.1, 10, 0.01), 10),
        (sch.linear(0.3, 0.1, 10), 10),
        (sch.polynomial(0.1, 10, 2, 0.01), 10),
        (sch.one_cycle(0.1, 10), 9),
        (sch.warmup_cosine(0.1, 3, 10, 0.01), 10),
    ]:
        assert (schedule.values(end, 100) == schedule(end)).all()
        assert schedule(end - 1) != schedule(end)
    assert sch.linear(0.3, 0.1, 10)(10) == 0.1
    assert sch.cosine(0.3, 10, 0.1)(10) == 0.1


@settings(max_examples=100, deadline=None)
@given(any_schedule(), st.integers(1, 500), rates)
def test_a_warmup_is_a_line_up_to_the_schedule_and_then_the_schedule(schedule, steps, start):
    warm = sch.warmup(schedule, steps, start)
    assert warm(0) == start
    assert warm.values(steps, steps + 50).tobytes() == schedule.values(0, 50).tobytes()
    differences = np.diff(warm.values(0, steps + 1))
    expected = (schedule(0) - start) / steps
    np.testing.assert_allclose(differences, expected, atol=1e-12 * max(start, schedule(0), 1e-300))


def torch_rates(make, steps, lr):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("ours", "theirs", "steps"),
    [
        (sch.step(0.1, 30), lambda s, o: s.StepLR(o, 30), 100),
        (sch.multi_step(0.1, [5, 50], 0.5), lambda s, o: s.MultiStepLR(o, [5, 50], 0.5), 100),
        (sch.exponential(0.1, 0.95), lambda s, o: s.ExponentialLR(o, 0.95), 100),
        (sch.cosine(0.1, 99, 0.01), lambda s, o: s.CosineAnnealingLR(o, 99, 0.01), 100),
        (sch.linear(0.1 / 3, 0.1, 5), lambda s, o: s.LinearLR(o), 20),
        (sch.polynomial(0.1, 50, 2.0), lambda s, o: s.PolynomialLR(o, 50, 2.0), 100),
        (sch.inverse_sqrt(0.1), lambda s, o: s.LambdaLR(o, lambda t: (t + 1) ** -0.5), 100),
        (
            sch.cosine_restarts(0.1, 7, 2, 0.01),
            lambda s, o: s.CosineAnnealingWarmRestarts(o, 7, 2, 0.01),
            200,
        ),
        (sch.one_cycle(0.1, 99), lambda s, o: s.OneCycleLR(o, 0.1, 99), 98),
        (
            sch.one_cycle(0.1, 100, 0.45, 10, 100, anneal="linear"),
            lambda s, o: s.OneCycleLR(
                o, 0.1, 100, pct_start=0.45, anneal_strategy="linear", div_factor=10, final_div_factor=100
            ),
            99,
        ),
        (
            sch.warmup(sch.cosine(0.1, 90), 10, 0.01),
            lambda s, o: s.SequentialLR(
                o, [s.LinearLR(o, 0.1, total_iters=10), s.CosineAnnealingLR(o, 90)], [10]
            ),
            100,
        ),
    ],
    ids=lambda value: repr(value) if isinstance(value, sch.Schedule) else "",
)  # fmt: skip
def test_torch_agrees(ours, theirs, steps):
    # torch multiplies running products: a rounding a step.
    expected = torch_rates(theirs, steps, 0.1)
    np.testing.assert_allclose(ours.values(0, steps), expected, rtol=1e-12, atol=1e-15)


def test_where_torch_differs_its_cosine_rises_again():
    expected = torch_rates(lambda s, o: s.CosineAnnealingLR(o, 10), 21, 0.1)
    assert expected[20] == pytest.approx(0.1)
    assert sch.cosine(0.1, 10)(20) == 0.0


@pytest.mark.parametrize("lr", [True, None, "0.1", 1j, [0.1], np.ones(2), np.True_, int])
def test_a_rate_of_the_wrong_type(lr):
    with pytest.raises(TypeError, match="lr must be a finite number >= 0"):
        sch.as_schedule(lr)


@pytest.mark.parametrize("lr", [-1e-300, math.nan, math.inf, -math.inf, 10**400, np.float32("nan")])
def test_a_rate_of_a_wrong_value(lr):
    with pytest.raises(ValueError, match="lr must be a finite number >= 0"):
        sch.as_schedule(lr)


def test_as_schedule():
    assert sch.as_schedule(np.float32(0.5)) == sch.as_schedule(0.5) == sch.constant(0.5)
    assert math.copysign(1, sch.as_schedule(-0.0)(3)) == 1
    cosine = sch.cosine(0.1, 10)
    assert sch.as_schedule(cosine) is cosine
    seen = []
    own = sch.as_schedule(lambda t: seen.append(type(t)) or 1 / (t + 1))
    np.testing.assert_array_equal(
        own(np.arange(6).reshape(2, 3)), 1 / (np.arange(6) + 1).reshape(2, 3)
    )
    assert own(1) == 0.5
    assert set(seen) == {int}
    with pytest.raises(ValueError, match="lr must be a finite number >= 0, returned at step 3"):
        sch.as_schedule(lambda t: 2.5 - t).values(0, 5)
    with pytest.raises(TypeError, match="lr must be a finite number >= 0, returned at step 0"):
        sch.as_schedule(lambda t: "fast")(0)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: sch.step(0.1, 0), ValueError, "every"),
        (lambda: sch.step(0.1, 2.0), TypeError, "every"),
        (lambda: sch.step(0.1, True), TypeError, "every"),
        (lambda: sch.step(0.1, 3, 1.5), ValueError, "factor"),
        (lambda: sch.step(0.1, 3, 0.0), ValueError, "factor"),
        (lambda: sch.step(math.nan, 3), ValueError, "peak"),
        (lambda: sch.exponential(0.1, math.nan), ValueError, "factor"),
        (lambda: sch.multi_step(0.1, [3, 3]), ValueError, "milestones must increase"),
        (lambda: sch.multi_step(0.1, 3), TypeError, "milestones"),
        (lambda: sch.multi_step(0.1, "34"), TypeError, "milestones"),
        (lambda: sch.multi_step(0.1, [1.5]), TypeError, "milestones"),
        (lambda: sch.cosine(0.1, 10, 0.2), ValueError, "floor must not exceed peak"),
        (lambda: sch.cosine(0.1, 2**54), ValueError, "total"),
        (lambda: sch.polynomial(0.1, 10, 0.0), ValueError, "power"),
        (lambda: sch.one_cycle(0.1, 1), ValueError, "total"),
        (lambda: sch.one_cycle(0.1, 9, pct_start=1.0), ValueError, "pct_start"),
        (lambda: sch.one_cycle(0.1, 9, div_factor=0.5), ValueError, "div_factor"),
        (lambda: sch.one_cycle(0.1, 9, anneal="sine"), ValueError, "anneal"),
        (lambda: sch.warmup("x", 3), TypeError, "schedule"),
        (lambda: sch.warmup(0.1, -1), ValueError, "steps"),
        (lambda: sch.warmup_cosine(0.1, 10, 10), ValueError, "total must be above warmup"),
        (lambda: sch.constant(0.1).scaled(-1), ValueError, "factor"),
        (lambda: sch.constant(0.1).values(3, 2), ValueError, "stop"),
        (lambda: sch.constant(0.1)(-1), ValueError, "step"),
        (lambda: sch.constant(0.1)(2**53 + 1), ValueError, "step"),
        (lambda: sch.constant(0.1)(2**70), ValueError, "step"),
        (lambda: sch.constant(0.1)(np.array([3, -1])), ValueError, "step"),
        (lambda: sch.constant(0.1)(1.0), TypeError, "step"),
        (lambda: sch.constant(0.1)(True), TypeError, "step"),
        (lambda: sch.constant(0.1)(np.array([True])), TypeError, "step"),
        (lambda: sch.constant(0.1)("1"), TypeError, "step"),
        (lambda: sch.constant(0.1)(None), TypeError, "step"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_a_call_costs_microseconds():
    schedule = sch.warmup_cosine(0.1, 20, 300)
    best = min(timeit.repeat(lambda: schedule(100), number=1000, repeat=5)) / 1000
    assert best < 50e-6  # 1 to 2 µs; the bound only catches a fall back to arrays
