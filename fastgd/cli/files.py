"""The folder that a command writes to, and figures in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastgd.files import atomic_text, atomic_write

_FILES = {  # what each command may write, of which a folder holds one run
    "sweep": ("sweep.csv", "sweep.png", "rungs.csv"),
    "minimize": ("parameters.csv", "history.csv", "loss.png", "model.json", "coefficients.json"),
    "find-lr": ("rates.csv", "rates.png"),
    "fractal": ("fractal.png", "zoom.gif"),
    "train": (
        "history.csv", "loss.png", "metrics.csv", "predictions.csv", "network.npz", "columns.json",
        "coefficients.json",
    ),
    "compare": (
        "comparison.csv", "comparison.png", "history.csv", "predictions.csv", "network.npz", "columns.json",
        "coefficients.json", "trials.csv",
    ),
}  # fmt: skip


def out_folder(name: str | None, command: str) -> Path | None:
    """The folder to write to, created before the work starts.

    Parameters
    ----------
    name : str, optional
    command : str
        That of `fastgd` which writes.

    Returns
    -------
    Path, or None without a name

    Raises
    ------
    ValueError
        If it is a file, or holds what another command wrote and this one would overwrite in part.
    """
    if name is None:
        return None
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out must be a folder, and {folder} is a file")
    own, foreign = set(_FILES[command]), {}
    for other, names in _FILES.items():
        found = [file for file in names if file not in own and (folder / file).exists()]
        if found and not own.isdisjoint(names):
            foreign[other] = found
    if foreign:
        other = max(foreign, key=lambda name: len(foreign[name]))
        raise ValueError(
            f"--out {folder} holds {foreign[other][0]} of fastgd {other}, whose other files fastgd {command} "
            "would overwrite; give another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def settled(folder: Path, command: str, written: Sequence[Path]) -> list[str]:
    """The line that lists the files, after what an earlier run wrote and this one did not is removed."""
    older = [folder / name for name in _FILES[command] if folder / name not in written]
    older = [path for path in older if path.exists()]
    if not written:
        return [f"Nothing written: {folder} holds the files of an earlier run"] if older else []
    for path in older:
        path.unlink()
    removed = f"; removed, of an earlier run: {', '.join(path.name for path in older)}"
    return [written_line(written) + (removed if older else "")]


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


def write_json(path: Path, content: Any) -> None:
    """Write plain values as JSON that a person can read."""
    with atomic_text(path) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def written_line(paths: Sequence[Path | str]) -> str:
    """The line that lists the files."""
    return f"Written: {', '.join(map(str, paths))}"
