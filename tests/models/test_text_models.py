"""The text part of multimodal models: trained alone, merged, exported and read again, with eyes and ears untouched all the while."""

import json

import pytest
import torch
import transformers
from peft import PeftModel

from tests.conftest import chat_rows, fresh, write_rows
from tests.models import multimodal as made_multimodal
from tests.workers.test_peft_methods import quiet, settings  # noqa: F401 (a fixture)
from tuner import models
from tuner.data.store import store
from tuner.devices import Device
from tuner.errors import SettingError
from tuner.export import making, sizes
from tuner.jobs import training
from tuner.models import model_types
from tuner.planning import planner
from tuner.planning.memory import parameter_counts
from tuner.serving import chat_client
from tuner.settings import methods, objectives, parsing
from tuner.settings.run_config import Settings
from tuner.workers.modelling import bottleneck_adapter, load, multimodal, peft_methods

CARD = Device("cuda:0", "cuda", "A card", 24 << 30, 24 << 30, 100.0)
SOME = ("gemma3", "qwen3_5", "llama4", "mistral3")
WAYS = [m for m in methods.METHODS if m not in ("qlora", "lora", "full")]
IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Folders by kind, each made once."""
    base, there = tmp_path_factory.mktemp("multimodal"), {}

    def folder(kind: str):
        if kind not in there:
            there[kind] = made_multimodal.folder(base / kind, kind)
        return there[kind]

    return folder


def beside(model) -> dict:
    """Tensors that are no part of the language model."""
    part = bottleneck_adapter.text_part(model)
    words = {id(p) for p in model.get_output_embeddings().parameters()}
    return {n: p for n, p in model.named_parameters() if not n.startswith(part) and id(p) not in words}


def step(model) -> None:
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    for _ in range(2):
        logits = model(input_ids=IDS, use_cache=False).logits.float()
        loss = torch.nn.functional.cross_entropy(logits[0, -len(IDS[0]) : -1], IDS[0, 1:])  # virtual tokens stand before the text
        loss.backward()
        optimizer.step()
    model.eval()


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS, use_cache=False).logits


def tuned(folder, method: str):
    base = load.base_model(folder, "fp32", "cpu")
    return peft_methods.build(base, settings(method), models.folder_facts(folder), objective="chat")


@pytest.mark.parametrize("kind", made_multimodal.KINDS)
def test_lora_is_trained_merged_and_read_again_in_plain_transformers(made, tmp_path, kind):
    folder = made(kind)
    model = tuned(folder, "lora")
    before = logits(model).clone()
    assert all(bottleneck_adapter.text_part(model) in n for n, p in model.named_parameters() if p.requires_grad)
    step(model)
    after = logits(model)
    assert (after - before).abs().max() > 1e-4, "it learns"
    peft_methods.save(model, tmp_path / "adapter", settings("lora"))
    plain = transformers.AutoModelForMultimodalLM.from_pretrained(folder, dtype=torch.float32)
    again = PeftModel.from_pretrained(plain, tmp_path / "adapter")
    torch.testing.assert_close(logits(again), after, atol=1e-4, rtol=1e-4)
    whole = peft_methods.merged(model)
    whole.save_pretrained(tmp_path / "merged")
    for auto in ("AutoModelForMultimodalLM", "AutoModelForImageTextToText"):
        read = getattr(transformers, auto).from_pretrained(tmp_path / "merged", dtype=torch.float32)
        torch.testing.assert_close(logits(read), after, atol=1e-4, rtol=1e-4)
    untouched = beside(load.base_model(folder, "fp32", "cpu"))
    now = dict(read.named_parameters())
    assert untouched and all(torch.equal(p, now[n]) for n, p in untouched.items())


@pytest.mark.parametrize("kind", made_multimodal.KINDS)
def test_full_changes_the_text_part_alone(made, kind):
    folder = made(kind)
    model = tuned(folder, "full")
    eyes = {n: p.clone() for n, p in beside(model).items()}
    assert eyes and not any(p.requires_grad for p in beside(model).values())
    facts = models.folder_facts(folder)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert parameter_counts.trainable(facts, Settings(method="full")) == pytest.approx(trained, abs=8), (
        "some keep a scalar of each layer as a buffer"
    )
    assert facts.frozen_parameters == sum(p.numel() for p in eyes.values())
    before = logits(model).clone()
    step(model)
    assert (logits(model) - before).abs().max() > 1e-4
    assert all(torch.equal(p, eyes[n]) for n, p in beside(model).items())


@pytest.mark.parametrize("method", WAYS)
@pytest.mark.parametrize("kind", SOME)
def test_each_method_trains_the_text_part_alone_or_is_refused(made, tmp_path, kind, method):
    folder = made(kind)
    facts = models.folder_facts(folder)
    if methods.refusal(method, "chat", facts):
        assert method in methods.PROMPT_METHODS
        return
    model = tuned(folder, method)
    eyes = {n: p.clone() for n, p in model.named_parameters() if any(w in n for w in ("vision", "visual", "projector"))}
    before = logits(model).clone()
    step(model)
    after = logits(model).clone()
    assert (after - before).abs().max() > 1e-6 and eyes
    assert all(torch.equal(p, eyes[n]) for n, p in model.named_parameters() if n in eyes)
    peft_methods.save(model, tmp_path / "saved", settings(method))
    again = peft_methods.load_saved(load.base_model(folder, "fp32", "cpu"), tmp_path / "saved")
    torch.testing.assert_close(logits(again), after, atol=1e-4, rtol=1e-4)


# --- the plan ----------------------------------------------------------------------------------------------------------------------------


def test_the_plan_counts_eyes_as_still(made):
    model = models.resolve(str(made("gemma3")))
    lora, full = (planner.plan(parsing.parse({"model": model.ref, "method": m}), model, None, device=CARD) for m in ("lora", "full"))
    assert lora.total_parameters == model.facts.parameters > model.facts.frozen_parameters > 0
    assert full.trainable_parameters == model.facts.parameters - model.facts.frozen_parameters
    assert lora.breakdown["weights"] >= 2 * model.facts.parameters


def test_from_a_config_alone_the_eyes_are_counted_too(made, tmp_path):
    (tmp_path / "config.json").write_text((made("gemma3") / "config.json").read_text())
    known, guessed = models.folder_facts(made("gemma3")), models.folder_facts(tmp_path)
    assert guessed.path is None and 0.2 < guessed.frozen_parameters / known.frozen_parameters < 5, "a tiny one is mostly embeddings"
    assert guessed.parameters - guessed.frozen_parameters == known.parameters - known.frozen_parameters, (
        "the language model is counted exactly"
    )


@pytest.mark.parametrize("objective", ["classification", "reward", "tokens"])
def test_a_head_on_a_multimodal_model_is_refused_by_the_plan(made, objective):
    model = models.resolve(str(made("gemma3")))
    with pytest.raises(SettingError, match="multimodal") as told:
        planner.plan(parsing.parse({"model": model.ref, "objective": objective}), model, None, device=CARD)
    assert "chat" in told.value.message


def test_a_class_is_named_that_keeps_all_parts(made):
    assert objectives.auto_class(made("qwen3_5"), "chat") == model_types.MULTIMODAL, "AutoModelForCausalLM would drop its eyes"
    assert objectives.auto_class(made("qwen3_5"), "classification") == "AutoModelForSequenceClassification"
    assert objectives.auto_class(None, "chat") == "AutoModelForCausalLM"


def test_those_that_ask_which_tokens_are_images_are_told_none():
    class Asks(torch.nn.Module):
        def forward(self, input_ids=None, token_type_ids=None, mm_token_type_ids=None):
            return token_type_ids, mm_token_type_ids

    model = Asks()
    model.config = transformers.Gemma3Config()
    given = torch.ones(1, 6, dtype=torch.long)
    types, mm = multimodal.text_only(model)(input_ids=IDS, token_type_ids=given)
    assert torch.equal(types, given) and mm.shape == IDS.shape and not mm.any()


# --- from its beginning to its end ---------------------------------------------------------------------------------------------------------

READ = """
import sys, torch, transformers
tok = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
model = transformers.AutoModelForImageTextToText.from_pretrained(sys.argv[1])
out = model.generate(**tok.apply_chat_template([{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt", return_dict=True), max_new_tokens=4)
print(out.shape[1], sum("vision" in n or "visual" in n for n, _ in model.named_parameters()) > 0)
"""


@pytest.mark.parametrize(
    "kind, asked",
    [
        ("gemma3", {"method": "lora"}),
        pytest.param("gemma3", {"method": "lora", "packing": True}, marks=pytest.mark.long),
        pytest.param("qwen3_5", {"method": "lora"}, marks=pytest.mark.long),
        pytest.param("qwen3_5", {"method": "full"}, marks=pytest.mark.long),
        pytest.param("mistral3", {"method": "last_layers"}, marks=pytest.mark.long),
    ],
)
def test_a_run_from_its_beginning_to_its_end(made, ws, kind, asked):
    ds = store.add(ws, write_rows(ws.home / "sums.jsonl", chat_rows()), held_out=0.1)
    asked = asked | {"model": str(made(kind)), "data": ds.ref, "max_steps": 4, "eval_steps": 2, "effective_batch": 4}
    run = training.wait(ws, training.start(ws, asked | {"device": "cpu", "learning_rate": 5e-3}).id)
    assert run.state == "finished", run.status
    assert run.status.best["eval_loss"] < run.status.baseline["eval_loss"]
    answer = chat_client.Client(ws, "cpu").answer(
        chat_client.serving_spec(ws, run.id), [{"role": "user", "content": "Hello"}], max_tokens=4, temperature=0
    )
    assert answer.completion_tokens and answer.stop_reason
    expected = sizes.estimate(run, "merged")
    exported = making.make(ws, run.id, "merged")
    assert exported["check"]["passed"] and exported["bytes"] == pytest.approx(expected, rel=0.05)
    taken = ws.exports / run.id / "merged"
    assert (taken / "preprocessor_config.json").exists() and json.loads((taken / "config.json").read_text())["model_type"] == kind
    assert model_types.MULTIMODAL in (taken / "README.md").read_text()
    assert fresh(READ, str(taken)).split()[-1] == "True"
    assert models.resolve(str(taken), ws, need_weights=True).facts.multimodal_type == kind
