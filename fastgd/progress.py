"""How far long work is, said on the terminal: a bar from the second second on, with what is left of the time.

Nothing is drawn, nor is anything imported for it, before work has lasted `PATIENCE` seconds; until then a look at the
clock is all that it costs. It writes to standard error, so that standard output can be piped.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from fastgd.engines.protocol.outcomes import Standing

__all__ = ["Progress"]

PATIENCE = 1.0  # seconds before anything is shown
REDRAW = 0.1  # seconds between two pictures of the bar
LINE_EVERY = 10.0  # seconds between two lines where there is no terminal


class Progress:
    """A bar of runs, drawn when it is due.

    Parameters
    ----------
    total : int
        How many runs there are.
    show : bool, optional
        True: also where standard error is no terminal, then as a line of text every ten seconds; False: never. By
        default a bar where standard error is a terminal, and the caller the main thread outside a notebook.
    deadline : float, default inf
        When the work ends at the latest, on the clock of `time.perf_counter`.
    max_iter : int, default 0
        The most updates of a run; of one run alone the bar tells updates.

    Examples
    --------
    >>> with Progress(100, show=False) as progress:
    ...     progress.look(lambda: None)  # a real one says where the runs are
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
        self.ended = self.diverged = 0  # of the groups before this one
        shown = show or (show is None and _has_reader())
        self._due = self.started + PATIENCE if shown else float("inf")
        self._every, self._draw = REDRAW, self._begin
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def look(self, standing: Callable[[], Standing]) -> None:
        """Draw the bar where it is due; to be called often."""
        if time.perf_counter() >= self._due:
            self._draw(standing())
            self._due = time.perf_counter() + self._every

    def close_group(self, ended: int, diverged: int) -> None:
        """Count the runs of a group that is finished."""
        self.ended += ended
        self.diverged += diverged

    def close(self) -> None:
        """Take the bar from the terminal; it is not drawn again."""
        self._due = float("inf")
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()

    # --- drawing --------------------------------------------------------------------------------------

    def _begin(self, standing: Standing) -> None:
        """The first picture decides what kind they are."""
        self._every, self._draw = LINE_EVERY, self._write_line
        if _is_terminal(sys.stderr) and not _in_notebook():
            from rich.console import Console  # noqa: PLC0415  (heavy, and only here)

            console = Console(stderr=True)
            if not console.is_dumb_terminal:
                self._bar = _new_bar(console, self.total)
                self._every, self._draw = REDRAW, self._redraw
        self._draw(standing)

    def _redraw(self, standing: Standing) -> None:
        (task,) = self._bar.tasks
        self._bar.update(task.id, completed=self.ended + standing.work)
        recent = (
            task.time_remaining
        )  # by the pace of the last half minute; none in the first picture
        left = self._left(self._as_before(standing) if recent is None else recent)
        self._bar.update(task.id, counts=self._counts(standing), left=left)
        self._bar.refresh()

    def _write_line(self, standing: Standing) -> None:
        share = (self.ended + standing.work) / self.total
        left = self._left(self._as_before(standing))
        print(f"{share:.0%}, {self._counts(standing)}, {left}", file=sys.stderr, flush=True)  # noqa: T201

    def _as_before(self, standing: Standing) -> float:
        """Seconds that are left if the rest goes as fast as what was done."""
        done = self.ended + standing.work
        elapsed = time.perf_counter() - self.started
        return elapsed * (self.total - done) / done if done else float("inf")

    def _counts(self, standing: Standing) -> str:
        elapsed = time.perf_counter() - self.started
        if self.total == 1 and self.max_iter:
            rate = _short(standing.updates / elapsed)
            return f"{standing.updates:,} of at most {self.max_iter:,} updates, {rate}/s"
        ended = self.ended + standing.ended
        return (
            f"{ended:,} of {self.total:,} runs done, {standing.running:,} running, "
            f"{self.diverged + standing.diverged:,} diverged, {_short(ended / elapsed)}/s"
        )

    def _left(self, seconds: float) -> str:
        """These seconds, or those until the deadline, whichever is sooner."""
        seconds = min(seconds, self.deadline - time.perf_counter())
        if seconds == float("inf"):
            return "-:-- left"
        minutes, rest = divmod(max(0, round(seconds)), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"


def _new_bar(console: Any, total: int) -> Any:
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    bar = Bar(
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[counts]}"),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
        expand=True,
        auto_refresh=False,  # no thread of its own
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("", total=total, counts="", left="")
    bar.start()
    return bar


def _has_reader() -> bool:
    """Whether a bar would be seen, and by one who waits for it."""
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and _is_terminal(sys.stderr) and not _in_notebook()


def _is_terminal(stream: Any) -> bool:
    """Also where there is no such stream, or a closed one."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
