"""What makes a pair, projects and their guidelines, pairs from files and from data."""

import json

import pytest

from tests.conftest import write_rows
from tuner import paths
from tuner.data.store import sample_data, store
from tuner.errors import NotFoundError, Problems, RequestError, SettingError
from tuner.labels import db, export, pairs, projects, queue


@pytest.mark.parametrize(
    "one, other, why",
    [
        ("Yes.", "No.", None),
        ("Yes.", "Yes.", "identical"),
        ("Yes. ", " Yes.", "identical"),
        ("", "No.", "empty"),
        (" \n", "No.", "empty"),
        (
            "The fox sat by the river and looked at the red ball.",
            "The fox sat by the river and looked at the red ball!",
            "nearly identical",
        ),
        ("The fox sat by the river and looked at the red ball.", "The fox sat by the river. It was a fine day for a fox.", None),
        ("x" * 50_000, "x" * 50_000 + "y", "nearly identical"),
        ("x" * 30_000, "x" * 90_000, None),
    ],
)
def test_what_makes_a_pair(one, other, why):
    assert pairs.rejection_reason(one, other) == why == pairs.rejection_reason(other, one)


def test_a_project_keeps_name_settings_and_guidelines(ws):
    one, two = projects.create(ws, "My Labels"), projects.create(ws, "My labels!", "class")
    assert (one.id, two.id) == ("my-labels", "my-labels-2") and two.settings.overlap_share == 0.2
    assert [p.id for p in projects.listing(ws)] == ["my-labels-2", "my-labels"]
    assert projects.update_settings(ws, one.id, strength=True).settings.strength
    assert projects.guidelines(ws, one.id) == (1, projects.DEFAULT_GUIDELINES)
    assert not projects.has_read(ws, one.id, "ann")
    projects.mark_guidelines_read(ws, one.id, "ann")
    assert projects.has_read(ws, one.id, "ann")
    assert projects.write_guidelines(ws, one.id, "Be brief.") == 2 == projects.write_guidelines(ws, one.id, " Be brief. ")
    assert not projects.has_read(ws, one.id, "ann"), "new guidelines are read anew"
    assert projects.guidelines(ws, one.id, 1)[1] == projects.DEFAULT_GUIDELINES, "old ones are kept"
    projects.delete(ws, one.id)
    with pytest.raises(NotFoundError, match="my-labels"):
        projects.find(ws, one.id)


def test_two_projects_of_one_name_can_not_be_told_apart(ws):
    made = projects.create(ws, "Tone")
    with pytest.raises(RequestError, match="called Tone already"):
        projects.create(ws, "tone")
    assert projects.unused(ws, "Tone") == "Tone 2" and projects.unused(ws, "Facts") == "Facts"
    assert projects.create(ws, projects.unused(ws, "Tone")).name == "Tone 2"
    projects.delete(ws, made.id)
    assert projects.create(ws, "Tone").name == "Tone"


def test_wrong_settings_are_told_all_at_once(ws):
    id = projects.create(ws, "x").id
    with pytest.raises(Problems) as caught:
        projects.update_settings(ws, id, overlap_share=2, repeats=float("nan"), nonsense=1)
    assert len(caught.value.errors) == 3
    for bad in ("", "\x00", "y" * 100):
        with pytest.raises(RequestError):
            projects.create(ws, bad)
    with pytest.raises(SettingError):
        projects.create(ws, "x", "crowd")
    with pytest.raises(RequestError):
        projects.write_guidelines(ws, id, " ")


def test_the_sample_becomes_pairs_once(ws):
    ds = sample_data.add(ws, "preferences")
    id = projects.create(ws, "Sample").id
    added = pairs.from_dataset(ws, id, ds.ref)
    again = pairs.from_dataset(ws, id, ds.ref)
    assert added.added == ds.rows - sum(added.dropped.values()) > 150
    assert again.added == 0 and again.dropped["already there"] == added.added
    with db.reading(ws, id) as file:
        prefers = [json.loads(o)["data_prefers"] for (o,) in file.execute("SELECT origin FROM pairs")]
    assert 0.3 < prefers.count("first") / len(prefers) < 0.7, "which one the data prefers can't be told from the order"


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi {n}", "chosen": "Hello {n}, how are you?", "rejected": "What do you want?"},
        {"question": "Hi {n}", "answers": [{"text": "Hello {n}, how are you?", "score": 5}, {"text": "What do you want?", "score": 1}]},
        {
            "chosen": "\n\nHuman: Hi {n}\n\nAssistant: Hello {n}, how are you?",
            "rejected": "\n\nHuman: Hi {n}\n\nAssistant: What do you want?",
        },
    ],
)
def test_files_of_preferences_in_several_formats(ws, tmp_path, row):
    rows = [json.loads(json.dumps(row).replace("{n}", str(n))) for n in range(12)]
    id = projects.create(ws, "File").id
    added, problems = pairs.from_file(ws, id, write_rows(tmp_path / "pairs.jsonl", rows))
    assert (added.added, problems) == (12, [])
    with db.reading(ws, id) as file:
        prompt = json.loads(file.execute("SELECT prompt FROM pairs LIMIT 1").fetchone()[0])
    assert prompt[-1]["role"] == "user" and prompt[-1]["content"].startswith("Hi")


def test_tools_that_a_model_may_call_are_kept(ws, tmp_path):
    tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    rows = [{"prompt": f"Add {n}", "chosen": f"It is {n}.", "rejected": "No idea at all.", "tools": tools} for n in range(12)]
    ds = store.add(ws, write_rows(tmp_path / "tools.jsonl", rows))
    id = projects.create(ws, "Tools").id
    assert pairs.from_dataset(ws, id, ds.ref).added == 12
    desk = queue.next(ws, id, "ann")
    queue.judge(ws, id, "ann", desk.item.task, "a")
    assert export.rows(ws, id)[0]["tools"] == tools


def test_other_files_are_refused_with_what_to_do(ws, tmp_path):
    id = projects.create(ws, "Chat").id
    with pytest.raises(RequestError, match="no pairs of answers"):
        pairs.from_file(ws, id, paths.SAMPLES / "helpdesk.csv")
    with pytest.raises(NotFoundError):
        pairs.from_file(ws, id, tmp_path / "nothing.csv")
