"""Gradient descent in compiled loops: drop-in optimizer steps, whole descents, learning-rate sweeps.

>>> import numpy as np
>>> import fastgd as gd
>>> params, grads = np.ones(3), np.array([1.0, 2.0, 3.0])
>>> gd.SGD(lr=0.1).step(params, grads)
>>> params
array([0.9, 0.8, 0.7])
"""

from importlib import import_module

__version__ = "0.1.0"

# Where each public name lives. It is imported when it is first used, so that `import fastgd` costs no more than NumPy.
# Names that stand in no list are the optimizers', which only their own modules list. Type checkers and editors read
# __init__.pyi instead: a stub, because the linter of contracts would take imports under TYPE_CHECKING for real ones.
_HOMES = {
    "fastgd.problems": (
        "Problem", "LeastSquares", "Logistic", "Quadratic", "Polynomial", "Function",
    ),
    "fastgd.descent.history": ("History",),
    "fastgd.descent.minimize": ("minimize",),
    "fastgd.descent.pictures": ("plot_fit", "plot_history", "plot_paths"),
    "fastgd.descent.animate": ("animate",),
    "fastgd.descent.axes": ("SampledAxes", "sample_axes"),
    "fastgd.sweeps": (
        "BestRun", "Hyperband", "Rung", "Rungs", "SeedAverages", "SuccessiveHalving", "SweepResult", "SweepStore",
        "Tuned", "sweep", "tune",
    ),
    "fastgd.finder": ("FoundRates", "find_lr"),
    "fastgd.network": ("MLP",),
    "fastgd.network.history": ("DivergenceWarning", "TrainingHistory"),
    "fastgd.network.problem": ("NetworkProblem",),
    "fastgd.estimators": (
        "MLPClassifier", "MLPRegressor", "GDClassifier", "GDRegressor", "SweepSearchCV",
    ),
    "fastgd.cli.loaded": ("load",),
    "fastgd.explorer": ("Explorer", "explore"),
    "fastgd.schedules": ("Schedule",),
    "fastgd.engines.config": ("set_backend", "set_num_threads"),
    "fastgd.engines.installation": ("show_config",),
    "fastgd.engines.protocol.outcomes": ("Status",),
}  # fmt: skip
_SUBMODULES = (
    "datasets", "estimators", "finder", "fractals", "functions", "optimizers", "plotting", "problems", "schedules",
    "studies", "sweeps", "theory",
)  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__all__":
        return _public_names()
    if name.startswith("_"):
        raise AttributeError(f"module 'fastgd' has no attribute {name!r}")
    if name in _SUBMODULES:
        return import_module(f"fastgd.{name}")
    home = _HOME_OF.get(name, "fastgd.optimizers")
    if home == "fastgd.estimators":
        import_module("fastgd.extras").require(f"fastgd.{name}", "sklearn")
    module = import_module(home)
    if name not in _HOME_OF and name not in module.__all__:
        raise AttributeError(f"module 'fastgd' has no attribute {name!r}")
    globals()[name] = value = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return _public_names()


def _public_names() -> list[str]:
    """What can be imported from here: without scikit-learn no estimators."""
    names = ["__version__", *import_module("fastgd.optimizers").__all__, *_HOME_OF, *_SUBMODULES]
    without = (
        ()
        if import_module("fastgd.extras").present("sklearn")
        else ("estimators", *_HOMES["fastgd.estimators"])
    )
    return sorted(set(names).difference(without))
