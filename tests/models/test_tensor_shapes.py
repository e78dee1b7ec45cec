"""The description of a model's tensors is exact: names, kinds and sums equal those of the classes of transformers, on the meta device."""

import json

import pytest

from tests.conftest import fresh
from tuner import models
from tuner.models import tensor_shapes

SMALL = {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 97}
GROUPED = SMALL | {"num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0}
PLAIN = SMALL | {"num_key_value_heads": 2, "pad_token_id": 0}
SIX = {"d_model": 16, "d_ff": 40, "d_kv": 8, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4, "vocab_size": 97}
HALVES = {"d_model": 16, "encoder_ffn_dim": 40, "decoder_ffn_dim": 24, "encoder_layers": 3, "decoder_layers": 2, "vocab_size": 97}
HALVES |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 64, "pad_token_id": 1}
DEBERTA = SMALL | {"relative_attention": True, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "position_biased_input": False}
LINEAR = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 4}
KINDS = {
    "llama": GROUPED,
    "llama biased": GROUPED | {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    "qwen2": PLAIN,
    "qwen3": GROUPED,
    "mistral": GROUPED,
    "gemma": GROUPED,
    "gemma2": GROUPED,
    "gemma3_text": GROUPED,
    "phi": PLAIN,
    "phi qk": PLAIN | {"qk_layernorm": True},
    "phi3": PLAIN,
    "smollm3": PLAIN,
    "olmo2": PLAIN,
    "olmo3": PLAIN,
    "qwen3_5_text": GROUPED | LINEAR,
    "qwen3_5_text said": GROUPED | LINEAR | {"layer_types": ["full_attention", "linear_attention", "linear_attention", "linear_attention"]},
    "granite": PLAIN,
    "stablelm": PLAIN | {"use_qkv_bias": True},
    "stablelm qk": PLAIN | {"qk_layernorm": True, "use_parallel_residual": True},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": 97},
    "gpt_neox": SMALL,
    "opt": SMALL | {"ffn_dim": 40, "word_embed_proj_dim": 8, "max_position_embeddings": 64},
    "opt plain": SMALL | {"ffn_dim": 40, "word_embed_proj_dim": 16, "do_layer_norm_before": False},
    "mixtral": GROUPED | {"num_local_experts": 3},
    "qwen3_moe": GROUPED | {"num_experts": 5, "moe_intermediate_size": 12, "num_experts_per_tok": 2, "mlp_only_layers": [1]},
    "gpt_oss": GROUPED | {"num_local_experts": 3},
    "bert": SMALL,
    "roberta": SMALL | {"type_vocab_size": 1, "max_position_embeddings": 66},
    "xlm-roberta": SMALL | {"type_vocab_size": 1, "max_position_embeddings": 66},
    "electra": SMALL | {"embedding_size": 8},
    "distilbert": {"dim": 16, "hidden_dim": 40, "n_layers": 2, "n_heads": 4, "vocab_size": 97, "max_position_embeddings": 64},
    "deberta-v2": DEBERTA | {"share_att_key": True, "pos_att_type": ["p2c", "c2p"]},
    "deberta-v2 apart": DEBERTA | {"pos_att_type": ["p2c", "c2p"], "type_vocab_size": 2, "conv_kernel_size": 3},
    "modernbert": SMALL | dict.fromkeys(("pad_token_id", "cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id"), 0),
    "t5": SIX,
    "t5 gated": SIX | {"feed_forward_proj": "gated-gelu"},
    "mt5": SIX,
    "bart": HALVES,
    "mbart": HALVES,
    # published shapes
    "gpt2 medium": {"n_embd": 1024, "n_layer": 24, "n_head": 16, "n_positions": 1024, "vocab_size": 50257},
    "bert base": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 30522},
    "t5 large": {"d_model": 1024, "d_ff": 4096, "d_kv": 64, "num_layers": 24, "num_heads": 16, "vocab_size": 32128},
}
BUILD = """
import json, sys
import torch, transformers
from transformers import AutoConfig
from transformers.pytorch_utils import Conv1D

CLASSES = {"base": "AutoModel", "classification": "AutoModelForSequenceClassification", "tokens": "AutoModelForTokenClassification",
           "qa": "AutoModelForQuestionAnswering"}
WORDS = {"decoder": "AutoModelForCausalLM", "encoder": "AutoModelForMaskedLM", "encoder-decoder": "AutoModelForSeq2SeqLM"}
out = {}
for name, (family, config) in json.loads(sys.argv[1]).items():
    heads = {"lm", "classification"}
    heads |= {"base", "tokens", "qa"} if family == "encoder" else set()
    heads |= {"tokens"} if name in ("llama", "gpt2", "qwen3", "gpt_neox") else set()
    out[name] = {}
    for head in sorted(heads):
        more = {"num_labels": 2 if head == "qa" else 3}
        auto = getattr(transformers, CLASSES.get(head) or WORDS[family])
        kind = AutoConfig.for_model(name.split()[0], **config, **more)
        if type(kind) not in auto._model_mapping:
            continue
        with torch.device("meta"):
            model = auto.from_config(kind)
        linears = sorted(n for n, m in model.named_modules() if isinstance(m, (torch.nn.Linear, Conv1D)))
        out[name][head] = [sum(p.numel() for p in model.parameters()), linears]
print(json.dumps(out))
"""


def facts(name: str) -> models.ModelFacts:
    return models.facts_from_config({"model_type": name.split()[0], **KINDS[name]}, name=name)


@pytest.fixture(scope="module")
def built() -> dict:
    return json.loads(fresh(BUILD, json.dumps({name: (facts(name).family, config) for name, config in KINDS.items()})))


@pytest.mark.parametrize("name", KINDS)
def test_sums_and_names_are_those_of_the_real_model(built, name):
    assert "lm" in built[name]
    for head, (total, linears) in built[name].items():
        parts = tensor_shapes.parts(facts(name), head, 3)
        assert sorted(n for p in parts if p.kind == "linear" for n in p.names()) == linears, head
        assert tensor_shapes.total(parts) == total, head


@pytest.mark.parametrize("kind", models.TARGETS)
def test_each_kind_is_compared(kind):
    assert kind in KINDS and tensor_shapes.family_of({"model_type": kind})


def test_an_untied_t5_has_a_matrix_more():
    """Its config class of transformers always says tied; loading unties what the checkpoint holds apart, as T5 1.1 and FLAN-T5 do."""
    tied, apart = (models.facts_from_config({"model_type": "t5", **SIX, "tie_word_embeddings": t}, name="x") for t in (True, False))
    assert apart.parameters - tied.parameters == 97 * 16


def test_short_names_find_their_modules():
    bert = tensor_shapes.parts(facts("bert"))
    known = models.TARGETS["bert"].values()
    assert [p.name.split("{}.")[1] for p, n in tensor_shapes.matching(bert, ["output.dense"], known)] == ["output.dense"]
    assert len(tensor_shapes.matching(bert, ["output.dense"])) == 2, "PEFT alone would take attention.output.dense as well"
    assert models.lora_modules(facts("t5"), ["gate", "up"]) == ["gate", "wi"]
    assert models.lora_modules(facts("t5 gated"), ["gate", "up"]) == ["wi_0", "wi_1"]


def test_an_unknown_kind_is_counted_like_one_that_is_known():
    config = {"model_type": "starcoder9", "architectures": ["Starcoder9ForCausalLM"], **GROUPED}
    strange = models.facts_from_config(config, name="x")
    assert strange.family == "decoder" and strange.parameters == facts("llama").parameters and "not known yet" in strange.notes[0]
