"""The page's script without a page: run by Node, or by Chromium where there is no Node."""

import json
import shutil
import subprocess
from functools import cache

import numpy as np
import pytest

CHROMIUM = "/usr/bin/chromium"
#: Bits of numbers, which JSON would change: the sign of zero, and NaN.
BITS = """
const bits = (numbers) => Array.from(new Uint8Array(Float64Array.from(numbers).buffer), (byte) =>
  byte.toString(16).padStart(2, "0")).join("");
"""


def run(script):
    """What a script returns, which must be JSON."""
    whole = f'JSON.stringify((() => {{\n"use strict";\n{BITS}\n{script}\n}})())'
    if node := shutil.which("node"):
        done = subprocess.run(
            [node, "-"],
            input=f"process.stdout.write({whole})",
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, done.stderr[-2000:]
        return json.loads(done.stdout)
    return json.loads(_blank_page().evaluate(whole))


@cache
def _blank_page():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not shutil.which(CHROMIUM):
        pytest.skip("neither Node nor Chromium is here")
    browser = (
        sync_api.sync_playwright()
        .start()
        .chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    )
    return browser.new_page()


def from_bits(text, shape=(-1,)):
    """Numbers that a script gave as `bits`."""
    return np.frombuffer(bytes.fromhex(text), np.float64).reshape(shape)


def same_bits(text, numbers):
    """Whether a script found these numbers, NaN where they are NaN."""
    found, wanted = from_bits(text), np.ravel(np.asarray(numbers, np.float64))
    either = np.isnan(found) & np.isnan(wanted)
    return found.shape == wanted.shape and bool(
        (either | (found.view(np.uint64) == wanted.view(np.uint64))).all()
    )


def ulps(found, wanted):
    """How many numbers lie between them."""
    return np.abs(np.asarray(found, np.float64) - wanted) / np.spacing(
        np.abs(np.asarray(wanted, np.float64))
    )
