"""The tables that lead from another library to this one: both sides of a row make the same updates.

A table below ``<!-- the same updates: LIBRARY within BOUND -->`` has that library's optimizer in its first column and
ours in its second, as code. Both go along the same gradients, in float64; where the library is not installed, nothing
is compared. Tables of rates and of models are alike.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from oracle.make_trajectories import START, gradients

import fastgd as gd

DOCS = Path(__file__).parents[1] / "docs"
if not DOCS.exists():
    pytest.skip("the pages are not here", allow_module_level=True)
TABLE = re.compile(r"<!-- the same (updates|rates|models): (\w+) within (\S+) -->\n\n((?:\|.*\n)+)")
N_STEPS = 100


def rows_of(kind):
    """Of all pages: library, bound, their code and ours."""
    found = []
    for page in sorted(DOCS.glob("*.md")):
        for what, library, bound, table in TABLE.findall(page.read_text(encoding="utf-8")):
            for line in table.splitlines()[2:] if what == kind else []:
                theirs, ours = re.findall(r"`([^`]+)`", line)[:2]
                case = pytest.param(
                    library, float(bound), theirs, ours, id=f"{page.stem}: {theirs}"
                )
                found.append(case)
    return found


def with_torch(code, steps):
    import torch  # noqa: PLC0415

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam keeps a product in the default dtype
    try:
        params = [torch.nn.Parameter(torch.tensor(START))]
        optimizer = eval(code, {"torch": torch, "params": params})
        for g in steps:
            params[0].grad = torch.tensor(g)
            optimizer.step()
            yield params[0].detach().numpy().copy()
    finally:
        torch.set_default_dtype(before)


def with_optax(code, steps):
    import jax  # noqa: PLC0415
    import optax  # noqa: PLC0415

    with jax.enable_x64(True):
        chain = eval(code, {"optax": optax})
        p = jax.numpy.asarray(START)
        state = chain.init(p)
        for g in steps:
            updates, state = chain.update(jax.numpy.asarray(g), state, p)
            p = optax.apply_updates(p, updates)
            yield np.asarray(p)


def with_keras(code, steps):
    import keras  # noqa: PLC0415

    optimizer = eval(code, {"keras": keras})
    p = keras.Variable(START, dtype="float64")
    for g in steps:
        optimizer.apply([keras.ops.convert_to_tensor(g, dtype="float64")], [p])
        yield keras.ops.convert_to_numpy(p).copy()


def with_fastgd(code, steps):
    p, optimizer = START.copy(), eval(code, {"gd": gd, "math": np})
    for g in steps:
        optimizer.step(p, g)
        yield p.copy()


LIBRARIES = {"torch": with_torch, "optax": with_optax, "keras": with_keras}


@pytest.mark.parametrize(("library", "bound", "theirs", "ours"), rows_of("updates"))
def test_both_sides_of_a_row_make_the_same_updates(library, bound, theirs, ours, monkeypatch):
    steps = gradients()[:N_STEPS]
    mine = np.array(list(with_fastgd(ours, steps)))  # in any case: the code is right
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    if library == "keras" and find_spec("tensorflow") is None:
        monkeypatch.setenv("KERAS_BACKEND", "torch" if find_spec("torch") else "jax")
    other = np.array(list(LIBRARIES[library](theirs, steps)))
    np.testing.assert_allclose(mine, other, rtol=bound, atol=bound)


@pytest.mark.parametrize(("library", "bound", "theirs", "ours"), rows_of("rates"))
def test_both_sides_of_a_row_have_the_same_rates(library, bound, theirs, ours):
    schedule = eval(ours, {"schedules": gd.schedules})
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    rates = rates_of_torch(theirs) if library == "torch" else rates_of_optax(theirs)
    np.testing.assert_allclose(schedule.values(0, N_STEPS), rates, rtol=bound, atol=bound)


def rates_of_torch(code):
    import torch  # noqa: PLC0415

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = eval(code, {**vars(torch.optim.lr_scheduler), "optimizer": optimizer})
    rates = []
    for _ in range(N_STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def rates_of_optax(code):
    import jax  # noqa: PLC0415
    import optax  # noqa: PLC0415

    with jax.enable_x64(True):
        schedule = eval(code, {"optax": optax})
        return [float(schedule(k)) for k in range(N_STEPS)]


N_ROWS = 400
LETTERS = {"a": 0.05, "r": 0.7, "q": 0.3, "C": 0.02, "e": 0.1, "n": N_ROWS}


@pytest.mark.parametrize(("library", "bound", "theirs", "ours"), rows_of("models"))
def test_both_sides_of_a_row_are_the_same_model(library, bound, theirs, ours):
    pytest.importorskip(library)
    from sklearn import linear_model, svm  # noqa: PLC0415

    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 4)) * [1.0, 3.0, 0.5, 1.0]
    y = X @ [1.0, -0.3, 0.5, 0.0] + rng.normal(size=N_ROWS)
    if "Poisson" in theirs:
        y = rng.poisson(np.exp(y / 3))
    other = eval(theirs, {**vars(linear_model), **vars(svm), **LETTERS})
    mine = eval(ours, {"GDRegressor": gd.GDRegressor, "GDClassifier": gd.GDClassifier, **LETTERS})
    if isinstance(mine, gd.GDClassifier):
        y = y > 0.5
    more = {"tol": 1e-8, "max_iter": 100_000}
    other.set_params(**{name: more[name] for name in more.keys() & other.get_params().keys()})
    other.fit(X, y)
    mine.set_params(max_iter=100_000, n_iter_no_change=np.inf).fit(X, y)
    np.testing.assert_allclose(mine.coef_, other.coef_, rtol=bound, atol=bound)
    np.testing.assert_allclose(mine.intercept_, other.intercept_, rtol=bound, atol=bound)
