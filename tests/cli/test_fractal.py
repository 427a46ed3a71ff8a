"""`fastgd fractal`: what it prints, writes and refuses."""

import json

import numpy as np
import pytest
from cli.commands import refused, said

from fastgd.cli.words import VARIANTS
from fastgd.fractals import boundary, box_dimension
from fastgd.studies.trainability import maps, setting

QUICK = ["fractal", "--variant", "small", "--size", "40", "--steps", "30"]


@pytest.fixture
def out(tmp_path):
    return ["--out", str(tmp_path / "out")]


def test_a_map(tmp_path, out, capsys):
    saved = tmp_path / "map.npz"
    lines = said([*QUICK, *out, "--save", str(saved), "--seed", "3"], capsys)
    assert lines[0].startswith("tanh, 16 rows: learning rate of the hidden layer 0.01 to 100000, ")
    assert lines[0].endswith("; 30 steps, float64, seed 3")
    assert lines[1].startswith("1,600 trainings in ")
    assert " a second); " in lines[1]
    assert lines[3].startswith("Most of it is in --zoom ")
    assert lines[-2] == f"Written: {tmp_path / 'out' / 'fractal.png'}"
    assert lines[-1] == f"Written: {saved}"
    assert (tmp_path / "out" / "fractal.png").read_bytes().startswith(b"\x89PNG")
    with np.load(saved, allow_pickle=False) as arrays:
        assert arrays["x"].shape == arrays["y"].shape == (40,)
        converged, measure = arrays["converged"], arrays["measure"]
        about = json.loads(str(arrays["about"]))
    assert (about["variant"], about["steps"], about["seed"]) == ("small", 30, 3)
    assert np.isfinite(measure).all()
    found = box_dimension(boundary(converged))
    assert f"boundary: {found.dimension:.3f} ± {found.standard_error:.3f} (boxes of 1" in lines[2]
    assert f"{converged.mean():.1%} of those shown converge" in lines[1]


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(tmp_path, out, capsys):
    found = []
    for seed, threads in (("0", "1"), ("0", "2"), ("1", "1")):
        path = tmp_path / f"{seed}{threads}.npz"
        few = ["fractal", "--variant", "single", "--size", "6", "--steps", "25", "--seed", seed]
        said([*few, *out, "--threads", threads, "--save", str(path)], capsys)
        with np.load(path) as arrays:
            found.append(arrays["measure"])
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_a_zoom_is_animated_from_all_of_it_to_the_rectangle(tmp_path, out, capsys):
    saved, target = tmp_path / "map.npz", ["1", "100", "10", "1000"]
    few = ["fractal", "--variant", "small", "--size", "5", "--steps", "20", "--frames", "3"]
    lines = said([*few, *out, "--zoom", *target, "--save", str(saved)], capsys)
    assert "hidden layer 1 to 100, learning rate of the output layer 10 to 1000;" in lines[0]
    assert lines[1].startswith("75 trainings in ")
    gif = (tmp_path / "out" / "zoom.gif").read_bytes()
    assert gif.startswith(b"GIF8")
    with np.load(saved) as arrays:
        np.testing.assert_allclose([arrays["x"][0], arrays["x"][-1]], [1, 100])
        np.testing.assert_allclose([arrays["y"][0], arrays["y"][-1]], [10, 1000])
    said([*few[:-2], *out], capsys)  # one map, without an animation: that of before goes
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fractal.png"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--variant", "gelu"], "invalid choice: 'gelu'"),
        (["--size", "1"], "--size must be at least 2, got 1"),
        (["--size", "x"], "argument --size"),
        (["--steps", "0"], "--steps must be at least 1, got 0"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--frames", "4"], "--frames shows a zoom"),
        (["--frames", "-4"], "--frames must be at least 0, got -4"),
        (["--zoom", "1", "2", "3"], "expected 4 arguments"),
        (["--zoom", "2", "1", "3", "4"], "x0 and x1 must be two rates above 0, the smaller first"),
        (["--zoom", "1", "2", "0", "4"], "y0 and y1 must be two rates above 0"),
        (["--zoom", "1", "1.000001", "3", "4", "--dtype", "float32"], "numbers of float32"),
    ],
)
def test_what_it_refuses(more, says, out, capsys):
    assert says in refused([*QUICK, *out, *more], capsys)


def test_ctrl_c_keeps_what_is_finished(tmp_path, out, capsys, monkeypatch):
    swept, calls = maps._swept, []

    def interrupted(*arguments):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return swept(*arguments)

    monkeypatch.setattr(maps, "_swept", interrupted)
    monkeypatch.setattr(maps, "_LOSSES", 40 * 30 * 10)  # ten rows of the map at once
    saved = tmp_path / "map.npz"
    lines = said([*QUICK, *out, "--save", str(saved)], capsys, code=130)
    assert lines[1].startswith("800 trainings in ")
    with np.load(saved) as arrays:
        assert np.isfinite(arrays["measure"][:20]).all()
        assert np.isnan(arrays["measure"][20:]).all()
    assert (tmp_path / "out" / "fractal.png").exists()


def test_ctrl_c_before_anything_is_finished(out, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(maps, "_swept", interrupted)
    assert said([*QUICK, *out], capsys, code=130) == []


def test_the_command_names_the_variants_of_the_study():
    assert {name: variant.title for name, variant in setting.VARIANTS.items()} == VARIANTS
