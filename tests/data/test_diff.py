"""What differs between two versions of a dataset."""

import json

import pytest

from tuner.data.store import store
from tuner.data.store.diff import compare
from tuner.data.versions import new_version
from tuner.errors import TunerError
from tuner.jobs import data_jobs


@pytest.fixture
def ds(ws, tmp_path):
    rows = [{"prompt": f"question {n}", "answer": f"answer {n}"} for n in range(1, 41)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return store.add(ws, tmp_path / "a.jsonl")


def test_what_was_corrected_and_left_out_is_found(ws, ds):
    row = store.row(ds, 7)["value"]
    row["messages"][1]["content"] = "better"
    new = new_version.edit(ws, ds.ref, {7: row, 9: None})
    found = compare(ds, new)
    assert (found["same"], found["changed"], found["gone"], found["new"], found["moved"], found["whole"]) == (38, 1, 1, 0, 0, True)
    changed, gone = found["examples"]
    assert changed["row"] == 7 and changed["before"]["messages"][1]["content"] == "answer 7" and changed["after"] == row
    assert gone["row"] == 9 and gone["after"] is None
    back = compare(new, ds)
    assert (back["new"], back["changed"], back["gone"]) == (1, 1, 0)


def test_rows_that_changed_sides(ws, ds):
    new = store.remap(ws, ds.ref, seed=5)
    found = compare(ds, new)
    sides = [{r["row"]: r["held_out"] for r in store.iterate(d)} for d in (ds, new)]
    assert found["moved"] == sum(sides[0][n] != sides[1][n] for n in sides[0]) > 0 and found["changed"] == 0


def test_only_the_first_rows_and_the_first_examples(ws, ds):
    new = store.remap(ws, ds.ref, system="Be kind.")
    found = compare(ds, new, shown=3, most=10)
    assert found["changed"] == 10 and len(found["examples"]) == 3 and not found["whole"]


def test_mixing_and_writing_out_are_done_by_a_worker(ws, ds, tmp_path):
    mixed = data_jobs.wait(ws, data_jobs.begin(ws, "mix", parts=[(ds.ref, 2), (ds.ref, 1)]))
    assert mixed.rows == 3 * (ds.rows - ds.held_out) + 2 * ds.held_out
    out = tmp_path / "rows.jsonl"
    data_jobs.wait(ws, data_jobs.begin(ws, "export", ref=mixed.ref, path=str(out)))
    assert [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] == [r["value"] for r in store.iterate(mixed)]
    with pytest.raises(TunerError, match="weight"):
        data_jobs.wait(ws, data_jobs.begin(ws, "mix", parts=[(ds.ref, 0), (ds.ref, 1)]))
