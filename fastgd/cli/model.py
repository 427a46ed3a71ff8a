"""A fitted model and what its predictions need, as a folder that `fastgd predict` and `fastgd.load` read."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_finite, as_finite_positive
from fastgd.cli.dates import Days
from fastgd.cli.encoding import Encoding, Feature
from fastgd.cli.files import write_json
from fastgd.cli.linear import Coefficients, Linear, own_units
from fastgd.cli.reading import Reading

if TYPE_CHECKING:
    import pandas as pd

    from fastgd.network.mlp import MLP


_NETWORK, _COLUMNS, _FORMAT = "network.npz", "columns.json", "fastgd columns 1"
_LINEAR, _LINEAR_FORMAT = "model.json", "fastgd linear model 1"
_COEFFICIENTS = "coefficients.json"


@dataclass(frozen=True)
class Target:
    """What is predicted: classes, or a number, which is the network's output times `width` plus `offset`."""

    name: str
    classes: tuple[Any, ...] | None = None
    offset: float = 0.0
    width: float = 1.0


@dataclass(frozen=True)
class Model:
    """What was fitted (a network or a linear model), the encoding of its inputs, its target, how the file was read."""

    fitted: MLP | Linear
    encoding: Encoding
    target: Target
    reading: Reading = field(default_factory=Reading)

    def inputs(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Rows of features as inputs of what was fitted."""
        network = self.network
        dtype = np.dtype(np.float64) if network is None else network.architecture.dtype
        return network_inputs(self.encoding, frame, dtype)

    @property
    def network(self) -> MLP | None:
        """The network, if it is one."""
        return None if isinstance(self.fitted, Linear) else self.fitted

    def values(self, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Predicted numbers in the file's units."""
        values = self.fitted.predict(inputs).astype(np.float64)
        return values * self.target.width + self.target.offset

    def codes(self, inputs: NDArray[Any]) -> NDArray[np.intp]:
        """The number of the most probable class of each row."""
        return np.asarray(self.fitted.predict_proba(inputs).argmax(axis=1))

    def predictions(self, inputs: NDArray[Any]) -> dict[str, Any]:
        """Columns by name: the predictions in the file's units, and the probability of each class."""
        if self.target.classes is None:
            return {"predicted": self.values(inputs)}
        shares = self.fitted.predict_proba(inputs)
        best = shares.argmax(axis=1).tolist()
        each = {f"p({c})": shares[:, k] for k, c in enumerate(self.target.classes)}
        return {"predicted": [self.target.classes[k] for k in best], **each}

    def coefficients(self) -> Coefficients | None:
        """Those of the columns in their own units; None if the model is not linear, or they are beyond float64."""
        weights, constant, model = self._linear_parameters()
        if model is None:
            return None
        target, names = self.target, self.encoding.inputs
        coef, intercept = own_units(
            self.encoding, weights, constant, offset=target.offset, width=target.width
        )
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            return None
        if target.classes is None:
            return Coefficients(model, target.name, names, coef[0], float(intercept[0]))
        if len(coef) == 2:  # the log-odds of the second class
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        return Coefficients(model, target.name, names, coef, intercept, target.classes)

    def _linear_parameters(self) -> tuple[Any, Any, str | None]:
        """Weights and constants in float64, and the name of scikit-learn's class; None if it is not linear."""
        model = "LogisticRegression" if self.target.classes else "LinearRegression"
        if isinstance(self.fitted, Linear):
            return self.fitted.weights, self.fitted.constant, model
        architecture = self.fitted.architecture
        if len(architecture.sizes) > 2:
            return None, None, None
        weights, constant = (p.astype(np.float64) for p in self.fitted.params)
        return weights, constant, "PoissonRegressor" if architecture.loss == "poisson" else model

    def save(self, folder: Path) -> list[Path]:
        """Write the files that `load` reads, and the coefficients if the model is linear."""
        content = {
            "target": dataclasses.asdict(self.target),
            "reading": dataclasses.asdict(self.reading),
            "features": [dataclasses.asdict(feature) for feature in self.encoding.features],
        }
        if isinstance(self.fitted, Linear):
            numbers = {
                "weights": self.fitted.weights.tolist(),
                "constant": self.fitted.constant.tolist(),
            }
            written = [folder / _LINEAR]
            write_json(written[0], {"format": _LINEAR_FORMAT, **content, **numbers})
        else:
            written = [folder / _NETWORK, folder / _COLUMNS]
            digest = _digest(self.fitted)
            write_json(written[1], {"format": _FORMAT, "network": digest, **content})
            self.fitted.save(written[0])
        coefficients = self.coefficients()
        if coefficients is not None:
            written.append(folder / _COEFFICIENTS)
            coefficients.save(written[-1])
        return written

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read what `save` wrote."""
        if (folder / _LINEAR).is_file():
            if (folder / _NETWORK).is_file():
                raise ValueError(f"{folder} holds two models, {_LINEAR} and {_NETWORK}; wanted one")
            return cls(*_read_linear(folder / _LINEAR))
        for name in (_NETWORK, _COLUMNS):
            if not (folder / name).is_file():
                raise FileNotFoundError(_about_missing(folder, name))
        encoding, target, reading, digest = _read_columns(folder / _COLUMNS)
        from fastgd.network.mlp import MLP  # noqa: PLC0415  (imports the engines)

        network = MLP.load(folder / _NETWORK)
        wanted = (len(encoding.inputs), len(target.classes or (0,)))
        sizes = (network.sizes[0], network.sizes[-1])
        if sizes != wanted or (digest is not None and digest != _digest(network)):
            raise ValueError(
                f"{folder / _NETWORK} and {_COLUMNS} in the same folder are of two networks"
            )
        return cls(network, encoding, target, reading)


def _about_missing(folder: Path, name: str) -> str:
    writers = "fastgd minimize, train and compare write"
    if folder.is_file():
        return f"{folder} is a file; wanted the folder that {writers} with --out"
    if not folder.exists():
        return f"there is no folder {folder}; {writers} one with --out"
    if not any((folder / known).is_file() for known in (_NETWORK, _COLUMNS)):
        return f"{folder} holds no model, {_LINEAR} or {_NETWORK}; {writers} one with --out"
    return f"there is no {folder / name}; fastgd train --out writes it"


def network_inputs(encoding: Encoding, frame: pd.DataFrame, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rows of features as inputs of a network of this precision."""
    with np.errstate(over="ignore"):  # the network refuses infinite inputs, and names them
        return encoding.encoded(frame).astype(dtype)


def _digest(network: MLP) -> str:
    """What tells networks apart: a killed run may leave its network beside the columns of the run before."""
    digest = hashlib.sha256()
    for parameters in network.params:
        digest.update(parameters.tobytes())
    return digest.hexdigest()


# --- reading ------------------------------------------------------------------------------------------


def _read_columns(path: Path) -> tuple[Encoding, Target, Reading, str | None]:
    """Encoding, target, how the file was read, and which network they belong to, if this file says it."""
    with _refused(path, "train"):
        content = _content(path, _FORMAT)
        return *_described(content), content.get("network")


def _read_linear(path: Path) -> tuple[Linear, Encoding, Target, Reading]:
    """A linear model, its encoding, its target, and how the file was read."""
    with _refused(path, "minimize"):
        content = _content(path, _LINEAR_FORMAT)
        encoding, target, reading = _described(content)
        classes = len(target.classes or ())
        outputs = classes if classes > 2 else 1
        weights = _numbers(content["weights"], (len(encoding.inputs), outputs))
        linear = Linear(weights, _numbers(content["constant"], (outputs,)), classes)
        return linear, encoding, target, reading


@contextmanager
def _refused(path: Path, command: str) -> Iterator[None]:
    """Whatever is wrong with a file is one message."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise ValueError(f"{path} was not written by this version of fastgd {command}") from None


def _content(path: Path, form: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content["format"] != form:
        raise ValueError
    return content


def _numbers(value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Finite numbers of this shape, nested in lists."""
    flat = value if len(shape) == 1 else [number for row in value for number in _list(row)]
    for number in _list(flat):
        as_finite("number", number)
    found = np.array(value, np.float64)
    if found.shape != shape:
        raise ValueError
    return found


def _described(content: dict[str, Any]) -> tuple[Encoding, Target, Reading]:
    encoding = Encoding(tuple(_feature(**feature) for feature in _list(content["features"])))
    names = [feature.name for feature in encoding.features]
    if not names or len(set(names)) < len(names):
        raise ValueError
    return encoding, _target(**content["target"]), Reading.checked(content.get("reading", {}))


def _target(name: Any, classes: Any, offset: Any, width: Any) -> Target:
    """A target from a file, checked."""
    kept = None if classes is None else tuple(map(_label, _list(classes)))
    if kept is not None and not 2 <= len(set(map(str, kept))) == len(kept):
        raise ValueError
    return Target(
        _text(name), kept, as_finite("offset", offset), as_finite_positive("width", width)
    )


def _label(value: Any) -> Any:
    if isinstance(value, str | bool):
        return value
    as_finite("label", value)
    return value


def _feature(name: Any, offset: Any, width: Any, levels: Any, dates: Any = None) -> Feature:
    """A feature from a file, checked."""
    offset, width = as_finite("offset", offset), as_finite_positive("width", width)
    days = None if dates is None else Days(**{key: _text(text) for key, text in dates.items()})
    if days is not None:
        datetime.date.fromisoformat(days.since)
    return Feature(_text(name), offset, width, tuple(map(_text, _list(levels))), days)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
