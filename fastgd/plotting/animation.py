"""`Animation`: a figure that moves, as a GIF, as a page, or in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastgd.extras import require
from fastgd.files import atomic_text, atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 80
_MOST_MEGABYTES = 100.0  # of frames in a page, beyond which Matplotlib leaves the rest out


@dataclass(frozen=True, repr=False)
class Animation:
    """Frames of one figure.

    Nothing is drawn before it is saved or a notebook shows it, and no figure stays open.

    Parameters
    ----------
    prepare : callable
        Draws on an empty figure, and returns a function that shows frame k there.
    frames : int
        Number of frames.
    size : tuple of float, default (8.0, 4.0)
        Inches.
    frames_per_second : int, default 8

    Examples
    --------
    >>> def prepare(figure):
    ...     line = figure.subplots().plot([0], [0], "o")[0]
    ...     return lambda k: line.set_data([k], [k])
    >>> moving = Animation(prepare, frames=3)
    >>> moving
    Animation(3 frames)
    >>> moving.save("moving.gif")  # doctest: +SKIP
    """

    prepare: Callable[[Figure], Callable[[int], Any]]
    frames: int
    size: tuple[float, float] = (8.0, 4.0)
    frames_per_second: int = 8

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.frames} frame{'s' * (self.frames != 1)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the animation with buttons."""
        return self.to_html()

    def figure(self, frame: int = -1) -> Figure:
        """One frame as a figure of its own; the last by default.

        Parameters
        ----------
        frame : int, default -1

        Returns
        -------
        matplotlib Figure
        """
        if not -self.frames <= frame < self.frames:
            raise IndexError(f"frame must be one of {self.frames}, got {frame}")
        canvas, show = self._begin()
        show(frame % self.frames)
        return canvas

    def save(self, path: str | PathLike[str]) -> None:
        """Write a GIF, or a page of HTML that needs no other file.

        Parameters
        ----------
        path : str or path-like
            Its ending says which: ``.gif`` or ``.html``. An older file is replaced.

        Raises
        ------
        ValueError
            If the ending is another.
        """
        ending = Path(path).suffix.lower()
        if ending == ".gif":
            self._write_gif(Path(path))
        elif ending in (".html", ".htm"):
            text = self.to_html()
            with atomic_text(Path(path)) as file:
                file.write(f'<!DOCTYPE html>\n<meta charset="utf-8">\n{text}')
        else:
            raise ValueError(f"path must end in .gif or .html, got {str(path)!r}")

    def to_html(self) -> str:
        """Return the animation as HTML with buttons; the frames are in it.

        Returns
        -------
        str
        """
        canvas, show = self._begin()
        from matplotlib import rc_context  # noqa: PLC0415  (heavy)
        from matplotlib.animation import FuncAnimation  # noqa: PLC0415

        moving = FuncAnimation(
            canvas, show, frames=self.frames, init_func=lambda: [], cache_frame_data=False
        )
        with rc_context({"animation.embed_limit": _MOST_MEGABYTES}):
            page: str = moving.to_jshtml(
                fps=self.frames_per_second, embed_frames=True, default_mode="loop"
            )
        return page

    def _begin(self) -> tuple[Figure, Callable[[int], Any]]:
        """A figure that pyplot does not know, with its layout settled, and what shows a frame there."""
        require("Plotting", "matplotlib")
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  (heavy)
        from matplotlib.figure import Figure  # noqa: PLC0415

        canvas = Figure(figsize=self.size, layout="constrained", dpi=_DPI)
        FigureCanvasAgg(canvas)
        show = self.prepare(canvas)
        show(0)
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")  # else the axes would move from frame to frame
        return canvas, show

    def _write_gif(self, path: Path) -> None:
        canvas, show = self._begin()
        from matplotlib.animation import PillowWriter  # noqa: PLC0415  (heavy)

        writer = PillowWriter(fps=self.frames_per_second)
        with atomic_write(path) as file, writer.saving(canvas, file.name, dpi=_DPI):
            for k in range(self.frames):
                show(k)
                writer.grab_frame()
