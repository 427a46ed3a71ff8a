"""Measuring candidates in turn, so that other load on the machine affects all of them alike.

A benchmark passes `compare` the candidates of one workload; they take turns on one clock. A ratio is the median over
the rounds of two times measured within a second of each other, which is stable even where the times are not.
pytest-benchmark then runs some more rounds of the first candidate alone, and stores the ratios with them.
"""

import gc
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

QUICK = os.environ.get("FASTGD_BENCH_QUICK", "") not in ("", "0")
TURN = 2e-3 if QUICK else 5e-3  # seconds that a turn takes at least
SETTLE = 15e-3  # seconds; OpenMP's workers spin for 10 ms after their last call (JAX's and ours sleep sooner)
SETTLE_BLAS = 0.15  # OpenBLAS's own workers spin for 0.1 s
LONG = 1.0  # seconds; a call this long is not repeated to warm up
LIMIT = "limit: "  # prefix of candidates that are bounds of the machine
RECORDS: list[dict[str, Any]] = []  # of this session, for the summary on the screen


@dataclass
class Candidate:
    """One way to do the work.

    `call` does it once. `work` is the number of units (steps, iterations) in a call, by which its times are divided,
    so that a candidate may do fewer than the others. `note` is for the reader of the figures. `prepare` is called
    before a turn; `wait` ends it, within the measured time (for a GPU, which works asynchronously). `settle` is the
    number of seconds that its threads need to fall asleep after a turn.
    """

    call: Callable[[], Any]
    work: float = 1.0
    note: str = ""
    prepare: Callable[[], Any] = int
    settle: float = SETTLE
    wait: Callable[[], Any] = int
    calls: int = 0  # in a turn; set by `calibrate`
    times: list[float] = field(default_factory=list)  # of a unit of work

    def loop(self) -> float:
        """The calls of one turn; returns their seconds."""
        call = self.call
        start = time.perf_counter()
        for _ in repeat(None, self.calls):
            call()
        self.wait()
        return time.perf_counter() - start

    def once(self) -> None:
        """One call, waited for."""
        self.call()
        self.wait()

    def best(self) -> float:
        """Seconds of a unit of work in the fastest turn."""
        return min(self.times)

    def calibrate(self) -> None:
        """Choose the number of calls in a turn; this also compiles and fills caches."""
        self.prepare()
        self.calls = 1
        took = self.loop()
        if took < LONG:
            took = self.loop()
        while took < TURN / 4:
            self.calls *= 2
            took = self.loop()
        self.calls = max(1, math.ceil(self.calls * TURN / took))
        time.sleep(self.settle)

    def turn(self) -> None:
        """Wake this candidate's threads, measure, then let the threads go to sleep."""
        self.prepare()
        if self.calls > 1:
            for _ in repeat(None, max(2, self.calls // 8)):
                self.call()
            self.wait()
        self.times.append(self.loop() / (self.calls * self.work))
        time.sleep(self.settle)


class Child(Candidate):
    """A program in a new Python process that prints the seconds it measured."""

    def __init__(self, program: str, environment: Mapping[str, str] | None = None) -> None:
        self.program = program
        self.environment = {**os.environ, **(environment or {})}
        super().__init__(self.seconds)

    def seconds(self) -> float:
        command = [sys.executable, "-c", self.program]
        done = subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True
        )
        return float(done.stdout.split()[-1])

    def loop(self) -> float:
        return self.seconds()

    def calibrate(self) -> None:
        """Once, so that the files are in the cache of the file system."""
        self.calls = 1
        self.seconds()


def interleaved(candidates: Mapping[str, Candidate], rounds: int) -> None:
    """Let all candidates take turns, `rounds` times; their times are in `Candidate.times` then."""
    for candidate in candidates.values():
        candidate.calibrate()
    gc.collect()
    gc.disable()  # collecting a peer's million objects must not fall into another's turn
    try:
        for _ in range(rounds):
            for candidate in candidates.values():
                candidate.turn()
    finally:
        gc.enable()


def compare(
    benchmark: Any,
    candidates: Mapping[str, Candidate],
    *,
    rounds: int,
    about: Mapping[str, Any],
    skipped: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Let the candidates take turns, then give pytest-benchmark its own rounds of the first.

    Parameters
    ----------
    benchmark : the fixture of pytest-benchmark
    candidates : dict of str to Candidate
        The first is ours. Names that begin with ``limit:`` are bounds of the machine.
    rounds : int
    about : dict
        For `table.py`: "table", "workload", "threads", "unit" (of work), and "headline": whether the README
        shows it.
    skipped : dict of str to str, optional
        Peers that cannot take part, and why.

    Returns
    -------
    dict
        The contents of ``benchmark.extra_info``; its ratios come from the turns.
    """
    name, ours = next(iter(candidates.items()))
    rounds = min(rounds, 2 if isinstance(ours, Child) else 3) if QUICK else rounds
    interleaved(candidates, rounds)
    slow = sum(ours.times) > LONG
    call = ours.call if ours.wait is int else ours.once
    benchmark.pedantic(call, rounds=1 if slow else rounds, iterations=ours.calls)
    info = {**about, "name": name, "rounds": rounds, "skipped": dict(skipped or {})}
    info |= summary(candidates)
    benchmark.extra_info.update(info)
    RECORDS.append(info)
    return info


def summary(candidates: Mapping[str, Candidate]) -> dict[str, Any]:
    """Medians, bests and ratios to the first candidate: how many times as long the others take."""
    (_, ours), *others = candidates.items()
    found: dict[str, Any] = {
        "calls": ours.calls,
        "note": ours.note,
        **_times(ours),
        "peers": {},
        "limits": {},
    }
    for name, candidate in others:
        ratios = [b / a for a, b in zip(ours.times, candidate.times, strict=True)]
        record = {"note": candidate.note, **_times(candidate), "ratio": statistics.median(ratios)}
        kind = "limits" if name.startswith(LIMIT) else "peers"
        found[kind][name.removeprefix(LIMIT)] = record
    return found


def _times(candidate: Candidate) -> dict[str, float]:
    return {"median": statistics.median(candidate.times), "best": candidate.best()}


def threads_text(n: int) -> str:
    """A number of threads in the name of a candidate."""
    return "1 thread" if n == 1 else f"{n} threads"
