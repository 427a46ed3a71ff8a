""".npz files, written, and read where somebody else may have written them: claims are checked before memory is taken.

`Archive` reads the arrays of `MLP.save` and `SweepResult.save`, which `write_arrays` wrote, without pickle. What a
packed file may unpack to is limited by its size (`most_unpacked`), so that a small file cannot fill the memory;
`unpacked` does the same for gzipped tables.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

Array = NDArray[Any]
_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
_LONGEST = 1 << 20  # bytes of the description
_FREE, _RATIO = 64 << 20, 100  # numbers that measure something do not pack as 100 to 1


def most_unpacked(size: int) -> int:
    """How many bytes a packed file of this size may unpack to: 64 MiB, and 100 times its size."""
    return _FREE + _RATIO * size


class Archive:
    """The members of an .npz file, each checked before it is read.

    Parameters
    ----------
    file : binary file
    packed : bool, default False
        Whether members may be compressed.
    most : int, optional
        The most bytes that they may hold together; of a packed file by default `most_unpacked`, otherwise as many as
        the file has.

    Raises
    ------
    ValueError
        If it claims to hold more, is compressed without `packed`, or holds a name twice.
    """

    def __init__(self, file: IO[bytes], *, packed: bool = False, most: int | None = None) -> None:
        size = os.fstat(file.fileno()).st_size
        self.zip = zipfile.ZipFile(file)
        members = self.zip.infolist()
        self.members = {info.filename.removesuffix(".npy"): info for info in members}
        if len(self.members) != len(members):
            raise ValueError("it holds a name twice")
        known = {zipfile.ZIP_STORED, *([zipfile.ZIP_DEFLATED] if packed else [])}
        claimed = sum(member.file_size for member in members)
        if not {member.compress_type for member in members} <= known or not (
            packed or claimed <= size
        ):
            raise ValueError("it is compressed, or claims to hold more than it does")
        self.most = most_unpacked(size) if most is None else most
        if claimed > self.most:
            raise ValueError(f"its {size:,} bytes unpack to {claimed:,}, more than {self.most:,}")

    def described(self, *forms: str, version: int | None = None) -> dict[str, Any]:
        """The member "about": an object in JSON that names one of these formats, and this version."""
        if "about" in self.members and self.members["about"].file_size > _LONGEST:
            raise ValueError("'about' is too long")
        about = json.loads(str(self.text("about", 0)))
        if not isinstance(about, dict) or about.get("format") not in forms:
            raise ValueError("something else wrote it")
        if version is not None and about.get("version") != version:
            raise ValueError(f"its format has version {about.get('version')!r}, wanted {version}")
        return about

    def check(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Refuse a member of another shape or dtype."""
        found = self.form(name)
        if found[0] != shape or found[1].newbyteorder("=") != dtype:
            raise ValueError(f"{name!r} is {found[0]} of {found[1]}, wanted {shape} of {dtype}")

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A member of this shape and dtype, in native byte order."""
        self.check(name, shape, dtype)
        return self.read(name).astype(dtype, copy=False)

    def text(self, name: str, dimensions: int) -> Array:
        """A member of text."""
        shape, dtype = self.form(name)
        if dtype.kind != "U" or len(shape) != dimensions:
            raise ValueError(f"{name!r} is {shape} of {dtype}, wanted {dimensions}-d text")
        return self.read(name)

    def form(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of a member, which must agree with its size."""
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
            raise ValueError(f"{name!r} is not a plain array")
        wanted = math.prod((*shape, dtype.itemsize))  # Python's integers do not overflow
        if wanted != numbers:
            raise ValueError(f"{name!r} has {numbers} bytes of numbers, wanted {wanted}")
        return shape, dtype

    def read(self, name: str) -> Array:
        """The array of a member whose form has been looked at."""
        with self.zip.open(self.members[name]) as member:
            found: Array = npy.read_array(member, allow_pickle=False)
            member.read(1)  # at the end of the member, zipfile compares the checksum
            return found


def write_arrays(
    file: BinaryIO, arrays: Mapping[str, Any], *, packed: Collection[str] = ()
) -> None:
    """Write an .npz file that `Archive` reads.

    `numpy.savez` of older NumPy (2.0) leaves its archive open where a write fails, and complains of it later.

    Parameters
    ----------
    file : binary file
    arrays : mapping of str to array_like
    packed : collection of str, default ()
        The members to compress; all others are stored as they are. Codes and counts shrink to a tenth or less within
        milliseconds. Results in floating point shrink by a third at best, and take 20 times as long as if stored.
    """
    with zipfile.ZipFile(
        file, "w", compresslevel=1
    ) as archive:  # higher ones gain nothing on codes
        for name, array in arrays.items():
            method = zipfile.ZIP_DEFLATED if name in packed else zipfile.ZIP_STORED
            archive.compression = method  # of the member that is opened next
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.asanyarray(array), allow_pickle=False)


class _Bounded(io.RawIOBase):
    """A stream of so many bytes at most."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        super().__init__()
        self.stream, self.left, self.most = stream, most, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self.stream.read(len(buffer))
        self.left -= len(found)
        if self.left < 0:
            raise ValueError(f"it unpacks to more than {self.most:,} bytes")
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self.stream.close()
        super().close()


def unpacked(file: Path | bytes) -> BinaryIO:
    """A file, or the bytes of one, to read, unpacked if it is gzipped, which its content says.

    Reading raises ValueError once it has given more than 16 MiB and 50 times the file's size: as text, a number takes
    less room than in memory.
    """

    def stream() -> BinaryIO:
        return io.BytesIO(file) if isinstance(file, bytes) else file.open("rb")

    with stream() as start:
        zipped = start.read(2) == b"\x1f\x8b"
    if not zipped:
        return stream()
    packed = io.BytesIO(file) if isinstance(file, bytes) else file
    most = (16 << 20) + 50 * (len(file) if isinstance(file, bytes) else file.stat().st_size)
    return io.BufferedReader(_Bounded(cast("BinaryIO", gzip.open(packed)), most), 1 << 16)
