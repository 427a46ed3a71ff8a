"""The command line: ``fastgd reproduce``, ``fastgd info``, ``fastgd --version``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from fastgd import __version__
from fastgd.studies import STUDIES, reproduce

if TYPE_CHECKING:
    from fastgd.studies import Reproduced

__all__ = ["main"]

BAD_INPUT, INTERRUPTED = 2, 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fastgd", description="Gradient descent in compiled loops.")
    parser.add_argument("--version", action="version", version=f"fastgd {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", parser_class=_Parser)

    again = commands.add_parser(
        "reproduce",
        help="reproduce published studies and write a report",
        description="Reproduce published studies: tables as CSV, figures as PNG, one report.md and "
        "report.html with published and own numbers side by side.",
        epilog=f"studies: {', '.join(STUDIES)}",
    )
    again.add_argument("names", metavar="NAME", nargs="*", help="a study; all of them by default")
    again.add_argument(
        "--out", metavar="FOLDER", default="report", help="where to write (default: report)"
    )
    again.add_argument(
        "--data", metavar="PATH", help="the data file, or a folder laid out as FASTGD_DATA is"
    )
    again.add_argument("--quick", action="store_true", help="coarser grids beside the tables")
    again.add_argument("--no-download", action="store_true", help="do not use the network")

    commands.add_parser(
        "info", help="versions, processor features, backends, threads, cache folder"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after ``fastgd``; the process' own by default.

    Returns
    -------
    int
        The exit code: 0, 2 for bad input, 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        After ``--help``, ``--version`` and what cannot be parsed.

    Examples
    --------
    >>> main(["reproduce", "no-such-study"])
    2
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "reproduce":
            _reproduce(options)
        elif options.command == "info":
            _info()
        else:
            parser.print_help()
    except (ValueError, OSError) as error:
        print(f"fastgd: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("fastgd: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _reproduce(options: argparse.Namespace) -> None:
    done = reproduce(
        options.names,
        options.out,
        data=options.data,
        quick=options.quick,
        download=not options.no_download,
    )
    _print_outcome(done)


def _print_outcome(done: Reproduced) -> None:
    for data in dict.fromkeys(section.data for section in done.sections):
        print(f"Data: {data}")
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415  (heavy)
        from rich.table import Table  # noqa: PLC0415

        table = Table("study", "outcome")
        for section in done.sections:
            table.add_row(section.name, section.summary)
        Console().print(table)
    else:
        for section in done.sections:
            print(f"{section.name}: {section.summary}")
    print(f"Report: {done.report}")


def _info() -> None:
    from fastgd.engines.config import show_config  # noqa: PLC0415  (imports the kernels)

    show_config()
