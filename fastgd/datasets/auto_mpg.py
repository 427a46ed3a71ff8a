"""The Auto-MPG data (Quinlan, 1993)."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.datasets.files import (
    RAW,
    Dataset,
    File,
    Substitute,
    Unusable,
    canonical_text,
    find,
)
from fastgd.extras import require

_CAR_COLUMNS = {
    "cylinders": "cylinders",
    "displacement": "displacement (cu in)",
    "horsepower": "horsepower (hp)",
    "weight": "weight (lb)",
    "acceleration": "acceleration (s to 60 mph)",
    "model_year": "model_year (19..)",
    "origin": "origin (1 USA, 2 Europe, 3 Japan)",
}


def _parse_auto_mpg(path: Path) -> tuple[Any, bytes]:
    require("fastgd.datasets.load_auto_mpg", "pandas")
    import pandas as pd  # noqa: PLC0415

    with path.open(encoding="utf-8-sig") as stream:
        first = stream.readline().split()
    # Some copies add a line of names.
    header = int(not first or not first[0].replace(".", "", 1).isdigit())
    table = pd.read_csv(
        path,
        sep=r"\s+",
        header=None,
        skiprows=header,
        dtype=str,
        keep_default_na=False,
        compression=None,
    )
    if table.shape[1] != 9:
        raise Unusable(f"must have nine columns, has {table.shape[1]}")
    cells = table.to_numpy().astype(str)
    return _numbers(cells[:, :8]), canonical_text(cells)


def _numbers(cells: NDArray[np.str_]) -> NDArray[np.float64]:
    return np.where(cells == "?", "nan", cells).astype(np.float64)


# SHA-256 of the numbers of the known file, as `canonical_text` of their shortest texts.
_KNOWN_NUMBERS = "516487da238b6743d5a2de813496b72527363a17c35609ce15b80882cbea29f8"
_YEAR_81 = (
    29  # cars of 1981, which vega-datasets calls 1982; the rows are in the order of the years
)


_NAMES_OF_VEGA = (
    "Miles_per_Gallon", "Cylinders", "Displacement", "Horsepower", "Weight_in_lbs", "Acceleration", "Year", "Origin",
)  # fmt: skip


def _number(cell: float | str | None) -> float:
    """A cell of vega-datasets: a number, a date as 1970-01-01, a continent, or nothing."""
    if isinstance(cell, str):
        return {"USA": 1.0, "Europe": 2.0, "Japan": 3.0}.get(cell) or float(cell[2:4])
    return math.nan if cell is None else float(cell)


def _from_vega() -> list[Any]:
    """The numbers of the file from the package vega-datasets, which spells a missing value differently.

    Raises
    ------
    ValueError
        If a version of the package has other numbers.
    """
    from vega_datasets import local_data  # noqa: PLC0415

    cars = [car for car in json.loads(local_data.cars.raw()) if car["Miles_per_Gallon"] is not None]
    table = np.array([[_number(car[name]) for name in _NAMES_OF_VEGA] for car in cars])
    last = np.flatnonzero(table[:, 6] == 82)
    table[last[:_YEAR_81], 6] = 81
    found = hashlib.sha256(canonical_text(np.char.mod("%g", table))).hexdigest()
    if found != _KNOWN_NUMBERS:
        raise ValueError(
            "the cars of the installed vega-datasets are not the known ones: the SHA-256 of their numbers is "
            f"{found}, not {_KNOWN_NUMBERS}; name a file by path, or uninstall that version"
        )
    return [table]


_AUTO_MPG = File(
    "auto-mpg/auto-mpg.data",
    (
        f"{RAW}/edwibedi/Auto-MPG/92fb6b4cd49c752300e0b726bb21730a524b0c20/auto-mpg.data",
        f"{RAW}/sbutz/dmi/a9ebfb5e6a7a67e56c91cc7537671151ee966adb/auto-mpg.data",
    ),
    "7432238b8bea2fa5807adeb7701cb0b6838caec96de12325fa151c81bb31c827",
    parse=_parse_auto_mpg,
)


def load_auto_mpg(
    path: str | os.PathLike[str] | None = None,
    *,
    features: Sequence[str] | None = None,
    download: bool = True,
    check: bool = True,
) -> Dataset:
    """Load Auto MPG: fuel consumption of 398 cars, 1970-82 (UCI Machine Learning Repository; Quinlan, 1993).

    Parameters
    ----------
    path : path, optional
        The file ``auto-mpg.data``, or its folder.
    features : sequence of str, optional
        Columns to load, of cylinders, displacement, horsepower, weight, acceleration, model_year, origin; all by
        default. Six cars have no horsepower; with this column 392 rows remain.
    download : bool, default True
        Whether the file may be downloaded.
    check : bool, default True
        Whether `path` or ``FASTGD_DATA`` must hold the known data.

    Returns
    -------
    Dataset
        ``data`` float64 of shape (rows, features), ``target`` (miles per gallon) float64 of shape (rows,). The
        package ``vega-datasets`` has all of it. The stand-in is scikit-learn's diabetes set, 442 rows, with the same
        number of columns.

    Raises
    ------
    ValueError
        If the named file cannot be read or is not the known one, or if a feature is unknown.

    Examples
    --------
    >>> from fastgd import datasets
    >>> cars = datasets.load_auto_mpg(features=["cylinders", "weight"], download=False)
    >>> cars.data.shape[1], len(cars.feature_names)
    (2, 2)
    """
    wanted = _wanted_columns(features)
    package = Substitute("", "from the package vega-datasets", _from_vega, "vega_datasets")
    diabetes = Substitute(
        "scikit-learn's diabetes set",
        "STAND-IN: scikit-learn's diabetes set (442 rows) instead of Auto MPG",
        lambda: [_diabetes(len(wanted))],
    )
    found = find([_AUTO_MPG], path, download, check, [package, diabetes])
    told, (table,) = found.told(), found.tables
    if found.instead:
        return Dataset(name="auto-mpg", **told, **table)
    order = list(_CAR_COLUMNS)
    data, target = table[:, [1 + order.index(name) for name in wanted]], table[:, 0]
    complete = np.isfinite(data).all(axis=1) & np.isfinite(target)
    if not complete.all():
        left_out = f"{int((~complete).sum())} rows with a missing value are left out"
        told["notes"] = (*found.notes, left_out)
    return Dataset(
        name="auto-mpg",
        data=np.ascontiguousarray(data[complete]),
        target=np.ascontiguousarray(target[complete]),
        feature_names=tuple(_CAR_COLUMNS[name] for name in wanted),
        target_name="consumption (mpg)",
        index=np.flatnonzero(complete) + 1,
        **told,
    )


def _wanted_columns(features: Sequence[str] | None) -> tuple[str, ...]:
    wanted = tuple(_CAR_COLUMNS) if features is None else tuple(features)
    if isinstance(features, str) or not wanted or any(name not in _CAR_COLUMNS for name in wanted):
        raise ValueError(f"features must be some of {', '.join(_CAR_COLUMNS)}, got {features!r}")
    return wanted


def _diabetes(columns: int) -> dict[str, Any]:
    """Fields of a `Dataset`: age, sex, bmi, blood pressure and six serum measurements, unscaled."""
    require("The stand-in for Auto MPG", "sklearn")
    from sklearn.datasets import load_diabetes  # noqa: PLC0415

    diabetes = load_diabetes(scaled=False)
    return {
        "data": np.ascontiguousarray(diabetes.data[:, :columns], dtype=np.float64),
        "target": diabetes.target.astype(np.float64),
        "feature_names": tuple(diabetes.feature_names[:columns]),
        "target_name": "disease progression",
    }
