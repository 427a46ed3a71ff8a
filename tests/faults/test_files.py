"""Files are whole or not there, after kills, full disks and other faults; and what an ordinary `open` does stays."""

import errno
import gzip
import io
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faults.kills import KINDS

import fastgd as gd
from fastgd import files
from fastgd.files import atomic_text, atomic_write, write_csv

OLD = b"the older file"


@pytest.fixture(autouse=True)
def every_write_looks_for_litter(monkeypatch):
    monkeypatch.setattr(files, "_looked", {})


@pytest.fixture
def path(tmp_path):
    """An older file."""
    path = tmp_path / "results" / "file.csv"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


@pytest.fixture(scope="module")
def swept():
    problem = gd.LeastSquares([0.0, 1.0], [1.0, 3.0])
    return gd.sweep(problem, gd.SGD(), {"lr": np.linspace(0.1, 1, 3000)}, max_iter=5)


def listed(path):
    return sorted(os.listdir(path.parent))


def run(program, *arguments, **options):
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, **options
    )


# --- kills ------------------------------------------------------------------------------------------------


def killed(kind, rounds):
    script = Path(__file__).with_name("kills.py")
    command = [sys.executable, str(script), kind, str(rounds), str(len(kind))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize(
    ("kind", "rounds"),
    [
        *((kind, 6) for kind in ("sweep_npz", "sweep_csv", "network", "report")),
        *(pytest.param(kind, 50, marks=pytest.mark.slow) for kind in KINDS),
    ],
)
def test_a_killed_writer_leaves_whole_files_and_no_litter(kind, rounds):
    found = killed(kind, rounds)
    assert found["kills"] == rounds
    assert found["kills that damaged a file"] == 0
    assert found["litter after the next start"] == 0
    assert found["damaged after the next start"] == 0


@pytest.mark.skipif(os.name == "nt", reason="POSIX locks")
def test_only_what_no_process_writes_is_collected(tmp_path):
    names = [f".fastgd-{'0' * 15}{k}-file" for k in range(3)]
    others = [".fastgd-1234-file", f".fastgd-{'g' * 16}-file", ".fastgd-0000000000000000-", "x.tmp"]
    for name in [*names[:2], *others]:
        (tmp_path / name).touch()
    (tmp_path / names[2]).mkdir()
    with atomic_write(tmp_path / "living") as living:
        assert not {*names[:2]} & {*os.listdir(tmp_path)}
        done = run(
            "import sys\nfrom fastgd.files import atomic_write\n"
            "with atomic_write(sys.argv[1]) as file: file.write(b'other')",
            tmp_path / "other",
        )
        assert done.stderr == ""
        assert Path(living.name).exists()
        living.write(b"lives")
    assert (tmp_path / "living").read_bytes() == b"lives"
    assert {*os.listdir(tmp_path)} == {"living", "other", names[2], *others}


@pytest.mark.skipif(os.name == "nt", reason="POSIX locks")
def test_without_locks_age_decides(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    young, old = (tmp_path / f".fastgd-{'0' * 15}{k}-file" for k in range(2))
    young.touch()
    old.touch()
    os.utime(old, (0, 0))
    with atomic_write(tmp_path / "file") as file:
        file.write(b"new")
    assert sorted(os.listdir(tmp_path)) == [young.name, "file"]


def test_what_is_collected_while_it_is_made_is_made_again(tmp_path, monkeypatch):
    flock, taken = files.fcntl.flock, []

    def beaten(handle, how):
        if not taken:
            taken.append(handle.name)
            os.unlink(handle.name)
        flock(handle, how)

    monkeypatch.setattr(files.fcntl, "flock", beaten)
    with atomic_write(tmp_path / "file") as file:
        assert file.name != taken[0]
        file.write(b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_folders_are_searched_once_in_a_while(tmp_path):
    for k in range(3):
        with atomic_write(tmp_path / "file") as file:
            file.write(b"new")
        (tmp_path / f".fastgd-{'0' * 15}{k}-file").touch()
    assert len(os.listdir(tmp_path)) == 4


# --- errors -----------------------------------------------------------------------------------------------

FULL = """
    import resource, signal, sys
    import fastgd as gd
    {imports}
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    folder = sys.argv[1]
    path = sys.argv[2]
    {prepare}
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    try:
        {write}
    except OSError as error:
        print(type(error).__name__, error.errno, error.filename == path)
"""
LARGE = (
    "line, rates = gd.LeastSquares([0., 1.], [1., 3.]), [i / 9999 for i in range(9999)]; "
    "out = gd.sweep(line, gd.SGD(), {'lr': rates}, max_iter=3)"
)
WRITERS = {
    "SweepResult.save": (LARGE, "out.save(path)"),
    "SweepResult.to_csv": (LARGE, "out.to_csv(path)"),
    "MLP.save": ("net = gd.MLP([90, 90, 9])", "net.save(path)"),
    "figure": (
        "from fastgd.cli.files import save_figure",
        "save_figure(__import__('pathlib').Path(path), lambda ax: ax.plot([1, 2]))",
    ),
    "rows": (
        "from fastgd.cli.evaluation import write_rows",
        "write_rows(path, ['a'], [[1.5]] * 9999)",
    ),
    "text": (
        "from fastgd.files import atomic_text",
        "with atomic_text(path) as file: file.write('x' * 99999)",
    ),
}


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limits")
@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_cannot_grow(kind, path):
    """As on a full disk: each write fails from some byte on."""
    prepare, write = WRITERS[kind]
    done = run(FULL.format(imports="", prepare=prepare, write=write), path.parent, path)
    assert (done.stdout, done.stderr) == (f"OSError {errno.EFBIG} True\n", "")
    assert path.read_bytes() == OLD
    assert listed(path) == [path.name]


SMALL_DISK = """
    mount -t tmpfs -o size=64k none "$1" || exit 77
    printf 'the older file' > "$1/sweep.csv"
    cd "$1" && "$2" -m fastgd sweep "$3" --target y --rates 1e-3:1:lin3000 --max-iter 5 --out "$1"
    echo "$?"
    cat "$1/sweep.csv"
    ls -A "$1"
"""


def test_a_full_disk(tmp_path):
    """On a file system of 64 KB, where this user may mount one."""
    table = tmp_path / "table.csv"
    table.write_text("x,y\n" + "".join(f"{i},{3 * i + 1}\n" for i in range(9)))
    disk = tmp_path / "disk"
    disk.mkdir()
    script = [textwrap.dedent(SMALL_DISK), "sh", str(disk), sys.executable, str(table)]
    command = ["sh", "-c", *script]
    if shutil.which("unshare"):
        command = ["unshare", "--user", "--map-root-user", "--mount", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if "mount" not in done.stderr and "unshare" not in done.stderr:
        assert "sweep.csv" in done.stderr
        assert done.stderr.startswith("fastgd: [Errno 28] No space left on device")
        assert done.stdout == "2\nthe older filesweep.csv\n"
    else:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


def test_a_folder_that_is_not_there(tmp_path):
    path = tmp_path / "nowhere" / "file"
    with pytest.raises(FileNotFoundError) as caught, atomic_write(path):
        pass
    assert caught.value.filename == str(path)


def test_a_folder_that_vanishes(path):
    with pytest.raises(FileNotFoundError) as caught, atomic_write(path):
        shutil.rmtree(path.parent)
    assert caught.value.filename == str(path)


def test_a_name_that_is_a_folder(path):
    with pytest.raises(IsADirectoryError) as caught, atomic_write(path.parent):
        pass
    assert caught.value.filename == str(path.parent)


PLAIN_USER = """
    import os, sys
    import numpy as np
    from fastgd.files import atomic_write
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        with atomic_write(sys.argv[1]) as file:
            file.write(b"new")
    except OSError as error:
        print(type(error).__name__, error.filename == sys.argv[1])
"""


@pytest.fixture
def everybodys(path):
    """The same file where every user gets: temporary folders of pytest are private."""
    folder = Path(os.path.realpath("/tmp")) / f"fastgd-test-{os.getpid()}"
    folder.mkdir()
    everybodys = folder / "file"
    everybodys.write_bytes(OLD)
    yield everybodys
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize(("folder", "file"), [(0o555, 0o666), (0o777, 0o444)])
def test_what_may_not_be_written(folder, file, everybodys):
    everybodys.chmod(file)
    everybodys.parent.chmod(folder)
    done = run(PLAIN_USER, everybodys)
    assert (done.stdout, done.stderr) == ("PermissionError True\n", "")
    assert everybodys.read_bytes() == OLD
    assert listed(everybodys) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_anothers_file_is_replaced_where_it_may_be_written(everybodys):
    everybodys.chmod(0o666)
    everybodys.parent.chmod(0o777)
    done = run(PLAIN_USER, everybodys)
    assert (done.stdout, done.stderr) == ("", "")
    assert everybodys.read_bytes() == b"new"
    assert stat.S_IMODE(everybodys.stat().st_mode) == 0o666


@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt, StopIteration])
def test_errors_of_the_block_pass_through(raised, path):
    with pytest.raises((raised, RuntimeError)), atomic_write(path) as file:  # noqa: PT012
        file.write(b"new")
        raise raised("mine")
    assert path.read_bytes() == OLD
    assert listed(path) == [path.name]


def test_an_error_about_another_file_keeps_its_name(path):
    with pytest.raises(FileNotFoundError) as caught, atomic_write(path):
        (path.parent / "source").read_bytes()
    assert caught.value.filename == str(path.parent / "source")
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("path", [3, None, b"bytes"])
def test_what_is_no_path(path):
    with pytest.raises(TypeError), atomic_write(path):
        pass


# --- what an ordinary open would do -----------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions(path):
    before = os.umask(0o027)
    try:
        for name in (path, path.with_name("new")):
            with atomic_write(name) as file:
                assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o027 == 0 or name == path
                file.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.with_name("new").stat().st_mode) == 0o640
    for mode in (0o600, 0o664, 0o755):
        path.chmod(mode)
        with atomic_write(path) as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode
            file.write(b"new")
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.name == "nt", reason="POSIX links")
def test_links_are_followed(path, tmp_path):
    link, dangling, loop = (tmp_path / name for name in ("link", "dangling", "loop"))
    link.symlink_to(path)
    dangling.symlink_to("results/new")
    loop.symlink_to("loop")
    for name in (link, dangling):
        with atomic_write(name) as file:
            assert Path(file.name).parent == path.parent
            file.write(b"new")
        assert name.is_symlink()
        assert name.read_bytes() == b"new"
    with pytest.raises(OSError, match="loop") as caught, atomic_write(loop):
        pass
    assert caught.value.errno == errno.ELOOP
    assert loop.is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_with_a_name(tmp_path, swept):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for write in (lambda: swept.to_csv(pipe), lambda: swept.save(pipe)):
        with subprocess.Popen(
            ["dd", f"if={pipe}", f"of={tmp_path / 'read'}"], stderr=subprocess.DEVNULL
        ) as reader:
            write()
            assert reader.wait(timeout=60) == 0
        content = (tmp_path / "read").read_bytes()
        assert content[:2] == b"PK" or len(pd.read_csv(io.BytesIO(content))) == swept.size
    assert sorted(os.listdir(tmp_path)) == ["pipe", "read"]


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="no /dev/stdout")
def test_standard_output(tmp_path):
    program = """
        import sys, fastgd as gd
        out = gd.sweep(gd.LeastSquares([0., 1.], [1., 3.]), gd.SGD(), {"lr": [0.1, 0.2]}, max_iter=3)
        out.to_csv("/dev/stdout")
    """
    piped = run(program)
    assert piped.stderr == ""
    assert piped.stdout.startswith("lr,status")
    with open(tmp_path / "out", "w+") as redirected:
        command = [sys.executable, "-c", textwrap.dedent(program)]
        subprocess.run(command, stdout=redirected, check=True, timeout=300)
        redirected.seek(0)
        assert redirected.read() == piped.stdout  # not another file of the same name
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_device_is_named(swept):
    with pytest.raises(OSError, match="/dev/full") as caught:
        swept.to_csv("/dev/full")
    assert caught.value.errno == errno.ENOSPC


def test_long_and_strange_names(tmp_path):
    for name in ("n" * 255, "ü" * 127, "two\nlines", " ", "-"):
        with atomic_write(tmp_path / name) as file:
            file.write(b"new")
        assert (tmp_path / name).read_bytes() == b"new"
    assert len(os.listdir(tmp_path)) == 5


def test_a_name_in_the_working_folder(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with atomic_write(path.name) as file:
        file.write(b"new")
        monkeypatch.chdir("/")
    assert path.read_bytes() == b"new"


def test_text_is_written_as_it_is(path):
    with atomic_text(path) as file:
        file.write("a\r\nb\nµ")
    assert path.read_bytes() == "a\r\nb\nµ".encode()


# --- tables -----------------------------------------------------------------------------------------------


def test_tables_have_the_bytes_of_pandas(swept, tmp_path):
    frame = swept.to_pandas()
    swept.to_csv(tmp_path / "ours.csv")
    frame.to_csv(tmp_path / "theirs.csv", index=False)
    content = (tmp_path / "theirs.csv").read_bytes()
    assert (tmp_path / "ours.csv").read_bytes() == content
    swept.to_csv(tmp_path / "ours.csv.gz")
    assert gzip.decompress((tmp_path / "ours.csv.gz").read_bytes()) == content
    swept.to_csv(tmp_path / "ours.csv.zip")
    with zipfile.ZipFile(tmp_path / "ours.csv.zip") as archive:
        assert archive.namelist() == ["ours.csv"]
        assert archive.read("ours.csv") == content
    swept.to_csv(tmp_path / "ours.tar.gz")
    with tarfile.open(tmp_path / "ours.tar.gz") as archive:
        assert archive.getnames() == ["ours"]
    buffer = io.StringIO()
    swept.to_csv(buffer)
    assert buffer.getvalue().encode() == content


def test_a_writer_that_fails_leaves_nothing(path):
    class Frame:
        def to_csv(self, name, **_):
            Path(name).write_text("half a numb")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=path.name) as caught:
        write_csv(Frame(), path, keep_formulas=True)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == OLD
    assert listed(path) == [path.name]
