"""The launches of one update as a CUDA graph, which is launched at the cost of a single kernel."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from fastgd.engines.cuda import device


class Replay:
    """Launches that are the same every time.

    The first call makes them directly, so that every kernel is loaded; the second captures them as a graph, which is
    replayed from then on. Where capturing fails, every call makes them directly.

    Parameters
    ----------
    stream : numba.cuda stream
        Not the default stream, which cannot be captured.
    driver : module, optional
        Used instead of ``cuda.bindings.driver``.

    Attributes
    ----------
    reason : str
        Why there can be no graph; empty if there can.
    """

    def __init__(self, stream: Any, driver: Any = None) -> None:
        self._stream = stream
        self._warm = False
        self._graph: Any = None
        self.reason = ""
        self._driver = driver
        if driver is None:
            self._driver, self.reason = _driver()

    @property
    def captured(self) -> bool:
        """Whether there is a graph."""
        return self._graph is not None

    def go(self, launches: Callable[[], None]) -> None:
        """Make the launches once; `launches` makes them on the stream, the same at every call."""
        if self._graph is None and self._warm and not self.reason:
            self._capture(launches)
        if self._graph is None:
            launches()
            self._warm = True
        else:
            _checked(self._driver.cuGraphLaunch(self._graph, self._handle()), "cuGraphLaunch")

    def _handle(self) -> Any:
        return self._driver.CUstream(int(self._stream))

    def _capture(self, launches: Callable[[], None]) -> None:
        """Make a graph of the launches, or note why it failed; the stream can be used afterwards."""
        driver = self._driver
        try:
            with _no_deallocation():
                mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
                _checked(driver.cuStreamBeginCapture(self._handle(), mode), "cuStreamBeginCapture")
                graph = self._captured(launches)
            try:
                made = _checked(driver.cuGraphInstantiate(graph, 0), "cuGraphInstantiate")
            finally:
                driver.cuGraphDestroy(graph)
        except Exception as error:  # a driver or a library may refuse anything
            self.reason = f"{type(error).__name__}: {error}"[:200]
            return
        self._graph = made
        weakref.finalize(self, driver.cuGraphExecDestroy, made).atexit = False

    def _captured(self, launches: Callable[[], None]) -> Any:
        """The graph of the launches; capturing ends even if they raise."""
        failed = None
        try:
            launches()
        except BaseException as error:
            failed = error
        result = self._driver.cuStreamEndCapture(self._handle())
        if failed is None:
            return _checked(result, "cuStreamEndCapture")
        if not int(result[0]) and result[1] is not None:
            self._driver.cuGraphDestroy(result[1])
        raise failed


def _driver() -> tuple[Any, str]:
    if device.simulated():
        return None, "the simulator has no graphs"
    try:
        from cuda.bindings import driver  # noqa: PLC0415
    except ImportError as error:
        return None, f"ImportError: {error}"
    return driver, ""


def _no_deallocation() -> AbstractContextManager[Any]:
    """Defer the freeing of device memory, which would end the capture."""
    if device.simulated():
        return nullcontext()
    from numba import cuda  # noqa: PLC0415

    manager: AbstractContextManager[Any] = cuda.defer_cleanup()
    return manager


def _checked(result: tuple[Any, ...], what: str) -> Any:
    """The result of a driver function, after a check of its error code."""
    code, *values = result
    if int(code):
        raise RuntimeError(f"{what} failed with {code!r}")
    return values[0] if values else None
