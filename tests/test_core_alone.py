"""NumPy is the only requirement: everything else is optional, and what is missing is named in one line."""

import os
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import numpy as np
import pytest
from core_alone import OTHERS

import fastgd as gd
from fastgd import extras
from fastgd.descent.optimize_result import OptimizeResult
from fastgd.engines.installation import config
from fastgd.engines.native import kernels

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"
MODULE_OF = {
    "scikit-learn": "sklearn",
    "markdown-it-py": "markdown_it",
    "vega-datasets": "vega_datasets",
}


@pytest.mark.skipif(not kernels.available(), reason="no compiled core")
def test_what_works_with_numpy_alone(tmp_path):
    """In a process in which no other package can be imported."""
    done = subprocess.run(
        [sys.executable, HERE / "core_alone.py", "--blocked"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, *sys.path)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_script_may_be_imported():
    """As pytest does, which looks for examples in it: the other tests find their environment as it was."""
    code = "import os; before = {**os.environ}; import core_alone; assert os.environ == before"
    environment = {**os.environ, "FASTGD_DATA": "data", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not PROJECT.exists(), reason="the source tree is not here")
def test_extras_are_those_of_the_project_file():
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    assert [name_of(line) for line in project["dependencies"]] == ["numpy"]
    optional = project["optional-dependencies"]
    for extra, modules in extras.EXTRAS.items():
        brought = {MODULE_OF.get(name, name) for name in brought_by(extra, optional)}
        assert set(modules) <= brought, extra
    every = set().union(
        *(brought_by(extra, optional) for extra in ("all", "parquet", "xarray", "optuna"))
    )
    assert {MODULE_OF.get(name, name) for name in every} == set(OTHERS)
    assert brought_by("test", optional) >= brought_by("all", optional)


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0]


def brought_by(extra, optional):
    """Distributions of an extra and of the extras that it names."""
    found = set()
    for line in optional[extra]:
        if name_of(line) == "fastgd":
            others = re.search(r"\[(.*)\]", line)[1].split(",")
            found |= set().union(*(brought_by(other, optional) for other in others))
        else:
            found.add(name_of(line))
    return found


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("numba", "Work needs numba: pip install 'fastgd[numba]'"),
        ("scipy", "Work needs SciPy: pip install 'fastgd[sklearn]'"),
        ("sklearn", "Work needs scikit-learn: pip install 'fastgd[sklearn]'"),
        ("matplotlib", "Work needs matplotlib: pip install 'fastgd[plot]'"),
        ("pandas", "Work needs pandas: pip install 'fastgd[cli]'"),
        ("rich", "Work needs rich: pip install 'fastgd[cli]'"),
        ("pooch", "Work needs pooch: pip install 'fastgd[cli]'"),
        ("pyarrow", "Work needs pyarrow: pip install 'fastgd[parquet]'"),
        ("xarray", "Work needs xarray: pip install 'fastgd[xarray]'"),
        ("optuna", "Work needs optuna: pip install 'fastgd[optuna]'"),
    ],
)
def test_what_is_missing_is_named_with_its_command(monkeypatch, module, line):
    monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    extras.require("Work", module)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        extras.require("Work", module)
    assert str(caught.value) == line
    assert caught.value.name == module


def test_an_import_hook_that_blocks_a_package(monkeypatch):
    class Blocker:
        def find_spec(self, name, path=None, target=None):
            if name == "rich":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Blocker(), *sys.meta_path])
    assert not extras.present("rich")


def test_info_lists_the_extras(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    gd.show_config()
    printed = capsys.readouterr().out
    assert "extra plot: missing matplotlib: pip install 'fastgd[plot]'" in printed
    assert "extra numba: present" in printed
    assert config()["extras"]["plot"] == ("matplotlib",)


def test_the_warning_points_to_the_users_line(monkeypatch):
    monkeypatch.setattr(extras, "_warned", set())
    monkeypatch.setitem(sys.modules, "numba", None)
    problem = gd.functions.beale()
    with pytest.warns(extras.SlowWarning, match=r"pip install 'fastgd\[numba\]'") as caught:
        gd.sweep(problem, gd.SGD(clip_norm=1.0), {"lr": [1e-3]}, x0=[1.0, 1.0], max_iter=2)
    assert [w.filename for w in caught] == [__file__]
    gd.sweep(problem, gd.SGD(clip_norm=1.0), {"lr": [1e-3]}, x0=[1.0, 1.0], max_iter=2)


def test_our_result_behaves_as_scipys(monkeypatch):
    theirs = pytest.importorskip("scipy.optimize").OptimizeResult
    fields = {"x": np.arange(2.0), "nit": 3, "message": "Done."}
    ours, other = OptimizeResult(fields), theirs(fields)
    assert sorted(dir(ours)) == sorted(dir(other))
    assert repr(OptimizeResult()) == repr(theirs()) == "OptimizeResult()"
    labels = [
        {line.partition(":")[0].strip() for line in repr(each).splitlines()}
        for each in (ours, other)
    ]
    assert labels[0] == labels[1] == set(fields)
    assert "message: Done." in repr(ours)
    for result in (ours, other):
        with pytest.raises(AttributeError):
            result.nothing  # noqa: B018
    bowl = gd.Quadratic([[2.0]])
    assert type(gd.minimize(bowl, [1.0], max_iter=2)) is theirs
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert type(gd.minimize(bowl, [1.0], max_iter=2)) is OptimizeResult


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_finite_differences_are_scipys(dtype):
    approx_fprime = pytest.importorskip("scipy.optimize").approx_fprime

    def fun(x):
        return float(np.exp(x[0]) * np.sin(3 * x[1]) + x[2] ** 3)

    for x in np.random.default_rng(0).normal(scale=10.0, size=(50, 3)).astype(dtype):
        at = x.astype(np.float64)
        wanted = approx_fprime(at, fun, 2.0**-26 * np.maximum(1.0, np.abs(at)))
        np.testing.assert_array_equal(gd.Function(fun, 3).evaluate(x)[1], wanted.astype(dtype))


def test_a_sweep_of_networks_without_threadpoolctl(monkeypatch):
    problem = gd.MLP([2, 4, 2], rng=0).problem(np.eye(2), [0, 1], batch_size=1)
    axes = {"lr": [0.1, 0.2]}
    wanted = gd.sweep(problem, gd.SGD(), axes, max_iter=4).loss
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    np.testing.assert_array_equal(gd.sweep(problem, gd.SGD(), axes, max_iter=4).loss, wanted)
