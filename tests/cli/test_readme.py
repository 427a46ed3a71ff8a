"""The commands of the README run."""

import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from cli.commands import said


@pytest.mark.skipif(sys.platform == "win32", reason="no sh")
def test_sweeps_and_descents(tmp_path):
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    block = text.split("## On your own file")[1].split("```sh\n")[1].split("```")[0]
    commands = block.replace("\nfastgd ", f"\n{sys.executable} -m fastgd ")
    ran = subprocess.run(
        ["sh", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.count("Best") == 2
    assert (tmp_path / "results" / "sweep.png").exists()


def test_networks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    block = text.split("## On your own file")[1].split("## How fast")[0].split("```sh\n")[2]
    first, *commands = map(shlex.split, block.split("```")[0].splitlines())
    assert first[:2] == ["python", "-c"]
    exec(first[2])
    assert [name for name, *_ in commands] == ["fastgd"] * 3
    lines = [line for _, *arguments in commands for line in said(arguments, capsys)]
    assert any(line.startswith("held out ") for line in lines)
    assert any(line.startswith("Best by its validation loss") for line in lines)
    assert (tmp_path / "compared" / "comparison.png").exists()
    assert len(pd.read_csv("predictions.csv")) == 150
