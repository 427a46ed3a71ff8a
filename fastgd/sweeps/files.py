"""The file of a saved sweep: a NumPy archive that needs no pickle to be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.files import atomic_write
from fastgd.sweeps.axis_values import as_array, from_array, kind_of
from fastgd.sweeps.regimes import NAMES

_FORMAT = "fastgd sweep 2"
_OLDER = ("fastgd sweep 1",)  # regimes as text


def write(
    path: str | PathLike[str],
    axes: Mapping[str, tuple[Any, ...]],
    arrays: Mapping[str, NDArray[Any]],
    scalars: Mapping[str, Any],
) -> None:
    """Write a sweep under exactly this name, whole or not at all."""
    kinds = {name: kind_of(values) for name, values in axes.items()}
    about = {"format": _FORMAT, "axes": kinds, "regimes": NAMES.tolist(), "scalars": scalars}
    members: dict[str, Any] = {**arrays, "about": np.array(json.dumps(about))}
    for k, values in enumerate(axes.values()):
        members[f"axis{k}"] = as_array(values)
    with atomic_write(path) as file:
        np.savez_compressed(file, **members)


def read(path: str | PathLike[str]) -> dict[str, Any]:
    """The axes, arrays and scalars that `write` was given, in one dictionary.

    Raises
    ------
    ValueError
        If the file has another format.
    Exception
        Whatever a damaged file leads to.
    """
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    about = json.loads(str(arrays.pop("about")))
    if about["format"] == _FORMAT:
        arrays["regime"] = np.array(about["regimes"], np.str_)[arrays["regime"]]
    elif about["format"] not in _OLDER:
        raise ValueError(f"format {about['format']!r}, wanted {_FORMAT!r}")
    axes = {
        name: from_array(arrays.pop(f"axis{k}"), kind)
        for k, (name, kind) in enumerate(about["axes"].items())
    }
    return {"axes": axes, **arrays, **about["scalars"]}
