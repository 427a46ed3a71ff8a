"""Which backend runs, with how many threads, and what this installation has.

Two settings hold for the whole process. Each starts from the environment (``FASTGD_BACKEND``,
``FASTGD_NUM_THREADS``) and can be overridden wherever a call takes ``backend=`` or ``n_threads=``.
"""

from __future__ import annotations

import importlib.util
import operator
import os
import platform
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

BACKENDS = ("auto", "numpy", "cython", "numba", "cuda")
_FOR_THE_CARD = ("numba-cuda", "cupy-cuda12x", "cupy-cuda13x")

_backend: str | None = None  # None: as the environment says
_num_threads: int | None = None


def _checked_backend(name: str, source: str) -> str:
    if not isinstance(name, str) or name not in BACKENDS:
        raise ValueError(f"{source} must be one of {', '.join(map(repr, BACKENDS))}, got {name!r}")
    return name


def _checked_threads(n: Any, source: str) -> int:
    try:
        number = operator.index(n)
    except TypeError:
        raise TypeError(f"{source} must be an integer, got {n!r}") from None
    if isinstance(n, bool) or number < 1:
        raise ValueError(f"{source} must be at least 1, got {n!r}")
    return number


def set_backend(backend: str | None) -> None:
    """Choose the backend of every call that does not name one.

    Parameters
    ----------
    backend : {"auto", "numpy", "cython", "numba", "cuda"} or None
        "auto" takes the fastest that is there, but never a card for arrays in the host's memory: "cuda" is asked
        for. None goes back to the environment variable ``FASTGD_BACKEND``, and where that is unset to "auto".

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
    _backend = None if backend is None else _checked_backend(backend, "backend")


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
    return _checked_backend(os.environ.get("FASTGD_BACKEND") or "auto", "FASTGD_BACKEND")


def set_num_threads(n_threads: int | None) -> None:
    """Choose how many threads every call may use that does not say so itself.

    Parameters
    ----------
    n_threads : int or None
        At least 1. None goes back to the environment variable ``FASTGD_NUM_THREADS``, and where
        that is unset to the number of processors that this process may run on.

    Raises
    ------
    TypeError, ValueError
        If it is no integer, or less than 1.

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
    _num_threads = None if n_threads is None else _checked_threads(n_threads, "n_threads")


def get_num_threads(n_threads: int | None = None) -> int:
    """How many threads a call may use.

    Parameters
    ----------
    n_threads : int or None, default None
        What the call itself was given; None: `set_num_threads`, else ``FASTGD_NUM_THREADS``, else
        the number of processors that this process may run on.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If `n_threads` or the environment variable is no integer of at least 1.

    Examples
    --------
    >>> from fastgd.engines.config import get_num_threads
    >>> get_num_threads(3)
    3
    """
    if n_threads is not None:
        return _checked_threads(n_threads, "n_threads")
    if _num_threads is not None:
        return _num_threads
    text = os.environ.get("FASTGD_NUM_THREADS", "").strip()
    if not text:
        return _processors()
    if not text.isdecimal():
        raise ValueError(f"FASTGD_NUM_THREADS must be an integer of at least 1, got {text!r}")
    return _checked_threads(int(text), "FASTGD_NUM_THREADS")


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def missing(backend: str) -> str:
    """Why a backend cannot be used here; empty if it can.

    Parameters
    ----------
    backend : str
        One of the names that `set_backend` takes.

    Returns
    -------
    str

    Examples
    --------
    >>> from fastgd.engines.config import missing
    >>> missing("numpy")
    ''
    """
    if backend == "cuda":
        from fastgd.engines.cuda import device  # noqa: PLC0415  (asks the driver)

        return device.missing()
    if backend == "cython":
        from fastgd.engines import cython_backend  # noqa: PLC0415  (loads the kernels)

        return cython_backend.reason()
    if backend == "numba" and importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    return ""


def resolve_backend(
    requested: str | None = None,
    *,
    supports: Collection[str] = ("numpy", "cython", "numba"),
) -> str:
    """The backend that a call runs on.

    Parameters
    ----------
    requested : str or None, default None
        What the call was given; None: `get_backend`.
    supports : collection of str, default ("numpy", "cython", "numba")
        The backends that have what the call needs.

    Returns
    -------
    str
        "numpy", "cython", "numba" or "cuda". For "auto": of those supported and present, the first of
        cython, numba, numpy. A preference of the whole process (`set_backend`, environment) that
        the call does not support counts as "auto"; a call's own request never does.

    Raises
    ------
    ValueError
        If the name is unknown, or the call's own request is not supported.
    RuntimeError
        If what was asked for is not present, or nothing that is supported is.

    Examples
    --------
    >>> from fastgd.engines.config import resolve_backend
    >>> resolve_backend("numpy")
    'numpy'
    """
    own = requested is not None
    backend = _checked_backend(requested, "backend") if requested is not None else get_backend()
    if backend != "auto" and missing(backend):
        raise RuntimeError(f"backend {backend!r} cannot be used: {missing(backend)}")
    if backend in supports:
        return backend
    if own and backend != "auto":
        raise ValueError(
            f"backend {backend!r} does not have this; choose from {sorted(supports)} or 'auto'"
        )
    for candidate in ("cython", "numba", "numpy"):
        if candidate in supports and not missing(candidate):
            return candidate
    reasons = "; ".join(f"{name}: {missing(name)}" for name in supports)
    raise RuntimeError(f"no backend that has this can be used ({reasons})")


def cache_folder() -> Path:
    """Where compiled code of Numba is kept: one folder per user and per version.

    Returns
    -------
    Path
        Below ``XDG_CACHE_HOME``, on Windows ``LOCALAPPDATA``, on macOS ``~/Library/Caches``, else
        ``~/.cache``. It need not exist; whoever writes makes it, and does without if it cannot.

    Examples
    --------
    >>> from fastgd.engines.config import cache_folder
    >>> cache_folder().parts[-2] == "fastgd"
    True
    """
    from fastgd import __version__  # noqa: PLC0415  (the package is still loading at our import)

    return _cache_root() / "fastgd" / __version__


def _cache_root() -> Path:
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA" if os.name == "nt" else ""):
        folder = os.environ.get(variable, "") if variable else ""
        if os.path.isabs(folder):
            return Path(folder)
    try:
        home = Path.home()
    except RuntimeError:  # no home folder at all
        import tempfile  # noqa: PLC0415

        return Path(tempfile.gettempdir())
    return home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"


def config() -> dict[str, Any]:
    """What this installation has, for bug reports and benchmarks.

    Returns
    -------
    dict
        "versions" (name -> version or None), "processor" (machine, kernel target, vector width in
        bits), "card" (name, or None), "backends" (name -> "" or why it is missing), "backend" in use by
        default, "threads", "cache_folder".

    Examples
    --------
    >>> import fastgd as gd
    >>> from fastgd.engines.config import config
    >>> config()["versions"]["fastgd"] == gd.__version__
    True
    """
    backends = {name: missing(name) for name in BACKENDS if name != "auto"}
    return {
        "versions": _versions(compiled=not backends["cython"]),
        "processor": _processor(compiled=not backends["cython"]),
        "card": None if backends["cuda"] else _card(),
        "backends": backends,
        "backend": resolve_backend(),
        "threads": get_num_threads(),
        "cache_folder": str(cache_folder()),
    }


def _versions(*, compiled: bool) -> dict[str, str | None]:
    import importlib.metadata  # noqa: PLC0415  (30 ms)

    from fastgd import __version__  # noqa: PLC0415  (the package is still loading at our import)

    versions = {"fastgd": __version__, "python": platform.python_version()}
    found: dict[str, str | None] = {**versions}
    for package in ("numpy", "scipy", "numba", "scikit-learn", *_FOR_THE_CARD):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            if package not in _FOR_THE_CARD:
                found[package] = None
    found["compiler"] = None
    if compiled:
        from fastgd.engines._step import compiler  # noqa: PLC0415

        found["compiler"] = compiler()
    return found


def _processor(*, compiled: bool) -> dict[str, Any]:
    """The kernel module in use and how wide its vectors are."""
    found: dict[str, Any] = {"machine": platform.machine(), "target": None, "vector_bits": None}
    if compiled:
        from fastgd.engines import cython_backend  # noqa: PLC0415

        found["target"] = cython_backend.target()
        found["vector_bits"] = 32 * cython_backend.kernels().lanes["f"]
    return found


def _card() -> str:
    from fastgd.engines.cuda import device  # noqa: PLC0415

    card = device.card()
    capability = ".".join(map(str, card.capability))
    return f"{card.name}, compute capability {capability}, {card.memory / 2**30:.0f} GiB"


def show_config() -> None:
    """Print `config`: versions, processor features in use, backends, threads, cache folder.

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.show_config()
    fastgd ...
    """
    found = config()
    lines = [f"{name} {version or 'not installed'}" for name, version in found["versions"].items()]
    processor = found["processor"]
    kernels = (
        f"kernels for {processor['target']}, vectors of {processor['vector_bits']} bits"
        if processor["target"]
        else "no compiled kernels"
    )
    lines.append(f"processor {processor['machine']}, {kernels}")
    if found["card"]:
        lines.append(f"card {found['card']}")
    lines += [
        f"backend {name}: {reason or 'present'}{' (default)' * (name == found['backend'])}"
        for name, reason in found["backends"].items()
    ]
    lines.append(f"threads {found['threads']}")
    lines.append(f"cache folder {found['cache_folder']}")
    sys.stdout.write("\n".join(lines) + "\n")
