"""One update's launches captured as a CUDA graph and replayed: a launch of the graph costs what one kernel's does."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from fastgd.engines.cuda import device


class Replay:
    """Launches that are the same every time.

    The first time they are made as they are, so that every kernel is loaded; the second time they are captured, and
    from then on replayed. Where that cannot be, they are made as they are every time.

    Parameters
    ----------
    stream : numba.cuda stream
        Not the default one, which cannot be captured.
    driver : module, optional
        In place of ``cuda.bindings.driver``.

    Attributes
    ----------
    reason : str
        Why there is no graph; empty as long as nothing speaks against one.
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
        """Make a graph of the launches, or note why that cannot be; the stream can be used afterwards."""
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
        except Exception as error:  # whatever a driver or a library does not allow
            self.reason = f"{type(error).__name__}: {error}"[:200]
            return
        self._graph = made
        weakref.finalize(self, driver.cuGraphExecDestroy, made).atexit = False

    def _captured(self, launches: Callable[[], None]) -> Any:
        """The graph of the launches; capturing ends whatever happens in them."""
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
    """Memory that is given back meanwhile waits: giving it back would end the capture."""
    if device.simulated():
        return nullcontext()
    from numba import cuda  # noqa: PLC0415

    manager: AbstractContextManager[Any] = cuda.defer_cleanup()
    return manager


def _checked(result: tuple[Any, ...], what: str) -> Any:
    """What a function of the driver returned, after its error code."""
    code, *values = result
    if int(code):
        raise RuntimeError(f"{what} failed with {code!r}")
    return values[0] if values else None
