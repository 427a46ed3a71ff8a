"""The optimizers: each class has its hyperparameters and says which formula they select.

All of them work on NumPy arrays in place, one fused pass a step; `fastgd.rules` has the mathematics.
Names, arguments and defaults are PyTorch's where PyTorch has the optimizer. `convention` selects
another library's (or the paper's) formula and never changes a hyperparameter's default.
"""

from fastgd.optimizers.adam import Adam, Adamax, AdamW, NAdam, RAdam
from fastgd.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from fastgd.optimizers.base import Optimizer
from fastgd.optimizers.momentum import NAG, SGD, HeavyBall, Momentum
from fastgd.optimizers.sign import Lion, Rprop

__all__ = [
    "NAG",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "HeavyBall",
    "Lion",
    "Momentum",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
]
