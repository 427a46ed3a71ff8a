"""Files of somebody else: what they claim is checked before any memory is taken."""

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd import datasets
from fastgd.archive import most_unpacked
from fastgd.cli.model import Model
from fastgd.cli.table import Source
from fastgd.sweeps.results import SweepResult

pytestmark = pytest.mark.skipif(os.name == "nt", reason="limits of memory are set as on Unix")
LIMITED = (
    "import resource, sys, numpy as np, fastgd as gd\n"
    "from fastgd.sweeps.results import SweepResult\n"
    "from fastgd import datasets\n"
    "from fastgd.cli.table import Source\n"
    "import pandas\n"
    "used = 1024 * int(next(l for l in open('/proc/self/status') if l.startswith('VmSize')).split()[1])\n"
    "resource.setrlimit(resource.RLIMIT_AS, (used + (int(sys.argv[1]) << 20),) * 2)\n"
)


def refused(code, match, megabytes=300):
    """The code raises a ValueError with this message, within so many megabytes."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{LIMITED}try: {code}\nexcept ValueError as error: print(error)\n",
            str(megabytes),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(gd.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert match in done.stdout


@pytest.fixture
def swept():
    line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    axes = {"lr": [0.1, 0.5], "betas": [(0.9, 0.99), (0.8, 0.9)]}
    return gd.sweep(line, gd.Adam(), axes, max_iter=30)


def members_of(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def packed(path, members):
    with path.open("wb") as file:
        np.savez_compressed(file, **members)


def about(members, **changes):
    content = json.loads(str(members["about"]))
    return {**members, "about": np.array(json.dumps({**content, **changes}))}


# --- sweeps -------------------------------------------------------------------------------------------


def bombs(members):
    """Members of about a megabyte that would unpack to a gigabyte."""
    zeros = np.zeros(135_000_000)
    yield "one more member", {**members, "more": zeros}
    yield "an array of another shape", {**members, "loss": zeros}
    yield "a long axis", {**members, "axis0": zeros}
    yield "a long text", {**members, "about": np.array(" " * 270_000_000)}


@pytest.mark.parametrize("k", range(4))
def test_a_bomb_in_a_sweep(tmp_path, swept, k):
    swept.save(tmp_path / "sweep.npz")
    _, members = list(bombs(members_of(tmp_path / "sweep.npz")))[k]
    packed(tmp_path / "bomb.npz", members)
    assert (tmp_path / "bomb.npz").stat().st_size < 1.5e6
    refused(f"SweepResult.load({str(tmp_path / 'bomb.npz')!r})", "is not a saved sweep (its 1,")


def test_a_bomb_that_is_consistent(tmp_path):
    """One point of very many coordinates, and all that belongs to it."""
    out = SweepResult(axes={"x0": [(0.0,) * 10]}, iterations=[1], status=[0], regime=["monotone"], loss=[0.0],
                      slope=[0.0], x=np.zeros((1, 2)))  # fmt: skip
    out.save(tmp_path / "sweep.npz")
    packed(
        tmp_path / "bomb.npz",
        {**members_of(tmp_path / "sweep.npz"), "axis0": np.zeros((1, 5_000_000))},
    )
    refused(
        f"SweepResult.load({str(tmp_path / 'bomb.npz')!r})",
        "has 5,000,000 values, too few or too many",
    )


def test_a_sweep_that_packs_very_well_is_read_again(tmp_path):
    """As one of very many runs that were not started: it is written unpacked."""
    n = 2000
    shape = (n, n)
    out = SweepResult(
        axes={"lr": np.linspace(0.1, 1, n), "momentum": np.linspace(0, 1, n)},
        iterations=np.zeros(shape, np.int64), status=np.full(shape, -1), regime=np.full(shape, ""),
        loss=np.zeros(shape), slope=np.zeros(shape), x=np.zeros((*shape, 2)),
    )  # fmt: skip
    out.save(tmp_path / "sweep.npz")
    again = SweepResult.load(tmp_path / "sweep.npz")
    np.testing.assert_array_equal(again.x, out.x)
    assert again.axes == out.axes


def test_a_larger_limit_can_be_given(tmp_path, swept):
    swept.save(tmp_path / "sweep.npz")
    with pytest.raises(ValueError, match="unpack to"):
        SweepResult.load(tmp_path / "sweep.npz", max_bytes=100)
    assert SweepResult.load(tmp_path / "sweep.npz", max_bytes=10_000).axes == swept.axes


@pytest.mark.parametrize(
    ("scalars", "match"),
    [
        ({"seconds": "long"}, "seconds"),
        ({"seconds": -1.0}, "seconds"),
        ({"seconds": 1e400}, "seconds"),
        ({"tol": "small"}, "tol"),
        ({"max_iter": -3}, "max_iter"),
        ({"max_iter": 2.5}, "max_iter"),
        ({"max_iter": 10**30}, "max_iter"),
        ({"vector_width": 0}, "vector_width"),
        ({"paired": "yes"}, "paired"),
        ({"dtype": "object"}, "dtype"),
        ({"dtype": 5}, "dtype"),
        ({"backend": ["numpy"]}, "backend"),
        ({"problem": None}, "problem"),
        ({"networks": {}}, "networks"),
        ({"iterations": [1]}, "iterations"),
    ],
)
def test_scalars_are_checked(tmp_path, swept, scalars, match):
    swept.save(tmp_path / "sweep.npz")
    members = members_of(tmp_path / "sweep.npz")
    kept = json.loads(str(members["about"]))["scalars"]
    packed(tmp_path / "other.npz", about(members, scalars={**kept, **scalars}))
    with pytest.raises(ValueError, match=match):
        SweepResult.load(tmp_path / "other.npz")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_sweep_with_any_member_replaced(tmp_path, data):
    """Whatever a member is: a sweep of the same form, or a ValueError that names the file."""
    path = tmp_path / "sweep.npz"
    SweepResult(axes={"lr": [0.1, 0.2]}, iterations=[1, 2], status=[0, 1], regime=["monotone", "slow"],
                loss=[0.0, 1.0], slope=[0.0, 1.0], x=np.zeros((2, 2))).save(path)  # fmt: skip
    members = members_of(path)
    name = data.draw(st.sampled_from([*members, "metric", "../x", "axis7"]))
    members[name] = data.draw(
        st.sampled_from(
            [
                np.zeros(2), np.zeros(2, np.int8), np.zeros(2, np.int64), np.zeros((2, 2)), np.array(["a", "b"]),
                np.array("{}"), np.array("[" * 100_000), np.array('{"format": "fastgd sweep 1"}'), np.zeros((2, 0)),
                np.zeros(2, [("a", "f8")]), np.zeros(2, "V0"), np.zeros(2, ">f8"), np.array([np.nan, np.inf]),
                np.array(1e308), np.zeros((0, 2)), np.full(2, 99, np.int8), np.array(["\x1b[2J", ""]),
            ]
        )
    )  # fmt: skip
    packed(path, members)
    try:
        out = SweepResult.load(path)
    except ValueError as raised:
        out, message = None, str(raised)
    if out is None:
        assert str(path) in message
    else:
        assert out.shape == (2,)
        assert "\x1b" not in repr(out)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path, swept, method):
    swept.save(tmp_path / "sweep.npz")
    with (
        zipfile.ZipFile(tmp_path / "sweep.npz") as old,
        zipfile.ZipFile(tmp_path / "new.npz", "w", method) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ValueError, match="is compressed"):
        SweepResult.load(tmp_path / "new.npz")


# --- data sets and tables -----------------------------------------------------------------------------


def idx(path, shape, content):
    head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(head + content, 1))
    return path


@pytest.mark.parametrize(
    ("shape", "content", "match"),
    [
        ((4_000_000_000, 28, 28), b"", "says that it holds"),
        ((60_000, 28, 28), b"\0" * 10, "it holds 10 bytes"),
        ((2,), b"\0" * 3, "it holds 3 bytes or more"),
        ((10_000_000, 28), b"", "not an IDX file"),
    ],
)
def test_headers_of_mnist_that_lie(tmp_path, shape, content, match):
    path = idx(tmp_path / "train-images-idx3-ubyte.gz", shape, content)
    with pytest.raises(ValueError, match=match):
        datasets.load_mnist(path, check=False)


def test_a_bomb_in_the_place_of_mnist(tmp_path):
    path = idx(tmp_path / "bomb.gz", (2, 2, 2), b"\0" * 400_000_000)
    refused(f"datasets.load_mnist({str(path)!r}, check=False)", "it holds 9 bytes or more")


@pytest.mark.parametrize(
    "loader",
    ["Source(pathlib.Path(PATH)).read()", "datasets.load_heights_weights(PATH, check=False)"],
)
def test_a_gzipped_table_that_is_a_bomb(tmp_path, loader):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", 6) as stream:
        stream.write(b"a,b,c\n")
        for _ in range(400):
            stream.write(b"0,0,0\n" * 170_000)
    path_as_text = repr(str(path))
    refused(f"import pathlib; {loader.replace('PATH', path_as_text)}", "unpacks to more than", 1000)


def test_a_gzipped_table_is_read(tmp_path):
    path = tmp_path / "small.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n3,4\n"))
    assert Source(path).read().frame.to_numpy().tolist() == [[1, 2], [3, 4]]
    assert most_unpacked(path.stat().st_size) > 64 << 20


@pytest.mark.parametrize("content", ["a" * 140_000 + ",b\n1,2\n", '"a' + "x," * 70_000 + "\n1,2\n"])
def test_a_name_that_is_too_long(tmp_path, content):
    path = tmp_path / "wide.csv"
    path.write_text(content)
    with pytest.raises(
        ValueError, match=r"wide\.csv: .*a name of more than 131,072 characters in its first line"
    ):
        Source(path).read()


@pytest.mark.parametrize(
    "change",
    [
        {"target": {"name": 5, "classes": None, "offset": 0.0, "width": 1.0}},
        {"target": {"name": "y", "classes": None, "offset": "0", "width": 1.0}},
        {"target": {"name": "y", "classes": [[1]], "offset": 0.0, "width": 1.0}},
        {"features": [{"name": "x", "offset": None, "width": 1.0, "levels": []}]},
        {"features": [{"name": "x", "offset": 0.0, "width": 0.0, "levels": []}]},
        {"features": [{"name": "x", "offset": 0.0, "width": 1.0, "levels": [1]}]},
        {"features": [{"name": "x", "offset": 0.0, "width": 1.0, "levels": "ab"}]},
        {"features": 3},
        {"features": "x" * 100},
    ],
)
def test_columns_of_a_trained_folder(tmp_path, change):
    gd.MLP([1, 1], loss="mse").save(tmp_path / "network.npz")
    good = {
        "format": "fastgd columns 1",
        "target": {"name": "y", "classes": None, "offset": 0.0, "width": 1.0},
        "features": [{"name": "x", "offset": 0.0, "width": 1.0, "levels": []}],
    }
    (tmp_path / "columns.json").write_text(json.dumps(good))
    Model.load(tmp_path)
    (tmp_path / "columns.json").write_text(json.dumps({**good, **change}))
    with pytest.raises(
        ValueError, match=r"columns\.json was not written by this version of fastgd train"
    ):
        Model.load(tmp_path)


def test_a_network_that_is_a_bomb(tmp_path):
    gd.MLP([2, 2]).save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as archive:
        members = {name: archive[name] for name in archive.files}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**members, "W0": np.zeros(130_000_000)})
    (tmp_path / "bomb.npz").write_bytes(buffer.getvalue())
    refused(f"gd.MLP.load({str(tmp_path / 'bomb.npz')!r})", "is compressed, or claims to hold more")
