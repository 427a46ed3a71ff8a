"""Limits BLAS to one thread while several threads call it."""

from __future__ import annotations

import threading
from typing import Any

from fastgd.extras import present


class _OneThread:
    """A context that limits BLAS to one thread until the last thread has left it.

    Entries are counted, because overlapping limits would otherwise restore the wrong one. Entering takes about a
    millisecond: do it once per sweep or fit, not per step. Nothing is
    limited if threadpoolctl is not installed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limits: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside and present("threadpoolctl"):
                from threadpoolctl import threadpool_limits  # noqa: PLC0415  (heavy)

                self._limits = threadpool_limits(1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._limits is not None:
                self._limits.restore_original_limits()
                self._limits = None


one_thread = _OneThread()
