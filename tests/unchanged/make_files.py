"""Write the folder `files`: files of this version, and `expected.json` with what is in them.

In the folder `tests`: ``python -m unchanged.make_files``. To be run by the version whose files shall be read later on.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from unchanged import files_workloads as workloads


def write_networks() -> None:
    for name, case in workloads.NETWORKS.items():
        net, steps = case.made(), workloads.WRITTEN_AFTER[name]
        if steps:
            case.fit(net, steps)
        net.save(workloads.FOLDER / f"{name}.npz")


def write_states() -> None:
    for name, made in workloads.STATES.items():
        optimizer = made()
        if name != "state-no-steps":
            workloads.steps(optimizer, workloads.WRITTEN_STEPS, seed=40)
        np.savez_compressed(workloads.FOLDER / f"{name}.npz", **optimizer.state_dict())


def write_trained(folder: Path) -> None:
    """A small table, and networks trained on it by the command; only what `fastgd predict` reads is kept."""
    rng = np.random.default_rng(12)
    lines = ["area,make,size,price"]
    for area, make in zip(rng.integers(20, 200, 48), rng.choice(["a", "b", "c"], 48), strict=True):
        price = 3.5 * area + 40 * (make == "c") + rng.integers(-20, 20)
        lines.append(f"{area},{make},{'large' if area > 100 else 'small'},{price}")
    table = workloads.FOLDER / "rows.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, target in workloads.TRAINED.items():
        command = ["train", str(table), "--target", target, "--features", "area,make"]
        command += ["--hidden", "4", "--epochs", "40", "--rate", "0.05", "--dtype", "float64"]
        workloads.command(*command, "--out", str(folder / name))
        (workloads.FOLDER / name).mkdir()
        for kept in ("network.npz", "columns.json"):
            shutil.copy(folder / name / kept, workloads.FOLDER / name / kept)


def main() -> None:
    shutil.rmtree(workloads.FOLDER, ignore_errors=True)
    workloads.FOLDER.mkdir()
    write_networks()
    write_states()
    for name, made in workloads.SWEEPS.items():
        made().save(workloads.FOLDER / f"{name}.npz")
    with tempfile.TemporaryDirectory() as folder:
        write_trained(Path(folder))
        rows = Path(folder, "predicted.csv")
        trained = {name: workloads.read_trained(name, rows) for name in workloads.TRAINED}
    expected = {
        "networks": {name: workloads.read_network(name) for name in workloads.NETWORKS},
        "sweeps": {name: workloads.read_sweep(name) for name in workloads.SWEEPS},
        "states": {name: workloads.read_state(name) for name in workloads.STATES},
        "trained": trained,
    }
    parts = []
    for kind, each in expected.items():
        lines = [f"  {json.dumps(name)}: {json.dumps(said)}" for name, said in each.items()]
        parts.append(f" {json.dumps(kind)}: {{\n" + ",\n".join(lines) + "\n }")
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    (workloads.FOLDER / "expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
