"""Real files of every format and every kind of damage."""

import gzip
import json
import pickle
import tracemalloc
import zipfile
from datetime import datetime

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.data.readers import excel
from tuner.data.readers.decompress import Unpacked
from tuner.data.readers.reader import Reader
from tuner.errors import DataError, NotFoundError, SettingError


def made(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def values(path, **options):
    return [r.value for r in Reader(path, **options)]


ROW = {"prompt": "a", "answer": "b"}


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.csv", "prompt,answer\na,b\n", "csv"),
        ("a.csv", "prompt;answer\na;b\n", "csv"),
        ("a.csv", "sep=;\r\nprompt;answer\r\na;b\r\n", "csv"),
        ("a.csv", "prompt|answer\na|b", "csv"),
        ("a.tsv", "prompt\tanswer\r\na\tb\r\n", "tsv"),
        ("a", "prompt\tanswer\na\tb\n", "tsv"),
        ("a.csv", "\ufeffprompt,answer\na,b\n", "csv"),
        ("a.csv", "prompt,answer,\na,b,\n", "csv"),
        ("a.json", '[{"prompt": "a", "answer": "b"}]', "json"),
        ("a.json", '{"prompt": "a", "answer": "b"}', "json"),
        ("a.json", '{"version": 1, "data": [\n{"prompt": "a", "answer": "b"}\n]}', "json"),
        ("a.json", '{"meta": {"n": 1, "rows": [{"prompt": "a", "answer": "b"}]}}', "json"),
        ("a.json", '{"prompt": ["a"], "answer": ["b"]}', "json"),
        ("a.json", '{"prompt": {"0": "a"}, "answer": {"0": "b"}}', "json"),
        ("a.jsonl", '{"prompt": "a", "answer": "b"}\n', "jsonl"),
        ("a.txt", '{"prompt": "a", "answer": "b"}\n\n', "json"),
        ("a.csv", '[\n {"prompt": "a", "answer": "b"},\n]', "json"),
    ],
)
def test_one_row_however_it_was_saved(tmp_path, name, content, format):
    reader = Reader(made(tmp_path, name, content))
    row = {k: v for k, v in next(iter(reader)).value.items() if k != "column 3"}
    assert (reader.format, row, len(list(reader))) == (format, ROW, 1)
    assert reader.columns[:2] == ["prompt", "answer"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"])
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
def test_encodings(tmp_path, encoding, name):
    row = {"prompt": "Käse für 3 Stück", "answer": "très bien, señor"}
    text = {
        "a.csv": 'prompt,answer\n{prompt},"{answer}"\n'.format(**row),
        "a.json": json.dumps([row], ensure_ascii=False, indent=1),
        "a.jsonl": json.dumps(row, ensure_ascii=False) + "\n" + json.dumps(row, ensure_ascii=False),
    }[name]
    reader = Reader(made(tmp_path, name, text.encode(encoding)))
    assert next(iter(reader)).value == row
    assert ("not UTF-8" in (reader.note or "")) == (encoding in ("cp1252", "latin-1"))


def test_one_bad_byte_does_not_spoil_the_other_accents(tmp_path):
    content = b"prompt,answer\n" + "für,schön\n".encode() * 50 + b"f\xfcr,b\n"
    reader = Reader(made(tmp_path, "a.csv", content))
    assert next(iter(reader)).value == {"prompt": "für", "answer": "schön"}
    assert reader.encoding == "utf-8" and "1 characters" in reader.note


def test_named_encoding(tmp_path):
    path = made(tmp_path, "a.csv", "frage,antwort\n猫,犬\n".encode("shift_jis"))
    assert values(path, encoding="shift_jis") == [{"frage": "猫", "antwort": "犬"}]
    with pytest.raises(SettingError):
        Reader(path, encoding="klingon")


def test_quoted_newlines_and_a_large_cell(tmp_path):
    big = "x" * 300_000
    path = made(tmp_path, "a.csv", f'prompt,answer\n"two\nlines, ""quoted""","{big}"\nc,d\n')
    assert values(path) == [{"prompt": 'two\nlines, "quoted"', "answer": big}, {"prompt": "c", "answer": "d"}]


def test_a_csv_row_with_too_many_or_few_cells_is_one_problem(tmp_path):
    records = list(Reader(made(tmp_path, "a.csv", "prompt,answer\na,b\na,b,c\n\nonly\nc,d\n")))
    assert [(r.row, r.value is None) for r in records] == [(1, False), (2, True), (3, True), (4, False)]
    assert records[1].problem == "The row has 3 cells; the header has 2." and records[1].remedy


def test_a_stray_quote_costs_one_row_only(tmp_path):
    lines = [f"q{i},a{i}" for i in range(2000)]
    lines[700] = 'q700,"a700'
    records = list(Reader(made(tmp_path, "a.csv", "prompt,answer\n" + "\n".join(lines))))
    bad = [r.row for r in records if r.value is None]
    good = {r.value["prompt"] for r in records if r.value}
    assert len(bad) <= 1 and len(good) >= 1999 and records[-1].value == {"prompt": "q1999", "answer": "a1999"}


def test_header_names_are_made_unique(tmp_path):
    assert Reader(made(tmp_path, "a.csv", "text,text,\na,b,c\n")).columns == ["text", "text 2", "column 3"]


def test_a_csv_without_header_keeps_its_first_row(tmp_path):
    reader = Reader(made(tmp_path, "a.csv", f"{'Why? ' * 40},because\n{'How? ' * 40},so\n"))
    assert len(list(reader)) == 2 and reader.columns == ["column 1", "column 2"] and "no header" in reader.note


def test_one_broken_line_among_thousands(tmp_path):
    lines = [json.dumps({"text": f"row {i}"}) for i in range(5000)]
    lines[1234] = '{"text": "no end'
    records = list(Reader(made(tmp_path, "a.jsonl", "\n".join(lines))))
    broken = [r for r in records if r.problem]
    assert len(records) == 5000 and [r.row for r in broken] == [1235] and "Line 1235" in broken[0].problem


@pytest.mark.parametrize("indent", [None, 2])
def test_one_broken_element_of_a_json_list(tmp_path, indent):
    items = [json.dumps({"prompt": f"q{i}", "answer": "a"}, indent=indent) for i in range(3000)]
    items[50] = items[50].replace('"answer": ', '"answer" ')
    text = "[\n" + ",\n".join(items) + "\n]"
    records = list(Reader(made(tmp_path, "a.json", text)))
    assert [r.row for r in records if r.problem] == [51] and len(records) == 3000
    assert f"line {52 if indent is None else 50 * 4 + 4}, column" in records[50].problem


def test_json_that_breaks_off_keeps_what_came_before(tmp_path):
    records = list(Reader(made(tmp_path, "a.json", '[{"text": "a"}, {"text": "b"}, {"te')))
    assert [r.value for r in records] == [{"text": "a"}, {"text": "b"}, None] and "ends too early" in records[-1].problem


@pytest.mark.parametrize("text", ["{'prompt': 'a'}", '{"prompt": a}', "hello there", '[{"a": 1', "[[[" * 100_000, "[1, 2]"])
def test_unreadable_json_names_the_place(tmp_path, text):
    with pytest.raises(DataError) as caught:
        Reader(made(tmp_path, "a.json", text))
    assert caught.value.message and caught.value.remedy and caught.value.available


def test_json_shapes(tmp_path):
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    for document, expected in (
        ([turns, turns], [{"messages": turns}] * 2),
        ({"messages": turns}, [{"messages": turns}]),
        (["a", "b"], [{"text": "a"}, {"text": "b"}]),
        ({"train": [ROW, ROW], "test": [ROW]}, [ROW] * 3),
        ({"7": ROW, "9": ROW}, [ROW] * 2),
        ({"x": ["a", "b"], "y": [1, 2]}, [{"x": "a", "y": 1}, {"x": "b", "y": 2}]),
    ):
        for indent in (None, 2):
            assert values(made(tmp_path, "a.json", json.dumps(document, indent=indent))) == expected
    assert values(made(tmp_path, "a.json", json.dumps(ROW, indent=2) * 3)) == [ROW] * 3
    assert len(values(made(tmp_path, "a.json", '[{"a": NaN}, {"a": 1e5}]'))) == 2


def test_json_across_window_borders(tmp_path):
    rows = [{"text": "é" * (n % 977) + str(n), "n": n} for n in range(3000)]
    assert values(made(tmp_path, "a.json", json.dumps(rows, ensure_ascii=False))) == rows
    assert values(made(tmp_path, "b.json", json.dumps({"meta": 1, "data": rows}, indent=1))) == rows


def test_text_is_split_at_blank_lines_else_at_lines(tmp_path):
    assert values(made(tmp_path, "a.txt", "one\ntwo\n\n\nthree\n")) == [{"text": "one\ntwo"}, {"text": "three"}]
    assert values(made(tmp_path, "a.txt", "one\ntwo\nthree")) == [{"text": t} for t in ("one", "two", "three")]
    assert values(made(tmp_path, "a.md", "# Title\n\nBody.\n\nMore.")) == [{"text": "# Title\n\nBody."}, {"text": "More."}]
    long = values(made(tmp_path, "b.txt", "\n\n" + "word word\n" * 5000))
    assert sum(v["text"].count("word") for v in long) == 10000 and max(len(v["text"]) for v in long) <= 8000


def test_parquet(tmp_path):
    pq.write_table(pa.table({"prompt": ["a", None], "answer": ["b", "c"]}), tmp_path / "a.parquet")
    reader = Reader(tmp_path / "a.parquet")
    assert (reader.format, [r.value for r in reader]) == (
        "parquet",
        [ROW, {"prompt": None, "answer": "c"}],
    ) and reader.position == reader.bytes
    made(tmp_path, "b.parquet", (tmp_path / "a.parquet").read_bytes()[:-30])
    with pytest.raises(DataError):
        Reader(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("empty.csv", b"", "empty"),
        ("blank.csv", b" \n\n \n", "blank"),
        ("header.csv", b"prompt,answer\n", "header but no rows"),
        ("none.json", b"[]", "no records"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(200), "PNG"),
        ("p.json", pickle.dumps({"a": 1}), "pickle"),
        ("doc.txt", b"%PDF-1.7\n" + bytes(99), "PDF"),
        ("a.jsonl", b"\x1f\x8b\x08" + bytes(99), "gzip"),
        ("noise.csv", bytes(range(256)) * 20, "binary"),
    ],
)
def test_files_that_hold_nothing_to_learn(tmp_path, name, content, word):
    with pytest.raises(DataError, match=word) as caught:
        Reader(made(tmp_path, name, content))
    assert name in caught.value.message and caught.value.remedy


def test_zip_excel_folder_and_missing(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv", "w") as z:
        z.writestr("xl/workbook.xml", "<x/>")
    with pytest.raises(DataError, match="workbook") as caught:
        Reader(tmp_path / "a.csv")
    assert "CSV" in caught.value.remedy
    with pytest.raises(DataError, match="folder"):
        Reader(tmp_path)
    with pytest.raises(NotFoundError):
        Reader(tmp_path / "no such.csv")


def test_a_wrong_extension_is_said(tmp_path):
    assert "holds JSON" in Reader(made(tmp_path, "a.csv", json.dumps([ROW]))).note
    reader = Reader(made(tmp_path, "a.json", "prompt,answer\na,b\nc,d\n"))
    assert reader.format == "csv" and "holds CSV" in reader.note


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "one line.json", "a.txt"])
def test_a_large_file_takes_little_memory(tmp_path, name):
    row, path = {"prompt": "What is it? " * 40, "answer": "It is so. " * 40}, tmp_path / name
    text = {"a.csv": f"{row['prompt']},{row['answer']}\n", "a.txt": row["prompt"] + "\n\n", "one line.json": json.dumps(row) + ", "}.get(
        name, json.dumps(row) + "\n"
    )
    with open(path, "w") as f:
        f.write({"a.csv": "prompt,answer\n", "a.json": "[\n", "one line.json": '{"data": ['}.get(name, ""))
        f.write((text if name != "a.json" else text.replace("\n", ",\n")) * 24_000)
        f.write({"a.json": json.dumps(row) + "\n]", "one line.json": json.dumps(row) + "]}"}.get(name, ""))
    tracemalloc.start()
    count = sum(1 for r in Reader(path) if r.value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count >= 24_000 and path.stat().st_size > 11e6 and peak < 6e6


# --- packed files and workbooks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", "prompt,answer\na,b\n"),
        ("a.JSONL.GZ", '{"prompt": "a", "answer": "b"}\n'),
        ("a.json.gz", '{"prompt": ["a"], "answer": ["b"]}'),
        ("a.gz", "prompt\tanswer\na\tb\n"),
    ],
)
def test_gzip_of_any_text(tmp_path, name, content):
    path = made(tmp_path, name, gzip.compress(content.encode()))
    assert values(path) == [ROW] and values(path, encoding="utf-8") == [ROW]
    reader = Reader(path)
    list(reader)
    assert reader.position == reader.bytes == path.stat().st_size


def test_gzip_in_any_encoding(tmp_path):
    assert values(made(tmp_path, "a.csv.gz", gzip.compress("prompt,answer\nä,b\n".encode("utf-16")))) == [ROW | {"prompt": "ä"}]


def test_a_damaged_archive_is_said_to_be_one(tmp_path):
    whole = gzip.compress(json.dumps([ROW] * 50_000).encode() + bytes(range(32, 127)) * 100)
    with pytest.raises(DataError, match="damaged gzip archive"):
        Reader(made(tmp_path, "a.json.gz", whole[: len(whole) // 2]))
    with pytest.raises(DataError, match="damaged gzip archive"):
        Reader(made(tmp_path, "a.json.gz", whole[:40] + b"x" * 40 + whole[80:]))


def test_an_archive_is_unpacked_within_bounds(tmp_path, monkeypatch):
    path = made(tmp_path, "bomb.csv.gz", gzip.compress(b"prompt,answer\n" + b"a,b\n" * 10**5))
    tracemalloc.start()
    assert sum(1 for _ in Reader(path)) == 10**5
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    monkeypatch.setattr(Unpacked.__init__, "__defaults__", (10**5,))
    with pytest.raises(DataError, match="unpacks to more than"):
        list(Reader(path))


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook(tmp_path):
    when = datetime(2026, 11, 23)
    rows = [["prompt", "answer", "n", "day", "ok"], ["a", "b", 3, when, True], [], ["c", 'say "d"\nnow', 2.5, when.replace(hour=9), None]]
    reader = Reader(workbook(tmp_path / "a.xlsx", Empty=[], Rows=rows, More=[["x"], ["y"]]))
    assert [r.value for r in reader] == [
        {"prompt": "a", "answer": "b", "n": "3", "day": "2026-11-23", "ok": "true"},
        {"prompt": "c", "answer": 'say "d"\nnow', "n": "2.5", "day": "2026-11-23 09:00:00", "ok": ""},
    ]
    assert reader.format == "xlsx" and "'Rows' was read" in reader.note and "'More' was not" in reader.note


def test_workbooks_that_hold_nothing_or_are_none(tmp_path):
    for content, words in (({"A": []}, "holds no records"), ({"A": [["prompt", "answer"]]}, "header but no rows")):
        with pytest.raises(DataError, match=words):
            Reader(workbook(tmp_path / "a.xlsx", **content))
    whole = workbook(tmp_path / "b.xlsx", A=[["prompt", "answer"], ["a", "b"]]).read_bytes()
    with pytest.raises(DataError, match="damaged zip archive"):
        Reader(made(tmp_path, "c.xlsx", whole[:-30]))
    with pytest.raises(DataError, match="can't be read as a workbook"):
        Reader(made(tmp_path, "d.xls", b"\xd0\xcf\x11\xe0" + bytes(4000)))


def test_a_workbook_is_unpacked_within_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(excel, "MOST", 1000)
    with pytest.raises(DataError, match="unpacks to"):
        Reader(workbook(tmp_path / "a.xlsx", A=[["prompt", "answer"], ["a", "b"]]))
