"""The folder that a command writes to, and figures in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastgd.files import atomic_write


def out_folder(name: str | None) -> Path | None:
    """The folder to write to, created before the work starts.

    Parameters
    ----------
    name : str, optional

    Returns
    -------
    Path, or None without a name

    Raises
    ------
    ValueError
        If it is a file.
    """
    if name is None:
        return None
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out must be a folder, and {folder} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save_figure(path: Path, *draws: Callable[..., Any]) -> None:
    """Draw axes side by side, without pyplot, which might open a window.

    Parameters
    ----------
    path : Path
    *draws : callable
        Each draws on its argument `ax`.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  (heavy)

    figure = Figure(figsize=(2.0 + 6.0 * len(draws), 5.0), layout="constrained")
    for draw, ax in zip(draws, figure.subplots(1, len(draws), squeeze=False)[0], strict=True):
        draw(ax=ax)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=150)


def written_line(paths: Sequence[Path | str]) -> str:
    """The line that lists the files."""
    return f"Written: {', '.join(map(str, paths))}"
