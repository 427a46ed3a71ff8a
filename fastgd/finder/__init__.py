"""The learning-rate finder: short runs at many rates, and the rates that rules read from their losses."""

from fastgd.finder.find import find_lr
from fastgd.finder.result import FoundRates
from fastgd.finder.suggestions import Suggestion

__all__ = ["FoundRates", "Suggestion", "find_lr"]
