"""Configs for LLaMA-Factory and Axolotl: they read back as what the run was, with the rows it was trained on."""

import json
from dataclasses import replace

import pytest
import yaml

from tuner import runs
from tuner.data.store import store
from tuner.errors import ModelError, WorkError
from tuner.export import formats, making, tool_configs
from tuner.settings import other_tools


def with_settings(run: runs.Run, **change) -> runs.Run:
    return replace(run, plan=run.plan | {"settings": run.plan["settings"] | change})


@pytest.mark.parametrize("tool", ["llamafactory", "axolotl"])
def test_a_run_is_written_with_its_rows_and_reads_back(house, tmp_path, tool):
    run = house.run(house.lora)
    made = making.make(house.ws, house.lora, tool, tmp_path / tool)
    assert made["check"]["passed"] and made["check"]["settings"] > 10 and made["check"]["rows"] == house.data.rows
    config = yaml.safe_load((tmp_path / tool / "config.yaml").read_text())
    read = other_tools.translated(config)
    settings = run.plan["settings"]
    assert read.tool == tool_configs.TOOLS[tool] if tool == "axolotl" else read.tool == "LLaMA-Factory"
    for name in (
        "lora_rank",
        "lora_alpha",
        "learning_rate",
        "epochs",
        "effective_batch",
        "micro_batch",
        "max_length",
        "schedule",
        "method",
    ):
        assert (
            read.values[name] == pytest.approx(settings[name]) if isinstance(settings[name], float) else read.values[name] == settings[name]
        )
    assert set(read.values["lora_targets"]) > {"q_proj", "down_proj"}, "the names that the model itself has"
    lines = [json.loads(line) for line in (tmp_path / tool / "train.jsonl").read_text().splitlines()]
    assert len(lines) == house.data.rows - house.data.held_out and lines[0]["messages"][-1]["role"] == "assistant"
    assert (tmp_path / tool / "validation.jsonl").exists() and "train config.yaml" in (tmp_path / tool / "README.md").read_text()
    assert str(house.ws.home) not in "".join(f.read_text() for f in (tmp_path / tool).iterdir()), "no path of this computer"
    if tool == "llamafactory":
        info = json.loads((tmp_path / tool / "dataset_info.json").read_text())
        assert set(info) == {config["dataset"], config["eval_dataset"]} and info["train"]["tags"]["role_tag"] == "role"
    else:
        assert config["datasets"][0]["path"] == "train.jsonl" and config["chat_template"] == "tokenizer_default"


def test_qlora_preferences_and_what_has_no_counterpart(house):
    run = house.run(house.lora)
    packed = {
        "method": "qlora",
        "quantization": "nf4",
        "objective": "preference",
        "preference_loss": "ipo",
        "beta": 0.3,
        "lora_init": "pissa",
    }
    values, left = tool_configs.config(with_settings(run, **packed), "llamafactory")
    assert values["quantization_bit"] == 4 and values["stage"] == "dpo" and values["pref_loss"] == "ipo" and values["pref_beta"] == 0.3
    assert left == ["lora_init: pissa"]
    values, _ = tool_configs.config(with_settings(run, **packed), "axolotl")
    assert (
        values["load_in_4bit"] and values["rl"] == "ipo" and values["dpo_beta"] == 0.3 and values["datasets"][0]["field_chosen"] == "chosen"
    )
    assert not tool_configs.possible(with_settings(run, **packed | {"preference_loss": "discopop"}), "llamafactory")
    for objective in ("classification", "seq2seq", "qa"):
        assert not tool_configs.possible(with_settings(run, objective=objective), "axolotl")
    assert "axolotl" not in formats.kinds(with_settings(run, method="ia3")) and "axolotl" in formats.kinds(run)


def test_a_config_that_says_something_else_is_not_handed_out(house, tmp_path, monkeypatch):
    monkeypatch.setitem(tool_configs.OPTIMIZERS, "adamw", "adafactor")
    with pytest.raises(WorkError, match="does not say the same as the run"):
        tool_configs.write(house.ws, house.run(house.lora), "axolotl", tmp_path)


def test_rows_that_the_tools_can_not_read_are_counted_and_named(house, tmp_path, monkeypatch):
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    values = [
        {"messages": talk},
        {"messages": [talk[0], talk[1] | {"tool_calls": [{}]}]},
        {"messages": talk, "tools": [{}]},
        {"prompt": talk[:1], "chosen": [talk[1]], "rejected": [talk[1]]},
        {"prompt": talk[:1], "chosen": [talk[1], *talk], "rejected": [talk[1]]},
    ]
    monkeypatch.setattr(store, "iterate", lambda ds, held_out: ({"value": v} for v in values if not held_out))
    check = tool_configs.write(house.ws, house.run(house.lora), "axolotl", tmp_path)
    assert check["rows"] == 2 and check["not_written"][-2:] == [
        "2 rows with tool calls, reasoning or parts beside the text",
        "1 rows with preferred answers of several messages",
    ]
    assert json.loads((tmp_path / "train.jsonl").read_text().splitlines()[1])["chosen"] == talk[1]
    assert not (tmp_path / "validation.jsonl").exists() and "test_datasets" not in yaml.safe_load((tmp_path / "config.yaml").read_text())


def test_without_its_rows_a_config_is_refused(house, tmp_path):
    run = house.run(house.lora)
    gone = replace(run, config=run.config | {"data": "gone@1"})
    with pytest.raises(ModelError, match="are gone"):
        tool_configs.write(house.ws, gone, "axolotl", tmp_path)
