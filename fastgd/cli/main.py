"""`fastgd`: runs the command and turns errors into exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from fastgd.cli import descend, train
from fastgd.cli.arguments import build_parser
from fastgd.cli.show import Said, print_outcome, show_table
from fastgd.cli.words import BAD_INPUT, INTERRUPTED
from fastgd.studies import reproduce


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
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # a column's name may have letters that a terminal lacks
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    parser, code = build_parser(), 0
    options = parser.parse_args(arguments)
    try:
        if options.command == "reproduce":
            _reproduce(options)
        elif options.command in _ON_OWN_FILES:
            code = _own_file(options)
        elif options.command == "info":
            _info()
        else:
            parser.print_help()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        print(f"fastgd: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("fastgd: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code


def _reproduce(options: argparse.Namespace) -> None:
    done = reproduce(
        options.names,
        options.out,
        data=options.data,
        quick=options.quick,
        download=not options.no_download,
        animate=options.animate,
    )
    print_outcome(done)


_ON_OWN_FILES: dict[str, Callable[[argparse.Namespace], Said]] = {
    "sweep": descend.sweep,
    "minimize": descend.minimize,
    "train": train.train,
    "compare": train.compare,
    "predict": train.predict,
}


def _own_file(options: argparse.Namespace) -> int:
    done = _ON_OWN_FILES[options.command](options)
    show_table(done)
    if not done.finished:
        print("fastgd: interrupted; this is what was finished", file=sys.stderr)
    return 0 if done.finished else INTERRUPTED


def _info() -> None:
    from fastgd.engines.installation import show_config  # noqa: PLC0415  (imports the kernels)

    show_config()
