"""The plan: bytes that add up, a ladder taken in order, a person's choices kept, each setting with its reason."""

import math
from dataclasses import replace

import pytest

from tuner import devices, diagnostics, models, paths
from tuner.data.quality import language as language_of
from tuner.devices import Device, roofline
from tuner.errors import Problems, SettingError, TunerError
from tuner.formatting import parse_bytes
from tuner.planning import fitting as memory_fitting
from tuner.planning import memory, model_suggestions, planner, time_estimate
from tuner.planning.planner import DataFacts
from tuner.settings import parsing, run_config
from tuner.settings.run_config import Settings

TERMS = "weights quantization adapters gradients optimizer activations head reference buffers context fragmentation".split()
CARD = Device("cuda:0", "cuda", "NVIDIA L4", 24 * 10**9, 24 * 10**9, 121)
CPU = Device("cpu", "cpu", "CPU with 2 cores", 16 * 10**9, 16 * 10**9, 0.05)
CARD_SETTINGS = model_suggestions.settings_for("lora")
CHATS = DataFacts("chat", 2000, 100, 300.0, 1000)
QWEN = models.Model("Qwen/Qwen2.5-1.5B-Instruct", "hub", models.resolve("Qwen/Qwen2.5-1.5B-Instruct").facts, "Qwen/Qwen2.5-1.5B-Instruct")


def plan(model=QWEN, data=CHATS, device=CARD, preset=None, memory=None, **settings):
    return planner.plan(parsing.parse(settings), model, data, device=device, preset=preset, device_memory=memory)


def chosen(p, name):
    return next((r.value, r.by) for r in p.reasons if r.setting == name)


def need(facts=QWEN.facts, **changes) -> int:
    given = {"method": "lora", "micro_batch": 4, "max_length": 512, "precision": "bf16", "gradient_checkpointing": False} | changes
    return memory.training(facts, Settings(**given)).peak


def test_a_processor_reads_few_tokens_at_once():
    roomy = replace(CPU, free=64 * 10**9)
    long, short = plan(device=roomy), plan(device=roomy, data=replace(CHATS, mean=30.0, longest=80))
    assert long.settings.micro_batch == 1 and long.settings.effective_batch == 16
    assert short.settings.micro_batch == 8
    assert plan(data=CHATS).settings.micro_batch > 1


# --- bytes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("device", [CARD, CPU])
def test_the_breakdown_adds_up(method, device):
    p = plan(method=method, device=device)
    assert list(p.breakdown) == TERMS == list(memory.TERMS) == list(memory.LABELS)
    assert sum(p.breakdown.values()) == p.peak_bytes and all(isinstance(v, int) and v >= 0 for v in p.breakdown.values())
    assert (p.breakdown["adapters"] > 0) is (method == "lora")


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_more_takes_more(method, checkpointing, precision):
    same = {"method": method, "gradient_checkpointing": checkpointing, "precision": precision}
    for name, values in {"micro_batch": (1, 2, 4, 16), "max_length": (128, 512, 513, 4096)}.items():
        peaks = [need(**same, **{name: v}) for v in values]
        assert peaks == sorted(set(peaks)), name
    if method == "lora":
        peaks = [need(**same, lora_rank=r) for r in (1, 8, 64, 512)]
        assert peaks == sorted(set(peaks))
        assert need(**same, lora_targets=["q", "v"]) < need(**same)


def test_what_saves_memory_saves_it():
    assert need(gradient_checkpointing=True) < need()
    assert need(precision="bf16") < need(precision="fp32")
    assert need() < need(method="full")
    assert need(method="full", optimizer="adafactor") < need(method="full", optimizer="adamw_8bit") < need(method="full")
    assert need(models.resolve("starter").facts) < need()


def test_chat_and_checkpoints_take_less_than_training():
    facts = QWEN.facts
    assert facts.parameters * 2 < memory.chat(facts, precision="bf16", context=4096, device="cuda") < need(method="full")
    lora = memory.checkpoint(facts, method="lora", trainable=10**7, precision="bf16")
    assert 0 < lora < memory.checkpoint(facts, method="full", trainable=facts.parameters, precision="bf16")


# --- the ladder ----------------------------------------------------------------------------------------------------------


def price(p) -> tuple:
    """How dearly a plan was made to fit: 4 bits, and tokens of the longest row."""
    return p.settings.method == "qlora", -p.settings.max_length


def test_the_ladder_is_taken_in_order_as_memory_shrinks():
    plans = [plan(memory=tenths * 10**8) for tenths in range(800, 2, -4)]
    for p in plans:
        assert p.fits == (p.peak_bytes <= p.free_bytes * memory_fitting.ROOM)
        assert p.settings.effective_batch == 16 and 16 % p.settings.micro_batch == 0
    fitting = [p for p in plans if p.fits]
    assert plans[: len(fitting)] == fitting and len(fitting) < len(plans)
    assert fitting[0].settings.micro_batch >= 8 and fitting[0].settings.gradient_checkpointing is False
    assert [price(p) for p in fitting] == sorted(price(p) for p in fitting), "quality is given up last, and never given back"
    seen = [(p.settings.method, p.settings.gradient_checkpointing) for p in fitting]
    assert list(dict.fromkeys(m for m, _ in seen)) == ["lora", "qlora"] and {again for _, again in seen} == {False, True}
    assert fitting[-1].settings.micro_batch == 1 and fitting[-1].settings.max_length == 1024, "a third of the rows are not cut unasked"
    short = replace(CHATS, lengths=(*[300] * 95, *[900] * 5))
    assert plan(memory=fitting[-1].peak_bytes, data=short).settings.max_length == 512


def test_on_each_rung_the_fastest_way_that_fits_is_taken():
    """More memory never makes a step slower, and what would be faster does not fit."""
    took = []
    for tenths in range(60, 400, 4):
        p = plan(memory=tenths * 10**8, method="lora", max_length=1024)
        if not p.fits:
            continue
        took.append(time_estimate.step_seconds(p.settings, QWEN.facts, CHATS, CARD, p.trainable_parameters))
        for micro in (m for m in (1, 2, 4, 8, 16) if m > p.settings.micro_batch):
            other = p.settings.replace(micro_batch=micro)
            faster = time_estimate.step_seconds(other, QWEN.facts, CHATS, CARD, p.trainable_parameters) < took[-1] * 0.99
            assert not faster or memory.training(QWEN.facts, other).peak > p.free_bytes * memory_fitting.ROOM
    assert took == sorted(took, reverse=True) and len(set(took)) > 3


def test_what_does_not_fit_is_a_plan_with_remedies():
    p = plan(method="full", memory=8 * 10**9)
    assert not p.fits and p.remedies
    assert [r.fits for r in p.remedies] == sorted((r.fits for r in p.remedies), reverse=True)
    for remedy in p.remedies:
        assert remedy.title and remedy.cost and set(remedy.settings) <= set(run_config.FIELDS)
        assert remedy.peak_bytes + remedy.saves_bytes == p.peak_bytes and remedy.saves_bytes > 0
        if "model" not in remedy.settings:
            again = plan(**({"method": "full"} | remedy.settings), memory=8 * 10**9)
            assert again.fits == remedy.fits and again.peak_bytes == remedy.peak_bytes, remedy
    assert any(r.settings.get("method") == "lora" and r.fits for r in p.remedies)
    assert any("model" in r.settings and r.fits for r in p.remedies)


def test_a_length_that_was_fixed_is_offered_shorter_with_what_it_cuts():
    data = replace(CHATS, longest=4000, lengths=(*[300] * 98, 3000, 4000))
    p = plan(data=data, max_length=4096, micro_batch=8, method="lora", gradient_checkpointing=False, memory=24 * 10**9)
    offered = {r.title: r for r in p.remedies}
    assert not p.fits and offered["Maximum length 4096 → 2048"].cost == "truncates 2% of the rows"
    assert offered["Maximum length 4096 → 2048"].settings["max_length"] == 2048
    assert "gradient_checkpointing" in offered["Gradient checkpointing"].settings
    assert offered["Micro-batch 8 → smaller"].settings["micro_batch"] < 8


def test_the_8_bit_optimizer_comes_before_giving_up():
    free = next(b for b in range(40 * 10**9, 10**9, -(10**8)) if not plan(method="full", optimizer="adamw", memory=b).fits)
    p = plan(method="full", memory=free)
    assert p.fits and chosen(p, "optimizer") == ("adamw_8bit", "planner")


def test_no_memory_at_all_does_not_fit():
    assert not plan(memory=0).fits and plan(memory=0).free_bytes == 0


# --- choices -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", [None, "quick", "balanced", "quality"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_every_setting_has_its_reason(preset, method):
    p = plan(preset=preset, method=method, lora_rank=4)
    assert [r.setting for r in p.reasons] == list(p.settings.as_json()) == [n for n in run_config.FIELDS if n in p.as_dict()["settings"]]
    for r in p.reasons:
        assert r.by in ("you", "preset", "planner", "default")
        assert r.value == getattr(p.settings, r.setting) and r.reason.endswith(".")
    assert parsing.parse(p.settings.as_json())  # what was decided could have been asked for
    open_still = {n for n in run_config.FIELDS if n not in p.settings.as_json()} - {"model", "data"}
    judged = {n for n in run_config.FIELDS if run_config.group_of(n) == "preference"}
    assert open_still - judged <= {"max_steps", "quantization", "prompt_text", "chat_template", "report_to", "sharding"}


def test_choices_are_kept_and_told_apart():
    mine = {"micro_batch": 1, "effective_batch": 6, "learning_rate": 1e-5, "max_length": 100, "precision": "fp32", "packing": True}
    mine |= {"gradient_checkpointing": True, "optimizer": "adafactor", "eval_steps": 5, "save_steps": 10, "lora_alpha": 3.0, "epochs": 7}
    p = plan(preset="quick", **mine)
    for name, value in mine.items():
        assert chosen(p, name) == (value, "you")
    assert chosen(p, "lora_rank") == (8, "preset") and chosen(p, "seed") == (42, "default")
    assert chosen(plan(preset="quick"), "epochs") == (1, "preset") and chosen(plan(), "epochs") == (3.0, "default")


def test_a_choice_is_kept_even_when_nothing_fits():
    p = plan(memory=10**9, micro_batch=8, gradient_checkpointing=False, method="full", optimizer="adamw")
    assert not p.fits and p.settings.micro_batch == 8 and p.settings.gradient_checkpointing is False
    assert p.settings.optimizer == "adamw"


def test_a_micro_batch_alone_finds_rows_per_step_that_it_divides():
    for micro in (1, 3, 5, 7, 64):
        assert plan(micro_batch=micro).settings.effective_batch % micro == 0


def test_contradictions_are_told_together():
    with pytest.raises(Problems) as caught:
        plan(max_length=1_000_000, micro_batch=3, effective_batch=8, save_steps=5, eval_steps=2, lora_targets=["q", "nose"], objective="text",
             data=replace(CHATS, kind="rated"))  # fmt: skip
    fields = {e.field: e for e in caught.value.errors}
    assert set(fields) == {"max_length", "micro_batch", "save_steps", "lora_targets", "objective"}
    assert fields["micro_batch"].available == [1, 2, 4, 8] and "32768" in fields["max_length"].available
    assert fields["lora_targets"].asked == ["nose"] and "q" in fields["lora_targets"].available
    assert fields["objective"].available == ["chat", "preference"]


def test_no_target_at_all_is_told():
    for empty in ([], "", " , "):
        with pytest.raises(SettingError) as caught:
            plan(**{"lora_targets": empty} if empty != "" else {"lora_targets": [""]})
        assert caught.value.field == "lora_targets"


@pytest.mark.parametrize(
    "kind, objective",
    [
        ("chat", "chat"),
        ("text", "text"),
        ("preference", "preference"),
        ("rated", "preference"),
        ("seq2seq", "chat"),
        ("qa", "chat"),
        ("classification", "classification"),
        ("tokens", "tokens"),
    ],
)
def test_the_objective_follows_the_data(kind, objective):
    p = plan(data=replace(CHATS, kind=kind))
    assert chosen(p, "objective") == (objective, "planner")


def test_data_that_a_model_can_not_learn_from():
    """Chats are not for a model that writes nothing; tests/settings/test_methods.py walks all cells."""
    facts = replace(QWEN.facts, family="encoder", model_type="bert")
    with pytest.raises(SettingError) as caught:
        plan(model=replace(QWEN, facts=facts))
    assert caught.value.field == "objective" and "classification" in str(caught.value)


def test_steps_and_rhythm():
    p = plan(effective_batch=16, epochs=2)
    assert p.steps == 250 and p.settings.eval_steps == p.settings.save_steps == 41
    assert plan(effective_batch=16, epochs=0.5).steps == 63 and plan(max_steps=10).steps == 10 and plan(max_steps=10**6).steps < 1000
    assert plan(save_steps=10).settings.eval_steps == 10 and plan(eval_steps=7).settings.save_steps == 7
    assert plan(data=replace(CHATS, rows=3)).steps >= 1
    assert plan(packing=True, max_length=1000, effective_batch=10, epochs=1).steps == 60  # 2,000 rows of 300 tokens in rows of 1,000


def test_length_follows_the_rows_and_the_device():
    assert plan(data=replace(CHATS, longest=70)).settings.max_length == 128
    assert plan(data=replace(CHATS, longest=10**6)).settings.max_length == 8192, "no sample says that fewer would do"
    few = replace(CHATS, longest=10**6, lengths=(*[300] * 99, 10**6))
    assert plan(data=few).settings.max_length == 2048
    assert plan(data=replace(CHATS, longest=10**6), device=CPU).settings.max_length == 1024
    assert "truncated" in next(r.reason for r in plan(data=replace(CHATS, longest=10**6)).reasons if r.setting == "max_length")


def test_time_grows_with_work():
    assert plan().seconds < plan(epochs=6).seconds and plan().seconds < plan(device=CPU).seconds
    assert plan(gradient_checkpointing=False, micro_batch=1).seconds < plan(gradient_checkpointing=True, micro_batch=1).seconds


def test_parameters_that_are_trained():
    p = plan(lora_rank=8, lora_targets=["q", "v"])
    assert p.trainable_parameters == 8 * 28 * ((1536 + 1536) + (1536 + 256)) and p.total_parameters == QWEN.facts.parameters
    assert plan(method="full").trainable_parameters == QWEN.facts.parameters


def test_notes_say_what_a_person_should_know():
    bare = replace(QWEN, facts=replace(QWEN.facts, has_template=False))
    assert any("no chat template" in n for n in plan(model=bare).notes)
    assert any("memorize them" in n for n in plan(data=replace(CHATS, rows=20)).notes)
    judged = replace(CHATS, kind="preference")
    assert any("leaves the bad ones out" in n for n in plan(data=judged, objective="chat").notes) and plan(data=judged).notes == []
    assert any("weights have no effect" in n for n in plan(data=replace(judged, weighted=True)).notes) and plan().notes == []


def test_without_data_a_guess_is_made():
    assert plan(data=None).steps > 0


# --- this machine --------------------------------------------------------------------------------------------------------


def test_sentences_for_the_start(monkeypatch):
    monkeypatch.setattr(devices, "cores", lambda: 1)
    small = replace(CPU, total=8 * 10**8, free=7 * 10**8)
    assert model_suggestions.capacity(CARD).startswith(
        "This computer can train models of up to 27 billion parameters (4-bit), and fully fine-tune one of"
    )
    assert "starter" in model_suggestions.capacity(small)
    names = [e["id"] for e in models.catalog()]
    order = [model_suggestions.recommended(d).id for d in (CPU, CARD, replace(CARD, tflops=989, total=10**12))]
    assert (
        model_suggestions.recommended(small).id == "starter"
        and "The smallest model of the catalog" in model_suggestions.recommended(CPU).reason
    )
    assert [names.index(o) for o in order] == sorted(names.index(o) for o in order)
    assert not any(e.get("gated") for e in models.catalog() if e["id"] in order) and order[-1] == "Qwen/Qwen3-32B"


def test_what_this_machine_can_do_is_the_same_at_any_time_and_for_all_who_ask(ws, monkeypatch):
    def answers() -> tuple:
        found = model_suggestions.this_machine()
        told = diagnostics.report(ws)["summary"]
        device = devices.get(None)
        return found.largest, found.recommended, told, model_suggestions.largest(device), model_suggestions.recommended(device)

    for calm in (replace(CPU, total=8 * 10**9, free=6 * 10**9), CARD):
        monkeypatch.setattr(devices, "listing", lambda calm=calm: [calm])
        monkeypatch.setattr(devices, "get", lambda id, calm=calm: calm)
        before = answers()
        assert before[0] == before[3] and before[1] == before[4] and before[2] == model_suggestions.capacity(calm)
        busy = replace(calm, free=10**8, tflops=calm.tflops / 20 if calm.kind == "cpu" else calm.tflops)
        monkeypatch.setattr(devices, "listing", lambda busy=busy: [busy])
        monkeypatch.setattr(devices, "get", lambda id, busy=busy: busy)
        assert answers() == before, "free memory and a busy processor"
        place = roofline.folder(calm)
        place.mkdir(parents=True)
        paths.write_json(place / roofline.RESULT, {"fp32": 1e9, "bf16": 1e9, "bandwidth": 1e8, "layer": 1.0, "measured": "2026-01-01"})
        assert roofline.of(calm).measured and answers() == before, "a benchmark"


def test_the_recommended_model_speaks_the_language_and_does_the_task():
    for language in ("en", "de", "zh"):
        found = model_suggestions.recommended(CARD, "chat", language)
        assert (
            model_suggestions.speaks(next(e for e in models.catalog() if e["id"] == found.id), language)
            and language_of.NAMES[language] in found.reason
        )
        assert found.download > 10**8 and model_suggestions.recommended(CARD, "chat", language, there=frozenset([found.id])).download == 0
    assert models.resolve(model_suggestions.recommended(CARD, "classification").id).facts.family == "encoder"
    assert models.resolve(model_suggestions.recommended(CARD, "seq2seq", "de").id).facts.family == "encoder-decoder"
    assert model_suggestions.recommended(CARD, "chat", "tlh").id in ("starter", model_suggestions.recommended(CARD, "chat").id)


def test_the_same_plan_on_other_cards():
    found = model_suggestions.elsewhere(parsing.parse({}), QWEN, CHATS)
    assert [f["gigabytes"] for f in found] == [8, 12, 16, 24, 48, 80] and all(f["fits"] for f in found)
    seconds = [
        time_estimate.step_seconds(
            CARD_SETTINGS.replace(**{k: v for k, v in f.items() if k in run_config.FIELDS and k != "model"}), QWEN.facts, CHATS, CARD, 0
        )
        for f in found
    ]
    assert seconds == sorted(seconds, reverse=True), "a larger card is filled"
    assert not any(
        f["fits"]
        for f in model_suggestions.elsewhere(parsing.parse({"method": "full", "max_length": 4096, "micro_batch": 8}), QWEN, CHATS)[:2]
    )
    refused = model_suggestions.elsewhere(parsing.parse({"objective": "tokens"}), QWEN, replace(CHATS, kind="chat"))
    assert all("why_not" in f for f in refused)


@pytest.mark.parametrize(
    "text, bytes",
    [
        ("24GB", 24 * 10**9),
        ("24GiB", 24 * 2**30),
        ("24 gb".upper(), 24 * 10**9),
        ("1.5G", 1_500_000_000),
        ("512MiB", 2**29),
        ("16000k", 16_000_000),
        ("1T", 10**12),
        ("123", 123),
        ("0GB", 0),
        (".5GB", 5 * 10**8),
    ],
)
def test_amounts_of_memory(text, bytes):
    assert parse_bytes(text) == bytes


@pytest.mark.parametrize("text", ["", "much", "-1GB", "24XB", "1.2.3GB", ".", "24GB!", "GB", "nan", "1e9"])
def test_amounts_that_are_none(text):
    with pytest.raises(SettingError) as caught:
        parse_bytes(text)
    assert caught.value.field == "device_memory"


# --- what a device can't do -----------------------------------------------------------------------------------------------

T4 = replace(CARD, name="Tesla T4", bf16=False)
APPLE = Device("mps", "mps", "Apple GPU (not yet tried)", 16 * 10**9, 16 * 10**9, 5.0, quantizes=False)


def test_what_a_device_can_not_do_is_not_offered():
    settings = plan(device=T4).settings
    assert settings.precision == "fp16" and plan(device=CARD).settings.precision == "bf16"
    assert "does not support bf16" in next(r.reason for r in plan(device=T4).reasons if r.setting == "precision")
    assert any("emulated" in n for n in plan(device=T4, precision="bf16").notes)
    assert plan(device=T4, method="qlora").settings.quantization == "nf4", "4 bits do without bf16"
    for wish, field in (({"method": "qlora"}, "method"), ({"optimizer": "adamw_8bit"}, "optimizer")):
        with pytest.raises(TunerError, match="Apple GPU") as caught:
            plan(device=APPLE, **wish)
        (error,) = caught.value.as_list()
        assert error["field"] == field and error["available"] and "qlora" not in error["available"]


def test_each_choice_about_packing_has_its_true_reason():
    def packing(device=CARD, objective="chat", kind="chat", rows=5000, mean=40.0):
        p = planner.plan(parsing.parse({"objective": objective}), QWEN, DataFacts(kind, rows, 50, mean, 1000), device=device)
        return p.settings.packing, next(r.reason for r in p.reasons if r.setting == "packing")

    assert packing(objective="text", kind="text", rows=500, mean=600.0)[0] is True
    assert packing()[0] is True and packing(rows=100) == (False, "With so few rows, packing would leave too few steps.")
    assert packing(mean=900.0)[0] is False and "fill" in packing(mean=900.0)[1]
    for device in (CPU, APPLE):
        assert packing(device=device)[0] is False and "GPU" in packing(device=device)[1]


def test_t5_takes_larger_steps_and_prompts_begin_gently():
    t5 = models.Model("google-t5/t5-small", "hub", models.resolve("google-t5/t5-small").facts, "google-t5/t5-small")
    p = planner.plan(parsing.parse({"method": "full"}), t5, DataFacts("seq2seq", 9000, 50, 40.0, 100), device=CARD)
    assert p.settings.learning_rate == 1e-4 and not any("learning rate" in n for n in p.notes)
    p = planner.plan(parsing.parse({"method": "prompt"}), QWEN, DataFacts("chat", 9000, 50, 40.0, 100), device=CARD)
    assert p.settings.warmup == 0.1 and next(r.by for r in p.reasons if r.setting == "warmup") == "planner"
    p = planner.plan(parsing.parse({"method": "prompt", "warmup": 0.01}), QWEN, DataFacts("chat", 9000, 50, 40.0, 100), device=CARD)
    assert p.settings.warmup == 0.01


def test_settings_at_fault_are_named_themselves():
    bert = models.Model("google-bert/bert-base-uncased", "hub", models.resolve("google-bert/bert-base-uncased").facts, "x")
    for wish, field, available in (
        ({"method": "qlora", "quantization": "int8", "use_dora": True}, "use_dora", [False]),
        ({"use_dora": True, "lora_init": "pissa"}, "use_dora", [False]),
        ({"method": "last_layers", "last_layers": 99}, "last_layers", ["1 to 28"]),
        ({"lora_targets": ["lm_head"]}, "lora_targets", None),
    ):
        with pytest.raises(TunerError) as caught:
            planner.plan(parsing.parse(wish), QWEN, DataFacts("chat", 100, 5, 40.0, 100), device=CARD)
        (error,) = caught.value.as_list()
        assert error["field"] == field and (available is None or error["available"] == available), error
    assert "last layers" in error["message"]
    with pytest.raises(TunerError) as caught:
        planner.plan(
            parsing.parse({"method": "prompt", "virtual_tokens": 500}), bert, DataFacts("classification", 100, 5, 40.0, 100), device=CARD
        )
    assert caught.value.as_list()[0]["field"] == "virtual_tokens"
    p = planner.plan(parsing.parse({"method": "full", "use_dora": True}), QWEN, DataFacts("chat", 100, 5, 40.0, 100), device=CARD)
    assert "use_dora" in p.ignored and "use_dora" in p.warnings[0]["message"]


def test_the_recommended_model_speaks_several_languages_at_once():
    """Of those with a list, only where all are in it."""
    small = devices.hypothetical(8 * 10**9)
    both = model_suggestions.recommended(small, "seq2seq", ["en", "de"])
    assert "that speaks English and German" in both.reason
    for wanted in (["de", "ja"], "Cyrl", ["sh", "en"]):
        found = model_suggestions.recommended(small, "seq2seq", wanted)
        assert found.id not in ("google-t5/t5-small", "google-t5/t5-base", "starter"), "those list English, French, German, Romanian"


def test_a_toy_learns_a_language_with_all_it_has():
    starter = models.resolve("starter")
    p = planner.plan(parsing.parse({}), starter, DataFacts("seq2seq", 285, 15, 40.0, 60), preset="balanced", device=CPU)
    assert (
        p.settings.method == "full"
        and p.settings.epochs == 15
        and {"method", "epochs"} <= {r.setting for r in p.reasons if r.by == "planner"}
    )
    mine = planner.plan(parsing.parse({"method": "lora"}), starter, DataFacts("seq2seq", 285, 15, 40.0, 60), preset="balanced", device=CPU)
    assert mine.settings.method == "lora" and mine.settings.epochs == 3
    assert planner.plan(parsing.parse({}), QWEN, DataFacts("seq2seq", 285, 15, 40.0, 60), device=CARD).settings.method == "lora"


# --- what a short run and rsLoRA need -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 3, 9])
@pytest.mark.parametrize("more", [{}, {"warmup": 0.5}, {"method": "prompt"}])
def test_a_warm_up_never_takes_the_only_steps(steps, more):
    """A warm-up begins at a rate of 0: with one step of it a run of one step changes nothing."""
    for preset in (None, "quick", "quality"):
        p = planner.plan(
            parsing.parse({"max_steps": steps, **more}), QWEN, DataFacts("chat", 9000, 50, 40.0, 100), device=CARD, preset=preset
        )
        assert 2 * math.ceil(p.settings.warmup * steps) <= steps and p.steps == steps
        assert any(f"only {steps} step" in note for note in p.notes)


def test_a_few_rows_make_few_steps_and_that_is_told():
    p = planner.plan(
        parsing.parse({"epochs": 1, "effective_batch": 4}), QWEN, DataFacts("chat", 3, 0, 40.0, 100), device=CARD, preset="quick"
    )
    assert p.steps == 1 and p.settings.warmup == 0 and any("3 rows, 4 in each step" in note for note in p.notes)
    p = planner.plan(parsing.parse({}), QWEN, DataFacts("chat", 9000, 50, 40.0, 100), device=CARD)
    assert p.settings.warmup > 0 and not any("only" in note and "step" in note for note in p.notes)


@pytest.mark.parametrize("rank", [4, 16, 64, 256])
def test_an_update_is_as_strong_with_rslora(rank):
    """Kalajdzievski 2023: the update is scaled by alpha / sqrt(rank) instead of alpha / rank; the default makes both the same."""
    plain, rooted = (
        planner.plan(
            parsing.parse({"method": "lora", "lora_rank": rank, "use_rslora": on}),
            QWEN,
            DataFacts("chat", 9000, 50, 40.0, 100),
            device=CARD,
        )
        for on in (False, True)
    )
    assert plain.settings.lora_alpha / rank == pytest.approx(2)
    assert rooted.settings.lora_alpha / math.sqrt(rank) == pytest.approx(2, rel=1e-3)


def test_the_rate_is_judged_by_how_strong_the_update_is():
    def notes(**more) -> str:
        asked = parsing.parse({"method": "lora", "lora_rank": 64, "learning_rate": 1e-3, **more})
        found = planner.plan(asked, QWEN, DataFacts("chat", 9000, 50, 40.0, 100), device=CARD).warnings
        return " ".join(w["message"] for w in found)

    assert "learning rate" not in notes() and "learning rate" not in notes(use_rslora=True)
    assert "far from what works for LoRA with an alpha of 128 at rank 64" in notes(use_rslora=True, lora_alpha=128)


def test_many_epochs_of_a_persons_choice_are_questioned():
    said = lambda **s: any("memorizes the rows" in n for n in plan(**s).notes)  # noqa: E731
    assert said(epochs=500) and not said(epochs=5) and not said()
    assert not said(epochs=500, max_steps=10), "the steps end it before"


def test_several_processes_share_the_batch_and_what_can_not_be_is_refused(monkeypatch):
    monkeypatch.setattr(devices.detection, "cores", lambda: 4)
    cpu = replace(CPU, free=200 * 10**9, total=256 * 10**9)
    alone, two = plan(device=cpu, micro_batch=2, effective_batch=8), plan(device=cpu, micro_batch=2, effective_batch=8, processes=2)
    assert two.peak_bytes == pytest.approx(2 * alone.peak_bytes, rel=0.01) and two.steps == alone.steps and two.devices == ["cpu"]
    open_ = plan(device=cpu, processes=3)
    assert open_.settings.effective_batch % (3 * open_.settings.micro_batch) == 0
    for wrong, said in (
        ({"processes": 5}, "4 cores"),
        ({"processes": 3, "effective_batch": 8}, "can't be shared by 3 processes"),
        ({"processes": 2, "effective_batch": 8, "micro_batch": 8}, "for 2 processes"),
    ):
        with pytest.raises(SettingError, match=said) as caught:
            plan(device=cpu, **wrong)
        assert caught.value.available and caught.value.remedy


def test_objectives_that_need_one_process_say_so(monkeypatch):
    monkeypatch.setattr(devices.detection, "cores", lambda: 4)
    for objective, kind in (("preference", "preference"), ("reward", "preference")):
        with pytest.raises(SettingError, match="in one process"):
            plan(device=CPU, data=replace(CHATS, kind=kind), objective=objective, processes=2)
    for objective, kind in (("chat", "chat"), ("text", "text"), ("classification", "classification"), ("tokens", "tokens")):
        assert plan(device=CPU, data=replace(CHATS, kind=kind), objective=objective, processes=2).settings.processes == 2


def test_the_last_step_that_is_filled_up_is_said(monkeypatch):
    monkeypatch.setattr(devices.detection, "cores", lambda: 4)
    values = {"processes": 2, "micro_batch": 4, "effective_batch": 8, "packing": False}
    uneven, even = (plan(device=CPU, data=replace(CHATS, rows=rows), **values).notes for rows in (2003, 2000))
    assert [n for n in uneven if "filled up with 5 rows" in n] and not [n for n in even if "filled up" in n]


def test_a_run_on_two_cards_takes_those_with_most_memory_free(monkeypatch):
    cards = [replace(CARD, id=f"cuda:{n}", free=free * 10**9) for n, free in enumerate((20, 4, 16))]
    monkeypatch.setattr(devices.detection, "listing", lambda: [*cards, CPU])
    p = plan(device=cards[0], processes=2)
    assert p.devices == ["cuda:0", "cuda:2"] and p.free_bytes == 16 * 10**9 and p.device == "cuda:0"
    assert p.seconds < plan(device=cards[0]).seconds and p.peak_bytes > 0
    assert plan(device=cards[0]).devices == ["cuda:0"]
    with pytest.raises(SettingError, match="3 cards"):
        plan(device=cards[0], processes=4)


def test_cards_that_a_person_names_are_taken(monkeypatch):
    cards = [replace(CARD, id=f"cuda:{n}", free=free * 10**9) for n, free in enumerate((20, 4, 16))]
    monkeypatch.setattr(devices.detection, "listing", lambda: [*cards, CPU])
    ask = lambda named, **more: planner.plan(parsing.parse({"device": named} | more), QWEN, CHATS)  # noqa: E731
    p = ask("cuda:2,cuda:0,cuda:2")
    assert p.devices == ["cuda:2", "cuda:0"] and p.device == "cuda:2" and p.free_bytes == 16 * 10**9
    assert chosen(p, "processes") == (2, "planner") and chosen(p, "device") == ("cuda:2,cuda:0", "you")
    assert ask("cuda:2,cuda:0", processes=2).devices == p.devices and ask("cuda:1").devices == ["cuda:1"]
    with pytest.raises(SettingError, match="2 cards were chosen, and 3 processes"):
        ask("cuda:0,cuda:1", processes=3)
    with pytest.raises(TunerError, match="cuda:7 is not available"):
        ask("cuda:0,cuda:7")
    for wrong in ("cuda:0,", "cpu,cuda:0", "cuda:0, cuda:1", "cuda:0;cuda:1"):
        with pytest.raises(TunerError) as caught:
            parsing.parse({"device": wrong})
        assert "device" in str(getattr(caught.value, "errors", [caught.value])[0].field)


def test_where_one_card_is_too_small_each_process_holds_a_part(monkeypatch):
    cards = [replace(CARD, id=f"cuda:{n}") for n in range(4)]
    monkeypatch.setattr(devices.detection, "listing", lambda: [*cards, CPU])
    ask = lambda gigabytes, **more: plan(device=cards[0], memory=int(gigabytes * 1e9), **more)  # noqa: E731
    whole = ask(40, processes=4, method="full")
    needed = whole.peak_bytes / 1e9
    assert whole.fits and chosen(whole, "sharding") == (False, "planner")
    parts = ask(needed * 0.6, processes=4, method="full", precision="fp32", optimizer="adamw", micro_batch=1)
    assert parts.fits and chosen(parts, "sharding") == (True, "planner") and parts.settings.precision == "fp32", (
        "before quality is given up"
    )
    assert any("with sharding (FSDP)" in note for note in whole.notes)
    assert parts.breakdown["weights"] == pytest.approx(whole.breakdown["weights"] / 4, rel=0.01)
    assert ask(needed, processes=1).settings.sharding is None, "one process has nothing to share"
    for wish, field in (
        ({"processes": 1}, "sharding"),
        ({"method": "ia3"}, "method"),
        ({"method": "qlora"}, "method"),
        ({"precision": "fp16"}, "precision"),
        ({"method": "full", "optimizer": "adamw_8bit"}, "optimizer"),
        ({"use_dora": True}, "use_dora"),
        ({"lora_init": "pissa"}, "lora_init"),
        ({"train_embeddings": True}, "train_embeddings"),
    ):
        with pytest.raises(TunerError) as caught:
            ask(80, **{"processes": 4, "sharding": True} | wish)
        told = getattr(caught.value, "errors", [caught.value])
        assert field in {e.field for e in told} and all(e.remedy and e.available is not None for e in told)
