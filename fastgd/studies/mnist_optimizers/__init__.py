"""SGD, momentum, AdaGrad and Adadelta on MNIST: every figure of a published comparison, and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastgd.datasets import Dataset, load_mnist
from fastgd.studies.common import Finding, findings_table, named_data, origin
from fastgd.studies.mnist_optimizers.figures import curves_figure, curves_table, runs_table
from fastgd.studies.mnist_optimizers.findings import (
    at_the_end,
    larger_momenta,
    single_rows,
    two_rates,
    windows,
)
from fastgd.studies.mnist_optimizers.runs import (
    BATCH,
    CLASSES,
    CLOSE_PAIR,
    EPS,
    GAMMAS,
    GUESSING,
    HIDDEN,
    MOMENTA,
    SEEDS,
    Run,
    train_all,
    with_seed,
)
from fastgd.studies.report import Block, Figure, Options, Section, Text

NAME = "mnist-optimizers"
#: Updates with single rows and with batches: one pass and five passes over MNIST's 60,000 rows; fewer for the small
#: stand-in, and in quick mode.
UPDATES, UPDATES_OF_STAND_IN, UPDATES_QUICK = (60_000, 1175), (15_000, 600), (1000, 150)


def study(options: Options) -> Section:
    """Train with every setting of the source, then test its findings one by one."""
    rows = load_mnist(
        named_data(options.data, load_mnist, "mnist/train-images-idx3-ubyte.gz"),
        download=options.download,
    )
    updates = UPDATES_OF_STAND_IN if rows.instead else UPDATES
    single, batched = UPDATES_QUICK if options.quick else updates
    runs = train_all(rows, single, batched)
    parts = parts_of(runs)
    findings = [part.finding for part in parts]
    summary = _summary(findings, quick=options.quick)
    blocks: list[Block] = [
        Text(
            "**The question.** A network is trained to recognize handwritten digits by SGD, momentum, AdaGrad and "
            "Adadelta. A paper plots the loss of each update for comparison, without numbers. Do its findings hold?"
        ),
        Text(_setting(rows, single, batched, quick=options.quick)),
        Text(f"**Result.** {summary}"),
        findings_table(findings, "The source's findings, each decided by a number."),
    ]
    for part in parts:
        f = part.finding
        blocks.append(Text(f"**{f.figure}.** {f.claim}: **{f.verdict}**."))
        blocks.append(part.drawn)
    blocks += [runs_table(runs), curves_table(runs)]
    results = {"runs": runs, "findings": findings}
    return Section(
        NAME,
        "Optimizers on MNIST",
        origin(rows, "MNIST is", "the real one"),
        summary,
        blocks,
        results,
    )


def _setting(rows: Dataset, single: int, batched: int, *, quick: bool) -> str:
    n, tested, inputs = len(rows.data), len(np.asarray(rows.test_data)), rows.data[0].size
    sizes = "-".join(map(str, (inputs, *HIDDEN, CLASSES)))
    text = (
        f"**The setting.** A network {sizes} with ReLU, softmax and cross-entropy, float32; {n:,} images to train and "
        f"{tested:,} to test, pixels from 0 to 1. Batches of {BATCH} for {batched:,} updates "
        f"({batched * BATCH / n:.3g} passes), single rows for {single:,} ({single / n:.3g}). The source states "
        "neither the initial weights nor the length of its runs. Here the layers before a ReLU start with He's weights "
        f"and the last with Glorot's; weights and orders of the rows (seed {SEEDS[0]}) are the same for all runs. The "
        "source gives the new sample the weight γ, where others give the old mean the weight ρ = 1 − γ. It puts ε "
        f"inside the roots without stating its value; here it is {EPS:g}. Adadelta has no learning rate. A loss is "
        "that of an update's own batch before the update; the figures show means over many updates. Guessing has the "
        f"loss ln {CLASSES} = {GUESSING:.2f}."
    )
    if quick:
        text += " In this quick form the runs are shortened; the full ones may decide otherwise."
    return text


@dataclass(frozen=True)
class Part:
    """One figure of the source: its finding, and our plot."""

    finding: Finding
    drawn: Figure


def parts_of(runs: dict[str, Run]) -> list[Part]:
    """The figures of the source, in its order."""
    slow, fast = runs["SGD, one row, rate 0.01"], runs["SGD, one row, rate 0.1"]
    low, high = runs["SGD, rate 0.01"], runs["SGD, rate 0.1"]
    momenta = [runs[f"momentum {m}"] for m in MOMENTA]
    gammas = [runs[f"Adadelta, γ {g}"] for g in GAMMAS]
    four = [low, runs["momentum 0.9"], runs["AdaGrad"], runs["Adadelta, γ 0.1"]]
    pairs = [
        (runs[with_seed(CLOSE_PAIR[0], seed)], runs[with_seed(CLOSE_PAIR[1], seed)])
        for seed in SEEDS
    ]
    found = {
        "single-rows": (single_rows(slow, fast), [slow, fast]),
        "batches": (two_rates(low, high), [low, high]),
        "momentum": (larger_momenta(momenta), momenta),
        "adadelta": (windows(gammas), gammas),
        "four-methods": (at_the_end(four, pairs), four),
    }
    return [Part(f, curves_figure(name, f.figure, drawn)) for name, (f, drawn) in found.items()]


def _summary(findings: list[Finding], *, quick: bool) -> str:
    held = [f for f in findings if f.holds]
    text = f"{len(held)} of the {len(findings)} findings hold"
    text += " in the quick form, whose runs are cut short" if quick else ""
    failed = ", ".join(f"“{f.claim}” ({f.figure})" for f in findings if not f.holds)
    return f"{text}; not: {failed}." if failed else f"{text}."
