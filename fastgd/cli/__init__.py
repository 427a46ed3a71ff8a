"""The command line: `fastgd sweep`, `minimize`, `train`, `compare`, `predict`, `reproduce`, `info`."""

from fastgd.cli.main import main

__all__ = ["main"]
