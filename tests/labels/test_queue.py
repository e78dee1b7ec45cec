"""Who judges which pair when: leases, verdicts, undo, repeats, gold, overlap; and that no crash or crowd loses or doubles anything."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.conftest import ROOT, until
from tuner.errors import ConflictError, NotFoundError, RequestError
from tuner.labels import db, pairs, projects, queue
from tuner.labels.pairs import Candidate


def candidate(n: int, gold: str | None = None) -> Candidate:
    first, second = f"Plainly, {n} and {n} make {2 * n}.", f"Who could say what {n} twice is? Not me, ask somebody else."
    return Candidate(
        [{"role": "user", "content": f"What is {n} plus {n}?"}],
        [{"role": "assistant", "content": first}],
        [{"role": "assistant", "content": second}],
        ("tuned", "base"),
        {"row": n},
        gold,
    )


@pytest.fixture
def project(ws):
    made = projects.create(ws, "Sums")
    pairs.add_pairs(ws, made.id, [candidate(n) for n in range(30)])
    projects.update_settings(ws, made.id, repeats=0)
    return made.id


def judge_all(ws, project, who, choice="a", most=10_000):
    """The pairs one labeller was given, to the end."""
    given, desk = [], queue.next(ws, project, who)
    while desk.item and len(given) < most:
        given.append(desk.item.pair)
        desk = queue.judge(ws, project, who, desk.item.task, choice)
    return given


def test_all_pairs_come_once_and_the_same_one_until_it_is_judged(ws, project):
    first = queue.next(ws, project, "ann")
    assert queue.next(ws, project, "ann").item == first.item, "a reload goes on at the same pair"
    assert (first.done, first.total, first.mine) == (0, 30, 0)
    given = judge_all(ws, project, "ann")
    assert sorted(given) == list(range(1, 31)) and len(set(given)) == 30
    assert given != sorted(given), "in an order of chance"
    end = queue.next(ws, project, "ann")
    assert end.item is None and end.done == 30


def test_the_side_is_drawn_and_kept(ws, project):
    ann, ben = judge_all(ws, project, "ann", "a", 30), None
    with db.reading(ws, project) as store:
        rows = store.execute(
            "SELECT t.side, e.winner, p.key FROM tasks t JOIN events e ON e.id = t.event JOIN pairs p ON p.id = t.pair"
        ).fetchall()
    assert len(ann) == len(rows) == 30 and ben is None
    assert all(r["winner"] == r["side"] == queue.side_of(r["key"], "ann") for r in rows), "a is whatever stood at the left"
    assert 5 < sum(r["side"] == "first" for r in rows) < 25
    assert {queue.side_of(rows[0]["key"], str(n)) for n in range(20)} == {"first", "second"}, "of the labeller as well"


def test_two_labellers_never_have_one_pair(ws, project):
    a, b = queue.next(ws, project, "ann"), queue.next(ws, project, "ben")
    assert a.item.pair != b.item.pair
    assert not set(judge_all(ws, project, "ann", most=10)) & set(judge_all(ws, project, "ben"))


def test_overlap_is_given_to_two_and_follows_the_setting(ws, project):
    done = judge_all(ws, project, "ann", most=5)
    projects.update_settings(ws, project, overlap_share=1, overlap_labellers=2)
    assert projects.find(ws, project).tasks == 60
    ben = judge_all(ws, project, "ben")
    assert set(done) < set(ben) and len(ben) == 30
    projects.update_settings(ws, project, overlap_share=0)
    assert projects.find(ws, project).tasks >= 30
    with db.reading(ws, project) as store:
        shares = store.execute("SELECT pair, count(*), count(DISTINCT labeller) FROM tasks WHERE state = 2 GROUP BY pair").fetchall()
    assert all(n == different for _, n, different in shares)


def test_a_share_of_the_pairs_overlaps(ws):
    made = projects.create(ws, "Class", "class")
    pairs.add_pairs(ws, made.id, [candidate(n) for n in range(400)])
    assert 440 < projects.find(ws, made.id).tasks < 520


def test_a_lease_ends_by_time_and_by_hand(ws, project, monkeypatch):
    mine = queue.next(ws, project, "ann").item
    later = time.time() + queue.LEASE + 1
    monkeypatch.setattr(db, "now", lambda: later)
    everything = judge_all(ws, project, "ben")
    assert mine.pair in everything and len(everything) == 30
    late = queue.judge(ws, project, "ann", mine.task, "b")
    assert late.mine == 1, "a verdict that came too late is kept beside the other one"
    monkeypatch.undo()
    other = projects.create(ws, "Other").id
    pairs.add_pairs(ws, other, [candidate(1)])
    held = queue.next(ws, other, "ann").item
    assert queue.next(ws, other, "ben").item is None and queue.next(ws, other, "ben").waiting == 1
    assert queue.release(ws, other, "ann") == 1
    assert queue.next(ws, other, "ben").item.pair == held.pair


def test_the_same_verdict_twice_counts_once(ws, project):
    item = queue.next(ws, project, "ann").item
    once = queue.judge(ws, project, "ann", item.task, "a")
    twice = queue.judge(ws, project, "ann", item.task, "b")
    assert once.item == twice.item and twice.mine == 1
    with db.reading(ws, project) as store:
        assert store.execute("SELECT count(*) FROM events").fetchone()[0] == 1


def test_undo_goes_back_as_far_as_wanted_and_forward_again(ws, project):
    seen = []
    desk = queue.next(ws, project, "ann")
    for choice in ("a", "b", "tie"):
        seen.append(desk.item.task)
        desk = queue.judge(ws, project, "ann", desk.item.task, choice, note=f"said {choice}")
    waiting = desk.item.task
    back = [queue.undo(ws, project, "ann") for _ in range(3)]
    assert [d.item.task for d in back] == seen[::-1]
    assert [d.item.before["choice"] for d in back] == ["tie", "b", "a"] and back[0].item.before["note"] == "said tie"
    with pytest.raises(ConflictError, match="no judgment to undo"):
        queue.undo(ws, project, "ann")
    order = []
    desk = back[-1]
    for _ in range(4):
        order.append(desk.item.task)
        desk = queue.judge(ws, project, "ann", desk.item.task, "b")
    assert order == [*seen, waiting]
    with db.reading(ws, project) as store:
        kinds = [k for (k,) in store.execute("SELECT kind FROM events ORDER BY id")]
    assert kinds == ["verdict"] * 3 + ["undo"] * 3 + ["verdict"] * 4, "nothing that was said is rubbed out"


def test_a_labeller_judges_some_pairs_twice_with_the_sides_swapped(ws, project):
    projects.update_settings(ws, project, repeats=0.2)
    given = judge_all(ws, project, "ann")
    again = [p for p in set(given) if given.count(p) == 2]
    assert len(given) == 30 + len(again) and 5 <= len(again) <= 6
    assert all(len(given) - 1 - given[::-1].index(p) - given.index(p) >= queue.APART for p in again)
    with db.reading(ws, project) as store:
        for p in again:
            sides = store.execute("SELECT side FROM tasks WHERE pair = ? AND state = 2", (p,)).fetchall()
            assert {s for (s,) in sides} == {"first", "second"}
    assert projects.find(ws, project).done == 30, "repeats are no progress"


def test_gold_pairs_come_in_between(ws, project):
    pairs.add_pairs(ws, project, [candidate(n, gold="first") for n in range(100, 103)])
    projects.update_settings(ws, project, gold=0.1)
    assert projects.find(ws, project).tasks == 30
    given = judge_all(ws, project, "ann")
    assert len(given) == 33 and sum(p > 30 for p in given) == 3
    assert len(judge_all(ws, project, "ben")) == 0, "nothing ordinary is left, so nothing is tested"


def test_what_was_skipped_can_be_offered_again(ws, project):
    judge_all(ws, project, "ann", "skip")
    assert queue.next(ws, project, "ann").item is None
    assert queue.reopen_skipped(ws, project) == 30
    assert len(judge_all(ws, project, "ann")) == 30


@pytest.mark.parametrize(
    "wrong",
    [
        {"choice": "c"},
        {"choice": "a", "strength": 4},
        {"choice": "tie", "edited": "x"},
        {"choice": "a", "better": "x"},
        {"choice": "a", "edited": "x" * 30_000},
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused_and_nothing_is_lost(ws, project, wrong):
    item = queue.next(ws, project, "ann").item
    with pytest.raises(RequestError) as caught:
        queue.judge(ws, project, "ann", item.task, **wrong)
    assert caught.value.remedy and caught.value.available
    assert queue.next(ws, project, "ann").item == item


def test_unknown_tasks_names_and_projects(ws, project):
    desk = queue.judge(ws, project, "ann", 10_000, "a")
    assert desk.item and not desk.said, "what is gone is not judged: the next one is shown"
    for name in ("", "  ", "x" * 50, "a\x00b", "judge:me"):
        with pytest.raises(RequestError):
            queue.next(ws, project, name)
    for id in ("nothing", "../..", ""):
        with pytest.raises(NotFoundError):
            queue.next(ws, id, "ann")


def test_a_skip_by_a_judge_or_of_a_repeat_is_nobody_elses(ws, project):
    projects.update_settings(ws, project, repeats=0.5)
    queue.vote(ws, project, "judge:m", 1, "skip")
    given = judge_all(ws, project, "ann", "skip")
    assert queue.reopen_skipped(ws, project) == 30, "the ordinary ones"
    assert len(set(given)) == 30 and len(set(judge_all(ws, project, "ben"))) == 30
    with db.reading(ws, project) as store:
        kinds = dict(store.execute("SELECT kind, count(*) FROM tasks WHERE labeller = 'ben' AND state = 2 GROUP BY kind").fetchall())
    assert kinds["ordinary"] == 30 and "judge" not in kinds


def test_nobody_sees_what_another_said(ws, project, monkeypatch):
    one = queue.next(ws, project, "ann").item
    queue.judge(ws, project, "ann", one.task, "a", note="mine alone")
    assert queue.undo(ws, project, "ann").item.before["note"] == "mine alone"
    queue.release(ws, project, "ann")
    for _ in range(30):
        desk = queue.next(ws, project, "ben")
        assert desk.item.before is None
        queue.judge(ws, project, "ben", desk.item.task, "tie")


def test_less_overlap_never_gives_a_pair_twice(ws, project):
    projects.update_settings(ws, project, overlap_share=1, overlap_labellers=2)
    ann, ben = queue.next(ws, project, "ann").item, queue.next(ws, project, "ben").item
    assert ann.pair == ben.pair, "both have the first one"
    queue.judge(ws, project, "ben", ben.task, "a")
    projects.update_settings(ws, project, overlap_share=0)
    queue.release(ws, project, "ann")
    assert ann.pair not in judge_all(ws, project, "cid"), "one judged it, and one was wanted"
    with db.reading(ws, project) as store:
        assert store.execute("SELECT max(n) FROM (SELECT count(*) n FROM tasks WHERE state = 2 GROUP BY pair)").fetchone()[0] == 1


def test_new_guidelines_are_known_to_who_judges(ws, project):
    projects.mark_guidelines_read(ws, project, "ann")
    desk = queue.next(ws, project, "ann")
    assert not desk.unread
    projects.write_guidelines(ws, project, "Be brief.")
    desk = queue.judge(ws, project, "ann", desk.item.task, "a")
    assert desk.unread
    with db.reading(ws, project) as store:
        assert store.execute("SELECT guidelines FROM events").fetchone()[0] == 1, "under which it was given"


def test_many_pairs_with_overlap_take_no_longer(ws):
    """The plan of the query, not its time: both look-ups go by an index."""
    made = projects.create(ws, "Many", "class").id
    pairs.add_pairs(ws, made, [candidate(n) for n in range(50)])
    with db.reading(ws, made) as store:
        plan = [
            r["detail"]
            for r in store.execute(
                "EXPLAIN QUERY PLAN SELECT t.id FROM tasks t WHERE t.state = 0 AND t.kind = 'ordinary' AND NOT EXISTS "
                "(SELECT 1 FROM tasks o INDEXED BY whose WHERE o.pair = t.pair AND o.labeller = 'ann') ORDER BY t.rank, t.slot LIMIT 1"
            )
        ]
    assert (
        any("waiting" in line for line in plan)
        and any("whose" in line for line in plan)
        and not any("TEMP B-TREE" in line for line in plan)
    )


def test_a_crowd_gets_each_pair_once_and_loses_no_verdict(ws, tmp_path):
    made = projects.create(ws, "Crowd").id
    pairs.add_pairs(ws, made, [candidate(n) for n in range(300)])
    projects.update_settings(ws, made, repeats=0)
    given: list[list[int]] = []

    def work(name: str) -> None:
        given.append(judge_all(ws, made, name))

    code = (
        "import sys; from pathlib import Path; from tests.labels.test_queue import judge_all; from tuner.paths import Workspace;"
        "print(*judge_all(Workspace(Path(sys.argv[1])), sys.argv[2], sys.argv[3]))"
    )
    others = [  # writers of other processes beside the threads of this one
        subprocess.Popen([sys.executable, "-c", code, str(ws.home), made, f"p{n}"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for n in range(2)
    ]
    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    given += [list(map(int, p.communicate(timeout=60)[0].split())) for p in others]
    everything = [p for one in given for p in one]
    assert sorted(everything) == list(range(1, 301)), "none twice, none left out"
    with db.reading(ws, made) as store:
        assert store.execute("SELECT count(*) FROM events WHERE kind = 'verdict'").fetchone()[0] == 300


STORING = """
import sys
from pathlib import Path
from tuner.labels import queue
from tuner.paths import Workspace
ws, project = Workspace(Path(sys.argv[1])), sys.argv[2]
desk = queue.next(ws, project, "ann")
while desk.item:
    task = desk.item.task
    desk = queue.judge(ws, project, "ann", task, "a")
    print(task, flush=True)
"""


@pytest.mark.parametrize("verdicts", [50, pytest.param(1000, marks=pytest.mark.long)])
def test_kill_9_after_an_acknowledged_verdict_loses_none(ws, verdicts):
    made = projects.create(ws, "Killed").id
    pairs.add_pairs(ws, made, [candidate(n) for n in range(verdicts + 100)])
    projects.update_settings(ws, made, repeats=0)
    acknowledged: list[int] = []
    while len(acknowledged) < verdicts:
        child = subprocess.Popen([sys.executable, "-c", STORING, str(ws.home), made], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        acknowledged.append(int(child.stdout.readline()))
        os.kill(child.pid, signal.SIGKILL)  # while it works on the next one
        acknowledged += map(int, child.stdout.read().split())
        child.wait()
    with db.reading(ws, made) as store:
        kept = [t for (t,) in store.execute("SELECT task FROM events WHERE kind = 'verdict'")]
        assert store.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert set(acknowledged) <= set(kept) and len(kept) == len(set(kept)) == projects.find(ws, made).done
    assert until(lambda: queue.next(ws, made, "ann").item).task not in kept
