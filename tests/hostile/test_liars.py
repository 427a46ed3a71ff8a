"""No object kills the process: sizes come from the memory of arrays, not from what objects say."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastgd as gd
from fastgd.engines.native import kernels

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits of memory are set as on Unix")
TESTS = Path(__file__).parents[1]
compiled = pytest.mark.skipif(not kernels.available(), reason="nothing is compiled")


def survives(*command):
    """Run Python in a process of its own, which must end well."""
    path = os.pathsep.join([str(TESTS), str(Path(gd.__file__).parents[1])])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONFAULTHANDLER": "1",
        "FASTGD_NUM_THREADS": "2",
    }
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stdout[-3000:], done.stderr[-3000:])


@pytest.mark.parametrize("what", ["step", "network", "sweep", "problems"])
def test_generated_liars(what):
    survives("-m", "hostile.drive", what)


def test_the_array_whose_shape_lies():
    survives(
        "-c",
        "import numpy as np, fastgd as gd\n"
        "class EA(np.ndarray): shape = property(lambda s: (10**9,))\n"
        "p = np.ones(3)\n"
        "gd.SGD(lr=0.5).step([p.view(EA)], [np.ones(3)])\n"
        "assert p.tolist() == [0.5] * 3\n",
    )


def test_an_object_that_says_that_it_is_an_array():
    class Disguised:
        __class__ = np.ndarray
        shape, dtype, size, ndim = (3,), np.dtype("float64"), 3, 1
        flags = np.ones(3).flags

    assert isinstance(Disguised(), np.ndarray)
    for backend in ("numpy", "cython") if kernels.available() else ("numpy",):
        with pytest.raises(TypeError, match="params must be a NumPy array, or a list"):
            gd.SGD(backend=backend).step(Disguised(), np.ones(3))
        optimizer = gd.SGD(backend=backend)
        optimizer.step([np.ones(3)], [np.ones(3)])
        with pytest.raises(TypeError, match=r"grads\[0\] must be a NumPy array, got Disguised"):
            optimizer.step([np.ones(3)], [Disguised()])


def test_a_list_that_says_that_it_is_endless():
    class Endless(list):
        def __len__(self):
            return 10**12

    gd.SGD(lr=0.5).step(Endless([p := np.ones(2)]), [np.ones(2)])
    assert p.tolist() == [0.5, 0.5]


@compiled
@pytest.mark.parametrize(
    "act", ["params.clear()", "params[0].resize(50_000_000, refcheck=False)", "grads.clear()"]
)
def test_a_coefficient_function_that_changes_the_arrays(act):
    """It runs before the arrays are looked at, so what it left is what is checked."""
    survives(
        "-c",
        "import os, numpy as np, fastgd as gd\n"
        "params, grads, on = [np.ones(200_000)], [np.ones(200_000)], [0]\n"
        "def rule(p, g, lr): return (p - lr * g,)\n"
        "def coefficients(t, lr):\n"
        f"    if on[0]: {act}\n"
        "    os.getpid()\n"  # Numba cannot compile it
        "    return (lr,)\n"
        "Own = gd.Optimizer.from_rule(rule, coefficients=coefficients)\n"
        "optimizer = Own(lr=0.1)\n"
        "optimizer.step(params, grads)\n"
        "on[0] = 1\n"
        "try: optimizer.step(params, grads)\n"
        "except ValueError as error: print(error)\n",
    )


def test_params_resized_between_steps():
    p, g = np.ones(1000), np.ones(1000)
    optimizer = gd.Adam()
    optimizer.step([p], [g])
    p.resize(10, refcheck=False)
    with pytest.raises(ValueError, match=r"params\[0\] must have shape \(1000,\), got \(10,\)"):
        optimizer.step([p], [g])


# --- what a callback does to the arrays of a training -------------------------------------------------


@compiled
@pytest.mark.parametrize("name", ["X", "y", "w"])
def test_data_resized_by_a_callback(name):
    data = {
        "X": np.ones((4000, 4), np.float32),
        "y": np.ones((4000, 1), np.float32),
        "w": np.ones(4000),
    }
    net = gd.MLP([4, 3, 1], loss="mse")

    def shrink(history):
        data[name].resize((2, 4) if name == "X" else (2,), refcheck=False)

    if name == "X":
        with pytest.raises(ValueError, match="X has 2 rows now"):
            net.fit(data["X"], data["y"], sample_weight=data["w"], epochs=3, callbacks=[shrink])
    else:
        with pytest.raises(ValueError, match="must hold 4000 rows"):
            net.fit(data["X"], data["y"], sample_weight=data["w"], epochs=3, callbacks=[shrink])


@pytest.mark.skipif(not kernels.available(), reason="needs the compiled extensions")
@pytest.mark.parametrize("runs", [1, 20])  # one by one, and side by side
@pytest.mark.parametrize("name", ["X", "y", "w"])
def test_data_resized_before_a_sweep(name, runs):
    data = {
        "X": np.ones((4000, 4), np.float32),
        "y": np.ones((4000, 1), np.float32),
        "w": np.ones(4000),
    }
    net = gd.MLP([4, 3, 1], loss="mse")
    problem = net.problem(data["X"], data["y"], sample_weight=data["w"], shuffle=False)
    data[name].resize((2, 4) if name == "X" else (2,), refcheck=False)
    with pytest.raises(ValueError, match=f"must hold {len(data['X'])} rows"):
        gd.sweep(problem, gd.SGD(), {"lr": [0.1] * runs}, max_iter=200)


@pytest.mark.parametrize("backend", ["cython", "numpy"] if kernels.available() else ["numpy"])
def test_a_label_written_by_a_callback_is_not_read(backend):
    X, y = np.eye(4, dtype=np.float32), np.zeros(4, np.int32)

    def spoil(history):
        y[:] = 10**8

    net = gd.MLP([4, 2], backend=backend).fit(X, y, epochs=3, callbacks=[spoil])
    assert net.status_.label == "max_iter"


def test_a_mapped_file_that_was_cut_short(tmp_path):
    path = tmp_path / "rows"
    np.ones((5000, 4), np.float32).tofile(path)
    X = np.memmap(path, np.float32, "r", shape=(5000, 4))
    net = gd.MLP([4, 2])
    net.predict(X)
    os.truncate(path, 4096)
    with pytest.raises(ValueError, match="X is mapped from a file that has been cut to 4096 bytes"):
        net.predict(X)
    with pytest.raises(ValueError, match="X is mapped"):
        net.fit(X, np.zeros(5000), epochs=1)


def test_a_mapped_parameter_that_was_cut_short(tmp_path):
    path = tmp_path / "p"
    np.ones(5000).tofile(path)
    p = np.memmap(path, np.float64, "r+")
    optimizer = gd.SGD()
    optimizer.step([p], [np.ones(5000)])
    os.truncate(path, 0)
    with pytest.raises(
        ValueError, match=r"params\[0\] is mapped from a file that has been cut to 0"
    ):
        optimizer.step([p], [np.ones(5000)])
    del optimizer, p
