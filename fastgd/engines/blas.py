"""Limits BLAS to one thread while several threads call it."""

from __future__ import annotations

import sys
import threading
from typing import Any

from fastgd.extras import present


class _OneThread:
    """A context that limits BLAS to one thread until the last thread has left it.

    Entries are counted, because overlapping limits would otherwise restore the wrong one. The first entry takes
    milliseconds, as threadpoolctl looks for the libraries that are loaded, and so does one after modules were imported,
    which may have loaded others; all other entries take microseconds. Nothing is limited if threadpoolctl is not
    installed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limits: Any = None
        self._controller: Any = None
        self._modules = 0  # that were imported when it looked

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside and present("threadpoolctl"):
                self._limits = self._current().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._limits is not None:
                self._limits.restore_original_limits()
                self._limits = None

    def _current(self) -> Any:
        """The controller of all libraries that are loaded."""
        if self._controller is None or self._modules != len(sys.modules):
            from threadpoolctl import ThreadpoolController  # noqa: PLC0415  (heavy)

            self._controller, self._modules = ThreadpoolController(), len(sys.modules)
        return self._controller


one_thread = _OneThread()
