"""Many descents or trainings of one problem, and the table of their results."""

from fastgd.sweeps.best import BestRun
from fastgd.sweeps.executors import LostRuns
from fastgd.sweeps.results import SweepResult
from fastgd.sweeps.rungs import Rung, Rungs
from fastgd.sweeps.seeds import SeedAverages
from fastgd.sweeps.stopping import Hyperband, SuccessiveHalving
from fastgd.sweeps.store import DamagedChunk, StoreStatus, SweepStore
from fastgd.sweeps.sweep import sweep
from fastgd.sweeps.tuning import Tuned, tune

__all__ = [
    "BestRun",
    "DamagedChunk",
    "Hyperband",
    "LostRuns",
    "Rung",
    "Rungs",
    "SeedAverages",
    "StoreStatus",
    "SuccessiveHalving",
    "SweepResult",
    "SweepStore",
    "Tuned",
    "sweep",
    "tune",
]
