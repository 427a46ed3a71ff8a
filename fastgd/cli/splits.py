"""Which rows are trained on, validate, and are held out: random shares, or fold by fold."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.columns import Columns
from fastgd.cli.options import Split

Rows = NDArray[np.intp]
TRAINED, VALIDATED, HELD_OUT = "trained on", "validation", "held out"


@dataclass(frozen=True)
class Trial:
    """One division of the rows, and the seed of the network that is trained on it.

    Attributes
    ----------
    seed : int
    parts : dict of str to ndarray of int
        Positions of rows by part, the training rows first; a part without rows is left out.
    fold : int, optional
        The number of the fold that is held out, from 1.
    """

    seed: int
    parts: Mapping[str, Rows]
    fold: int | None = None


def trials(columns: Columns, split: Split) -> list[Trial]:
    """A division for each seed, or for each seed and fold.

    Parameters
    ----------
    columns : Columns
    split : Split

    Returns
    -------
    list of Trial
    """
    if split.cv is None:
        return [Trial(seed, shares(columns, split, seed, split.held_out)) for seed in split.seed]
    return [trial for seed in split.seed for trial in _fold_trials(columns, split, seed)]


def without_test(columns: Columns, split: Split) -> Trial:
    """All rows but those that validate: what is left to train on after cross-validation."""
    return Trial(split.seed[0], shares(columns, split, split.seed[0], 0.0))


def shares(columns: Columns, split: Split, seed: int, test: float) -> dict[str, Rows]:
    """Random rows, classes in equal shares."""
    rest: Rows = np.arange(len(columns.target))
    many = {
        HELD_OUT: math.ceil(test * len(rest)),
        VALIDATED: math.ceil(split.validation * len(rest)),
    }
    left = len(rest) - sum(many.values())
    if left < 2:
        raise ValueError(
            f"of {len(rest)} rows --test {test:g} and --validation {split.validation:g} leave {left} to train "
            "on; wanted at least two"
        )
    labels = _labels(columns)
    classes = len(columns.classes or ())
    if 0 < many[HELD_OUT] < classes:
        raise ValueError(
            f"--test {test:g} holds out {many[HELD_OUT]} of {len(rest)} rows, and there are {classes} classes; "
            "hold out more, or none"
        )
    taken = {}
    for name, size in many.items():
        if size:
            rest, taken[name] = _halves(rest, size, labels, seed)
    return {TRAINED: rest, **dict(reversed(taken.items()))}


def folds(columns: Columns, many: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Rows to fit and rows held out, so that each row is held out once, classes in equal shares.

    Parameters
    ----------
    columns : Columns
    many : int
    seed : int

    Returns
    -------
    list of tuple of ndarray of int
    """
    from sklearn.model_selection import KFold, StratifiedKFold  # noqa: PLC0415  (heavy)

    rows, labels = len(columns.target), _labels(columns)
    if not 2 <= many <= rows:
        raise ValueError(f"--cv {many}: wanted from 2 folds to as many as there are rows, {rows}")
    stratified = labels is not None and np.unique(labels, return_counts=True)[1].max() >= many
    kind = StratifiedKFold if stratified else KFold
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # a class may have fewer rows than there are folds
        return list(kind(many, shuffle=True, random_state=seed).split(np.zeros(rows), labels))


def _fold_trials(columns: Columns, split: Split, seed: int) -> Iterator[Trial]:
    assert split.cv is not None
    labels, size = _labels(columns), math.ceil(split.validation * len(columns.target))
    for number, (rest, held) in enumerate(folds(columns, split.cv, seed), 1):
        if len(rest) - size < 2:
            raise ValueError(
                f"--cv {split.cv} and --validation {split.validation:g} leave {len(rest) - size} of "
                f"{len(columns.target)} rows to train on; wanted at least two"
            )
        parts = {TRAINED: rest}
        if size:
            parts[TRAINED], parts[VALIDATED] = _halves(rest, size, labels, seed)
        yield Trial(seed, {**parts, HELD_OUT: held}, number)


def _labels(columns: Columns) -> NDArray[Any] | None:
    return None if columns.classes is None else columns.target


def _halves(rows: Rows, size: int, labels: NDArray[Any] | None, seed: int) -> tuple[Rows, Rows]:
    """The rest and `size` random rows, in equal shares of the classes if each has enough rows."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415  (heavy)

    strata = None if labels is None else labels[rows]
    if strata is not None:
        counts = np.unique(strata, return_counts=True)[1]
        if counts.min() < 2 or not len(counts) <= size <= len(rows) - len(counts):
            strata = None
    first, second = train_test_split(rows, test_size=size, random_state=seed, stratify=strata)
    return np.sort(first), np.sort(second)
