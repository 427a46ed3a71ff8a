"""What `minimize` says of a descent that did not converge: theory's iterations, and what helps, which does."""

import copy
import pickle
import re
import sys

import numpy as np
import pytest

import fastgd as gd
from fastgd.descent import history, pace
from fastgd.descent.optimize_result import result_class

RNG = np.random.default_rng(0)
INCOME, AGE = RNG.normal(5e4, 1.5e4, 200), RNG.normal(40, 10, 200)
NOISE = RNG.normal(size=200)
UNSCALED = np.column_stack([INCOME, AGE])
SCALED = (UNSCALED - UNSCALED.mean(axis=0)) / UNSCALED.std(axis=0)
SPENT = INCOME / 1e3 + AGE + NOISE
BOUGHT = SPENT + 20 * NOISE > 90
U, V = RNG.uniform(size=(2, 200))
ALIKE = np.column_stack([U, U + 0.01 * V])


@pytest.mark.parametrize(
    ("kind", "targets"), [(gd.LeastSquares, SPENT), (gd.Logistic, BOUGHT)], ids=["line", "labels"]
)
def test_unscaled_columns_are_named_and_standardizing_helps(kind, targets):
    run = gd.minimize(kind(UNSCALED, targets))
    assert not run.success
    said = (
        r"max_iter=10000 updates: the condition number of the curvature is [\d.]+e\+\d+; "
        r"theory expects [^;]* iterations; "
        r"the sizes of the columns have the ratio 5\.\de\+04: standardize them\.$"
    )
    assert re.search(said, run.message), run.message
    again = gd.minimize(kind(SCALED, targets))
    assert again.success
    assert again.message.startswith("Converged")


@pytest.mark.parametrize(
    ("problem", "optimizer"),
    [
        (gd.LeastSquares(ALIKE, U + V), None),
        (gd.LeastSquares(ALIKE, U + V), gd.Adam()),
        (gd.LeastSquares(SCALED, SPENT), gd.SGD(lr=1e-5)),
        (gd.Logistic(SCALED, BOUGHT), gd.SGD(lr=1e-5)),
        (gd.Quadratic(np.diag([1.0, 1e-5]), [1.0, 1.0]), None),
    ],
    ids=["alike", "adam", "slow", "slow labels", "quadratic"],
)
def test_what_it_says_to_try_helps_as_soon_as_it_says(problem, optimizer):
    run = gd.minimize(problem, optimizer=optimizer, max_iter=20_000)
    assert not run.success
    tried, count = re.search(r"; try (\w+\(.*\)): about ([\d,]+) iterations", run.message).groups()
    again = gd.minimize(problem, optimizer=eval(f"gd.{tried}"), max_iter=1_000_000)
    assert again.success
    assert again.nit <= 1.5 * int(count.replace(",", "")) + 10


def test_a_run_that_grows_is_told_the_stable_rates():
    """It need not have diverged yet."""
    problem = gd.Quadratic([[4.0, 0.0], [0.0, 1.0]])
    run = gd.minimize(problem, [1.0, 1.0], gd.SGD(lr=0.51), max_iter=20)
    assert "the learning rate 0.51 is too large: below 0.5 it is stable; try SGD(lr=" in run.message
    assert "too large" not in gd.minimize(problem, [1.0, 1.0], gd.SGD(lr=0.49), max_iter=20).message


def test_theory_expects_what_it_takes_where_nothing_else_is_better():
    bowl = gd.Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0])
    run = gd.minimize(bowl, max_iter=20)
    expected, raised = map(
        int, re.search(r"about (\d+) iterations; raise max_iter to (\d+)", run.message).groups()
    )
    again = gd.minimize(bowl, max_iter=raised)
    assert again.success
    assert again.nit == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("problem", "optimizer", "more", "says"),
    [
        (gd.Logistic([0.0, 0.1, 0.9, 1.0], [0, 0, 1, 1]), None, {}, "can be separated"),
        (gd.LeastSquares(U, NOISE, batch_size=8), None, {"tol": 1e-8}, "leave out batch_size"),
        (gd.LeastSquares(1e6 + NOISE, U), None, {}, "standardize"),
        (gd.LeastSquares(SCALED + 0.3, SPENT), None, {"dtype": "float32", "tol": 1e-12}, "dtype='float64'"),
        (gd.LeastSquares(UNSCALED, SPENT, update="sequential"), None, {}, "standardize"),
    ],
    ids=["separated", "batches", "rounded", "float32", "sequential"],
)  # fmt: skip
def test_where_no_number_of_iterations_would_do(problem, optimizer, more, says):
    run = gd.minimize(problem, optimizer=optimizer, max_iter=500, **more)
    assert run.status == 1
    assert says in run.message, run.message


@pytest.mark.parametrize(
    ("problem", "optimizer", "more"),
    [
        (gd.LeastSquares(SCALED, SPENT), None, {"tol": 0}),
        (gd.LeastSquares(U, NOISE, batch_size=8), None, {}),
        (gd.Quadratic(-np.eye(2), [1.0, 1.0]), gd.SGD(maximize=True), {}),
    ],
    ids=["tol=0", "batches", "maximized"],
)
def test_nothing_is_said_where_nothing_is_known(problem, optimizer, more):
    run = gd.minimize(problem, optimizer=optimizer, max_iter=7, **more)
    assert run.message == "Not converged after max_iter=7 updates."


def test_advice_costs_no_more_than_the_run(monkeypatch):
    """Second derivatives of many parameters are looked at after many updates only, of very many never."""
    looked = []
    monkeypatch.setattr(
        gd.Quadratic, "local_curvature", lambda self, x: looked.append((len(x), self)) or None
    )
    for count, updates in ((2, 1), (150, 10), (150, 200), (2001, 2002)):
        x = np.zeros(count)
        problem = gd.Quadratic(np.eye(count), np.ones(count)) if count < 2000 else None
        if problem is None:
            problem = object.__new__(gd.Quadratic)  # its matrix is not needed
        pace.slowness(problem, gd.SGD(), pace.End(x, x, 1.0, updates, 1e-8))
    assert [n for n, _ in looked] == [2, 150]


def test_nor_does_the_stable_rate(monkeypatch):
    looked = []
    monkeypatch.setattr(gd.Quadratic, "curvature", lambda self, x0=None: looked.append(len(x0)))
    for count, updates in ((2, 1), (150, 10), (150, 200)):
        x = np.zeros(count)
        problem = gd.Quadratic(np.eye(count), np.ones(count))
        pace.advice(problem, gd.SGD(), pace.End(x, x, 1.0, updates, 1e-8))
        pace.advice(problem, gd.Adam(), pace.End(x, x, 1.0, updates, 1e-8))  # it needs none
    assert set(looked) == {2, 150}
    assert looked.count(150) == looked.count(2)


LOOKS = {
    "key": lambda run: run["message"],
    "attribute": lambda run: run.message,
    "get": lambda run: run.get("message"),
    "items": lambda run: dict(run.items())["message"],
    "values": lambda run: next(v for v in run.values() if isinstance(v, str) and "max_iter" in v),
    "dict": lambda run: dict(run)["message"],
    "unpacked": lambda run: {**run}["message"],
    "keywords": lambda run: dict(**run)["message"],
    "united": lambda run: (run | {})["message"],
    "united the other way": lambda run: ({} | run)["message"],
    "updated": lambda run: {}.__ior__(run)["message"],
    "copied": lambda run: run.copy()["message"],
    "copy": lambda run: copy.copy(run).message,
    "deepcopy": lambda run: copy.deepcopy(run).message,
    "pickled": lambda run: pickle.loads(pickle.dumps(run)).message,
    "popped": lambda run: run.pop("message"),
    "setdefault": lambda run: run.setdefault("message", ""),
    "shown": lambda run: re.search("Not converged .*", repr(run))[0],
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("scipy", [True, False], ids=["SciPy", "alone"])
def test_the_message_is_made_when_it_is_looked_at(look, scipy, monkeypatch):
    if not scipy:
        monkeypatch.setitem(sys.modules, "scipy", None)
    asked = []
    monkeypatch.setattr(history, "advice", lambda *_: asked.append(1) or "why")
    run = gd.minimize(gd.Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0]), max_iter=5)
    assert (run.nit, run.get("status"), run["success"], "message" in run) == (5, 1, False, True)
    assert not asked
    assert look(run) == "Not converged after max_iter=5 updates: why."
    assert asked == [1]
    assert type(run) is result_class()


def test_the_message_does_not_depend_on_what_became_of_the_result():
    bowl = gd.Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0])
    runs = [gd.minimize(bowl, max_iter=20) for _ in range(3)]
    runs[1].x[:] = runs[1].jac[:] = np.nan
    runs[2].message = "mine"
    assert runs[0] == runs[0]
    assert runs[0].message == runs[1].message != runs[2].message == "mine"
    del runs[0].message
    assert "message" not in runs[0]
    assert "message" not in dict(runs[0])
