"""`pytest` runs the tests but for the slow ones, `pytest -m slow` those, `pytest --benchmark-only` the benchmarks."""

import sys
from importlib.util import find_spec
from typing import Any

import pytest

# Its examples need what it is for.
collect_ignore_glob = [] if find_spec("torch") else ["fastgd/torch/*"]
LEFT_OUT = pytest.StashKey[int]()  # slow tests that this run does not execute


def pytest_configure(config: Any) -> None:
    """Where nobody names a path, look for benchmarks only: the tests would be listed as skipped."""
    nothing_named = config.args_source == config.ArgsSource.TESTPATHS
    if config.getoption("benchmark_only", False) and nothing_named:
        config.args = [str(config.rootpath / "benchmarks")]
    config.stash[LEFT_OUT] = 0


def pytest_runtest_teardown() -> None:
    """Close the figures of a test, which the next one would find open."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def pytest_deselected(items: Any) -> None:
    """Count the slow tests among those that are not to run."""
    for item in items:
        item.config.stash[LEFT_OUT] += item.get_closest_marker("slow") is not None


def pytest_sessionfinish(session: Any) -> None:
    """A worker of pytest-xdist tells its count to the process that reports."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take a worker's count; each collects all tests."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """Say how many slow tests were left out."""
    count = config.stash[LEFT_OUT]
    if count and "slow" in config.option.markexpr:
        tests = "1 slow test was" if count == 1 else f"{count} slow tests were"
        terminalreporter.write_line(f"{tests} left out; run them with `pytest -m slow`")
