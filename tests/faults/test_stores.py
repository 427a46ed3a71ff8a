"""A sweep with a store that is killed again and again loses no finished chunk, runs none twice, and ends the same."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from faults.stored_sweep import sweep

import fastgd as gd
from fastgd.sweeps.store_files import Folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
SCRIPT = Path(__file__).with_name("stored_sweep.py")


def started(folder, kind):
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    assert process.stdout.readline() == "begins\n"
    return process


def runs_of(folder):
    """The runs in all chunks, one after the other."""
    found = [chunk.read()[0] for chunk in Folder(folder).chunks()]
    return np.concatenate([np.zeros(0, int), *found])


def kill_often(folder, kind, times, seed, number=signal.SIGKILL):
    """Begin a sweep until it ends, and kill it at so many random moments before; returns the exit codes."""
    draw, codes = random.Random(seed), []
    while True:
        process = started(folder, kind)
        if len(codes) < times:
            try:
                process.wait(draw.uniform(0.0, 0.3))
            except subprocess.TimeoutExpired:
                process.send_signal(number)
        out, error = process.communicate(timeout=120)
        codes.append(process.returncode)
        if (folder / "manifest.json").exists():
            runs = runs_of(folder)
            assert len(runs) == len(set(runs.tolist())), "a run was run twice"
        assert not error, error
        if (
            process.returncode == 0
        ):  # a kill may come after the end, as the process is about to exit
            assert out == "ended\n"
            return codes


def check(folder, kind):
    whole = sweep(kind)
    runs = runs_of(folder)
    assert sorted(runs.tolist()) == list(range(whole.size))
    kept = gd.SweepStore(folder).result()
    for name in ("iterations", "status", "regime", "loss"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(whole, name), name)
    assert not [f.name for f in folder.iterdir() if f.name.startswith(".fastgd-")]


@pytest.mark.parametrize("kind", ["descents", "networks"])
def test_killed_at_random_moments(kind, tmp_path):
    codes = kill_often(tmp_path / "s", kind, 3, seed=1)
    assert codes[-1] == 0
    check(tmp_path / "s", kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["descents", "networks"])
def test_killed_at_twenty_random_moments(kind, tmp_path):
    kill_often(tmp_path / "s", kind, 20, seed=2)
    check(tmp_path / "s", kind)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_what_is_finished(number, tmp_path):
    process = started(tmp_path / "s", "descents")
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("s/runs-*")) and time.monotonic() < deadline:
        os.sched_yield()
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert (out, error, process.returncode) == (
        "ended\n",
        "",
        0,
    )  # `sweep` returns what is finished
    kept = gd.SweepStore(tmp_path / "s").status()
    assert 0 < kept.ended["max_iter"] < 4000
    kill_often(tmp_path / "s", "descents", 0, seed=0)
    check(tmp_path / "s", "descents")


def test_two_processes_on_one_store(tmp_path):
    process = started(tmp_path / "s", "descents")
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("s/runs-*")) and time.monotonic() < deadline:
            os.sched_yield()
        process.send_signal(signal.SIGSTOP)
        assert gd.SweepStore(tmp_path / "s").status().owner.startswith(f"process {process.pid} on ")
        with pytest.raises(RuntimeError, match=f"in use by process {process.pid} on"):
            sweep("descents", store=tmp_path / "s")
    finally:
        process.kill()
        process.communicate()
    assert gd.SweepStore(tmp_path / "s").status().owner == ""
    sweep("descents", store=tmp_path / "s")
    check(tmp_path / "s", "descents")
