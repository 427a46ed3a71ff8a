"""Which backends can be used here, and which one a call runs on."""

from __future__ import annotations

from collections.abc import Collection

from fastgd.engines import config
from fastgd.engines.config import checked_backend
from fastgd.extras import command, present, warn_slow


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
    >>> from fastgd.engines.backends import missing
    >>> missing("numpy")
    ''
    """
    if backend == "cuda":
        from fastgd.engines.cuda import device  # noqa: PLC0415  (asks the driver)

        return device.missing()
    if backend == "cython":
        from fastgd.engines.native import kernels  # noqa: PLC0415  (loads the kernels)

        return kernels.reason()
    if backend == "numba" and not present("numba"):
        return f"numba is not installed: {command('numba')}"
    return ""


def resolve_backend(
    requested: str | None = None,
    *,
    supports: Collection[str] = ("numpy", "cython", "numba"),
    purpose: str = "",
) -> str:
    """The backend that a call runs on.

    Parameters
    ----------
    requested : str or None, default None
        What the call was given; None: `get_backend`.
    supports : collection of str, default ("numpy", "cython", "numba")
        The backends that have what the call needs.
    purpose : str, optional
        What the backend is for. Given, a `SlowWarning` says so where "auto" has to take NumPy
        because Numba is not installed.

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
    >>> from fastgd.engines.backends import resolve_backend
    >>> resolve_backend("numpy")
    'numpy'
    """
    own = requested is not None
    backend = (
        checked_backend(requested, "backend") if requested is not None else config.get_backend()
    )
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
            if candidate == "numpy" and purpose and "numba" in supports:
                warn_slow(purpose)
            return candidate
    reasons = "; ".join(f"{name}: {missing(name)}" for name in supports)
    raise RuntimeError(f"no backend that has this can be used ({reasons})")
