"""The command line: what it prints, where, and the exit code."""

import os
import subprocess
import sys

import pytest

import fastgd
from fastgd.cli.main import main


def test_alone_it_prints_help(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: fastgd")
    assert "reproduce" in out
    assert "info" in out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"fastgd {fastgd.__version__}\n"


def test_info_is_the_librarys_own(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    fastgd.show_config()
    assert printed == capsys.readouterr().out
    assert "numpy" in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["reproduce", "speed"], "no study is called 'speed'"),
        (["reproduce", "--data", "/no/such/file"], "data: there is no file"),
        (["reproduce", "--out", __file__], "out must be a folder"),
        (["reproduce", "--data", __file__], "test_cli.py"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("fastgd: ")
    assert says in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["fly"], ["reproduce", "--depth", "3"], ["info", "x"]])
def test_what_cannot_be_parsed_is_one_line_and_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("fastgd")
    assert error.count("\n") == 1


def test_interrupted(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["fastgd.cli.main"], "reproduce", interrupt)
    assert main(["reproduce"]) == 130
    assert capsys.readouterr().err == "fastgd: interrupted\n"


def test_reproduce_passes_on_its_options(tmp_path, monkeypatch, capsys):
    seen = {}

    def record(names, out, **options):
        seen.update(options, names=names, out=out)
        raise ValueError("enough")

    monkeypatch.setattr(sys.modules["fastgd.cli.main"], "reproduce", record)
    main(["reproduce", "a", "b", "--out", "o", "--data", "d", "--quick", "--no-download"])
    assert seen == {
        "names": ["a", "b"], "out": "o", "data": "d", "quick": True, "download": False,
        "animate": False,
    }  # fmt: skip
    assert capsys.readouterr().err == "fastgd: enough\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_reproduce_says_which_data_and_what_came_out(terminal, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("FASTGD_DATA", raising=False)
    monkeypatch.setattr("fastgd.datasets.files._cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    out = tmp_path / "report"
    names = ["step-size-1d", "rate-vs-iterations"] if terminal else ["rate-vs-iterations"]
    assert main(["reproduce", *names, "--quick", "--no-download", "--out", str(out)]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("Data: heights and weights are a STAND-IN")
    assert any("of 35" in line for line in rest)
    assert rest[-1] == f"Report: {out / 'report.html'}"
    assert (out / "report.md").is_file()


def test_as_a_module_it_is_light():
    code = (
        "import sys, fastgd.cli\n"
        "heavy = {'matplotlib', 'pandas', 'numba', 'scipy', 'sklearn', 'rich', 'pooch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
    ran = subprocess.run(
        [sys.executable, "-m", "fastgd", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"fastgd {fastgd.__version__}\n"


def test_whatever_the_terminal_can_show(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("größe,θ\n1,2\n2,5\n4,3\n", encoding="utf-8")
    command = [sys.executable, "-m", "fastgd", "sweep", str(path), "--target", "θ", "--rates", "1"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert b"? from gr??e" in ran.stdout
    assert ran.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="no sh")
def test_who_reads_may_leave_early(heights):
    command = f"{sys.executable} -m fastgd sweep {heights} --target weight --rates 0.1:1:0.1 | true"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    assert ran.stderr == b""
