"""Steps, sweeps and trainings on a GPU, beside PyTorch's and the pace of the GPU's memory.

    pytest tests/engines/cuda; pytest --benchmark-only benchmarks/engines/bench_gpu.py --benchmark-json=gpu.json

checks and measures everything on a machine with a GPU; elsewhere these benchmarks are skipped. To try them without a
GPU, set ``NUMBA_ENABLE_CUDASIM=1`` and ``FASTGD_BENCH_QUICK=1``: then Numba's simulator runs the kernels, and the
times mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import peers
import pytest
import simulator
from comparison import LIMIT, QUICK, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads
from fastgd.engines.cuda import device

pytestmark = pytest.mark.gpu

ROUNDS = 15
LAYERS = (12, 5, 10) if QUICK else (784, 500, 300, 10)
LAYERS_OF_80 = [(64, 64), (64,)] * (2 if QUICK else 80)
SHAPES = {
    **{f"{n:,} parameters": [(n,)] for n in ((10, 1000) if QUICK else (10**3, 10**6, 10**8))},
    f"{len(LAYERS_OF_80)} arrays": LAYERS_OF_80,
}
ADAM_BYTES = 28  # a parameter in float32: p, g, m, v read, p, m, v written


@pytest.fixture(autouse=True, scope="module")
def _repaired_simulator() -> Iterator[None]:
    with simulator.repaired():
        yield


def about(table: str, workload: str, unit: str) -> dict[str, Any]:
    return {"table": table, "workload": workload, "threads": 1, "unit": unit, "headline": True}


def copying(amount: int) -> Candidate:
    """One copy within the GPU's memory that reads and writes `amount` bytes in all."""
    source, target = (device.empty(max(1, amount // 8), np.float32) for _ in range(2))
    return Candidate(partial(target.copy_to_device, source), wait=device.synchronize)


def torch_on_gpu() -> tuple[Any, str]:
    """PyTorch, or why it cannot take part."""
    if why := peers.missing("torch"):
        return None, why
    torch = peers.torch()
    return (torch, "") if torch.cuda.is_available() else (None, "torch sees no GPU")


# --- memory and steps -------------------------------------------------------------------------------


def test_memory(benchmark: Any) -> None:
    amount = 1 << 13 if QUICK else 1 << 31
    copy = copying(amount)
    copy.work = float(amount)
    info = about("GPU: limits", "memory, copy on the device", "byte")
    compare(benchmark, {"machine": copy}, rounds=ROUNDS, about=info)


@pytest.mark.parametrize("size", SHAPES)
def test_adam(benchmark: Any, size: str) -> None:
    """One launch for all float32 arrays, against PyTorch's fused and foreach forms."""
    from fastgd.engines.cuda.steps import full

    shapes = SHAPES[size]
    params, grads = ([full(s, np.dtype("f4"), value) for s in shapes] for value in (1.0, 0.1))
    found = {"fastgd": Candidate(partial(gd.Adam().step, params, grads), wait=device.synchronize)}
    torch, why = torch_on_gpu()
    for form in () if why else ("fused", "foreach"):
        tensors = [torch.ones(s, device="cuda", requires_grad=True) for s in shapes]
        for tensor in tensors:
            tensor.grad = torch.full_like(tensor, 0.1)
        step = torch.optim.Adam(tensors, **{form: True}).step
        found[f"torch {form}"] = Candidate(step, wait=torch.cuda.synchronize)
    found[LIMIT + "memory"] = copying(ADAM_BYTES * sum(int(np.prod(s)) for s in shapes))
    info = about("GPU: one step", f"Adam, {size}", "step")
    compare(benchmark, found, rounds=ROUNDS, about=info, skipped={"torch": why} if why else {})


# --- sweeps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("runs", [10] if QUICK else [10**4, 10**5, 10**6, 10**7])
def test_sweep(benchmark: Any, runs: int, dtype: str) -> None:
    """Two-parameter least squares; the time of half the iterations is free of what a sweep costs once."""
    x = np.linspace(-1, 1, 20)
    problem = gd.LeastSquares(x, 1 + 2 * x)
    axes = {"lr": np.linspace(0.01, 0.5, runs)}
    updates = 2e4 if QUICK else 2e12 if runs >= 10**6 else 2e11
    iterations = max(2, int(updates / runs))

    def candidate(iterations: int, backend: str) -> Candidate:
        call = partial(
            gd.sweep, problem, gd.SGD(), axes,
            dtype=dtype, tol=0, max_iter=iterations, backend=backend,
        )  # fmt: skip
        return Candidate(call, float(runs * iterations), f"{iterations:,} iterations")

    found = {
        "fastgd": candidate(iterations, "cuda"),
        "fastgd, half": candidate(iterations // 2, "cuda"),
    }
    if runs <= 10**5:
        found["fastgd, CPU"] = candidate(max(1, iterations // 1000), "auto")
    info = about("GPU: sweep", f"SGD, {runs:,} rates, {dtype}", "iteration")
    compare(benchmark, found, rounds=3, about={**info, "threads": get_num_threads()})
    seconds = [found[name].best() * found[name].work for name in ("fastgd", "fastgd, half")]
    more = found["fastgd"].work - found["fastgd, half"].work
    benchmark.extra_info["iterations a second without overhead"] = more / max(
        seconds[0] - seconds[1], 1e-9
    )


# --- networks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [4] if QUICK else [1, 256, 4096])
def test_training(benchmark: Any, batch: int) -> None:
    """Updates of a network by SGD; the rows lie on the GPU."""
    rng = np.random.default_rng(0)
    rows = 64 if QUICK else 60_000
    x = rng.integers(0, 256, (rows, LAYERS[0]), np.uint8)
    y = rng.integers(0, LAYERS[-1], rows)
    network = gd.MLP(list(LAYERS), backend="cuda", rng=0)
    updates = 2 if QUICK else 2000 if batch < 1000 else 300
    fit = partial(
        network.fit, x, y, optimizer=gd.SGD(lr=0.01), batch_size=batch, steps=updates,
        record=10 * updates,
    )  # fmt: skip
    found, skipped = {"fastgd": Candidate(fit, float(updates))}, {}
    torch, why = torch_on_gpu()
    if why:
        skipped["torch"] = why
    for name, make in {} if why else torch_ways(torch, x, y, batch).items():
        try:
            update = make()
            update(0)  # compiles; not every installation can
        except Exception as error:
            skipped[name] = f"{type(error).__name__}: {error}"[:200]
        else:
            call = partial(repeated, update, updates)
            found[name] = Candidate(call, float(updates), wait=torch.cuda.synchronize)
    sizes = "-".join(map(str, LAYERS))
    info = about("GPU: training", f"{sizes}, batch {batch:,}", "update")
    compare(benchmark, found, rounds=ROUNDS, about=info, skipped=skipped)


def repeated(update: Callable[[int], None], updates: int) -> None:
    for k in range(updates):
        update(k)


def torch_ways(
    torch: Any, x: Any, y: Any, batch: int
) -> dict[str, Callable[[], Callable[[int], None]]]:
    """Makers of a function that makes update k: PyTorch eager, compiled, and as a captured graph."""
    inputs = torch.tensor(x, device="cuda").float() / 255
    targets = torch.tensor(y, device="cuda")
    order = torch.randperm(len(x), device="cuda")
    batches = len(x) // batch

    def update_of_rows() -> Callable[[Any], None]:
        torch.manual_seed(0)
        layers: list[Any] = []
        for a, b in pairwise(LAYERS):
            layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers[:-1]).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)

        def update(rows: Any) -> None:
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()

        return update

    def by_number(update: Callable[[Any], Any]) -> Callable[[int], None]:
        def update_number(k: int) -> None:
            start = k % batches * batch
            update(order[start : start + batch])

        return update_number

    def compiled() -> Callable[[Any], Any]:
        return torch.compile(update_of_rows(), mode="max-autotune-no-cudagraphs")

    return {
        "torch eager": lambda: by_number(update_of_rows()),
        "torch compile": lambda: by_number(compiled()),
        "torch CUDA graph": lambda: by_number(captured(torch, update_of_rows(), order[:batch])),
    }


def captured(torch: Any, update: Callable[[Any], None], rows: Any) -> Callable[[Any], None]:
    """The update as a graph, which reads the row numbers from a buffer."""
    buffer = rows.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            update(buffer)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        update(buffer)

    def replay(chosen: Any) -> None:
        buffer.copy_(chosen)
        graph.replay()

    return replay
