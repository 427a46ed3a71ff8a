"""A sweep's store: a folder that keeps runs as they end (`fastgd.sweeps.store_files` says how), and a look at it."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.archive import write_arrays
from fastgd.engines.protocol.outcomes import Status
from fastgd.files import atomic_text, atomic_write
from fastgd.locks import FolderLock
from fastgd.sweeps.arrays import narrowed
from fastgd.sweeps.axis_values import as_array, kind_of, shown_axes
from fastgd.sweeps.identity import difference, identity, keys_of
from fastgd.sweeps.job import Job
from fastgd.sweeps.matching import Grid
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.run_table import Arrays, RunTable
from fastgd.sweeps.store_files import FORMAT, MANIFEST, Chunk, Folder

_PACKED = ("iterations", "status", "regime", "runs")


class DamagedChunk(UserWarning):
    """A file of a store is damaged or missing; the runs in it are run again."""


class StoreWriter:
    """A store that a sweep writes to; a context manager, within which no other process may write.

    Parameters
    ----------
    path : Path
        Made if it is missing.
    job : Job

    Attributes
    ----------
    table : RunTable
        With the runs that were there already.

    Raises
    ------
    ValueError
        If it is the store of another sweep, or no store; the message says what differs.
    Locked
        If another process writes to it.
    """

    def __init__(self, path: Path, job: Job, table: RunTable) -> None:
        self.path, self.job, self.table = path, job, table
        path.mkdir(parents=True, exist_ok=True)
        self.lock = FolderLock(path)

    def __enter__(self) -> Self:
        self.lock.__enter__()
        try:
            self.folder = self._opened()
            self.grid = Grid(
                {n: keys_of(c) for n, c in self.job.axes.columns.items()}, self.job.paired
            )
            damaged = self.folder.fill(self.table, self.grid)
            self._give_up(damaged)
            self.number = self._axes_number()
            self.serials = self._free_serials()
        except BaseException:
            self.lock.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.__exit__()

    def add(self, index: NDArray[np.intp], arrays: Arrays, about: Mapping[str, Any]) -> None:
        """Write runs that have ended, whole or not at all."""
        if not len(index):
            return
        members: dict[str, Any] = {
            name: narrowed(a) if name == "iterations" else a for name, a in arrays.items()
        }
        told = {"format": FORMAT, "about": dict(about), "start": int(index[0])}
        if (np.diff(index) != 1).any():
            members["runs"] = narrowed(index)
        buffer = BytesIO()
        members["about"] = np.array(json.dumps(told))
        write_arrays(buffer, members, packed=_PACKED)
        content = buffer.getbuffer()
        digest = hashlib.sha256(content).hexdigest()[:16]
        name = f"runs-{self.number}-{next(self.serials)}-{digest}.npz"
        with atomic_write(self.path / name) as file:
            file.write(content)

    def beat(self) -> None:
        """Show that the owner is alive."""
        self.lock.beat()

    def _opened(self) -> Folder:
        """The folder, made a store if it is empty, compared with the job if it is one."""
        own = {**identity(self.job), "keep": self.job.keep}
        if not (self.path / MANIFEST).exists():
            others = [
                f.name
                for f in self.path.iterdir()
                if f.name != "lock" and not f.name.startswith(".")
            ]
            if others:
                raise ValueError(
                    f"store: {self.path} is not a store of a sweep and holds {min(others)!r}; give an empty folder"
                )
            with atomic_text(self.path / MANIFEST) as file:
                json.dump(
                    {"format": FORMAT, "identity": own, "keep": self.job.keep}, file, indent=1
                )
        folder = Folder(self.path)
        if differs := difference(folder.identity, own):
            raise ValueError(f"store: {self.path} holds another sweep. {differs}")
        return folder

    def _give_up(self, damaged: list[Chunk]) -> None:
        for chunk in damaged:
            warnings.warn(
                f"{chunk.path} is damaged; the runs in it are run again", DamagedChunk, stacklevel=5
            )
            with suppress(OSError):
                chunk.path.unlink()

    def _axes_number(self) -> int:
        """The number of the axes, which are written if they are not there."""
        numbers = self.folder.axes_numbers()
        for number in numbers:
            with suppress(Exception):  # a damaged one is not ours
                if self.folder.axes(number)[1].same_as(self.grid):
                    return number
        number = max(numbers, default=-1) + 1
        shown = shown_axes(self.job.axes).columns
        told = {"format": FORMAT, "axes": list(shown), "paired": self.job.paired}
        members: dict[str, Any] = {"about": np.array(json.dumps(told))}
        for k, (name, values) in enumerate(shown.items()):
            members[f"axis{k}"] = as_array(values)
            if kind_of(self.job.axes.columns[name]) == "label":
                members[f"key{k}"] = self.grid.keys[name]
        with atomic_write(self.path / f"axes-{number}.npz") as file:
            write_arrays(file, members)
        return number

    def _free_serials(self) -> Iterator[int]:
        taken = {chunk.serial for chunk in self.folder.chunks()}
        lost = sorted(set(range(max(taken, default=-1))) - taken)
        serial = max(taken, default=-1)
        yield from lost
        while True:
            yield (serial := serial + 1)


@dataclass(frozen=True)
class StoreStatus:
    """What a store holds.

    Attributes
    ----------
    folder : str
    problem, optimizer : str
    axes : dict of str to int
        How many values each axis has; of the sweep that was begun last.
    runs : int
        Its runs.
    ended : dict of str to int
        How many of them are there, by how they ended: "converged", "max_iter", "diverged".
    chunks : int
        Files of runs.
    damaged : tuple of str
        The names of those whose runs must be run again.
    bytes : int
        Of all files.
    owner : str
        The process that writes to it now; empty if none does.
    """

    folder: str
    problem: str
    optimizer: str
    axes: dict[str, int]
    runs: int
    ended: dict[str, int]
    chunks: int
    damaged: tuple[str, ...]
    bytes: int
    owner: str

    @property
    def missing(self) -> int:
        """Runs that are not there yet."""
        return self.runs - sum(self.ended.values())

    def __str__(self) -> str:
        by = " x ".join(f"{name} ({length:,})" for name, length in self.axes.items())
        done, size = self.runs - self.missing, self.bytes / max(1, self.runs - self.missing)
        lines = [
            f"{self.folder}: {done:,} of {self.runs:,} runs over {by}",
            f"  {self.problem}" + (f", {self.optimizer}" if self.optimizer else ""),
            *(f"  {label:<12}{many:>14,}" for label, many in self.ended.items()),
            f"  {'missing':<12}{self.missing:>14,}",
            f"  {self.chunks:,} chunks, {self.bytes / 1e6:,.3g} MB, {size:.3g} bytes a run",
        ]
        lines += [f"  damaged: {name}; its runs will be run again" for name in self.damaged]
        lines.append(f"  in use by {self.owner}" if self.owner else "  not in use")
        return "\n".join(lines)


class SweepStore:
    """The folder in which sweeps keep their runs, to look at: ``fastgd.sweep(..., store=folder)`` writes to it.

    Looking changes nothing, and another process may write meanwhile.

    Parameters
    ----------
    folder : str or path-like

    Raises
    ------
    ValueError
        If it is not the store of a sweep.

    Examples
    --------
    >>> import tempfile
    >>> import fastgd as gd
    >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    >>> folder = tempfile.mkdtemp()
    >>> out = gd.sweep(line, gd.SGD(), {"lr": [0.1, 1.0, 9.0]}, store=folder)
    >>> store = gd.SweepStore(folder)
    >>> store.status().ended
    {'converged': 2, 'diverged': 1}
    >>> bool((store.result().loss == out.loss).all())
    True
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        Folder(self.folder)

    def _read(self) -> tuple[RunTable, list[Chunk]]:
        """All that is there of the sweep that was begun last."""
        folder = Folder(self.folder)
        numbers = folder.axes_numbers()
        if not numbers:
            raise ValueError(f"{self.folder} holds no runs: its sweep ended before the first one")
        axes, grid = folder.axes(numbers[-1])
        table = RunTable(axes, grid.shape, paired=grid.paired)
        return table, folder.fill(table, grid)

    def result(self) -> SweepResult:
        """The runs that are there; the status of the others is `Status.NOT_RUN`.

        Schedules and optimizers on axes are texts, and networks are not there; ``fastgd.sweep`` with the same arguments
        gives both.
        """
        return self._read()[0].result(0.0)

    def status(self) -> StoreStatus:
        """How far it is."""
        table, damaged = self._read()
        folder = Folder(self.folder)
        ended = {s.label: table.count(s) for s in sorted(Status) if s != Status.NOT_RUN}
        files = [file.stat().st_size for file in self.folder.iterdir() if file.is_file()]
        return StoreStatus(
            folder=str(self.folder),
            problem=table.about.get("problem", ""),
            optimizer=table.about.get("optimizer", ""),
            axes={name: len(values) for name, values in table.axes.items()},
            runs=table.total,
            ended={label: many for label, many in ended.items() if many},
            chunks=len(folder.chunks()),
            damaged=tuple(chunk.path.name for chunk in damaged),
            bytes=sum(files),
            owner=FolderLock(self.folder).owner(),
        )

    def __repr__(self) -> str:
        return f"SweepStore({str(self.folder)!r})"
