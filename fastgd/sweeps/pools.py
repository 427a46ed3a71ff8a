"""The executors that run a sweep's chunks, and what each kind of them has of its own: how many workers it has, what
their loss looks like, and how a broken one is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import ProcessPoolExecutor
from types import TracebackType
from typing import Any, Self

from fastgd.engines import config

_LOST_BY_DASK = (
    "KilledWorker"  # by name: the package need not be installed. Several workers died with the task
)


class Pool:
    """An executor, which is replaced if it breaks; a context manager.

    Parameters
    ----------
    given : Executor, Dask client or callable
        A callable makes an executor.

    Attributes
    ----------
    executor : Executor
    own : bool
        Whether it was made here, and is shut down at the end.

    Raises
    ------
    TypeError
        If it is none of these.
    """

    def __init__(self, given: Any) -> None:
        is_maker = isinstance(given, type) or not hasattr(given, "submit")
        if is_maker and not callable(given):
            raise TypeError(
                "executor must be a concurrent.futures.Executor, a Dask client, or a callable that makes one, "
                f"got {type(given).__name__}"
            )
        self.make: Callable[[], Any] | None = given if is_maker else None
        self.given, self.own = given, is_maker
        self.client: Any = None  # of Dask
        self._payload: Any = None

    def __enter__(self) -> Self:
        self.executor = self._checked(self.given if self.make is None else self.make())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.let_go(wait=kind is None)

    @property
    def in_process(self) -> bool:
        """Whether its workers are threads of this process."""
        return type(self.executor) is ThreadPoolExecutor

    def workers(self) -> int:
        """How many chunks run at once; with Dask as many as there are now."""
        if self.client is not None:
            return max(1, int(sum(self.client.nthreads().values())))
        found = getattr(self.executor, "num_workers", None)  # MPI
        if not isinstance(found, int):
            found = getattr(self.executor, "_max_workers", None)
        return found if isinstance(found, int) and found > 0 else config.get_num_threads()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Hand a task to the executor."""
        future: Future[Any] = self.executor.submit(function, *arguments)
        return future

    def spread(self, content: bytes) -> Any:
        """Bytes as an argument for tasks: with Dask they are sent to every worker, once."""
        if self.client is None:
            return content
        if (
            getattr(self._payload, "status", None) != "finished"
        ):  # or lost with the workers that had it
            self._payload = self.client.scatter(content, broadcast=True, hash=False)
        return self._payload

    def replace(self, error: BaseException) -> None:
        """Put another in the place of one that broke.

        Raises
        ------
        BrokenExecutor
            If nothing is known of how to make it, or the workers of the new one die before they run anything.
        """
        old = self.executor
        if self.make is not None:
            new = self.make()
        else:
            new = _like(old)
            if new is None:
                raise BrokenExecutor(
                    f"executor lost its workers, and how to make another {type(old).__name__} is not known; give a "
                    "callable that makes it: sweep(..., executor=lambda: ...)"
                ) from error
        self.let_go(wait=False)
        self.executor, self.own = self._checked(new), True
        try:
            self.submit(os.getpid).result()
        except BrokenExecutor as again:
            raise BrokenExecutor(
                "the workers of executor die before they run anything; does the script call sweep under "
                'if __name__ == "__main__", and does the initializer of the executor work?'
            ) from again

    def let_go(self, *, wait: bool) -> None:
        """Shut it down if it was made here."""
        if self.own:
            self.executor.shutdown(wait=wait)
            if self.client is not None:
                self.client.close()

    def _checked(self, executor: Any) -> Any:
        """What takes tasks: of a Dask client its executor."""
        if hasattr(executor, "get_executor"):
            self.client = executor
            return executor.get_executor()
        client = getattr(executor, "_client", None)
        self.client = client if hasattr(client, "scatter") else None
        if not hasattr(executor, "submit"):
            raise TypeError(
                f"executor must make a concurrent.futures.Executor or a Dask client, got {type(executor).__name__}"
            )
        return executor


def is_loss(error: BaseException) -> bool:
    """Whether a task failed because its worker died."""
    return isinstance(error, BrokenExecutor) or type(error).__name__ == _LOST_BY_DASK


def is_repeated_loss(error: BaseException) -> bool:
    """Whether several workers died that had this task."""
    return type(error).__name__ == _LOST_BY_DASK


def _like(old: Any) -> Executor | None:
    """An executor of the same class and arguments; None where they are not known."""
    kind = type(old)
    if kind is ProcessPoolExecutor:
        return ProcessPoolExecutor(
            old._max_workers,
            mp_context=old._mp_context,
            initializer=old._initializer,
            initargs=old._initargs,
            max_tasks_per_child=old._max_tasks_per_child,
        )
    if kind.__module__.startswith("loky."):
        import loky  # noqa: PLC0415  (it is there)

        new: Executor = loky.ProcessPoolExecutor(
            old._max_workers,
            timeout=old._timeout,
            context=old._context,
            initializer=old._initializer,
            initargs=old._initargs,
            env=old._env,
        )
        return new
    return None
