"""Long work: the bar and what it costs, Ctrl-C, and the time limit."""

import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastgd as gd
from fastgd import progress
from fastgd.engines.native import crew
from fastgd.engines.native.crew import Crew
from fastgd.engines.protocol.outcomes import Standing
from fastgd.progress import Progress

LINE = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.5])
PROGRAM = """
import sys, numpy as np, fastgd as gd
line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.5])
print("begins", flush=True)
out = gd.sweep(line, gd.SGD(), {{"lr": np.linspace(0.01, 0.5, {runs})}}, tol=0, {options})
print(np.bincount(out.status.ravel() + 1, minlength=6).tolist(), int(out.iterations.max()), out.backend)
print("rich" in sys.modules)
"""


def program(runs=2000, **options):
    text = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return [sys.executable, "-c", PROGRAM.format(runs=runs, options=text)]


def counts(line):
    """By status from -1 to 4, and the most iterations."""
    numbers, rest = line.split("]")
    listed = [int(n) for n in numbers.strip("[ ").split(",")]
    return dict(zip(range(-1, 5), listed, strict=True)), int(rest.split()[0])


@pytest.fixture
def terminal():
    """What a child writes to the terminal that it takes for its own."""
    if sys.platform == "win32":
        pytest.skip("no pseudo-terminals")
    import pty  # noqa: PLC0415  (not everywhere)

    own, childs = pty.openpty()

    def read():
        os.close(childs)
        shown = b""
        while True:
            try:
                piece = os.read(own, 65536)
            except OSError:  # the other end is closed
                piece = b""
            if not piece:
                return shown.decode()
            shown += piece

    yield childs, read
    os.close(own)


def on_terminal(terminal, command):
    childs, read = terminal
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=childs, env=environment, text=True
    ) as child:
        shown = read()
        out = child.stdout.read()
    assert child.returncode == 0
    return out.splitlines(), shown


# --- the bar ----------------------------------------------------------------------------------------


def test_after_a_second_a_terminal_shows_a_bar(terminal):
    out, shown = on_terminal(terminal, program(max_iter=2**50, max_seconds=1.8))
    assert "of 2,000 runs done" in shown
    assert "512 running" in shown
    assert "0:01 left" in shown  # until the deadline
    assert shown.endswith("\x1b[2K")  # and is taken away again
    assert out[-1] == "True"


def test_without_rich_a_terminal_shows_lines(terminal):
    command = program(max_iter=2**50, max_seconds=1.8)
    command[2] = "import sys\nsys.modules['rich'] = None" + command[2]
    _, shown = on_terminal(terminal, command)
    (line,) = shown.splitlines()
    assert "of 2,000 runs done, " in line
    assert line.endswith(" left")


def test_what_is_short_shows_nothing_and_imports_nothing(terminal):
    out, shown = on_terminal(terminal, program(max_iter=100))
    assert shown == ""
    assert out[-1] == "False"


@pytest.mark.parametrize("options", [{"progress": False}, {}])
def test_without_a_terminal_or_when_told_so_it_is_silent(options, terminal):
    command = program(max_iter=2**50, max_seconds=1.3, **options)
    if options:
        out, shown = on_terminal(terminal, command)
        assert shown == ""
    else:
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ran.stderr == ""
        out = ran.stdout.splitlines()
    assert out[-1] == "False"


@pytest.mark.parametrize("stored", [False, True])
def test_the_best_so_far_is_told(stored, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    store = {"store": tmp_path / "s"} if stored else {}
    rates = np.linspace(0.01, 0.5, 20_000)
    out = gd.sweep(
        LINE, gd.SGD(), {"lr": rates}, tol=0, max_iter=2_000, progress=True, n_threads=1, **store
    )
    lines = sys.stderr.getvalue().splitlines()
    assert f", best loss {out.loss.min():.4g}, " in lines[-1]


def test_where_it_is_wanted_it_is_a_line_of_text(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    rates = np.linspace(0.01, 0.5, 2000)
    out = gd.sweep(LINE, gd.SGD(), {"lr": rates}, tol=0, max_iter=100_000, progress=True)
    (first, *_) = sys.stderr.getvalue().splitlines()
    assert first.endswith(" left")
    assert "of 2,000 runs done, " in first
    assert "0 diverged" in first
    assert (out.status == 1).all()


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_groups_add_up(backend, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    axes = {"optimizer": [gd.SGD(), gd.Momentum()], "lr": np.r_[np.linspace(0.01, 0.5, 98), 9, 9.5]}
    gd.sweep(
        LINE, gd.SGD(), axes, tol=0, max_iter=2000, progress=True, backend=backend, n_threads=1
    )
    lines = sys.stderr.getvalue().splitlines()
    assert any("of 200 runs done" in line for line in lines)
    second = [line for line in lines if int(line.split()[1]) >= 100]
    assert second  # the second group counts on from the first
    assert all(int(line.split(" diverged")[0].split()[-1]) >= 2 for line in second)


def test_progress_is_a_truth_value():
    with pytest.raises(TypeError, match="progress must be True or False"):
        gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, progress="yes")


class Clock:
    """A clock that is set by hand, in place of time.perf_counter."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


def test_a_look_before_it_is_due_asks_for_nothing(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    asked = []

    def standing():
        asked.append(clock.now)
        return Standing(ended=10, running=20, diverged=3, work=25.0)

    bar = Progress(100, show=True)
    for clock.now in (100.0, 100.9, 102.0, 105.0, 112.5):
        bar.look(standing)
    bar.close()
    bar.look(standing)
    assert asked == [102.0, 112.5]
    first, second = sys.stderr.getvalue().splitlines()
    assert first == "25%, 10 of 100 runs done, 20 running, 3 diverged, 5/s, 0:06 left"
    assert second == "25%, 10 of 100 runs done, 20 running, 3 diverged, 0.8/s, 0:38 left"


def test_the_time_left_is_never_beyond_the_deadline(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    for deadline in (107.0, float("inf")):
        bar = Progress(10**6, show=True, deadline=deadline)
        clock.now = 102.0
        bar.look(lambda: Standing(0, 10**6, 0, 0.0))
        bar.look(lambda: Standing(0, 10**6, 0, 250.0))
        clock.now = 100.0
    lines = sys.stderr.getvalue().splitlines()
    assert [line.split(", ")[-1] for line in lines] == ["0:05 left", "-:-- left"]


def test_of_one_run_updates_are_told(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    bar = Progress(1, show=True, max_iter=1000)
    clock.now = 102.0
    bar.look(lambda: Standing(0, 1, 0, 0.4, updates=400))
    assert sys.stderr.getvalue() == "40%, 400 of at most 1,000 updates, 200/s, 0:03 left\n"


def test_minimize_tells_updates_too(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    gd.minimize(LINE, optimizer=gd.SGD(lr=0.1), tol=0, max_iter=50_000, progress=True)
    first, *_ = sys.stderr.getvalue().splitlines()
    assert " of at most 50,000 updates, " in first
    with pytest.raises(TypeError, match="progress must be True or False"):
        gd.minimize(LINE, progress=3)


def test_hours_are_told():
    assert Progress(1)._left(7325.0) == "2:02:05 left"


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_a_missing_or_closed_stream_is_no_terminal(stream):
    if stream is not None:
        stream.close()
    assert not progress._is_terminal(stream)


def test_in_a_thread_it_is_silent_by_itself(monkeypatch):
    monkeypatch.setattr(progress, "_is_terminal", lambda stream: True)
    assert progress._has_reader()
    with ThreadPoolExecutor(1) as other:
        assert not other.submit(progress._has_reader).result()


# --- Ctrl-C and the time limit ----------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a single process")
@pytest.mark.parametrize("backend", ["auto", "numba", "numpy"])
def test_ctrl_c_returns_what_is_finished(backend):
    # Two runs of 2,000 diverge at once; of the others the first blocks are under way.
    command = program(max_iter=2**50, backend=backend, n_threads=2)
    command[2] = command[2].replace(
        "np.linspace(0.01, 0.5, 2000)", "np.r_[8, 9, np.linspace(0.01, 0.5, 1998)]"
    )
    warm = f'gd.sweep(line, gd.SGD(), {{"lr": [0.1]}}, backend={backend!r})  # Numba compiles'
    command[2] = command[2].replace('print("begins"', f'{warm}\nprint("begins"')
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "begins\n"
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        out, error = child.communicate(timeout=120)
    assert (child.returncode, error) == (0, "")
    by_status, most = counts(out.splitlines()[0])
    assert by_status[2] == 2
    blocks = (1998,) if backend == "numpy" else (510, 254)  # the second thread may come late
    assert by_status[4] in blocks
    assert by_status[-1] == 1998 - by_status[4]
    assert most > 100


LONG_UPDATES = """
import numpy as np, fastgd as gd
rng = np.random.default_rng(0)
X = rng.normal(size=(200_000, 10))
rows = gd.LeastSquares(X, X.sum(axis=1), statistics=False)
gd.sweep(rows, gd.SGD(), {"lr": [1e-5] * 64}, max_iter=1, tol=0)  # compiles
print("begins", flush=True)
out = gd.sweep(rows, gd.SGD(), {"lr": [1e-5] * 64}, max_iter=10**9, tol=0, n_threads=1)
print(out.status.tolist() == [4] * 64, out.iterations.max())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a single process")
def test_ctrl_c_is_answered_within_a_window_where_updates_take_long():
    command = [sys.executable, "-c", LONG_UPDATES]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "begins\n"
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=120)
    ended, updates = out.split()
    assert ended == "True"
    assert int(updates) < 64  # a window's are far from done


@pytest.mark.parametrize("slice_", [1, 3, 63])
def test_where_a_window_is_cut_changes_no_bit(slice_, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=50)
    decay = gd.schedules.cosine(peak=0.1, total=500)
    sweeps = [
        (gd.LeastSquares(X, y), gd.Adam(), np.geomspace(1e-3, 3, 70)),
        (gd.LeastSquares(X, y), gd.Momentum(), [decay, 0.05, 9.0]),
        (gd.LeastSquares(X, y, statistics=False), gd.SGD(), np.geomspace(1e-3, 3, 70)),
        (gd.LeastSquares(X, y, batch_size=8), gd.Adam(), np.geomspace(1e-3, 3, 70)),
    ]

    def found():
        outs = [gd.sweep(p, o, {"lr": lr}, max_iter=1003, tol=1e-6) for p, o, lr in sweeps]
        return [(o.x.tobytes(), o.iterations.tolist(), o.regime.tolist()) for o in outs]

    whole = found()
    monkeypatch.setattr(crew, "paced_updates", lambda updates, took: slice_)
    monkeypatch.setattr(Crew, "_first_slice", lambda crew: slice_)
    assert found() == whole


def test_the_time_limit_ends_runs_under_way():
    rates = np.linspace(0.01, 0.5, 2000)
    start = time.perf_counter()
    out = gd.sweep(
        LINE, gd.SGD(), {"lr": rates}, tol=0, max_iter=2**50, max_seconds=0.3, n_threads=2
    )
    assert time.perf_counter() - start < 3.0
    ended = np.count_nonzero(out.status == 3)
    assert ended in (512, 256)  # the second thread may come late
    assert np.count_nonzero(out.status == -1) == 2000 - ended


# --- trainings and notebooks --------------------------------------------------------------------------


def training(**options):
    x = np.linspace(-1, 1, 256)
    net = gd.MLP([1, 8, 1], loss="mse", rng=0)
    return net.fit(x[:, None], x**2, epochs=300, **options)


def test_a_training_tells_epochs_and_loss_and_has_the_same_bits(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    shown = training(progress=True)
    line = sys.stderr.getvalue().splitlines()[-1]
    assert "of at most 2,400 updates" in line
    assert "epoch " in line
    assert "loss " in line
    silent = training(progress=False)
    assert all(np.array_equal(a, b) for a, b in zip(shown.params, silent.params, strict=True))
    with pytest.raises(TypeError, match="progress must be"):
        training(progress="yes")


def test_in_a_notebook_the_browsers_bar_is_redrawn_in_place(monkeypatch):
    from types import ModuleType, SimpleNamespace  # noqa: PLC0415

    pages = []
    place = SimpleNamespace(update=pages.append)
    ipython, shown = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())
    shown.HTML, shown.display = str, lambda _, display_id: place
    for name, module in {"IPython": ipython, "IPython.display": shown, "ipykernel": sys}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "REDRAW_PAGE", 0.0)
    training()
    assert pages[0].startswith("<progress value=")
    assert "epoch " in pages[0]
    assert pages[-1] == ""
