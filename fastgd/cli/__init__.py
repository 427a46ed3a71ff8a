"""The command line: `fastgd sweep`, `minimize`, `train`, `compare`, `predict`, `reproduce`, `info`.

The first five work on a user's own file. Each is a module with a function ``run(options)``, which turns the parsed
options into objects, does the work and returns an `Outcome` to print; it raises ValueError or OSError if the file or an
option cannot be used.
"""

from fastgd.cli.main import main

__all__ = ["main"]
