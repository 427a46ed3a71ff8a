"""Phase diagrams over rate and momentum, swept when the page is written.

The page sweeps by itself where a start is moved, a schedule picked or a file dropped; here are the pictures that it
opens with. Both have the same axes and the same numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastgd.engines.protocol.outcomes import Regime
from fastgd.explorer import methods
from fastgd.explorer.scene import Scene
from fastgd.sweeps.sweep import sweep

SWEPT = ("Momentum", "NAG", "Adam")
_PER_DECADE = 16
_ROWS, _PART = 34, 0.03  # momenta 0, 0.03, ..., 0.99


def axes_of(rate: float) -> dict[str, list[float]]:
    """The axes around an optimizer's rate: four decades around it, rounded to three digits, and momenta up to 0.99.

    The page makes the same numbers.
    """
    first = math.floor(math.log10(rate)) - 2
    rates = [float(f"{10.0 ** (first + k / _PER_DECADE):.2e}") for k in range(4 * _PER_DECADE + 1)]
    return {"lr": rates, "momentum": [round(_PART * k, 2) for k in range(_ROWS)]}


def phases(scene: Scene) -> dict[str, dict[str, Any]]:
    """Regimes and iterations of `SWEPT`, momentum by momentum, as texts that are short."""
    return {name: _phase(scene, name) for name in SWEPT}


def _phase(scene: Scene, name: str) -> dict[str, Any]:
    axes: dict[str, Any] = axes_of(scene.rate(name))
    optimizer: Any = methods.made(name)
    if name == "Adam":
        axes["betas"] = [(beta, optimizer.betas[1]) for beta in axes.pop("momentum")]
    result = sweep(
        scene.problem, optimizer, axes, x0=list(scene.start), max_iter=scene.updates, tol=scene.tol
    )
    codes = {regime.label: str(int(regime)) for regime in Regime}
    return {
        "regimes": ["".join(codes[regime] for regime in row) for row in result.regime.T.tolist()],
        "iterations": np.asarray(result.iterations.T).tolist(),
    }
