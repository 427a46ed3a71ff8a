"""What the page of conventions says is what is computed: its code runs beside the optimizers that it names."""

import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from oracle.make_trajectories import START, gradients

import fastgd as gd

PAGE = Path(__file__).parents[1] / "docs" / "conventions.md"
if not PAGE.exists():
    pytest.skip("the pages are not here", allow_module_level=True)
SECTIONS = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
STATE = ("buf", "v", "G", "mean", "E", "m", "vmax", "cmax", "P", "u")
NUMBERS = {"mu": "momentum", "eps": "eps", "alpha": "alpha", "rho": "rho", "psi": "momentum_decay"}
CODE = re.compile(r"`([^`]+)`")
N_STEPS = 100


def formulas():
    """Every row: what starts its state, the code of a step, and the optimizers that do the same."""
    found = []
    for section in SECTIONS[:-1]:
        text, _, table = section.partition("\n| whose")
        shared = CODE.findall(text[text.find("At every step") :]) if "At every step" in text else []
        for row in re.findall(r"^\| (.+) \| (`.+`) \| (`gd.+`) \|$", table, re.MULTILINE):
            start = CODE.findall(row[0])
            for optimizer in CODE.findall(row[2]):
                step = [line for line in shared if "=" in line] + CODE.findall(row[1])
                found.append(pytest.param(start, step, optimizer, id=optimizer))
    return found


def letters(optimizer):
    """The numbers of a formula, by the page's letters."""
    given = {"mu": 0.9}
    for letter, name in NUMBERS.items():
        if hasattr(optimizer, name):
            given[letter] = getattr(optimizer, name)
    if hasattr(optimizer, "betas"):
        given["b1"], given["b2"] = optimizer.betas
    return {**given, "wd": optimizer.weight_decay}


@pytest.mark.parametrize(("start", "step", "code"), formulas())
def test_a_formula_is_what_its_optimizer_computes(start, step, code):
    optimizer = eval(code, {"gd": gd})
    ours, base = START.copy(), optimizer.lr
    names = {
        name: getattr(np, name) for name in ("sqrt", "abs", "sign", "maximum", "minimum", "sum")
    }
    names |= letters(optimizer) | {name: np.zeros_like(START) for name in STATE}
    names["p"] = START.copy()
    for line in start:
        exec(line, names)
    for t, g in enumerate(gradients()[:N_STEPS], 1):
        lr = base * (0.25 + 7 * t % 11 / 11)
        names.update(t=t, g=g.copy(), lr=lr)
        for line in step:
            exec(line, names)
        optimizer.step(ours, g, lr=lr)
        np.testing.assert_allclose(ours, names["p"], rtol=1e-12, atol=1e-12)


def defaults():
    """Every cell of the last table: library, optimizer, default values."""
    head, _, *rows = re.findall(r"^\|(.*)\|$", SECTIONS[-1], re.MULTILINE)
    columns = [names.strip().split(" and ") for names in head.split("|")[1:]]
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    return [
        (library, name, ", ".join(CODE.findall(cell)))
        for name, *given in cells
        for libraries, cell in zip(columns, given, strict=True)
        for library in libraries
        if cell and (library, name) != ("PyTorch", "Lion")
    ]


MODULES = {
    "PyTorch": "torch.optim",
    "optax": "optax",
    "Keras": "keras.optimizers",
    "fastgd": "fastgd.optimizers",
}


@pytest.mark.parametrize(("library", "name", "shown"), defaults())
def test_default_values_are_those_of_the_library(library, name, shown, monkeypatch):
    if find_spec(MODULES[library].split(".")[0]) is None:
        pytest.skip(f"{library} is not installed")
    if library == "Keras" and find_spec("torch"):
        monkeypatch.setenv("KERAS_BACKEND", "torch")
    module = import_module(MODULES[library])
    wanted = name.lower() if library == "optax" else name
    found = [
        known for known in dir(module) if known.lower() == wanted.lower() and known[0] == wanted[0]
    ]
    signature = inspect.signature(getattr(module, found[0]))
    for argument, value in eval(f"dict({shown})").items():
        assert signature.parameters[argument].default == value, argument


def test_the_page_has_every_optimizer():
    names = {code.partition("(")[0] for _, _, code in (case.values for case in formulas())}
    missing = {f"gd.{name}" for name in gd.optimizers.__all__} - names
    assert missing == {"gd.Optimizer", "gd.HeavyBall", "gd.Rprop"}
