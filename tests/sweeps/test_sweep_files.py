"""What a saved sweep looks like in the file: which members are packed, and how iterations are kept."""

import dataclasses
import zipfile

import numpy as np
import pytest

import fastgd as gd
from fastgd.sweeps.arrays import ARRAYS, SCALARS


def result(iterations, axes=None):
    """A result with these iterations and numbers that do not pack."""
    iterations = np.asarray(iterations)
    shape = iterations.shape
    drawn = np.random.default_rng(0).normal
    return gd.SweepResult(
        axes={"lr": np.linspace(0.1, 1, len(iterations))} if axes is None else axes,
        iterations=iterations, status=np.zeros(shape), regime=np.full(shape, "monotone"),
        loss=drawn(size=shape), slope=drawn(size=shape), x=drawn(size=(*shape, 2)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ([0, 0], np.uint8),
        ([0, 255], np.uint8),
        ([7, 256], np.uint16),
        ([2**16, 2**32 - 1], np.uint32),
        ([0, 2**32], np.int64),
        ([-1, 5], np.int64),
        ([2**63 - 1, -(2**63)], np.int64),
    ],
)
def test_iterations_are_kept_as_the_smallest_integers(tmp_path, counts, kept):
    path = tmp_path / "sweep.npz"
    result(counts).save(path)
    with np.load(path) as archive:
        assert archive["iterations"].dtype == kept
    back = gd.SweepResult.load(path)
    assert back.iterations.dtype == np.int64
    assert back.iterations.tolist() == counts


def test_a_single_run_is_kept(tmp_path):
    result(300, axes={}).save(tmp_path / "sweep.npz")
    back = gd.SweepResult.load(tmp_path / "sweep.npz")
    assert (back.shape, int(back.iterations)) == ((), 300)


@pytest.mark.parametrize("kind", [np.uint64, np.int32, bool, np.float64])
def test_iterations_of_other_kinds_are_refused(tmp_path, kind):
    path = tmp_path / "sweep.npz"
    result([1, 2]).save(path)
    with np.load(path) as archive:
        members = {name: archive[name] for name in archive.files}
    np.savez(path, **{**members, "iterations": np.array([1, 1], kind)})
    with pytest.raises(ValueError, match=f"'iterations' is .* of {np.dtype(kind)}"):
        gd.SweepResult.load(path)


def test_only_what_packs_well_is_packed(tmp_path):
    result(np.arange(5000) // 100).save(tmp_path / "sweep.npz")
    with zipfile.ZipFile(tmp_path / "sweep.npz") as archive:
        members = archive.infolist()
    packed = {info.filename for info in members if info.compress_type == zipfile.ZIP_DEFLATED}
    assert packed == {f"{name}.npy" for name in ("iterations", "status", "regime", "about")}
    assert all(i.compress_size < i.file_size / 3 for i in members if i.filename in packed)


def test_every_field_is_saved_or_left_out():
    arrays = {*ARRAYS, "regime", "x", "parameter_names", "metric", "history"}
    not_saved = {"networks", "template"}
    if_there = {"rungs"}
    names = {field.name for field in dataclasses.fields(gd.SweepResult)}
    assert names == {"axes", *arrays, *SCALARS, *not_saved, *if_there}


def test_axes_of_numbers_come_back_as_arrays(tmp_path):
    """A million drawn rates need not become Python objects."""
    axes = gd.SampledAxes({"lr": np.array([0.5, 0.25]), "x0": np.array([[1.0, 2.0], [3.0, 4.0]])})
    gd.sweep(gd.Quadratic(np.eye(2)), gd.SGD(), axes).save(tmp_path / "sweep.npz")
    back = gd.SweepResult.load(tmp_path / "sweep.npz")
    assert all(isinstance(column, np.ndarray) for column in back.kept_axes.columns.values())
    assert back.axes == dict(axes)


def test_texts_that_no_array_can_hold_stay_apart(tmp_path):
    """NumPy drops NULs at the end of a text."""
    result([1, 2], axes={"convention": ("a", "a\0")}).save(tmp_path / "sweep.npz")
    back = gd.SweepResult.load(tmp_path / "sweep.npz")
    assert back.axes == {"convention": ("'a'", "'a\\x00'")}
