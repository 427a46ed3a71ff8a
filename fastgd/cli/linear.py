"""Linear models: one for prediction, and its coefficients as scikit-learn has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.cli.encoding import Encoding
from fastgd.cli.files import write_json

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """Linear or logistic regression on encoded inputs: what `fastgd minimize` fits.

    Attributes
    ----------
    weights : ndarray of shape (inputs, outputs)
    constant : ndarray of shape (outputs,)
        One output gives a number, or the log-odds of the second of two classes; several give a score of each class.
    classes : int
        0 if a number is predicted.
    """

    weights: Float
    constant: Float
    classes: int = 0

    def __repr__(self) -> str:
        kind = "logistic" if self.classes else "linear"
        return f"{kind} regression on {len(self.weights)} inputs"

    def predict(self, inputs: Float) -> Float:
        """The value of each row."""
        return np.asarray(self._outputs(inputs)[:, 0])

    def predict_proba(self, inputs: Float) -> Float:
        """Probabilities of shape (rows, classes)."""
        z = self._outputs(inputs)
        if z.shape[1] == 1:
            z = np.hstack([np.zeros_like(z), z])
        odds = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def _outputs(self, inputs: Float) -> Float:
        with np.errstate(all="ignore"):
            z = inputs @ self.weights + self.constant
        if not np.isfinite(z).all():
            row = int(np.argmin(np.isfinite(z).all(axis=1))) + 1
            raise ValueError(f"row {row} of the inputs is too large for the model")
        return np.asarray(z)


@dataclass(frozen=True)
class Coefficients:
    """A linear model of columns in their own units, in the form of scikit-learn's.

    Attributes
    ----------
    model : {"LinearRegression", "LogisticRegression", "PoissonRegressor"}
        The class of scikit-learn whose fitted attributes these are.
    target : str
    names : tuple of str
        A column of numbers, or a column and one of its levels, for each coefficient.
    coef : ndarray of shape (names,), or (outputs, names) for classes
    intercept : float, or ndarray of shape (outputs,) for classes
    classes : tuple, optional
    """

    model: str
    target: str
    names: tuple[str, ...]
    coef: Float
    intercept: float | Float
    classes: tuple[Any, ...] | None = None

    def save(self, path: Path) -> None:
        """Write them as JSON, under the names of scikit-learn's attributes."""
        content = {
            "model": self.model,
            "target": self.target,
            "feature_names_in_": list(self.names),
            "coef_": self.coef.tolist(),
            "intercept_": np.asarray(self.intercept).tolist(),
        }
        if self.classes is not None:
            content["classes_"] = list(self.classes)
        write_json(path, content)


def own_units(
    encoding: Encoding, weights: Float, constant: Float, *, offset: float = 0.0, width: float = 1.0
) -> tuple[Float, Float]:
    """Coefficients (outputs, inputs) and intercepts (outputs,) of the columns' own units.

    Parameters
    ----------
    encoding : Encoding
    weights : ndarray of shape (inputs, outputs)
    constant : ndarray of shape (outputs,)
    offset, width : float
        Of the target: it is the output times `width` plus `offset`.
    """
    with np.errstate(all="ignore"):
        own, intercept = encoding.decoded(weights * width, constant * width + offset)
    return np.ascontiguousarray(own.T), np.asarray(intercept)
