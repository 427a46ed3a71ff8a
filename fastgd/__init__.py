"""Gradient descent in compiled loops: drop-in optimizer steps, whole descents, learning-rate sweeps.

>>> import numpy as np
>>> import fastgd as gd
>>> params, grads = np.ones(3), np.array([1.0, 2.0, 3.0])
>>> gd.SGD(lr=0.1).step(params, grads)
>>> params
array([0.9, 0.8, 0.7])
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Where each public name lives. It is imported when it is first used, so that `import fastgd` costs no more than NumPy.
_HOMES = {
    "fastgd.optimizers": (
        "Optimizer", "SGD", "Momentum", "HeavyBall", "NAG", "Adagrad", "RMSprop", "Adadelta", "Adam",
        "AdamW", "NAdam", "RAdam", "Adamax", "Rprop", "Lion",
    ),
    "fastgd.problems": ("Problem", "LeastSquares", "Logistic", "Quadratic", "Polynomial", "Function"),

    "fastgd.descent.history": ("History",),
    "fastgd.descent.minimize": ("minimize",),
    "fastgd.sweeps": ("SweepResult", "sweep"),
    "fastgd.descent.axes": ("SampledAxes", "sample_axes"),
    "fastgd.network": ("MLP",),
    "fastgd.estimators": ("MLPClassifier", "MLPRegressor", "GDClassifier", "GDRegressor"),
    "fastgd.engines.config": ("set_backend", "set_num_threads"),
    "fastgd.engines.installation": ("show_config",),
}  # fmt: skip
_SUBMODULES = (
    "schedules", "datasets", "functions", "optimizers", "plotting", "problems", "studies", "sweeps",
    "theory",
)  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF), *_SUBMODULES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"fastgd.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'fastgd' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
