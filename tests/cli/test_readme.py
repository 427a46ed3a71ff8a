"""The commands of the README and of the page on the command line run, and print what is shown."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from cli.commands import said

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
posix = pytest.mark.skipif(sys.platform == "win32", reason="no sh")


def run(block, folder):
    commands = block.replace("\nfastgd ", f"\n{sys.executable} -m fastgd ")
    return subprocess.run(
        ["sh", "-ec", commands], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@posix
def test_what_the_readme_shows(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("**On your own file**")[1]
    commands, shown = text.split("```sh\n")[1].split("```\n```text\n")
    printed = run(commands, tmp_path)
    without_time = [re.sub(r"in [\d.]+ s", "", part) for part in (printed, shown.split("```")[0])]
    assert without_time[0] == without_time[1]
    assert (tmp_path / "results" / "sweep.png").exists()


@posix
def test_sweeps_and_descents(tmp_path):
    block = PAGE.split("```sh\n")[1].split("```")[0]
    assert run(block, tmp_path).count("Best") == 2
    assert (tmp_path / "results" / "sweep.png").exists()


def test_networks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if "iris.csv" in line]
    first, *commands = map(shlex.split, lines)
    assert first[:2] == ["python", "-c"]
    exec(first[2])
    assert [name for name, *_ in commands] == ["fastgd"] * 7
    lines = [line for _, *arguments in commands for line in said(arguments, capsys)]
    assert any(line.startswith("held out ") for line in lines)
    assert any(line.startswith("Best by its validation loss") for line in lines)
    assert (tmp_path / "compared" / "comparison.png").exists()
    assert any(line.startswith("Over 5 folds, mean ± standard error") for line in lines)
    assert len(pd.read_csv("predictions.csv")) == 150
