"""Files of an earlier version hold what they held, and what was broken off in them goes on."""

import json
import math

import pytest
from unchanged import files_workloads as workloads

EXPECTED = json.loads((workloads.FOLDER / "expected.json").read_text(encoding="utf-8"))


def assert_agree(found, wanted, tolerance=0.0, where=""):
    """Numbers to a tolerance, all else exactly; tuples are lists in JSON."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), where
        for key, value in wanted.items():
            assert_agree(found[key], value, tolerance, f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for k, value in enumerate(wanted):
            assert_agree(found[k], value, tolerance, f"{where}[{k}]")
    elif isinstance(wanted, float):
        same = math.isclose(found, wanted, rel_tol=tolerance, abs_tol=tolerance)
        assert same or (math.isnan(found) and math.isnan(wanted)), f"{where}: {found!r}, {wanted!r}"
    else:
        assert found == wanted, where


@pytest.mark.parametrize("name", EXPECTED["networks"])
def test_a_network_goes_on(name):
    wanted, tolerance = EXPECTED["networks"][name], workloads.NETWORKS[name].tolerance
    assert_agree(workloads.read_network(name), wanted, tolerance)


@pytest.mark.parametrize("name", EXPECTED["networks"])
def test_a_network_broken_off_is_one_trained_throughout(name):
    case, steps = workloads.NETWORKS[name], workloads.WRITTEN_AFTER[name]
    whole = case.fit(case.made(), steps + workloads.MORE_STEPS)
    wanted = EXPECTED["networks"][name]["after"]["parameters"]
    assert_agree([p.ravel().tolist() for p in whole.params], wanted, case.tolerance)


@pytest.mark.parametrize("name", EXPECTED["sweeps"])
def test_a_sweep_is_read(name):
    assert_agree(workloads.read_sweep(name), EXPECTED["sweeps"][name])


@pytest.mark.parametrize("name", EXPECTED["states"])
def test_an_optimizer_goes_on(name):
    assert_agree(workloads.read_state(name), EXPECTED["states"][name])


@pytest.mark.parametrize("name", EXPECTED["trained"])
def test_a_trained_folder_predicts(name, tmp_path):
    rows, wanted = (
        workloads.read_trained(name, tmp_path / "predicted.csv"),
        EXPECTED["trained"][name],
    )
    found = [
        {key: row[key] for key in wanted[0]} for row in rows
    ]  # the target, if it is there, is new
    assert_agree(found, wanted, 1e-9)
