"""The source's problem: 40 rows, start, tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd import theory
from fastgd.datasets import Dataset
from fastgd.problems import LeastSquares
from fastgd.studies.common import cost_parabola, in_inches, min_max
from fastgd.sweeps import SweepResult, sweep

TOLERANCE = 1e-3
MOST_ITERATIONS = 100_000
START = (0.0, 0.0)


@dataclass(frozen=True)
class Setting:
    """The 40 rows, the least-squares problem, and the source's way of counting."""

    rows: Dataset

    @cached_property
    def height(self) -> NDArray[np.float64]:
        """Heights in inches."""
        return np.asarray(self.rows.data[:, 0], np.float64)

    @cached_property
    def problem(self) -> LeastSquares:
        """Weight against scaled height."""
        return LeastSquares(min_max(self.height), self.rows.target, cost="1/2m", statistics=True)

    @cached_property
    def eigenvalues(self) -> NDArray[np.float64]:
        """Of the Hessian, in increasing order."""
        return np.asarray(np.linalg.eigvalsh(self.problem.hessian))

    @property
    def stable_limit(self) -> float:
        """The rate from which descent diverges."""
        return theory.stable_range(self.problem.hessian)[1]

    def run(self, optimizer: Any, axes: dict[str, Any]) -> SweepResult:
        """Sweep from the source's start to its tolerance."""
        return sweep(
            self.problem, optimizer, axes, x0=START, max_iter=MOST_ITERATIONS, tol=TOLERANCE
        )

    def closed_form(self, rates: Any, **momentum: Any) -> NDArray[np.float64]:
        """Predicted iterations as the source counts: updates - 1."""
        h, b = self.problem.hessian, self.problem.linear
        return theory.predicted_iterations(h, b, START, rates, TOLERANCE, **momentum) - 1.0

    def line_in_inches(self) -> tuple[float, float]:
        """Slope and intercept of the fitted line."""
        return in_inches(self.problem.solution, self.height)

    def cost_parabola(self) -> tuple[float, float, float]:
        """Coefficients of J(w; b = -210)."""
        return cost_parabola(self.height, self.rows.target)
