"""Sweeps on executors, for real: the same bits, lost workers, interruptions, forks. Each check is a process."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("program.py")
LIMIT = 600  # seconds; on a busy machine processes start slowly
OWN = os.name != "nt"  # whether the processes of a check are a group, which can be ended together


@contextmanager
def started(check, kind, folder, launcher=(sys.executable,)):
    """The process of a check; it and all that it started are ended at the end."""
    path = os.pathsep.join([str(PROGRAM.parents[1]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*launcher, str(PROGRAM), check, kind, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=OWN, env=environment,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if OWN else process.kill()


def passes(check, kind, folder, **options):
    with started(check, kind, folder, **options) as process:
        told = process.communicate(timeout=LIMIT)[0]
    assert process.returncode == 0, told
    assert "passed" in told, told


STARTS = [
    "thread",
    pytest.param("fork", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")),
    pytest.param("spawn", marks=pytest.mark.slow),
    pytest.param("forkserver", marks=pytest.mark.slow),
    pytest.param("loky", marks=pytest.mark.slow),
]
NEEDS = {
    "loky": "loky",
    "loky, reused": "loky",
    "dask": "distributed",
}


@pytest.mark.parametrize("kind", STARTS)
def test_every_sweep_has_the_same_bits(kind, tmp_path):
    pytest.importorskip(NEEDS.get(kind, "numpy"))
    passes("same_bits", kind, tmp_path)


def test_every_sweep_has_the_same_bits_with_mpi(tmp_path):
    pytest.importorskip("mpi4py")
    own = Path(sys.executable).with_name("mpiexec")  # of the package mpich
    mpiexec = str(own) if own.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("no mpiexec")
    launcher = (mpiexec, "-n", "3", sys.executable, "-m", "mpi4py.futures")
    passes("same_bits", "mpi", tmp_path, launcher=launcher)


@pytest.mark.parametrize("kind", ["fork", "spawn", "loky", "loky, reused"])
def test_what_a_lost_worker_had_is_run_again(kind, tmp_path):
    pytest.importorskip(NEEDS.get(kind, "numpy"))
    passes("lost_once", kind, tmp_path)


@pytest.mark.parametrize("kind", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_only_runs_that_kill_their_worker_are_errors(kind, tmp_path):
    passes("killing_runs", kind, tmp_path)


@pytest.mark.parametrize("kind", ["thread", "fork", "spawn"])
@pytest.mark.parametrize("check", ["made_by_a_callable", "errors_pass", "time_limit"])
def test_as_any_executor_does(check, kind, tmp_path):
    passes(check, kind, tmp_path)


@pytest.mark.parametrize("kind", ["fork", "spawn", "loky"])
def test_functions_of_a_script(kind, tmp_path):
    pytest.importorskip("cloudpickle")
    pytest.importorskip(NEEDS.get(kind, "numpy"))
    passes("functions_of_the_script", kind, tmp_path)


def test_workers_that_never_begin(tmp_path):
    passes("without_a_guard", "spawn", tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("check", ["fork_after_use", "many_threads"])
def test_forks_and_threads(check, tmp_path):
    passes(check, "fork", tmp_path)


def test_many_threads_on_threads(tmp_path):
    passes("many_threads", "thread", tmp_path)


def test_a_dask_cluster_that_loses_a_worker(tmp_path):
    pytest.importorskip("distributed")
    passes("dask", "dask", tmp_path)


@pytest.mark.skipif(not OWN, reason="POSIX signals")
@pytest.mark.parametrize(
    ("kind", "number", "whom"),
    [
        ("fork", signal.SIGINT, os.killpg if OWN else None),  # as a terminal sends it
        ("fork", signal.SIGTERM, os.kill),
        ("spawn", signal.SIGINT, os.kill),
        ("thread", signal.SIGINT, os.kill),
    ],
)
def test_a_signal_ends_it_with_what_is_known(kind, number, whom, tmp_path):
    with started("interrupted", kind, tmp_path) as process:
        until = time.monotonic() + LIMIT
        while not (tmp_path / "ready").exists():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < until
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        whom(process.pid, number)
        # One line, and no more: workers that go on keep the output open.
        line = process.stdout.readline()
        assert line.startswith("passed"), line
