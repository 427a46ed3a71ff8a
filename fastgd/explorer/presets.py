"""Presets of the page: each a state, and the question that it asks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A state, as the page writes it behind the # of its address, and a question about it."""

    id: str
    title: str
    question: str
    state: str


PRESETS = (
    Preset(
        "too-small", "Rate too small",
        "After a hundred updates descent is still far from the bottom. How many more will it take, and what if the "
        "rate were ten times as large?",
        "p=parabola&show=SGD&sel=SGD&SGD=0.001,0.9",
    ),
    Preset(
        "right", "Rate just right",
        "The same curve, another rate: at the bottom after a handful of updates. Is there a rate that needs only one?",
        "p=parabola&show=SGD&sel=SGD&SGD=0.2,0.9",
    ),
    Preset(
        "too-large", "Rate too large",
        "Every update lands higher on the other side. From which rate on does descent grow, and what does the "
        "curvature say about it?",
        "p=parabola&n=30&show=SGD&sel=SGD&SGD=0.44,0.9",
    ),
    Preset(
        "second-valley", "The second valley",
        "Plain descent rests in the first valley. Which momentum carries it over the hill, and which one too far?",
        "p=valleys&show=SGD,Momentum&sel=Momentum&Momentum=0.01,0.85",
    ),
    Preset(
        "why-momentum", "Why momentum?",
        "Across the ravine the rate is almost too large, along it much too small. What does momentum change?",
        "p=ravine&show=SGD,Momentum,NAG&sel=Momentum&SGD=0.075,0.9&Momentum=0.02,0.8&NAG=0.02,0.8",
    ),
    Preset(
        "why-scale", "Why scale the inputs?",
        "The same forty people, heights left in inches. The loss stops falling at once and yet the line is wrong: no "
        "rate converges. What would scaling change about the contours?",
        "p=unscaled&show=SGD,Momentum&sel=SGD&SGD=0.0004,0.9",
    ),
    Preset(
        "one-line", "The best rate",
        "One line through forty heights and weights. Which rate needs the fewest updates, and why does a slightly "
        "larger one never arrive?",
        "p=line&show=SGD&sel=SGD&SGD=1.45,0.9",
    ),
    Preset(
        "ridge", "Almost on the ridge",
        "The start lies a hair beside the ridge, where the slope is nearly nothing. Who leaves the saddle first, and "
        "why are small slopes no obstacle to some?",
        "p=saddle",
    ),
    Preset(
        "which-minimum", "Same start, different ends",
        "One start, four minima of the same depth. Do all optimizers end in the same one? Drag the start and see.",
        "p=himmelblau&s=0.1,-0.4",
    ),
    Preset(
        "decay", "A rate that falls",
        "Lion takes steps of one length and never settles. Which schedule brings it to rest, and how soon may the "
        "rate fall?",
        "p=saddle&show=Adam,Lion&sel=Lion&Lion=0.1,0.9",
    ),
)  # fmt: skip


def described() -> list[dict[str, Any]]:
    """The presets as the page's script takes them."""
    return [asdict(preset) for preset in PRESETS]
