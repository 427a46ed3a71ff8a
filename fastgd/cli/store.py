"""`fastgd status` and `fastgd export`: what a sweep's store holds, and its runs as a table."""

from __future__ import annotations

from argparse import Namespace

from fastgd.cli.files import written_line
from fastgd.cli.show import Outcome
from fastgd.cli.words import count


def status(options: Namespace) -> Outcome:
    """Run `fastgd status`."""
    from fastgd.sweeps import SweepStore  # noqa: PLC0415  (imports the engines)

    return Outcome([*str(SweepStore(options.store).status()).splitlines()], True)


def export(options: Namespace) -> Outcome:
    """Run `fastgd export`."""
    from fastgd.sweeps import SweepStore  # noqa: PLC0415  (imports the engines)

    if not options.csv:
        raise ValueError("give --csv FILE")
    out = SweepStore(options.store).result()
    out.to_csv(options.csv, keep_formulas=options.keep_formulas)
    return Outcome([f"{count(out.size, 'run')}. {written_line([options.csv])}"], True)
