"""Adam where its moments are subnormal, as they are for weights whose gradient has vanished, against normal ones."""

from functools import partial
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

SUBNORMAL, NORMAL = 1e-39, 1e-3  # of float32, whose smallest normal number is 1.2e-38


def converged(n: int, size: float, **options: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """An optimizer in the middle of its life, with moments and gradients of this size."""
    params, grads = np.ones(n, np.float32), np.full(n, size, np.float32)
    opt = gd.Adam(**options)
    opt.step(params, grads)
    state = opt.state_dict()
    for name in ("state.m", "state.v"):
        state[name] = np.full(n, size, np.float32)
    opt.load_state_dict(state)
    return opt, params, grads


def torch_converged(n: int, size: float) -> Any:
    torch = peers.torch()
    tensor = torch.ones(n, requires_grad=True)
    tensor.grad = torch.full((n,), size)
    optimizer = torch.optim.Adam([tensor], fused=True)
    optimizer.step()
    for name in ("exp_avg", "exp_avg_sq"):
        optimizer.state[tensor][name].fill_(size)
    return optimizer


def candidates(n: int, n_threads: int) -> dict[str, Candidate]:
    found = {}
    for name, options in (
        ("fastgd", {"n_threads": n_threads}),
        ("fastgd not flushing", {"n_threads": n_threads, "flush_subnormals": False}),
        ("NumPy reference not flushing", {"backend": "numpy", "flush_subnormals": False}),
    ):
        opt, params, grads = converged(n, SUBNORMAL, **options)
        found[name] = Candidate(partial(opt.step, params, grads))
    opt, params, grads = converged(n, NORMAL, n_threads=n_threads)
    found["fastgd, normal numbers"] = Candidate(partial(opt.step, params, grads))
    return found


def disagreement(n: int = 1_000, steps: int = 5) -> dict[str, float]:
    """The largest difference of the parameters to the reference after some steps from subnormal moments."""
    reference, expected, grads = converged(n, SUBNORMAL, backend="numpy")
    opt, params, _ = converged(n, SUBNORMAL)
    for _ in range(steps):
        reference.step(expected, grads)
        opt.step(params, grads)
    found = {"fastgd": float(np.abs(params - expected).max())}
    if not peers.missing("torch"):
        theirs = torch_converged(n, SUBNORMAL)
        for _ in range(steps):
            theirs.step()
        tensor = theirs.param_groups[0]["params"][0].detach().numpy()
        found["torch fused"] = float(np.abs(tensor - expected).max())
    return found


@pytest.mark.parametrize("n", [100_000, 1_000_000 if QUICK else 10_000_000])
def test_subnormal_moments(benchmark: Any, n: int) -> None:
    n_threads = get_num_threads()
    difference = disagreement()
    assert difference["fastgd"] == 0
    assert max(difference.values()) < 1e-6, difference
    found = candidates(n, n_threads)
    skipped = {}
    if why := peers.missing("torch"):
        skipped["torch"] = why
    else:
        peers.torch().set_num_threads(n_threads)
        found["torch fused"] = Candidate(torch_converged(n, SUBNORMAL).step)
    about = {
        "table": "Subnormal numbers",
        "workload": f"Adam whose moments are subnormal, {f'{n // 10**6} M' if n >= 10**6 else f'{n // 1000} k'}",
        "threads": n_threads,
        "unit": "step",
        "headline": n == 100_000,
    }
    compare(benchmark, found, rounds=9, about=about, skipped=skipped)
