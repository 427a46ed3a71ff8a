"""`fastgd explore`: a page on which descents are tried out."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

_FIRST = "line"


def add_explore(commands: Any) -> None:
    """The command and its arguments."""
    parser = commands.add_parser(
        "explore",
        help="a page on which descents are tried out",
        description="Write one HTML file, which needs no network, on which descents are tried out: click to start, "
        "every optimizer at once, sliders for rate and momentum, and the phase diagram of both.",
        epilog="Example: fastgd explore himmelblau -o himmelblau.html",
    )
    parser.add_argument(
        "problem", metavar="PROBLEM", nargs="?", default=_FIRST,
        help="what it opens with: line (heights and weights), unscaled (the same in inches), ravine, rosenbrock, "
        f"beale, himmelblau, saddle, bumpy, parabola or valleys (default: {_FIRST})",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--out", metavar="FILE", default="explorer.html",
        help="where to write (default: explorer.html)",
    )  # fmt: skip


def run(options: Namespace) -> int:
    """Run `fastgd explore`."""
    from fastgd.explorer import explore  # noqa: PLC0415  (imports the engines)

    page = explore(options.problem)
    print(f"Written: {page.save(options.out)}")
    return 0
