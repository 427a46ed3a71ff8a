"""Device arrays of other libraries, used in place: CuPy, PyTorch, JAX, Numba.

Anything with ``__cuda_array_interface__``, or DLPack with a CUDA device. Nothing is copied. Such an interface is a
claim about memory that nothing here can verify; of tensors and of the simulator's arrays, the library's own
description is taken, whatever the attributes of a subclass say.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastgd.checks import is_integer
from fastgd.engines.protocol.arrays import as_plain_array

_CUDA = 2  # device type in DLPack


def is_device_array(value: Any) -> bool:
    """Whether this array is on a GPU (in the simulator: claims to be)."""
    if issubclass(type(value), np.ndarray):
        return False
    if hasattr(type(value), "__dlpack_device__"):  # PyTorch's tensors have both, on the CPU too
        try:
            return int(value.__dlpack_device__()[0]) == _CUDA
        except Exception:  # a device that DLPack does not know
            return False
    return hasattr(type(value), "__cuda_array_interface__") or _is_simulated(value)


def _is_simulated(value: Any) -> bool:
    return type(value).__name__ == "FakeCUDAArray" and type(value).__module__.startswith("numba")


class Found(NamedTuple):
    """Address and form of a device array.

    Attributes
    ----------
    address : int
    shape : tuple of int
    dtype : numpy dtype
    stream : int or None
        The stream on which its contents are computed, if its owner says so.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stream: int | None

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes it occupies."""
        return self.size * self.dtype.itemsize


def found(name: str, value: Any, *, written: bool = False) -> Found:
    """Describe an array on the GPU; `written` says that it will be changed.

    Raises
    ------
    TypeError
        If it is not a device array.
    ValueError
        If it is not C-contiguous, or is to be written but read-only.
    """
    if not is_device_array(value):
        got = "None" if value is None else type(value).__name__
        raise TypeError(f"{name} must be an array on the GPU as the others are, got {got}")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _of_torch(name, value, torch)
    interface = _interface(name, value)
    address, read_only = interface["data"]
    shape, dtype = tuple(interface["shape"]), np.dtype(interface["typestr"])
    if not all(is_integer(length) and length >= 0 for length in shape):
        raise ValueError(f"{name} says that its shape is {shape}")
    if written and read_only:
        raise ValueError(f"{name} is read-only; it must be writeable")
    if not _side_by_side(shape, interface.get("strides"), dtype.itemsize):
        raise ValueError(
            f"{name} must be C-contiguous on the GPU, got strides {interface['strides']}"
        )
    return Found(int(address or 0), shape, dtype, interface.get("stream"))


def _interface(name: str, value: Any) -> Any:
    if _is_simulated(value):
        interface = dict(as_plain_array(name, value._ary).__array_interface__)
        interface["strides"] = interface["strides"] or None
        return interface
    if hasattr(type(value), "__cuda_array_interface__"):
        return value.__cuda_array_interface__
    try:
        import cupy  # noqa: PLC0415
    except ImportError:
        raise TypeError(
            f"{name} is a {type(value).__name__}, which has no __cuda_array_interface__; taking it by DLPack needs CuPy"
        ) from None
    return cupy.from_dlpack(value).__cuda_array_interface__


def _of_torch(name: str, value: Any, torch: Any) -> Found:
    """Read a tensor's attributes: its interface takes ten times as long and refuses tensors that require gradients."""
    if not _is_own_tensor(value, torch):
        with torch._C.DisableTorchFunctionSubclass():
            value = torch.Tensor.as_subclass(value, torch.Tensor)
    known: dict[Any, np.dtype[Any]] = {torch.float32: np.dtype("f4"), torch.float64: np.dtype("f8")}
    dtype = known.get(value.dtype)
    if dtype is None:
        raise ValueError(f"{name} must have dtype float32 or float64, got {value.dtype}")
    if not value.is_contiguous():
        raise ValueError(f"{name} must be C-contiguous on the GPU, got strides {value.stride()}")
    return Found(value.data_ptr(), tuple(value.shape), dtype, None)


def _is_own_tensor(value: Any, torch: Any) -> bool:
    """Whether the attributes are PyTorch's own, not those of a subclass."""
    return type(value) is torch.Tensor or type(value) is torch.nn.Parameter


def places_of_tensors(values: list[Any], shapes: list[Any], dtypes: list[str]) -> list[int] | None:
    """Addresses of PyTorch tensors of the expected forms, in a microsecond each; None if `found` must look at them."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    kinds = {"float32": torch.float32, "float64": torch.float64}
    places = []
    for value, shape, dtype in zip(values, shapes, dtypes, strict=True):
        if not (
            _is_own_tensor(value, torch)
            and value.is_cuda
            and value.dtype is kinds[dtype]
            and value.shape == shape
            and value.is_contiguous()
        ):
            return None
        places.append(value.data_ptr())
    return places


def _side_by_side(shape: tuple[int, ...], strides: tuple[int, ...] | None, itemsize: int) -> bool:
    if strides is None:
        return True
    expected = itemsize
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if length > 1 and stride != expected:
            return False
        expected *= length
    return True


def stream_of(arrays: Sequence[Any], described: Sequence[Found] = ()) -> Any:
    """The caller's stream: PyTorch's current one for tensors, else the one that the arrays name, else the default."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(arrays[0], torch.Tensor):
        return _external(int(torch.cuda.current_stream(arrays[0].device).cuda_stream))
    for one in described:
        if one.stream is not None:
            return _external(int(one.stream))
    return 0


@lru_cache(maxsize=64)
def _external(handle: int) -> Any:
    """A stream by its handle; 0, 1 and 2 denote default streams."""
    if handle in {0, 1}:
        return 0
    from numba import cuda  # noqa: PLC0415

    return cuda.per_thread_default_stream() if handle == 2 else cuda.external_stream(handle)


def check_overlap(
    names: Sequence[str], places: Sequence[int], nbytes: Sequence[int], n_written: int
) -> None:
    """Check that none of the first `n_written` arrays, which are written, shares memory with another array.

    Raises
    ------
    ValueError
        If two do; the message names both.
    """
    order = sorted((k for k, size in enumerate(nbytes) if size), key=places.__getitem__)
    # By whether an array is written: the furthest end so far, and the array that has it.
    reach: dict[bool, tuple[int, int]] = {}
    for k in order:
        start, written = places[k], k < n_written
        for other_written, (end, j) in reach.items():
            if start < end and (written or other_written):
                first, second = sorted((names[j], names[k]), reverse=True)
                raise ValueError(f"{first} overlaps {second} in memory")
        end = start + nbytes[k]
        if end > reach.get(written, (0, 0))[0]:
            reach[written] = end, k
