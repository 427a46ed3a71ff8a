"""What belongs to all benchmarks: versions beside the figures, and the table at the end."""

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import comparison
import pytest
import table

from fastgd.engines.installation import config as fastgd_config

PEERS = ("numpy", "numba", "scipy", "scikit-learn", "torch", "jax", "optax")


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """A peer's deprecations are not our errors."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    versions = {}
    for name in PEERS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    versions["python"] = platform.python_version()
    machine_info["versions"] = versions
    processor = fastgd_config()["processor"]
    machine_info["kernels"] = f"{processor['target']}, vectors of {processor['vector_bits']} bits"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    if comparison.RECORDS:
        terminalreporter.section("ratios of interleaved rounds")
        terminalreporter.write_line(table.tables(comparison.RECORDS))
