"""Print the oldest allowed version of every package that building, using or testing needs, as pip takes it.

Linters and stubs are left out, since they are for the developers' own versions, and so is what is for a GPU.
"""

# ruff: noqa: T201  (printing is its job)

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = ("numba", "sklearn", "plot", "cli", "excel", "parquet", "xarray", "optuna", "test")
FLOOR = re.compile(r"([\w.-]+)>=([\w.]+)")
LINTERS = ("mypy", "import-linter")
#: Of packages that these bring along: Matplotlib 3.9 calls what pyparsing 3.3 deprecates, and tests allow no warning.
CAPS = ("pyparsing<3.3",)


def main() -> None:
    """One line for each package."""
    project = PROJECT["project"]
    needed = [*PROJECT["build-system"]["requires"], *project["dependencies"]]
    for extra in EXTRAS:
        needed += project["optional-dependencies"][extra]
    floors = dict(found.groups() for line in needed if (found := FLOOR.match(line)))
    for name, version in sorted(floors.items()):
        if name not in LINTERS:
            print(f"{name}=={version}")
    print(*CAPS, sep="\n")


if __name__ == "__main__":
    main()
