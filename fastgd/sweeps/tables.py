"""Tables with a row for each run: a sweep's result as columns, and large arrays of a sweep of networks."""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Status
from fastgd.files import atomic_write
from fastgd.sweeps.axis_values import as_column, shown_axes
from fastgd.sweeps.contents import Contents
from fastgd.sweeps.regimes import NAMES

if TYPE_CHECKING:
    import pandas as pd

STATUSES = tuple(sorted(Status))
STATUS_NAMES = tuple(status.label for status in STATUSES)
REGIME_NAMES: tuple[str, ...] = tuple(NAMES.tolist())
_UNKNOWN = 4 << 30  # bytes that may be used where the system does not tell how many there are


def most_bytes() -> int:
    """Half of the machine's memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN


def table(asked: str, runs: int, numbers: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """NaN for each run and number; ValueError, which names what was asked for, if they need too much memory."""
    check_room(
        asked, runs * numbers * dtype.itemsize, f"{numbers:,} numbers of each of {runs:,} runs"
    )
    return np.full((runs, numbers), np.nan, dtype)


def check_room(asked: str, needed: int, what: str) -> None:
    """ValueError, which names what was asked for, if so many bytes are too many."""
    most = most_bytes()
    if needed > most:
        raise ValueError(
            f"{asked} needs {needed / 1e6:,.0f} MB for {what}; "
            f"it may take {most / 1e6:,.0f} MB, half of the memory"
        )


@dataclass(frozen=True)
class Labels:
    """A column of texts that come again and again: a code for each row, and the text of each code."""

    codes: NDArray[np.integer[Any]]
    texts: tuple[str, ...]

    @classmethod
    def at(cls, texts: Iterable[str], places: NDArray[np.intp]) -> Labels:
        """The texts at these places, each of them once."""
        code_of: dict[str, int] = {}
        codes = np.array([code_of.setdefault(text, len(code_of)) for text in texts], np.int32)
        return cls(codes[places], tuple(code_of))


Columns = dict[str, NDArray[Any] | Labels]


def places_along(shape: tuple[int, ...], axis: int) -> NDArray[np.intp]:
    """Where on an axis each run stands; runs are counted with the last axis varying fastest."""
    places = np.arange(shape[axis]).reshape(-1, *(1,) * (len(shape) - axis - 1))
    return np.broadcast_to(places, shape).reshape(-1)


def columns_of(result: Contents, names: Sequence[str], *, spelled: bool = False) -> Columns:
    """The columns of a sweep's table: axes, outcomes, and the final parameters of these names.

    With `spelled` the numbers of a grid's axes are texts too, so that none is spelled again for every run.
    """
    columns: Columns = {}
    for k, (name, values) in enumerate(shown_axes(result.kept_axes).columns.items()):
        column, index = as_column(values), places_along(result.shape, 0 if result.paired else k)
        if column.dtype == object or (spelled and not result.paired):
            columns[name] = Labels.at(map(str, column.tolist()), index)
        else:
            columns[name] = column[index]
    last = "slope" if result.metric is None else "metric"
    rows = result.x.reshape(result.size, -1)
    for name, column in (
        ("status", Labels(result.status.ravel() - np.int8(STATUSES[0]), STATUS_NAMES)),
        ("regime", Labels(result.regime_codes.ravel(), REGIME_NAMES)),
        *((name, getattr(result, name).ravel()) for name in ("iterations", "loss", last)),
        *((name, rows[:, k]) for k, name in enumerate(names)),
    ):
        columns[free_name(name, columns)] = column
    return columns


def free_name(name: str, taken: Container[str]) -> str:
    """The name, or `final_<name>` if something else is called so."""
    while name in taken:
        name = f"final_{name}"
    return name


def as_frame(columns: Columns, *, categorical: bool = False) -> pd.DataFrame:
    """A pandas table; of texts that repeat, categories or the texts themselves."""
    import pandas as pd  # noqa: PLC0415  (heavy)

    def made(column: NDArray[Any] | Labels) -> Any:
        if not isinstance(column, Labels):
            return column
        if categorical:
            return pd.Categorical.from_codes(column.codes, column.texts)
        return pd.Index(column.texts).take(column.codes)

    return pd.DataFrame({name: made(column) for name, column in columns.items()})


def write_parquet(
    columns: Columns, path: str | PathLike[str], about: Mapping[str, Any], compression: str | None
) -> None:
    """Write columns as Parquet, whole or not at all; `about` is kept as JSON in the file's metadata."""
    import pyarrow as pa  # noqa: PLC0415  (heavy)
    from pyarrow import parquet  # noqa: PLC0415

    def made(column: NDArray[Any] | Labels) -> Any:
        if isinstance(column, Labels):
            return pa.DictionaryArray.from_arrays(column.codes, list(column.texts))
        return pa.array(column)

    arrays = {name: made(column) for name, column in columns.items()}
    table = pa.table(arrays, metadata={"fastgd": json.dumps(about)})
    with atomic_write(path) as file:
        parquet.write_table(
            table,
            file,
            compression=compression or "none",
            use_dictionary=[n for n, column in columns.items() if isinstance(column, Labels)],
            # numbers of one size have the same first bytes, which shrink where they stand together
            use_byte_stream_split=[n for n, a in arrays.items() if pa.types.is_floating(a.type)],
        )
