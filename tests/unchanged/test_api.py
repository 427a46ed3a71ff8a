"""Every public name, parameter and default of an earlier version is still there; there may be more."""

import json
from pathlib import Path

import pytest
from unchanged.api_names import described

import fastgd as gd

BEFORE = json.loads((Path(__file__).parent / "api.json").read_text(encoding="utf-8"))
NAMES = [(module, name) for module, names in BEFORE.items() for name in names]
POSITIONAL = {"by position", "either", "*"}


@pytest.fixture(scope="module")
def now():
    return described()


def assert_no_less(before, after):
    """The same parameters, those by position in the same places; a new one must be optional and by keyword."""
    by_name = {name: (kind, default) for name, kind, default in after}
    for name, kind, default in before:
        assert name in by_name, f"parameter {name!r} is gone"
        assert by_name[name] == (kind, default), f"parameter {name!r} has changed"
    ordered = [[name for name, kind, _ in ps if kind in POSITIONAL] for ps in (before, after)]
    assert ordered[0] == ordered[1]
    known = {name for name, _, _ in before}
    for name, kind, default in after:
        optional = default is not None or kind == "**"
        assert name in known or optional, f"parameter {name!r} is new and required"


def assert_same_class(before, after):
    assert set(before["properties"]) <= set(after["properties"])
    for method, said in before["methods"].items():
        assert method in after["methods"], f"method {method!r} is gone"
        assert after["methods"][method]["on"] == said["on"]
        assert_no_less(said["parameters"], after["methods"][method]["parameters"])


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_name(module, name, now):
    assert name in now[module], f"{module} has no {name!r} any more"
    before, after = BEFORE[module][name], now[module][name]
    assert after["kind"] == before["kind"]
    if "members" in before:
        assert before["members"].items() <= after["members"].items()
    if "parameters" in before:
        assert_no_less(before["parameters"], after["parameters"])
    if "methods" in before:
        assert_same_class(before, after)


def test_every_name_is_listed_by_dir():
    assert set(BEFORE["fastgd"]) <= set(dir(gd))
