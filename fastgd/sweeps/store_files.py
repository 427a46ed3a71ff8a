"""The files of a store of runs, read by whoever wants to look.

``manifest.json`` says what decides the runs (`fastgd.sweeps.identity`). ``axes-0.npz``, ``axes-1.npz``, ... hold the
axes' values of each sweep that was begun; a later one may have more of them. Every ``runs-*.npz`` is a chunk: some runs
of one of these, with their outcomes; its name holds a hash of its content, which tells whether it is whole. Files are
written whole or not at all and never changed, so whatever happens to a process, what had ended before is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.archive import Archive
from fastgd.sweeps.matching import Grid, Inverse, places_in
from fastgd.sweeps.run_table import RunTable

FORMAT = "fastgd store 1"
MANIFEST = "manifest.json"
_CHUNK = re.compile(r"runs-(\d+)-(\d+)-([0-9a-f]{16})\.npz")
_AXES = re.compile(r"axes-(\d+)\.npz")
_BLOCK = 1 << 20  # bytes that are hashed at once
_MOST = 1 << 40  # bytes that a file whose hash is right may unpack to
_NUMBERS: dict[str, Any] = {"iterations": np.int64, "status": np.int8, "regime": np.uint8}


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
            archive = Archive(file, packed=True, most=_MOST)
            about = archive.described(FORMAT)
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
            found = json.loads((path / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is not a store of a sweep ({error})") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            form = found.get("format") if isinstance(found, dict) else None
            raise ValueError(
                f"{path} is a store of another version: {form!r:.60}, wanted {FORMAT!r}"
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
            archive = Archive(file, packed=True, most=_MOST)
            about = archive.described(FORMAT)
            shown = {name: archive.read(f"axis{k}") for k, name in enumerate(about["axes"])}
            own = {
                name: f"key{k}"
                for k, name in enumerate(about["axes"])
                if f"key{k}" in archive.members
            }
            keys = shown | {name: archive.read(key) for name, key in own.items()}
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
