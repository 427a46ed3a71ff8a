"""The result of a sweep as tables and labelled arrays of other libraries."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from fastgd.extras import require
from fastgd.files import write_csv
from fastgd.sweeps.arrays import SCALARS
from fastgd.sweeps.contents import Contents
from fastgd.sweeps.tables import as_frame, columns_of, write_parquet
from fastgd.sweeps.xarrays import as_dataset

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

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

    def _shown_parameters(self, parameters: bool | None) -> tuple[str, ...]:
        """The names of the parameters that get a column."""
        if parameters is None:
            parameters = self.x.shape[-1] <= _MOST_PARAMETER_COLUMNS
        return self.parameter_names if parameters else ()

    def _about(self) -> dict[str, Any]:
        """What a result says of itself as a whole."""
        return {name: getattr(self, name) for name in SCALARS}
