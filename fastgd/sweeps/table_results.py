"""The result of a sweep as tables and labelled arrays of other libraries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Self

from fastgd.checks import as_nonnegative, shown
from fastgd.extras import require
from fastgd.files import write_csv
from fastgd.sweeps.arrays import SCALARS
from fastgd.sweeps.contents import Contents
from fastgd.sweeps.merging import merged
from fastgd.sweeps.optuna_trials import as_study
from fastgd.sweeps.selection import selected
from fastgd.sweeps.tables import as_frame, columns_of, write_parquet
from fastgd.sweeps.xarrays import as_dataset

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from optuna import Study
    from optuna.distributions import BaseDistribution

_MOST_PARAMETER_COLUMNS = 20
_COMPRESSIONS = ("snappy", "zstd", "gzip", "brotli", "lz4", None)


class TableResult(Contents):
    """What `fastgd.SweepResult` has of tables: a row for each run."""

    def to_pandas(self, *, parameters: bool | None = None) -> pd.DataFrame:
        """Return the sweep as a table, one row per run, the last axis varying fastest.

        Parameters
        ----------
        parameters : bool, optional
            Whether the final parameters get a column each; by default they do if there are
            at most 20. A column whose name is taken by another one is called ``final_<name>``.

        Returns
        -------
        pandas.DataFrame
            One column per axis (numbers and truth values as such, tuples, schedules and
            optimizers as readable text), then ``status`` (text), ``regime``, ``iterations``,
            ``loss``, ``slope`` (for networks ``metric``) and the parameters.

        Examples
        --------
        >>> from fastgd import SweepResult
        >>> out = SweepResult(axes={"betas": [(0.9, 0.99)]}, iterations=[3], status=[1],
        ...     regime=["slow"], loss=[1.0], slope=[0.5], x=[[2.0]])
        >>> out.to_pandas(parameters=False)
                 betas    status regime  iterations  loss  slope
        0  (0.9, 0.99)  max_iter   slow           3   1.0    0.5
        """
        require("SweepResult.to_pandas", "pandas")
        return as_frame(columns_of(self, self._shown_parameters(parameters)))

    def to_csv(
        self,
        path: str | PathLike[str],
        *,
        parameters: bool | None = None,
        keep_formulas: bool = False,
    ) -> None:
        """Write the table of `to_pandas` as comma-separated text.

        Parameters
        ----------
        path : str or path-like
            The file to write; an older one is replaced.
        parameters : bool, optional
            As in `to_pandas`.
        keep_formulas : bool, default False
            Write texts that begin with ``=``, ``+``, ``-``, ``@`` and are no numbers as they are; a spreadsheet may run
            them. Otherwise they, and such names of columns, get an apostrophe before them.

        Examples
        --------
        >>> out.to_csv("sweep.csv")  # doctest: +SKIP
        """
        require("SweepResult.to_csv", "pandas")
        columns = columns_of(self, self._shown_parameters(parameters), spelled=True)
        write_csv(as_frame(columns, categorical=True), path, keep_formulas=keep_formulas)

    def to_parquet(
        self,
        path: str | PathLike[str],
        *,
        parameters: bool | None = None,
        compression: str | None = "snappy",
    ) -> None:
        """Write the table of `to_pandas` as Apache Parquet.

        Statuses, regimes and axes of texts are dictionary-encoded: they become categories when pandas reads the file.
        What the sweep says of itself as a whole (`problem`, `optimizer`, `tol`, ...) stands as JSON under ``fastgd`` in
        the file's metadata. `SweepResult.load` reads the files of `save` alone.

        Parameters
        ----------
        path : str or path-like
            The file to write; an older one is replaced.
        parameters : bool, optional
            As in `to_pandas`.
        compression : {"snappy", "zstd", "gzip", "brotli", "lz4"} or None, default "snappy"
            "zstd" makes smaller files in a little more time, None does not compress.

        Raises
        ------
        ValueError
            If the compression is unknown.
        ModuleNotFoundError
            If pyarrow is missing (``pip install 'fastgd[parquet]'``).

        Examples
        --------
        >>> out.to_parquet("sweep.parquet")  # doctest: +SKIP
        >>> pd.read_parquet("sweep.parquet").groupby("status", observed=True).size()  # doctest: +SKIP
        """
        require("SweepResult.to_parquet", "pyarrow")
        if compression not in _COMPRESSIONS:
            raise ValueError(f"compression must be one of {_COMPRESSIONS}, got {compression!r:.60}")
        columns = columns_of(self, self._shown_parameters(parameters))
        write_parquet(columns, path, self._about(), compression)

    def to_xarray(self) -> xr.Dataset:
        """Return the sweep as an xarray data set, in which axes are dimensions with coordinates.

        Returns
        -------
        xarray.Dataset
            The variables ``iterations``, ``status`` (text), ``regime``, ``loss``, ``slope`` (for networks ``metric``)
            over the axes; ``x`` has the dimension ``parameter`` beside them, if parameters were kept, and ``history``
            the dimension ``record``, whose coordinate is the update. If the axes are paired, all variables have the
            dimension ``run``, and the axes are coordinates along it. Tuples, schedules and optimizers are readable
            texts. A variable or dimension whose name an axis has is called ``final_<name>``. What the sweep says of
            itself as a whole (`problem`, `optimizer`, `tol`, ...) is in ``attrs``.

        Raises
        ------
        ModuleNotFoundError
            If xarray is missing (``pip install 'fastgd[xarray]'``).

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
        >>> axes = {"lr": [0.1, 0.5, 1.0], "momentum": [0.0, 0.5]}
        >>> data = gd.sweep(line, gd.Momentum(), axes, tol=1e-3).to_xarray()
        >>> data.iterations.sel(momentum=0.5).values
        array([184,  31,  21])
        >>> data.x.dims, data.parameter.values.tolist()
        (('lr', 'momentum', 'parameter'), ['w', 'b'])
        >>> int(data.iterations.where(data.status == "converged").min())
        21
        """
        require("SweepResult.to_xarray", "xarray")
        return as_dataset(self, self._about())

    def to_optuna(
        self,
        by: Literal["loss", "metric"] = "loss",
        *,
        distributions: Mapping[str, BaseDistribution] | None = None,
        study: Study | None = None,
    ) -> Study:
        """Return the sweep as a study of Optuna, one trial per run, for its plots, importances and dashboard.

        Parameters
        ----------
        by : {"loss", "metric"}, default "loss"
            What is minimized, or of networks maximized: the value of the trials.
        distributions : dict of str to optuna.distributions.BaseDistribution, optional
            Of some axes. By default numbers come from the interval of the axis' values, on a logarithmic scale if the
            largest is 100 times the smallest and that is above 0; all other values are categories.
        study : optuna.Study, optional
            The study that gets the trials, for example one in a storage; by default a new one in memory.

        Returns
        -------
        optuna.Study
            Its trials have the attributes ``iterations``, ``loss``, ``metric``, ``status`` and ``regime``. Runs that
            diverged are pruned trials, and from Optuna 5 on violate the constraint ``diverged``; runs that were
            interrupted or not started have failed. Tuples, schedules and optimizers are readable texts.

        Raises
        ------
        ModuleNotFoundError
            If Optuna is missing (``pip install 'fastgd[optuna]'``).
        ValueError
            If `by` does not suit the sweep, or the study has another direction.

        See Also
        --------
        fastgd.tune : Optuna chooses the runs.

        Examples
        --------
        >>> import fastgd as gd
        >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
        >>> out = gd.sweep(line, gd.Momentum(), {"lr": [0.1, 0.5, 1.0], "momentum": [0.0, 0.5]}, tol=1e-3)
        >>> study = out.to_optuna()
        >>> study.best_params, len(study.trials)
        ({'lr': 1.0, 'momentum': 0.5}, 6)
        """
        return as_study(self, by, distributions, study)

    # --- some of the runs, and the runs of several sweeps ----------------------------------------

    def sel(
        self,
        values: Mapping[str, Any] | None = None,
        /,
        *,
        method: Literal["nearest"] | None = None,
        tolerance: float | None = None,
        **axes: Any,
    ) -> Self:
        """Return the runs with these values of the axes.

        Every axis stays, also one of which a single value is selected: it then has one value, and all arrays have the
        length 1 there. So the result still tells which runs it holds, `best` names all values, `network` can make
        networks, and `merge` puts parts together again.

        Parameters
        ----------
        values : mapping of str to object, optional
            The values by axis, for axes whose names are no Python names: ``out.sel({"layers.0.lr": 0.1})``.
        method : {"nearest"}, optional
            Of an axis of numbers, take the value that is nearest to each wanted number; of two the smaller. By default
            numbers must be equal.
        tolerance : float, optional
            The same, if it is no further away than this.
        **axes
            For each axis a value, a list of values, or, for numbers, a slice from the first to the last, both included.
            A grid's axis gets the order of the list; if the axes are paired, the runs keep their order, and those stay
            that have a wanted value on each axis. A list is one value where the axis has it as a value, as
            a starting point. Optimizers, schedules and functions may be given as the texts that `to_pandas` shows.

        Returns
        -------
        SweepResult
            With networks, histories and parameters of the runs. `seconds` is that of the whole sweep.

        Raises
        ------
        TypeError, ValueError
            If there is no such axis or no such value; the message names the nearest.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
        >>> axes = {"lr": np.linspace(0.1, 1.5, 8), "momentum": [0.0, 0.5, 0.9]}
        >>> out = gd.sweep(line, gd.Momentum(), axes, tol=1e-3)
        >>> part = out.sel(lr=slice(0.5, 1.0), momentum=[0.5, 0.0])
        >>> part.axes["momentum"], part.iterations.tolist()
        ((0.5, 0.0), [[31, 74], [21, 52], [20, 40]])
        >>> out.sel(lr=0.65, momentum=0.9, method="nearest").best().axes["momentum"]
        0.9
        """
        if values is not None and not isinstance(values, Mapping):
            raise TypeError(f"values must be a dict of axes to values, got {shown(values)}")
        if method not in (None, "nearest"):
            raise ValueError(f'method must be "nearest" or None, got {method!r:.60}')
        reach = None if method is None else math.inf
        if tolerance is not None:
            reach = as_nonnegative("tolerance", tolerance)
        return selected(self, {**(values or {}), **axes}, reach)

    def merge(self, *others: Self) -> Self:
        """Return the runs of several sweeps of one problem as one result.

        The axes are the union of all values: those of numbers rise if they rise in every sweep, other values come in
        the order of the sweeps. If the sweeps have all combinations of them, the result is a grid; otherwise its axes
        are paired, with one entry for each run.

        Parameters
        ----------
        *others : SweepResult
            With the same names of axes in any order. Problem, optimizer, dtype, `tol`, `max_iter` (if no axis gives it)
            and `record` must be the same, as must what was kept. Problems are compared by their descriptions, so you
            must see to it yourself that they have the same data, `x0` and seeds.

        Returns
        -------
        SweepResult
            A run that several sweeps have is there once: one that has ended, in place of those that were stopped or not
            begun, so that a sweep can be completed after Ctrl-C. `seconds` is the sum, `networks` are those that the
            sweeps have of their runs.

        Raises
        ------
        TypeError, ValueError
            If the sweeps differ in more than the values of axes, or ended differently where they are the same; the
            message names the difference.

        Examples
        --------
        >>> import fastgd as gd
        >>> line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
        >>> out = gd.sweep(line, gd.SGD(), {"lr": [0.1, 0.5, 1.0]}, tol=1e-3)
        >>> finer = gd.sweep(line, gd.SGD(), {"lr": [0.9, 1.0, 1.1]}, tol=1e-3)
        >>> both = out.merge(finer)
        >>> both.axes["lr"], both.iterations.tolist()
        ((0.1, 0.5, 0.9, 1.0, 1.1), [379, 74, 40, 36, 33])
        """
        for k, other in enumerate(others):
            if not isinstance(other, TableResult):
                raise TypeError(f"others[{k}] must be a SweepResult, got {shown(other)}")
        return merged([self, *others])

    def _shown_parameters(self, parameters: bool | None) -> tuple[str, ...]:
        """The names of the parameters that get a column."""
        if parameters is None:
            parameters = self.x.shape[-1] <= _MOST_PARAMETER_COLUMNS
        return self.parameter_names if parameters else ()

    def _about(self) -> dict[str, Any]:
        """What a result says of itself as a whole."""
        return {name: getattr(self, name) for name in SCALARS}
