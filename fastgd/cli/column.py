"""One column of a table as numbers, as categories, or as the target of a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.delimited import is_number
from fastgd.cli.words import count

if TYPE_CHECKING:
    import pandas as pd


Kind = Literal["auto", "regression", "classification"]
FEW = 20  # values that may be classes, or levels in however few rows
_MOST_CLASSES, _MOST_LEVELS = 50, 1000
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
_OTHER_THOUSANDS = re.compile(r"[-+]?\d{1,3}((['’ \u00a0\u202f])\d{3})(\2\d{3})*([.,]\d*)?")
_EUROPEAN = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),\d*|[-+]?\d{1,3}(\.\d{3}){2,}")
_WITH_UNIT = re.compile(
    r"[-+]?\d[\d.,' ]*\s*(%|‰|°|[^\W\d]+)[\d²³]?(/\w+)?|[-+]?[$€£¥₩]\s*-?[\d.,]+"
)
_LIKE_A_NUMBER = re.compile(r"[-+−–(]?[$€£¥₩]?\d")
_CELLS = re.compile(r"[;|,:\t]|\s+")
_NEGATIVE = re.compile(r"\([\d.,]+\)|[−–‒]\s*[\d.,]+|[\d.,]+-")


def numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """The column as float64; a text is refused with its row and a likely reason."""
    if column.dtype.kind in "iufb":
        return _finite(column, np.asarray(column.to_numpy(np.float64)))
    texts = column.astype(str).to_list()
    row = next((k for k, text in enumerate(texts) if not is_number(text)), None)
    if row is None:  # numbers of more digits than an integer has, or with blanks beside them
        return _finite(column, np.array(list(map(float, texts))))
    raise ValueError(
        f"column {column.name!r} has text in row {_row(column, row)}: {texts[row]!r:.40}{_hint(texts[row])}"
    )


def _finite(column: pd.Series[Any], values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argmin(finite))
        what = "infinite" if np.isinf(values[row]) else "no number"
        raise ValueError(f"column {column.name!r} is {what} in row {_row(column, row)}")
    return values


def _row(column: pd.Series[Any], position: int) -> int:
    """The row's number in the file, also after other rows were left out."""
    return int(column.index[position]) + 1


def _hint(text: str) -> str:
    """Why a text may not have been read as a number, and what to do."""
    text = text.strip()
    other = _OTHER_THOUSANDS.fullmatch(text)
    several_cells = sum(map(is_number, _CELLS.split(text))) > 2
    dots = ' --thousands "."' if "." in text else ""
    reasons = (
        (_THOUSANDS.fullmatch(text), 'thousands separators? pass --thousands ","; a decimal comma? --decimal ","'),
        (_EUROPEAN.fullmatch(text), f'a decimal comma? pass --decimal ","{dots}'),
        (other, f'thousands separators? pass --thousands "{other and other[2]}"'),
        (several_cells, "several cells? say what separates them: --separator"),
        (_NEGATIVE.fullmatch(text), "a negative number? write it with a hyphen before it"),
        (_WITH_UNIT.fullmatch(text), "a number with a unit? keep only the number"),
    )  # fmt: skip
    reason = next((reason for fits, reason in reasons if fits), None)
    if reason is not None:
        return f" ({reason})"
    return "; write it as numbers, leave the column out (--without), or take it as --categories"


# --- categories -------------------------------------------------------------------------------------


def is_words(column: pd.Series[Any]) -> bool:
    """Whether the column holds words, and not numbers of which some cannot be read."""
    if column.dtype.kind in "iufb":
        return False
    texts = column.astype(str).to_list()
    like_numbers = sum(is_number(text) or bool(_LIKE_A_NUMBER.match(text)) for text in texts)
    return like_numbers * 2 < len(texts)


def levels(column: pd.Series[Any]) -> NDArray[Any]:
    """Each row's category as a text: 1 and 1.0 are the same."""
    if column.dtype.kind in "iuf":
        return np.array([f"{value:.15g}" for value in column], dtype=object)
    return np.array([str(value).strip() for value in column], dtype=object)


def check_levels(column: pd.Series[Any]) -> None:
    """Refuse a column of texts that has too many of them."""
    if column.dtype.kind == "f":
        return
    many = column.nunique()
    if many > max(FEW, min(len(column) // 2, _MOST_LEVELS)):
        raise ValueError(
            f"column {column.name!r} holds {many:,} different texts in {count(len(column), 'row')}, the first "
            f"{column.iloc[0]!r:.40}: too many for a category; leave it out (--without {column.name})"
        )


# --- targets ----------------------------------------------------------------------------------------


def target_values(
    column: pd.Series[Any], kind: Kind, as_number: str
) -> tuple[tuple[Any, ...] | None, NDArray[Any]]:
    """The classes, if the target is one, and the values.

    Parameters
    ----------
    column : pandas.Series
    kind : {"auto", "regression", "classification"}
        "auto": a class if the column holds words or has two values.
    as_number : str
        The command-line option that takes the target as a number, for messages.

    Returns
    -------
    tuple of tuple or None and ndarray
    """
    if kind != "regression" and (column.dtype.kind == "b" or is_words(column)):
        classes = sorted(set(column.to_list()))
        what = f"texts, the first {column.iloc[0]!r:.40}: neither a number nor a class"
    else:
        values = numbers(column)
        if kind == "regression":
            return None, values
        classes = np.unique(values[: 10**6]).tolist()
        if kind == "auto" and len(classes) != 2:
            return None, values
        what = f"numbers: too many for classes; use {as_number}"
    if len(classes) > _MOST_CLASSES:
        raise ValueError(f"column {column.name!r} holds {len(classes)} different {what}")
    if len(classes) < 2:
        raise ValueError(f"column {column.name!r} is {classes[0]!r} in every row: one class only")
    labels = column.to_numpy()
    if labels.dtype.kind == "f":  # labels such as 0.5 and 1.5
        whole = (labels == np.rint(labels)).all()
        labels = labels.astype(np.int64) if whole else np.array([f"{v:g}" for v in labels])
    return tuple(np.unique(labels).tolist()), labels
