"""Descents in the page: those of `gd.sweep`, update by update."""

import json
from functools import cache

import numpy as np
import pytest
from explorer.scripts import from_bits, run

import fastgd as gd
from fastgd import schedules
from fastgd.explorer import methods
from fastgd.explorer.gallery import SCENES
from fastgd.explorer.page import engine_script, page_data
from fastgd.explorer.picks import PICKS

NAMES = methods.names()
#: Their coefficients have powers, which may differ in the last bit from the library's.
WITH_POWERS = {"Adam", "AdamW", "NAdam", "RAdam", "Adamax"}


@cache
def scene(key):
    return SCENES[key]()


@cache
def script():
    return engine_script(page_data())


@cache
def page_runs(key):
    """A run of every optimizer, with the rates that the page starts with."""
    return run(
        f"""{script()}
        const state = {{ ...firstState("{key}"), shown: OPTIMIZERS }}, problem = problemOf(aboutOf(state));
        return Object.fromEntries(OPTIMIZERS.map((name) => {{
          const found = runOf(state, problem, name);
          return [name, [found.status, found.iterations, found.regime, bits(found.x)]];
        }}));"""
    )


def optimizer(name, rate, momentum=0.9):
    make = getattr(gd, name)
    about = methods.described(make())
    if about["argument"] == "momentum":
        return make(lr=rate, momentum=momentum)
    if about["argument"] == "betas":
        return make(lr=rate, betas=(momentum, about["second"]))
    return make(lr=rate)


@pytest.mark.parametrize("key", SCENES)
def test_the_page_descends_as_sweep_does(key):
    shown = scene(key)
    every = {"optimizer": [optimizer(name, shown.rate(name)) for name in NAMES]}
    wanted = gd.sweep(
        shown.problem, gd.SGD(), every, x0=list(shown.start), max_iter=shown.updates, tol=shown.tol,
        flush_subnormals=False,
    )  # fmt: skip
    for k, name in enumerate(NAMES):
        status, iterations, regime, x = page_runs(key)[name]
        if name in WITH_POWERS or key == "bumpy":
            same = regime == wanted.regime[k] and status == wanted.status[k]
            close = np.allclose(from_bits(x), wanted.x[k], rtol=1e-6, atol=1e-9, equal_nan=True)
            assert same, name
            assert close or status == gd.Status.DIVERGED, name
        else:
            assert (status, iterations, regime) == (
                wanted.status[k],
                wanted.iterations[k],
                wanted.regime[k],
            ), name
            np.testing.assert_array_equal(from_bits(x), wanted.x[k], name)


@pytest.mark.parametrize("key", ["line", "ravine", "himmelblau", "valleys", "parabola"])
@pytest.mark.parametrize("name", ["Momentum", "NAG", "Adam"])
def test_the_page_sweeps_the_diagram_that_it_came_with(key, name):
    if name == "Adam" and key not in {"ravine", "line"}:
        pytest.skip("one of each form is enough")
    same, cells, closeness = run(
        f"""{script()}
        const state = {{ ...firstState("{key}"), selected: "{name}" }}, problem = problemOf(aboutOf(state));
        const wanted = embeddedPhase(state, problem.about);
        const sweep = phaseSweep(state, problem, phaseAxes(problem.about.rates["{name}"]));
        while (sweep.work(1000));
        let same = 0, cells = 0, furthest = 0;
        wanted.regimes.forEach((row, j) => row.forEach((regime, i) => {{
          cells++;
          const gap = Math.abs(sweep.iterations[j][i] - wanted.iterations[j][i]);
          furthest = Math.max(furthest, gap);
          if (regime === sweep.regimes[j][i] && gap === 0) same++;
        }}));
        return [same, cells, furthest];"""
    )
    assert cells == 65 * 34
    # A power's last bit, and losses that are equal but for rounding ("slow" or "cycling"), may decide otherwise.
    assert same >= 0.99 * cells
    assert closeness <= (cells if name == "Adam" else 0)


@pytest.mark.parametrize("pick", PICKS, ids=lambda pick: pick.name)
def test_schedules_have_the_rates_of_the_library(pick):
    for total in (30, 100, 301):
        text, rates = run(
            f"""{script()}
            const given = ["{pick.name}", {total}, 0.7], rate = rateAt(...given);
            return [scheduleText(...given), bits(Array.from({{ length: 350 }}, (_, t) => rate(t)))];"""
        )
        wanted = eval(text, {"gd": gd}).values(0, 350)
        np.testing.assert_allclose(from_bits(rates), wanted, rtol=4e-16, atol=2e-16)


def test_every_schedule_of_the_library_can_be_picked():
    left_out = {"Schedule", "as_schedule", "constant", "warmup"}
    assert {pick.name for pick in PICKS} == set(schedules.__all__) - left_out


def test_a_schedule_acts_on_a_run():
    found = run(
        f"""{script()}
        const state = {{ ...firstState("ravine"), shown: ["SGD"], schedule: "linear", total: 100 }};
        const run = runOf(state, problemOf(aboutOf(state)), "SGD");
        return [run.status, run.iterations, bits(run.x)];"""
    )
    shown = scene("ravine")
    rate = gd.schedules.linear(shown.rate("SGD"), 0.0, total=100)
    wanted = gd.minimize(shown.problem, shown.start, gd.SGD(lr=rate), max_iter=300, tol=1e-3)
    assert found[1] == wanted.nit
    np.testing.assert_array_equal(from_bits(found[2]), wanted.x)


def test_losses_of_the_page_are_those_of_the_problems():
    for key in SCENES:
        shown = scene(key)
        points = np.random.default_rng(0).uniform(
            shown.view[::2], shown.view[1::2], (20, len(shown.start))
        )
        found = run(
            f"""{script()}
            const problem = problemOf(DATA.problems["{key}"]);
            return bits({json.dumps(points.tolist())}.map((x) => problem.loss(x)));"""
        )
        wanted = [shown.problem.loss(x) for x in points]
        np.testing.assert_allclose(from_bits(found), wanted, rtol=1e-9, atol=1e-12)
