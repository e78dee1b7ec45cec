"""Numbers as people and programs write them: decimal commas, thousands, and what is not finite."""

import json
import math
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.test_cases import read
from tests.data.test_reader import workbook
from tuner.data.readers import excel
from tuner.data.readers.reader import Reader
from tuner.data.schema.convert import RowProblem, convert
from tuner.data.schema.numbers import commas_of, number_of

REGRESSION = {"text": "text", "label": "score"}


def table(tmp_path, cells, column="score", mark=";"):
    rows = [f"text{mark}{column}", *(f"this is text {n}{mark}{cell}" for n, cell in enumerate(cells))]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3,5", 3.5), ("-0,25", -0.25), ("0,123", 0.123), ("1234,567", 1234.567), ("12,3456", 12.3456), ("1.234,5", 1234.5), ("1,234.5", 1234.5),
        ("1,234,567", 1234567.0), ("1 234,5", 1234.5), ("1'234.5", 1234.5), ("\u22123", -3.0), ("1,234", None), ("1,2,3", None), ("Infinity", None),
        ("-inf", None), ("nan", None), ("1e400", None), ("7", 7.0), (True, 1.0), ("1e3", 1000.0), ("", None), ([1], None),
    ],
)  # fmt: skip
def test_a_number_is_what_leaves_no_doubt(text, number):
    assert number_of(text) == number


def test_what_a_comma_is_in_a_column():
    assert commas_of(["3,5", "4", "1,234"]) == ("decimal", True) and number_of("1,234", "decimal") == 1.234
    assert commas_of(["1,234", "999", "12,000"]) == ("thousands", False) and commas_of(["1,234", "3.5"]) == ("thousands", True)
    assert commas_of(["3,5", "3.5"]) == (None, True) == commas_of([1.5, "2"]) and number_of("1.234", "decimal") == 1234


def test_a_column_with_decimal_commas(tmp_path):
    found, rows, tally = table(tmp_path, ["3,5", "4,0", "2", "0,25", "1,234", "1.234,5"] * 5)
    assert found.kind == "regression" and found.mapping["label"] == "{score} with decimal commas" and not found.questions
    assert "decimal commas" in found.reason and tally.usable == 30
    assert [row["label"] for row in rows[:6]] == [3.5, 4.0, 2.0, 0.25, 1.234, 1234.5]


def test_commas_that_can_mean_either_are_asked_about(tmp_path):
    found, rows, _ = table(tmp_path, [f"{n},{n + 234}" for n in range(1, 30)])
    assert found.kind == "regression" and "thousands" in found.questions[0] and rows[0]["label"] == 1235.0
    assert table(tmp_path, ["1,234", "2.5"] * 5)[1][0]["label"] == 1234.0
    with pytest.raises(RowProblem, match="1,234"):
        convert({"text": "a", "score": "1,234"}, "regression", REGRESSION)


def test_decimals_and_labels_are_told_apart_by_the_name(tmp_path):
    cells = ["1,3", "2", "1,2", "3"] * 5
    assert table(tmp_path, cells, "tags")[1][0]["label"] == ["1", "3"]
    found, rows, _ = table(tmp_path, cells, "label")
    assert rows[0]["label"] == 1.3 and found.questions and "several labels" in found.questions[0]


NOT_FINITE = ["NaN", "nan", "Infinity", "-Infinity", "inf", "-inf", "1e999"]


@pytest.mark.parametrize("bad", NOT_FINITE)
@pytest.mark.parametrize("quoted", [True, False])
def test_what_is_not_finite_is_a_problem_of_its_row(tmp_path, bad, quoted):
    if not quoted and bad in ("nan", "inf", "-inf"):
        bad = "NaN"  # JSON has no such word
    cells = [str(n + 0.5) for n in range(20)] + [json.dumps(bad) if quoted else bad]
    (tmp_path / "a.jsonl").write_text("\n".join(f'{{"text": "this is text {n}", "score": {cell}}}' for n, cell in enumerate(cells)))
    found, rows, tally = read(tmp_path / "a.jsonl")
    assert found.kind == "regression" and tally.usable == 20 and all(math.isfinite(row["label"]) for row in rows)
    assert [p["row"] for p in tally.problems] == [21] and "not a finite number" in tally.problems[0]["message"] and tally.empty == 0


@pytest.mark.parametrize("bad", NOT_FINITE)
def test_what_is_not_finite_in_a_table(tmp_path, bad):
    found, rows, tally = table(tmp_path, ["3,5", "4,25", "2", bad] * 5)
    assert found.kind == "regression" and tally.usable == 15 and [p["row"] for p in tally.problems[:2]] == [4, 8]


@pytest.mark.parametrize("bad", ["Infinity", "-inf", "nan"])
def test_a_rating_and_a_weight_that_are_not_finite(bad):
    mapping = {"prompt": "q", "answer": "a", "rating": "r"}
    with pytest.raises(RowProblem):
        convert({"q": "x", "a": "y", "r": bad}, "rated", mapping)
    with pytest.raises(RowProblem, match="weight"):
        convert({"text": "x", "w": float(bad)}, "text", {"text": "text", "weight": "w"})
    assert convert({"q": "x", "a": "y", "r": "4,5"}, "rated", mapping)["label"] is True
    assert convert({"text": "x", "w": "0,5"}, "text", {"text": "text", "weight": "w"})["weight"] == 0.5


# ---- all digits


DIGITS = {
    1e15: "1000000000000000", 123456789012345678.0: "123456789012345680", 12345678901234567890.0: "12345678901234567000", -2e20: "-200000000000000000000",
    1e-7: "0.0000001", 3.0: "3", 2.5: "2.5", -0.0: "0", 1e300: "1" + "0" * 300,
}  # fmt: skip
SHEET = """<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0">
<office:body><office:spreadsheet><table:table table:name="A">{}</table:table></office:spreadsheet></office:body></office:document-content>"""


def ods(path, rows):
    cells = [
        "".join(f'<table:table-cell office:value-type="float" office:value="{cell!r}"/>' if isinstance(cell, float)
                else f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>' for cell in row)
        for row in rows
    ]  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml", '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
        )
        archive.writestr("content.xml", SHEET.format("".join(f"<table:table-row>{row}</table:table-row>" for row in cells)))
    return path


@pytest.mark.parametrize("ending", ["xlsx", "ods"])
def test_numbers_of_a_workbook_keep_their_digits(tmp_path, ending):
    rows = [["text", "id"], *([f"this is text {n}", number] for n, number in enumerate(DIGITS))]
    path = workbook(tmp_path / "a.xlsx", A=rows) if ending == "xlsx" else ods(tmp_path / "a.ods", rows)
    shown = [r.value["id"] for r in Reader(path)]
    close = [float(text) for text in shown]  # a writer of workbooks may leave out the last digit
    assert all("e" not in text for text in shown) and close == pytest.approx(list(DIGITS), rel=1e-15)
    assert ending == "xlsx" or shown == list(DIGITS.values())
    assert {excel.text(number): number for number in DIGITS} == {text: number for number, text in DIGITS.items()}


def test_numbers_of_other_files_keep_their_digits(tmp_path):
    pq.write_table(pa.table({"text": ["aa bb"] * 3, "label": [1e19, 2e15, 1e19]}), tmp_path / "a.parquet")
    rows = read(tmp_path / "a.parquet", kind="classification", mapping={"text": "text", "label": "label"})[1]
    assert [row["label"] for row in rows] == ["10000000000000000000", "2000000000000000", "10000000000000000000"]


def test_a_kind_that_is_chosen_reads_the_commas_as_well(tmp_path):
    cells = ["3,5", "1,234", "2"] * 5
    assert [row["label"] for row in table(tmp_path, cells, "grade")[1]][:3] == [3.5, 1.234, 2.0]
    for options in ({"kind": "regression"}, {"mapping": {"text": "text", "label": "grade"}, "kind": "regression"}):
        assert [row["label"] for row in read(tmp_path / "a.csv", **options)[1]][:3] == [3.5, 1.234, 2.0]
