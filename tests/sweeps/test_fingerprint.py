"""What a store takes for the same: functions with all that they depend on, in this process and in another."""

import functools
import importlib
import os
import subprocess
import sys
import threading
from collections import deque

import numpy as np
import pytest

import fastgd as gd
from fastgd.sweeps.fingerprint import fingerprint

_HELPED = """
import numpy as np

SCALE = 1.0
LOCK = __import__("threading").Lock()
calls = 0

def helper(x):
    return 2 * SCALE * x

def bowl(x, grad):
    global calls
    calls += 1
    with LOCK:
        grad[:] = helper(x)
    return float(x @ x)
"""
_CLASS = """
class Bowl:
    steep = 2.0

    def __call__(self, x, grad):
        grad[:] = self.steep * x
        return float(x @ x)
"""


def made(text, name):
    """What a text defines, as if it had been typed."""
    found = {"__name__": "__main__"}
    exec(text, found)
    return found[name]


@pytest.mark.parametrize("change", [("SCALE = 1.0", "SCALE = 3.0"), ("return 2 *", "return 3 *")])
def test_a_store_is_refused_when_what_its_function_calls_or_reads_is_another(change, tmp_path):
    def ran(text):
        problem = gd.Function(made(text, "bowl"), 2)
        return gd.sweep(problem, gd.SGD(), {"lr": [0.1]}, x0=[1.0, 2.0], store=tmp_path)

    first = ran(_HELPED)
    assert ran(_HELPED).iterations == first.iterations
    with pytest.raises(ValueError, match=r"problem: .*, with other contents"):
        ran(_HELPED.replace(*change))


def test_a_class_counts_by_what_it_defines():
    first = fingerprint(made(_CLASS, "Bowl")())
    assert fingerprint(made(_CLASS, "Bowl")()) == first
    assert fingerprint(made(_CLASS.replace("2.0", "3.0"), "Bowl")()) != first
    assert fingerprint(made(_CLASS.replace("self.steep * x", "x"), "Bowl")()) != first


def test_functions_without_source_count_by_the_names_that_they_look_up():
    texts = ["lambda t: np.sin(t)", "lambda t: np.cos(t)", "lambda t: sum(k for k in range(t))"]
    first = [fingerprint(eval(text, {"np": np})) for text in texts]
    assert len(set(first)) == 3
    assert [fingerprint(eval(text, {"np": np})) for text in texts] == first


def test_the_code_in_use_counts_though_its_file_was_edited(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "edited_in_use.py"
    file.write_text("def rate(t):\n    return 0.1\n")
    rate = importlib.import_module("edited_in_use").rate
    first = fingerprint(rate)
    file.write_text("def rate(t):\n    return 0.25  # half\n")
    importlib.invalidate_caches()
    assert fingerprint(rate) == first


def test_functions_of_a_module_of_the_users_own_count(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_module.py").write_text("def helper(x):\n    return x\n")
    module = importlib.import_module("own_module")
    rate = eval("lambda t: own_module.helper(t)", {"own_module": module})
    first = fingerprint(rate)
    assert fingerprint(rate) == first
    module.helper = lambda x: 2 * x
    assert fingerprint(rate) != first


def test_what_holds_things_in_other_ways_counts():
    def one(x):
        return x

    def other(x):
        return 2 * x

    assert fingerprint(deque([1])) != fingerprint(deque([2]))
    assert fingerprint(functools.lru_cache(one)) != fingerprint(functools.lru_cache(other))


def test_functions_that_call_one_another():
    text = "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return n != 0 and even(n - 1)"
    assert fingerprint(made(text, "even")) == fingerprint(made(text, "even"))
    assert fingerprint(made(text, "even")) != fingerprint(made(text, "odd"))


def test_what_cannot_be_pickled_counts_by_its_type_where_a_function_reads_it():
    def rate(lock):
        return eval("lambda t: lock and 0.1", {"lock": lock})

    assert fingerprint(rate(threading.Lock())) == fingerprint(rate(threading.Lock()))
    assert fingerprint(rate(threading.Lock())) != fingerprint(rate(None))


def test_fingerprints_are_those_of_any_process():
    program = (
        f"exec({_HELPED!r}); exec({_CLASS!r})\n"
        "from fastgd.sweeps.fingerprint import fingerprint\n"
        "print(fingerprint([bowl, Bowl()]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "12"
    }
    assert len(found) == 1
