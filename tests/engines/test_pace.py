"""Who makes the updates of a network, one thread or all: rehearsals with given times. The bits do not depend on it."""

import numpy as np
import pytest

import fastgd as gd

native = pytest.importorskip("fastgd.engines.native.networks")


def slowdown(times, total=5.0):
    """Seconds of an update on average, over those of the faster way at each moment."""
    clock, best = 0.0, 0.0
    for _, updates, seconds in native.rehearse_pace(times, total):
        best += updates * min(times(clock))
        clock += seconds
    return clock / best


def share_together(times, total=5.0):
    pieces = native.rehearse_pace(times, total)
    return sum(seconds for together, _, seconds in pieces if together) / sum(p[2] for p in pieces)


@pytest.mark.parametrize("update", [2e-5, 2e-4, 3e-3])
def test_threads_that_help(update):
    assert slowdown(lambda _: (update, update / 1.8)) < 1.05
    assert share_together(lambda _: (update, update / 1.8)) > 0.95


@pytest.mark.parametrize("update", [2e-5, 2e-4, 3e-3])
@pytest.mark.parametrize("stalls", [1.2, 3.0, 10.0])
def test_threads_that_stall(update, stalls):
    assert slowdown(lambda _: (update, update * stalls)) < 1.1
    assert share_together(lambda _: (update, update * stalls)) < 0.1


def test_a_machine_that_becomes_busy_and_idle_again():
    def times(clock):
        return (2e-4, 8e-4 if 1.0 < clock < 6.0 else 1.2e-4)

    assert slowdown(times, 12.0) < 1.1


def test_times_that_wander():
    rng = np.random.default_rng(0)
    assert slowdown(lambda _: (2e-4 * rng.uniform(1, 1.3), 2e-4 * rng.uniform(0.9, 3))) < 2.0


def test_a_short_training_does_not_wake_the_threads():
    assert share_together(lambda _: (2e-4, 1e-4), 0.008) == 0


@pytest.mark.parametrize("update", [2e-5, 2e-4])
def test_an_update_that_wakes_the_threads_does_not_count(update):
    """It takes longer than several small updates."""
    waking = 3e-4  # in the first trial, which begins after 10 ms

    def times(clock):
        return update, update / 1.8 + (waking if clock < 0.0101 else 0.0)

    assert share_together(times, 0.5) > 0.9


def test_threads_that_stall_for_long():
    """One update of a trial takes a hundred times as long as alone."""
    assert slowdown(lambda _: (2e-4, 2e-2), 0.1) < 1.4
    assert slowdown(lambda _: (2e-4, 2e-2), 5.0) < 1.1


@pytest.mark.parametrize("norms", [False, True])
def test_pieces_have_the_bits_of_one_stretch(norms):
    x = np.random.default_rng(0).normal(size=(600, 40))
    y = np.arange(600) % 7
    old = native.set_threshold(0.0)
    try:
        nets = [
            gd.MLP(
                [40, 60, 7], rng=1, n_threads=threads, dropout=0.2, l2=1e-3, dtype="float64"
            ).fit(
                x,
                y,
                optimizer=gd.Adam(lr=1e-2, clip_norm=1.0 if norms else None),
                batch_size=64,
                epochs=30,
            )
            for threads in (1, 2)
        ]
    finally:
        native.set_threshold(old)
    for a, b in zip(*(net.params for net in nets), strict=True):
        np.testing.assert_array_equal(a, b)
    losses = [net.history_.columns["loss"] for net in nets]
    np.testing.assert_array_equal(*losses)
