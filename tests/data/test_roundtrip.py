"""What is exported as JSONL and read again is the same dataset; and no malformed file brings the reader down."""

import gzip
import json
import random
import time

import pytest

from tuner.data.store import store
from tuner.errors import TunerError

WORDS = ["yes", "no 7", "é\u2028ü", '"quoted"', "a\nb", "tab\there", "日本", "x" * 300, "{brace}", "<b>bold</b>", "1.5", "\U0001f600 ok"]


def words(rng, n=6):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, n))) + f" {rng.random():.6f}"


def turns(rng, system=False):
    out = [{"role": "system", "content": words(rng)}] if system else []
    for _ in range(rng.randint(1, 3)):
        out += [{"role": "user", "content": words(rng)}, {"role": "assistant", "content": words(rng)}]
    return out


def spans(rng):
    context = words(rng, 12)
    start = rng.randrange(len(context) - 3)
    while not context[start : start + 3].strip() or context.find(context[start : start + 3]) != start:
        start = rng.randrange(len(context) - 3)
    return {"context": context, "question": words(rng), "answers": {"text": [context[start : start + 3]], "answer_start": [start]}}


def talk(rng):
    return {"role": "assistant", "content": words(rng)}


ROWS = {
    "chat": lambda rng: {"messages": turns(rng, rng.random() < 0.3)},
    "text": lambda rng: {"text": words(rng, 20)},
    "preference": lambda rng: {"prompt": turns(rng)[:-1], "chosen": [talk(rng)], "rejected": [talk(rng)]},
    "rated": lambda rng: {"prompt": turns(rng)[:-1], "answer": [talk(rng)], "label": rng.random() < 0.5},
    "classification": lambda rng: {"text": words(rng), "label": rng.choice(["spam", "ham", "other thing"])},
    "regression": lambda rng: {"text": words(rng), "label": round(rng.uniform(-5, 5), 3)},
    "seq2seq": lambda rng: {"source": words(rng), "target": words(rng)},
    "qa": spans,
    "tokens": lambda rng: {"tokens": (t := [f"w{rng.randrange(99)}" for _ in range(rng.randint(1, 9))]), "tags": ["B-X"] * len(t)},
}


@pytest.mark.parametrize("kind", ROWS)
def test_exported_and_read_again(ws, tmp_path, kind):
    rng = random.Random(kind)
    (tmp_path / "first.jsonl").write_text("".join(json.dumps(ROWS[kind](rng)) + "\n" for _ in range(60)), encoding="utf-8")
    first = store.add(ws, tmp_path / "first.jsonl", kind=kind)
    assert first.rows == 60, first.problems[:3]
    assert store.export(first, tmp_path / "again.jsonl") == 60
    again = store.add(ws, tmp_path / "again.jsonl")
    assert again.kind == kind, again.reason
    assert [r["value"] for r in store.iterate(again)] == [r["value"] for r in store.iterate(first)]
    assert [r["held_out"] for r in store.iterate(again)] == [r["held_out"] for r in store.iterate(first)]


def seeds() -> list[bytes]:
    rng = random.Random(0)
    rows = [{"prompt": words(rng), "answer": words(rng)} for _ in range(12)]
    table = "prompt,answer\n" + "".join(f'"{r["prompt"]}","{r["answer"]}"\n'.replace('""', '"') for r in rows)
    texts = [
        "".join(json.dumps(r) + "\n" for r in rows),
        json.dumps(rows, indent=1),
        json.dumps({"data": rows}),
        json.dumps({"prompt": [r["prompt"] for r in rows], "answer": [r["answer"] for r in rows]}),
        "".join(json.dumps({"messages": turns(rng)}) + "\n" for _ in range(8)),
        table,
        table.replace(",", ";"),
        "# Title\n\nSome text.\n\nMore of it.\n",
        json.dumps(
            {
                "data": [
                    {
                        "paragraphs": [
                            {"context": "In Rome.", "qas": [{"question": "Where?", "answers": [{"text": "Rome", "answer_start": 3}]}]}
                        ]
                    }
                ]
            }
        ),
    ]
    raw = [t.encode() for t in texts] + [texts[0].encode("utf-16"), texts[5].encode("cp1252", "replace"), gzip.compress(texts[0].encode())]
    return raw


def mutated(rng, raw: bytes) -> bytes:
    data = bytearray(raw)
    for _ in range(rng.randint(1, 6)):
        at, what = rng.randrange(len(data) + 1), rng.random()
        if what < 0.3:
            data[at:at] = rng.choice(
                [b'"', b"\n", b"\x00", b"{", b"]", b",", b"\\", b"\xff\xfe", b"\xef\xbb\xbf", b"[[", b'"a":', b"1e999", b"\r"]
            )
        elif what < 0.6:
            del data[at : at + rng.choice([1, 1, 3, 40])]
        elif what < 0.8 and data:
            data[min(at, len(data) - 1)] = rng.randrange(256)
        else:
            data = data[: max(1, at)] if rng.random() < 0.3 else data + data[at : at + 60]
    return bytes(data)


def test_malformed_files(tmp_path, request):
    """500 of them, 10,000 with --long: a document or a clear refusal each, none takes long."""
    rng, originals = random.Random(7), seeds()
    for i in range(10_000 if request.config.getoption("--long") else 500):
        path = tmp_path / ("f" + rng.choice([".json", ".jsonl", ".csv", ".tsv", ".txt", ".md", ".gz", ".xlsx", ".parquet", ""]))
        path.write_bytes(mutated(rng, rng.choice(originals)))
        begun = time.monotonic()
        try:
            document = store.check(path)
        except TunerError as error:
            assert error.message and error.remedy
        except Exception as error:
            raise AssertionError(f"case {i}: {path.read_bytes()[:400]!r}") from error
        else:
            json.dumps(document, default=str)
            for problem in document["problems"]:
                assert problem["message"] and problem["remedy"] and (problem["row"] is None or problem["row"] >= 1), f"case {i}"
        assert time.monotonic() - begun < 10, f"case {i}"
        path.unlink()
