"""Mistakes that newcomers make, and what the library says to them."""

import numpy as np
import pytest

import fastgd as gd
from fastgd.studies import reproduce

LINE = gd.LeastSquares(np.linspace(0, 1, 30), np.linspace(1, 4, 30))


@pytest.mark.parametrize(
    ("given", "meant"),
    [("maxiter", "max_iter"), ("max_iters", "max_iter"), ("seed", "rng"), ("toll", "tol")],
)
def test_an_argument_of_another_name(given, meant):
    for call in (
        lambda **k: gd.minimize(LINE, **k),
        lambda **k: gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, **k),
    ):
        with pytest.raises(TypeError, match=f"has no argument {given!r}; did you mean {meant!r}"):
            call(**{given: 3})


def test_an_argument_that_nothing_is_like():
    with pytest.raises(TypeError, match=r"no argument 'zzz'; it takes fun, x0, optimizer, jac"):
        gd.minimize(LINE, zzz=3)


def test_a_function_is_no_problem_yet():
    with pytest.raises(TypeError, match=r"of a function of n parameters it is gd.Function\(f, n\)"):
        gd.sweep(lambda x: x @ x, gd.SGD(), {"lr": [0.1]})


def test_an_optimizer_in_the_place_of_the_start():
    with pytest.raises(TypeError, match=r"got SGD.*; did you mean optimizer="):
        gd.minimize(LINE, gd.SGD(lr=0.1))


def test_one_study_by_its_name(tmp_path):
    done = reproduce("step-size-1d", out=tmp_path, quick=True)
    assert [section.name for section in done.sections] == ["step-size-1d"]


@pytest.mark.parametrize(
    "optimizer",
    [gd.SGD(lr=100.0), gd.Momentum(lr=100.0, momentum=0.5), gd.NAG(lr=3.0), gd.SGD(lr=3.0, l2=0.1)],
)
def test_a_run_that_diverged_names_the_stable_rates(optimizer):
    run = gd.minimize(LINE, optimizer=optimizer, max_iter=100_000)
    assert run.message.startswith("Diverged: ")
    limit = float(run.message.partition("below ")[2].split()[0])
    options = {"max_iter": 100_000, "tol": 1e-6}
    stable = gd.minimize(LINE, optimizer=optimizer.with_options(lr=0.98 * limit), **options)
    beyond = gd.minimize(LINE, optimizer=optimizer.with_options(lr=1.02 * limit), **options)
    assert (stable.success, beyond.status) == (True, gd.Status.DIVERGED)
    tried = run.message.partition("try ")[2].rstrip(".")
    assert gd.minimize(LINE, optimizer=eval(tried, vars(gd)), **options).success


def test_a_function_that_diverged_is_to_go_slower():
    run = gd.minimize(gd.functions.rosenbrock(), [-1.0, 1.0], gd.SGD(lr=10.0))
    assert run.message.endswith("beyond 1e+100; try a smaller learning rate than 10.")
