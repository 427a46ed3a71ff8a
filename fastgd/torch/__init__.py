"""PyTorch's optimizers with fastgd's compiled steps, for models on the CPU: `from fastgd.torch import Adam`.

Each class is a subclass of PyTorch's of that name: its arguments, defaults, parameter groups, hooks and state are the
same, and a state that one of them has saved is loaded by the other. Only the update itself is fastgd's: all parameters
in one compiled call.
"""

from fastgd.extras import require

require("fastgd.torch", "torch")

from fastgd.torch.classes import (  # noqa: E402
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
]
