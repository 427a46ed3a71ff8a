"""Print what an extra of pyproject.toml brings along besides the package itself, as pip takes it."""

# ruff: noqa: T201  (printing is its job)

import sys
import tomllib
from pathlib import Path


def main(extra: str) -> None:
    """One line for each package."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = project["optional-dependencies"][extra]
    print(*(line for line in needed if not line.startswith("fastgd[")), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
