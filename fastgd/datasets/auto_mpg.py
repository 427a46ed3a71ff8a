"""The Auto-MPG data (Quinlan, 1993)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastgd.datasets.files import (
    RAW,
    Dataset,
    File,
    Unusable,
    canonical_text,
    find_or_stand_in,
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
    numbers = np.where(cells[:, :8] == "?", "nan", cells[:, :8]).astype(np.float64)
    return numbers, canonical_text(cells)


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
        stand-in is scikit-learn's diabetes set, 442 rows, with the same number of columns.

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
    what = "scikit-learn's diabetes set (442 rows) instead of Auto MPG"
    source, (table,), notes = find_or_stand_in(
        [_AUTO_MPG], path, download, check, what, lambda: [_diabetes(len(wanted))]
    )
    if source == "stand-in":
        return Dataset(name="auto-mpg", source=source, notes=tuple(notes), **table)
    order = list(_CAR_COLUMNS)
    data, target = table[:, [1 + order.index(name) for name in wanted]], table[:, 0]
    complete = np.isfinite(data).all(axis=1) & np.isfinite(target)
    if not complete.all():
        notes.append(f"{int((~complete).sum())} rows with a missing value are left out")
    return Dataset(
        name="auto-mpg",
        source=source,
        data=np.ascontiguousarray(data[complete]),
        target=np.ascontiguousarray(target[complete]),
        feature_names=tuple(_CAR_COLUMNS[name] for name in wanted),
        target_name="consumption (mpg)",
        notes=tuple(notes),
        index=np.flatnonzero(complete) + 1,
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
