"""Files that an earlier version wrote, and what is read out of them, through the public API and the command."""

import csv
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from unchanged.bits_workloads import SIGNUM, digest

import fastgd as gd

FOLDER = Path(__file__).parent / "files"


# --- networks -----------------------------------------------------------------------------------------

INPUTS = np.random.default_rng(20).normal(size=(40, 3))
CLASSES = (INPUTS[:, 0] > 0).astype(int) + (INPUTS[:, 1] > 0.5)
VALUES = np.tanh(INPUTS[:, 0] - INPUTS[:, 2])


@dataclass(frozen=True)
class Network:
    """How a network is made and trained, and how exactly its training goes on elsewhere."""

    made: Callable[[], Any]
    optimizer: Callable[[], Any]
    targets: np.ndarray
    tolerance: float = 1e-12

    def fit(self, net: Any, steps: int) -> Any:
        return net.fit(INPUTS, self.targets, optimizer=self.optimizer(), steps=steps, batch_size=16)


def _leaky() -> gd.MLP:
    return gd.MLP(
        [3, 5, 1], activation="leaky_relu", leak=0.25, loss="huber", huber_delta=0.5, rng=8,
        dtype="float64", l1=1e-3, init="glorot",
    )  # fmt: skip


NETWORKS = {
    "network": Network(
        lambda: gd.MLP([3, 6, 4, 3], dtype="float64", rng=7), lambda: gd.Adam(lr=0.02), CLASSES
    ),
    "network-dropout": Network(
        lambda: gd.MLP([3, 8, 3], activation="tanh", dropout=0.25, l2=0.01, rng=2**70),
        lambda: gd.SGD(lr=gd.schedules.cosine(0.1, 20), momentum=0.9, nesterov=True),
        CLASSES,
        tolerance=1e-5,
    ),
    "network-huber": Network(_leaky, lambda: gd.NAdam(lr=0.01), VALUES),
    "network-untrained": Network(
        lambda: gd.MLP([3, 4, 2], loss="binary_cross_entropy", sum_outputs=True, rng=5),
        lambda: gd.AdamW(lr=0.01, groups={0: {"weight_decay": 0.5}, 3: {"lr": 0.1}}),
        np.stack([CLASSES > 0, CLASSES > 1], axis=1),
        tolerance=1e-5,
    ),
}
WRITTEN_AFTER = {"network": 8, "network-dropout": 5, "network-huber": 7, "network-untrained": 0}
MORE_STEPS = 6  # 3 are an epoch


def read_network(name: str) -> dict[str, Any]:
    """A network as it is loaded, and as it is after some more training."""
    net, case = gd.MLP.load(FOLDER / f"{name}.npz"), NETWORKS[name]
    found = {
        "shown": repr(net),
        "sizes": list(net.sizes),
        "seed": net.seed,
        "epochs": net.epochs_,
        "steps": net.steps_,
        "parameters": digest(*net.params),
        "loss": net.loss(INPUTS, case.targets),
        "score": net.score(INPUTS, case.targets),
        "gradients": [g.ravel().tolist() for g in net.loss_and_grad(INPUTS, case.targets)[1]],
        "predicted": net.predict_proba(INPUTS[:5]).tolist(),
    }
    case.fit(net, MORE_STEPS)
    after = {
        "epochs": net.epochs_,
        "steps": net.steps_,
        "parameters": [p.ravel().tolist() for p in net.params],
        "optimizer_steps": net.optimizer_.t,
    }
    return {**found, "after": after, "anew": digest(*net.reset().params)}


# --- sweeps -------------------------------------------------------------------------------------------

_LINE = gd.LeastSquares([0.0, 0.25, 0.5, 1.0], [1.0, 1.5, 2.25, 3.0])


def _networks_sweep() -> gd.SweepResult:
    net = gd.MLP([3, 4, 3], rng=3)
    problem = net.problem(INPUTS, CLASSES, batch_size=16)
    axes = {"lr": [0.01, 0.1], "hidden": [(4,), (3, 3)], "epochs": [2, 4]}
    return gd.sweep(problem, gd.Adam(), axes, n_threads=1)


def _recorded_sweep() -> gd.SweepResult:
    problem = gd.MLP([3, 2, 1], loss="mse", rng=3).problem(INPUTS, VALUES, batch_size=16)
    axes = {"lr": [0.01, 1e9], "layers.0.lr": [0.1, 0.2]}
    return gd.sweep(problem, gd.SGD(), axes, max_iter=12, keep="params", record=4, n_threads=1)


SWEEPS: dict[str, Callable[[], gd.SweepResult]] = {
    "sweep": lambda: gd.sweep(
        _LINE, gd.SGD(), {"lr": [0.1, 0.5, 1.0, 2.0, 30.0], "momentum": [0.0, 0.5]}, max_iter=90
    ),
    "sweep-axes": lambda: gd.sweep(
        gd.functions.rosenbrock(), gd.Adam(),
        {
            "x0": [[-1.0, 1.0], [0.5, 0.5]],
            "amsgrad": [False, True],
            "convention": ["torch", "keras"],
            "lr": [0.05, gd.schedules.linear(0.5, 0.01, 20)],
        },
        dtype="float32", max_iter=40,
    ),
    "sweep-sampled": lambda: gd.sweep(
        _LINE, gd.Momentum(),
        gd.sample_axes({"lr": [0.1, 0.2, 0.4, 0.8], "momentum": [0.0, 0.5]}, 6, rng=1),
    ),
    "sweep-networks": _networks_sweep,
    "sweep-recorded": _recorded_sweep,  # in the second format
}  # fmt: skip
SWEEP_ARRAYS = ("iterations", "status", "regime", "loss", "slope", "x", "metric", "history")
SWEEP_VALUES = (
    "shape", "parameter_names", "seconds", "backend", "problem", "optimizer", "dtype", "tol", "max_iter",
    "vector_width", "paired", "metric_name",
)  # fmt: skip


def read_sweep(name: str) -> dict[str, Any]:
    out = gd.SweepResult.load(FOLDER / f"{name}.npz")
    best = out.best()
    found = {f: getattr(out, f) for f in SWEEP_VALUES}
    for name_of_array in SWEEP_ARRAYS:
        array = getattr(out, name_of_array)
        found[name_of_array] = None if array is None else array.tolist()
    found |= {"axes": out.axes, "best": [best.index, best.axes, best.loss, best.status.label]}
    return {**found, "shown": repr(out), "columns": list(out.to_pandas())}


# --- optimizers' states -------------------------------------------------------------------------------

STATES: dict[str, Callable[[], Any]] = {
    "state-adam": lambda: gd.Adam(
        lr=gd.schedules.step(0.1, 4, 0.5), amsgrad=True, clip_norm=2.0,
        groups={"b": {"weight_decay": 0.1, "betas": (0.5, 0.9)}},
    ),
    "state-nadam": lambda: gd.NAdam(lr=0.01),  # it carries a product from step to step
    "state-rprop": gd.Rprop,
    "state-rmsprop": lambda: gd.RMSprop(centered=True, momentum=0.9, convention="keras"),
    "state-own-rule": lambda: SIGNUM(beta=0.75),
    "state-no-steps": gd.Lion,
}  # fmt: skip
WRITTEN_STEPS = 5


def drawn(seed: int) -> dict[str, Any]:
    """Arrays of both precisions, some in a list."""
    rng = np.random.default_rng(seed)
    return {
        "w": [rng.normal(size=(3, 4)), rng.normal(size=5).astype(np.float32)],
        "b": rng.normal(size=2),
    }


def steps(optimizer: Any, count: int, seed: int) -> dict[str, Any]:
    params = drawn(30)
    for k in range(count):
        optimizer.step(params, drawn(seed + k))
    return params


def read_state(name: str) -> dict[str, Any]:
    """What goes on from a state, as bits: steps have no products that could be fused."""
    optimizer = STATES[name]()
    with np.load(FOLDER / f"{name}.npz") as state:
        optimizer.load_state_dict(state)
    found = {"t": optimizer.t, "lr": optimizer.lr}
    params = steps(optimizer, 4, seed=60)
    state = optimizer.state_dict()
    del state["hyperparameters"]  # the digests were made without
    return found | {
        "t_after": optimizer.t,
        "params": digest(*params["w"], params["b"]),
        "names": sorted(state),
        "state": digest(*(state[key] for key in sorted(state))),
    }


# --- what `fastgd train` leaves -----------------------------------------------------------------------

TRAINED = {"trained-classes": "size", "trained-values": "price"}


def command(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fastgd", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def read_trained(name: str, out: Path) -> list[dict[str, Any]]:
    """Predictions of `fastgd predict` by a folder that `fastgd train` wrote."""
    command("predict", str(FOLDER / name), str(FOLDER / "rows.csv"), "--out", str(out))
    with out.open(newline="", encoding="utf-8") as stream:
        return [{k: _number(v) for k, v in row.items()} for row in csv.DictReader(stream)]


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
