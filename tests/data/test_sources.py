"""Several files as one dataset, files that are only referred to, mixtures, and a system prompt for all rows."""

import gzip
import json
import os
from collections import Counter

import pytest

from tuner.data.importing import sources
from tuner.data.store import store
from tuner.errors import ConflictError, DataError, NotFoundError, Problems, RequestError, SettingError


def table(folder, name, n, start=0, head="prompt,answer"):
    path = folder / name
    path.write_text(f"{head}\n" + "".join(f"What is {i}?,It is {i}.\n" for i in range(start, start + n)), encoding="utf-8")
    return path


def talks(n, start=0, **more):
    return [
        {"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a{i}"}], **more}
        for i in range(start, start + n)
    ]


# --- several files -----------------------------------------------------------------------------------------------------------


def test_several_files_are_one_dataset(ws, tmp_path):
    b = tmp_path / "b.csv.gz"
    b.write_bytes(gzip.compress(b"answer,prompt\nyes,first?\n,second?\nno,third?\n"))
    ds = store.add(ws, [table(tmp_path, "a.csv", 20), b])
    assert (ds.name, ds.source_name, ds.rows, ds.records) == ("a", "a.csv and 1 more", 22, 23)
    assert [s["name"] for s in ds.sources] == ["a.csv", "b.csv.gz"] and "2 files were read as one" in ds.notes[0]
    assert [r["row"] for r in store.rows(ds)] == [*range(1, 22), 23], "rows are counted through"
    assert store.rows(ds, 21)[0]["value"]["messages"][0]["content"] == "third?"
    assert ds.problems == [{"row": 22, "message": "answer is empty.", "remedy": "Fill it in or leave the row out."}]
    again = store.remap(ws, ds.id, mapping={"prompt": "answer", "answer": "prompt"})
    assert (again.version, again.rows, again.sha256) == (2, 22, ds.sha256)


def test_a_damaged_row_names_its_file(ws, tmp_path):
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    a.write_text("".join(json.dumps(t) + "\n" for t in talks(3)))
    b.write_text(json.dumps(talks(1, 9)[0]) + '\n{"messages": \n')
    ds = store.add(ws, [a, b])
    assert ds.problems[0]["row"] == 5 and ds.problems[0]["message"].startswith("b.jsonl, row 2: Line 2 is not JSON")


def test_files_whose_columns_differ_are_not_one(ws, tmp_path):
    with pytest.raises(DataError, match="b.csv don't match those of a.csv: it lacks answer and also has reply"):
        store.add(ws, [table(tmp_path, "a.csv", 3), table(tmp_path, "b.csv", 3, head="prompt,reply")])
    assert store.listing(ws) == [] and not [f for f in ws.datasets.iterdir() if not f.name.startswith(".")]


# --- by reference --------------------------------------------------------------------------------------------------------------


def test_a_file_by_its_path_is_not_copied(ws, tmp_path):
    path = table(tmp_path, "big.csv", 30)
    ds = store.add(ws, path, reference=True)
    assert not list((ws.dataset(ds.id) / "source").iterdir()) and ds.sources[0]["path"] == str(path)
    assert ds.sha256 == store.add(ws, path).sha256
    os.utime(path, (1, 1))
    assert store.remap(ws, ds.id, held_out=0).rows == 30, "touched, and still the same bytes"
    table(tmp_path, "big.csv", 31)
    with pytest.raises(ConflictError, match="has changed since"):
        store.remap(ws, ds.id, held_out=0.1)
    path.unlink()
    with pytest.raises(NotFoundError, match="no longer exists"):
        store.remap(ws, ds.id, held_out=0.1)
    assert len(store.rows(store.get(ws, ds.id))) == 30, "what was read stays"


def test_names_of_copies_hold_no_path(tmp_path):
    odd = tmp_path / "a.b c.%2e%2e.CSV.gz"
    odd.write_bytes(gzip.compress(b"x"))
    assert sources.copy_or_reference(odd, tmp_path, 3, False, None, None)["file"] == "data-3.csv.gz"


# --- a system prompt -------------------------------------------------------------------------------------------------------------


def test_a_system_prompt_for_all_rows_that_have_none(ws, tmp_path):
    own = talks(1)[0]
    own["messages"].insert(0, {"role": "system", "content": "Mine."})
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(t) + "\n" for t in [own, *talks(3, 5)]))
    ds = store.add(ws, path, system="  Be brief. ")
    told = [r["value"]["messages"][0] for r in store.rows(ds)]
    assert ds.system == "Be brief." and [t["content"] for t in told] == ["Mine."] + ["Be brief."] * 3
    assert store.remap(ws, ds.id, held_out=0).system == "Be brief."
    without = store.remap(ws, ds.id, system="")
    assert without.system == "" and store.rows(without)[1]["value"]["messages"][0]["role"] == "user"


def test_plain_text_is_told_nothing(ws, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("One line.\nAnother line.\n")
    assert store.add(ws, path, system="Be brief.").system == ""


# --- mixtures ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(ws, tmp_path):
    return store.add(ws, table(tmp_path, "a.csv", 1000), held_out=0.1), store.add(ws, table(tmp_path, "b.csv", 400, 5000), held_out=0.1)


def test_a_mixture_weighs_what_is_learnt_and_keeps_the_sides(ws, two):
    a, b = two
    ds = store.mix(ws, [(a.id, 0.5), (b.ref, 2)], name="both")
    rows = list(store.iterate(ds))
    taken = Counter("a" if int(r["value"]["messages"][0]["content"][8:-1]) < 5000 else "b" for r in rows if not r["held_out"])
    assert taken["b"] == 2 * (b.rows - b.held_out) and 0.4 < taken["a"] / (a.rows - a.held_out) < 0.6
    assert ds.held_out == a.held_out + b.held_out == sum(r["held_out"] for r in rows)
    assert ds.rows == len(rows) and ds.kind == "chat" and "0.5" in ds.reason and [r["row"] for r in rows] == [*range(1, len(rows) + 1)]
    again = store.mix(ws, [(a.id, 0.5), (b.ref, 2)])
    assert [r["value"] for r in store.iterate(again)] == [r["value"] for r in rows], "the same rows each time"
    with pytest.raises(ConflictError, match="is a mixture"):
        store.remap(ws, ds.id, held_out=0)


def test_mixtures_that_can_not_be(ws, two, tmp_path):
    a, _ = two
    text = tmp_path / "t.txt"
    text.write_text("One line.\nAnother line.\n")
    plain = store.add(ws, text)
    with pytest.raises(SettingError, match="at least two"):
        store.mix(ws, [(a.id, 1)])
    with pytest.raises(RequestError, match="different kinds: chat, text"):
        store.mix(ws, [(a.id, 1), (plain.id, 1)])
    with pytest.raises(Problems) as caught:
        store.mix(ws, [(a.id, 0), (plain.id, 100)])
    assert len(caught.value.errors) == 3
    with pytest.raises(NotFoundError):
        store.mix(ws, [(a.id, 1), ("nothing", 1)])


# --- the split ---------------------------------------------------------------------------------------------------------------


def test_a_file_of_its_own_to_test_with(ws, tmp_path):
    ds = store.add(ws, table(tmp_path, "learn.csv", 100), test_file=table(tmp_path, "test.csv", 7, 900))
    assert (ds.rows, ds.held_out) == (107, 7)
    assert [r["row"] for r in store.iterate(ds, held_out=True)] == [*range(101, 108)]
    again = store.remap(ws, ds.id, mapping={"prompt": "answer", "answer": "prompt"})
    assert again.held_out == 7
    with pytest.raises(DataError, match="don't match those of"):
        store.add(ws, tmp_path / "learn.csv", test_file=table(tmp_path, "other.csv", 7, head="x,y"))


def test_a_seed_draws_other_rows(ws, tmp_path):
    path = table(tmp_path, "a.csv", 400)
    held = [{r["row"] for r in store.iterate(store.add(ws, path, seed=seed), held_out=True)} for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2] and len(held[2]) >= 20
