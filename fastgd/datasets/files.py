"""`Dataset`, and how its rows are found: a named file or folder, the cache, a package, a checked download, a stand-in.

pooch downloads the files and chooses the cache folder (with platformdirs). It checks raw bytes only where all mirrors
serve the same file. Copies of the text files differ in their bytes, so the SHA-256 of the parsed cells decides, also
for the user's own files and the cache. The mirrors are tried in turn here, since `pooch.retrieve` takes one URL.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.extras import present, require
from fastgd.files import atomic_write

RAW = "https://raw.githubusercontent.com"
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Arrays, the meaning of their columns, and their origin.

    Parameters
    ----------
    name : str
        "heights-weights", "mnist" or "auto-mpg".
    source : {"file", "FASTGD_DATA", "cache", "package", "download", "stand-in"}
        Origin of the data. A package is one of the extra ``data``.
    data : ndarray, shape (rows, ...)
        Features: float64, or uint8 pixels.
    target : ndarray, shape (rows,)
        Values to predict.
    feature_names : tuple of str
        Name of each column of `data`, with its unit in parentheses.
    target_name : str
        Name of `target`, with its unit.
    notes : tuple of str
        Sentences for a report: what stands in for the data, which rows were left out.
    index : ndarray of int64 or None, shape (rows,)
        Number of each row in the source, from 1, if it has one.
    test_data, test_target : ndarray or None
        Test set, if the source has one.
    instead : str, default ""
        What the rows are if they are not those that the name promises, as "scikit-learn's digits".
    attempts : tuple of str
        Where the data were looked for in vain, and what happened.
    """

    name: str
    source: str
    data: NDArray[Any]
    target: NDArray[Any]
    feature_names: tuple[str, ...]
    target_name: str
    notes: tuple[str, ...] = ()
    index: NDArray[np.int64] | None = None
    test_data: NDArray[Any] | None = None
    test_target: NDArray[Any] | None = None
    instead: str = field(default="", kw_only=True)
    attempts: tuple[str, ...] = field(default=(), kw_only=True)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.data.shape))
        return f"Dataset({self.name!r}, {shape} {self.data.dtype}, source={self.source!r})"


class Unusable(Exception):
    """A file is unreadable or not the known one; the message says why."""


@dataclass(frozen=True)
class File:
    """One file: its path in a data folder, its mirrors, its known checksums and its parser."""

    place: str
    mirrors: tuple[str, ...]
    cells: str  # SHA-256 of the parsed cells
    raw: str | None = None  # SHA-256 of the file, if all mirrors have the same bytes
    parse: Callable[[Path], tuple[Any, bytes]] = field(repr=False, kw_only=True)


@dataclass(frozen=True)
class Substitute:
    """Rows that need no file and no network.

    Parameters
    ----------
    what : str
        A few words for summaries and captions; empty if they are the named data, every number of them.
    note : str
        A sentence for a report.
    load : callable
        Returns what the parsers of the files return.
    package : str, optional
        The module of the package that they are in; without it this is a stand-in that is always there.
    """

    what: str
    note: str
    load: Callable[[], list[Any]] = field(repr=False)
    package: str = ""

    def found(self, attempts: Sequence[str]) -> Found:
        """Load it."""
        source = "package" if self.package else "stand-in"
        return Found(source, self.load(), (self.note,), tuple(attempts), self.what)


@dataclass(frozen=True)
class Found:
    """Parsed files or what takes their place, and the fields of `Dataset` that say so."""

    source: str
    tables: list[Any] = field(repr=False)
    notes: tuple[str, ...] = ()
    attempts: tuple[str, ...] = ()
    instead: str = ""

    def told(self) -> dict[str, Any]:
        """What a `Dataset` says of its origin."""
        return {
            "source": self.source,
            "notes": self.notes,
            "attempts": self.attempts,
            "instead": self.instead,
        }


def canonical_text(cells: Any) -> bytes:
    """One text for all copies: cells without blanks or quotes, commas between, LF between rows."""
    return "\n".join(map(",".join, cells.tolist())).encode()


def _read(file: File, path: Path, check: bool) -> Any:
    """Parse a file; raises `Unusable` if that fails, or if its cells are not the known ones."""
    try:
        table, text = file.parse(path)
    except Unusable:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:  # pandas' errors are ValueErrors
        raise Unusable(f"cannot be read: {error}") from error
    if check and (found := hashlib.sha256(text).hexdigest()) != file.cells:
        raise Unusable(
            f"the SHA-256 of its cells is {found}, not {file.cells}: an edited or damaged copy "
            "(check=False reads it as it is)"
        )
    return table


# --- the search -------------------------------------------------------------------------------------


def find(
    files: Sequence[File],
    path: str | os.PathLike[str] | None,
    download: bool,
    check: bool,
    substitutes: Sequence[Substitute],
) -> Found:
    """Find a data set: the named file, FASTGD_DATA, the cache, a package that has all of it, a download, a substitute.

    The last substitute is a stand-in.
    """
    if path is not None:
        return Found("file", [_read_named(f, Path(path), "path", check) for f in files])
    attempts: list[str] = []
    folder = os.environ.get("FASTGD_DATA")
    if folder:
        places = [_in_folder(Path(folder), file) for file in files]
        named = [(f, p) for f, p in zip(files, places, strict=True) if p]
        if len(named) == len(files):
            return Found("FASTGD_DATA", [_read_named(f, p, "FASTGD_DATA", check) for f, p in named])
        attempts.append(f"FASTGD_DATA ({folder}) has no {files[places.index(None)].place}")
    usable = [s for s in substitutes if not s.package or present(s.package)]
    if not _all_cached(files):
        for substitute in usable:
            if not substitute.what:
                return substitute.found(attempts)
    source, tables = "cache", []
    for file in files:
        where, table = _from_cache_or_mirror(file, download, attempts)
        if where is None:
            return next(s for s in usable if s.what).found(attempts)
        source = "download" if where == "download" else source
        tables.append(table)
    return Found(source, tables, attempts=tuple(attempts))


def _all_cached(files: Sequence[File]) -> bool:
    return all((_cache_folder() / file.place).is_file() for file in files)


def _in_folder(folder: Path, file: File) -> Path | None:
    for place in (folder / file.place, folder / Path(file.place).name):
        if place.is_file():
            return place
    return None


def _read_named(file: File, path: Path, argument: str, check: bool) -> Any:
    """Read the file or folder that the user named; unlike elsewhere, a failure is an error."""
    place = _in_folder(path, file) if path.is_dir() else path
    if place is None or not place.is_file():
        raise ValueError(
            f"{argument} must name {Path(file.place).name} or its folder, got {str(path)!r}"
        )
    try:
        return _read(file, place, check)
    except Unusable as error:
        raise ValueError(f"{argument}: {str(place)!r}: {error}") from error


def _cache_folder() -> Path:
    require("Finding a data set in the cache or on the network", "pooch")
    import pooch  # noqa: PLC0415

    return Path(pooch.os_cache("fastgd"))


def _from_cache_or_mirror(
    file: File, download: bool, attempts: list[str]
) -> tuple[str | None, Any]:
    cached = _cache_folder() / file.place
    if cached.is_file():
        try:
            return "cache", _read(file, cached, check=True)
        except Unusable as error:
            attempts.append(f"the cached {cached} was passed over: {error}")
    if not download or os.environ.get("FASTGD_OFFLINE", "0") not in ("", "0"):
        attempts.append(f"{Path(file.place).name} was not downloaded: the network is forbidden")
        return None, None
    for url in file.mirrors:
        try:
            return "download", _download(file, url, cached)
        except Unusable as error:
            attempts.append(f"{url}: {error}")
    return None, None


def _download(file: File, url: str, cached: Path) -> Any:
    """Download and check one file; it enters the cache only after the check, whole."""
    with tempfile.TemporaryDirectory() as folder:
        fetched = _fetch(url, file.raw, Path(folder))
        table = _read(file, fetched, check=True)
        with suppress(OSError):  # a read-only home, a full disk: use the file without keeping it
            cached.parent.mkdir(parents=True, exist_ok=True)
            with fetched.open("rb") as source, atomic_write(cached) as kept:
                shutil.copyfileobj(source, kept)
    return table


def _fetch(url: str, raw: str | None, folder: Path) -> Path:
    """Download once, with short timeouts; every failure raises `Unusable`."""
    import pooch  # noqa: PLC0415

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        get = pooch.HTTPDownloader(timeout=(3.0, 20.0), progressbar=False)
        return Path(pooch.retrieve(url, raw and f"sha256:{raw}", "file", folder, downloader=get))
    except Exception as error:  # requests, urllib3 and pooch do not list all that they raise
        # requests wraps urllib3's error, whose reason is the shortest description.
        reason = str(getattr(error.args[0] if error.args else error, "reason", error))
        raise Unusable(f"download failed: {reason.rpartition('): ')[2]:.200}") from error
    finally:
        logger.setLevel(level)
