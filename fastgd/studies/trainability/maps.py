"""Maps: a training for every pair of two hyperparameters, a few rows of the map at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.outcomes import Standing, Status
from fastgd.files import atomic_write
from fastgd.fractals import BoxDimension, boundary, box_dimension, busiest, trainability, typical
from fastgd.optimizers import SGD
from fastgd.plotting import FractalDisplay
from fastgd.plotting.fractals import BY_LOSSES
from fastgd.progress import Progress
from fastgd.signals import interruptible
from fastgd.studies.trainability.setting import STEPS, Array, Rectangle, Setting, Variant
from fastgd.sweeps import SweepResult, sweep

_LOSSES = 1 << 22  # of a sweep, which keeps those of all its runs
_ROWS_OF_DATA = (
    1 << 27
)  # that a sweep goes through in about a second, after which progress is shown
_SMALLEST = 32  # cells of a side, for three sizes of boxes
_CUT = (Status.NOT_RUN, Status.INTERRUPTED)


@dataclass(eq=False)
class TrainabilityMap:
    """What became of the trainings of a map.

    Attributes
    ----------
    variant : Variant
    x, y : ndarray of float64
        The values of the axes.
    converged : ndarray of bool, shape (y, x)
    measure : ndarray of float64, shape (y, x)
        As in `fastgd.fractals.Trainability`; nan for trainings that an interruption left out.
    settings : dict
        Number of steps, seed and dtype.
    seconds : float
        That it took.
    """

    variant: Variant
    x: Array
    y: Array
    converged: NDArray[np.bool_]
    measure: NDArray[np.float64]
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def empty(cls, variant: Variant, x: Array, y: Array, settings: dict[str, Any]) -> Self:
        """A map without a training."""
        shape = (len(y), len(x))
        return cls(variant, x, y, np.zeros(shape, bool), np.full(shape, np.nan), settings)

    @property
    def view(self) -> Rectangle:
        """The part of the plane that it shows: x0, x1, y0, y1."""
        return float(self.x[0]), float(self.x[-1]), float(self.y[0]), float(self.y[-1])

    @property
    def finished(self) -> bool:
        """Whether no training is missing."""
        return not np.isnan(self.measure).any()

    @property
    def runs(self) -> int:
        """Trainings that were made."""
        return int(np.count_nonzero(~np.isnan(self.measure)))

    @property
    def edge(self) -> NDArray[np.bool_]:
        """Where convergence and divergence meet, of the rows that are complete."""
        complete = ~np.isnan(self.measure).any(axis=1)
        return boundary(self.converged[complete]) if complete.sum() > 1 else np.zeros((1, 1), bool)

    def dimension(self) -> BoxDimension | None:
        """The box-counting dimension of the boundary; None if there is none, or the map is too small to tell."""
        edge = self.edge
        return box_dimension(edge) if edge.any() and min(edge.shape) >= _SMALLEST else None

    def part(self, share: int, choose: Callable[..., tuple[int, int]]) -> Rectangle | None:
        """A part, a `share`-th of each side, that `busiest` or `typical` chooses; None if there is no boundary."""
        edge = self.edge
        side = max(1, min(edge.shape) // share)
        if not edge.any() or side + 1 > min(edge.shape):
            return None
        row, column = choose(edge, side)
        return (
            float(self.x[column]), float(self.x[column + side]),
            float(self.y[row]), float(self.y[row + side]),
        )  # fmt: skip

    def display(self, **options: Any) -> FractalDisplay:
        """The map as a figure."""
        x_name, y_name = self.variant.names
        return FractalDisplay(
            self.x.tolist(), self.y.tolist(), self.measure, ~self.converged & ~np.isnan(self.measure),
            x_name=x_name, y_name=y_name, converged_name=BY_LOSSES[0], diverged_name=BY_LOSSES[1],
            **options,
        )  # fmt: skip

    def save(self, path: str | PathLike[str]) -> None:
        """Write the arrays to a NumPy ``.npz`` archive, which needs no pickle to be read."""
        about = {"variant": self.variant.name, "axes": self.variant.names, **self.settings}
        with atomic_write(path) as file:
            np.savez_compressed(
                file, x=self.x, y=self.y, converged=self.converged, measure=self.measure,
                about=np.array(json.dumps(about)),
            )  # fmt: skip


def trainability_map(
    variant: Variant, view: Rectangle | None = None, size: int = 512, **options: Any
) -> TrainabilityMap:
    """A map of a part of the plane, or of all of it; the options are those of `trainability_maps`."""
    return trainability_maps(variant, [variant.view if view is None else view], size, **options)[0]


def trainability_maps(
    variant: Variant,
    views: Sequence[Rectangle],
    size: int = 512,
    *,
    steps: int = STEPS,
    seed: int = 0,
    dtype: Literal["float64", "float32"] = "float64",
    progress: bool | None = None,
    n_threads: int | None = None,
) -> list[TrainabilityMap]:
    """Train a network for every pair of values in each of the rectangles.

    Parameters
    ----------
    variant : Variant
    views : sequence of tuple of float
        Rectangles x0, x1, y0, y1.
    size : int, default 512
        Values on each axis.
    steps : int, default 500
    seed : int, default 0
        Of weights, rows and the orders of rows.
    dtype : {"float64", "float32"}, default "float64"
    progress, n_threads
        As in `fastgd.sweep`.

    Returns
    -------
    list of TrainabilityMap
        After Ctrl-C those that were begun; the trainings that the last one lacks are nan.

    Raises
    ------
    KeyboardInterrupt
        If nothing was finished.
    ValueError
        As for `axes_of`.
    """
    setting = Setting(variant, seed, dtype)
    axes = [axes_of(variant, view, size, dtype) for view in views]
    maps: list[TrainabilityMap] = []
    try:
        with interruptible(), Progress(len(axes) * size**2, progress, max_iter=steps) as watcher:
            for x, y in axes:
                settings = {"steps": steps, "seed": seed, "dtype": dtype}
                maps.append(TrainabilityMap.empty(variant, x, y, settings))
                _fill(maps[-1], setting, watcher, n_threads)
                if not maps[-1].finished:
                    break
    except KeyboardInterrupt:
        maps = [found for found in maps if found.runs]
        if not maps:
            raise
    return maps


def _fill(found: TrainabilityMap, setting: Setting, watcher: Progress, n_threads: Any) -> None:
    """Make the trainings of a map; the first that is interrupted is the last."""
    started, steps = time.perf_counter(), found.settings["steps"]
    tile = _rows_of_map(setting, len(found.x), steps)
    for k in range(0, len(found.y), tile):
        rows = slice(k, k + tile)
        out = _swept(setting, found.x, found.y[rows], steps, n_threads)
        cut = np.isin(out.status, _CUT)
        assert out.history is not None
        tracked = trainability(out.history, setting.first_loss)
        found.converged[rows] = tracked.converged & ~cut
        found.measure[rows] = np.where(cut, np.nan, tracked.measure)
        found.seconds = time.perf_counter() - started
        if cut.any():
            return
        watcher.close_group(out.size, int(np.count_nonzero(~tracked.converged)))
        watcher.look(lambda: Standing(0, 0, 0, 0.0))


def _swept(setting: Setting, x: Array, y: Array, steps: int, n_threads: int | None) -> SweepResult:
    """All trainings of a few rows of a map."""
    return sweep(
        setting.problem, SGD(), setting.sweep_axes(x, y), x0=setting.start, max_iter=steps,
        record=1, progress=False, n_threads=n_threads,
    )  # fmt: skip


def _rows_of_map(setting: Setting, size: int, steps: int) -> int:
    """Rows of a map that are trained at once: enough work to be fast, not more than fits in memory."""
    memory, work = _LOSSES // (size * steps), _ROWS_OF_DATA // (size * steps * setting.batch)
    return max(1, min(memory, work))


# --- rectangles -----------------------------------------------------------------------------------------


def axes_of(
    variant: Variant, view: Rectangle, size: int, dtype: str = "float64"
) -> tuple[Array, Array]:
    """The values of both axes.

    Raises
    ------
    ValueError
        If the rectangle is empty, has rates that are not above 0, or is too small for the dtype.
    """
    found = []
    names = ("x", "y")
    for name, low, high, log in zip(names, view[::2], view[1::2], variant.geometric, strict=True):
        if not (np.isfinite([low, high]).all() and low < high and (low > 0 or not log)):
            wanted = "two rates above 0" if log else "two numbers"
            raise ValueError(
                f"{name}0 and {name}1 must be {wanted}, the smaller first; got {low:g} and {high:g}"
            )
        values = np.geomspace(low, high, size) if log else np.linspace(low, high, size)
        if np.unique(values.astype(dtype)).size < size:
            raise ValueError(
                f"{name}0 and {name}1 are too near for {size} different numbers of {dtype}"
            )
        found.append(values)
    return found[0], found[1]


def zoom(variant: Variant, start: Rectangle, end: Rectangle, frames: int) -> Iterator[Rectangle]:
    """Rectangles from one to another, each smaller than the one before by the same factor."""
    for share in np.linspace(0.0, 1.0, frames):
        view: list[float] = []
        for k, log in enumerate(variant.geometric):
            ends = np.array([start[2 * k : 2 * k + 2], end[2 * k : 2 * k + 2]], np.float64)
            low, high = _between(np.log(ends) if log else ends, float(share))
            view += [float(v) for v in (np.exp([low, high]) if log else (low, high))]
        yield view[0], view[1], view[2], view[3]


def _between(ends: Array, share: float) -> tuple[float, float]:
    """An interval on the way from one to another, seen from the point that stays where it is."""
    (a, b), (c, d) = ends
    if share in (0.0, 1.0):
        return (a, b) if share == 0.0 else (c, d)
    ratio = (d - c) / (b - a)
    if abs(ratio - 1.0) < 1e-9:  # a shift, without such a point
        return a + share * (c - a), b + share * (d - b)
    fixed = (c - ratio * a) / (1.0 - ratio)
    scale = ratio**share
    return fixed + scale * (a - fixed), fixed + scale * (b - fixed)


def followed(
    variant: Variant, levels: int, share: int, size: int, **options: Any
) -> Sequence[TrainabilityMap]:
    """The whole map, the busiest part of its boundary, and typical parts of that; none of use if one is interrupted."""
    maps: list[TrainabilityMap] = []
    view: Rectangle | None = variant.view
    while view is not None and len(maps) < levels:
        maps.append(trainability_map(variant, view, size, **options))
        if not maps[-1].finished:
            raise KeyboardInterrupt
        view = maps[-1].part(share, typical if len(maps) > 1 else busiest)
    return maps
