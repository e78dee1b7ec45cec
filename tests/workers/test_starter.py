"""The bundled model keeps what its card says, and the demo changes its manner where everybody can see it."""

import json
import re
from pathlib import Path

import pytest

from presets.recipe import quality, samples
from tuner import models, paths
from tuner.jobs import training


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(2)
    return torch


def test_size_and_shape():
    facts = models.resolve("starter").facts
    assert 3_000_000 <= facts.parameters <= 6_000_000 and 4000 <= facts.vocabulary <= 8192 and facts.context == 1024
    assert facts.model_type == "llama" and facts.has_template and facts.bytes_per_weight == 2
    assert sum(f.stat().st_size for f in paths.STARTER.glob("*.safetensors")) <= 16_000_000
    template = (paths.STARTER / "chat_template.jinja").read_text()
    assert "{% generation %}" in template


@pytest.mark.long  # what it has learnt changes only when it is made anew; that it loads and can be taught, the next tests see
def test_it_answers_questions_that_it_never_saw(torch):
    report = quality.measure(paths.STARTER, n=200)
    assert report["prompts"] == 200
    assert report["good"] >= 0.9, json.dumps(report["by_skill"])
    assert report["stopped"] >= 0.98
    card = (paths.STARTER / "README.md").read_text(encoding="utf-8")
    claimed = float(re.search(r"well-formed and relevant \| \*\*([\d.]+)%", card)[1]) / 100
    assert abs(report["good"] - claimed) <= 0.03  # another processor rounds otherwise


def answers(torch, prompts: list[str], adapter: Path | None) -> list[str]:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(paths.STARTER)
    model = AutoModelForCausalLM.from_pretrained(paths.STARTER, dtype=torch.float32)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    return [text for text, _ in quality.ask(model.eval(), tokenizer, prompts)]


@pytest.mark.long
def test_the_demo_changes_the_manner_and_not_the_knowledge(ws, torch):
    items = quality.held_out_items(50, seed=107)
    prompts = [i.prompt for i in items]
    run = training.wait(ws, training.demo(ws).id)
    assert run.state == "finished", run.status
    before, after = answers(torch, prompts, None), answers(torch, prompts, run.path / "model")
    assert sum(map(samples.in_manner, before)) < 0.05 * 50
    assert sum(map(samples.in_manner, after)) >= 0.95 * 50, [a for a in after if not samples.in_manner(a)]
    right = sum(quality.relevant(i, samples.plain(a)) for i, a in zip(items, after, strict=True))
    assert right >= 35, right


@pytest.mark.long
def test_the_recipe_makes_the_same_bytes_again(tmp_path):
    """The whole recipe from nothing, on few tokens: tokenizer as it is bundled, and a model that is the same each time."""
    import subprocess
    import sys

    made = []
    for name in ("one", "two"):
        command = [sys.executable, "-m", "presets.recipe.pretrain", "--device", "cpu", "--tokens", "60000", "--out", str(tmp_path / name)]
        subprocess.run(command, check=True, capture_output=True, cwd=paths.PRESETS.parent, timeout=600)
        made.append({f.name: paths.sha256(f) for f in (tmp_path / name).iterdir() if f.suffix in (".safetensors", ".json", ".jinja")})
    assert made[0] == made[1] and {"model.safetensors", "tokenizer.json"} <= set(made[0])
    assert made[0]["tokenizer.json"] == paths.sha256(paths.STARTER / "tokenizer.json")
    facts = models.folder_facts(tmp_path / "one", need_weights=True)
    assert facts.bytes_per_weight == 2 and facts.parameters == models.resolve("starter").facts.parameters
