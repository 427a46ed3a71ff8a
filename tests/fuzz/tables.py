"""CSV tables as people write them: what was written is read; what is damaged gets one line that names the file."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd  # noqa: F401  (before memory is counted)
from fuzz import damage
from fuzz.harness import sometimes
from hypothesis import strategies as st

from fastgd.cli.columns import Choice, choose
from fastgd.cli.reading import Reading
from fastgd.cli.table import Source

LETTERS = st.characters(codec="utf-8", categories=("L", "N", "S", "P"), exclude_characters='",;\t|')
NAMES = st.text(LETTERS, min_size=1, max_size=8)
NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(-1e9, 1e9),
    st.floats(allow_nan=False, allow_infinity=False),
)
WORDS = st.sampled_from(
    ["red", "blue", "a b", "naïve", "x'y", "=1+1", "+", "\N{SNOWMAN}", "tab less"]
)
CASES = st.integers(1, 5).flatmap(
    lambda columns: st.fixed_dictionaries(
        {
            "fault": sometimes(*damage.BYTES, "ragged", "no names", "not UTF-8"),
            "names": st.lists(NAMES, min_size=columns, max_size=columns, unique_by=str.strip),
            "rows": st.lists(
                st.lists(st.one_of(NUMBERS), min_size=columns, max_size=columns),
                min_size=1,
                max_size=12,
            ),
            "words": st.lists(WORDS, min_size=1, max_size=12),
            "separator": st.sampled_from([",", ";", "\t", "|"]),
            "decimal": st.sampled_from([".", ","]),
            "quoted": st.booleans(),
            "gzip": st.booleans(),
            "mark": st.booleans(),
            "newline": st.sampled_from(["\n", "\r\n"]),
            "place": damage.PLACE,
        }
    )
)


def names_of(case):
    """Names that cannot be mistaken for numbers, and the column of words."""
    return [f"c{name}" for name in case["names"]] + ["words"]


def decimal_of(case):
    return "." if case["separator"] == "," else case["decimal"]


def content_of(case):
    """The bytes of the table."""

    def cell(value):
        text = repr(value).replace(".", decimal_of(case)) if not isinstance(value, str) else value
        return f'"{text}"' if case["quoted"] and isinstance(value, str) else text

    words = case["words"]
    rows = [[*row, words[k % len(words)]] for k, row in enumerate(case["rows"])]
    names = names_of(case)
    if case["fault"] == "ragged":
        rows[0] = [*rows[0], 1, 2]
    elif case["fault"] == "no names":
        names = [str(k) for k in range(len(names))]
    lines = [case["separator"].join(map(cell, row)) for row in (names, *rows)]
    content = (case["newline"].join(lines) + case["newline"]).encode()
    if case["fault"] == "not UTF-8":
        content += b"\xff\xfe"
    content = b"\xef\xbb\xbf" * case["mark"] + content
    return gzip.compress(content, mtime=0) if case["gzip"] else content


def check(case):
    content = content_of(case)
    if case["fault"] in damage.BYTES:
        content = damage.damaged(content, case["fault"], case["place"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        path.write_bytes(content)

        def load():
            return Source(path, Reading(decimal=decimal_of(case))).read()

        if not case["fault"]:
            assert_read(case, load().frame)
            return
        found = damage.read_or_refuse(load, len(content))
        if found is not None:
            assert case["fault"] in damage.BYTES, "nothing was refused"
            use(found.frame)


def assert_read(case, frame):
    """Every cell is what was written."""
    assert list(frame.columns) == [name.strip() for name in names_of(case)]
    assert len(frame) == len(case["rows"])
    for k, name in enumerate(frame.columns[:-1]):
        wanted = np.array([float(row[k]) for row in case["rows"]])
        np.testing.assert_allclose(frame[name].to_numpy(dtype=float), wanted, rtol=1e-15)
    words = [case["words"][k % len(case["words"])] for k in range(len(frame))]
    assert frame["words"].tolist() == words


def use(frame):
    """What was read of a damaged file can be used, or is refused in a sentence."""
    try:
        choose(frame, Choice(frame.columns[0]))
    except ValueError as error:
        assert str(error)
