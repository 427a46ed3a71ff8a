"""`explore`: the page as a file, its state as text, and its Python."""

import html
import io
import json
import re
from contextlib import redirect_stdout

import numpy as np
import pytest
from explorer.scripts import from_bits, run

import fastgd as gd
from fastgd.explorer import Explorer, explore
from fastgd.explorer.gallery import SCENES
from fastgd.explorer.page import engine_script, page_data
from fastgd.explorer.presets import PRESETS
from fastgd.explorer.scene import scene_of

MEBIBYTE = 2**20
LINE = gd.LeastSquares([0.0, 1.0, 2.0, 4.0], [1.0, 3.0, 5.5, 8.0])


@pytest.fixture(scope="module")
def page():
    return gd.explore("himmelblau").html


@pytest.fixture(scope="module")
def script():
    return engine_script(page_data())


def test_the_page_is_small_and_needs_nothing_else(page):
    assert len(page.encode()) < 2 * MEBIBYTE
    assert page.startswith("<!DOCTYPE html>")
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", page)
    assert not re.findall(r"<(?:script|img|iframe|object|embed)[^>]*\bsrc\b", page)
    assert re.findall(r"<link[^>]*>", page) == ['<link rel="icon" href="data:,">']
    assert "fetch(" not in page
    assert "XMLHttpRequest" not in page


def test_it_is_written_as_a_file(tmp_path, page):
    path = gd.explore("himmelblau").save(tmp_path / "page.html")
    assert path == tmp_path / "page.html"
    assert path.read_text(encoding="utf-8") == page
    assert '"first":"himmelblau"' in page


def test_a_notebook_shows_it_in_a_frame(page):
    explorer = explore("himmelblau", height=500)
    shown = explorer._repr_html_()
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1]) == page
    assert 'height="500"' in shown
    assert 'sandbox="allow-scripts"' in shown
    assert repr(explorer) == "Explorer('himmelblau')"
    assert isinstance(explorer, Explorer)


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (LINE, "quadratic"),
        (gd.Quadratic([[2.0, 0.5], [0.5, 1.0]], [1.0, 0.0]), "quadratic"),
        (gd.Quadratic([[2.0]]), "quadratic"),
        (gd.Polynomial([1.0, -2.0, 0.0, 0.0, 1.0]), "polynomial"),
        (gd.functions.beale(), "function"),
        (gd.functions.bumpy(), "function"),
    ],
    ids=repr,
)
def test_a_problem_of_ones_own(problem, kind):
    n = problem.n_parameters
    own = scene_of(problem, [0.5] * n)
    data = page_data(own.key, own)
    assert data["problems"]["own"]["kind"] == kind
    names = {}
    exec(f"import numpy as np\nimport fastgd as gd\n{own.python}", names)
    x = np.full(n, 0.3)
    np.testing.assert_allclose(names["problem"].gradient(x), problem.gradient(x), rtol=1e-12)
    low, high = own.view[::2], own.view[1::2]
    for point in (own.start, *own.marks):
        assert all(a < v < b for a, v, b in zip(low, point, high, strict=True))
    found = run(
        f"""{engine_script(data)}
        const state = firstState("own"), run = runOf(state, problemOf(aboutOf(state)), "SGD");
        return [run.iterations, bits(run.x)];"""
    )
    wanted = gd.minimize(problem, own.start, gd.SGD(lr=own.rate("SGD")), max_iter=1000, tol=1e-6)
    assert found[0] == wanted.nit
    np.testing.assert_allclose(from_bits(found[1]), wanted.x, rtol=1e-9)


def test_rows_are_shown_where_there_are_some():
    assert scene_of(LINE).rows.y.tolist() == [1.0, 3.0, 5.5, 8.0]
    assert (
        scene_of(gd.LeastSquares([[1.0, 2.0], [2.0, 1.0]], [1.0, 2.0], intercept=False)).rows
        is None
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("rosenbrok",), ValueError, "rosenbrock"),
        (("nowhere",), ValueError, "there are line, unscaled"),
        ((gd.functions.rosenbrock(3),), ValueError, "one or two parameters, got 3"),
        ((3,), TypeError, "problem must be the name of one"),
        (
            (gd.LeastSquares([1.0, 2.0], [1.0, 2.0], statistics=False),),
            TypeError,
            "statistics=True",
        ),
        ((LINE, [1.0]), ValueError, "x0 must be 2 finite numbers"),
        ((LINE, [1.0, np.inf]), ValueError, "x0 must be 2 finite numbers"),
        (("line", [1.0, 1.0]), ValueError, "x0 is for a problem of your own"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        explore(*arguments)


def test_a_wrong_height_is_named():
    with pytest.raises(ValueError, match="height"):
        explore("line", height=0)


# --- the state as text ------------------------------------------------------------------------------------

CHANGED = """{ ...firstState("beale"), start: [-1.25, 0.5], updates: 300, step: 17, shown: ["SGD", "Lion"],
  selected: "Lion", rates: { ...firstState("beale").rates, Lion: 0.0123 },
  momenta: { ...firstState("beale").momenta, SGD: 0.5, Lion: 0.35 },
  schedule: "cosine", total: 120, preset: "ridge" }"""


def test_the_whole_state_stands_in_the_address(script):
    before, text, after = run(
        f"""{script}
        const state = {CHANGED}, text = encoded(state);
        return [state, text, decoded("#" + text, "line")];"""
    )
    assert after == before
    assert text.startswith("p=beale&s=-1.25,0.5&n=300&k=17&show=SGD,Lion&sel=Lion")


def test_rows_of_a_file_stand_in_the_address(script):
    rows = {"x": [1.5, 2.0, 4.0], "y": [10.0, 12.5, 20.0], "names": ["size & form", "prize;"]}
    after = run(
        f"""{script}
        return decoded(encoded(firstState("file", {json.dumps(rows)})), "line");"""
    )
    assert after["problem"] == "file"
    assert after["rows"] == rows


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p=nothing",
        "p=file",
        "s=1,2,3",
        "s=a,b",
        "n=17",
        "k=-3",
        "sel=Nobody",
        "SGD=-1,2",
        "SGD=x",
        "sched=no",
        "&&=&",
        "q=no",
    ],
)
def test_what_an_address_says_wrongly_is_as_at_first(text, script):
    assert run(f'{script}\nreturn [decoded({json.dumps(text)}, "ravine"), firstState("ravine")];')[
        0
    ] == run(f'{script}\nreturn firstState("ravine");')


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.id)
def test_presets_are_states_that_ask(preset, script):
    state, text = run(
        f"""{script}
        const state = decoded({json.dumps(preset.state)} + "&q={preset.id}", "line");
        return [state, encoded(state)];"""
    )
    assert state["preset"] == preset.id
    assert state["problem"] in SCENES
    assert preset.question.endswith(("?", "."))
    assert "?" in preset.question
    assert preset.state.split("&")[0] == text.split("&")[0]


# --- a file of two columns --------------------------------------------------------------------------------


def rows_of(text, script):
    return run(f"{script}\nreturn parsedRows({json.dumps(text)});")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("height,weight\n1,2\n3,4.5\n", ["height", "weight"]),
        ('"height","weight"\r\n1,2\r\n3,4.5', ["height", "weight"]),
        ("1;2\n3;4,5\n", ["x", "y"]),
        ("\ufeffa\tb\n1\t2\n\n3\t4.5\n", ["a", "b"]),
        ("1 2\n3  4.5", ["x", "y"]),
    ],
)
def test_files_that_are_read(text, names, script):
    assert rows_of(text, script) == {"x": [1, 3], "y": [2, 4.5], "names": names}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The file is empty."),
        ("a,b,c\n1,2,3\n", "two columns, it has 3"),
        ("a,b\n1,2\n3,x\n", "Row 2 must be two numbers"),
        ("a,b\n1,2\n", "at least two rows"),
        ("a,b\n1,2\n1,3\n", "All values of “a” are the same."),
    ],
)
def test_files_that_are_refused(text, message, script):
    said = run(
        f"""{script}
        try {{ parsedRows({json.dumps(text)}); }} catch (error) {{ return error.message; }}
        return "";"""
    )
    assert message in said


def test_a_line_through_a_file_is_that_of_least_squares(script):
    rng = np.random.default_rng(0)
    x = rng.uniform(10, 90, 25)
    y = 3 * x - 40 + rng.normal(0, 5, 25)
    rows = {"x": x.tolist(), "y": y.tolist(), "names": ["a", "b"]}
    about = run(f"{script}\nreturn fileProblem({json.dumps(rows)});")
    line = gd.LeastSquares((x - x.min()) / np.ptp(x), y)
    np.testing.assert_allclose(about["hessian"], line.hessian, rtol=1e-13)
    np.testing.assert_allclose(about["solution"], line.solution, rtol=1e-9)
    np.testing.assert_allclose(about["lowest"], line.loss(line.solution), rtol=1e-12)


# --- the same in Python -----------------------------------------------------------------------------------

STATES = {
    "a line": 'firstState("line")',
    "a changed state": CHANGED.replace('preset: "ridge"', "preset: null"),
    "a curve": '{ ...firstState("valleys"), shown: OPTIMIZERS, schedule: "warmup_cosine", total: 90 }',
    "a file": 'firstState("file", { x: [1, 2, 4, 7], y: [3, 5, 6, 12.5], names: ["a", "b"] })',
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_the_python_of_the_page_makes_its_descents(state, script):
    text, runs = run(
        f"""{script}
        const state = {state}, about = aboutOf(state), problem = problemOf(about);
        return [pythonOf(state, about), state.shown.map((name) => {{
          const run = runOf(state, problem, name);
          return [name, run.iterations, bits(run.x), run.status];
        }})];"""
    )
    names, said = {}, io.StringIO()
    with redirect_stdout(said):
        exec(text, names)
    lines = said.getvalue().splitlines()
    assert len(lines) == len(runs)
    for line, (name, iterations, x, _) in zip(lines, runs, strict=True):
        assert line.startswith(f"{name}(")
        assert f"After {iterations} updates" in line
        shown = re.search(r"x = \[([^\]]*)\]", line)[1].split()
        np.testing.assert_allclose(np.array(shown, float), from_bits(x), rtol=1e-6, atol=1e-8)
