"""When PyTorch is imported, and what is said where it is not installed."""

import subprocess
import sys


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )


def test_fastgd_does_not_import_it():
    done = run(
        "import sys, fastgd as gd, numpy as np\n"
        "gd.Adam().step(np.ones(2), np.ones(2))\n"
        "assert 'torch' not in sys.modules and 'fastgd.torch' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr


def test_without_it():
    done = run("import sys\nsys.modules['torch'] = None\nfrom fastgd.torch import Adam")
    assert done.stderr.rstrip().endswith(
        "MissingExtra: fastgd.torch needs PyTorch: pip install 'fastgd[torch]'"
    )
