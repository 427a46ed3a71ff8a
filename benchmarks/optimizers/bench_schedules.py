"""The cost of a learning rate that changes at every step, for small steps, where it matters."""

import math
from functools import partial
from typing import Any

import numpy as np
import peers
import pytest
from comparison import Candidate, compare

import fastgd as gd

TOTAL = 10_000_000  # steps until the rate is 0; more than are taken


def ours(schedule: Any, n: int) -> tuple[Any, np.ndarray]:
    params, grads = np.zeros(n, np.float32), np.ones(n, np.float32)
    return partial(gd.SGD(lr=schedule).step, params, grads), params


def in_python(t: int) -> float:
    """A cosine as a user writes it."""
    return 0.05 * (1.0 + math.cos(math.pi * t / TOTAL))


def torchs(n: int, total: int, rate: Any = None) -> tuple[Any, Any]:
    """With PyTorch's cosine, or a function of the step."""
    torch = peers.torch()
    tensor = torch.zeros(n, requires_grad=True)
    tensor.grad = torch.ones(n)
    optimizer = torch.optim.SGD([tensor], lr=0.1 if rate is None else 1.0, foreach=False)
    schedulers = torch.optim.lr_scheduler
    schedule = (
        schedulers.CosineAnnealingLR(optimizer, total)
        if rate is None
        else schedulers.LambdaLR(optimizer, rate)
    )

    def step() -> None:
        optimizer.step()
        schedule.step()

    return step, tensor


def disagreement(steps: int = 20) -> dict[str, float]:
    """The largest relative difference to ours after some steps."""
    if peers.missing("torch"):
        return {}
    (step, params), (theirs, tensor) = ours(gd.schedules.cosine(0.1, 50), 100), torchs(100, 50)
    for _ in range(steps):
        step()
        theirs()
    return {"torch for-loop": float(np.abs(tensor.detach().numpy() / params - 1.0).max())}


@pytest.mark.parametrize("rate", ["cosine", "function"])
def test_rate_that_changes(benchmark: Any, rate: str) -> None:
    difference = disagreement()
    assert max(difference.values(), default=0.0) < 1e-5, difference
    lr = gd.schedules.cosine(0.1, TOTAL) if rate == "cosine" else in_python
    step, _ = ours(lr, 1_000)
    found = {"fastgd": Candidate(step), "fastgd, constant rate": Candidate(ours(0.1, 1_000)[0])}
    skipped = {}
    if why := peers.missing("torch"):
        skipped["torch"] = why
    else:
        peers.torch().set_num_threads(1)
        theirs, _ = torchs(1_000, TOTAL, None if rate == "cosine" else in_python)
        found["torch for-loop"] = Candidate(theirs)
    about = {
        "table": "Rates that change",
        "workload": f"SGD whose rate follows a {rate}, 1 k".replace(
            "a function", "a Python function"
        ),
        "threads": 1,
        "unit": "step",
        "headline": True,
    }
    compare(benchmark, found, rounds=15, about=about, skipped=skipped)
