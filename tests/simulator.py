"""Numba's simulator of a card, made fit for many tests."""

import sys
from contextlib import contextmanager

import numpy as np


@contextmanager
def repaired():
    """Without two races between its threads; and these do not wait long for one another.

    It looks whether a shared array has been made and makes it, between which another thread may do the same: then each
    has its own. It goes over a module's names while another thread's first warning adds one. And Python lets a thread
    run for 5 ms before another, which threads that wait use up.
    """
    from fastgd.engines.cuda import device  # noqa: PLC0415

    if not device.simulated():
        yield
        return
    from numba import cuda  # noqa: PLC0415
    from numba.cuda.simulator import kernel  # noqa: PLC0415
    from numba.cuda.simulator.kernelapi import FakeCUDAShared  # noqa: PLC0415
    from numba.np.numpy_support import as_dtype  # noqa: PLC0415

    def array(self, shape, dtype):
        if not isinstance(dtype, type | np.dtype):
            dtype = as_dtype(dtype)
        caller = sys._getframe(1)
        place = caller.f_code.co_filename, caller.f_lineno
        return self._allocations.setdefault(place, np.empty(shape, dtype))  # in one step

    @contextmanager
    def swapped(function, pretended):
        names = function.__globals__
        own = [name for name, value in list(names.items()) if value is cuda]
        names.update(dict.fromkeys(own, pretended))
        try:
            yield
        finally:
            names.update(dict.fromkeys(own, cuda))

    before, interval = (FakeCUDAShared.array, kernel.swapped_cuda_module), sys.getswitchinterval()
    FakeCUDAShared.array, kernel.swapped_cuda_module = array, swapped
    sys.setswitchinterval(1e-4)
    try:
        yield
    finally:
        FakeCUDAShared.array, kernel.swapped_cuda_module = before
        sys.setswitchinterval(interval)
