"""Rows that come in blocks: pairs of arrays, or tables with named columns, from whatever reads them.

What reads a file is not this library's business: blocks come from pandas, PyArrow, Dask or a function of the user's.
They are read once. Where a problem needs its rows again and again they are written to a temporary file of numbers on
the way, because parsing text takes many times as long as reading numbers.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_real_array
from fastgd.tensors import as_array

Pair = tuple[NDArray[np.float64], NDArray[Any]]


class Blocks:
    """Blocks of rows as pairs of float64 inputs (rows, features) and targets (rows,), checked one by one.

    Parameters
    ----------
    blocks : iterable, or callable that returns one
        Pairs (X, y), or with `target` tables whose columns have names. A block that has a method `compute` (of Dask)
        is computed.
    target : str, optional
        The column with the targets.
    features : sequence of str, optional
        The columns of the inputs; by default all others of the first block.
    """

    def __init__(self, blocks: Any, target: str | None, features: Sequence[str] | None) -> None:
        if features is not None and target is None:
            raise TypeError("features names columns of tables; give target too")
        if not callable(blocks) and not isinstance(blocks, Iterable):
            raise TypeError(
                f"blocks must be an iterable of blocks or a function that returns one, got {type(blocks).__name__}"
            )
        self.given, self.target = blocks, target
        self.features = None if features is None else list(features)
        self.width, self.numbers = 0, True

    def pairs(self, *, numbers: bool) -> Iterator[Pair]:
        """The blocks that have rows; `numbers` says that targets are numbers, not labels."""
        self.numbers = numbers
        rows = 0
        for k, block in enumerate(_each(self.given)):
            found = self._of_pair(k, block) if self.target is None else self._of_table(k, block)
            inputs, targets = found
            self.width = self.width or inputs.shape[1]
            if inputs.shape[1] != self.width:
                raise ValueError(
                    f"block {k}: X has {inputs.shape[1]} columns, the blocks before have {self.width}"
                )
            rows += len(inputs)
            if len(inputs):
                yield inputs, targets
        if not rows:
            raise ValueError(
                "blocks hold no rows; an iterator gives its blocks once: make a new one, or give a function that does"
            )

    def _of_pair(self, k: int, block: Any) -> Pair:
        if not isinstance(block, tuple | list) or len(block) != 2:
            raise TypeError(
                f"block {k} is {type(block).__name__}, wanted a pair (X, y); "
                "of tables with named columns, name the target"
            )
        inputs, targets = (
            np.asarray(as_array(f"block {k}: {part}", _computed(given)))
            for part, given in zip(("X", "y"), block, strict=True)
        )
        inputs = as_real_array(f"block {k}: X", inputs)
        inputs = inputs[:, None] if inputs.ndim == 1 else inputs
        if inputs.ndim != 2 or not inputs.shape[1]:
            raise ValueError(
                f"block {k}: X has shape {inputs.shape}, wanted (rows,) or (rows, features)"
            )
        if targets.shape != inputs.shape[:1]:
            raise ValueError(f"block {k}: y has shape {targets.shape}, wanted ({len(inputs)},)")
        return _finite(f"block {k}: X", inputs.astype(np.float64)), self._target(
            f"block {k}: y", targets
        )

    def _of_table(self, k: int, block: Any) -> Pair:
        table = _computed(block)
        names = [
            str(name) for name in getattr(table, "column_names", getattr(table, "columns", ()))
        ]
        if not names:
            raise TypeError(
                f"block {k} is {type(block).__name__}, wanted a table with named columns"
            )
        if self.features is None:
            self.features = [name for name in names if name != self.target]
        missing = [name for name in (self.target, *self.features) if name not in names]
        if missing:
            raise ValueError(f"block {k} has no column {missing[0]!r}; it has {', '.join(names)}")
        columns = [
            _finite(f"block {k}: column {name!r}", self._numbers(k, name, table[name]))
            for name in self.features
        ]
        targets = np.asarray(table[self.target])
        inputs = np.stack(columns, axis=1) if columns else np.empty((len(targets), 0))
        return inputs, self._target(f"block {k}: column {self.target!r}", targets)

    def _target(self, name: str, targets: NDArray[Any]) -> NDArray[Any]:
        if self.numbers:
            targets = as_real_array(name, targets).astype(np.float64)
        return _finite(name, targets) if targets.dtype.kind == "f" else targets

    def _numbers(self, k: int, name: str, column: Any) -> NDArray[np.float64]:
        return as_real_array(f"block {k}: column {name!r}", np.asarray(column)).astype(np.float64)


def _each(given: Any) -> Iterator[Any]:
    """The blocks one after the other; of a Dask data frame, its partitions."""
    blocks = given() if callable(given) else given
    if hasattr(blocks, "partitions") and hasattr(blocks, "npartitions"):
        return (blocks.partitions[k] for k in range(blocks.npartitions))
    return iter(blocks)


def _computed(block: Any) -> Any:
    compute = getattr(block, "compute", None)
    return compute() if callable(compute) and not isinstance(block, np.ndarray) else block


def _finite(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Numbers, all of them finite."""
    if not np.isfinite(values).all():
        place = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"{name} holds {values[tuple(place)]} in row {place[0]:,}; wanted finite numbers only"
        )
    return values


def joined(pairs: Iterable[Pair], *, intercept: bool) -> Iterator[NDArray[np.float64]]:
    """Inputs, ones if there is an intercept, and targets side by side."""
    for inputs, targets in pairs:
        ones = [np.ones(len(inputs))] if intercept else []
        yield np.column_stack([inputs, *ones, targets])


def without_rows(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a problem that can be checked without its rows."""
    return {name: v for name, v in options.items() if name not in {"names", "batch_size"}}


class Spill:
    """A temporary file with the numbers of rows, the target last, which is removed with the array that maps it.

    Parameters
    ----------
    pieces : iterable of ndarray
        Rows of the same width, float64.
    folder : path, optional
        Where the file is made; in the system's folder for temporary files by default.
    """

    def __init__(self, pieces: Iterable[NDArray[np.float64]], folder: Any = None) -> None:
        import tempfile  # noqa: PLC0415  (not part of the import's time)

        handle, self.file = tempfile.mkstemp(".rows", "fastgd-", folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                for piece in pieces:
                    stream.write(np.ascontiguousarray(piece).data)
                    self.width = piece.shape[1]
        except BaseException:
            Path(self.file).unlink()
            raise

    def table(self) -> NDArray[np.float64]:
        """The rows, mapped; called once."""
        mapped = np.memmap(self.file, np.float64, "r")
        weakref.finalize(mapped, _remove, self.file, os.getpid())
        return mapped.reshape(-1, self.width)


def _remove(file: str, process: int) -> None:
    """Remove a file, but not from a process that was forked since."""
    if os.getpid() == process:
        Path(file).unlink(missing_ok=True)


def coded(
    pairs: Iterable[Pair], labels: Callable[[Any], NDArray[Any]]
) -> tuple[Iterator[Pair], dict[Any, int]]:
    """Pairs whose targets are the numbers of labels in the order in which they appear; the numbers by label.

    The numbers are complete when the pairs have passed.
    """
    known: dict[Any, int] = {}

    def numbered() -> Iterator[Pair]:
        for inputs, targets in pairs:
            here, places = np.unique(labels(targets), return_inverse=True)
            codes = [known.setdefault(label, len(known)) for label in here.tolist()]
            yield inputs, np.array(codes, np.float64)[places]

    return numbered(), known
