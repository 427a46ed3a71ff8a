"""Start-up time of a new process: the import, and the first step."""

from typing import Any

import peers
import pytest
from comparison import Child, compare

IMPORT = """
import time
start = time.perf_counter()
{}
print(time.perf_counter() - start)
"""
START = """
import sys
import time
def stop(seconds, result):
    np = sys.modules["numpy"]
    assert np.allclose(result, np.linspace(-1, 1, 1000) - 1e-3, atol=1e-6)
    print(seconds)
start = time.perf_counter()
import numpy as np
p = np.linspace(-1, 1, 1000, dtype=np.float32)
g = np.linspace(2, 3, 1000, dtype=np.float32)
"""
FASTGD = """
import fastgd as gd
opt = gd.Adam(lr=1e-3)
{restart}
opt.step(p, g)
stop(time.perf_counter() - start, p)
"""
TORCH = """
import torch
w = torch.from_numpy(p).clone().requires_grad_()
w.grad = torch.from_numpy(g)
opt = torch.optim.Adam([w], lr=1e-3, fused=True)
{restart}
opt.step()
stop(time.perf_counter() - start, w.detach().numpy())
"""
OPTAX = """
import jax, optax
w, dw = jax.numpy.array(p), jax.numpy.array(g)
adam = optax.adam(1e-3)
@jax.jit
def step(w, state):
    updates, state = adam.update(dw, state, w)
    return optax.apply_updates(w, updates), state
{restart}
w, state = step(w, adam.init(w))
w.block_until_ready()
stop(time.perf_counter() - start, np.asarray(w))
"""
RESTART = "start = time.perf_counter()"


def rivals(torch: str, optax: str) -> tuple[dict[str, Child], dict[str, str]]:
    """Peers that are installed, and why others are not here."""
    programs = {"torch": (torch, ("torch",)), "optax": (optax, ("jax", "optax"))}
    found, skipped = {}, {}
    for name, (program, modules) in programs.items():
        if why := peers.missing(*modules):
            skipped[name] = why
        else:
            found[name] = Child(program)
    return found, skipped


def about(workload: str) -> dict[str, Any]:
    return {
        "table": "A new process",
        "workload": workload,
        "threads": 1,
        "unit": "process",
        "headline": True,
    }


def test_import(benchmark: Any) -> None:
    """The package and one optimizer: names are imported when they are first used."""
    found = {
        "fastgd": Child(IMPORT.format("import fastgd; fastgd.Adam")),
        "NumPy": Child(IMPORT.format("import numpy")),
        "fastgd alone": Child(IMPORT.format("import fastgd")),
    }
    others, skipped = rivals(IMPORT.format("import torch"), IMPORT.format("import jax, optax"))
    info = compare(
        benchmark, {**found, **others}, rounds=7, about=about("import, with Adam"), skipped=skipped
    )
    benchmark.extra_info["more than NumPy"] = info["median"] - info["peers"]["NumPy"]["median"]


@pytest.mark.parametrize("restart", ["", RESTART], ids=["from-nothing", "after-the-import"])
def test_first_step(benchmark: Any, restart: str) -> None:
    """A thousand float32 parameters, Adam; everything imported and made before, or nothing."""
    torch, optax = (START + program.format(restart=restart) for program in (TORCH, OPTAX))
    others, skipped = rivals(torch, optax)
    found = {"fastgd": Child(START + FASTGD.format(restart=restart)), **others}
    what = "first step of Adam, " + ("after the import" if restart else "import included")
    compare(benchmark, found, rounds=5, about=about(what), skipped=skipped)
