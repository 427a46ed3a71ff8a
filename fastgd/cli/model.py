"""A trained network and what its predictions need, as a folder that `fastgd predict` reads."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_finite, as_finite_positive
from fastgd.cli.encoding import Encoding, Feature
from fastgd.cli.reading import Reading
from fastgd.files import atomic_text

if TYPE_CHECKING:
    import pandas as pd

    from fastgd.network.mlp import MLP


_NETWORK, _COLUMNS, _FORMAT = "network.npz", "columns.json", "fastgd columns 1"


@dataclass(frozen=True)
class Target:
    """What is predicted: classes, or a number, which is the network's output times `width` plus `offset`."""

    name: str
    classes: tuple[Any, ...] | None = None
    offset: float = 0.0
    width: float = 1.0


@dataclass(frozen=True)
class Model:
    """A trained network, the encoding of its inputs, its target, and how the file was read."""

    network: MLP
    encoding: Encoding
    target: Target
    reading: Reading = field(default_factory=Reading)

    def inputs(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Rows of features as inputs of the network."""
        return network_inputs(self.encoding, frame, self.network.architecture.dtype)

    def predictions(self, inputs: NDArray[Any]) -> dict[str, Any]:
        """Columns by name: the predictions in the file's units, and the probability of each class."""
        if self.target.classes is None:
            values = self.network.predict(inputs).astype(np.float64)
            return {"predicted": values * self.target.width + self.target.offset}
        shares = self.network.predict_proba(inputs)
        best = shares.argmax(axis=1).tolist()
        each = {f"p({c})": shares[:, k] for k, c in enumerate(self.target.classes)}
        return {"predicted": [self.target.classes[k] for k in best], **each}

    def save(self, folder: Path) -> list[Path]:
        """Write two files, which `load` reads."""
        content = {
            "format": _FORMAT,
            "network": _digest(self.network),
            "target": dataclasses.asdict(self.target),
            "reading": dataclasses.asdict(self.reading),
            "features": [dataclasses.asdict(feature) for feature in self.encoding.features],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        with atomic_text(folder / _COLUMNS) as file:
            file.write(text + "\n")
        self.network.save(folder / _NETWORK)
        return [folder / _NETWORK, folder / _COLUMNS]

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read what `save` wrote."""
        from fastgd.network.mlp import MLP  # noqa: PLC0415  (imports the engines)

        for name in (_NETWORK, _COLUMNS):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"there is no {folder / name}; fastgd train --out writes it"
                )
        encoding, target, reading, digest = _read_columns(folder / _COLUMNS)
        network = MLP.load(folder / _NETWORK)
        wanted = (len(encoding.inputs), len(target.classes or (0,)))
        sizes = (network.sizes[0], network.sizes[-1])
        if sizes != wanted or (digest is not None and digest != _digest(network)):
            raise ValueError(
                f"{folder / _NETWORK} and {_COLUMNS} in the same folder are of two networks"
            )
        return cls(network, encoding, target, reading)


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


def _read_columns(path: Path) -> tuple[Encoding, Target, Reading, str | None]:
    """Encoding, target, how the file was read, and which network they belong to, if this file says it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError
        target = _target(**content["target"])
        encoding = Encoding(tuple(_feature(**feature) for feature in content["features"]))
        reading = Reading.checked(content.get("reading", {}))
        return encoding, target, reading, content.get("network")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError(f"{path} was not written by this version of fastgd train") from None


def _target(name: Any, classes: Any, offset: Any, width: Any) -> Target:
    """A target from a file, checked."""
    for label in classes or ():
        if not isinstance(label, str | int | float):
            raise TypeError
    kept = None if classes is None else tuple(classes)
    return Target(
        _text(name), kept, as_finite("offset", offset), as_finite_positive("width", width)
    )


def _feature(name: Any, offset: Any, width: Any, levels: Any) -> Feature:
    """A feature from a file, checked."""
    if not isinstance(levels, list):
        raise TypeError
    offset, width = as_finite("offset", offset), as_finite_positive("width", width)
    return Feature(_text(name), offset, width, tuple(map(_text, levels)))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
