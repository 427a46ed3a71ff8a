"""Running a command and reading what it prints."""

import re

import pandas as pd

from fastgd.cli import training
from fastgd.cli.main import main


def write(path, columns, separator=","):
    """Write a table; returns the path as a command line has it."""
    text = pd.DataFrame(columns).to_csv(index=False)
    path.write_text(text.replace(",", separator), encoding="utf-8")
    return str(path)


def said(arguments, capsys, code=0):
    """The lines that a command prints."""
    assert main(arguments) == code
    return capsys.readouterr().out.splitlines()


def refused(arguments, capsys):
    """The one line that says why; wherever it is found out, the exit code is 2."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    error = capsys.readouterr().err
    assert error.startswith("fastgd")
    assert error.count("\n") == 1
    return error


def table(lines, first):
    """The rows of the table whose line of names begins so, as cells."""
    (head,) = (k for k, line in enumerate(lines) if line.startswith(first))
    rows = [re.split(r"\s{2,}", line) for line in lines[head:]]
    return [row for row in rows if len(row) == len(rows[0])]


def interrupt_at(monkeypatch, number, epoch):
    """As if Ctrl-C were pressed in that epoch of that training, both counted from 1."""
    trainings = []

    def teller(*_):
        trainings.append(None)

        def tell(history):
            if len(trainings) == number and len(history) == epoch:
                raise KeyboardInterrupt

        return tell

    monkeypatch.setattr(training, "_teller", teller)
