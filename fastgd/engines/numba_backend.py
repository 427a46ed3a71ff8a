"""Update loops and coefficient functions compiled by Numba, under the library's ABI.

For a user's rule, which no kernel module holds, and for the shipped rules where there is no
compiled core. The compiler reads a small generated module that lies in the cache folder under its
content's hash: so Numba's on-disk cache works for rules written in a notebook too, and a second
process starts without compiling. Where the folder cannot be written, the same text is compiled in
memory, which costs time and nothing else.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
import warnings
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from fastgd.engines.codegen import CoefficientFunction, Rule
from fastgd.engines.registry import PREPARE
from fastgd.engines.user_rules import UserCoefficients, UserRule
from fastgd.engines.vocabulary import bound, numba_vocabulary

TYPES = {"f": "float32", "d": "float64"}
_LOCK = threading.RLock()  # Numba compiles under a lock of its own; ours keeps work from doubling

HEADER = '''\
"""Written by fastgd.engines.numba_backend; safe to delete."""
import math

from numba import carray, cfunc, njit, types

from fastgd.engines.vocabulary import numba_vocabulary

np = numba_vocabulary()
'''
_WHAT_TEXT_NEEDS = (
    "engines/vocabulary.py", "rules/elementary.py", "engines/numba_backend.py", "engines/cuda/vocabulary.py",
    "engines/cuda/memory.py", "engines/cuda/source.py",
)  # fmt: skip
_OPTIONS = 'error_model="numpy", fastmath=False'
_SIGNATURE = (
    "types.void(types.CPointer(types.CPointer(types.{real})), types.CPointer(types.{real}), "
    "types.intp, types.intp)"
)
_COEFFICIENT_SIGNATURE = (
    "types.void(types.double, types.CPointer(types.double), types.CPointer(types.double), "
    "types.CPointer(types.double))"
)


def missing() -> str | None:
    """Why Numba cannot be used, or None."""
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    return None


# --- what others build on: functions as text, text as a module --------------------------------------


def rule_text(rule: Rule, name: str = "rule") -> str | None:
    """A rule as text that Numba can read after `HEADER`; None where its source cannot be had."""
    if isinstance(rule, UserRule):
        text = rule.text
        if text is None:
            return None
        return f"@njit({_OPTIONS})\n{text.replace('def rule(', f'def {name}(', 1)}\n"
    definition = ast.unparse(rule._definition)
    return f"@njit({_OPTIONS})\n{definition.replace(f'def {rule.name}(', f'def {name}(', 1)}\n"


def coefficients_text(function: CoefficientFunction, name: str = "evaluate") -> str | None:
    """A coefficient function as text that Numba can read after `HEADER`; see `rule_text`."""
    if isinstance(function, UserCoefficients):
        text, known = function.text, "evaluate"
    else:
        text, known = ast.unparse(function._definition), function.name
    if text is None:
        return None
    return f"@njit({_OPTIONS})\n{text.replace(f'def {known}(', f'def {name}(', 1)}\n"


def in_numba(function: Any) -> Any:
    """A user's function itself, its `np` being the vocabulary, for want of its source."""
    from numba import njit  # noqa: PLC0415

    return njit(error_model="numpy", fastmath=False)(bound(function, numba_vocabulary()))


def generated_module(text: str, given: dict[str, Any] | None = None) -> ModuleType:
    """Run generated text as a module: from the cache folder, or in memory if that cannot be.

    Parameters
    ----------
    text : str
        Python source; its decorators say ``cache=CACHE``.
    given : dict, optional
        Objects that the text refers to and that no file can hold; such a module is not cached.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=_cache_warning())
        if not given:
            path = _written(text)
            if path is not None:
                try:
                    return _imported(path)
                except (
                    Exception
                ):  # a damaged or locked cache; what is wrong with the text shows below
                    sys.modules.pop(path.stem, None)
        module = ModuleType("fastgd_generated")
        vars(module).update(given or {}, CACHE=False)
        exec(compile(text, "<fastgd>", "exec"), vars(module))
        return module


def _cache_warning() -> type[Warning]:
    from numba.core.errors import NumbaWarning  # noqa: PLC0415

    return NumbaWarning


@lru_cache(maxsize=1)
def _stamp() -> bytes:
    """Changes with whatever generated text depends on, since Numba's cache follows no imports."""
    import numba  # noqa: PLC0415

    import fastgd  # noqa: PLC0415

    package = Path(fastgd.__file__).parent
    digest = hashlib.sha256(f"{fastgd.__version__} {numba.__version__} {_for_cards()}".encode())
    for source in _WHAT_TEXT_NEEDS:
        path = package / source
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.digest()


def _for_cards() -> str:
    """Which compiler for cards there is beside Numba's own."""
    if importlib.util.find_spec("numba_cuda") is None:
        return ""
    from importlib.metadata import version  # noqa: PLC0415  (30 ms)

    return version("numba-cuda")


def _written(text: str) -> Path | None:
    """The text as a file named by its hash; None where no file can be written."""
    from fastgd.engines.config import cache_folder  # noqa: PLC0415

    name = "fastgd_" + hashlib.sha256(_stamp() + text.encode()).hexdigest()[:32]
    content = f"CACHE = True\n{text}".encode()
    try:
        path = Path(cache_folder()) / f"{name}.py"
        if not (path.exists() and path.read_bytes() == content):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(suffix=".tmp", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)  # whole or not at all, whoever else writes the same
    except OSError:
        return None
    return path


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # Numba's cache finds the module's functions by its name
    spec.loader.exec_module(module)
    return module


# --- update loops -----------------------------------------------------------------------------------


@cache
def scalar_rule(rule: Rule) -> Any:
    """The rule as a Numba function of scalars, to be called from other compiled loops."""
    text = rule_text(rule)
    if text is None:
        return in_numba(rule.function)
    return generated_module(HEADER + text).rule


@cache
def scalar_coefficients(function: CoefficientFunction) -> Any:
    """The coefficient function as a Numba function of doubles that returns a tuple of doubles."""
    text = coefficients_text(function)
    if text is None:
        return in_numba(function.function)
    return generated_module(HEADER + text).evaluate


def loop_decorator(char: str) -> str:
    """What stands above ``def loop(arrays, coefficients, lo, hi)`` in generated text."""
    return f"@cfunc({_SIGNATURE.format(real=TYPES[char])}, cache=CACHE, {_OPTIONS})"


def _loop_text(rule: Rule, char: str, prepared: bool) -> str:
    arrays = ("p", "g", *rule.state)
    shared = PREPARE.coefficients if prepared else ()
    places = [f"c{k}" for k in range(len(shared) + len(rule.coefficients))]
    own = places[len(shared) :]
    values = [f"a{k}[i]" for k in range(len(arrays))]
    results = ["a0[i]", *values[2:]]
    lines = [
        loop_decorator(char),
        "def loop(arrays, coefficients, lo, hi):",
        # Sliced, because an index that starts at `lo` might be negative for all the compiler knows.
        *(f"    a{k} = carray(arrays[{k}], (hi,))[lo:]" for k in range(len(arrays))),
        *(f"    {place} = coefficients[{k}]" for k, place in enumerate(places)),
        "    for i in range(hi - lo):",
    ]
    if prepared:
        lines.append(f"        p, g = prepare({', '.join((*values[:2], *places[: len(shared)]))})")
        values[:2] = ["p", "g"]
    call = f"rule({', '.join((*values, *own))})"
    lines.append(f"        {', '.join(results)}{',' if len(results) == 1 else ''} = {call}")
    return "\n".join(lines) + "\n"


@cache
def _update_loop(rule: Rule, char: str, prepared: bool) -> Any:
    loop = _loop_text(rule, char, prepared)
    prepare = (rule_text(PREPARE, "prepare") or "") if prepared else ""
    text = rule_text(rule)
    if text is None:
        module = generated_module(HEADER + prepare + loop, {"rule": in_numba(rule.function)})
    else:
        module = generated_module(HEADER + prepare + text + loop)
    return module.loop


def update_loop(rule: Rule, char: str, prepared: bool) -> int:
    """Address of ``void loop(T** arrays, const T* coefficients, Py_ssize_t lo, Py_ssize_t hi)``."""
    with _LOCK:
        return int(_update_loop(rule, char, prepared).address)


# --- coefficients -----------------------------------------------------------------------------------


def _coefficients_loop_text(function: CoefficientFunction) -> str:
    results = [f"out[{k}]" for k in range(function.count)]
    arguments = ["t", *(f"h[{k}]" for k in range(len(function.hyperparameters)))]
    if function.carries:
        results.insert(0, "carry[0]")
        arguments.insert(1, "carry[0]")
    return (
        f"@cfunc({_COEFFICIENT_SIGNATURE}, cache=CACHE, {_OPTIONS})\n"
        "def loop(t, carry, h, out):\n"
        f"    {', '.join(results)}{',' if len(results) == 1 else ''} = "
        f"evaluate({', '.join(arguments)})\n"
    )


@cache
def _coefficients_loop(function: CoefficientFunction) -> Any:
    text, loop = coefficients_text(function), _coefficients_loop_text(function)
    if text is None:
        return generated_module(HEADER + loop, {"evaluate": in_numba(function.function)}).loop
    return generated_module(HEADER + text + loop).loop


def coefficients_loop(function: CoefficientFunction) -> int:
    """Address of ``void f(double t, double* carry, const double* hyper, double* out)``.

    Raises
    ------
    numba.core.errors.NumbaError
        If a user's function holds something that Numba cannot compile.
    """
    with _LOCK:
        return int(_coefficients_loop(function).address)
