"""A user's own file as numbers to fit: columns chosen by name, checked and scaled.

What cannot be used is refused in one line that names the file, the column and the row, and says what to do. Rows are
counted from 1, the line of names not included.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.table import EUROPEAN, THOUSANDS, is_number

if TYPE_CHECKING:
    import pandas as pd


Float = NDArray[np.float64]
Scale = Literal["minmax", "standard", "none"]
MOST_CLASSES, MOST_LEVELS = 50, 1000
_FEW = 20  # values that may be classes, or levels however few the rows


@dataclass(frozen=True)
class Columns:
    """What is fitted: `data` (rows, features), and `target` (rows,) as numbers or, with `classes`, as their labels."""

    data: Float
    target: NDArray[Any]
    feature_names: tuple[str, ...]
    target_name: str
    classes: tuple[Any, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scaling:
    """Features as (x - offset) / width."""

    offset: Float
    width: Float

    def undone(self, weights: Float, intercept: Any) -> tuple[Float, Any]:
        """Weights and intercept of a model of the scaled features as those of a model of the file's own.

        `weights` has the features on its first axis; what follows it, `intercept` has too.
        """
        own = (weights.T / self.width).T
        return own, intercept - np.tensordot(self.offset, own, axes=(0, 0))


# --- choosing ---------------------------------------------------------------------------------------


def choose(
    frame: pd.DataFrame,
    target: str,
    features: Sequence[str] | None = None,
    *,
    model: Literal["auto", "linear", "logistic"] = "auto",
    drop_missing: bool = False,
) -> Columns:
    """Take the columns to fit, checked.

    Parameters
    ----------
    frame : pandas.DataFrame
        What `read` returned.
    target : str
        The column that is predicted.
    features : sequence of str, optional
        The columns that predict it; all others by default, but for those without a name.
    model : {"auto", "linear", "logistic"}, default "auto"
        Whether the target is a number or a class; "auto": a class where it is text or has two values.
    drop_missing : bool, default False
        Leave out rows with a missing value instead of refusing them.

    Returns
    -------
    Columns

    Raises
    ------
    ValueError
        If a column is not there, has missing values, holds text or infinities, or is constant.
    """
    frame, features, notes = _selected(frame, target, features, drop_missing)
    data = np.column_stack([_numbers(frame[name]) for name in features])
    for name, column in zip(features, data.T, strict=True):
        if (column == column[0]).all():
            raise ValueError(
                f"column {name!r} is {column[0]:g} in every row: {_without(name, features)}"
            )
    classes, values = _target(frame[target], model)
    return Columns(data, values, tuple(features), target, classes, tuple(notes))


def _selected(
    frame: pd.DataFrame, target: str, features: Sequence[str] | None, drop_missing: bool
) -> tuple[pd.DataFrame, Sequence[str], list[str]]:
    """The columns that were chosen, without missing values; the features' names; what there is to say of it."""
    notes: list[str] = []
    unnamed = [name for name in frame.columns if re.fullmatch(r"(Unnamed: \d+)?", name)]
    if features is None:
        features = [name for name in frame.columns if name not in (target, *unnamed)]
        if unnamed:
            notes.append(f"{_count(len(unnamed), 'column')} without a name left out")
    _check_choice([name for name in frame.columns if name not in unnamed], target, features)
    frame, dropped = _complete(frame[[*features, target]], drop_missing)
    if len(frame) < 2:
        raise ValueError(f"{_count(len(frame), 'row')} to fit; wanted two at least")
    return frame, features, notes + dropped


def _complete(frame: pd.DataFrame, drop_missing: bool) -> tuple[pd.DataFrame, list[str]]:
    """The rows without a missing value, where there may be others; and what there is to say of it."""
    missing = frame.isna()
    rows = np.flatnonzero(missing.any(axis=1))
    if not len(rows):
        return frame, []
    if not drop_missing:
        raise ValueError(_about_missing(missing, len(rows)))
    note = _count(len(rows), "row") + " with a missing value left out"
    return frame.drop(index=frame.index[rows]), [note]


def _check_known(known: Sequence[str], names: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            lowered = {other.lower(): other for other in known}
            near = difflib.get_close_matches(name.lower(), lowered, 1, 0.5)
            hint = f"; did you mean {lowered[near[0]]!r}?" if near else ""
            raise ValueError(f"there is no column {name!r}; there are {', '.join(known)}{hint}")


def _check_choice(known: Sequence[str], target: str, features: Sequence[str]) -> None:
    _check_known(known, (target, *features))
    twice = [name for name, times in Counter([*features, target]).items() if times > 1]
    if twice:
        what = "is the target" if twice[0] == target else "stands there twice"
        raise ValueError(f"feature {twice[0]!r} {what}")
    if not features:
        raise ValueError(f"there is no column but {target!r}; nothing predicts it")


def _about_missing(missing: pd.DataFrame, rows: int) -> str:
    """Which columns, and the first row of each."""
    worst = [
        f"{name!r} ({_count(int(column.sum()), 'row')}, first in row {int(np.argmax(column)) + 1})"
        for name, column in missing.items()
        if column.any()
    ]
    listed = ", ".join(worst[:5]) + (f" and {len(worst) - 5} more" if len(worst) > 5 else "")
    return (
        f"missing values in column {listed}; {_count(rows, 'row')} of {len(missing)}: fill them, "
        "choose other columns (--features), or leave out the rows (--drop-missing)"
    )


def _numbers(column: pd.Series[Any]) -> Float:
    """A column as float64; what is text is named with its first row, and a guess why."""
    if column.dtype.kind in "iufb":
        values = column.to_numpy(np.float64)
        if not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            raise ValueError(f"column {column.name!r} is infinite in row {_row(column, row)}")
        return np.asarray(values)
    texts = column.astype(str).to_list()
    row = next((k for k, text in enumerate(texts) if not is_number(text)), 0)
    raise ValueError(
        f"column {column.name!r} has text in row {_row(column, row)}: {texts[row]!r:.40}{_hint(texts[row])}"
    )


def _row(column: pd.Series[Any], position: int) -> int:
    """As the file counts them, also where rows were left out."""
    return int(column.index[position]) + 1


def _hint(text: str) -> str:
    text = text.strip()
    if THOUSANDS.fullmatch(text):
        return ' (thousands separators? pass --thousands ","; a decimal comma? --decimal ",")'
    if EUROPEAN.fullmatch(text):
        more = ' --thousands "."' if "." in text else ""
        return f' (a decimal comma? pass --decimal ","{more})'
    if re.fullmatch(r"[-+]?[\d ]*\d\s*(%|[^\W\d]+)|[$€£]\s*[\d.,]+", text):
        return " (a number with a unit? keep the number alone)"
    return "; leave the column out (--features) or write it as numbers"


def _without(name: str, features: Sequence[str]) -> str:
    rest = ",".join(other for other in features if other != name)
    return f"leave it out (--features {rest})" if rest else "it predicts nothing"


def _target(
    column: pd.Series[Any], model: str, as_numbers: str = "--model linear"
) -> tuple[tuple[Any, ...] | None, NDArray[Any]]:
    """Classes, if it is one, and the values; `as_numbers` is the option that takes it as a number."""
    text = column.dtype.kind not in "iuf"
    if text and model != "linear" and _is_words(column):
        classes = sorted(set(column.to_list()))
        if len(classes) > MOST_CLASSES:
            raise ValueError(
                f"column {column.name!r} holds {len(classes)} different texts, the first "
                f"{column.iloc[0]!r:.40}: neither a number nor a class"
            )
    else:
        numbers = _numbers(column)
        classes = np.unique(numbers[: 10**6]).tolist() if model != "linear" else []
        if model == "linear" or (model == "auto" and len(classes) != 2):
            return None, numbers
        if len(classes) > MOST_CLASSES:
            raise ValueError(
                f"column {column.name!r} holds {len(classes)} different numbers: no class; use {as_numbers}"
            )
    if len(classes) < 2:
        raise ValueError(f"column {column.name!r} is {classes[0]!r} in every row: one class only")
    labels = column.to_numpy()
    if labels.dtype.kind == "f":  # 0.5 and 1.5 are labels like any other
        whole = (labels == np.rint(labels)).all()
        labels = labels.astype(np.int64) if whole else np.array([f"{v:g}" for v in labels])
    return tuple(np.unique(labels).tolist()), labels


def _is_words(column: pd.Series[Any]) -> bool:
    """Whether it is made of names, rather than of numbers of which some cannot be read."""
    if column.dtype.kind == "b":
        return True
    texts = column.astype(str).to_list()
    return sum(is_number(text) or bool(re.match(r"[-+$€£]?\d", text)) for text in texts) * 2 < len(
        texts
    )


def _count(many: int, what: str) -> str:
    return f"{many:,} {what}" if many == 1 else f"{many:,} {what}s"


# --- scaling ----------------------------------------------------------------------------------------


def scaled(data: Float, scale: Scale) -> tuple[Float, Scaling]:
    """Features on a common scale, and how to come back from it.

    Parameters
    ----------
    data : ndarray of shape (rows, features), float64
        No column constant.
    scale : {"minmax", "standard", "none"}
        To [0, 1]; to mean 0 and standard deviation 1; as they are.

    Returns
    -------
    tuple of ndarray and Scaling

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd.cli.columns import scaled
    >>> scaled(np.array([[10.0], [15.0], [20.0]]), "minmax")[0].ravel().tolist()
    [0.0, 0.5, 1.0]
    """
    with np.errstate(all="ignore"):  # a width that is infinite or zero then says so
        if scale == "minmax":
            offset, width = data.min(axis=0), np.ptp(data, axis=0)
        elif scale == "standard":
            offset, width = data.mean(axis=0), data.std(axis=0)
        else:
            offset, width = np.zeros(data.shape[1]), np.ones(data.shape[1])
        return (data - offset) / width, Scaling(offset, width)


# --- categories -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mixed:
    """Columns of numbers and of categories, and a target.

    Attributes
    ----------
    frame : pandas.DataFrame
        The features: numbers as float64, categories as texts. Its index is that of the file's rows, from 0.
    target : ndarray of shape (rows,)
        Numbers or, with `classes`, their labels.
    target_name : str
    classes : tuple, optional
    notes : tuple of str
        What there is to say of the choice.
    """

    frame: pd.DataFrame
    target: NDArray[Any]
    target_name: str
    classes: tuple[Any, ...] | None = None
    notes: tuple[str, ...] = ()


def choose_mixed(
    frame: pd.DataFrame,
    target: str,
    features: Sequence[str] | None = None,
    *,
    without: Sequence[str] = (),
    categories: Sequence[str] = (),
    task: Literal["auto", "regression", "classification"] = "auto",
    drop_missing: bool = False,
) -> Mixed:
    """Take columns of numbers and of categories, checked.

    Parameters
    ----------
    frame : pandas.DataFrame
        What `read` returned.
    target : str
        The column that is predicted.
    features : sequence of str, optional
        The columns that predict it; by default all others but for those without a name and those that are the same in
        every row.
    without : sequence of str, optional
        Columns that are left out of these.
    categories : sequence of str, optional
        Features that are categories though they hold numbers; a column of words always is.
    task : {"auto", "regression", "classification"}, default "auto"
        Whether the target is a number or a class; "auto": a class where it is text or has two values.
    drop_missing : bool, default False
        Leave out rows with a missing value instead of refusing them.

    Returns
    -------
    Mixed

    Raises
    ------
    ValueError
        If a column is not there, has missing values, is constant, holds texts that are neither numbers nor few enough
        to be categories, or if a class has one row only.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastgd.cli.columns import choose_mixed, encoding
    >>> file = pd.DataFrame({"hp": [50, 70, 90], "make": ["vw", "bmw", "vw"], "mpg": [40.0, 25, 31]})
    >>> chosen = choose_mixed(file, "mpg")
    >>> code = encoding(chosen.frame, "minmax")
    >>> code.inputs
    ('hp', 'make=bmw', 'make=vw')
    >>> code.encoded(chosen.frame).tolist()
    [[0.0, 0.0, 1.0], [0.5, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    _check_known(list(frame.columns), without)
    if target in without:
        raise ValueError(f"{target!r} is the target and cannot be left out")
    frame = frame.drop(columns=list(without))
    named = features is not None
    frame, features, notes = _selected(frame, target, features, drop_missing)
    _check_known(features, categories)
    words = [
        name for name in features if frame[name].dtype.kind not in "iufb" and _is_words(frame[name])
    ]
    chosen = _as_inputs(frame, features, {*categories, *words})
    for name in features:
        _check_levels(chosen[name])
    constant = [name for name in features if chosen[name].nunique() == 1]
    if constant and (named or len(constant) == len(features)):
        first = chosen[constant[0]].iloc[0]
        shown = repr(first) if isinstance(first, str) else f"{first:g}"
        raise ValueError(f"column {constant[0]!r} is {shown} in every row: it predicts nothing")
    if constant:
        which = ", ".join(constant[:3]) + (", ..." if len(constant) > 3 else "")
        notes.append(f"{_count(len(constant), 'column')} left out as always the same ({which})")
        chosen = chosen.drop(columns=constant)
    model = {"regression": "linear", "classification": "logistic"}.get(task, task)
    classes, values = _target(frame[target], model, "--task regression")
    if classes is None:
        if (values == values[0]).all():
            raise ValueError(f"column {target!r} is {values[0]:g} in every row: nothing to predict")
        different = np.unique(values)
        if task == "auto" and len(different) <= _FEW and (different == np.rint(different)).all():
            notes.append(
                f"taken as a number (--task classification makes its {len(different)} values classes)"
            )
    else:
        _check_classes(target, values)
    return Mixed(chosen, values, target, classes, tuple(notes))


def _as_inputs(
    frame: pd.DataFrame, features: Sequence[str], categories: Collection[str]
) -> pd.DataFrame:
    """Numbers as float64, categories as texts."""
    import pandas as pd  # noqa: PLC0415  (heavy)

    columns = {
        name: _levels(frame[name]) if name in categories else _numbers(frame[name])
        for name in features
    }
    return pd.DataFrame(columns, index=frame.index)


def _levels(column: pd.Series[Any]) -> NDArray[Any]:
    """Each row's category as a text: 1 and 1.0 are the same."""
    if column.dtype.kind in "iuf":
        return np.array([f"{value:.15g}" for value in column], dtype=object)
    return np.array([str(value).strip() for value in column], dtype=object)


def _check_levels(column: pd.Series[Any]) -> None:
    if column.dtype.kind == "f":
        return
    many = column.nunique()
    if many > max(_FEW, min(len(column) // 2, MOST_LEVELS)):
        raise ValueError(
            f"column {column.name!r} holds {many:,} different texts in {_count(len(column), 'row')}, the first "
            f"{column.iloc[0]!r:.40}: too many for a category; leave it out (--without {column.name})"
        )


def _check_classes(name: str, labels: NDArray[Any]) -> None:
    known, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        alone = known.tolist()[counts.argmin()]
        raise ValueError(f"class {alone!r} of column {name!r} has one row; wanted two at least")


@dataclass(frozen=True)
class Feature:
    """A column as inputs: a number as (x - offset) / width, or with `levels` an input of 0 or 1 for each of them."""

    name: str
    offset: float = 0.0
    width: float = 1.0
    levels: tuple[str, ...] = ()


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
        return tuple(
            name
            for f in self.features
            for name in ([f"{f.name}={level}" for level in f.levels] or [f.name])
        )

    def columns(self, frame: pd.DataFrame, *, drop_missing: bool = False) -> pd.DataFrame:
        """The features' columns of another file, checked.

        Parameters
        ----------
        frame : pandas.DataFrame
            What `read` returned.
        drop_missing : bool, default False

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ValueError
            If a column is not there, has missing values or holds what cannot be read as numbers.
        """
        names = [f.name for f in self.features]
        absent = [name for name in names if name not in frame.columns]
        if absent:
            raise ValueError(
                f"there is no column {', '.join(map(repr, absent))}, which the network takes; "
                f"there are {', '.join(map(str, frame.columns))}"
            )
        frame, _ = _complete(frame[names], drop_missing)
        return _as_inputs(frame, names, {f.name for f in self.features if f.levels})

    def encoded(self, frame: pd.DataFrame) -> Float:
        """Inputs of the network; a level that is not known has 0 in all of its column's.

        Parameters
        ----------
        frame : pandas.DataFrame
            Numbers and texts, as in `Mixed`.

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

    def unknown(self, frame: pd.DataFrame) -> int:
        """How many rows have a level that is not known."""
        lost = np.zeros(len(frame), bool)
        for feature in self.features:
            if feature.levels:
                lost |= self._codes(frame, feature) < 0
        return int(lost.sum())

    @staticmethod
    def _codes(frame: pd.DataFrame, feature: Feature) -> NDArray[np.intp]:
        import pandas as pd  # noqa: PLC0415  (heavy)

        return np.asarray(pd.Index(feature.levels, dtype=object).get_indexer(frame[feature.name]))


def encoding(frame: pd.DataFrame, scale: Scale) -> Encoding:
    """The encoding that fits rows: numbers on a common scale, a category's levels in the order of their texts.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of `Mixed.frame`: those trained on.
    scale : {"minmax", "standard", "none"}
        As in `scaled`; a number that is the same in all these rows keeps its width.

    Returns
    -------
    Encoding

    Raises
    ------
    ValueError
        If a column has numbers beyond what can be scaled.
    """
    return Encoding(tuple(_feature(frame[name], scale) for name in frame.columns))


def _feature(column: pd.Series[Any], scale: Scale) -> Feature:
    name = str(column.name)
    if column.dtype.kind != "f":
        return Feature(name, levels=tuple(sorted(column.unique())))
    with np.errstate(all="ignore"):
        scaling = scaled(column.to_numpy()[:, None], scale)[1]
    offset, width = scaling.offset.item(), scaling.width.item()
    if not (np.isfinite(offset) and np.isfinite(width)):
        raise ValueError(f"column {name!r} has numbers beyond what can be scaled")
    return Feature(name, offset, width or 1.0)
