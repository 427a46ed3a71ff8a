"""The columns of a file that a model is fitted to, chosen by name and checked.

What cannot be used is refused in one line that names the column and the row and says what to do. Rows are counted from
1, without the header.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.column import FEW, Kind, check_levels, is_words, levels, numbers, target_values
from fastgd.cli.dates import Days, days_of, like_dates
from fastgd.cli.table import Source
from fastgd.cli.words import count, several

if TYPE_CHECKING:
    import pandas as pd


MOST_NAMES = 30  # of columns in a message


@dataclass(frozen=True)
class Choice:
    """Which columns are asked for.

    Attributes
    ----------
    target : str
        The column to predict.
    features : sequence of str, optional
        The columns that predict it; by default all others that have a name.
    kind : {"auto", "regression", "classification"}, default "auto"
        Whether the target is a number or a class; "auto": a class if it is text or has two values.
    drop_missing : bool, default False
        Leave out rows with a missing value instead of refusing them.
    without : sequence of str, optional
        Columns that are not features.
    categories : sequence of str, optional
        Features that are categories although they hold numbers; a column of words always is.
    dates : sequence of str, optional
        Features that are dates although they hold numbers, such as 20200131; a column of dates always is, unless it is
        one of `categories`.
    date_format : str, optional
        How dates are written, where that is not seen from them.
    as_number, as_classes : str
        The command-line options that take the target as a number and as classes, for messages. Where `as_classes` is
        "", there is no remark that the numbers might be classes.
    """

    target: str
    features: Sequence[str] | None = None
    kind: Kind = "auto"
    drop_missing: bool = False
    without: Sequence[str] = ()
    categories: Sequence[str] = ()
    dates: Sequence[str] = ()
    date_format: str | None = None
    as_number: str = "--task regression"
    as_classes: str = "--task classification"


@dataclass(frozen=True)
class Columns:
    """Features and a target.

    Attributes
    ----------
    frame : pandas.DataFrame
        The features: numbers and dates as float64, categories as texts. Its index counts the file's rows from 0.
    target : ndarray of shape (rows,)
        Numbers or, with `classes`, their labels.
    target_name : str
    classes : tuple, optional
    notes : tuple of str
        Remarks for the reader, for example what was left out.
    dates : dict of str to Days
        The features that are dates, and how they became numbers.
    """

    frame: pd.DataFrame
    target: NDArray[Any]
    target_name: str
    classes: tuple[Any, ...] | None = None
    notes: tuple[str, ...] = ()
    dates: Mapping[str, Days] = field(default_factory=dict)

    @property
    def feature_names(self) -> list[str]:
        """The features' names, in order."""
        return list(self.frame.columns)


def chosen(source: Source, choice: Choice) -> Columns:
    """Read a file and take columns of it, with the remarks on both.

    Parameters
    ----------
    source : Source
    choice : Choice

    Returns
    -------
    Columns
    """
    contents = source.read()
    with source.named_in_errors():
        if choice.target in contents.repeated:
            raise ValueError(
                f"several columns are called {choice.target!r}; which is the target? Give them names of their own"
            )
        columns = choose(contents.frame, choice)
    return replace(columns, notes=(*contents.notes, *columns.notes))


def choose(frame: pd.DataFrame, choice: Choice) -> Columns:
    """Take columns of numbers and of categories.

    Features that are the same in every row are left out, unless they were asked for by name.

    Parameters
    ----------
    frame : pandas.DataFrame
        As `read` returns it.
    choice : Choice

    Returns
    -------
    Columns

    Raises
    ------
    ValueError
        If a column does not exist, has missing values, is constant, or holds texts that are neither numbers nor few
        enough to be categories.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastgd.cli.columns import Choice, choose
    >>> from fastgd.cli.encoding import encoding
    >>> file = pd.DataFrame({"hp": [50, 70, 90], "make": ["vw", "bmw", "vw"], "mpg": [40.0, 25, 31]})
    >>> chosen = choose(file, Choice("mpg"))
    >>> code = encoding(chosen.frame, "minmax")
    >>> code.inputs
    ('hp', 'make=bmw', 'make=vw')
    >>> code.encoded(chosen.frame).tolist()
    [[0.0, 0.0, 1.0], [0.5, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    target, categories = choice.target, choice.categories
    _check_known(list(frame.columns), choice.without)
    if target in choice.without:
        raise ValueError(f"{target!r} is the target and cannot be left out")
    frame, features, notes = _selected(frame.drop(columns=list(choice.without)), choice)
    _check_known(features, (*categories, *choice.dates))
    dates: dict[str, Days] = {}
    for name in features:
        if name not in categories:
            days = days_of(frame[name], name in choice.dates, choice.date_format)
            dates |= {} if days is None else {name: days}
    words = [name for name in features if name not in dates and is_words(frame[name])]
    chosen = as_inputs(frame, features, {*categories, *words}, dates)
    for name in features:
        check_levels(chosen[name])
    constant = [name for name in features if _is_constant(chosen[name])]
    if constant and (choice.features is not None or len(constant) == len(features)):
        raise ValueError(f"{_about_constant(chosen[constant[0]])}: it predicts nothing")
    if constant:
        notes.append(_left_out(constant, "always the same"))
        chosen = chosen.drop(columns=constant)
    notes += _note_on_dates(frame[[name for name in features if name not in (*dates, *categories)]])
    if days_of(frame[target], False, choice.date_format) is not None:
        raise ValueError(f"column {target!r} holds dates; wanted a number or a class as the target")
    classes, values = target_values(frame[target], choice.kind, choice.as_number)
    if classes is None:
        if _is_constant(frame[target]):
            raise ValueError(f"{_about_constant(frame[target])}: nothing to predict")
        if choice.kind == "auto" and choice.as_classes:
            notes += _note_on_classes(values, choice.as_classes)
    return Columns(chosen, values, target, classes, tuple(notes), dates)


def as_inputs(
    frame: pd.DataFrame,
    features: Sequence[str],
    categories: Collection[str],
    dates: Mapping[str, Days],
) -> pd.DataFrame:
    """Features with numbers and dates as float64 and categories as texts."""
    import pandas as pd  # noqa: PLC0415  (heavy)

    def as_input(name: str) -> NDArray[Any]:
        if name in dates:
            return dates[name].of(frame[name])
        return levels(frame[name]) if name in categories else numbers(frame[name])

    columns = {name: as_input(name) for name in features}
    return pd.DataFrame(columns, index=frame.index)


def complete(frame: pd.DataFrame, drop_missing: bool) -> tuple[pd.DataFrame, list[str]]:
    """The rows without a missing value, and notes; other rows are refused unless `drop_missing`."""
    missing = frame.isna()
    rows = np.flatnonzero(missing.any(axis=1))
    if not len(rows):
        return frame, []
    if not drop_missing:
        raise ValueError(_about_missing(missing, len(rows)))
    note = count(len(rows), "row") + " with a missing value left out"
    return frame.drop(index=frame.index[rows]), [note]


def _selected(frame: pd.DataFrame, choice: Choice) -> tuple[pd.DataFrame, Sequence[str], list[str]]:
    """The chosen columns without missing values, the features' names, and notes."""
    notes: list[str] = []
    unnamed = [name for name in frame.columns if re.fullmatch(r"(Unnamed: \d+)?", name)]
    features = choice.features
    if features is None:
        features = [name for name in frame.columns if name not in (choice.target, *unnamed)]
        if unnamed:
            notes.append(f"{count(len(unnamed), 'column')} without a name left out")
    named = [name for name in frame.columns if name not in unnamed]
    _check_features(named, choice.target, features)
    empty = [name for name in features if frame[name].isna().all()]
    if choice.features is None and 0 < len(empty) < len(features):
        notes.append(_left_out(empty, "empty"))
        features = [name for name in features if name not in empty]
    frame, dropped = complete(frame[[*features, choice.target]], choice.drop_missing)
    if len(frame) < 2:
        raise ValueError(f"{count(len(frame), 'row')} to fit; wanted at least two")
    return frame, features, notes + dropped


def _left_out(names: Sequence[str], why: str) -> str:
    which = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{count(len(names), 'column')} left out as {why} ({which})"


def _check_known(known: Sequence[str], names: Sequence[str]) -> None:
    among = set(known)
    for name in names:
        if name not in among:
            lowered = {other.lower(): other for other in known}
            near = difflib.get_close_matches(name.lower(), lowered, 1, 0.5)
            hint = f"; did you mean {lowered[near[0]]!r}?" if near else ""
            raise ValueError(
                f"there is no column {name!r}; there are {several(list(known), MOST_NAMES)}{hint}"
            )


def _check_features(known: Sequence[str], target: str, features: Sequence[str]) -> None:
    _check_known(known, (target, *features))
    twice = [name for name, times in Counter([*features, target]).items() if times > 1]
    if twice:
        what = "is the target" if twice[0] == target else "is listed twice"
        raise ValueError(f"feature {twice[0]!r} {what}")
    if not features:
        raise ValueError(f"there is no column besides {target!r} to predict it from")


def _about_missing(missing: pd.DataFrame, rows: int) -> str:
    """Which columns have missing values, and the first row of each."""
    worst = [
        f"{name!r} ({count(int(column.sum()), 'row')}, first in row {int(np.argmax(column)) + 1})"
        for name, column in missing.items()
        if column.any()
    ]
    listed = ", ".join(worst[:5]) + (f" and {len(worst) - 5} more" if len(worst) > 5 else "")
    return (
        f"missing values in column {listed}; {count(rows, 'row')} of {len(missing)}: fill them, "
        "leave out columns (--without), or leave out the rows (--drop-missing)"
    )


def _is_constant(column: pd.Series[Any]) -> bool:
    return bool((column == column.iloc[0]).all())


def _about_constant(column: pd.Series[Any]) -> str:
    first = column.iloc[0]
    shown = repr(first) if isinstance(first, str) else f"{first:g}"
    return f"column {column.name!r} is {shown} in every row"


def _note_on_dates(frame: pd.DataFrame) -> list[str]:
    """A note if numbers could be meant as dates."""
    dates = [name for name in frame if like_dates(frame[name])]
    if not dates:
        return []
    return [f"{several(dates)} taken as numbers (--dates {dates[0]} makes dates of them)"]


def _note_on_classes(values: NDArray[Any], option: str) -> list[str]:
    """A note if the numbers of the target could be meant as classes."""
    different = np.unique(values)
    if len(different) > FEW or (different != np.rint(different)).any():
        return []
    return [f"taken as a number ({option} makes its {len(different)} values classes)"]
