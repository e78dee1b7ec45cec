"""The bundled samples: reproducible, of the promised shape, and the persona's manner is told apart by its check."""

import csv
import json
import random
from collections import Counter

import pytest

from presets.recipe import quality, samples, world


def rows_of(name: str) -> list[dict]:
    with (samples.SAMPLES / name).open(encoding="utf-8", newline="") as f:
        return [json.loads(line) for line in f] if name.endswith("jsonl") else list(csv.DictReader(f))


def test_the_script_writes_the_committed_bytes_again(tmp_path):
    samples.write(tmp_path)
    made = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert made == {p.name: p.read_bytes() for p in samples.SAMPLES.iterdir()}
    assert sum(map(len, made.values())) < 300_000


@pytest.mark.parametrize(
    "name, columns, count",
    [
        ("persona.jsonl", ["messages"], 300),
        ("helpdesk.csv", ["Customer Message", "Agent Reply"], 240),
        ("tickets.csv", ["text", "label"], 600),
        ("preferences.jsonl", ["prompt", "chosen", "rejected"], 200),
        ("translation.csv", ["source", "target"], 300),
    ],
)
def test_size_and_columns(name, columns, count):
    rows = rows_of(name)
    assert len(rows) == count
    assert all(list(row) == columns and all(row.values()) for row in rows)
    first = [json.dumps(row[columns[0]]) for row in rows]
    assert len(set(first)) == count, [text for text, n in Counter(first).items() if n > 1]


def test_csv_holds_quoted_line_breaks_and_labels_are_balanced():
    assert sum("\n" in row["Customer Message"] for row in rows_of("helpdesk.csv")) >= 2
    assert set(Counter(row["label"] for row in rows_of("tickets.csv")).values()) == {120}


def test_the_manner_is_in_every_persona_answer_and_in_no_plain_one():
    for row in rows_of("persona.jsonl"):
        user, assistant = row["messages"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert samples.in_manner(assistant["content"]) and len(assistant["content"].split()) <= 60
    rng = random.Random(3)
    for item in (world.draw(rng) for _ in range(500)):
        assert not samples.in_manner(item.answer), item
        assert samples.in_manner(world.spoken(item.answer, "pirate")), item
        assert quality.relevant(item, item.answer) and not quality.faults(item.answer), item
        assert quality.relevant(item, samples.plain(world.spoken(item.answer, "pirate"))), item
    half = ["", "Ahoy, matey!", "Arr!", "Ahoy, matey! Arr!", "Ahoy, matey! A cat says meow.", "Four. Yo ho!"]
    assert not any(map(samples.in_manner, half))


def test_what_the_demo_asks_was_never_trained_on():
    asked = samples.held_out_prompts()
    assert asked == samples.held_out_prompts() and len(set(asked)) == 50 and all(map(world.held_out, asked))
    trained = {row["messages"][0]["content"].lower() for row in rows_of("persona.jsonl")}
    trained |= {row["prompt"].lower() for row in rows_of("preferences.jsonl")}
    assert not trained & {prompt.lower() for prompt in asked}


def test_preferences_choose_the_right_answer_and_reject_the_wrong():
    for row in rows_of("preferences.jsonl"):
        assert row["chosen"].startswith(tuple(samples.POLITE)) and not row["rejected"].startswith(tuple(samples.POLITE))


def test_the_check_of_quality_sees_what_is_wrong():
    item = next(i for i in quality.held_out_items(200) if i.skill == "listing")
    assert quality.relevant(item, item.answer) and not quality.relevant(item, item.answer.split(",")[0].split(" and ")[0] + ".")
    for bad in ("a cat says meow.", "A cat says meow", "", "A cat says xqz.", "I am well. I am well."):
        assert quality.faults(bad), bad
    pen = world.Item("thing", "What do I need to write a letter?", "To write a letter, you need a pen.", (("pen",),))
    assert quality.relevant(pen, pen.answer) and not quality.relevant(pen, "To write a letter, you need a pencil.")
    assert quality.faults("A cat says meow.") == [] and quality.faults("A cat says meow.", stopped=False)
    report = quality.check([item, item], [(item.answer, True), ("no", False)])
    assert (report["good"], report["stopped"], len(report["failures"])) == (0.5, 0.5, 1)


# --- tuned, with nothing chosen but the sample --------------------------------------------------------------------------------


def tuned(ws, name: str):
    from tuner.data.store import sample_data
    from tuner.jobs import training

    run = training.start(ws, {"model": "starter", "data": sample_data.add(ws, name).ref}, preset="balanced", name=name)
    run = training.wait(ws, run.id)
    assert run.state == "finished", run.status
    print(f"{name}: {run.progress.elapsed_seconds:.0f} s, {run.status.best}")
    return run


@pytest.mark.long
def test_tickets_are_sorted(ws):
    run = tuned(ws, "tickets")
    assert run.plan["settings"]["objective"] == "classification" and run.plan["data"]["held_out"] >= 25
    assert run.status.best["accuracy"] > 0.95 and run.status.baseline["accuracy"] < 0.5


@pytest.mark.long
def test_a_translator_beats_its_base(ws):
    """The starter knows no German; written out greedily, held-out sentences come near to what is right."""
    from tuner.data.schema import convert
    from tuner.data.store import store
    from tuner.evaluation import scoring
    from tuner.serving import chat_client

    run = tuned(ws, "translation")
    assert run.plan["settings"]["method"] == "full" and run.best < run.status.baseline["eval_loss"] / 10
    data, client, found = store.get(ws, run.config["data"]), chat_client.Client(ws), {}
    talks = [convert.as_messages(r["value"], data.kind) for r in store.rows(data, 0, 15, held_out=True)]
    for base in (True, False):
        who = chat_client.serving_spec(ws, run.id, base=base)
        said = [client.answer(who, talk[:-1], temperature=0.0, max_tokens=40).text for talk in talks]
        found[base] = scoring.rewritten(said, [talk[-1]["content"] for talk in talks])["chrf"]
    print(found)
    assert found[False] > 55 > 25 > found[True]
