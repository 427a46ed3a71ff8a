"""Rows that come in blocks: the same results as in one piece, and errors that name block, column and row."""

import gc
import io
import os
import pickle

import numpy as np
import pytest

import fastgd as gd
from fastgd.problems import condensed, mapped

RNG = np.random.default_rng(6)
X = np.round(RNG.normal(size=(2001, 3)), 2)
Y = X @ [1.0, -2.0, 0.5] + 4.0 + np.round(RNG.normal(size=2001), 2)
LABELS = np.array(["low", "high", "mid"])[np.digitize(Y, [6.0, 2.0])]
CUTS = {"one": [], "even": [500, 1000, 1500], "odd": [1, 2, 3, 1999], "empty": [7, 7]}


def cut(values, cuts):
    return np.split(values, CUTS[cuts])


@pytest.fixture
def many(monkeypatch):
    """Rows are condensed although they are few."""
    monkeypatch.setattr(condensed, "AS_THEY_ARE", 1000)
    monkeypatch.setattr(condensed, "_BLOCK", 1000)


@pytest.fixture
def in_files(monkeypatch):
    monkeypatch.setattr(mapped, "READ_WHOLE", 0)


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("size", ["few", "many"])
def test_statistics_do_not_depend_on_the_blocks(request, size, cuts):
    if size == "many":
        request.getfixturevalue("many")
    whole = gd.LeastSquares(X, Y)
    streamed = gd.LeastSquares.from_blocks(zip(cut(X, cuts), cut(Y, cuts), strict=True))
    np.testing.assert_array_equal(streamed.hessian, whole.hessian)
    np.testing.assert_array_equal(streamed.linear, whole.linear)
    np.testing.assert_array_equal(streamed.solution, whole.solution)
    out, other = (gd.sweep(p, gd.SGD(), {"lr": [0.1, 0.5]}) for p in (whole, streamed))
    np.testing.assert_array_equal(out.x, other.x)
    np.testing.assert_array_equal(out.loss, other.loss)
    assert gd.minimize(streamed, max_iter=3).message  # which looks at the columns' sizes
    again = pickle.loads(pickle.dumps(streamed))
    np.testing.assert_array_equal(again.hessian, whole.hessian)


@pytest.mark.parametrize("options", [{"statistics": False}, {"batch_size": 64, "rng": 3}])
@pytest.mark.parametrize("place", ["memory", "file"])
def test_rows_that_are_needed_again_are_kept(request, tmp_path, place, options):
    if place == "file":
        request.getfixturevalue("in_files")
    blocks = list(zip(cut(X, "odd"), cut(Y, "odd"), strict=True))
    streamed = gd.LeastSquares.from_blocks(blocks, folder=tmp_path, **options)
    assert len(os.listdir(tmp_path)) == (place == "file")
    here = gd.LeastSquares(X, Y, **options)
    out, other = (gd.sweep(p, gd.SGD(), {"lr": [0.1, 0.5]}, max_iter=50) for p in (here, streamed))
    np.testing.assert_array_equal(out.x, other.x)
    del streamed, blocks
    gc.collect()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("place", ["memory", "file"])
@pytest.mark.parametrize("labels", [LABELS, (Y > 4).astype(np.int8), Y > 4])
def test_labels_are_those_of_one_piece(request, place, labels):
    if place == "file":
        request.getfixturevalue("in_files")
    blocks = zip(cut(X, "even"), cut(labels, "even"), strict=True)
    streamed, here = gd.Logistic.from_blocks(blocks), gd.Logistic(X, labels)
    np.testing.assert_array_equal(streamed.classes, here.classes)
    assert streamed.parameter_names == here.parameter_names
    out, other = (gd.sweep(p, gd.SGD(), {"lr": [0.1, 0.5]}, max_iter=20) for p in (here, streamed))
    np.testing.assert_array_equal(out.x, other.x)
    point = out.best().x
    assert streamed.accuracy(point) == here.accuracy(point)
    np.testing.assert_array_equal(streamed.predict(point), here.predict(point))


def tables(kind):
    """The same rows in blocks of what reads files."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": X[:, 0], "y": Y, "b": X[:, 1], "c": X[:, 2], "label": LABELS})
    if kind == "csv":
        text = io.StringIO(frame.to_csv(index=False))
        return pd.read_csv(text, chunksize=300)
    if kind == "pandas":
        return [frame[:700], frame[700:]]
    if kind == "parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        pa = pytest.importorskip("pyarrow")
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(frame), file)
        return pq.ParquetFile(file).iter_batches(batch_size=300)
    dataframe = pytest.importorskip("dask.dataframe")
    return dataframe.from_pandas(frame, npartitions=3)


@pytest.mark.parametrize("kind", ["pandas", "csv", "parquet", "dask"])
def test_tables_of_other_libraries(kind):
    features = ["a", "b", "c"]
    streamed = gd.LeastSquares.from_blocks(tables(kind), target="y", features=features)
    np.testing.assert_array_equal(streamed.hessian, gd.LeastSquares(X, Y).hessian)
    model = gd.Logistic.from_blocks(tables(kind), target="label", features=features)
    assert model.classes.tolist() == ["high", "low", "mid"]
    np.testing.assert_array_equal(
        model.gradient(np.ones(12)), gd.Logistic(X, LABELS).gradient(np.ones(12))
    )


def test_blocks_of_dask_arrays():
    da = pytest.importorskip("dask.array")
    inputs, targets = da.from_array(X, chunks=(500, 3)), da.from_array(Y, chunks=500)
    blocks = ((inputs.blocks[k], targets.blocks[k]) for k in range(inputs.numblocks[0]))
    streamed = gd.LeastSquares.from_blocks(blocks)
    np.testing.assert_array_equal(streamed.hessian, gd.LeastSquares(X, Y).hessian)


def test_columns_name_the_parameters():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"height": X[:, 0], "weight": Y, "age": X[:, 1]})
    streamed = gd.LeastSquares.from_blocks([frame], target="weight")
    assert streamed.parameter_names == ("height", "age", "b")
    named = gd.LeastSquares.from_blocks([frame], target="weight", names=["h", "a"], intercept=False)
    assert named.parameter_names == ("h", "a")


def test_a_function_gives_the_blocks():
    streamed = gd.LeastSquares.from_blocks(lambda: iter([(X, Y)]), cost="sum")
    np.testing.assert_array_equal(streamed.hessian, gd.LeastSquares(X, Y, cost="sum").hessian)


# --- errors -------------------------------------------------------------------------------------------


def bad(row, column):
    values = X[:9].copy()
    values[row, column] = np.nan
    return values


ERRORS = {
    "width": ([(X, Y), (X[:, :2], Y)], "^block 1: X has 2 columns, the blocks before have 3"),
    "targets": ([(X, Y), (X, Y[:5])], r"^block 1: y has shape \(5,\), wanted \(2001,\)"),
    "pair": ([X], "^block 0 is ndarray, wanted a pair"),
    "inputs": ([(X, Y), (bad(4, 1), Y[:9])], "^block 1: X holds nan in row 4; wanted finite"),
    "target": ([(X[:9], bad(3, 0)[:, 0])], "^block 0: y holds nan in row 3; wanted finite"),
    "texts": ([([["a"]], [1.0])], "^block 0: X must be an array of real numbers"),
    "empty": ([], "^blocks hold no rows; an iterator gives its blocks once"),
    "shape": ([(X[None], Y)], r"^block 0: X has shape \(1, 2001, 3\), wanted"),
    "no iterable": (7, "^blocks must be an iterable of blocks or a function"),
}


@pytest.mark.parametrize("options", [{}, {"statistics": False}])
@pytest.mark.parametrize("case", ERRORS)
def test_bad_blocks_are_named(tmp_path, case, options):
    blocks, message = ERRORS[case]
    with pytest.raises((ValueError, TypeError), match=message):
        gd.LeastSquares.from_blocks(blocks, folder=tmp_path, **options)
    assert not os.listdir(tmp_path)


def test_an_iterator_is_read_once():
    blocks = iter([(X, Y)])
    gd.LeastSquares.from_blocks(blocks)
    with pytest.raises(ValueError, match="an iterator gives its blocks once: make a new one"):
        gd.LeastSquares.from_blocks(blocks)


def test_bad_tables_are_named():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": X[:, 0], "y": Y})
    with pytest.raises(ValueError, match=r"^block 1 has no column 'y'; it has a"):
        gd.LeastSquares.from_blocks([frame, frame[["a"]]], target="y")
    with pytest.raises(ValueError, match=r"^block 0 has no column 'z'"):
        gd.LeastSquares.from_blocks([frame], target="y", features=["z"])
    with pytest.raises(ValueError, match=r"^block 1: column 'a' holds nan in row 2"):
        gd.LeastSquares.from_blocks([frame, frame[:9].assign(a=bad(2, 0)[:, 0])], target="y")
    with pytest.raises(TypeError, match=r"^block 0: column 'a' must be an array of real numbers"):
        gd.LeastSquares.from_blocks([frame.assign(a="x")], target="y")
    with pytest.raises(TypeError, match=r"^block 0 is ndarray, wanted a table with named columns"):
        gd.LeastSquares.from_blocks([X], target="y")
    with pytest.raises(TypeError, match=r"^features names columns of tables; give target too"):
        gd.LeastSquares.from_blocks([frame], features=["a"])


def test_options_are_checked_before_the_blocks_are_read():
    def blocks():
        raise AssertionError("read")

    with pytest.raises(ValueError, match=r"^cost is 'x'"):
        gd.LeastSquares.from_blocks(blocks, cost="x")
    with pytest.raises(TypeError, match="unexpected keyword argument 'costs'"):
        gd.Logistic.from_blocks(blocks, costs="1/m")


def test_rows_that_passed_are_not_to_be_had():
    streamed = gd.LeastSquares.from_blocks([(X, Y)])
    with pytest.raises(AttributeError, match="does not hold its rows in memory"):
        _ = streamed.X
