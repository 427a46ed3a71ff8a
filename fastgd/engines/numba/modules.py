"""Text that Numba compiles, written as modules into the cache folder.

A generated module is named by the hash of its content, so that Numba's on-disk cache also works for rules written in a
notebook, and a second process starts without compiling. If the folder is not writable, the text is compiled in memory
each time.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import threading
import warnings
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from fastgd.engines.parse import CoefficientFunction, Rule
from fastgd.engines.user_rules import UserCoefficients, UserRule
from fastgd.engines.vocabulary import bound, numba_vocabulary
from fastgd.extras import command, present
from fastgd.files import atomic_write

TYPES = {"f": "float32", "d": "float64"}
LOCK = (
    threading.RLock()
)  # Numba has a lock of its own; this one keeps threads from compiling the same twice
HEADER = '''\
"""Written by fastgd.engines.numba.modules; safe to delete."""
import math

from numba import carray, cfunc, njit, types

from fastgd.engines.vocabulary import hidden_number, numba_vocabulary

np = numba_vocabulary()
'''
_WHAT_TEXT_NEEDS = (
    "engines/vocabulary.py",
    "rules/elementary.py",
    "engines/numba/modules.py",
    "engines/numba/steps.py",
    "engines/numba/twins.py",
    "engines/cuda/vocabulary.py",
    "engines/cuda/memory.py",
    "engines/cuda/source.py",
)
OPTIONS = 'error_model="numpy", fastmath=False'


def missing() -> str | None:
    """Why Numba cannot be used, or None."""
    return None if present("numba") else f"numba is not installed: {command('numba')}"


# --- functions as text, text as a module ------------------------------------------------------------


def rule_text(rule: Rule, name: str = "rule") -> str | None:
    """A rule as text for Numba, to follow `HEADER`; None if its source is not available."""
    if isinstance(rule, UserRule):
        text = rule.text
        if text is None:
            return None
        return f"@njit({OPTIONS})\n{text.replace('def rule(', f'def {name}(', 1)}\n"
    definition = ast.unparse(rule.definition)
    return f"@njit({OPTIONS})\n{definition.replace(f'def {rule.name}(', f'def {name}(', 1)}\n"


def coefficients_text(function: CoefficientFunction, name: str = "evaluate") -> str | None:
    """A coefficient function as text; see `rule_text`."""
    if isinstance(function, UserCoefficients):
        text, known = function.text, "evaluate"
    else:
        text, known = ast.unparse(function.definition), function.name
    if text is None:
        return None
    return f"@njit({OPTIONS})\n{text.replace(f'def {known}(', f'def {name}(', 1)}\n"


def in_numba(function: Any) -> Any:
    """A user's function without source, compiled with the vocabulary as its `np`."""
    from numba import njit  # noqa: PLC0415

    return njit(error_model="numpy", fastmath=False)(bound(function, numba_vocabulary()))


def generated_module(text: str, given: dict[str, Any] | None = None) -> ModuleType:
    """Import generated text as a module: from the cache folder, or in memory if that fails.

    Parameters
    ----------
    text : str
        Python source; its decorators say ``cache=CACHE``.
    given : dict, optional
        Objects that the text uses and that cannot be written to a file; such a module is not cached.
    """
    with LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=_cache_warning())
        if not given:
            path = _written(text)
            if path is not None:
                try:
                    return _imported(path)
                except Exception:  # a damaged or locked cache; errors of the text are raised below
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
    """A hash of everything that generated text imports, which Numba's cache does not notice."""
    import numba  # noqa: PLC0415

    import fastgd  # noqa: PLC0415

    package = Path(fastgd.__file__).parent
    digest = hashlib.sha256(f"{fastgd.__version__} {numba.__version__} {_cuda_compiler()}".encode())
    for source in _WHAT_TEXT_NEEDS:
        path = package / source
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.digest()


def _cuda_compiler() -> str:
    """The version of numba-cuda, if it is installed."""
    if importlib.util.find_spec("numba_cuda") is None:
        return ""
    from importlib.metadata import version  # noqa: PLC0415  (30 ms)

    return version("numba-cuda")


def _written(text: str) -> Path | None:
    """Write the text to a file named by its hash; None if that fails, or others could write there."""
    from numba.core import config as of_numba  # noqa: PLC0415

    from fastgd.engines.cache import own_cache_folder  # noqa: PLC0415

    name = "fastgd_" + hashlib.sha256(_stamp() + text.encode()).hexdigest()[:32]
    content = f"CACHE = True\n{text}".encode()
    try:
        folder = own_cache_folder(
            *filter(None, (getattr(of_numba, "CACHE_DIR", None), sys.pycache_prefix))
        )
        if folder is None:
            return None
        path = folder / f"{name}.py"
        if not (path.exists() and path.read_bytes() == content):
            with atomic_write(path) as file:  # others may write the same
                file.write(content)
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
