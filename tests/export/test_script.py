"""The run as a script of plain TRL, PEFT and transformers: run in a process of its own, it has the losses of the run."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import chat_rows, write_rows
from tests.workers import test_objectives as heads
from tuner import runs
from tuner.data.store import store
from tuner.errors import ModelError, WorkError
from tuner.export import formats, making, model_card
from tuner.export.script import assembly as script
from tuner.jobs import training
from tuner.settings.run_config import Settings
from tuner.workers.exporting import first_losses
from tuner.workers.exporting import script as worker

base, tokens = heads.base, heads.tokens  # fixtures


def with_settings(run: runs.Run, **change) -> runs.Run:
    return replace(run, plan=run.plan | {"settings": run.plan["settings"] | change})


def losses_of(run: runs.Run) -> list[float]:
    return [value for _, name, value in runs.metrics(run) if name == "loss"]


def losses_elsewhere(folder: Path) -> list[float]:
    """The losses of a script as a stranger runs it: our code is not there."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TUNESMITH_", "PYTHONPATH"))}
    env |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder.parent / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-P", "train.py"], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (folder / "model" / "tokenizer.json").exists() and list((folder / "model").glob("*.safetensors"))
    states = sorted((folder / "checkpoints").glob("*/trainer_state.json"), key=lambda f: int(f.parent.name.split("-")[1]))
    return [e["loss"] for e in json.loads(states[-1].read_text())["log_history"] if "loss" in e]


@pytest.mark.parametrize("which", ["lora", "full"])
def test_it_trains_the_same_where_we_are_not(house, tmp_path, which):
    run = house.run(getattr(house, which))
    made = making.make(house.ws, run.id, "script", tmp_path / "out")
    check = made["check"]
    assert check["passed"] and check["steps"] == 3 and check["difference"] < 1e-4 and check["rows"] == house.data.rows
    names = {f.name for f in (tmp_path / "out").iterdir()}
    assert names == {"README.md", "tunesmith.json", "train.py", "train.jsonl", "validation.jsonl", "requirements.txt", "tokenizer", "base"}
    said = {f.name: f.read_text() for f in (tmp_path / "out").glob("*.*")}
    assert not any(str(house.ws.home) in t or "tuner" in t for t in said.values()), "no path of this computer, and nothing of ours"
    assert re.search(r"^transformers==\d", said["requirements.txt"], re.M) and "+" not in said["requirements.txt"]
    assert "python train.py" in said["README.md"] and "first 3 steps" in said["README.md"] and len(said["train.py"].splitlines()) < 90
    found, theirs = losses_elsewhere(tmp_path / "out"), losses_of(run)
    assert len(theirs) >= 6 and found == pytest.approx(theirs, rel=1e-4)


CASES = {
    "text": ("text", {"objective": "text"}),
    "weighted": ("chat", {}),
    "packing": ("chat", {"packing": True}),
    "ia3": ("chat", {"method": "ia3", "learning_rate": 5e-3}),
    "ln": ("chat", {"method": "ln", "learning_rate": 5e-3}),
    "last_layers": ("chat", {"method": "last_layers", "last_layers": 1}),
    "dora": ("chat", {"use_dora": True, "use_rslora": True, "lora_dropout": 0.1}),
    "pissa": ("chat", {"lora_init": "pissa"}),
    "dpo": ("preference", {"objective": "preference", "lora_dropout": 0.1}),
    "dpo_full": ("preference", {"objective": "preference", "method": "full", "preference_loss": "ipo"}),
    "accumulation": ("chat", {"micro_batch": 2, "gradient_checkpointing": True}),
}
SHORT = ("weighted", "dpo")


@pytest.mark.parametrize("case", [pytest.param(c, marks=() if c in SHORT else pytest.mark.long) for c in CASES])
def test_each_kind_of_run_has_the_losses_of_its_script(ws, tmp_path, case):
    kind, settings = CASES[case]
    rows = [{"text": f"{i} and {i} is {2 * i}, said the old parrot."} for i in range(40)] if kind == "text" else chat_rows()
    if kind == "preference":
        talks = [row["messages"] for row in rows]
        rows = [
            {"prompt": q, "chosen": a, "rejected": [a[0] | {"content": "Sir, " + a[0]["content"]}]}
            for q, a in ((t[:1], t[1:]) for t in talks)
        ]
    rows = [row | {"weight": 0.5 + i % 3} for i, row in enumerate(rows)] if case == "weighted" else rows
    mapping = {"mapping": {"messages": "messages", "weight": "weight"}, "kind": "chat"} if case == "weighted" else {}
    data = store.add(ws, write_rows(tmp_path / "rows.jsonl", rows), held_out=0.1, **mapping)
    asked = {"model": "starter", "data": data.ref, "device": "cpu", "max_steps": 6, "eval_steps": 3, "effective_batch": 4, "epochs": 100}
    run = training.start(ws, asked | settings, name=case)
    assert training.wait(ws, run.id).state == "finished", runs.log_tail(run)
    made = making.make(ws, run.id, "script", tmp_path / "out")
    assert made["check"]["passed"] and ("sample_weight" in (tmp_path / "out" / "train.jsonl").read_text()) == (case == "weighted")
    assert losses_elsewhere(tmp_path / "out") == pytest.approx(losses_of(runs.get(ws, run.id)), rel=1e-4)


WITH_A_HEAD = {
    "one label": ("bert", "classification", {}),
    "several labels": ("gpt2", "classification", {"method": "lora"}),
    "a number": ("bert", "regression", {"precision": "fp32"}),
    "words": ("bert", "tokens", {}),
    "weights": ("bert", "tokens", {"method": "lora"}),
    "another text": ("t5", "seq2seq", {}),
}


def labelled(case: str) -> list[dict]:
    """Rows of different lengths, one of them longer than what is read."""
    texts = [f"say {'red ' * (i % 5)}{'green ' * (i % 3)}river {'stone ' * (70 if i == 3 else i % 7)}" for i in range(48)]
    if case in ("words", "weights"):
        tags = [["B-C" if word == "red" else "O" for word in text.split()] for text in texts]
        return [
            {"tokens": text.split(), "tags": t, "weight": 1 + i % 2 if case == "weights" else 1}
            for i, (text, t) in enumerate(zip(texts, tags, strict=True))
        ]
    if case == "another text":
        return [{"source": text, "target": "red blue " * (i % 5 + 1)} for i, text in enumerate(texts)]
    label = {
        "one label": lambda i: "green" if i % 3 else "red",
        "several labels": lambda i: [name for name, n in (("red", 5), ("green", 3)) if i % n],
        "a number": lambda i: 10.5 * (i % 5),
    }[case]
    return [{"text": text, "label": label(i)} for i, text in enumerate(texts)]


@pytest.mark.parametrize("case", [pytest.param(c, marks=() if c == "words" else pytest.mark.long) for c in WITH_A_HEAD])
def test_each_kind_of_head_has_the_losses_of_its_script(ws, base, tmp_path, case, monkeypatch):
    family, objective, settings = WITH_A_HEAD[case]
    if case == "weights":
        monkeypatch.setitem(heads.MAPPING, "tokens", heads.MAPPING["tokens"] | {"weight": "weight"})
    run = heads.make(ws, base[family], labelled(case), objective, objective, tmp_path, max_steps=10, eval_steps=5, **settings)
    run = heads.trained(ws, run)
    (tmp_path / "out").mkdir()
    check = worker.export(tmp_path / "out", {"run": str(run.path)}, lambda _: None)
    assert check["passed"] and check["steps"] == 3 and check["difference"] < 1e-4, check
    assert ("sample_weight" in (tmp_path / "out" / "train.jsonl").read_text()) == (case == "weights")
    assert losses_elsewhere(tmp_path / "out") == pytest.approx(losses_of(run), rel=1e-4)


@pytest.mark.parametrize(
    "change, said",
    [
        (
            {"method": "qlora", "quantization": "nf4", "precision": "bf16"},
            ["load_in_4bit=True", "bnb_4bit_compute_dtype=torch.bfloat16", "whole ="],
        ),
        ({"method": "qlora", "quantization": "int8"}, ["load_in_8bit=True"]),
        ({"precision": "fp16", "device": "cuda:0"}, ["fp16=True", "parameter.data.float()", "dtype=torch.float16"]),
        ({"precision": "bf16", "device": "cuda:0"}, ["bf16=torch.cuda.is_bf16_supported(", "adamw_torch_fused"]),
        ({"adapter_precision": "bf16"}, ["parameter.data.bfloat16()"]),
        ({"early_stopping": 3, "save_steps": 4, "eval_steps": 4}, ["EarlyStoppingCallback(3)", "load_best_model_at_end=True"]),
        ({"packing": True}, ["packing=True", "eval_packing=False"]),
        ({"lora_init": "olora"}, ['init_lora_weights="olora"', "trainer.evaluate()"]),
    ],
)
def test_what_a_script_says_of_the_settings(house, change, said):
    run = with_settings(house.run(house.lora), **change)
    assert script.possible(run)
    source = script.text(run, validation=True, weighted=False)
    compile(source, "train.py", "exec")
    assert not [s for s in said if s not in source]
    alone = script.text(run, validation=False, weighted=True)
    compile(alone, "train.py", "exec")
    assert "eval_dataset" not in alone and "class WeightedTrainer" in alone and "EarlyStopping" not in alone.split("args =")[1]


def test_a_name_can_not_leave_its_docstring(house):
    run = house.run(house.lora)
    run = replace(run, plan=run.plan | {"data": run.plan["data"] | {"name": 'my """rows""" \\ of\ntoday'}})
    source = script.text(run, validation=True, weighted=False)
    compile(source, "train.py", "exec")
    assert source.startswith('"""tuned: starter fine-tuned on my rows of today.')


def test_which_runs_can_be_written(house, monkeypatch):
    run = house.run(house.lora)
    assert "script" in formats.kinds(run) and "script" in formats.kinds(house.run(house.full))
    pairs = {"objective": "preference", "preference_loss": "sigmoid"}
    assert script.possible(with_settings(run, **pairs))
    others = [pairs | {"preference_loss": "kto"}, pairs | {"lora_init": "pissa"}, {"objective": "classification", "class_weights": True}]
    for change in ({"method": "prefix"}, {"method": "adapter"}, {"objective": "qa"}, *others):
        assert not script.possible(with_settings(run, **change))
    continued = replace(run, plan=run.plan | {"model": run.plan["model"] | {"adapter": "/somewhere"}})
    assert not script.possible(continued), "it began with another run's adapter"


def test_a_model_of_the_hub_and_one_that_is_not_there(house, monkeypatch):
    run, about = house.run(house.lora), house.run(house.lora).plan["model"]
    hub = replace(run, plan=run.plan | {"model": about | {"kind": "hub", "base": "org/model", "revision": "abc"}})
    assert 'MODEL, REVISION = "org/model", "abc"\n' in script.text(hub, validation=True, weighted=False)
    monkeypatch.setattr(script.sizes, "shipped_base", lambda run: None)
    far = script.text(run, validation=True, weighted=False)
    assert f'MODEL, REVISION = "{model_card.UNKNOWN}' in far and "# the path of your copy" in far
    here = first_losses.here(far, Path("/models/one"), Path("/scratch"))
    assert "MODEL, REVISION = '/models/one', None\n" in here and "output_dir='/scratch'," in here
    with pytest.raises(ValueError, match="0 lines"):
        first_losses.here("print()", Path("a"), Path("b"))


def test_a_script_that_trains_something_else_is_not_handed_out(house, tmp_path, monkeypatch):
    run = house.run(house.lora)
    settings, theirs = Settings.from_json(run.plan["settings"]), losses_of(run)[:3]
    for found, said in (
        ([theirs[0], theirs[1], theirs[2] * 1.001], "does not train the same"),
        ("NameError: x", "does not run: NameError"),
    ):
        monkeypatch.setattr(first_losses, "of_script", lambda *_, found=found: found)
        with pytest.raises(WorkError, match=said):
            worker.compared(tmp_path, run, settings, lambda _: None)
    with pytest.raises(ModelError, match="Row 5 can't be written as text"):
        worker._require_same({"input_ids": [1], "labels": [1]}, {"input_ids": [1], "labels": [-100]}, 4)


def test_where_it_can_not_be_run_it_says_so(house, tmp_path, monkeypatch):
    run = house.run(house.lora)
    settings = Settings.from_json(run.plan["settings"])
    large = replace(run, plan=run.plan | {"peak_bytes": 10**15})
    slow = replace(run, status=replace(run.status, measured={"seconds": 10_000}))
    gone = with_settings(run, device="cuda:7")
    for other, said in ((large, "training takes"), (slow, "first steps take"), (gone, "cuda:7")):
        assert said in worker.why_not(other, Settings.from_json(other.plan["settings"]), [1.0, 1.0, 1.0])
    assert "no loss" in worker.why_not(run, settings, []) and worker.why_not(run, settings, [1.0]) is None
    check = worker.compared(tmp_path, slow, settings, lambda _: None)
    assert check["passed"] is None and check["kind"] == "not tested"
    assert "Not compared with the run: its first steps take" in script.readme(run, {"train": 1, "validation": 0}, check)


def test_without_its_rows_a_script_is_refused(house, monkeypatch):
    run = house.run(house.lora)
    monkeypatch.setattr(runs, "get", lambda *_: replace(run, config=run.config | {"data": "gone@1"}))
    with pytest.raises(ModelError, match="are gone"):
        making.make(house.ws, house.lora, "script")
    assert not (house.ws.exports / house.lora / "script").exists()
    assert not (house.ws.exports / house.lora / ".script.new").exists()
