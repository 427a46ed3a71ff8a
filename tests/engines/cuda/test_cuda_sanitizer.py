"""NVIDIA's compute-sanitizer over a small run of everything."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).with_name("sanitized.py")


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_the_sanitizer_finds_nothing(tool):
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        pytest.skip("compute-sanitizer is not installed")
    command = [sanitizer, "--tool", tool, "--error-exitcode", "9", sys.executable, str(SAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-1000:]}"


def test_the_sample_runs():
    spec = importlib.util.spec_from_file_location("sanitized", SAMPLE)
    sanitized = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sanitized)
    sanitized.run(size=3, runs=2, iterations=3, rows=11)
