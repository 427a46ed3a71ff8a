"""A new optimizer touches four places: `docs/extending-optimizers.md` alone, followed in a copy of the source tree.

What is appended below is all that is written. The kernels of the instruction set in use are then built
again, and the new class must work wherever a list of optimizers matters.
"""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fastgd
from fastgd.engines.native import kernels

pytestmark = [
    pytest.mark.slow,  # it compiles all kernels of an instruction set
    pytest.mark.skipif(not kernels.available(), reason="the extensions were not built"),
]
ROOT = Path(__file__).parents[2]
RECIPE = {
    "fastgd/rules/updates.py": """

def cooled(p, g, m, lr, mu, gain, heat):
    m = mu * m + gain * g
    return p - lr * m / (heat + np.abs(m)), m
""",
    "fastgd/rules/coefficients.py": """

def cooled(t, lr, mu, heat):
    return lr, mu, 1.0 - mu, heat
""",
    "fastgd/optimizers/sign.py": """

__all__ += ["Cooled"]


class Cooled(
    Optimizer, conventions=("paper",), fields={"momentum": NONNEGATIVE, "heat": NONNEGATIVE}
):
    __slots__ = ()

    def __init__(
        self,
        lr: float | Schedule = 0.1,
        momentum: float = 0.5,
        heat: float = 2.0,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        self._set(common, lr=lr, momentum=momentum, heat=heat, weight_decay=weight_decay)

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        return formula("cooled")
""",
    "tests/cases.py": """

CASES += (_row("Cooled", "default"), _row("Cooled", "decay", lr=0.05, weight_decay=0.1))
""",
    "tests/naive.py": """

class Cooled(Naive):
    def __init__(self, lr=0.1, momentum=0.5, heat=2.0, **common):
        super().__init__(lr, **common)
        self.momentum, self.heat = momentum, heat

    def update(self, i, p, g, lr, t):
        m = self.average("m", i, self.momentum, g)
        return p - lr * m / (self.heat + abs(m))
""",
}
# Each runs in the copy, in a process of its own.
CHECKS = {
    "step": """
        from cases import BACKENDS, CASES

        rng, found = np.random.default_rng(0), {}
        start, grads = rng.standard_normal(40), rng.standard_normal((5, 40))
        for case in (c for c in CASES if c.optimizer == "Cooled"):
            naive, expected = case.make_naive(), start.tolist()
            for g in grads:
                naive.step(expected, g.tolist())
            for backend in BACKENDS:
                found[backend], optimizer = start.copy(), case.make(backend=backend)
                for g in grads:
                    optimizer.step(found[backend], g)
                np.testing.assert_allclose(found[backend], expected, rtol=1e-12)
            assert found["numpy"].tobytes() == found["cython"].tobytes() == found["numba"].tobytes()
    """,
    "sweep": """
        problem, axes = gd.Quadratic(np.diag([1.0, 0.1])), {"lr": [0.1, 0.2], "heat": [0.5, 1.0]}
        found = [
            gd.sweep(problem, gd.Cooled(), axes, x0=[1.0, 1.0], max_iter=50, tol=0.0, backend=backend)
            for backend in ("numpy", "numba", "auto")
        ]
        assert len({result.x.tobytes() for result in found}) == 1
    """,
    "GPU": """
        import ast

        from fastgd.engines.cuda import source
        from fastgd.engines.registry import COEFFICIENTS, RULES

        assert "np.mul(lr, m)" in source.rule_text(RULES["cooled"])
        ast.parse(source.rule_text(RULES["cooled"]))
    """,
    "network": """
        X = np.linspace(-1, 1, 60)[:, None]
        for backend in ("numpy", "cython", "numba"):
            net = gd.MLP([1, 8, 1], activation="tanh", loss="mse", rng=0, backend=backend)
            history = net.fit(X, X[:, 0], optimizer=gd.Cooled(), epochs=5).history_
            assert history.loss[-1] < history.loss[0]
    """,
    "estimators": """
        X = np.linspace(-1, 1, 60)[:, None]
        linear = gd.GDRegressor(optimizer="cooled", learning_rate=0.1, max_iter=500)
        assert linear.fit(X, X[:, 0]).score(X, X[:, 0]) > 0.9
        assert type(linear._optimizer).__name__ == "Cooled"
        options = {"learning_rate_init": 0.1, "random_state": 0, "max_iter": 200}
        net = gd.MLPRegressor(hidden_layer_sizes=(8,), solver="cooled", **options)
        assert net.fit(X, X[:, 0]).score(X, X[:, 0]) > 0.9
    """,
    "command line": """
        from fastgd.cli.main import main

        with open("line.csv", "w") as file:
            print("x,y", *(f"{k},{2 * k}" for k in range(20)), sep=chr(10), file=file)
        assert main("sweep line.csv --target y --rates 0.1,0.2 --optimizer cooled".split()) == 0
    """,
    "benchmarks": """
        import bench_step

        assert "Cooled-default" in bench_step.OPTIMIZERS
        assert any(row.values[0] == "Cooled-default" for row in bench_step.workloads())
    """,
    "names": """
        from fastgd import optimizers

        assert "Cooled" in optimizers.NAMES and "Cooled" in dir(gd)
        assert optimizers.__all__[0] == "Optimizer"
    """,
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A source tree with one more optimizer, its kernels built."""
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("recipe")
    shutil.copytree(Path(fastgd.__file__).parent, folder / "fastgd")
    for name in ("tests", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for path, text in RECIPE.items():
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write(text)
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    run(folder, command, FASTGD_ONLY=f"kernels_{kernels.target()}")
    return folder


def run(folder, command, **environment):
    paths = [str(folder / name) for name in ("", "tests", "benchmarks", "benchmarks/optimizers")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("where", CHECKS)
def test_one_more_optimizer(copy, where):
    lines = ["import numpy as np", "import fastgd as gd", textwrap.dedent(CHECKS[where])]
    run(copy, [sys.executable, "-c", chr(10).join(lines)])
