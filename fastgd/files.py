"""Files that are written whole or not at all.

All that this library writes goes through `atomic_write`. The new content grows in a file beside the old one, hidden and
named ``.fastgd-<16 hex digits>-<name>``; complete and on the disk, it takes the old one's place by one rename. Whatever
happens before leaves the old file as it was, and whoever reads sees the old file or the new one.

A writer holds a lock on its temporary file, which the system releases when the process ends, however it ends. So what a
killed process has left is told from what a living one writes, and is removed when something is next written there.
"""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from fastgd.text import as_cell

if sys.platform != "win32":
    import fcntl

__all__ = ["atomic_text", "atomic_write", "write_csv"]

_OURS = re.compile(r"\.fastgd-[0-9a-f]{16}-.")
_OPEN_FILES = ("/dev/fd/", "/dev/std", "/proc/")  # other names of what a process has open
_LOOK_EVERY = 60.0  # seconds between two searches of a folder, which may hold very many files
_MOST_FOLDERS = 1000  # whose last search is remembered
_ABANDONED = 86_400.0  # seconds without a write, on a file system that knows no locks
_looked: dict[str, float] = {}  # when a folder was last searched


@contextmanager
def atomic_write(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write, which takes the place of `path` when the block ends without an error.

    A new file gets the usual permissions; an older one's are kept, and its owner where that is allowed. Symbolic links
    are followed. What is no regular file, such as a pipe or ``/dev/stdout``, is opened and written as it is.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    binary file
        Its `name` is a path that ends as `path` does, for writers that want a name; until the block ends it may be
        opened and written, but not removed.

    Raises
    ------
    OSError
        If it cannot be written, as `open` and `write` raise it (a full disk, a folder that is missing or read-only, a
        name that is a folder, an older file that is read-only); it names `path`. The older file is then as it was, and
        nothing else is left.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "letters"
    ...     with atomic_write(path) as file:
    ...         file.write(b"abc"), path.exists()
    ...     path.read_bytes()
    (3, False)
    b'abc'
    """
    named, name = os.fspath(path), None
    if not isinstance(named, str):
        raise TypeError(f"path must be a str or path-like, got {path!r:.60}")
    try:
        with _stream(named) if _is_stream(named) else _replacing(named) as file:
            name = file.name
            yield file
    except OSError as error:
        if error.errno is None or error.filename not in (None, name, _beside(error.filename)):
            raise
        raise OSError(error.errno, os.strerror(error.errno), named) from error


@contextmanager
def atomic_text(path: str | PathLike[str]) -> Iterator[TextIO]:
    """A text file in UTF-8, ends of lines as they are given; otherwise as `atomic_write`.

    Parameters
    ----------
    path : str or path-like

    Yields
    ------
    text file
    """
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            yield text
            text.flush()
        finally:
            with suppress(OSError):  # what it could not flush was raised already
                text.detach()


def write_csv(frame: Any, path: Any, *, keep_formulas: bool = False) -> None:
    """Write a pandas DataFrame without its index, compressed if the name says so, whole or not at all.

    Parameters
    ----------
    frame : pandas.DataFrame
    path : str, path-like or file
        A file, or a URL that pandas knows, is written as `pandas.DataFrame.to_csv` does.
    keep_formulas : bool, default False
        Write texts that a spreadsheet would run as they are, instead of with an apostrophe before them
        (`fastgd.text.as_cell`).

    Raises
    ------
    OSError
        As for `atomic_write`.
    """
    frame = frame if keep_formulas else _without_formulas(frame)
    if hasattr(path, "write") or "://" in str(path):
        frame.to_csv(path, index=False)
        return
    suffixes = Path(path).suffixes
    method = next((kind for kind in ("zip", "tar") if f".{kind}" in suffixes[-2:]), "infer")
    compression = {"method": method}
    if method != "infer":  # such an archive names what is in it
        compression["archive_name"] = re.sub(r"(\.zip|\.tar(\.\w+)?)$", "", Path(path).name)
    with atomic_write(path) as file:  # the name of the file tells pandas the compression
        frame.to_csv(file.name, index=False, compression=compression)


def _without_formulas(frame: Any) -> Any:
    """A copy whose texts, those of the header too, are no formulas of a spreadsheet."""
    frame = frame.copy(deep=False)
    for k, dtype in enumerate(frame.dtypes):
        if dtype.kind == "O":
            frame.isetitem(k, frame.iloc[:, k].map(as_cell))
    frame.columns = list(map(as_cell, frame.columns))
    return frame


# --- what is written as it is ---------------------------------------------------------------------------


def _is_stream(path: str) -> bool:
    """Whether it is a pipe, a device, or a file that some process has open under this name."""
    if os.path.abspath(path).startswith(_OPEN_FILES):
        return True
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # `open` refuses a folder
    except FileNotFoundError:
        return False


@contextmanager
def _stream(path: str) -> Iterator[BinaryIO]:
    with Path(path).open("wb") as file:
        yield cast("BinaryIO", file)


# --- what is replaced -----------------------------------------------------------------------------------


@contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    """A new file beside the old one, which it replaces once it is complete on the disk."""
    target = os.path.realpath(path)  # through symbolic links, as `open` goes
    folder, name = os.path.split(target)
    old = None
    with suppress(FileNotFoundError):
        old = os.stat(target)
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    _collect(folder)
    with _create(folder, name, old) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":  # which renames no open file
                file.close()
            os.replace(file.name, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(file.name)
            raise
    _sync_folder(folder)


def _create(folder: str, name: str, old: os.stat_result | None) -> BinaryIO:
    """A new, locked temporary file with the permissions that the target shall have."""
    private = 0o666 if old is None else 0o600  # at first: an older file may be secret

    def opened(path: str, flags: int) -> int:
        return os.open(path, flags, private)

    while True:
        beside = os.path.join(folder, f".fastgd-{secrets.token_hex(8)}-{name[-50:]}")
        file = cast("BinaryIO", open(beside, "xb", opener=opened))  # noqa: SIM115  (returned)
        if sys.platform == "win32":
            return file
        with suppress(OSError):  # without locks, its age protects it
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # not taken for an abandoned one before it was locked
            break
        file.close()
    if old is not None:
        with suppress(OSError):  # only some may give a file to another owner or group
            os.fchown(file.fileno(), old.st_uid, old.st_gid)
        with suppress(OSError):  # some file systems have no permissions
            os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
    return file


def _sync_folder(folder: str) -> None:
    """Make the rename outlive a loss of power; the file is whole in any case."""
    if sys.platform != "win32":
        with suppress(OSError):  # a folder that may be written, not read; file systems that cannot
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


# --- what killed processes have left --------------------------------------------------------------------


def _beside(name: Any) -> Any:
    """The name, if it is that of a temporary file."""
    return name if isinstance(name, str) and _OURS.match(os.path.basename(name)) else None


def _collect(folder: str) -> None:
    """Remove the temporary files of processes that have ended."""
    now = time.monotonic()
    if now - _looked.get(folder, -_LOOK_EVERY) < _LOOK_EVERY:
        return
    if len(_looked) >= _MOST_FOLDERS:
        _looked.clear()
    _looked[folder] = now
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _OURS.match(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):  # another's, or removed meanwhile
                    _remove_abandoned(entry.path)


def _remove_abandoned(path: str) -> None:
    if sys.platform == "win32":
        os.unlink(path)  # which fails while it is open
        return
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if _is_abandoned(handle):
            os.unlink(path)
    finally:
        os.close(handle)


def _is_abandoned(handle: int) -> bool:
    """Whether no process holds its lock; the caller does then."""
    if sys.platform != "win32":
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return time.time() - os.fstat(handle).st_mtime > _ABANDONED
    return True
