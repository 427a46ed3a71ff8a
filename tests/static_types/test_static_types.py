"""What type checkers and editors make of `import fastgd as gd`: the stub's names, good and bad scripts, completion."""

import ast
import inspect
import json
import os
import pydoc
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import fastgd as gd

HERE = Path(__file__).parent
PACKAGE = Path(gd.__file__).parent


def wrong_lines(script):
    """The numbers of the lines that say that they are wrong."""
    lines = (HERE / script).read_text(encoding="utf-8").splitlines()
    return [k for k, line in enumerate(lines, 1) if line.endswith("# error")]


def names_of_the_stub():
    """Every name that __init__.pyi exports, those of `import *` as the module lists them."""
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign):
            yield node.target.id, gd
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if node.module == "typing" or (alias.asname or "").startswith("_"):
                continue
            module = import_module(node.module)
            if alias.name == "*":
                yield from ((name, module) for name in module.__all__)
            else:
                assert alias.asname == alias.name, "a stub exports `X as X` only"
                yield alias.name, module


def test_the_stub_has_the_names_of_the_package():
    stub = dict(names_of_the_stub())
    assert sorted(stub) == dir(gd) == gd.__all__
    for name, module in stub.items():
        assert getattr(module, name) is getattr(gd, name), name


def test_typed_files_are_shipped():
    assert (PACKAGE / "py.typed").exists()
    project = PACKAGE.parent / "pyproject.toml"
    if project.exists():
        assert '"*.pyi"' in project.read_text(encoding="utf-8")
        assert '"py.typed"' in project.read_text(encoding="utf-8")


def in_a_users_folder(tmp_path):
    """Copies of both scripts, away from the project's own settings, and an environment that finds fastgd."""
    for script in ("good.py", "bad.py"):
        (tmp_path / script).write_text((HERE / script).read_text(encoding="utf-8"))
    return {**os.environ, "MYPYPATH": str(PACKAGE.parent)}


def test_mypy(tmp_path):
    pytest.importorskip("mypy")
    env = in_a_users_folder(tmp_path)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--no-error-summary",
    ]
    done = subprocess.run(
        [*command, "--disable-error-code=import-untyped", "good.py", "bad.py"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert not [line for line in errors if not line.startswith("bad.py:")], (
        done.stdout + done.stderr
    )
    assert sorted({int(line.split(":")[1]) for line in errors}) == wrong_lines("bad.py"), (
        done.stdout
    )


def test_pyright(tmp_path):
    pytest.importorskip("basedpyright")
    in_a_users_folder(tmp_path)
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(PACKAGE.parent)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)["generalDiagnostics"]
    errors = [each for each in found if each["severity"] == "error"]
    assert not [each for each in errors if Path(each["file"]).name != "bad.py"], errors
    lines = {each["range"]["start"]["line"] + 1 for each in errors}
    assert sorted(lines) == wrong_lines("bad.py"), errors


@pytest.mark.skipif(find_spec("jedi") is None, reason="jedi is not installed")
@pytest.mark.filterwarnings("ignore")
def test_an_editor_completes_names_and_arguments():
    import jedi  # noqa: PLC0415

    def script(line):
        project = jedi.Project(PACKAGE.parent)
        return jedi.Script(f"import fastgd as gd\n{line}", project=project)

    completed = {each.name for each in script("gd.Ada").complete()}
    assert completed == {"Adadelta", "Adagrad", "Adam", "AdamW", "Adamax"}
    assert "warmup_cosine" in {each.name for each in script("gd.schedules.warm").complete()}
    assert "best" in {each.name for each in script("gd.sweep(p, o, {}).be").complete()}
    for call, wanted in {
        "Adam": {"lr", "betas", "eps"},
        "sweep": {"problem", "axes", "x0"},
    }.items():
        (signature,) = script(f"gd.{call}(").get_signatures()
        assert wanted <= {parameter.name for parameter in signature.params}, call


def test_help_shows_real_parameters():
    assert list(inspect.signature(gd.Adam).parameters)[:3] == ["lr", "betas", "eps"]
    assert " Adam(lr: " in pydoc.plain(pydoc.render_doc(gd.Adam))
    assert "\nsweep(problem: " in pydoc.plain(pydoc.render_doc(gd.sweep))
    assert "Gradient descent in compiled loops" in pydoc.plain(pydoc.render_doc(gd))
