"""Objects that say something else about themselves than their memory does."""

import numpy as np
from hypothesis import strategies as st

HUGE = 10**9
SHAPES = [(HUGE,), (3, HUGE), (3,), (), (-1,), (HUGE, 0), "three", None]
LIES = {
    "shape": SHAPES,
    "size": [HUGE, 0, -1, None],
    "ndim": [0, 7, -1],
    "nbytes": [HUGE * 8, 0],
    "itemsize": [1, 16],
    "strides": [(8,), (0,), (HUGE,), (-8, 8)],
    "dtype": [
        np.dtype("float64"),
        np.dtype("float32"),
        np.dtype("uint8"),
        np.dtype(">f8"),
        np.dtype(object),
    ],
    "flags": [np.ones(1).flags, np.ones((2, 2)).T.flags],
    "ctypes": [np.ones(1).ctypes],
    "__array_interface__": [
        {"data": (16, False), "shape": (HUGE,), "typestr": "<f8", "version": 3}
    ],
    "base": [None],
    "T": [np.ones(1)],
}
METHODS = {
    "__len__": [HUGE, 0],
    "copy": [np.ones(1)],
    "astype": [np.ones(1)],
    "ravel": [np.ones(1)],
    "reshape": [np.ones(1)],
    "view": [np.ones(1)],
    "__array__": [np.ones(1), np.ones(5)],
    "__array_function__": [np.ones(1), NotImplemented],
    "__array_ufunc__": [np.ones(1), NotImplemented],
    "__array_wrap__": [np.ones(1)],
    "__array_finalize__": [None],
    "__getitem__": [np.ones(1), 0.0],
    "__setitem__": [None],
    "__dlpack__": [None],
    "__dlpack_device__": [(2, 0), (1, 0)],
}


def lying(attributes, methods=None):
    """A subclass of ndarray with these properties, and methods that return these values."""
    members = {
        name: property(lambda self, value=value: value) for name, value in attributes.items()
    }
    for name, value in (methods or {}).items():
        members[name] = lambda self, *args, value=value, **more: value
    return type("Liar", (np.ndarray,), members)


def one_of(table):
    """Some names of a table, each with one of its values."""
    return st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in table.items()}
    )


LIARS = st.builds(lying, one_of(LIES), one_of(METHODS))
LAYOUTS = st.sampled_from(
    [
        "plain",
        "reversed",
        "strided",
        "broadcast",
        "read-only",
        "misaligned",
        "fortran",
        "swapped",
        "half",
        "long",
        "complex",
        "object",
        "structured",
        "masked",
        "mapped",
        "empty",
    ]
)


def laid_out(layout, shape, dtype, tmp):
    """An array of ones of this shape in some layout; `tmp` is where a mapped file may lie."""
    plain = np.ones(shape, dtype)
    if layout == "reversed":
        return np.ones(shape, dtype)[::-1] if shape else plain
    if layout == "strided":
        return np.ones((*shape, 3), dtype)[..., 1]
    if layout == "broadcast":
        return np.broadcast_to(np.ones((), dtype), shape)
    if layout == "read-only":
        plain.flags.writeable = False
    elif layout == "misaligned":
        raw = np.zeros(plain.nbytes + 1, np.uint8)[1:]
        return raw.view(dtype).reshape(shape)
    elif layout == "fortran":
        return np.asfortranarray(plain)
    elif layout == "swapped":
        return plain.astype(plain.dtype.newbyteorder())
    elif layout == "empty":
        return np.ones((0, *shape[1:]), dtype)
    elif layout == "masked":
        return np.ma.masked_array(plain)
    elif layout == "mapped" and plain.size:  # NumPy 2.0 maps no empty file
        mapped = np.memmap(tmp, dtype, "w+", shape=shape or (1,))
        mapped[...] = 1
        return mapped
    elif layout in {"half", "long", "complex", "object"}:
        names = {"half": np.float16, "long": np.longdouble, "complex": complex, "object": object}
        return plain.astype(names[layout])
    elif layout == "structured":
        return np.zeros(shape, [("x", dtype), ("y", "S100")])
    return plain
