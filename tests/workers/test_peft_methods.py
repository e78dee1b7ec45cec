"""Every technique on every family: only the right tensors move, what is saved comes back, what merges merges, the base stays.

A covering part of the cells runs by default, all of them with `--long`. The models are tiny and made here; nothing is downloaded.
"""

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from transformers import Trainer, TrainingArguments

from tuner import models, paths
from tuner.errors import ModelError
from tuner.settings import methods, objectives
from tuner.settings.run_config import Settings
from tuner.workers.exporting import merge
from tuner.workers.modelling import layers, load, peft_methods
from tuner.workers.serving import model_cache

V = 300
SIZES = {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": V, "pad_token_id": 0}
ENDS = {"bos_token_id": 1, "eos_token_id": 2}
CONFIGS = {
    "llama": lambda: transformers.LlamaConfig(**SIZES, num_key_value_heads=2),
    "qwen2": lambda: transformers.Qwen2Config(**SIZES, num_key_value_heads=2),
    "gemma": lambda: transformers.GemmaConfig(**SIZES, num_key_value_heads=2, head_dim=8),
    "gpt2": lambda: transformers.GPT2Config(n_embd=16, n_layer=2, n_head=4, n_positions=128, vocab_size=V, pad_token_id=0, **ENDS),
    "bert": lambda: transformers.BertConfig(**SIZES),
    "roberta": lambda: transformers.RobertaConfig(**SIZES | {"pad_token_id": 1}, max_position_embeddings=130),
    "modernbert": lambda: transformers.ModernBertConfig(**SIZES, **ENDS, local_attention=16, cls_token_id=1, sep_token_id=2),
    "distilbert": lambda: transformers.DistilBertConfig(dim=16, hidden_dim=40, n_layers=2, n_heads=4, vocab_size=V),
    "deberta-v2": lambda: transformers.DebertaV2Config(**SIZES, relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=16),
    "t5": lambda: transformers.T5Config(
        d_model=16, d_kv=8, d_ff=40, num_layers=2, num_heads=4, vocab_size=V, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1
    ),
    "bart": lambda: transformers.BartConfig(
        **{f"{half}_{what}": n for half in ("encoder", "decoder") for what, n in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 40))},
        **{"d_model": 16, "max_position_embeddings": 128, "vocab_size": V, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2},
    ),
}
FAMILY = dict.fromkeys(("llama", "qwen2", "gemma", "gpt2"), "decoder") | {"t5": "encoder-decoder", "bart": "encoder-decoder"}
BARE = {"decoder": "AutoModelForCausalLM", "encoder": "AutoModelForMaskedLM", "encoder-decoder": "AutoModelForSeq2SeqLM"}
NATURAL = {"decoder": "chat", "encoder": "classification", "encoder-decoder": "seq2seq"}
HEADS = {
    "classification": {"names": ["a", "b", "c"], "problem": "single_label_classification"},
    "regression": {"names": ["value"], "problem": "regression"},
    "tokens": {"names": ["a", "b", "c"]},
}
WAYS = [(m, {}) for m in methods.METHODS if m != "qlora"] + [
    ("lora", {"use_dora": True}),
    ("lora", {"use_rslora": True, "lora_targets": ["q", "v", "down"]}),
    ("lora", {"lora_init": "pissa"}),
    ("lora", {"lora_init": "olora"}),
    ("qlora", {"quantization": "nf4"}),
    ("qlora", {"quantization": "int8"}),
    ("qlora", {"quantization": "nf4", "use_dora": True}),
    ("adapter", {"adapter_placement": "houlsby"}),
    ("prefix", {"prefix_projection": True}),
    ("last_layers", {"train_head": True, "train_embeddings": True}),
]


def family(kind: str) -> str:
    return FAMILY.get(kind, "encoder")


def cells() -> list:
    """(kind, objective, method, settings, checkpointing): the first of each kind of cell by default, the others marked long."""
    out = []
    for kind in CONFIGS:
        for o in objectives.OBJECTIVES:
            if o in ("text", "preference", "reward") or family(kind) not in objectives.get(o).families:
                continue
            for method, more in WAYS:
                natural = o == NATURAL[family(kind)]
                short = (kind in ("llama", "bert") and natural) or (natural and not more and method in ("lora", "adapter"))
                short = short or (kind, o) in (("llama", "classification"), ("bert", "qa"), ("llama", "tokens")) and not more
                name = "-".join([kind, o, method, *map(str, more.values())])
                out.append(pytest.param(kind, o, method, more, id=name, marks=[] if short else [pytest.mark.long]))
    return out


@pytest.fixture(scope="module", autouse=True)
def quiet():
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a tiny model as it was pretrained, made once."""
    place = tmp_path_factory.mktemp("models")

    def made(kind: str) -> Path:
        if not (place / kind).exists():
            torch.manual_seed(0)
            getattr(transformers, BARE[family(kind)]).from_config(CONFIGS[kind]()).save_pretrained(place / kind)
        return place / kind

    return made


def base(where: Path, objective: str, packed: str | None = None):
    torch.manual_seed(3)  # of a fresh head
    return load.base_model(where, "fp32", "cpu", objective=objective, quantization=packed, **HEADS.get(objective, {})).eval()


def settings(method: str, **more) -> Settings:
    small = {"lora_rank": 4, "lora_alpha": 16.0, "adapter_size": 8, "virtual_tokens": 5, "last_layers": 1, "gradient_checkpointing": False}
    return Settings.from_json({"method": method} | small | more)


def batch(kind: str, objective: str) -> dict:
    """Four rows of 12 tokens, the second padded from its 8th on."""
    torch.manual_seed(1)
    ids, mask, end = torch.randint(5, V, (4, 12)), torch.ones(4, 12, dtype=torch.long), 1 if kind == "t5" else 2
    ids[:, -1] = end
    ids[1, 7], ids[1, 8:], mask[1, 8:] = end, 1 if kind in ("roberta", "bart") else 0, 0
    labels = {
        "chat": ids.masked_fill(mask == 0, -100),
        "classification": torch.tensor([0, 1, 2, 1]),
        "regression": torch.tensor([2.0, 3.0, 4.0, 9.0]),
        "tokens": (ids % 3).masked_fill(mask == 0, -100),
        "seq2seq": torch.randint(5, V, (4, 6)),
    }
    spans = {"start_positions": torch.tensor([1, 2, 3, 4]), "end_positions": torch.tensor([2, 3, 4, 5])}
    return {"input_ids": ids, "attention_mask": mask} | (spans if objective == "qa" else {"labels": labels[objective]})


@torch.no_grad()
def outputs(model, rows: dict) -> torch.Tensor:
    kept = {k: v for k, v in rows.items() if "positions" not in k}
    out = model.eval()(**kept)
    return torch.stack([out.start_logits, out.end_logits]) if "start_logits" in out else out.logits


@torch.no_grad()
def loss_of(model, rows: dict) -> float:
    return model.eval()(**rows).loss.item()


def contents(model) -> dict[str, bytes]:
    return {n: p.detach().contiguous().view(torch.uint8).numpy().tobytes() for n, p in model.named_parameters()}


def learn(model, rows: dict, method: str, steps: int = 8) -> None:
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=min(methods.get(method).tiny_rate, 1e-2), weight_decay=0.0
    )
    for _ in range(steps):
        model.train()(**rows).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def refused(kind: str, objective: str, method: str, s: dict, facts) -> bool:
    olora_on_conv = s.lora_init == "olora" and kind == "gpt2"
    return bool(methods.refusal(method, objective, facts, s)) or olora_on_conv


@pytest.mark.parametrize(("kind", "objective", "method", "more"), cells())
def test_a_cell(folder, tmp_path, kind, objective, method, more):
    where, s, rows = folder(kind), settings(method, **more), batch(kind, objective)
    facts, packed = models.folder_facts(where), more.get("quantization")
    if refused(kind, objective, method, s, facts):
        with pytest.raises((ValueError, RuntimeError, NotImplementedError, ModelError)):  # the library's word: else the refusal can go
            learn(peft_methods.build(base(where, objective), s, facts, objective=objective), rows, method, steps=1)
        return
    model = base(where, objective, packed)
    plain = outputs(model, rows)
    model = peft_methods.build(model, s, facts, objective=objective)
    trained, before, began = {n for n, p in model.named_parameters() if p.requires_grad}, contents(model), loss_of(model, rows)
    learn(model, rows, method, steps=24 if method in methods.PROMPT_METHODS else 8)
    after = contents(model)
    assert {n for n in after if after[n] != before[n]} == trained, "what moved is what was meant to"
    assert loss_of(model, rows) < began
    tuned = outputs(model, rows)
    mutated = s.lora_init != "default"
    if method != "full" and not mutated:  # these take their start out of the base
        with peft_methods.disabled(model):
            assert torch.equal(outputs(model, rows), plain), "switched off it is the base"
        assert torch.equal(outputs(model, rows), tuned)
    peft_methods.save(model, tmp_path, s)
    assert list(tmp_path.glob("*.safetensors")) and not list(tmp_path.glob("*.bin"))
    again = peft_methods.load_saved(base(where, objective, packed), tmp_path)
    near = 2e-5 if mutated else 1e-6
    torch.testing.assert_close(outputs(again, rows), tuned, atol=near, rtol=near)
    if method != "full":
        assert torch.equal(outputs(peft_methods.removed(again), rows), plain), "taken off it is the base"
    if methods.get(method).merges and not packed:
        whole = peft_methods.merged(peft_methods.load_saved(base(where, objective), tmp_path))
        whole.save_pretrained(tmp_path / "whole")
        plainly = type(whole).from_pretrained(tmp_path / "whole")
        torch.testing.assert_close(outputs(plainly, rows), tuned, atol=1e-4, rtol=1e-4)


CHECKPOINTED = [(k, m) for k in ("llama", "bert", "t5") for m in methods.METHODS if m not in ("qlora", "prefix")]


@pytest.mark.parametrize(("kind", "method"), CHECKPOINTED)
def test_computing_twice_gives_the_same_gradients(folder, kind, method):
    objective = NATURAL[family(kind)]
    rows, found = batch(kind, objective), []
    for twice in (False, True):
        model = base(folder(kind), objective)
        torch.manual_seed(4)
        model = peft_methods.build(model, settings(method), models.folder_facts(folder(kind)), objective=objective)
        if twice:
            model.gradient_checkpointing_enable()
        model.train()
        torch.manual_seed(5)
        model(**rows).loss.backward()
        found.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    assert all(torch.allclose(found[0][n], found[1][n], atol=1e-6) for n in found[0]) and len(found[0]) == len(found[1]) > 0


def test_prefixes_refuse_computing_twice(folder):
    with pytest.raises(ModelError) as caught:
        peft_methods.build(
            base(folder("llama"), "chat"),
            settings("prefix", gradient_checkpointing=True),
            models.folder_facts(folder("llama")),
            objective="chat",
        )
    assert caught.value.field == "gradient_checkpointing" and caught.value.remedy.startswith("Switch")


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert"])
@pytest.mark.parametrize("method", methods.PROMPT_METHODS)
def test_padding_does_not_change_what_is_read_behind_invisible_words(folder, kind, method):
    rows = batch(kind, "classification")
    model = peft_methods.build(
        base(folder(kind), "classification"), settings(method), models.folder_facts(folder(kind)), objective="classification"
    )
    alone = {"input_ids": rows["input_ids"][1:2, :8], "attention_mask": rows["attention_mask"][1:2, :8]}
    torch.testing.assert_close(outputs(model, rows)[1], outputs(model, alone)[0], atol=1e-5, rtol=1e-5)


GOING_ON = ["lora", "adapter", "ia3", "ln", "prompt", "p_tuning", "prefix", "last_layers"]


@pytest.mark.parametrize("kind", ["llama", "bert"])
@pytest.mark.parametrize("method", [*GOING_ON, "prefix+projection"])
def test_going_on_begins_where_the_last_run_ended(folder, tmp_path, kind, method):
    objective, method, projected = NATURAL[family(kind)], method.split("+")[0], "+" in method
    rows, s, facts = batch(kind, objective), settings(method, prefix_projection=projected), models.folder_facts(folder(kind))
    model = peft_methods.build(base(folder(kind), objective), s, facts, objective=objective)
    learn(model, rows, method, steps=3)
    peft_methods.save(model, tmp_path, s)
    again = peft_methods.build(base(folder(kind), objective), s, facts, objective=objective, start=tmp_path)
    torch.testing.assert_close(outputs(again, rows), outputs(model, rows), atol=1e-6, rtol=1e-6)
    assert {n for n, p in again.named_parameters() if p.requires_grad} == {n for n, p in model.named_parameters() if p.requires_grad}
    for m in (model, again):
        torch.manual_seed(6)
        learn(m, rows, method, steps=2)
    torch.testing.assert_close(outputs(again, rows), outputs(model, rows), atol=1e-5, rtol=1e-5)


def test_what_another_technique_learnt_is_merged_first_or_refused(folder, tmp_path):
    rows, facts = batch("llama", "chat"), models.folder_facts(folder("llama"))
    for method in ("lora", "ia3", "last_layers", "adapter", "prompt"):
        model = peft_methods.build(base(folder("llama"), "chat"), settings(method), facts, objective="chat")
        learn(model, rows, method, steps=3)
        peft_methods.save(model, tmp_path / method, settings(method))
        if not methods.get(method).merges:
            with pytest.raises(ModelError) as caught:
                peft_methods.build(base(folder("llama"), "chat"), settings("ln"), facts, objective="chat", start=tmp_path / method)
            assert caught.value.field == "method" and caught.value.remedy
            continue
        on = peft_methods.build(base(folder("llama"), "chat"), settings("ln"), facts, objective="chat", start=tmp_path / method)
        torch.testing.assert_close(outputs(on, rows), outputs(model, rows), atol=1e-5, rtol=1e-5)


def test_a_method_without_a_config_is_never_trained_as_another(folder):
    kept = {"full", "last_layers", *methods.PROMPT_METHODS}
    assert set(peft_methods.CONFIGS) == set(methods.METHODS) - kept
    with pytest.raises(KeyError, match="new"):
        peft_methods.build(base(folder("llama"), "chat"), settings("new"), models.folder_facts(folder("llama")), objective="chat")


class Rows(torch.utils.data.Dataset):
    def __init__(self, rows: dict):
        self.rows = rows

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return {k: v[i] for k, v in self.rows.items()}


@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=() if m == "adapter" else pytest.mark.long) for m in ("p_tuning", "prefix", "adapter", "lora")]
)
def test_a_trainers_checkpoint_resumes_exactly(folder, tmp_path, method):
    """P-tuning and projected prefixes are the ones that stock PEFT resumes wrongly or not at all."""
    s = settings(method, prefix_projection=True, lora_init="pissa" if method == "lora" else "default")

    def run(steps, resume=None):
        torch.manual_seed(7)
        model = peft_methods.build(base(folder("llama"), "chat"), s, models.folder_facts(folder("llama")), objective="chat")
        arguments = TrainingArguments(
            output_dir=str(tmp_path),
            max_steps=4,
            save_steps=2,
            learning_rate=1e-2,
            per_device_train_batch_size=2,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            seed=7,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=Rows(batch("llama", "chat")))
        trainer.train(resume_from_checkpoint=resume)
        return outputs(model, batch("llama", "chat"))

    whole = run(4)
    assert (tmp_path / "checkpoint-2" / peft_methods.EXTRA).exists() is (method in ("p_tuning", "prefix"))
    torch.testing.assert_close(run(4, str(tmp_path / "checkpoint-2")), whole, atol=1e-6, rtol=1e-6)


def test_what_can_not_be_built_is_told(folder, tmp_path):
    facts = models.folder_facts(folder("llama"))
    for s, field in (
        (settings("lora", lora_targets=["nothing"]), "lora_targets"),
        (settings("last_layers", last_layers=3), "last_layers"),
        (settings("lora", use_dora=True, lora_init="pissa"), "use_dora"),
    ):
        with pytest.raises(ModelError) as caught:
            peft_methods.build(base(folder("llama"), "chat"), s, facts, objective="chat")
        assert caught.value.field == field and caught.value.available and caught.value.remedy
    with pytest.raises(ModelError, match="Quantized"):
        peft_methods.build(base(folder("llama"), "chat", "nf4"), settings("full"), facts, objective="chat")
    with pytest.raises(ModelError, match="no trained model or adapter"):
        peft_methods.kind(tmp_path)
    with pytest.raises(ModelError, match="can't be trained for qa"):
        load.base_model(folder("gemma"), "fp32", "cpu", objective="qa")


def test_last_layers_are_told_by_their_names(folder):
    for kind, objective, n, expected in (
        ("llama", "chat", 1, {"model.layers.1", "model.norm"}),
        ("gpt2", "chat", 2, {"transformer.h.0", "transformer.h.1", "transformer.ln_f"}),
        ("bert", "qa", 1, {"bert.encoder.layer.1"}),
        ("t5", "seq2seq", 1, {"decoder.block.1", "decoder.final_layer_norm"}),
        ("bart", "seq2seq", 3, {"model.encoder.layers.1", "model.decoder.layers.0", "model.decoder.layers.1"}),
    ):
        model = base(folder(kind), objective)
        assert set(sum(layers.last(model, n), [])) == expected
    assert layers.heads(base(folder("distilbert"), "classification")) == ["pre_classifier", "classifier"]
    assert layers.heads(base(folder("bert"), "classification")) == ["classifier", "bert.pooler.dense"]


# --- served and taken away ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model in a folder with the starter's tokenizer: what serving and merging begin with."""
    where = tmp_path_factory.mktemp("served") / "base"
    size = json.loads((paths.STARTER / "config.json").read_text())["vocab_size"]
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**SIZES | {"vocab_size": size})).save_pretrained(where)
    with_tokenizer(where)
    return where


def test_a_prompt_begins_with_a_text(served):
    tokenizer, model = load.tokenizer(served), load.base_model(served, "fp32", "cpu")
    ids = tokenizer("Be kind.", add_special_tokens=False)["input_ids"]
    words = model.get_input_embeddings().weight[torch.tensor((ids * 5)[:5])]
    s = settings("prompt", prompt_text="Be kind.")
    tuned = peft_methods.build(model, s, models.folder_facts(served), objective="chat", tokenizer=tokenizer)
    assert torch.equal(tuned.prompt_encoder["default"].embedding.weight, words)


def with_tokenizer(where: Path) -> Path:
    load.tokenizer(paths.STARTER).save_pretrained(where)
    return where


def run_folder(base_folder: Path, where: Path, method: str, objective: str = "chat") -> Path:
    """A run's model folder, learnt in a few steps."""
    torch.manual_seed(8)
    model = load.base_model(base_folder, "fp32", "cpu", objective=objective, **HEADS.get(objective, {}))
    model = peft_methods.build(model, settings(method), models.folder_facts(base_folder), objective=objective)
    learn(model, batch("llama", objective), method, steps=4)
    peft_methods.save(model, where / "model", settings(method))
    if objective in HEADS:
        paths.write_json(where / "model" / "labels.json", HEADS[objective])
    return with_tokenizer(where / "model")


def test_runs_of_all_techniques_take_turns_on_one_base(served, tmp_path):
    rows = {k: v for k, v in batch("llama", "chat").items() if k != "labels"}
    ways = ["lora", "ia3", "prompt", "last_layers", "adapter", "lora", "prefix", "ln", "last_layers"]
    known, expected = model_cache.Models("cpu"), {}
    for i, method in enumerate(ways):
        folder = run_folder(served, tmp_path / str(i), method)
        known.known[str(i)] = model_cache.RegisteredModel(id=str(i), base=str(served), adapter=str(folder), precision="fp32")
        expected[str(i)] = outputs(peft_methods.load_saved(load.base_model(served, "fp32", "cpu"), folder), rows)
    known.known["base"] = model_cache.RegisteredModel(id="base", base=str(served), precision="fp32")
    plain = outputs(load.base_model(served, "fp32", "cpu"), rows)
    for id in [*expected, *reversed(expected), "0", "5", "0"]:
        model, tokenizer, adapted = known.ready(id)
        assert adapted and tokenizer.pad_token and torch.equal(outputs(model, rows), expected[id]), ways[int(id)]
        model, _, adapted = known.ready("base")
        with peft_methods.disabled(model):
            assert not adapted and torch.equal(outputs(model, rows), plain), ways[int(id)]
    assert len(known.bases) == 1


def test_a_run_with_labels_is_served_with_its_own_head(served, tmp_path):
    rows = {k: v for k, v in batch("llama", "classification").items() if k != "labels"}
    known = model_cache.Models("cpu")
    for method in ("lora", "p_tuning", "last_layers"):
        folder = run_folder(served, tmp_path / method, method, "classification")
        known.known[method] = model_cache.RegisteredModel(
            id=method, base=str(served), adapter=str(folder), precision="fp32", objective="classification"
        )
        own = load.base_model(served, "fp32", "cpu", objective="classification", **load.head_of(folder))
        model, _, _ = known.ready(method)
        assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
        assert torch.equal(outputs(model, rows), outputs(peft_methods.load_saved(own, folder), rows))


@pytest.mark.parametrize("objective", ["chat", "classification", "tokens"])
@pytest.mark.parametrize("method", ["lora", "ia3", "ln", "last_layers", "full"])
def test_merging_is_checked_against_what_was_tuned(served, tmp_path, objective, method):
    run_folder(served, tmp_path / "run", method, objective)
    request = {"run": str(tmp_path / "run"), "base": str(served), "precision": "fp32", "objective": objective, "method": method}
    check = merge.scored(tmp_path / "out", request, merge.write(tmp_path / "out", request, lambda said: None))
    assert check["passed"] and check["max_kl"] < 1e-4 and check["same_choice"] == 1.0
    merged = load.base_model(tmp_path / "out", "fp32", "cpu", objective=objective)
    assert objective == "chat" or merged.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert not (tmp_path / "out" / "adapter_config.json").exists()
    found = merge.scores(merged, load.tokenizer(served), objective)
    with pytest.raises(ModelError, match="does not answer"):
        merge.judged(found, [5 * torch.randn_like(s) for s in found], objective)


def test_what_does_not_merge_is_told(served, tmp_path):
    run_folder(served, tmp_path / "run", "adapter")
    with pytest.raises(ModelError, match="can't be merged"):
        merge.merge(tmp_path / "out", {"run": str(tmp_path / "run"), "base": str(served), "precision": "fp32", "method": "adapter"})
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
