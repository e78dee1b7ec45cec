"""The dataset store on a real disk: import, versions, pages, held-out rows, and everything that can be wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tuner import paths
from tuner.data.store import sample_data, store
from tuner.errors import ConflictError, DataError, NotFoundError, RequestError, SettingError
from tuner.paths import Workspace


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "home", machine=tmp_path / "machine")


def csv(folder, n=100, name="faq.csv"):
    path = folder / name
    path.write_text("Question,Answer\n" + "".join(f"What is {i}?,It is number {i}.\n" for i in range(n)))
    return path


def jsonl(folder, rows, name="a.jsonl"):
    path = folder / name
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def hidden(ws):
    return [f.name for f in ws.datasets.rglob(".*")]


def test_add_then_page_through_it(ws, tmp_path):
    told = []
    ds = store.add(ws, csv(tmp_path, 2500), progress=lambda *a: told.append(a))
    assert (ds.ref, ds.kind, ds.format, ds.rows, ds.records, ds.problem_count) == ("faq@1", "chat", "csv", 2500, 2500, 0)
    assert (
        ds.mapping == {"prompt": "Question", "answer": "Answer"}
        and ds.sha256 == paths.sha256(tmp_path / "faq.csv")
        and ds.source_name == "faq.csv"
    )
    assert told[-1] == (ds.bytes, ds.bytes, 2500) and all(a <= b for (a, _, _), (b, _, _) in zip(told, told[1:], strict=False))
    assert [r["row"] for r in store.rows(ds, 998, 4)] == [999, 1000, 1001, 1002]
    assert store.rows(ds, 2499)[0]["value"] == {
        "messages": [{"role": "user", "content": "What is 2499?"}, {"role": "assistant", "content": "It is number 2499."}]
    }
    assert store.rows(ds, 9999) == [] and len(list(store.iterate(ds))) == 2500
    held = list(store.iterate(ds, held_out=True))
    assert len(held) == ds.held_out and 60 < ds.held_out < 200 and len(list(store.iterate(ds, held_out=False))) == 2500 - ds.held_out
    assert store.rows(ds, 10, 5, held_out=True) == held[10:15]
    assert store.get(ws, "faq") == store.get(ws, "faq@1") == ds and store.listing(ws) == [ds]
    assert json.dumps(store.as_dict(ds)) and hidden(ws) == []


def test_health_and_problems(ws, tmp_path):
    rows = [{"prompt": f"q{i % 20}", "completion": "a" * (i % 20)} for i in range(40)] + [{"prompt": "q", "completion": None}, ["x"]]
    ds = store.add(ws, jsonl(tmp_path, rows))
    assert (ds.records, ds.rows, ds.problem_count) == (42, 38, 4) and ds.health["empty"] == 3 and ds.health["duplicates"] == 19
    assert ds.health["characters"]["max"] == 22 and [p["row"] for p in ds.problems] == [1, 21, 41, 42]
    assert all(p["message"] and p["remedy"] for p in ds.problems)


def test_a_conversation_that_ends_with_the_user_is_noted(ws, tmp_path):
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    ds = store.add(ws, jsonl(tmp_path, [{"messages": turns}, {"messages": turns[:2]}]))
    assert ds.rows == 2 and any("In 1 record " in note for note in ds.notes)


def test_held_out_is_the_same_every_time_and_keeps_twins_together(ws, tmp_path):
    rows = [{"text": f"passage {i % 300}"} for i in range(900)]
    one, two = store.add(ws, jsonl(tmp_path, rows)), store.add(ws, jsonl(tmp_path, rows[::-1], "b.jsonl"))
    sides = [{r["value"]["text"]: r["held_out"] for r in store.iterate(d)} for d in (one, two)]
    assert sides[0] == sides[1] and one.held_out == two.held_out == 3 * sum(sides[0].values())


@pytest.mark.parametrize(
    ("n", "share", "low", "high"), [(9, 0.05, 0, 0), (10, 0.05, 1, 4), (30, 0.001, 4, 6), (100, 0, 0, 0), (25_000, 0.05, 990, 1000)]
)
def test_how_many_are_held_out(ws, tmp_path, n, share, low, high):
    assert low <= store.add(ws, jsonl(tmp_path, [{"text": f"passage {i}"} for i in range(n)]), held_out=share).held_out <= high


def test_rows_that_are_all_alike_are_not_all_held_out(ws, tmp_path):
    assert store.add(ws, jsonl(tmp_path, [{"text": "same"}] * 50)).held_out == 0


def test_a_new_mapping_makes_a_new_version(ws, tmp_path):
    old = store.add(ws, csv(tmp_path))
    before = (tmp_path / "home/me/datasets/faq/source/data-1.csv").read_bytes()
    new = store.remap(ws, "faq", mapping={"text": "Answer"}, kind="text")
    assert (new.ref, new.kind, new.sha256) == ("faq@2", "text", old.sha256) and store.rows(new, limit=1)[0]["value"] == {
        "text": "It is number 0."
    }
    assert store.get(ws, "faq") == new and store.get(ws, "faq@1") == old and store.listing(ws) == [new]
    swapped = store.remap(ws, "faq@1", mapping={"prompt": "Answer", "answer": "Question"}, held_out=0.5)
    assert swapped.version == 3 and 30 < swapped.held_out < 70
    assert (tmp_path / "home/me/datasets/faq/source/data-1.csv").read_bytes() == before
    with pytest.raises(SettingError):
        store.remap(ws, "faq", mapping={"text": "Nothing"}, kind="text")
    assert store.get(ws, "faq").version == 3 and hidden(ws) == []


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"mapping": {"prompt": "Frage", "answer": "Answer"}}, "mapping"),
        ({"mapping": {"nonsense": "Answer"}}, "mapping"),
        ({"kind": "poetry"}, "kind"),
        ({"mapping": {"chosen": "Answer"}, "kind": "preference"}, "mapping"),
        ({"held_out": 2}, "held_out"),
    ],
)
def test_wrong_choices_name_what_there_is(ws, tmp_path, options, field):
    with pytest.raises(RequestError) as caught:
        store.add(ws, csv(tmp_path), **options)
    errors = caught.value.as_list()
    assert all(e["field"] == field and e["available"] and e["remedy"] for e in errors)
    assert store.listing(ws) == [] and not list(ws.datasets.glob("*"))


def test_a_missing_column_lists_the_columns(ws, tmp_path):
    with pytest.raises(SettingError) as caught:
        store.add(ws, csv(tmp_path), mapping={"prompt": "Frage", "answer": "Answer"})
    assert caught.value.asked == "Frage" and caught.value.available == ["Question", "Answer"]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", ""), ("a.csv", "Question,Answer\n"), ("a.json", "{oops"), ("a.csv", "\x00\x01\x02\x03" * 50)]
)
def test_bad_files_leave_nothing(ws, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError):
        store.add(ws, tmp_path / name)
    assert not list(ws.datasets.iterdir())
    report = store.check(tmp_path / name)
    assert report["usable"] == report["rows"] == 0 and report["problems"][0]["message"] and report["errors"][0]["code"] == "data"


def test_no_usable_row_names_the_commonest_problem(ws, tmp_path):
    with pytest.raises(DataError, match=r"3 of 4 rows\): Turn 2 is a system turn") as caught:
        twice = [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}, {"role": "assistant", "content": "c"}]
        store.add(ws, jsonl(tmp_path, [{"messages": twice}] * 3 + [{"messages": []}]))
    assert caught.value.exit_code == 1 and hidden(ws) == []


def test_missing_folder_and_too_large(ws, tmp_path):
    with pytest.raises(NotFoundError):
        store.add(ws, tmp_path / "no.csv")
    with pytest.raises(DataError, match="folder"):
        store.add(ws, tmp_path)
    with pytest.raises(RequestError, match="limit is 0 MB") as caught:
        store.add(ws, csv(tmp_path), limit_bytes=100)
    assert caught.value.available == 100


def test_check_is_the_document_of_the_command(tmp_path):
    report = store.check(csv(tmp_path, 50))
    assert {
        "format",
        "kind",
        "mapping",
        "rows",
        "usable",
        "problems",
        "health",
        "columns",
        "reason",
        "confidence",
        "questions",
        "encoding",
    } <= set(report)
    assert (report["format"], report["kind"], report["rows"], report["usable"], report["problems"]) == ("csv", "chat", 50, 50, [])
    assert len(report["examples"]) == 20 and report["columns"] == ["Question", "Answer"] and json.dumps(report)
    assert store.check(csv(tmp_path), kind="text", mapping={"text": "Answer"})["kind"] == "text"


@pytest.mark.parametrize("ref", ["../../etc", "faq/../faq", "..", "", "FAQ", "faq@../1", "faq@9", "faq@", "nothing", "a\0b", "faq@1@1"])
def test_ids_are_never_paths(ws, tmp_path, ref):
    store.add(ws, csv(tmp_path))
    if ref == "faq@":
        return
    with pytest.raises(NotFoundError) as caught:
        store.get(ws, ref)
    assert caught.value.available in (["faq"], ["faq@1"])
    with pytest.raises(NotFoundError):
        store.delete(ws, ref)


def test_names_are_data(ws, tmp_path):
    path = csv(tmp_path, name="we ird $(x) é.csv")
    first, second = (store.add(ws, path, name="../Ünsere Käse!") for _ in range(2))
    assert first.name == "../Ünsere Käse!" and paths.ID.fullmatch(first.id) and second.id == f"{first.id}-2"
    assert {d.id for d in store.listing(ws)} == {first.id, second.id} and first.path.is_relative_to(ws.datasets)


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("Käthes Läden", "kaethes-laeden"),
        ("Ka\u0308thes La\u0308den", "kaethes-laeden"),  # as macOS writes names of files
        ("GRÖSSE & Straße", "groesse-strasse"),
        ("Smørrebrød på Århus, Æbler", "smoerrebroed-paa-aarhus-aebler"),
        ("Łódź wiosną", "lodz-wiosna"),
        ("Crème brûlée, façade", "creme-brulee-facade"),
        ("Đà Nẵng", "da-nang"),
        ("客户 2024", "2024"),
        ("客户", "unnamed"),
        ("Клиенты", "unnamed"),
        ("ä" * 60, "ae" * 20),
    ],
)
def test_letters_of_a_name_are_kept_in_its_id(ws, name, id):
    assert paths.new_id(name, ws.datasets) == id and paths.ID.fullmatch(id)
    (ws.datasets / id).mkdir(parents=True)
    assert paths.new_id(name, ws.datasets) == f"{id}-2"


def test_delete(ws, tmp_path):
    ds = store.add(ws, csv(tmp_path))
    with pytest.raises(ConflictError, match="run-1, run-2"):
        store.delete(ws, ds.id, used_by=["run-1", "run-2"])
    assert store.get(ws, ds.id)
    store.delete(ws, ds.id)
    assert store.listing(ws) == [] and not list(ws.datasets.iterdir())


def test_broken_folders_do_not_hide_the_others(ws, tmp_path):
    store.add(ws, csv(tmp_path))
    for name, content in (("torn", '{"id": "to'), ("odd", "[1]"), ("bare", "{}")):
        (ws.datasets / name / "versions" / "1").mkdir(parents=True)
        (ws.datasets / name / "versions" / "1" / "dataset.json").write_text(content)
    (ws.datasets / "stray.txt").write_text("x")
    assert [d.id for d in store.listing(ws)] == ["faq"]
    with pytest.raises(NotFoundError):
        store.get(ws, "torn")


def test_a_cancelled_import_leaves_nothing(ws, tmp_path):
    calls = []
    with pytest.raises(store.Cancelled):
        store.add(ws, csv(tmp_path, 5000), cancelled=lambda: calls.append(1) or len(calls) > 5)
    assert not list(ws.datasets.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_killed_import_leaves_nothing(ws, tmp_path):
    slow = (
        "import sys\nfrom pathlib import Path\nfrom tuner.data.store import store\nfrom tuner.paths import Workspace\n"
        "store.add(Workspace(Path(sys.argv[1])), sys.argv[2], progress=lambda *a: (print(a, flush=True), a[2] and sys.stdin.read()))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", slow, str(ws.home), str(csv(tmp_path, 3000, "big.csv"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(paths.__file__).parent.parent,
    )
    while ", 199)" not in (line := child.stdout.readline()):
        assert line, "the import ended too early"
    store.add(ws, csv(tmp_path))
    assert len([f for f in hidden(ws) if not f.endswith(".lock")]) == 1  # a living import of another process is left alone
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    child.stdin.close()
    assert [d.id for d in store.listing(ws)] == ["faq"]
    store.add(ws, csv(tmp_path))
    assert hidden(ws) == [] and sorted(f.name for f in ws.datasets.iterdir()) == ["faq", "faq-2"]


def test_samples_are_imported_once(ws, tmp_path, monkeypatch):
    folder = tmp_path / "samples"
    folder.mkdir()
    shutil.copy(csv(tmp_path), folder / "helpdesk.csv")
    monkeypatch.setattr(paths, "SAMPLES", folder)
    assert [s.name for s in sample_data.listing()] == ["helpdesk"] and sample_data.listing()[0].sentence
    first = sample_data.add(ws, "helpdesk")
    assert first.sample and sample_data.add(ws, "helpdesk") == first and len(store.listing(ws)) == 1
    with pytest.raises(NotFoundError):
        sample_data.add(ws, "../helpdesk")


@pytest.mark.parametrize("sample", sample_data.listing(), ids=lambda s: s.name)
def test_bundled_samples_are_recognised(sample):
    kinds = {"persona": "chat", "helpdesk": "chat", "tickets": "classification", "preferences": "preference", "translation": "seq2seq"}
    report = store.check(sample.path)
    assert report["kind"] == kinds[sample.name] and report["problems"] == [] and report["confidence"] >= 0.9


def test_newest_first(ws, tmp_path):
    names = ["one", "two", "three"]
    for name in names:
        store.add(ws, csv(tmp_path), name=name)
    assert [d.id for d in store.listing(ws)] == names[::-1]
