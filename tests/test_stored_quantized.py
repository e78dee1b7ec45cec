"""A base that bitsandbytes stored in 4 bits: LoRA is trained beside it, and what can't work is told before a run begins."""

import json
import shutil

import pytest

from tests.conftest import fresh, model_folder
from tests.model_faults import BNB, config
from tuner import export, methods, model_formats, models, paths, planner, training
from tuner.config import parse
from tuner.data import store
from tuner.errors import ModelError, SettingError
from tuner.hardware import Device

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
    assert facts.packed == "nf4" and facts.parameters == models.resolve("starter").facts.parameters
    assert models.resolve(str(stored)).facts.packed == "nf4"


def test_lora_on_it_is_qlora_and_the_plan_says_what_becomes_of_it(stored):
    plan = plan_of(stored)
    assert (plan.settings["method"], plan.settings["quantization"]) == ("qlora", "nf4")
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
    mac = Device("mps", "mps", "A Mac", 24 << 30, 24 << 30, 5.0, packs=False)
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
    assert run.status["best"]["eval_loss"] < run.status["baseline"]["eval_loss"]
    assert export.kinds(run) == ["adapter"]
    with pytest.raises(ModelError, match="can be merged into such weights") as told:
        export.make(ws, run.id, "merged")
    assert "Export the adapter" in told.value.remedy and "QLoRA" not in told.value.remedy
    made = export.make(ws, run.id, "adapter")
    taken = json.loads((ws.exports / run.id / "adapter" / "adapter_config.json").read_text())
    assert made["check"]["passed"] and taken["base_model_name_or_path"] == "./base"
    on = models.resolve(made["path"], ws, need_weights=True)
    assert on.facts.packed == "nf4" and model_formats.packed(on.facts.config) == "nf4"
