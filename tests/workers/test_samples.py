"""Samples while a run trains: each method answers as its model does alone, nothing of the training changes, and each step is kept once."""

import json

import pytest
import torch
from transformers import AutoTokenizer

from tests.conftest import chat_rows, write_rows
from tuner import cli, models, paths, runs
from tuner.data.store import store
from tuner.errors import RequestError
from tuner.jobs import training
from tuner.runs import samples_file
from tuner.settings import methods
from tuner.settings.run_config import Settings
from tuner.workers.modelling import load, peft_methods
from tuner.workers.training import samples

PROMPTS = [[{"role": "user", "content": "How much is 3 plus 4?"}], [{"role": "user", "content": "Hi"}], "The dog"]
WISH = {
    "model": "starter",
    "method": "lora",
    "device": "cpu",
    "max_steps": 6,
    "eval_steps": 2,
    "effective_batch": 4,
    "lora_rank": 4,
    "lora_dropout": 0.1,
}


@pytest.mark.parametrize("method", methods.METHODS)
def test_each_method_answers_as_it_does_alone(method):
    if method == "qlora":
        pytest.skip("the same model as LoRA's here")
    tokenizer = AutoTokenizer.from_pretrained(paths.STARTER)
    model = load.base_model(paths.STARTER, "fp32", "cpu")
    settings = Settings.from_json(
        {"method": method, "lora_rank": 4, "adapter_size": 8, "virtual_tokens": 4, "last_layers": 1, "gradient_checkpointing": False}
    )
    if method != "full":
        model = peft_methods.build(model, settings, models.folder_facts(paths.STARTER), objective="chat")
    model.train()
    model.config.use_cache = False
    before = torch.get_rng_state()
    together = samples.answered(model, tokenizer, PROMPTS)
    assert torch.equal(before, torch.get_rng_state()) and model.training and model.config.use_cache is False
    for prompt, answer in zip(PROMPTS, together, strict=True):
        assert answer == samples.answered(model, tokenizer, [prompt])[0]
    assert any(a["answer"] for a in together) and all(isinstance(a["cut"], bool) for a in together)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}, "Hi"),
        ({"prompt": [{"role": "user", "content": "Q"}], "chosen": [], "rejected": []}, "Q"),
        ({"text": "The quick brown fox jumps over the lazy dog and runs away into the deep forest"}, "The quick brown fox jumps over the lazy dog and runs away"),
        ({"text": " "}, None),
        ({"messages": [{"role": "assistant", "content": "Hello."}]}, None),
        ({"messages": [{"role": "user", "content": None}]}, None),
    ],
)  # fmt: skip
def test_prompts_of_rows(value, shown):
    found = samples.of_row(value)
    assert (found and found[0]) == shown
    if found and "messages" in value:
        assert [m["role"] for m in found[1]] == ["system", "user"]


def test_a_run_keeps_what_it_answered_and_trains_as_without(ws, tmp_path, capsys, monkeypatch):
    ds = store.add(ws, write_rows(tmp_path / "rows.jsonl", chat_rows(40)), held_out=0.2)
    run = training.wait(ws, training.start(ws, WISH | {"data": ds.ref}, name="watched").id)
    assert run.state == "finished", run.status
    assert cli.main(["--home", str(ws.home), "show", run.id, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [s["step"] for s in shown["samples"]] == [0, 2, 4, 6]
    asked = [[a["prompt"] for a in s["answers"]] for s in shown["samples"]]
    assert len(asked[0]) == 3 == len(set(asked[0])) and all(a == asked[0] for a in asked)
    assert {c["step"] for c in shown["checkpoints"]} <= {2, 4, 6} and sum(c["best"] for c in shown["checkpoints"]) == 1
    monkeypatch.setattr(samples, "watch", lambda job, trainer: None)
    from tests.workers.test_objectives import trained

    plan = runs.create(ws, run.config, run.plan, name="unwatched")
    without = trained(ws, plan)
    weights = [paths.sha256(r.path / "model" / "adapter_model.safetensors") for r in (run, without)]
    assert weights[0] == weights[1] and samples_file.read(without.path) == []


def test_a_persons_own_prompts(ws, tmp_path):
    assert samples_file.set_prompts(tmp_path, [" What is it? ", ""]) == ["What is it?"] == samples_file.own_prompts(tmp_path)
    with pytest.raises(RequestError, match="too many"):
        samples_file.set_prompts(tmp_path, ["x"] * 6)
    with pytest.raises(RequestError):
        samples_file.set_prompts(tmp_path, ["x" * 5000])
    paths.write_json(tmp_path / samples_file.PROMPTS, {"not": "a list"})
    assert samples_file.own_prompts(tmp_path) == []


def test_a_line_that_a_kill_has_cut_and_a_step_that_was_repeated(tmp_path):
    samples_file.write(tmp_path, 0, [{"prompt": "a", "answer": "first", "cut": False}])
    samples_file.write(tmp_path, 2, [{"prompt": "a", "answer": "lost", "cut": False}])
    samples_file.write(tmp_path, 2, [{"prompt": "a", "answer": "again \ud800", "cut": False}])
    with open(tmp_path / samples_file.FILE, "ab") as f:
        f.write(b'{"step": 4, "answ')
    found = samples_file.read(tmp_path)
    assert [s["step"] for s in found] == [0, 2] and found[1]["answers"][0]["answer"].startswith("again")
    samples_file.write(tmp_path, 4, [])
    assert [s["step"] for s in samples_file.read(tmp_path)] == [0, 2, 4], "the line after it is whole"
