"""Which networks train, and how fractal the boundary to those that diverge is.

The source trains a small network for every pair of two hyperparameters, colours the pairs by how fast training
converges or diverges, looks at the boundary again and again from nearer, and estimates its dimension. Here is the same,
with other random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastgd.fractals import BoxDimension
from fastgd.studies.common import Finding, findings_table
from fastgd.studies.report import Block, Formula, Options, Origin, Section, Text
from fastgd.studies.trainability.figures import (
    Series,
    animation,
    closer,
    counts_figure,
    dimensions_table,
    median_dimension,
    overview,
)
from fastgd.studies.trainability.maps import TrainabilityMap, followed, trainability_maps, zoom
from fastgd.studies.trainability.setting import STEPS, VARIANTS, Rectangle, Variant

__all__ = [
    "STEPS",
    "VARIANTS",
    "Rectangle",
    "TrainabilityMap",
    "Variant",
    "animation",
    "study",
    "trainability_maps",
    "zoom",
]

NAME = "trainability"
_BIAS = 0.05  # of estimates, at most, for the known sets that `box_dimension` names
_SHARE = 8  # each map shows so many times more than the one within it


def study(options: Options) -> Section:
    """Map all experiments, and go closer."""
    size, levels, steps = (36, 2, 100) if options.quick else (136, 3, STEPS)
    series = [
        followed(variant, levels, _SHARE, size, steps=steps, progress=False)
        for variant in VARIANTS.values()
        if variant.published
    ]
    findings = _findings(series)
    summary = _summary(series, findings)
    blocks: list[Block] = [*_question(size, levels, steps), Text(f"**Result.** {summary}")]
    blocks += [overview(series), *(closer(maps) for maps in series if len(maps) > 1)]
    blocks += [counts_figure(series), dimensions_table(series)]
    blocks.append(findings_table(findings, "What the source finds, and what holds here."))
    if options.animate:
        blocks.append(_moving(series[0], *((6, 48) if options.quick else (30, 160)), steps))
    results = {
        maps[0].variant.name: {
            "median": median_dimension(maps),
            "dimensions": [seen.dimension() for seen in maps],
            "converged": float(maps[0].converged.mean()),
        }
        for maps in series
    }
    return Section(NAME, "The boundary of trainability", Origin(), summary, blocks, results)


def _question(size: int, levels: int, steps: int) -> list[Block]:
    return [
        Text(
            "**The question.** Training converges for some hyperparameters and diverges for others. What does the "
            "boundary between them look like? Sohl-Dickstein (2024, arXiv:2402.06184) finds fractals: however near "
            "one looks, there is new detail."
        ),
        Formula(
            "y = W1 σ(√(2/n) W0 x) / n,   n = 16,   W0, W1, x and targets standard normal\n"
            "v = losses / first loss, at most 1e6\n"
            "converged if the mean of the last 20 of v is below 1, then measured by Σ v, otherwise by Σ 1/v"
        ),
        Text(
            "**The setting**, as in the paper and its code: one hidden layer, no biases, mean square error, plain "
            "descent on all 272 rows (as many as weights; 16 for the identity), float64, a rate for each layer. Here "
            f"{steps} steps (500 in the paper), maps of {size} x {size} (4,096 x 4,096 there), {levels} maps for each "
            f"experiment: the whole, then the part of 1/{_SHARE} of each side that holds most of the boundary, then "
            "such a part of that one which holds as much as most that hold any (the source chooses by eye). Weights "
            "and rows are NumPy's, not the source's, so that maps are alike and not the same. Minibatches are dealt "
            "out without replacement, in a new order each epoch (the code draws rows with replacement), and their "
            "losses are those of the batches, over the first loss of all rows (the code has that of all rows at every "
            "step). The last experiment varies the mean of the hidden layer's initial weights, linearly, as the paper "
            "says it; the published code adds that number again at every step."
        ),
        Text(
            "**Dimension.** Boxes of 1, 2, 4, ... cells cover the boundary (the 2 x 2 squares where outcomes differ); "
            "the dimension is minus the slope of log(number of boxes) against log(side). The median is the source's "
            "estimate: of the slopes between neighbouring sizes on all maps. It depends on where one looks: where a "
            "rate is small the boundary is a smooth curve of dimension 1, and elsewhere it fills the map."
        ),
    ]


def _findings(series: Sequence[Series]) -> list[Finding]:
    found = [_is_fractal(maps) for maps in series]
    medians = {maps[0].variant.name: median_dimension(maps) for maps in series}
    known = {name: value for name, value in medians.items() if value is not None}
    smoother = [known[name] for name in ("identity", "relu") if name in known]
    if smoother and "tanh" in known:
        found.append(
            Finding(
                "all",
                "the boundaries of ReLU and identity networks are smoother than that of tanh",
                "both medians are lower",
                f"{', '.join(f'{v:.2f}' for v in smoother)} and {known['tanh']:.2f}",
                max(smoother) < known["tanh"],
            )
        )
    return found


def _is_fractal(maps: Series) -> Finding:
    last: BoxDimension | None = maps[-1].dimension()
    numbers = "no boundary"
    if last is not None:
        numbers = f"{last.dimension:.2f} ± {last.standard_error:.2f}"
    return Finding(
        maps[0].variant.title,
        "the boundary is a fractal",
        f"on the closest map the dimension is above {1 + _BIAS} by two standard errors: so far off is the estimate for "
        "known sets",
        numbers,
        last is not None and last.dimension - 2.0 * last.standard_error > 1.0 + _BIAS,
    )


def _summary(series: Sequence[Series], findings: Sequence[Finding]) -> str:
    medians = [(maps[0].variant.name, median_dimension(maps)) for maps in series]
    listed = ", ".join(f"{name} {value:.2f}" for name, value in medians if value is not None)
    fractal = sum(f.holds for f in findings[: len(series)])
    return (
        f"{fractal} of {len(series)} boundaries are fractal by the criterion below. Median dimensions: {listed} "
        "(published, of its experiments: 1.17 to 1.98)."
    )


def _moving(maps: Series, frames: int, size: int, steps: int) -> Block:
    variant, end = maps[0].variant, maps[-1].view
    views = zoom(variant, variant.view, end, frames)
    shown = trainability_maps(variant, list(views), size, steps=steps, progress=False)
    return animation(shown, "zoom")
