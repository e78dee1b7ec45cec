"""Titles, notes and blank lines above the header of a table, and headers that only look like a title."""

import json

import openpyxl
import pytest

from tests.data.test_cases import read
from tests.data.test_reader import workbook
from tuner.data.readers.reader import Reader
from tuner.data.store import store

HEADER, BODY = ["Question", "Answer", "Nr"], [[f"Q {n}?", f"A {n}", str(n)] for n in range(12)]
TITLES = {
    "title": ([["Customer FAQ 2024"], []], 3),
    "title only": ([["Customer FAQ 2024"]], 2),
    "two lines": ([["Customer FAQ"], ["as of March"], [], []], 5),
    "notes": ([["Customer FAQ"], ["Exported", "2024-01-02"], []], 4),
    "blank": ([[], []], 3),
    "one of the names": ([["Answer"], []], 3),
}


@pytest.mark.parametrize("name", [*TITLES, "wide notes"])
@pytest.mark.parametrize("mark", [",", ";", "\t", None])
def test_what_stands_above_the_header(tmp_path, name, mark):
    over, line = TITLES.get(name, ([["Team", "Support", "Q4"], []], 3))
    if name == "notes" and mark is None:
        over = [row[:1] for row in over]
    rows = over + [HEADER] + BODY
    if mark:
        path = tmp_path / ("a.tsv" if mark == "\t" else "a.csv")
        path.write_text("\n".join(mark.join(row) for row in rows))
    else:
        path = workbook(tmp_path / "a.xlsx", A=rows)
    found, got, tally = read(path)
    assert got[0] == {"messages": [{"role": "user", "content": "Q 0?"}, {"role": "assistant", "content": "A 0"}]}, found
    assert found.kind == "chat" and tally.usable == 12 and tally.problems == []
    said = Reader(path).note or ""
    assert (f"The header is {'line' if mark else 'row'} {line}" in said and rows[0][0] in said) if name != "blank" else "header" not in said


@pytest.mark.parametrize("mark", [",", ";"])
def test_cells_that_a_spreadsheet_pads(tmp_path, mark):
    rows = [["Customer FAQ", "", ""], ["", "", ""], HEADER, *BODY]
    (tmp_path / "a.csv").write_text("\r\n".join(mark.join(row) for row in rows))
    reader = Reader(tmp_path / "a.csv")
    assert reader.columns == HEADER and [r.row for r in reader] == list(range(1, 13)) and "line 3" in reader.note
    (tmp_path / "a.csv").write_text("\r\n".join(mark.join(row) for row in rows[1:]))
    assert Reader(tmp_path / "a.csv").columns == HEADER


def test_problems_keep_their_rows(tmp_path):
    (tmp_path / "a.csv").write_text("FAQ\n\nQuestion,Answer\na,b\nc\nd,e\n" + "f,g\n" * 9)
    assert [r.row for r in Reader(tmp_path / "a.csv") if r.value is None] == [2]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (",text\n0,hello\n1,there\n2,friend\n", ["column 1", "text"]),
        ("text\nHello, world\nYes, I do\nWell, no\n", ["text"]),
        ("Gedicht\nHallo, Welt\nJa, nein\nNun, gut\n", ["Gedicht"]),
        ("text,\nI love it,positive\nI hate it,negative\n", ["text", "column 2"]),
        ("a,b\n1,2\n3,4\n", ["a", "b"]),
        ("foo,bar,\na b,c,d\ne f,g,h\n", ["foo", "bar", "column 3"]),
        ("text,label,,\nfine,good,,\nbad,worse,,\n", ["text", "label", "column 3", "column 4"]),
        ("sep=;\nquestion;answer\nx;y\n", ["question", "answer"]),
        ("sep=;\nFAQ\n\nquestion;answer\nx;y\n", ["question", "answer"]),
        (",\nx,y\nz,w\n", ["column 1", "column 2"]),
        ("prompt\nanswer\nlabel\n", ["prompt"]),
        ("# made by a tool, version 2\n# 2024\nprompt,answer\na,b\nc,d\n", ["prompt", "answer"]),
        ("#,text,label\n1,text,label\n2,c,d\n", ["#", "text", "label"]),
    ],
)
def test_headers_that_are_none_the_less(tmp_path, text, columns):
    (tmp_path / "a.csv").write_text(text)
    assert Reader(tmp_path / "a.csv").columns == columns


def test_a_sheet_that_begins_in_its_middle(tmp_path):
    book = openpyxl.Workbook()
    for place, text in {"C2": "FAQ", "C5": "question", "D5": "answer", "C6": "x", "D6": "y", "C7": "z", "D7": "w"}.items():
        book.active[place] = text
    book.save(tmp_path / "a.xlsx")
    reader = Reader(tmp_path / "a.xlsx")
    assert reader.columns == ["question", "answer"] and "row 5" in reader.note and [r.row for r in reader] == [1, 2]


def test_a_large_table_with_a_title(ws, tmp_path, monkeypatch):
    monkeypatch.setattr("tuner.data.importing.arrow_import.FROM", 0)
    (tmp_path / "a.csv").write_text("FAQ 2024\n\nquestion,answer\n" + "".join(f"why {n}?,because {n}\n" for n in range(300)))
    data = store.add(ws, tmp_path / "a.csv")
    assert data.rows == 300 and any("FAQ 2024" in note for note in data.notes) and json.dumps(data.problems) == "[]"
