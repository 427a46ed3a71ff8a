"""Settings of the process: backend, threads, cache folder, what is installed."""

import importlib.util
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import fastgd as gd
from fastgd.engines import backends, config, installation
from fastgd.engines.backends import resolve_backend
from fastgd.engines.cuda import device


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in (
        "FASTGD_BACKEND",
        "FASTGD_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OMP_THREAD_LIMIT",
        "XDG_CACHE_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    yield
    gd.set_backend(None)
    gd.set_num_threads(None)


def test_backend_of_process_environment_and_call(monkeypatch):
    assert config.get_backend() == "auto"
    monkeypatch.setenv("FASTGD_BACKEND", "numba")
    assert config.get_backend() == "numba"
    gd.set_backend("numpy")
    assert config.get_backend() == "numpy"
    assert resolve_backend() == "numpy"
    gd.set_backend(None)
    assert config.get_backend() == "numba"


def test_unknown_backend_is_named(monkeypatch):
    with pytest.raises(ValueError, match=r"backend must be one of .*'numba'.*got 'rust'"):
        gd.set_backend("rust")
    with pytest.raises(ValueError, match="'rust'"):
        resolve_backend("rust")
    monkeypatch.setenv("FASTGD_BACKEND", "rust")
    with pytest.raises(ValueError, match="FASTGD_BACKEND"):
        config.get_backend()


@pytest.fixture
def without_gpu(monkeypatch):
    """As on a machine on which nothing for a GPU is installed."""
    found = importlib.util.find_spec
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "numba_cuda" else found(name)
    )
    device.missing.cache_clear()
    yield
    device.missing.cache_clear()


def test_what_is_missing_for_a_gpu(without_gpu, capsys):
    one_line = r"^backend 'cuda' cannot be used: numba-cuda is not installed: pip install .*$"
    with pytest.raises(RuntimeError, match=one_line):
        resolve_backend("cuda")
    with pytest.raises(RuntimeError, match=one_line):
        gd.Adam(backend="cuda")
    gd.show_config()
    assert "backend cuda: numba-cuda is not installed" in capsys.readouterr().out
    assert installation.config()["gpu"] is None


def test_a_driver_that_is_missing_is_said_in_one_line(monkeypatch):
    device.missing.cache_clear()
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    driver = SimpleNamespace(
        is_available=lambda: False, cuda_error=lambda: "Error:\n\nno driver\n:"
    )
    monkeypatch.setitem(sys.modules, "numba.cuda", driver)
    monkeypatch.setattr("numba.cuda", driver, raising=False)
    assert device.missing() == "no CUDA driver was found: Error no driver"
    device.missing.cache_clear()


def test_the_parts_for_the_processor_need_no_gpu():
    """Nothing of CUDA is imported by what runs on the CPU."""
    code = (
        "import sys, numpy as np, fastgd as gd\n"
        "gd.Adam().step([np.ones(3)], [np.ones(3)])\n"
        "gd.sweep(gd.Quadratic([[1.0]]), gd.SGD(), {'lr': [0.1]})\n"
        "gd.MLP([2, 2]).fit(np.ones((3, 2)), [0, 1, 0], epochs=1)\n"
        "names = [m for m in sys.modules if m.startswith(('numba', 'cupy', 'cuda.'))]\n"
        "assert not names, names\n"
        "ours = sorted(m for m in sys.modules if m.startswith('fastgd.engines.cuda.'))\n"
        "assert ours == ['fastgd.engines.cuda.arrays'], ours\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_auto_takes_the_first_that_is_supported_and_present(monkeypatch):
    reasons = {}
    monkeypatch.setattr(backends, "missing", lambda name: reasons.get(name, ""))
    assert resolve_backend() == "cython"
    assert resolve_backend(supports=("numpy", "numba")) == "numba"
    reasons["cython"] = "not built"
    assert resolve_backend() == "numba"
    reasons["numba"] = "not installed"
    assert resolve_backend() == "numpy"
    with pytest.raises(RuntimeError, match="not built"):
        resolve_backend("cython")
    with pytest.raises(RuntimeError, match="not installed"):
        resolve_backend(supports=("numba",))


def test_own_request_must_be_supported_but_the_process_preference_need_not(monkeypatch):
    monkeypatch.setattr(backends, "missing", lambda name: "")
    with pytest.raises(ValueError, match="does not have this"):
        resolve_backend("cython", supports=("numpy", "numba"))
    gd.set_backend("cython")
    assert resolve_backend(supports=("numpy", "numba")) == "numba"


def test_threads(monkeypatch):
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert config.get_num_threads() == available
    monkeypatch.setenv("FASTGD_NUM_THREADS", "3")
    assert config.get_num_threads() == 3
    gd.set_num_threads(5)
    assert config.get_num_threads() == 5
    assert config.get_num_threads(7) == 7


@pytest.mark.parametrize(
    ("value", "error"),
    [(0, ValueError), (-1, ValueError), (True, TypeError), (1.0, TypeError), ("2", TypeError)],
)
def test_bad_threads(value, error):
    with pytest.raises(error, match="n_threads"):
        gd.set_num_threads(value)
    with pytest.raises(error, match="n_threads"):
        config.get_num_threads(value)


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5"])
def test_bad_threads_in_environment(monkeypatch, value):
    monkeypatch.setenv("FASTGD_NUM_THREADS", value)
    with pytest.raises(ValueError, match="FASTGD_NUM_THREADS"):
        config.get_num_threads()


def test_show_config(capsys):
    gd.show_config()
    printed = capsys.readouterr().out
    found = installation.config()
    assert f"fastgd {gd.__version__}" in printed
    assert f"threads {found['threads']}" in printed
    for name, reason in found["backends"].items():
        assert f"backend {name}: {reason or 'present'}" in printed


def backend_with(target):
    """What a new process says under FASTGD_TARGET."""
    code = "from fastgd.engines.native import kernels as c; print(c.target())"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FASTGD_TARGET": target},
        capture_output=True,
        text=True,
        check=False,
    )


def test_kernel_target_can_be_forced():
    pytest.importorskip("fastgd.engines.native.steps")
    assert backend_with("base").stdout.strip() == "base"
    assert "FASTGD_TARGET must be one of" in backend_with("v9").stderr
