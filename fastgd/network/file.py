"""A network as plain data, in a file: an .npz archive of arrays and one text, read without pickle.

The archive holds, uncompressed:

- ``about``, a text in JSON: the format and its version, the architecture, the initialization, the seed, and the
  position (epochs, updates, updates of an epoch that was not completed);
- ``W0``, ``b0``, ``W1``, ...: the parameters; ``W0``, ``W1``, ... of a network without biases;
- ``optimizer.*``: what `Optimizer.state_dict` returned, where the network was trained. Older files have no
  ``optimizer.hyperparameters``.

Every array's shape and dtype are compared with what the described architecture needs before its numbers are read, and
compressed archives are refused, so that no file makes this module use more memory than twice its size: the arrays of
the file, and those of the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.archive import Archive, write_arrays
from fastgd.checks import as_count, as_flag, as_seed
from fastgd.engines.protocol.networks import Architecture
from fastgd.files import atomic_write
from fastgd.network.arguments import checked_architecture
from fastgd.network.parameters import Initialization
from fastgd.optimizers.state import check_state

Array = NDArray[Any]
_FORMAT = "fastgd network"
_VERSION = 1
_FIELDS = (  # of the text, beside format and version
    "sizes",
    "activation",
    "constants",
    "loss",
    "loss_constants",
    "sum_outputs",
    "l1",
    "l2",
    "penalty_per_row",
    "dropout",
    "dtype",
    "init",
    "seed",
    "epochs",
    "steps",
    "within_epoch",  # updates of the epoch that is not complete
)
_LATER = {
    "bias": True,
    "init_scale": 1.0,
    "init_mean": 0.0,
}  # fields that older files lack, as those networks were
_STATE = re.compile(r"state\.\w+\[(0|[1-9]\d*)\]")
_TEXTS = {"optimizer": 0, "hyperparameters": 0, "rules": 1, "params": 1}  # by their dimensions


@dataclass(frozen=True)
class SavedNetwork:
    """What a file holds.

    Attributes
    ----------
    architecture : Architecture
    initialization : Initialization
        How weights are initialized.
    seed : int
    epochs, steps, steps_in_epoch : int
        Complete epochs, updates, and updates of the epoch that is not complete.
    params : list of ndarray
        [W0, b0, W1, b1, ...], or [W0, W1, ...].
    optimizer_state : mapping of str to ndarray, or None
        As `Optimizer.state_dict` returns it; None for a network that was not trained.
    """

    architecture: Architecture
    initialization: Initialization
    seed: int
    epochs: int
    steps: int
    steps_in_epoch: int
    params: list[Array]
    optimizer_state: Mapping[str, Array] | None


# --- writing ------------------------------------------------------------------------------------------


def write(path: str | PathLike[str], network: SavedNetwork) -> None:
    """Write a network to a file, which appears whole or not at all."""
    arrays = {"about": np.array(json.dumps(_description(network)))}
    arrays.update(zip(network.architecture.names, network.params, strict=True))
    for key, array in (network.optimizer_state or {}).items():
        arrays[f"optimizer.{key}"] = array
    with atomic_write(path) as file:
        write_arrays(file, arrays)


def _description(network: SavedNetwork) -> dict[str, Any]:
    """The text of the file, as a dictionary."""
    a = network.architecture
    for name in ("activation", "loss"):
        if not isinstance(getattr(a, name), str):
            raise ValueError(
                f"{name} is a function, {getattr(a, name)!r:.60}, which a file cannot hold; "
                "save its parameters, for example with np.savez(path, *net.params)"
            )
    values = vars(a) | {
        "dtype": a.dtype.name,
        **vars(network.initialization),
        "seed": network.seed,
        "epochs": network.epochs,
        "steps": network.steps,
        "within_epoch": network.steps_in_epoch,
    }
    fields = (*_FIELDS, *_LATER)
    return {"format": _FORMAT, "version": _VERSION, **{name: values[name] for name in fields}}


# --- reading ------------------------------------------------------------------------------------------


def read(path: str | PathLike[str]) -> SavedNetwork:
    """Read a network; whatever is wrong with an opened file is a ValueError that names the path."""
    with Path(path).open("rb") as file:
        try:
            return _read(Archive(file))
        except Exception as error:  # a damaged or hostile file may raise anything
            raise ValueError(f"path: {str(path)!r} is not a saved network ({error})") from error


def _read(archive: Archive) -> SavedNetwork:
    about = _about(archive)
    architecture = _architecture(about)
    names, shapes, dtype = architecture.names, architecture.shapes, architecture.dtype
    for name, shape in zip(names, shapes, strict=True):  # all of them before any memory is taken
        archive.check(name, shape, dtype)
    initialization = Initialization.checked(
        architecture, about["init"], about["init_scale"], about["init_mean"]
    )
    seed = as_seed("rng", about["seed"])
    params = [archive.array(name, s, dtype) for name, s in zip(names, shapes, strict=True)]
    return SavedNetwork(
        architecture=architecture,
        initialization=initialization,
        seed=seed,
        epochs=as_count("epochs", about["epochs"]),
        steps=as_count("steps", about["steps"]),
        steps_in_epoch=as_count("within_epoch", about["within_epoch"]),
        params=params,
        optimizer_state=_optimizer_state(archive, params, {"about", *names}),
    )


def _about(archive: Archive) -> dict[str, Any]:
    """The text of the file, with all its fields."""
    about = archive.described(_FORMAT, version=_VERSION)
    for name in _FIELDS:
        if name not in about:
            raise ValueError(f"{name!r} is missing")
    return {**_LATER, **about}


def _architecture(about: Mapping[str, Any]) -> Architecture:
    """The architecture that the text describes, by the checks of `MLP`'s arguments."""
    leak = _constant("constants", about, owner="leaky_relu", of="activation")
    huber_delta = _constant("loss_constants", about, owner="huber", of="loss")
    for name in ("sum_outputs", "penalty_per_row"):
        as_flag(name, about[name])
    plain = ("activation", "loss", "sum_outputs", "l1", "l2", "dropout", "dtype", "bias")
    architecture = checked_architecture(
        about["sizes"],
        leak=leak,
        huber_delta=huber_delta,
        **{name: about[name] for name in plain},
    )
    return replace(architecture, penalty_per_row=about["penalty_per_row"])


def _constant(name: str, about: Mapping[str, Any], *, owner: str, of: str) -> Any:
    """The constant of an activation or a loss that has one; None for all others."""
    values = about[name]
    count = 1 if about[of] == owner else 0
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{name} must hold {count} numbers for {about[of]!r}, got {values!r:.60}")
    return values[0] if count else None


def _optimizer_state(
    archive: Archive, params: list[Array], known: set[str]
) -> dict[str, Array] | None:
    """The optimizer's state, each array of the shape of its parameter; None where there is none."""
    state: dict[str, Array] = {}
    for name in archive.members:
        if name in known:
            continue
        key = name.removeprefix("optimizer.")
        place = _STATE.fullmatch(key)
        if key == name or not (place or key in {*_TEXTS, "t", "carry"}):
            raise ValueError(f"it holds {name!r}, which is not part of a network")
        if place:
            k = int(place[1])
            if k >= len(params):
                raise ValueError(f"{name!r} does not belong to a parameter")
            state[key] = archive.array(name, params[k].shape, params[k].dtype)
        elif key in _TEXTS:
            state[key] = archive.text(name, _TEXTS[key])
        else:
            groups = len(archive.text("optimizer.rules", 1))
            shape, kind = ((), np.int64) if key == "t" else ((groups,), np.float64)
            state[key] = archive.array(name, shape, np.dtype(kind))
    if not state:
        return None
    for key in ("optimizer", "rules", "t"):
        if key not in state:
            raise ValueError(f"'optimizer.{key}' is missing")
    check_state(state, str(state["optimizer"]), list(map(str, state["rules"])))
    expected = [f"params[{k}]" for k in range(len(params))]
    if "params" in state and state["params"].tolist() != expected:
        raise ValueError(f"its optimizer has other parameters than {expected}")
    return state
