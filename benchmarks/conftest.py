"""Shared by all benchmarks: versions stored with the figures, tables at the end, a skip where there is no GPU."""

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import comparison
import pytest
import table

from fastgd.engines.cuda import device
from fastgd.engines.installation import config as fastgd_config

PEERS = ("numpy", "numba", "scipy", "scikit-learn", "torch", "jax", "optax")
OF_RECIPES = (  # named where they are installed
    "autograd", "dask", "optuna", "pennylane", "qiskit-algorithms", "quimb", "ribs",
    "stable-baselines3",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Ignore the peers' deprecations; skip benchmarks of a GPU where there is none."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            if item.get_closest_marker("gpu") and (why := gpu_missing()):
                item.add_marker(pytest.mark.skip(reason=why))


def gpu_missing() -> str:
    """Why benchmarks of a GPU cannot run; empty if they can."""
    if device.simulated() and not comparison.QUICK:
        return "the simulator runs benchmarks only with FASTGD_BENCH_QUICK=1"
    return device.missing()


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    versions = {}
    for name in PEERS + OF_RECIPES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name in PEERS:
                versions[name] = "not installed"
    versions["python"] = platform.python_version()
    machine_info["versions"] = versions
    processor = fastgd_config()["processor"]
    machine_info["kernels"] = f"{processor['target']}, vectors of {processor['vector_bits']} bits"
    if not device.missing():
        gpu = device.gpu()
        capability = ".".join(map(str, gpu.capability))
        machine_info["gpu"] = f"{gpu.name} (compute capability {capability})"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    if comparison.RECORDS:
        terminalreporter.section("ratios of interleaved rounds")
        terminalreporter.write_line(table.tables(comparison.RECORDS))
