"""`fastgd train`, `compare` and `predict`: networks on a user's own file, and what came out in words.

Nothing is printed here: a `Said` holds lines and tables, and the command line shows them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli import columns
from fastgd.cli.show import Said, Table, out_folder, save_figure
from fastgd.cli.table import read
from fastgd.cli.words import ENDED, NUMBERS, SCALES
from fastgd.engines.protocol.outcomes import Status

if TYPE_CHECKING:
    import pandas as pd

    from fastgd.network.history import TrainingHistory
    from fastgd.network.mlp import MLP
    from fastgd.optimizers import Optimizer
    from fastgd.progress import Progress


Array = NDArray[Any]
Float = NDArray[np.float64]
LOSSES = {
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "huber": "Huber's loss",
    "poisson": "Poisson deviance",
    "cross_entropy": "cross-entropy",
}
TRAINED, VALIDATED, HELD_OUT = "trained on", "validation", "held out"
_NETWORK, _COLUMNS, _FORMAT = "network.npz", "columns.json", "fastgd columns 1"
_MOST_ROWS, _EPOCHS = 60, "epoch (a mark: the parameters that were kept)"
_OF_THE_NETWORK = ("l1", "l2")  # penalties on its weights, not the optimizer's on all parameters


# --- the model: a network, and how a file's columns become its inputs ---------------------------------


@dataclass(frozen=True)
class _Target:
    """What is predicted: classes, or a number as the network's output times `width` plus `offset`."""

    name: str
    classes: tuple[Any, ...] | None = None
    offset: float = 0.0
    width: float = 1.0


@dataclass(frozen=True)
class _Model:
    """A trained network with all that its predictions need."""

    network: MLP
    encoding: columns.Encoding
    target: _Target

    def predictions(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Columns: what is predicted, in the file's own units, and each class' probability."""
        x = _inputs(self.encoding, frame, self.network)
        if self.target.classes is None:
            values = self.network.predict(x).astype(np.float64)
            return {"predicted": values * self.target.width + self.target.offset}
        shares = self.network.predict_proba(x)
        best = shares.argmax(axis=1).tolist()
        each = {f"p({c})": shares[:, k] for k, c in enumerate(self.target.classes)}
        return {"predicted": [self.target.classes[k] for k in best], **each}

    def save(self, folder: Path) -> list[Path]:
        """Two files; `load` reads them."""
        said = {
            "format": _FORMAT,
            "target": dataclasses.asdict(self.target),
            "features": [dataclasses.asdict(feature) for feature in self.encoding.features],
        }
        text = json.dumps(said, indent=1, ensure_ascii=False)
        (folder / _COLUMNS).write_text(text + "\n", encoding="utf-8")
        self.network.save(folder / _NETWORK)
        return [folder / _NETWORK, folder / _COLUMNS]

    @classmethod
    def load(cls, folder: Path) -> _Model:
        """What `save` wrote."""
        from fastgd.network.mlp import MLP  # noqa: PLC0415  (imports the engines)

        for name in (_NETWORK, _COLUMNS):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"there is no {folder / name}; fastgd train --out writes it"
                )
        try:
            said = json.loads((folder / _COLUMNS).read_text(encoding="utf-8"))
            if said["format"] != _FORMAT:
                raise ValueError
            target, features = _Target(**said["target"]), said["features"]
            encoding = columns.Encoding(
                tuple(columns.Feature(**{**f, "levels": tuple(f["levels"])}) for f in features)
            )
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f"{folder / _COLUMNS} is not what this version of fastgd train writes"
            ) from None
        classes = target.classes and tuple(target.classes)
        network = MLP.load(folder / _NETWORK)
        wanted = (len(encoding.inputs), len(classes) if classes else 1)
        if (network.sizes[0], network.sizes[-1]) != wanted:
            raise ValueError(f"{folder / _NETWORK} and {_COLUMNS} beside it are of two networks")
        return cls(network, encoding, dataclasses.replace(target, classes=classes))


def _inputs(encoding: columns.Encoding, frame: pd.DataFrame, network: MLP) -> Array:
    with np.errstate(over="ignore"):  # the network says which is too large
        return encoding.encoded(frame).astype(network.architecture.dtype)


# --- the task: a file's rows in three parts -------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """What a file and its options pose; `parts` are positions of rows by name, those trained on first."""

    file: str
    mixed: columns.Mixed
    encoding: columns.Encoding
    target: _Target
    labels: Array  # the target as the network has it
    parts: Mapping[str, NDArray[np.intp]]
    loss: str

    def frame(self, part: str) -> pd.DataFrame:
        return self.mixed.frame.iloc[self.parts[part]]

    def rows(self, part: str, network: MLP) -> tuple[Array, Array]:
        return _inputs(self.encoding, self.frame(part), network), self.labels[self.parts[part]]

    @property
    def judged(self) -> str:
        """The part whose results count: the last there is."""
        return list(self.parts)[-1]


def _task(options: Namespace) -> _Task:
    frame = read(options.file, decimal=options.decimal, thousands=options.thousands)
    try:
        mixed = columns.choose_mixed(
            frame,
            options.target,
            options.features,
            without=options.without or (),
            categories=options.categories or (),
            task=options.task,
            drop_missing=options.drop_missing,
        )
        parts = _parts(mixed, options.test, options.validation, options.seed)
        encoding = columns.encoding(mixed.frame.iloc[parts[TRAINED]], options.scale)
        loss = _loss(options.loss, mixed)
        target = _target(
            mixed, parts[TRAINED], as_it_is=loss == "poisson" or options.scale == "none"
        )
    except ValueError as error:
        raise ValueError(f"{options.file}: {error}") from None
    labels: Array
    if target.classes is None:
        labels = (mixed.target - target.offset) / target.width
    else:
        labels = np.unique(mixed.target, return_inverse=True)[1]
    return _Task(Path(options.file).name, mixed, encoding, target, labels, parts, loss)


def _parts(
    mixed: columns.Mixed, test: float, validation: float, seed: int
) -> dict[str, NDArray[np.intp]]:
    """Rows at random, classes in equal shares; what has no rows is not there."""
    for name, share in (("test", test), ("validation", validation)):
        if not 0 <= share < 1:
            raise ValueError(
                f"--{name} is a share of the rows, at least 0 and below 1, got {share:g}"
            )
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed must be a whole number from 0 to {2**32 - 1}, got {seed}")
    rest: NDArray[np.intp] = np.arange(len(mixed.target))
    many = {HELD_OUT: math.ceil(test * len(rest)), VALIDATED: math.ceil(validation * len(rest))}
    left = len(rest) - sum(many.values())
    if left < 2:
        raise ValueError(
            f"of {len(rest)} rows --test {test:g} and --validation {validation:g} leave {left} to train on; "
            "wanted two at least"
        )
    labels = None if mixed.classes is None else mixed.target
    classes = len(mixed.classes or ())
    if labels is not None and 0 < many[HELD_OUT] < classes:
        raise ValueError(
            f"--test {test:g} holds out {many[HELD_OUT]} of {len(rest)} rows, and there are {classes} classes; "
            "hold out more, or none"
        )
    taken = {}
    for name, size in many.items():
        if size:
            rest, taken[name] = _split(rest, size, labels, seed)
    return {TRAINED: rest, **dict(reversed(taken.items()))}


def _split(
    rows: NDArray[np.intp], size: int, labels: Array | None, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """In equal shares of the classes, where each has rows enough."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415  (heavy)

    strata = None if labels is None else labels[rows]
    if strata is not None:
        counts = np.unique(strata, return_counts=True)[1]
        if counts.min() < 2 or not len(counts) <= size <= len(rows) - len(counts):
            strata = None
    first, second = train_test_split(rows, test_size=size, random_state=seed, stratify=strata)
    return np.sort(first), np.sort(second)


def _loss(name: str | None, mixed: columns.Mixed) -> str:
    fitting = [loss for loss in LOSSES if (loss == "cross_entropy") == (mixed.classes is not None)]
    if name is not None and name not in fitting:
        what = "a number" if mixed.classes is None else "a class"
        raise ValueError(
            f"--loss {name} does not fit {mixed.target_name!r}, which is {what}: {', '.join(fitting)}"
        )
    if name == "poisson" and (mixed.target < 0).any():
        row = int(mixed.frame.index[int(np.argmax(mixed.target < 0))]) + 1
        raise ValueError(f"--loss poisson: {mixed.target_name!r} is negative in row {row}")
    return name or fitting[0]


def _target(mixed: columns.Mixed, trained: NDArray[np.intp], as_it_is: bool) -> _Target:
    if mixed.classes is not None or as_it_is:
        return _Target(mixed.target_name, mixed.classes)
    with np.errstate(all="ignore"):
        offset, width = mixed.target[trained].mean().item(), mixed.target[trained].std().item()
    if not (math.isfinite(offset) and math.isfinite(width)):
        raise ValueError(f"column {mixed.target_name!r} has numbers beyond what can be scaled")
    return _Target(mixed.target_name, None, offset, width or 1.0)


# --- training -------------------------------------------------------------------------------------------


def _network(task: _Task, options: Namespace) -> MLP:
    from fastgd.network.mlp import MLP  # noqa: PLC0415  (imports the engines)

    outputs = len(task.target.classes or (0,))
    return MLP(
        [len(task.encoding.inputs), *options.hidden, outputs],
        activation=options.activation,
        loss=task.loss,
        l1=options.l1 or 0.0,
        l2=options.l2 or 0.0,
        dropout=options.dropout,
        dtype=options.dtype,
        rng=options.seed,
        n_threads=options.threads,
    )


def _optimizers(options: Namespace) -> dict[str, Optimizer]:
    """By name, each with its rate and with the numbers that it has; those that none has are refused."""
    import fastgd as gd  # noqa: PLC0415

    bare: list[Optimizer] = [getattr(gd, name)() for name in options.optimizer]
    rates = options.rate or ()
    if len(rates) not in (0, 1, len(bare)):
        raise ValueError(f"--rate has {len(rates)} values for {len(bare)} optimizers")
    given = {name: getattr(options, name) for name in (*NUMBERS, "betas")}
    given = {
        name: value[0] if name == "betas" else value
        for name, value in given.items()
        if value is not None and name not in _OF_THE_NETWORK
    }
    for name in given:
        if not any(hasattr(optimizer, name) for optimizer in bare):
            bare[0].with_options(**{name: given[name]})  # says that it has none
    several = {}
    for k, (name, optimizer) in enumerate(zip(options.optimizer, bare, strict=True)):
        own = {option: value for option, value in given.items() if hasattr(optimizer, option)}
        rate = {"lr": rates[k % len(rates)]} if rates else {}
        several[name] = optimizer.with_options(**own, **rate)
    return several


@dataclass(frozen=True)
class _Run:
    """One training."""

    name: str
    optimizer: Optimizer
    network: MLP
    history: TrainingHistory
    status: Status
    seconds: float
    watched: str | None  # what early stopping watched

    @property
    def usable(self) -> bool:
        """Whether there is a network to speak of."""
        return self.status != Status.DIVERGED and self.network.steps_ > 0

    @property
    def kept(self) -> int:
        """The record whose parameters the network has; -1, the last, also where none was made."""
        stopped = self.watched is not None and self.status != Status.INTERRUPTED
        return int(np.argmin(getattr(self.history, self.watched or ""))) if stopped else -1

    def at(self, quantity: str) -> float:
        """What was recorded of the parameters that were kept."""
        return float(getattr(self.history, quantity)[self.kept]) if len(self.history) else math.nan

    @property
    def epochs(self) -> float:
        return float(self.history.epoch[-1]) if len(self.history) else 0.0

    @property
    def outcome(self) -> str:
        return {Status.CONVERGED: "stopped early", Status.MAX_ITER: "all epochs done"}.get(
            self.status, ENDED[self.status]
        )


def _trained(
    task: _Task,
    network: MLP,
    name: str,
    optimizer: Optimizer,
    options: Namespace,
    *,
    progress: Progress,
) -> _Run:
    from fastgd.network.history import DivergenceWarning  # noqa: PLC0415  (imports the engines)

    validation = task.rows(VALIDATED, network) if VALIDATED in task.parts else None
    watched = None
    if options.patience:
        watched = "loss" if validation is None else "val_loss"
    x, y = task.rows(TRAINED, network)
    optimizer, began = optimizer.fresh(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # an outcome that is told
        network.fit(
            x,
            y,
            optimizer=optimizer,
            batch_size=options.batch_size,
            epochs=options.epochs,
            validation=validation,
            patience=options.patience or None,
            monitor=watched or "val_loss",
            callbacks=[_teller(progress, network, len(x), options)],
            max_seconds=options.max_seconds,
        )
    status = Status(network.status_)
    progress.close_group(1, status == Status.DIVERGED)
    took = time.perf_counter() - began
    return _Run(name, optimizer, network, network.history_, status, took, watched)


def _updates(rows: int, options: Namespace) -> int:
    return int(options.epochs) * -(-rows // int(options.batch_size))


def _teller(progress: Progress, network: MLP, rows: int, options: Namespace) -> Callable[..., None]:
    """Says after each epoch how far it is."""
    from fastgd.engines.protocol.outcomes import Standing  # noqa: PLC0415

    def tell(_: TrainingHistory) -> None:
        done = network.steps_
        progress.look(lambda: Standing(0, 1, 0, done / _updates(rows, options), done))

    return tell


def _check_numbers(options: Namespace) -> None:
    for name in ("epochs", "batch_size"):
        if getattr(options, name) < 1:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} must be at least 1, got {getattr(options, name)}")
    if options.patience < 0:
        raise ValueError(f"--patience must be at least 0, got {options.patience}")
    if options.max_seconds is not None and not options.max_seconds > 0:
        raise ValueError(f"--max-seconds must be above 0, got {options.max_seconds:g}")


# --- what came of it --------------------------------------------------------------------------------------


def _scores(task: _Task, network: MLP, part: str) -> dict[str, float]:
    """How good the network is on a part of the rows: accuracy and F1, or errors in the file's own units and R²."""
    from sklearn import metrics  # noqa: PLC0415  (heavy)

    truth = task.mixed.target[task.parts[part]]
    guess = _Model(network, task.encoding, task.target).predictions(task.frame(part))["predicted"]
    if task.target.classes is not None:
        right = task.labels[task.parts[part]]
        known = {label: k for k, label in enumerate(task.target.classes)}
        guessed = [known[label] for label in guess]
        return {
            "accuracy": metrics.accuracy_score(right, guessed),
            "F1": metrics.f1_score(right, guessed, average="macro", zero_division=0),
        }
    return {
        "MSE": metrics.mean_squared_error(truth, guess),
        "MAE": metrics.mean_absolute_error(truth, guess),
        "R²": metrics.r2_score(truth, guess) if len(truth) > 1 else math.nan,
    }


def _number(value: float, places: str = ".6g") -> str:
    return "-" if math.isnan(value) else format(value, places)


def _score_names(task: _Task) -> list[str]:
    return ["MSE", "MAE", "R²"] if task.target.classes is None else ["accuracy", "F1"]


def _count(many: float, what: str) -> str:
    return f"{many:,.6g} {what}" if many == 1 else f"{many:,.6g} {what}s"


def _task_lines(task: _Task, network: MLP, options: Namespace) -> list[str]:
    mixed, features = task.mixed, task.encoding.features
    names = ", ".join(f.name for f in features[:6])
    names += f" and {len(features) - 6} more" if len(features) > 6 else ""
    kind = "" if mixed.classes is None else f" ({len(mixed.classes)} classes)"
    said = [f"{len(mixed.target):,} rows of {task.file}", SCALES[options.scale]]
    levels = [f"{f.name} ({len(f.levels)})" for f in features if f.levels]
    if levels:
        more = f" and {len(levels) - 6} more" if len(levels) > 6 else ""
        said.append("an input for each level of " + ", ".join(levels[:6]) + more)
    if (task.target.offset, task.target.width) != (0.0, 1.0):
        said.append("target standardized")
    said += mixed.notes
    unknown = sum(task.encoding.unknown(task.frame(part)) for part in task.parts)
    if unknown:
        said.append(f"{_count(unknown, 'row')} with a level that no row trained on has")
    a = network.architecture
    penalties = [
        f"{name} {getattr(a, name):g}" for name in ("l1", "l2", "dropout") if getattr(a, name)
    ]
    hidden = str(options.activation) if options.hidden else "linear"
    what = ", ".join([hidden, LOSSES[task.loss], *penalties])
    parts = ", ".join(f"{len(rows):,} {part}" for part, rows in task.parts.items())
    return [
        f"{task.target.name}{kind} from {names}: {'; '.join(said)}",
        f"Network {'-'.join(map(str, a.sizes))} ({what}): {network.n_parameters:,} parameters, {a.dtype.name}; "
        f"rows: {parts}; batches of {min(options.batch_size, len(task.parts[TRAINED])):,}",
    ]


def _finished_line(run: _Run) -> str:
    said = (
        f"{run.optimizer.fresh()!r}: {run.outcome} after {_count(run.epochs, 'epoch')} "
        f"({run.network.steps_:,} updates), {run.seconds:.3g} s"
    )
    if run.usable and run.kept >= 0 and run.at("epoch") < run.epochs:
        which = "validation" if run.watched == "val_loss" else "training"
        said += (
            f"; kept as it was after epoch {run.at('epoch'):g}, where the {which} loss was lowest"
        )
    return said


def _write_histories(path: Path, runs: Sequence[_Run], named: bool) -> None:
    import pandas as pd  # noqa: PLC0415  (heavy)

    frames = [run.history.to_pandas().drop(columns="grad_norm") for run in runs]
    if named:
        for frame, run in zip(frames, runs, strict=True):
            frame.insert(0, "optimizer", run.name)
    pd.concat(frames).to_csv(path, index=False)


def _write_rows(path: Path, names: Iterable[str], rows: Iterable[Sequence[Any]]) -> None:
    import pandas as pd  # noqa: PLC0415  (heavy)

    pd.DataFrame(rows, columns=[name.replace("²", "2") for name in names]).to_csv(path, index=False)


def _write_predictions(path: Path, task: _Task, columns: Mapping[str, Any]) -> None:
    import pandas as pd  # noqa: PLC0415  (heavy)

    rows = task.parts[task.judged]
    first = {"row": task.frame(task.judged).index + 1, task.target.name: task.mixed.target[rows]}
    said = {f"{name} of the network" if name in first else name: v for name, v in columns.items()}
    pd.DataFrame({**first, **said}).to_csv(path, index=False)


def _curve(run: _Run, quantity: str) -> tuple[Float, Float]:
    return run.history.epoch, getattr(run.history, quantity)


# --- fastgd train -------------------------------------------------------------------------------------------


def train(options: Namespace) -> Said:
    """Do what `fastgd train` was told.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    Said

    Raises
    ------
    ValueError, OSError
        If the file or an option cannot be used.
    """
    from fastgd.progress import Progress  # noqa: PLC0415

    _check_numbers(options)
    if len(options.optimizer) > 1:
        raise ValueError("--optimizer has several names; fastgd compare takes several")
    ((name, optimizer),) = _optimizers(options).items()
    task = _task(options)
    network = _network(task, options)
    folder = out_folder(options.out)
    with Progress(1, max_iter=_updates(len(task.parts[TRAINED]), options)) as progress:
        run = _trained(task, network, name, optimizer, options, progress=progress)
    parts: list[str | Table] = [*_task_lines(task, network, options), _finished_line(run)]
    scores = {part: _scores(task, network, part) for part in task.parts} if run.usable else {}
    if run.status == Status.DIVERGED:
        parts.append(_REMEDY)
    elif scores:
        parts.append(_scores_table(task, network, scores))
    if folder is not None:
        parts += _write_training(folder, task, run, scores)
    return Said(parts, run.status != Status.INTERRUPTED)


_REMEDY = "It diverged: try a smaller --rate, or --clip-norm 1."


def _scores_table(task: _Task, network: MLP, scores: Mapping[str, Mapping[str, float]]) -> Table:
    rows = [
        [part, f"{len(task.parts[part]):,}", _number(network.loss(*task.rows(part, network)))]
        + [_number(value) for value in of_part.values()]
        for part, of_part in scores.items()
    ]
    return Table("", ["rows", "number", "loss", *_score_names(task)], rows, left=1)


def _write_training(
    folder: Path, task: _Task, run: _Run, scores: Mapping[str, Mapping[str, float]]
) -> list[str | Table]:
    from fastgd.plotting import LossCurveDisplay  # noqa: PLC0415

    written = []
    if len(run.history):
        written += [folder / "history.csv", folder / "loss.png"]
        _write_histories(written[0], [run], named=False)
        curves = {"rows trained on": _curve(run, "loss")}
        if VALIDATED in task.parts:
            curves["validation rows"] = _curve(run, "val_loss")
        kept = dict.fromkeys(curves, run.at("epoch"))
        display = LossCurveDisplay(curves, _EPOCHS, LOSSES[task.loss], kept if run.usable else None)
        save_figure(written[1], display.plot)
    if run.usable:
        model = _Model(run.network, task.encoding, task.target)
        written += [folder / "metrics.csv", folder / "predictions.csv", *model.save(folder)]
        rows = [[part, len(task.parts[part]), *of.values()] for part, of in scores.items()]
        _write_rows(folder / "metrics.csv", ["rows", "number", *_score_names(task)], rows)
        of_judged = model.predictions(task.frame(task.judged))
        _write_predictions(folder / "predictions.csv", task, of_judged)
    return [f"Written: {', '.join(map(str, written))}"] if written else []


# --- fastgd compare -----------------------------------------------------------------------------------------


def compare(options: Namespace) -> Said:
    """Do what `fastgd compare` was told.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    Said

    Raises
    ------
    ValueError, OSError
        If the file or an option cannot be used.
    """
    from fastgd.progress import Progress  # noqa: PLC0415

    _check_numbers(options)
    optimizers = _optimizers(options)
    task = _task(options)
    network = _network(task, options)
    folder = out_folder(options.out)
    runs: list[_Run] = []
    updates = _updates(len(task.parts[TRAINED]), options)
    with Progress(len(optimizers), max_iter=updates) as progress:
        for name, optimizer in optimizers.items():
            try:
                again = network.fresh()
                runs.append(_trained(task, again, name, optimizer, options, progress=progress))
            except KeyboardInterrupt:
                break
            if runs[-1].status == Status.INTERRUPTED:
                break
    parts: list[str | Table] = [*_task_lines(task, network, options)]
    scores = [_scores(task, run.network, task.judged) if run.usable else {} for run in runs]
    if runs:
        parts.append(_comparison_table(task, runs, scores))
    best = min((run for run in runs if run.usable), key=lambda run: _merit(task, run), default=None)
    if best is not None:
        parts.append(f"Best by its {_judge(task)} loss: {best.name} ({_merit(task, best):.6g})")
    elif runs and all(run.status == Status.DIVERGED for run in runs):
        parts.append(_REMEDY.replace("It", "Every one"))
    if folder is not None and runs:
        parts += _write_comparison(folder, task, runs, scores, best)
    finished = len(runs) == len(optimizers) and runs[-1].status != Status.INTERRUPTED
    return Said(parts, finished)


def _judge(task: _Task) -> str:
    return "validation" if VALIDATED in task.parts else "training"


def _merit(task: _Task, run: _Run) -> float:
    """By what it is chosen, which is not what the held-out rows say."""
    value = run.at("val_loss" if VALIDATED in task.parts else "loss")
    return math.inf if math.isnan(value) else value


def _comparison(task: _Task, run: _Run, scores: Mapping[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "optimizer": run.name,
        "rate": run.optimizer.lr,
        "outcome": run.outcome,
        "epochs": run.epochs,
        "epoch kept": run.at("epoch") if run.usable else math.nan,
        "seconds": run.seconds,
        "training loss": run.at("loss") if run.usable else math.nan,
    }
    if VALIDATED in task.parts:
        row["validation loss"] = run.at("val_loss") if run.usable else math.nan
    return {**row, **{name: scores.get(name, math.nan) for name in _score_names(task)}}


def _comparison_table(
    task: _Task, runs: Sequence[_Run], scores: Sequence[Mapping[str, float]]
) -> Table:
    rows = [_comparison(task, run, of_run) for run, of_run in zip(runs, scores, strict=True)]
    texts = [
        [
            v if isinstance(v, str) else _number(v, ".3g" if name == "seconds" else ".6g")
            for name, v in row.items()
        ]
        for row in rows
    ]
    names = ", ".join(_score_names(task))
    title = f"{names}: on the {_count(len(task.parts[task.judged]), 'row')} {_IS[task.judged]}"
    return Table(title, list(rows[0]), texts, left=1)


_IS = {TRAINED: "trained on", VALIDATED: "of the validation", HELD_OUT: "held out"}


def _write_comparison(
    folder: Path,
    task: _Task,
    runs: Sequence[_Run],
    scores: Sequence[Mapping[str, float]],
    best: _Run | None,
) -> list[str | Table]:
    from fastgd.plotting import LossCurveDisplay  # noqa: PLC0415

    rows = [_comparison(task, run, of_run) for run, of_run in zip(runs, scores, strict=True)]
    written = [folder / "comparison.csv"]
    _write_rows(written[0], rows[0], [list(row.values()) for row in rows])
    recorded = [run for run in runs if len(run.history)]
    if recorded:
        written += [folder / "history.csv", folder / "comparison.png"]
        _write_histories(written[1], recorded, named=True)
        kinds = {"loss": "rows trained on"}
        if VALIDATED in task.parts:
            kinds["val_loss"] = "validation rows"
        displays = [
            LossCurveDisplay(
                {run.name: _curve(run, kind) for run in recorded},
                _EPOCHS,
                f"{LOSSES[task.loss]}, {where}",
                {run.name: run.at("epoch") for run in recorded if run.usable},
            )
            for kind, where in kinds.items()
        ]
        save_figure(written[2], *(display.plot for display in displays))
    if best is not None:
        written.append(folder / "predictions.csv")
        guesses = {
            run.name: _Model(run.network, task.encoding, task.target)
            .predictions(task.frame(task.judged))["predicted"]
            for run in runs
            if run.usable
        }  # fmt: skip
        _write_predictions(written[-1], task, guesses)
        written += _Model(best.network, task.encoding, task.target).save(folder)
    return [f"Written: {', '.join(map(str, written))}"]


# --- fastgd predict -----------------------------------------------------------------------------------------


def predict(options: Namespace) -> Said:
    """Do what `fastgd predict` was told.

    Parameters
    ----------
    options : argparse.Namespace

    Returns
    -------
    Said

    Raises
    ------
    ValueError, OSError
        If the folder holds no network, or the file cannot be used.
    """
    import pandas as pd  # noqa: PLC0415  (heavy)

    model = _Model.load(Path(options.folder))
    frame = read(options.file, decimal=options.decimal, thousands=options.thousands)
    try:
        chosen = model.encoding.columns(frame, drop_missing=options.drop_missing)
        if not len(chosen):
            raise ValueError("no row without a missing value")
        done = pd.DataFrame({"row": chosen.index + 1, **model.predictions(chosen)})
    except ValueError as error:
        raise ValueError(f"{options.file}: {error}") from None
    name, unknown = Path(options.file).name, model.encoding.unknown(chosen)
    said = f"{model.target.name} of {_count(len(done), 'row')} of {name}, by {model.network!r}"
    if unknown:
        said += f"; {_count(unknown, 'row')} with a level that no row trained on has"
    if options.out is not None:
        done.to_csv(options.out, index=False)
        return Said([said, f"Written: {options.out}"], True)
    title = ""
    if len(done) > _MOST_ROWS:
        title = f"The first {_MOST_ROWS} of {len(done):,} rows (all of them: --out FILE)"
    rows = [
        [_number(v, ".6g") if isinstance(v, float) else str(v) for v in row]
        for row in done.head(_MOST_ROWS).itertuples(index=False, name=None)
    ]
    few = len(done.columns) - 2
    return Said([said, Table(title, list(done.columns), rows, left=0, dispensable=few)], True)
