"""The options of a command as objects: what its modules work with instead of the parser's namespace."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar

from fastgd.cli.class_weights import ClassWeight
from fastgd.cli.column import Kind
from fastgd.cli.columns import Choice
from fastgd.cli.encoding import Scale
from fastgd.cli.reading import Reading
from fastgd.cli.table import Source
from fastgd.cli.words import NUMBERS

T = TypeVar("T")


def picked(kind: type[T], options: Namespace) -> T:
    """A dataclass made of the options that are called like its fields."""
    return kind(**{f.name: getattr(options, f.name) for f in fields(kind)})  # type: ignore[arg-type]


def source(options: Namespace) -> Source:
    """The file of any command."""
    return Source(options.file, picked(Reading, options))


def hyperparameters(options: Namespace) -> dict[str, Any]:
    """Those that were given, by name."""
    given = {name: getattr(options, name) for name in (*NUMBERS, "betas")}
    return {name: value for name, value in given.items() if value is not None}


# --- sweep and minimize -----------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelOptions:
    """A model of a file's columns: linear or logistic regression."""

    scale: Scale
    cost: Literal["1/2m", "1/m", "1/2", "sum"] | None
    batch_size: int | None


@dataclass(frozen=True)
class DescentLimits:
    """When a descent ends."""

    tol: float | None
    max_iter: int
    max_seconds: float | None


@dataclass(frozen=True)
class StoppingOptions:
    """How bad runs of a sweep are stopped early."""

    halving: bool
    hyperband: bool
    factor: int | None
    min_iter: int | None

    def __post_init__(self) -> None:
        for name, least in (("factor", 2), ("min_iter", 1)):
            flag, value = "--" + name.replace("_", "-"), getattr(self, name)
            if value is not None and not self.halving and not self.hyperband:
                raise ValueError(f"{flag} is for --halving and --hyperband; give one of them")
            if value is not None and value < least:
                raise ValueError(f"{flag} must be at least {least}, got {value}")


_KINDS: dict[str, Kind] = {"auto": "auto", "linear": "regression", "logistic": "classification"}


def choice_for_descents(options: Namespace) -> Choice:
    """The columns of a sweep or a descent."""
    kind: Kind = _KINDS[options.model]
    return replace(_choice(options, kind), as_number="--model linear", as_classes="")


# --- train and compare ------------------------------------------------------------------------------


def choice(options: Namespace) -> Choice:
    """The columns of a network."""
    return _choice(options, options.task)


def _choice(options: Namespace, kind: Kind) -> Choice:
    return Choice(
        options.target,
        options.features,
        kind,
        options.drop_missing,
        without=options.without or (),
        categories=options.categories or (),
        dates=options.dates or (),
        date_format=options.date_format,
    )


@dataclass(frozen=True)
class Split:
    """How the rows are divided: shares that are held out and that validate, or folds; by each seed."""

    test: float | None
    validation: float
    seed: tuple[int, ...]
    cv: int | None

    def __post_init__(self) -> None:
        for name, share in (("test", self.held_out), ("validation", self.validation)):
            if not 0 <= share < 1:
                raise ValueError(
                    f"--{name} is a share of the rows, at least 0 and below 1, got {share:g}"
                )
        if self.cv is not None and self.test is not None:
            raise ValueError("--cv holds out every row once; leave out --test")
        for seed in self.seed:
            if not 0 <= seed < 2**32:
                raise ValueError(f"--seed must be a whole number from 0 to {2**32 - 1}, got {seed}")

    @property
    def held_out(self) -> float:
        """The share of rows that is held out without folds."""
        return 0.2 if self.test is None else self.test


@dataclass(frozen=True)
class NetworkOptions:
    """The network and its loss."""

    hidden: tuple[int, ...]
    activation: str
    loss: str | None
    l1: float | None
    l2: float | None
    dropout: float
    dtype: Literal["float32", "float64"]
    threads: int | None
    class_weight: ClassWeight | None


@dataclass(frozen=True)
class FitOptions:
    """How long and on what batches a network is trained."""

    batch_size: int
    epochs: int
    patience: int
    max_seconds: float | None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} must be at least 1, got {getattr(self, name)}")
        if self.patience < 0:
            raise ValueError(f"--patience must be at least 0, got {self.patience}")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ValueError(f"--max-seconds must be above 0, got {self.max_seconds:g}")

    def updates(self, rows: int) -> int:
        """The number of updates on so many rows."""
        return self.epochs * -(-rows // self.batch_size)
