"""The roster of a label project: who takes part, how much they judged, when they were last there."""

import pytest

from tests.labels.test_queue import candidate
from tuner.errors import NotFoundError
from tuner.labels import db, pairs, projects, queue
from tuner.labels.roster import roster, spelled


@pytest.fixture
def project(ws, monkeypatch):
    """A project of six pairs, and a clock that its test sets."""
    clock = [1000.0]
    monkeypatch.setattr(db, "now", lambda: clock[0])
    id = projects.create(ws, "Sums").id
    pairs.add_pairs(ws, id, [candidate(n) for n in range(6)])
    projects.update_settings(ws, id, repeats=0)
    return ws, id, clock


def test_each_labeller_with_judgments_and_last_seen(project):
    ws, id, clock = project
    assert roster(ws, id) == []
    projects.mark_guidelines_read(ws, id, "ann")
    clock[0] = 2000.0
    first = queue.next(ws, id, "ann").item
    second = queue.judge(ws, id, "ann", first.task, "a").item
    queue.judge(ws, id, "ann", second.task, "tie")
    clock[0] = 2600.0
    queue.next(ws, id, "ben")
    queue.vote(ws, id, "judge:starter", 1, "first")
    ben, ann = roster(ws, id)
    assert (ann.name, ann.judgments, ann.last_seen, ann.guidelines) == ("ann", 2, 2000.0, 1)
    assert (ben.name, ben.judgments, ben.last_seen, ben.guidelines) == ("ben", 0, 2600.0, None), "who was given a pair was there"


def test_an_undone_judgment_does_not_count_and_what_others_do_is_no_visit(project):
    ws, id, clock = project
    item = queue.next(ws, id, "ann").item
    queue.judge(ws, id, "ann", item.task, "skip")
    queue.release(ws, id)
    clock[0] = 5000.0
    assert queue.reopen_skipped(ws, id) == 1
    (ann,) = roster(ws, id)
    assert (ann.judgments, ann.last_seen) == (0, 1000.0)


def test_no_project_no_roster(ws):
    with pytest.raises(NotFoundError):
        roster(ws, "nothing")


def test_a_name_in_another_case_is_the_same_person(project):
    ws, id, _ = project
    assert spelled(ws, id, "maria") == "maria", "nobody is known by that name yet"
    projects.mark_guidelines_read(ws, id, "Maria")
    assert spelled(ws, id, "maria") == spelled(ws, id, "MARIA") == "Maria"
    assert spelled(ws, id, "mario") == "mario"
