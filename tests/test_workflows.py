"""What builds releases: actions are pinned, and the wheels are those that the package says it supports."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
if not WORKFLOWS:
    pytest.skip("the source tree is not here", allow_module_level=True)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILT = PROJECT["tool"]["cibuildwheel"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_named_by_version(path):
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_may_do_no_more_than_they_say(path):
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^permissions: \{\}$", text, re.MULTILINE)
    assert "password" not in re.sub(r"#.*", "", text)
    assert "secrets." not in text


def test_wheels_are_built_for_every_python_that_is_named():
    named = [
        text.rpartition(" ")[2]
        for text in PROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", text)
    ]
    built = [re.sub(r"cp3(\d+)-\*", r"3.\1", name) for name in BUILT["build"]]
    assert built == named
    page = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")
    assert f"{named[0]} to {named[-1]}" in page


def test_the_tests_of_wheels_are_there():
    for command in BUILT["test-command"]:
        for path in re.findall(r"tests/\S+\.py", command):
            assert (ROOT / path).exists(), path
