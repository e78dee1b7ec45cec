"""The fast way in gives what the slow way gives: the same rows, sides, problems and counts, whatever is in the file."""

import csv
import io
import json
import random
import sys

import pytest

from tests.data.shapes import SHAPES
from tuner.data.importing import arrow_import, arrow_rows
from tuner.data.store import store
from tuner.errors import TunerError

CELLS = [
    "",
    " ",
    "\u3000",
    "nan",
    "NaN",
    "[1]",
    " {x",
    "Human: a\n\nAssistant: b",
    "ends ->",
    "a\r\nb",
    'say "so"',
    "x,y",
    "é\u2028ü",
    "日本",
]


def both(ws, path, monkeypatch, size=700, **options):
    """(slow, fast, how often the fast way was gone): what is known of the version, and its rows; or the error."""
    told, gone = [], []
    real = arrow_import.Import.write
    monkeypatch.setattr(arrow_import.Import, "write", lambda self, *a: gone.append(1) or real(self, *a))
    for least in (10**9, 0):
        monkeypatch.setattr(arrow_import, "FROM", least)
        monkeypatch.setattr(arrow_import, "SIZE", size)
        try:
            ds = store.add(ws, path, **options)
        except TunerError as error:
            told.append(error.as_list())
            continue
        known = {k: v for k, v in store.as_dict(ds).items() if k not in ("dataset", "ref", "id", "created")}
        told.append((known, list(store.iterate(ds))))
    return *told, len(gone)


def table(path, header, rows, delimiter=",", end="\n"):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    path.write_bytes(out.getvalue().encode())
    return path


def lines(path, rows, escaped=True):
    path.write_text("".join(json.dumps(row, ensure_ascii=escaped) + "\n" for row in rows), encoding="utf-8", newline="")
    return path


def cell(rng, odd=0.05):
    return rng.choice(CELLS) if rng.random() < odd else "".join(rng.choices('abc de\n"é,', k=rng.randint(3, 60))).strip() or "x"


def test_blank_means_the_same_to_both():
    import pyarrow as pa
    import pyarrow.compute as pc

    every = [chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n <= 0xDFFF]
    blank = pc.equal(pc.utf8_trim_whitespace(pa.array(every)), "").to_pylist()
    assert [c for c, b in zip(every, blank, strict=True) if b != c.isspace()] == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [["prompt", "answer"], ["source", "target"], ["text", "label"], ["instruction", "input", "output"]])
def test_a_table(ws, tmp_path, monkeypatch, header, end):
    rng = random.Random(str(header))
    rows = [[rng.choice(["spam", "ham", " ham", "eggs"]) if h == "label" else cell(rng) for h in header] for _ in range(300)]
    slow, fast, gone = both(ws, table(tmp_path / "a.csv", header, rows, end=end), monkeypatch)
    assert fast == slow and gone == 1 and slow[0]["problem_count"] > 1


def test_rows_of_another_width_and_a_quote_never_closed_are_told_as_always(ws, tmp_path, monkeypatch):
    rng = random.Random(2)
    file = table(tmp_path / "a.csv", ["prompt", "answer"], [[cell(rng, 0), cell(rng, 0)] for _ in range(200)])
    text = file.read_bytes() + b"one cell\n" + b"a,b,c\n" * 2 + b"fine,row\n\n   \nfine,again,,\n"
    file.write_bytes(text)
    slow, fast, gone = both(ws, file, monkeypatch)
    assert fast == slow and gone == 1 and slow[0]["problem_count"] == 4
    file.write_bytes(text + b'5" nails,are long\nx,"never closed\n')
    slow, fast, gone = both(ws, file, monkeypatch)
    assert fast == slow and gone == 1, "it can't be cut into blocks, and was read the slow way"


def conversation(rng):
    names = rng.choice([("user", "assistant", "system"), ("human", "gpt", "system")])
    turns = [{"role": names[2], "content": cell(rng)}] if rng.random() < 0.3 else []
    for i in range(rng.randint(0 if rng.random() < 0.05 else 2, 6)):
        turns.append({"role": names[i % 2] if rng.random() > 0.03 else rng.choice(["tool", "nobody", *names]), "content": cell(rng, 0.02)})
    return turns


@pytest.mark.parametrize("system", ["", "Be brief."])
@pytest.mark.parametrize("escaped", [True, False])
def test_conversations(ws, tmp_path, monkeypatch, escaped, system):
    rng = random.Random(7)
    rows = [{"id": n, "messages": conversation(rng)} for n in range(400)]
    rows += [rows[0], rows[5]]  # the same again
    rows[50]["messages"] = None
    rows[150]["messages"] = [{"role": "user", "content": "with weight"}, {"role": "assistant", "content": "yes", "weight": 0}]
    rows[250]["messages"] = [{"role": "user", "content": "numbers"}, {"role": "assistant", "content": 5}]
    slow, fast, gone = both(ws, lines(tmp_path / "a.jsonl", rows, escaped), monkeypatch, size=4000, system=system)
    assert fast == slow and gone == 1 and slow[0]["problem_count"] > 5 and slow[0]["notes"]


def test_questions_with_a_system_text_in_some_rows_and_broken_lines(ws, tmp_path, monkeypatch):
    rng = random.Random(8)
    rows = [{"system": rng.choice(["", " ", "Be kind."]), "question": cell(rng), "answer": cell(rng)} for _ in range(200)]
    file = lines(tmp_path / "a.jsonl", rows)
    file.write_bytes(
        file.read_bytes() + b'{"question": "x", "answer": \n\n[1]\n{"question": "last", "answer": "no line end", "answer": "twice"}'
    )
    slow, fast, gone = both(ws, file, monkeypatch, system="Be exact.")
    assert fast == slow and gone == 1 and any("Line 201" in p["message"] for p in slow[0]["problems"])


def test_parquet(ws, tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = random.Random(9)
    talks = [[t for t in conversation(rng) if t["role"] != "nobody"] for _ in range(300)]
    pq.write_table(pa.table({"conversations": talks, "n": range(300)}), tmp_path / "a.parquet")
    slow, fast, gone = both(ws, tmp_path / "a.parquet", monkeypatch)
    assert fast == slow and gone == 1


def test_a_damaged_parquet_file_is_told_as_always(ws, tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = random.Random(4)
    rows = [["".join(rng.choices("abcdef ", k=60)).strip() or "x" for _ in range(9000)] for _ in range(2)]
    pq.write_table(pa.table({"prompt": rows[0], "answer": rows[1]}), tmp_path / "a.parquet", row_group_size=5000)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    at = len(data) * 3 // 4  # in the second row group: the head can be read
    data[at : at + 4000] = bytes(4000)
    (tmp_path / "a.parquet").write_bytes(data)
    slow, fast, gone = both(ws, tmp_path / "a.parquet", monkeypatch)
    assert fast == slow and gone == 1 and "can't be read as Parquet" in slow[0]["message"] and not store.listing(ws)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape[0])
def test_every_shape(ws, tmp_path, monkeypatch, shape):
    name, kind, _, _, rows = shape
    if isinstance(rows, list):
        slow, fast, _ = both(ws, lines(tmp_path / "a.jsonl", rows), monkeypatch, kind=kind)
        assert fast == slow


def test_damaged_files(ws, tmp_path, monkeypatch, request):
    """Mutated at random: nothing but a few bytes differ, so most of it still takes the fast way."""
    times = 400 if request.config.getoption("--long") else 30
    fast_ones = 0
    for n in range(times):
        rng = random.Random(n)
        if n % 2:
            file = lines(tmp_path / f"{n}.jsonl", [{"messages": conversation(rng)} for _ in range(60)])
        else:
            file = table(tmp_path / f"{n}.csv", ["prompt", "answer"], [[cell(rng), cell(rng)] for _ in range(60)])
        data = bytearray(file.read_bytes())
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(40, len(data))
            data[at : at + rng.randint(0, 2)] = rng.choice([b'"', b"\n", b",", b"{", b"\\", b"\r", b"", b"\xc3\xa9", b'""', b"\0"])
        file.write_bytes(data)
        slow, fast, gone = both(ws, file, monkeypatch, size=500)
        fast_ones += gone
        assert fast == slow, (n, file.name)
    assert fast_ones > times / 3


def test_an_import_taken_back_ends_soon_and_leaves_nothing(ws, tmp_path, monkeypatch):
    monkeypatch.setattr(arrow_import, "FROM", 0)
    monkeypatch.setattr(arrow_import, "SIZE", 1000)
    file = table(tmp_path / "a.csv", ["prompt", "answer"], [[f"question {n}", f"answer {n}"] for n in range(5000)])
    seen = []
    with pytest.raises(store.Cancelled):
        store.add(ws, file, progress=lambda done, total, rows: seen.append(rows), cancelled=lambda: bool(seen) and seen[-1] > 500)
    assert 500 < seen[-1] < 2500 and not store.listing(ws) and not list(ws.datasets.iterdir())


def test_what_is_not_plain_says_so():
    assert arrow_rows.form("chat", {"messages": "m", "tools": "t"}, ["m", "t"]) is None
    assert arrow_rows.form("chat", {"prompt": "{a}: {b}", "answer": "c"}, ["a", "b", "c"]) is None
    assert arrow_rows.form("text", {"text": "t", "weight": "w"}, ["t", "w"]) is None
    assert arrow_rows.form("chat", {"prompt": ["a", "b"], "answer": "c"}, ["a", "b", "c"]) == {"prompt": ["a", "b"], "answer": ["c"]}
