"""The cost of a learning rate that changes at every step, for small steps, where it matters."""

from functools import partial
from typing import Any

import numpy as np
import peers
from comparison import Candidate, compare

import fastgd as gd

TOTAL = 10_000_000  # steps until the rate is 0; more than are taken


def ours(schedule: Any, n: int) -> tuple[Any, np.ndarray]:
    params, grads = np.zeros(n, np.float32), np.ones(n, np.float32)
    return partial(gd.SGD(lr=schedule).step, params, grads), params


def torchs(n: int, total: int) -> tuple[Any, Any]:
    torch = peers.torch()
    tensor = torch.zeros(n, requires_grad=True)
    tensor.grad = torch.ones(n)
    optimizer = torch.optim.SGD([tensor], lr=0.1, foreach=False)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)

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


def test_cosine(benchmark: Any) -> None:
    difference = disagreement()
    assert max(difference.values(), default=0.0) < 1e-5, difference
    step, _ = ours(gd.schedules.cosine(0.1, TOTAL), 1_000)
    found = {"fastgd": Candidate(step), "fastgd, constant rate": Candidate(ours(0.1, 1_000)[0])}
    skipped = {}
    if why := peers.missing("torch"):
        skipped["torch"] = why
    else:
        peers.torch().set_num_threads(1)
        found["torch for-loop"] = Candidate(torchs(1_000, TOTAL)[0])
    about = {
        "table": "One step",
        "workload": "SGD whose rate follows a cosine, 1 k",
        "threads": 1,
        "unit": "step",
        "headline": False,
    }
    compare(benchmark, found, rounds=15, about=about, skipped=skipped)
