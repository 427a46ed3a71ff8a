"""`Rungs`: the table of what `fastgd.SuccessiveHalving` and `fastgd.Hyperband` decided, rung by rung."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, overload

from fastgd.checks import as_count, as_finite, as_number
from fastgd.extras import require

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Rung:
    """One rung: runs that went on to the same number of updates, of which the best went on from there.

    Attributes
    ----------
    bracket : int
        Its bracket, from 0 on; successive halving has one.
    rung : int
        Its number within the bracket, from 0 on.
    updates : int
        Updates of a run at its end, of which those of the rungs before are a part; where runs may make different
        numbers of updates, the largest.
    runs : int
        Runs that went on, or began, in this rung.
    went_on : int
        Those of them that the next rung goes on with; 0 in the last one.
    threshold : float
        The worst average loss, or metric, of a combination that went on; nan in the last rung.
    best : float
        The best average loss, or metric, of a combination at the end of any rung so far.
    seconds : float
        Wall-clock time of the rung.
    """

    bracket: int
    rung: int
    updates: int
    runs: int
    went_on: int
    threshold: float
    best: float
    seconds: float


_NAMES = [f.name for f in fields(Rung)]


class Rungs(Sequence[Rung]):
    """The rungs of a sweep that stopped bad runs early, as `SweepResult.rungs` has them.

    Parameters
    ----------
    rungs : sequence of Rung
    by : {"loss", "metric"}
        What the runs were compared by.

    Examples
    --------
    >>> import fastgd as gd
    >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    >>> halving = gd.SuccessiveHalving(min_iter=30)
    >>> rates = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 1.2]
    >>> out = gd.sweep(line, gd.SGD(), {"lr": rates}, max_iter=270, tol=0, stopping=halving)
    >>> [(rung.updates, rung.runs, rung.went_on) for rung in out.rungs]
    [(30, 9, 3), (90, 3, 1), (270, 1, 0)]
    >>> out.rungs.to_pandas()["best"].is_monotonic_decreasing
    True
    """

    def __init__(self, rungs: Sequence[Rung], by: str) -> None:
        self.rungs, self.by = tuple(rungs), by

    @overload
    def __getitem__(self, index: int) -> Rung: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Rung]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.rungs[index]

    def __len__(self) -> int:
        return len(self.rungs)

    def __iter__(self) -> Iterator[Rung]:
        return iter(self.rungs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rungs) and repr(self.plain()) == repr(other.plain())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """A table in text."""
        rows = [self.headings(), *self.texts()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(t.rjust(w) for t, w in zip(r, widths, strict=True)) for r in rows)
        return "\n".join([f"Rungs: {len(self)} rungs, compared by {self.by}", *lines])

    def headings(self) -> list[str]:
        """The heads of the columns of `texts`."""
        names = [name.replace("_", " ") for name in _NAMES]
        names[_NAMES.index("best")] = f"best {self.by}"
        return names

    def texts(self) -> list[list[str]]:
        """The table as text, row by row."""
        return [[_text(name, value) for name, value in asdict(rung).items()] for rung in self]

    def to_pandas(self) -> pd.DataFrame:
        """Return the rungs as a table, one row each.

        Returns
        -------
        pandas.DataFrame
            With the attributes of `Rung` as columns.
        """
        require("Rungs.to_pandas", "pandas")
        import pandas as pd  # noqa: PLC0415  (heavy)

        return pd.DataFrame([asdict(rung) for rung in self], columns=_NAMES)

    def plain(self) -> dict[str, Any]:
        """The table as plain values, for a file."""
        return {"by": self.by, "rows": [list(astuple(rung)) for rung in self]}

    @classmethod
    def of_plain(cls, given: Any) -> Rungs:
        """The table that `plain` gave; ValueError or TypeError if it is none."""
        if (
            not isinstance(given, dict)
            or set(given) != {"by", "rows"}
            or not isinstance(given["rows"], list)
        ):
            raise ValueError(f"rungs are {given!r:.60}, not a table")
        if given["by"] not in ("loss", "metric"):
            raise ValueError(f"rungs are compared by {given['by']!r:.60}")
        rungs = []
        for row in given["rows"]:
            named = dict(zip(_NAMES, row, strict=True))
            rungs.append(Rung(**{name: _checked(name, value) for name, value in named.items()}))
        return cls(rungs, given["by"])


def _text(name: str, value: Any) -> str:
    if name == "seconds":
        return f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if math.isnan(value) else f"{value:.6g}"


def _checked(name: str, value: Any) -> Any:
    if name in ("threshold", "best"):
        return as_number(name, value)
    return as_finite(name, value) if name == "seconds" else as_count(name, value)
