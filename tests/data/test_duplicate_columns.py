"""Two columns, or two keys of an object, with one name: each is kept, and said."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.test_reader import workbook
from tuner.data.importing.import_pass import check
from tuner.data.readers.reader import Reader
from tuner.data.store import store

ROWS = [[f"is it {n}?", f"it is {n}", f"no {n}"] for n in range(30)]
HEADER = ["prompt", "answer", "answer"]


def file(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    if ending == "xlsx":
        return workbook(path, A=[HEADER, *ROWS])
    if ending == "parquet":
        pq.write_table(pa.Table.from_arrays([pa.array(column) for column in zip(*ROWS, strict=True)], names=HEADER), path)
    elif ending in ("csv", "tsv"):
        mark = "\t" if ending == "tsv" else ","
        path.write_text("".join(mark.join(row) + "\n" for row in [HEADER, *ROWS]))
    else:
        objects = ["{" + ", ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in zip(HEADER, row, strict=True)) + "}" for row in ROWS]
        path.write_text("\n".join(objects) if ending == "jsonl" else f"[{','.join(objects)}]")
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "xlsx", "parquet", "json", "jsonl"])
@pytest.mark.parametrize("fast", [0, 10**9])
def test_the_second_is_kept_and_said(ws, tmp_path, monkeypatch, ending, fast):
    monkeypatch.setattr("tuner.data.importing.arrow_import.FROM", fast)
    path = file(tmp_path, ending)
    reader = Reader(path)
    assert [r.value for r in reader] == [dict(zip(["prompt", "answer", "answer 2"], row, strict=True)) for row in ROWS]
    assert "'answer'" in reader.note and "'answer 2'" in reader.note and reader.columns == ["prompt", "answer", "answer 2"]
    data = store.add(ws, path)
    assert data.rows == 30 and any("'answer 2'" in note for note in data.notes)
    assert next(iter(store.rows(data)))["value"]["messages"][1]["content"] == "it is 0"


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_a_key_twice_in_a_late_row_or_deep_inside(tmp_path, ending):
    rows = [json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})] * 300
    rows += [rows[0].replace('"content": "b"', '"content": "b", "content": "c"'), rows[0].replace('"content": "b"', '"content" : "b"')]
    (tmp_path / f"a.{ending}").write_text("\n".join(rows) if ending == "jsonl" else f"[{','.join(rows)}]")
    reader = Reader(tmp_path / f"a.{ending}")
    assert reader.note is None
    assert [r.value for r in reader][300]["messages"][1] == {"role": "assistant", "content": "b", "content 2": "c"}
    assert reader.note == "The key 'content' occurs twice in an object: the second was renamed to 'content 2'."
    assert check(tmp_path / f"a.{ending}")["notes"] == [reader.note]


def test_names_that_are_different_are_not_said(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "he said: \\"a\\": 1", "meta": {"deep": {"text": "x", "y": [[{"text": "z"}]]}}}\n' * 3)
    assert Reader(tmp_path / "a.jsonl").note is None
    (tmp_path / "a.csv").write_text("text,,\na,b,c\n")
    assert Reader(tmp_path / "a.csv").note is None
