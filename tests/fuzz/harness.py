"""Runs the cases of a target: counts them, keeps the one under way where a crash cannot take it, shrinks what fails.

A case is plain data, so one line of JSON runs it again. Its key "fault" is None where the case is a valid one, which
must give the NumPy engine's results, or says what is wrong with it, which must be refused.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

AT_ONCE = 50  # cases between two looks at the clock
#: Targets of the short form, and those that only the scheduled form has time for.
SHORT = (
    "step",
    "sweep",
    "minimize",
    "network",
    "network_sweep",
    "states",
    "sweep_files",
    "network_files",
    "tables",
    "data_files",
)
LONG = (*SHORT, "compiled")


@dataclass(frozen=True)
class Budget:
    """How long a target runs, from which seed, and how many cases it runs at least, however slow the machine is."""

    seconds: float
    seed: int
    floor: int


def target_of(name):
    """The module of a target, with its strategy `CASES` and its function `check(case)`."""
    return import_module(f"fuzz.{name}")


def sometimes(*faults, one_in=10):
    """None most of the time, else one of these faults."""
    valid = [None] * ((one_in - 1) * len(faults))
    return st.sampled_from([*valid, *faults, *valid])  # Hypothesis prefers both ends


def run(name, budget, notes):
    """Run cases until the time is over, in this process; whatever a check raises comes through, with a small case.

    `notes` is a folder: "case" holds the case under way, "counts" the number of valid cases and of refused ones.
    """
    target, counts, notes = target_of(name), Counter(), Path(notes)
    case_file, counts_file = notes / "case", notes / "counts"

    def one(case):
        counts[case["fault"] is None] += 1
        case_file.write_text(json.dumps(case))
        target.check(case)

    end, chunk = time.monotonic() + budget.seconds, 0
    while counts.total() < budget.floor or time.monotonic() < end:
        seeded(f"{budget.seed} {name} {chunk}", target.CASES, one)()
        counts_file.write_text(json.dumps({"valid": counts[True], "refused": counts[False]}))
        chunk += 1


def seeded(word, cases, check):
    """A function that checks some cases. Nothing is remembered between runs: the seed alone decides which."""

    def one(case):
        check(case)

    how = settings(
        max_examples=AT_ONCE,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    return seed(word)(how(given(cases)(one)))


def refused(call, *, errors=(TypeError, ValueError)):
    """The message of the error with which a call refuses what is wrong."""
    try:
        call()
    except errors as error:
        assert str(error), f"{type(error).__name__} without a message"
        return str(error)
    raise AssertionError("nothing was refused")
