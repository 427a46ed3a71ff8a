"""Arrays that lie in files: read where they lie, and pickled as the place where they do."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from fastgd.engines.protocol.arrays import as_in_memory, check_mapping

READ_WHOLE = 1 << 26  # bytes as float64 up to which an array is read into memory as a whole


@dataclass(frozen=True)
class Place:
    """Where in a file an array lies, and what the file was like when it was mapped.

    Attributes
    ----------
    file : str
    start, length : int
        The bytes that hold the array.
    first : int
        Of these, where its first number begins: not at 0 if the array runs backwards.
    size, changed : int
        Of the file: its bytes, and the time of its last change in nanoseconds.
    """

    file: str
    start: int
    length: int
    first: int
    size: int
    changed: int

    def check(self, name: str) -> None:
        """Refuse a file that is not the one it was."""
        try:
            now = os.stat(self.file)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{name} lies in the file {self.file}, which is not there"
            ) from None
        if now.st_size != self.size:
            raise ValueError(
                f"{name} lies in the file {self.file}, which had {self.size:,} bytes when the problem "
                f"was made and has {now.st_size:,} now"
            )
        if now.st_mtime_ns != self.changed:
            raise ValueError(
                f"{name} lies in the file {self.file}, which was changed after the problem was made"
            )


class Mapped:
    """An array in a file.

    Attributes
    ----------
    name : str
        What messages call it.
    array : ndarray
        Of any real dtype, byte order and strides.
    place : Place or None
        None if the file has no name.
    """

    def __init__(self, name: str, array: NDArray[Any], place: Place | None) -> None:
        self.name, self.array, self.place = name, as_in_memory(array), place

    def __len__(self) -> int:
        return len(self.array)

    def check(self) -> None:
        """Refuse a file that has been cut: reading beyond its end would kill the process."""
        check_mapping(self.name, self.array)

    def __reduce__(self) -> tuple[Any, ...]:
        """The place in the file, which is mapped again where this is unpickled."""
        if self.place is None:
            raise ValueError(
                f"{self.name} is mapped from a file without a name, which another process cannot open"
            )
        a = self.array
        return _mapped_again, (self.name, self.place, a.shape, a.strides, a.dtype.str)


def _mapped_again(
    name: str, place: Place, shape: tuple[int, ...], strides: tuple[int, ...], dtype: str
) -> Mapped:
    place.check(name)
    held = np.memmap(place.file, np.uint8, "r", place.start, (place.length,))
    return Mapped(name, np.ndarray(shape, dtype, held, place.first, strides), place)


def mapping_of(values: Any) -> np.memmap[Any, Any] | None:
    """The memory-mapped array that holds these values; None if they are no array, or in memory."""
    owner = values
    while isinstance(owner, np.ndarray):
        base: Any = owner.base
        if isinstance(base, mmap.mmap):
            return owner if isinstance(owner, np.memmap) else None
        owner = base
    return None


def as_mapped(name: str, values: Any) -> Mapped | None:
    """An array of real numbers or texts that lies in a file and is too large to be read as a whole; None of others."""
    whole = mapping_of(values)
    if whole is None or values.size * 8 <= READ_WHOLE:
        return None
    array = as_in_memory(values)
    check_mapping(name, array)
    low, high = byte_bounds(array)
    first = array.__array_interface__["data"][0]
    start = whole.offset + low - byte_bounds(as_in_memory(whole))[0]
    place = None
    name_of_file: Any = whole.filename  # None if it was mapped through a file without a name
    if name_of_file is not None:
        file = os.fspath(Path(name_of_file).resolve())
        found = os.stat(file)
        place = Place(file, start, high - low, first - low, found.st_size, found.st_mtime_ns)
    return Mapped(name, array, place)
