"""The thread team: every chunk exactly once, whoever calls, forks or interrupts."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

_team = pytest.importorskip("fastgd.engines.native.team")


@pytest.mark.parametrize("n_threads", [1, 2, 4])
@pytest.mark.parametrize("chunks", [1, 2, 3, 13])
def test_every_chunk_runs_once(chunks, n_threads):
    counts = np.zeros(chunks, np.int32)
    helped = _team.exercise(counts, 20_000, n_threads)
    assert (counts == 20_000).all()
    assert helped == (20_000 if min(chunks, n_threads) > 1 else 0)
    assert _team.workers() >= min(chunks, n_threads) - 1


def test_late_workers_do_not_claim_from_the_next_job():
    """Jobs of changing size, with pauses long enough for workers to fall asleep or come late."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        counts = np.zeros(rng.integers(1, 40), np.int32)
        _team.exercise(counts, 20, int(rng.integers(1, 5)), int(rng.integers(0, 2000)))
        assert (counts == 20).all()


def test_workers_that_slept():
    for _ in range(100):
        time.sleep(0.0005)
        counts = np.zeros(3, np.int32)
        _team.exercise(counts, 1, 3)
        assert (counts == 1).all()


def test_no_more_threads_than_wanted():
    counts = np.zeros(40, np.int32)
    _team.exercise(counts, 10, 4, 1000)  # the team has three workers now
    alone = _team.exercise(counts, 10, 1, 1000)
    assert alone == 0


def test_concurrent_callers():
    """Those who find the team busy do their own work."""
    results = {}

    def call(k):
        counts = np.zeros(7 + k, np.int32)
        _team.exercise(counts, 5000, 3, 20)
        results[k] = (counts == 5000).all()

    threads = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), True)


def run_python(code):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


PRELUDE = """
import os, threading, time
import numpy as np
from fastgd.engines.native import team as _team
def work(n_threads=2, runs=1000, pauses=100):
    counts = np.zeros(7, np.int32)
    helped = _team.exercise(counts, runs, n_threads, pauses)
    assert (counts == runs).all()
    return helped
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork():
    """The child's team starts anew, also when the parent's was at work; the parent's goes on."""
    code = f"""{PRELUDE}
work()
busy = threading.Thread(target=work, args=(2, 50_000))
busy.start()
for _ in range(10):
    child = os.fork()
    if not child:
        ok = _team.workers() == 0 and work() == 1000 and _team.workers() == 1
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
busy.join()
print(work())
"""
    assert run_python(code) == "1000"


def test_clean_exit_with_sleeping_and_spinning_workers():
    start = time.perf_counter()
    run_python(f"{PRELUDE}\nwork(4)")
    run_python(f"{PRELUDE}\nwork(4); time.sleep(0.05)")
    assert time.perf_counter() - start < 20


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to oneself")
def test_interrupt_is_raised_when_the_call_returns():
    code = f"""{PRELUDE}
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
work()
timer = threading.Timer(0.02, os.kill, (os.getpid(), {int(signal.SIGINT)}))
timer.start()
try:
    while True:
        work()
except KeyboardInterrupt:
    print(work())
"""
    assert run_python(code) == "1000"


def test_job_by_address():
    """A job that Numba compiled."""
    numba = pytest.importorskip("numba")
    types = numba.types

    @numba.cfunc(types.void(types.CPointer(types.int64), types.int32))
    def job(arg, chunk):
        arg[chunk] += 1

    counts = np.zeros(5, np.int64)
    _team.run(job.address, counts.ctypes.data, 5, 2)
    assert (counts == 1).all()
