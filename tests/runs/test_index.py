"""The index of runs: what is on disk, said again without being read again; seen by all, right after every change, made anew when lost."""

import builtins
import io
import json
import os
import shutil
import time
from contextlib import contextmanager

import pytest

from tests.conftest import fresh, until
from tests.runs.test_runs import make
from tuner import paths, runs
from tuner.data.store import store
from tuner.labels import projects
from tuner.paths import Workspace
from tuner.runs import index as run_index
from tuner.runs import run_folder
from tuner.system import folder_index


@contextmanager
def opened():
    """The files opened while the block runs, whoever opens them: open, Path.read_text, io.open."""
    names, real = [], io.open

    def watched(file, *args, **kwargs):
        names.append(str(file))
        return real(file, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", watched)
        patch.setattr(builtins, "open", watched)
        yield names


def old(ws) -> None:
    """As if all of it had been written an hour ago: what is younger than a clock's tick is rightly read twice."""
    then = time.time_ns() - 3600 * 10**9
    for path in [*ws.root.rglob("*"), ws.root]:
        os.utime(path, ns=(then, then))


def ended(ws, n: int) -> list[runs.Run]:
    first = make(ws, "run")
    runs.write_status(first.path, state="finished", best={"eval_loss": 1.0})
    paths.write_json(first.path / "plan.json", first.plan | {"model": {"base": "x", "name": "S", "kind": "hub"}, "data": {"name": "sums"}})
    for i in range(1, n):
        shutil.copytree(first.path, ws.runs / f"run-{i}")
    old(ws)
    return runs.listing(ws)


@pytest.fixture
def parsed(monkeypatch) -> list[str]:
    """The runs whose files were read."""
    found, read = [], runs.read
    monkeypatch.setattr(run_folder, "read", lambda folder, status: found.append(folder.name) or read(folder, status))
    return found


# --- it is right ----------------------------------------------------------------------------------------------------------


def test_what_is_listed_is_what_is_on_disk(ws):
    ended(ws, 3)
    for listed in runs.listing(ws):
        whole = runs.get(ws, listed.id)
        assert listed == whole and listed.summary() == whole.summary() and listed.detail() == whole.detail() and listed.name == whole.name
    assert listed.brief == whole.brief and listed.plan["settings"] == whole.plan["settings"]


def deleted(ws, run):
    runs.delete(ws, run.id)


CHANGES = {
    "state": lambda ws, run: runs.write_status(run.path, state="failed"),
    "name": lambda ws, run: runs.describe(ws, run.id, name="another"),
    "deleted": deleted,
    "new": lambda ws, run: make(ws, "run"),
    "removed by hand": lambda ws, run: shutil.rmtree(run.path),
    "damaged": lambda ws, run: paths.write_text(run.path / "status.json", "{"),
    "no config": lambda ws, run: (run.path / "config.yaml").unlink(),
    "config changed": lambda ws, run: paths.write_text(run.path / "config.yaml", "model: other\ndata: sums@1\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_at_once(ws, change):
    ended(ws, 3)
    version, before = runs.version(ws), [vars(r) for r in runs.listing(ws)]
    CHANGES[change](ws, runs.get(ws, "run-1"))
    assert runs.version(ws) != version and [vars(r) for r in runs.listing(ws)] != before
    folders = [f for f in ws.runs.iterdir() if paths.ID.fullmatch(f.name)]
    assert {r.id: r for r in runs.listing(ws)} == {r.id: runs.get(ws, r.id) for r in map(run_index.read, folders) if r}


def test_two_changes_in_one_tick_of_the_clock_are_both_seen(ws):
    """Status files of one size whose times and inodes are the same, as on a disk with a coarse clock."""
    run = make(ws)
    status = run.path / "status.json"
    runs.write_status(run.path, state="stopped")
    stamp = status.stat().st_mtime_ns
    assert runs.listing(ws)[0].state == "stopped"
    with open(status, "r+", encoding="utf-8") as f:  # in place: the same inode
        text = f.read().replace('"stopped"', '"failed" ')
        f.seek(0), f.write(text)
    os.utime(status, ns=(stamp, stamp))
    assert runs.listing(ws)[0].state == "failed"


def test_what_is_edited_in_place_is_seen_in_turn(ws, monkeypatch):
    monkeypatch.setattr(folder_index, "IN_TURN", 2)
    ended(ws, 7), runs.listing(ws)
    with open(ws.runs / "run-3" / "status.json", "w", encoding="utf-8") as f:
        json.dump({"state": "failed"}, f)
    looks = next(i for i in range(1, 9) if [r.state for r in runs.listing(ws) if r.id == "run-3"] == ["failed"])
    assert looks <= 4


def test_damaged_folders_hide_no_others(ws):
    ended(ws, 8)
    for n, (file, text) in enumerate(
        [
            ("plan.json", "[]"),
            ("plan.json", '{"settings": {}}'),
            ("plan.json", '{"settings": 7}'),
            ("about.json", "[]"),
            ("config.yaml", "a: ["),
            ("status.json", "[" * 100_000),
            ("about.json", '{"created": 5}'),
        ],
        1,
    ):
        paths.write_text(ws.runs / f"run-{n}" / file, text)
    assert {r.id for r in runs.listing(ws)} == {"run", "run-7"}
    (ws.runs / "a-file").write_text("")
    assert len(runs.listing(ws)) == 2


OTHER = """
import sys
from pathlib import Path
from tuner import runs
from tuner.runs import run_folder
from tuner.paths import Workspace
ws = Workspace(Path(sys.argv[1]))
runs.write_status(ws.runs / "run-2", state="failed")
runs.describe(ws, "run-1", name="from beside")
print([r.id for r in runs.listing(ws)][-1])
"""


def test_another_process_is_heard_within_a_second(ws):
    ended(ws, 4)
    index = run_index.of(ws)
    version = index.glance()
    fresh(OTHER, str(ws.home))
    changed = until(lambda: index.glance() != version and time.monotonic(), 1.0)
    assert changed and {r.id: (r.state, r.name) for r in runs.listing(ws)}["run-2"][0] == "failed"
    assert runs.get(ws, "run-1").name == next(r.name for r in runs.listing(ws) if r.id == "run-1") == "from beside"


# --- it is cheap ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_listing_again_reads_nothing(ws, parsed, n):
    ended(ws, n)
    assert len(parsed) == n + 1 and len(set(parsed)) == n, "each once, and the first as it was made"
    parsed.clear()
    with opened() as files:
        assert len(runs.listing(ws)) == n and runs.version(ws) == runs.version(ws)
    assert parsed == [] and files == []
    runs.write_status(ws.runs / "run-1", state="stopped")
    runs.listing(ws)
    assert parsed == ["run-1"], "and then only what changed"


def test_all_who_look_at_once_share_one_look(ws, monkeypatch):
    ended(ws, 3)
    index, looks = run_index.of(ws), []
    monkeypatch.setattr(type(index), "_look", lambda self: looks.append(1))
    monkeypatch.setattr(index, "_looked", float("-inf"))
    for _ in range(20):
        index.glance()
    assert len(looks) == 1 and run_index.of(Workspace(ws.home, machine=ws.machine)) is index


def test_a_new_process_begins_with_what_a_former_one_read(ws, monkeypatch, parsed):
    monkeypatch.setattr(run_index, "SAVED", 5)
    ended(ws, 6)
    assert (ws.root / run_index.CACHE).exists() and len(set(parsed)) == 6
    folder_index.forget(ws), parsed.clear()
    again = runs.listing(ws)
    assert parsed == [] and again == [runs.get(ws, r.id) for r in again]
    folder_index.forget(ws)
    runs.write_status(ws.runs / "run-1", state="failed")
    assert next(r.state for r in runs.listing(ws) if r.id == "run-1") == "failed"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 1}', '{"version": 0, "runs": {}}', '{"version": 1, "runs": {"run-1": [1]}}', '{"version": 1, "runs": []}'],
)
def test_a_file_that_is_none_of_ours_is_made_anew(ws, monkeypatch, parsed, text):
    monkeypatch.setattr(run_index, "SAVED", 5)
    ended(ws, 6)
    (ws.root / run_index.CACHE).write_text(text)
    folder_index.forget(ws), parsed.clear()
    assert len(runs.listing(ws)) == 6 and len(parsed) == 6
    assert len(json.loads((ws.root / run_index.CACHE).read_text())["runs"]) == 6


def test_what_json_would_change_is_not_kept_in_the_file(ws, monkeypatch):
    monkeypatch.setattr(run_index, "SAVED", 1)
    run = make(ws, day="2026-01-01")
    runs.write_status(run.path, state="finished")
    paths.write_text(run.path / "config.yaml", "model: starter\ndata: sums@1\nday: 2026-01-01\n1: one\n")
    old(ws)
    runs.listing(ws), folder_index.forget(ws)
    assert runs.listing(ws) == [runs.get(ws, run.id)] and 1 in runs.listing(ws)[0].config


def test_workspaces_come_and_go(tmp_path):
    for i in range(folder_index.KEPT + 5):
        runs.listing(Workspace(tmp_path, f"guest-{i}"))
        store.listing(Workspace(tmp_path, f"guest-{i}"))
    assert all(len(shared.found) <= folder_index.KEPT for shared in folder_index.Shared.every) and not list(tmp_path.iterdir())


# --- other histories ------------------------------------------------------------------------------------------------------


def test_datasets_are_read_once(ws, tmp_path):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"prompt": f"q{i}", "answer": f"a{i}"}) + "\n" for i in range(30)))
    one, two = (store.add(ws, tmp_path / "rows.jsonl", name=n) for n in ("one", "two"))
    old(ws), store.listing(ws)
    with opened() as files:
        assert [d.ref for d in store.listing(ws)] == [two.ref, one.ref] and not files
    newer = store.remap(ws, one.ref, held_out=0.2)
    assert [d.ref for d in store.listing(ws)] == [newer.ref, two.ref] and store.histories(ws)[0] == store.history(ws, "one")
    (newer.path / "rows.parquet").unlink()
    assert [d.ref for d in store.listing(ws)] == [two.ref, one.ref], "a damaged version gives way to the one before"
    store.delete(ws, "two")
    assert [d.ref for d in store.listing(ws)] == [one.ref]


def test_label_projects_are_counted_again_when_they_are_written_to(ws, monkeypatch):
    one = projects.create(ws, "one")
    old(ws), projects.listing(ws)
    found, find = [], projects.find
    monkeypatch.setattr(projects, "find", lambda ws, id: found.append(id) or find(ws, id))
    assert [p.id for p in projects.listing(ws)] == [one.id] and not found
    projects.update_settings(ws, one.id, planned=7)
    assert projects.listing(ws)[0].settings.planned == 7 and projects.create(ws, "two").id in {p.id for p in projects.listing(ws)}
    projects.delete(ws, one.id)
    assert [p.id for p in projects.listing(ws)] == ["two"]
