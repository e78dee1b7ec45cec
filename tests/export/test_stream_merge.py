"""A merge shard by shard gives the model that PEFT's merge in memory gives."""

import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from tests.conftest import model_folder
from tuner.workers.exporting import stream_merge

TARGETS = {"qwen2": ["q_proj", "down_proj"], "gpt2": ["c_attn", "c_proj"]}


def made(folder, kind: str, **lora):
    """(base folder in several files, adapter folder with weights that change something)."""
    torch.manual_seed(0)
    model_folder(folder / "config", kind)
    model = AutoModelForCausalLM.from_config(__import__("transformers").AutoConfig.from_pretrained(folder / "config"))
    model.save_pretrained(folder / "base", max_shard_size="200KB")
    how = {"r": 4, "lora_alpha": 8, "target_modules": TARGETS[kind], "fan_in_fan_out": kind == "gpt2"} | lora
    tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **how))
    for name, weight in tuned.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.1)
    tuned.save_pretrained(folder / "adapter")
    return folder / "base", folder / "adapter"


@pytest.mark.parametrize(("kind", "lora"), [("qwen2", {}), ("qwen2", {"use_rslora": True}), ("gpt2", {})])
def test_it_gives_the_same_weights_as_in_memory(tmp_path, kind, lora):
    base, adapter = made(tmp_path, kind, **lora)
    files = sorted(f.name for f in base.glob("*.safetensors"))
    assert len(files) > 1
    stream_merge.write(tmp_path / "out", base, adapter, torch.float32, lambda said: None)
    assert sorted(f.name for f in (tmp_path / "out").glob("*.safetensors")) == files
    ours = AutoModelForCausalLM.from_pretrained(tmp_path / "out").state_dict()
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).merge_and_unload().state_dict()
    assert ours.keys() == theirs.keys()
    far = max((ours[n] - theirs[n]).abs().max().item() for n in theirs)
    plain = AutoModelForCausalLM.from_pretrained(base).state_dict()
    changed = max((ours[n] - plain[n]).abs().max().item() for n in plain)
    assert far < 1e-5 < changed
    listed = json.loads((tmp_path / "out" / stream_merge.INDEX).read_text())["weight_map"]
    assert set(listed.values()) == set(files)
    stream_merge.write(tmp_path / "half", base, adapter, torch.bfloat16, lambda said: None)
    assert json.loads((tmp_path / "half" / "config.json").read_text())["dtype"] == "bfloat16"


@pytest.mark.parametrize("more", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"bias": "all"}, {"rank_pattern": {"q_proj": 2}}])
def test_what_is_more_than_plain_lora_is_left_to_peft(tmp_path, more):
    base, adapter = made(tmp_path, "qwen2", **more)
    assert stream_merge.deltas(base, adapter) is None
    assert stream_merge.deltas(*made(tmp_path / "plain", "qwen2")) is not None


def test_names_that_the_files_do_not_have_are_left_to_peft(tmp_path):
    base, adapter = made(tmp_path, "qwen2")
    for file in base.glob("*.safetensors"):
        file.unlink()
    torch.manual_seed(0)
    __import__("safetensors.torch").torch.save_file({"other.weight": torch.zeros(2)}, base / "model.safetensors")
    (base / stream_merge.INDEX).unlink()
    assert stream_merge.deltas(base, adapter) is None
