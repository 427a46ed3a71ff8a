"""`fastgd.load`: a model that the command line fitted, for tables in Python."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import shown
from fastgd.cli.linear import Coefficients
from fastgd.cli.model import Model
from fastgd.cli.scores import class_codes, scored
from fastgd.cli.words import count
from fastgd.extras import require

if TYPE_CHECKING:
    import pandas as pd


class LoadedModel:
    """A fitted model with the scaling and the categories of its columns: `fastgd.load` returns it.

    Tables are in the units of the file that the model was fitted to. A table is a pandas DataFrame, anything with a
    method ``to_pandas`` (Polars, PyArrow), a dict of columns or of one row's values, a list of dicts, or an array of
    shape (rows, features) in the order of `feature_names_in_`. Columns are found by name; others are ignored.

    Attributes
    ----------
    feature_names_in_ : ndarray of str
        The columns that it takes.
    n_features_in_ : int
    target_name_ : str
        The column that it predicts.
    categories_ : dict of str to tuple of str
        The levels of each column of categories.
    network_ : MLP or None
        The network, which takes encoded inputs; None for what ``fastgd minimize`` saved.
    """

    def __init__(self, model: Model) -> None:
        features = model.encoding.features
        self._model = model
        self.feature_names_in_ = np.array([f.name for f in features], dtype=object)
        self.n_features_in_ = len(features)
        self.target_name_ = model.target.name
        self.categories_ = {f.name: f.levels for f in features if f.levels}
        self.network_ = model.network

    def __repr__(self) -> str:
        names = ", ".join(self.feature_names_in_[:6]) + (", ..." if self.n_features_in_ > 6 else "")
        return f"{type(self).__name__}({self.target_name_} from {names}: {self._model.fitted!r})"

    @property
    def coef_(self) -> NDArray[np.float64]:
        """Coefficients of a linear model as scikit-learn has them, of columns in their own units."""
        return self._coefficients("coef_").coef

    @property
    def intercept_(self) -> float | NDArray[np.float64]:
        """The intercept of a linear model, as scikit-learn has it."""
        return self._coefficients("intercept_").intercept

    @property
    def coef_names_(self) -> NDArray[Any]:
        """What each coefficient belongs to: a column, or ``column=level``."""
        return np.array(self._model.encoding.inputs, dtype=object)

    def predict(self, X: Any) -> NDArray[Any]:
        """The predicted number or class of each row.

        Parameters
        ----------
        X : table
            See `LoadedModel`.

        Returns
        -------
        ndarray of shape (rows,)

        Raises
        ------
        ValueError
            If a column is missing, has missing values, or holds what is no number.
        TypeError
            If it is no table.
        """
        return self._model.values(self._inputs(X))

    def score(self, X: Any, y: ArrayLike) -> float:
        """R² of predicted numbers, or the share of rows whose class is right.

        Parameters
        ----------
        X : table
            See `LoadedModel`.
        y : array_like of shape (rows,)
            The target in the file's units.

        Returns
        -------
        float
        """
        return self._scored(X, y)["R²"]

    def _scored(self, X: Any, y: ArrayLike) -> dict[str, float]:
        inputs, truth = self._inputs(X), np.asarray(y)
        if truth.shape != (len(inputs),):
            raise ValueError(f"y must have shape ({len(inputs)},), got {truth.shape}")
        return scored(self._model, inputs, self._truth(truth)).overall

    def _truth(self, y: NDArray[Any]) -> NDArray[Any]:
        return y.astype(np.float64)

    def _coefficients(self, attribute: str) -> Coefficients:
        found = self._model.coefficients()
        if found is None:
            raise AttributeError(f"there is no {attribute}: {self._model.fitted!r} is not linear")
        return found

    def _inputs(self, X: Any) -> NDArray[Any]:
        frame = _frame(X, list(self.feature_names_in_))
        encoding = self._model.encoding
        as_they_are = {f.name for f in encoding.features if f.levels or f.dates}
        try:
            chosen = encoding.columns(_as_read(frame, self.feature_names_in_, as_they_are))
        except ValueError as error:
            raise ValueError(f"X, rows counted from 1: {error}") from None
        unknown = encoding.unknown(chosen)
        if unknown:
            warnings.warn(
                f"{count(unknown, 'row')} of X with a category that the model does not know: see categories_",
                stacklevel=3,
            )
        return self._model.inputs(chosen)


class LoadedClassifier(LoadedModel):
    """A `LoadedModel` that predicts classes.

    Attributes
    ----------
    classes_ : ndarray
        The classes, in the order of probabilities.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.classes_ = np.array(model.target.classes)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: D102
        return np.asarray(self.classes_[self._model.codes(self._inputs(X))])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class.

        Parameters
        ----------
        X : table
            See `LoadedModel`.

        Returns
        -------
        ndarray of shape (rows, classes)
        """
        return np.asarray(self._model.fitted.predict_proba(self._inputs(X)), np.float64)

    def score(self, X: Any, y: ArrayLike) -> float:  # noqa: D102
        return self._scored(X, y)["accuracy"]

    def _truth(self, y: NDArray[Any]) -> NDArray[Any]:
        import pandas as pd  # noqa: PLC0415  (heavy)

        return class_codes(pd.Series(y), self.classes_.tolist())


def load(
    folder: str | PathLike[str],
) -> LoadedModel | Any:  # a LoadedClassifier has more, which only the file decides
    """Load what ``fastgd minimize``, ``train`` or ``compare`` saved: a model with its scaling and categories.

    Needs pandas. A network alone, without columns, is what `MLP.load` reads.

    Parameters
    ----------
    folder : str or path-like
        The folder of ``--out``.

    Returns
    -------
    LoadedModel or LoadedClassifier
        With `predict`, `score`, and for classes `classes_` and `predict_proba`; with `coef_` and `intercept_` if it is
        linear.

    Raises
    ------
    FileNotFoundError
        If there is no model in it.
    ValueError
        If its files are damaged or do not belong together.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fastgd as gd
    >>> from fastgd.cli import main
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = ("kg,power,litres", "900,60,5.1", "1400,110,7.6", "1100,95,6.3", "1900,150,10")
    >>> _ = (folder / "cars.csv").write_text(chr(10).join(rows))
    >>> arguments = ["minimize", str(folder / "cars.csv"), "--target", "litres", "--out", str(folder / "fit")]
    >>> main(arguments)  # doctest: +ELLIPSIS
    litres from kg, power: 4 rows of cars.csv; ...
    0
    >>> model = gd.load(folder / "fit")
    >>> model.predict({"power": [100, 80], "kg": [1200, 1000]}).round(2)
    array([6.73, 5.73])
    >>> model.coef_names_.tolist(), model.coef_.round(4)
    (['kg', 'power'], array([0.0037, 0.0129]))
    """
    require("fastgd.load", "pandas")
    model = Model.load(Path(folder))
    return LoadedModel(model) if model.target.classes is None else LoadedClassifier(model)


# --- tables ---------------------------------------------------------------------------------------------


def _frame(X: Any, names: list[str]) -> pd.DataFrame:
    """Any table as a data frame with texts for names, its rows numbered from 0."""
    import pandas as pd  # noqa: PLC0415  (heavy)

    if not isinstance(X, pd.DataFrame) and hasattr(X, "to_pandas"):
        X = X.to_pandas()
    if isinstance(X, Mapping):
        alone = all(np.ndim(column) == 0 for column in X.values())
        X = [dict(X)] if alone else dict(X)
    by_name = isinstance(X, pd.DataFrame | dict) or (
        isinstance(X, list) and X and isinstance(X[0], dict)
    )
    if by_name or (isinstance(X, np.ndarray) and X.dtype.names):
        try:
            frame = pd.DataFrame(X).reset_index(drop=True)
        except ValueError as error:
            raise ValueError(f"X is no table: {error}") from None
        frame.columns = [str(name).strip() for name in frame.columns]
    else:
        rows = np.asarray(X)
        if rows.ndim != 2:
            raise TypeError(
                f"X must be a DataFrame, a dict of columns or an array of shape (rows, {len(names)}), got {shown(X)}"
            )
        if rows.shape[1] != len(names):
            wanted = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
            raise ValueError(
                f"X has {count(rows.shape[1], 'column')}, wanted {len(names)}: {wanted}"
            )
        frame = pd.DataFrame(rows, columns=names)
    if not len(frame):
        raise ValueError("X has no rows")
    return frame


def _as_read(
    frame: pd.DataFrame, names: NDArray[Any], as_they_are: Collection[str]
) -> pd.DataFrame:
    """The columns as a file is read: numbers where objects are all numbers, and nothing missing.

    Categories and dates stay as they are.
    """
    frame = frame[[name for name in names if name in frame]].copy()
    for name in frame:
        column = frame[name]
        if column.isna().any():
            rows = np.flatnonzero(column.isna())
            raise ValueError(
                f"column {name!r} has {count(len(rows), 'missing value')}, the first in row {rows[0] + 1}"
            )
        if name in as_they_are or column.dtype.kind in "iufb":
            continue
        frame[name] = _numbers(column)
    return frame


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    values = column.to_list()
    found = np.empty(len(values))
    for k, value in enumerate(values):
        try:
            found[k] = value
        except (TypeError, ValueError):
            raise ValueError(
                f"column {column.name!r} must hold numbers, got {value!r:.40} in row {k + 1}"
            ) from None
    return found
