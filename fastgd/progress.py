"""Progress bar on stderr, shown after one second, with the estimated time left.

Before `PATIENCE` seconds have passed nothing is drawn or imported, and a call costs one reading of the clock. The bar
itself is drawn by rich, and in a notebook by the browser; without rich, or without a terminal, a line of text every
ten seconds takes its place.
"""

from __future__ import annotations

import html
import importlib
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from fastgd.engines.protocol.outcomes import Standing

__all__ = ["Progress"]

PATIENCE = 1.0  # seconds before anything is shown
REDRAW = 0.1  # seconds between two updates of the bar
REDRAW_PAGE = 0.5  # and of that in a notebook, where each is a message to the browser
LINE_EVERY = 10.0  # seconds between two lines of text


class Progress:
    """Progress of a number of runs.

    Parameters
    ----------
    total : int
        Number of runs.
    show : bool, optional
        True: always; if stderr is neither a terminal nor a notebook's, as a line of text every ten seconds. False:
        never. By default on a terminal and in a notebook, if the caller is the main thread.
    deadline : float, default inf
        Latest end of the work, on the clock of `time.perf_counter`.
    max_iter : int, default 0
        Most updates of a run; a single run shows its updates.

    Examples
    --------
    >>> with Progress(100, show=False) as progress:
    ...     progress.look(lambda: None)  # usually returns a `Standing`
    """

    def __init__(
        self,
        total: int,
        show: bool | None = None,
        *,
        deadline: float = float("inf"),
        max_iter: int = 0,
    ) -> None:
        self.total, self.deadline, self.max_iter = total, deadline, max_iter
        self.started = time.perf_counter()
        self.ended = self.diverged = 0  # in the groups before this one
        self.best: Callable[[], str] = str  # the best so far, in words, asked for when it is shown
        self.before = 0  # runs that had ended before, which tell nothing of the speed
        shown = show or (show is None and _has_reader())
        self._due = self.started + PATIENCE if shown else float("inf")
        self._every, self._draw = REDRAW, self._begin
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def look(self, standing: Callable[[], Standing]) -> None:
        """Show the progress if an update is due; call this often."""
        if time.perf_counter() >= self._due:
            try:
                self._draw(standing())
                self._due = time.perf_counter() + self._every
            except OSError:  # the terminal is gone; the work goes on
                self._due = float("inf")

    def close_group(self, ended: int, diverged: int) -> None:
        """Add the runs of a finished group to the totals."""
        self.ended += ended
        self.diverged += diverged

    def had_ended(self, ended: int, diverged: int) -> None:
        """Add runs of an earlier call to the totals, and not to the speed."""
        self.before = ended
        self.close_group(ended, diverged)

    def close(self) -> None:
        """Remove the bar; nothing is shown afterwards."""
        self._due = float("inf")
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError):  # the terminal is gone
                bar.stop()

    # --- drawing --------------------------------------------------------------------------------------

    def _begin(self, standing: Standing) -> None:
        """Choose between a bar and lines, and show the first one."""
        self._every, self._draw = LINE_EVERY, self._write_line
        if _in_notebook():
            self._bar = _NotebookBar()
            self._every, self._draw = REDRAW_PAGE, self._redraw_page
        elif _is_terminal(sys.stderr):
            self._bar = _new_bar(self.total)
            if self._bar is not None:
                self._every, self._draw = REDRAW, self._redraw
        self._draw(standing)

    def _redraw(self, standing: Standing) -> None:
        (task,) = self._bar.tasks
        self._bar.update(task.id, completed=self.ended + standing.work)
        recent = task.time_remaining  # by the speed of the last half minute; None at first
        left = self._left(self._seconds_left(standing) if recent is None else recent)
        self._bar.update(task.id, counts=self._counts(standing), left=left)
        self._bar.refresh()

    def _redraw_page(self, standing: Standing) -> None:
        share = (self.ended + standing.work) / self.total
        left = self._left(self._seconds_left(standing))
        self._bar.show(share, f"{share:.0%}, {self._counts(standing)}, {left}")

    def _write_line(self, standing: Standing) -> None:
        share = (self.ended + standing.work) / self.total
        left = self._left(self._seconds_left(standing))
        print(f"{share:.0%}, {self._counts(standing)}, {left}", file=sys.stderr, flush=True)  # noqa: T201

    def _seconds_left(self, standing: Standing) -> float:
        """Estimate by the average speed so far."""
        done = self.ended + standing.work
        new, elapsed = done - self.before, time.perf_counter() - self.started
        return elapsed * (self.total - done) / new if new > 0 else float("inf")

    def _counts(self, standing: Standing) -> str:
        elapsed = time.perf_counter() - self.started
        if self.total == 1 and self.max_iter:
            rate = _short(standing.updates / elapsed)
            done = f"{standing.updates:,} of at most {self.max_iter:,} updates, {rate}/s"
            return ", ".join(filter(None, [done, self.best()]))
        ended = self.ended + standing.ended
        counts = (
            f"{ended:,} of {self.total:,} runs done, {standing.running:,} running, "
            f"{self.diverged + standing.diverged:,} diverged, {_short((ended - self.before) / elapsed)}/s"
        )
        return ", ".join(filter(None, [counts, self.best()]))

    def _left(self, seconds: float) -> str:
        """These seconds, or those until the deadline if that is sooner, as text."""
        seconds = min(seconds, self.deadline - time.perf_counter())
        if seconds == float("inf"):
            return "-:-- left"
        minutes, rest = divmod(max(0, round(seconds)), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"


def _new_bar(total: int) -> Any:
    """A started bar of rich; None without rich or on a terminal that cannot move its cursor."""
    try:
        from rich.console import Console  # noqa: PLC0415  (heavy, optional)
        from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
        from rich.progress import Progress as Bar  # noqa: PLC0415
    except ImportError:
        return None
    console = Console(stderr=True)
    if console.is_dumb_terminal:
        return None
    bar = Bar(
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[counts]}"),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
        expand=True,
        auto_refresh=False,  # without a thread
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("", total=total, counts="", left="")
    bar.start()
    return bar


class _NotebookBar:
    """The browser's own bar, below the cell; it needs no package but what every notebook has."""

    def __init__(self) -> None:
        shown: Any = importlib.import_module("IPython.display")  # only a notebook has it
        self._html = shown.HTML
        self._place = shown.display(shown.HTML(""), display_id=True)

    def show(self, share: float, text: str) -> None:
        """Redraw it in its place."""
        bar = f'<progress value="{share:.4f}" max="1" style="width: 30%"></progress>'
        self._place.update(self._html(f"{bar} {html.escape(text)}"))

    def stop(self) -> None:
        """Take it away."""
        self._place.update(self._html(""))


def _has_reader() -> bool:
    """Whether somebody at a terminal or in a notebook waits for this work."""
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and (_in_notebook() or _is_terminal(sys.stderr))


def _is_terminal(stream: Any) -> bool:
    """Whether the stream is a terminal; False also for a missing or closed one."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this program, and so a page shows what it displays."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and "ipykernel" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
