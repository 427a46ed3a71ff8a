"""Fuzzing: every target in a process of its own, so that a crash is reported with the case that led to it.

``.ci/fuzz [SECONDS]``, which is ``python -m fuzz`` in `tests/`; with ``--replay TARGET 'CASE'`` it runs a case again.
"""

# ruff: noqa: T201  (printing is its job)

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz import harness

FLOOR = 200  # cases of a target, in the shortest run
VALID = 0.6  # of a target's cases at least
PATIENCE = 600  # seconds beyond its budget after which a target hangs


def arguments():
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("seconds", nargs="?", type=float, default=120, help="for all targets (120)")
    parser.add_argument("--seed", type=int, help="of the cases; another one every time by default")
    parser.add_argument("--only", nargs="+", choices=harness.LONG, metavar="TARGET", help="these")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "CASE"), help="run one case")
    parser.add_argument("--worker", nargs=3, metavar=("TARGET", "BUDGET", "NOTES"), help="internal")
    return parser.parse_args()


def main():
    asked = arguments()
    if asked.replay:
        name, case = asked.replay
        harness.target_of(name).check(json.loads(case))
        print("passed")
        return 0
    if asked.worker:
        name, budget, notes = asked.worker
        harness.run(name, harness.Budget(**json.loads(budget)), notes)
        return 0
    number = secrets.randbits(32) if asked.seed is None else asked.seed
    names = asked.only or (harness.SHORT if asked.seconds < 600 else harness.LONG)
    print(f"seed {number}, {asked.seconds:g} seconds for {len(names)} targets", flush=True)
    budget = harness.Budget(asked.seconds / len(names), number, FLOOR)
    passed = [fuzzed(name, budget) for name in names]
    return 0 if all(passed) else 1


def fuzzed(name, budget):
    """Run a target; whether it found nothing, in enough cases."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as notes:
        command = [sys.executable, "-X", "faulthandler", "-m", "fuzz"]
        worker = ["--worker", name, json.dumps(vars(budget)), notes]
        try:
            ended = subprocess.run(
                [*command, *worker], check=False, timeout=budget.seconds + PATIENCE
            ).returncode
        except subprocess.TimeoutExpired:
            ended = "it hangs"
        counts, case = (read(Path(notes, file)) for file in ("counts", "case"))
    valid, total = counts.get("valid", 0), sum(counts.values())
    share = f"{valid / max(total, 1):.0%} valid, the others refused"
    print(
        f"{name:<14}{total:>9,} cases, {share} ({time.monotonic() - began:.0f} s)",
        flush=True,
    )
    if ended:
        how = f"killed by signal {-ended}" if isinstance(ended, int) and ended < 0 else ended
        print(f"FAILED: {name} ({how}), seed {budget.seed}. The case:")
        print(f"  .ci/fuzz --replay {name} '{json.dumps(case)}'", flush=True)
    elif total < budget.floor or valid < VALID * total:
        print(f"FAILED: {name} wants {budget.floor} cases, {VALID:.0%} of them valid", flush=True)
        return False
    return not ended


def read(path):
    return json.loads(path.read_text()) if path.exists() else {}


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main())
