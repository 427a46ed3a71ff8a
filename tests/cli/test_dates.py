"""Columns of dates: which they are, which days they become, and what predict makes of them."""

import datetime

import numpy as np
import pandas as pd
import pytest
from cli.commands import refused, said
from sklearn.linear_model import LinearRegression

import fastgd as gd
from fastgd.cli.dates import Days, days_of

RNG = np.random.default_rng(8)
N = 80
DAYS = pd.Series(pd.Timestamp("2019-12-30") + pd.to_timedelta(RNG.permutation(500)[:N], "D"))
SIZE = RNG.uniform(1, 9, N).round(2)
SOLD = (0.3 * (DAYS - DAYS.min()).dt.days + 2 * SIZE + RNG.normal(0, 3, N)).round(3)
FORMS = [
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y. %m. %d.", "%Y년 %m월 %d일", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y",
    "%m/%d/%y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%B %d, %Y", "%b %d, %Y", "%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M %p",
    "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S+00:00",
]  # fmt: skip


def table(form):
    return pd.DataFrame({"size": SIZE, "when": DAYS.dt.strftime(form), "sold": SOLD})


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_write_dates_gives_the_same_days(form):
    column = table(form)["when"]
    days = days_of(column, asked=False, form=None)
    assert days.since == str(DAYS.min().date())
    assert days.of(column).tolist() == (DAYS - DAYS.min()).dt.days.tolist()
    again = days_of(column, asked=False, form=form)
    assert again.of(column).tolist() == days.of(column).tolist()


@pytest.mark.parametrize(
    "texts",
    [
        ["10-20", "20-30"], ["1.2.3", "1.2.4"], ["010-1234-5678", "010-2345-6789"], ["192.168.1.1", "10.0.0.1"],
        ["12:30", "11:15"], ["Q1 2020", "Q2 2020"], ["May", "June"], ["1234-5", "1235-6"], ["apt 3", "apt 4"],
        ["A-2020-01-03", "B-2020-01-03"],
    ],
)  # fmt: skip
def test_what_is_no_date(texts):
    assert days_of(pd.Series(texts, name="a"), asked=False, form=None) is None


@pytest.mark.parametrize(
    ("texts", "form", "says"),
    [
        (["01/02/2020", "05/06/2020"], None, "'when' has dates that can be read as %d/%m/%Y and as %m/%d/%Y, such as "
         "'01/02/2020' in row 1; say which: --date-format %d/%m/%Y"),
        (["20.01.03", "20.02.03"], None, "can be read as %d.%m.%y and as %y.%m.%d"),
        (["2020-01-03", "2020-02-30", "2020-02-03"], None, "no date of the form %Y-%m-%d in row 2: '2020-02-30'"),
        (["2020-01-03", "2020-02-03", "soon"], None, "'when' has no date of the form %Y-%m-%d in row 3: 'soon'"),
        (["01/02/2020", "31/01/2020"], "%m/%d/%Y", "'when' has no date of the form %m/%d/%Y in row 2: '31/01/2020'"),
    ],
)  # fmt: skip
def test_a_bad_or_ambiguous_cell_is_named(texts, form, says):
    column = pd.Series(texts, name="when")
    with pytest.raises(ValueError, match="column 'when'") as error:
        days_of(column, asked=False, form=form).of(column)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("numbers", "form", "days"),
    [
        ([20200131, 20200202], None, [0, 2]),
        ([202001, 202003], None, [0, 60]),
        ([2020, 2021], None, [0, 366]),
        ([31012020, 11022020], "%d%m%Y", [0, 11]),
        ([1.5, 2], None, None),
    ],
)
def test_numbers_are_dates_only_if_that_is_said(numbers, form, days):
    column = pd.Series(numbers, name="n")
    assert days_of(column, asked=False, form=form) is None
    if days is None:
        with pytest.raises(ValueError, match="column 'n' holds no dates"):
            days_of(column, asked=True, form=form).of(column)
    else:
        assert days_of(column, asked=True, form=form).of(column).tolist() == days


def test_dates_that_are_no_texts():
    dates = pd.Series([datetime.date(2020, 1, 3), datetime.date(2020, 1, 1)], dtype=object)
    zone = pd.Series(
        pd.to_datetime(["2020-01-03 06:00", "2020-01-01 21:00"]).tz_localize("Asia/Seoul")
    )
    assert days_of(dates, asked=False, form=None).of(dates).tolist() == [2, 0]
    assert days_of(zone, asked=False, form=None).of(zone).tolist() == [1.875, 0.5]  # in UTC
    mixed = pd.Series([datetime.datetime(2020, 1, 3), "later"], dtype=object, name="when")
    with pytest.raises(ValueError, match="'when' has no date in row 2: 'later'"):
        days_of(mixed, asked=False, form=None)


def test_days_are_a_feature_as_any_other(tmp_path, capsys):
    path, out = tmp_path / "a.csv", tmp_path / "out"
    table("%d/%m/%Y").to_csv(path, index=False)
    lines = said(["minimize", str(path), "--target", "sold", "--out", str(out)], capsys)
    X = np.column_stack([SIZE, (DAYS - DAYS.min()).dt.days])
    theirs = LinearRegression().fit(X, SOLD)
    assert f"; when: days since {DAYS.min().date()} (read as %d/%m/%Y); " in lines[0]
    assert lines[-2].endswith(f"R² {theirs.score(X, SOLD):.4f}")
    own = pd.read_csv(out / "parameters.csv", index_col="parameter")["own units"]
    assert list(own.index) == ["size", "when (days)", "constant"]
    np.testing.assert_allclose(own, [*theirs.coef_, theirs.intercept_], rtol=1e-5)
    says = refused(["minimize", str(path), "--target", "when"], capsys)
    assert "column 'when' holds dates; wanted a number or a class as the target" in says
    few = table("%Y-%m-%d").assign(when=np.where(SIZE > 5, "2020-01-01", "2020-01-02"))
    few.to_csv(path, index=False)
    lines = said(["minimize", str(path), "--target", "sold", "--categories", "when"], capsys)
    assert "an input for each level of when (2)" in lines[0]


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%Y%m%d"])
def test_predict_counts_from_the_same_day(form, tmp_path, capsys):
    frame = table(form)
    path, folder = tmp_path / "a.csv", tmp_path / "out"
    frame.to_csv(path, index=False)
    more = ["--dates", "when"] if form == "%Y%m%d" else []
    said(
        ["train", str(path), "--target", "sold", "--epochs", "3", *more, "--out", str(folder)],
        capsys,
    )
    done = pd.read_csv(folder / "predictions.csv", index_col="row")["predicted"]
    frame.iloc[5:].to_csv(path, index=False)  # without the first date, perhaps
    said(["predict", str(folder), str(path), "--out", str(tmp_path / "p.csv")], capsys)
    again = pd.read_csv(tmp_path / "p.csv")["predicted"]
    kept = done[done.index > 5]
    np.testing.assert_allclose(again[kept.index - 6], kept, rtol=1e-5)
    frame.assign(when=DAYS.dt.strftime("%d %b %Y")).to_csv(path, index=False)
    says = refused(["predict", str(folder), str(path)], capsys)
    assert f"column 'when' has no date of the form {form} in row 1: '" in says


def test_a_loaded_model_takes_dates(tmp_path, capsys):
    path, folder = tmp_path / "a.csv", tmp_path / "out"
    frame = table("%d/%m/%Y")
    frame.to_csv(path, index=False)
    said(["minimize", str(path), "--target", "sold", "--out", str(folder)], capsys)
    said(["predict", str(folder), str(path), "--out", str(tmp_path / "p.csv")], capsys)
    wanted = pd.read_csv(tmp_path / "p.csv")["predicted"]
    model = gd.load(folder)
    for dates in (frame["when"], DAYS, DAYS.dt.tz_localize("UTC"), DAYS.dt.date):
        np.testing.assert_allclose(model.predict(frame.assign(when=dates)), wanted, rtol=1e-12)
    one = {"when": datetime.date(2020, 5, 1), "size": 3.0}
    assert np.isfinite(model.predict(one)).all()
    with pytest.raises(ValueError, match="column 'when' has no date of the form"):
        model.predict({"when": "May", "size": 3.0})


def test_excel_and_parquet_have_dates(tmp_path, capsys):
    pytest.importorskip("openpyxl")
    pytest.importorskip("pyarrow")
    frame = table("%Y-%m-%d").assign(when=DAYS)
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    ends = set()
    for name in ("a.xlsx", "a.parquet", "a.csv"):
        lines = said(["minimize", str(tmp_path / name), "--target", "sold"], capsys)
        assert f"when: days since {DAYS.min().date()}; " in lines[0]
        ends.add("\n".join(lines[3:]))
    assert len(ends) == 1


def test_what_a_folder_says_of_dates_is_checked(tmp_path, capsys):
    path, folder = tmp_path / "a.csv", tmp_path / "out"
    table("%Y-%m-%d").to_csv(path, index=False)
    said(["train", str(path), "--target", "sold", "--epochs", "1", "--out", str(folder)], capsys)
    known = (folder / "columns.json").read_text(encoding="utf-8")
    since = f'"since": "{DAYS.min().date()}"'
    assert since in known
    for harm in ('"since": 5', '"since": "one day"', '"until": "2020-01-01"'):
        (folder / "columns.json").write_text(known.replace(since, harm), encoding="utf-8")
        assert "was not written by this version" in refused(
            ["predict", str(folder), str(path)], capsys
        )


def test_days_say_what_they_are():
    assert str(Days("2020-01-31", "%d/%m/%Y")) == "days since 2020-01-31 (read as %d/%m/%Y)"
    assert str(Days("2020-01-31")) == str(Days("2020-01-31", "ISO8601")) == "days since 2020-01-31"
