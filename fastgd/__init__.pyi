# What type checkers and editors see of `import fastgd`; tests/static_types holds it to the names of __init__.py.

from typing import TypeAlias

from fastgd import (
    datasets as datasets,
    estimators as estimators,
    finder as finder,
    fractals as fractals,
    functions as functions,
    optimizers as optimizers,
    plotting as plotting,
    problems as problems,
    schedules as schedules,
    studies as studies,
    sweeps as sweeps,
    theory as theory,
)
from fastgd.cli.loaded import load as load
from fastgd.descent.animate import animate as animate
from fastgd.descent.axes import SampledAxes as SampledAxes, sample_axes as sample_axes
from fastgd.descent.history import History as History
from fastgd.descent.minimize import minimize as minimize
from fastgd.descent.pictures import (
    plot_fit as plot_fit,
    plot_history as plot_history,
    plot_paths as plot_paths,
)
from fastgd.engines.config import (
    set_backend as set_backend,
    set_num_threads as set_num_threads,
)
from fastgd.engines.installation import show_config as show_config
from fastgd.engines.protocol.outcomes import Status as Status
from fastgd.estimators import (
    GDClassifier as GDClassifier,
    GDRegressor as GDRegressor,
    MLPClassifier as MLPClassifier,
    MLPRegressor as MLPRegressor,
    SweepSearchCV as SweepSearchCV,
)
from fastgd.explorer import Explorer as Explorer, explore as explore
from fastgd.finder import FoundRates as FoundRates, find_lr as find_lr
from fastgd.network import MLP as MLP
from fastgd.network.history import (
    DivergenceWarning as DivergenceWarning,
    TrainingHistory as TrainingHistory,
)
from fastgd.network.problem import NetworkProblem as _NetworkProblem
from fastgd.optimizers.adam import *
from fastgd.optimizers.adaptive import *
from fastgd.optimizers.base import Optimizer as Optimizer
from fastgd.optimizers.momentum import *
from fastgd.optimizers.sign import *
from fastgd.problems import (
    Function as Function,
    LeastSquares as LeastSquares,
    Logistic as Logistic,
    Polynomial as Polynomial,
    Problem as Problem,
    Quadratic as Quadratic,
)
from fastgd.schedules import Schedule as Schedule
from fastgd.sweeps import (
    BestRun as BestRun,
    Hyperband as Hyperband,
    Rung as Rung,
    Rungs as Rungs,
    SeedAverages as SeedAverages,
    SuccessiveHalving as SuccessiveHalving,
    SweepResult as SweepResult,
    SweepStore as SweepStore,
    Tuned as Tuned,
    sweep as sweep,
    tune as tune,
)

__version__: str
NetworkProblem: TypeAlias = _NetworkProblem[
    MLP
]  # the parameter keeps the rooms apart; users have this one
