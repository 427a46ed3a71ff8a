"""The rules that read a rate from a table of losses, on curves whose answer is known."""

import numpy as np
import pytest

from fastgd.finder.sharpness import Limit
from fastgd.finder.suggestions import RULES, suggestions_of

RATES = np.geomspace(1e-5, 10.0, 61)
NONE = Limit(None, reason="not known")


def curve(lowest=1e-3, highest=0.1, noise=0.0):
    """From 1 at small rates to 0.1 between two rates, and up from there."""
    place = np.log(RATES)
    fall = np.clip((place - np.log(1e-4)) / (np.log(lowest) - np.log(1e-4)), 0.0, 1.0)
    losses = 0.1**fall * np.where(highest < RATES, (RATES / highest) ** 2, 1.0)
    return losses * np.exp(noise * np.random.default_rng(0).normal(size=RATES.size))


def read(losses, start=1.0, limit=NONE, unsettled="in batches"):
    return {s.rule: s for s in suggestions_of(RATES, losses, start, limit, unsettled=unsettled)}


def test_all_rules_say_something():
    found = read(curve())
    assert tuple(found) == RULES
    for one in found.values():
        assert (one.rate is None) == bool(one.reason)


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_the_valley_is_two_thirds_through_the_fall(noise):
    """Noise does not end it, and rates before the fall do not count."""
    rate = read(curve(noise=noise))["valley"].rate
    assert 3e-4 < rate < 1e-2
    wide = np.append(RATES[0] / 1e6 * np.geomspace(1, 9e5, 20), RATES)
    losses = np.append(np.linspace(1.0001, 1.00001, 20), curve())
    found = {
        s.rule: s.rate for s in suggestions_of(wide, losses, 1.0, NONE, unsettled="in batches")
    }
    assert found["valley"] == pytest.approx(read(curve())["valley"].rate, rel=0.3)


def test_accidents_at_large_rates_are_no_steepest_fall():
    losses = curve()
    losses[-2] = 0.5 * losses[-3]
    rate = read(losses)["steepest"].rate
    assert 1e-4 <= rate <= 2e-3


def test_a_tenth_of_the_rate_with_the_lowest_loss():
    losses = curve()
    losses[40] *= 0.5
    assert read(losses)["minimum / 10"].rate == pytest.approx(RATES[40] / 10)
    assert "below all rates" in read(np.append(0.1, np.ones(60)))["minimum / 10"].reason


def test_the_lowest_only_without_noise_and_within_what_is_stable():
    losses = curve()
    losses[40] *= 0.5
    assert read(losses)["lowest"].rate is None
    assert read(losses, unsettled="")["lowest"].rate == pytest.approx(RATES[40])
    tight = Limit(RATES[38], 1.0)
    assert read(losses, limit=tight, unsettled="")["lowest"].rate == pytest.approx(0.95 * RATES[38])


def test_losses_that_are_not_positive():
    found = read(curve() - 5.0, start=-4.0)
    assert 3e-4 < found["valley"].rate < 1e-2


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        (np.full(61, np.nan), "all runs diverged"),
        (np.full(61, 1.5), "no rate's loss fell"),
        (np.full(61, 0.999), "the loss fell from 1 to 0.999 at best"),
    ],
)
def test_nothing_to_read(losses, reason):
    found = read(losses, limit=Limit(0.5, 4.0))
    assert all(found[rule].reason == reason for rule in RULES[:-1])
    assert found["stable"].rate == 0.5


def test_a_stable_rate_below_all_others_is_no_suggestion():
    found = read(curve(), limit=Limit(1e-9, 2e9))["stable"]
    assert found.rate is None
    assert "1e-09" in found.reason


def test_few_rates():
    for n in (1, 2, 3):
        for losses in (
            np.full(n, 0.5),
            np.linspace(0.9, 0.1, n),
            np.append(0.2, np.full(n - 1, np.nan)),
        ):
            found = suggestions_of(RATES[:n], losses, 1.0, NONE, unsettled="in batches")
            assert len(found) == len(RULES)
