"""New versions by remedy and by hand: the old ones stay, each says what made it, nothing is lost half-way."""

import json

import pytest

from tuner.data.quality import finding, report
from tuner.data.store import store
from tuner.data.versions import new_version
from tuner.errors import ConflictError, DataError, NotFoundError, RequestError
from tuner.jobs import data_jobs


@pytest.fixture
def ds(ws, tmp_path):
    rows = [{"prompt": f"What is number {i}?", "answer": f"It is {i}; ask ada{i}@lovelace.org about it."} for i in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, [*rows, *rows[:4]])))
    return store.add(ws, tmp_path / "a.jsonl")


@pytest.fixture
def looked(ws, ds):
    finding.save(ds.path, report.report(ds), complete=True)
    return ds


def test_a_remedy_makes_a_version_that_says_what_made_it(ws, looked):
    new = new_version.apply_fixes(ws, looked.ref, [("duplicates", "keep_first"), ("privacy_email", "mask")])
    assert (new.version, new.rows, new.records, looked.rows) == (2, 60, 64, 64)
    assert [(m["from"], m["key"], m["dropped"], m["changed"]) for m in new.made_by] == [(1, "keep_first", 4, 0), (1, "mask", 0, 60)]
    texts = [r["value"]["messages"][1]["content"] for r in store.rows(new, 0, 100)]
    assert texts[7] == "It is 7; ask [email] about it."
    assert "lovelace" in store.rows(store.get(ws, looked.ref))[7]["value"]["messages"][1]["content"]
    sides = {r["row"]: r["held_out"] for r in store.iterate(looked)}
    assert all(sides[r["row"]] == r["held_out"] for r in store.iterate(new)), "a row keeps its number and its side"
    assert [d.version for d in store.history(ws, looked.id)] == [2, 1]
    anew = store.remap(ws, new.ref, held_out=0.1)
    assert anew.made_by == [] and "edits of version 2 are not included" in anew.notes[-1], "the mask is gone, and it is said"


def test_wishes_that_can_not_be(ws, ds):
    with pytest.raises(ConflictError, match="still being checked"):
        new_version.apply_fixes(ws, ds.ref, [("duplicates", "keep_first")])
    finding.save(ds.path, report.report(ds), complete=True)
    with pytest.raises(NotFoundError, match="no finding 'nose'"):
        new_version.apply_fixes(ws, ds.ref, [("nose", "drop")])
    with pytest.raises(RequestError):
        new_version.apply_fixes(ws, ds.ref, [("duplicates", "mask")])
    with pytest.raises(DataError, match="No rows of a would remain"):
        new_version.apply_fixes(ws, ds.ref, [("privacy_email", "drop")])
    assert [d.version for d in store.history(ws, ds.id)] == [1] and not list((ws.dataset(ds.id) / "versions").glob(".*"))


def test_rows_by_hand(ws, ds):
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    new = new_version.edit(ws, ds.ref, {3: None, 5: {"messages": talk}})
    found = {r["row"]: r["value"] for r in store.iterate(new)}
    assert new.rows == 63 and 3 not in found and found[5] == {"messages": talk}
    assert new.made_by == [{"from": 1, "key": "edit", "rows": [3, 5], "changed": 1, "dropped": 1, "moved": 0}]


@pytest.mark.parametrize(
    "value", [{"text": "x"}, {"messages": [{"role": "user", "content": "Hi"}] * 2}, {"messages": "Hi"}, {"messages": [{"role": "user"}]}]
)
def test_rows_by_hand_that_are_none(ws, ds, value):
    with pytest.raises(RequestError, match="Row 5"):
        new_version.edit(ws, ds.ref, {5: value})
    with pytest.raises(NotFoundError, match="no row 99"):
        new_version.edit(ws, ds.ref, {99: None})
    assert len(store.history(ws, ds.id)) == 1


def test_the_report_is_made_by_a_worker_and_once(ws, ds):
    job = data_jobs.quality_report(ws, ds)
    assert data_jobs.quality_report(ws, ds) in (job, None), "asked again while it runs"
    assert data_jobs.wait(ws, job).ref == ds.ref and data_jobs.quality_report(ws, ds) is None
    document = json.loads((ds.path / "health.json").read_text())
    assert document["complete"] and document["score"] == "Needs a decision" and "enough" in document["teaches"]
    assert {f["key"] for f in document["findings"]} >= {"duplicates", "privacy_email"}
    new = data_jobs.wait(ws, data_jobs.begin(ws, "mend", ref=ds.ref, wishes=[("duplicates", "keep_first")]))
    assert new.rows == 60 and data_jobs.quality_report(ws, new), "a new version has a report of its own"


def test_rows_by_hand_in_a_process_of_its_own(ws, ds):
    new = data_jobs.wait(ws, data_jobs.begin(ws, "edit", ref=ds.ref, changes={3: None}))
    assert new.rows == 63 and 3 not in {r["row"] for r in store.iterate(new)}
