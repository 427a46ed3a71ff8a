"""A lock on a folder that one process holds, with its owner's name and a heartbeat.

The operating system releases the lock of a process that has ended, however it ended. File systems that are shared by
several machines may not share locks; there the heartbeat tells whether an owner elsewhere is alive.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FolderLock", "Locked"]

BEAT = 10.0  # seconds between two heartbeats
DEAD = 60.0  # seconds without one after which an owner on another machine is taken for dead
_held: set[str] = set()  # by this process, whose own locks do not exclude it
_guard = threading.Lock()


class Locked(RuntimeError):
    """Another process, or another call of this one, holds the lock."""


class FolderLock:
    """A lock on a folder; a context manager.

    Parameters
    ----------
    folder : Path
        It holds the file ``lock``, which stays.

    Raises
    ------
    Locked
        If somebody else holds it; the message names the process.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lock"
        self.name = os.path.realpath(self.path)
        self.handle = -1
        self.beaten = 0.0

    def __enter__(self) -> Self:
        with _guard:
            if self.name in _held:
                raise Locked(f"{self.path.parent} is in use by another sweep of this process")
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                self._take(handle)
            except BaseException:
                os.close(handle)
                raise
            _held.add(self.name)
            self.handle = handle
        self._sign()
        return self

    def __exit__(self, *_: object) -> None:
        with _guard:
            with suppress(OSError):
                os.ftruncate(self.handle, 0)  # nobody's
            os.close(self.handle)
            _held.discard(self.name)

    def owner(self) -> str:
        """Who holds it, in words; empty if nobody does.

        The file is not opened if this process holds the lock, which would be lost as it is closed.
        """
        with _guard:
            if self.name in _held:
                return "this process"
            try:
                handle = os.open(self.path, os.O_RDWR)
            except OSError:
                return ""
            try:
                self._take(handle)
            except Locked:
                return _owner(handle)
            finally:
                os.close(handle)
        return ""

    def beat(self) -> None:
        """Show that the owner is alive; call this often."""
        now = time.monotonic()
        if now - self.beaten > BEAT:
            self.beaten = now
            with suppress(OSError):
                os.utime(self.path)

    def _take(self, handle: int) -> None:
        try:
            if sys.platform == "win32":
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Locked(f"{self.path.parent} is in use by {_owner(handle)}") from error
        age = time.time() - os.fstat(handle).st_mtime
        owner = _read(handle)
        if owner and owner.get("host") != socket.gethostname() and age < DEAD:
            raise Locked(f"{self.path.parent} is in use by {_owner(handle)}, seen {age:.0f} s ago")

    def _sign(self) -> None:
        text = json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode()
        os.ftruncate(self.handle, 0)
        os.pwrite(self.handle, text, 0) if hasattr(os, "pwrite") else os.write(self.handle, text)
        self.beaten = time.monotonic()


def _read(handle: int) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        os.lseek(handle, 0, os.SEEK_SET)
        found = json.loads(os.read(handle, 4096))
        return found if isinstance(found, dict) else {}
    return {}


def _owner(handle: int) -> str:
    """Who holds the lock."""
    owner = _read(handle)
    if not owner:
        return "another process"
    return f"process {owner.get('pid')} on {owner.get('host')}"
