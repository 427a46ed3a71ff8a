"""Tests of the code for GPUs: on Numba's simulator, in a process of their own, or on a GPU.

``NUMBA_ENABLE_CUDASIM=1 pytest tests/engines/cuda`` runs them on the simulator; the variable must be set before Numba
is imported. On a machine with a GPU ``pytest tests/engines/cuda`` runs all. Elsewhere only the tests of generated code
are collected (``test_cuda_ptx*.py``), and those only where a compiler for GPUs is installed.
"""

from importlib.util import find_spec

import pytest
import simulator

from fastgd.engines.cuda import device

# Such files compile for a GPU without one; the simulator generates no code.
READS_CODE = "test_cuda_ptx"
SIMULATED = device.simulated()


@pytest.fixture(autouse=True, scope="session")
def _simulator():
    with simulator.repaired():
        yield


def pytest_ignore_collect(collection_path):
    if collection_path.name.startswith(READS_CODE):
        return True if SIMULATED or find_spec("numba_cuda") is None else None
    return True if collection_path.name.startswith("test_cuda_") and device.missing() else None


def pytest_collection_modifyitems(items):
    for item in items:
        if not SIMULATED or not item.path.name.startswith("test_cuda_"):
            continue
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))
        # Kernels are Python threads there, each with NumPy's default of warning of an overflow.
        item.add_marker(pytest.mark.filterwarnings("ignore::RuntimeWarning"))
