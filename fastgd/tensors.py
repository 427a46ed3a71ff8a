"""Tensors of other libraries as NumPy arrays in the same memory: PyTorch's, JAX's, and whatever speaks DLPack.

No library is imported for it: whoever has a tensor has imported its library.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

_HOST = (
    1,
    3,
    11,
)  # device types of DLPack whose memory the processor reads: plain, and pinned for a GPU
_OF_A_PACKAGE = 2  # what `numpy.dtype.isbuiltin` says of dtypes such as bfloat16


def is_tensor(value: Any) -> bool:
    """Whether this is a tensor of another library, on whatever device."""
    return hasattr(type(value), "__dlpack_device__") and not issubclass(type(value), np.ndarray)


def as_array(name: str, value: Any, *, shared: bool = False) -> Any:
    """A tensor as a NumPy array of its memory; what is no tensor as it is.

    Parameters
    ----------
    name : str
        The argument, for messages.
    value : object
    shared : bool, default False
        Whether it must be the tensor's own memory, so that the tensor sees what is written there. If not, a library
        may hand over a copy, though none of those that are known does.

    Returns
    -------
    ndarray or object

    Raises
    ------
    TypeError, ValueError
        If a tensor lies on another device, requires gradients or has a dtype that NumPy lacks. The message says what
        to give instead.
    """
    if not is_tensor(value):
        return value
    torch = sys.modules.get("torch")
    of_torch = torch is not None and isinstance(value, torch.Tensor)
    if not (value.is_cpu if of_torch else _is_on_host(value)):
        raise ValueError(
            f"{name} is {described(value)} on {_device(value)}; wanted one in the memory of the host, such as "
            f"{_brought_home(name, value, of_torch)}"
        )
    try:
        if of_torch:
            array = value.numpy()  # never a copy
        elif shared or not hasattr(type(value), "__array__"):
            array = np.from_dlpack(value)
        else:
            array = np.asarray(value)
    except Exception as error:
        raise _refusal(name, value, error) from error
    if type(array) is not np.ndarray or array.dtype.isbuiltin == _OF_A_PACKAGE:
        raise _refusal(name, value, None)
    return array


def _is_on_host(value: Any) -> bool:
    try:
        return int(value.__dlpack_device__()[0]) in _HOST
    except Exception:  # a device that DLPack does not know
        return False


def described(value: Any) -> str:
    """A tensor and its library, for messages."""
    module = type(value).__module__.partition(".")[0]
    library = {"jaxlib": "jax"}.get(module, module)
    return f"a tensor of {library}"


def _device(value: Any) -> str:
    """The device as the library names it, or by its number in DLPack."""
    device = getattr(value, "device", None)
    try:
        return str(device) if device is not None else f"device {value.__dlpack_device__()}"
    except Exception:
        return "an unknown device"


def _brought_home(name: str, value: Any, of_torch: bool) -> str:
    """The expression that copies a tensor into the memory of the host."""
    if of_torch:
        return f"{name}.cpu()"
    return f"{name}.get()" if hasattr(type(value), "get") else f"numpy.asarray({name})"


def _refusal(name: str, value: Any, error: Exception | None) -> Exception:
    """Why a tensor in the host's memory is no array for NumPy, and what to give instead."""
    if getattr(value, "requires_grad", False) is True:
        return ValueError(
            f"{name} requires grad: give {name}.detach().numpy(), which shares its memory, or call this within "
            "torch.no_grad()"
        )
    dtype = str(getattr(value, "dtype", "unknown"))
    if "float8" in dtype or "bfloat16" in dtype:
        return ValueError(f"{name} has dtype {dtype}, which NumPy lacks; convert it to float32")
    reason = f": {error}" if error is not None else ""
    return TypeError(f"{name} is {described(value)} (dtype {dtype}) that NumPy cannot read{reason}")
