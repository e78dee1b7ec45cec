"""A base that bitsandbytes stored in 4 bits: LoRA is trained beside it, and what can't work is told before a run begins."""

import json
import shutil

import pytest

from tests.conftest import fresh, model_folder
from tests.models.model_faults import BNB, config
from tuner import models, paths
from tuner.data.store import store
from tuner.devices import Device
from tuner.errors import ModelError, SettingError
from tuner.export import formats, making, sizes
from tuner.jobs import training
from tuner.models import stored_formats
from tuner.planning import planner
from tuner.settings import methods
from tuner.settings.parsing import parse

STORE = """
import sys, torch, transformers
how = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], quantization_config=how, dtype=torch.bfloat16)
model.save_pretrained(sys.argv[2])
"""
CARD = Device("cuda:0", "cuda", "A card", 24 << 30, 24 << 30, 100.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The starter, stored in 4 bits."""
    folder = tmp_path_factory.mktemp("stored") / "starter-bnb-4bit"
    fresh(STORE, str(paths.STARTER), str(folder))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(paths.STARTER / name, folder)
    return folder


def plan_of(folder, **asked):
    return planner.plan(parse({"model": str(folder), **asked}), models.resolve(str(folder)), None, device=CARD)


@pytest.fixture
def stored(tmp_path):
    folder = model_folder(tmp_path / "mine-bnb-4bit")
    config(folder, quantization_config=BNB)
    return folder


def test_parameters_are_those_of_the_model_and_not_of_its_bytes(stored, base):
    facts = models.resolve(str(base)).facts
    assert facts.quantized == "nf4" and facts.parameters == models.resolve("starter").facts.parameters
    assert models.resolve(str(stored)).facts.quantized == "nf4"


def test_lora_on_it_is_qlora_and_the_plan_says_what_becomes_of_it(stored):
    plan = plan_of(stored)
    assert (plan.settings.method, plan.settings.quantization) == ("qlora", "nf4")
    (note,) = [n for n in plan.notes if "merged" in n]
    assert "export the adapter" in note and "16-bit" in note


@pytest.mark.parametrize("method", [m for m in methods.METHODS if m not in ("lora", "qlora")])
def test_other_methods_are_refused_with_the_way_out(stored, method):
    with pytest.raises(SettingError, match="stored in 4 bits.*LoRA") as told:
        plan_of(stored, method=method)
    assert told.value.field == "method" and set(told.value.available) == {"lora", "qlora"}


@pytest.mark.parametrize(
    "asked, field",
    [({"quantization": "int8"}, "quantization"), ({"lora_init": "pissa"}, "lora_init"), ({"objective": "classification"}, "method")],
)
def test_other_settings_are_refused(stored, asked, field):
    with pytest.raises(SettingError) as told:
        plan_of(stored, **asked)
    assert told.value.field == field and "stored in 4 bits" in told.value.message or field == "lora_init"


def test_a_device_without_bitsandbytes(stored):
    mac = Device("mps", "mps", "A Mac", 24 << 30, 24 << 30, 5.0, quantizes=False)
    with pytest.raises(SettingError, match="can't read such weights") as told:
        planner.plan(parse({"model": str(stored)}), models.resolve(str(stored)), None, device=mac)
    assert told.value.field == "model" and "16-bit" in told.value.remedy and "LoRA" not in told.value.remedy


def test_it_is_trained_asked_and_exported_as_an_adapter(ws, base):
    from tests.conftest import chat_rows, write_rows

    ds = store.add(ws, write_rows(ws.home / "sums.jsonl", chat_rows()), held_out=0.1)
    asked = {
        "model": str(base),
        "data": ds.ref,
        "max_steps": 4,
        "eval_steps": 2,
        "effective_batch": 4,
        "device": "cpu",
        "learning_rate": 5e-3,
    }
    run = training.wait(ws, training.start(ws, asked).id)
    assert run.state == "finished", run.status
    assert run.status.best["eval_loss"] < run.status.baseline["eval_loss"]
    assert formats.kinds(run)[0] == "adapter" and not {"merged", "gguf", "ollama"} & set(formats.kinds(run))
    with pytest.raises(ModelError, match="can be merged into quantized weights") as told:
        making.make(ws, run.id, "merged")
    assert "Export the adapter" in told.value.remedy and "QLoRA" not in told.value.remedy
    expected = sizes.estimate(run, "adapter")
    made = making.make(ws, run.id, "adapter")
    assert made["bytes"] == pytest.approx(expected, rel=0.05)
    taken = json.loads((ws.exports / run.id / "adapter" / "adapter_config.json").read_text())
    assert made["check"]["passed"] and taken["base_model_name_or_path"] == "./base"
    on = models.resolve(made["path"], ws, need_weights=True)
    assert on.facts.quantized == "nf4" and stored_formats.bnb_quantization(on.facts.config) == "nf4"


OF_FOUR_BITS = """
import json, shutil, sys, torch, transformers
from pathlib import Path
from safetensors.torch import load_file, save_file
from tuner import models
from tuner.workers.modelling import load
place, kinds = Path(sys.argv[1]), ["sliding_attention", "full_attention"]
sizes = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8, vocab_size=4096)
config = transformers.GptOssConfig(**sizes, num_local_experts=2, num_experts_per_tok=1, layer_types=kinds, pad_token_id=0, eos_token_id=2)
model = transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
model.save_pretrained(place)
stored = {}
for name, tensor in load_file(place / "model.safetensors").items():
    if name.endswith(("gate_up_proj", "down_proj")):
        experts, inputs, outputs = tensor.shape
        stored[name + "_blocks"] = torch.randint(0, 256, (experts, outputs, inputs // 32, 16), dtype=torch.uint8)
        stored[name + "_scales"] = torch.randint(120, 128, (experts, outputs, inputs // 32), dtype=torch.uint8)
    else:
        stored[name] = tensor
save_file(stored, place / "model.safetensors", metadata={"format": "pt"})
told = json.loads((place / "config.json").read_text()) | {"quantization_config": {"quant_method": "mxfp4"}}
(place / "config.json").write_text(json.dumps(told))
for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
    shutil.copy(Path(sys.argv[2]) / file, place)
facts = models.resolve(str(place), need_weights=True).facts
read = load.base_model(place, "fp32", "cpu")
whole = all(p.dtype == torch.float32 for p in read.parameters()) and not getattr(read, "is_quantized", False)
print(facts.quantized, facts.bytes_per_weight, facts.parameters == sum(p.numel() for p in model.parameters()), whole)
"""


def test_the_four_bits_of_gpt_oss_are_made_sixteen_when_it_is_loaded(tmp_path):
    """Its experts are stored in MXFP4, beside which nothing learns; the plan counts them whole."""
    assert fresh(OF_FOUR_BITS, str(tmp_path / "oss"), str(paths.STARTER)).split()[-4:] == ["None", "2", "True", "True"]
