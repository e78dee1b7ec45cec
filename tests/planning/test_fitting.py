"""Making it fit: what brute force finds, the ladder finds; the published QLoRA sizes; adapters in bf16 that really are, resumed as well."""

import itertools
import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from tests.planning.test_memory import SHAPES
from tests.workers.test_exact_eval_loss import TALKS
from tests.workers.test_preferences import base, job_of, one_thread, tokenizer  # noqa: F401 (fixtures)
from tuner import cli, models
from tuner.devices import Device
from tuner.planning import fitting, memory, planner
from tuner.planning.memory import parameter_counts
from tuner.planning.planner import DataFacts
from tuner.settings import methods, parsing
from tuner.settings.run_config import Settings
from tuner.workers.modelling import peft_methods
from tuner.workers.tokenization.lm_rows import prepare
from tuner.workers.training import sft

GB = 10**9
DATA = DataFacts("chat", 9000, 200, 300.0, 2048, lengths=tuple(range(100, 2100, 20)))
CARDS = (8, 12, 16, 24, 48, 80)


def card(gigabytes: float) -> Device:
    return Device("cuda:0", "cuda", "a card", int(gigabytes * GB), int(gigabytes * GB), 100.0)


def every_way(s: Settings, case: fitting.Case) -> bool:
    """Whether any combination of what the planner may choose fits: a search without an order."""
    method, effective = s.method, s.effective_batch
    lengths = [s.max_length, *(n for n in fitting.SHORTER if n < s.max_length and case.data.truncated_share(n) <= fitting.MOST_CUT)]
    lora = method in ("lora", "qlora")
    open_ = {
        "micro_batch": [d for d in range(1, effective + 1) if effective % d == 0],
        "gradient_checkpointing": [False, True] if methods.get(method).checkpointing else [False],
        "optimizer": ["adamw", "adamw_8bit", "paged_adamw_8bit"],
        "adapter_precision": ["fp32", "bf16"] if lora else ["fp32"],
        "precision": ["fp32", "bf16"],
        "max_length": lengths,
    }
    for values in itertools.product(*open_.values()):
        other = s.replace(**dict(zip(open_, values, strict=True)))
        n = parameter_counts.trainable(case.facts, other, "chat", 2)
        if memory.training(case.facts, other, trainable=n).peak <= case.budget:
            return True
    return False


def cases() -> list[tuple]:
    found = []
    for entry in models.catalog_of("decoder"):
        for method in ("lora", "qlora", "full", "last_layers", "ia3", "adapter", "prompt"):
            found += [(entry["id"], method, size) for size in CARDS]
    return found


def test_the_ladder_finds_what_brute_force_finds(request):
    """Over catalogue x methods x cards (a slice by default): a plan that does not fit has nothing open that would."""
    chosen = cases() if request.config.getoption("--long") else cases()[::29]
    tight = 0
    for id, method, size in chosen:
        facts = next(models.catalog_facts(e) for e in models.catalog() if e["id"] == id)
        if methods.refusal(method, "chat", facts):
            continue
        asked = parsing.parse({"method": method} | ({"quantization": "nf4"} if method == "qlora" else {}))
        p = planner.plan(asked, models.Model(id, "hub", facts, id), DATA, device=card(size), remedies=False)
        if not p.fits:
            case = fitting.Case(None, facts, DATA, card(size), int(size * GB))
            start = p.settings.replace(max_length=max(p.settings.max_length, 2048))
            assert not every_way(start, case), (id, method, size)
            tight += 1
    assert tight, "no plan was too large: nothing was compared"


@pytest.mark.parametrize("unit", ["GB", "GiB"])
@pytest.mark.parametrize("name, size", [("llama-33b", 24), ("llama-65b", 48)])
def test_qlora_fits_as_published_with_nothing_else_fixed(name, size, unit, ws, tmp_path, capsys):
    """Dettmers et al. 2023, arXiv:2305.14314: rank 64 on all linear maps, rows of 512 tokens, one at a time."""
    (tmp_path / "config.json").write_text(json.dumps({**SHAPES[name].config, "architectures": ["LlamaForCausalLM"]}))
    fixed = ["-s", "max_length=512", "-s", "micro_batch=1", "-s", "lora_rank=64", "-s", "lora_targets=all-linear"]
    line = ["plan", "--model", str(tmp_path), "--objective", "chat", "--method", "qlora", "--device-memory", f"{size}{unit}", "--json"]
    assert cli.main([*line, *fixed]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["fits"] and plan["settings"]["optimizer"].endswith("adamw_8bit"), plan["breakdown"]
    assert sum(plan["breakdown"].values()) == plan["peak_bytes"]
    why = {r["setting"]: r for r in plan["reasons"]}
    assert why["optimizer"]["by"] == "planner" and "fits" in why["optimizer"]["reason"]


def test_what_a_person_fixed_is_offered_with_its_price():
    """A rank of 512, fp32 adapters and the plain optimizer, all chosen: each is offered otherwise, none is taken."""
    facts = models.catalog_facts(next(e for e in models.catalog() if e["id"] == "Qwen/Qwen2.5-7B-Instruct"))
    asked = parsing.parse({"method": "qlora", "lora_rank": 512, "optimizer": "adamw", "adapter_precision": "fp32", "max_length": 1024})
    p = planner.plan(asked, models.Model("q", "hub", facts, "q"), DATA, device=card(12))
    assert not p.fits and p.settings.optimizer == "adamw" and p.settings.adapter_precision == "fp32"
    offered = [r.settings for r in p.remedies]
    assert {"optimizer": "adamw_8bit"} in [{k: v for k, v in s.items() if k == "optimizer"} for s in offered]
    assert any(s.get("adapter_precision") == "bf16" for s in offered) and any(s.get("lora_rank") for s in offered)
    assert all(r.cost and r.peak_bytes < p.peak_bytes for r in p.remedies)


def test_a_processor_gets_no_cards_optimizer():
    facts = models.catalog_facts(next(e for e in models.catalog() if e["id"] == "Qwen/Qwen2.5-7B-Instruct"))
    cpu = Device("cpu", "cpu", "CPU", 8 * GB, 8 * GB, 1.0)
    p = planner.plan(parsing.parse({"method": "lora"}), models.Model("q", "hub", facts, "q"), DATA, device=cpu)
    assert not p.fits and p.settings.optimizer == "adamw" and p.settings.adapter_precision == "fp32"


def trained(folder, tok, place, steps: int, resume=None, **more):
    """A trainer of LoRA after so many steps."""
    job = job_of(place, tok, objective="chat", method="lora", micro_batch=2, effective_batch=2, save_steps=2, max_steps=steps, **more)
    job.run.plan["steps"] = steps
    said = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in TALKS]
    rows = prepare(tok, said, kind="chat", objective="chat", max_length=64)
    facts = models.folder_facts(folder)
    torch.manual_seed(3)
    from tuner.workers.modelling import load

    model = peft_methods.build(load.base_model(folder, "fp32", "cpu"), job.settings, facts, objective="chat", tokenizer=tok)
    trainer = sft.make_trainer(job, model, rows, prepare(tok, said[:0], kind="chat", objective="chat", max_length=64, needed=False))
    trainer.args.report_to, trainer.args.save_total_limit = [], None
    trainer.remove_callback(type(job.report))
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def test_adapters_in_bf16_are_trained_saved_and_resumed_so(base, tokenizer, tmp_path):  # noqa: F811
    """The matrices stay bf16 through training and through PEFT's loading, and a resumed run ends in the same bytes."""
    more = {"adapter_precision": "bf16", "schedule": "constant", "warmup": 0.0, "lora_rank": 4}
    whole = trained(base, tokenizer, tmp_path / "whole", 4, **more)
    widths = {p.dtype for n, p in whole.model.named_parameters() if "lora_" in n}
    assert widths == {torch.bfloat16}
    with safe_open(tmp_path / "whole" / "checkpoints" / "checkpoint-4" / "adapter_model.safetensors", "pt") as f:
        assert {f.get_tensor(k).dtype for k in f.keys()} == {torch.bfloat16}
    again = trained(base, tokenizer, tmp_path / "again", 4, resume=str(tmp_path / "whole" / "checkpoints" / "checkpoint-2"), **more)
    for (name, one), (_, other) in zip(whole.model.named_parameters(), again.model.named_parameters(), strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other), name
    moved = [p.abs().sum() for n, p in whole.model.named_parameters() if "lora_B" in n]
    assert all(float(m) > 0 for m in moved)


def test_the_estimate_knows_narrow_adapters():
    facts = SHAPES["llama-7b"]
    s = {"method": "qlora", "quantization": "nf4", "lora_rank": 64, "lora_targets": "all-linear", "precision": "bf16", "max_length": 512}
    s |= {"micro_batch": 1, "gradient_checkpointing": True, "optimizer": "adamw_8bit"}
    wide, narrow = (memory.training(facts, Settings(**s, adapter_precision=p)) for p in ("fp32", "bf16"))
    assert narrow.terms["adapters"] * 2 == pytest.approx(wide.terms["adapters"], rel=1e-6) and narrow.peak < wide.peak
    paged = memory.training(facts, Settings(**s | {"optimizer": "paged_adamw_8bit"}))
    assert paged.peak <= wide.peak and replace(paged).moments["step"] == pytest.approx(wide.moments["step"], rel=0.2)
