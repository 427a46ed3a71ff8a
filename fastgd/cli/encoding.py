"""How the columns of a file become the inputs of a model, and a model's weights those of the columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.columns import MOST_NAMES, as_inputs, complete
from fastgd.cli.dates import Days
from fastgd.cli.words import several

if TYPE_CHECKING:
    import pandas as pd


Float = NDArray[np.float64]
Scale = Literal["minmax", "standard", "none"]


@dataclass(frozen=True)
class Feature:
    """A column as inputs.

    Attributes
    ----------
    name : str
    offset, width : float
        A number is the input (x - offset) / width.
    levels : tuple of str
        Of a category: one input of 0 or 1 for each.
    dates : Days, optional
        How a date becomes a number.
    """

    name: str
    offset: float = 0.0
    width: float = 1.0
    levels: tuple[str, ...] = ()
    dates: Days | None = None

    @property
    def inputs(self) -> list[str]:
        """The names of its inputs."""
        if self.levels:
            return [f"{self.name}={level}" for level in self.levels]
        return [self.name if self.dates is None else f"{self.name} (days)"]


@dataclass(frozen=True)
class Encoding:
    """How columns become inputs.

    Attributes
    ----------
    features : tuple of Feature
    """

    features: tuple[Feature, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs' names."""
        return tuple(name for f in self.features for name in f.inputs)

    def remarks(self) -> list[str]:
        """What the reader should know of it."""
        levels = [f"{f.name} ({len(f.levels)})" for f in self.features if f.levels]
        dates = [f"{f.name}: {f.dates}" for f in self.features if f.dates]
        remarks = [f"an input for each level of {several(levels)}"] if levels else []
        return [*remarks, *([several(dates)] if dates else [])]

    def columns(self, frame: pd.DataFrame, *, drop_missing: bool = False) -> pd.DataFrame:
        """The features' columns of another file, checked.

        Parameters
        ----------
        frame : pandas.DataFrame
            As `fastgd.cli.table.read` returns it.
        drop_missing : bool, default False

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ValueError
            If a column does not exist, has missing values or holds what cannot be read as numbers.
        """
        names = [f.name for f in self.features]
        absent = [name for name in names if name not in frame.columns]
        if absent:
            raise ValueError(
                f"there is no column {several(list(map(repr, absent)))}, which the model takes; "
                f"there are {several(list(frame.columns), MOST_NAMES)}"
            )
        frame, _ = complete(frame[names], drop_missing)
        dates = {f.name: f.dates for f in self.features if f.dates is not None}
        return as_inputs(frame, names, {f.name for f in self.features if f.levels}, dates)

    def encoded(self, frame: pd.DataFrame) -> Float:
        """The inputs; an unknown level has 0 in all inputs of its column.

        Parameters
        ----------
        frame : pandas.DataFrame
            Numbers and texts, as in `Columns`.

        Returns
        -------
        ndarray of shape (rows, inputs), float64
        """
        parts = [
            self._codes(frame, f)[:, None] == np.arange(len(f.levels))
            if f.levels
            else ((frame[f.name].to_numpy(np.float64) - f.offset) / f.width)[:, None]
            for f in self.features
        ]
        return np.hstack(parts).astype(np.float64)

    def decoded(self, weights: Float, intercept: Any) -> tuple[Float, Any]:
        """Weights and intercept of a linear model of the inputs as those of a model of the columns.

        A level's weight is what a row with it has more.

        Parameters
        ----------
        weights : ndarray of shape (inputs, ...)
        intercept : float or ndarray of shape (...)

        Returns
        -------
        tuple of ndarray and float or ndarray
        """
        widths, offsets = np.array([(f.width, f.offset) for f in self.features for _ in f.inputs]).T
        own = (weights.T / widths).T
        return own, intercept - np.tensordot(offsets, own, axes=(0, 0))

    def unknown(self, frame: pd.DataFrame) -> int:
        """The number of rows with an unknown level."""
        lost = np.zeros(len(frame), bool)
        for feature in self.features:
            if feature.levels:
                lost |= self._codes(frame, feature) < 0
        return int(lost.sum())

    @staticmethod
    def _codes(frame: pd.DataFrame, feature: Feature) -> NDArray[np.intp]:
        import pandas as pd  # noqa: PLC0415  (heavy)

        return np.asarray(pd.Index(feature.levels, dtype=object).get_indexer(frame[feature.name]))


def encoding(
    frame: pd.DataFrame, scale: Scale, dates: Mapping[str, Days] | None = None
) -> Encoding:
    """Fit an encoding: numbers are scaled, the levels of a category are sorted.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of `Columns.frame`: the training rows.
    scale : {"minmax", "standard", "none"}
        To [0, 1]; to mean 0 and standard deviation 1; as they are. A number that is the same in all rows is only
        shifted.
    dates : dict of str to Days, optional
        The columns that were dates.

    Returns
    -------
    Encoding

    Raises
    ------
    ValueError
        If a column has numbers that are too large to be scaled.
    """
    known = dates or {}
    features = (_feature(frame[name], scale, known.get(name)) for name in frame.columns)
    return Encoding(tuple(features))


def _feature(column: pd.Series[Any], scale: Scale, dates: Days | None) -> Feature:
    name = str(column.name)
    if column.dtype.kind != "f":
        return Feature(name, levels=tuple(sorted(column.unique())))
    offsets, widths = _spread(column.to_numpy()[:, None], scale)
    offset, width = offsets.item(), widths.item()
    if not (np.isfinite(offset) and np.isfinite(width)):
        raise ValueError(f"column {name!r} has numbers beyond what can be scaled")
    return Feature(name, offset, width or 1.0, dates=dates)


def _spread(data: Float, scale: Scale) -> tuple[Float, Float]:
    """Offset and width of each column."""
    with np.errstate(all="ignore"):  # the caller checks the widths
        if scale == "minmax":
            return data.min(axis=0), np.ptp(data, axis=0)
        if scale == "standard":
            return data.mean(axis=0), data.std(axis=0)
        return np.zeros(data.shape[1]), np.ones(data.shape[1])
