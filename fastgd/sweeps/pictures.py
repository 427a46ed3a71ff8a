"""The result of a sweep as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from fastgd.sweeps.contents import Contents
from fastgd.sweeps.seeds import check_average

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastgd.plotting import HeatMapDisplay, IterationsDisplay, LossCurveDisplay, PointsDisplay
    from fastgd.sweeps.curves import Band

Kind = Literal["iterations", "loss", "metric", "heatmap", "points"]

KINDS = ("iterations", "loss", "metric", "heatmap", "points")


class PictureResult(Contents):
    """What `fastgd.SweepResult` has of pictures."""

    tol: float

    def plot(
        self,
        kind: Literal["auto", "iterations", "loss", "metric", "heatmap", "points"] = "auto",
        ax: Axes | None = None,
        *,
        over: str | None = "rng",
        average: Literal["mean", "median"] = "mean",
        **options: Any,
    ) -> IterationsDisplay | HeatMapDisplay | PointsDisplay:
        """Draw the sweep.

        Parameters
        ----------
        kind : {"auto", "iterations", "loss", "metric", "heatmap", "points"}, default "auto"
            ``"iterations"``, ``"loss"`` or ``"metric"`` against one numeric axis, a line for each
            combination of the others, or a point for each run if the axes are paired; ``"heatmap"``
            of two axes; ``"points"``, a point for each run over two numeric axes, coloured by its loss.
            ``"auto"`` draws points if the axes are paired and two or more are of numbers, a heat map if two axes
            have five or more values, and otherwise iterations, or the loss for networks and where no tolerance ends
            a run.
        ax : matplotlib Axes, optional
            Axes to draw on; a new figure by default.
        over : str, optional
            The axis to average over, by default the seeds, where there is such an axis and it is not drawn itself.
            None: heat maps show the best run of each cell, other plots a line for each seed.
        average : {"mean", "median"}, default "mean"
            How to average; lines have the standard error as bars.
        **options
            Passed to `from_sweep` of the display: `x=`, `y=`, `quantity=`, ...

        Returns
        -------
        IterationsDisplay, HeatMapDisplay or PointsDisplay
            With the axes as ``ax_`` and the figure as ``figure_``.

        Raises
        ------
        ValueError
            If `kind` is unknown, or does not suit the axes.

        Examples
        --------
        >>> out.plot().figure_.savefig("sweep.png")  # doctest: +SKIP
        """
        from fastgd.plotting import HeatMapDisplay, IterationsDisplay, PointsDisplay  # noqa: PLC0415  (heavy)

        if kind not in ("auto", *KINDS):
            raise ValueError(f'kind must be "auto" or one of {list(KINDS)}, got {kind!r}')
        check_average(self.axes, over, average)
        if kind == "metric" and self.metric is None:
            raise ValueError('kind="metric" is for sweeps of networks; this one has no metric')
        counted = self.metric is None and self.tol != 0
        usual: Literal["iterations", "loss"] = "iterations" if counted else "loss"
        if kind == "auto":
            kind = self._usual_kind(usual, over)
        options = {"over": over, "average": average, **options}
        if kind == "heatmap":
            options = {"quantity": usual, **options}
            return HeatMapDisplay.from_sweep(cast(Any, self), ax=ax, **options)
        if kind == "points":
            return PointsDisplay.from_sweep(cast(Any, self), ax=ax, **options)
        return IterationsDisplay.from_sweep(cast(Any, self), quantity=kind, ax=ax, **options)

    def _usual_kind(self, usual: Literal["iterations", "loss"], over: str | None) -> Kind:
        """What suits the axes."""
        from fastgd.plotting.points import varied_numbers  # noqa: PLC0415

        if self.paired:
            return "points" if len(varied_numbers(cast(Any, self), over)) > 1 else usual
        long = [name for name, values in self.axes.items() if len(values) >= 5 and name != over]
        return "heatmap" if len(long) >= 2 else usual

    def plot_curves(
        self,
        *,
        over: str | None = "rng",
        band: Band | None = "standard error",
        scale: Literal["auto", "linear", "log"] = "auto",
        ax: Axes | None = None,
    ) -> LossCurveDisplay:
        """Draw the losses of the runs on their way, of a sweep with ``record=``: over seeds the mean and a band.

        A run that converged keeps its last recorded loss to the end of the picture. Runs that diverged are left out of
        averages, and the legend says how many. More than twelve curves are coloured by the axis that tells them apart.

        Parameters
        ----------
        over : str, optional
            The axis to average over: by default the seeds, where there is such an axis. None: a curve for each run.
        band : {"standard error", "quantiles"} or None, default "standard error"
            Around the mean its standard error; or, around the median, from 25 % to 75 % of the runs.
        scale : {"auto", "linear", "log"}, default "auto"
            By default logarithmic where the losses are positive and span more than a decade.
        ax : matplotlib Axes, optional
            Axes to draw on; a new figure by default.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        ValueError
            If an argument is unknown, no losses were recorded, or there are too many curves to tell apart.

        Examples
        --------
        >>> out.plot_curves(band="quantiles").figure_.savefig("curves.png")  # doctest: +SKIP
        """
        from fastgd.sweeps.curves import BANDS, curves_of  # noqa: PLC0415  (heavy)

        check_average(self.axes, over, "mean")
        if band not in BANDS:
            raise ValueError(f'band must be "standard error", "quantiles" or None, got {band!r}')
        if scale not in ("auto", "linear", "log"):
            raise ValueError(f'scale must be "auto", "linear" or "log", got {scale!r}')
        return curves_of(self, over, band, scale).plot(ax)
