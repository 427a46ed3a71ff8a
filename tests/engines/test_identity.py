"""By what a compiled function is told from all others: what is kept on disk must never serve another one."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

import fastgd as gd
from fastgd.engines.numba.identity import identity

SCALE = 2.0
TABLE = np.array([1.0, 2.0])


def made(text, **names):
    """A function from text, as a notebook defines it."""
    scope = {"np": np, "numba": numba, **names}
    exec(text, scope)
    return numba.njit(scope["fun"])


BOWL = "def fun(x, grad):\n    grad[:] = 2 * x\n    return (x**2).sum()"


def test_the_same_function_twice_is_one():
    assert identity(made(BOWL)) == identity(made(BOWL)) is not None
    assert identity(made(BOWL)) == identity(made(BOWL + "  # with a comment"))


def inner(text="def helper(z):\n    return z * z", **options):
    scope = {}
    exec(text, scope)
    return numba.njit(**options)(scope["helper"])


CALLS = "def fun(x, grad):\n    grad[:] = helper(x)\n    return k * x[0] + c[0]"
OTHERS = {
    "text": lambda: made(CALLS.replace("x[0]", "x[1]"), helper=inner(), k=1.0, c=TABLE),
    "constant": lambda: made(CALLS.replace("[0]", "[-1]"), helper=inner(), k=1.0, c=TABLE),
    "global": lambda: made(CALLS, helper=inner(), k=2.0, c=TABLE),
    "a global's type": lambda: made(CALLS, helper=inner(), k=1, c=TABLE),
    "array": lambda: made(CALLS, helper=inner(), k=1.0, c=TABLE + 1e-16 + [0, 1]),
    "an array's dtype": lambda: made(CALLS, helper=inner(), k=1.0, c=TABLE.astype(np.float32)),
    "a function's text": lambda: made(
        CALLS, helper=inner("def helper(z):\n    return z + z"), k=1.0, c=TABLE
    ),
    "a function's options": lambda: made(CALLS, helper=inner(fastmath=True), k=1.0, c=TABLE),
    "types of variables": lambda: made(
        CALLS, helper=inner(locals={"z": numba.float32}), k=1.0, c=TABLE
    ),
    "options": lambda: numba.njit(fastmath=True)(
        made(CALLS, helper=inner(), k=1.0, c=TABLE).py_func
    ),
    "a missing global": lambda: made(CALLS, helper=inner(), c=TABLE),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_function_is_told(name):
    assert identity(OTHERS[name]()) != identity(made(CALLS, helper=inner(), k=1.0, c=TABLE))


def test_variables_of_functions_around_it():
    def around(k):
        def fun(x, grad):
            grad[:] = 2 * k * x
            return k * (x**2).sum()

        return numba.njit(fun)

    assert identity(around(1.0)) == identity(around(1.0))
    assert identity(around(1.0)) != identity(around(2.0))
    deep = [identity(around_twice(k)) for k in (1.0, 1.0, 3.0)]
    assert deep[0] == deep[1] != deep[2]


def around_twice(k):
    @numba.njit
    def helper(x):
        return k * x

    @numba.njit
    def fun(x, grad):
        grad[:] = helper(x)
        return x[0]

    return fun


def test_a_function_that_calls_itself_is_not_kept():
    text = "def fun(x, grad):\n    grad[:] = x\n    return fun(x, grad) if x[0] > 1 else 0.0"
    function = made(text)
    function.py_func.__globals__["fun"] = function
    assert identity(function) is None


class Thing:
    """What no value tells."""


@pytest.mark.parametrize("value", [Thing(), [1.0], {"a": 1.0}, Thing, print, lambda x: x])
def test_what_cannot_be_told_is_not_kept(value):
    found = identity(made(CALLS, helper=inner(), k=value, c=TABLE))
    assert found is None or value is print  # which is always the same


# --- what is kept on disk ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["k", "helper", "c"])
def test_a_changed_function_is_compiled_anew(name):
    """In one cache, as two processes that run an edited script."""
    text = "def fun(x, grad):\n    grad[:] = k * helper(x) * c\n    return k * (x * x).sum()"
    others = {"k": 0.5, "helper": inner("def helper(z):\n    return 0.25 * z"), "c": TABLE / 4}
    first = {"k": 1.0, "helper": inner("def helper(z):\n    return z"), "c": TABLE}
    options = {"max_iter": 40, "tol": 0.0}
    for names in (first, {**first, name: others[name]}):
        function = made(text, **names)
        for _ in range(2):
            run = gd.minimize(function, [1.0, 2.0], gd.SGD(lr=0.1), **options)
            python = gd.minimize(function.py_func, [1.0, 2.0], gd.SGD(lr=0.1), **options)
            np.testing.assert_array_equal(run.x, python.x)
            assert run.fun == python.fun


_PROCESS = """
import sys
import numba
import numpy as np
import fastgd as gd

def around(value):
    @numba.njit
    def helper(x):
        return value * x

    helpers = (helper,)

    @numba.njit
    def fun(x, grad):
        grad[:] = helpers[0](x)
        return value

    return fun

functions = [(float(text), around(float(text))) for text in sys.argv[1:]]
for value, fun in functions:
    problem = gd.Function(fun, 1)
    run = gd.minimize(problem, [2.0], gd.SGD(lr=0.1), max_iter=1, tol=0.0)
    assert run.x[0] == 2.0 - 0.1 * (value * 2.0), (value, run.x)
    assert run.fun == value, (value, run.fun)
    assert problem.evaluate(np.array([2.0])) == (value, [2 * value])
"""


def test_functions_of_one_name_in_several_processes(tmp_path):
    """Numba counts functions from 1 in each of them, and the linker takes one of two of a name for both."""
    for values in (["3"], ["5", "3"], ["7", "5", "3"]):
        ran = subprocess.run(
            [sys.executable, "-c", _PROCESS, *values],
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "NUMBA_DEBUG_CACHE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.count("data loaded from") == len(values) - 1
    assert len(list(tmp_path.rglob("fastgd_*.py"))) == 3


_FOR_ONE_PROCESS = """
import numba
import numpy as np
import fastgd as gd

@numba.njit
def calls_itself(n):
    return 1.0 if n <= 1 else n * calls_itself(n - 1)

@numba.njit(parallel=True)
def has_threads(n):
    product = 1.0
    for k in numba.prange(n):
        product *= k + 1
    return product

@numba.njit
def goes_back(n):
    with numba.objmode(product="float64"):
        product = float(np.arange(1, n + 1).prod())
    return product

helper = {name}

@numba.njit
def fun(x, grad):
    grad[:] = 2 * x
    return (x * x).sum() * helper(4)

problem = gd.Function(fun, 2)
gd.sweep(problem, gd.SGD(), {{"lr": [0.1, 0.2]}}, x0=[1.0, 2.0], max_iter=3)
print(problem.losses(np.array([[1.0], [2.0]])))
"""


@pytest.mark.parametrize("name", ["calls_itself", "has_threads", "goes_back"])
def test_what_works_in_one_process_only_works_in_a_second_one(name, tmp_path):
    for _ in range(2):
        ran = subprocess.run(
            [sys.executable, "-c", _FOR_ONE_PROCESS.format(name=name)],
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout == "[120.]\n"
