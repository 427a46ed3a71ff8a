"""What bounds cost: sweeps whose parameters are held in a box after each update, and steps of small and large arrays.

The peers do what a script does: `clip` after each update. Their sweeps test nothing on the way.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

RUNS, UPDATES = (200, 100) if QUICK else (2_000, 1_000)
LOW, HIGH = 0.0, 0.5
RATES = np.geomspace(1e-3, 0.3, RUNS)


def problem(features: int) -> gd.Quadratic:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4 * features, features))
    return gd.Quadratic(X.T @ X / len(X), X.T @ rng.standard_normal(len(X)) / len(X))


def ours(bowl: gd.Quadratic, bounds: Any) -> np.ndarray:
    x0 = np.zeros(bowl.n_parameters)
    out = gd.sweep(
        bowl, gd.SGD(), {"lr": RATES}, x0=x0, bounds=bounds, max_iter=UPDATES, tol=0,
        progress=False,
    )  # fmt: skip
    return out.x


def clipped(bowl: gd.Quadratic) -> np.ndarray:
    x = np.zeros((RUNS, bowl.n_parameters))
    for _ in range(UPDATES):
        x -= RATES[:, None] * (x @ bowl.hessian - bowl.linear)
        np.clip(x, LOW, HIGH, out=x)
    return x


@pytest.mark.parametrize("features", [2, 10])
def test_sweep(benchmark: Any, features: int) -> None:
    bowl, work = problem(features), float(RUNS * UPDATES)
    difference = float(np.abs(ours(bowl, (LOW, HIGH)) - clipped(bowl)).max())
    assert difference < 1e-9, difference
    found = {
        "fastgd": Candidate(lambda: ours(bowl, (LOW, HIGH)), work),
        "fastgd, without bounds": Candidate(lambda: ours(bowl, None), work),
        "NumPy, clip": Candidate(lambda: clipped(bowl), work),
    }
    about = {
        "table": "Bounds",
        "workload": f"sweep, quadratic of {features} parameters, {RUNS:,} rates",
        "threads": get_num_threads(),
        "unit": "update of a run",
        "headline": True,
        "disagreement": {"NumPy": difference},
    }
    compare(benchmark, found, rounds=5, about=about)


def step_of(n: int, bounds: Any) -> tuple[Callable[[], Any], np.ndarray]:
    p, g = np.full(n, 0.25, "float32"), np.full(n, 1e-3, "float32")
    optimizer = gd.Adam(lr=1e-3, n_threads=1)
    return partial(optimizer.step, p, g, bounds=bounds), p


def torch_step(n: int) -> tuple[Callable[[], Any], np.ndarray]:
    torch = peers.torch()
    _, p = step_of(n, None)
    tensor = torch.from_numpy(p).requires_grad_()
    tensor.grad = torch.full((n,), 1e-3)
    optimizer = torch.optim.Adam([tensor], lr=1e-3, fused=True)

    def step() -> None:
        optimizer.step()
        with torch.no_grad():
            tensor.clamp_(LOW, HIGH)

    return step, p


@pytest.mark.parametrize("n", [1_000, 1_000_000])
def test_step(benchmark: Any, n: int) -> None:
    calls = {"fastgd": step_of(n, (LOW, HIGH)), "fastgd, without bounds": step_of(n, None)}
    skipped = {}
    if why := peers.missing("torch"):
        skipped["torch"] = why
    else:
        peers.torch().set_num_threads(1)
        calls["torch fused, clamp_"] = torch_step(n)
    arrays = {name: p for name, (_, p) in calls.items()}
    for call, _ in calls.values():
        call()
    difference = {k: float(np.abs(p - arrays["fastgd"]).max()) for k, p in arrays.items()}
    assert max(difference.values()) < 1e-6, difference
    about = {
        "table": "Bounds",
        "workload": f"one step of Adam, {n:,} parameters",
        "threads": 1,
        "unit": "step",
        "headline": True,
        "disagreement": difference,
    }
    found = {name: Candidate(call) for name, (call, _) in calls.items()}
    compare(benchmark, found, rounds=9, about=about, skipped=skipped)
