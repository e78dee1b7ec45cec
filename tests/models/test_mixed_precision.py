"""fp16 where a card has no bf16: chosen with its reason, refused where it breaks, trained with a scaler, as far as a processor can show it."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tests.planning.test_planner import QWEN
from tuner import devices, models, runs
from tuner.devices import Device
from tuner.errors import TunerError
from tuner.models import mixed_precision
from tuner.planning import memory, planner, time_estimate
from tuner.planning.decisions import DataFacts
from tuner.runs import run_warnings
from tuner.settings import parsing

GB = 10**9
T4 = Device("cuda:0", "cuda", "Tesla T4", 15 * GB, 14 * GB, 65.0, bf16=False)
V100 = Device("cuda:0", "cuda", "Tesla V100-SXM2-32GB", 32 * GB, 31 * GB, 125.0, bf16=False)
L4 = replace(T4, name="NVIDIA L4", bf16=True)
ROWS = DataFacts("chat", 1000, 50, 200.0, 500)


def plan(model, device, data=ROWS, **wish):
    return planner.plan(parsing.parse(wish), model, data, device=device)


def reason(p, setting="precision") -> str:
    return next(r.reason for r in p.reasons if r.setting == setting)


def like(kind: str, family: str = "decoder") -> models.Model:
    return replace(QWEN, facts=replace(QWEN.facts, model_type=kind, family=family, name=kind))


@pytest.mark.parametrize("device", [T4, V100])
@pytest.mark.parametrize("method", ["lora", "qlora", "full", "prompt"])
def test_a_card_without_bf16_trains_in_fp16_and_says_why(device, method):
    p = plan(QWEN, device, method=method)
    assert p.settings.precision == "fp16" and "does not support bf16" in reason(p) and "scaler" in reason(p)
    assert ("stay in fp32" in reason(p)) == (method == "full")
    assert plan(QWEN, L4, method=method).settings.precision != "fp16", "a card with bf16 needs no scaler"


def test_a_base_in_fp16_takes_half_and_a_trained_one_does_not():
    settings = plan(QWEN, T4, method="lora", micro_batch=1).settings
    took = {p: memory.training(QWEN.facts, settings.replace(precision=p), trainable=10**6, device="cuda").terms["weights"] for p in ("fp32", "fp16", "bf16")}  # fmt: skip
    assert took["fp16"] == took["bf16"] == took["fp32"] / 2
    whole = settings.replace(method="full")
    took = {p: memory.training(QWEN.facts, whole.replace(precision=p), trainable=QWEN.facts.parameters, device="cuda").terms["weights"] for p in ("fp32", "fp16")}  # fmt: skip
    assert took["fp16"] == took["fp32"], "the weights that are trained stay in fp32"
    assert mixed_precision.stored("fp16", "full") == "fp32" and mixed_precision.stored("fp16", "lora") == "fp16"


def test_seven_billion_fit_a_t4():
    entry = next(e for e in models.catalog() if e["id"] == "Qwen/Qwen2.5-7B-Instruct")
    p = plan(models.Model(entry["id"], "hub", models.catalog_facts(entry), entry["id"]), T4, method="qlora")
    assert p.fits and p.settings.precision == "fp16" and p.settings.quantization == "nf4"


@pytest.mark.parametrize(
    "kind",
    [
        "t5",
        "mt5",
        "umt5",
        "longt5",
        "gemma2",
        "gemma3_text",
        "gemma3",
        "gemma3n_text",
        "gemma4_text",
        "t5gemma2_text",
        "shieldgemma2",
        "vaultgemma",
    ],
)
def test_what_overflows_is_kept_in_fp32_and_refused_when_asked(kind):
    model = like(kind)
    p = plan(model, V100)
    assert p.settings.precision == "fp32" and "65,504" in reason(p)
    with pytest.raises(TunerError) as caught:
        plan(model, V100, precision="fp16")
    (error,) = caught.value.as_list()
    assert error["field"] == "precision" and "65,504" in error["message"] and error["available"] == ["fp32"]
    with pytest.raises(TunerError) as caught:
        plan(model, L4, precision="fp16")
    assert "bf16" in caught.value.as_list()[0]["remedy"]


def test_an_adapter_in_bf16_has_no_scaler():
    """Asked for on a T4, asked for both on an L4, and taken by the planner where memory is short: none of the three."""
    for device, wish in ((T4, {"adapter_precision": "bf16"}), (L4, {"adapter_precision": "bf16", "precision": "fp16"})):
        with pytest.raises(TunerError) as caught:
            plan(QWEN, device, **wish)
        assert caught.value.as_list()[0]["field"] == "adapter_precision"
    short = replace(L4, free=int(8.2 * GB))
    for rank in (64, 512):
        assert plan(QWEN, short, precision="fp16", lora_rank=rank).settings.adapter_precision == "fp32"


def test_the_card_and_the_chat_agree(monkeypatch):
    from tuner.export import model_card

    names = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
    for device in (T4, L4, replace(devices.cpu(), bf16=False), replace(devices.cpu(), bf16=True)):
        for room in (devices, devices.detection):
            monkeypatch.setattr(room, "listing", lambda device=device: [device])
        for method, objective in itertools.product(("lora", "full", "last_layers"), ("chat", "classification")):
            settings = {"precision": "fp16", "method": method, "objective": objective}
            told = model_card.dtype_of({"settings": settings, "model": {"bytes_per_weight": 2}})
            chat = mixed_precision.served("fp16", method, objective == "chat", device)
            assert told == names[chat], (device.name, method)


@pytest.mark.parametrize("kind", ["llama", "gemma", "qwen2", "gpt2", "mistral", "t5ish"])
def test_others_are_not_refused(kind):
    assert mixed_precision.breaks(like(kind).facts) is None


def test_the_processor_refuses_it_and_a_card_with_bf16_takes_it_when_asked():
    with pytest.raises(TunerError) as caught:
        plan(models.resolve("starter"), devices.cpu(), precision="fp16")
    assert caught.value.as_list()[0]["field"] == "precision"
    assert plan(QWEN, L4, precision="fp16").settings.precision == "fp16"


def test_it_is_as_fast_as_sixteen_bits_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_MACHINE", str(tmp_path))
    settings = plan(QWEN, T4, method="lora", micro_batch=1).settings
    took = {p: time_estimate.step_seconds(settings.replace(precision=p), QWEN.facts, ROWS, T4, 10**6) for p in ("fp16", "fp32")}
    assert took["fp16"] < 0.5 * took["fp32"]


def test_the_trainer_is_asked_for_a_scaler_and_never_for_both(tmp_path, monkeypatch):
    from tuner.workers.training import run_loop

    monkeypatch.setattr(run_loop, "TrainingArguments", SimpleNamespace)
    for device, precision in (("cuda:0", "fp16"), ("cpu", "fp32")):
        s = plan(QWEN, T4, method="lora").settings.replace(device=device, precision=precision)
        made = run_loop.arguments(s, 10, tmp_path, True, kind=SimpleNamespace)
        assert made.fp16 == (precision == "fp16") and not made.bf16


def test_a_packed_base_computes_in_fp16():
    from tuner.workers.modelling import load

    assert load.quantization_config("nf4", "fp16", None).bnb_4bit_compute_dtype == torch.float16
    assert load.quantization_config("nf4", "bf16", None).bnb_4bit_compute_dtype == torch.bfloat16


def test_what_is_trained_beside_an_fp16_base_is_fp32(tmp_path):
    """As `learn.build` makes it, for each technique that leaves the base as it is."""
    from tuner import paths
    from tuner.workers.training import run_loop

    plan_of = {"model": {"bytes_per_weight": 4}}
    for method in ("lora", "adapter", "ia3", "ln", "prompt", "last_layers"):
        s = plan(models.resolve("starter"), replace(T4, free=4 * GB), method=method).settings.replace(device="cpu")
        if method == "lora":
            s.adapter_precision = "fp32"
        job = SimpleNamespace(settings=s, base=paths.STARTER, tokenizer=None, start=None, run=SimpleNamespace(plan=plan_of))
        if method == "prompt":
            from tuner.workers.modelling import load

            job.tokenizer = load.tokenizer(paths.STARTER)
        model = run_loop.build(job)
        trained = {p.dtype for p in model.parameters() if p.requires_grad}
        frozen = {p.dtype for p in model.parameters() if not p.requires_grad}
        assert trained == {torch.float32}, method
        assert torch.float16 in frozen if method != "last_layers" else torch.float16 not in frozen | trained


def test_autocast_with_a_scaler_learns_and_its_state_survives():
    """What a card does, on the processor: torch's own scaler and autocast around a tiny model of fp16 weights with fp32 ones beside."""
    from tuner import paths
    from tuner.workers.modelling import load, peft_methods

    torch.manual_seed(0)
    base = load.base_model(paths.STARTER, "fp16", "cpu")
    s = plan(models.resolve("starter"), replace(T4, free=4 * GB), method="lora").settings.replace(lora_rank=4)
    model = peft_methods.build(base, s, models.folder_facts(paths.STARTER), objective="chat")
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**32, growth_interval=1000)  # much too large: the first steps overflow
    ids = torch.randint(5, 200, (2, 16))
    seen = []
    for _ in range(40):
        with torch.autocast("cpu", torch.float16):
            loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        seen.append(loss.item())
    assert scaler.get_scale() < 2.0**32, "steps that overflowed were left out and the scale halved"
    assert seen[-1] < 0.8 * seen[0] and all(x == x for x in seen)
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.get_scale() == scaler.get_scale()


def test_many_steps_left_out_in_a_row_are_told(house, monkeypatch):
    from tuner.workers.training import monitor

    run = house.run(house.lora)
    before, said = run.status.warnings, []
    told = monitor.Monitor(SimpleNamespace(folder=run.path, warn=said.extend), run.plan, 2)
    skipped, taken = SimpleNamespace(step_was_skipped=True), SimpleNamespace(step_was_skipped=False)
    state = SimpleNamespace(global_step=7)
    for optimizer in [skipped] * 10 + [taken] + [skipped] * (monitor.OVERFLOWS - 1):
        told.on_optimizer_step(None, state, None, optimizer=optimizer)
    assert not said, "a scaler looks for its scale, and finds it"
    told.on_optimizer_step(None, state, None, optimizer=skipped)
    (warning,) = said
    assert (
        warning["name"] == "fp16_overflow"
        and warning["step"] == 8
        and warning["remedy"] == "Start again with precision fp32."
        and run_warnings.read(before) == house.run(house.lora).warnings
    )
    assert runs.get(house.ws, run.id).state == "finished"


def test_a_chat_uses_the_width_of_the_card_that_is_here():
    for device, width in ((T4, "fp16"), (L4, "bf16"), (replace(devices.cpu(), bf16=False), "fp32")):
        assert mixed_precision.served("fp16", "lora", True, device) == width
    assert mixed_precision.served("fp16", "full", True, T4) == "fp32"
