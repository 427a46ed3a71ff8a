"""The problem that a file poses to `fastgd sweep` and `fastgd minimize`: linear or logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.columns import Choice, Columns, chosen
from fastgd.cli.encoding import Encoding, Scale, encoding
from fastgd.cli.linear import Linear
from fastgd.cli.model import Model, Target
from fastgd.cli.options import ModelOptions
from fastgd.cli.table import Source
from fastgd.cli.words import SCALES, several

if TYPE_CHECKING:
    from fastgd.optimizers import Optimizer
    from fastgd.problems import LeastSquares, Logistic


Float = NDArray[np.float64]
_MOST_TERMS = 8  # of an equation


@dataclass(frozen=True)
class Task:
    """A problem, and how its parameters become a model of the file's columns."""

    source: Source
    columns: Columns
    encoding: Encoding
    options: ModelOptions
    problem: LeastSquares | Logistic

    @property
    def linear(self) -> LeastSquares | None:
        """The problem, if it is linear regression."""
        from fastgd.problems import LeastSquares  # noqa: PLC0415  (imports the engines)

        return self.problem if isinstance(self.problem, LeastSquares) else None

    def model(self, x: NDArray[Any]) -> Float:
        """Weights, then the constant, in the file's units: (inputs + 1, outputs)."""
        rows = self.parameter_rows(x)
        with np.errstate(all="ignore"):
            return np.vstack(self.encoding.decoded(rows[:-1], rows[-1]))

    def parameter_rows(self, x: NDArray[Any]) -> Float:
        """The problem's parameters, a row for each input and one for the constant."""
        return np.asarray(x, np.float64).reshape(len(self.encoding.inputs) + 1, -1)

    def fitted(self, x: NDArray[Any]) -> Model:
        """The model with these parameters, ready to predict and to be saved."""
        rows, classes = self.parameter_rows(x), self.columns.classes
        linear = Linear(rows[:-1], rows[-1], len(classes or ()))
        target = Target(self.columns.target_name, classes)
        return Model(linear, self.encoding, target, self.source.reading)

    def description(self, x: NDArray[Any]) -> str:
        """The equation, unless it is long, and the score."""
        if len(self.encoding.inputs) > _MOST_TERMS:
            return self.score(x)
        return f"{self._equation(x)}; {self.score(x)}"

    def score(self, x: NDArray[Any]) -> str:
        """R² or accuracy."""
        if self.linear is None:
            return f"{self.problem.accuracy(x):.1%} of the rows classified correctly"  # type: ignore[union-attr]
        y = self.columns.target
        rest = y - self.problem.X @ np.asarray(x, np.float64)
        spread = np.sum((y - y.mean()) ** 2)
        return f"R² {1 - np.sum(rest**2) / spread:.4f}" if spread else "the target is constant"

    def scaled(self, scale: Scale) -> Task:
        """The same with features scaled in another way."""
        code = encoding(self.columns.frame, scale, self.columns.dates)
        return _posed(self.source, self.columns, code, replace(self.options, scale=scale))

    def of_rows(self, rows: NDArray[Any]) -> Task:
        """The same with some of the rows, scaled by these."""
        columns = self.columns
        target = columns.target[rows]
        classes = None if columns.classes is None else tuple(np.unique(target).tolist())
        part = replace(columns, frame=columns.frame.iloc[rows], target=target, classes=classes)
        code = encoding(part.frame, self.options.scale, columns.dates)
        return _posed(self.source, part, code, self.options)

    def has_closed_form(self, optimizer: Optimizer) -> bool:
        """Whether theory knows the rates: plain descent of a linear model on all rows, without penalties."""
        more = ("momentum", "weight_decay", "l1", "l2", "clip_norm")
        plain = type(optimizer).__name__ == "SGD" and not any(getattr(optimizer, m) for m in more)
        return plain and self.linear is not None and self.problem.batches is None

    def curvatures(self) -> Float:
        """Eigenvalues of the Hessian of linear regression, in increasing order."""
        assert self.linear is not None
        return np.linalg.eigvalsh(self.linear.hessian).astype(np.float64)

    def summary(self) -> str:
        """The line that describes the problem."""
        columns = self.columns
        kind = "" if columns.classes is None else f" ({len(columns.classes)} classes)"
        rows = f"{len(columns.target):,} rows of {self.source.name}"
        parts = [rows, SCALES[self.options.scale], *self.encoding.remarks(), *columns.notes]
        if self.problem.batches is not None:
            parts.append(f"{self.problem.updates_per_epoch:,} updates an epoch")
        names = several(columns.feature_names)
        return f"{columns.target_name}{kind} from {names}: {'; '.join(parts)}; cost {self.problem.cost}"

    def remedy(self) -> str:
        """Advice after divergence."""
        return "try smaller rates" + (", or --scale minmax" if self.options.scale == "none" else "")

    def _equation(self, x: NDArray[Any]) -> str:
        """The model in the file's units."""
        target, classes = self.columns.target_name, self.columns.classes
        sides = [_sum(weights, self.encoding.inputs) for weights in self.model(x).T]
        if classes is None:
            return f"{target} = {sides[0]}"
        if len(sides) == 1:
            return f"log-odds of {target} {classes[1]} = {sides[0]}"
        each = [f"{name}: {side}" for name, side in zip(classes, sides, strict=True)]
        return f"scores of {target}: " + ", ".join(each)


def posed(source: Source, choice: Choice, options: ModelOptions) -> Task:
    """Read the file and pose the problem."""
    columns = chosen(source, choice)
    with source.named_in_errors():
        code = encoding(columns.frame, options.scale, columns.dates)
    return _posed(source, columns, code, options)


def _posed(source: Source, columns: Columns, code: Encoding, options: ModelOptions) -> Task:
    from fastgd.problems import LeastSquares, Logistic  # noqa: PLC0415  (imports the engines)

    kind: type[LeastSquares | Logistic]
    kind, cost = (LeastSquares, "1/2m") if columns.classes is None else (Logistic, "1/m")
    problem = kind(
        code.encoded(columns.frame),
        columns.target,
        cost=options.cost or cost,  # type: ignore[arg-type]
        names=_parameter_names(code.inputs),
        batch_size=options.batch_size,
    )
    return Task(source, columns, code, options, problem)


def _parameter_names(inputs: Sequence[str]) -> list[str]:
    """The inputs' names, each only once; b is the constant's."""
    taken, names = {"b"}, []
    for name in inputs:
        own = name
        while own in taken:
            own += " (feature)"
        taken.add(own)
        names.append(own)
    return names


def _sum(weights: Float, names: Sequence[str]) -> str:
    """For example 3.15 height - 86.6."""
    terms = [f"{abs(w):.6g} {name}".strip() for w, name in zip(weights, (*names, ""), strict=True)]
    signs = ["-" if w < 0 else "+" for w in weights]
    text = " ".join(f"{sign} {term}" for sign, term in zip(signs, terms, strict=True))
    return text.removeprefix("+ ") if text[0] == "+" else "-" + text[2:]
