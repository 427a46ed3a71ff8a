"""SweepResult: the table, picking the best, files, and what it refuses."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.protocol.outcomes import Status
from fastgd.sweeps import BestRun, SweepResult


def result(axes=None, **changes):
    """Two rates by three momenta; two diverged, one ran out of iterations."""
    axes = {"lr": (0.1, 0.2), "momentum": (0.0, 0.5, 0.9)} if axes is None else axes
    arrays = {
        "iterations": [[40, 30, 90], [20, 20, 70]],
        "status": [[0, 0, 1], [0, 0, 2]],
        "regime": [["monotone", "monotone", "slow"], ["oscillating", "monotone", "diverged"]],
        "loss": [[1.0, 1.0, 0.5], [2.0, 1.5, np.inf]],
        "slope": [[1e-9, 1e-9, 1e-2], [1e-9, 1e-9, np.inf]],
        "x": np.arange(12.0).reshape(2, 3, 2),
        "parameter_names": ("w", "b"),
    }
    return SweepResult(axes=axes, **arrays | changes)


def empty_of(axes, parameters=1):
    """A result of the right shapes for any axes."""
    shape = tuple(len(values) for values in axes.values())
    return SweepResult(
        axes=axes,
        iterations=np.arange(np.prod(shape, dtype=int)).reshape(shape),
        status=np.zeros(shape),
        regime=np.full(shape, "monotone"),
        loss=np.zeros(shape),
        slope=np.zeros(shape),
        x=np.zeros((*shape, parameters)),
    )


def test_dtypes_and_shapes():
    out = result()
    assert out.shape == (2, 3)
    assert out.size == 6
    assert (out.iterations.dtype, out.status.dtype) == (np.int64, np.int8)
    assert (out.loss.dtype, out.slope.dtype, out.x.dtype) == (np.float64,) * 3
    assert result(x=np.zeros((2, 3, 2), np.float32)).x.dtype == np.float32
    assert out.converged.tolist() == [[True, True, False], [True, True, False]]
    assert out.diverged.sum() == 1


def test_arrays_are_not_copied():
    loss = np.zeros((2, 3))
    assert result(loss=loss).loss is loss


def test_it_is_frozen():
    with pytest.raises(AttributeError):
        result().seconds = 1.0


def test_axes_become_plain_values():
    out = empty_of({"lr": np.array([0.1, 0.2]), "x0": [np.array([1.0, 2.0]), (3, 4)]})
    assert out.axes == {"lr": (0.1, 0.2), "x0": ((1.0, 2.0), (3, 4))}
    assert all(type(v) is float for v in out.axes["lr"])


def test_a_sweep_without_axes_is_one_run():
    out = empty_of({})
    assert out.shape == ()
    assert out.size == 1
    assert out.best().index == ()
    assert len(out.to_pandas()) == 1
    assert repr(out).startswith("SweepResult: 1 run\n")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"iterations": [1, 2]}, r"iterations.*\(2, 3\).*\(2,\)"),
        ({"status": np.full((2, 3), 7)}, "status.*7"),
        ({"regime": np.full((2, 3), "odd")}, "regime.*odd"),
        ({"x": np.zeros((2, 3))}, r"x must.*n_parameters"),
        ({"x": np.zeros((2, 2, 2))}, r"x must.*n_parameters"),
        ({"parameter_names": ("w",)}, "parameter_names.*2 names"),
    ],
)
def test_what_does_not_fit_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        result(**change)


def test_axes_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="axes"):
        result(axes=[("lr", (0.1,))])
    with pytest.raises(TypeError, match="axes"):
        result(axes={1: (0.1, 0.2), "momentum": (0, 1, 2)})


# --- best ---------------------------------------------------------------------------------------


def test_best_by_loss_takes_unconverged_runs_but_none_that_diverged():
    best = result(loss=[[1.0, 1.0, 0.5], [2.0, 1.5, -5.0]]).best()
    assert isinstance(best, BestRun)
    assert (best.index, best.axes) == ((0, 2), {"lr": 0.1, "momentum": 0.9})
    assert (best.loss, best.iterations, best.regime) == (0.5, 90, "slow")
    assert best.status is Status.MAX_ITER
    assert best.x.tolist() == [4.0, 5.0]


def test_best_by_iterations_takes_converged_runs_and_breaks_ties_by_loss():
    best = result(iterations=[[40, 30, 1], [20, 20, 0]]).best("iterations")
    assert best.index == (1, 1)


def test_best_by_loss_breaks_ties_by_iterations():
    status = [[0, 0, 2], [0, 0, 2]]
    assert result(status=status).best("loss").index == (0, 1)


def test_best_ignores_nan_and_runs_not_done():
    loss = [[np.nan, 3.0, 0.0], [4.0, 5.0, 0.0]]
    status = [[0, 0, -1], [0, 0, 2]]
    regime = [["monotone", "monotone", ""], ["monotone", "monotone", "diverged"]]
    assert result(loss=loss, status=status, regime=regime).best().index == (0, 1)


def test_best_of_nothing_says_what_is_there():
    gone = result(status=np.full((2, 3), 2), regime=np.full((2, 3), "diverged"))
    with pytest.raises(ValueError, match="6 diverged"):
        gone.best()
    with pytest.raises(ValueError, match=r"converged.*6 max_iter"):
        result(status=np.full((2, 3), 1)).best("iterations")
    with pytest.raises(ValueError, match="by must be"):
        result().best("speed")


# --- tables -------------------------------------------------------------------------------------


def test_table_is_long_and_in_order():
    table = result().to_pandas()
    assert list(table) == [
        "lr", "momentum", "status", "regime", "iterations", "loss", "slope", "w", "b",
    ]  # fmt: skip
    assert table["lr"].tolist() == [0.1] * 3 + [0.2] * 3
    assert table["momentum"].tolist() == [0.0, 0.5, 0.9] * 2
    assert table["status"].tolist()[2:] == ["max_iter", "converged", "converged", "diverged"]
    assert table["iterations"].tolist() == [40, 30, 90, 20, 20, 70]
    assert table["b"].tolist() == [1, 3, 5, 7, 9, 11]


def test_table_labels_what_is_no_number():
    def decay(step):
        return 0.1 / (1 + step)

    axes = {
        "betas": ((0.9, 0.999), (0.8, 0.99)),
        "lr": (decay, 0.5),
        "nesterov": (False, True),
        "convention": ("torch", "keras"),
    }
    table = empty_of(axes).to_pandas()
    assert table["betas"].unique().tolist() == ["(0.9, 0.999)", "(0.8, 0.99)"]
    assert table["lr"].unique().tolist() == ["decay", "0.5"]
    assert table["nesterov"].dtype == bool
    assert table["convention"].unique().tolist() == ["torch", "keras"]


def test_columns_never_share_a_name():
    out = empty_of({"x0": ((1.0,), (2.0,))})
    renamed = SweepResult(
        axes=out.axes, iterations=out.iterations, status=out.status, regime=out.regime,
        loss=out.loss, slope=out.slope, x=out.x, parameter_names=("x0",),
    )  # fmt: skip
    names = list(renamed.to_pandas())
    assert (names[0], names[-1]) == ("x0", "final_x0")


def test_many_parameters_are_left_out_unless_asked_for():
    out = empty_of({"lr": (0.1,)}, parameters=50)
    assert "p0" not in out.to_pandas()
    assert "p49" in out.to_pandas(parameters=True)
    assert "w" not in result().to_pandas(parameters=False)


def test_csv_has_the_same_rows(tmp_path):
    path = tmp_path / "sweep.csv"
    result().to_csv(path)
    pd.testing.assert_frame_equal(pd.read_csv(path), result().to_pandas())
    with path.open() as file:
        assert len(list(csv.reader(file))) == 7


def test_repr_counts_the_runs():
    lines = repr(result(problem="LeastSquares", optimizer="Momentum()")).splitlines()
    assert lines[0] == "SweepResult: 6 runs over lr (2) x momentum (3)"
    assert lines[1] == "  LeastSquares, Momentum(), float64"
    assert lines[2].split() == ["converged", "4", "iterations", "20", "to", "40"]
    assert lines[3].split() == ["max_iter", "1", "iterations", "90"]
    assert lines[4].split() == ["diverged", "1", "iterations", "70"]


# --- files --------------------------------------------------------------------------------------


def same(a, b):
    """Everything but what an axis of objects turns into."""
    assert list(a.axes) == list(b.axes)
    for name in ("iterations", "status", "regime", "loss", "slope", "x"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert a.x.dtype == b.x.dtype
    assert a.parameter_names == b.parameter_names
    assert (a.backend, a.problem, a.optimizer, a.dtype) == (
        b.backend, b.problem, b.optimizer, b.dtype,
    )  # fmt: skip
    np.testing.assert_array_equal(
        [a.seconds, a.tol, a.max_iter, a.vector_width],
        [b.seconds, b.tol, b.max_iter, b.vector_width],
    )


def test_saved_and_loaded_is_the_same(tmp_path):
    out = result(
        x=np.ones((2, 3, 2), np.float32), seconds=1.5, backend="cython", tol=1e-8,
        max_iter=100, vector_width=8, problem="p", optimizer="o", dtype="float32",
    )  # fmt: skip
    path = tmp_path / "sweep.any"
    out.save(path)
    back = SweepResult.load(path)
    same(out, back)
    assert back.axes == out.axes


numbers = st.floats(allow_nan=False, allow_infinity=True)
axis = st.one_of(
    st.lists(numbers, min_size=1, max_size=4),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=3),
    st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1),
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=3),
)


@settings(max_examples=50, deadline=None)
@given(axes=st.dictionaries(st.text(min_size=1, max_size=5), axis, max_size=3))
def test_plain_axes_come_back_as_they_were(tmp_path_factory, axes):
    path = tmp_path_factory.mktemp("saved") / "sweep.npz"
    out = empty_of(axes)
    out.save(path)
    back = SweepResult.load(path)
    assert back.axes == out.axes
    same(out, back)


def test_other_axes_come_back_as_text(tmp_path):
    axes = {"lr": (0.1, None), "rng": (1, 2**70), "x0": ((1.0,), (1.0, 2.0))}
    out = empty_of(axes)
    out.save(tmp_path / "sweep.npz")
    back = SweepResult.load(tmp_path / "sweep.npz")
    assert back.axes["lr"] == ("0.1", "None")
    assert back.axes["rng"] == ("1", str(2**70))
    assert back.axes["x0"] == ("(1.0,)", "(1.0, 2.0)")


def test_files_hold_no_pickle(tmp_path):
    empty_of({"optimizer": (object(), object())}).save(tmp_path / "sweep.npz")
    with np.load(tmp_path / "sweep.npz", allow_pickle=False) as archive:
        assert all(archive[name].dtype.kind != "O" for name in archive.files)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        SweepResult.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "later.npz", about=np.array(json.dumps({"format": "fastgd sweep 9"})))
    np.savez(tmp_path / "pickled.npz", about=np.array([{}], dtype=object))
    for name in ("text", "other", "later", "pickled"):
        with pytest.raises(ValueError, match=f"{name}.npz.*is not a saved sweep"):
            SweepResult.load(tmp_path / f"{name}.npz")


def test_plot_chooses_by_the_axes():
    pytest.importorskip("matplotlib").use("Agg")
    from fastgd.plotting import HeatMapDisplay, IterationsDisplay  # noqa: PLC0415

    wide = empty_of({"lr": np.arange(1, 6.0), "momentum": np.arange(5) / 10})
    for out, display in ((result(), IterationsDisplay), (wide, HeatMapDisplay)):
        drawn = out.plot()
        assert isinstance(drawn, display)
        _close(drawn)
    for kind, display in (("heatmap", HeatMapDisplay), ("loss", IterationsDisplay)):
        drawn = result().plot(kind)
        assert isinstance(drawn, display)
        _close(drawn)
    with pytest.raises(ValueError, match="kind must be"):
        result().plot("pie")


def _close(display):
    import matplotlib.pyplot as plt  # noqa: PLC0415

    plt.close(display.figure_)


def test_what_an_axis_varies_is_not_told_of_the_optimizer_too(tmp_path):
    line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    axes = {"optimizer": [gd.SGD(), gd.Momentum(momentum=0.5)], "lr": [0.1, 0.2]}
    out = gd.sweep(line, None, axes, max_iter=5)
    told = ["SGD()", "SGD()", "Momentum(momentum=0.5)", "Momentum(momentum=0.5)"]
    assert out.to_pandas()["optimizer"].tolist() == told
    assert out.axes["optimizer"] == tuple(axes["optimizer"])
    out.save(tmp_path / "sweep.npz")
    assert SweepResult.load(tmp_path / "sweep.npz").axes["optimizer"] == tuple(told[1:3])
    assert SweepResult.load(tmp_path / "sweep.npz").to_pandas().equals(out.to_pandas())
    lines = out.plot("iterations").lines
    assert list(lines) == ["optimizer SGD()", "optimizer Momentum(momentum=0.5)"]
    assert out.plot("heatmap", x="lr").y == told[1:3]
    one = gd.sweep(line, gd.Momentum(momentum=0.5), {"lr": [0.1, 0.2]}, max_iter=5)
    assert one.optimizer == "Momentum(momentum=0.5)"
    assert "lr=" not in repr(one)
    drawn = gd.sample_axes(axes, 3)
    assert "lr=" not in gd.sweep(line, None, drawn, max_iter=5).to_pandas().to_csv()
