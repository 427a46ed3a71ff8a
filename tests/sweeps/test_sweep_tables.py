"""A sweep as a table and as labelled arrays: pandas, CSV, Parquet and xarray hold what the sweep holds."""

import io
import json

import numpy as np
import pandas as pd
import pytest

import fastgd as gd
from fastgd.sweeps.arrays import SCALARS

LINE = gd.LeastSquares([0.0, 0.25, 0.5, 1.0], [1.0, 1.5, 2.25, 3.0])


def decay(step):
    return 0.1 / (1 + step)


def grid():
    axes = {
        "optimizer": [gd.SGD(), gd.Adam(betas=(0.5, 0.9))],
        "lr": [1e-5, 0.5, 30.0],
        "x0": [(0.0, 1.0), (2.0, -1.0)],
    }
    return gd.sweep(LINE, None, axes, max_iter=60)


def labelled():
    """Axes of texts, truth values, schedules and functions, some of which look alike."""
    axes = {"lr": [decay, 0.25, gd.schedules.linear(0.5, 0.1, 9)], "nesterov": [False, True]}
    return gd.sweep(LINE, gd.SGD(momentum=0.5), axes, max_iter=20)


def paired():
    axes = gd.sample_axes({"lr": np.geomspace(0.01, 3, 9), "momentum": [0.0, 0.5]}, 12, rng=3)
    return gd.sweep(LINE, gd.Momentum(), axes, max_iter=50)


def networks():
    rng = np.random.default_rng(0)
    problem = gd.MLP([2, 3, 1], loss="mse", rng=1).problem(
        rng.normal(size=(20, 2)), rng.normal(size=20)
    )
    axes = {"lr": [0.01, 1e9], "rng": [0, 1, 2]}
    return gd.sweep(problem, gd.SGD(), axes, max_iter=9, keep="params", record=3)


def one_run():
    return gd.sweep(LINE, gd.SGD(lr=0.5), {}, max_iter=5)


MADE = [grid, labelled, paired, networks, one_run]


@pytest.fixture(params=MADE, ids=lambda made: made.__name__)
def out(request):
    return request.param()


# --- pandas and CSV -------------------------------------------------------------------------------------


def test_a_table_has_a_row_for_each_run(out):
    """Against a loop over the runs."""
    table = out.to_pandas(parameters=True)
    assert len(table) == out.size
    last = "slope" if out.metric is None else "metric"
    for row, index in zip(table.to_dict("records"), np.ndindex(out.shape), strict=True):
        for name, value in out.axes_at(index).items():
            assert row[name] == value or isinstance(row[name], str)
        assert row["status"] == gd.Status(out.status[index]).label
        assert row["regime"] == out.regime[index]
        for name in ("iterations", "loss", last):
            np.testing.assert_equal(row[name], getattr(out, name)[index])
        for name, value in zip(out.parameter_names, out.x[index], strict=True):
            np.testing.assert_equal(row[name], value)


def test_csv_is_what_pandas_writes_of_the_table(tmp_path, out):
    out.to_csv(tmp_path / "sweep.csv", keep_formulas=True)
    text = io.StringIO()
    out.to_pandas().to_csv(text, index=False)
    assert (tmp_path / "sweep.csv").read_text() == text.getvalue()


def test_numbers_of_axes_are_no_formulas(tmp_path):
    axes = {"x0": np.array([-1.5, 0.0, 1e300]), "convention": ["=1+1", "torch"]}
    shape = (3, 2)
    out = gd.SweepResult(
        axes=axes, iterations=np.zeros(shape), status=np.zeros(shape), regime=np.full(shape, ""),
        loss=np.zeros(shape), slope=np.zeros(shape), x=np.zeros((*shape, 0)),
    )  # fmt: skip
    out.to_csv(tmp_path / "sweep.csv")
    rows = [line.split(",")[:2] for line in (tmp_path / "sweep.csv").read_text().splitlines()]
    assert rows[1:3] == [["-1.5", "'=1+1"], ["-1.5", "torch"]]
    assert rows[5][0] == "1e+300"


# --- Parquet --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["snappy", "zstd", None])
def test_parquet_comes_back_equal(tmp_path, out, compression):
    pytest.importorskip("pyarrow")
    path = tmp_path / "sweep.parquet"
    out.to_parquet(path, parameters=True, compression=compression)
    back, table = pd.read_parquet(path), out.to_pandas(parameters=True)
    assert list(back) == list(table)
    for name in back:
        texts = isinstance(back[name].dtype, pd.CategoricalDtype)
        assert texts == (not pd.api.types.is_numeric_dtype(table[name].dtype))
        np.testing.assert_array_equal(back[name].to_numpy(), table[name].to_numpy())
        assert texts or back[name].dtype == table[name].dtype


def test_parquet_tells_of_the_sweep(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    out = paired()
    out.to_parquet(tmp_path / "sweep.parquet")
    about = json.loads(parquet.read_schema(tmp_path / "sweep.parquet").metadata[b"fastgd"])
    assert about == {name: getattr(out, name) for name in SCALARS}


def test_parquet_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")

    def write_a_little(table, file, **options):
        file.write(b"PAR1")
        raise OSError("the disk is full")

    path = tmp_path / "sweep.parquet"
    one_run().to_parquet(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"compression must be one of .*got 'best'"):
        one_run().to_parquet(path, compression="best")
    monkeypatch.setattr(parquet, "write_table", write_a_little)
    with pytest.raises(OSError, match="disk"):
        one_run().to_parquet(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- xarray ---------------------------------------------------------------------------------------------


def test_a_data_set_has_the_arrays(out):
    pytest.importorskip("xarray")
    data = out.to_xarray()
    assert data.loss.dims == (("run",) if out.paired else tuple(out.axes))
    assert data.loss.shape == out.shape
    last = "slope" if out.metric is None else "metric"
    for name in ("iterations", "regime", "loss", last):
        np.testing.assert_array_equal(data[name].values, getattr(out, name))
    labels = np.vectorize(lambda code: gd.Status(code).label)(out.status)
    np.testing.assert_array_equal(data.status.values, labels)
    np.testing.assert_array_equal(data.x.values, out.x)
    assert data.x.dims == (*data.loss.dims, "parameter")
    assert tuple(data.parameter.values) == out.parameter_names
    assert ("history" in data) == (out.history is not None)
    for name in SCALARS:
        np.testing.assert_equal(data.attrs[name], getattr(out, name))


def test_a_data_set_is_the_table(out):
    """xarray's own table against ours."""
    pytest.importorskip("xarray")
    data, table = out.to_xarray(), out.to_pandas(parameters=False)
    flat = data[["iterations", "status", "regime", "loss"]]
    theirs = (
        flat.to_dataframe() if flat.sizes else pd.DataFrame([{n: flat[n].item() for n in flat}])
    )
    theirs = theirs.reset_index()
    for name in (*out.axes, *flat):
        np.testing.assert_array_equal(theirs[name].to_numpy(), table[name].to_numpy())


def test_axes_are_coordinates():
    pytest.importorskip("xarray")
    data = grid().to_xarray()
    assert data.optimizer.values.tolist() == ["SGD()", "Adam(betas=(0.5, 0.9))"]
    assert data.x0.values.tolist() == ["(0, 1)", "(2, -1)"]
    assert data.sel(lr=0.5, optimizer="SGD()", x0="(0, 1)").iterations == grid().iterations[0, 1, 0]


def test_records_are_updates():
    pytest.importorskip("xarray")
    out = networks()
    data = out.to_xarray()
    assert data.history.dims == ("lr", "rng", "record")
    assert data.record.values.tolist() == [0, 3, 6]
    np.testing.assert_array_equal(data.history.sel(record=3, lr=0.01), out.history[0, :, 1])


def test_networks_without_parameters_have_no_x():
    pytest.importorskip("xarray")
    problem = gd.MLP([1, 1], loss="mse").problem(np.ones((3, 1)), np.ones(3))
    data = gd.sweep(problem, gd.SGD(), {"lr": [0.1]}, max_iter=2).to_xarray()
    assert set(data) == {"iterations", "status", "regime", "loss", "metric"}
    assert set(data.coords) == {"lr"}


def test_names_that_axes_have_are_changed():
    pytest.importorskip("xarray")
    axes = {"loss": [0.1, 0.2], "parameter": ["a", "b"], "x": [1, 2]}
    shape = (2, 2, 2)
    out = gd.SweepResult(
        axes=axes, iterations=np.zeros(shape), status=np.zeros(shape), regime=np.full(shape, ""),
        loss=np.arange(8.0).reshape(shape), slope=np.zeros(shape), x=np.ones((*shape, 3)),
    )  # fmt: skip
    data = out.to_xarray()
    assert data.final_loss.sel(loss=0.2, parameter="a", x=2) == 5.0
    assert data.final_x.dims == ("loss", "parameter", "x", "final_parameter")
    table = out.to_pandas()
    assert {"loss", "final_loss"} <= set(table)
    assert table["final_loss"].tolist() == list(range(8))
