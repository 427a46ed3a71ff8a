"""All checks and benchmarks of the card's code in one call, on a machine with a card.

    python benchmarks/gpu.py --out gpu.json

runs ``tests/engines/cuda`` on the GPU, compute-sanitizer where the machine has it, and then each workload beside
its peers (PyTorch where it is installed, and the copy bandwidth of the same call), interleaved; it writes everything to
a JSON file and a table to standard output. Nothing is fetched. What fails is reported as failed, and the rest goes on.
``--quick`` makes everything small: with ``NUMBA_ENABLE_CUDASIM=1`` the script itself can be tried without a card.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import fastgd as gd
from fastgd.engines.cuda import device
from fastgd.engines.cuda.steps import full
from fastgd.engines.installation import config

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 7
LAYERS = [784, 500, 300, 10]


@dataclass
class Bench:
    """What was measured: rows of one workload, one size and everybody's best and median seconds."""

    quick: bool
    rows: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    copy_bandwidth: float = 0.0  # bytes a second, read and written

    def attempt(self, name: str, work: Callable[[], Any]) -> Any:
        """The result, or None where it failed; why is kept."""
        try:
            return work()
        except Exception as error:
            traceback.print_exc()
            self.failures.append(f"{name}: {type(error).__name__}: {error}"[:500])
            return None

    def compare(
        self, workload: str, size: str, runners: dict[str, Callable[[int], None]], **about: Any
    ) -> None:
        """Everybody's seconds for one call, interleaved; a runner makes so many calls and waits for the card."""
        chosen: dict[str, int] = {}
        for name, run in runners.items():
            calls = self.attempt(f"{workload} {size} {name}", lambda run=run: self._calls(run))
            if calls:
                chosen[name] = calls
        seconds: dict[str, list[float]] = {name: [] for name in chosen}
        for _ in range(2 if self.quick else ROUNDS):
            for name, calls in chosen.items():
                began = time.perf_counter()
                runners[name](calls)
                seconds[name].append((time.perf_counter() - began) / calls)
        self.rows.append(
            {
                "workload": workload,
                "size": size,
                **about,
                "best": {name: min(values) for name, values in seconds.items()},
                "median": {name: median(values) for name, values in seconds.items()},
            }
        )

    def _calls(self, run: Callable[[int], None]) -> int:
        """How many calls fill a fifth of a second, after a first one that may compile."""
        run(1)
        if self.quick:
            return 1
        calls = 1
        while True:
            began = time.perf_counter()
            run(calls)
            took = time.perf_counter() - began
            if took > 0.1:
                return max(1, round(calls * 0.2 / took))
            calls *= 2


def waiting(step: Callable[[], Any], wait: Callable[[], Any]) -> Callable[[int], None]:
    """A runner: so many steps, then one wait."""

    def run(calls: int) -> None:
        for _ in range(calls):
            step()
        wait()

    return run


def with_torch() -> Any:
    """PyTorch, where it sees a card."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


# --- checks -----------------------------------------------------------------------------------------


def check(bench: Bench) -> dict[str, Any]:
    """The tests on the card, and the sanitizers over a small run of everything."""
    found: dict[str, Any] = {}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/engines/cuda"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found["tests"] = done.stdout.strip().splitlines()[-1:]
    if done.returncode:
        bench.failures.append(f"tests/engines/cuda: {done.stdout[-3000:]}")
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        found["sanitizer"] = "not on this machine"
        return found
    for tool in ("memcheck", "racecheck"):
        command = [
            sanitizer,
            "--tool",
            tool,
            "--error-exitcode",
            "9",
            sys.executable,
            __file__,
            "--sample",
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        found[tool] = "clean" if done.returncode == 0 else f"exit {done.returncode}"
        if done.returncode:
            bench.failures.append(f"{tool}: {done.stdout[-3000:]}{done.stderr[-1000:]}")
    return found


def sample() -> None:
    """A little of everything, for the sanitizers."""
    from numba import cuda

    rng = np.random.default_rng(0)
    params = [cuda.to_device(rng.normal(size=n).astype("f4")) for n in (7, 5000, 1)]
    opt = gd.AdamW(clip_norm=1.0)
    for _ in range(3):
        opt.step(params, [cuda.to_device(rng.normal(size=p.shape).astype("f4")) for p in params])
    rates = np.geomspace(1e-3, 1, 50)
    for problem in (
        gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0]),
        gd.Quadratic(np.diag(np.arange(1.0, 70))),
    ):
        gd.sweep(problem, gd.Adam(), {"lr": rates}, max_iter=200, backend="cuda")
    X = rng.normal(size=(64, 9))
    net = gd.MLP([9, 20, 3], dropout=0.2, backend="cuda")
    net.fit(X, rng.integers(0, 3, 64), optimizer=gd.Adam(), batch_size=10, epochs=2)


# --- workloads --------------------------------------------------------------------------------------


def copies(bench: Bench) -> None:
    """From the card's memory to the card's memory: the pace of everything that is bound by it."""
    from numba import cuda

    size = 1 << 10 if bench.quick else 1 << 28
    source, target = device.empty(size, np.float32), device.empty(size, np.float32)
    bench.compare(
        "copy",
        f"{4 * size / 2**20:g} MiB",
        {"copy": waiting(lambda: target.copy_to_device(source), cuda.synchronize)},
    )
    if best := bench.rows[-1]["best"].get("copy"):
        bench.copy_bandwidth = 8 * size / best
        bench.rows[-1]["bytes_per_second"] = bench.copy_bandwidth


def adam(bench: Bench, size: str, shapes: list[tuple[int, ...]]) -> None:
    """Adam on float32 arrays of these shapes: one launch against PyTorch's."""
    from numba import cuda

    real = np.dtype("float32")
    params, grads = ([full(s, real, value) for s in shapes] for value in (1.0, 0.1))
    opt = gd.Adam()
    runners = {"fastgd": waiting(lambda: opt.step(params, grads), cuda.synchronize)}
    torch = with_torch()
    for kind in ("fused", "foreach") if torch is not None else ():
        held = [torch.ones(s, device="cuda", requires_grad=True) for s in shapes]
        for t in held:
            t.grad = torch.full_like(t, 0.1)
        peer = torch.optim.Adam(held, **{kind: True})
        runners[f"torch {kind}"] = waiting(peer.step, torch.cuda.synchronize)
    bench.compare("adam", size, runners, bytes=28 * sum(map(math.prod, shapes)))


def sweeps(bench: Bench, runs: int, dtype: str) -> None:
    """Two-parameter least squares: updates a second, by two lengths, whose difference has no overhead."""
    line = gd.LeastSquares(np.linspace(-1, 1, 20), 1 + 2 * np.linspace(-1, 1, 20))
    axes = {"lr": np.linspace(0.01, 0.5, runs)}
    work = 2e4 if bench.quick else 2e12 if runs >= 10**6 else 2e11
    long = max(2, int(work / runs))

    def seconds(max_iter: int) -> float:
        out = gd.sweep(line, gd.SGD(), axes, dtype=dtype, tol=0, max_iter=max_iter, backend="cuda")
        return out.seconds

    seconds(1)  # compiles
    whole = min(seconds(long) for _ in range(2))
    half = min(seconds(long // 2) for _ in range(2))
    row: dict[str, Any] = {
        "workload": "sweep",
        "size": f"{runs:,} runs, {dtype}",
        "updates": runs * long,
    }
    row["best"] = {"fastgd": whole}
    row["updates_per_second"] = runs * long / whole
    row["marginal_updates_per_second"] = runs * (long - long // 2) / max(whole - half, 1e-9)
    if runs <= 10**5:
        began = time.perf_counter()
        few = max(1, long // 1000)
        gd.sweep(line, gd.SGD(), axes, dtype=dtype, tol=0, max_iter=few)
        row["cpu_updates_per_second"] = runs * few / (time.perf_counter() - began)
    bench.rows.append(row)


def networks(bench: Bench, batch: int) -> None:
    """Updates of 784-500-300-10 by SGD, data on the card."""
    rng = np.random.default_rng(0)
    rows = 64 if bench.quick else 60_000
    layers = [12, 5, 10] if bench.quick else LAYERS
    X = rng.integers(0, 256, (rows, layers[0]), np.uint8)
    y = rng.integers(0, 10, rows)
    net = gd.MLP(layers, backend="cuda", rng=0)
    opt = gd.SGD(lr=0.01)
    at_once = 2 if bench.quick else 2000 if batch < 1000 else 300
    record = 10 * at_once

    def ours(calls: int) -> None:
        for _ in range(calls):
            net.fit(X, y, optimizer=opt, batch_size=batch, steps=at_once, record=record)

    runners = {"fastgd": ours}
    torch = with_torch()
    if torch is not None:
        runners |= torch_networks(torch, X, y, batch, at_once)
    bench.compare("network", f"batch {batch}", runners, updates_per_call=at_once, layers=layers)


def torch_networks(
    torch: Any, X: Any, y: Any, batch: int, updates: int
) -> dict[str, Callable[[int], None]]:
    """PyTorch's three ways: step by step, compiled, and as a captured graph."""
    inputs = torch.tensor(X, device="cuda").float() / 255
    targets = torch.tensor(y, device="cuda")
    order = torch.randperm(len(X), device="cuda")
    batches = len(X) // batch

    def fresh() -> tuple[Any, Any, Any]:
        torch.manual_seed(0)
        sizes = list(pairwise(LAYERS))
        layers: list[Any] = []
        for k, (a, b) in enumerate(sizes):
            layers += [torch.nn.Linear(a, b)] + ([torch.nn.ReLU()] if k < len(sizes) - 1 else [])
        model = torch.nn.Sequential(*layers).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
        loss_of = torch.nn.functional.cross_entropy

        def update(rows: Any) -> None:
            optimizer.zero_grad(set_to_none=True)
            loss_of(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()

        return model, optimizer, update

    def looped(update: Callable[[Any], Any]) -> Callable[[int], None]:
        def run(calls: int) -> None:
            for k in range(calls * updates):
                start = k % batches * batch
                update(order[start : start + batch])
            torch.cuda.synchronize()

        return run

    def captured() -> Callable[[Any], Any]:
        _, _, update = fresh()
        rows = order[:batch].clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                update(rows)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            update(rows)

        def replay(chosen: Any) -> None:
            rows.copy_(chosen)
            graph.replay()

        return replay

    return {
        "torch eager": looped(fresh()[2]),
        "torch.compile": looped(torch.compile(fresh()[2], mode="max-autotune-no-cudagraphs")),
        "torch CUDA graph": looped(captured()),
    }


# --- report -----------------------------------------------------------------------------------------


def environment() -> dict[str, Any]:
    """The card, the versions, and the processor beside it."""
    found = {**config(), "python": platform.python_version()}
    gpu = device.gpu()
    found["gpu"] = {"name": gpu.name, "capability": gpu.capability, "memory": gpu.memory}
    for name in ("torch", "cupy"):
        try:
            found["versions"][name] = __import__(name).__version__
        except Exception:  # also of one that does not load without a driver
            found["versions"][name] = None
    return found


def table(bench: Bench) -> str:
    """Markdown: a line for each row."""
    lines = [
        "| workload | size | best, ms (peers: their time / ours) | |",
        "| --- | --- | --- | --- |",
    ]
    for row in bench.rows:
        best = dict(row["best"])
        scale = 1e3 / row.get("updates_per_call", 1)
        own = best.pop("fastgd", None) or best.pop("copy", None)
        if own is None:
            continue
        times = "; ".join(
            [f"{own * scale:.4g}", *(f"{name} x {t / own:.2f}" for name, t in best.items())]
        )
        notes = []
        if "bytes_per_second" in row:
            notes.append(f"{row['bytes_per_second'] / 1e9:.0f} GB/s")
        if "bytes" in row and bench.copy_bandwidth:
            notes.append(f"{row['bytes'] / own / bench.copy_bandwidth:.0%} of the copy bandwidth")
        if "updates_per_second" in row:
            notes.append(
                f"{row['updates_per_second']:.2g} updates/s, {row['marginal_updates_per_second']:.2g} without overhead"
            )
        lines.append(f"| {row['workload']} | {row['size']} | {times} | {', '.join(notes)} |")
    return "\n".join([*lines, "", *(f"FAILED {failure}" for failure in bench.failures)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="where the figures go")
    parser.add_argument(
        "--quick", action="store_true", help="everything small; no figure means anything then"
    )
    parser.add_argument("--no-checks", action="store_true", help="benchmarks alone")
    parser.add_argument(
        "--sample", action="store_true", help="a little of everything and no more, for sanitizers"
    )
    options = parser.parse_args()
    if device.missing():
        sys.stderr.write(f"backend 'cuda' cannot be used: {device.missing()}\n")
        return 1
    if options.sample:
        sample()
        return 0
    bench = Bench(options.quick)
    checks = {} if options.no_checks else bench.attempt("checks", lambda: check(bench))
    bench.attempt("copy", lambda: copies(bench))
    for size in (10, 1000) if bench.quick else (1000, 1_000_000, 100_000_000):
        bench.attempt(f"adam {size}", lambda size=size: adam(bench, f"{size:,}", [(size,)]))
    layers = 2 if bench.quick else 80
    many = [(64, 64), (64,)] * layers
    bench.attempt("adam, many", lambda: adam(bench, f"{len(many)} arrays", many))
    for runs in (10,) if bench.quick else (10**4, 10**5, 10**6, 10**7):
        for dtype in ("float32", "float64"):
            bench.attempt(
                f"sweep {runs}", lambda runs=runs, dtype=dtype: sweeps(bench, runs, dtype)
            )
    for batch in (4,) if bench.quick else (1, 256, 4096):
        bench.attempt(f"network {batch}", lambda batch=batch: networks(bench, batch))
    report = {
        "environment": environment(),
        "simulated": device.simulated(),
        "quick": options.quick,
        "threads": os.cpu_count(),
        "checks": checks,
        "rows": bench.rows,
        "failures": bench.failures,
    }
    options.out.write_text(json.dumps(report, indent=1, default=str))
    sys.stdout.write(f"{table(bench)}\n")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
