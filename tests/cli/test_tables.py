"""Files as people write them: separators, marks, missing values, and what is refused."""

import gzip

import numpy as np
import pytest
from cli.commands import refused, said, write
from cli.people import GOOD


def fields(arguments, capsys):
    """The equation, which holds what was read."""
    lines = said(arguments, capsys)
    return next(line for line in lines if line.startswith("There: "))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ", "])
def test_separators(separator, tmp_path, capsys):
    wanted = fields(
        ["sweep", write(tmp_path / "a.csv", GOOD), "--target", "y", "--rates", "1"], capsys
    )
    path = write(tmp_path / "b.txt", GOOD, separator)
    assert fields(["sweep", path, "--target", "y", "--rates", "1"], capsys) == wanted


def test_gzip_and_byte_order_mark_whatever_the_name(tmp_path, capsys):
    plain = write(tmp_path / "a.csv", GOOD)
    wanted = fields(["sweep", plain, "--target", "y", "--rates", "1"], capsys)
    content = (tmp_path / "a.csv").read_bytes()
    for name, other in (("c.csv.gz", gzip.compress(content)), ("d.csv", b"\xef\xbb\xbf" + content)):
        (tmp_path / name).write_bytes(other)
        path = str(tmp_path / name)
        assert fields(["sweep", path, "--target", "y", "--rates", "1"], capsys) == wanted


def test_other_ways_to_write_numbers(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("a;y\n1.000,5;1\n2.000,5;2\n500;4\n")
    line = fields(
        ["sweep", str(path), "--target", "y", "--rates", "1", "--decimal", ",", "--thousands", "."],
        capsys,
    )
    w, b = np.polyfit([1000.5, 2000.5, 500], [1, 2, 4], 1)
    assert line.startswith(f"There: y = {w:.6g} a + {b:.6g}".replace("= -", "= -"))


def test_missing_values_can_be_left_out(tmp_path, capsys):
    columns = {name: [*values, 7, 9, ""] for name, values in GOOD.items()}
    columns["b"][4] = "?"
    columns["a"][5] = "NA"
    arguments = ["sweep", write(tmp_path / "a.csv", columns), "--target", "y", "--rates", "1"]
    says = refused(arguments, capsys)
    assert (
        "'a' (2 rows, first in row 6), 'b' (2 rows, first in row 5), 'y' (1 row, first in" in says
    )
    assert "3 rows of 7" in says
    lines = said([*arguments, "--drop-missing"], capsys)
    assert "3 rows with a missing value left out" in lines[0]
    columns["a"][2] = "x"
    arguments[1] = write(tmp_path / "b.csv", columns)
    assert "'a' has text in row 3: 'x'" in refused([*arguments, "--drop-missing"], capsys)


def test_a_column_without_a_name_is_left_out(tmp_path, capsys):
    path = write(tmp_path / "a.csv", {"": [0, 1, 2, 3], **GOOD})
    lines = said(["sweep", path, "--target", "y", "--rates", "1"], capsys)
    assert "1 column without a name left out" in lines[0]
    assert lines[0].startswith("y from a, b: 4 rows")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,y\n", "no rows"),
        (b"a,y\n1,2\n", "1 row to fit"),
        (b"1,2\n3,4\n", "numbers in its first line (1, 2)"),
        (b"a,y,y\n1,2,3\n4,5,6\n", "several columns are called 'y'; which is the target?"),
        (b"a,y\n1,2,3\n4,5,6\n", "more cells than its header has names"),
        (b"a,y\n1,2\n4,5,6\n", "Expected 2 fields in line 3, saw 3"),
        (b"a,y\n1\n2,3\n", "missing values in column 'y' (1 row, first in row 1)"),
        (b"y\n1\n2\n", "no column besides 'y'"),
        (b"a,z\n1,2\n4,5\n", "no column 'y'; there are a, z"),
        (b"a,Y1\n1,2\n4,5\n", "did you mean 'Y1'?"),
        (b"a,y\n1,2\n4,x\n5,6\n", "column 'y' has text in row 2: 'x'"),
        (b'a,y\n"1,200",2\n"3,400",5\n', "'1,200' (thousands separators? pass --thousands"),
        (b"a;y\n1,25;2\n3,5;5\n", "'1,25' (a decimal comma? pass --decimal"),
        (b"a;y\n1.234,25;2\n3;5\n", "a decimal comma?"),
        (b"a,y\n12 kg,2\n3 kg,5\n", "'12 kg' (a number with a unit?"),
        (b"a,y\n1,2\ninf,5\n", "column 'a' is infinite in row 2"),
        (b"c,y\n7,2\n7,5\n", "column 'c' is 7 in every row: it predicts nothing"),
        (b"a,y\n1,yes\n3,yes\n", "'yes' in every row: one class only"),
        (b"a,y\n\xff\xfe,2\n", "not UTF-8"),
        (b"a,\x00y\n", "is not text"),
        (b"a,y\n1e308,1\n-1e308,2\n0,3\n", "column 'a' has numbers beyond what can be scaled"),
        (b"PK\x03\x04....", "a spreadsheet or an archive"),
        (b"\x1f\x8b\x08\x00broken", "cannot be read"),
        (b"a,y\n" + b"".join(b"%d,name%d\n" % (k, k) for k in range(60)), "60 different texts"),
    ],
)
def test_bad_files_get_one_line(content, says, tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    error = refused(["sweep", str(path), "--target", "y", "--rates", "0.1"], capsys)
    assert says in error
    assert "a.csv" in error


@pytest.mark.parametrize("path", ["no-such-file.csv", "."])
def test_no_file(path, capsys):
    assert refused(["sweep", path, "--target", "y", "--rates", "1"], capsys).startswith("fastgd: ")
