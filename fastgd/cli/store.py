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

    written = [path for path in (options.csv, options.parquet) if path]
    if not written:
        raise ValueError("give --csv FILE or --parquet FILE")
    out = SweepStore(options.store).result()
    if options.csv:
        out.to_csv(options.csv, keep_formulas=options.keep_formulas)
    if options.parquet:
        out.to_parquet(options.parquet)
    return Outcome([f"{count(out.size, 'run')}. {written_line(written)}"], True)
