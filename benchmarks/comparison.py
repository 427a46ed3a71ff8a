"""Measuring rivals in turn, so that what the machine does meanwhile happens to all of them.

A benchmark hands `compare` the candidates of one workload, and they take turns on one clock. A ratio is the median
over the rounds of two times taken within a second of each other; it stays put where the times themselves wander.
pytest-benchmark then gets some more rounds of the first candidate alone, and stores the ratios with them.
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
LONG = 1.0  # seconds that are not spent twice to warm up
LIMIT = "limit: "  # prefix of candidates that are bounds of the machine
RECORDS: list[dict[str, Any]] = []  # of this session, for the summary on the screen


@dataclass
class Candidate:
    """One way to do the work.

    `call` does it once. `work` counts what that amounts to (steps, iterations), so that a candidate may do fewer of
    them than the others; its times are divided by it. `note` says what the reader must know, `prepare` is called
    at the beginning of a turn. `settle` is how many seconds its threads need to fall asleep after a turn.
    """

    call: Callable[[], Any]
    work: float = 1.0
    note: str = ""
    prepare: Callable[[], Any] = int
    settle: float = SETTLE
    calls: int = 0  # in a turn; found by `calibrate`
    times: list[float] = field(default_factory=list)  # of a unit of work

    def loop(self) -> float:
        """The calls of one turn; returns their seconds."""
        call = self.call
        start = time.perf_counter()
        for _ in repeat(None, self.calls):
            call()
        return time.perf_counter() - start

    def calibrate(self) -> None:
        """Choose the calls of a turn; it also warms up (compiles, fills caches)."""
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
        """Wake this candidate's threads, measure, then let them go to sleep."""
        self.prepare()
        if self.calls > 1:
            for _ in repeat(None, max(2, self.calls // 8)):
                self.call()
        self.times.append(self.loop() / (self.calls * self.work))
        time.sleep(self.settle)


class Child(Candidate):
    """A program in a new Python process, which prints the seconds that it has measured itself."""

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
        What `table.py` needs: "table", "workload", "threads", "unit" (of work), and "headline": whether the
        README shows it.
    skipped : dict of str to str, optional
        Peers that are not here, and why.

    Returns
    -------
    dict
        What has been stored in ``benchmark.extra_info``; the ratios in it come from the turns.
    """
    name, ours = next(iter(candidates.items()))
    rounds = min(rounds, 2 if isinstance(ours, Child) else 3) if QUICK else rounds
    interleaved(candidates, rounds)
    slow = sum(ours.times) > LONG
    benchmark.pedantic(ours.call, rounds=1 if slow else rounds, iterations=ours.calls)
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
    return {"median": statistics.median(candidate.times), "best": min(candidate.times)}
