"""The bits of an earlier version: steps, sweeps, descents and networks against the digests in `bits.json`."""

import json
import platform
import sys
from pathlib import Path

import pytest
from grids import sampled
from unchanged import bits_workloads as workloads

BITS = json.loads((Path(__file__).parent / "bits.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="the digests are those of Linux on x86-64",
)


def wanted(stored, backend):
    """The digest of a backend; where all agree there is one."""
    return stored if isinstance(stored, str) else stored[backend]


def needs(backend):
    if backend == "cython" and workloads.instruction_set() is None:
        pytest.skip("the compiled extensions are missing")


def test_every_workload_has_its_digests():
    assert BITS["steps"].keys() <= workloads.STEP_CASES.keys()
    assert BITS["sweeps"].keys() == workloads.SWEEPS.keys()
    assert BITS["descents"].keys() == workloads.DESCENTS.keys()
    assert all(found.keys() == workloads.SWEEPS.keys() for found in BITS["losses"].values())
    assert all(found.keys() == workloads.NETWORKS.keys() for found in BITS["networks"].values())


@pytest.mark.parametrize("backend", workloads.BACKENDS)
@pytest.mark.parametrize("dtype", workloads.DTYPES)
@pytest.mark.parametrize("case_id", BITS["steps"])
def test_steps(case_id, dtype, backend):
    needs(backend)
    found = workloads.step_digest(case_id, dtype, backend)
    assert found == wanted(BITS["steps"][case_id][dtype], backend)


@pytest.mark.parametrize(
    ("name", "backend"),
    sampled(
        [(name, b) for name, s in workloads.SWEEPS.items() for b in s.backends],
        lambda row: row[1] != "numba",  # which compiles each, and gives the bits of the others
    ),
)
def test_sweeps(name, backend):
    needs(backend)
    found, losses = workloads.sweep_digests(name, backend)
    assert found == wanted(BITS["sweeps"][name], backend)
    known = BITS["losses"].get(workloads.arithmetic())
    if known is not None:
        assert losses == wanted(known[name], backend)


@pytest.mark.parametrize(
    ("name", "backend"), [(name, b) for name, d in workloads.DESCENTS.items() for b in d[2]]
)
def test_descents(name, backend):
    needs(backend)
    assert workloads.descent_digest(name, backend) == wanted(BITS["descents"][name], backend)


@pytest.mark.parametrize("dtype", workloads.DTYPES)
@pytest.mark.parametrize("name", workloads.NETWORKS)
def test_networks(name, dtype):
    used = workloads.instruction_set()
    if used not in BITS["networks"]:
        pytest.skip(f"there are no digests of networks for {used}")
    assert workloads.network_digest(name, dtype) == BITS["networks"][used][name][dtype]
