"""Code for a GPU, on a machine without one: what the compiler makes of a kernel."""

import re
import types
from collections import Counter
from importlib.util import find_spec

import pytest

CAPABILITY = (9, 0)


def needs_compiler():
    """Skip where Numba's compiler for GPUs, or NVIDIA's library that it calls, is not installed."""
    if find_spec("numba_cuda") is None:
        pytest.skip("needs numba-cuda")
    from numba import cuda  # noqa: PLC0415

    try:
        cuda.compile_ptx(lambda: None, (), cc=CAPABILITY)
    except Exception as error:
        pytest.skip(f"needs NVVM and NVRTC: {type(error).__name__}")


def pretend_gpu(monkeypatch):
    """Kernels are made for this GPU; device functions are compiled when they are called, for the current GPU."""
    import numba.cuda.dispatcher  # noqa: PLC0415

    from fastgd.engines.cuda import device  # noqa: PLC0415

    gpu = device.Gpu("pretended", CAPABILITY, 132, 80 << 30, 256)
    monkeypatch.setattr(device, "gpu", lambda: gpu)
    current = types.SimpleNamespace(compute_capability=CAPABILITY)
    monkeypatch.setattr(numba.cuda.dispatcher, "get_current_device", lambda: current)


def ptx_of(kernel, *kinds):
    """The text of a kernel; `kinds` are names of Numba's types of its arguments."""
    from numba import cuda  # noqa: PLC0415
    from numba import types as nt  # noqa: PLC0415

    text, _ = cuda.compile_ptx(kernel.py_func, tuple(getattr(nt, k) for k in kinds), cc=CAPABILITY)
    return text


def instructions(ptx):
    """How often each instruction on real numbers occurs."""
    return Counter(re.findall(r"\t([a-z0-9._]+\.f(?:32|64))\b", ptx))


def assert_unfused(ptx):
    """No product is fused with a sum: the bits are the CPU's. (Inside a quotient or a root that is harmless.)"""
    assert "fma." not in ptx
    rounded = {name for name in instructions(ptx) if name.startswith(("div", "sqrt"))}
    assert all(".rn." in name for name in rounded), rounded


def assert_single(ptx):
    """Nothing is computed in double."""
    assert ".f64" not in ptx
