"""`FoundRates`: losses after short runs, and the learning rates that rules read from them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastgd.extras import present, require
from fastgd.finder.suggestions import Suggestion
from fastgd.optimizers import Optimizer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from fastgd.plotting.rates import RatesDisplay

__all__ = ["FoundRates"]

_BEFORE = (
    "lowest",
    "valley",
    "minimum / 10",
    "stable",
)  # the first of these that has a rate is `lr`


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FoundRates:
    """What `fastgd.find_lr` has found.

    Attributes
    ----------
    rates : ndarray of float64, shape (n,)
        The learning rates of the runs, in increasing order.
    losses : ndarray of float64, shape (n, seeds)
        After the runs, of the validation rows if there are any; nan where a run diverged.
    start_loss : float
        The loss before.
    suggestions : dict of str to Suggestion
        By rule: "valley", "steepest", "minimum / 10", "lowest", "stable"; each with its rate, or None and the reason.
    sharpness : float
        The largest eigenvalue of the Hessian at the start, of which "stable" is made; for Adam and RMSprop that of the
        preconditioned one. nan where it is not known.
    steps : int
        Updates of each run.
    seeds : tuple of int
    validated : bool
        Whether the losses are of validation rows.
    subject : str
        What was trained.
    base : Optimizer
        The optimizer whose rate was varied.
    parameter : str
        The estimator's parameter to set; empty where `optimizer` has the rate.
    engine : str
        As in `SweepResult`.
    seconds : float

    See Also
    --------
    fastgd.find_lr : Returns a `FoundRates`.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    start_loss: float
    suggestions: Mapping[str, Suggestion]
    sharpness: float
    steps: int
    seeds: tuple[int, ...]
    validated: bool
    subject: str
    base: Optimizer
    parameter: str = ""
    engine: str = ""
    seconds: float = field(default=0.0)

    # --- the rate -----------------------------------------------------------------------------------

    @property
    def rule(self) -> str:
        """The rule whose rate is `lr`; empty if no rule has one."""
        return next((name for name in _BEFORE if self.suggestions[name].rate is not None), "")

    @property
    def lr(self) -> float | None:
        """The rate to begin with: the first there is of "lowest", "valley", "minimum / 10" and "stable", or None."""
        return self.suggestions[self.rule].rate if self.rule else None

    @property
    def optimizer(self) -> Optimizer:
        """A new optimizer like the one of the runs, with the rate `lr`.

        Raises
        ------
        ValueError
            If no rule has a rate.
        """
        if self.lr is None:
            why = "; ".join(f"{s.rule}: {s.reason}" for s in self.suggestions.values())
            raise ValueError(f"no rule found a learning rate ({why})")
        return self.base.with_options(lr=self.lr)

    # --- the table ----------------------------------------------------------------------------------

    @cached_property
    def loss(self) -> NDArray[np.float64]:
        """The mean loss over the seeds; nan where a run of any seed diverged."""
        return np.asarray(self.losses.mean(axis=1))

    @property
    def standard_error(self) -> NDArray[np.float64]:
        """Of the mean loss; nan with one seed."""
        many = self.losses.shape[1]
        if many < 2:
            return np.full(self.rates.size, math.nan)
        return np.asarray(self.losses.std(axis=1, ddof=1) / math.sqrt(many))

    @property
    def diverged(self) -> NDArray[np.float64]:
        """The share of each rate's runs that diverged."""
        return np.asarray(np.isnan(self.losses).mean(axis=1))

    def to_pandas(self) -> pd.DataFrame:
        """Return the runs as a table, one row for each rate.

        Returns
        -------
        pandas.DataFrame
            With the columns ``lr``, ``loss``, ``standard_error`` and ``diverged``.
        """
        require("FoundRates.to_pandas", "pandas")
        import pandas as pd  # noqa: PLC0415  (heavy)

        columns = {"lr": self.rates, "loss": self.loss, "standard_error": self.standard_error}
        return pd.DataFrame(columns | {"diverged": self.diverged})

    # --- how it is shown ------------------------------------------------------------------------------

    @property
    def quantity(self) -> str:
        """What the losses are, in words."""
        rows = "validation loss" if self.validated else "loss"
        return f"{rows} after {self.steps:,} update" + ("s" if self.steps != 1 else "")

    def plot(self, ax: Axes | None = None) -> RatesDisplay:
        """Draw the losses against the rates, with the suggestions marked.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Axes to draw on; a new figure by default.

        Returns
        -------
        RatesDisplay
            With the axes as ``ax_`` and the figure as ``figure_``.

        Examples
        --------
        >>> found.plot().figure_.savefig("rates.png")  # doctest: +SKIP
        """
        require("FoundRates.plot", "matplotlib")
        from fastgd.plotting.rates import RatesDisplay  # noqa: PLC0415  (heavy)

        marked = {s.rule: s.rate for s in self.suggestions.values() if s.rate is not None}
        return RatesDisplay(
            self.rates,
            self.loss,
            self.start_loss,
            marked,
            self.rule,
            errors=self.standard_error,
            y_name=self.quantity,
        ).plot(ax)

    def rows(self) -> list[tuple[str, str, str]]:
        """The suggestions as text: rule, rate, and the loss at about that rate or the reason why there is none."""
        found = []
        for one in self.suggestions.values():
            if one.rate is None:
                found.append((one.rule, "-", one.reason))
                continue
            loss = self.loss[np.abs(np.log(self.rates / one.rate)).argmin()]
            told = "diverged" if math.isnan(loss) else f"{loss:.4g}"
            found.append((one.rule, f"{one.rate:.3g}", told))
        return found

    def __repr__(self) -> str:
        seeds = f"{len(self.seeds)} seeds" if len(self.seeds) > 1 else "one seed"
        low, high = self.rates[0], self.rates[-1]
        lines = [
            f"FoundRates: {self.rates.size} rates from {low:.3g} to {high:.3g}, {seeds}",
            f"  {self.subject}, {type(self.base).__name__}",
            f"  {self.quantity}; {self.start_loss:.4g} at the start",
        ]
        for rule, rate, told in self.rows():
            mark = "  <- lr" if rule == self.rule else ""
            lines.append(f"  {rule:<14}{rate:>10}  {told}{mark}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows: the suggestions, and the picture where it can be drawn."""
        text = f"<pre>{html.escape(repr(self))}</pre>"
        if not present("matplotlib"):
            return text
        from matplotlib.figure import Figure  # noqa: PLC0415  (heavy)

        from fastgd.plotting.display import picture  # noqa: PLC0415

        figure = Figure(figsize=(8.0, 4.8), layout="constrained")
        self.plot(ax=figure.subplots())
        return text + picture(figure)
