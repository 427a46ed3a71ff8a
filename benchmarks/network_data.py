"""Rows for the benchmarks of networks: MNIST, its stand-in, and dense random rows."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from comparison import QUICK

import fastgd as gd

SIZES = (784, 500, 300, 10)


@dataclass(frozen=True)
class Data:
    """Rows to train on, perhaps others to test on; float32 from 0 to 1 (or of any size), int32."""

    name: str
    x: Any
    y: Any
    test_x: Any = None
    test_y: Any = None


@cache
def digits() -> Data:
    """MNIST; where it is not to be had, scikit-learn's digits, drawn as large."""
    found = gd.datasets.load_mnist(download=not QUICK)
    images = [_flat(images) for images in (found.data, found.test_data)]
    labels = [labels.astype(np.int32) for labels in (found.target, found.test_target)]
    name = "MNIST" if found.source != "stand-in" else "digits, enlarged"
    return Data(name, images[0], labels[0], images[1], labels[1])


def _flat(images: Any) -> Any:
    if images.shape[1] == 8:
        images = np.pad(images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


@cache
def dense(inputs: int = SIZES[0], rows: int = 16_384, classes: int = SIZES[-1]) -> Data:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, inputs), np.float32)
    return Data("dense", x, rng.integers(classes, size=rows, dtype=np.int32))
