"""A job on its way to the workers of an executor: it is written once, and each worker reads it once.

A worker of the same process takes the job itself, and so does a process that was forked while the sweep was under way.
Other processes of this machine map a file into memory, whose arrays all of them share, read-only. A worker elsewhere
cannot read that file and says so; it gets the content along with a chunk.
"""

from __future__ import annotations

import mmap
import pickle
import socket
import struct
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastgd import __version__
from fastgd.extras import command, present
from fastgd.network.problem import NetworkProblem
from fastgd.sweeps.identity import products
from fastgd.sweeps.job import Job
from fastgd.sweeps.run_table import about, arrays_of

_KEPT = 2  # jobs that a worker remembers
_ALIGNED = 64  # bytes
_MAIN = b"__main__"  # functions of a script: plain pickles name them, and a worker may have another script
_jobs: dict[str, Job] = {}  # those that this process knows, the oldest first


class Ticket(NamedTuple):
    """What a chunk says of its job.

    Attributes
    ----------
    name : str
        It is the same for all chunks of a sweep, and for no other.
    path : str
        A file that holds the job; empty if there is none.
    version : str
        Of the library that made it.
    products : str
        How products are rounded there, where that decides results; otherwise empty.
    """

    name: str
    path: str
    version: str
    products: str


class Part(NamedTuple):
    """What comes back of a chunk: the results of its runs, what they have in common, and the seconds they took."""

    arrays: dict[str, NDArray[Any]]
    about: dict[str, Any]
    seconds: float


class Parcel:
    """A job for workers; a context manager, during which they can get it.

    Parameters
    ----------
    job : Job
    written : bool
        Whether it is written at once; otherwise when a worker asks for it.

    Attributes
    ----------
    ticket : Ticket

    Raises
    ------
    TypeError
        If it cannot be sent; the message names the part, and what can be done.
    """

    def __init__(self, job: Job, *, written: bool) -> None:
        self.job, self.written = job, written
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        rounding = products() if isinstance(job.problem, NetworkProblem) else ""
        self.ticket = Ticket(uuid.uuid4().hex, "", __version__, rounding)

    def __enter__(self) -> Self:
        if self.written:
            self._write()
        _jobs[self.ticket.name] = self.job
        return self

    def __exit__(self, *_: object) -> None:
        _jobs.pop(self.ticket.name, None)
        if self.folder is not None:
            self.folder.cleanup()

    def content(self) -> bytes:
        """The job as bytes, for workers that cannot read the file."""
        if self.folder is None:
            self._write()
        return Path(self.ticket.path).read_bytes()

    def _write(self) -> None:
        parts = _parts(self.job)
        self.folder = tempfile.TemporaryDirectory(prefix="fastgd-", ignore_cleanup_errors=True)
        path = Path(self.folder.name) / "job"  # in a folder that nobody else may enter
        with path.open("wb") as file:
            for piece in _laid_out(parts):
                file.write(piece)
        self.ticket = self.ticket._replace(path=str(path))


# --- in the worker --------------------------------------------------------------------------------------


def run_part(
    ticket: Ticket,
    runs: range | NDArray[np.intp],
    n_threads: int,
    until: float,
    content: bytes | None = None,
) -> Part | None:
    """Run a chunk in a worker; None says that it needs the job's content.

    Parameters
    ----------
    ticket : Ticket
    runs : range or ndarray of int
    n_threads : int
    until : float
        The end of the sweep's time limit, on the clock of `time.time`, which machines share.
    content : bytes, optional
        The job.
    """
    job = _job_of(ticket, content)
    if job is None:
        return None
    index = np.arange(runs.start, runs.stop) if isinstance(runs, range) else runs
    limit = None if until == np.inf else max(until - time.time(), 1e-3)
    begun = time.perf_counter()
    result = job.run(index, n_threads=n_threads, max_seconds=limit)
    seconds = time.perf_counter() - begun
    return Part(arrays_of(job.keep, result), about(job.keep, result), seconds)


def _job_of(ticket: Ticket, content: bytes | None) -> Job | None:
    job = _jobs.get(ticket.name)
    if job is not None:
        return job
    _check(ticket)
    whole = _mapped(ticket.path) if content is None else memoryview(content)
    if whole is None:
        return None
    main, *arrays = _found_in(whole)
    try:
        job = pickle.loads(main, buffers=arrays)
    except Exception as error:
        raise RuntimeError(
            f"a worker on {socket.gethostname()} cannot load the sweep ({type(error).__name__}: {error}); functions "
            "and classes of your own must be in a module that it can import, or cloudpickle be installed: "
            f"{command('executors')}"
        ) from error
    for old in list(_jobs)[: 1 - _KEPT]:
        _jobs.pop(old, None)
    return _jobs.setdefault(ticket.name, job)


def _check(ticket: Ticket) -> None:
    """Refuse what would be computed otherwise than where the sweep was called."""
    rounding = products() if ticket.products else ""
    for what, theirs, own in (
        ("version of fastgd", ticket.version, __version__),
        ("kind of products", ticket.products, rounding),
    ):
        if theirs != own:
            raise RuntimeError(
                f"a worker on {socket.gethostname()} has another {what}: {own}, not {theirs}; its results would "
                "not be those of the sweep"
            )


def _mapped(path: str) -> memoryview | None:
    """A file in memory; None if there is none for this process."""
    try:
        with open(path, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError:
        return None


# --- as bytes -------------------------------------------------------------------------------------------


def _parts(job: Job) -> list[memoryview]:
    """The pickle of a job, and the arrays that it refers to."""
    try:
        return _pickled(job)
    except Exception as error:
        for name, part in (
            ("problem", job.problem),
            ("optimizer", job.optimizer),
            *((f"axes[{name!r}]", values) for name, values in job.axes.columns.items()),
            ("x0", job.options.x0),
        ):
            try:
                _pickled(part)
            except Exception as own:
                raise TypeError(
                    f"{name} cannot be sent to the workers of executor ({own}); {_remedy()}"
                ) from error
        raise


def _remedy() -> str:
    other = "use a ThreadPoolExecutor, whose workers need no copy"
    if present("cloudpickle"):
        return other
    return (
        "define its functions and classes in a module, not within a function or as a lambda, or install cloudpickle: "
        f"{command('executors')}; or {other}"
    )


def _pickled(value: Any) -> list[memoryview]:
    """By pickle; by cloudpickle, if that is installed, where pickle cannot or would send names of a script."""
    try:
        main, *arrays = _by(pickle.dumps, value)
        if _MAIN not in bytes(main) or not present("cloudpickle"):
            return [main, *arrays]
    except Exception:
        if not present("cloudpickle"):
            raise
    import cloudpickle  # noqa: PLC0415  (optional)

    return _by(cloudpickle.dumps, value)


def _by(dumps: Callable[..., bytes], value: Any) -> list[memoryview]:
    buffers: list[pickle.PickleBuffer] = []
    main = dumps(value, protocol=5, buffer_callback=buffers.append)
    return [memoryview(main), *(buffer.raw() for buffer in buffers)]


def _laid_out(parts: list[memoryview]) -> Iterator[bytes | memoryview]:
    """How many parts and their sizes, then the parts, each of which begins at a multiple of 64 bytes."""
    head = struct.pack(f"<{len(parts) + 1}Q", len(parts), *(part.nbytes for part in parts))
    for piece in (memoryview(head), *parts):
        yield piece
        yield bytes(-piece.nbytes % _ALIGNED)


def _found_in(whole: memoryview) -> list[memoryview]:
    """The parts of what was laid out."""
    (many,) = struct.unpack_from("<Q", whole)
    sizes = struct.unpack_from(f"<{many}Q", whole, 8)
    place = 8 * (many + 1)
    parts = []
    for size in sizes:
        place += -place % _ALIGNED
        parts.append(whole[place : place + size])
        place += size
    return parts
