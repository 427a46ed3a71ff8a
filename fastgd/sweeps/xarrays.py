"""A sweep as an `xarray.Dataset`: its arrays with names and axes as coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.sweeps.axis_values import as_column, shown_axes
from fastgd.sweeps.contents import Contents
from fastgd.sweeps.tables import STATUS_NAMES, STATUSES, free_name

if TYPE_CHECKING:
    import xarray as xr


def as_dataset(result: Contents, about: Mapping[str, Any]) -> xr.Dataset:
    """The data set of `SweepResult.to_xarray`, with `about` as its attributes."""
    import xarray as xr  # noqa: PLC0415  (heavy)

    axes = {
        name: as_column(values) for name, values in shown_axes(result.kept_axes).columns.items()
    }
    dims = ("run",) if result.paired else tuple(axes)
    coords = {name: ("run" if result.paired else name, _spelled(axes[name])) for name in axes}
    arrays = _arrays(result)
    variables: dict[str, Any] = {free_name(n, axes): (dims, array) for n, array in arrays.items()}
    if result.x.shape[-1]:
        last = free_name("parameter", axes)
        variables[free_name("x", axes)] = ((*dims, last), result.x)
        coords[last] = (last, np.array(result.parameter_names, np.str_))
    if result.history is not None:
        last = free_name("record", axes)
        variables[free_name("history", axes)] = ((*dims, last), result.history)
        coords[last] = (last, result.record * np.arange(result.history.shape[-1]))
    return xr.Dataset(variables, coords, dict(about))


def _arrays(result: Contents) -> dict[str, NDArray[Any]]:
    """The arrays that are shaped like the axes, statuses as texts."""
    last = "slope" if result.metric is None else "metric"
    return {
        "iterations": result.iterations,
        "status": np.array(STATUS_NAMES)[result.status - STATUSES[0]],
        "regime": result.regime,
        "loss": result.loss,
        last: getattr(result, last),
    }


def _spelled(column: NDArray[Any]) -> NDArray[Any]:
    """Texts as NumPy's own, which every format of xarray can hold."""
    return column.astype(np.str_) if column.dtype == object else column
