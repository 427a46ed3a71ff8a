"""The folder of compiled code: nobody else can plant anything in it, for what lies there is executed."""

import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import fastgd as gd
from fastgd.engines import cache

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="Windows has its own variable and access lists"
)
VARIABLES = ("XDG_CACHE_HOME", "HOME", "TMPDIR", "NUMBA_CACHE_DIR", "PYTHONPYCACHEPREFIX")
COMPILE = (
    "from fastgd.engines.numba.modules import HEADER, generated_module\n"
    "text = '@njit(cache=CACHE)\\ndef double(x):\\n    return x + x\\n'\n"
    "assert generated_module(HEADER + text).double(2.0) == 4.0\n"
)


@pytest.fixture
def closed(tmp_path):
    """A folder that belongs to this user alone, as all above it (pytest makes them so)."""
    tmp_path.chmod(0o700)
    if fault := cache.fault_of(tmp_path):
        pytest.skip(fault)
    return tmp_path


def compiled(*warned, umask=0o022, code=COMPILE, **environment):
    """Compile a step by Numba in a process of its own; the warnings that it gives."""
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-W", "always::RuntimeWarning", "-c", code],
        env={**inherited, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
    )
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stderr.splitlines() if "RuntimeWarning" in line]
    assert len(found) == len(warned), done.stderr
    for line, text in zip(found, warned, strict=True):
        assert text in line
    return done.stdout


def files(folder):
    return sorted(path.suffix for path in Path(folder).rglob("*") if path.is_file())


# --- where it is --------------------------------------------------------------------------------------


def test_where_it_is(monkeypatch, tmp_path):
    assert cache.cache_folder().parts[-2:] == ("fastgd", gd.__version__)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "fastgd" / gd.__version__
    assert not list(tmp_path.iterdir())
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    if sys.platform != "darwin":
        assert cache.cache_folder() == tmp_path / ".cache" / "fastgd" / gd.__version__


@pytest.mark.parametrize("home", ["", "/", "//", "relative", "~"])
@pytest.mark.parametrize("entry", ["", "/", "/home/somebody"])
def test_an_empty_home_is_not_the_whole_disk(monkeypatch, home, entry):
    pwd = pytest.importorskip("pwd")
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the standard says to ignore
    known = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(pwd, "getpwuid", lambda user: type(known)((*known[:5], entry, known[6])))
    folder = cache.cache_folder()
    if entry == "/home/somebody":
        assert folder.is_relative_to("/home/somebody")
    else:
        assert folder.parent.parent.name == f"fastgd-{os.getuid()}"
        assert folder.is_absolute()


# --- planted files ------------------------------------------------------------------------------------


class Planted:
    """What runs code when it is unpickled."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return os.makedirs, (str(self.proof), 0o777, True)


def plant(folder, proof):
    """Spoil all that Python and Numba would load from the folder."""
    for path in [*Path(folder).rglob("*.nbi"), *Path(folder).rglob("*.nbc")]:
        path.write_bytes(pickle.dumps(Planted(proof)))
    for path in Path(folder).rglob("*.py"):
        path.write_bytes(path.read_bytes() + f"import os; os.mkdir({str(proof)!r})\n".encode())


def test_what_is_planted_would_run(closed):
    """The danger is real: whoever can write to the folder has code of his run. So nobody else must."""
    compiled(XDG_CACHE_HOME=closed)
    plant(closed, closed / "proof")
    compiled(XDG_CACHE_HOME=closed)
    assert (closed / "proof").exists()


@pytest.mark.parametrize("place", ["", "fastgd", "version", "__pycache__"])
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_nothing_is_loaded_from_a_folder_that_others_can_write_to(closed, place, mode):
    compiled(XDG_CACHE_HOME=closed)
    version = closed / "fastgd" / gd.__version__
    opened = {
        "": closed,
        "fastgd": closed / "fastgd",
        "version": version,
        "__pycache__": version / "__pycache__",
    }
    plant(closed, closed / "proof")
    opened[place].chmod(mode)
    if mode & stat.S_ISVTX and place in {
        "",
        "fastgd",
    }:  # who may write there cannot replace what is ours
        assert cache.fault_of(version) is None
        return
    compiled(
        f"compiled code is not cached: {opened[place]} can be written by others",
        XDG_CACHE_HOME=closed,
    )
    assert not (closed / "proof").exists()


@pytest.mark.parametrize("name", ["fastgd-0", "fastgd-uid"])
def test_a_planted_folder_below_the_temporary_one(closed, name):
    """Without a home folder: a folder under the name that ours would have."""
    closed.chmod(0o1777)
    folder = closed / name.replace("uid", str(os.getuid())).replace("fastgd-0", "fastgd")
    version = folder / "fastgd" / gd.__version__
    version.mkdir(parents=True)
    folder.chmod(0o777)
    without_home = "import os, pwd\ndef nobody(user): raise KeyError(user)\npwd.getpwuid = nobody\n"
    if folder.name == "fastgd":  # where it was before: not looked at any more
        compiled(TMPDIR=closed, HOME="", code=without_home + COMPILE)
        ours = closed / f"fastgd-{os.getuid()}"
        assert stat.S_IMODE(ours.stat().st_mode) == 0o700
        assert ".nbi" in files(ours)
    else:
        compiled(
            f"{folder} can be written by others",
            TMPDIR=closed,
            HOME="",
            code=without_home + COMPILE,
        )
    assert not files(folder) or folder.name != "fastgd"


def test_a_symbolic_link_to_what_others_can_write_to(closed):
    elsewhere = closed / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    (closed / "cache").symlink_to(elsewhere)
    compiled(f"{elsewhere} can be written by others", XDG_CACHE_HOME=closed / "cache")
    assert not files(elsewhere)


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root can give files away")
def test_a_folder_of_another_user(closed):
    (closed / "fastgd").mkdir()
    os.chown(closed / "fastgd", 12345, 12345)
    compiled(f"{closed / 'fastgd'} belongs to another user", XDG_CACHE_HOME=closed)
    os.chown(closed / "fastgd", 0, 0)
    (closed / "link").symlink_to(closed / "fastgd")
    os.chown(closed / "link", 12345, 12345, follow_symlinks=False)
    compiled(f"{closed / 'link'} belongs to another user", XDG_CACHE_HOME=closed / "link")


@pytest.mark.parametrize("variable", ["NUMBA_CACHE_DIR", "PYTHONPYCACHEPREFIX"])
def test_other_folders_from_which_code_is_loaded(closed, variable):
    opened = closed / "opened"
    opened.mkdir()
    opened.chmod(0o777)
    compiled(f"{opened} can be written by others", XDG_CACHE_HOME=closed, **{variable: opened})
    assert not [path for path in opened.rglob("*") if path.suffix in {".nbi", ".nbc"}]


# --- ours ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0, 0o022, 0o002])
def test_what_is_made_is_closed_to_others(closed, umask):
    compiled(XDG_CACHE_HOME=closed / "new", umask=umask)
    made = [path for path in (closed / "new").rglob("*") if path.is_dir()]
    assert made
    for folder in (closed / "new", *made):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert ".nbi" in files(closed)
    compiled(XDG_CACHE_HOME=closed / "new", umask=umask)


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root can write anywhere")
def test_a_home_that_cannot_be_written_to(closed):
    closed.chmod(0o500)
    compiled(HOME=closed)
    assert not files(closed)


def test_a_file_in_the_place_of_the_folder(closed):
    (closed / "fastgd").write_text("")
    compiled(XDG_CACHE_HOME=closed)
    assert files(closed) == [""]


def test_it_is_said(closed, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(closed))
    gd.show_config()
    assert f"cache folder {closed / 'fastgd' / gd.__version__}\n" in capsys.readouterr().out
    (closed / "fastgd").mkdir()
    (closed / "fastgd").chmod(0o777)
    gd.show_config()
    assert f"(not used: {closed / 'fastgd'} can be written by others)" in capsys.readouterr().out
