"""Writers that are killed at random moments: `python kills.py KIND ROUNDS SEED` prints what the kills left, as JSON.

The process prepares two versions of a kind's files and forks; the child writes them in turn, for ever, until it is
killed at a random moment of the time that both take. After each kill every file must be one of its two versions. At the
end one more process writes, and nothing else may lie in the folder.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path

import fastgd as gd
from fastgd.cli.encoding import Encoding, Feature
from fastgd.cli.evaluation import write_rows
from fastgd.cli.files import save_figure
from fastgd.cli.model import Model, Target
from fastgd.datasets import files
from fastgd.studies.report import (
    Animation,
    Column,
    Figure,
    Origin,
    Section,
    Table,
    Text,
    write_report,
)


def sweeps():
    rates = [[i / 20_000 for i in range(k, 8000 + k)] for k in (1, 2)]
    problem = gd.LeastSquares([0.0, 1.0, 2.0], [1.0, 3.0, 5.5])
    return [gd.sweep(problem, gd.SGD(), {"lr": lr}, max_iter=20) for lr in rates]


def networks():
    return [gd.MLP([200, 300, 5], rng=seed) for seed in (1, 2)]


# Each kind returns what writes version 0 or 1 into a folder. ---------------------------------------------


def sweep_npz():
    made = sweeps()
    return lambda folder, k: made[k].save(folder / "sweep.npz")


def sweep_csv(name="sweep.csv"):
    made = sweeps()
    return lambda folder, k: made[k].to_csv(folder / name)


def sweep_csv_xz():
    return sweep_csv("sweep.csv.xz")


def network():
    made = networks()
    return lambda folder, k: made[k].save(folder / "network.npz")


def model():
    made = networks()

    def write(folder, k):
        features = tuple(Feature(f"x{k}_{i}", float(k)) for i in range(200))
        target = Target("y", tuple("abcde"))
        Model(made[k], Encoding(features), target).save(folder)

    return write


def tables():
    rows = [[(i + k, i * 0.37, f"row {i}") for i in range(20_000)] for k in (0, 1)]
    return lambda folder, k: write_rows(folder / "metrics.csv", ["a", "b", "c"], rows[k])


def figure():
    def write(folder, k):
        save_figure(folder / "loss.png", lambda ax: ax.plot([k, 1, 3]))

    return write


def report():
    def blocks(k):
        rows = [(i, i + k) for i in range(5000)]
        yield Text(f"Version {k}. " * 2000)
        yield Table("rows", "Rows", [Column("n"), Column("m")], rows, shown=False)
        yield Figure("line", "A line", lambda figure: figure.subplots().plot([k, 1, 2]), (3, 2))

        def prepare(figure):
            (line,) = figure.subplots().plot([k, 1, 2])
            return lambda frame: line.set_ydata([k, frame, 2])

        yield Animation("moves", "It moves", prepare, 3, (2.0, 2.0))

    made = [Section("study", "Study", Origin(), "none", list(blocks(k))) for k in (0, 1)]
    return lambda folder, k: write_report([made[k]], folder, f"Made {k}.")


def dataset_cache():
    content = b"1 2 3\n" * 500_000

    def fetch(url, raw, folder):
        (folder / "file").write_bytes(url.encode() + b"\n" + content)
        return folder / "file"

    files._fetch = fetch
    file = files.File("set/cells.txt", (), "", parse=lambda path: (None, b""))
    files._read = lambda *a, **k: None
    return lambda folder, k: files._download(file, f"mirror {k}", folder / file.place)


def benchmark_table():
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    table = import_module("table")
    table.from_report = lambda report, mark: str(report)
    first = f"<!-- benchmarks -->\n0\n<!-- /benchmarks -->\n{'words ' * 300_000}"

    def write(folder, k):
        readme, source = folder / "README.md", folder.with_suffix(".json")
        if not readme.exists() or "<!-- /benchmarks" not in readme.read_text():
            readme.write_text(first)
        source.write_text(str(k))
        assert table.main([str(source), str(readme)]) == 0

    return write


KINDS = {
    kind.__name__: kind
    for kind in (
        sweep_npz,
        sweep_csv,
        sweep_csv_xz,
        network,
        model,
        tables,
        figure,
        report,
        dataset_cache,
        benchmark_table,
    )
}


# --- kills ------------------------------------------------------------------------------------------------


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def forked(work):
    """A process that does this and ends."""
    process = os.fork()
    if process == 0:
        try:
            work()
        finally:
            os._exit(0)
    return process


def versions_of(write, scratch):
    """The content of both versions, and the seconds that writing them takes."""
    folders = [scratch / "one", scratch / "two"]
    for _ in range(2):  # the first time imports
        began = time.perf_counter()
        for k, folder in enumerate(folders):
            folder.mkdir(exist_ok=True)
            write(folder, k)
        took = time.perf_counter() - began
    return [contents(folder) for folder in folders], took


def kill_writers(kind, rounds, seed):
    """Counts of what was found after each kill, and of what lies there after the next start."""
    write, moment, found = KINDS[kind](), random.Random(seed), Counter()
    with tempfile.TemporaryDirectory() as scratch:
        versions, took = versions_of(write, Path(scratch))
        names, folder = set(versions[0]), Path(scratch, "killed")
        folder.mkdir()

        def write_for_ever():
            while True:
                for k in (1, 0):
                    write(folder, k)

        def write_once():
            os.waitpid(forked(lambda: write(folder, 0)), 0)

        write_once()
        for _ in range(rounds):
            writer = forked(write_for_ever)
            time.sleep(moment.uniform(0.0, took))
            os.kill(writer, signal.SIGKILL)
            os.waitpid(writer, 0)
            now = contents(folder)
            damaged = [n for n in names if now.get(n) not in [v[n] for v in versions]]
            found["kills"] += 1
            found["kills that damaged a file"] += bool(damaged)
            found["kills that left a temporary file"] += bool(set(now) - names)
            if damaged:  # the next kill finds a whole file again
                write_once()
        write_once()
        now = contents(folder)
        found["litter after the next start"] = len(set(now) - names)
        found["damaged after the next start"] = sum(now.get(n) != versions[0][n] for n in names)
    return dict(found)


if __name__ == "__main__":
    found = kill_writers(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(found))
