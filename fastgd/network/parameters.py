"""A network's parameters: how they lie in memory and what they start from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_finite, as_real_array
from fastgd.engines.protocol.networks import Architecture, Array

_RECTIFIED = ("relu", "leaky_relu", "gelu", "softplus")  # activations for which "auto" means "he"
_CACHE_LINE = 64  # bytes


def parameter_views(a: Architecture) -> list[Array]:
    """Zeros of the shapes of the parameters, side by side in one block; each begins on a cache line."""
    line = _CACHE_LINE // a.dtype.itemsize
    shapes = a.shapes
    starts = np.cumsum([0, *(-(-math.prod(s) // line) * line for s in shapes)])
    raw = np.zeros(int(starts[-1]) + line, a.dtype)
    block = raw[-raw.ctypes.data % _CACHE_LINE // a.dtype.itemsize :][: int(starts[-1])]
    return [
        block[start : start + math.prod(s)].reshape(s)
        for start, s in zip(starts[:-1].tolist(), shapes, strict=True)
    ]


def numbered_names(a: Architecture) -> tuple[str, ...]:
    """A name for each single parameter: "W0[0, 0]", ..., "b0[0]", ..."""
    return tuple(
        f"{name}[{', '.join(map(str, place))}]"
        for name, shape in zip(a.names, a.shapes, strict=True)
        for place in np.ndindex(shape)
    )


@dataclass(frozen=True)
class Initialization:
    """How initial parameters are drawn: weights as `init` says, times `init_scale`, plus `init_mean`; biases are 0.

    Attributes
    ----------
    init : str
    init_scale, init_mean : float or tuple of float
        One number, or one for each layer.
    """

    init: str
    init_scale: float | tuple[float, ...] = 1.0
    init_mean: float | tuple[float, ...] = 0.0

    @classmethod
    def checked(cls, a: Architecture, init: Any, init_scale: Any, init_mean: Any) -> Self:
        """From the arguments of `fastgd.MLP`."""
        if init not in ("auto", "he", "glorot"):
            raise ValueError(f"init must be 'auto', 'he' or 'glorot', got {init!r:.60}")
        scale = _number_or_one_for_each("init_scale", init_scale, a.layers)
        return cls(str(init), scale, _number_or_one_for_each("init_mean", init_mean, a.layers))

    def write(self, params: Sequence[Array], a: Architecture, seed: int) -> None:
        """Draw initial parameters in place."""
        rng = np.random.default_rng(seed)
        scales, means = (spread(v, a.layers) for v in (self.init_scale, self.init_mean))
        for layer in range(a.layers):
            w, *biases = (params[k] for k in a.layer(layer))
            kind = self.init
            if kind == "auto":
                feeds_rectifier = layer < a.layers - 1 and a.activation in _RECTIFIED
                kind = "he" if feeds_rectifier else "glorot"
            w[...] = _initial_weights(rng, w.shape, kind) * scales[layer] + means[layer]
            for b in biases:
                b[...] = 0


def spread(value: float | tuple[float, ...], layers: int) -> tuple[float, ...]:
    """One number for each layer."""
    return value if isinstance(value, tuple) else (value,) * layers


def _number_or_one_for_each(name: str, value: Any, layers: int) -> float | tuple[float, ...]:
    if not isinstance(value, list | tuple | np.ndarray) or np.ndim(value) == 0:
        return as_finite(name, value)
    if len(value) != layers:
        raise ValueError(
            f"{name} must be a number or one for each of the {layers} layers, got {value!r:.60}"
        )
    return tuple(as_finite(f"{name}[{k}]", one) for k, one in enumerate(value))


def given_parameters(name: str, value: Any, a: Architecture) -> list[Array]:
    """Parameters that a caller gives, as a list of arrays or all in one flat array; copies in the network's dtype."""
    shapes = a.shapes
    sizes = [math.prod(shape) for shape in shapes]
    arrays = value if isinstance(value, list | tuple) and any(map(np.ndim, value)) else None
    if arrays is None:
        flat = as_real_array(name, value)
        if flat.shape != (sum(sizes),):
            raise ValueError(
                f"{name} must be the {len(shapes)} arrays of the network's params or its {sum(sizes):,} numbers, "
                f"got shape {flat.shape}"
            )
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        arrays = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    if len(arrays) != len(shapes):
        raise ValueError(f"{name} must be {len(shapes)} arrays {a.names}, got {len(arrays)}")
    found = []
    for own, given, shape in zip(a.names, arrays, shapes, strict=True):
        array = as_real_array(f"{name}, {own},", given)
        if array.shape != shape:
            raise ValueError(f"{name}, {own}, must have shape {shape}, got {array.shape}")
        with np.errstate(over="ignore"):
            found.append(np.array(array, a.dtype, order="C"))
        if not np.isfinite(found[-1]).all():
            raise ValueError(f"{name}, {own}, must be finite in {a.dtype.name}")
    return found


def _initial_weights(
    rng: np.random.Generator, shape: tuple[int, ...], kind: str
) -> NDArray[np.float64]:
    """Normal weights (He et al., 2015) or uniform ones (Glorot & Bengio, 2010)."""
    fan_in, fan_out = shape
    if kind == "he":
        return rng.normal(0.0, math.sqrt(2.0 / fan_in), shape)
    limit = math.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, shape)
