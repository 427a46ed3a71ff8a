"""Files that are damaged, or made by somebody who means harm; what loaders may do with them."""

import io
import tracemalloc
import zipfile

import numpy as np
from hypothesis import strategies as st

#: Of any file's bytes.
BYTES = ("flip", "cut", "insert", "zeros", "twice", "empty")
#: Of an archive's members.
MEMBERS = (
    "bomb",
    "claim",
    "objects",
    "other dtype",
    "other shape",
    "no member",
    "text",
    "not numbers",
)
#: Where, and what is written there.
PLACE = st.integers(0, 2**31 - 1)
_MODEST = 24 << 20  # bytes that reading a small file may take


def damaged(content, how, place):
    """The bytes with one thing changed."""
    at = place % max(len(content), 1)
    if how == "flip":
        return content[:at] + bytes([content[at] ^ (1 << place % 8)]) + content[at + 1 :]
    if how == "cut":
        return content[:at]
    if how == "insert":
        return content[:at] + np.random.default_rng(place).bytes(1 + place % 9) + content[at:]
    if how == "zeros":
        return content[:at] + bytes(len(content[at : at + 64])) + content[at + 64 :]
    return content + content if how == "twice" else b""


def harmed(content, how, place):
    """An archive with one member changed; compressed where it must swell when it is read."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = sorted(members)[place % len(members)]
    if how == "no member":
        del members[name]
    elif how == "text":
        members[name] = npy(np.array("x" * (place % 99)))
    elif how == "objects":
        members[name] = npy(np.array([print], object))
    elif how == "claim":  # a header that says more than there is
        members[name] = npy(np.zeros(3)).replace(b"(3,)", b"(%d,)" % (place % 10**12 + 4), 1)
    else:
        members[name] = npy(changed(members[name], how))
    packed = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if how == "bomb" else zipfile.ZIP_STORED
    with zipfile.ZipFile(packed, "w", method, compresslevel=1) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return packed.getvalue()


def changed(member, how):
    """Another array for that of a member."""
    array = np.load(io.BytesIO(member))
    if how == "bomb":
        return np.zeros(5_000_000)
    if how == "other shape":
        return np.concatenate([array.ravel(), array.ravel()])
    if how == "not numbers" and array.dtype.kind == "f":
        return np.full_like(array, np.nan)
    if array.dtype.kind == "U":
        return np.char.encode(array, "utf-8")
    with np.errstate(invalid="ignore"):  # what is no number becomes any
        return array.astype(np.int16)


def npy(array):
    """The bytes of an array's file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def read_or_refuse(load, size, errors=(ValueError,)):
    """What a damaged file may lead to: an error of these kinds with a message, or a result; and no great memory."""
    tracemalloc.start()
    try:
        found = load()
    except errors as error:
        assert str(error), "an error without a message"
        found = None
    finally:
        _, taken = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert taken < _MODEST + 8 * size, f"{taken:,} bytes of memory for a file of {size:,}"
    return found


def load_damaged(load, path, how, place):
    """Damage an archive, in its bytes or in a member; then what `read_or_refuse` finds in it."""
    harm = harmed if how in MEMBERS else damaged
    content = harm(path.read_bytes(), how, place)
    path.write_bytes(content)
    return read_or_refuse(lambda: load(path), len(content))
