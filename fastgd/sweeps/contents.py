"""What a sweep's result holds, and what follows from its axes: the ground of the parts of `SweepResult`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.axes import CheckedAxes
from fastgd.sweeps.axis_values import AxesAsGiven, shown_axes
from fastgd.sweeps.html import as_html
from fastgd.sweeps.regimes import RegimeNames

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP


class Contents:
    """The fields of `fastgd.SweepResult`, where they are documented, with the axes as they are kept."""

    axes: AxesAsGiven
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    regime: RegimeNames
    loss: NDArray[np.float64]
    slope: NDArray[np.float64]
    x: NDArray[Any]
    parameter_names: tuple[str, ...]
    paired: bool
    metric: NDArray[np.float64] | None
    networks: Mapping[tuple[int, ...], MLP]
    history: NDArray[Any] | None
    record: int
    template: MLP | None

    @property
    def kept_axes(self) -> CheckedAxes:
        """The axes as they are kept: numbers as arrays."""
        axes: CheckedAxes = self.__dict__["_axes"]
        return axes

    @property
    def shown_axes(self) -> dict[str, tuple[Any, ...]]:
        """The axes as tables, files and figures show them.

        An optimizer is a text without the hyperparameters that another axis gives in their place: beside an axis "lr"
        ``SGD()``, not ``SGD(lr=0.001)``.
        """
        return dict(shown_axes(self.kept_axes))

    @property
    def regime_codes(self) -> NDArray[np.uint8]:
        """The regimes as codes, from the best to the worst: 0 not started, 1 monotone, ... 6 diverged."""
        return np.asarray(self.__dict__["_regime"])

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values on each axis; for paired axes the number of runs."""
        lengths = self.kept_axes.lengths
        return lengths[:1] if self.paired else lengths

    @property
    def size(self) -> int:
        """The number of runs."""
        return int(np.prod(self.shape, dtype=np.int64))

    def _repr_html_(self) -> str:
        """What a notebook shows: the counts, the best runs, and the picture where there is one."""
        return as_html(self)

    def axes_at(self, index: tuple[int, ...]) -> dict[str, Any]:
        """The values of one run on all axes."""
        axes = self.kept_axes
        places = index * len(axes) if self.paired else index
        return {name: axes.at(name, i) for name, i in zip(axes, places, strict=True)}
