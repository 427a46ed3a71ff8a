"""Files as they come: each is read as pandas reads it once it is told how, and fitted as scikit-learn does."""

import io
import re
import sys

import numpy as np
import pandas as pd
import pytest
from cli.commands import refused, said
from sklearn.linear_model import LinearRegression, LogisticRegression

from fastgd.cli.reading import Reading
from fastgd.cli.table import Source
from fastgd.text import width

RNG = np.random.default_rng(20)
N = 60
AREA = np.round(RNG.uniform(20, 200, N), 2)
FLOORS = RNG.integers(1, 30, N)
PRICE = np.round(3.5 * AREA + 2 * FLOORS + RNG.normal(0, 20, N) + 900, 2)
TABLE = pd.DataFrame({"area": AREA, "floors": FLOORS, "price": PRICE})
KOREAN = TABLE.set_axis(["면적", "층수", "가격"], axis=1)


def rng():
    """The same numbers whichever tests have run before."""
    return np.random.default_rng(21)


def r2(frame, target):
    X, y = frame.drop(columns=target), frame[target]
    return f"R² {LinearRegression().fit(X, y).score(X, y):.4f}"


def fitted(path, target, more, capsys):
    """The lines of `minimize`, and its score."""
    lines = said(["minimize", str(path), "--target", target, *more], capsys)
    (score,) = re.findall(r"R² [\d.]+", "\n".join(lines))
    return lines, score


# --- text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp949"]
)
def test_encodings_are_recognized(encoding, tmp_path, capsys):
    path = tmp_path / "집값.csv"
    path.write_bytes(KOREAN.to_csv(index=False).encode(encoding))
    lines, score = fitted(path, "가격", [], capsys)
    assert score == r2(KOREAN, "가격")
    assert lines[0].startswith("가격 from 면적, 층수: 60 rows of 집값.csv")
    assert ("text in " in lines[0]) == (not encoding.startswith("utf-8"))
    pd.testing.assert_frame_equal(Source(path).read().frame, KOREAN)


def test_an_encoding_that_is_not_recognized_can_be_said(tmp_path, capsys):
    frame = TABLE.set_axis(["größe", "naïve", "précis"], axis=1)
    path = tmp_path / "a.csv"
    path.write_bytes(frame.to_csv(index=False, sep=";").encode("cp1252"))
    says = refused(["minimize", str(path), "--target", "précis"], capsys)
    assert (
        "it is not UTF-8 text (byte 0xf6 in line 1), nor cp949; pass --encoding, for example cp1252"
        in says
    )
    lines, score = fitted(path, "précis", ["--encoding", "windows-1252"], capsys)
    assert score == r2(frame, "précis")
    assert lines[0].startswith("précis from größe, naïve")
    says = refused(["minimize", str(path), "--target", "précis", "--encoding", "utf-8"], capsys)
    assert "it is not UTF-8 text (byte 0xf6 in line 1); pass another --encoding" in says
    says = refused(["minimize", str(path), "--target", "précis", "--encoding", "utf-7.5"], capsys)
    assert "argument --encoding: there is no encoding 'utf-7.5'" in says


@pytest.mark.parametrize("separator", [";", "\t", "|", " ", ":"])
def test_separators(separator, tmp_path, capsys):
    path = tmp_path / "a.txt"
    text = TABLE.to_csv(index=False, sep=separator)
    path.write_text(text.replace(" ", "   ") if separator == " " else text)
    more = ["--separator", ":"] if separator == ":" else []
    assert fitted(path, "price", more, capsys)[1] == r2(TABLE, "price")


def test_european_numbers_without_a_header(tmp_path, capsys):
    path = tmp_path / "a.csv"
    big = TABLE.assign(area=TABLE["area"] * 1000)
    cells = big.map(lambda v: f"{v:,.2f}".translate(str.maketrans(",.", ".,")))
    path.write_text(cells.to_csv(index=False, header=False, sep=";"))
    says = refused(["minimize", str(path), "--target", "c3", "--no-header"], capsys)
    assert '(a decimal comma? pass --decimal "," --thousands ".")' in says
    more = ["--no-header", "--decimal", ",", "--thousands", "."]
    lines, score = fitted(path, "c3", more, capsys)
    read = pd.read_csv(path, sep=";", decimal=",", thousands=".", header=None)
    assert score == r2(read, 2) == r2(big.round(2), "price")
    assert lines[0].startswith("c3 from c1, c2: 60 rows")


def test_dates_are_no_numbers_with_thousands_separators(tmp_path, capsys):
    path = tmp_path / "a.csv"
    days = pd.date_range("2024-01-31", periods=len(TABLE))
    prices = (TABLE["price"] * 1000).map(lambda v: f"{v:,.2f}".translate(str.maketrans(",.", ".,")))
    table = {"sold": days.strftime("%d.%m.%Y"), "area": TABLE["area"].round(), "price": prices}
    pd.DataFrame(table).to_csv(path, index=False, sep=";", decimal=",")
    lines, _ = fitted(path, "price", ["--decimal", ",", "--thousands", "."], capsys)
    assert "sold: days since 2024-01-31 (read as %d.%m.%Y)" in lines[0]
    assert any(line.startswith("area ") for line in lines)


def test_a_file_without_a_header_says_what_to_do(tmp_path, capsys):
    path = tmp_path / "a.csv"
    TABLE.to_csv(path, index=False, header=False)
    says = refused(["minimize", str(path), "--target", "price"], capsys)
    assert "it must name the columns, or --no-header calls them c1, c2, ..." in says
    assert fitted(path, "c3", ["--no-header"], capsys)[1] == r2(TABLE, "price")


@pytest.mark.parametrize(
    "titles", ["House prices, 2020\n", "Prices\nof 2020;2021\n\n", "Prices\n;;\n"]
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_titles_above_the_table(titles, separator, tmp_path, capsys):
    path = tmp_path / "a.csv"
    titles = titles.replace(";", separator)
    path.write_text(titles + TABLE.to_csv(index=False, sep=separator))
    if titles[:6] != "House " or separator == ",":
        says = refused(["minimize", str(path), "--target", "price"], capsys)
        assert "is its first line a title? --skip-rows " in says
    more = ["--skip-rows", str(titles.count("\n"))]
    assert fitted(path, "price", more, capsys)[1] == r2(TABLE, "price")
    says = refused(["minimize", str(path), "--target", "price", "--skip-rows", "900"], capsys)
    assert "a.csv: the file is empty below 900 lines" in says


def test_repeated_names_get_numbers(tmp_path, capsys):
    path = tmp_path / "a.csv"
    frame = TABLE.assign(more=FLOORS**2)
    path.write_text(frame.set_axis(["area", "area", "price", " area"], axis=1).to_csv(index=False))
    lines, score = fitted(path, "price", [], capsys)
    assert lines[0].startswith("price from area, area.1, area.2: 60 rows")
    assert "several columns are called 'area': the others got a number, as in area.1" in lines[0]
    assert score == r2(frame, "price")


def test_thousands(tmp_path, capsys):
    path = tmp_path / "a.csv"
    big = (TABLE * 1000).round().astype(int)
    for mark, hint in ((",", ","), (" ", " "), ("'", "'")):
        big.map(lambda v, mark=mark: f"{v:,}".replace(",", mark)).to_csv(path, index=False)
        says = refused(["minimize", str(path), "--target", "price"], capsys)
        assert f'pass --thousands "{hint}"' in says
        assert fitted(path, "price", ["--thousands", mark], capsys)[1] == r2(big, "price")


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("1 200", ' (thousands separators? pass --thousands " ")'),
        ("12.5%", " (a number with a unit? keep only the number)"),
        ("1,200원", " (a number with a unit? keep only the number)"),
        ("₩1200", " (a number with a unit? keep only the number)"),
        ("(1200)", " (a negative number? write it with a hyphen before it)"),
        ("−12", " (a negative number? write it with a hyphen before it)"),
        (
            "much",
            "; write it as numbers, leave the column out (--without), or take it as --categories",
        ),
    ],
)
def test_the_bad_cell_is_named(cell, hint, tmp_path, capsys):
    path = tmp_path / "a.csv"
    TABLE.assign(area=[*map(str, AREA[:-1]), cell]).to_csv(path, index=False)
    says = refused(["minimize", str(path), "--target", "price"], capsys)
    assert f"a.csv: column 'area' has text in row 60: {cell!r}{hint}" in says


def test_whole_numbers_of_many_digits_are_numbers(tmp_path, capsys):
    path = tmp_path / "a.csv"
    TABLE.assign(area=[f"{v:.0f}" for v in AREA * 1e28]).to_csv(path, index=False)
    assert (
        fitted(path, "price", [], capsys)[1]
        == r2(TABLE.round({"area": 0}), "price")[:-1] + fitted(path, "price", [], capsys)[1][-1]
    )


# --- the standard input ---------------------------------------------------------------------------------


def test_the_standard_input(tmp_path, monkeypatch, capsys):
    for content in (TABLE.to_csv(index=False).encode(), KOREAN.to_csv(index=False).encode("cp949")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        target = "price" if b"price" in content else "가격"
        lines, score = fitted("-", target, [], capsys)
        assert score == r2(TABLE, "price")
        assert "60 rows of standard input" in lines[0]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert "standard input: the file is empty" in refused(
        ["minimize", "-", "--target", "y"], capsys
    )


# --- Excel and Parquet ----------------------------------------------------------------------------------


def workbook(path, sheets):
    """Sheets of rows, by name."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return str(path)


def rows_of(frame):
    return [list(frame.columns), *frame.to_numpy().tolist()]


def test_excel(tmp_path, capsys):
    path = workbook(tmp_path / "a.xlsx", {"prices": rows_of(TABLE), "empty": []})
    lines, score = fitted(path, "price", [], capsys)
    assert score == r2(TABLE, "price")
    assert "; sheet 'prices', the first of 2 (--sheet)" in lines[0]
    for sheet in ("prices", "1"):
        lines, again = fitted(path, "price", ["--sheet", sheet], capsys)
        assert again == score
        assert "(--sheet)" not in lines[0]
    for sheet, says in (
        ("empty", "sheet 'empty' is empty"),
        ("3", "no sheet '3'; there are 'prices', 'empty'"),
    ):
        assert says in refused(["minimize", path, "--target", "price", "--sheet", sheet], capsys)


def test_excel_with_titles_and_empty_rows(tmp_path, capsys):
    titles = [["House prices"], []]
    rows = rows_of(KOREAN)
    path = workbook(
        tmp_path / "a.xlsx", {"s": [*titles, *rows[:20], [None] * 3, *rows[20:], [None] * 3]}
    )
    says = refused(["minimize", path, "--target", "가격"], capsys)
    assert (
        "a.xlsx: its first row has 1 of 3 names; is it a title? --skip-rows 2 begins below" in says
    )
    assert fitted(path, "가격", ["--skip-rows", "2"], capsys)[1] == r2(KOREAN, "가격")
    path = workbook(tmp_path / "b.xlsx", {"s": rows[1:]})
    assert fitted(path, "c3", ["--no-header"], capsys)[1] == r2(KOREAN, "가격")
    rows[5][0] = "many"
    path = workbook(tmp_path / "c.xlsx", {"s": rows})
    assert "c.xlsx: column '면적' has text in row 5: 'many'" in refused(
        ["minimize", path, "--target", "가격"], capsys
    )


@pytest.mark.parametrize("index", [None, "id", "none"])
def test_parquet(index, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    frame = TABLE.set_axis(rng().permutation(N)) if index else TABLE
    frame.index.name = index if index == "id" else None
    frame.to_parquet(tmp_path / "a.dat")
    lines, score = fitted(tmp_path / "a.dat", "price", [], capsys)
    assert lines[0].startswith(f"price from {'id, ' if index == 'id' else ''}area, floors: 60 rows")
    assert score == r2(frame.reset_index() if index == "id" else frame, "price")
    says = refused(
        ["minimize", str(tmp_path / "a.dat"), "--target", "price", "--sheet", "a"], capsys
    )
    assert "a.dat: it is no Excel file, and has no --sheet" in says


@pytest.mark.parametrize(("kind", "module"), [("Parquet", "pyarrow"), ("Excel", "openpyxl")])
def test_a_missing_package_is_named_with_its_extra(kind, module, tmp_path, monkeypatch, capsys):
    pytest.importorskip(module)
    path = tmp_path / "a"
    if kind == "Excel":
        workbook(path, {"s": rows_of(TABLE)})
    else:
        TABLE.to_parquet(path)
    monkeypatch.setitem(sys.modules, module, None)
    says = refused(["minimize", str(path), "--target", "price"], capsys)
    assert f" {kind} file needs {module}: pip install 'fastgd[{kind.lower()}]'\n" in says


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PAR1 and no more", "it cannot be read as Parquet"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....",
            "it is an old spreadsheet (.xls) or locked; save it as .xlsx",
        ),
        (b"PK\x03\x04....", "an archive of another kind"),
    ],
)
def test_other_kinds_of_files(content, says, tmp_path, capsys):
    if b"PAR1" in content:
        pytest.importorskip("pyarrow")
    path = tmp_path / "a"
    path.write_bytes(content)
    assert says in refused(["minimize", str(path), "--target", "y"], capsys)


# --- columns --------------------------------------------------------------------------------------------


def test_words_are_categories_in_a_descent_too(tmp_path, capsys):
    kind = np.array(["flat", "house", "villa"])[rng().integers(0, 3, N)]
    frame = TABLE.assign(kind=kind, price=PRICE + 200 * (kind == "villa"), city="Seoul", one=1)
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    coded = pd.get_dummies(frame.drop(columns=["city", "one"]), dtype=float)
    out = tmp_path / "out"
    lines, score = fitted(path, "price", ["--out", str(out)], capsys)
    assert score == r2(coded, "price")
    assert "an input for each level of kind (3)" in lines[0]
    assert "2 columns left out as always the same (city, one)" in lines[0]
    theirs = LinearRegression().fit(coded.drop(columns="price"), coded["price"])
    own = pd.read_csv(out / "parameters.csv", index_col="parameter")["own units"]
    inputs = coded.drop(columns="price").rename(columns=lambda name: name.replace("kind_", "kind="))
    guess = inputs @ own[inputs.columns] + own["constant"]
    np.testing.assert_allclose(guess, theirs.predict(coded.drop(columns="price")), rtol=1e-6)
    lines = said(["sweep", str(path), "--target", "price", "--rates", "0.1,0.5"], capsys)
    assert score in lines[-1]
    says = refused(["minimize", str(path), "--target", "price", "--features", "area,city"], capsys)
    assert "column 'city' is 'Seoul' in every row: it predicts nothing" in says
    lines, score = fitted(path, "price", ["--categories", "floors", "--without", "kind"], capsys)
    assert score == r2(
        pd.get_dummies(TABLE.assign(floors=FLOORS.astype(str), price=frame["price"])), "price"
    )


def test_the_table_of_a_wide_file_is_short(tmp_path, capsys):
    X = rng().normal(size=(40, 2000)).round(4)
    weights = np.zeros(2000)
    weights[[3, 700, 1999]] = 5
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(2000)]).assign(y=X @ weights)
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    lines, score = fitted(path, "y", ["--tol", "1e-3", "--out", str(tmp_path / "out")], capsys)
    assert len(lines) < 30
    assert max(map(len, lines[:-1])) < 120
    assert lines[2] == "The 20 largest of 2,001 parameters (all of them: --out FOLDER)"
    own = pd.read_csv(tmp_path / "out" / "parameters.csv", index_col="parameter")["descended"]
    shown = [line.split()[0] for line in lines[4:24]]
    assert set(shown) == set(own.drop("constant").abs().nlargest(20).index)
    assert lines[24].startswith("constant ")
    assert score == "R² 1.0000"
    says = refused(["minimize", str(path), "--target", "z"], capsys)
    assert "and 1971 more" in says


def test_predict_reads_as_train_did(tmp_path, capsys):
    """The same encoding, marks, titles and names, unless they are said to be others."""
    text = KOREAN.to_csv(index=False, header=False, sep=";", decimal=",")
    path, folder = tmp_path / "a.csv", tmp_path / "out"
    path.write_bytes(f"두 줄\n제목\n{text}".encode("euc-kr"))
    more = ["--encoding", "euc-kr", "--no-header", "--skip-rows", "2", "--decimal", ","]
    said(
        ["train", str(path), "--target", "c3", "--epochs", "2", *more, "--out", str(folder)], capsys
    )
    done = pd.read_csv(folder / "predictions.csv", index_col="row")["predicted"]
    said(["predict", str(folder), str(path), "--out", str(tmp_path / "p.csv")], capsys)
    again = pd.read_csv(tmp_path / "p.csv", index_col="row")["predicted"]
    np.testing.assert_allclose(again[done.index], done, rtol=1e-6)
    plain = tmp_path / "b.csv"
    KOREAN.set_axis(["c1", "c2", "c3"], axis=1).to_csv(plain, index=False)
    other = ["--encoding", "utf-8", "--header", "--skip-rows", "0", "--decimal", "."]
    said(["predict", str(folder), str(plain), *other, "--out", str(tmp_path / "q.csv")], capsys)
    assert (tmp_path / "p.csv").read_text() == (tmp_path / "q.csv").read_text()


@pytest.mark.parametrize(
    "harm", ['"header": 1', '"skip_rows": "2"', '"colour": null', '"encoding": 5']
)
def test_a_damaged_description_is_refused(harm, tmp_path, capsys):
    path, folder = tmp_path / "a.csv", tmp_path / "out"
    TABLE.to_csv(path, index=False)
    said(["train", str(path), "--target", "price", "--epochs", "1", "--out", str(folder)], capsys)
    known = (folder / "columns.json").read_text(encoding="utf-8")
    (folder / "columns.json").write_text(
        re.sub(r'"reading": {[^}]*}', f'"reading": {{{harm}}}', known)
    )
    assert "was not written by this version" in refused(["predict", str(folder), str(path)], capsys)
    (folder / "columns.json").write_text(re.sub(r'"reading": {[^}]*},', "", known))  # of before
    said(["predict", str(folder), str(path)], capsys)


def test_reading_over_another():
    assert Reading(decimal=",").over(Reading("cp949", decimal=".")) == Reading("cp949", decimal=",")


# --- sizes ----------------------------------------------------------------------------------------------


def test_missing_values_as_pandas_drops_them(tmp_path, capsys):
    holes = TABLE.mask(rng().uniform(size=TABLE.shape) < 0.1)
    path = tmp_path / "a.csv"
    holes.to_csv(path, index=False, na_rep="NA")
    gone = N - len(holes.dropna())
    assert f"{gone} rows of 60" in refused(["minimize", str(path), "--target", "price"], capsys)
    lines, score = fitted(path, "price", ["--drop-missing"], capsys)
    assert score == r2(holes.dropna(), "price")
    assert f"{gone} rows with a missing value left out" in lines[0]


def test_three_hundred_categories(tmp_path, capsys):
    shop = [f"shop {k:03}" for k in rng().permutation(np.arange(1500) % 300)]
    frame = pd.DataFrame({"shop": shop, "size": rng().normal(size=1500).round(3)})
    frame["sold"] = (frame["size"] + pd.Series(shop).str[-3:].astype(int) / 50).round(3)
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    lines, score = fitted(path, "sold", [], capsys)
    assert score == r2(pd.get_dummies(frame, dtype=float), "sold")
    assert lines[2] == "The 20 largest of 302 parameters (all of them: --out FOLDER)"
    lines = said(
        ["sweep", str(path), "--target", "sold", "--rates", "0.5", "--tol", "1e-5"], capsys
    )
    assert len(lines) == 7
    lines = said(
        ["train", str(path), "--target", "sold", "--hidden", "none", "--epochs", "2"], capsys
    )
    assert "an input for each level of shop (" in lines[0]


@pytest.mark.parametrize("size", [1e-200, 1e150, 1e300])
def test_huge_and_tiny_values(size, tmp_path, capsys):
    path = tmp_path / "a.csv"
    TABLE.assign(area=AREA / 200 * size).to_csv(path, index=False)
    assert fitted(path, "price", [], capsys)[1] == r2(TABLE, "price")


def test_classes_of_very_different_sizes(tmp_path, capsys):
    rare = np.arange(400) % 100 == 7
    frame = pd.DataFrame(
        {"x": rng().normal(size=400) + 2 * rare, "rare": np.where(rare, "yes", "no")}
    )
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(frame[["x"]], frame["rare"])
    share = f"{model.score(frame[['x']], frame['rare']):.1%} of the rows classified correctly"
    arguments = ["minimize", str(path), "--target", "rare", "--out", str(tmp_path / "out")]
    lines = said(arguments, capsys)
    assert lines[0].startswith("rare (2 classes) from x: 400 rows")
    assert share in "\n".join(lines)
    own = pd.read_csv(tmp_path / "out" / "parameters.csv")["own units"]
    np.testing.assert_allclose(own, [model.coef_.item(), model.intercept_.item()], rtol=1e-4)
    said(["train", str(path), "--target", "rare", "--epochs", "2"], capsys)


def test_one_row(tmp_path, capsys):
    path = tmp_path / "a.csv"
    TABLE.iloc[:1].to_csv(path, index=False)
    for command in (["minimize"], ["sweep", "--rates", "1"], ["train"]):
        says = refused([*command, str(path), "--target", "price"], capsys)
        assert "1 row to fit; wanted at least two" in says


def test_two_hundred_thousand_rows(tmp_path, capsys):
    many = 200_000
    frame = pd.DataFrame({
        "when": (pd.Timestamp("2000-01-01") + pd.to_timedelta(np.arange(many) % 7000, "D")).strftime("%d.%m.%Y"),
        "kind": np.array(["a", "b", "c"])[np.arange(many) % 3],
        "x": rng().normal(size=many).round(4),
    })  # fmt: skip
    frame["y"] = (frame["x"] + np.arange(many) % 7000 / 1000 + (frame["kind"] == "b")).round(4)
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    lines, score = fitted(path, "y", ["--tol", "1e-6"], capsys)
    assert score == "R² 1.0000"
    assert "; when: days since 2000-01-01 (read as %d.%m.%Y)" in lines[0]


@pytest.mark.parametrize("width", ["80", "100", "200"])
def test_tables_are_whole_on_every_terminal(width, tmp_path, monkeypatch, capsys):
    tiny = rng().normal(size=(4, N)) * 1e-7
    frame = TABLE.assign(
        **{f"a column with a long name, number {k}": x for k, x in enumerate(tiny)}
    )
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    arguments = ["minimize", str(path), "--target", "price"]
    numbers = re.findall(r"[-+]?\d+\.\d+", "\n".join(said(arguments, capsys)[3:-1]))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", width)
    drawn = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in said(arguments, capsys)]
    assert len(numbers) >= 10
    assert set(numbers) <= set(re.findall(r"[-+]?\d+\.\d+", "\n".join(drawn)))
    assert max(map(len, drawn[2:-1])) <= int(width)


def test_korean_tables_are_in_line(tmp_path, capsys):
    path = tmp_path / "a.csv"
    KOREAN.assign(x=AREA**2).to_csv(path, index=False)
    head, *rows = said(["minimize", str(path), "--target", "가격"], capsys)[2:7]
    assert {width(row.rstrip()) for row in rows} == {width(head)}


def test_empty_columns_are_left_out(tmp_path, capsys):
    path = tmp_path / "a.csv"
    TABLE.assign(cancelled="-", note="").to_csv(path, index=False)
    lines, score = fitted(path, "price", [], capsys)
    assert "2 columns left out as empty (cancelled, note)" in lines[0]
    assert score == r2(TABLE, "price")
    says = refused(["minimize", str(path), "--target", "price", "--features", "area,note"], capsys)
    assert "missing values in column 'note' (60 rows, first in row 1)" in says


def test_numbers_that_look_like_dates_are_remarked_on(tmp_path, capsys):
    path = tmp_path / "a.csv"
    months = [202001 + k % 12 + 100 * (k // 12) for k in range(N)]
    TABLE.assign(month=months, code=np.arange(N) + 202010).to_csv(path, index=False)
    lines, _ = fitted(path, "price", [], capsys)
    assert "; month taken as numbers (--dates month makes dates of them); " in lines[0]
    lines, _ = fitted(path, "price", ["--dates", "month"], capsys)
    assert "; month: days since 2020-01-01; " in lines[0]
    assert "taken as" not in lines[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"a": [1], "y": [2]}', "it is JSON; save the table as CSV, .xlsx or Parquet"),
        ('[{"a": 1, "y": 2}]', "it is JSON"),
        ("<html><table><tr><td>1</td></tr></table></html>", "it is HTML or XML"),
        (
            "a,y\n1 2 3,4\n5 6 7,8\n",
            "'1 2 3' (several cells? say what separates them: --separator)",
        ),
    ],
)
def test_other_texts(content, says, tmp_path, capsys):
    path = tmp_path / "a"
    path.write_text(content)
    assert says in refused(["minimize", str(path), "--target", "y"], capsys)
