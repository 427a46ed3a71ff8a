"""`fastgd find-lr`: learning rates for a network on a file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from fastgd.cli import task as tasks
from fastgd.cli.files import out_folder, save_figure, settled
from fastgd.cli.optimizers import trainers
from fastgd.cli.options import NetworkOptions, Split, choice, hyperparameters, picked, source
from fastgd.cli.show import Outcome, Table
from fastgd.cli.splits import TRAINED, VALIDATED
from fastgd.cli.words import count
from fastgd.files import write_csv

if TYPE_CHECKING:
    from fastgd.finder import FoundRates

_POSITIVE = ("batch_size", "steps", "repeats")


def run(options: Namespace) -> Outcome:
    """Run `fastgd find-lr`."""
    from fastgd.finder import find_lr  # noqa: PLC0415  (imports the engines)

    if len(options.optimizer) > 1:
        raise ValueError("--optimizer has several names; find-lr takes one")
    for name in _POSITIVE:
        if getattr(options, name) < 1:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} must be at least 1, got {getattr(options, name)}")
    if options.rates is not None and min(options.rates) <= 0:
        raise ValueError(f"--rates must be above 0, got {min(options.rates):g}")
    network_options = picked(NetworkOptions, options)
    (optimizer,) = trainers(options.optimizer, (), hyperparameters(options)).values()
    split = Split(0.0, options.validation, (options.seed,), None)
    question = tasks.posed(source(options), choice(options), split, options.scale, network_options)
    task = question.task(question.trials[0])
    network = task.network(network_options)
    folder = out_folder(options.out, options.command)
    x, y, *weights = task.rows(TRAINED)
    found = find_lr(
        network,
        x,
        y,
        optimizer=optimizer,
        sample_weight=weights[0] if weights else None,
        validation=task.rows(VALIDATED) if VALIDATED in task.parts else None,
        batch_size=options.batch_size,
        steps=options.steps,
        rates=options.rates,
        seeds=range(options.seed, options.seed + options.repeats),
        n_threads=options.threads,
    )
    parts: list[str | Table] = [*task.summary(network, options.batch_size), *_about(found)]
    if folder is not None:
        parts += _write(folder, found)
    return Outcome(parts, True)


def _about(found: FoundRates) -> list[str | Table]:
    """The rules' rates, and the one to begin with."""
    rows = [list(row) for row in found.rows()]
    table = Table("", ["rule", "rate", "loss there, or why there is no rate"], rows, left=1)
    line = (
        f"{count(len(found.rates), 'rate')} from {found.rates[0]:.3g} to {found.rates[-1]:.3g}, "
        f"{count(len(found.seeds), 'run')} each, in {found.seconds:.3g} s: {found.quantity}; "
        f"{found.start_loss:.4g} at the start"
    )
    if found.lr is None:
        return [line, table, "No rule found a rate; see --rates and --steps."]
    return [line, table, f"Begin with --rate {found.lr:.3g} ({found.rule})."]


def _write(folder: Path, found: FoundRates) -> list[str]:
    written = [folder / "rates.csv", folder / "rates.png"]
    write_csv(found.to_pandas(), written[0])
    save_figure(written[1], found.plot)
    return settled(folder, "find-lr", written)
