"""The limits of the process on threads: OpenMP's variables, joblib's workers, a container's share of the processors."""

import os
import subprocess
import sys

import numpy as np
import pytest

import fastgd as gd
from fastgd.engines import config, thread_limits


@pytest.fixture(autouse=True)
def four_processors(monkeypatch):
    """A machine with four processors, no quota and an empty environment, and the settings of the process as before."""
    for name in ("FASTGD_NUM_THREADS", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(thread_limits, "_processors", lambda: 4)
    monkeypatch.setattr(thread_limits, "_quota", lambda: None)
    yield
    gd.set_num_threads(None)


@pytest.mark.parametrize(
    ("environment", "threads", "source"),
    [
        ({}, 4, "processors"),
        ({"OMP_NUM_THREADS": "3"}, 3, "OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": " 2,8 "}, 2, "OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "16"}, 4, "processors"),
        ({"OMP_NUM_THREADS": "3", "OMP_THREAD_LIMIT": "1"}, 1, "OMP_THREAD_LIMIT"),
        ({"OMP_NUM_THREADS": "3", "FASTGD_NUM_THREADS": "8"}, 8, "FASTGD_NUM_THREADS"),
        ({"MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}, 4, "processors"),
        *(({"OMP_NUM_THREADS": text}, 4, "processors") for text in ("", "0", "-1", "all", "1.5")),
    ],
)
def test_environment(monkeypatch, environment, threads, source):
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert config.threads_and_source() == (threads, source)


def test_process_and_call_come_before_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    gd.set_num_threads(3)
    assert config.threads_and_source() == (3, "set_num_threads")
    assert config.threads_and_source(5) == (5, "n_threads")
    gd.set_num_threads(None)
    assert config.get_num_threads() == 1


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"cpu.max": "300000 100000", "a/cpu.max": "100000 100000", "a/b/cpu.max": "max 1"}, 1),
        ("0::/of/the/host\n", {"cpu.max": "50000 100000\n"}, 1),
        (
            "5:pids:/\n4:cpu,cpuacct:/docker/f0\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("3:cpuset:/\n", {"cpuset/cpu.max": "100000 100000\n"}, None),
        ("0::/\n", {"cpu.max": "nonsense"}, None),
        ("0::/\n", {}, None),
    ],
)  # fmt: skip
def test_quota_of_a_container(tmp_path, monkeypatch, own, files, quota):
    monkeypatch.undo()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(thread_limits, "_CGROUPS", tmp_path)
    monkeypatch.setattr(thread_limits, "_OWN_CGROUPS", tmp_path / "own")
    assert thread_limits._quota.__wrapped__() == quota


def test_quota_limits_threads(monkeypatch):
    monkeypatch.setattr(thread_limits, "_quota", lambda: 2)
    assert config.threads_and_source() == (2, "cgroup")


def test_system_without_cgroups(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(thread_limits, "_OWN_CGROUPS", tmp_path / "none")
    assert thread_limits._quota.__wrapped__() is None


def _in_a_worker(elements):
    """What a worker may use, and the threads that a large step has started there."""
    before = len(os.listdir("/proc/self/task"))
    opt, p, g = gd.SGD(), np.zeros(elements, np.float32), np.ones(elements, np.float32)
    for _ in range(3):
        opt.step(p, g)
    return config.get_num_threads(), len(os.listdir("/proc/self/task")) - before


_WORKERS = """
import joblib, numpy as np, os, sys
sys.path.insert(0, {here!r})
from test_thread_limits import _in_a_worker

if __name__ == "__main__":
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads={inner}):
        print(joblib.Parallel()(joblib.delayed(_in_a_worker)(2**20) for _ in range(4)))
"""


def _of_workers(tmp_path, inner):
    """What the workers of joblib report, started by a process without limits."""
    script = tmp_path / "workers.py"
    script.write_text(_WORKERS.format(here=os.path.dirname(__file__), inner=inner))
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")
    }
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, script],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return eval(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the threads in /proc")
@pytest.mark.parametrize("inner", [1, 2, None])
def test_workers_of_joblib_hold_their_limits(tmp_path, inner):
    joblib = pytest.importorskip("joblib")
    every = os.sched_getaffinity(0)
    wanted = max(1, joblib.cpu_count() // 2) if inner is None else min(inner, len(every))
    for threads, started in _of_workers(tmp_path, inner):
        assert threads == wanted
        assert started <= wanted - 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs processor affinity")
def test_pinned_process():
    one = min(os.sched_getaffinity(0))
    code = "from fastgd.engines import config; print(*config.threads_and_source())"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OMP_", "FASTGD_NUM"))
    }
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{one}}}); {code}"],
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1", "processors"]
