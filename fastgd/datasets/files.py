"""Where data come from: a named file, a folder, the cache, a checked download; `Dataset`."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Arrays, what their columns mean, and where they came from.

    Parameters
    ----------
    name : str
        "heights-weights", "mnist" or "auto-mpg".
    source : {"file", "FASTGD_DATA", "cache", "download", "stand-in"}
        Where the data came from.
    data : ndarray, shape (rows, ...)
        Features: float64, or uint8 pixels.
    target : ndarray, shape (rows,)
        What is to be predicted.
    feature_names : tuple of str
        One for each column of `data`, with its unit in brackets.
    target_name : str
        The same for `target`.
    notes : tuple of str
        Sentences for a report: what is a stand-in and why, what was left out.
    index : ndarray of int64 or None, shape (rows,)
        Number of each row in the source, from 1, where it has one.
    test_data, test_target : ndarray or None
        The part held back, where the source has one.
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

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.data.shape))
        return f"Dataset({self.name!r}, {shape} {self.data.dtype}, source={self.source!r})"


class Unusable(Exception):
    """A file that cannot be read as what it should be; the message says why."""


@dataclass(frozen=True)
class File:
    """One file: its place in a data folder, its mirrors, and the checksums that are known."""

    place: str
    mirrors: tuple[str, ...]
    cells: str  # SHA-256 of the parsed cells
    raw: str | None = None  # SHA-256 of the file, where all mirrors have the same bytes
    parse: Callable[[Path], tuple[Any, bytes]] = field(repr=False, kw_only=True)


def _read(file: File, path: Path, check: bool) -> Any:
    """Parse a file; `_Unusable` if it cannot be, or if its cells are not the known ones."""
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


# --------------------------------------------------------------------------------------------------------------
# Where files come from.


def find_file(
    files: Sequence[File], path: str | os.PathLike[str] | None, download: bool, check: bool
) -> tuple[str | None, list[Any], list[str]]:
    """Return source (None: nowhere), the parsed files and notes on what failed."""
    if path is not None:
        return "file", [_read_named(f, Path(path), "path", check) for f in files], []
    notes: list[str] = []
    folder = os.environ.get("FASTGD_DATA")
    if folder:
        places = [_in_folder(Path(folder), file) for file in files]
        if all(places):
            found = [
                _read_named(f, p, "FASTGD_DATA", check)
                for f, p in zip(files, places, strict=True)
                if p
            ]
            return "FASTGD_DATA", found, notes
        notes.append(f"FASTGD_DATA ({folder}) has no {files[places.index(None)].place}")
    source, tables = "cache", []
    for file in files:
        where, table = _from_cache_or_mirror(file, download, notes)
        if where is None:
            return None, [], notes
        source = "download" if where == "download" else source
        tables.append(table)
    return source, tables, notes


def _in_folder(folder: Path, file: File) -> Path | None:
    for place in (folder / file.place, folder / Path(file.place).name):
        if place.is_file():
            return place
    return None


def _read_named(file: File, path: Path, argument: str, check: bool) -> Any:
    """Read what the user named, a file or a folder with it: whatever is wrong with it is an error."""
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
    import pooch  # noqa: PLC0415

    return Path(pooch.os_cache("fastgd"))


def _from_cache_or_mirror(file: File, download: bool, notes: list[str]) -> tuple[str | None, Any]:
    cached = _cache_folder() / file.place
    if cached.is_file():
        try:
            return "cache", _read(file, cached, check=True)
        except Unusable as error:
            notes.append(f"the cached {cached} was passed over: {error}")
    if not download or os.environ.get("FASTGD_OFFLINE", "0") not in ("", "0"):
        notes.append(f"{Path(file.place).name} was not downloaded: the network is forbidden")
        return None, None
    for url in file.mirrors:
        try:
            return "download", _download(file, url, cached)
        except Unusable as error:
            notes.append(f"{url}: {error}")
    return None, None


def _download(file: File, url: str, cached: Path) -> Any:
    """Fetch, check and keep one file; it enters the cache only when it is right, and at once."""
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=cached.parent)
    except OSError:  # a read-only home: use it this once
        scratch = tempfile.TemporaryDirectory()
    with scratch as folder:
        fetched = _fetch(url, file.raw, Path(folder))
        table = _read(file, fetched, check=True)
        with suppress(OSError):
            fetched.replace(cached)
    return table


def _fetch(url: str, raw: str | None, folder: Path) -> Path:
    """Download once, with short timeouts; every way to fail is `_Unusable`."""
    import pooch  # noqa: PLC0415

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        get = pooch.HTTPDownloader(timeout=(3.0, 20.0), progressbar=False)
        return Path(pooch.retrieve(url, raw and f"sha256:{raw}", "file", folder, downloader=get))
    except Exception as error:  # what requests, urllib3 and pooch may raise is no closed list
        # requests wraps urllib3's error, whose reason says it shortest.
        reason = str(getattr(error.args[0] if error.args else error, "reason", error))
        raise Unusable(f"download failed: {reason.rpartition('): ')[2]:.200}") from error
    finally:
        logger.setLevel(level)


def stand_in_notes(what: str, notes: Sequence[str]) -> tuple[str, ...]:
    """The notes of a stand-in: what it is first, then why."""
    return (f"STAND-IN: {what}", *notes)


# --------------------------------------------------------------------------------------------------------------
# Heights and weights.


def canonical_text(cells: Any) -> bytes:
    """One text for all copies: cells without blanks or quotes, commas between, LF between rows."""
    return "\n".join(map(",".join, cells.tolist())).encode()


RAW = "https://raw.githubusercontent.com"
