"""Each benchmarked pair computes the same thing; the table shows what was measured. No time is asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import comparison
import pytest
import table
from comparison import Candidate, interleaved, summary

ROOT = Path(__file__).parent.parent
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*/bench_*.py"))
FOLDERS = [
    *map(str, {file.parent: None for file in BENCHMARKS}),
    str(ROOT / "benchmarks"),
    str(ROOT / "tests"),
]


def in_new_process(program):
    """What the program prints, from a process in which the peers may be imported."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(FOLDERS), "FASTGD_BENCH_QUICK": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- pairs ----------------------------------------------------------------------------------------


PAIRS = """
import json
import numpy as np
import bench_network, bench_schedules, bench_step, bench_subnormals, bench_sweep, bench_training, network_data
import bench_layouts, bench_network_sweep, bench_predict, bench_short_runs
from fastgd.engines.config import get_num_threads
found = {"steps": {}, "sweeps": {}, "short sweeps": {}}
for id, dtype in {(row.values[0], row.values[2]) for row in bench_step.workloads()}:
    setup = bench_step.Setup(bench_step.BY_ID[id], (1_000, 7), dtype, get_num_threads())
    found["steps"][f"{id}, {dtype}"] = setup.disagreement()
for rule in bench_sweep.RULES:
    found["sweeps"][rule] = bench_sweep.disagreement(rule)
    found["short sweeps"][rule] = bench_short_runs.disagreement(rule, 1_000, 50)
found["subnormals"] = bench_subnormals.disagreement()
found["schedules"] = bench_schedules.disagreement()
found["layouts"] = {w.name: bench_layouts.disagreement(w) for w in bench_layouts.WORKLOADS}

data, sizes = network_data.dense(inputs=30, rows=200), (30, 16, 12, 10)
found["networks"] = {
    f"batch {batch}": bench_network.Setup(data, batch, steps=3, sizes=sizes).disagreement()
    for batch in (1, 32)
}
for rule in bench_network.RULES:
    only = ("fastgd", "PyTorch", "JAX")
    setup = bench_network.Setup(data, 32, steps=3, rule=rule, sizes=sizes, only=only)
    found["networks"][rule] = setup.disagreement()
found["sweeps of networks"] = {
    w.name: bench_network_sweep.disagreement(w) for w in bench_network_sweep.WORKLOADS
}
found["predictions"] = bench_predict.disagreement()
found["defaults"] = bench_network.defaults_disagreement()

rng, labels = np.random.default_rng(0), np.repeat(np.arange(10, dtype=np.int32), 60)
x = rng.standard_normal((600, 784), np.float32) / 8 + np.eye(10, 784, dtype=np.float32)[labels]
data = network_data.Data("drawn", x, labels, x[::4], labels[::4])
options = {"batch": 64, "looks": 2}
for name, more in {"whole": {"epochs": 2}, "early": {"epochs": 50, "goal": 0.5}}.items():
    course = bench_training.course(data, **options, **more)
    runs = bench_training.courses(course, sklearn=name == "early")[0]
    found[name] = {library: run() for library, run in runs.items()}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def differences():
    return json.loads(in_new_process(PAIRS).splitlines()[-1])


def test_steps_agree(differences):
    for workload, found in differences["steps"].items():
        assert found["fastgd"] == found["NumPy reference"] == 0, workload
        assert max(found.values()) <= 1, (workload, found)


def test_short_sweeps_agree(differences):
    for rule, found in differences["short sweeps"].items():
        assert {"NumPy, in chunks", "NumPy, all rates at once"} <= set(found)
        assert max(found.values()) < 1e-9, (rule, found)


def test_sweeps_agree(differences):
    for rule, found in differences["sweeps"].items():
        assert found["cython"] == found["numba"] == 0, rule
        assert max(found.values()) < 1e-9, (rule, found)


def test_sweeps_of_networks_agree(differences):
    for name, found in differences["sweeps of networks"].items():
        assert "NumPy, batched" in found
        assert max(found.values()) < 1e-3, (name, found)


def test_others_agree(differences):
    assert differences["subnormals"]["fastgd"] == 0
    assert max(differences["subnormals"].values()) < 1e-6
    assert max(differences["schedules"].values(), default=0) < 1e-5


def test_networks_agree(differences):
    found = differences["networks"]
    assert differences["defaults"] < 1e-8
    assert {"fastgd", "fastgd 1 thread", "NumPy, 1 thread"} <= set(found["batch 32"])
    for workload, differing in found.items():
        assert max(differing.values()) < 1e-4, (workload, differing)


def test_predictions_agree(differences):
    assert {"scikit-learn, float32", "scikit-learn, float64"} <= set(differences["predictions"])
    assert max(differences["predictions"].values()) < 1e-5


def test_whole_trainings_end_alike(differences):
    whole, early = differences["whole"], differences["early"]
    assert max(whole.values()) - min(whole.values()) < 0.02, whole
    assert min(early.values()) >= 0.5, early
    assert max(early.values()) < 1, early  # they stop there


def test_limits_of_a_network_are_its_own_products():
    import machine  # noqa: PLC0415

    sizes = (7, 5, 4, 3)
    assert machine.step_operations(sizes, 2) == 2 * 2 * (3 * (35 + 20 + 12) - 35)
    machine.step_products(sizes, 5, n_threads=2, repeats=2)()


def test_collecting_the_benchmarks_imports_no_peer():
    names = [file.stem for file in BENCHMARKS]
    assert len(names) >= 12
    heavy = "torch", "jax", "optax", "numba"
    program = f"import sys, {', '.join(names)}; print([m for m in {heavy} if m in sys.modules])"
    assert in_new_process(program).strip() == "[]"


# --- measuring ------------------------------------------------------------------------------------


def test_candidates_take_turns(monkeypatch):
    order = []
    monkeypatch.setattr(comparison, "TURN", 0.0)
    candidates = {name: Candidate(lambda name=name: order.append(name)) for name in "abc"}
    interleaved(candidates, 4)
    assert order[-12:] == list("abc") * 4
    assert [len(c.times) for c in candidates.values()] == [4] * 3


def test_times_are_per_unit_of_work():
    once, thousand = Candidate(lambda: sum(range(2000))), Candidate(lambda: sum(range(2000)), 1000)
    interleaved({"once": once, "thousand": thousand}, 3)
    assert min(once.times) > 20 * max(thousand.times)


def test_ratios_are_medians_over_rounds_not_ratios_of_medians():
    ours, peer, bound = (Candidate(int) for _ in range(3))
    ours.times, peer.times, bound.times = [1.0, 10.0, 2.0], [3.0, 30.0, 4.0], [0.5, 5.0, 2.0]
    found = summary({"fastgd": ours, "peer": peer, "limit: memory": bound})
    assert (found["median"], found["best"]) == (2.0, 1.0)
    assert found["peers"]["peer"]["ratio"] == 3.0
    assert list(found["peers"]) == ["peer"]
    assert found["limits"]["memory"]["ratio"] == 0.5


def test_a_missing_peer_is_named():
    import peers  # noqa: PLC0415

    assert peers.missing("json") == ""
    assert peers.missing("json", "no_such_thing") == "no_such_thing not installed"


# --- the table --------------------------------------------------------------------------------------


def record(workload="Adam, 1 k", median=1e-6, **changes):
    peers = {
        "torch foreach": {"ratio": 9.0, "median": 9e-6},
        "torch fused": {"ratio": 7.24, "median": 7e-6},
        "NumPy reference": {"ratio": 12.6, "median": 1e-5},
    }
    base = {"table": "One step", "workload": workload, "threads": 2, "unit": "step"}
    base |= {"median": median, "name": "fastgd", "peers": peers, "limits": {}, "skipped": {}}
    return {**base, "headline": True, **changes}


def test_ratios_first_times_second_and_the_best_form_by_name():
    text = table.tables([record()])
    assert "| Adam, 1 k | 2 | 7.2 (fused) | 13 | 1.0 µs |" in text
    assert "|  | threads | PyTorch | NumPy | fastgd |" in text


def test_share_of_the_machines_limit():
    limits = {"memory": {"ratio": 0.974, "median": 3e-3}}
    text = table.tables([record(), record("Adam, 10 M", 3.3e-3, limits=limits)])
    assert "| of the memory's limit |" in text
    assert "| 97% | 3.3 ms |" in text
    assert "|  | 1.0 µs |" in text  # where no limit was measured


def test_a_network_shows_threads_limits_operations_and_accuracy():
    limits = {"products": {"ratio": 0.9}, "multiply-adds": {"ratio": 0.81}}
    peers = {"JAX scan": {"ratio": 1.3}, "NumPy, 1 thread": {"ratio": 2.04}}
    row = record("batch 256", 4e-3, table="Training", peers=peers, limits=limits, operations=6e8)
    text = table.tables([row])
    assert "| JAX | NumPy | of the products alone | of the multiply-add peak | operations |" in text
    assert "| 1.3 | 2.0 (1 thread) | 90% | 81% | 150 Gflop/s | 4.0 ms |" in text
    accuracy = {"fastgd": 0.9791, "torch 2 threads": 0.9783}
    peers = {"torch 2 threads": {"ratio": 1.5}}
    row = record("20 epochs", 9.0, table="Whole trainings", unit="training", peers=peers)
    assert "| 1.5 (2 threads), 97.8% | 9.0 s, 97.9% |" in table.tables(
        [{**row, "accuracy": accuracy}]
    )


def test_other_optimizers_stand_beside_sgd():
    peers = {"Adam": {"ratio": 1.08}}
    row = record("PyTorch", 4e-3, table="Optimizers of a network", name="SGD", peers=peers)
    text = table.tables([row])
    assert "|  | threads | Adam | SGD |" in text
    assert "| PyTorch | 2 | 1.1 | 4.0 ms |" in text


def test_what_was_left_out_is_named():
    text = table.tables([record(skipped={"torch": "torch not installed"})])
    assert "Left out: torch: torch not installed." in text


def test_numbers_of_runs_stand_in_order():
    peers = {f"{n:,} runs": {"ratio": r, "median": r} for n, r in ((10, 4.2), (10**6, 1.1))}
    row = record("SGD", 2.5e-10, table="Number of runs", unit="iteration", peers=peers)
    text = table.tables([{**row, "name": "1,000 runs"}])
    assert "|  | 10 runs | 1,000 runs | 1,000,000 runs | at 1,000 |" in text
    assert "| SGD | 4.2 | 1.0 | 1.1 | 4.0 G iterations/s |" in text


def report(*records):
    machine = {"versions": {"numpy": "2.4"}, "cpu": {"brand_raw": "Some CPU", "count": 2}}
    machine |= {"system": "Linux", "kernels": "v4, vectors of 512 bits"}
    benchmarks = [{"extra_info": r} for r in records]
    return {"benchmarks": benchmarks, "machine_info": machine, "datetime": "2026-01-02T03:04:05"}


def test_report_names_machine_and_versions_and_keeps_to_the_headlines():
    text = table.from_report(report(record(), record("SGD, 1 k", headline=False)))
    assert text.endswith(
        "Some CPU, 2 cores, Linux, kernels for v4, vectors of 512 bits; numpy 2.4; 2026-01-02."
    )
    assert "SGD" not in text


def test_the_chosen_rows_are_one_table():
    peers = {"torch fused": {"ratio": 3.4}, "torch foreach": {"ratio": 5.0}, "JAX": {"ratio": 7.9}}
    rows = [record(work, table=name, peers=peers) for name, work, _ in table.CHOSEN]
    text = table.from_report(report(*rows), table.CHOSEN_MARK)
    assert "|  | PyTorch | JAX, optax | scikit-learn | NumPy | fastgd |" in text
    assert f"| {table.CHOSEN[0][2]} | 3.4 | 7.9 |  |  |" in text
    assert text.count("\n| ") == len(table.CHOSEN) + 1
    with pytest.raises(ValueError, match="lacks Adam, 100 k"):
        table.from_report(report(*rows[1:]), table.CHOSEN_MARK)


def test_rows_in_which_another_library_is_ahead_stand_first():
    behind = record("Adam, 10 M", peers={"torch fused": {"ratio": 0.8}, "optax": {"ratio": 2.0}})
    further = record("sweep", table="Sweep", peers={"JAX": {"ratio": 0.62}}, headline=False)
    own = record("small", peers={"fastgd 1 thread": {"ratio": 0.5}, "optax": {"ratio": 0.97}})
    text = table.from_report(report(behind, further, own))
    assert text.startswith("**Where another library is ahead.**")
    rows = [
        "| Sweep | sweep | 2 | JAX | 0.62 |",
        "| One step | Adam, 10 M | 2 | torch fused | 0.80 |",
    ]
    assert "\n".join(rows) in text
    assert "ahead" not in table.from_report(report(record(), own))


START, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


@pytest.mark.parametrize("mark", ["benchmarks", "benchmarks of networks"])
def test_script_replaces_what_is_between_the_markers(tmp_path, mark):
    source, target = tmp_path / "report.json", tmp_path / "README.md"
    source.write_text(json.dumps(report(record())))
    start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    arguments = [str(source), str(target), *([mark] if mark != "benchmarks" else [])]
    target.write_text(f"before\n{start}\nold\n{end}\nafter\n")
    assert table.main(arguments) == 0
    first = target.read_text()
    assert first.startswith(f"before\n{start}\n**One step.**")
    assert first.endswith(f"{end}\nafter\n")
    assert "old" not in first
    assert table.main(arguments) == 0
    assert target.read_text() == first  # once more changes nothing


@pytest.mark.parametrize("text", ["", START, f"{END} {START}", START * 2])
def test_without_markers_nothing_is_written(tmp_path, capsys, text):
    source, target = tmp_path / "report.json", tmp_path / "README.md"
    source.write_text(json.dumps(report(record())))
    target.write_text(text)
    assert table.main([str(source), str(target)]) == 2
    assert target.read_text() == text
    assert "benchmarks" in capsys.readouterr().err


def test_other_reports_are_refused(tmp_path, capsys):
    target = tmp_path / "README.md"
    target.write_text(f"{START}\n{END}")
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"benchmarks": [], "machine_info": {}, "datetime": ""}))
    for name, message in ((other, "no benchmark"), (tmp_path / "none.json", "none.json")):
        assert table.main([str(name), str(target)]) == 2
        assert message in capsys.readouterr().err
    assert table.main([]) == 2
