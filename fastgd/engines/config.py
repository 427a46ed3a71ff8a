"""Settings of the process: backend and number of threads.

Both start from the environment (``FASTGD_BACKEND``, ``FASTGD_NUM_THREADS``) and can be overridden wherever a
call takes ``backend=`` or ``n_threads=``. Without any of these the threads are what `thread_limits` allow.
"""

from __future__ import annotations

import os

from fastgd.checks import as_count
from fastgd.engines import thread_limits

BACKENDS = ("auto", "numpy", "cython", "numba", "cuda")
_backend: str | None = None  # None: from the environment
_num_threads: int | None = None


def checked_backend(name: str, source: str) -> str:
    """The name if it is one of `BACKENDS`, else a ValueError that names where it came from."""
    if not isinstance(name, str) or name not in BACKENDS:
        raise ValueError(f"{source} must be one of {', '.join(map(repr, BACKENDS))}, got {name!r}")
    return name


def set_backend(backend: str | None) -> None:
    """Choose the backend of every call that does not name one.

    Parameters
    ----------
    backend : {"auto", "numpy", "cython", "numba", "cuda"} or None
        "auto" is the fastest available, but never the GPU for arrays in host memory: ask for "cuda". None restores
        the environment variable ``FASTGD_BACKEND``, or "auto" if that is not set.

    Raises
    ------
    ValueError
        If the name is none of these.

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.set_backend("numpy")
    >>> from fastgd.engines.config import get_backend
    >>> get_backend()
    'numpy'
    >>> gd.set_backend(None)
    """
    global _backend  # noqa: PLW0603  (a setting of the process)
    _backend = None if backend is None else checked_backend(backend, "backend")


def get_backend() -> str:
    """The backend asked for: `set_backend`, else ``FASTGD_BACKEND``, else "auto".

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If ``FASTGD_BACKEND`` holds an unknown name.

    Examples
    --------
    >>> from fastgd.engines.config import get_backend
    >>> get_backend() in ("auto", "numpy", "cython", "numba", "cuda")
    True
    """
    if _backend is not None:
        return _backend
    return checked_backend(os.environ.get("FASTGD_BACKEND") or "auto", "FASTGD_BACKEND")


def set_num_threads(n_threads: int | None) -> None:
    """Choose how many threads every call may use that does not say so itself.

    Parameters
    ----------
    n_threads : int or None
        At least 1. None restores the environment variable ``FASTGD_NUM_THREADS``. Without that too, the threads are as
        many as ``OMP_NUM_THREADS`` says, by which joblib limits its workers, and at most as many as the processors that
        this process may run on, in a container its quota.

    Raises
    ------
    TypeError, ValueError
        If it is not an integer, or less than 1.

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.set_num_threads(1)
    >>> from fastgd.engines.config import get_num_threads
    >>> get_num_threads()
    1
    >>> gd.set_num_threads(None)
    """
    global _num_threads  # noqa: PLW0603  (a setting of the process)
    _num_threads = None if n_threads is None else as_count("n_threads", n_threads, 1)


def get_num_threads(n_threads: int | None = None) -> int:
    """How many threads a call may use.

    Parameters
    ----------
    n_threads : int or None, default None
        What the call itself was given; None: `set_num_threads`, else ``FASTGD_NUM_THREADS``, else the least of the
        limits of `thread_limits`.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If `n_threads` or the environment variable is not an integer of at least 1.

    Examples
    --------
    >>> from fastgd.engines.config import get_num_threads
    >>> get_num_threads(3)
    3
    """
    return threads_and_source(n_threads)[0]


def threads_and_source(n_threads: int | None = None) -> tuple[int, str]:
    """How many threads a call may use, and what says so, for example "OMP_NUM_THREADS" or "processors"."""
    if n_threads is not None:
        return as_count("n_threads", n_threads, 1), "n_threads"
    if _num_threads is not None:
        return _num_threads, "set_num_threads"
    text = os.environ.get("FASTGD_NUM_THREADS", "").strip()
    if not text:
        limits = thread_limits.limits()
        source = min(limits, key=limits.__getitem__)
        return limits[source], source
    if not text.isdecimal():
        raise ValueError(f"FASTGD_NUM_THREADS must be an integer >= 1, got {text!r}")
    return as_count("FASTGD_NUM_THREADS", int(text), 1), "FASTGD_NUM_THREADS"
