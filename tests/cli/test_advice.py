"""`fastgd minimize` with its defaults: it converges, or says in one line what to do, and that helps."""

import re

import numpy as np
import pytest
from cli.commands import said, write

RNG = np.random.default_rng(0)
INCOME, AGE = RNG.normal(5e4, 1.5e4, 200), RNG.normal(40, 10, 200)
U, V = RNG.uniform(size=(2, 200))
NOISE = RNG.normal(size=200)
SPENT = {"income": INCOME, "age": AGE, "y": INCOME / 1e3 + AGE + NOISE}
BOUGHT = {**SPENT, "y": np.where(SPENT["y"] + 20 * NOISE > 90, "yes", "no")}
ALIKE = {"u": U, "v": U + 0.01 * V, "y": U + V + NOISE}
KINDS = {"u": U, "v": U + 0.1 * V, "y": np.array(list("abc"))[RNG.integers(0, 3, 200)]}


def minimized(path, more, capsys):
    lines = said(["minimize", path, "--target", "y", *more], capsys)
    return lines, re.search(r"(not )?converged after ([\d,]+) iterations", lines[1])


@pytest.mark.parametrize(
    "table",
    [
        {"u": U, "v": V, "w": U + V, "y": 3 * U + NOISE},
        {**{f"c{k}": RNG.normal(size=10) for k in range(30)}, "y": RNG.normal(size=10)},
    ],
    ids=["collinear", "wide"],
)
def test_the_default_rate_does_without_full_rank(table, tmp_path, capsys):
    lines, ended = minimized(write(tmp_path / "a.csv", table), [], capsys)
    assert not ended[1]
    X = np.column_stack([np.ones(len(table["y"])), *list(table.values())[:-1]])
    rest = table["y"] - X @ np.linalg.lstsq(X, table["y"])[0]
    exact = 1 - rest @ rest / np.sum((table["y"] - table["y"].mean()) ** 2)
    assert lines[-1].endswith(f"R² {exact:.4f}")


@pytest.mark.parametrize(
    ("table", "more"),
    [
        (SPENT, ["--scale", "none"]),
        (BOUGHT, ["--scale", "none"]),
        (ALIKE, ["--max-iter", "10000"]),
        (ALIKE, ["--optimizer", "adam"]),
        (ALIKE, ["--rate", "1e-5", "--scale", "standard"]),
        (KINDS, ["--max-iter", "1000"]),
        ({"x": 1e6 + NOISE, "y": NOISE + U}, ["--scale", "none"]),
    ],
    ids=["unscaled", "unscaled classes", "ill-conditioned", "adam", "slow", "classes", "rounded"],
)  # fmt: skip
def test_the_advice_helps(table, more, tmp_path, capsys):
    path = write(tmp_path / "a.csv", table)
    lines, ended = minimized(path, more, capsys)
    assert ended[1]
    assert "condition number" in lines[-1] or "Rounding" in lines[-1]
    tried, _, count = re.search(r"Try (--[^:]*)(: about ([\d,]+))?\.$", lines[-1]).groups()
    again = minimized(path, [*more, *tried.split()], capsys)[1]
    assert not again[1]
    if count:
        done, expected = (int(number.replace(",", "")) for number in (again[2], count))
        assert done <= 1.5 * expected + 10


def test_more_iterations_where_nothing_else_is_better(tmp_path, capsys):
    path = write(tmp_path / "a.csv", {"u": U, "v": V, "y": U + NOISE})
    lines, ended = minimized(path, ["--scale", "standard", "--max-iter", "2"], capsys)
    assert ended[1]
    tried = re.search(r"Try (--max-iter \d+)\.$", lines[-1])[1].split()
    assert not minimized(path, ["--scale", "standard", *tried], capsys)[1][1]


@pytest.mark.parametrize(
    ("table", "more", "says"),
    [
        ({"u": [0, 0.1, 0.9, 1], "y": ["no", "no", "yes", "yes"]}, ["--max-iter", "500"], "can be separated"),
        ({"u": U, "v": V, "y": 3 * U + NOISE}, ["--l1", "0.3", "--max-iter", "500"], "swing about 0"),
        ({"u": U, "y": NOISE}, ["--batch-size", "8", "--max-iter", "500"], "leave out --batch-size"),
    ],
)  # fmt: skip
def test_where_no_number_of_iterations_would_do(table, more, says, tmp_path, capsys):
    lines, ended = minimized(write(tmp_path / "a.csv", table), more, capsys)
    assert ended[1]
    assert says in lines[-1]
