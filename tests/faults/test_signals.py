"""SIGTERM and SIGHUP end what is under way as Ctrl-C does, in processes of their own."""

import os
import pty
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pandas as pd
import pytest

import fastgd as gd
from fastgd import signals

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture(scope="module", autouse=True)
def hanging_up():
    """SIGHUP ends processes, also where the tests run under `nohup`, whose children ignore it."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


ENDING = [signal.SIGTERM, signal.SIGHUP]
# A program says "begins" from within the call that is to be interrupted.
START = """
    import os, signal, sys, threading, time
    import numpy as np
    import fastgd as gd
    from fastgd import signals

    said = threading.Lock()

    def begin(*_):  # however often it is called, from any thread
        if said.acquire(blocking=False):
            print("begins", flush=True)

    def begin_soon():  # once the next call is under way
        def taking(taken):
            take(taken)
            timer = threading.Timer(0.3, begin)
            timer.daemon = True
            timer.start()
        signals._take, take = taking, signals._take

    problem = gd.LeastSquares([0.0, 1.0], [1.0, 3.0])
    x = np.random.default_rng(0).normal(size=(300, 2))
    sweep = lambda n=2**50: gd.sweep(problem, gd.SGD(), {"lr": [9.0, 1e-9]}, tol=0, max_iter=n, n_threads=1)
    sweep(9)
"""
CALLS = {
    "sweep": "begin_soon(); print(sweep().status.tolist())",
    "minimize": """
    gd.minimize(problem, max_iter=9)
    begin_soon()
    run = gd.minimize(problem, optimizer=gd.SGD(lr=1e-9), tol=0, max_iter=2**50)
    print(run.status, run.nit > 9)
    """,
    "fit": """
    net = gd.MLP([2, 4, 1], loss="mse")
    net.fit(x, x[:, 0], optimizer=gd.SGD(lr=1e-3), epochs=10**9, callbacks=[begin])
    print(net.status_.label, net.steps_ > 9)
    """,
    "sweep of networks": """
    nets = gd.MLP([2, 4, 2]).problem(x, x[:, 0] > 0, batch_size=10)
    begin_soon()
    print(gd.sweep(nets, gd.SGD(), {"rng": [1, 2], "lr": [9.0], "epochs": [10**9]}).status.tolist())
    """,
    "linear estimator": """
    import warnings
    warnings.simplefilter("ignore")
    begin_soon()
    slow = gd.SGD(lr=1e-12)
    print(gd.GDRegressor(optimizer=slow, max_iter=10**9, tol=1e-300).fit(x, x[:, 0]).n_iter_ > 9)
    """,
    "estimator": """
    import warnings
    warnings.simplefilter("ignore")
    begin_soon()
    endless = {"max_iter": 10**9, "n_iter_no_change": 10**9}
    print(gd.MLPRegressor(hidden_layer_sizes=(4,), solver="sgd", **endless).fit(x, x[:, 0]).n_iter_ > 9)
    """,
}
ANSWERS = {
    "linear estimator": "True",
    "sweep": "[2, 4]",
    "minimize": "4 True",
    "fit": "interrupted True",
    "sweep of networks": "[[[4]], [[4]]]",
    "estimator": "True",
}


def started(program, **options):
    """A process that has said that it is in the call."""
    command = [sys.executable, "-c", textwrap.dedent(START) + textwrap.dedent(program)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    assert child.stdout.readline() == "begins\n", child.stderr.read()
    return child


def ended(child):
    """Exit code, output, errors. A child that does not end is killed: leaving `with` would wait for it."""
    try:
        out, error = child.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        child.kill()
        raise
    return child.returncode, out, error


# --- programs that call the library -----------------------------------------------------------------------


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("call", CALLS)
def test_a_call_returns_what_is_finished(call, number):
    with started(CALLS[call]) as child:
        child.send_signal(number)
        code, out, error = ended(child)
    assert (error, code) == ("", 0)
    assert out.replace("],", "],").split() == ANSWERS[call].split()


def test_the_next_call_ends_the_process(tmp_path):
    program = f"""
        import atexit
        atexit.register(print, "exit")
        begin_soon()
        for k in range(3):
            out = sweep()
            out.save({str(tmp_path)!r} + f"/{{k}}.npz")
            print("saved", k, signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
    """
    with started(program) as child:
        child.send_signal(signal.SIGTERM)
        assert ended(child) == (143, "saved 0 True\nexit\n", "")
    assert gd.SweepResult.load(tmp_path / "0.npz").status.tolist() == [2, 4]


def test_a_second_signal_kills():
    """A call that does not come to its end: its callback takes for ever."""
    program = """
        def stay(*_):
            while True:
                try:
                    begin()
                    time.sleep(9)
                except KeyboardInterrupt:
                    print("asked", flush=True)
        gd.minimize(problem, optimizer=gd.SGD(lr=1e-9), tol=0, callback=stay)
    """
    with started(program) as child:
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == "asked\n"
        while child.poll() is None:  # at first they count as the same request
            child.send_signal(signal.SIGTERM)
            time.sleep(0.01)
        code, _, errors = ended(child)
    assert (code, errors) == (-signal.SIGTERM, "")


@pytest.mark.skipif(not shutil.which("timeout"), reason="no timeout")
def test_timeout_sends_two():
    program = textwrap.dedent(START) + "print(sweep().status.tolist())"
    command = ["timeout", "8", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == ("[2, 4]\n", "", 124)


@pytest.mark.parametrize("own", ["SIG_IGN", "lambda *_: os._exit(7)"])
def test_what_others_decided_stays(own):
    program = f"""
        signal.signal(signal.SIGTERM, signal.{own})
        begin_soon()
        print(sweep().status.tolist())
    """.replace("signal.lambda", "lambda")
    with started(program) as child:
        child.send_signal(signal.SIGTERM)
        if own == "SIG_IGN":
            child.send_signal(signal.SIGINT)
            assert ended(child) == (0, "[2, 4]\n", "")
        else:
            assert ended(child) == (7, "", "")


def test_in_other_threads_and_afterwards_nothing_is_handled():
    program = """
        thread = threading.Thread(target=sweep)
        thread.start()
        begin()
        thread.join()
    """
    with started(program) as child:
        child.send_signal(signal.SIGTERM)
        assert ended(child) == (-signal.SIGTERM, "", "")
    gd.minimize(gd.LeastSquares([0.0, 1.0], [1.0, 3.0]), max_iter=9)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


WORKERS = """
    import multiprocessing as mp
    context = mp.get_context("fork")
    ready = context.Event()

    def work():
        ready.set()
        sweep()
        time.sleep(1000)

    child = context.Process(target=work)
    child.start()
    assert ready.wait(60)
    child.terminate()
    child.join()
    print(child.exitcode)
"""


def test_workers_end_at_once():
    program = textwrap.dedent(START) + textwrap.dedent(WORKERS)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.stderr) == (f"{-signal.SIGTERM}\n", "")


def test_a_forked_child_ends_as_any():
    program = """
        child = 0
        def fork(*_):
            global child
            if not child:
                child = os.fork()
                if not child:
                    while True:
                        time.sleep(1)
                begin()
        gd.minimize(problem, optimizer=gd.SGD(lr=1e-9), tol=0, max_iter=2**50, callback=fork)
        os.kill(child, signal.SIGTERM)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    with started(program) as child:
        child.send_signal(signal.SIGTERM)
        assert ended(child) == (0, f"{-signal.SIGTERM}\n", "")


# --- commands ---------------------------------------------------------------------------------------------

TABLE = "x,z,y\n" + "".join(
    f"{i % 17},{i % 5},{2 * (i % 17) - i % 5 + i % 3}\n" for i in range(300)
)
COMMANDS = {
    "sweep": (
        ["--rates", "9,1e-9", "--tol", "0", "--max-iter", "1e15"],
        ["sweep.csv", "sweep.png"],
    ),
    "minimize": (["--rate", "1e-9", "--tol", "0", "--max-iter", "1e15"], ["parameters.csv"]),
    "train": (
        ["--optimizer", "sgd", "--epochs", "1000000", "--patience", "0"],
        [
            "history.csv",
            "loss.png",
            "metrics.csv",
            "network.npz",
            "predictions.csv",
            "columns.json",
        ],
    ),
    "compare": (
        ["--optimizer", "sgd,adam", "--epochs", "1000000", "--patience", "0"],
        ["comparison.csv", "history.csv", "comparison.png", "network.npz", "columns.json"],
    ),
}
# The command line, which says "begins" when the first long call has begun.
MAIN = """
import sys, threading
from fastgd import signals
from fastgd.cli.main import main
take = signals._take
def taking(taken):
    take(taken)
    if signals._requests.calls:
        timer = threading.Timer(0.5, print, ["begins"], {"flush": True})
        timer.daemon = True
        timer.start()
signals._take = taking
code = main(sys.argv[1:])
sys.exit(code)
"""


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_writes_what_is_finished(command, number, tmp_path):
    options, wanted = COMMANDS[command]
    table, out = tmp_path / "table.csv", tmp_path / "out"
    table.write_text(TABLE)
    arguments = [command, str(table), "--target", "y", *options, "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout.readline() == "begins\n", child.stderr.read()
        child.send_signal(number)
        code, _, error = ended(child)
    assert (code, error) == (128 + number, "fastgd: interrupted; this is what was finished\n")
    assert {*wanted} <= {*os.listdir(out)}
    assert not [name for name in os.listdir(out) if name.startswith(".")]
    for name in wanted:
        if name.endswith(".csv"):
            assert len(pd.read_csv(out / name))


STUDIES = """
import sys
import fastgd as gd
from fastgd import studies
from fastgd.cli.main import main
finished, endless = studies._study("worked-examples"), None
def study(name):
    def work(options):
        if name == "worked-examples":
            return finished(options)
        print("begins", flush=True)
        for _ in range(10**9):
            gd.sweep(gd.LeastSquares([0., 1.], [1., 3.]), gd.SGD(), {"lr": [1e-9]}, tol=0, max_iter=10**8)
    return work
studies._study = study
sys.exit(main(["reproduce", "worked-examples", "schedules", "--out", sys.argv[1]]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
def test_reproduce_reports_the_studies_that_are_finished(number, tmp_path):
    command = [sys.executable, "-c", STUDIES, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "begins\n", child.stderr.read()
        child.send_signal(number)
        code, out, error = ended(child)
    assert (code, error) == (128 + number, "fastgd: interrupted; this is what was finished\n")
    assert "worked-examples" in out
    report = (tmp_path / "report.md").read_text()
    assert "It was interrupted before schedules." in report


def test_before_anything_is_finished_a_command_just_ends(tmp_path):
    pipe = tmp_path / "table.csv"
    os.mkfifo(pipe)
    arguments = ["sweep", str(pipe), "--target", "y", "--rates", "0.1", "--out", str(tmp_path)]
    with (
        subprocess.Popen(
            [sys.executable, "-m", "fastgd", *arguments], stderr=subprocess.PIPE, text=True
        ) as child,
        open(pipe, "w") as table,
    ):  # it reads, and there is no more
        table.write("x,y\n")
        table.flush()
        child.send_signal(signal.SIGTERM)
        code, _, error = ended(child)
    assert (code, error) == (143, "fastgd: interrupted\n")


def test_a_terminal_that_closes(tmp_path):
    """SIGHUP comes, nothing can be printed any more, and the files are written."""
    table, out = tmp_path / "table.csv", tmp_path / "out"
    table.write_text(TABLE)
    options, wanted = COMMANDS["sweep"]
    arguments = ["sweep", str(table), "--target", "y", *options, "--out", str(out)]
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", MAIN, *arguments])
    while b"begins" not in os.read(terminal, 1000):
        pass
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 129
    assert {*wanted} <= {*os.listdir(out)}


def test_a_signal_after_the_work_lets_it_be_written():
    with signals.of_the_process() as asked:
        assert gd.minimize(gd.LeastSquares([0.0, 1.0], [1.0, 3.0]), max_iter=9).nit == 9
        signal.raise_signal(signal.SIGTERM)
        assert asked.number == signal.SIGTERM
        with pytest.raises(signals.Terminated), signals.interruptible():
            np.zeros(1)
        with signals.interruptible():  # it has been answered
            np.zeros(1)
    assert signals._requests == signals.Requests()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_other_threads_change_nothing():
    def work():
        with signals.of_the_process(), signals.undivided(), signals.interruptible():
            found.append(signal.getsignal(signal.SIGTERM))

    found = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]
