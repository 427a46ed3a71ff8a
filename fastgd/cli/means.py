"""Means with their standard errors, as numbers and as texts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastgd.cli.words import number


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean of the values that are numbers, and its standard error.

    Parameters
    ----------
    values : sequence of float

    Returns
    -------
    tuple of float
        The error of one value is NaN.

    Examples
    --------
    >>> mean_and_error([1.0, 3.0, float("nan")])
    (2.0, 1.0)
    """
    known = np.array([value for value in values if not math.isnan(value)])
    if not len(known):
        return math.nan, math.nan
    error = known.std(ddof=1) / math.sqrt(len(known)) if len(known) > 1 else math.nan
    return float(known.mean()), float(error)


def mean_text(values: Sequence[float]) -> str:
    """A mean and its standard error, in the digits that the error leaves.

    Parameters
    ----------
    values : sequence of float

    Returns
    -------
    str

    Examples
    --------
    >>> mean_text([0.95, 0.91, 0.97]), mean_text([3.0]), mean_text([12.0, 18.0])
    ('0.943 ± 0.018', '3', '15.0 ± 3.0')
    """
    mean, error = mean_and_error(values)
    if math.isnan(error) or error == 0 or not math.isfinite(mean):
        return number(mean) + (" ± 0" if error == 0 else "")
    places = 1 - math.floor(math.log10(error))
    if not -3 < places < 8:
        return f"{mean:.6g} ± {error:.2g}"
    places = max(places, 0)
    return f"{mean:.{places}f} ± {error:.{places}f}"
