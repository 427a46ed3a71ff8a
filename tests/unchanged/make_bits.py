"""Write `bits.json`: the digests that `test_bits.py` compares with.

In the folder `tests`: ``python -m unchanged.make_bits``. What it writes holds for the version that is installed; what
an older file says of other processors stays, unless ``--afresh`` is given.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unchanged import bits_workloads as workloads

FILE = Path(__file__).parent / "bits.json"


def shared(found: dict[str, str]) -> str | dict[str, str]:
    """One digest where the backends agree."""
    different = set(found.values())
    return different.pop() if len(different) == 1 else found


def steps() -> dict[str, Any]:
    return {
        name: {
            dtype: shared({b: workloads.step_digest(name, dtype, b) for b in workloads.BACKENDS})
            for dtype in workloads.DTYPES
        }
        for name in workloads.STEP_CASES
    }


def sweeps() -> tuple[dict[str, Any], dict[str, Any]]:
    """Digests of the outcomes, and those of the losses' bits."""
    found, losses = {}, {}
    for name, sweep in workloads.SWEEPS.items():
        digests = {b: workloads.sweep_digests(name, b) for b in sweep.backends}
        found[name] = shared({b: both[0] for b, both in digests.items()})
        losses[name] = shared({b: both[1] for b, both in digests.items()})
    return found, losses


def descents() -> dict[str, Any]:
    return {
        name: shared({b: workloads.descent_digest(name, b) for b in backends})
        for name, (_, _, backends) in workloads.DESCENTS.items()
    }


def networks() -> dict[str, Any]:
    """Of the instruction set in use."""
    return {
        str(workloads.instruction_set()): {
            name: {dtype: workloads.network_digest(name, dtype) for dtype in workloads.DTYPES}
            for name in workloads.NETWORKS
        }
    }


def networks_of(targets: Iterable[str]) -> dict[str, Any]:
    """Of each instruction set that this processor has, in a process of its own."""
    found = {}
    for target in targets:
        done = subprocess.run(
            [sys.executable, "-m", "unchanged.make_bits", "--networks"],
            env={**os.environ, "FASTGD_TARGET": target},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            found.update(json.loads(done.stdout))
    return found


def main() -> None:
    if "--networks" in sys.argv:
        sys.stdout.write(json.dumps(networks()))
        return
    before: dict[str, Any] = {}
    if FILE.exists() and "--afresh" not in sys.argv:
        before = json.loads(FILE.read_text(encoding="utf-8"))
    outcomes, losses = sweeps()
    bits = {
        "steps": steps(),
        "sweeps": outcomes,
        "losses": before.get("losses", {}) | {workloads.arithmetic(): losses},
        "descents": descents(),
        "networks": before.get("networks", {}) | networks_of(("base", "v3", "v4")),
    }
    FILE.write_text(json.dumps(bits, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
