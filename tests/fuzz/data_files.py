"""The files of data sets, read without their checksums: small ones come back, damaged ones get a sentence."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd  # noqa: F401  (before memory is counted)
from fuzz import damage, values
from fuzz.harness import sometimes
from hypothesis import strategies as st

from fastgd import datasets

MNIST = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
CASES = st.fixed_dictionaries(
    {
        "fault": sometimes(*damage.BYTES),
        "set": st.sampled_from(["heights-weights", "auto-mpg", "mnist"]),
        "rows": st.integers(1, 30),
        "place": damage.PLACE,
        "seed": values.SEEDS,
    }
)


def heights_weights(rng, rows):
    numbers = np.round(rng.normal(70, 5, (rows, 2)), 5)
    lines = [f"{k},{h!r}, {w!r}" for k, (h, w) in enumerate(numbers.tolist(), 1)]
    text = "\n".join(["Index,Height(Inches),Weight(Pounds)", *lines])
    return {"SOCR-HeightWeight.csv": text.encode()}, numbers[:, :1], numbers[:, 1]


def auto_mpg(rng, rows):
    numbers = np.round(rng.uniform(1, 99, (rows, 8)), 1)
    lines = ["   ".join(map(repr, row)) + f'\t"car {k}"' for k, row in enumerate(numbers.tolist())]
    return {"auto-mpg.data": "\n".join(lines).encode()}, numbers[:, 1:], numbers[:, 0]


def mnist(rng, rows):
    pixels = rng.integers(0, 256, (rows, 28, 28), np.uint8)
    labels = rng.integers(0, 10, rows).astype(np.uint8)
    files = {}
    for name in MNIST:
        array = pixels if "images" in name else labels
        head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        files[f"{name}-ubyte.gz"] = gzip.compress(head + array.tobytes(), 1, mtime=0)
    return files, pixels, labels


MAKERS = {"heights-weights": heights_weights, "auto-mpg": auto_mpg, "mnist": mnist}
LOADERS = {
    "heights-weights": datasets.load_heights_weights,
    "auto-mpg": datasets.load_auto_mpg,
    "mnist": datasets.load_mnist,
}


def check(case):
    rng = np.random.default_rng(case["seed"])
    files, data, target = MAKERS[case["set"]](rng, case["rows"])
    with tempfile.TemporaryDirectory() as folder:
        if case["fault"]:
            name = sorted(files)[case["place"] % len(files)]
            files[name] = damage.damaged(files[name], case["fault"], case["place"])
        for name, content in files.items():
            Path(folder, name).write_bytes(content)

        def load():
            return LOADERS[case["set"]](folder, check=False, download=False)

        if case["fault"]:
            found = damage.read_or_refuse(load, sum(map(len, files.values())))
            assert found is None or len(found.data) == len(found.target)
            return
        found = load()
    assert found.source == "file"
    np.testing.assert_array_equal(found.data.reshape(data.shape), data)
    np.testing.assert_array_equal(found.target, target)
