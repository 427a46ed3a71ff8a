"""What the recipes of docs/recipes gain: steps, and the pages' own examples, beside the libraries' own optimizers.

    pip install --requirement .ci/recipes.txt
    pytest --benchmark-only benchmarks/recipes --benchmark-json=recipes.json
    python benchmarks/published.py recipes.json recipes    # fills the numbers of the pages

A page is run first, whose names are the candidates then: what is measured is what its reader sees. "Its own" is the
optimizer of the library, with the same rule; the last column is fastgd.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, Candidate, compare
from pages import adapter, imported, run

import fastgd as gd

SIZES = (10, 1_000) if QUICK else (10, 1_000, 100_000)
KERAS = {"betas": (0.9, 0.99), "convention": "keras"}


def page(name: str) -> str:
    path = f"docs/recipes/{name}.md"
    if why := peers.missing(*sorted(imported(path))):
        pytest.skip(why)
    return path


def numbers(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=n), rng.normal(size=n)


def measure(
    benchmark: Any, table: str, workload: str, unit: str, found: dict[str, Candidate], rounds: int
) -> None:
    about = {"table": table, "workload": workload, "threads": 1, "unit": unit, "headline": True}
    compare(benchmark, found, rounds=rounds, about=about)


# --- a step -----------------------------------------------------------------------------------------------


def pyribs_steps(n: int) -> dict[str, Callable[[], Any]]:
    ours = adapter(page("pyribs"))["Ascent"]
    from ribs.emitters.opt import AdamOpt

    x, slope = numbers(n)
    return {"fastgd": partial(ours(x, 0.01).step, slope), "its own": partial(AdamOpt(x, 0.01).step, slope)}  # fmt: skip


def pennylane_steps(n: int) -> dict[str, Callable[[], Any]]:
    ours = adapter(page("pennylane"))["Descent"](gd.Adam(lr=0.01, **KERAS))
    import pennylane as qml
    from pennylane import numpy as pnp

    x, slope = (pnp.array(v, requires_grad=True) for v in numbers(n))
    theirs = qml.AdamOptimizer(0.01)
    return {
        "fastgd": partial(ours.apply_grad, (slope,), (x,)),
        "its own": partial(theirs.apply_grad, (slope,), (x,)),
    }


STEPS = {"pyribs": pyribs_steps, "PennyLane": pennylane_steps}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("library", STEPS)
def test_step(benchmark: Any, library: str, n: int) -> None:
    found = {name: Candidate(call) for name, call in STEPS[library](n).items()}
    measure(benchmark, "Recipes: a step", f"Adam of {library}, {n:,}", "step", found, 25)


def quimb_adam() -> Callable[..., Any]:
    page("quimb")
    from quimb.tensor.optimize import ADAM

    return lambda fun, x, jac, n: ADAM()(fun, x, jac, learning_rate=0.01, maxiter=n)


def qiskit_adam() -> Callable[..., Any]:
    page("qiskit")
    from qiskit_algorithms.optimizers import ADAM

    return lambda fun, x, jac, n: ADAM(maxiter=n, lr=0.01, tol=0).minimize(fun, x, jac)


def autograd_adam() -> Callable[..., Any]:
    page("autograd-jax")
    from autograd.misc.optimizers import adam

    return lambda fun, x, jac, n: adam(
        lambda x, step: jac(x), x, num_iters=n, step_size=0.01
    )  # fmt: skip


LOOPS = {"quimb": quimb_adam, "Qiskit": qiskit_adam, "Autograd": autograd_adam}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("library", LOOPS)
def test_loop(benchmark: Any, library: str, n: int) -> None:
    """Loops over a function that costs nothing: a step, and what is called and tested around it."""
    theirs, updates = LOOPS[library](), 20 if QUICK else 200
    x, slope = numbers(n)
    optimizer = gd.Adam(lr=0.01)
    ways = {
        "fastgd": partial(optimizer, lambda x: 0.0, x, jac=lambda x: slope, maxiter=updates, tol=0),
        "its own": partial(theirs, lambda x: 0.0, x, lambda x: slope, updates),
    }
    found = {name: Candidate(call, updates) for name, call in ways.items()}
    measure(benchmark, "Recipes: a step", f"Adam of {library}, {n:,}", "step", found, 15)


def test_torch(benchmark: Any) -> None:
    """The tensors of a policy of Stable-Baselines3 for CartPole."""
    if why := peers.missing("torch"):
        pytest.skip(why)
    import fastgd.torch

    torch = peers.torch()
    body = [(64, 4), (64,), (64, 64), (64,)] * 2
    tensors = [torch.nn.Parameter(torch.randn(shape)) for shape in (*body, (2, 64), (2,), (1, 64), (1,))]  # fmt: skip
    for tensor in tensors:
        tensor.grad = torch.randn_like(tensor)
    found = {
        "fastgd": Candidate(fastgd.torch.Adam(tensors, lr=1e-5).step),
        "its own": Candidate(torch.optim.Adam(tensors, lr=1e-5).step),
        "its own, fused": Candidate(torch.optim.Adam(tensors, lr=1e-5, fused=True).step),
    }
    measure(benchmark, "Recipes: PyTorch", "Adam, 12 small tensors", "step", found, 25)


# --- the pages' examples ----------------------------------------------------------------------------------


def pyribs_run(scope: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    fill = scope["fill"]
    return {"fastgd": partial(fill, scope["Ascent"]), "its own": partial(fill, "adam")}


def pennylane_run(scope: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    train, own = scope["trained"], scope["qml"].AdamOptimizer
    return {
        "fastgd": lambda: train(scope["Descent"](gd.Adam(lr=0.1, **KERAS))),
        "its own": lambda: train(own(0.1)),
    }


def quimb_run(scope: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Compiled before; each candidate begins where its last call has ended."""
    theirs, ours = scope["network"]("adam"), scope["network"](gd.Adam(lr=0.01))
    return {
        "fastgd": partial(ours.optimize, 300),
        "its own": partial(theirs.optimize, 300, learning_rate=0.01),
    }


def qiskit_run(scope: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    state, own = scope["ground_state"], scope["ADAM"]
    return {
        "fastgd": lambda: state(partial(scope["adam"], maxiter=100)),
        "its own": lambda: state(own(maxiter=100, lr=0.1, tol=0)),
    }


def autograd_run(scope: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    fun, slope, own = scope["autograd"].value_and_grad(scope["loss"]), scope["slope"], scope["adam"]
    x = np.zeros(10)
    return {
        "fastgd": lambda: gd.minimize(fun, x, gd.Adam(lr=0.01), jac=True, max_iter=500),
        "its own": lambda: own(lambda w, step: slope(w), x, num_iters=500, step_size=0.01),
    }


def torch_run(scope: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    train, torch, own = scope["trained"], scope["torch"], scope["fastgd"].torch
    return {"fastgd": lambda: train(own.AdamW), "its own": lambda: train(torch.optim.AdamW)}


def sb3_run(scope: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    learn, torch, own = scope["learned"], scope["torch"], scope["fastgd"].torch
    return {
        "fastgd": lambda: learn(own.Adam, 2048),
        "its own": lambda: learn(torch.optim.Adam, 2048),
    }


RUNS = {
    "pytorch": torch_run,
    "stable-baselines3": sb3_run,
    "pyribs": pyribs_run,
    "pennylane": pennylane_run,
    "quimb": quimb_run,
    "qiskit": qiskit_run,
    "autograd-jax": autograd_run,
}
TITLES = {
    "pytorch": "PyTorch, 200 updates of a small network",
    "stable-baselines3": "Stable-Baselines3, 2,048 steps of PPO",
    "pyribs": "pyribs, an archive in 100 iterations",
    "pennylane": "PennyLane, 50 updates of a circuit",
    "quimb": "quimb, 300 updates of ten spins",
    "qiskit": "Qiskit, 100 updates of VQE",
    "autograd-jax": "Autograd, 500 updates of 10 parameters",
}


@pytest.mark.parametrize("name", RUNS)
def test_run(benchmark: Any, name: str, tmp_path: Any, monkeypatch: Any) -> None:
    place = page(name)
    monkeypatch.chdir(tmp_path)
    ways = RUNS[name](run(place, tmp_path))
    found = {way: Candidate(call) for way, call in ways.items()}
    measure(benchmark, "Recipes: a whole run", TITLES[name], "run", found, 7)


# --- SciPy, JAX, Optuna, Dask -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES[:2])
def test_scipy(benchmark: Any, n: int) -> None:
    """Evaluations of Rosenbrock's function and its gradient, with what a method does between two of them."""
    from scipy.optimize import minimize, rosen, rosen_der

    x = np.linspace(-1, 0.5, n)
    limit = {"maxiter": 20 if QUICK else 100}

    def through(method: Any) -> Candidate:
        call = partial(minimize, rosen, x, jac=rosen_der, method=method, tol=0, options=limit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Candidate(call, call().njev)

    found = {"fastgd": through(gd.Adam(lr=1e-3))}
    # BFGS multiplies matrices of n x n.
    found |= {name: through(name) for name in ("CG", "L-BFGS-B", "BFGS")[: 3 if n < 100 else 2]}
    found["the function alone"] = Candidate(lambda: (rosen(x), rosen_der(x)))
    measure(benchmark, "Recipes: SciPy", f"Rosenbrock of {n:,} parameters", "evaluation", found, 9)


def test_jax(benchmark: Any, tmp_path: Any, monkeypatch: Any) -> None:
    place = page("autograd-jax")
    if why := peers.missing("optax"):
        pytest.skip(why)
    import optax

    monkeypatch.chdir(tmp_path)
    fun, jax, updates = run(place, tmp_path)["compiled"], peers.jax(), 50 if QUICK else 500
    rule, start = optax.adam(0.01), np.zeros(10)

    def step(x: Any, state: Any) -> Any:
        change, state = rule.update(fun(x)[1], state, x)
        return optax.apply_updates(x, change), state

    def loop(step: Callable[..., Any]) -> Any:
        x = jax.numpy.asarray(start)
        state = rule.init(x)
        for _ in range(updates):
            x, state = step(x, state)
        return jax.block_until_ready(x)

    @jax.jit
    def scanned(x: Any) -> Any:
        body = lambda carry, _: (step(*carry), None)  # noqa: E731
        return jax.lax.scan(body, (x, rule.init(x)), None, length=updates)[0][0]

    ours = partial(gd.minimize, fun, start, gd.Adam(lr=0.01), jac=True, max_iter=updates, tol=0)
    ways = {
        "fastgd": ours,
        "optax, step by step": partial(loop, step),
        "optax, each step compiled": partial(loop, jax.jit(step)),
        "optax, the loop compiled": lambda: jax.block_until_ready(scanned(start)),
        "the function alone": lambda: [jax.block_until_ready(fun(start)) for _ in range(updates)],
    }
    np.testing.assert_allclose(ours().x, loop(step), rtol=1e-9)
    np.testing.assert_allclose(ours().x, scanned(start), rtol=1e-9)
    found = {name: Candidate(call, updates) for name, call in ways.items()}
    measure(benchmark, "Recipes: JAX", "Adam, 10 parameters", "update", found, 9)


def test_optuna(benchmark: Any, tmp_path: Any, monkeypatch: Any) -> None:
    place = page("optuna")
    import optuna

    monkeypatch.chdir(tmp_path)
    scope = run(place, tmp_path)
    problem, space, trials = scope["problem"], scope["space"], 8 if QUICK else 64

    options = {"max_iter": 200, "progress": False}

    def objective(trial: Any) -> float:
        momentum = trial.suggest_float("momentum", 0, 0.99)
        axes = {"lr": [trial.suggest_float("lr", 1e-3, 10, log=True)], "momentum": [momentum]}
        loss = float(gd.sweep(problem, gd.SGD(momentum=0.9), axes, **options).loss[0, 0])
        if not np.isfinite(loss):
            raise optuna.TrialPruned
        return loss

    def one_by_one() -> None:
        sampler = optuna.samplers.TPESampler(seed=0)
        optuna.create_study(sampler=sampler).optimize(objective, n_trials=trials)

    momentum = gd.SGD(momentum=0.9)
    tune = partial(gd.tune, problem, momentum, space, trials, batch=16, seed=0, **options)
    found = {"fastgd": Candidate(tune), "one trial after the other": Candidate(one_by_one)}
    measure(benchmark, "Recipes: Optuna", f"{trials} trials of a network", "search", found, 5)


def test_dask(benchmark: Any) -> None:
    if why := peers.missing("distributed"):
        pytest.skip(why)
    from distributed import Client

    scope = adapter("docs/recipes/dask.md")
    sweep = partial(
        gd.sweep, scope["problem"], gd.Momentum(), scope["axes"], progress=False, **scope["options"]
    )
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        found = {
            "fastgd": Candidate(partial(sweep, executor=client)),
            "without Dask": Candidate(sweep),
        }
        workload = "60 runs over a simulation in Python, two workers"
        measure(benchmark, "Recipes: Dask", workload, "sweep", found, 3)
