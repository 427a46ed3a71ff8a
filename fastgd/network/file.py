"""A network in a file: an .npz archive of plain arrays and one text, read without pickle.

The archive holds, uncompressed:

- ``about``, a text in JSON: the format and its version, the architecture, how weights start, the seed, and the position
  (passes, updates, updates of a pass that was broken off);
- ``W0``, ``b0``, ``W1``, ...: the parameters;
- ``optimizer.*``: what `Optimizer.state_dict` returned, where the network was trained.

A file is read only as far as it agrees with what its own architecture needs: every array's shape and dtype are compared
before its numbers are read, and nothing is unpacked, so that no file makes this module use more memory than its size.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fastgd.checks import as_count, as_dtype, as_flag
from fastgd.network.arguments import checked_sizes
from fastgd.network.mlp import MLP
from fastgd.optimizers.state import check_state

Array = NDArray[Any]
_FORMAT = "fastgd network"
_VERSION = 1
_LONGEST = 1 << 20  # bytes of the text
_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
_STATE = re.compile(r"state\.\w+\[(0|[1-9]\d*)\]")
_TEXTS = {"optimizer": 0, "rules": 1, "params": 1}  # the state's texts by their dimensions


# --- writing ------------------------------------------------------------------------------------------


def save(network: MLP, path: str | PathLike[str]) -> None:
    """Write a network to a file; also the method `fastgd.MLP.save`.

    A file appears whole or not at all: it is written beside the old one, which it then replaces.

    Parameters
    ----------
    network : MLP
    path : str or path-like
        The file to write, under exactly this name.

    Raises
    ------
    ValueError
        If the activation or the loss is a function of the user's, which a file cannot hold.
    OSError
        If the file cannot be written; an older one is as it was.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import fastgd as gd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "net.npz")
    ...     gd.MLP([4, 8, 3], rng=7).save(path)
    ...     gd.MLP.load(path)
    MLP([4, 8, 3], activation='relu', loss='cross_entropy', dtype='float32')
    """
    arrays = {"about": np.array(json.dumps(_description(network)))}
    arrays.update(zip(_names(network.architecture.layers), network.params, strict=True))
    for key, array in _state_of(network).items():
        arrays[f"optimizer.{key}"] = array
    with _replacing(Path(path)) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _description(network: MLP) -> dict[str, Any]:
    a = network.architecture
    for name in ("activation", "loss"):
        if not isinstance(getattr(a, name), str):
            raise ValueError(
                f"{name} is a function of yours, {getattr(a, name)!r:.60}, which a file cannot hold; "
                "save its parameters, for example with np.savez(path, *net.params)"
            )
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "sizes": a.sizes,
        "activation": a.activation,
        "constants": a.constants,
        "loss": a.loss,
        "loss_constants": a.loss_constants,
        "sum_outputs": a.sum_outputs,
        "l1": a.l1,
        "l2": a.l2,
        "penalty_per_row": a.penalty_per_row,
        "dropout": a.dropout,
        "dtype": a.dtype.name,
        "init": network._init,
        "seed": network.seed,
        "epochs": network.epochs_,
        "steps": network.steps_,
        "within_epoch": network._within_epoch,
    }


def _names(layers: int) -> list[str]:
    return [f"{kind}{layer}" for layer in range(layers) for kind in "Wb"]


def _state_of(network: MLP) -> Mapping[str, Array]:
    """Of its optimizer, or as it was loaded and not used yet."""
    if network.optimizer_ is not None:
        return network.optimizer_.state_dict()
    return network._saved_state or {}


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file beside the old one, whose place it takes when all of it is on the disk."""
    target = Path(os.path.realpath(path))  # a link stays one
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


# --- reading ------------------------------------------------------------------------------------------


def load(path: str | PathLike[str]) -> MLP:
    """A network from a file that `save` wrote; also `fastgd.MLP.load`.

    The state of the optimizer waits for the first call of `fit`: an optimizer of the same class and formula that has
    made no step takes it over, and with the same hyperparameters and rows it continues to the same bits. Another
    optimizer begins anew. History, backend and number of threads are not in the file.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    MLP

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If the file is no saved network, or is damaged. No code in it is run.

    Examples
    --------
    >>> import fastgd as gd
    >>> net = gd.MLP.load("net.npz")  # doctest: +SKIP
    >>> net.fit(X, y, optimizer=gd.Adam(lr=0.01), epochs=5)  # doctest: +SKIP
    """
    with Path(path).open("rb") as file:
        try:
            return _read(_Archive(file))
        except Exception as error:  # whatever a hostile file sets off
            raise ValueError(f"path: {str(path)!r} is no saved network ({error})") from error


class _Archive:
    """The members of an .npz file, looked at before they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        size = os.fstat(file.fileno()).st_size
        self.zip = zipfile.ZipFile(file)
        members = self.zip.infolist()
        self.members = {info.filename.removesuffix(".npy"): info for info in members}
        if len(self.members) != len(members):
            raise ValueError("it holds a name twice")
        # Stored as they are, and together no longer than the file: nothing grows when it is read.
        packed = any(m.compress_type != zipfile.ZIP_STORED for m in members)
        if packed or sum(m.file_size for m in members) > size:
            raise ValueError("it is packed, or claims to hold more than it does")

    def check(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Whether a member has this form."""
        found = self._header(name)
        if found[0] != shape or found[1].newbyteorder("=") != dtype:
            raise ValueError(f"{name!r} is {found[0]} of {found[1]}, wanted {shape} of {dtype}")

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A member of this form, in this machine's byte order."""
        self.check(name, shape, dtype)
        return self._read(name).astype(dtype, copy=False)

    def text(self, name: str, dimensions: int) -> Array:
        """A member of characters."""
        shape, dtype = self._header(name)
        if dtype.kind != "U" or len(shape) != dimensions:
            raise ValueError(f"{name!r} is {shape} of {dtype}, wanted {dimensions}-d text")
        return self._read(name)

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of a member, which must explain its size."""
        if name not in self.members:
            raise ValueError(f"{name!r} is missing")
        info = self.members[name]
        with self.zip.open(info) as member:
            version = npy.read_magic(member)
            if version not in _HEADERS:
                raise ValueError(f"{name!r} has the version {version}")
            shape, _, dtype = _HEADERS[version](member)
            numbers = info.file_size - member.tell()
        if dtype.hasobject or not dtype.itemsize or any(n < 0 for n in shape):
            raise ValueError(f"{name!r} is no plain array")
        wanted = math.prod((*shape, dtype.itemsize))  # Python's integers do not overflow
        if wanted != numbers:
            raise ValueError(f"{name!r} has {numbers} bytes of numbers, wanted {wanted}")
        return shape, dtype

    def _read(self, name: str) -> Array:
        with self.zip.open(self.members[name]) as member:
            found: Array = npy.read_array(member, allow_pickle=False)
            member.read(1)  # at its end the checksum is compared
            return found


def _read(archive: _Archive) -> MLP:
    about = _about(archive)
    real = as_dtype(about["dtype"])
    sizes = checked_sizes(about["sizes"])
    names = _names(len(sizes) - 1)
    shapes = [s for k in range(len(sizes) - 1) for s in (sizes[k : k + 2], sizes[k + 1 : k + 2])]
    for name, shape in zip(names, shapes, strict=True):  # before memory is taken for them
        archive.check(name, shape, real)
    network = _network(about)
    for name, p in zip(names, network.params, strict=True):
        p[...] = archive.array(name, p.shape, p.dtype)
    network.epochs_, network.steps_, network._within_epoch = (
        as_count(name, about[name]) for name in ("epochs", "steps", "within_epoch")
    )
    network._saved_state = _saved_state(archive, network, {"about", *names})
    return network


def _about(archive: _Archive) -> dict[str, Any]:
    if "about" in archive.members and archive.members["about"].file_size > _LONGEST:
        raise ValueError("'about' is too long")
    about = json.loads(str(archive.text("about", 0)))
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise ValueError("something else wrote it")
    if about.get("version") != _VERSION:
        raise ValueError(f"its format has version {about.get('version')!r}, wanted {_VERSION}")
    for name in _description(MLP([1, 1])):
        if name not in about:
            raise ValueError(f"{name!r} is missing")
    return about


def _network(about: Mapping[str, Any]) -> MLP:
    """A network so described, by the constructor's own checks."""
    constants = _constants("constants", about, ("leaky_relu",), "activation", "leak")
    loss_constants = _constants("loss_constants", about, ("huber",), "loss", "huber_delta")
    for name in ("sum_outputs", "penalty_per_row"):
        as_flag(name, about[name])
    plain = ("activation", "loss", "sum_outputs", "init", "l1", "l2", "dropout", "dtype")
    network = MLP(
        about["sizes"],
        rng=about["seed"],
        **constants,
        **loss_constants,
        **{name: about[name] for name in plain},
    )
    if about["penalty_per_row"]:
        a = replace(network.architecture, penalty_per_row=True)
        network._start(a, about["init"], about["seed"], None, None)
    return network


def _constants(
    name: str, about: Mapping[str, Any], owners: tuple[str, ...], of: str, argument: str
) -> dict[str, Any]:
    """What an activation or a loss takes, as the constructor's argument."""
    values = about[name]
    count = 1 if about[of] in owners else 0
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{name} must hold {count} numbers for {about[of]!r}, got {values!r:.60}")
    return {argument: values[0]} if count else {}


def _saved_state(archive: _Archive, network: MLP, known: set[str]) -> dict[str, Array] | None:
    """The optimizer's, each array of the form of its parameter; None where there is none."""
    state: dict[str, Array] = {}
    for name in archive.members:
        if name in known:
            continue
        key = name.removeprefix("optimizer.")
        place = _STATE.fullmatch(key)
        if key == name or not (place or key in {*_TEXTS, "t", "carry"}):
            raise ValueError(f"it holds {name!r}, which is no part of a network")
        if place:
            k = int(place[1])
            if k >= len(network.params):
                raise ValueError(f"{name!r} belongs to no parameter")
            state[key] = archive.array(name, network.params[k].shape, network.params[k].dtype)
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
    expected = [f"params[{k}]" for k in range(len(network.params))]
    if "params" in state and state["params"].tolist() != expected:
        raise ValueError(f"its optimizer has other parameters than {expected}")
    return state
