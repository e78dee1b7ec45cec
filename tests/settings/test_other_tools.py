"""Settings files of LLaMA-Factory, Axolotl and Transformers: what is taken means the same here, and what is not is said."""

import pytest
import yaml

from tuner.settings import other_tools, parsing

FACTORY = """
model_name_or_path: starter
trust_remote_code: true
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: all
dataset: support
template: qwen
cutoff_len: 512
output_dir: saves/x
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
max_steps: -1
"""
AXOLOTL = """
base_model: starter
adapter: qlora
load_in_4bit: true
sequence_len: 1024
sample_packing: true
lora_r: 32
lora_alpha: 16
lora_target_modules: [q_proj, v_proj]
micro_batch_size: 2
gradient_accumulation_steps: 4
num_epochs: 2
optimizer: adamw_bnb_8bit
lr_scheduler: constant_with_warmup
learning_rate: 2e-4
bf16: auto
chat_template: chatml
rl: simpo
"""


def read(text: str) -> other_tools.Translation:
    return other_tools.translated(parsing.read_yaml(text, "it"))


def test_a_config_of_llama_factory():
    found = read(FACTORY)
    assert found.tool == "LLaMA-Factory"
    assert found.values == {
        "model": "starter", "method": "lora", "lora_rank": 8, "lora_targets": "all-linear", "max_length": 512, "micro_batch": 1,
        "effective_batch": 8, "learning_rate": 1e-4, "epochs": 3.0, "schedule": "cosine", "warmup": 0.1, "precision": "bf16",
    }  # fmt: skip
    assert parsing.parse(found.values)
    assert set(found.left) == {"trust_remote_code", "do_train", "dataset", "template", "output_dir"}
    assert set(found.taken) | set(found.left) | {"max_steps"} == set(yaml.safe_load(FACTORY)), "every name is accounted for"
    assert "never run" in found.left["trust_remote_code"] and any("import the data" in said for said in found.sentences)


def test_a_config_of_axolotl():
    found = read(AXOLOTL)
    assert found.tool == "Axolotl"
    assert found.values == {
        "model": "starter", "method": "qlora", "quantization": "nf4", "max_length": 1024, "packing": True, "lora_rank": 32, "lora_alpha": 16,
        "lora_targets": ["q_proj", "v_proj"], "micro_batch": 2, "effective_batch": 8, "epochs": 2, "optimizer": "adamw_8bit",
        "schedule": "constant", "learning_rate": 2e-4, "chat_template": "chatml", "objective": "preference", "preference_loss": "simpo",
    }  # fmt: skip
    assert parsing.parse(found.values) and not found.left


@pytest.mark.parametrize(
    ("text", "values", "left"),
    [
        ("num_train_epochs: 1\nlr_scheduler_type: polynomial", {"epochs": 1}, "lr_scheduler_type"),
        ("model_name_or_path: m\nstage: ppo", {"model": "m"}, "stage"),
        (
            "model_name_or_path: m\nstage: dpo\npref_loss: sigmoid",
            {"model": "m", "objective": "preference", "preference_loss": "sigmoid"},
            None,
        ),
        ("model_name_or_path: m\nstage: kto", {"model": "m", "objective": "preference", "preference_loss": "kto"}, None),
        ("model_name_or_path: m\nfinetuning_type: oft", {"model": "m"}, "finetuning_type"),
        ("num_train_epochs: 1\neval_steps: 0.1\noutput_dir: x", {"epochs": 1}, "eval_steps"),
        ("num_train_epochs: 1\nquantization_bit: 8", {"epochs": 1, "method": "qlora", "quantization": "int8"}, None),
        ("num_train_epochs: 1\nlora_target: q_proj,v_proj", {"epochs": 1, "lora_targets": ["q_proj", "v_proj"]}, None),
        ("num_train_epochs: 1\ngradient_accumulation_steps: 4", {"epochs": 1, "micro_batch": 8, "effective_batch": 32}, None),
        ("num_train_epochs: 1\noutput_dir: x\nreport_to: [tensorboard, comet_ml]", {"epochs": 1, "report_to": "tensorboard"}, "report_to"),
        ("num_train_epochs: 1\noutput_dir: x\nreport_to: mlflow, wandb", {"epochs": 1, "report_to": "mlflow,wandb"}, None),
        ("num_train_epochs: 1\noutput_dir: x\nreport_to: none", {"epochs": 1}, "report_to"),
        ("num_train_epochs: 1\nfsdp: full_shard\nbanana: 7", {"epochs": 1}, "banana"),
        ("num_train_epochs: 1\noutput_dir: x\ndevice: cpu\noptimizer: adamw", {"epochs": 1, "device": "cpu", "optimizer": "adamw"}, None),
    ],
)
def test_what_is_taken_and_what_is_left(text, values, left):
    found = read(text)
    assert found.values == values and (left is None or left in found.left) and all(found.left.values())


@pytest.mark.parametrize(
    "text", ["", "epochs: 3\nmodel: starter", "epoch: 3\nlora_rank: 8", "preset: quick\nnum_train_epochs: 3", "seed: 1"]
)
def test_a_file_of_this_program_is_left_alone_even_with_a_mistake(text):
    assert read(text) is None
