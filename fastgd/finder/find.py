"""`find_lr`: short runs at many learning rates side by side, and what they and the curvature say of the rate."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import as_count, as_finite_array, as_number, as_seed, is_integer
from fastgd.descent.rates import is_plain
from fastgd.finder.given import subject_of
from fastgd.finder.result import FoundRates
from fastgd.finder.sharpness import Limit
from fastgd.finder.subjects import Losses, Subject
from fastgd.finder.suggestions import suggestions_of
from fastgd.names import suggesting
from fastgd.optimizers import Optimizer
from fastgd.signals import interruptible

__all__ = ["find_lr"]

Reals = NDArray[np.float64]

_RATES = 48  # a multiple of the lanes of all processors
_BELOW, _ABOVE = 1e4, 1e2  # the range around the largest stable rate
_ABSOLUTE = (1e-5, 10.0)  # the range of rules whose steps do not depend on the gradient's size
_STEPS = 200
_FARTHER = 100.0  # by which a range is extended, and how often
_ROUNDS = 3


@suggesting
def find_lr(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    optimizer: Optimizer | None = None,
    sample_weight: ArrayLike | None = None,
    validation: Any = None,
    batch_size: int | None = None,
    steps: int | None = None,
    epochs: int | None = None,
    rates: Sequence[float] | NDArray[Any] | None = None,
    seeds: int | Iterable[int] = 3,
    x0: ArrayLike | None = None,
    n_threads: int | None = None,
    progress: bool | None = None,
) -> FoundRates:
    """Find a learning rate by short runs at many rates, side by side.

    Every run has one rate from its start to its end, and all begin at the model's present parameters. (The usual range
    test [1]_ raises the rate in a single run, in which each rate goes on from where all smaller ones came to.) The
    model itself, its state and its optimizer are not touched.

    Parameters
    ----------
    model : MLP, estimator, Problem or NetworkProblem
        A network; an `MLPClassifier`, `MLPRegressor`, `GDClassifier` or `GDRegressor`, whose fit would begin as the
        runs do; or a problem of descent such as `fastgd.LeastSquares` or `fastgd.Function`.
    X, y : array_like
        Training data of a network or an estimator, as in `fit`.
    optimizer : Optimizer, optional
        Its rate is varied; the rest holds. By default that of the last `fit`, or else `Adam`; that of the estimator;
        for a problem `SGD`. Its state is not used.
    sample_weight : array_like of shape (n,), optional
        As in `fit`.
    validation : (X, y) or float, optional
        Rows that are not trained on, or the share of the rows to draw for that. The losses are then theirs.
    batch_size : int, optional
        Of a network, 32 by default; an estimator has its own.
    steps, epochs : int, optional
        Updates of each run, 200 by default, or passes over all rows.
    rates : sequence of float, optional
        Rates to run, all above 0. By default 48: from the largest stable rate / 10,000 to that rate times 100, or from
        1e-5 to 10 for optimizers whose steps do not depend on the gradient's size (Adam and the like) and where the
        curvature is not known; and farther where the lowest loss is at an end of the range.
    seeds : int or sequence of int, default 3
        How many seeds of the orders of rows and of dropout to average over, or these seeds. Where nothing is drawn, one
        is used.
    x0 : array_like of shape (n_parameters,), optional
        Of a problem, where descents begin; zeros by default.
    n_threads : int, optional
        The setting of `fastgd.set_num_threads` by default.
    progress : bool, optional
        As in `fastgd.sweep`.

    Returns
    -------
    FoundRates
        The table of rates and losses, the suggestions of all rules, `lr` (the rate to begin with) and `optimizer` (one
        with that rate). `plot` draws it.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; the message names it.
    KeyboardInterrupt
        After Ctrl-C, or SIGTERM or SIGHUP as in `fastgd.sweep`; half of the losses suggest nothing.

    Notes
    -----
    The rules, each with a rate or the reason why it has none:

    - "valley": two thirds of the way, on a logarithmic scale, through the longest descent of the losses, noise left
      aside. After the rule that fastai has from ESRI, which takes the middle of a ramp's valley. It is `lr`, unless
      "lowest" has a rate.
    - "steepest": where the loss falls fastest as the rate grows, below the rate of the lowest loss. Careful: often
      several times too small for constant rates.
    - "minimum / 10": a tenth of the rate with the lowest loss [1]_. The rate of the lowest loss itself is good for as
      many updates as the runs had, and often too large for more.
    - "lowest": the rate with the lowest loss, but at most 95 % of "stable". Only for plain descent and momentum where
      every update sees all rows and nothing is dropped: what is best for some updates is good for more there. It is
      `lr` then. In batches, and for rules like Adam's, the longer the training the smaller the rate has to be.
    - "stable": the largest rate that the curvature at the start allows, 2 / sharpness for plain descent. The sharpness
      is the largest eigenvalue of the Hessian of the mean loss [2]_, of up to 2,000 rows, in closed form for linear
      models. Training often leads to where it is 2 / lr [3]_, so this rate is an upper end rather than an aim.
      With momentum mu it is that of `fastgd.theory.stable_range` if every update sees all rows; in batches the
      velocity gathers their noise too, and the limit is (1 - mu) 2 / sharpness. For Adam and RMSprop the Hessian is
      preconditioned by the roots of the mean squares of batches' gradients [4]_; for others there is no formula.

    Of 36 trainings (twelve data sets; SGD, momentum, Adam) with the rate of "valley", half came within 1.3 % of the
    validation loss of the best of 61 rates, as a share of the fall from the start, and three missed it by more than
    10 %. The constants of the rules were chosen on these trainings. The guide "The learning rate" has the table, and
    says where each rule fails.

    References
    ----------
    .. [1] Smith (2017), Cyclical learning rates for training neural networks; Smith & Topin (2019), Super-convergence.
    .. [2] LeCun, Simard & Pearlmutter (1993), Automatic learning rate maximization by on-line estimation of the
       Hessian's eigenvectors.
    .. [3] Cohen, Kaur, Li, Kolter & Talwalkar (2021), Gradient descent on neural networks typically occurs at the edge
       of stability.
    .. [4] Cohen et al. (2022), Adaptive gradient methods at the edge of stability.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 4))
    >>> y = (X[:, 0] * X[:, 1] > 0).astype(int)
    >>> net = gd.MLP([4, 32, 2], rng=0)
    >>> found = gd.find_lr(net, X, y, optimizer=gd.SGD())
    >>> 0.01 < found.lr < 1.0
    True
    >>> net.fit(X, y, optimizer=found.optimizer, epochs=30).score(X, y) > 0.9
    True

    A problem of descent, whose curvature is known:

    >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    >>> found = gd.find_lr(line)
    >>> round(found.suggestions["stable"].rate, 3), round(found.lr, 3)
    (1.554, 1.409)
    """
    started = time.perf_counter()
    subject, about, parameter = subject_of(
        model, X, y, optimizer=optimizer, sample_weight=sample_weight, validation=validation,
        batch_size=batch_size, x0=x0,
    )  # fmt: skip
    if subject.optimizer.maximize:
        raise ValueError(
            "optimizer has maximize=True; find_lr looks for rates at which the loss falls"
        )
    many = _updates(steps, epochs, subject.steps_of_epoch)
    drawn = _seeds(seeds) if subject.seeded else _seeds(seeds)[:1]
    given = None if rates is None else _checked_rates(rates)
    start, limit = subject.start_loss, subject.limit()
    tried = _range(subject.optimizer, limit) if given is None else given
    running = {"n_threads": n_threads, "progress": progress}
    with interruptible():
        runs = _Runs(subject, drawn, many, running)
        tried, losses, engine = _losses(runs, tried, farther=given is None)
    mean = losses.mean(axis=1)
    read = suggestions_of(tried, mean, start, limit, unsettled=_unsettled(subject))
    return FoundRates(
        rates=tried,
        losses=losses,
        start_loss=start,
        suggestions={s.rule: s for s in read},
        sharpness=limit.sharpness,
        steps=many,
        seeds=tuple(drawn),
        validated=validation is not None,
        subject=about,
        base=subject.optimizer,
        parameter=parameter,
        engine=engine,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True)
class _Runs:
    """The short runs of a subject, at any rates."""

    subject: Subject
    seeds: list[int]
    steps: int
    running: dict[str, Any]

    def at(self, rates: Reals) -> Losses:
        """Those at some rates; a part of them, after Ctrl-C, is of no use."""
        found = self.subject.losses(rates, self.seeds, self.steps, **self.running)
        if found.interrupted:
            raise KeyboardInterrupt
        return found


def _losses(runs: _Runs, rates: Reals, *, farther: bool) -> tuple[Reals, Reals, str]:
    """Rates, losses and the engine; with `farther` also rates beyond an end at which the lowest loss is."""
    found = runs.at(rates)
    losses = found.loss
    for _ in range(_ROUNDS if farther else 0):
        beyond = _beyond(rates, losses)
        if not beyond.size:
            break
        found = runs.at(beyond)
        order = np.argsort(np.append(rates, beyond))
        rates = np.append(rates, beyond)[order]
        losses = np.concatenate([losses, found.loss])[order]
    return rates, losses, found.engine


def _beyond(rates: Reals, losses: Reals) -> Reals:
    """Rates below all where none is known to be small enough, above all where none is too large; else none."""
    mean, each = losses.mean(axis=1), rates[1] / rates[0]
    count = int(np.ceil(np.log(_FARTHER) / np.log(each)))
    if np.isnan(mean).all() or np.nanargmin(mean) == 0:
        return np.asarray(rates[0] * each ** np.arange(-count, 0.0))
    if np.nanargmin(mean) == rates.size - 1:
        return np.asarray(rates[-1] * each ** np.arange(1.0, count + 1))
    return np.empty(0)


def _unsettled(subject: Subject) -> str:
    """Why updates of a constant rate swing around a minimum for ever; empty where they come to it."""
    if subject.noisy:
        return "updates see batches or dropout"
    if not is_plain(subject.optimizer):
        return f"steps of {type(subject.optimizer).__name__} do not shrink with the gradient"
    return ""


# --- arguments ----------------------------------------------------------------------------------------


def _updates(steps: Any, epochs: Any, of_epoch: int) -> int:
    if steps is not None and epochs is not None:
        raise ValueError("steps and epochs both say how long runs are; give one of them")
    if epochs is not None:
        return as_count("epochs", epochs, 1) * of_epoch
    return _STEPS if steps is None else as_count("steps", steps, 1)


def _seeds(seeds: Any) -> list[int]:
    """The seeds, of a number or as they are given."""
    if is_integer(seeds):
        return list(range(as_count("seeds", seeds, 1)))
    if isinstance(seeds, str | bytes) or not isinstance(seeds, Iterable):
        raise TypeError(f"seeds must be a number of seeds or a sequence of them, got {seeds!r:.60}")
    found = list(dict.fromkeys(as_seed("seeds", seed) for seed in seeds))
    if not found:
        raise ValueError("seeds is empty; wanted at least one")
    return found


def _checked_rates(rates: Any) -> Reals:
    """Rates above 0, in increasing order, each once."""
    found = as_finite_array("rates", rates)
    if found.ndim != 1 or not found.size:
        raise ValueError(f"rates must be a sequence of numbers, got the shape {found.shape}")
    for k, rate in enumerate(found):
        if not as_number(f"rates[{k}]", float(rate)) > 0:
            raise ValueError(f"rates[{k}] is {rate:g}; wanted rates > 0")
    return np.unique(found)


def _range(optimizer: Optimizer, limit: Limit) -> Reals:
    """The rates to run where none are given."""
    low, high = _ABSOLUTE
    if is_plain(optimizer) and limit.rate is not None:
        low, high = limit.rate / _BELOW, limit.rate * _ABOVE
    return np.geomspace(low, high, _RATES)
