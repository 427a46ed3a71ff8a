"""How many threads the surroundings of the process allow: its processors, a container's share of them, OpenMP's limits.

joblib, loky, Dask and many schedulers limit the threads of a worker by OpenMP's variables, so these hold here too,
although nothing here uses OpenMP. ``MKL_NUM_THREADS`` and ``OPENBLAS_NUM_THREADS`` speak of one BLAS alone.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_OF_OPENMP = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT")
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def limits() -> dict[str, int]:
    """Every limit by what sets it; the least of them holds.

    Returns
    -------
    dict of str to int
        "processors" (those that the process may run on), "cgroup" (a container's quota, if there is one), then
        ``OMP_NUM_THREADS`` and ``OMP_THREAD_LIMIT`` where they are set.
    """
    found = {"processors": _processors()}
    if quota := _quota():
        found["cgroup"] = quota
    for name in _OF_OPENMP:
        if number := _of_openmp(os.environ.get(name)):
            found[name] = number
    return found


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _of_openmp(text: str | None) -> int | None:
    """The number in a variable of OpenMP, in a list the first; what is no number is ignored, as OpenMP does."""
    first = (text or "").partition(",")[0].strip()
    return int(first) or None if first.isdecimal() else None


@cache
def _quota() -> int | None:
    """Processors that the cgroups of this process grant it, rounded up; None without a quota. Read once."""
    try:
        lines = _OWN_CGROUPS.read_text().splitlines()
    except OSError:  # another system than Linux
        return None
    granted = []
    for line in lines:
        _, controllers, own = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = _CGROUPS / controllers
        # A container names the path of the host, of which it sees only the last folders; so all above are asked too.
        own_folder = root / own.lstrip("/")
        folders = [own_folder, *own_folder.parents]
        granted += [_granted(folder) for folder in folders if folder.is_relative_to(root)]
    return min((quota for quota in granted if quota), default=None)


def _granted(folder: Path) -> int | None:
    """The quota of one cgroup; version 2 has it in one file, version 1 in two."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
    except (OSError, ValueError):
        return None
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None
    return max(1, -(-int(quota) // int(period)))
