"""The iterates recorded in one descent, and its result in the form of SciPy's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_choice
from fastgd.descent.follower import Follower, Recorded
from fastgd.descent.objective import Place
from fastgd.descent.optimize_result import as_result
from fastgd.descent.pace import End, advice, too_fast
from fastgd.engines.layout import SMALL_STEP
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.protocol.sweeps import Limits
from fastgd.extras import require
from fastgd.problems import Problem
from fastgd.problems.base import Array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from scipy.optimize import OptimizeResult

    from fastgd.plotting.losses import LossCurveDisplay

QUANTITIES = {"loss": "loss", "slope": "largest slope, max |g|"}  # that are drawn, and their labels
_AT_ONCE = 4096  # recorded points whose losses are taken together


@dataclass(frozen=True, eq=False)
class History:
    """Iterates of one descent: the start, every `record`-th, and the last.

    Attributes
    ----------
    n : ndarray of int64, shape (k,)
        Updates done by then.
    x : ndarray of shape (k, n_parameters)
        The iterates, in the run's dtype.
    loss : ndarray of float64, shape (k,)
        The function's values, without penalties.
    slope : ndarray of float64, shape (k,)
        The largest absolute component of the gradient, penalties and bounds included: what `tol` is compared with.
    parameter_names : tuple of str
    """

    n: NDArray[np.int64]
    x: Array
    loss: NDArray[np.float64]
    slope: NDArray[np.float64]
    parameter_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.n)

    def __repr__(self) -> str:
        return f"History({len(self)} iterates, n = {self.n[0]} ... {self.n[-1]})"

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per iterate: `n`, the parameters, `loss`, `slope`.

        Returns
        -------
        pandas.DataFrame

        Examples
        --------
        >>> import fastgd as gd
        >>> bowl = gd.Quadratic([[2.0]])
        >>> run = gd.minimize(bowl, [1.0], gd.SGD(lr=0.25), max_iter=2, record=1)
        >>> run.history.to_pandas()
           n    p0    loss  slope
        0  0  1.00  1.0000    2.0
        1  1  0.50  0.2500    1.0
        2  2  0.25  0.0625    0.5
        """
        require("History.to_pandas", "pandas")
        import pandas as pd  # noqa: PLC0415

        columns = dict(zip(self.parameter_names, self.x.T, strict=True))
        return pd.DataFrame({"n": self.n, **columns, "loss": self.loss, "slope": self.slope})

    def plot(
        self, quantity: Literal["loss", "slope"] = "loss", *, ax: Axes | None = None
    ) -> LossCurveDisplay:
        """Draw the loss, or the largest slope, against the update; `fastgd.plot_history` draws several runs.

        Parameters
        ----------
        quantity : {"loss", "slope"}, default "loss"
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        LossCurveDisplay

        Examples
        --------
        >>> run.history.plot().figure_.savefig("loss.png")  # doctest: +SKIP
        """
        from fastgd.plotting.losses import LossCurveDisplay  # noqa: PLC0415  (only for a picture)

        values = getattr(self, as_choice("quantity", quantity, QUANTITIES))
        return LossCurveDisplay({"run": (self.n, values)}, y_name=QUANTITIES[quantity]).plot(ax)


class Recording:
    """What a run recorded on its way; `every` is 0 if only the start and the end are of interest."""

    def __init__(self, problem: Problem, run: Follower, every: int) -> None:
        self.problem, self.run, self.every = problem, run, every
        self.start = run.x.copy()
        self.recorded: list[Recorded] = []

    def take(self, recorded: Recorded | None) -> None:
        """Add the iterates of a slice."""
        if recorded is not None and len(recorded.x):
            self.recorded.append(recorded)

    def here(self) -> tuple[float, Array]:
        """Loss and gradient at the current iterate."""
        known = self.run.last()
        if known is not None:
            return known
        point = self.run.x.copy()[:, None]
        diverged = self.run.status == Status.DIVERGED
        if diverged and self.problem.kernel(point.dtype).kind == "python":
            return np.nan, np.full_like(point[:, 0], np.nan)
        return float(self.problem.losses(point)[0]), self.problem.slopes(point)[:, 0]

    def result(self, limits: Limits, stopped_by: str) -> OptimizeResult:
        """The result of the run, which has ended."""
        run = self.run
        loss, g = self.here()
        slope = float(run.objective.slope(run.x, g))
        status = Status(Status.CONVERGED if run.status == SMALL_STEP else run.status)
        if status == Status.CONVERGED and not (math.isfinite(loss) and np.isfinite(g).all()):
            status = Status.DIVERGED  # a user's function may have any value where its slopes vanish
        history = self._history(loss, slope)
        minimized = run.objective.values(history.loss, history.x.T)
        best = int(np.argmin(np.where(np.isnan(minimized), np.inf, minimized)))
        values, gradients = run.evaluations(len(history))
        later = None
        if status == Status.MAX_ITER:
            end = Place(run.x.copy(), np.array(g), run.n)  # the result's own may be changed
            later = "message", self._not_converged(end, slope, limits)
        return as_result(
            {
                "x": run.x.copy(),
                "fun": loss,
                "jac": np.array(g),
                "slope": slope,
                "penalty": float(run.objective.penalties(run.x[:, None])[0]),
                "nit": run.n,
                "nfev": values,
                "njev": gradients,
                "status": int(status),
                "success": status == Status.CONVERGED,
                "message": self._message(status, (loss, slope), limits)
                or f"Stopped: {stopped_by}.",
                "history": history if self.every else None,
                "x_best": history.x[best].copy(),
                "fun_best": float(history.loss[best]),
                "backend": run.backend,
            },
            later,
        )

    def _message(self, status: Status, last: tuple[float, float], limits: Limits) -> str:
        """How the run ended, unless something stopped it; `last` are its loss and slope."""
        run, (loss, slope) = self.run, last
        if status == Status.DIVERGED:
            if run.status != status:
                return f"Diverged: the run came to rest where the value is {loss:g} and the largest slope {slope:g}."
            if run.n == 0:
                return f"Diverged at the start: the value at x0 is {loss:g}."
            why = too_fast(self.problem, run.objective.optimizer, self.start)
            return f"Diverged: a parameter is not finite or beyond {limits.bound:g}{why and '; '}{why}."
        return {
            Status.CONVERGED: self._converged(slope, limits.tol),
            Status.MAX_SECONDS: "Stopped after max_seconds.",
        }.get(status, "")

    def _not_converged(self, place: Place, slope: float, limits: Limits) -> Callable[[], str]:
        """What says, when it is called, what kept the run from converging, and what helps, as far as it is known."""
        problem, objective, start = self.problem, self.run.objective, self.start
        # A Python function's evaluations are counted, and may take long: its slopes at the end will do.
        in_python = self.run.backend == "python"
        end = End(start, place.x, slope, place.n, limits.tol)

        def gradient(x: Array) -> Array:
            return place.g if in_python else problem.slopes(x[:, None])[:, 0]

        def message() -> str:
            with np.errstate(all="ignore"):
                why = objective.obstacle(place, gradient)
                if not (why or objective.bounded):  # theory knows of no bounds
                    why = advice(problem, objective.optimizer, end)
            return f"Not converged after max_iter={limits.max_iter} updates{why and ': '}{why}."

        return message

    def _converged(self, slope: float, tol: float) -> str:
        if not slope < tol:
            return "Converged: the last update moved every parameter by less than step_tol."
        objective = self.run.objective
        which = "slope with penalties" if objective.penalized else "slope"
        which += " within the bounds" if objective.bounded else ""
        return f"Converged: the largest {which} {slope:.3g} is below tol={tol:g}."

    def _history(self, loss: float, slope: float) -> History:
        """The start, the recorded iterates and the last one, each once."""
        run, start = self.run, Recorded(self.start[None])
        if run.first is not None:
            start.loss, start.slope = np.array([run.first[0]]), np.array([run.first[1]])
        parts = [start, *self.recorded]
        updates = [0, *(self.every * k for k in range(1, sum(len(p.x) for p in parts)))]
        if run.n > updates[-1]:
            updates.append(run.n)
            last = np.array([loss]), np.array([slope])
            parts.append(Recorded(run.x.copy()[None], *last))
        evaluated = [self._evaluated(part) for part in parts]
        return History(
            np.array(updates, np.int64),
            np.concatenate([part.x for part in parts]),
            np.concatenate([losses for losses, _ in evaluated]),
            np.concatenate([slopes for _, slopes in evaluated]),
            self.problem.parameter_names if self.every else (),  # else nobody sees it
        )

    def _evaluated(self, part: Recorded) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Losses and slopes, taken now if they are not known."""
        if part.loss is not None and part.slope is not None:
            return part.loss, part.slope
        losses, slopes = [], []
        for k in range(0, len(part.x), _AT_ONCE):
            points = np.ascontiguousarray(part.x[k : k + _AT_ONCE].T)
            losses.append(self.problem.losses(points))
            found = self.run.objective.slopes(points, self.problem.slopes(points))
            slopes.append(found.astype(np.float64))
        return np.concatenate(losses), np.concatenate(slopes)
