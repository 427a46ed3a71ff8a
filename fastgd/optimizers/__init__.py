"""The optimizers: each class has its hyperparameters and says which formula they select.

All of them work on NumPy arrays in place, one fused pass a step; `fastgd.rules` has the mathematics.
Names, arguments and defaults are PyTorch's where PyTorch has the optimizer. `convention` selects
another library's (or the paper's) formula and never changes a hyperparameter's default.

A class is listed once, in the `__all__` of its family's module: `NAMES` and whatever needs the list
of optimizers are made from that.
"""

from fastgd.optimizers import adam, adaptive, momentum, sign
from fastgd.optimizers.adam import *  # noqa: F403
from fastgd.optimizers.adaptive import *  # noqa: F403
from fastgd.optimizers.base import Optimizer
from fastgd.optimizers.momentum import *  # noqa: F403
from fastgd.optimizers.sign import *  # noqa: F403

__all__ = ["Optimizer"]
__all__ += momentum.__all__
__all__ += adaptive.__all__
__all__ += adam.__all__
__all__ += sign.__all__

NAMES = tuple(__all__[1:])
