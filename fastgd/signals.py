"""SIGTERM and SIGHUP end what is under way as Ctrl-C does: what is finished is kept.

A scheduler's time limit, ``timeout`` or a terminal that closes ask a process to end by a signal, which by default kills
it. A long call of this library (`interruptible`) turns the signal into a `Terminated`, a KeyboardInterrupt, so that all
that answers Ctrl-C answers it; the call returns what is finished, and the process has the time to write it. The next
such call does not begin but ends the process (SystemExit, exit code 128 + signal). A second signal kills, as ever.

Signals belong to the user: they are handled in the main thread only, during such a call only, and only where nobody
else handles or ignores them (``nohup``). Worker processes of multiprocessing and joblib end at once, as their parents
expect.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["Requests", "Terminated", "interruptible", "of_the_process", "undivided"]

_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_SAME = 1.0  # seconds in which further signals are the same request: GNU timeout sends two


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP has come.

    Attributes
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass
class Requests:
    """What the process was asked, and what it does.

    Attributes
    ----------
    number : int or None
        The signal that came first.
    since : float
        When it came.
    raised : bool
        Whether it has interrupted something.
    calls : int
        Long calls under way, one within the other.
    finished : bool
        Whether one has ended, so that there is something to write.
    undivided : bool
        Whether results are of use only if nothing interrupted them.
    ctrl_c : bool
        Whether Ctrl-C interrupted such a result.
    """

    number: int | None = None
    since: float = 0.0
    raised: bool = False
    calls: int = 0
    finished: bool = False
    undivided: bool = False
    ctrl_c: bool = False

    def interrupt(self) -> None:
        """Raise the exception of the signal."""
        assert self.number is not None
        self.raised = True
        raise Terminated(self.number)


_requests = Requests()
_process = os.getpid()


@contextmanager
def interruptible() -> Iterator[None]:
    """A long call, which SIGTERM and SIGHUP interrupt as Ctrl-C does.

    Raises
    ------
    SystemExit
        If such a signal interrupted an earlier call, or this one before it had anything to keep.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken: list[int] = []
    _requests.calls += 1
    try:
        _take(taken)
        if taken and _requests.number is not None:
            raise SystemExit(128 + _requests.number)
        if _requests.number is not None and not _requests.raised:
            _requests.interrupt()
        yield
        if _requests.undivided and (_requests.number is not None or _requests.ctrl_c):
            raise KeyboardInterrupt
        _requests.finished = True
    except Terminated as end:
        if not taken:
            raise
        raise SystemExit(128 + end.number) from None
    finally:
        _requests.calls -= 1
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def of_the_process() -> Iterator[Requests]:
    """All that a command does: it is interrupted until it has something to write, and then left to write it.

    Yields
    ------
    Requests
        Its `number` is the signal that came, or None.
    """
    taken: list[int] = []
    _requests.finished = False
    try:
        _take(taken)
        yield _requests
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
        if taken:
            _forget()


@contextmanager
def undivided() -> Iterator[None]:
    """Work of many calls, of no use in parts: what interrupts one of them (Ctrl-C too) interrupts it all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    noted = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    _requests.undivided, _requests.ctrl_c = True, False
    try:
        if noted:
            signal.signal(signal.SIGINT, _note_ctrl_c)
        yield
    finally:
        _requests.undivided = _requests.ctrl_c = False
        if noted:
            signal.signal(signal.SIGINT, signal.default_int_handler)


# --- handlers -------------------------------------------------------------------------------------------


def _take(taken: list[int]) -> None:
    """Handle the signals that would kill this process; `taken` gets their numbers."""
    if threading.current_thread() is not threading.main_thread() or _is_worker():
        return
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            taken.append(number)
            try:
                signal.signal(number, _answer)
            except ValueError:  # an interpreter within another
                taken.pop()


def _is_worker() -> bool:
    """Whether another process of this kind started this one and ends it by SIGTERM."""
    started = sys.modules.get("multiprocessing.process")
    return started is not None and started.parent_process() is not None


def _answer(number: int, _: FrameType | None) -> None:
    if os.getpid() != _process:  # a child that has only just been forked
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    now = time.monotonic()
    if _requests.number is not None:
        if now - _requests.since > _SAME:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        return
    _requests.number, _requests.since, _requests.raised = number, now, False
    if _requests.calls or _requests.undivided or not _requests.finished:
        _requests.interrupt()


def _note_ctrl_c(number: int, frame: FrameType | None) -> None:
    _requests.ctrl_c = True
    signal.default_int_handler(number, frame)


def _forget() -> None:
    vars(_requests).update(vars(Requests()))


def _forget_in_child() -> None:
    """A forked child was asked nothing, and ends as any process does."""
    global _process  # noqa: PLW0603
    _forget()
    for number in _ENDING:
        if signal.getsignal(number) is _answer:
            signal.signal(number, signal.SIG_DFL)
    _process = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
