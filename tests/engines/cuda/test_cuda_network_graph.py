"""Launches captured as a graph and replayed, by a driver that only takes notes."""

import enum
import gc

import pytest

from fastgd.engines.cuda import device
from fastgd.engines.cuda.network_graph import Replay


class Driver:
    """``cuda.bindings.driver`` as far as it is needed; `refuse` names the function that fails."""

    class CUstreamCaptureMode(enum.IntEnum):
        CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1

    def __init__(self, refuse=""):
        self.said, self.refuse, self.capturing = [], refuse, False

    def CUstream(self, handle):
        return handle

    def _say(self, name, *values):
        self.said.append(name)
        return (1 if name == self.refuse else 0, *values)

    def cuStreamBeginCapture(self, stream, mode):
        assert (stream, mode) == (5, 1)
        result = self._say("begin")
        self.capturing = not result[0]
        return result

    def cuStreamEndCapture(self, stream):
        assert self.capturing
        self.capturing = False
        return self._say("end", None if self.refuse == "end" else "graph")

    def cuGraphInstantiate(self, graph, flags):
        assert (graph, flags) == ("graph", 0)
        return self._say("instantiate", "exec")

    def cuGraphDestroy(self, graph):
        return self._say("destroy")

    def cuGraphLaunch(self, graph, stream):
        assert (graph, stream) == ("exec", 5)
        return self._say("launch")

    def cuGraphExecDestroy(self, graph):
        return self._say("destroy exec")


def test_warm_captured_replayed():
    driver, launched = Driver(), []
    launches, replay = lambda: launched.append(driver.capturing), Replay(5, driver)
    replay.go(launches)
    assert launched == [False]
    assert driver.said == []
    for _ in range(3):
        replay.go(launches)
    assert launched == [False, True]
    assert driver.said == ["begin", "end", "instantiate", "destroy", "launch", "launch", "launch"]
    assert replay.captured
    assert replay.reason == ""
    del replay
    gc.collect()
    assert driver.said[-1] == "destroy exec"


@pytest.mark.parametrize("refuse", ["begin", "end", "instantiate"])
def test_without_a_graph_launches_go_on(refuse):
    driver, launched = Driver(refuse), []
    launches, replay = lambda: launched.append(driver.capturing), Replay(5, driver)
    for _ in range(4):
        replay.go(launches)
    assert launched.count(False) == 4  # those in a capture that failed were not made
    assert not driver.capturing
    assert not replay.captured
    assert "failed with 1" in replay.reason
    assert driver.said.count("begin") == 1


@pytest.mark.parametrize("refuse", ["", "end"])
def test_launches_that_cannot_be_captured(refuse):
    driver, launched = Driver(refuse), []

    def launches():
        if driver.capturing:
            raise NotImplementedError("not while capturing")
        launched.append(1)

    replay = Replay(5, driver)
    for _ in range(3):
        replay.go(launches)
    assert launched == [1, 1, 1]
    assert replay.reason == "NotImplementedError: not while capturing"
    assert driver.said == ["begin", "end", *(["destroy"] if not refuse else [])]


def test_ctrl_c_while_capturing_comes_through():
    driver = Driver()

    def launches():
        if driver.capturing:
            raise KeyboardInterrupt

    replay = Replay(5, driver)
    replay.go(launches)
    with pytest.raises(KeyboardInterrupt):
        replay.go(launches)
    assert not driver.capturing


def test_a_graph_that_cannot_be_launched_is_an_error():
    driver = Driver("launch")
    launches, replay = lambda: None, Replay(5, driver)
    replay.go(launches)
    with pytest.raises(RuntimeError, match="cuGraphLaunch failed with 1"):
        replay.go(launches)


@pytest.mark.skipif(not device.simulated(), reason="a GPU has graphs")
def test_the_simulator_has_none():
    launched = []
    launches, replay = lambda: launched.append(1), Replay(0)
    replay.go(launches)
    replay.go(launches)
    assert launched == [1, 1]
    assert replay.reason == "the simulator has no graphs"
