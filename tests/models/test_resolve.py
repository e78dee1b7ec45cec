"""What a model is: facts from config.json and headers alone, LoRA's size as PEFT makes it, and a clear error for each bad folder."""

import json
import shutil
import struct

import pytest

from tests.conftest import fresh, model_folder, tiny_config, write_tensors
from tuner import models, paths
from tuner.errors import ModelError, NetworkError, NotFoundError, TunerError

SHAPES = """
import json, sys
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM
from tuner import models

out = {}
for name, config in json.loads(sys.argv[1]).items():
    facts = models.facts_from_config(config, name=name)
    kind = config.pop("model_type")
    def build():
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config))
    row = {"total": sum(p.numel() for p in build().parameters()), "lora": {}}
    for targets in ("all-linear", ["q", "v"], ["o", "down"], ["gate", "up"], ["k_proj" if kind != "gpt2" else "c_attn"]):
        mapped = models.lora_modules(facts, targets)
        try:
            peft = get_peft_model(build(), LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=mapped))
            row["lora"][json.dumps(targets)] = sum(p.numel() for p in peft.parameters() if p.requires_grad)
        except ValueError:
            row["lora"][json.dumps(targets)] = None
    out[name] = row
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def built():
    """The sizes of real models, made by transformers and PEFT from the same configs (on torch's meta device)."""
    kinds = {
        "llama": tiny_config("llama"),
        "llama-tied": tiny_config("llama", tie_word_embeddings=True, head_dim=8),
        "qwen2": tiny_config("qwen2"),
        "gpt2": tiny_config("gpt2"),
        "phi3": tiny_config("llama") | {"model_type": "phi3", "architectures": ["Phi3ForCausalLM"], "pad_token_id": 0},
        "qwen3": tiny_config("llama") | {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "head_dim": 8},
    }
    kinds["qwen2"]["tie_word_embeddings"] = False
    return kinds, json.loads(fresh(SHAPES, json.dumps(kinds)))


@pytest.mark.parametrize("name", ["llama", "llama-tied", "qwen2", "gpt2", "phi3", "qwen3"])
def test_lora_is_as_large_as_peft_makes_it(built, name):
    facts = models.facts_from_config(built[0][name], name=name)
    for targets, real in built[1][name]["lora"].items():
        if real is not None:
            assert models.lora_parameters(facts, 4, json.loads(targets)) == real, targets


def test_lora_of_full_module_names_is_counted(built):
    facts = models.facts_from_config(built[0]["llama"], name="x")
    assert models.lora_parameters(facts, 4, ["self_attn.q_proj"]) == models.lora_parameters(facts, 4, ["q"]) > 0


@pytest.mark.parametrize("name", ["llama", "llama-tied", "phi3", "qwen2", "qwen3", "gpt2"])
def test_parameters_from_a_config_are_the_real_ones(built, name):
    assert models.facts_from_config(built[0][name], name=name).parameters == built[1][name]["total"]


def test_facts_of_each_family():
    llama = models.facts_from_config(tiny_config("llama", max_position_embeddings=512), name="x")
    assert (llama.hidden, llama.mlp, llama.layers, llama.q, llama.kv, llama.context) == (16, 40, 2, 16, 8, 512)
    assert llama.gated_mlp and not llama.tied
    gpt2 = models.facts_from_config(tiny_config("gpt2"), name="x")
    assert (gpt2.hidden, gpt2.mlp, gpt2.layers, gpt2.heads, gpt2.kv, gpt2.context) == (16, 64, 2, 4, 16, 128)
    assert not gpt2.gated_mlp and gpt2.tied and "gate" not in gpt2.linears()
    nested = models.facts_from_config({"model_type": "gemma3", "text_config": tiny_config("llama")}, name="x")
    assert nested.hidden == 16 and nested.model_type == "llama"


def test_encoders_and_encoder_decoders():
    bert = models.facts_from_config(tiny_config("bert"), name="x")
    assert (bert.family, bert.depth, bert.context, bert.decoder_layers, bert.gated_mlp) == ("encoder", 2, 512, 0, False)
    roberta = models.facts_from_config(tiny_config("bert") | {"model_type": "roberta", "max_position_embeddings": 514}, name="x")
    assert roberta.context == 512, "its table of positions begins two rows late"
    t5 = {
        "model_type": "t5",
        "d_model": 16,
        "d_ff": 40,
        "d_kv": 8,
        "num_layers": 3,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "vocab_size": 9,
    }
    t5 = models.facts_from_config(t5, name="x")
    assert (t5.family, t5.layers, t5.decoder_layers, t5.depth, t5.q, t5.context, t5.tied) == ("encoder-decoder", 3, 2, 5, 32, 512, True)


def test_the_catalog_agrees_with_what_was_published():
    """Exactly where all digits were published, else to half of the last printed one (3.2e9 was printed as 3.2 billion)."""
    sizes = {"decoder": [], "encoder": [], "encoder-decoder": []}
    for entry in models.catalog():
        facts, told = models.catalog_facts(entry), str(entry["parameters"])
        mantissa, _, exponent = told.partition("e")
        unit = 10.0 ** (int(exponent) - len(mantissa.partition(".")[2])) if exponent else 0  # of the last printed digit
        assert abs(facts.parameters - float(told)) <= unit / 2, (entry["id"], facts.parameters)
        assert facts.family == entry.get("family", "decoder") and not facts.notes and entry["source"] and entry["languages"], entry["id"]
        sizes[facts.family].append(facts.parameters)
    assert all(found == sorted(found) and found for found in sizes.values()), "small to large within each family"
    assert models.catalog()[: len(sizes["decoder"])] == models.catalog_of("decoder"), "those that chat come first"


def test_the_starter_by_its_header_and_by_arithmetic():
    starter = models.resolve("starter").facts
    config = json.loads((paths.STARTER / "config.json").read_text())
    assert starter.parameters == models.facts_from_config(config, name="x").parameters and 3e6 < starter.parameters < 6e6
    assert starter.bytes_per_weight == 2 and starter.has_template and starter.context == 1024
    assert starter.path == str(paths.STARTER)


def test_shards_are_counted_together(tmp_path):
    folder = model_folder(tmp_path / "m")
    write_tensors(folder / "model-2.safetensors", {"more": [10, 16], "and": [3]})
    assert models.folder_facts(folder).parameters == 4096 * 16 + 163 and models.folder_facts(folder).bytes_per_weight == 4


def test_a_config_alone_can_be_planned_with_but_not_trained(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(tiny_config("llama")))
    assert models.resolve(str(tmp_path)).facts.path is None
    with pytest.raises(ModelError, match="has no weights"):
        models.resolve(str(tmp_path), need_weights=True)


@pytest.mark.parametrize(
    "family, short, modules",
    [("llama", ["q", "v"], ["q_proj", "v_proj"]), ("gpt2", ["q", "k", "v"], ["c_attn"]), ("gpt2", ["o"], ["attn.c_proj"])],
)
def test_short_names_are_mapped_for_the_family(family, short, modules):
    facts = models.facts_from_config(tiny_config(family), name="x")
    assert models.lora_modules(facts, short) == models.lora_modules(facts, ", ".join(short)) == modules
    assert models.lora_modules(facts, "all-linear") == "all-linear" and models.lora_modules(facts, ["my.layer"]) == ["my.layer"]


# --- folders that are no models ------------------------------------------------------------------------------------------


def no_config(f):
    (f / "config.json").unlink()


def no_tokenizer(f):
    (f / "tokenizer.json").unlink()


def pickled(f):
    (f / "model.safetensors").rename(f / "pytorch_model.bin")


def no_weights(f):
    (f / "model.safetensors").unlink()


def missing_shard(f):
    paths.write_json(f / "model.safetensors.index.json", {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}})


def adapter(f):
    (f / "config.json").rename(f / "adapter_config.json")


def pictures(f):
    paths.write_json(f / "config.json", {"model_type": "vit", "architectures": ["ViTModel"], "hidden_size": 8})


def speech(f):
    paths.write_json(f / "config.json", {"model_type": "whisper", "architectures": ["WhisperModel"], "is_encoder_decoder": True})


def poor_seq2seq(f):
    paths.write_json(f / "config.json", {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "d_model": 8})


def no_header(f):
    (f / "model.safetensors").write_bytes(b"")


def pointer(f):
    (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 8135168\n")


def broken_header(f):
    (f / "model.safetensors").write_bytes(struct.pack("<Q", 20) + b"{" * 20)


def truncated(f):
    whole = (f / "model.safetensors").read_bytes()
    (f / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def broken_config(f):
    (f / "config.json").write_text('{"hidden_size": ')


def listed_config(f):
    (f / "config.json").write_text("[]")


def binary_config(f):
    (f / "config.json").write_bytes(b"\xff\xfe\x00\x01")


def poor_config(f):
    paths.write_json(f / "config.json", {"model_type": "llama", "hidden_size": 16})


def gone(f):
    shutil.rmtree(f)


@pytest.mark.parametrize(
    "harm, words",
    [
        (gone, "There is no folder"),
        (no_config, "has no config.json"),
        (no_tokenizer, "has no tokenizer"),
        (pickled, "pytorch_model.bin, a format that can run code"),
        (no_weights, "has no weights"),
        (missing_shard, "lacks 1 of its weights files, including model-00002.safetensors"),
        (adapter, "contains an adapter"),
        (pictures, "the model_type 'vit'"),
        (speech, "the model_type 'whisper'"),
        (poor_seq2seq, "does not contain"),
        (no_header, "is damaged"),
        (pointer, "is damaged"),
        (broken_header, "is damaged"),
        (truncated, "is damaged"),
        (broken_config, "can't be read"),
        (listed_config, "can't be read"),
        (binary_config, "can't be read"),
        (poor_config, "does not contain"),
    ],
    ids=lambda x: getattr(x, "__name__", "told"),
)
def test_a_bad_folder_is_told(tmp_path, harm, words):
    folder = model_folder(tmp_path / "m")
    assert models.resolve(str(folder), need_weights=True).facts.parameters
    harm(folder)
    with pytest.raises(TunerError) as caught:
        models.resolve(str(folder), need_weights=True)
    assert words in caught.value.message and caught.value.remedy and caught.value.available and caught.value.field == "model"


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "nonsense",
        "a/b/c",
        "../..",
        "../../etc/passwd",
        "~nobody-here/model",
        "..",
        "a/../b",
        "x" * 5000,
        "a\0b",
        "C:\\models",
        "a b/c",
        "-/x",
    ],
)
def test_a_strange_name_is_told(ws, ref):
    with pytest.raises((NotFoundError, ModelError)) as caught:
        models.resolve(ref, ws, need_weights=True)
    assert caught.value.remedy and len(str(caught.value)) < 500


@pytest.mark.parametrize("ref", ["someone/something", "some--one/x", "a/b..c"])
def test_a_hub_id_without_a_network(ref):
    with pytest.raises((NetworkError, NotFoundError)) as caught:
        models.resolve(ref)
    assert caught.value.remedy


def test_a_hub_that_can_not_be_reached_is_told_soon(monkeypatch):
    """Nothing waits for it: the Hub's client alone would try again for 23 seconds."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    code = """
import time
slept, time.sleep = [], lambda seconds: slept.append(seconds)
from tuner import models
from tuner.errors import NetworkError
try:
    models.resolve("someone/something")
except NetworkError as error:
    print(sum(slept) < 3, error.remedy)
"""
    assert fresh(code).startswith("True Check the network")


def test_a_hub_id_of_the_catalog_can_be_planned_without_a_network():
    model = models.resolve("qwen/qwen3-0.6b")
    assert model.ref == "Qwen/Qwen3-0.6B" and model.kind == "hub" and model.facts.path is None and 5e8 < model.facts.parameters < 7e8


def test_a_downloaded_model_is_found_in_the_hubs_cache(monkeypatch, tmp_path):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--me--mine"
    model_folder(place / "snapshots" / ("a" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("a" * 40)
    model = models.resolve("me/mine")
    assert model.kind == "hub" and model.base == "me/mine" and model.revision == "a" * 40 and model.facts.parameters == 4096 * 16
    (place / "snapshots" / ("a" * 40) / "model.safetensors").unlink()
    assert models.cached_snapshot("me/mine") is None


def test_a_run_without_a_model_can_not_be_started_from(ws):
    (ws.runs / "early").mkdir()
    paths.write_json(ws.runs / "early" / "status.json", {"state": "failed"})
    with pytest.raises(ModelError, match="no model to start from"):
        models.resolve("early", ws)


def test_listing_and_description(ws):
    titles = dict(models.listing(ws))
    assert "starter" in titles.values() and {e["id"] for e in models.catalog()} <= set(titles.values())
    line = models.describe(models.resolve("starter"))
    assert "million parameters · generates text" in line and "1,024 tokens" in line and "comes with the app" in line
    gated = models.resolve("meta-llama/Llama-3.1-8B-Instruct")
    assert "8.0 billion" in models.describe(gated) and "gated" in models.describe(gated) and "downloaded" in models.describe(gated)


@pytest.mark.parametrize("named", [".", "../other", None])
def test_an_adapter_without_a_whole_model_below_it(tmp_path, named):
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        paths.write_json(tmp_path / name / "adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": named})
        (tmp_path / name / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="another adapter" if named else "names no base") as caught:
        models.resolve(str(tmp_path / "mine"))
    assert caught.value.field == "model" and caught.value.remedy
