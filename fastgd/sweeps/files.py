"""The file of a saved sweep: a NumPy archive that needs no pickle to be read.

The text ``about`` names the axes and holds the scalars. Every array must have the shape that the axes say, and a file
may not unpack to more than `fastgd.archive.most_unpacked` allows one of its size, so that a small file cannot fill the
memory.

Only how runs ended is packed: iterations, as the smallest integers that hold them, statuses and regimes. These are a
quarter of a result's bytes and shrink to a tenth or less. Losses and parameters are stored: packing them would make
the file a quarter smaller and saving it ten times as slow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.archive import Archive, write_arrays
from fastgd.checks import as_count, as_dtype, as_finite, as_flag, as_number
from fastgd.descent.axes import Column
from fastgd.files import atomic_write
from fastgd.sweeps.arrays import ARRAYS, COUNTS, narrowed
from fastgd.sweeps.axis_values import as_array, kind_of
from fastgd.sweeps.regimes import NAMES
from fastgd.sweeps.rungs import Rungs

_FORMAT = "fastgd sweep 3"
_WITH_TEXTS = "fastgd sweep 1"  # regimes as text
_OLDER = ("fastgd sweep 2", _WITH_TEXTS)  # iterations as int64, all members packed
_PACKED = ("iterations", "status", "regime", "about")
_OBJECT = 32  # bytes of a number as a Python object in a tuple


def write(
    path: str | PathLike[str],
    axes: Mapping[str, Column],
    arrays: Mapping[str, NDArray[Any]],
    scalars: Mapping[str, Any],
) -> None:
    """Write a sweep under exactly this name, whole or not at all."""
    kinds = {name: kind_of(values) for name, values in axes.items()}
    about = {"format": _FORMAT, "axes": kinds, "regimes": NAMES.tolist(), "scalars": scalars}
    members: dict[str, Any] = {**arrays, "about": np.array(json.dumps(about))}
    members["iterations"] = narrowed(arrays["iterations"])
    for k, values in enumerate(axes.values()):
        members[f"axis{k}"] = as_array(values)
    with atomic_write(path) as file:
        write_arrays(file, members, packed=_PACKED)


def read(path: str | PathLike[str], max_bytes: int | None = None) -> dict[str, Any]:
    """The axes, arrays and scalars that `write` was given, in one dictionary.

    Parameters
    ----------
    path : str or path-like
    max_bytes : int, optional
        The most that the file may unpack to; by default what `fastgd.archive.most_unpacked` says.

    Raises
    ------
    ValueError
        If the file has another format, or would unpack to more.
    Exception
        Whatever a damaged file leads to.
    """
    with Path(path).open("rb") as file:
        archive = Archive(file, packed=True, most=max_bytes)
        about = archive.described(_FORMAT, *_OLDER)
        kinds, scalars = about["axes"], _checked_scalars(about["scalars"])
        lengths = [
            _checked_axis(archive, f"axis{k}", kind) for k, kind in enumerate(kinds.values())
        ]
        if scalars["paired"] and len(set(lengths)) != 1:
            raise ValueError("its axes are paired and not of one length")
        shape = tuple(lengths[:1] if scalars["paired"] else lengths)
        names = _checked_arrays(archive, shape, about["format"])
        unknown = set(archive.members) - {"about", *names, *(f"axis{k}" for k in range(len(kinds)))}
        if unknown:
            raise ValueError(f"it holds {min(unknown)!r}, which is not part of a sweep")
        axes = {name: archive.read(f"axis{k}") for k, name in enumerate(kinds)}
        arrays = {name: archive.read(name) for name in names}
        if about["format"] != _WITH_TEXTS:
            arrays["regime"] = _regimes(arrays["regime"], about["regimes"])
        return {"axes": axes, **arrays, **scalars}


def _checked_axis(archive: Archive, name: str, kind: Any) -> int:
    """How many values an axis of this kind has."""
    shape, dtype = archive.form(name)
    wanted = {"plain": (1, "biufU"), "tuple": (2, "iuf"), "label": (1, "U")}.get(kind)
    if wanted is None or len(shape) != wanted[0] or dtype.kind not in wanted[1]:
        raise ValueError(f"{name!r} is {shape} of {dtype}, not the values of an axis, {kind!r:.20}")
    if not shape[0] or math.prod(shape) * _OBJECT > archive.most:
        raise ValueError(f"{name!r} has {math.prod(shape):,} values, too few or too many")
    return shape[0]


def _regimes(codes: NDArray[np.uint8], names: Any) -> NDArray[Any]:
    """Codes of the names of this version, or the names themselves."""
    if names == NAMES.tolist():
        return codes
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its regimes have no names")
    return np.array(names, np.str_)[codes]


def _checked_arrays(archive: Archive, shape: tuple[int, ...], form: str) -> list[str]:
    """The names of the arrays, none of which is read unless all have the forms that the axes say."""
    wanted: dict[str, tuple[Any, ...]] = {name: (dtype,) for name, dtype in ARRAYS.items()}
    wanted["regime"] = (np.str_,) if form == _WITH_TEXTS else (np.uint8,)
    if form == _FORMAT:
        wanted["iterations"] = COUNTS
    if "metric" in archive.members:
        wanted["metric"] = (np.float64,)
    for name, dtypes in wanted.items():
        found, dtype = archive.form(name)
        if found != shape or not any(np.issubdtype(dtype.newbyteorder("="), d) for d in dtypes):
            raise ValueError(f"{name!r} is {found} of {dtype}, wanted {shape} of {dtypes[0]}")
    (*of_axes, count), real = archive.form("x")
    names, text = archive.form("parameter_names")
    if tuple(of_axes) != shape or real.kind != "f" or names != (count,) or text.kind != "U":
        raise ValueError(f"'x' is {(*of_axes, count)} of {real} for {names} of parameter names")
    given = [name for name in ("metric", "history") if name in archive.members]
    if "history" in given:
        (*of_axes, count), real = archive.form("history")
        if tuple(of_axes) != shape or real.kind != "f":
            raise ValueError(f"'history' is {(*of_axes, count)} of {real}")
    return [*ARRAYS, "regime", *given, "x", "parameter_names"]


def _checked_scalars(scalars: dict[str, Any]) -> dict[str, Any]:
    """The scalars, of which a file may lack those that later versions added."""
    checks: dict[str, Callable[[str, Any], Any]] = {
        "seconds": lambda name, value: as_finite(name, value, 0.0),
        "tol": as_number,
        "max_iter": as_count,
        "record": as_count,
        "vector_width": lambda name, value: as_count(name, value, 1),
        "paired": as_flag,
        "rungs": lambda _, value: Rungs.of_plain(value),
        "dtype": lambda name, value: as_dtype(_checked_text(name, value)).name,
        **dict.fromkeys(
            ("backend", "engine", "problem", "optimizer", "metric_name"), _checked_text
        ),
    }
    for name in scalars:
        if name not in checks:
            raise ValueError(f"it holds {name!r}, which is not part of a sweep")
    found = {name: checks[name](name, value) for name, value in scalars.items()}
    return {"paired": False, **found}


def _checked_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {value!r:.60}")
    return value
