"""The task that a file poses to `fastgd train` and `fastgd compare`: rows to train on, to validate and to test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.class_weights import class_weights
from fastgd.cli.columns import Choice, Columns, chosen
from fastgd.cli.encoding import Encoding, Scale, encoding
from fastgd.cli.model import Model, Target, network_inputs
from fastgd.cli.options import NetworkOptions, Split
from fastgd.cli.scores import score_names
from fastgd.cli.splits import HELD_OUT, TRAINED, VALIDATED, Rows, Trial, trials, without_test
from fastgd.cli.table import Source
from fastgd.cli.words import LOSSES, SCALES, count, several

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP


Array = NDArray[Any]
_OF_PART = {TRAINED: "trained on", VALIDATED: "of the validation", HELD_OUT: "held out"}


@dataclass(frozen=True)
class Task:
    """Rows of a file in parts, encoded for a network.

    Attributes
    ----------
    source : Source
    columns : Columns
    encoding : Encoding
        Fitted to the training rows.
    scale : str
    target : Target
    labels : ndarray
        The target as the network predicts it: scaled, or numbers of classes.
    trial : Trial
        How the rows are divided, and the network's seed.
    inputs : dict of str to ndarray
        The rows of each part as inputs.
    loss : str
    weights : ndarray, optional
        Of the rows, if they do not all count alike.
    """

    source: Source
    columns: Columns
    encoding: Encoding
    scale: Scale
    target: Target
    labels: Array
    trial: Trial
    inputs: Mapping[str, Array]
    loss: str
    weights: Array | None = None

    @property
    def parts(self) -> Mapping[str, Rows]:
        """Positions of rows by part, the training rows first."""
        return self.trial.parts

    @property
    def judged(self) -> str:
        """The part that the results are about: the last one."""
        return list(self.parts)[-1]

    @property
    def watched(self) -> tuple[str, str]:
        """The loss by which a network is chosen, which is not that of the held-out rows: its record and name."""
        return ("val_loss", "validation") if VALIDATED in self.parts else ("loss", "training")

    @property
    def records(self) -> dict[str, str]:
        """The losses recorded in training, and the rows that each is of."""
        known = {"loss": "rows trained on", "val_loss": "validation rows"}
        return known if VALIDATED in self.parts else {"loss": known["loss"]}

    @property
    def judged_rows(self) -> str:
        """How many rows the results are about, and which."""
        return f"{count(len(self.parts[self.judged]), 'row')} {_OF_PART[self.judged]}"

    @property
    def score_names(self) -> list[str]:
        """The scores of a network on this task."""
        return score_names(self.target.classes)

    def rows(self, part: str) -> tuple[Array, ...]:
        """Inputs, labels, and weights if there are any."""
        rows = self.parts[part]
        weights = () if self.weights is None else (self.weights[rows],)
        return (self.inputs[part], self.labels[rows], *weights)

    def true_values(self, part: str) -> Array:
        """The target as the file has it."""
        return self.columns.target[self.parts[part]]

    def row_numbers(self, part: str) -> Array:
        """The rows as the file counts them, from 1."""
        return np.asarray(self.columns.frame.index[self.parts[part]] + 1)

    def network(self, options: NetworkOptions) -> MLP:
        """An untrained network for this task."""
        from fastgd.network.mlp import MLP  # noqa: PLC0415  (imports the engines)

        outputs = len(self.target.classes or (0,))
        return MLP(
            [len(self.encoding.inputs), *options.hidden, outputs],
            activation=options.activation,
            loss=self.loss,
            l1=options.l1 or 0.0,
            l2=options.l2 or 0.0,
            dropout=options.dropout,
            dtype=options.dtype,
            rng=self.trial.seed,
            n_threads=options.threads,
        )

    def model(self, network: MLP) -> Model:
        """A trained network, ready to predict and to be saved."""
        return Model(network, self.encoding, self.target, self.source.reading)

    def summary(self, network: MLP, batch_size: int) -> list[str]:
        """The lines that describe the task and its network."""
        columns, features = self.columns, self.encoding.features
        kind = "" if columns.classes is None else f" ({len(columns.classes)} classes)"
        remarks = [f"{len(columns.target):,} rows of {self.source.name}", SCALES[self.scale]]
        remarks += self.encoding.remarks()
        if (self.target.offset, self.target.width) != (0.0, 1.0):
            remarks.append("target standardized")
        remarks += columns.notes
        unknown = self.encoding.unknown(columns.frame)
        if unknown:
            remarks.append(unknown_levels(unknown))
        a = network.architecture
        penalties = [
            f"{name} {getattr(a, name):g}" for name in ("l1", "l2", "dropout") if getattr(a, name)
        ]
        hidden = str(a.activation) if len(a.sizes) > 2 else "linear"
        weighted = [] if self.weights is None else ["classes weighted"]
        what = ", ".join([hidden, LOSSES[self.loss], *penalties, *weighted])
        parts = ", ".join(f"{len(rows):,} {part}" for part, rows in self.parts.items())
        names = several([f.name for f in features])
        return [
            f"{self.target.name}{kind} from {names}: {'; '.join(remarks)}",
            f"Network {'-'.join(map(str, a.sizes))} ({what}): {network.n_parameters:,} parameters, {a.dtype.name}; "
            f"rows: {parts}; batches of {min(batch_size, len(self.parts[TRAINED])):,}",
        ]


def posed(
    source: Source, choice: Choice, split: Split, scale: Scale, options: NetworkOptions
) -> Question:
    """Read the file, and see what it asks."""
    columns = chosen(source, choice)
    with source.named_in_errors():
        _check_classes(columns)
        loss = _loss(options.loss, columns)
        divided = trials(columns, split)
        final = None if split.cv is None else without_test(columns, split)
    return Question(source, columns, scale, loss, options, divided, final)


@dataclass(frozen=True)
class Question:
    """What a file asks of a network, and how its rows are divided.

    Attributes
    ----------
    source : Source
    columns : Columns
    scale : str
    loss : str
    options : NetworkOptions
    trials : list of Trial
    final : Trial, optional
        What a network to keep is trained on after cross-validation.
    """

    source: Source
    columns: Columns
    scale: Scale
    loss: str
    options: NetworkOptions
    trials: list[Trial]
    final: Trial | None

    def task(self, trial: Trial) -> Task:
        """The task of one division of the rows."""
        columns, trained = self.columns, trial.parts[TRAINED]
        with self.source.named_in_errors():
            code = encoding(columns.frame.iloc[trained], self.scale, columns.dates)
            unscaled = self.loss == "poisson" or self.scale == "none"
            target = _target(columns, trained, unscaled)
            weights = class_weights(self.options.class_weight, columns, trained)
        labels: Array
        if target.classes is None:
            labels = (columns.target - target.offset) / target.width
        else:
            labels = np.unique(columns.target, return_inverse=True)[1]
        inputs = {
            part: network_inputs(code, columns.frame.iloc[rows], np.dtype(self.options.dtype))
            for part, rows in trial.parts.items()
        }
        by_row = None if weights is None else weights[labels]
        return Task(
            self.source, columns, code, self.scale, target, labels, trial, inputs, self.loss, by_row
        )


def _check_classes(columns: Columns) -> None:
    """Refuse a class that cannot be both trained on and tested."""
    if columns.classes is None:
        return
    known, counts = np.unique(columns.target, return_counts=True)
    if counts.min() < 2:
        alone = known.tolist()[counts.argmin()]
        name = columns.target_name
        raise ValueError(f"class {alone!r} of column {name!r} has one row; wanted at least two")


def unknown_levels(rows: int) -> str:
    """A remark on rows with unknown levels."""
    return f"{count(rows, 'row')} with a level that the training rows do not have"


def _loss(name: str | None, columns: Columns) -> str:
    """The loss, which must fit the target."""
    classes = columns.classes is not None
    fitting = [loss for loss in LOSSES if (loss == "cross_entropy") == classes]
    if name is not None and name not in fitting:
        what = "a class" if classes else "a number"
        raise ValueError(
            f"--loss {name} does not fit {columns.target_name!r}, which is {what}: {', '.join(fitting)}"
        )
    if name == "poisson" and (columns.target < 0).any():
        row = int(columns.frame.index[int(np.argmax(columns.target < 0))]) + 1
        raise ValueError(f"--loss poisson: {columns.target_name!r} is negative in row {row}")
    return name or fitting[0]


def _target(columns: Columns, trained: Rows, unscaled: bool) -> Target:
    """Numbers are standardized by the training rows unless `unscaled`."""
    if columns.classes is not None or unscaled:
        return Target(columns.target_name, columns.classes)
    with np.errstate(all="ignore"):
        offset, width = columns.target[trained].mean().item(), columns.target[trained].std().item()
    if not (math.isfinite(offset) and math.isfinite(width)):
        raise ValueError(f"column {columns.target_name!r} has numbers beyond what can be scaled")
    return Target(columns.target_name, None, offset, width or 1.0)
