"""What is beyond a bound costs its own row, or is refused with its cause before it is read."""

import gzip
import json
import time

import pytest

from tests.hostile.monsters import TABLE, cell, deep, workbook
from tuner.data.importing import import_pass, sources
from tuner.data.readers import bounds, json_stream, reader
from tuner.data.readers.reader import Reader, unique_names
from tuner.errors import DataError, NotFoundError
from tuner.system.untrusted import DEPTH, too_deep


def made(folder, name: str, content: bytes | str):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_line_that_is_too_long_is_the_problem_of_its_row_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "LARGEST", 10_000)
    rows = '{"text": "a"}\n' * 300 + '{"text": "' + "x" * 50_000 + '"}\n' + '{"text": "b"}\n' * 300
    found = list(Reader(made(tmp_path, "a.jsonl", rows)))
    assert len(found) == 601 and [r.row for r in found if r.value is None] == [301] and found[-1].value == {"text": "b"}
    assert "Line 301 has more than 10,000 characters" in found[300].problem and found[300].remedy


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("digits", [19, 30, 4300, 200_000])
def test_whole_numbers_of_any_length_are_read_digit_for_digit(tmp_path, name, digits):
    number = "7" * digits
    lines = ['{"text": "a", "label": 1}'] * 5 + [f'{{"text": "{"b" * 3}", "label": {number}}}'] + ['{"text": "c", "label": 2}'] * 5
    content = "\n".join(lines) if name.endswith("l") else "[" + ",\n".join(lines) + "]"
    values = [r.value for r in Reader(made(tmp_path, name, content))]
    assert len(values) == 11 and values[5]["label"] == (int(number) if digits <= 4300 else number)
    assert import_pass.check(tmp_path / name)["rows"] == 11


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("depth", [DEPTH + 1, 250, 600, 1100, 50_000])
def test_nesting_is_the_problem_of_its_row_alone(tmp_path, name, depth):
    row = json.dumps({"prompt": "a", "answer": "b"})
    lines = [row] * 20 + [row[:-1] + ', "more": ' + "[" * depth + "]" * depth + "}"] + [row] * 20
    content = "\n".join(lines) if name.endswith("l") else "[" + ",\n".join(lines) + "]"
    document = import_pass.check(made(tmp_path, name, content))
    assert document["usable"] == 40 and f"nested more than {DEPTH} deep" in document["problems"][0]["message"]


def test_depth_is_told_without_recursion():
    import random

    assert not too_deep(json.loads(deep(random.Random(1), 90))) and not too_deep({"a": [1, "b"] * 1000})
    value = []
    for _ in range(100_000):
        value = [value]
    assert too_deep(value)


def test_many_columns_are_named_in_time_and_refused_beyond_a_sheet(tmp_path):
    begun = time.monotonic()
    assert len(set(unique_names(["same"] * 100_000))) == 100_000 and time.monotonic() - begun < 2
    with pytest.raises(DataError, match="20,000 columns; at most 16,384"):
        Reader(made(tmp_path, "a.csv", ",".join(["c"] * 20_000) + "\n" + ",".join(["x"] * 20_000)))


def test_an_archive_of_the_same_bytes_is_refused_beyond_what_text_packs_to(tmp_path, monkeypatch):
    path = made(tmp_path, "a.csv.gz", gzip.compress(b"prompt,answer\n" + b"a,b\n" * 100_000))
    assert sum(1 for _ in Reader(path)) == 100_000, "a short file may pack as well as it likes"
    monkeypatch.setattr(bounds.refuse_ratio, "__kwdefaults__", {"ratio": bounds.RATIO, "beyond": 10**5})
    with pytest.raises(DataError, match="over 100 times as much"):
        list(Reader(path))


def test_a_cell_far_away_is_named_and_a_coloured_one_is_no_cell(tmp_path):
    far = workbook(TABLE + f'<row r="1048576">{cell("XFD1048576")}</row>')
    with pytest.raises(DataError, match="a cell at XFD1048576: its sheet spans 1,048,576 rows and 16,384 columns"):
        Reader(made(tmp_path, "a.xlsx", far))
    coloured = workbook(TABLE + '<row r="1048576"><c r="XFD1048576" s="1"/></row>')
    assert len(list(Reader(made(tmp_path, "b.xlsx", coloured)))) == 1


def test_one_row_that_breaks_the_reader_breaks_no_other(tmp_path, monkeypatch):
    from tuner.data.importing import import_pass as checking

    real = checking.convert

    def odd(value, *rest):
        if value["prompt"] == "7":
            raise KeyError("a defect of the converter")
        return real(value, *rest)

    monkeypatch.setattr(checking, "convert", odd)
    content = "prompt,answer\n" + "".join(f"{i},answer {i}\n" for i in range(20))
    document = import_pass.check(made(tmp_path, "a.csv", content))
    assert document["usable"] == 19 and document["problems"][0]["row"] == 8 and document["problems"][0]["remedy"]


def test_a_file_that_vanishes_or_may_not_be_read(tmp_path):
    with pytest.raises(NotFoundError):
        sources.copy_or_reference(tmp_path / "gone.csv", tmp_path, 1, False, None, None)
    path = made(tmp_path, "a.csv", "a,b\n1,2\n")
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        with pytest.raises(DataError, match="no permission"):
            sources.check_upload(path)


def test_the_limits_stand_in_one_place():
    assert json_stream.LARGEST == reader.LARGEST == bounds.LINE
