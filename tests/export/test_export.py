"""What is taken away: loaded by the card's own lines in a fresh process, it gives the answers that were chatted with."""

import json
import re
import shutil
import time
import zipfile

import pytest

from tests.conftest import fresh
from tuner import locks, paths, runs
from tuner.data.store import sample_data
from tuner.errors import DiskError, ModelError, NotFoundError, RequestError, WorkError
from tuner.export import formats, making, model_card, sizes
from tuner.jobs import training
from tuner.models import card_languages
from tuner.paths import read_json
from tuner.serving import chat_client
from tuner.settings.run_config import Settings

PROMPTS = ["What is 3 plus 3?", "How are you?", "Name two flowers.", "What is 31 plus 31?"]
ASK = """

import json, sys
answers = []
for prompt in json.loads(sys.argv[1]):
    ids = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True)
    tokens = model.generate(**ids, max_new_tokens=24, do_sample=False)[0, ids["input_ids"].shape[1]:]
    answers.append(tokenizer.decode(tokens, skip_special_tokens=True))
print(json.dumps(answers))
"""


def code_of(card: str) -> str:
    return re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]


def answers_of(folder) -> list[str]:
    """What the card's lines give, run as they stand in the folder they are printed in."""
    return json.loads(fresh(code_of((folder / "README.md").read_text()) + ASK, json.dumps(PROMPTS), cwd=folder).splitlines()[-1])


def chatted(house, id: str) -> list[str]:
    client, known = chat_client.Client(house.ws, "cpu"), chat_client.serving_spec(house.ws, id)
    return [client.answer(known, [{"role": "user", "content": p}], temperature=0.0, max_tokens=24).text for p in PROMPTS]


def names(folder) -> set[str]:
    return {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}


@pytest.mark.parametrize("which, kind", [("lora", "adapter"), ("lora", "merged"), pytest.param("full", "merged", marks=pytest.mark.long)])
def test_taken_away_it_answers_as_it_did_here(house, tmp_path, which, kind):
    id = getattr(house, which)
    told, expected = [], sizes.estimate(house.run(id), kind)
    made = making.make(house.ws, id, kind, waiting=lambda *now: told.append(now))
    assert expected == pytest.approx(made["bytes"], rel=0.05), "the page names this size before"
    folder = house.ws.exports / id / kind
    assert made["path"] == str(folder) and made["check"]["passed"] is True and bool(told) is ((which, kind) == ("lora", "merged"))
    there = names(folder)
    assert {"README.md", "tokenizer.json", "chat_template.jinja", "tunesmith.json"} <= there
    assert not [n for n in there if n.endswith((".bin", ".pt", ".pth", ".pkl", ".log", "lock", "request.json", "result.json"))]
    assert any(n.endswith(".safetensors") for n in there) and made["bytes"] == sum((folder / n).stat().st_size for n in there)
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    assert answers_of(moved) == chatted(house, id)
    text = "".join((moved / n).read_text() for n in there if n.endswith((".md", ".json")) and n != "tokenizer.json")
    assert str(house.ws.home) not in text and str(paths.PRESETS) not in text, "the way to this computer is nobody's business"
    assert kind in {m["kind"] for m in making.exports_of(house.ws, id)}


def test_the_card_of_an_export(house):
    making.make(house.ws, house.lora, "adapter")
    run, card = house.run(house.lora), (house.ws.exports / house.lora / "adapter" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: peft\n") and f"# {run.name}" in card
    assert card_languages.of_text(card) == ("en",), "those of the base"
    for fact in (
        f"{run.best:.4f}",
        f"{run.status.baseline['eval_loss']:.4f}",
        house.data.sha256,
        "| `lora_rank` | 8 | you |",
        "starter",
    ):
        assert fact in card, fact
    assert "lora_targets" in card and "last_layers" not in card and "preference_loss" not in card and "None" not in card
    compile(code_of(card), "card", "exec")
    assert len([line for line in code_of(card).splitlines() if "=" in line]) == 3


def test_no_card_names_a_path_of_this_computer(house, monkeypatch):
    """A base model that is too large to be shipped stays in a folder here: the card has its reader fill in where it is there."""
    run = house.run(house.lora)
    for card in (run.path / "card.md", house.run(house.full).path / "card.md"):
        assert str(paths.STARTER) not in card.read_text() and str(house.ws.home) not in card.read_text()
    monkeypatch.setattr(sizes, "SHIP_BASE", 1000)
    making.make(house.ws, house.lora, "adapter")
    card = (house.ws.exports / house.lora / "adapter" / "README.md").read_text()
    assert 'from_pretrained("path/to/starter"' in card and str(paths.STARTER) not in card and str(house.ws.home) not in card


@pytest.mark.parametrize(
    ("method", "objective", "named", "unnamed"),
    [
        ("full", "chat", "weight_decay", "lora_rank"),
        ("ia3", "text", "packing", "adapter_size"),
        ("lora", "classification", "class_weights", "packing"),
        ("lora", "preference", "beta", "virtual_tokens"),
        ("prompt", "chat", "virtual_tokens", "prefix_projection"),
    ],
)
def test_a_card_names_the_settings_that_had_an_effect(method, objective, named, unnamed):
    settings = Settings.from_json({"method": method, "objective": objective, "preference_loss": "sigmoid"})
    assert (
        model_card.tells(named, 1, settings) and not model_card.tells(unnamed, 1, settings) and not model_card.tells(named, None, settings)
    )


def test_made_again_in_place_and_packed(house):
    first = making.make(house.ws, house.lora, "adapter")
    folder = house.ws.exports / house.lora / "adapter"
    (folder / "left over").write_text("of a former export")
    again = making.make(house.ws, house.lora, "adapter")
    assert again["path"] == first["path"] and "left over" not in names(folder)
    packed = making.make_zip(folder)
    with zipfile.ZipFile(packed) as z:
        assert z.testzip() is None and set(z.namelist()) == {f"{house.lora}/{n}" for n in names(folder)}
        assert z.read(f"{house.lora}/README.md") == (folder / "README.md").read_bytes()
    assert not list(folder.parent.glob("*.new"))


def test_an_occupied_folder_is_left_alone(house, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("ten years")
    with pytest.raises(RequestError) as caught:
        making.make(house.ws, house.lora, "adapter", tmp_path / "mine")
    assert caught.value.field == "out" and (tmp_path / "mine" / "thesis.txt").read_text() == "ten years"
    assert {f.name for f in tmp_path.iterdir()} == {"mine"}
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises((RequestError, DiskError, WorkError)):
            making.make(house.ws, house.lora, "adapter", place)
    (tmp_path / "empty").mkdir()
    assert making.make(house.ws, house.lora, "adapter", tmp_path / "empty")["path"] == str(tmp_path / "empty")
    assert making.make(house.ws, house.lora, "adapter", tmp_path / "empty")["bytes"] > 1000  # a former export makes room


def test_what_can_not_be_made_is_told(house):
    with pytest.raises(RequestError) as caught:
        making.make(house.ws, house.lora, "gguf2")
    assert caught.value.field == "to" and caught.value.available == list(formats.FORMATS) and caught.value.exit_code == 2
    with pytest.raises(ModelError) as caught:
        making.make(house.ws, house.full, "adapter")
    assert caught.value.available == ["merged", "gguf", "ollama", "space", "script", "llamafactory", "axolotl"]
    for id in ("nobody", "../..", ""):
        with pytest.raises(NotFoundError):
            making.make(house.ws, id, "adapter")


def test_a_run_without_a_model_has_nothing_to_take_away(house):
    place = house.ws.runs / "unfinished"
    shutil.copytree(house.ws.runs / house.lora, place, ignore=shutil.ignore_patterns("model", "checkpoints", "lock"))
    try:
        assert formats.kinds(runs.get(house.ws, "unfinished")) == [] and making.exports_of(house.ws, "unfinished") == []
        with pytest.raises(ModelError, match="can't be exported"):
            making.make(house.ws, "unfinished", "adapter")
    finally:
        runs.delete(house.ws, "unfinished")


def test_a_cancelled_export_leaves_nothing_and_its_worker_is_gone(house):
    began = time.monotonic()
    with pytest.raises(WorkError, match="cancelled"):
        making.make(house.ws, house.lora, "merged", cancelled=lambda: time.monotonic() - began > 1.0)
    left = house.ws.exports / house.lora / ".merged.new"
    assert not left.exists() and not locks.is_held(left / "lock")


def test_two_of_one_export_do_not_disturb_each_other(house):
    new = house.ws.exports / house.lora / ".merged.new"
    new.mkdir(parents=True)
    assert locks.acquire(new / "lock")  # as its worker does
    try:
        with pytest.raises(RequestError, match="being made already"):
            making.make(house.ws, house.lora, "merged")
        assert new.exists()
    finally:
        locks.release(new / "lock")
        shutil.rmtree(new)


def test_a_merge_that_fails_is_told_and_leaves_nothing(house):
    place = house.ws.runs / "harmed"
    shutil.copytree(house.ws.runs / house.lora, place, ignore=shutil.ignore_patterns("checkpoints", "lock"))
    weights = place / "model" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    try:
        with pytest.raises(WorkError) as caught:
            making.make(house.ws, "harmed", "merged")
        assert "damaged" in caught.value.message and caught.value.remedy
        assert [f.name for f in (house.ws.exports / "harmed").iterdir()] == ["merged.log"] and "merged.log" in caught.value.remedy
        assert read_json(place / "status.json")["state"] == "finished"
    finally:
        runs.delete(house.ws, "harmed")


LABELLED = """
import re, sys
exec(re.search(r"```python\\n(.*?)```", open("README.md", encoding="utf-8").read(), re.S)[1])
out = model.eval()(**tokenizer("My parcel has not arrived", return_tensors="pt")).logits[0].softmax(-1).tolist()
print(type(model).__name__, max(zip(out, model.config.id2label.values())))
"""


@pytest.mark.parametrize(("method", "kind"), [("adapter", "adapter"), pytest.param("last_layers", "merged", marks=pytest.mark.long)])
def test_a_classifier_taken_away_loads_by_the_lines_of_its_card(ws, tmp_path, method, kind):
    ds = sample_data.add(ws, "tickets")
    settings = {"model": "starter", "data": ds.ref, "method": method, "max_steps": 3, "eval_steps": 3, "device": "cpu"}
    run = training.wait(ws, training.start(ws, settings).id)
    assert run.state == "finished", (run.status, runs.log_tail(run))
    expected = sizes.estimate(run, kind)
    assert making.make(ws, run.id, kind, tmp_path / "out")["bytes"] == pytest.approx(expected, rel=0.05)
    name, score, label = fresh(LABELLED, cwd=tmp_path / "out").replace("(", "").replace(")", "").replace(",", "").split()
    said = chat_client.Client(ws).task(chat_client.serving_spec(ws, run.id), "My parcel has not arrived")["labels"][0]
    assert name.endswith("ForSequenceClassification") and label.strip("'") == said["label"]
    assert float(score) == pytest.approx(said["score"], abs=5e-3)
    for other in formats.FORMATS.keys() - {kind}:
        with pytest.raises(ModelError, match=f"Choose {kind}"):
            making.make(ws, run.id, other)
