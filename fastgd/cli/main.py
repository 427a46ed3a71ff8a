"""`fastgd`: runs the command and turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TextIO

from fastgd.cli import compare, explore, find_lr, fractal, minimize, predict, store, sweep, train
from fastgd.cli.arguments import build_parser
from fastgd.cli.show import Outcome, show, show_studies
from fastgd.cli.words import BAD_INPUT, INTERRUPTED
from fastgd.extras import EXTRAS, MissingExtra, require
from fastgd.signals import of_the_process
from fastgd.studies import reproduce
from fastgd.text import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments after ``fastgd``; those of the process by default.

    Returns
    -------
    int
        The exit code: 0, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.

    Raises
    ------
    SystemExit
        After ``--help``, ``--version`` and arguments that cannot be parsed.

    Examples
    --------
    >>> main(["reproduce", "no-such-study"])
    2
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of columns may have letters the terminal lacks
            stream.reconfigure(errors="replace")
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    with of_the_process() as asked:
        try:
            code = _run(options)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has closed the pipe, as `head` does
            _silence(sys.stdout)
            code = 0
        except OSError:
            if asked.number is None:
                raise
            for stream in (sys.stdout, sys.stderr):  # the terminal is gone
                _silence(stream)
            code = INTERRUPTED
        return code if asked.number is None else 128 + asked.number


def _run(options: Namespace) -> int:
    """Run the command; what ends it early is a line and an exit code."""
    try:
        return _COMMANDS[options.command](options)
    except BrokenPipeError:
        raise
    except (ValueError, OSError, MissingExtra) as error:
        print(f"fastgd: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("fastgd: interrupted", file=sys.stderr)
        return INTERRUPTED


def _silence(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _reproduce(options: Namespace) -> int:
    done = reproduce(
        options.names,
        options.out,
        data=options.data,
        quick=options.quick,
        download=not options.no_download,
        animate=options.animate,
    )
    show_studies(done)
    return _code(done.finished)


def _info(_: Namespace) -> int:
    from fastgd.engines.installation import show_config  # noqa: PLC0415  (imports the kernels)

    show_config()
    return 0


def _shown(run: Callable[[Namespace], Outcome]) -> Callable[[Namespace], int]:
    """The command with its outcome printed."""

    def run_and_show(options: Namespace) -> int:
        require(f"fastgd {options.command}", *EXTRAS["cli"])
        outcome = run(options)
        show(outcome)
        return _code(outcome.finished)

    return run_and_show


def _code(finished: bool) -> int:
    if finished:
        return 0
    print("fastgd: interrupted; this is what was finished", file=sys.stderr)
    return INTERRUPTED


_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "sweep": _shown(sweep.run),
    "minimize": _shown(minimize.run),
    "train": _shown(train.run),
    "compare": _shown(compare.run),
    "find-lr": _shown(find_lr.run),
    "predict": _shown(predict.run),
    "fractal": _shown(fractal.run),
    "status": _shown(store.status),
    "export": _shown(store.export),
    "explore": explore.run,
    "reproduce": _reproduce,
    "info": _info,
}
