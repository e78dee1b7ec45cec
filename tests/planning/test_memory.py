"""The memory estimate: against traces of the real step, against published measurements, and over the whole catalogue."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.conftest import ROOT
from tuner import cli, models
from tuner.devices import Device
from tuner.errors import TunerError
from tuner.planning import fitting, memory, model_suggestions, planner
from tuner.planning.decisions import DataFacts
from tuner.settings import objectives, parsing, presets
from tuner.settings.run_config import Settings

GB, GiB = 10**9, 2**30
CARDS = [Device("cuda:0", "cuda", f"a card with {g} GB", g * GB, g * GB, 100) for g in (4, 8, 16, 24, 80)]
CPU = Device("cpu", "cpu", "a processor", 16 * GB, 16 * GB, 0.5)


def need(name: str, rows: int, length: int, **settings) -> memory.Estimate:
    how = {k: settings.pop(k) for k in ("fused", "masked") if k in settings}
    s = {"method": "lora", "precision": "bf16", "gradient_checkpointing": False, "lora_rank": 16} | settings
    return memory.training(facts(name), Settings.from_json(s | {"micro_batch": rows, "max_length": length}), **how)


def facts(name: str) -> models.ModelFacts:
    return SHAPES[name] if name in SHAPES else models.resolve(name).facts


def shape(hidden: int, mlp: int, layers: int, heads: int, vocabulary: int = 32000, **more) -> models.ModelFacts:
    config = {"model_type": "llama", "hidden_size": hidden, "intermediate_size": mlp, "num_hidden_layers": layers, "vocab_size": vocabulary}
    return models.facts_from_config(config | {"num_attention_heads": heads} | more, name="llama")


SHAPES = {  # Touvron et al. 2023, arXiv:2302.13971 table 2, and arXiv:2307.09288
    "llama-7b": shape(4096, 11008, 32, 32),
    "llama-13b": shape(5120, 13824, 40, 40),
    "llama-33b": shape(6656, 17920, 60, 52),
    "llama-65b": shape(8192, 22016, 80, 64),
}


# --- the judge -------------------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(3600)
def test_estimates_agree_with_traces_of_the_real_step(tmp_path, request):
    """Nine cases, with --long all of them (some 290, twenty minutes)."""
    every = ["--every"] if request.config.getoption("--long") else []
    line = [sys.executable, "-W", "ignore", "-m", "bench.memory", "--json", str(tmp_path / "found.json"), *every]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    table = "\n".join(f"{f['case']}: {f['off']:+.2%} ({f['moment']})" for f in found["found"] if "off" in f)
    assert not found["failed"] and found["cases"] >= (100 if every else 9), found["failed"]
    assert found["median"] <= 0.01 and found["p90"] <= 0.03 and found["worst_below"] >= -0.08, table


# --- published measurements ------------------------------------------------------------------------------------------------------


def test_qlora_fits_where_its_paper_says():
    """Dettmers et al. 2023, arXiv:2305.14314: 65B within 48 GB; 33B within 24 GB with a paged optimizer (rank 64 on all linear maps, rows
    of 512 tokens, gradient checkpointing)."""
    paper = {"method": "qlora", "quantization": "nf4", "lora_rank": 64, "gradient_checkpointing": True}
    assert need("llama-65b", 1, 512, **paper).peak < 48 * GiB
    assert need("llama-33b", 1, 512, **paper, optimizer="paged_adamw_8bit").peak < 24 * GiB
    assert need("llama-7b", 1, 512, **paper).terms["weights"] + need("llama-7b", 1, 512, **paper).terms["quantization"] == pytest.approx(
        3.84e9, rel=0.03
    )


def test_the_command_line_plans_what_the_paper_did(ws, tmp_path, capsys):
    """The same through `tunesmith plan`, for a card that this machine lacks."""
    for name, gigabytes, more in (("llama-33b", 24, ["-s", "optimizer=adamw_8bit"]), ("llama-65b", 48, [])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({**SHAPES[name].config, "architectures": ["LlamaForCausalLM"]}))
        line = ["plan", "--model", str(folder), "--objective", "chat", "--device-memory", f"{gigabytes}GiB", "--json"]
        fixed = ["-s", "max_length=512", "-s", "micro_batch=1", "-s", "gradient_checkpointing=true", "-s", "effective_batch=1"]
        assert cli.main([*line, "--method", "qlora", *fixed, "-s", "lora_rank=64", *more]) == 0
        paper = json.loads(capsys.readouterr().out)
        assert paper["peak_bytes"] < gigabytes * GiB and paper["settings"]["quantization"] == "nf4"
        assert cli.main([*line, *fixed]) == 0
        ours = json.loads(capsys.readouterr().out)
        assert ours["fits"] and ours["settings"]["method"] == "qlora", "with the usual rank it fits with room to spare, found by itself"


PEFT = [  # huggingface/peft, method_comparison/MetaMathQA/results (June 2025): Llama-3.2-3B on an L40S, four rows at once, reserved GiB in the
    # mean over steps; rows have 216 tokens in the mean (4,198,051 tokens, 20,000 rows, sorted into batches), attention masks, and a classic head
    ("lora", {"lora_rank": 32, "lora_targets": ["q", "v"]}, 216, 11.05),
    ("lora", {"lora_rank": 64, "lora_targets": ["q", "v"]}, 216, 11.30),
    ("ia3", {}, 216, 11.20),
    ("ln", {}, 216, 10.60),
    ("p_tuning", {"virtual_tokens": 20}, 216, 11.05),
    ("full", {}, 216, 30.83),
]


@pytest.mark.parametrize("method, more, length, measured", PEFT)
def test_a_3b_takes_what_peft_measured(method, more, length, measured):
    settings = {"method": method, "fused": False, "masked": True} | more
    found = need("meta-llama/Llama-3.2-3B-Instruct", 4, length, **settings)
    copy = found.terms["weights"] if method == "full" else 0  # their AdamW takes a copy of all weights in its step, ours is fused
    took = found.peak - found.terms["context"]
    step = sum(found.terms[k] for k in ("weights", "gradients", "optimizer")) + copy
    assert max(took, step) == pytest.approx(measured * GiB, rel=0.15)


LITGPT = [  # Lightning-AI/litgpt, tutorials/resource-tables.md: A100, bf16, LoRA of rank 8 on q and v, no checkpointing, allocated GB; its
    # packed rows (13.84, 22.55) were measured with bitsandbytes of 2023 and are a fifth above what today's takes in a trace
    ("llama-7b", 1, 21.30),
    ("llama-7b", 2, 29.07),
    ("llama-13b", 1, 38.12),
]


@pytest.mark.parametrize("name, rows, measured", LITGPT)
def test_7b_and_13b_take_what_litgpt_measured(name, rows, measured):
    found = need(name, rows, 1304, lora_rank=8, lora_targets=["q", "v"], fused=False)
    assert found.peak - found.terms["context"] - found.terms["fragmentation"] == pytest.approx(measured * GB, rel=0.15)


def test_our_own_figures_for_an_8b():
    """Told in the README: QLoRA on an 8B at 2,048 tokens fits a card of 12 GB with one row at once, and of 16 GB with four."""
    paper = {"method": "qlora", "quantization": "nf4", "gradient_checkpointing": True}
    one, four = (need("Qwen/Qwen3-8B", rows, 2048, **paper).peak for rows in (1, 4))
    assert one < 12 * GB * fitting.ROOM and four < 16 * GB * fitting.ROOM and one < four


# --- the parts -------------------------------------------------------------------------------------------------------------------


def test_packed_weights_are_those_of_the_layers_alone():
    f = facts("Qwen/Qwen2.5-1.5B-Instruct")
    terms = need("Qwen/Qwen2.5-1.5B-Instruct", 1, 128, method="qlora", quantization="nf4").terms
    outside = 2 * (f.vocabulary * f.hidden + 2 * f.layers * f.hidden + f.hidden + f.layers * (f.q + 2 * f.kv))  # words, norms, biases
    assert terms["weights"] == pytest.approx(outside + f.layers * f.layer_parameters / 2, rel=1e-6)
    assert terms["quantization"] == pytest.approx(f.layers * f.layer_parameters * (1 / 64 + 4 / (64 * 256)), rel=1e-6)
    assert need("Qwen/Qwen2.5-1.5B-Instruct", 1, 128, method="qlora", quantization="int8").terms["weights"] > terms["weights"] * 1.2


def test_several_cards():
    f = facts("Qwen/Qwen2.5-7B-Instruct")
    s = {"method": "full", "precision": "bf16", "gradient_checkpointing": True, "micro_batch": 1, "max_length": 1024}
    one, copies, shares = (
        memory.training(f, Settings.from_json(s | more), cards=cards) for cards, more in ((1, {}), (4, {}), (4, {"sharding": True}))
    )
    assert copies.terms["weights"] == one.terms["weights"] and copies.peak > one.peak
    for term in ("weights", "gradients", "optimizer"):
        assert shares.terms[term] == pytest.approx(one.terms[term] / 4, rel=0.01)
    assert shares.peak < one.peak / 2
    lora = s | {"method": "lora"}
    one, shares = (memory.training(f, Settings.from_json(lora | more), cards=4) for more in ({}, {"sharding": True}))
    assert shares.terms["weights"] == pytest.approx(one.terms["weights"] / 4, rel=0.01)
    assert all(shares.terms[t] == one.terms[t] for t in ("adapters", "optimizer")), "an adapter is whole on each card"
    gathered = memory.training(f, Settings.from_json(s | {"effective_batch": 8})).peak
    assert gathered >= one.peak, "gradients of earlier micro-batches lie there"


def test_a_preference_takes_two_rows_and_full_tuning_a_copy():
    s = {"method": "lora", "precision": "bf16", "gradient_checkpointing": False, "micro_batch": 2, "max_length": 512}
    f = facts("Qwen/Qwen2.5-1.5B-Instruct")
    pairs, rows = (
        memory.training(f, Settings.from_json(s | {"objective": "preference"})),
        memory.training(f, Settings.from_json(s | {"micro_batch": 4}), masked=True),
    )
    assert {m: n for m, n in pairs.moments.items() if m != "reference"} == rows.moments
    assert pairs.moment == "reference", "it reads once more, while what was kept waits for the backward"
    full = s | {"objective": "preference", "method": "full"}
    assert memory.training(f, Settings.from_json(full)).terms["reference"] == f.parameters * 2
    assert not memory.training(f, Settings.from_json(full | {"precompute_reference": True})).terms["reference"]


def test_talking_serving_and_files():
    f = facts("Qwen/Qwen2.5-1.5B-Instruct")
    told = {"context": 4096, "device": "cuda"}
    one, many = (memory.serving(f, streams=n, **told) for n in (1, 16))
    each = 2 * f.layers * f.kv * 4096 * 2
    assert many - one == 15 * (each + 16 * f.vocabulary) and memory.chat(f, precision="bf16", **told) == one
    assert memory.chat(f, precision="bf16", quantization="nf4", **told) < one < memory.chat(f, precision="fp32", **told)
    windowed = replace(f, config={**f.config, "sliding_window": 512, "layer_types": ["sliding_attention"] * f.layers})
    assert memory.chat(windowed, precision="bf16", **told) == one - each * 7 // 8
    ram, disk = memory.merging(f)
    assert ram > disk == f.parameters * 2
    assert memory.gguf(f, "q4_k_m")[1] < memory.gguf(f, "q8_0")[1] < memory.gguf(f, "f16")[1] == f.parameters * 4
    assert memory.gguf(f)[0] < ram, "tensors are converted one at a time"
    with pytest.raises(KeyError):
        memory.gguf(f, "q9")


def test_experts_and_windows():
    moe = {"model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768, "num_hidden_layers": 24}
    moe |= {"num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936, "num_experts": 64}
    few, many = (models.facts_from_config(moe | {"num_experts_per_tok": n}, name="moe") for n in (2, 8))
    s = {"method": "lora", "precision": "bf16", "gradient_checkpointing": False, "micro_batch": 1, "max_length": 1024}
    assert memory.training(few, Settings.from_json(s)).terms["weights"] == memory.training(many, Settings.from_json(s)).terms["weights"]
    assert (
        memory.training(few, Settings.from_json(s)).terms["activations"] < memory.training(many, Settings.from_json(s)).terms["activations"]
    )
    packed = memory.training(few, Settings.from_json(s | {"method": "qlora", "quantization": "nf4"})).terms["weights"]
    assert packed > 0.9 * memory.training(few, Settings.from_json(s)).terms["weights"], "experts are bare tensors, which are not packed"


# --- every preset, model and device ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", presets.ORDER)
def test_each_preset_on_each_model_and_device_fits_or_says_what_to_do(preset, request):
    """Each model on two of the six devices, another two with each preset; with --long on all of them."""
    devices = [*CARDS, CPU]
    turn, step = presets.ORDER.index(preset), 1 if request.config.getoption("--long") else 3
    cells = [(e, d) for i, e in enumerate(models.catalog()) for d in devices[(i + turn) % step :: step]]
    for entry, device in cells:
        f = models.catalog_facts(entry)
        kind = objectives.get({"decoder": "chat", "encoder": "classification", "encoder-decoder": "seq2seq"}[f.family]).kinds[0]
        data = DataFacts(kind, 2000, 100, 180.0, 900, lengths=tuple(range(60, 901, 12)))
        p = planner.plan(parsing.parse({}), models.Model(f.name, "hub", f, f.name), data, preset=preset, device=device)
        where = f"{preset} {f.name} {device.name} {device.total}"
        assert sum(p.breakdown.values()) == p.peak_bytes and p.fits == (p.peak_bytes <= p.free_bytes * fitting.ROOM), where
        assert p.fits or any(r.fits for r in p.remedies), where
        if p.fits and p.settings.method == "qlora":
            with_lora = planner.plan(
                parsing.parse({"method": "lora"}), models.Model(f.name, "hub", f, f.name), data, preset=preset, device=device
            )
            dearer = with_lora.settings.max_length < p.settings.max_length or with_lora.settings.adapter_precision == "bf16"
            assert not with_lora.fits or dearer, where


def test_the_largest_models_are_planned_to_fit():
    for device in CARDS:
        for method, id in model_suggestions.largest(device).items():
            f = models.resolve(id).facts
            try:
                p = planner.plan(
                    parsing.parse({"method": method}),
                    models.Model(id, "hub", f, id),
                    DataFacts("chat", 1000, 50, 300.0, 700),
                    device=device,
                )
            except TunerError as error:
                raise AssertionError(f"{id} {method}: {error}") from error
            assert p.fits, (device.name, method, id)
