"""The folder that keeps the runs of a sweep as they end.

``manifest.json`` says what decides the runs (`fastgd.sweeps.identity`). ``axes-0.npz``, ``axes-1.npz``, ... hold the
axes' values of each sweep that was begun; a later one may have more of them. Every ``runs-*.npz`` is a chunk: some runs
of one of these, with their outcomes; its name holds a hash of its content, which tells whether it is whole. Files are
written whole or not at all and never changed, so whatever happens to a process, what had ended before is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.archive import Archive, write_arrays
from fastgd.checks import as_count
from fastgd.files import atomic_text, atomic_write
from fastgd.locks import FolderLock
from fastgd.sweeps.axis_values import as_array, from_array, kind_of, shown_axes
from fastgd.sweeps.identity import difference, identity, keys_of
from fastgd.sweeps.job import Job
from fastgd.sweeps.matching import Grid, Inverse, places_in
from fastgd.sweeps.run_table import Arrays, RunTable

_FORMAT = "fastgd store 1"
_MANIFEST = "manifest.json"
_CHUNK = re.compile(r"runs-(\d+)-(\d+)-([0-9a-f]{16})\.npz")
_AXES = re.compile(r"axes-(\d+)\.npz")
_BLOCK = 1 << 20  # bytes that are hashed at once
_NUMBERS: dict[str, Any] = {"iterations": np.int64, "status": np.int8, "regime": np.uint8}


class DamagedChunk(UserWarning):
    """A file of a store is damaged or missing; the runs in it are run again."""


@dataclass(frozen=True)
class Chunk:
    """A file of runs.

    Attributes
    ----------
    path : Path
    axes : int
        The number of the axes that its runs belong to.
    serial : int
        Its own number.
    digest : str
        The hash of its content.
    """

    path: Path
    axes: int
    serial: int
    digest: str

    def read(self) -> tuple[NDArray[np.intp], dict[str, NDArray[Any]], dict[str, Any]]:
        """Runs, outcomes, and what the runs have in common; ValueError or OSError if it is damaged."""
        with self.path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(_BLOCK):
                digest.update(block)
            if digest.hexdigest()[:16] != self.digest:
                raise ValueError("its content is not what was written")
            archive = Archive(file, packed=True, most=1 << 40)  # we wrote it: the hash says so
            about = archive.described(_FORMAT)
            arrays = {
                name: archive.array(name, *archive.form(name))
                for name in archive.members
                if name != "about"
            }
        index = arrays.pop("runs", None)
        if index is None:
            index = np.arange(about["start"], about["start"] + len(arrays["status"]))
        for name, dtype in _NUMBERS.items():
            arrays[name] = arrays[name].astype(dtype, copy=False)
        return index.astype(np.intp, copy=False), arrays, about["about"]


class Folder:
    """What lies in a store's folder.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        If it is no store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            found = json.loads((path / _MANIFEST).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is not a store of a sweep ({error})") from error
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            form = found.get("format") if isinstance(found, dict) else None
            raise ValueError(
                f"{path} is a store of another version: {form!r:.60}, wanted {_FORMAT!r}"
            )
        self.identity: dict[str, str] = found["identity"]
        self.keep: str = found["keep"]

    def chunks(self) -> list[Chunk]:
        """The files of runs, in order."""
        found = ((_CHUNK.fullmatch(file.name), file) for file in self.path.iterdir())
        chunks = [Chunk(f, int(m[1]), int(m[2]), m[3]) for m, f in found if m]
        return sorted(chunks, key=lambda chunk: chunk.serial)

    def axes_numbers(self) -> list[int]:
        """The numbers of the axes that are there."""
        found = (_AXES.fullmatch(file.name) for file in self.path.iterdir())
        return sorted(int(m[1]) for m in found if m)

    def axes(self, number: int) -> tuple[dict[str, Any], Grid]:
        """Axes as a result shows them, and their keys."""
        with (self.path / f"axes-{number}.npz").open("rb") as file:
            archive = Archive(file, packed=True, most=1 << 40)
            about = archive.described(_FORMAT)
            shown, keys = {}, {}
            for k, (name, kind) in enumerate(about["axes"].items()):
                values = archive.read(f"axis{k}") if archive.form(f"axis{k}") else None
                assert values is not None
                shown[name] = (
                    values
                    if kind == "plain" and values.dtype.kind in "if"
                    else from_array(values, kind)
                )
                keys[name] = archive.read(f"key{k}") if f"key{k}" in archive.members else values
        return shown, Grid(keys, bool(about["paired"]))

    def fill(self, table: RunTable, grid: Grid) -> list[Chunk]:
        """Put all that is kept into a table of the runs of a grid; returns the chunks that are damaged."""
        damaged = []
        chunks = self.chunks()
        for number in sorted({chunk.axes for chunk in chunks}):
            own = [chunk for chunk in chunks if chunk.axes == number]
            try:
                inverse = Inverse(places_in(self.axes(number)[1], grid))
            except (
                Exception
            ):  # whatever a damaged file leads to: then nothing says which runs these are
                damaged += own
                continue
            for chunk in own:
                try:
                    index, arrays, about = chunk.read()
                    which, at = inverse.of(index)
                    table.put(at, {name: a[which] for name, a in arrays.items()}, about)
                except MemoryError:
                    raise
                except Exception:
                    damaged.append(chunk)
        return damaged


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
        except BaseException as error:
            self.lock.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lock.__exit__(kind, error, trace)

    def add(self, index: NDArray[np.intp], arrays: Arrays, about: Mapping[str, Any]) -> None:
        """Write runs that have ended, whole or not at all."""
        if not len(index):
            return
        members: dict[str, Any] = {
            name: _small(a) if name == "iterations" else a for name, a in arrays.items()
        }
        told = {"format": _FORMAT, "about": dict(about), "start": int(index[0])}
        if (np.diff(index) != 1).any():
            members["runs"] = _small(index)
        buffer = BytesIO()
        write_arrays(buffer, {**members, "about": np.array(json.dumps(told))}, packed=True)
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
        if not (self.path / _MANIFEST).exists():
            others = [
                f.name
                for f in self.path.iterdir()
                if f.name != "lock" and not f.name.startswith(".")
            ]
            if others:
                raise ValueError(
                    f"store: {self.path} is not a store of a sweep and holds {min(others)!r}; give an empty folder"
                )
            with atomic_text(self.path / _MANIFEST) as file:
                json.dump(
                    {"format": _FORMAT, "identity": own, "keep": self.job.keep}, file, indent=1
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
        kinds = {name: kind_of(values) for name, values in shown.items()}
        told = {"format": _FORMAT, "axes": kinds, "paired": self.job.paired}
        members: dict[str, Any] = {"about": np.array(json.dumps(told))}
        for k, (name, values) in enumerate(shown.items()):
            members[f"axis{k}"] = as_array(values)
            if kinds[name] == "label":
                members[f"key{k}"] = self.grid.keys[name]
        with atomic_write(self.path / f"axes-{number}.npz") as file:
            write_arrays(file, members, packed=True)
        return number

    def _free_serials(self) -> Iterator[int]:
        taken = {chunk.serial for chunk in self.folder.chunks()}
        lost = sorted(set(range(max(taken, default=-1))) - taken)
        serial = max(taken, default=-1)
        yield from lost
        while True:
            yield (serial := serial + 1)


def _small(numbers: NDArray[Any]) -> NDArray[Any]:
    """Counts in as few bytes as hold the largest."""
    return numbers.astype(np.min_scalar_type(as_count("counts", int(numbers.max()))))
