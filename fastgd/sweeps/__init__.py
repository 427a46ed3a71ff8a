"""Many descents or trainings of one problem, and the table of their results."""

from fastgd.sweeps.results import BestRun, SweepResult
from fastgd.sweeps.sweep import sweep

__all__ = ["BestRun", "SweepResult", "sweep"]
