"""The published studies that fastgd reproduces, one module each: data in, tables and figures out."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import cast

from fastgd.extras import EXTRAS, require
from fastgd.signals import interruptible, undivided
from fastgd.studies.report import Options, Section, write_report

__all__ = ["STUDIES", "Options", "Reproduced", "reproduce"]

#: Every study: its name, and the module that reproduces it.
STUDIES = {
    "cost-function": "fastgd.studies.cost_function",
    "step-size-1d": "fastgd.studies.step_size",
    "rate-vs-iterations": "fastgd.studies.rate_vs_iterations",
    "worked-examples": "fastgd.studies.worked_examples",
    "batch-sizes": "fastgd.studies.batch_sizes",
    "schedules": "fastgd.studies.schedules",
    "local-minima": "fastgd.studies.local_minima",
    "mnist-optimizers": "fastgd.studies.mnist_optimizers",
    "auto-mpg-optimizers": "fastgd.studies.auto_mpg",
    "trainability": "fastgd.studies.trainability",
}


@dataclass(frozen=True)
class Reproduced:
    """Result of `reproduce`: the outcome of each study, the files written, and whether it came to its end."""

    sections: list[Section]
    files: list[Path]
    finished: bool = field(default=True, kw_only=True)

    @property
    def report(self) -> Path:
        """The page to open."""
        return next(path for path in self.files if path.name == "report.html")


def reproduce(
    names: str | Iterable[str] = (),
    out: str | PathLike[str] = "report",
    *,
    data: str | PathLike[str] | None = None,
    quick: bool = False,
    download: bool = True,
    animate: bool = False,
) -> Reproduced:
    """Reproduce published studies and write a report.

    Parameters
    ----------
    names : str or iterable of str, optional
        One or more of the names in `STUDIES`; all by default.
    out : str or path-like, default "report"
        Folder for ``report.md``, ``report.html``, tables as CSV and figures as PNG. Existing files of the same
        names are replaced.
    data : str or path-like, optional
        A data file, or a folder laid out as FASTGD_DATA. Without it the loaders look in FASTGD_DATA, the cache
        and the network, and fall back to a stand-in, which the first line of the report then states.
    quick : bool, default False
        Use coarser grids for results beyond the published numbers.
    download : bool, default True
        Whether data may be downloaded.
    animate : bool, default False
        Whether to add animations (GIF) where a study has one.

    Returns
    -------
    Reproduced
        Sections, with their numbers in ``results``, and files.

        After Ctrl-C, SIGTERM or SIGHUP it holds, and the report shows, the studies that were finished; ``finished``
        is then False.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C came before the first study was finished.
    ValueError
        If a name is unknown, or the data file is not the known one.
    FileNotFoundError
        If `data` does not exist.
    NotADirectoryError
        If `out` is a file.

    Examples
    --------
    >>> done = reproduce(["rate-vs-iterations"], out="report")  # doctest: +SKIP
    >>> done.sections[0].results["exact"]  # doctest: +SKIP
    26
    """
    wanted = list(dict.fromkeys([names] if isinstance(names, str) else names)) or list(STUDIES)
    unknown = [name for name in wanted if name not in STUDIES]
    if unknown:
        raise ValueError(f"names: no study is called {unknown[0]!r}; wanted {', '.join(STUDIES)}")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"out must be a folder, and {str(out)!r} is a file")
    if data is not None and not Path(data).exists():
        raise FileNotFoundError(f"data: there is no file or folder {str(data)!r}")
    require("fastgd reproduce", *EXTRAS["cli"])
    found = None if data is None else Path(data)
    options = Options(found, quick=quick, download=download, animate=animate)
    with interruptible():
        sections = _finished(wanted, options)
        missing = wanted[len(sections) :]
        made = _made_with()
        if missing:
            made += f" It was interrupted before {', '.join(missing)}."
        return Reproduced(sections, write_report(sections, folder, made), finished=not missing)


def _finished(names: Iterable[str], options: Options) -> list[Section]:
    """The studies' outcomes, up to the one that Ctrl-C or a signal interrupts."""
    sections: list[Section] = []
    try:
        with undivided():
            for name in names:
                sections.append(_study(name)(options))
    except KeyboardInterrupt:
        if not sections:
            raise
    return sections


def _study(name: str) -> Callable[[Options], Section]:
    return cast("Callable[[Options], Section]", import_module(STUDIES[name]).study)


def _made_with() -> str:
    import numpy as np  # noqa: PLC0415

    from fastgd import __version__  # noqa: PLC0415

    return (
        f"Made by `fastgd reproduce`, fastgd {__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()}, {platform.machine()}."
    )
