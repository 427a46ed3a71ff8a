"""The command line: `fastgd reproduce`, `sweep`, `minimize`, `train`, `compare`, `predict`, `info`."""

from fastgd.cli.main import main

__all__ = ["main"]
