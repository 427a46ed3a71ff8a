"""What works with NumPy alone, and what is said where another package is needed.

.ci/run executes this file, from another folder, in an environment that holds NumPy, fastgd and pip and nothing else.
`tests/test_core_alone.py` executes it with ``--blocked`` where all packages are installed.
"""

import contextlib
import copy
import importlib.metadata
import inspect
import io
import os
import pickle
import sys
import tempfile
import warnings
from pathlib import Path

OTHERS = (
    "numba", "scipy", "sklearn", "pandas", "matplotlib", "rich", "pooch", "threadpoolctl", "markdown_it",
    "vega_datasets", "mlxtend", "pyarrow", "xarray", "optuna", "openpyxl",
)  # fmt: skip
if "--blocked" in sys.argv:
    sys.modules.update(dict.fromkeys(OTHERS))  # None: an import fails as if nothing were there

import numpy as np  # noqa: E402

import fastgd as gd  # noqa: E402
from fastgd.extras import MissingExtra, SlowWarning  # noqa: E402

BOWL = gd.Quadratic([[2.0, 0.5], [0.5, 1.0]], [1.0, 2.0])
RATES = {"lr": [0.01, 0.1, 0.5]}


def slow_warnings(work):
    """The messages of `SlowWarning` that some work brings, and its result."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = work()
    assert all(w.category is SlowWarning for w in caught), [str(w.message) for w in caught]
    return [str(w.message) for w in caught], result


def warned_once(work):
    """The result of some work that warns when it is first done, and not again."""
    messages, result = slow_warnings(work)
    assert len(messages) == 1, messages
    assert messages[0].endswith("pip install 'fastgd[numba]' compiles it"), messages
    assert slow_warnings(work)[0] == []
    return result


def optimizers():
    """The class of each optimizer, once."""
    classes = [getattr(gd.optimizers, name) for name in gd.optimizers.__all__]
    return [cls for cls in classes if isinstance(cls, type) and cls is not gd.Optimizer]


def steps_of_every_optimizer():
    for cls in optimizers():
        for dtype in (np.float32, np.float64):
            compiled, readable = (
                {"w": np.ones((3, 4), dtype), "b": np.full(5, 2.0, dtype)} for _ in range(2)
            )
            grads = {"w": np.full((3, 4), 0.5, dtype), "b": np.linspace(-1, 1, 5).astype(dtype)}
            lr = gd.schedules.warmup_cosine(0.1, 2, 10)
            options = {"groups": {"b": {"lr": 0.05}}}
            if cls is not gd.Rprop:  # which knows of signs alone
                options["clip_norm"] = 1.0
            one, two = cls(lr=lr, **options), cls(lr=lr, backend="numpy", **options)
            for _ in range(5):
                one.step(compiled, grads)
                two.step(readable, grads)
            for name in compiled:
                np.testing.assert_array_equal(compiled[name], readable[name], str(cls))


def sweeps_that_were_compiled_ahead():
    out = gd.sweep(BOWL, gd.SGD(), RATES, x0=[1.0, -1.0], max_iter=50)
    assert out.backend == "cython"
    rng = np.random.default_rng(0)
    valley = gd.functions.rosenbrock()
    assert gd.sweep(valley, gd.AdamW(), RATES, x0=[0.5, 0.5], max_iter=50).backend == "cython"
    np.testing.assert_array_equal(valley.losses(np.ones((2, 1000))), np.zeros(1000))
    line = gd.LeastSquares(rng.normal(size=(20, 1)), rng.normal(size=20))
    assert gd.sweep(line, gd.Adam(), RATES, max_iter=50).backend == "cython"


def sweeps_on_numpy():
    def clipped():
        return gd.sweep(BOWL, gd.Adam(clip_norm=1.0), RATES, x0=[1.0, -1.0], max_iter=50)

    def rosenbrock():
        clips = gd.SGD(clip_norm=1.0)
        return gd.sweep(gd.functions.rosenbrock(), clips, RATES, x0=[0.5, 0.5], max_iter=50)

    for work in (clipped, rosenbrock):
        assert warned_once(work).backend == "numpy"


def descents():
    run = gd.minimize(BOWL, [1.0, -1.0], gd.SGD(lr=0.5), tol=1e-6, record=5)
    assert run.success
    assert run.backend == "cython"
    assert run.x is run["x"]
    assert set(dir(run)) == set(run.keys()) >= {"x", "fun", "jac", "nit", "message", "history"}
    assert "message: Converged" in repr(run)
    for again in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run)):
        assert type(again) is type(run)
        assert again.nit == run.nit
    run.note = "kept"
    assert run["note"] == "kept"
    del run.note
    assert not hasattr(run, "note")
    long = gd.minimize(BOWL, [1.0, -1.0], gd.SGD(lr=0.5), max_iter=10**7)
    assert long.backend == "cython"
    messages, found = slow_warnings(
        lambda: gd.minimize(BOWL, [1.0, -1.0], gd.SGD(lr=0.1), step_tol=1e-3)
    )
    assert not messages
    assert found.backend == "cython"


def descents_of_python_functions():
    def fun(x):
        return ((x - 3.0) ** 2).sum()

    by_differences = gd.minimize(fun, [0.0, 1.0], gd.SGD(lr=0.25), tol=1e-6, progress=True)
    exact = gd.minimize(fun, [0.0, 1.0], gd.SGD(lr=0.25), tol=1e-6, jac=lambda x: 2 * (x - 3.0))
    np.testing.assert_allclose(by_differences.x, exact.x, atol=1e-6)
    seen = []
    gd.minimize(
        fun,
        [0.0],
        max_iter=3,
        callback=lambda intermediate_result: seen.append(intermediate_result),  # noqa: PLW0108
    )
    assert [result.nit for result in seen] == [1, 2, 3]


def networks():
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), [0, 1, 1, 0]
    net = gd.MLP([2, 16, 2], activation="tanh", rng=1)
    net.fit(X, y, optimizer=gd.Adam(lr=0.05), batch_size=4, epochs=200)
    assert net.predict(X).tolist() == y
    assert net.score(X, y) == 1.0
    with tempfile.TemporaryDirectory() as folder:
        net.save(Path(folder) / "net.npz")
        again = gd.MLP.load(Path(folder) / "net.npz")
    np.testing.assert_array_equal(again.forward(X), net.forward(X))
    out = gd.sweep(net.problem(X, y, batch_size=2), gd.SGD(), RATES, max_iter=8, n_threads=2)
    assert len(out.loss) == 3


def networks_with_functions_of_ones_own():
    def squared_relu(z):
        positive = np.maximum(z, 0)
        return positive * positive, 2 * positive

    def build():
        return gd.MLP([2, 4, 2], activation=squared_relu, rng=0)

    warned_once(build).fit(np.eye(2), [0, 1], epochs=2)


def rules_of_ones_own():
    def signed(p, g, lr):
        return (p - lr * np.sign(g),)

    rule = gd.Optimizer.from_rule(
        signed, state=(), coefficients=lambda t, lr: (lr,), defaults={"lr": 0.1}
    )

    def step():
        p = np.ones(3)
        rule().step(p, np.array([1.0, -2.0, 3.0]))
        return p

    np.testing.assert_allclose(warned_once(step), [0.9, 1.1, 0.9])
    quiet = np.ones(3)
    rule(backend="numpy").step(quiet, np.ones(3))
    out = warned_once(lambda: gd.sweep(BOWL, rule(), RATES, x0=[1.0, -1.0], max_iter=20))
    assert out.backend == "numpy"
    slow_warnings(lambda: gd.minimize(BOWL, [1.0, -1.0], rule(), max_iter=20))


def theory_and_schedules():
    low, high = gd.theory.stable_range([[2.0, 0.5], [0.5, 1.0]])
    assert low == 0 < high
    assert gd.schedules.cosine(0.1, 10)(10) < 0.1


def an_explorer():
    with tempfile.TemporaryDirectory() as folder:
        page = gd.explore("ravine").save(Path(folder, "page.html"))
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def saved_state():
    one = gd.Adam(lr=0.1)
    p = np.ones(3)
    one.step(p, np.ones(3))
    two = gd.Adam(lr=0.1)
    two.load_state_dict(one.state_dict())
    q = p.copy()
    one.step(p, np.ones(3))
    two.step(q, np.ones(3))
    np.testing.assert_array_equal(p, q)


def raised_by(work, kind):
    """The message of the exception that some work raises."""
    try:
        work()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


def what_needs_more_says_so():
    swept = gd.sweep(BOWL, gd.SGD(), RATES, x0=[1.0, -1.0], max_iter=5)
    run = gd.minimize(BOWL, [1.0, -1.0], max_iter=5, record=1)
    net = gd.MLP([2, 2], rng=0).fit(np.eye(2), [0, 1], epochs=1)
    asked = {
        "fastgd.GDRegressor needs scikit-learn": (lambda: gd.GDRegressor, "sklearn"),
        "fastgd.MLPClassifier needs scikit-learn": (lambda: gd.MLPClassifier, "sklearn"),
        "fastgd.estimators needs scikit-learn": (lambda: gd.estimators, "sklearn"),
        "SweepResult.to_pandas needs pandas": (swept.to_pandas, "cli"),
        "History.to_pandas needs pandas": (run.history.to_pandas, "cli"),
        "TrainingHistory.to_pandas needs pandas": (net.history_.to_pandas, "cli"),
        "Plotting needs matplotlib": (swept.plot, "plot"),
        "Finding a data set in the cache or on the network needs pooch": (
            lambda: gd.datasets.load_mnist(download=False),
            "cli",
        ),
        "fastgd reproduce needs pandas": (lambda: gd.studies.reproduce(["step-size-1d"]), "cli"),
    }
    for message, (work, extra) in asked.items():
        said = raised_by(work, MissingExtra)
        assert said == f"{message}: pip install 'fastgd[{extra}]'", said
    assert "numba is not installed: pip install 'fastgd[numba]'" in raised_by(
        lambda: gd.Adam(backend="numba"), RuntimeError
    )


def names_and_help():
    assert {"Adam", "sweep", "Status", "MLP"} <= set(dir(gd))
    assert "GDRegressor" not in dir(gd)
    for name in dir(gd):
        getattr(gd, name)
    space = {}
    exec("from fastgd import *", space)
    assert space["Adam"] is gd.Adam
    assert "betas" in inspect.signature(gd.Adam).parameters


def command_line():
    from fastgd.cli.main import main  # noqa: PLC0415

    said, printed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
        for command in (["minimize", "f.csv", "--target", "y"], ["reproduce"]):
            assert main(command) == 2
        assert main(["info"]) == 0
        with contextlib.suppress(SystemExit):
            main(["--version"])
    lines = said.getvalue().splitlines()
    assert len(lines) == 2, lines
    assert all(line.endswith("pip install 'fastgd[cli]'") for line in lines), lines
    assert "extra numba: missing numba: pip install 'fastgd[numba]'" in printed.getvalue()
    assert f"fastgd {gd.__version__}" in printed.getvalue()


CHECKS = (
    steps_of_every_optimizer,
    sweeps_that_were_compiled_ahead,
    sweeps_on_numpy,
    descents,
    descents_of_python_functions,
    networks,
    networks_with_functions_of_ones_own,
    rules_of_ones_own,
    theory_and_schedules,
    an_explorer,
    saved_state,
    what_needs_more_says_so,
    names_and_help,
    command_line,
)


def main():
    warnings.simplefilter("error")
    os.environ.pop("FASTGD_DATA", None)  # data sets in a folder at hand need no pooch
    if "--blocked" not in sys.argv:
        installed = {each.metadata["Name"].lower() for each in importlib.metadata.distributions()}
        assert installed <= {"numpy", "fastgd", "pip", "setuptools"}, installed
    for check in CHECKS:
        check()
    imported = [name for name in OTHERS if sys.modules.get(name) is not None]
    assert not imported, imported
    print(f"{len(CHECKS)} checks of the core alone passed")  # noqa: T201


if __name__ == "__main__":
    main()
