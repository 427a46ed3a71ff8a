"""`pytest` runs the tests, `pytest --benchmark-only` the benchmarks alone."""

from typing import Any


def pytest_configure(config: Any) -> None:
    """Where nobody names a path, look for benchmarks only: the tests would be listed as skipped."""
    nothing_named = config.args_source == config.ArgsSource.TESTPATHS
    if config.getoption("benchmark_only", False) and nothing_named:
        config.args = [str(config.rootpath / "benchmarks")]
