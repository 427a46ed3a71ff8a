"""Optional dependencies: which of them are installed, which extra brings them, and the error that says so.

NumPy is the only requirement. Whatever needs more calls `require` first, so that a missing package is reported in one
line with the command that installs it. What only runs slower without a package says so through `warn_slow`.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings

__all__ = [
    "EXTRAS",
    "MissingExtra",
    "SlowWarning",
    "command",
    "missing_of",
    "present",
    "require",
    "warn_slow",
]

# Extra -> the modules that it brings, as in pyproject.toml. A module in two extras is asked for by the first.
EXTRAS: dict[str, tuple[str, ...]] = {
    "numba": ("numba",),
    "sklearn": ("sklearn", "scipy"),
    "plot": ("matplotlib",),
    "cli": ("pandas", "rich", "pooch", "markdown_it", "matplotlib", "sklearn"),
    "data": ("vega_datasets", "mlxtend"),
    "excel": ("openpyxl",),
    "parquet": ("pyarrow",),
    "xarray": ("xarray",),
    "executors": ("cloudpickle", "loky"),
    "dask": ("distributed",),
    "mpi": ("mpi4py",),
    "optuna": ("optuna",),
    "torch": ("torch",),
}
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "scipy": "SciPy",
    "markdown_it": "markdown-it-py",
    "vega_datasets": "vega-datasets",
    "torch": "PyTorch",
}
_warned: set[str] = set()


class MissingExtra(ModuleNotFoundError):
    """A package that is not installed, and the command that installs it.

    Attributes
    ----------
    name : str
        The module that is missing.
    """


class SlowWarning(RuntimeWarning):
    """The readable NumPy engine computes what Numba would compile."""


def command(extra: str) -> str:
    """The shell command that installs an extra.

    Parameters
    ----------
    extra : str

    Returns
    -------
    str

    Examples
    --------
    >>> command("numba")
    "pip install 'fastgd[numba]'"
    """
    return f"pip install 'fastgd[{extra}]'"


def present(module: str) -> bool:
    """Whether a module can be imported; it is not imported.

    Parameters
    ----------
    module : str

    Returns
    -------
    bool

    Examples
    --------
    >>> present("numpy")
    True
    """
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        spec = importlib.util.find_spec(module)
        return spec is not None and spec.origin is not None  # else a mere folder of that name
    except ModuleNotFoundError:  # from an import hook that blocks it
        return False


def missing_of(extra: str) -> tuple[str, ...]:
    """The distributions of an extra that are not installed.

    Parameters
    ----------
    extra : str

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> set(missing_of("numba")) <= {"numba"}
    True
    """
    return tuple(_DISTRIBUTIONS.get(m, m) for m in EXTRAS[extra] if not present(m))


def require(what: str, *modules: str) -> None:
    """Raise `MissingExtra` unless all modules are installed.

    Parameters
    ----------
    what : str
        What needs them; the message begins with it.
    *modules : str
        Import names, each of which stands in `EXTRAS`.

    Raises
    ------
    MissingExtra
        For the first that is missing.

    Examples
    --------
    >>> require("A descent")
    """
    for module in modules:
        if not present(module):
            extra = next(name for name, brought in EXTRAS.items() if module in brought)
            package = _DISTRIBUTIONS.get(module, module)
            raise MissingExtra(f"{what} needs {package}: {command(extra)}", name=module)


def warn_slow(what: str) -> None:
    """Warn, once in a process, that something runs on NumPy because Numba is not installed.

    Parameters
    ----------
    what : str
        What runs there; the message begins with it.
    """
    if what in _warned:
        return
    _warned.add(what)
    message = f"{what} runs on NumPy, which is slow: {command('numba')} compiles it"
    if sys.version_info >= (3, 12):
        import os  # noqa: PLC0415

        inside = (os.path.dirname(__file__) + os.sep,)
        warnings.warn(message, SlowWarning, skip_file_prefixes=inside)
    else:
        warnings.warn(message, SlowWarning, stacklevel=_depth())


def _depth() -> int:
    """The `stacklevel` of the first caller outside fastgd."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("fastgd."):
        depth, frame = depth + 1, frame.f_back
    return depth
